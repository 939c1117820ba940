#!/usr/bin/env bash
# Builds offhook-datapath in release mode and installs it into the environment whose bin directory is $1, by way of a
# wheel in $2. Without a usable cargo it says what that costs and succeeds, except in CI.
set -euo pipefail
bin=$1 wheels=$2
PATH="$PATH:$HOME/.cargo/bin:$(cd "$bin" && pwd)"

if ! "$(dirname "$0")/has-cargo.sh"; then
  echo "offhook: no cargo 1.85 or newer with a C linker here, so relays and media ports run on Python and the data channel is off"
  [ "${CI:-}" != true ]
  exit
fi
rm -rf "$wheels"
# --compatibility linux: the wheel stays on this machine, so it need not run on older ones.
log=$("$bin/maturin" build --release --locked --compatibility linux --interpreter "$bin/python" \
  --manifest-path datapath/Cargo.toml --out "$wheels" 2>&1) || { echo "$log" >&2; exit 1; }
"$bin/pip" install --quiet --no-deps --no-index --force-reinstall "$wheels"/*.whl

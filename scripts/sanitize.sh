#!/usr/bin/env bash
# Runs the Rust tests that cross datapath/src/udp/syscalls.rs, the one module with `unsafe`, under AddressSanitizer. The
# sanitizer's run-time comes with the stable toolchain; only the switch is unstable, hence RUSTC_BOOTSTRAP.
set -euo pipefail
cd "$(dirname "$0")/../datapath"
PATH="$PATH:$HOME/.cargo/bin"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/sanitize
# Without --target build scripts would be instrumented, too.
exec cargo test --quiet --locked --no-default-features --target "$host" --test udp --test media --test relay \
  --test relay_allocates_nothing

#!/usr/bin/env bash
# Runs the Rust tests that cross datapath/src/udp/syscalls.rs, the one module with `unsafe`, under AddressSanitizer: the
# batched sockets' and the relay's engine's, which build in half a minute, and with `all` the media port's and what is safe
# anyway. Only the switch of the sanitizer is unstable, hence RUSTC_BOOTSTRAP; its run-time comes with rustup's stable
# toolchain and not with Debian's. Where it is missing nothing can be sanitized: that is said, and no failure in CI either.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:$HOME/.cargo/bin"
scripts/has-cargo.sh || exec scripts/with-cargo.sh sanitize
host=$(rustc -vV | sed -n 's/^host: //p')
compgen -G "$(rustc --print target-libdir)/librustc*_rt.asan.a" >/dev/null ||
  { echo "skipped: sanitize (this Rust comes without AddressSanitizer; rustup's has it)"; exit; }
tests=(--test udp --test relay_allocates_nothing)
[ "${1:-}" != all ] || tests+=(--test relay --test media --features transceiver)
export CARGO_PROFILE_TEST_DEBUG=line-tables-only CARGO_PROFILE_DEV_DEBUG=0
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/sanitize
cd datapath
# Without --target build scripts would be instrumented, too.
exec cargo test --quiet --locked --no-default-features --target "$host" "${tests[@]}"

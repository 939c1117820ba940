#!/usr/bin/env bash
# Builds fuzz targets with libFuzzer's instrumentation on the stable toolchain and runs each for $1 seconds (10): those
# named after it, or all. Only `media` needs the C libraries of the transceiver, whose build takes minutes.
# `cargo fuzz run TARGET` does the same with sanitizers where a nightly toolchain is installed.
set -euo pipefail
cd "$(dirname "$0")"
PATH="$PATH:$HOME/.cargo/bin"
../../scripts/has-cargo.sh || exec ../../scripts/with-cargo.sh fuzz
if ! command -v c++ >/dev/null; then
  echo "skipped: fuzz (libFuzzer needs a C++ compiler)"
  [ "${CI:-}" != true ]
  exit
fi
seconds=${1:-10} host=$(rustc -vV | sed -n 's/^host: //p')
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || for source in fuzz_targets/*.rs; do targets+=("$(basename "$source" .rs)"); done
features=()
[[ " ${targets[*]} " != *" media "* ]] || features=(--features transceiver)
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares"
# Not --locked: the lock file follows the crate's, whose new dependencies are none of the fuzzer's business.
cargo build --quiet --release --target "$host" "${features[@]}" "${targets[@]/#/--bin=}"
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target"
  log=$(mktemp)
  "${CARGO_TARGET_DIR:-target}/$host/release/$target" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
    "corpus/$target" 2>"$log" || { tail -n 40 "$log" >&2; exit 1; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
  rm "$log"
done

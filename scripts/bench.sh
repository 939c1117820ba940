#!/usr/bin/env bash
# Runs every benchmark, bench/bench_*.py and the transceiver's, with the Python in the bin directory $1.
set -euo pipefail
shopt -s nullglob
benchmarks=(bench/bench_*.py)

if [ ${#benchmarks[@]} -eq 0 ]; then
  echo "bench/ holds no benchmark yet"
  exit
fi
echo "machine: $(nproc) cores, $(grep -m 1 'model name' /proc/cpuinfo | cut -d : -f 2- | xargs), $(uname -sr)"
for benchmark in "${benchmarks[@]}"; do
  echo "== $benchmark"
  # -P: bench/transceiver must not hide the package of that name.
  # 77: it cannot measure here, and has said why.
  PYTHONPATH=. "$1/python" -P "$benchmark" || [ $? -eq 77 ]
done
echo "== offhook bench transceiver"
"$1/offhook" bench transceiver --contenders native:loopback,python:loopback --sessions 50,200

#!/usr/bin/env bash
# Makes the virtual environment $1 with the first Python on PATH that is 3.11 or newer. Needs neither uv nor pip.
set -euo pipefail
venv=$1

if [ -x "$venv/bin/pip" ]; then
  exit 0
fi
for python in python3 python3.14 python3.13 python3.12 python3.11; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec "$python" -m venv "$venv"
  fi
done
echo "offhook needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)" >&2
exit 1

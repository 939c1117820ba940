#!/bin/sh
# Generates the Python code of proto/ into OUT (default proto/gen), the one place where generated code lives.
# `-Ioffhook_proto=proto/offhook` maps the import root, so that the code lands in the package `offhook_proto`
# and leaves the name `offhook` to the product.
set -eu
cd "$(dirname "$0")/.."
out=${1:-proto/gen}
bin=${PYTHON_BIN:-.venv/bin}
rm -rf "$out/offhook_proto"
mkdir -p "$out"
PATH="$PWD/$bin:$PATH" "$bin/python" -m grpc_tools.protoc -I offhook_proto=proto/offhook \
  --python_out="$out" --grpc_python_out="$out" --mypy_out="$out" --mypy_grpc_out="$out" \
  offhook_proto/route/v1/route.proto offhook_proto/worker/v1/worker.proto
for package in route route/v1 worker worker/v1; do
  : > "$out/offhook_proto/$package/__init__.py"
  : > "$out/offhook_proto/$package/py.typed"
done
rm -f "$out"/offhook_proto/*/py.typed

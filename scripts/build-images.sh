#!/usr/bin/env bash
# Builds the images, one per role, and says of each its digest, size and user.
#   build-images.sh [ROLE...]
# BUILDER is podman or buildah, with its options; BUILD_OPTIONS are those of `build`; REPOSITORY and TAG name the images.
# Every time in an image is that of the commit, so that two builds of a commit on the same base are the same to the byte.
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra builder <<< "${BUILDER:-$(command -v podman || command -v buildah || true)}"
[ ${#builder[@]} -gt 0 ] || { echo "offhook: images are built with podman or buildah, and neither is here" >&2; exit 1; }
read -ra options <<< "${BUILD_OPTIONS:-}"
[ $# -gt 0 ] || set -- relay transceiver worker bench
committed=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(sed -nE 's/^appVersion: "(.*)"$/\1/p' deploy/helm/offhook/Chart.yaml)
# podman and buildah tell the same in different places.
user_of() {
  "${builder[@]}" inspect --type image "$1" | python3 -c '
import json, sys
found = json.load(sys.stdin)
print((found[0]["Config"] if isinstance(found, list) else found["OCIv1"]["config"]).get("User", "root"))'
}

for role; do
  image=${REPOSITORY:-localhost/offhook}-$role:${TAG:-$version}
  "${builder[@]}" build --quiet --layers --timestamp "$committed" ${options[@]+"${options[@]}"} --target "$role" --tag "$image" . >/dev/null
  user=$(user_of "$image")
  [[ $user =~ ^[1-9] ]] || { echo "offhook: $image would run as $user" >&2; exit 1; }
  # An image of two names is listed twice.
  told=$("${builder[@]}" images --digests --noheading --format '{{.Digest}}  {{.Size}}' "$image" | sed -n 1p)
  printf '%-34s %s  user %s\n' "$image" "$told" "$user"
done

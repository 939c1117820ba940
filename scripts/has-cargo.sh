#!/usr/bin/env bash
# Succeeds where the native module can be built: cargo and rustc 1.85 or newer, and a C linker. Silent.
set -euo pipefail
oldest=1.85

command -v cc >/dev/null && command -v cargo >/dev/null
version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2)
[ -n "$version" ] && printf '%s\n%s\n' "$oldest" "$version" | sort --check=quiet --version-sort

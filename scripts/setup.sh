#!/bin/sh
# Installs what the build needs from the system: a C compiler, pkg-config and OpenBLAS. Does nothing where they are there.
set -eu
if command -v cc >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists openblas; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: install a C compiler, pkg-config and the OpenBLAS development files with your system's package manager" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo"
fi
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends gcc libc6-dev pkg-config libopenblas-dev

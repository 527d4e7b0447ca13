#!/bin/sh
# Installs what the build needs, builds the program and runs its demonstration: everything is in the folder `demo`, report.html first.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
NOWBLEND_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
export NOWBLEND_COMMIT
cargo run --release --locked -- demo demo
echo "open demo/report.html"

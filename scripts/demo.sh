#!/bin/sh
# Sets everything up, builds the program and runs the demonstration, which needs no download of data. Leaves demo/report.html.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
cargo run --release --locked -- demo "$@"

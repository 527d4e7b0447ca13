#!/bin/sh
# The gate: format, lints, documentation, all tests.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
cargo test --workspace --locked
sh scripts/test_outputs.sh target/debug/nowblend

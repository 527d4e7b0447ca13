#!/bin/sh
# Opens what the program writes with the CF checker, xarray, rasterio (GDAL), rioxarray and cfgrib, in a Python environment of its own.
# Usage: test_outputs.sh [PROGRAM]; without a program it builds one.
set -eu
cd "$(dirname "$0")/.."
program=${1:-target/debug/nowblend}
if [ $# -eq 0 ]; then
    cargo build --workspace --locked
fi
environment=target/outputs/python
if ! python3 -c "import venv, ensurepip" 2>/dev/null; then
    echo "outputs: skipped, there is no python3 with venv (Debian: python3-venv)"
    exit 0
fi
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv "$environment"
fi
if ! "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/outputs/requirements.txt; then
    echo "outputs: skipped, the Python packages of tests/outputs/requirements.txt cannot be installed"
    exit 0
fi
rm -rf target/outputs/files
"$environment/bin/python" tests/outputs/check.py "$program" target/outputs/files

#!/usr/bin/env bash
# Builds base, the kernels and their tests for 64-bit ARM with a cross compiler, and runs the tests under emulation.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset arm64 >/dev/null
cmake --build --preset arm64
ctest --preset arm64

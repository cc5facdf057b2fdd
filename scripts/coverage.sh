#!/usr/bin/env bash
# Line coverage of src/ by the C tests.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset coverage >/dev/null && cmake --build --preset coverage -j "$(nproc)" >/dev/null
ctest --test-dir build/coverage -j "$(nproc)" -Q || true
gcovr -r . -f 'src/' build/coverage --print-summary -o build/coverage/report.txt

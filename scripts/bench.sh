#!/usr/bin/env bash
# Everything that bench/RESULTS.md says, measured in one go (about 20 minutes on 2 cores).
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
nice -n 5 $python bench/data.py
[ -n "$(ls dist/quiver-*.whl 2>/dev/null)" ] || scripts/build-wheel.sh
$python bench/search.py 1
[ "$(nproc)" -gt 1 ] && $python bench/search.py "$(nproc)"
$python bench/storage.py
$python bench/tables.py
$python bench/process.py
$python bench/report.py

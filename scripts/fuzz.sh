#!/usr/bin/env bash
# Fuzzes every target for FUZZ_SECONDS; new inputs stay in build/fuzz-corpus, crashes in build/fuzz-crashes.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j "$(nproc)" >/dev/null
mkdir -p build/fuzz-crashes
status=0
for target in build/fuzz/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "build/fuzz-corpus/$name"
    echo "$name: ${FUZZ_SECONDS:-60} s"
    "$target" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=4096 -artifact_prefix="build/fuzz-crashes/$name-" \
        "build/fuzz-corpus/$name" "tests/fuzz/corpus/$name" 2>&1 | tail -n 3 || status=1
done
exit $status

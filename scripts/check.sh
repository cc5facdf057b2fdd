#!/usr/bin/env bash
# Every rule that a script can watch over. Exits with 1 when one is broken, after naming all of them.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0
run() { echo "check: $1"; shift; "$@" || bad=1; }

run "formatting" bash -c "git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 --dry-run --Werror"
run "floor order" python3 scripts/check/floors.py
run "banned calls" python3 scripts/check/banned.py
run "documentation links" python3 scripts/check/links.py
run "words that do not belong here" python3 scripts/check/words.py
if [ -e build/release/libquiver.so ]; then
    run "exported symbols" python3 scripts/check/symbols.py build/release/libquiver.so
fi
exit $bad

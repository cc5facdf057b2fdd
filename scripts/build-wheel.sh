#!/usr/bin/env bash
# dist/quiver-*.whl: one file with everything in it, then proved by installing it into a fresh environment.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
[ -x .venv/bin/python ] && python=.venv/bin/python
mkdir -p dist
rm -f dist/quiver-*.whl
"$python" -m pip wheel -q --disable-pip-version-check --no-deps -w dist bindings/python
wheel=$(ls dist/quiver-*.whl)
size=$(stat -c %s "$wheel")
echo "$wheel: $size bytes"
[ "$size" -le 7500000 ] || { echo "the wheel is larger than 7.5 MB" >&2; exit 1; }
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$python" -m venv "$fresh"
"$fresh/bin/python" -m pip install -q --disable-pip-version-check --no-index "$wheel"
cd "$fresh"
"$fresh/bin/python" - <<'PY'
import quiver

table = quiver.connect("memory://").create_table("t", [{"id": i, "vector": [float(i), 0.0]} for i in range(10)])
hits = table.search([3.2, 0.0]).limit(2).to_list()
assert [hit["id"] for hit in hits] == [3, 4], hits
print("installed without anything else, it searches: quiver", quiver.__version__)
PY

#!/usr/bin/env bash
# Builds the extension and lays the package out for PYTHONPATH: prints the folder.
# python-dev.sh [PRESET] [PYTHON]: PRESET names the build (default release), PYTHON whose headers are used.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release} python=${2:-${PYTHON:-python3}}
build=build/$preset-python

args=()
case "$preset" in
    asan) args+=(-DCMAKE_BUILD_TYPE=None -DQV_SANITIZE=address,undefined) ;;
    debug) args+=(-DCMAKE_BUILD_TYPE=Debug) ;;
    *) args+=(-DCMAKE_BUILD_TYPE=Release) ;;
esac
executable=$("$python" -c 'import sys; print(sys.executable)')
cmake -S . -B "$build" -G Ninja "${args[@]}" -DQV_PYTHON=ON -DQV_TESTS=OFF -DPython3_EXECUTABLE="$executable" >&2
cmake --build "$build" -j "${JOBS:-$(nproc)}" --target quiver_python >&2
for file in "$PWD"/bindings/python/quiver/*.py "$PWD"/bindings/python/quiver/*.pyi "$PWD"/bindings/python/quiver/py.typed; do
    ln -sf "$file" "$build/python/quiver/"
done
ln -sfn "$PWD/bindings/python/quiver/integrations" "$build/python/quiver/integrations"
echo "$PWD/$build/python"

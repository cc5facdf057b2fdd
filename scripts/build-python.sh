#!/usr/bin/env bash
# The package, importable from .venv: the extension is built with the rest, a .pth file names its folder.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(scripts/python-dev.sh release .venv/bin/python)
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["platlib"])')
echo "$folder" >"$site/quiver-dev.pth"
.venv/bin/python -c 'import quiver; print("quiver", quiver.__version__, "in", quiver.__path__[0])'

"""The shared library exports exactly what the public header declares with QV_API."""
import pathlib
import re
import subprocess
import sys

header = pathlib.Path("include/quiver/quiver.h").read_text()
declared = set(re.findall(r"QV_API[^;]*?\b(qv_[a-z0-9_]+)\s*\(", header))
out = subprocess.run(["nm", "-D", "--defined-only", sys.argv[1]], capture_output=True, text=True, check=True).stdout
exported = {line.split()[-1].split("@")[0] for line in out.splitlines()}
for name in sorted(exported - declared):
    print(f"exported, but not in quiver.h: {name}")
for name in sorted(declared - exported):
    print(f"declared in quiver.h, but not exported: {name}")
sys.exit(exported != declared)

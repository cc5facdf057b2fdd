"""Who may include whom: each floor only itself and the floors below it (docs: ARCHITECTURE.md)."""
import pathlib
import re
import sys

FLOORS = ["base", "json", "simd", "ann", "arrow", "io", "codec", "file", "expr", "table", "index", "query", "change", "api"]
# Arrow IPC and compute lie inside arrow/; codec knows bytes, not Arrow; simd knows numbers only.
FORBIDDEN = {
    "codec": {"arrow", "io", "simd", "ann", "json"},
    "simd": {"json"},
    "ann": {"json"},
    "arrow": {"simd", "ann", "json"},
    "io": {"arrow", "simd", "ann", "json"},
    "file": {"json", "ann"},
    "expr": {"io", "codec", "file", "simd", "ann"},
}
OUTSIDE = ["cli", "bindings", "examples"]  # customers of the public header

bad = 0
for path in sorted(pathlib.Path("src").rglob("*.[ch]")):
    floor = path.parts[1]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#include "([a-z0-9_]+)/', line)
        if not match:
            continue
        other = match.group(1)
        if other not in FLOORS:
            print(f"{path}:{number}: unknown floor {other}")
            bad += 1
        elif FLOORS.index(other) > FLOORS.index(floor) or other in FORBIDDEN.get(floor, set()):
            print(f"{path}:{number}: {floor} may not include {other}")
            bad += 1
for folder in OUTSIDE:
    for path in sorted(pathlib.Path(folder).rglob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#include "([a-z0-9_]+)/', line)
            if match and match.group(1) in FLOORS:
                print(f"{path}:{number}: customers use <quiver/quiver.h> only")
                bad += 1
sys.exit(bad != 0)

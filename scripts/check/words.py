"""The repository speaks of Quiver alone, and leaves nothing for later in the code."""
import pathlib
import re
import subprocess
import sys

WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|/root/|/work/|/home/[a-z]")
files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
bad = 0
for name in files.stdout.split("\n"):
    path = pathlib.Path(name)
    if not name or name == "scripts/check/words.py" or not path.is_file():
        continue
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        continue
    for number, line in enumerate(text.splitlines(), 1):
        match = WORDS.search(line)
        if match:
            print(f"{name}:{number}: {match.group()}")
            bad += 1
sys.exit(bad != 0)

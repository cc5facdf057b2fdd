"""Calls that the house does without, and what takes their place."""
import pathlib
import re
import sys

BANNED = {
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(": "unbounded; use the sized twin",
    r"\b(malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign)\s*\(": "heap goes through base/alloc.h",
    r"\b(printf|puts|perror|exit|abort)\s*\(": "a library neither prints nor ends its host",
    r"\b(rand|srand|system|popen)\s*\(": "not in a library",
}
ALLOWED = {"src/base/alloc.c": "malloc"}

bad = 0
for path in sorted(pathlib.Path("src").rglob("*.[ch]")):
    if str(path) in ALLOWED:
        continue
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', path.read_text())
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, why in BANNED.items():
            for match in re.finditer(pattern, line):
                before = line[: match.start()]
                if before.endswith(("->", ".", "_")):
                    continue
                print(f"{path}:{number}: {match.group(1)}: {why}")
                bad += 1
sys.exit(bad != 0)

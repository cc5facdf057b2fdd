"""Relative links in Markdown point at something; headings that are linked exist."""
import pathlib
import re
import subprocess
import sys

bad = 0
files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True, check=True)


def anchors(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, flags=re.M)}


for name in files.stdout.split():
    path = pathlib.Path(name)
    if not path.exists():
        continue
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        where = (path.parent / file) if file else path
        if not where.exists():
            print(f"{name}: link to {target}: no such file")
            bad += 1
        elif anchor and where.suffix == ".md" and anchor not in anchors(where):
            print(f"{name}: link to {target}: no such heading")
            bad += 1
for module in sorted({p.parent for p in pathlib.Path("src").glob("*/*.c")}):
    if not (module / "README.md").exists():
        print(f"{module}: a module needs a README.md")
        bad += 1
sys.exit(bad != 0)

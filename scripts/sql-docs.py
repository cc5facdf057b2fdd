"""Writes the list of functions in docs/sql.md from what the library says of itself. `sql-docs.py --check` only compares.

    python3 scripts/sql-docs.py [--check] build/release/libquiver.so
"""
import ctypes
import json
import pathlib
import sys

GROUPS = {
    "string": "Text",
    "number": "Numbers",
    "date": "Dates and times",
    "conditional": "Choosing between values",
    "list": "Lists",
    "struct": "Structs",
    "json": "JSON columns",
    "regexp": "Regular expressions",
    "hash": "Digests",
}
BEGIN, END = "<!-- functions: begin -->\n", "<!-- functions: end -->\n"


def cell(text):
    return text.replace("|", "\\|")


def functions(library):
    lib = ctypes.CDLL(str(pathlib.Path(library).resolve()))
    lib.qv_sql_functions.restype = ctypes.c_char_p
    return json.loads(lib.qv_sql_functions())


def section(all_functions):
    lines = []
    for group, title in GROUPS.items():
        lines += [f"\n### {title}\n", "| function | what it gives |", "|---|---|"]
        for f in sorted((f for f in all_functions if f["group"] == group), key=lambda f: f["name"]):
            also = f" Also called {', '.join(f'`{a}`' for a in f['aliases'])}." if f["aliases"] else ""
            lines.append(f"| `{cell(f['signature'])}` | {cell(f['summary'])}{also} |")
    unknown = {f["group"] for f in all_functions} - set(GROUPS)
    assert not unknown, f"groups without a title: {unknown}"
    return "\n".join(lines) + "\n\n"


def main(arguments):
    check = "--check" in arguments
    library = [a for a in arguments if a != "--check"][0]
    path = pathlib.Path(__file__).resolve().parent.parent / "docs" / "sql.md"
    text = path.read_text()
    before, rest = text.split(BEGIN)
    new = before + BEGIN + section(functions(library)) + END + rest.split(END)[1]
    if check:
        if new != text:
            print("docs/sql.md is not current: run scripts/sql-docs.py")
        return new != text
    path.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

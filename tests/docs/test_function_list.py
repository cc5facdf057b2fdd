"""docs/sql.md lists what the library knows."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_list_of_functions_is_current():
    libraries = sorted(ROOT.glob("build/release/libquiver.so"))
    assert libraries, "build first: cmake --build --preset release"
    subprocess.run([sys.executable, ROOT / "scripts/sql-docs.py", "--check", libraries[0]], check=True)

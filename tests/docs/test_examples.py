"""Every example in the Markdown files is run: python and sh blocks as they stand, in a folder of their own."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "bindings/python/README.md"]


def blocks(kind):
    for path in FILES:
        if path.exists():
            for number, text in enumerate(re.findall(rf"```{kind}\n(.*?)```", path.read_text(), flags=re.S), 1):
                yield pytest.param(text, id=f"{path.relative_to(ROOT)}-{number}")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "build").mkdir()
    return tmp_path


@pytest.mark.parametrize("text", blocks("python"))
def test_python(text, folder):
    out = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr


@pytest.mark.parametrize("text", blocks("sh"))
def test_shell(text, folder):
    env = {**os.environ, "PATH": f"{ROOT}/build/release/cli:{os.environ['PATH']}"}
    out = subprocess.run(["bash", "-euc", text], cwd=folder, capture_output=True, text=True, timeout=120, env=env)
    assert out.returncode == 0, out.stderr


@pytest.mark.parametrize("source", sorted((ROOT / "examples").glob("*.c")), ids=lambda p: p.name)
def test_c(source, folder):
    program = folder / source.stem
    lib = ROOT / "build/release"
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(program), f"-I{ROOT}/include", f"-L{lib}", "-lquiver", f"-Wl,-rpath,{lib}"],
        check=True,
    )
    for uri in ("memory://", str(folder / "db"), str(folder / "db")):
        out = subprocess.run([str(program), uri], capture_output=True, text=True, timeout=60)
        assert out.returncode == 0, out.stderr
        assert out.stdout == "id 2 at distance 0.04\nid 1 at distance 1.44\n" or source.name != "hello.c", out.stdout

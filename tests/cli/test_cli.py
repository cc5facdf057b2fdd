"""The command line, run as a person runs it."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

QUIVER = str(pathlib.Path(__file__).resolve().parents[2] / "build/release/cli/quiver")


def run(*args, code=0, **kwargs):
    env = {**os.environ, "QUIVER_PYTHON": sys.executable}
    out = subprocess.run([QUIVER, *map(str, args)], capture_output=True, text=True, timeout=60, env=env, **kwargs)
    assert out.returncode == code, (out.returncode, out.stdout, out.stderr)
    return out


def lines(out):
    return [json.loads(line) for line in out.stdout.splitlines()]


@pytest.fixture
def db(tmp_path):
    return tmp_path / "db"


@pytest.fixture
def points(db, tmp_path):
    path = tmp_path / "points.jsonl"
    path.write_text("".join(json.dumps({"id": i, "name": f"p{i}", "vector": [i, 0.5]}) + "\n" for i in range(100)))
    run("import", db / "points", path)
    return db / "points"


def test_help_and_version():
    assert "quiver search" in run("--help").stdout
    assert run("--version").stdout.startswith("quiver 0.1.0 (")
    run(code=2)
    assert "unknown command" in run("fly", code=2).stderr
    run("ls", "--no-such-option", code=2)


def test_import_appends_and_overwrites(db, points, tmp_path):
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": 1000, "name": null, "vector": [9, 9]}\n')
    assert lines(run("import", points, more, "--json"))[0] == {"file": str(more), "table": "points", "version": 2, "rows_added": 1, "rows": 101}
    run("import", points, more, "--mode", "create", code=4)
    run("import", points, more, "--mode", "sideways", code=2)
    assert lines(run("import", points, more, "--mode", "overwrite", "--json"))[0]["rows"] == 1


def test_csv_round_trip(db, tmp_path):
    text = 'id,name,price,ok,vector\n1,"a, ""quoted"" name",1.5,true,"[1,2]"\n2,,2,false,"[3,4]"\n3,"",-0.25,true,"[5,6]"\n'
    source, back = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(text)
    run("import", db / "t", source)
    info = lines(run("info", db / "t", "--json"))[0]
    assert [c["type"] for c in info["columns"]] == ["int64", "string", "double", "bool", "fixed_size_list<float>[2]"]
    rows = lines(run("head", db / "t", "--json"))
    assert rows[0]["name"] == 'a, "quoted" name' and rows[1]["name"] is None and rows[2]["name"] == ""
    run("export", db / "t", back)
    run("import", db / "again", back)
    assert lines(run("head", db / "again", "--json")) == rows


def test_csv_errors_name_the_line(db, tmp_path):
    source = tmp_path / "bad.csv"
    source.write_text("a,b\n1,2\n3\n")
    assert "bad.csv:3: 1 fields, the header has 2" in run("import", db / "t", source, code=4).stderr
    assert not (db / "t.lance").exists()


def test_jsonl_errors_name_the_row(db, tmp_path):
    source = tmp_path / "bad.jsonl"
    source.write_text('{"a": 1}\n{"a": }\n')
    assert ":2:" in run("import", db / "t", source, code=4).stderr
    source.write_text('{"a": 1}\n{"a": "x"}\n')
    assert "row 2" in run("import", db / "t", source, code=4).stderr
    source.write_text('{"vector": [1, 2]}\n{"vector": [1, 2, 3]}\n')
    assert "3 items where 2 are expected" in run("import", db / "t", source, code=4).stderr
    source.write_text("")
    assert "no rows" in run("import", db / "t", source, code=4).stderr


def test_vector_files(db, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((500, 12)).astype(np.float32)
    np.save(tmp_path / "a.npy", vectors)
    (tmp_path / "a.fvecs").write_bytes(b"".join(struct.pack("<i", 12) + v.tobytes() for v in vectors))
    run("import", db / "npy", tmp_path / "a.npy")
    run("import", db / "fvecs", tmp_path / "a.fvecs")
    for name in ("npy", "fvecs"):
        hits = lines(run("search", db / name, "--row", 7, "-k", 3, "--json"))
        expected = ((vectors - vectors[7]) ** 2).sum(axis=1)
        assert [h["id"] for h in hits] == np.argsort(expected, kind="stable")[:3].tolist()
        assert hits[0]["_distance"] == 0
    (tmp_path / "cut.fvecs").write_bytes(struct.pack("<i", 12) + vectors[0].tobytes()[:-1])
    assert "row 0 is cut off" in run("import", db / "cut", tmp_path / "cut.fvecs", code=4).stderr
    small = (vectors[:, :8] * 20).astype(np.int8).view(np.uint8)
    (tmp_path / "a.bvecs").write_bytes(b"".join(struct.pack("<i", 8) + v.tobytes() for v in small))
    run("import", db / "bvecs", tmp_path / "a.bvecs")
    assert lines(run("head", db / "bvecs", "-n", 1, "--json"))[0]["vector"] == small[0].tolist()


@pytest.mark.parametrize("kind", ["arrow", "arrows", "parquet", "jsonl"])
def test_export_and_import(db, points, tmp_path, kind):
    path = tmp_path / f"out.{kind}"
    run("export", points, path)
    run("import", db / "copy", path)
    assert lines(run("head", db / "copy", "-n", 100, "--json")) == lines(run("head", points, "-n", 100, "--json"))
    if kind == "parquet":
        assert pq.read_table(path).num_rows == 100
    if kind == "arrow":
        assert pa.ipc.open_file(path).read_all().column("id").to_pylist() == list(range(100))


def test_search(points):
    hits = lines(run("search", points, "--vector", "[3.2, 0.5]", "-k", 2, "--columns", "id", "--json"))
    assert [h["id"] for h in hits] == [3, 4] and abs(hits[0]["_distance"] - 0.04) < 1e-6
    assert "dimension" in run("search", points, "--vector", "[1, 2, 3]", "--column", "vector", code=4).stderr
    run("search", points, "--vector", "one", code=2)
    run("search", points, code=2)
    run("search", points, "--vector", "[1, 2]", "--metric", "zz", code=2)
    assert "nope" in run("search", points, "--vector", "[1, 2]", "--columns", "nope", code=3).stderr


def test_looking(db, points):
    assert lines(run("ls", db, "--json"))[0] == [{"name": "points", "version": 1, "rows": 100}]
    assert "100 rows" in run("ls", db).stdout
    assert len(run("head", points, "-n", 3).stdout.splitlines()) == 4
    assert lines(run("head", points, "-n", 1, "--offset", 5, "--row-id", "--json"))[0]["_rowid"] == 5
    assert lines(run("versions", points, "--json"))[0][0]["rows"] == 100
    assert json.loads(run("dump", points).stdout)
    file = next((points.parent / "points.lance" / "data").glob("*.lance")).name
    assert json.loads(run("dump", points, f"data/{file}").stdout)


def test_verify_names_the_damage(points):
    assert run("verify", points).stdout.startswith("ok: ")
    folder = points.parent / "points.lance" / "data"
    file = next(folder.glob("*.lance"))
    raw = bytearray(file.read_bytes())
    raw[-30] ^= 0xFF
    file.write_bytes(raw)
    out = run("verify", points, "--json", code=6)
    assert file.name in out.stdout + out.stderr


def test_missing_things(db, points):
    assert "Table 'nope' was not found" in run("head", db / "nope", code=3).stderr
    run("head", points, "--version-number", 9, code=3)
    run("import", db / "t", db / "no-such-file.csv", code=3)
    run("import", db / "t", __file__, code=2)
    assert "Invalid table name" in run("head", db / "a b", code=4).stderr
    run("head", points, "-n", "many", code=2)


def test_quiet_in_a_pipe(points, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 5, "name": "x", "vector": [0, 0]}\n')
    assert run("import", points, path).stderr == ""

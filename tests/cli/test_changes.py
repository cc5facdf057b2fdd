"""Conditions, changes, versions, indexes and care on the command line."""

import json

import pytest

from test_cli import lines, run


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.jsonl"
    rows = ({"id": i, "name": f"p{i}", "vector": [i, 0.5]} for i in range(100))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("import", tmp_path / "db" / "points", path)
    return tmp_path / "db" / "points"


def ids(out):
    return [row["id"] for row in lines(out)]


def test_conditions(points, tmp_path):
    assert ids(run("head", points, "--where", "id > 97", "--json")) == [98, 99]
    assert ids(run("head", points, "--sql-filter", "name = 'p7'", "--json")) == [7]
    assert ids(run("head", points, "--order-by", "-id", "-n", "2", "--json")) == [99, 98]
    assert run("count", points).stdout == "100\n"
    assert run("count", points, "--where", "id % 10 = 3").stdout == "10\n"
    assert ids(run("search", points, "--vector", "[0, 0.5]", "--where", "id > 50", "-k", "2", "--json")) == [51, 52]
    out = tmp_path / "out.jsonl"
    run("export", points, out, "--where", "id < 3")
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [0, 1, 2]
    assert "nope" in run("head", points, "--where", "nope = 1", code=4).stderr
    assert "KNN" in run("explain", points, "--vector", "[0, 0.5]", "--where", "id > 50").stdout
    assert "rows" in run("explain", points, "--where", "id > 50", "--analyze").stdout
    json.loads(run("explain", points, "--where", "id > 50", "--json").stdout)


def test_changes(points, tmp_path):
    told = lines(run("update", points, "--set", "name=upper(name)", "--where", "id < 10", "--json"))[0]
    assert told == {"rows_updated": 10, "version": 2}
    assert run("count", points, "--where", "name = 'P3'").stdout == "1\n"
    assert lines(run("delete", points, "--where", "id >= 90", "--json"))[0] == {"rows_deleted": 10, "version": 3}
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": 5, "name": "five", "vector": [5, 5]}\n{"id": 500, "name": "new", "vector": [1, 1]}\n')
    told = lines(run("merge", points, more, "--on", "id", "--json"))[0]
    assert (told["rows_updated"], told["rows_inserted"], told["version"]) == (1, 1, 4)
    run("merge", points, more, "--on", "id", "--insert")
    assert run("count", points).stdout == "91\n"
    run("delete", points, code=2)
    run("update", points, code=2)
    run("update", points, "--set", "name", code=2)
    run("merge", points, more, "--on", "nope", code=4)


def test_columns(points):
    run("columns", points, "add", "twice=id * 2", "up=upper(name)")
    assert [c["name"] for c in lines(run("columns", points, "--json"))] == ["id", "name", "vector", "twice", "up"]
    run("columns", points, "rename", "twice", "double")
    run("columns", points, "cast", "double", "int32")
    run("columns", points, "drop", "up")
    shown = {c["name"]: c["type"] for c in lines(run("columns", points, "--json"))}
    assert shown["double"] == "int32" and "up" not in shown
    run("columns", points, "cast", "double", "int33", code=2)
    run("columns", points, "drop", "nope", code=4)
    run("columns", points, "polish", "id", code=2)


def test_versions(points):
    run("tags", points, "create", "start")
    run("delete", points, "--where", "id > 4")
    assert run("count", points).stdout == "5\n"
    assert run("count", points, "--tag", "start").stdout == "100\n"
    assert lines(run("tags", points, "--json")) == [{"tag": "start", "version": 1, "branch": None}]
    run("tags", points, "create", "start", code=1)
    run("tags", points, "move", "start", "2")
    run("tags", points, "delete", "start")
    run("tags", points, "delete", "start", code=3)
    run("branches", points, "create", "exp")
    run("delete", points, "--where", "true", "--branch", "exp")
    assert run("count", points, "--branch", "exp").stdout == "0\n"
    assert run("count", points).stdout == "5\n"
    assert [b["branch"] for b in lines(run("branches", points, "--json"))] == ["exp"]
    run("branches", points, "delete", "exp")
    told = lines(run("restore", points, "--version-number", "1", "--json"))[0]
    assert told == {"restored": 1, "version": 3}
    assert run("count", points).stdout == "100\n"
    run("restore", points, "--version-number", "77", code=3)


def test_indexes_and_care(points, tmp_path):
    run("index", points, "create", "id", "--kind", "btree")
    run("index", points, "create", "name", "--kind", "bitmap", "--name", "by_name")
    known = {i["name"]: i["index_type"] for i in lines(run("index", points, "--json"))}
    assert known == {"id_idx": "BTree", "by_name": "Bitmap"}
    assert ids(run("head", points, "--where", "id = 17", "--json")) == [17]
    assert "ScalarIndexQuery" in run("explain", points, "--where", "id = 17").stdout
    assert json.loads(run("index", points, "stats", "id_idx", "--json").stdout)["num_indexed_rows"] == 100
    run("index", points, "drop", "by_name")
    run("index", points, "drop", "by_name", code=3)
    run("index", points, "create", "id", "--kind", "tree", code=2)
    for i in range(5):
        more = tmp_path / f"more{i}.jsonl"
        more.write_text(json.dumps({"id": 1000 + i, "name": "x", "vector": [1, 1]}) + "\n")
        run("import", points, more)
    told = lines(run("optimize", points, "--older-than", "0s", "--json"))[0]
    assert (told["fragments_removed"], told["fragments_added"]) == (5, 1)  # the indexed fragment stays by itself
    assert told["versions_removed"] > 0
    assert run("count", points).stdout == "105\n"
    assert ids(run("head", points, "--where", "id = 1003", "--json")) == [1003]
    run("optimize", points, "--older-than", "soon", code=2)
    run("verify", points)

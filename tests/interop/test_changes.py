"""Tables that the C tests leave behind, one per kind of change: pylance reads every version, then goes on writing, and Quiver reads that."""

import os
import pathlib
import subprocess

import lance
import pyarrow as pa
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# rows of their newest versions
TABLES = {
    "change-0": 20,
    "change-1": 3000,
    "change-3": 20,
    "change-4": 12,
    "change-5": 20,
    "change-7": 35,
    "change-8": 35,
    "change-10": 5,
    "change-11": 10,
    "change-12": 18,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("changes")
    test = ROOT / "build/release/tests/unit_table_change"
    subprocess.run([test], env={**os.environ, "QVT_TABLES": str(path)}, check=True, capture_output=True, timeout=60)
    return path


def more_rows(dataset, ids):
    columns = {"id": pa.array(ids, pa.int64())}
    for field in dataset.schema:
        if field.name != "id":
            columns[field.name] = pa.nulls(len(ids), field.type)
    return pa.table(columns, schema=dataset.schema)


@pytest.mark.parametrize("name", TABLES)
def test_read_and_continue(folder, name):
    import quiver

    uri = str(folder / f"{name}.lance")
    dataset = lance.dataset(uri)
    for version in dataset.versions():
        old = lance.dataset(uri, version=version["version"])
        old.validate()
        old.to_table()
    assert dataset.count_rows() == TABLES[name]
    t = quiver.connect(folder).open_table(name)
    assert t.to_arrow()["id"].to_pylist() == dataset.to_table()["id"].to_pylist()
    row_ids = dataset.to_table(columns=["id"], with_row_id=True)
    assert len(set(row_ids["_rowid"].to_pylist())) == TABLES[name]
    lance.write_dataset(more_rows(dataset, [9001, 9002, 9003]), uri, mode="append")
    dataset = lance.dataset(uri)
    dataset.delete("id = 9002 or id = 1")
    dataset.optimize.compact_files()
    dataset = lance.dataset(uri)
    dataset.validate()
    t.checkout_latest()
    assert t.to_arrow()["id"].to_pylist() == dataset.to_table()["id"].to_pylist()


def test_row_versions(folder):
    dataset = lance.dataset(str(folder / "change-3.lance"), version=5)
    columns = ["id", "_row_created_at_version", "_row_last_updated_at_version"]
    rows = dataset.to_table(columns=columns, with_row_id=True).to_pylist()
    moved = [row for row in rows if row["id"] > 100]
    assert [row["_rowid"] for row in moved] == [2, 3, 4]
    assert {row["_row_created_at_version"] for row in rows} == {1}
    assert {row["_row_last_updated_at_version"] for row in moved} == {5}


def test_deletions_of_both_kinds(folder):
    small = lance.dataset(str(folder / "change-0.lance"), version=2)
    assert small.get_fragment(1).deletion_file().endswith(".arrow")
    large = lance.dataset(str(folder / "change-1.lance"), version=2)
    assert large.get_fragment(1).deletion_file().endswith(".bin")

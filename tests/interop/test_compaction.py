"""Compaction by Quiver of tables that pylance made, and what pylance makes of them afterwards."""

import json

import numpy as np
import pyarrow as pa
import pytest
from layouts import answers, compact

lance = pytest.importorskip("lance")

CONDITIONS = ["id = 77", "id between 300 and 900", "cat = 'c3'", "cat is null", "array_has(tags, 't3')", "contains(text, 'llo w13')", "id > 2500"]


def make_rows(n, first=0, null_structs=True):
    rng = np.random.default_rng(first)
    rows = pa.table({
        "id": pa.array(range(first, first + n)),
        "cat": [f"c{i % 7}" for i in range(n)],
        "tags": pa.array([None if i % 11 == 0 else [f"t{k}" for k in rng.integers(0, 9, 3)] for i in range(n)], pa.list_(pa.string())),
        "text": [None if i % 13 == 0 else f"hello w{i % 97} x" for i in range(n)],
        "v": pa.array(rng.random((n, 16), np.float32).tolist(), pa.list_(pa.float32(), 16)),
        "st": pa.array([{"a": i, "b": str(i)} if i % 5 or not null_structs else None for i in range(n)]),
        "dict": pa.array([f"d{i % 3}" for i in range(n)]).dictionary_encode(),
        "j": pa.array([json.dumps({"a": i}) for i in range(n)], pa.json_()),
    })
    return rows


def contents(dataset):
    hidden = ["_rowid", "_row_created_at_version", "_row_last_updated_at_version"] if dataset.has_stable_row_ids else []
    return dataset.to_table(columns=dataset.schema.names + hidden).sort_by("id").combine_chunks()


def check(path):
    dataset = lance.dataset(path)
    dataset.validate()
    for condition in CONDITIONS:
        assert answers(dataset, condition, True) == answers(dataset, condition, False), condition
    return dataset


@pytest.mark.parametrize("version", ["2.2", "2.1", "2.0"])
@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("defer", [False, True])
@pytest.mark.parametrize("delete", [False, True])
def test_nothing_else_changes(tmp_path, version, stable, defer, delete):
    path = str(tmp_path / "t.lance")
    structs = version != "2.0"  # which has no null structs
    dataset = lance.write_dataset(make_rows(3000, 0, structs), path, max_rows_per_file=500, enable_stable_row_ids=stable, data_storage_version=version)
    for column, kind in (("id", "BTREE"), ("cat", "BITMAP"), ("tags", "LABEL_LIST"), ("text", "NGRAM")):
        dataset.create_scalar_index(column, kind)
    if delete:
        dataset.delete("id % 9 = 2 or id between 1000 and 1700")
    if stable:
        dataset.update({"cat": "'zz'"}, where="id % 10 = 7")
    before = contents(dataset)
    compact(path, 2000, defer)
    dataset = check(path)
    assert contents(dataset).equals(before)
    assert len(dataset.get_fragments()) <= 3
    for condition in CONDITIONS:
        assert "ScalarIndexQuery" in dataset.scanner(columns=["id"], filter=condition).explain_plan(), condition
    lance.write_dataset(make_rows(600, 3000, structs), path, mode="append", max_rows_per_file=200)
    compact(path, 2000, defer)
    dataset = check(path)
    rows = dataset.count_rows()
    dataset.optimize.optimize_indices()
    lance.dataset(path).optimize.compact_files()
    assert check(path).count_rows() == rows

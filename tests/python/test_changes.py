"""delete, update, merge_insert: the observed lines."""

import datetime as dt
import importlib
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest


def ids(t):
    return [row["id"] for row in t.to_arrow().to_pylist()]


@pytest.fixture
def t(db):
    rows = [{"id": i, "s": f"v{i}", "vector": [float(i), 0.0], "st": {"a": i}} for i in range(5)]
    return db.create_table("t", rows)


def test_update(t):
    result = t.update(where="id = 1", values={"s": "it's"})
    assert (result.rows_updated, result.version) == (1, 2)
    assert repr(result) == "UpdateResult(rows_updated=1, version=2)"
    assert ids(t) == [0, 2, 3, 4, 1]
    result = t.update("id = 99", {"s": "q"})
    assert (result.rows_updated, result.version) == (0, 3)
    result = t.update(values_sql={"id": "id + 10"})
    assert (result.rows_updated, result.version) == (5, 4)
    assert sorted(ids(t)) == [10, 11, 12, 13, 14]
    t.update(where="id = 11", values={"id": 10.7})
    assert sorted(ids(t)) == [10, 10, 12, 13, 14]
    t.update(where="id = 12", values={"s": 5})
    t.update(where="id = 13", values={"s": None})
    assert {row["id"]: row["s"] for row in t.to_arrow().to_pylist() if row["id"] in (12, 13)} == {12: "5", 13: None}
    t.update(where="id = 14", values={"vector": [7.0, 8.0]})
    assert [row["vector"] for row in t.to_arrow().to_pylist() if row["id"] == 14] == [[7.0, 8.0]]


def test_bad_updates(t):
    with pytest.raises(ValueError, match="Either updates or updates_sql must be provided"):
        t.update()
    with pytest.raises(ValueError, match="Only one of updates or updates_sql can be provided"):
        t.update(values={"s": "x"}, values_sql={"s": "'x'"})
    with pytest.raises(ValueError, match="at least one column must be specified in an update operation"):
        t.update(values={})
    with pytest.raises(ValueError, match="'nope' does not exist"):
        t.update(values={"nope": 1})
    with pytest.raises((ValueError, RuntimeError), match="st.a"):
        t.update(values={"st.a": 9})
    with pytest.raises(ValueError, match="No field named zz"):
        t.update(where="zz=1", values={"s": "x"})
    with pytest.raises(ValueError, match="Expected: an expression, found: EOF"):
        t.update(where="id=", values={"s": "x"})
    with pytest.raises(ValueError):
        t.update(where="id = 1", values={"vector": [9.0]})
    with pytest.raises(NotImplementedError, match="SQL conversion is not implemented for this type"):
        t.update(values={"s": object()})
    assert t.version == 1


def test_values_of_update(db):
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("b", pa.bool_()),
            ("f", pa.float64()),
            ("y", pa.binary()),
            ("d", pa.date32()),
            ("ts", pa.timestamp("us")),
            ("l", pa.list_(pa.int64())),
        ]
    )
    t = db.create_table("t", schema=schema)
    t.add([{"id": 1}])
    t.update(
        values={
            "b": True,
            "f": np.float32(1.5),
            "y": b"\x01\xff",
            "d": dt.date(2024, 2, 29),
            "ts": dt.datetime(2024, 1, 2, 3, 4, 5),
            "l": [1, 2],
        }
    )
    row = t.to_arrow().to_pylist()[0]
    assert row == {
        "id": 1,
        "b": True,
        "f": 1.5,
        "y": b"\x01\xff",
        "d": dt.date(2024, 2, 29),
        "ts": dt.datetime(2024, 1, 2, 3, 4, 5),
        "l": [1, 2],
    }


def test_delete(t):
    result = t.delete("id = 3")
    assert repr(result) == "DeleteResult(num_deleted_rows=1, version=2)"
    result = t.delete("id = 3")
    assert (result.num_deleted_rows, result.version) == (0, 3)
    for wrong in ("", "nope = 1", "id"):
        with pytest.raises(ValueError):
            t.delete(wrong)
    with pytest.raises(TypeError):
        t.delete(None)
    assert t.delete("true").num_deleted_rows == 4
    assert len(t) == 0
    t.add([{"id": 9, "s": "x", "vector": [0.0, 0.0], "st": {"a": 1}}])
    assert ids(t) == [9]


@pytest.fixture
def m(db):
    return db.create_table("m", [{"id": i, "s": f"v{i}"} for i in range(3)])


def test_upsert(m):
    rows = [{"id": 1, "s": "new"}, {"id": 9, "s": "nine"}]
    result = m.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)
    assert (result.version, result.num_updated_rows, result.num_inserted_rows, result.num_deleted_rows) == (2, 1, 1, 0)
    assert (result.num_attempts, result.num_rows) == (1, 2)
    assert ids(m) == [0, 2, 1, 9]
    assert {row["id"]: row["s"] for row in m.to_arrow().to_pylist()}[1] == "new"


def test_insert_if_absent(m):
    result = m.merge_insert("id").when_not_matched_insert_all().execute([{"id": 1, "s": "x"}])
    assert (result.version, result.num_updated_rows, result.num_inserted_rows, result.num_rows) == (2, 0, 0, 0)
    assert ids(m) == [0, 1, 2]
    m.merge_insert("id").when_not_matched_insert_all().execute([{"id": 1, "s": "x"}, {"id": 5, "s": "y"}])
    assert ids(m) == [0, 1, 2, 5]


def test_replace_range(m):
    result = (
        m.merge_insert("id")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .when_not_matched_by_source_delete("id > 0")
        .execute([{"id": 7, "s": "x"}])
    )
    assert (result.num_inserted_rows, result.num_deleted_rows) == (1, 2)
    assert ids(m) == [0, 7]


def test_conditional_update(m):
    rows = [{"id": 1, "s": "a"}, {"id": 2, "s": "z"}]
    result = m.merge_insert("id").when_matched_update_all(where="source.s > target.s").execute(rows)
    assert result.num_updated_rows == 1
    assert {row["id"]: row["s"] for row in m.to_arrow().to_pylist()} == {0: "v0", 1: "v1", 2: "z"}


def test_several_keys_and_subsets(db):
    t = db.create_table("t", [{"a": 1, "b": "x", "v": 1, "w": 1}, {"a": 1, "b": "y", "v": 2, "w": 2}])
    t.merge_insert(["a", "b"]).when_matched_update_all().when_not_matched_insert_all().execute(
        [{"a": 1, "b": "y", "v": 20}, {"a": 2, "b": "y", "v": 30}]
    )
    rows = sorted((row["a"], row["b"], row["v"], row["w"]) for row in t.to_arrow().to_pylist() if row["w"] is not None)
    assert rows == [(1, "x", 1, 1), (1, "y", 20, 2)]
    assert [row for row in t.to_arrow().to_pylist() if row["w"] is None] == [{"a": 2, "b": "y", "v": 30, "w": None}]


def test_null_keys_are_inserted(m):
    before = len(m)
    data = pa.table({"id": pa.array([None], pa.int64()), "s": ["q"]})
    result = m.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(data)
    assert result.num_inserted_rows == 1
    assert len(m) == before + 1


def test_bad_merges(m):
    with pytest.raises(ValueError, match="not configured to change the data in any way"):
        m.merge_insert("id").execute([{"id": 1, "s": "x"}])
    with pytest.raises(ValueError, match="'?nope'? does not exist"):
        m.merge_insert("nope").when_matched_update_all().execute([{"id": 1, "s": "x"}])
    with pytest.raises(ValueError, match=r"Ambiguous merge inserts are prohibited: .*id = 1"):
        m.merge_insert("id").when_matched_update_all().execute([{"id": 1, "s": "x"}, {"id": 1, "s": "y"}])
    with pytest.raises(ValueError):
        m.merge_insert([]).when_matched_update_all().execute([{"id": 1, "s": "x"}])
    with pytest.raises(ValueError, match="'zz'"):
        m.merge_insert("id").when_matched_update_all().execute([{"id": 1, "zz": "x"}])
    with pytest.raises(RuntimeError, match="merge insert timed out"):
        m.merge_insert("id").when_matched_update_all().execute([{"id": 1, "s": "x"}], timeout=dt.timedelta(0))
    assert m.version == 1


def test_empty_merge(m):
    result = m.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute([])
    assert (result.version, result.num_updated_rows, result.num_inserted_rows) == (2, 0, 0)


def test_primary_key(db):
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("s", pa.string())])
    t = db.create_table("t", pa.table({"id": [1, 2], "s": ["a", "b"]}, schema=schema))
    t.set_unenforced_primary_key("id")
    data = pa.table({"id": [2, 3], "s": ["B", "C"]}, schema=schema)
    result = t.merge_insert([]).when_matched_update_all().when_not_matched_insert_all().execute(data)
    assert (result.num_updated_rows, result.num_inserted_rows) == (1, 1)
    with pytest.raises((ValueError, RuntimeError), match="already"):
        t.set_unenforced_primary_key("id")
    with pytest.raises((ValueError, RuntimeError)):
        t.set_unenforced_primary_key(["id", "s"])
    u = db.create_table("u", [{"id": 1}])
    with pytest.raises(RuntimeError, match="nullable"):
        u.set_unenforced_primary_key("id")


@pytest.mark.ours_only
def test_enforced_primary_key(db):
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("s", pa.string())])
    t = db.create_table("t", pa.table({"id": [1, 2], "s": ["a", "b"]}, schema=schema))
    t.set_primary_key("id")
    with pytest.raises((ValueError, RuntimeError)):
        t.add(pa.table({"id": [2], "s": ["again"]}, schema=schema))
    with pytest.raises((ValueError, RuntimeError)):
        t.add(pa.table({"id": [5, 5], "s": ["x", "y"]}, schema=schema))
    t.add(pa.table({"id": [3], "s": ["c"]}, schema=schema))
    assert ids(t) == [1, 2, 3]


def test_merge_of_columns(m):
    assert m.merge([{"id": 1, "w": 5}], "id") is None
    assert [row["w"] for row in m.to_arrow().to_pylist()] == [None, 5, None]


@pytest.mark.ours_only  # the peer lets some of them through
def test_pinned_handles_do_not_change(t):
    t.add([{"id": 9, "s": "x", "vector": [0.0, 0.0], "st": {"a": 1}}])
    t.checkout(1)
    for change in (
        lambda: t.delete("true"),
        lambda: t.update(values={"s": "x"}),
        lambda: t.merge_insert("id").when_matched_update_all().execute([{"id": 1, "s": "x"}]),
        lambda: t.add_columns({"x": "id"}),
        lambda: t.drop_columns(["s"]),
    ):
        with pytest.raises(ValueError, match="table cannot be modified when a specific version is checked out"):
            change()

"""Scalar indexes: the observed lines."""

import datetime as dt
import importlib

import pyarrow as pa
import pytest


@pytest.fixture
def index(db_module):
    return importlib.import_module(db_module.__name__ + ".index")


@pytest.fixture
def t(db):
    n = 1000
    return db.create_table(
        "t",
        pa.table(
            {
                "id": pa.array(range(n), pa.int64()),
                "cat": [f"c{i % 7}" for i in range(n)],
                "tags": [[f"t{i % 5}", f"u{i % 3}"] for i in range(n)],
                "f": pa.array([i / 2 for i in range(n)], pa.float32()),
                "st": [{"a": i} for i in range(n)],
                "vector": pa.array([[float(i), 0.0] for i in range(n)], pa.list_(pa.float32(), 2)),
            }
        ),
    )


def ids(t, where):
    return [row["id"] for row in t.search().where(where).select(["id"]).to_list()]


def test_btree(t, index):
    assert t.create_index("id", config=index.BTree()) is None
    assert t.version == 2
    known = t.list_indices()
    assert [(one.name, one.index_type, one.columns) for one in known] == [("id_idx", "BTree", ["id"])]
    assert known[0]["name"] == "id_idx"
    assert known[0].type_url == "/lance.table.BTreeIndexDetails"
    assert known[0].num_indexed_rows == 1000
    assert known[0].created_at.tzinfo is not None
    assert repr(known[0]).startswith('IndexConfig(name="id_idx", index_type="BTree", columns=["id"], index_uuid="')
    assert "ScalarIndexQuery" in t.search().where("id = 5").explain_plan()
    assert ids(t, "id = 5") == [5]
    assert ids(t, "id > 996") == [997, 998, 999]
    assert ids(t, "id in (3, 5000)") == [3]
    assert t.count_rows("id between 10 and 19") == 10
    stats = t.index_stats("id_idx")
    assert (stats.num_indexed_rows, stats.num_unindexed_rows, stats.index_type) == (1000, 0, "BTREE")
    assert stats["num_indexed_rows"] == 1000
    assert t.index_stats("nope") is None


def test_other_kinds(t, index):
    t.create_index("cat", config=index.Bitmap())
    t.create_index("tags", config=index.LabelList())
    assert len(ids(t, "cat = 'c3'")) == 143
    assert len(ids(t, "array_has(tags, 't1')")) == 200
    assert len(ids(t, "array_has_all(tags, ['t1', 'u1'])")) == 67
    assert sorted(one.index_type for one in t.list_indices()) == ["Bitmap", "LabelList"]


@pytest.mark.ours_only  # the peer's package has no classes for them
def test_kinds_of_our_own(t, index):
    t.create_index("f", config=index.ZoneMap(rows_per_zone=100))
    t.create_index("id", config=index.BloomFilter())
    t.create_index("cat", config=index.NGram())
    assert ids(t, "f > 498.5") == [998, 999]
    assert ids(t, "id = 77") == [77]
    assert len(ids(t, "contains(cat, 'c3')")) == 143


def test_appended_rows_are_found(t, index):
    t.create_index("id", config=index.BTree())
    rows = [{"id": 5000 + i, "cat": "c", "tags": ["x"], "f": 0.0, "st": {"a": 1}, "vector": [0.0, 0.0]} for i in range(10)]
    t.add(rows)
    assert ids(t, "id = 5003") == [5003]
    assert t.index_stats("id_idx").num_unindexed_rows == 10
    t.optimize()
    assert t.index_stats("id_idx").num_unindexed_rows == 0
    assert ids(t, "id = 5003") == [5003]
    t.wait_for_index(["id_idx"], timeout=dt.timedelta(seconds=10))


def test_names(t, index):
    t.create_index("st.a", config=index.BTree())
    assert [(one.name, one.columns) for one in t.list_indices()] == [("st.a_idx", ["st.a"])]
    t.create_index("id", config=index.BTree(), name="mine")
    assert t.index_stats("mine").num_indexed_rows == 1000
    t.create_index("id", config=index.BTree(), name="mine")
    with pytest.raises(RuntimeError, match="already exists"):
        t.create_index("id", config=index.BTree(), name="mine", replace=False)
    t.drop_index("mine")
    assert t.index_stats("mine") is None
    with pytest.raises(RuntimeError, match="Lance index not found: name=nope"):
        t.drop_index("nope")
    with pytest.raises(RuntimeError, match="Lance index not found: name=nope"):
        t.prewarm_index("nope")
    with pytest.raises(RuntimeError, match=r'timed out waiting for indices: \["nope"\]'):
        t.wait_for_index(["nope"], timeout=dt.timedelta(seconds=1))


def test_bad_indexes(t, index):
    with pytest.raises(TypeError, match="config must be an instance of"):
        t.create_index("id", config="BTREE")
    with pytest.raises(ValueError, match="Field path `nope` not found in schema"):
        t.create_index("nope", config=index.BTree())
    with pytest.raises(ValueError, match="Schema Error"):
        t.create_index("vector", config=index.BTree())
    with pytest.raises(ValueError, match="Schema Error"):
        t.create_index("id", config=index.LabelList())
    assert t.version == 1


def test_untrained(t, index):
    t.create_index("id", config=index.BTree(), train=False)
    assert t.index_stats("id_idx").num_indexed_rows == 0
    assert ids(t, "id = 5") == [5]


def test_in_the_background(t, index):
    job = t.create_index_async("id", config=index.BTree())
    assert job.id is None
    job.wait(dt.timedelta(seconds=30))
    assert job.status() == "finished"
    t.checkout_latest()
    assert t.index_stats("id_idx").num_indexed_rows == 1000


def test_changes_under_an_index(t, index):
    t.create_index("id", config=index.BTree())
    t.delete("id < 10")
    t.update(where="id = 20", values={"id": 2000})
    assert ids(t, "id < 12") == [10, 11]
    assert ids(t, "id = 20") == []
    assert ids(t, "id = 2000") == [2000]
    t.optimize()
    assert ids(t, "id < 12") == [10, 11]
    assert ids(t, "id = 2000") == [2000]
    result = t.merge_insert("id").when_matched_update_all().execute(t.search().where("id = 500").to_arrow())
    assert result.num_updated_rows == 1
    assert t.count_rows("id = 500") == 1


def test_old_form(t):
    t.create_scalar_index("cat", index_type="BITMAP")
    assert [one.index_type for one in t.list_indices()] == ["Bitmap"]
    with pytest.raises(ValueError, match="(?i)ZZ"):
        t.create_scalar_index("id", index_type="ZZ")

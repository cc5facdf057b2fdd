"""Every change that we make is read, and continued, by pylance; and the reverse."""

import datetime as dt
import random

import lance
import pyarrow as pa
import pytest

from quiver.index import Bitmap, BloomFilter, BTree, LabelList, NGram, ZoneMap

VERSIONS = ["2.0", "2.1", "2.2"]


def rows(start, n):
    ids = range(start, start + n)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "s": pa.array([None if i % 5 == 0 else f"word {i % 50}" for i in ids], pa.string()),
            "f": pa.array([i / 4 for i in ids], pa.float64()),
            "tags": pa.array([[f"t{i % 4}", f"u{i % 3}"] if i % 7 else None for i in ids], pa.list_(pa.string())),
            "vector": pa.array([[float(i), 1.0] for i in ids], pa.list_(pa.float32(), 2)),
        }
    )


def same(t):
    """Both sides give the same rows, ids and order."""
    dataset = lance.dataset(t.uri)
    dataset.validate()
    assert dataset.version == t.version
    ours, theirs = t.search().with_row_id(True).to_arrow(), dataset.to_table(with_row_id=True)
    assert ours.schema.names == theirs.schema.names
    assert ours.to_pylist() == theirs.to_pylist()
    assert t.count_rows() == dataset.count_rows()
    return dataset


@pytest.fixture(params=[False, True], ids=["addresses", "stable"])
def stable(request):
    return request.param


@pytest.fixture
def t(db, stable):
    options = {"new_table_enable_stable_row_ids": str(stable).lower(), "quiver_max_rows_per_file": "400"}
    return db.create_table("t", rows(0, 1000), storage_options=options)


def test_delete(t):
    t.delete("id % 3 = 0")
    same(t)
    t.delete("id between 400 and 799")
    dataset = same(t)
    dataset.delete("id = 1")
    t.checkout_latest()
    t.delete("id = 2")
    same(t)
    t.delete("true")
    same(t)
    lance.write_dataset(rows(5000, 10), t.uri, mode="append")
    t.checkout_latest()
    same(t)


def test_update(t):
    t.update(where="id % 10 = 3", values_sql={"f": "f + 1000", "s": "upper(s)"})
    dataset = same(t)
    dataset.update({"s": "'theirs'"}, where="id % 10 = 4")
    t.checkout_latest()
    t.update(where="id % 10 = 4 and id > 500", values={"s": "ours"})
    same(t)
    assert t.count_rows("s = 'ours'") == 50
    assert t.count_rows("s = 'theirs'") == 50


def test_row_versions(db):
    t = db.create_table("t", rows(0, 100), storage_options={"new_table_enable_stable_row_ids": "true"})
    t.update(where="id < 10", values={"s": "x"})
    t.add(rows(100, 5))
    t.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows(95, 12))
    columns = ["id", "_row_created_at_version", "_row_last_updated_at_version"]
    found = {row["id"]: row for row in lance.dataset(t.uri).to_table(columns=columns).to_pylist()}
    created = {i: row["_row_created_at_version"] for i, row in found.items()}
    updated = {i: row["_row_last_updated_at_version"] for i, row in found.items()}
    assert (created[5], updated[5]) == (1, 2)
    assert (created[50], updated[50]) == (1, 1)
    assert (created[101], updated[101]) == (3, 4)
    assert (created[106], updated[106]) == (4, 4)
    dataset = lance.dataset(t.uri)
    dataset.optimize.compact_files()
    t.checkout_latest()
    same(t)


def test_merge(t):
    upsert = t.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    result = upsert.execute(rows(900, 200))
    assert (result.num_updated_rows, result.num_inserted_rows) == (100, 100)
    dataset = same(t)
    theirs = dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows(1050, 100))
    assert (theirs["num_updated_rows"], theirs["num_inserted_rows"]) == (50, 50)
    t.checkout_latest()
    t.merge_insert("id").when_not_matched_by_source_delete("id > 1000").when_matched_update_all().execute(rows(1100, 20))
    same(t)


@pytest.mark.parametrize("version", VERSIONS)
def test_columns(db, version):
    options = {"new_table_data_storage_version": version, "quiver_max_rows_per_file": "40"}
    t = db.create_table("t", rows(0, 100), storage_options=options)
    t.delete("id % 9 = 0")
    t.add_columns({"twice": "id * 2"})
    same(t)
    t.add_columns(pa.field("empty", pa.string()))
    same(t)
    t.alter_columns({"path": "twice", "rename": "double"}, {"path": "f", "data_type": pa.float32()})
    same(t)
    t.drop_columns(["s"])
    dataset = same(t)
    dataset.add_columns({"theirs": "id + 1"})
    t.checkout_latest()
    t.update(where="id = 5", values={"empty": "no"})
    same(t)
    t.optimize()
    same(t)
    t.add(t.search().where("id < 5").to_arrow())
    same(t)


def test_metadata_and_keys(db):
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("s", pa.string())])
    t = db.create_table("t", pa.table({"id": [1, 2], "s": ["a", "b"]}, schema=schema))
    t.update_field_metadata({"path": "s", "metadata": {"k": "v"}})
    t.set_unenforced_primary_key("id")
    dataset = same(t)
    assert dataset.schema.field("s").metadata[b"k"] == b"v"
    merged = pa.table({"id": [2, 3], "s": ["B", "C"]}, schema=schema)
    t.merge_insert([]).when_matched_update_all().when_not_matched_insert_all().execute(merged)
    same(t)


def test_versions(t):
    t.delete("id > 10")
    t.tags.create("small", t.version)
    t.restore(1)
    dataset = same(t)
    assert dataset.count_rows() == 1000
    assert dataset.checkout_version("small").count_rows() == 11
    dataset.tags.create("theirs", 2)
    assert set(t.tags.list()) == {"small", "theirs"}
    dataset.checkout_version(2).restore()
    t.checkout_latest()
    same(t)
    assert len(t) == 11
    when = dt.datetime.now() + dt.timedelta(days=1)
    t.checkout_at(when)
    assert len(t) == 11


def test_branches(t):
    branch = t.branches.create("exp")
    branch.delete("id > 4")
    assert (len(t), len(branch)) == (1000, 5)
    dataset = lance.dataset(t.uri)
    assert "exp" in dataset.branches.list()
    theirs = dataset.checkout_version(("exp", None))
    assert theirs.count_rows() == 5
    dataset.create_branch("theirs")
    other = t.branches.checkout("theirs")
    other.add(rows(2000, 3))
    assert len(other) == 1003
    assert lance.dataset(t.uri).checkout_version(("theirs", None)).count_rows() == 1003
    t.branches.delete("exp")
    assert set(t.branches.list()) == {"theirs"}


def test_clones(db, t):
    copy = db.clone_table("copy", t.uri)
    copy.delete("id < 500")
    assert (len(t), len(copy)) == (1000, 500)
    assert lance.dataset(copy.uri).count_rows() == 500
    lance.dataset(t.uri).shallow_clone(str(db.uri) + "/theirs.lance", 1)
    theirs = db["theirs"]
    theirs.add(rows(1000, 5))
    assert len(theirs) == lance.dataset(theirs.uri).count_rows() == 1005


def test_optimize(t):
    for i in range(5):
        t.add(rows(1000 + 10 * i, 10))
    t.delete("id % 4 = 1")
    t.update(where="id % 50 = 0", values={"s": "round"})
    before = t.to_arrow().to_pylist()
    t.optimize()
    dataset = same(t)
    assert t.to_arrow().to_pylist() == before
    assert len(dataset.get_fragments()) == 1
    dataset.delete("id = 0")
    for i in range(3):
        lance.write_dataset(rows(3000 + i, 1), t.uri, mode="append")
    lance.dataset(t.uri).optimize.compact_files()
    t.checkout_latest()
    same(t)
    t.cleanup_old_versions(dt.timedelta(0), delete_unverified=True)
    same(t)
    assert len(t.list_versions()) == 1


INDEXES = [
    ("id", BTree(), "BTREE", ["id = 17", "id > 990", "id between 10 and 20", "id in (1, 5, 4000)", "not (id < 995)"]),
    ("s", BTree(), "BTREE", ["s = 'word 7'", "s is null", "s > 'word 4' and s < 'word 5'", "s like 'word 1%'"]),
    ("s", Bitmap(), "BITMAP", ["s = 'word 7'", "s is null", "s <> 'word 7'", "s in ('word 1', 'word 2')"]),
    ("f", ZoneMap(rows_per_zone=64), "ZONEMAP", ["f > 245.0", "f < 3.0"]),
    ("id", BloomFilter(), "BLOOMFILTER", ["id = 17", "id in (3, 9)"]),
    ("tags", LabelList(), "LABEL_LIST", ["array_has(tags, 't1')", "array_has_all(tags, ['t1', 'u1'])", "array_has_any(tags, ['t0', 'u2'])"]),
    ("s", NGram(), "NGRAM", ["contains(s, 'word 12')", "s like '%rd 3%'"]),
]


def answers(t, dataset, conditions):
    for where in conditions:
        ours = [row["id"] for row in t.search().where(where).to_list()]
        theirs = dataset.to_table(filter=where)["id"].to_pylist()
        scanned = dataset.scanner(filter=where, use_scalar_index=False).to_table()["id"].to_pylist()
        assert sorted(ours) == sorted(theirs) == sorted(scanned), where
        assert t.count_rows(where) == len(scanned)


@pytest.mark.parametrize(("column", "config", "kind", "conditions"), INDEXES, ids=[f"{i[2]}-{i[0]}" for i in INDEXES])
def test_our_indexes(t, column, config, kind, conditions):
    t.create_index(column, config=config)
    dataset = same(t)
    assert "ScalarIndexQuery" in t.search().where(conditions[0]).explain_plan()
    assert "ScalarIndexQuery" in dataset.scanner(filter=conditions[0]).explain_plan()
    answers(t, dataset, conditions)
    t.delete("id % 6 = 2")
    t.update(where="id = 20", values={"f": 1.0})
    t.add(rows(2000, 50))
    answers(t, lance.dataset(t.uri), conditions)
    lance.dataset(t.uri).optimize.optimize_indices()
    t.checkout_latest()
    answers(t, lance.dataset(t.uri), conditions)
    t.add(rows(3000, 50))
    t.optimize()
    answers(t, same(t), conditions)
    lance.dataset(t.uri).optimize.compact_files()
    t.checkout_latest()
    answers(t, lance.dataset(t.uri), conditions)


@pytest.mark.parametrize(("column", "config", "kind", "conditions"), INDEXES, ids=[f"{i[2]}-{i[0]}" for i in INDEXES])
def test_their_indexes(t, column, config, kind, conditions):
    dataset = lance.dataset(t.uri)
    dataset.create_scalar_index(column, kind)
    t.checkout_latest()
    assert "ScalarIndexQuery" in t.search().where(conditions[0]).explain_plan()
    answers(t, lance.dataset(t.uri), conditions)
    t.delete("id % 6 = 2")
    t.add(rows(2000, 50))
    answers(t, lance.dataset(t.uri), conditions)
    t.optimize()
    answers(t, same(t), conditions)


def test_by_turns(db, stable):
    """A long random history that both sides write."""
    random.seed(11)
    t = db.create_table("t", rows(0, 200), storage_options={"new_table_enable_stable_row_ids": str(stable).lower()})
    t.create_index("id", config=BTree())
    t.create_index("s", config=Bitmap())
    at = 200
    for step in range(60):
        low = random.randrange(at)
        where = f"id between {low} and {low + 7}"
        ours = random.random() < 0.6
        dataset = lance.dataset(t.uri)
        kind = random.choice(["add", "delete", "update", "merge", "index", "compact"])
        if kind == "add":
            t.add(rows(at, 5)) if ours else lance.write_dataset(rows(at, 5), t.uri, mode="append")
            at += 5
        elif kind == "delete":
            t.delete(where) if ours else dataset.delete(where)
        elif kind == "update":
            t.update(where=where, values={"s": f"step {step}"}) if ours else dataset.update({"s": f"'step {step}'"}, where=where)
        elif kind == "merge":
            merge = (t if ours else dataset).merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(rows(low, 6))
        elif kind == "index":
            t._inner.optimize_indices(None, -1, False) if ours else dataset.optimize.optimize_indices()
        else:
            t.compact_files() if ours else dataset.optimize.compact_files()
        t.checkout_latest()
        if step % 10 == 9:
            dataset = same(t)
            answers(t, dataset, [where, f"id = {low}", "s = 'word 7'", f"s = 'step {step}'", "s is null"])

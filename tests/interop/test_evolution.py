"""Rows and columns changed by turns, by Quiver (its C interface) and by pylance: both see the same rows, ids and versions."""

import ctypes as C
import random

import lance
import pyarrow as pa
import pytest

from capi import Capi, text


class Job(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("rest", C.c_uint64 * 4)]


class Assignment(C.Structure):
    _fields_ = [("column", C.c_char_p), ("expression", C.c_char_p)]


class MergeOptions(C.Structure):
    _fields_ = [
        ("struct_size", C.c_size_t), ("on", C.POINTER(C.c_char_p)), ("n_on", C.c_size_t), ("update_matched", C.c_bool), ("update_if", C.c_char_p),
        ("insert_unmatched", C.c_bool), ("delete_unmatched", C.c_bool), ("delete_if", C.c_char_p), ("no_index", C.c_bool),
        ("memory_limit_bytes", C.c_uint64), ("job", Job),
    ]


class ColumnChange(C.Structure):
    _fields_ = [("path", C.c_char_p), ("rename", C.c_char_p), ("type", C.c_void_p), ("nullable", C.c_int)]


class Ours:
    """The calls of the tests, on a table of Quiver's."""

    def __init__(self, table):
        self.table = table

    def delete(self, where):
        self.table.checkout_latest()
        self.table.call("qv_table_delete", text(where), None, None)

    def update(self, values, where):
        self.table.checkout_latest()
        pairs = (Assignment * len(values))(*[(text(k), text(v)) for k, v in values.items()])
        self.table.call("qv_table_update", text(where), pairs, C.c_size_t(len(values)), None, None)

    def merge(self, rows, update=True, insert=True, delete=None):
        self.table.checkout_latest()
        on = (C.c_char_p * 1)(b"id")
        options = MergeOptions(C.sizeof(MergeOptions), on, 1, update, None, insert, bool(delete), text(delete), False, 0, Job(C.sizeof(Job)))
        stream = (C.c_uint64 * 5)()
        rows.to_reader()._export_to_c(C.addressof(stream))
        self.table.call("qv_table_merge", stream, C.byref(options), None)

    def add(self, values):
        self.table.checkout_latest()
        pairs = (Assignment * len(values))(*[(text(k), text(v)) for k, v in values.items()])
        self.table.call("qv_table_add_columns", pairs, C.c_size_t(len(values)), None, None)

    def alter(self, path, rename=None, data_type=None):
        self.table.checkout_latest()
        schema = (C.c_uint64 * 9)()
        if data_type:
            pa.field("x", data_type)._export_to_c(C.addressof(schema))
        change = ColumnChange(text(path), text(rename), C.addressof(schema) if data_type else None, -1)
        self.table.call("qv_table_alter_columns", C.byref(change), C.c_size_t(1), None, None)

    def drop(self, *names):
        self.table.checkout_latest()
        self.table.call("qv_table_drop_columns", (C.c_char_p * len(names))(*map(text, names)), C.c_size_t(len(names)), None)


class Theirs:
    """The same calls on a data set of pylance's."""

    def __init__(self, uri):
        self.uri = uri

    def open(self):
        return lance.dataset(self.uri)

    def delete(self, where):
        self.open().delete(where)

    def update(self, values, where):
        self.open().update(values, where=where)

    def merge(self, rows, update=True, insert=True, delete=None):
        merge = self.open().merge_insert("id")
        if update:
            merge = merge.when_matched_update_all()
        if insert:
            merge = merge.when_not_matched_insert_all()
        if delete:
            merge = merge.when_not_matched_by_source_delete(delete)
        merge.execute(rows)

    def add(self, values):
        self.open().add_columns(values)

    def alter(self, path, rename=None, data_type=None):
        change = {"path": path}
        if rename:
            change["name"] = rename
        if data_type:
            change["data_type"] = data_type
        self.open().alter_columns(change)

    def drop(self, *names):
        self.open().drop_columns(list(names))


def rows(ids, salt=0):
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "s": pa.array([None if i % 5 == 0 else f"word {i + salt}" for i in ids]),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array([float(x) for i in ids for x in (i, salt)], pa.float32()), 2),
            "st": pa.array([{"a": i, "b": f"b{i}"} for i in ids], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        }
    )


def create(folder, stable):
    uri = str(folder / "db" / "t.lance")
    lance.write_dataset(rows(range(100)), uri, max_rows_per_file=40, enable_stable_row_ids=stable)
    return uri


def same(table, uri):
    """What both read, and pylance's own checks."""
    table.checkout_latest()
    dataset = lance.dataset(uri)
    dataset.validate()
    theirs = dataset.to_table()
    ours = table.read()
    assert table.version == dataset.version
    assert ours.schema.names == theirs.schema.names
    assert ours.equals(theirs.cast(ours.schema))
    return theirs


@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_by_turns(tmp_path, stable, seed):
    uri = create(tmp_path, stable)
    dice = random.Random(seed)
    model = {i: 0 for i in range(100)}
    with Capi(tmp_path / "db") as db, db.table("t") as table:
        sides = [Ours(table), Theirs(uri)]
        for step in range(1, 25):
            side = sides[dice.randrange(2)]
            at = dice.randrange(120)
            kind = dice.randrange(4)
            if kind == 0:
                side.delete(f"id >= {at} AND id < {at + 5}")
                model = {i: v for i, v in model.items() if not at <= i < at + 5}
            elif kind == 1:
                side.update({"s": f"concat('word ', id + {step})", "vector": f"[0.5, {step}.0]"}, f"id % 10 = {at % 10}")
                model.update({i: step for i in model if i % 10 == at % 10})
            elif kind == 2:
                ids = range(at, at + 8)
                side.merge(rows(ids, step))
                model.update({i: step for i in ids})
            else:
                ids = range(at, at + 8)
                side.merge(rows(ids, step), update=False, delete=f"id >= {at} AND id < {at + 30} AND id % 4 = 0")
                model = {i: v for i, v in model.items() if i in ids or not (at <= i < at + 30 and i % 4 == 0)}
                model.update({i: step for i in ids if i not in model})
            found = same(table, uri)
            assert {r["id"]: int(r["vector"][1]) for r in found.select(["id", "vector"]).to_pylist()} == model
            assert found.num_rows == len(model)


def test_stable_ids_and_versions(tmp_path):
    """Moved rows keep ids and birth, whoever moves them; the same steps by the other side give the same numbers."""
    answers = []
    for side_number in range(2):
        folder = tmp_path / str(side_number)
        folder.mkdir()
        uri = create(folder, True)
        with Capi(folder / "db") as db, db.table("t") as table:
            side = [Ours(table), Theirs(uri)][side_number]
            side.delete("id % 7 = 3")
            side.update({"s": "'x'"}, "id % 10 = 1")
            side.merge(rows(range(60, 110), 1))
            side.update({"s": "'y'"}, "id < 20")
            columns = ["id", "s", "_rowid", "_row_created_at_version", "_row_last_updated_at_version"]
            found = lance.dataset(uri).to_table(columns=columns).to_pydict()
        kept = sorted(zip(*[found[c] for c in columns]))
        answers.append([k for k in kept if k[2] < 100])  # new rows may be numbered in another order
        assert sorted(found["_rowid"]) == sorted(set(found["_rowid"]))
        assert len([i for i in found["_rowid"] if i >= 100]) == len([i for i in found["id"] if i >= 60]) - sum(k[2] < 100 and k[0] >= 60 for k in kept)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("first", [0, 1])
def test_columns_by_turns(tmp_path, first):
    uri = create(tmp_path, False)
    with Capi(tmp_path / "db") as db, db.table("t") as table:
        sides = [Ours(table), Theirs(uri)]
        one, two = sides[first], sides[1 - first]
        one.delete("id % 3 = 0")
        two.add({"double": "id * 2", "upper": "upper(s)"})
        same(table, uri)
        one.add({"more": "double + 1"})
        found = same(table, uri)
        assert found["more"].to_pylist() == [2 * i + 1 for i in found["id"].to_pylist()]
        two.alter("more", rename="most", data_type=pa.int32())
        same(table, uri)
        one.alter("st.a", data_type=pa.int32())
        same(table, uri)
        two.alter("st.b", rename="c")
        one.update({"most": "most + 1"}, "id < 50")
        same(table, uri)
        two.merge(table_like(lance.dataset(uri), [200, 201]))
        one.drop("st.a", "double")
        found = same(table, uri)
        two.drop("upper")
        one.add({"upper": "lower(s)"})
        found = same(table, uri)
        assert found.schema.names == ["id", "s", "vector", "st", "most", "upper"]
        assert found.num_rows == 68


def table_like(dataset, ids):
    some = dataset.to_table(limit=len(ids))
    return some.set_column(0, dataset.schema.field("id"), pa.array(ids, pa.int64()))

"""Scalar indices, both ways: pylance answers from indices that Quiver made, extended and left behind; Quiver from pylance's.

The C interface is called directly (ctypes): what is tested is the files."""
import ctypes
import datetime
import json
import os
import uuid

import numpy as np
import pyarrow as pa
import pytest

lance = pytest.importorskip("lance")

BTREE, BITMAP = 1, 2


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("errno", ctypes.c_int), ("message", ctypes.c_char * 504)]


class IndexOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int), ("name", ctypes.c_char_p),
                ("keep_existing", ctypes.c_bool), ("untrained", ctypes.c_bool)]


class MergeOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("names", ctypes.c_void_p), ("n_names", ctypes.c_size_t),
                ("merge_segments", ctypes.c_int64), ("retrain", ctypes.c_bool)]


def library():
    built = os.path.join(os.path.dirname(__file__), "../../build/release/libquiver.so")
    return ctypes.CDLL(os.environ.get("QV_LIBRARY", built))


class Table:
    def __init__(self, path):
        self.lib, self.path = library(), str(path)
        folder, name = os.path.split(self.path)
        self.db, self.table = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("qv_db_open", folder.encode(), None, ctypes.byref(self.db))
        self.call("qv_db_open_table", self.db, name.removesuffix(".lance").encode(), ctypes.c_uint64(0),
                  ctypes.byref(self.table))

    def call(self, name, *args):
        error = Error()
        if getattr(self.lib, name)(*args, ctypes.byref(error)) != 0:
            raise RuntimeError(error.message.decode())

    def create(self, column, kind, name=None, untrained=False):
        options = IndexOptions(0, kind, name.encode() if name else None, False, untrained)
        options.size = ctypes.sizeof(options)
        self.call("qv_table_create_index", self.table, column.encode(), ctypes.byref(options))

    def optimize(self, merge=-1):
        options = MergeOptions(0, None, 0, merge, False)
        options.size = ctypes.sizeof(options)
        version = ctypes.c_uint64()
        self.call("qv_table_optimize_indices", self.table, ctypes.byref(options), ctypes.byref(version))
        return version.value

    def indices(self):
        text = ctypes.c_char_p()
        self.call("qv_table_indices", self.table, ctypes.byref(text))
        return {index["name"]: index for index in json.loads(text.value)}

    def count(self, where):
        n = ctypes.c_uint64()
        self.call("qv_table_count_where", self.table, where.encode(), None, ctypes.byref(n))
        return n.value

    def verify(self):
        self.call("qv_table_verify", self.table, None, None, None, None)

    def close(self):
        self.lib.qv_table_close(self.table)
        self.lib.qv_db_close(self.db)


def rows(n, seed, first=0):
    rng = np.random.default_rng(seed)
    null = rng.random(n) < 0.1
    day = datetime.datetime(2020, 1, 1)
    f = rng.choice([0.0, -0.0, 1.5, -2.25, np.inf, -np.inf, np.nan], n)
    x = rng.integers(-50, 50, n)
    text = [f"v{i % 37}" for i in x]
    return pa.table({
        "id": pa.array(range(first, first + n), pa.int64()),
        "a": pa.array(x.astype("int32"), mask=null),
        "f": pa.array(f, mask=null),
        "s": pa.array(text, mask=null),
        "b": pa.array(x > 0, mask=null),
        "t": pa.array([day + datetime.timedelta(hours=int(i)) for i in x], pa.timestamp("us"), mask=null),
        "d": pa.array([datetime.date(2020, 1, 1) + datetime.timedelta(days=int(i)) for i in x], mask=null),
        "dec": pa.array([int(i) for i in x], mask=null).cast(pa.decimal128(25, 2)),
        "u": pa.array([uuid.UUID(int=int(i) + 60).bytes for i in x], pa.binary(16), mask=null),
        "st": pa.StructArray.from_arrays([pa.array(x), pa.array(text)], ["x", "y"]),
    })


CONDITIONS = {
    "a": ["a = 7", "a >= 40", "a between -3 and 3", "a is null", "a in (1, 2, 49)", "a < -45 or a = 20"],
    "f": ["f = 0.0", "f > 1.0", "f is null", "f < -1.0"],
    "s": ["s = 'v3'", "s in ('v1', 'v2')", "s > 'v30'", "s is null"],
    "b": ["b = true", "b is null"],
    "t": ["t > timestamp '2020-01-02 12:00:00'", "t is null"],
    "d": ["d = date '2020-01-05'", "d < date '2019-12-01'"],
    "dec": ["dec = 7", "dec > 40"],
    "u": [f"u = X'{uuid.UUID(int=67).hex}'"],
    "st.x": ["st.x = 7", "st.x > 45"],
}
PYLANCE_BITMAP = {"a", "s", "b"}


def check(table, path, columns=CONDITIONS):
    """Both give the same rows with and without an index; pylance's plan names it."""
    dataset = lance.dataset(path)
    for column in columns:
        for where in CONDITIONS[column]:
            wanted = sorted(dataset.to_table(columns=["id"], filter=where, use_scalar_index=False)["id"].to_pylist())
            found = sorted(dataset.to_table(columns=["id"], filter=where)["id"].to_pylist())
            plan = dataset.scanner(columns=["id"], filter=where).explain_plan()
            assert "ScalarIndexQuery" in plan, (where, plan)
            assert found == wanted, where
            assert table.count(where) == len(wanted), where


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("kind", [BTREE, BITMAP])
def test_made_here(tmp_path, kind, stable, version):
    path = tmp_path / "t.lance"
    lance.write_dataset(rows(9000, 1), path, max_rows_per_file=4000, enable_stable_row_ids=stable,
                        data_storage_version=version)
    table = Table(path)
    for column in CONDITIONS:
        table.create(column, kind)
    check(table, path)
    lance.dataset(path).delete("a = 7 and id % 2 = 0")
    lance.write_dataset(rows(3000, 2, 9000), path, mode="append")
    table.close()
    table = Table(path)
    check(table, path)
    assert table.optimize(0) and not table.optimize(0)
    assert all(i["num_segments"] == 2 and not i["num_unindexed_rows"] for i in table.indices().values())
    check(table, path)
    assert table.optimize(-1)
    assert all(i["num_segments"] == 1 for i in table.indices().values())
    check(table, path)
    table.verify()
    table.close()


@pytest.mark.parametrize("stable", [False, True])
def test_continued_there(tmp_path, stable):
    """pylance extends and compacts what was made here; the result is read here."""
    path = tmp_path / "t.lance"
    lance.write_dataset(rows(5000, 3), path, max_rows_per_file=2000, enable_stable_row_ids=stable)
    table = Table(path)
    for column in CONDITIONS:
        table.create(column, BTREE)
    table.create("s", BITMAP, "s_bitmap")
    lance.write_dataset(rows(2000, 4, 5000), path, mode="append")
    dataset = lance.dataset(path)
    dataset.optimize.optimize_indices()
    dataset.delete("id % 5 = 0")
    dataset.optimize.compact_files()
    table.close()
    table = Table(path)
    table.verify()
    check(table, path)
    assert not any(i["num_unindexed_rows"] for i in table.indices().values())
    table.close()


@pytest.mark.parametrize("defer", [False, True])
@pytest.mark.parametrize("stable", [False, True])
def test_made_there(tmp_path, stable, defer):
    """Indices of pylance through appends, deletes, updates and compactions, extended here."""
    path = tmp_path / "t.lance"
    dataset = lance.write_dataset(rows(5000, 5), path, max_rows_per_file=2000, enable_stable_row_ids=stable)
    for column in CONDITIONS:
        dataset.create_scalar_index(column, "BTREE")
    for column in PYLANCE_BITMAP:
        dataset.create_scalar_index(column, "BITMAP", name=f"{column}_bitmap")
    dataset.delete("id % 7 = 0")
    dataset.update({"a": "7"}, "id % 11 = 0")
    lance.write_dataset(rows(1500, 6, 5000), path, mode="append")
    table = Table(path)
    table.verify()
    check(table, path)
    table.close()
    lance.dataset(path).optimize.compact_files(defer_index_remap=defer and not stable)
    table = Table(path)
    table.verify()
    check(table, path)
    table.optimize()
    assert not any(i["num_unindexed_rows"] for i in table.indices().values())
    check(table, path)
    table.verify()
    table.close()


def test_untrained_and_empty(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(rows(100, 7).slice(0, 0), path)
    table = Table(path)
    table.create("a", BTREE)
    table.create("s", BITMAP, untrained=True)
    assert lance.dataset(path).to_table(filter="a = 1").num_rows == 0
    lance.write_dataset(rows(3000, 7), path, mode="append")
    table.close()
    table = Table(path)
    assert table.indices()["s_idx"]["num_unindexed_rows"] == 3000
    table.optimize()
    check(table, path, ["a", "s"])
    table.close()

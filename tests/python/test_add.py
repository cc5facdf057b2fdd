import concurrent.futures
import math

import pyarrow as pa
import pytest

NAN = float("nan")


@pytest.fixture
def t(db):
    schema = pa.schema([("id", pa.int64()), ("s", pa.string()), ("n", pa.int64()), ("vector", pa.list_(pa.float32(), 2))])
    table = db.create_table("t", schema=schema)
    table.add([{"id": 1, "s": "a", "n": 1, "vector": [1.0, 2.0]}])
    return table


def last(t):
    return t.to_arrow().to_pylist()[-1]


def test_result(t):
    result = t.add([{"id": 2}])
    assert repr(result) == "AddResult(version=3)"
    assert result.version == t.version == 3
    assert last(t) == {"id": 2, "s": None, "n": None, "vector": None}


def test_column_order(t):
    t.add([{"vector": [3.0, 4.0], "s": "b", "id": 2}])
    assert last(t) == {"id": 2, "s": "b", "n": None, "vector": [3.0, 4.0]}
    assert t.schema.names == ["id", "s", "n", "vector"]


@pytest.mark.parametrize("value, stored", [("5", 5), (True, 1), (1.5, 1), (7, 7), (None, None)])
def test_casts(t, value, stored):
    t.add([{"id": 2, "n": value}])
    assert last(t)["n"] == stored


def test_refused(t):
    with pytest.raises(ValueError, match="Cannot create table from empty list without a schema"):
        t.add([])
    with pytest.raises(ValueError, match="Invalid input, field 'zz' does not exist in table schema"):
        t.add([{"id": 3, "zz": 1}])
    with pytest.raises(ValueError, match="'?q'?"):
        t.add([{"id": "q"}])
    with pytest.raises(NotImplementedError, match="to_scannable not implemented for type <class 'int'>"):
        t.add(5)
    with pytest.raises(NotImplementedError):
        t.add("x")
    with pytest.raises(ValueError, match="Cannot create or add rows from a single dictionary"):
        t.add({"id": 1})
    with pytest.raises(ValueError, match="Invalid mode: replace"):
        t.add([{"id": 1}], mode="replace")
    with pytest.raises(ValueError, match="Invalid input, write_parallelism must be greater than 0"):
        t.add([{"id": 1}], write_parallelism=0)
    assert (t.version, len(t)) == (2, 1)


def test_missing_and_null_columns(db):
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("s", pa.string())])
    t = db.create_table("n", schema=schema)
    with pytest.raises((RuntimeError, ValueError), match="id"):
        t.add([{"s": "x"}])
    with pytest.raises(ValueError, match="id"):
        t.add([{"id": None, "s": "x"}])
    t.add([{"id": 1}])
    assert t.to_arrow().to_pylist() == [{"id": 1, "s": None}]


def test_single_model(db, pydantic_module):
    class M(pydantic_module.LanceModel):
        id: int

    t = db.create_table("m", schema=M)
    with pytest.raises(ValueError, match="Cannot add a single LanceModel to a table. Use a list."):
        t.add(M(id=1))
    t.add([M(id=1), M(id=2)])
    assert t.to_arrow().to_pylist() == [{"id": 1}, {"id": 2}]


def test_overwrite(t):
    t.add([{"n": 1, "vector": [1, 2, 3]}], mode="overwrite")
    assert str(t.schema.field("vector").type) == "fixed_size_list<item: uint8>[3]"
    assert t.to_arrow().to_pylist() == [{"n": 1, "vector": [1, 2, 3]}]
    assert t.version == 3


def test_bad_vectors(t):
    with pytest.raises(ValueError, match=r"Cannot cast to FixedSizeList\(2\): value at index 0 has length 1"):
        t.add([{"vector": [1.0]}])
    with pytest.raises(ValueError, match="Vector column contains NaN values"):
        t.add([{"vector": [1.0, NAN]}])
    assert (t.version, len(t)) == (2, 1)


@pytest.mark.parametrize("value", [[1.0], [1.0, NAN]])
def test_bad_vectors_actions(t, value):
    t.add([{"id": 2, "vector": value}], on_bad_vectors="fill")
    assert last(t)["vector"] == [1.0, 0.0]
    t.add([{"id": 3, "vector": value}], on_bad_vectors="null")
    assert last(t)["vector"] is None
    version = t.version
    t.add([{"id": 4, "vector": value}], on_bad_vectors="drop")
    assert last(t)["id"] == 3
    assert t.version == version + 1


def test_nan_in_arrow_data(db):
    t = db.create_table("v", schema=pa.schema([("v", pa.list_(pa.float32(), 2))]))
    with pytest.raises(ValueError, match="Vector column contains NaN values"):
        t.add(pa.table({"v": pa.array([[1.0, NAN]], pa.list_(pa.float32(), 2))}))


def test_progress(t):
    reports = []
    t.add([{"id": i} for i in range(5)], progress=reports.append)
    final = reports[-1]
    assert set(final) == {"output_rows", "output_bytes", "total_rows", "elapsed_seconds", "active_tasks", "total_tasks", "done"}
    assert final["done"] is True
    assert final["output_rows"] == final["total_rows"] == 5
    assert final["active_tasks"] == 0
    assert [report["done"] for report in reports[:-1]] == [False] * (len(reports) - 1)


def test_progress_errors_do_not_fail_the_write(t):
    def broken(report):
        raise KeyError("mine")

    t.add([{"id": 9}], progress=broken)
    assert last(t)["id"] == 9


def test_progress_bar(t, capfd):
    t.add([{"id": 9}], progress=True)
    assert capfd.readouterr().err != ""


def test_progress_object(t):
    class Bar:
        total = None
        n = 0

        def update(self, n=1):
            self.n += n

        def refresh(self):
            pass

    bar = Bar()
    t.add([{"id": i} for i in range(3)], progress=bar)
    assert bar.n == 3


def test_eight_writers(db_module, tmp_path):
    db_module.connect(tmp_path).create_table("t", schema=pa.schema([("id", pa.int64())]))

    def write(i):
        table = db_module.connect(tmp_path).open_table("t")
        for j in range(3):
            table.add([{"id": 10 * i + j}])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    rows = db_module.connect(tmp_path)["t"].to_arrow()["id"].to_pylist()
    assert sorted(rows) == sorted(10 * i + j for i in range(8) for j in range(3))


def test_nan_scalars_are_fine(db):
    t = db.create_table("x", [{"a": NAN}])
    t.add([{"a": NAN}])
    assert all(math.isnan(row["a"]) for row in t.to_arrow().to_pylist())

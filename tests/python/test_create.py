import datetime
import decimal
import math
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

NAN = float("nan")


def types(table):
    return {field.name: str(field.type) for field in table.schema}


# ---------------------------------------------------------------- arguments


def test_nothing_to_create_from(db):
    with pytest.raises(ValueError, match="Either data or schema must be provided"):
        db.create_table("t")
    with pytest.raises(ValueError, match="Cannot create table from empty list without a schema"):
        db.create_table("t", [])
    with pytest.raises(ValueError, match="Cannot create or add rows from a single dictionary. Use a list of dictionaries instead."):
        db.create_table("t", {"a": 1})
    assert list(db.table_names()) == []


@pytest.mark.parametrize("data, error", [(5, TypeError), ("abc", TypeError), ([1, 2], AttributeError), (({"a": 1},), TypeError), (np.zeros((2, 2)), TypeError)])
def test_unknown_data(db, data, error):
    with pytest.raises(error):
        db.create_table("t", data)
    assert list(db.table_names()) == []


def test_bad_names(db):
    with pytest.raises(ValueError, match=r'Invalid table name \(""\): it must not be empty'):
        db.create_table("", [{"a": 1}])
    for name in ("a b", "a/b", "ü"):
        with pytest.raises(ValueError, match=r"Invalid table name \(.*\): it may contain only alphanumeric characters, underscores, hyphens and periods"):
            db.create_table(name, [{"a": 1}])


def test_twice(db):
    db.create_table("t", [{"a": 1}])
    with pytest.raises(ValueError, match="Table 't' already exists"):
        db.create_table("t", [{"a": 1}])
    with pytest.raises(ValueError, match="mode must be either 'create' or 'overwrite'"):
        db.create_table("t", [{"a": 1}], mode="append")


def test_exist_ok(db):
    t = db.create_table("t", [{"a": 1}])
    with pytest.raises(ValueError, match="Schema Error: Provided schema does not match existing table schema"):
        db.create_table("t", [{"b": 1}], exist_ok=True)
    same = db.create_table("t", schema=t.schema, exist_ok=True)
    assert same.to_arrow().to_pylist() == [{"a": 1}]
    assert len(db.create_table("t", [{"a": 7}], exist_ok=True)) == 1
    assert len(db.create_table("new", [{"a": 7}], exist_ok=True)) == 1


def test_overwrite(db):
    old = db.create_table("t", [{"a": 1}])
    new = db.create_table("t", [{"b": "x"}], mode="overwrite")
    assert new.version == 2
    assert new.to_arrow().to_pylist() == [{"b": "x"}]
    assert old.version == 1
    assert old.to_arrow().to_pylist() == [{"a": 1}]
    assert db.open_table("t", version=1).to_arrow().to_pylist() == [{"a": 1}]


def test_empty_table(db):
    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), 2))])
    t = db.create_table("e", schema=schema)
    assert t.version == 1
    assert len(t) == 0
    assert t.schema == schema
    assert t.search([1.0, 2.0]).to_list() == []
    assert t.to_arrow().num_rows == 0
    assert db.create_table("e2", [], schema=schema).schema == schema


def test_wrong_schema(db):
    with pytest.raises((TypeError, AttributeError)):
        db.create_table("t", [{"a": 1}], schema=[("a", 1)])
    with pytest.raises(TypeError, match=r"Argument 'schema' has incorrect type \(expected pyarrow.lib.Schema, got dict\)"):
        db.create_table("t", schema={"a": 1})


def test_unknown_file_version(db):
    with pytest.raises(ValueError, match="Invalid input, Unknown Lance storage version: 9.9"):
        db.create_table("t", [{"a": 1}], storage_options={"new_table_data_storage_version": "9.9"})


@pytest.mark.parametrize("version", ["stable", "2.0", "2.1", "2.2"])
def test_file_versions(db, version):
    t = db.create_table("t", [{"a": 1}], storage_options={"new_table_data_storage_version": version})
    assert t.to_arrow().to_pylist() == [{"a": 1}]


# ---------------------------------------------------------------- types of dicts

ROW = {
    "i": 1,
    "f": 1.5,
    "s": "x",
    "b": b"y",
    "t": True,
    "d": datetime.date(2024, 2, 29),
    "ts": datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
    "td": datetime.timedelta(days=-1, microseconds=7),
    "n": None,
    "st": {"a": 1, "b": {"c": "x"}},
    "l": [1, 2],
    "time": datetime.time(1, 2, 3, 4),
}


def test_inferred_types(db):
    t = db.create_table("t", [ROW, {"i": None, "zz": 1}])
    assert types(t) == {
        "i": "int64",
        "f": "double",
        "s": "string",
        "b": "binary",
        "t": "bool",
        "d": "date32[day]",
        "ts": "timestamp[us]",
        "td": "duration[us]",
        "n": "null",
        "st": "struct<a: int64, b: struct<c: string>>",
        "l": "list<item: int64>",
        "time": "time64[us]",
    }
    assert t.to_arrow().to_pylist() == [ROW, dict.fromkeys(ROW)]


def test_decimal_and_timezone(db):
    utc = datetime.timezone.utc
    rows = [
        {"d": decimal.Decimal("1.50"), "ts": datetime.datetime(2024, 1, 1, tzinfo=utc)},
        {"d": decimal.Decimal("-100"), "ts": datetime.datetime(2024, 1, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))},
    ]
    t = db.create_table("t", rows)
    assert types(t) == {"d": "decimal128(5, 2)", "ts": "timestamp[us, tz=UTC]"}
    assert [row["d"] for row in t.to_arrow().to_pylist()] == [decimal.Decimal("1.50"), decimal.Decimal("-100")]
    assert [row["ts"] for row in t.to_arrow().to_pylist()] == [datetime.datetime(2024, 1, 1, tzinfo=utc)] * 2


def test_uuid(db):
    t = db.create_table("t", [{"u": uuid.UUID(int=5)}])
    assert t.to_arrow().to_pylist()[0]["u"] in (uuid.UUID(int=5), uuid.UUID(int=5).bytes)


def test_vector_columns(db):
    t = db.create_table("t", [{"vector": [1, 2], "my_embedding": [0.5, 0.5], "tags": ["a"], "nums": [1, 2]}])
    assert types(t) == {
        "vector": "fixed_size_list<item: uint8>[2]",
        "my_embedding": "fixed_size_list<item: float>[2]",
        "tags": "list<item: string>",
        "nums": "list<item: int64>",
    }


@pytest.mark.parametrize(
    "value",
    [[256, 2], [-1, 2], [0.5, 1], np.array([0.5, 1], np.float64), np.array([0.5, 1], np.float32), np.array([0.5, 1], np.float16)],
    ids=str,
)
def test_float_vectors(db, value):
    t = db.create_table("t", [{"vector": value}])
    assert types(t) == {"vector": "fixed_size_list<item: float>[2]"}
    assert t.to_arrow()["vector"].to_pylist() == [[float(x) for x in value]]


def test_arrow_vectors(db):
    for name, item in (("a", pa.float64()), ("b", pa.float16()), ("c", pa.float32())):
        data = pa.table({"vector": pa.array([np.array([1, 2], item.to_pandas_dtype())], pa.list_(item, 2))})
        assert db.create_table(name, data).schema.field("vector").type == pa.list_(item, 2)
    data = pa.table({"vector": pa.array([[1.0, 2.0]], pa.list_(pa.float64()))})
    assert types(db.create_table("d", data)) == {"vector": "fixed_size_list<item: float>[2]"}


def test_not_vectors(db):
    assert types(db.create_table("a", [{"emb": [1.0]}])) == {"emb": "list<item: double>"}
    assert types(db.create_table("b", [{"vector": None}])) == {"vector": "null"}


def test_mixed_types(db):
    with pytest.raises(pa.lib.ArrowInvalid, match="Could not convert 'x' with type str: tried to convert to int64"):
        db.create_table("t", [{"a": 1}, {"a": "x"}])
    with pytest.raises(OverflowError, match="Python int too large to convert to C long"):
        db.create_table("t", [{"a": 2**63}])
    assert types(db.create_table("f", [{"a": 1}, {"a": 1.5}])) == {"a": "double"}
    assert list(db.table_names()) == ["f"]


def test_bad_columns(db):
    with pytest.raises(RuntimeError, match=r"Top level field x.y cannot contain `.`"):
        db.create_table("t", [{"x.y": 1}])
    with pytest.raises(ValueError, match="The column _rowid is a reserved name"):
        db.create_table("t", [{"_rowid": 1}])
    with pytest.raises(RuntimeError, match='Duplicate field name "a"'):
        db.create_table("t", pa.table([[1], [2]], names=["a", "a"]))
    assert db.create_table("case", [{"a": 1, "A": 2}]).to_arrow().to_pylist() == [{"a": 1, "A": 2}]


# ---------------------------------------------------------------- kinds of data

BATCH = pa.record_batch({"a": [1, 2]})
TABLE = pa.table({"a": [1, 2]})


@pytest.mark.parametrize(
    "make",
    [
        lambda: [{"a": 1}, {"a": 2}],
        lambda: TABLE,
        lambda: BATCH,
        lambda: [BATCH.slice(0, 1), BATCH.slice(1, 1)],
        lambda: TABLE.to_reader(),
        lambda: pyarrow.dataset.dataset(TABLE),
        lambda: pyarrow.dataset.dataset(TABLE).scanner(),
        lambda: pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
        lambda: pl.DataFrame({"a": [1, 2]}),
        lambda: pl.LazyFrame({"a": [1, 2]}),
        lambda: iter([BATCH.slice(0, 1), BATCH.slice(1, 1)]),
        lambda: (part for part in [[{"a": 1}], [{"a": 2}]]),
        lambda: (part for part in [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})]),
        lambda: (part for part in [pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})]),
    ],
    ids=["dicts", "table", "batch", "batches", "reader", "dataset", "scanner", "pandas", "polars", "lazy", "iterator", "rows", "frames", "polars frames"],
)
def test_kinds_of_data(db, db_module, make):
    t = db.create_table("t", make())
    assert t.schema == pa.schema([("a", pa.int64())])
    assert t.to_arrow().to_pylist() == [{"a": 1}, {"a": 2}]
    assert t.version == 1
    if db_module.__name__ == "quiver":  # the peer's add knows fewer kinds
        t.add(make())
        assert t.count_rows() == 4


def test_frames_and_strings(db):
    assert types(db.create_table("pl", pl.DataFrame({"a": ["x"]}))) == {"a": "large_string"}
    assert types(db.create_table("pd", pd.DataFrame({"a": ["x"]}))) == {"a": "large_string"}
    t = db.create_table("c", pd.DataFrame({"a": pd.Categorical(["x", "y", "x"]), "d": pd.to_datetime(["2024-01-01"] * 3)}))
    assert str(t.schema.field("a").type).startswith("dictionary<values=large_string, indices=int8")
    assert str(t.schema.field("d").type) == "timestamp[us]"
    assert t.to_arrow()["a"].to_pylist() == ["x", "y", "x"]
    assert t.schema.metadata is None


def test_lance_dataset(db, tmp_path):
    lance = pytest.importorskip("lance")
    source = lance.write_dataset(TABLE, str(tmp_path / "source.lance"))
    assert db.create_table("t", source).to_arrow().to_pylist() == TABLE.to_pylist()


def test_metadata_is_kept(db):
    t = db.create_table("t", TABLE.replace_schema_metadata({"k": "v"}))
    assert t.schema.metadata == {b"k": b"v"}


def test_failing_iterator(db, db_module):
    def pieces():
        yield BATCH
        raise KeyError("mine")

    with pytest.raises((KeyError, RuntimeError), match="mine"):
        db.create_table("t", pieces())
    if db_module.__name__ == "quiver":  # the peer leaves an empty table behind
        with pytest.raises(ValueError, match="Table 't' was not found"):
            db.open_table("t")
    assert len(db.create_table("t", [{"a": 1}], mode="overwrite")) == 1


@pytest.mark.ours_only
def test_later_pieces_are_cast(db):
    """The peer fails with an internal error when a later list has floats."""
    t = db.create_table("t", (part for part in [[{"a": 1.0}], [{"a": 2}], TABLE]))
    assert t.to_arrow()["a"].to_pylist() == [1.0, 2.0, 1.0, 2.0]
    with pytest.raises(ValueError):
        db.create_table("u", (part for part in [[{"a": 1}], [{"a": "x"}]]))
    with pytest.raises(ValueError):
        db.create_table("v", iter([]))
    for name in "uv":
        with pytest.raises(ValueError, match="was not found"):
            db.open_table(name)
        assert len(db.create_table(name, [{"a": 1}], exist_ok=True)) == 1


# ---------------------------------------------------------------- schemas


def test_schema_order_and_nullability(db):
    schema = pa.schema([("b", pa.int32()), ("a", pa.int64())])
    t = db.create_table("t", [{"a": 1, "b": 2}], schema=schema)
    assert t.schema == pa.schema([("a", pa.int64()), ("b", pa.int32())])
    nonnull = pa.schema([pa.field("a", pa.int8(), nullable=False)])
    t = db.create_table("u", [{"a": None}], schema=nonnull)
    assert t.schema == pa.schema([pa.field("a", pa.int8())])
    assert t.to_arrow().to_pylist() == [{"a": None}]
    data = pa.table({"a": [1]}, schema=pa.schema([pa.field("a", pa.int64(), nullable=False)]))
    assert db.create_table("v", data, schema=pa.schema([("a", pa.int8())])).schema == nonnull
    assert db.create_table("w", schema=nonnull).schema == nonnull


def test_schema_columns(db):
    schema = pa.schema([("b", pa.int32()), ("a", pa.int64())])
    with pytest.raises(ValueError, match="Input table has different number of columns than target schema"):
        db.create_table("t", [{"a": 1}], schema=schema)
    with pytest.raises(ValueError, match="Field 'c' not found in target schema"):
        db.create_table("t", [{"a": 1, "c": 2}], schema=pa.schema([("a", pa.int64())]))


def test_schema_nested(db):
    schema = pa.schema([("s", pa.struct([("y", pa.int8()), ("x", pa.string())]))])
    t = db.create_table("t", [{"s": {"x": 1, "y": 2}}], schema=schema)
    assert t.to_arrow().to_pylist() == [{"s": {"x": "1", "y": 2}}]
    assert str(t.schema.field("s").type) == "struct<x: string, y: int8>"
    assert str(db.create_table("u", [{"s": {"x": 1}}], schema=schema).schema.field("s").type) == "struct<x: string>"


@pytest.mark.parametrize(
    "value, type, message",
    [
        ("x", pa.int64(), "Failed to parse string: 'x'"),
        (300, pa.int8(), "Integer value 300 not in range"),
        (1.5, pa.int8(), "Float value 1.500000 was truncated"),
    ],
)
def test_failing_casts(db, db_module, value, type, message):
    with pytest.raises(RuntimeError, match="Arrow error: C Data interface error: Invalid: ") as caught:
        db.create_table("t", [{"a": value}], schema=pa.schema([("a", type)]))
    if db_module.__name__ == "lancedb":
        assert message in str(caught.value)
    else:  # our words; what, where and the value
        assert "a" in str(caught.value) and str(value)[:3] in str(caught.value)
    assert list(db.table_names()) == []


def test_working_casts(db):
    schema = pa.schema([("a", pa.string()), ("d", pa.date32()), ("v", pa.list_(pa.float16(), 2))])
    t = db.create_table("t", [{"a": 1, "d": "2024-01-01", "v": [1.0, 2.0]}], schema=schema)
    assert t.to_arrow().to_pylist() == [{"a": "1", "d": datetime.date(2024, 1, 1), "v": [1.0, 2.0]}]
    assert t.schema.types == schema.types


# ---------------------------------------------------------------- bad vectors

BAD = [{"vector": v} for v in ([1.0, 2.0], [1.0], [1.0, NAN], [1.0, 2.0, 3.0], None)]
WORDS = "Set on_bad_vectors='drop' to remove them, set on_bad_vectors='fill' and fill_value=<value> to replace them"


def test_bad_vectors_error(db):
    with pytest.raises(ValueError, match="Vector column 'vector' has variable length vectors. " + WORDS):
        db.create_table("t", BAD)
    with pytest.raises(ValueError, match="Vector column 'vector' has NaNs. " + WORDS):
        db.create_table("t", [BAD[0], BAD[2]])
    with pytest.raises(ValueError, match="variable length vectors"):
        db.create_table("t", [BAD[0], BAD[4]])
    schema = pa.schema([("vector", pa.list_(pa.float32(), 2))])
    with pytest.raises(RuntimeError, match="variable length vectors"):
        db.create_table("t", BAD, schema=schema)
    with pytest.raises((ValueError, RuntimeError), match="Invalid value for on_bad_vectors: zz"):
        db.create_table("t", BAD, on_bad_vectors="zz")
    assert len(db.create_table("t", BAD[:1], on_bad_vectors="zz")) == 1


@pytest.mark.parametrize(
    "action, expected",
    [
        ("drop", [[1, 2]]),
        ("fill", [[1, 2], [1, 7], [1, 7], [1, 2], [7, 7]]),
        ("null", [[1, 2], None, None, None, None]),
    ],
)
@pytest.mark.parametrize("with_schema", [False, True])
def test_bad_vectors(db, action, expected, with_schema):
    schema = pa.schema([("vector", pa.list_(pa.float32(), 2))]) if with_schema else None
    t = db.create_table("t", BAD, schema=schema, on_bad_vectors=action, fill_value=7)
    assert t.to_arrow()["vector"].to_pylist() == expected


def test_bad_vectors_fill_nothing(db):
    t = db.create_table("t", [{"vector": [1.0, 2.0]}, {"vector": [NAN]}], on_bad_vectors="fill", fill_value=None)
    assert t.to_arrow()["vector"].to_pylist() == [[1.0], [0.0]]  # of equally frequent lengths the smallest


def test_named_like_a_vector(db):
    t = db.create_table("t", [{"my_vector": v} for v in ([1.0, 2.0], None, [1.0, None], [NAN, 1.0])])
    values = t.to_arrow()["my_vector"].to_pylist()
    assert values[:3] == [[1.0, 2.0], None, [1.0, None]]
    assert math.isnan(values[3][0])
    with pytest.raises(RuntimeError, match="the expected size"):
        db.create_table("u", [{"my_vector": [1.0, 2.0]}, {"my_vector": [1.0]}])


def test_wide_fixed_lists_are_checked(db):
    def data(values):
        return pa.table({"v": pa.array(values, pa.list_(pa.float32(), 12)), "id": [0, 1]})

    good = [1.0] * 12
    with pytest.raises((ValueError, RuntimeError), match="Vector column 'v' has NaNs"):
        db.create_table("t", data([good, [NAN] * 12]))
    with pytest.raises((ValueError, RuntimeError), match="Vector column 'v' has variable length vectors"):
        db.create_table("t", data([good, None]))
    t = db.create_table("t", data([good, None]), on_bad_vectors="drop")
    assert t.to_arrow().to_pylist() == [{"v": good, "id": 0}]


def test_narrow_fixed_lists_are_not(db):
    t = db.create_table("t", pa.table({"v": pa.array([[1.0, 1.0], None, [NAN, 1.0]], pa.list_(pa.float32(), 2))}))
    assert t.to_arrow()["v"].to_pylist()[:2] == [[1.0, 1.0], None]

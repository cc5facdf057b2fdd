"""Python values to Arrow and back, inside the extension, with pyarrow as the oracle."""

import datetime
import decimal
import enum
import uuid
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest

from quiver import _quiver

D = decimal.Decimal
UTC = datetime.timezone.utc


class Word(str, enum.Enum):
    a = "a"


class Number(enum.IntEnum):
    a = 1


COLUMNS = [
    [1, 2], [1.5], [1, 1.5], [True, None], ["x", "ü"], [b"x"], ["x", b"y"], [None], [None, 1], [float("inf")],
    [2**63 - 1, -(2**63)], [datetime.date(1960, 1, 1)], [datetime.datetime(1960, 1, 1, 1, 2, 3, 4)],
    [datetime.datetime(2024, 1, 1, tzinfo=UTC)], [datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), None],
    [datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=-2, minutes=-30)))],
    [datetime.time(23, 59, 59, 999999)], [datetime.timedelta(days=-3, microseconds=1)], [D("1.50"), D("-100")], [D("1E+3")], [D("0.001"), None],
    [D("1" * 40)], [D("1"), 2], [[1], []], [[1], [1.5]], [[None], None, [1]], [[[1.0]], [[2]]], [(1, 2)], [{"a": 1}, {"b": "x"}],
    [{"a": {"b": [1]}}, None], [[{"a": 1}, None]], [[]], [np.float32(1.5)], [np.int8(1), np.int16(300)], [np.float32(1.5), 2.5],
    [np.array([1, 2], "f4")], [np.array([1, 2], "u1"), [1.5]], [np.array([1, 2], "i8"), np.array([], "i8")], [np.array([True])],
    [np.array(["a", "bc"])], [np.array([1.0], "f2")], [np.array([[1, 2], [3, 4]])[:, 0]], [np.bool_(True), False], [np.str_("x")],
    [Word.a], [Number.a], [bytearray(b"a")], [memoryview(b"ab")], [{1, 1}], [pa.scalar(3), pa.scalar(4)], [uuid.UUID(int=7)],
]  # fmt: skip


@pytest.mark.parametrize("values", COLUMNS, ids=str)
def test_types_and_values(values):
    rows = [{"c": value} for value in values]
    expected = pa.Table.from_pylist(rows)
    made = pa.table(_quiver.stream_of_rows(rows))
    made.validate(full=True)
    assert made.schema == expected.schema
    assert made.to_pylist() == expected.to_pylist()
    assert _quiver.stream_of_rows(rows).to_list() == expected.to_pylist()


@pytest.mark.parametrize(
    "values, error",
    [
        ([1, "x"], pa.lib.ArrowInvalid),
        (["x", 1], (pa.lib.ArrowInvalid, pa.lib.ArrowTypeError)),
        ([True, 1], pa.lib.ArrowInvalid),
        ([[1], 1], pa.lib.ArrowInvalid),
        ([{"a": 1}, 1], pa.lib.ArrowInvalid),
        ([object()], pa.lib.ArrowInvalid),
        ([1j], pa.lib.ArrowInvalid),
        ([D("NaN")], pa.lib.ArrowInvalid),
        ([np.zeros((2, 2))], pa.lib.ArrowInvalid),
        ([2**63], OverflowError),
        ([-(2**63) - 1], OverflowError),
    ],
    ids=str,
)
def test_refused(values, error):
    rows = [{"c": value} for value in values]
    with pytest.raises(error):
        pa.Table.from_pylist(rows)
    with pytest.raises(error):
        _quiver.stream_of_rows(rows)


def test_refused_with_reason():
    deep = value = []
    for _ in range(80):
        value.append([])
        value = value[0]
    cycle = []
    cycle.append(cycle)
    for bad, words in (({"c": deep}, "64 levels"), ({"c": cycle}, "64 levels"), ({"a\0b": 1}, "zero byte"), ({"c": {"a\0b": 1}}, "zero byte")):
        with pytest.raises(ValueError, match=words):
            _quiver.stream_of_rows([bad])
    with pytest.raises(TypeError, match="not a string"):
        _quiver.stream_of_rows([{1: 2}])
    with pytest.raises(UnicodeEncodeError):
        _quiver.stream_of_rows([{"c": "\ud800"}])


ARRAYS = {
    "half": pa.array([1.5, None, -0.1, 65504, 6e-8], pa.float16()),
    "uint64": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "int8": pa.array([-128, None, 127], pa.int8()),
    "large_string": pa.array(["a", None, "ü"], pa.large_string()),
    "view": pa.array(["a", None, "long enough to lie out of line"], pa.string_view()),
    "binary_view": pa.array([b"a", None, b"long enough to lie out of line"], pa.binary_view()),
    "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
    "date64": pa.array([datetime.date(1960, 1, 1), None], pa.date64()),
    "seconds": pa.array([datetime.datetime(1960, 1, 1, 1), None], pa.timestamp("s")),
    "nanoseconds": pa.array([123456789, None, -1], pa.timestamp("ns")),
    "nanoseconds tz": pa.array([123456789, None, -1], pa.timestamp("ns", "Asia/Tokyo")),
    "zone": pa.array([0, None, -1], pa.timestamp("us", "Europe/Berlin")),
    "offset": pa.array([0, None, -1], pa.timestamp("ms", "+02:30")),
    "time32": pa.array([datetime.time(1, 2, 3), None], pa.time32("s")),
    "time64": pa.array([datetime.time(1, 2, 3, 4), None], pa.time64("ns")),
    "duration": pa.array([1, None, -5], pa.duration("ms")),
    "duration ns": pa.array([1, None, 5000], pa.duration("ns")),
    "decimal": pa.array([D("1.23"), None, D("-9.99")], pa.decimal256(50, 2)),
    "decimal32": pa.array([D("1.2"), None, D("-9.9")], pa.decimal32(5, 1)),
    "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int32())),
    "vector": pa.array([[1.0, 2.0], None, [3.0, None]], pa.list_(pa.float32(), 2)),
    "large_list": pa.array([[1], None, []], pa.large_list(pa.int16())),
    "struct": pa.array([{"a": 1, "b": [1.0]}, None, {"a": None, "b": None}]),
    "null": pa.nulls(3),
    "bool": pa.array([True, None, False] * 7),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_reading_arrow(name):
    table = pa.table({"c": ARRAYS[name]})
    twice = pa.table({"c": pa.concat_arrays([ARRAYS[name], ARRAYS[name]])})
    for piece in (table, table.slice(1), table.slice(1, 1), twice.slice(2, 3)):
        ours = _quiver.import_stream(piece).to_list()
        assert ours == piece.to_pylist()
        assert [type(row["c"]) for row in ours] == [type(row["c"]) for row in piece.to_pylist()]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
        pa.array([2**62]).cast(pa.timestamp("s")),
        pa.array([2**62]).cast(pa.timestamp("us")),
        pa.array([2**62]).cast(pa.duration("s")),
        pa.array([2**40]).cast(pa.time64("us"), safe=False),
    ],
    ids=lambda array: str(array.type),
)
def test_what_python_cannot_say(array):
    with pytest.raises((ValueError, OverflowError)):
        _quiver.import_stream(pa.table({"c": array})).to_list()


def test_schemas():
    schema = pa.schema([pa.field("a", pa.int64(), False, {"k": "v"}), ("d", pa.dictionary(pa.int8(), pa.string())), ("s", pa.struct([("x", pa.list_(pa.date32()))]))], {"m": "n"})
    ours = _quiver.Schema(schema)
    assert pa.schema(ours) == schema
    assert pa.schema(ours).metadata == schema.metadata
    assert pa.schema(ours).field("a").metadata == {b"k": b"v"}
    assert _quiver.Schema(ours.fields, ours.metadata) == ours
    assert ours.names == ["a", "d", "s"]
    for bad in ([1], [("a",)], [("a", "l", True, None, [], None)]):
        with pytest.raises(TypeError):
            _quiver.Schema(bad)


def test_streams_of_strangers():
    with pytest.raises(AttributeError):
        _quiver.import_stream(5)
    with pytest.raises(ValueError, match="a table needs a stream of record batches"):
        _quiver.import_stream(pa.chunked_array([[1]])).to_list()
    reader = pa.table({"a": [1]}).to_reader()
    assert _quiver.import_stream(reader).to_list() == [{"a": 1}]

    class Fake:
        def __arrow_c_stream__(self, requested_schema=None):
            return 5

    with pytest.raises(ValueError):
        _quiver.import_stream(Fake())


def test_one_batch():
    batch = pa.record_batch({"a": [1, 2, 3]})
    stream = _quiver.import_stream(batch)
    (ours,) = list(stream)
    assert (len(ours), ours.to_list()) == (3, [{"a": 1}, {"a": 2}, {"a": 3}])
    assert pa.record_batch(ours) == batch

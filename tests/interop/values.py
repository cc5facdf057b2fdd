"""Columns of every type, with and without nulls, as deterministic values."""

import datetime
import decimal
import random

import pyarrow as pa

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1960, 1, 1)


def _text(r):
    return "".join(r.choice("abcdeü字 ") for _ in range(r.randrange(0, 12)))


def _repeated(r):
    return r.choice(["red", "green", "blue", ""])


def _bytes(r):
    return bytes(r.randrange(256) for _ in range(r.randrange(0, 9)))


def _moment(r):
    return EPOCH + datetime.timedelta(seconds=r.randrange(0, 4 * 10**9))


def _list(item, most=5):
    return lambda r: [item(r) for _ in range(r.randrange(0, most))]


def _int(bits, signed=True):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return lambda r: r.choice([low, high, r.randint(low, high), r.randint(max(low, -5), min(high, 5))])


def _float(r):
    return r.choice([0.0, -1.5, 2.0**20, r.randrange(-1000, 1000) / 8])


def _decimal(digits, scale):
    return lambda r: decimal.Decimal(r.randrange(-(10 ** min(digits, 17)), 10 ** min(digits, 17))).scaleb(-scale)


def _maybe(make, chance=0.2):
    return lambda r: None if r.random() < chance else make(r)


def _struct(r):
    return {"a": r.randrange(100), "b": _text(r)}


def _deep(r):
    return {"x": _maybe(lambda q: {"y": _maybe(_list(_maybe(_int(32))))(q), "z": _float(q)})(r), "w": r.random() < 0.5}


STRUCT = pa.struct([("a", pa.int64()), ("b", pa.string())])
DEEP = pa.struct([("x", pa.struct([("y", pa.list_(pa.int32())), ("z", pa.float64())])), ("w", pa.bool_())])

# name -> (Arrow type, a function from a random generator to one value that is not null)
TYPES = {
    "bool": (pa.bool_(), lambda r: r.random() < 0.5),
    "int8": (pa.int8(), _int(8)),
    "int16": (pa.int16(), _int(16)),
    "int32": (pa.int32(), _int(32)),
    "int64": (pa.int64(), _int(64)),
    "uint8": (pa.uint8(), _int(8, False)),
    "uint16": (pa.uint16(), _int(16, False)),
    "uint32": (pa.uint32(), _int(32, False)),
    "uint64": (pa.uint64(), _int(64, False)),
    "small_ints": (pa.int64(), lambda r: r.randrange(0, 7)),
    "constant": (pa.int32(), lambda r: 42),
    "float16": (pa.float16(), lambda r: r.randrange(-1000, 1000) / 8),
    "float32": (pa.float32(), _float),
    "float64": (pa.float64(), lambda r: r.choice([_float(r), r.random()])),
    "string": (pa.string(), _text),
    "large_string": (pa.large_string(), _text),
    "repeated_string": (pa.string(), _repeated),
    "long_string": (pa.string(), lambda r: _text(r) * r.randrange(1, 40)),
    "binary": (pa.binary(), _bytes),
    "large_binary": (pa.large_binary(), _bytes),
    "fixed_binary": (pa.binary(5), lambda r: bytes(r.randrange(256) for _ in range(5))),
    "date32": (pa.date32(), lambda r: _moment(r).date()),
    "date64": (pa.date64(), lambda r: _moment(r).date()),
    "time32": (pa.time32("ms"), lambda r: datetime.time(r.randrange(24), r.randrange(60), r.randrange(60), 1000 * r.randrange(1000))),
    "time64": (pa.time64("us"), lambda r: datetime.time(r.randrange(24), r.randrange(60), r.randrange(60), r.randrange(10**6))),
    "timestamp_s": (pa.timestamp("s"), _moment),
    "timestamp_us": (pa.timestamp("us"), _moment),
    "timestamp_tz": (pa.timestamp("us", "UTC"), lambda r: _moment(r).replace(tzinfo=UTC)),
    "duration": (pa.duration("us"), lambda r: datetime.timedelta(microseconds=r.randrange(-(10**12), 10**12))),
    "decimal128": (pa.decimal128(20, 4), _decimal(16, 4)),
    "decimal256": (pa.decimal256(50, 10), _decimal(17, 10)),
    "vector_f16": (pa.list_(pa.float16(), 4), lambda r: [r.randrange(-100, 100) / 4 for _ in range(4)]),
    "vector_f32": (pa.list_(pa.float32(), 8), lambda r: [r.randrange(-100, 100) / 4 for _ in range(8)]),
    "vector_f64": (pa.list_(pa.float64(), 3), lambda r: [r.random() for _ in range(3)]),
    "vector_u8": (pa.list_(pa.uint8(), 6), lambda r: [r.randrange(256) for _ in range(6)]),
    "list_int": (pa.list_(pa.int32()), _list(_maybe(_int(32)))),
    "large_list": (pa.large_list(pa.int64()), _list(_int(64))),
    "list_string": (pa.list_(pa.string()), _list(_maybe(_text))),
    "list_list": (pa.list_(pa.list_(pa.int16())), _list(_maybe(_list(_maybe(_int(16)))), 4)),
    "multi_vector": (pa.list_(pa.list_(pa.float32(), 2)), _list(lambda r: [r.randrange(9) / 2, 0.5], 4)),
    "struct": (STRUCT, _struct),
    "deep": (DEEP, _deep),
    "list_struct": (pa.list_(STRUCT), _list(_maybe(_struct), 4)),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), _repeated),
    "null": (pa.null(), lambda r: None),
}

NULLS = {"none": 0.0, "some": 0.3, "all": 1.0}


def column(name, rows, nulls="none", seed=1):
    """An array of a type with the given share of nulls."""
    kind, make = TYPES[name]
    r = random.Random(f"{name}-{rows}-{nulls}-{seed}")
    chance = NULLS[nulls]
    distinct = [None if r.random() < chance else make(r) for _ in range(min(rows, 3000))]
    values = [distinct[i] if i < len(distinct) else distinct[r.randrange(len(distinct))] for i in range(rows)]
    return pa.array(values, kind)

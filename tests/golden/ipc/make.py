"""Writes the IPC files of this folder with pyarrow, and next to them every value as tests/lib/qvt_arrays.c prints it."""
import datetime
import decimal
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.ipc

here = pathlib.Path(__file__).parent


def leaf_bytes(array, i):
    """The bytes of fixed-width value i."""
    width = array.type.bit_width // 8
    start = (array.offset + i) * width
    return array.buffers()[1].to_pybytes()[start : start + width]


def text(array, i):
    kind = array.type
    if pa.types.is_dictionary(kind):
        return "~" if not array.indices.is_valid()[i].as_py() else text(array.dictionary, array.indices[i].as_py())
    if pa.types.is_null(kind) or not array.is_valid()[i].as_py():
        return "~"
    if pa.types.is_boolean(kind):
        return "T" if array[i].as_py() else "F"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "'" + array[i].as_py().encode().hex() + "'"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "'" + array[i].as_py().hex() + "'"
    if pa.types.is_map(kind):
        values = array[i].values
        return "[" + "".join(text(values, k) + "," for k in range(len(values))) + "]"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        values = array[i].values
        return "[" + "".join(text(values, k) + "," for k in range(len(values))) + "]"
    if pa.types.is_struct(kind):
        return "{" + "".join(text(array.field(k), i) + ";" for k in range(kind.num_fields)) + "}"
    return leaf_bytes(array, i).hex()


def all_types(n, start):
    day = datetime.date(2020, 1, 1)
    some = [i if i % 3 else None for i in range(start, start + n)]
    pick = lambda f: [None if v is None else f(v) for v in some]
    ints = {t: pa.array(some, getattr(pa, t)()) for t in "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()}
    columns = {
        "null": pa.nulls(n),
        "bool": pa.array(pick(lambda v: v % 2 == 0)),
        **ints,
        "float16": pa.array(pick(lambda v: np.float16(v / 4)), pa.float16()),
        "float32": pa.array(pick(lambda v: v / 3), pa.float32()),
        "float64": pa.array(pick(lambda v: v / 3)),
        "decimal128": pa.array(pick(lambda v: decimal.Decimal(-v) / 4), pa.decimal128(12, 3)),
        "decimal256": pa.array(pick(lambda v: decimal.Decimal(v) / 4), pa.decimal256(60, 5)),
        "date32": pa.array(pick(lambda v: day + datetime.timedelta(v))),
        "date64": pa.array(pick(lambda v: day + datetime.timedelta(v)), pa.date64()),
        "time32": pa.array(pick(lambda v: datetime.time(v % 24, 1, 2)), pa.time32("ms")),
        "time64": pa.array(pick(lambda v: datetime.time(v % 24, 1, 2)), pa.time64("ns")),
        "timestamp": pa.array(pick(lambda v: 1000 * v), pa.timestamp("us", "Europe/Berlin")),
        "timestamp_s": pa.array(pick(lambda v: -v), pa.timestamp("s")),
        "duration": pa.array(pick(lambda v: v), pa.duration("ms")),
        "utf8": pa.array(pick(lambda v: "ä" * v)),
        "large_utf8": pa.array(pick(lambda v: f"s{v}"), pa.large_string()),
        "binary": pa.array(pick(lambda v: bytes([v, 255]))),
        "large_binary": pa.array(pick(lambda v: bytes(v)), pa.large_binary()),
        "fixed_binary": pa.array(pick(lambda v: bytes([v, 1, 2])), pa.binary(3)),
        "list": pa.array(pick(lambda v: [v, None][: v % 3]), pa.list_(pa.int16())),
        "large_list": pa.array(pick(lambda v: [str(v)] * (v % 3)), pa.large_list(pa.string())),
        "vector": pa.array(pick(lambda v: [v, v + 0.5]), pa.list_(pa.float32(), 2)),
        "struct": pa.array(pick(lambda v: {"a": v, "b": [v]}), pa.struct([("a", pa.int32()), ("b", pa.list_(pa.int8()))])),
        "map": pa.array(pick(lambda v: [(f"k{k}", k) for k in range(v % 4)]), pa.map_(pa.string(), pa.int32())),
        "dictionary": pa.DictionaryArray.from_arrays(pa.array(pick(lambda v: v % 3), pa.int8()), ["x", "yy", "zzz"]),
        "nested_dictionary": pa.ListArray.from_arrays(
            pa.array(range(n + 1), pa.int32()),
            pa.DictionaryArray.from_arrays(pa.array(pick(lambda v: v % 2), pa.uint16()), [1.5, 2.5]),
        ),
        "empty": pa.array([{}] * n, pa.struct([])),
    }
    fields = [pa.field(k, v.type, metadata={"about": k}) for k, v in columns.items()]
    schema = pa.schema(fields, metadata={"made by": "make.py"})
    return pa.record_batch(list(columns.values()), schema=schema)


def write(name, batches, stream=False, **options):
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(str(here / name), batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        for batch in batches:
            out.write_batch(batch)


def write_text(name, batches):
    lines = [text(c, i) for b in batches for i in range(b.num_rows) for c in b.columns]
    (here / name).write_text("\n".join(lines) + "\n")


def dictionary_batches():
    make = lambda keys, values: pa.record_batch({"d": pa.DictionaryArray.from_arrays(pa.array(keys, pa.int8()), values)})
    return [make([0, 1, None, 0], ["a", "b"]), make([2, 1, 0], ["a", "b", "c"])]


def main():
    batches = [all_types(7, 0), all_types(5, 20).slice(1, 4)]
    write("plain.arrow", batches)
    write("zstd.arrow", batches, compression="zstd")
    write("lz4.arrow", batches, compression="lz4")
    write("plain.arrows", batches, stream=True)
    write("lz4.arrows", batches, stream=True, compression="lz4")
    write("legacy.arrows", batches, stream=True, use_legacy_format=True)
    write_text("all.txt", batches)
    grown = dictionary_batches()
    write("dictionary.arrow", grown, emit_dictionary_deltas=True)
    write("dictionary.arrows", [grown[1], *dictionary_batches()[:1]], stream=True)
    write_text("dictionary.txt", grown)
    write("view.arrow", [pa.record_batch({"v": pa.array(["a"], pa.string_view())})])
    write("ree.arrow", [pa.record_batch({"r": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1]))})])
    write("union.arrow", [pa.record_batch({"u": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])})])


if __name__ == "__main__":
    sys.exit(main())

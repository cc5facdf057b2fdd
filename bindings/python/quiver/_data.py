"""Rows on their way in: whatever users hand over becomes one Arrow stream with vectors in their place.

``to_stream`` recognises the kind of data, ``fit_new`` and ``fit_table`` plan the vector columns and the target schema. The
conversions themselves run in the extension.
"""

from __future__ import annotations


from . import _lazy, _quiver
from .schema import FLOATS, INTEGERS, dimension_of, is_list

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Iterator

    from .schema import Field

_SUPPORTED = (
    "list of dicts, list of LanceModel, list of pyarrow.RecordBatch, pandas or polars DataFrame, pyarrow Table, RecordBatch, "
    "RecordBatchReader, Dataset or Scanner, anything with __arrow_c_stream__, or an iterator of these"
)
_SINGLE_DICT = "Cannot create or add rows from a single dictionary. Use a list of dictionaries instead."
_SINGLE_MODEL = "Cannot add a single LanceModel to a table. Use a list."
_EMPTY = "Cannot create table from empty list without a schema"
SMALLEST_CHECKED_VECTOR = 10  # fixed-size float lists of this many items are taken for vectors, whatever their name


class UnknownData(TypeError):
    """Data of a kind that is not known; the caller chooses the exception's class and words."""


# ---------------------------------------------------------------- kinds of data


def _module_of(data: Any) -> str:
    return type(data).__module__.partition(".")[0]


def _is_model(value: Any) -> bool:
    models = _lazy.loaded("quiver.pydantic")
    return models is not None and isinstance(value, models.LanceModel)


def _from_list(data: list[Any], schema: _quiver.Schema | None) -> _quiver.Stream:
    first = data[0]
    if _is_model(first):
        models = _lazy.loaded("quiver.pydantic")
        return _quiver.stream_of_rows([models.model_to_dict(row) for row in data], schema or models.rows_schema(type(first)))
    if hasattr(first, "__arrow_c_array__") or hasattr(first, "__arrow_c_stream__"):
        return _from_iterator(iter(data))
    return _quiver.stream_of_rows(data, schema)


def _from_frame(data: Any) -> _quiver.Stream | None:
    """Data frames and data sets of other packages."""
    module = _module_of(data)
    kind = type(data).__name__
    if module == "pandas" and kind == "DataFrame":
        pa = _lazy.pyarrow("reading a pandas DataFrame")
        table = pa.Table.from_pandas(data, preserve_index=False).replace_schema_metadata(None)
        return _quiver.import_stream(table)
    if module == "polars" and kind == "LazyFrame":
        return _quiver.import_stream(data.collect())
    if module == "lance" and hasattr(data, "scanner"):
        return _quiver.import_stream(data.scanner().to_reader())
    if module == "pyarrow" and kind == "Scanner":
        return _quiver.import_stream(data.to_reader())
    if module == "pyarrow" and hasattr(data, "scanner"):
        return _quiver.import_stream(data.scanner().to_reader())
    if module == "datasets" and kind == "Dataset":
        return _quiver.import_stream(data.with_format("arrow")[:])
    if module == "datasets" and kind == "DatasetDict":
        return _from_iterator(_splits(data))
    return None


def _splits(data: Any) -> Iterator[Any]:
    pa = _lazy.pyarrow("reading a DatasetDict")
    for name, part in data.items():
        table = part.with_format("arrow")[:]
        if "split" not in table.column_names:
            table = table.append_column("split", pa.array([name] * table.num_rows, pa.string()))
        yield table


def _from_iterator(items: Iterator[Any]) -> _quiver.Stream:
    """One stream from many pieces; the first one fixes the schema, later ones are brought into it."""
    try:
        first = to_stream(next(items))
    except StopIteration:
        raise ValueError("Cannot create table from an empty iterator without a schema") from None
    schema = first.schema

    def rest() -> Iterator[_quiver.Stream]:
        yield first
        for item in items:
            yield _piece(item, schema)

    return _quiver.stream_of_iterator(rest(), schema)


def _piece(item: Any, schema: _quiver.Schema) -> _quiver.Stream:
    stream = to_stream(item, schema)
    if stream.schema == schema:
        return stream
    pa = _lazy.pyarrow("casting the pieces of an iterator to the schema of the first")
    target = pa.schema(schema)
    table = pa.table(stream)
    if set(table.column_names) != set(target.names):
        raise ValueError(f"a piece has the columns {table.column_names}, the first one had {target.names}")
    return _quiver.import_stream(table.select(target.names).cast(target))


def to_stream(data: Any, schema: _quiver.Schema | None = None) -> _quiver.Stream:
    """``data`` as a stream of batches. ``schema``: builds rows with these types instead of inferring them."""
    if isinstance(data, dict):
        raise ValueError(_SINGLE_DICT)
    if _is_model(data):
        raise ValueError(_SINGLE_MODEL)
    if isinstance(data, list):
        if not data:
            raise ValueError(_EMPTY)
        return _from_list(data, schema)
    frame = _from_frame(data)
    if frame is not None:
        return frame
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        stream = _quiver.import_stream(data)
        try:
            stream.schema
        except ValueError as error:
            raise UnknownData(type(data)) from error
        return stream
    if hasattr(data, "__next__"):
        return _from_iterator(data)
    raise UnknownData(type(data))


def unknown_data(error: UnknownData) -> TypeError:
    return TypeError(f"Unknown data type {error.args[0]}. Supported types: {_SUPPORTED}")


def count_of(data: Any) -> int:
    """The number of rows when it is known without reading, else -1."""
    if isinstance(data, list):
        return len(data) if data and not hasattr(data[0], "__arrow_c_array__") else -1
    rows = getattr(data, "num_rows", None)
    if isinstance(rows, int):
        return rows
    if _module_of(data) in ("pandas", "polars") and hasattr(data, "__len__"):
        return len(data)
    return -1


# ---------------------------------------------------------------- vectors



def _numeric(item: Field) -> bool:
    return item[1] in FLOATS or item[1] in INTEGERS


def _is_checked(one: Field, target: Field | None) -> bool:
    """Whether bad vectors of this column are looked for."""
    name, dimension = one[0], dimension_of(one)
    if one[4] == () or one[4][0][1] not in FLOATS:
        return False
    if name == "vector" or (dimension is not None and dimension >= SMALLEST_CHECKED_VECTOR):
        return True
    return name == "embedding" and target is not None and dimension_of(target) is not None


def _plan_free(stream: _quiver.Stream, index: int, one: Field, on_bad: str) -> tuple[int, str, int, str] | None:
    """The plan of a column when no schema says what it should be."""
    name, item = one[0].lower(), one[4][0]
    dimension = dimension_of(one)
    if dimension is not None:
        return (index, item[1], dimension, on_bad) if _is_checked(one, None) else None
    if not is_list(one) or not ("vector" in name or "embedding" in name) or not _numeric(item):
        return None
    length, rows, low, high = _quiver.vector_stats(stream, index)
    if rows == 0 or length == 0:
        return None
    if item[1] in FLOATS:
        return (index, "f", length, on_bad if _is_checked(one, None) else "cast")
    is_byte = low is None or high is None or (low >= 0 and high <= 255)
    return (index, "C" if is_byte else "f", length, "cast")


def _plan_target(index: int, one: Field, target: Field, on_bad: str, appends: bool) -> tuple[int, str, int, str] | None:
    """The plan of a column that goes into ``target``."""
    dimension = dimension_of(target)
    if dimension is None or target[4][0][1] not in ("C", "e", "f", "g") or not one[4] or not _numeric(one[4][0]):
        return None
    if not is_list(one) and dimension_of(one) is None:
        return None
    action = "add" if appends else "cast"
    if _is_checked(one, target) and not (appends and on_bad == "error"):
        action = on_bad
    return (index, target[4][0][1], dimension, action)


def _apply(stream: _quiver.Stream, plans: list[tuple[int, str, int, str]], fill_value: float | None) -> _quiver.Stream:
    if not plans:
        return stream
    return _quiver.vector_stream(stream, plans, 0.0 if fill_value is None else float(fill_value))


# ---------------------------------------------------------------- schemas


def check_names(names: list[str]) -> None:
    """Column names that a table cannot have."""
    seen = set()
    for name in names:
        if "." in name:
            raise RuntimeError(f"Top level field {name} cannot contain `.`. Maybe you need to create a struct field.")
        if name == "_rowid":
            raise ValueError("Invalid input, The column _rowid is a reserved name and cannot be used in a Lance dataset")
        if name in seen:
            raise RuntimeError(f'Duplicate field name "{name}" in schema')
        seen.add(name)


def _retarget(one: Field, target: Field) -> Field:
    """``target``'s type with ``one``'s order of children and nullability."""
    children = target[4]
    if one[1] == "+s" and target[1] == "+s":
        known = {child[0]: child for child in target[4]}
        for child in one[4]:
            if child[0] not in known:
                raise ValueError(f"Field '{child[0]}' not found in target schema")
        children = tuple(_retarget(child, known[child[0]]) for child in one[4])
    elif len(one[4]) == 1 and len(target[4]) == 1:
        item = _retarget(one[4][0], target[4][0])
        children = ((target[4][0][0], *item[1:]),)
    return (one[0], target[1], one[2], target[3] if target[3] is not None else one[3], children, target[5])


def _without_views(one: Field) -> Field:
    """String and binary views as large strings and binary: what tables hold, and what polars itself converts to."""
    format = {"vu": "U", "vz": "Z"}.get(one[1], one[1])
    return (one[0], format, one[2], one[3], tuple(_without_views(child) for child in one[4]), one[5])


def fit_new(
    stream: _quiver.Stream, schema: _quiver.Schema | None, on_bad: str, fill_value: float | None
) -> tuple[_quiver.Stream, _quiver.Schema | None]:
    """The stream for a new table, and the schema to cast it to (None: as it is)."""
    fields = stream.schema.fields
    check_names([one[0] for one in fields])
    stream.peek()
    plans = []
    if schema is None:
        for index, one in enumerate(fields):
            if one[4]:
                plan = _plan_free(stream, index, one, on_bad)
                if plan is not None:
                    plans.append(plan)
        stream = _apply(stream, plans, fill_value)
        made = stream.schema
        plain = tuple(_without_views(one) for one in made.fields)
        return stream, (None if plain == made.fields else _quiver.Schema(plain, made.metadata))

    targets = {one[0]: one for one in schema.fields}
    for index, one in enumerate(fields):
        if one[0] not in targets:
            raise ValueError(f"Field '{one[0]}' not found in target schema")
        plan = _plan_target(index, one, targets[one[0]], on_bad, appends=False)
        if plan is not None:
            plans.append(plan)
    if len(fields) != len(targets):
        raise ValueError("Input table has different number of columns than target schema")
    stream = _apply(stream, plans, fill_value)
    wanted = [_retarget(one, targets[one[0]]) for one in stream.schema.fields]
    return stream, _quiver.Schema(wanted, schema.metadata)


def fit_table(
    stream: _quiver.Stream, schema: _quiver.Schema, on_bad: str, fill_value: float | None
) -> _quiver.Stream:
    """The stream for rows that go into a table with ``schema``."""
    targets = {one[0]: one for one in schema.fields}
    plans = []
    for index, one in enumerate(stream.schema.fields):
        if one[0] not in targets:
            raise ValueError(f"Invalid input, field '{one[0]}' does not exist in table schema")
        plan = _plan_target(index, one, targets[one[0]], on_bad, appends=True)
        if plan is not None:
            plans.append(plan)
    return _apply(stream, plans, fill_value)

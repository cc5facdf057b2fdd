"""Arrow schemas: helpers for users, and field tuples for the package itself.

A field tuple is ``(name, format, nullable, metadata, children, dictionary)`` with the format strings of Arrow's C data
interface; :class:`quiver._quiver.Schema` is made of them and gives them back.
"""

from __future__ import annotations


from . import _lazy, _quiver
from ._absent import absent_function

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Dict, Iterator, Optional, Tuple

    Metadata = Optional[Dict[bytes, bytes]]
    Field = Tuple[str, str, bool, Metadata, Tuple[Any, ...], Optional[Tuple[Any, ...]]]

FLOATS = "efg"
INTEGERS = "cCsSiIlL"


def field(name: str, format: str, nullable: bool = True, children: tuple[Field, ...] = ()) -> Field:
    """A field tuple without metadata."""
    return (name, format, nullable, None, children, None)


def fixed_list(name: str, item: Field, dimension: int, nullable: bool = True) -> Field:
    return field(name, f"+w:{dimension}", nullable, (item,))


def is_list(one: Field) -> bool:
    return one[1] in ("+l", "+L")


def dimension_of(one: Field) -> int | None:
    """The length of a fixed-size list, else None."""
    return int(one[1][3:]) if one[1].startswith("+w:") else None


def same_types(a: Field, b: Field) -> bool:
    """Equal names, types and nullability at every level; metadata does not count."""
    if (a[0], a[1], a[2]) != (b[0], b[1], b[2]) or len(a[4]) != len(b[4]) or (a[5] is None) != (b[5] is None):
        return False
    if a[5] is not None and b[5] is not None and a[5][1] != b[5][1]:
        return False
    return all(same_types(x, y) for x, y in zip(a[4], b[4]))


def to_schema(schema: Any) -> _quiver.Schema:
    """A Schema from a LanceModel class, a ``pa.Schema``, or anything else that has ``__arrow_c_schema__``."""
    model = _lazy.loaded("quiver.pydantic")
    if model is not None and isinstance(schema, type) and issubclass(schema, model.LanceModel):
        result: _quiver.Schema = model.model_schema(schema)
        return result
    if isinstance(schema, _quiver.Schema):
        return schema
    if not hasattr(schema, "__arrow_c_schema__"):
        raise TypeError(
            f"Argument 'schema' has incorrect type (expected pyarrow.lib.Schema, got {type(schema).__name__})"
        )
    return _quiver.Schema(schema)


def vector_columns(fields: tuple[Field, ...], prefix: str = "") -> Iterator[tuple[str, int, bool]]:
    """(path, dimension, is a multivector) of the columns that can be searched: fixed-size lists of floats or uint8, lists of
    such, nested ones."""
    for one in fields:
        path = prefix + one[0]
        vector = one[4][0] if is_list(one) else one
        dimension = dimension_of(vector)
        if dimension is not None and vector[4][0][1] in ("e", "f", "g", "C"):
            yield path, dimension, is_list(one)
        elif one[1] == "+s":
            yield from vector_columns(one[4], path + ".")


def valid_fields(fields: tuple[Field, ...], prefix: str = "") -> Iterator[str]:
    """The leaves as `a`.`b`, for messages."""
    for one in fields:
        if one[1] == "+s":
            yield from valid_fields(one[4], f"{prefix}`{one[0]}`.")
        else:
            yield f"{prefix}`{one[0]}`"


def vector(dimension: int, value_type: Any = None) -> Any:
    """A vector type for ``pa.schema``: ``pa.list_(value_type, dimension)``, float32 unless told otherwise.

    Needs pyarrow.
    """
    pa = _lazy.pyarrow("quiver.vector()")
    return pa.list_(pa.float32() if value_type is None else value_type, dimension)


_BLOBS = "blob columns are"
blob = absent_function("blob", _BLOBS)
is_blob_v2_field = absent_function("is_blob_v2_field", _BLOBS)
is_blob_like_field = absent_function("is_blob_like_field", _BLOBS)
blob_column_paths = absent_function("blob_column_paths", _BLOBS)
blob_v2_column_paths = absent_function("blob_v2_column_paths", _BLOBS)
row_addressable_blob_v2_paths = absent_function("row_addressable_blob_v2_paths", _BLOBS)
schema_has_blob_field = absent_function("schema_has_blob_field", _BLOBS)

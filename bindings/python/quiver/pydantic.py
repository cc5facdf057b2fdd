"""Tables described by pydantic models: :class:`LanceModel`, :func:`Vector`, :func:`MultiVector`. Needs pydantic 2.

>>> from quiver.pydantic import LanceModel, Vector
>>> class Point(LanceModel):
...     id: int
...     vector: Vector(2)
>>> import quiver
>>> table = quiver.connect("memory://").create_table("points", schema=Point)
>>> _ = table.add([Point(id=1, vector=[0.0, 1.0])])
>>> table.search([0.0, 1.0]).limit(1).to_pydantic(Point)[0].id
1
"""

from __future__ import annotations

import enum
import types
import typing
from datetime import date, datetime
from typing import Any, Callable, Dict, List, Type, Union

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from . import _lazy, _quiver
from .schema import field, fixed_list

if typing.TYPE_CHECKING:
    from .schema import Field

_FORMATS = {int: "l", float: "g", str: "u", bool: "b", bytes: "z", date: "tdD"}


class FixedSizeListMixin:
    """What vector classes tell about themselves."""

    @staticmethod
    def dim() -> int:
        raise NotImplementedError

    @staticmethod
    def value_arrow_type() -> Any:
        raise NotImplementedError


def _item_field(value_type: Any) -> Field:
    """The field of a vector's items from a ``pa.DataType``; None: float32."""
    if value_type is None:
        return field("item", "f")
    one = _quiver.Schema(value_type).field
    return ("item", one[1], True, one[3], one[4], one[5])


def Vector(dim: int, value_type: Any = None, nullable: bool = True) -> Type[Any]:
    """A field type: a list of ``dim`` numbers, stored as a fixed-size list.

    Parameters
    ----------
    dim: numbers in each vector
    value_type: a ``pa.DataType`` for the items; float32 unless given
    nullable: whether the column may hold null
    """
    item, allows_null = _item_field(value_type), nullable

    class FixedSizeList(List[float], FixedSizeListMixin):
        quiver_item = item
        quiver_nullable = allows_null

        def __repr__(self) -> str:
            return f"FixedSizeList(dim={dim})"

        @staticmethod
        def nullable() -> bool:
            return allows_null

        @staticmethod
        def dim() -> int:
            return dim

        @staticmethod
        def value_arrow_type() -> Any:
            return _lazy.pyarrow("value_arrow_type()").float32() if value_type is None else value_type

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
            return core_schema.no_info_after_validator_function(
                cls,
                core_schema.list_schema(
                    min_length=dim, max_length=dim, items_schema=core_schema.float_schema()
                ),
            )

    return FixedSizeList


def _bare_vector(source: Any, handler: Any) -> CoreSchema:
    raise TypeError("Vector must be parameterized with a dimension, e.g. Vector(128).")


Vector.__get_pydantic_core_schema__ = _bare_vector  # type: ignore[attr-defined]


def vector(dim: int, value_type: Any = None) -> Type[Any]:
    """The older name of :func:`Vector`."""
    return Vector(dim, value_type)


def MultiVector(dim: int, value_type: Any = None, nullable: bool = True) -> Type[Any]:
    """A field type: a list of vectors of ``dim`` numbers each."""
    item, allows_null = _item_field(value_type), nullable

    class MultiVectorList(List[List[float]], FixedSizeListMixin):
        quiver_item = item
        quiver_nullable = allows_null
        quiver_is_multi = True

        def __repr__(self) -> str:
            return f"MultiVector(dim={dim})"

        @staticmethod
        def nullable() -> bool:
            return allows_null

        @staticmethod
        def dim() -> int:
            return dim

        @staticmethod
        def value_arrow_type() -> Any:
            return _lazy.pyarrow("value_arrow_type()").float32() if value_type is None else value_type

        @staticmethod
        def is_multi_vector() -> bool:
            return True

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
            one = core_schema.list_schema(min_length=dim, max_length=dim, items_schema=core_schema.float_schema())
            return core_schema.no_info_after_validator_function(cls, core_schema.list_schema(items_schema=one))

    return MultiVectorList


# ---------------------------------------------------------------- from annotations to Arrow


def _unsupported(annotation: Any) -> TypeError:
    return TypeError(f"Converting Pydantic type to Arrow Type: unsupported type {annotation}.")


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """(the annotation without None, whether None was in it)."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        if len(parts) != len(typing.get_args(annotation)):
            if len(parts) == 1:
                return parts[0], True
            return Union[tuple(parts)], True
    return annotation, False


def _enum_field(name: str, annotation: Type[enum.Enum], nullable: bool) -> Field:
    kinds = {type(member.value) for member in annotation}
    if kinds == {str}:
        return (name, "i", nullable, None, (), field("", "u"))
    if len(kinds) == 1 and next(iter(kinds)) in _FORMATS:
        return field(name, _FORMATS[next(iter(kinds))], nullable)
    return field(name, "u", nullable)


def _annotation_field(name: str, annotation: Any, nullable: bool, extra: Dict[str, Any]) -> Field:
    annotation, optional = _without_none(annotation)
    nullable = nullable or optional
    if isinstance(annotation, type) and issubclass(annotation, FixedSizeListMixin):
        known: Any = annotation
        item = known.quiver_item
        nullable = nullable or known.quiver_nullable
        if getattr(known, "quiver_is_multi", False):
            return field(name, "+l", nullable, (fixed_list("item", item, known.dim()),))
        return fixed_list(name, item, known.dim(), nullable)
    origin = typing.get_origin(annotation)
    if origin in (list, tuple):
        parts = typing.get_args(annotation)
        if not parts:
            raise _unsupported(origin)
        return field(name, "+l", nullable, (_annotation_field("item", parts[0], True, extra),))
    if not isinstance(annotation, type):
        raise _unsupported(annotation)
    if issubclass(annotation, enum.Enum):
        return _enum_field(name, annotation, nullable)
    if issubclass(annotation, pydantic.BaseModel):
        return field(name, "+s", nullable, tuple(_model_fields(annotation)))
    if annotation is datetime:
        return field(name, f"tsu:{extra.get('tz') or ''}", nullable)
    if annotation in _FORMATS:
        return field(name, _FORMATS[annotation], nullable)
    raise _unsupported(annotation)


def _model_fields(model: Type[pydantic.BaseModel]) -> List[Field]:
    fields = []
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        fields.append(_annotation_field(name, info.annotation, False, dict(extra)))
    return fields


def is_nullable(field_info: FieldInfo) -> bool:
    """Whether a field of a model may be None."""
    annotation, optional = _without_none(field_info.annotation)
    if optional:
        return True
    return bool(getattr(annotation, "quiver_nullable", False))


def model_schema(model: Type[pydantic.BaseModel]) -> _quiver.Schema:
    """The Arrow schema of a model, without pyarrow."""
    return _quiver.Schema(_model_fields(model))


def _plain(one: Field) -> Field:
    """Dictionaries as their values: what rows are built with before the engine encodes them."""
    if one[5] is not None:
        return field(one[0], one[5][1], one[2])
    return (one[0], one[1], one[2], one[3], tuple(_plain(child) for child in one[4]), None)


def rows_schema(model: Type[pydantic.BaseModel]) -> _quiver.Schema:
    """The types that rows of a model are built with."""
    return _quiver.Schema([_plain(one) for one in _model_fields(model)])


def pydantic_to_schema(model: Type[pydantic.BaseModel]) -> Any:
    """The Arrow schema of a model as ``pa.Schema`` (needs pyarrow). TypeError: a type that Arrow has no match for."""
    return _lazy.pyarrow("pydantic_to_schema()").schema(model_schema(model))


def get_extras(field_info: FieldInfo, key: str) -> Any:
    """A value from a field's ``json_schema_extra``."""
    extra = field_info.json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


def _plain_value(value: Any) -> Any:
    if isinstance(value, pydantic.BaseModel):
        return model_to_dict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return value if value and isinstance(value[0], float) else [_plain_value(item) for item in value]
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value


def model_to_dict(model: pydantic.BaseModel) -> Dict[str, Any]:
    """A model as a row: names of fields (not aliases) to plain values."""
    return {name: _plain_value(getattr(model, name)) for name in type(model).model_fields}


class LanceModel(pydantic.BaseModel):
    """A pydantic model whose fields are the columns of a table."""

    @classmethod
    def to_arrow_schema(cls) -> Any:
        """The Arrow schema as ``pa.Schema`` (needs pyarrow)."""
        return pydantic_to_schema(cls)

    @classmethod
    def field_names(cls) -> List[str]:
        """The names of the columns."""
        return list(cls.safe_get_fields())

    @classmethod
    def safe_get_fields(cls) -> Dict[str, FieldInfo]:
        return cls.model_fields

    @classmethod
    def parse_embedding_functions(cls) -> List[Any]:
        """Embedding functions of the fields: none, since this version has no embedding functions."""
        return []


__all__ = [
    "FixedSizeListMixin",
    "LanceModel",
    "MultiVector",
    "Vector",
    "get_extras",
    "is_nullable",
    "model_to_dict",
    "pydantic_to_schema",
    "vector",
]

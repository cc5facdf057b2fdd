"""Expressions: conditions and computed columns without writing SQL text.

>>> from quiver.expr import col, lit
>>> (col("age") > 18) & col("name").lower().contains("ann")
Expr(((age > 18) AND contains(lower(`name`), 'ann')))
"""

from __future__ import annotations

import math
from datetime import date, datetime, timezone
from decimal import Decimal

from . import _lazy, _quiver

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Iterable, Union

    ExprLike = Union["Expr", bool, int, float, str, bytes, date, datetime, Decimal]

_TYPES = {
    "bool": "Boolean",
    "boolean": "Boolean",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "float16": "Float16",
    "float32": "Float32",
    "float": "Float32",
    "float64": "Float64",
    "double": "Float64",
    "string": "Utf8",
    "utf8": "Utf8",
    "str": "Utf8",
    "large_string": "LargeUtf8",
    "large_utf8": "LargeUtf8",
    "date32": "Date32",
    "date": "Date32",
    "date64": "Date64",
}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
_UNITS = {"s": "s", "ms": "ms", "us": "µs", "ns": "ns"}


def quote_name(name: str) -> str:
    """A column's name as SQL: in backticks unless it is a plain word that no SQL parser knows."""
    from ._keywords import KEYWORDS

    if all(letter in _PLAIN for letter in name) and not name[:1].isdigit() and name not in KEYWORDS:
        return name
    return "`" + name.replace("`", "``") + "`"


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "arrow_cast('NaN', 'Float64')"
    if math.isinf(value):
        return f"arrow_cast('{'-' if value < 0 else ''}inf', 'Float64')"
    text = repr(value)
    if "e" not in text:
        return text
    text = format(Decimal(text) if abs(value) < 1 else Decimal(value), "f")
    return text if "." in text else text + ".0"


def _decimal_text(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"failed to parse decimal digits: {value}")
    scale = max(-exponent, 0)
    precision = max(len(digits) + max(exponent, 0), scale, 1)
    width = 128 if precision <= 38 else 256
    return f"arrow_cast('{value:f}', 'Decimal{width}({precision}, {scale})')"


def _time_text(value: datetime) -> str:
    if value.tzinfo is not None:  # an instant: told in UTC
        value = value.astimezone(timezone.utc).replace(tzinfo=None)
    return f"CAST('{value.isoformat(sep=' ')}' AS TIMESTAMP)"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -(2**63) <= value < 2**63 else _float_text(float(value))
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"X'{value.hex().upper()}'"
    if isinstance(value, datetime):
        return _time_text(value)
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    if isinstance(value, Decimal):
        return _decimal_text(value)
    raise TypeError(f"Unsupported literal type: {type(value).__name__}")


def _coerce(value: Any) -> Expr:
    return value if isinstance(value, Expr) else lit(value)


def _arrow_name(data_type: Any) -> str:
    """The name of a ``pa.DataType`` in ``arrow_cast``."""
    pa = _lazy.pyarrow("Expr.cast()")
    types = pa.types
    text = str(data_type)
    if text in _TYPES or text == "halffloat":
        return _TYPES.get(text, "Float16")
    if types.is_date32(data_type) or types.is_date64(data_type):
        return "Date32" if types.is_date32(data_type) else "Date64"
    if types.is_binary(data_type) or types.is_large_binary(data_type):
        return "Binary" if types.is_binary(data_type) else "LargeBinary"
    if types.is_timestamp(data_type):
        zone = "" if data_type.tz is None else f', "{data_type.tz}"'
        return f"Timestamp({_UNITS[data_type.unit]}{zone})"
    if types.is_duration(data_type) or types.is_time(data_type):
        kind = "Duration" if types.is_duration(data_type) else f"Time{data_type.bit_width}"
        return f"{kind}({_UNITS[data_type.unit]})"
    if types.is_decimal(data_type):
        return f"Decimal{data_type.bit_width}({data_type.precision}, {data_type.scale})"
    if types.is_fixed_size_list(data_type):
        return f"FixedSizeList({data_type.list_size} x {_arrow_name(data_type.value_type)})"
    if types.is_list(data_type) or types.is_large_list(data_type):
        return f"{'List' if types.is_list(data_type) else 'LargeList'}({_arrow_name(data_type.value_type)})"
    if types.is_fixed_size_binary(data_type):
        return f"FixedSizeBinary({data_type.byte_width})"
    raise ValueError(f"unsupported data type: {data_type}")


class Expr:
    """A piece of SQL that combines with others. Made by :func:`col`, :func:`lit`, :func:`func` and operators.

    Accepted where conditions are: ``where``, ``delete``, ``update``, ``count_rows``; and as values of ``select``.
    ``==`` makes an expression, so expressions cannot be keys of dicts.
    """

    __slots__ = ("_sql", "_path")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, inner: str, *, column_path: str | None = None) -> None:
        self._sql = inner
        self._path = column_path

    def to_sql(self) -> str:
        """The expression as SQL text."""
        return self._sql

    def __repr__(self) -> str:
        return f"Expr({self._sql})"

    def _binary(self, word: str, other: ExprLike) -> Expr:
        return Expr(f"({self._sql} {word} {_coerce(other)._sql})")

    def __eq__(self, other: ExprLike) -> Expr:  # type: ignore[override]
        return self._binary("=", other)

    def __ne__(self, other: ExprLike) -> Expr:  # type: ignore[override]
        return self._binary("<>", other)

    def __lt__(self, other: ExprLike) -> Expr:
        return self._binary("<", other)

    def __le__(self, other: ExprLike) -> Expr:
        return self._binary("<=", other)

    def __gt__(self, other: ExprLike) -> Expr:
        return self._binary(">", other)

    def __ge__(self, other: ExprLike) -> Expr:
        return self._binary(">=", other)

    def __and__(self, other: ExprLike) -> Expr:
        return self._binary("AND", other)

    def __rand__(self, other: ExprLike) -> Expr:
        return _coerce(other)._binary("AND", self)

    def __or__(self, other: ExprLike) -> Expr:
        return self._binary("OR", other)

    def __ror__(self, other: ExprLike) -> Expr:
        return _coerce(other)._binary("OR", self)

    def __invert__(self) -> Expr:
        return Expr(f"NOT {self._sql}")

    def __add__(self, other: ExprLike) -> Expr:
        return self._binary("+", other)

    def __radd__(self, other: ExprLike) -> Expr:
        return _coerce(other)._binary("+", self)

    def __sub__(self, other: ExprLike) -> Expr:
        return self._binary("-", other)

    def __rsub__(self, other: ExprLike) -> Expr:
        return _coerce(other)._binary("-", self)

    def __mul__(self, other: ExprLike) -> Expr:
        return self._binary("*", other)

    def __rmul__(self, other: ExprLike) -> Expr:
        return _coerce(other)._binary("*", self)

    def __truediv__(self, other: ExprLike) -> Expr:
        return self._binary("/", other)

    def __rtruediv__(self, other: ExprLike) -> Expr:
        return _coerce(other)._binary("/", self)

    def lower(self) -> Expr:
        """The text in lower case."""
        return Expr(f"lower({self._sql})")

    def upper(self) -> Expr:
        """The text in upper case."""
        return Expr(f"upper({self._sql})")

    def contains(self, substr: ExprLike) -> Expr:
        """Is ``substr`` in the text?"""
        return Expr(f"contains({self._sql}, {_coerce(substr)._sql})")

    def isin(self, values: Iterable[ExprLike]) -> Expr:
        """Is it one of ``values``? Of none: false."""
        items = [_coerce(value)._sql for value in values]
        return Expr(f"{self._sql} IN ({', '.join(items)})" if items else "false")

    def cast(self, data_type: Any) -> Expr:
        """The value as another type: a ``pa.DataType`` or a name such as "int32". ValueError: an unknown name."""
        if not isinstance(data_type, str):
            return Expr(f"arrow_cast({self._sql}, '{_arrow_name(data_type)}')")
        if data_type not in _TYPES:
            known = "bool, boolean, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float, float64, "
            known += "double, string, utf8, str, large_string, large_utf8, date32, date, date64"
            raise ValueError(f"unsupported data type: '{data_type}'. Supported: {known}")
        return Expr(f"arrow_cast({self._sql}, '{_TYPES[data_type]}')")

    # the operators by name
    eq = __eq__
    ne = __ne__
    lt = __lt__
    lte = __le__
    gt = __gt__
    gte = __ge__
    and_ = __and__
    or_ = __or__


def col(name: str) -> Expr:
    """A column by its name, which is taken as it is: letters keep their case, a dot belongs to the name."""
    if not isinstance(name, str):
        raise TypeError(f"argument 'name': '{type(name).__name__}' object is not an instance of 'str'")
    return Expr(quote_name(name), column_path=name)


def lit(value: Any) -> Expr:
    """A constant: bool, int, float, str, bytes, date, datetime or Decimal. TypeError: anything else."""
    return value if isinstance(value, Expr) else Expr(_literal(value))


def func(name: str, *args: ExprLike) -> Expr:
    """A call of an SQL function (docs/sql.md). ValueError: there is none of that name."""
    if name.lower() not in _known_functions():
        raise ValueError(f"Invalid input, unknown function: {name}")
    return Expr(f"{name.lower()}({', '.join(_coerce(one)._sql for one in args)})")


_functions: frozenset[str] | None = None


def _known_functions() -> frozenset[str]:
    global _functions
    if _functions is None:
        import json

        known = json.loads(_quiver.sql_functions())
        _functions = frozenset(name for one in known for name in (one["name"], *one.get("aliases", [])))
    return _functions


def condition_text(where: Any) -> str | None:
    """A condition as SQL text, from text or an expression."""
    return where.to_sql() if isinstance(where, Expr) else where

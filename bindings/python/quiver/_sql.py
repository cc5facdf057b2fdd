"""Values of ``update`` as SQL text."""

from __future__ import annotations

import sys
from datetime import date, datetime
from functools import singledispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@singledispatch
def value_to_sql(value: Any) -> str:
    """A Python value as an SQL literal. NotImplementedError: a value of another kind."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return value_to_sql(value.tolist())
    if hasattr(value, "as_py"):  # a scalar of pyarrow
        return value_to_sql(value.as_py())
    raise NotImplementedError("SQL conversion is not implemented for this type")


@value_to_sql.register
def _(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@value_to_sql.register
def _(value: bytes) -> str:
    return f"X'{value.hex()}'"


@value_to_sql.register
def _(value: bool) -> str:
    return "TRUE" if value else "FALSE"


@value_to_sql.register
def _(value: int) -> str:
    return str(value)


@value_to_sql.register
def _(value: float) -> str:
    from .expr import lit

    return lit(value).to_sql()


@value_to_sql.register
def _(value: None) -> str:
    return "NULL"


@value_to_sql.register
def _(value: datetime) -> str:
    return f"'{value.isoformat()}'"


@value_to_sql.register
def _(value: date) -> str:
    return f"'{value.isoformat()}'"


@value_to_sql.register(list)
def _(value: list[Any]) -> str:
    return "[" + ", ".join(value_to_sql(item) for item in value) + "]"


@value_to_sql.register(dict)
def _(value: dict[str, Any]) -> str:
    members = ", ".join(f"'{key}', {value_to_sql(item)}" for key, item in value.items())
    return f"named_struct({members})"

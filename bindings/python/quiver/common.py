"""Aliases and small helpers that the modules share."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any

    DATA = Any  # rows: list of dicts or models, Arrow tables and streams, data frames, or an iterator of these
    VEC = Any  # a query vector: list of numbers or numpy array

URI = str | os.PathLike[str]
VECTOR_COLUMN_NAME = "vector"


class Credential(str):
    """A string that does not show itself."""

    def __repr__(self) -> str:
        return "********"

    def __str__(self) -> str:
        return "********"


def sanitize_uri(uri: URI) -> str:
    """The uri as text."""
    return str(uri)


def seconds(timeout: Any) -> float | None:
    """A timeout (timedelta or None) in seconds; one that has passed already is an error."""
    if timeout is None:
        return None
    value = float(timeout.total_seconds())
    if value <= 0:
        raise RuntimeError("Query timeout after 0 ms")
    return value


def __getattr__(name: str) -> Any:
    if name in ("DATA", "VEC"):
        from typing import Any as anything

        return anything
    raise AttributeError(f"module 'quiver.common' has no attribute {name!r}")

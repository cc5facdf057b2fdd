"""Aliases and small helpers that the modules share."""

from __future__ import annotations

import os
from typing import Any, Union

DATA = Any
"""Rows: list of dicts, list of models, Arrow tables and streams, data frames, or an iterator of these."""
VEC = Any
"""A query vector: list of numbers or numpy array."""
URI = Union[str, "os.PathLike[str]"]
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

"""Conditions on their way in, and errors of the engine on their way out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Callable, TypeVar

    T = TypeVar("T")


def condition(where: Any) -> str:
    """A condition or expression as SQL text. TypeError: neither text nor an expression."""
    if isinstance(where, str):
        return where
    from .expr import Expr

    if isinstance(where, Expr):
        return where.to_sql()
    raise TypeError(f"an SQL expression must be text or Expr, not {type(where).__name__}")


def told(call: Callable[[], T]) -> T:
    """What ``call`` gives; an error of the engine is told in the words that users of the interface know."""
    try:
        return call()
    except ValueError as error:
        text = str(error)
        known = ("Invalid input", "Schema Error", "lance error")
        if getattr(error, "status", None) in ("QV_INVALID", "QV_NOT_FOUND") and not text.startswith(known):
            raise ValueError(f"Invalid input, {text}") from error
        raise

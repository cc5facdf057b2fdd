"""Filters of pyarrow as SQL, where both surely mean the same.

A ``pyarrow.compute.Expression`` shows itself as text such as ``((a > 5) and is_valid(b))``. Comparisons of plain columns with
numbers, booleans and plain strings, joined by and / or, are read from it. Whatever else there is gives None; the caller
filters once more in any case.
"""

from __future__ import annotations

import re

from .expr import quote_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_TOKEN = re.compile(r'\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<text>"[^"\\]*")|(?P<word>[A-Za-z_][A-Za-z0-9_]*)'
                    r"|(?P<sign>[<>=!]=|[<>()]))")
_SIGNS = {"==": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


class _Unknown(Exception):
    pass


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None:
                raise _Unknown
            self._tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
            at = match.end()
        self._at = 0

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise _Unknown
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise _Unknown

    def whole(self) -> str:
        sql = self._expression()
        if self._at != len(self._tokens):
            raise _Unknown
        return sql

    def _expression(self) -> str:
        kind, value = self._next()
        if kind == "sign" and value == "(":
            return self._pair()
        if kind == "word" and value in ("is_valid", "invert"):
            self._expect("(")
            inner = self._expression()
            self._expect(")")
            return f"({inner} IS NOT NULL)" if value == "is_valid" else f"(NOT {inner})"
        return self._operand(kind, value)

    def _pair(self) -> str:
        left = self._expression()
        kind, value = self._next()
        word = value.upper() if kind == "word" and value in ("and", "or") else _SIGNS.get(value)
        if word is None:
            raise _Unknown
        right = self._expression()
        self._expect(")")
        return f"({left} {word} {right})"

    def _operand(self, kind: str, value: str) -> str:
        if kind == "number":
            return value
        if kind == "text":
            return "'" + value[1:-1].replace("'", "''") + "'"
        if kind == "word":
            return value if value in ("true", "false") else quote_name(value)
        raise _Unknown


def to_sql(filter: Any) -> Optional[str]:
    """The same condition as SQL; None: it cannot be told."""
    try:
        return _Reader(str(filter)).whole()
    except _Unknown:
        return None

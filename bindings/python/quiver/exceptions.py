"""Exceptions of the package."""

from __future__ import annotations


class MissingValueError(ValueError):
    """A required value is missing."""


class MissingColumnError(KeyError):
    """A column that a call needs is not there."""

    def __init__(self, column_name: str) -> None:
        super().__init__(column_name)
        self.column_name = column_name

    def __str__(self) -> str:
        return f"Error: Column '{self.column_name}' does not exist in the DataFrame object"


class JobFailedError(RuntimeError):
    """A background job failed."""


class JobCancelledError(RuntimeError):
    """A background job was cancelled."""


class JobNotFoundError(ValueError):
    """There is no such job."""

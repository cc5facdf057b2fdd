"""Packages that are used when they are there: none is imported before it is needed."""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any


def need(module: str, what: str, package: str | None = None) -> Any:
    """Imports ``module``, or says which package ``what`` needs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = package or module.partition(".")[0]
        raise ImportError(f"{what} needs the package {package}: pip install {package}") from error


def pyarrow(what: str) -> Any:
    return need("pyarrow", what)


def loaded(module: str) -> Any:
    """The module if somebody has imported it, else None: objects of its classes cannot exist otherwise."""
    return sys.modules.get(module)

"""What other versions of the interface offer and this one does not: names that say so when they are used."""

from __future__ import annotations


from . import _quiver

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Callable, NoReturn


def absent(what: str) -> NotImplementedError:
    """The error for a feature that is not there, as one sentence."""
    return NotImplementedError(f"{what} not available in the Python package of Quiver {_quiver.version}")


def absent_function(name: str, what: str) -> Callable[..., Any]:
    """A function that exists so that a call can say that ``what`` is missing."""

    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise absent(f"{name}: {what}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Not available in this version: {what}."
    return function


def absent_class(name: str, what: str) -> type[Any]:
    """A class that can be named (in annotations, in isinstance) and not be made."""

    def __new__(cls: type[Any], *args: Any, **kwargs: Any) -> NoReturn:
        raise absent(f"{name}: {what}")

    return type(name, (), {"__new__": __new__, "__doc__": f"Not available in this version: {what}."})


def absent_module(module: str, what: str) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that names what is missing."""

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise absent(f"{module}.{name}: {what}")

    return __getattr__

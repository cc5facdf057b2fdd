"""Statements about the interface run against Quiver and, when it is installed, against the package it follows."""

import importlib
import pathlib
import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """A run in the background inherits an ignored SIGINT; the tests of Ctrl-C need Python's own handler."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["quiver", "lancedb"])
def db_module(request):
    """The package under test: ours, and the peer as a parity check."""
    if request.param == "lancedb":
        if request.node.get_closest_marker("ours_only"):
            pytest.skip("differs from the peer on purpose")
        return pytest.importorskip("lancedb")
    return importlib.import_module("quiver")


@pytest.fixture
def pydantic_module(db_module):
    """The package's pydantic module."""
    return importlib.import_module(db_module.__name__ + ".pydantic")


@pytest.fixture
def db(db_module, tmp_path):
    return db_module.connect(tmp_path / "db")


@pytest.fixture
def s(db):
    """Thirty rows on a line: the table of the observed searches."""
    rows = [{"id": i, "s": f"word{i} common", "price": float(i), "vector": [float(i), 0.0]} for i in range(30)]
    return db.create_table("s", rows)


def folder_of(db):
    return pathlib.Path(db.uri)

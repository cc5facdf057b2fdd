"""Remote catalogs are not available in this version; names from here say so."""

from __future__ import annotations

from ._absent import absent_module

__getattr__ = absent_module("quiver.catalog", "remote catalogs are")

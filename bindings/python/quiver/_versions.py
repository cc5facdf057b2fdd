"""Versions by name: tags and branches of a table."""

from __future__ import annotations

from ._absent import absent

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Dict, NoReturn, Optional

    from .table import LanceTable


def _as_runtime(error: ValueError) -> RuntimeError:
    return RuntimeError(f"lance error: {error}")


class Tags:
    """The tags of a table: names for versions, which clean-up then keeps. Changing them makes no version."""

    def __init__(self, table: LanceTable) -> None:
        self._table = table

    def list(self) -> Dict[str, Dict[str, Any]]:
        """``{name: {"version": ..., "manifest_size": ...}}``."""
        return {
            name: {"version": version, "manifest_size": size}
            for name, version, _, size in self._table._inner.tags()
        }

    def get_version(self, tag: str) -> int:
        """The version that a tag names. RuntimeError: there is no such tag."""
        try:
            return self._table._inner.tag_version(tag)
        except ValueError as error:
            raise _as_runtime(error) from None

    def create(self, tag: str, version: int) -> None:
        """Names a version. RuntimeError: the tag exists, the version does not, or the name is not allowed."""
        try:
            self._table._inner.tag_create(tag, version)
        except ValueError as error:
            raise _as_runtime(error) from None

    def update(self, tag: str, version: int) -> None:
        """Moves a tag to another version. RuntimeError: there is no such tag or version."""
        try:
            self._table._inner.tag_update(tag, version)
        except ValueError as error:
            raise _as_runtime(error) from None

    def delete(self, tag: str) -> None:
        """Takes a tag away. RuntimeError: there is none."""
        try:
            self._table._inner.tag_delete(tag)
        except ValueError as error:
            raise _as_runtime(error) from None


class Branches:
    """The branches of a table: lines of versions beside the main one, which they do not touch."""

    def __init__(self, parent: LanceTable) -> None:
        self._table = parent

    def list(self) -> Dict[str, Any]:
        """``{name: {"parent_branch": ..., "parent_version": ..., "manifest_size": ...}}``."""
        return {
            name: {"parent_branch": parent, "parent_version": version, "manifest_size": size}
            for name, parent, version, _, size in self._table._inner.branches()
        }

    def create(
        self, name: str, from_ref: Optional[str] = None, from_version: Optional[int] = None
    ) -> LanceTable:
        """Begins a branch at a version of ``from_ref`` (a branch; None: this handle's) and opens it.

        ValueError: an empty name. RuntimeError: the branch exists, the name is not allowed, or there is no such version.
        """
        if not name:
            raise ValueError("Invalid input, branch name must be non-empty")
        source = self._table._inner.branch() if from_ref is None else from_ref
        version = from_version
        if version is None:
            version = self._table._inner.version if from_ref is None else 0
        try:
            inner = self._table._inner.branch_create(name, None if source == "main" else source, version)
        except ValueError as error:
            raise _as_runtime(error) from None
        return self._table._sibling(inner, pinned=False)

    def checkout(self, name: str, version: Optional[int] = None) -> LanceTable:
        """Opens a branch; with ``version`` the handle is pinned. RuntimeError: there is no such branch."""
        try:
            inner = self._table._inner.branch_open(None if name == "main" else name, version or 0)
        except ValueError as error:
            raise _as_runtime(error) from None
        return self._table._sibling(inner, pinned=version is not None)

    def delete(self, name: str) -> None:
        """Deletes a branch and what it wrote. RuntimeError: there is no such branch."""
        try:
            self._table._inner.branch_delete(name)
        except ValueError as error:
            raise _as_runtime(error) from None

    def diff(self, from_branch: str) -> NoReturn:
        raise absent("branches.diff is")

    def cherry_pick(self, from_branch: str, dry_run: bool = False) -> NoReturn:
        raise absent("branches.cherry_pick is")

"""Merging rows by key: what ``Table.merge_insert`` begins."""

from __future__ import annotations

from ._results import MergeResult

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, List, Optional

    from ._changes import RowChanges

MergeInsertResult = MergeResult


class LanceMergeInsertBuilder:
    """Says what happens to rows whose key is in both, only in the new data, or only in the table; then runs it.

    >>> import quiver
    >>> t = quiver.connect("memory://").create_table("t", [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}])
    >>> rows = [{"id": 2, "v": "B"}, {"id": 3, "v": "C"}]
    >>> result = t.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)
    >>> result.num_updated_rows, result.num_inserted_rows
    (1, 1)
    """

    def __init__(self, table: RowChanges, on: List[str]) -> None:
        self._table = table
        self._on = on
        self._options: dict[str, Any] = {}

    def when_matched_update_all(self, *, where: Optional[str] = None) -> LanceMergeInsertBuilder:
        """Rows of the table whose key is in the new data take its values; only where ``where`` (over ``target.x`` and
        ``source.x``) holds."""
        self._options["update_matched"] = True
        self._options["update_if"] = where
        return self

    def when_not_matched_insert_all(self) -> LanceMergeInsertBuilder:
        """New rows whose key is not in the table are added."""
        self._options["insert_unmatched"] = True
        return self

    def when_not_matched_by_source_delete(self, condition: Any = None) -> LanceMergeInsertBuilder:
        """Rows of the table whose key is not in the new data are deleted; only those for which ``condition`` holds."""
        from .expr import condition_text

        self._options["delete_unmatched"] = True
        self._options["delete_if"] = condition_text(condition)
        return self

    def use_index(self, use_index: bool) -> LanceMergeInsertBuilder:
        """May an index of the key be used? It may, unless told otherwise."""
        self._options["no_index"] = not use_index
        return self

    def use_lsm(self, enable: bool) -> LanceMergeInsertBuilder:
        """Accepted: tables without an LSM write path write the same either way. ValueError: True."""
        if enable:
            raise ValueError("Invalid input, use_lsm requires an LSM write spec, and this table has none")
        return self

    def validate_single_shard(self, validate_single_shard: bool) -> LanceMergeInsertBuilder:
        """Accepted: there are no shards without an LSM write path."""
        return self

    def execute(
        self,
        new_data: Any,
        on_bad_vectors: str = "error",
        fill_value: Optional[float] = 0.0,
        timeout: Any = None,
    ) -> MergeResult:
        """Merges ``new_data`` as one new version.

        Raises
        ------
        ValueError: no clause, no key, unknown columns, two new rows for one row of the table
        RuntimeError: the time is over, or other writers won too often
        """
        return self._table._do_merge(self._on, self._options, new_data, on_bad_vectors, fill_value, timeout)

"""What writing calls answer: small values with the peer's names and texts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any


class _Result:
    """Equal when all fields are; shown as ``Name(field=value, ...)``."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, *values: Any) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            setattr(self, name, value)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))


class AddResult(_Result):
    """``version``: the one that the call made."""

    __slots__ = ("version",)
    version: int


class AddColumnsResult(_Result):
    """``version``: the one that the call made."""

    __slots__ = ("version",)
    version: int


class AlterColumnsResult(_Result):
    """``version``: the one that the call made."""

    __slots__ = ("version",)
    version: int


class DropColumnsResult(_Result):
    """``version``: the one that the call made."""

    __slots__ = ("version",)
    version: int


class UpdateFieldMetadataResult(_Result):
    """``version``: the one that the call made."""

    __slots__ = ("version",)
    version: int


class UpdateResult(_Result):
    """``rows_updated`` and the new ``version``."""

    __slots__ = ("rows_updated", "version")
    rows_updated: int
    version: int


class DeleteResult(_Result):
    """``num_deleted_rows`` and the new ``version``."""

    __slots__ = ("num_deleted_rows", "version")
    num_deleted_rows: int
    version: int


class MergeResult(_Result):
    """What a merge did, in rows; ``num_attempts`` counts how often other writers made it start anew."""

    __slots__ = (
        "version",
        "num_updated_rows",
        "num_inserted_rows",
        "num_deleted_rows",
        "num_attempts",
        "num_rows",
    )
    version: int
    num_updated_rows: int
    num_inserted_rows: int
    num_deleted_rows: int
    num_attempts: int
    num_rows: int


class CompactionStats(_Result):
    """Fragments and files that a compaction took away and made."""

    __slots__ = ("fragments_removed", "fragments_added", "files_removed", "files_added")
    fragments_removed: int
    fragments_added: int
    files_removed: int
    files_added: int

    def __repr__(self) -> str:
        return "CompactionStats { " + ", ".join(f"{n}: {getattr(self, n)}" for n in self.__slots__) + " }"


class CompactionMetrics(_Result):
    """The same, as ``compact_files`` tells it."""

    __slots__ = ("fragments_removed", "fragments_added", "files_removed", "files_added")
    fragments_removed: int
    fragments_added: int
    files_removed: int
    files_added: int


class RemovalStats(_Result):
    """What a clean-up took away."""

    __slots__ = ("bytes_removed", "old_versions_removed")
    bytes_removed: int
    old_versions_removed: int

    def __repr__(self) -> str:
        return (
            f"RemovalStats {{ bytes_removed: {self.bytes_removed}, old_versions_removed: {self.old_versions_removed} }}"
        )


class OptimizeStats(_Result):
    """``compaction`` and ``prune`` of one ``optimize``."""

    __slots__ = ("compaction", "prune")
    compaction: CompactionStats
    prune: RemovalStats


class CleanupStats(_Result):
    """What ``cleanup_old_versions`` took away, by kind of file."""

    __slots__ = (
        "bytes_removed",
        "old_versions",
        "data_files_removed",
        "transaction_files_removed",
        "index_files_removed",
        "deletion_files_removed",
        "failed_deletes",
    )
    bytes_removed: int
    old_versions: int
    data_files_removed: int
    transaction_files_removed: int
    index_files_removed: int
    deletion_files_removed: int
    failed_deletes: int

    def __repr__(self) -> str:
        return "CleanupStats { " + ", ".join(f"{n}: {getattr(self, n)}" for n in self.__slots__) + " }"


class IndexConfig:
    """One index of a table, as ``list_indices`` tells it; ``config["name"]`` works too."""

    _FIELDS = (
        "name",
        "index_type",
        "columns",
        "index_uuid",
        "type_url",
        "created_at",
        "num_indexed_rows",
        "num_unindexed_rows",
        "size_bytes",
        "num_segments",
        "index_version",
        "index_details",
    )
    name: str
    index_type: str
    columns: list[str]

    def __init__(self, told: dict[str, Any]) -> None:
        from datetime import datetime, timezone

        created = told.get("created_at_ms")
        for field in self._FIELDS:
            setattr(self, field, told.get(field))
        self.created_at = None if not created else datetime.fromtimestamp(created / 1000, timezone.utc)

    def __getitem__(self, key: str) -> Any:
        if key not in self._FIELDS:
            raise KeyError(key)
        return getattr(self, key)

    def __repr__(self) -> str:
        parts = []
        for field in self._FIELDS:
            value = getattr(self, field)
            if isinstance(value, str):
                shown = '"' + value + '"'
            elif isinstance(value, int):
                shown = f"{value:_}"
            elif isinstance(value, list):
                shown = "[" + ", ".join('"' + one + '"' for one in value) + "]"
            else:
                shown = repr(value)
            parts.append(f"{field}={shown}")
        return f"IndexConfig({', '.join(parts)})"


class IndexStatistics(_Result):
    """How much of a table an index covers; ``stats["num_indexed_rows"]`` works too."""

    __slots__ = ("num_indexed_rows", "num_unindexed_rows", "index_type", "distance_type", "num_indices")
    num_indexed_rows: int
    num_unindexed_rows: int
    index_type: str
    distance_type: str | None
    num_indices: int | None

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

"""The asynchronous interface: the same calls as coroutines, over the same handles.

The engine works outside of Python's lock, so a coroutine hands its call to a thread and lets the event loop go on.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from .db import LanceDBConnection
from .table import LanceTable

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Callable, Dict, Iterable, List, Optional, TypeVar, Union

    from ._async_query import AsyncQuery, AsyncTakeQuery, AsyncVectorQuery
    from ._results import (
        AddColumnsResult,
        AddResult,
        AlterColumnsResult,
        DeleteResult,
        DropColumnsResult,
        IndexConfig,
        IndexStatistics,
        MergeResult,
        OptimizeStats,
        UpdateFieldMetadataResult,
        UpdateResult,
    )
    from .job import AsyncJob

    T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="quiver-async")


async def run(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The result of a blocking call, which runs in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: call(*args, **kwargs))


class AsyncTags:
    """As :class:`quiver.table.Tags`."""

    def __init__(self, table: LanceTable) -> None:
        self._tags = table.tags

    async def list(self) -> Dict[str, Dict[str, Any]]:
        return await run(self._tags.list)

    async def get_version(self, tag: str) -> int:
        return await run(self._tags.get_version, tag)

    async def create(self, tag: str, version: int) -> None:
        await run(self._tags.create, tag, version)

    async def update(self, tag: str, version: int) -> None:
        await run(self._tags.update, tag, version)

    async def delete(self, tag: str) -> None:
        await run(self._tags.delete, tag)


class AsyncBranches:
    """As :class:`quiver.table.Branches`; branches open as :class:`AsyncTable`."""

    def __init__(self, table: LanceTable) -> None:
        self._branches = table.branches

    async def list(self) -> Dict[str, Any]:
        return await run(self._branches.list)

    async def create(
        self, name: str, from_ref: Optional[str] = None, from_version: Optional[int] = None
    ) -> AsyncTable:
        return AsyncTable(await run(self._branches.create, name, from_ref, from_version))

    async def checkout(self, name: str, version: Optional[int] = None) -> AsyncTable:
        return AsyncTable(await run(self._branches.checkout, name, version))

    async def delete(self, name: str) -> None:
        await run(self._branches.delete, name)

    async def diff(self, from_branch: str) -> Dict[str, Any]:
        self._branches.diff(from_branch)

    async def cherry_pick(self, from_branch: str, dry_run: bool = False) -> Dict[str, Any]:
        self._branches.cherry_pick(from_branch, dry_run)


class AsyncTable:
    """A table for coroutines; see :class:`quiver.table.LanceTable` for what the calls mean.

    Safe to use from many tasks. ``with table:`` closes it.
    """

    def __init__(self, table: LanceTable) -> None:
        self._sync: Optional[LanceTable] = table
        self._name = table.name

    @property
    def _table(self) -> LanceTable:
        if self._sync is None:
            raise RuntimeError(f"Table {self._name} is closed")
        return self._sync

    def __enter__(self) -> AsyncTable:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def is_open(self) -> bool:
        return self._sync is not None

    def close(self) -> None:
        """Every later call raises RuntimeError."""
        self._sync = None

    def __repr__(self) -> str:
        if self._sync is None:
            return f"ClosedTable({self._name})"
        interval = self._sync._conn.read_consistency_interval
        return f"NativeTable({self._name}, uri={self._sync.uri}, read_consistency_interval={interval!r})"

    # ---- facts

    @property
    def name(self) -> str:
        return self._name

    async def uri(self) -> str:
        return self._table.uri

    async def schema(self) -> Any:
        return await run(lambda: self._table.schema)

    async def version(self) -> int:
        return await run(lambda: self._table.version)

    async def embedding_functions(self) -> Dict[str, Any]:
        return self._table.embedding_functions

    async def count_rows(self, filter: Any = None) -> int:
        return await run(self._table.count_rows, filter)

    async def stats(self) -> Dict[str, Any]:
        return await run(self._table.stats)

    async def initial_storage_options(self) -> Optional[Dict[str, str]]:
        return self._table.initial_storage_options()

    async def latest_storage_options(self) -> Optional[Dict[str, str]]:
        return self._table.latest_storage_options()

    # ---- reading

    async def head(self, n: int = 5) -> Any:
        return await run(self._table.head, n)

    async def to_arrow(self) -> Any:
        return await run(self._table.to_arrow)

    async def to_pandas(self, blob_mode: str = "lazy", **kwargs: Any) -> Any:
        return await run(self._table.to_pandas, blob_mode, **kwargs)

    async def to_lance(self, **kwargs: Any) -> Any:
        return await run(self._table.to_lance, **kwargs)

    def query(self) -> AsyncQuery:
        """Begins a query; ``nearest_to(v)`` makes it a vector search."""
        from ._async_query import AsyncQuery

        return AsyncQuery(self._table)

    def vector_search(self, query_vector: Any) -> AsyncVectorQuery:
        """``query().nearest_to(query_vector)``."""
        return self.query().nearest_to(query_vector)

    async def search(
        self,
        query: Any = None,
        vector_column_name: Optional[str] = None,
        query_type: str = "auto",
        ordering_field_name: Optional[str] = None,
        fts_columns: Union[str, List[str], None] = None,
    ) -> Union[AsyncQuery, AsyncVectorQuery]:
        """As :meth:`LanceTable.search`."""
        if query_type not in ("auto", "vector", "fts", "hybrid"):
            raise ValueError(f"Unknown query type: '{query_type}'")
        if query_type == "hybrid" and query is not None and not isinstance(query, str):
            raise ValueError("Hybrid search requires a text query")
        if query is None:
            return self.query()
        self._table.search(query, vector_column_name, query_type)  # says what is not possible
        found = self.vector_search(query)
        return found if vector_column_name is None else found.column(vector_column_name)

    def take_offsets(self, offsets: List[int]) -> AsyncTakeQuery:
        from ._async_query import AsyncTakeQuery

        return AsyncTakeQuery(self._table, self._table.take_offsets(offsets))

    def take_row_ids(self, row_ids: List[int]) -> AsyncTakeQuery:
        from ._async_query import AsyncTakeQuery

        return AsyncTakeQuery(self._table, self._table.take_row_ids(row_ids))

    # ---- changing

    async def add(
        self,
        data: Any,
        *,
        mode: Optional[str] = "append",
        on_bad_vectors: Optional[str] = None,
        fill_value: Optional[float] = None,
        progress: Any = None,
        write_parallelism: Optional[int] = None,
        allow_external_blob_outside_bases: bool = False,
    ) -> AddResult:
        return await run(
            self._table.add,
            data,
            mode or "append",
            on_bad_vectors or "error",
            0.0 if fill_value is None else fill_value,
            progress,
            write_parallelism,
            allow_external_blob_outside_bases,
        )

    async def delete(self, where: Any) -> DeleteResult:
        return await run(self._table.delete, where)

    async def update(
        self,
        updates: Optional[Dict[str, Any]] = None,
        *,
        where: Any = None,
        updates_sql: Optional[Dict[str, str]] = None,
    ) -> UpdateResult:
        return await run(self._table.update, where, updates, values_sql=updates_sql)

    def merge_insert(self, on: Union[str, Iterable[str]]) -> AsyncMergeInsertBuilder:
        return AsyncMergeInsertBuilder(self._table, [on] if isinstance(on, str) else list(on))

    async def add_columns(self, transforms: Any = None, *, computed: Optional[Dict[str, str]] = None) -> AddColumnsResult:
        return await run(self._table.add_columns, transforms, computed=computed)

    async def alter_columns(self, *alterations: Dict[str, Any]) -> AlterColumnsResult:
        return await run(self._table.alter_columns, *alterations)

    async def drop_columns(self, columns: Iterable[str]) -> DropColumnsResult:
        return await run(self._table.drop_columns, columns)

    async def update_field_metadata(self, *updates: Dict[str, Any]) -> UpdateFieldMetadataResult:
        return await run(self._table.update_field_metadata, *updates)

    async def replace_field_metadata(self, field_name: str, new_metadata: Dict[str, str]) -> None:
        await run(self._table.replace_field_metadata, field_name, new_metadata)

    async def set_unenforced_primary_key(self, columns: Union[str, Iterable[str]]) -> None:
        await run(self._table.set_unenforced_primary_key, columns)

    # ---- indexes

    async def create_index(
        self,
        column: str,
        *,
        replace: Optional[bool] = None,
        config: Any = None,
        wait_timeout: Any = None,
        name: Optional[str] = None,
        train: bool = True,
    ) -> None:
        keep = {"replace": replace is not False, "config": config, "wait_timeout": wait_timeout}
        await run(self._table.create_index, column, **keep, name=name, train=train)

    async def create_index_async(
        self,
        column: str,
        *,
        replace: Optional[bool] = None,
        config: Any = None,
        wait_timeout: Any = None,
        name: Optional[str] = None,
        train: bool = True,
    ) -> AsyncJob:
        from .job import AsyncJob

        return AsyncJob(
            self._table.create_index_async(
                column, config=config, replace=replace, wait_timeout=wait_timeout, name=name, train=train
            )
        )

    async def drop_index(self, name: str) -> None:
        await run(self._table.drop_index, name)

    async def prewarm_index(self, name: str) -> None:
        await run(self._table.prewarm_index, name)

    async def wait_for_index(self, index_names: Iterable[str], timeout: timedelta = timedelta(seconds=300)) -> None:
        await run(self._table.wait_for_index, index_names, timeout)

    async def list_indices(self) -> List[IndexConfig]:
        return await run(self._table.list_indices)

    async def index_stats(self, index_name: str) -> Optional[IndexStatistics]:
        return await run(self._table.index_stats, index_name)

    # ---- versions and care

    async def list_versions(self) -> List[Dict[str, Any]]:
        return await run(self._table.list_versions)

    async def checkout(self, version: Union[int, str]) -> None:
        await run(self._table.checkout, version)

    async def checkout_latest(self) -> None:
        await run(self._table.checkout_latest)

    async def restore(self, version: Union[int, str, None] = None) -> None:
        await run(self._table.restore, version)

    @property
    def tags(self) -> AsyncTags:
        return AsyncTags(self._table)

    @property
    def branches(self) -> AsyncBranches:
        return AsyncBranches(self._table)

    def current_branch(self) -> Optional[str]:
        return self._table.current_branch()

    async def optimize(
        self,
        *,
        cleanup_older_than: Optional[timedelta] = None,
        delete_unverified: bool = False,
        retrain: bool = False,
    ) -> OptimizeStats:
        return await run(self._table._optimize, cleanup_older_than, delete_unverified, retrain)

    async def uses_v2_manifest_paths(self) -> bool:
        return await run(self._table.uses_v2_manifest_paths)

    async def migrate_manifest_paths_v2(self) -> None:
        await run(self._table.migrate_v2_manifest_paths)


class AsyncMergeInsertBuilder:
    """As :class:`quiver.merge.LanceMergeInsertBuilder`; ``execute`` is a coroutine."""

    def __init__(self, table: LanceTable, on: List[str]) -> None:
        self._builder = table.merge_insert(on)

    def when_matched_update_all(self, *, where: Optional[str] = None) -> AsyncMergeInsertBuilder:
        self._builder.when_matched_update_all(where=where)
        return self

    def when_not_matched_insert_all(self) -> AsyncMergeInsertBuilder:
        self._builder.when_not_matched_insert_all()
        return self

    def when_not_matched_by_source_delete(self, condition: Any = None) -> AsyncMergeInsertBuilder:
        self._builder.when_not_matched_by_source_delete(condition)
        return self

    def use_index(self, use_index: bool) -> AsyncMergeInsertBuilder:
        self._builder.use_index(use_index)
        return self

    def use_lsm(self, enable: bool) -> AsyncMergeInsertBuilder:
        self._builder.use_lsm(enable)
        return self

    def validate_single_shard(self, validate_single_shard: bool) -> AsyncMergeInsertBuilder:
        self._builder.validate_single_shard(validate_single_shard)
        return self

    async def execute(
        self, new_data: Any, on_bad_vectors: str = "error", fill_value: Optional[float] = 0.0, timeout: Any = None
    ) -> MergeResult:
        return await run(self._builder.execute, new_data, on_bad_vectors, fill_value, timeout)


class AsyncConnection:
    """A database for coroutines; ``with connection:`` closes it. See :class:`quiver.db.LanceDBConnection`."""

    def __init__(self, connection: LanceDBConnection) -> None:
        self._sync: Optional[LanceDBConnection] = connection

    @property
    def _db(self) -> LanceDBConnection:
        if self._sync is None:
            raise RuntimeError("Connection is closed")
        return self._sync

    def __enter__(self) -> AsyncConnection:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def is_open(self) -> bool:
        return self._sync is not None

    def close(self) -> None:
        """Every later call raises RuntimeError; tables stay usable."""
        self._sync = None

    def __repr__(self) -> str:
        if self._sync is None:
            return "ClosedConnection"
        interval = self._sync.read_consistency_interval
        return f"ListingDatabase(uri={self._sync.uri}, read_consistency_interval={interval!r})"

    @property
    def uri(self) -> str:
        return self._db.uri

    async def get_read_consistency_interval(self) -> Any:
        return self._db.read_consistency_interval

    async def table_names(
        self,
        *,
        namespace_path: Optional[List[str]] = None,
        start_after: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> List[str]:
        return await run(self._db.table_names, start_after, limit or 0, namespace_path=namespace_path)

    async def list_tables(
        self,
        namespace_path: Optional[List[str]] = None,
        page_token: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> Any:
        return await run(self._db.list_tables, namespace_path, page_token, limit)

    async def create_table(
        self,
        name: str,
        data: Any = None,
        schema: Any = None,
        mode: Optional[str] = None,
        exist_ok: Optional[bool] = None,
        on_bad_vectors: Optional[str] = None,
        fill_value: Optional[float] = None,
        storage_options: Optional[Dict[str, str]] = None,
        *,
        namespace_path: Optional[List[str]] = None,
        embedding_functions: Any = None,
        location: Optional[str] = None,
        namespace_client: Any = None,
    ) -> AsyncTable:
        """As :meth:`LanceDBConnection.create_table`."""
        return AsyncTable(
            await run(
                self._db.create_table,
                name,
                data,
                schema,
                mode or "create",
                bool(exist_ok),
                on_bad_vectors or "error",
                0.0 if fill_value is None else fill_value,
                embedding_functions,
                namespace_path=namespace_path,
                storage_options=storage_options,
            )
        )

    async def open_table(
        self,
        name: str,
        *,
        namespace_path: Optional[List[str]] = None,
        storage_options: Optional[Dict[str, str]] = None,
        index_cache_size: Optional[int] = None,
        location: Optional[str] = None,
        namespace_client: Any = None,
        managed_versioning: Optional[bool] = None,
        branch: Optional[str] = None,
        version: Optional[int] = None,
    ) -> AsyncTable:
        """As :meth:`LanceDBConnection.open_table`."""
        return AsyncTable(
            await run(self._db.open_table, name, namespace_path=namespace_path, branch=branch, version=version)
        )

    async def clone_table(
        self,
        target_table_name: str,
        source_uri: str,
        *,
        target_namespace_path: Optional[List[str]] = None,
        source_version: Optional[int] = None,
        source_tag: Optional[str] = None,
        is_shallow: bool = True,
    ) -> AsyncTable:
        """As :meth:`LanceDBConnection.clone_table`."""
        return AsyncTable(
            await run(
                self._db.clone_table,
                target_table_name,
                source_uri,
                target_namespace_path=target_namespace_path,
                source_version=source_version,
                source_tag=source_tag,
                is_shallow=is_shallow,
            )
        )

    async def drop_table(
        self, name: str, *, namespace_path: Optional[List[str]] = None, ignore_missing: bool = False
    ) -> None:
        await run(self._db.drop_table, name, namespace_path, ignore_missing)

    async def drop_table_async(self, name: str, *, namespace_path: Optional[List[str]] = None) -> AsyncJob:
        from .job import AsyncJob

        return AsyncJob(await run(self._db.drop_table_async, name, namespace_path))

    async def drop_all_tables(self, namespace_path: Optional[List[str]] = None) -> None:
        await run(self._db.drop_all_tables, namespace_path)

    async def drop_database(self) -> None:
        await run(self._db.drop_database)

    async def rename_table(self, cur_name: str, new_name: str, *args: Any, **kwargs: Any) -> None:
        self._db.rename_table(cur_name, new_name)


async def connect_async(uri: Any, **options: Any) -> AsyncConnection:
    """Opens a database for coroutines; arguments and errors are those of :func:`quiver.connect`.

    >>> import asyncio, quiver
    >>> async def main():
    ...     db = await quiver.connect_async("memory://")
    ...     table = await db.create_table("t", [{"id": 1, "vector": [0.0, 1.0]}])
    ...     return await table.query().nearest_to([0.0, 1.0]).to_list()
    >>> asyncio.run(main())[0]["id"]
    1
    """
    from . import connect

    options.pop("oauth_config", None)
    return AsyncConnection(await run(connect, uri, **options))


class AsyncRecordBatchReader:
    """Batches of a result: ``async for``, or ``await read_all()``. ``schema`` is a ``pa.Schema``."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.schema = reader.schema

    def __aiter__(self) -> AsyncRecordBatchReader:
        return self

    async def __anext__(self) -> Any:
        def step() -> Any:
            try:
                return self._reader.read_next_batch()
            except StopIteration:
                return None

        batch = await run(step)
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def read_all(self) -> List[Any]:
        """All batches that are left."""
        return [batch async for batch in self]

"""Tables: :class:`LanceTable`, opened or made through a connection."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta

from . import _data, _lazy, _quiver
from ._absent import absent
from ._care import KNOWN_METRICS, Indexes, Maintenance
from ._changes import ColumnChanges, RowChanges
from ._progress import reporter
from ._results import AddResult
from ._told import condition, told
from ._versions import Branches, Tags
from .query import LanceEmptyQueryBuilder, LanceQueryBuilder, LanceTakeQueryBuilder, LanceVectorQueryBuilder
from .schema import to_schema

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, List, NoReturn, Optional, Union

    from .db import LanceDBConnection



class Table:
    """What every table offers. Calls for what this version lacks raise ``NotImplementedError`` with one clear sentence."""

    def create_fts_index(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_fts_index: full-text search is")

    def prewarm_data(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("prewarm_data is")

    def tokenize(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("tokenize: full-text search is")

    def refresh_column(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("refresh_column: computed columns are")

    def refresh_column_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("refresh_column_async: computed columns are")

    def function_errors(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("function_errors: functions are")

    def uses_v2_manifest_paths(self) -> NoReturn:
        raise absent("uses_v2_manifest_paths is")

    def migrate_v2_manifest_paths(self) -> NoReturn:
        raise absent("migrate_v2_manifest_paths is")

    def blob_columns(self) -> NoReturn:
        raise absent("blob_columns: blob columns are")

    def fetch_blobs(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("fetch_blobs: blob columns are")

    def fetch_blob_ranges(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("fetch_blob_ranges: blob columns are")

    def fetch_blob_files(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("fetch_blob_files: blob columns are")

    def set_lsm_write_spec(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("set_lsm_write_spec: the LSM write path is")

    def unset_lsm_write_spec(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("unset_lsm_write_spec: the LSM write path is")

    def get_lsm_write_spec(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("get_lsm_write_spec: the LSM write path is")

    def checkpoint_lsm(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("checkpoint_lsm: the LSM write path is")

    def flush_lsm(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("flush_lsm: the LSM write path is")

    def compact_lsm(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("compact_lsm: the LSM write path is")

    def get_lsm_stats(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("get_lsm_stats: the LSM write path is")

    def close_lsm_writers(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("close_lsm_writers: the LSM write path is")


class LanceTable(RowChanges, ColumnChanges, Indexes, Maintenance, Table):
    """A table of a local or in-memory database.

    The handle is a snapshot: it sees its own writes, and those of others after :meth:`checkout_latest` (or, with a
    ``read_consistency_interval`` on the connection, when a read looks for them). Safe to use from many threads.
    """

    def __init__(
        self,
        connection: LanceDBConnection,
        name: str,
        *,
        namespace_path: Optional[List[str]] = None,
        storage_options: Optional[dict[str, str]] = None,
        index_cache_size: Optional[int] = None,
        _inner: Optional[_quiver.Table] = None,
        _pinned: bool = False,
    ) -> None:
        self._conn = connection
        self._inner: _quiver.Table = connection._db.open_table(name) if _inner is None else _inner
        self._pinned = _pinned
        self._looked = time.monotonic()

    # ---- facts

    def _fresh(self) -> _quiver.Table:
        """The handle for a read, after a look for newer versions when the connection asks for it."""
        interval = self._conn._interval
        if interval is not None and not self._pinned:
            now = time.monotonic()
            if now - self._looked >= interval:
                self._inner.checkout_latest()
                self._looked = now
        return self._inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def namespace(self) -> List[str]:
        return []

    @property
    def id(self) -> str:
        return self._inner.name

    @property
    def uri(self) -> str:
        """The folder of the table."""
        return self._inner.uri

    @property
    def version(self) -> int:
        """The version that the handle sees."""
        return self._fresh().version

    @property
    def schema(self) -> Any:
        """The schema as ``pa.Schema`` (needs pyarrow)."""
        return _lazy.pyarrow("Table.schema").schema(self._fresh().schema())

    @property
    def embedding_functions(self) -> dict[str, Any]:
        """Embedding functions by vector column: none, since this version has no embedding functions."""
        self._refuse_embeddings("embedding_functions")
        return {}

    def _refuse_embeddings(self, call: str) -> None:
        if b"embedding_functions" in (self._inner.schema().metadata or {}):
            raise absent(f"{call}: embedding functions, which this table has, are")

    def current_branch(self) -> Optional[str]:
        """The branch that the handle is on; None: the main line."""
        return self._inner.branch()

    def initial_storage_options(self) -> Optional[dict[str, str]]:
        return self._conn._storage_options

    def latest_storage_options(self) -> Optional[dict[str, str]]:
        return self._conn._storage_options

    def __repr__(self) -> str:
        return f"LanceTable(name={self.name!r}, _conn={self._conn!r})"

    def __len__(self) -> int:
        return self.count_rows()

    def count_rows(self, filter: Any = None) -> int:
        """The number of rows, or of those for which ``filter`` is true. ValueError: a filter that is not valid SQL."""
        if filter is None:
            return self._fresh().count_rows()
        where = condition(filter)
        return told(lambda: self._fresh().count_where(where, None))

    # ---- reading

    def _scan(self, limit: Optional[int] = None) -> _quiver.Stream:
        stream: _quiver.Stream = self._fresh().scan(None, 0, limit, False, False, 0, None)
        return stream

    def to_arrow(self) -> Any:
        """The whole table as ``pa.Table`` (needs pyarrow)."""
        pa = _lazy.pyarrow("Table.to_arrow()")
        return pa.table(self._scan().read_all())

    def to_pandas(self, blob_mode: str = "lazy", **kwargs: Any) -> Any:
        """The whole table as a pandas ``DataFrame``; ``kwargs`` go to ``pa.Table.to_pandas``."""
        if blob_mode not in ("lazy", "bytes", "descriptions"):
            raise ValueError("blob_mode must be one of 'lazy', 'bytes', 'descriptions'")
        _lazy.need("pandas", "Table.to_pandas()")
        return self.to_arrow().to_pandas(**kwargs)

    def to_polars(self, batch_size: Optional[int] = None) -> Any:
        """The whole table as a polars ``LazyFrame``."""
        pl = _lazy.need("polars", "Table.to_polars()")
        return pl.DataFrame(self._scan()).lazy()

    def to_batches(self, batch_size: Optional[int] = None) -> Any:
        """The whole table as a ``pa.RecordBatchReader``, read as it is consumed."""
        return self.search().to_batches(batch_size)

    def to_lance(self, **kwargs: Any) -> Any:
        """The table as ``lance.LanceDataset`` (needs pylance)."""
        lance = _lazy.need("lance", "Table.to_lance()", "pylance")
        if self._conn._is_memory:
            raise absent("to_lance on an in-memory table is")
        return lance.dataset(self.uri, version=self.version, **kwargs)

    def head(self, n: int = 5) -> Any:
        """The first ``n`` rows as ``pa.Table``. OverflowError: ``n`` is negative."""
        if n < 0:
            raise OverflowError("out of range integral type conversion attempted")
        pa = _lazy.pyarrow("Table.head()")
        return pa.table(self._scan(n).read_all())

    def search(
        self,
        query: Any = None,
        vector_column_name: Optional[str] = None,
        query_type: str = "auto",
        ordering_field_name: Optional[str] = None,
        fts_columns: Union[str, List[str], None] = None,
    ) -> LanceQueryBuilder:
        """Begins a query; nothing is read before a ``to_...`` call.

        Parameters
        ----------
        query: None for a plain scan; a list of numbers or a numpy array for the nearest neighbours; a list of such lists (or
            an array of two axes) for one search per vector, told apart by the column ``query_index``
        vector_column_name: which column to search; may be left out when only one fits

        Raises
        ------
        TypeError: the query is of another kind
        NotImplementedError: text queries (full-text and hybrid search)
        """
        if query_type not in ("vector", "fts", "auto", "hybrid"):
            raise ValueError(f"Invalid query_type, must be 'vector', 'fts', or 'auto': {query_type}")
        if query_type == "hybrid":
            raise absent("query_type='hybrid': hybrid search is")
        if query is None:
            return LanceEmptyQueryBuilder(self)
        numpy = sys.modules.get("numpy")
        if isinstance(query, list) or (numpy is not None and isinstance(query, numpy.ndarray)):
            if query_type == "fts":
                raise TypeError(f"'fts' query must be a string or FullTextQuery: {type(query)}")
            return LanceVectorQueryBuilder(self, query, vector_column_name)
        if isinstance(query, str):
            if query_type == "vector":
                raise ValueError(f"No embedding function for {vector_column_name or 'vector'}")
            raise absent("search with a text: full-text search is")
        raise TypeError(f"Unsupported query type: {type(query)}")

    def take_offsets(self, offsets: List[int], *, with_row_id: bool = False) -> LanceTakeQueryBuilder:
        """Rows by position; they come in storage order, repeats are kept, unknown positions left out."""
        return LanceTakeQueryBuilder(self, offsets, by_row_id=False, with_row_id=with_row_id)

    def take_row_ids(self, row_ids: List[int], *, with_row_id: bool = False) -> LanceTakeQueryBuilder:
        """Rows by ``_rowid``, as :meth:`take_offsets` by position."""
        return LanceTakeQueryBuilder(self, row_ids, by_row_id=True, with_row_id=with_row_id)

    def __getitem__(self, key: Any) -> NoReturn:
        raise TypeError("'LanceTable' object is not subscriptable")

    def __iter__(self) -> NoReturn:
        raise TypeError("'LanceTable' object is not iterable")

    def __getitems__(self, offsets: List[int]) -> Any:
        """Rows by position, in the order asked, as ``pa.Table``."""
        pa = _lazy.pyarrow("Table.__getitems__()")
        return pa.table(self._fresh().take(offsets, False, True, None, False, False, 0, None).read_all())

    # ---- writing

    def add(
        self,
        data: Any,
        mode: str = "append",
        on_bad_vectors: str = "error",
        fill_value: Optional[float] = 0.0,
        progress: Any = None,
        write_parallelism: Optional[int] = None,
        allow_external_blob_outside_bases: bool = False,
    ) -> AddResult:
        """Adds rows as one new version.

        Columns are matched by name and cast as SQL does; missing nullable columns become null.

        Parameters
        ----------
        data: as for :meth:`LanceDBConnection.create_table`
        mode: "append", or "overwrite", which replaces rows and schema
        on_bad_vectors: "error", "drop", "fill" (by ``fill_value``) or "null"
        progress: True for a bar, a function that gets a dict about ten times a second, or a tqdm bar

        Raises
        ------
        ValueError: unknown columns, values that do not fit, bad vectors, a handle that is checked out
        NotImplementedError: data of an unknown kind
        """
        if mode not in ("append", "overwrite"):
            raise ValueError(f"Invalid mode: {mode}")
        if write_parallelism is not None and write_parallelism < 1:
            raise ValueError("Invalid input, write_parallelism must be greater than 0")
        report = reporter(progress)
        rows = _data.count_of(data)
        try:
            stream = _data.to_stream(data)
        except _data.UnknownData as error:
            raise NotImplementedError(f"to_scannable not implemented for type {error.args[0]}") from None
        self._check_writable()
        if mode == "overwrite":
            stream, target = _data.fit_new(stream, None, on_bad_vectors, fill_value)
            if target is not None:  # a schema to cast to goes with creating only
                self._inner = self._conn._db.create_table(self.name, 1, stream, target, {}, report, rows)
                return AddResult(self._inner.version)
        else:
            self._refuse_embeddings("add")
            self._inner.checkout_latest()
            stream = _data.fit_table(stream, self._inner.schema(), on_bad_vectors, fill_value)
        version, _, _ = self._inner.write(stream, mode == "overwrite", {}, report, rows)
        self._looked = time.monotonic()
        return AddResult(version)

    def write_buffer(self, max_rows: int = 0, max_bytes: int = 0) -> WriteBuffer:
        """A buffer for many small writes: what is added is durable and seen by this handle's reads at once, and becomes part of a
        version at ``max_rows`` (8,192) or ``max_bytes`` (16 MiB), at ``flush`` and at ``close``. Safe to use from many threads.

        ValueError: the table has an open buffer already, here or in another process.

        >>> import quiver
        >>> table = quiver.connect("memory://").create_table("t", [{"id": 0}])
        >>> with table.write_buffer() as buffer:
        ...     for i in range(1, 4):
        ...         buffer.add([{"id": i}])
        ...     assert len(table) == 4 and table.version == 1
        >>> table.version
        2
        """
        self._check_writable()
        return WriteBuffer(self, self._inner.write_buffer(max_rows, max_bytes))

    # ---- versions

    def list_versions(self) -> List[dict[str, Any]]:
        """All versions, oldest first: dicts with ``version``, ``timestamp`` (local time) and ``metadata``."""
        versions = []
        for version, timestamp_ns, rows, fragments in self._fresh().versions():
            seconds, rest = divmod(timestamp_ns, 1_000_000_000)
            when = datetime.fromtimestamp(seconds) + timedelta(microseconds=rest // 1000)
            metadata = {"total_fragments": str(fragments), "total_rows": str(rows)}
            versions.append({"version": version, "timestamp": when, "metadata": metadata})
        return versions

    def checkout(self, version: Union[int, str]) -> None:
        """Pins the handle to a version, given by number or tag; writes then fail.

        ValueError: there is no such version or tag.
        """
        if not isinstance(version, (str, int)) or isinstance(version, bool) or (isinstance(version, int) and version < 0):
            raise TypeError(f"version must be a number or the name of a tag, not {version!r}")
        try:
            if isinstance(version, str):
                self._inner.checkout_tag(version)
            elif version == 0:
                raise ValueError(version)
            else:
                self._inner.checkout(version)
        except ValueError:
            raise ValueError(f"Version {version} no longer exists. Was it cleaned up?") from None
        self._pinned = True

    def checkout_at(self, when: datetime) -> None:
        """Pins the handle to the newest version that was committed at or before ``when`` (naive: local time).

        ValueError: the table is younger.
        """
        self._inner.checkout_time(int(when.timestamp() * 1_000_000) * 1000)
        self._pinned = True

    def restore(self, version: Union[int, str, None] = None) -> None:
        """Makes a new version with the content of an old one (None: the one that is checked out), and follows the latest
        again. ValueError: nothing is checked out, or there is no such version."""
        if version is None and not self._pinned:
            raise ValueError("Invalid input, you must run checkout before running restore")
        try:
            self._inner.restore(self._inner.tag_version(version) if isinstance(version, str) else version or 0)
        except ValueError as error:
            if version is None:
                raise
            raise ValueError(f"Version {version} no longer exists. Was it cleaned up?") from error
        self._pinned = False

    def checkout_latest(self) -> None:
        """Lets the handle follow the latest version again, and brings it there."""
        self._inner.checkout_latest()
        self._pinned = False
        self._looked = time.monotonic()

    @property
    def tags(self) -> Tags:
        """The table's tags."""
        return Tags(self)

    @property
    def branches(self) -> Branches:
        """The table's branches."""
        return Branches(self)

    def _sibling(self, inner: _quiver.Table, *, pinned: bool) -> LanceTable:
        """A handle of the same table on another line of versions."""
        return LanceTable(self._conn, self.name, _inner=inner, _pinned=pinned)

    @classmethod
    def open(cls, db: LanceDBConnection, name: str, **kwargs: Any) -> LanceTable:
        return db.open_table(name, **kwargs)

    @classmethod
    def create(cls, db: LanceDBConnection, name: str, data: Any = None, schema: Any = None, **kwargs: Any) -> LanceTable:
        return db.create_table(name, data, schema, **kwargs)


class WriteBuffer:
    """Made by :meth:`LanceTable.write_buffer`; ``with`` closes it."""

    def __init__(self, table: LanceTable, inner: _quiver.WriteBuffer) -> None:
        self._table = table
        self._inner = inner

    def add(self, data: Any, on_bad_vectors: str = "error", fill_value: Optional[float] = 0.0) -> None:
        """Adds rows as :meth:`LanceTable.add` does; they are durable when it returns. ValueError: rows that do not fit."""
        schema = self._table._inner.schema()
        self._inner.add(_data.fit_table(_data.to_stream(data), schema, on_bad_vectors, fill_value))

    def flush(self) -> int:
        """Makes all rows so far part of a version of the table, and gives its number."""
        return self._inner.flush()

    def close(self) -> None:
        """Flushes, and ends the buffer."""
        self._inner.close()

    def __enter__(self) -> WriteBuffer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def sanitize_create_table(
    data: Any, schema: Any, metadata: Any = None, on_bad_vectors: str = "error", fill_value: float = 0.0
) -> Any:
    """(rows as ``pa.Table``, schema) as :meth:`LanceDBConnection.create_table` would store them."""
    pa = _lazy.pyarrow("sanitize_create_table()")
    wanted = None if schema is None else to_schema(schema)
    if data is None:
        return None, pa.schema(wanted)
    stream, target = _data.fit_new(_data.to_stream(data), wanted, on_bad_vectors, fill_value)
    table = pa.table(stream)
    if target is not None:
        table = table.cast(pa.schema(target))
    if metadata:
        table = table.replace_schema_metadata(metadata)
    return table, table.schema


def __getattr__(name: str) -> Any:
    if name in ("AsyncTable", "AsyncTags", "AsyncBranches"):
        from . import _async

        return getattr(_async, name)
    if name in ("IndexStatistics", "IndexConfig"):
        from . import _results

        return getattr(_results, name)
    raise AttributeError(f"module 'quiver.table' has no attribute {name!r}")

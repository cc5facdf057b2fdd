"""Connections: :func:`quiver.connect` gives a :class:`LanceDBConnection`."""

from __future__ import annotations

import os

from . import _data, _quiver
from ._absent import absent
from .common import URI
from .schema import same_types, to_schema
from .table import LanceTable, Table

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Iterator, List, NoReturn, Optional

    from .job import Job

_FILE_VERSIONS = {"stable": "2.2", "2.2": "2.2", "2.1": "2.1", "2.0": "2.0"}
_KNOWN_BUT_ABSENT = ("legacy", "0.1", "2.3", "next")


class ListTablesResponse:
    """Names of tables, and the token for the next page (None: there is none)."""

    def __init__(self, tables: List[str], page_token: Optional[str] = None, context: Any = None) -> None:
        self.context = context
        self.tables = tables
        self.page_token = page_token

    def __repr__(self) -> str:
        return f"ListTablesResponse(context={self.context!r}, tables={self.tables!r}, page_token={self.page_token!r})"


def _only_root(namespace_path: Optional[List[str]]) -> None:
    if namespace_path:
        raise absent(f"child namespaces ({namespace_path!r}) are")


class DBConnection:
    """What every connection offers. Calls for what this version lacks raise ``NotImplementedError`` with one clear sentence."""

    @property
    def uri(self) -> str:
        raise NotImplementedError

    def table_names(
        self, page_token: Optional[str] = None, limit: int = 10, *, namespace_path: Optional[List[str]] = None
    ) -> List[str]:
        raise NotImplementedError

    def create_table(self, name: str, *args: Any, **kwargs: Any) -> Table:
        raise NotImplementedError

    def open_table(self, name: str, **kwargs: Any) -> Table:
        raise NotImplementedError

    def __getitem__(self, name: str) -> Table:
        return self.open_table(name)

    def list_namespaces(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("list_namespaces: namespaces are")

    def create_namespace(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_namespace: namespaces are")

    def drop_namespace(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_namespace: namespaces are")

    def describe_namespace(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("describe_namespace: namespaces are")

    def namespace_exists(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("namespace_exists: namespaces are")

    def table_exists(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("table_exists: namespaces are")

    def namespace_client(self) -> NoReturn:
        raise absent("namespace_client: namespaces are")

    def rename_table(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("rename_table is not supported on local databases and")

    def create_materialized_view(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_materialized_view: materialized views are")

    def create_materialized_view_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_materialized_view_async: materialized views are")

    def open_materialized_view(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("open_materialized_view: materialized views are")

    def list_materialized_views(self) -> NoReturn:
        raise absent("list_materialized_views: materialized views are")

    def drop_materialized_view(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_materialized_view: materialized views are")

    def drop_materialized_view_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_materialized_view_async: materialized views are")

    def create_function(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_function: functions are")

    def create_function_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_function_async: functions are")

    def get_function(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("get_function: functions are")

    def list_functions(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("list_functions: functions are")

    def drop_function(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_function: functions are")

    def drop_function_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_function_async: functions are")

    def create_secret(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_secret: secrets are")

    def alter_secret(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("alter_secret: secrets are")

    def list_secrets(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("list_secrets: secrets are")

    def drop_secret(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_secret: secrets are")

    def describe_secret(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("describe_secret: secrets are")

    def create_view(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("create_view: views are")

    def describe_view(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("describe_view: views are")

    def drop_view(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_view: views are")

    def drop_view_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("drop_view_async: views are")

    def list_views(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("list_views: views are")

    def open_job(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("open_job: jobs are")

    def list_jobs(self) -> NoReturn:
        raise absent("list_jobs: jobs are")

    def cancel_job(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("cancel_job: jobs are")

    def pause_job(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("pause_job: jobs are")

    def resume_job(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("resume_job: jobs are")

    def execute_query(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("execute_query: SQL is")

    def execute_query_async(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("execute_query_async: SQL is")

    def describe_query(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise absent("describe_query: SQL is")


def _local_path(uri: str) -> str:
    """A file uri as a path; everything else as it is."""
    if not uri.startswith("file:"):
        return uri
    path = uri[len("file://") :] if uri.startswith("file://") else uri[len("file:") :]
    if path.startswith("localhost/"):
        path = path[len("localhost") :]
    if "%" in path:
        from urllib.parse import unquote

        path = unquote(path)
    return path


def write_settings(*sources: Optional[dict[str, Any]]) -> dict[str, Any]:
    """The engine's settings from storage options; later sources win. Keys that it does not use are left alone."""
    options: dict[str, Any] = {}
    for source in sources:
        options.update(source or {})
    settings: dict[str, Any] = {}
    version = options.get("new_table_data_storage_version")
    if version is not None:
        if str(version) in _KNOWN_BUT_ABSENT:
            raise absent(f"writing the file format version {version!r} is")
        if str(version) not in _FILE_VERSIONS:
            raise ValueError(f"Invalid input, Unknown Lance storage version: {version}")
        settings["file_version"] = _FILE_VERSIONS[str(version)]
    stable = options.get("new_table_enable_stable_row_ids")
    if stable is not None:
        settings["stable_row_ids"] = str(stable).lower() == "true"
    if options.get("quiver_compression") is not None:
        settings["compression"] = str(options["quiver_compression"])
    if options.get("quiver_max_rows_per_file") is not None:
        settings["max_rows_per_file"] = int(options["quiver_max_rows_per_file"])
    return settings


class LanceDBConnection(DBConnection):
    """A local or in-memory database: a folder whose sub-folders ``<name>.lance`` are tables.

    Made by :func:`quiver.connect`. Safe to use from many threads; a child process after ``fork()`` connects anew.
    """

    def __init__(
        self,
        uri: URI,
        *,
        read_consistency_interval: Any = None,
        storage_options: Optional[dict[str, str]] = None,
        session: Any = None,
        manifest_enabled: bool = False,
        namespace_client_properties: Optional[dict[str, str]] = None,
    ) -> None:
        if isinstance(uri, os.PathLike):
            uri = os.fspath(uri)
        self._is_memory = uri.startswith("memory://")
        self._interval: Optional[float] = None
        if read_consistency_interval is not None:
            self._interval = read_consistency_interval.total_seconds()
        if manifest_enabled:
            raise absent("manifest_enabled: a manifest of table names is")
        if session is not None:
            raise absent("session: caches shared by connections are")
        self._read_consistency_interval = read_consistency_interval
        self._storage_options = storage_options
        self._settings = write_settings(storage_options)
        self._db = _quiver.Db("memory://" if self._is_memory else _local_path(uri))
        self._uri = uri if self._is_memory else self._db.uri

    @property
    def uri(self) -> str:
        """The absolute path, or the memory uri."""
        return self._uri

    @property
    def read_consistency_interval(self) -> Any:
        """How old a handle's view may be before a read looks for new versions; None: it never looks."""
        return self._read_consistency_interval

    @property
    def session(self) -> None:
        return None

    def __repr__(self) -> str:
        return f"LanceDBConnection(uri={self._uri!r})"

    def __len__(self) -> int:
        return len(self._db.table_names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._db.table_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._db.table_names())

    def table_names(
        self, page_token: Optional[str] = None, limit: int = 10, *, namespace_path: Optional[List[str]] = None
    ) -> List[str]:
        """Sorted names of tables after ``page_token``, at most ``limit``."""
        _only_root(namespace_path)
        return self._db.table_names(page_token, limit if limit is not None else 0)

    def list_tables(
        self,
        namespace_path: Optional[List[str]] = None,
        page_token: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> ListTablesResponse:
        """One page of table names: an object with ``tables`` and ``page_token``."""
        _only_root(namespace_path)
        after = page_token[: -len(".lance/")] if page_token and page_token.endswith(".lance/") else page_token
        names = self._db.table_names(after, limit + 1 if limit else 0)
        if limit and len(names) > limit:
            return ListTablesResponse(names[:limit], names[limit - 1] + ".lance/")
        return ListTablesResponse(names)

    def create_table(
        self,
        name: str,
        data: Any = None,
        schema: Any = None,
        mode: str = "create",
        exist_ok: bool = False,
        on_bad_vectors: str = "error",
        fill_value: Optional[float] = 0.0,
        embedding_functions: Any = None,
        *,
        namespace_path: Optional[List[str]] = None,
        storage_options: Optional[dict[str, str]] = None,
        data_storage_version: Optional[str] = None,
        enable_v2_manifest_paths: Optional[bool] = None,
    ) -> LanceTable:
        """Makes a table and fills it from ``data``.

        Parameters
        ----------
        name: letters, digits, ``_``, ``-`` and ``.``
        data: list of dicts or models, Arrow data, a data frame, or an iterator of these; None makes an empty table
        schema: ``pa.Schema`` or LanceModel class; the data is cast to it by name and keeps its own order of columns
        mode: "create" or "overwrite" (the next version of an existing table)
        exist_ok: opens an existing table instead, adding nothing; its schema must be the same
        on_bad_vectors: what to do with vectors of another length, with NaN, or null: "error", "drop", "fill" or "null"
        fill_value: replaces missing and NaN items under "fill"
        storage_options: ``new_table_data_storage_version`` ("2.0", "2.1", "2.2"), ``new_table_enable_stable_row_ids``,
            ``quiver_compression`` ("default", "none", "small"), ``quiver_max_rows_per_file``

        Raises
        ------
        ValueError: bad name, existing table, no data and no schema, unfit data, bad vectors
        RuntimeError: a value that the schema cannot hold
        TypeError: data of an unknown kind
        """
        _only_root(namespace_path)
        if mode not in ("create", "overwrite"):
            raise ValueError("mode must be either 'create' or 'overwrite'")
        if embedding_functions:
            raise absent("embedding_functions: embedding functions are")
        settings = {**self._settings, **write_settings(storage_options)}
        if data_storage_version is not None:
            settings.update(write_settings({"new_table_data_storage_version": data_storage_version}))
        wanted = None if schema is None else to_schema(schema)
        if data is None and wanted is None:
            raise ValueError("Either data or schema must be provided")
        stream: Optional[_quiver.Stream] = None
        rows = -1
        if data is not None and not (isinstance(data, list) and not data and wanted is not None):
            rows = _data.count_of(data)
            try:
                stream = _data.to_stream(data)
            except _data.UnknownData as error:
                raise _data.unknown_data(error) from None
            stream, target = _data.fit_new(stream, wanted, on_bad_vectors, fill_value)
        else:
            target = wanted
        if exist_ok and mode == "create":
            try:
                return self._open_same(self.open_table(name), stream, target)
            except ValueError as error:
                if getattr(error, "status", None) != "QV_NOT_FOUND":
                    raise
        if stream is None and target is not None:
            _data.check_names(target.names)
        try:
            inner = self._db.create_table(name, 1 if mode == "overwrite" else 0, stream, target, settings, None, rows)
        except ValueError as error:
            if getattr(error, "status", None) != "QV_SCHEMA":
                raise
            text = str(error)
            if wanted is None and not text.startswith("Cast error"):
                raise
            raise RuntimeError(f"Arrow error: C Data interface error: Invalid: {text}") from error
        return LanceTable(self, name, _inner=inner)

    def _open_same(
        self, table: LanceTable, stream: Optional[_quiver.Stream], schema: Optional[_quiver.Schema]
    ) -> LanceTable:
        """An existing table, after its schema was compared with the one given."""
        given = schema if schema is not None else stream.schema if stream is not None else None
        if given is not None:
            old = {one[0]: one for one in table._inner.schema().fields}
            new = {one[0]: one for one in given.fields}
            if old.keys() != new.keys() or not all(same_types(old[key], new[key]) for key in old):
                raise ValueError("Schema Error: Provided schema does not match existing table schema")
        return table

    def open_table(  # type: ignore[override]
        self,
        name: str,
        *,
        namespace_path: Optional[List[str]] = None,
        storage_options: Optional[dict[str, str]] = None,
        index_cache_size: Optional[int] = None,
        branch: Optional[str] = None,
        version: Optional[int] = None,
    ) -> LanceTable:
        """Opens a table; with ``version`` the handle is pinned to it and read-only.

        ValueError: there is no such table, or no such version.
        """
        _only_root(namespace_path)
        if version == 0:
            raise ValueError("Version 0 no longer exists. Was it cleaned up?")
        try:
            inner = self._db.open_table(name, 0 if version is None or branch not in (None, "main") else version)
        except ValueError as error:
            if version is not None and getattr(error, "status", None) == "QV_NOT_FOUND" and name in self:
                raise ValueError(f"Version {version} no longer exists. Was it cleaned up?") from None
            raise
        table = LanceTable(self, name, _inner=inner, _pinned=version is not None)
        return table if branch is None or branch == "main" else table.branches.checkout(branch, version)

    def clone_table(
        self,
        target_table_name: str,
        source_uri: str,
        *,
        target_namespace_path: Optional[List[str]] = None,
        source_version: Optional[int] = None,
        source_tag: Optional[str] = None,
        is_shallow: bool = True,
    ) -> LanceTable:
        """A new table over the files of another one (its folder), which it reads where they lie.

        Parameters
        ----------
        source_version, source_tag: which version (not both); the latest when neither is given

        Raises
        ------
        ValueError: version and tag together
        RuntimeError: the target exists, or there is no such source, version or tag
        """
        _only_root(target_namespace_path)
        if not is_shallow:
            raise NotImplementedError("LanceDBError: not supported: Deep clone is not yet implemented")
        if source_version is not None and source_tag is not None:
            raise ValueError("Invalid input, source_version and source_tag exclude each other")
        try:
            inner = self._db.clone_table(target_table_name, source_uri, source_version or 0, source_tag)
        except (ValueError, OSError) as error:
            raise RuntimeError(f"lance error: {error}") from error
        return LanceTable(self, target_table_name, _inner=inner)

    def drop_table_async(self, name: str, namespace_path: Optional[List[str]] = None) -> Job:
        """As :meth:`drop_table`; the job has ended when the call returns."""
        from .job import Job

        self.drop_table(name, namespace_path)
        return Job()

    def __getitem__(self, name: str) -> LanceTable:
        return self.open_table(name)

    def drop_table(
        self, name: str, namespace_path: Optional[List[str]] = None, ignore_missing: bool = False
    ) -> None:
        """Deletes a table with all its versions. ValueError when it is missing, unless ``ignore_missing``."""
        _only_root(namespace_path)
        try:
            self._db.drop_table(name)
        except ValueError as error:
            if not (ignore_missing and getattr(error, "status", None) == "QV_NOT_FOUND"):
                raise

    def drop_all_tables(self, namespace_path: Optional[List[str]] = None) -> None:
        """Deletes every table of the database."""
        _only_root(namespace_path)
        self._db.drop_all_tables()

    def drop_database(self) -> None:
        """Deletes every table of the database (the older name of :meth:`drop_all_tables`)."""
        self.drop_all_tables()

    def serialize(self) -> str:
        """JSON from which :func:`quiver.deserialize_conn` makes the connection again."""
        import json

        return json.dumps(
            {
                "connection_type": "local",
                "uri": self._uri,
                "storage_options": self._storage_options,
                "manifest_enabled": False,
                "namespace_client_properties": None,
                "read_consistency_interval_seconds": self._interval,
            }
        )


def __getattr__(name: str) -> Any:
    if name == "AsyncConnection":
        from ._async import AsyncConnection

        return AsyncConnection
    raise AttributeError(f"module 'quiver.db' has no attribute {name!r}")

"""Quiver: a vector database that lives inside your process, on the open Lance table format.

>>> import quiver
>>> db = quiver.connect("memory://")
>>> table = db.create_table("points", [{"id": 1, "vector": [0.0, 0.0]}, {"id": 2, "vector": [1.0, 0.0]}])
>>> [hit["id"] for hit in table.search([1.2, 0.0]).limit(1).to_list()]
[2]
"""

from __future__ import annotations

import os

from . import _quiver
from ._absent import absent, absent_class, absent_function
from .common import URI, sanitize_uri
from .db import DBConnection, LanceDBConnection
from .schema import blob, vector
from .table import LanceTable, Table

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any

__version__: str = _quiver.version
WORKER_PROPERTY_PREFIX = "_lancedb_worker_"

# Schemes that other doors of the interface know.
_OBJECT_STORES = ("s3", "s3a", "s3n", "s3+ddb", "gs", "az", "abfss", "oss", "cos", "hf", "goosefs")
_OTHER_LOCAL = ("shared-memory", "file+uring", "file-object-store")


def _check_scheme(uri: str, api_key: Any, storage_options: dict[str, str] | None, region: str) -> None:
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme in ("file", "memory"):
        return
    if scheme == "db":
        if api_key is None and "LANCEDB_API_KEY" not in os.environ:
            raise ValueError(f"api_key is required to connect to LanceDB cloud: {uri}")
        raise absent(f"connecting to {uri!r}: remote databases are")
    if scheme in ("s3", "s3a", "s3n", "s3+ddb"):
        bucket = rest.partition("/")[0]
        options = storage_options or {}
        if "." in bucket and not (options.get("region") or options.get("aws_region")):
            raise ValueError(
                f"S3 bucket name '{bucket}' contains dots, which prevents automatic region detection. Please set 'region' or "
                "'aws_region' in storage_options."
            )
    if scheme in _OBJECT_STORES:
        raise absent(f"connecting to {uri!r}: object stores are")
    if scheme in _OTHER_LOCAL:
        raise absent(f"connecting to {uri!r}: this kind of storage is")
    raise ValueError(
        f"Invalid input, No object store provider found for scheme: '{scheme}' Valid schemes: file, memory"
    )


def connect(
    uri: URI | None = None,
    *,
    api_key: str | None = None,
    region: str = "us-east-1",
    host_override: str | None = None,
    sql_host_override: str | None = None,
    read_consistency_interval: Any = None,
    request_thread_pool: Any = None,
    client_config: Any = None,
    storage_options: dict[str, str] | None = None,
    session: Any = None,
    manifest_enabled: bool = False,
    namespace_client_impl: str | None = None,
    namespace_client_properties: dict[str, str] | None = None,
    namespace_client_pushdown_operations: list[str] | None = None,
    **kwargs: Any,
) -> LanceDBConnection:
    """Opens a database.

    Parameters
    ----------
    uri: a folder (path, ``pathlib.Path``, ``file://``; ``~`` is expanded, the folder is made when absent), or ``memory://``
        for a private database that is gone with its last handle
    read_consistency_interval: a ``timedelta``; reads look for versions of other writers when their view is older than this.
        None: a handle sees its own writes and what :meth:`Table.checkout_latest` brings
    storage_options: defaults for new tables, see :meth:`LanceDBConnection.create_table`

    Raises
    ------
    ValueError: no uri, an unknown scheme, unknown keyword arguments
    NotImplementedError: object stores, remote databases, namespaces
    OSError: the folder cannot be made

    >>> quiver.connect("memory://")
    LanceDBConnection(uri='memory://')
    """
    if kwargs:
        raise ValueError(f"Unknown keyword arguments: {kwargs}")
    if namespace_client_impl is not None:
        if namespace_client_properties is None:
            raise ValueError("namespace_client_properties must be provided when namespace_client_impl is set")
        raise absent("namespace_client_impl: namespaces are")
    if namespace_client_properties is not None and not manifest_enabled:
        raise ValueError(
            "namespace_client_impl must be provided when using namespace_client_properties unless manifest_enabled=True"
        )
    if namespace_client_pushdown_operations is not None:
        raise ValueError("namespace_client_pushdown_operations is only valid when connecting through a namespace")
    if uri is None:
        raise ValueError("uri is required when not connecting through a namespace client")
    if isinstance(uri, str):
        _check_scheme(uri, api_key, storage_options, region)
    return LanceDBConnection(
        uri,
        read_consistency_interval=read_consistency_interval,
        storage_options=storage_options,
        session=session,
        manifest_enabled=manifest_enabled,
        namespace_client_properties=namespace_client_properties,
    )


def deserialize_conn(data: str, *, for_worker: bool = False) -> LanceDBConnection:
    """Makes a connection from what its ``serialize()`` gave.

    ValueError: another kind of connection.
    """
    import json
    from datetime import timedelta

    parsed = json.loads(data)
    kind = parsed.get("connection_type")
    if kind in ("remote", "namespace"):
        raise absent(f"deserialize_conn: {kind} connections are")
    if kind != "local":
        raise ValueError(f"Unknown connection_type: {kind}")
    seconds = parsed.get("read_consistency_interval_seconds")
    return LanceDBConnection(
        parsed["uri"],
        read_consistency_interval=None if seconds is None else timedelta(seconds=seconds),
        storage_options=parsed.get("storage_options"),
        manifest_enabled=parsed.get("manifest_enabled", False),
    )


_ABSENT_FUNCTIONS = {
    "connect_namespace": "namespaces are",
    "connect_namespace_async": "namespaces are",
    "connect_catalog": "remote catalogs are",
    "connect_catalog_async": "remote catalogs are",
    "tokenize": "full-text search is",
    "udf": "functions are",
    "vector_dedup": "materialized views are",
}
_ABSENT_CLASSES = {
    "Catalog": "remote catalogs are",
    "AsyncCatalog": "remote catalogs are",
    "ListDatabasesResponse": "remote catalogs are",
    "AsyncMaterializedView": "materialized views are",
    "MaterializedView": "materialized views are",
    "MaterializedViewDefinition": "materialized views are",
    "ViewDescription": "views are",
    "AsyncSqlQuery": "SQL is",
    "SqlQuery": "SQL is",
    "QueryDescription": "SQL is",
    "AsyncLanceNamespaceDBConnection": "namespaces are",
    "LanceNamespaceDBConnection": "namespaces are",
    "FtsToken": "full-text search is",
    "BlobType": "blob columns are",
    "LsmWriteSpec": "the LSM write path is",
    "RemoteDBConnection": "remote databases are",
    "ClientConfig": "remote databases are",
    "Session": "caches shared by connections are",
    "UdfDefinition": "functions are",
    "EnvVarSecret": "secrets are",
    "SecretInfo": "secrets are",
}


_LAZY = {
    "connect_async": "_async",
    "AsyncConnection": "_async",
    "AsyncTable": "_async",
    "AsyncJob": "job",
    "Job": "job",
    "Expr": "expr",
    "col": "expr",
    "lit": "expr",
    "func": "expr",
}


# quiver.index.IvfPq works after `import quiver`; the module is loaded when it is first named
_MODULES = {"common", "db", "embeddings", "exceptions", "expr", "index", "job", "merge", "pydantic", "query", "rerankers"}
_MODULES |= {"schema", "table", "types"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"quiver.{name}")
    if name in _LAZY:
        value: Any = getattr(import_module(f"quiver.{_LAZY[name]}"), name)
    elif name in _ABSENT_FUNCTIONS:
        value = absent_function(name, _ABSENT_FUNCTIONS[name])
    elif name in _ABSENT_CLASSES:
        value = absent_class(name, _ABSENT_CLASSES[name])
    else:
        raise AttributeError(f"module 'quiver' has no attribute {name!r}")
    globals()[name] = value
    return value


__all__ = [
    "AsyncConnection",
    "AsyncJob",
    "AsyncTable",
    "DBConnection",
    "Expr",
    "Job",
    "LanceDBConnection",
    "LanceTable",
    "Table",
    "URI",
    "WORKER_PROPERTY_PREFIX",
    "__version__",
    "blob",
    "col",
    "connect",
    "connect_async",
    "deserialize_conn",
    "func",
    "lit",
    "sanitize_uri",
    "vector",
]

"""Indexes of a table, and the care of its files."""

from __future__ import annotations

from datetime import timedelta

from ._absent import absent
from ._changes import Writable
from ._results import (
    CleanupStats,
    CompactionMetrics,
    CompactionStats,
    IndexConfig,
    IndexStatistics,
    OptimizeStats,
    RemovalStats,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Iterable, List, Optional

    from . import _quiver
    from .job import Job

KNOWN_METRICS = {"l2", "cosine", "dot", "hamming"}
_METRIC_NUMBERS = {"l2": 1, "cosine": 2, "dot": 3, "hamming": 4}
# a field of a config -> what the engine calls it
_SETTINGS = {
    "num_partitions": "num_partitions",
    "target_partition_size": "target_partition_size",
    "num_sub_vectors": "num_sub_vectors",
    "num_bits": "num_bits",
    "max_iterations": "max_iterations",
    "sample_rate": "sample_rate",
    "m": "hnsw_m",
    "ef_construction": "hnsw_ef_construction",
}
_OLD_FORM = (
    "create_index(metric, num_partitions=..., vector_column_name=...) is the older form of the call: it is deprecated, and may go. "
    "Name the column first, and say the rest in a config: create_index({column!r}, config={kind}(distance_type={metric!r}))"
)


def metric_number(distance_type: str) -> int:
    """The engine's number. ValueError: another word."""
    number = _METRIC_NUMBERS.get(distance_type.lower()) if isinstance(distance_type, str) else None
    if number is None:
        raise ValueError(f"Invalid distance type '{distance_type}'.  Must be one of l2, cosine, dot, or hamming")
    return number


def _setting(config: Any, field: str) -> Optional[int]:
    """None: the engine chooses."""
    import operator

    from .index import Usual

    value = getattr(config, field, None)
    if value is None or isinstance(value, Usual):
        return None
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise TypeError(f"failed to extract field {type(config).__name__}.{field}: {value!r} is not a whole number >= 0")
    return number


def _vector_options(config: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"metric": metric_number(config.distance_type)}
    for field, name in _SETTINGS.items():
        options[name] = _setting(config, field)
    bits = options["num_bits"]
    if hasattr(config, "num_sub_vectors") and bits not in (None, 4, 8):
        raise RuntimeError(f"lance error: LanceError(Index): ProductQuantization: num_bits {bits} not supported")
    if getattr(config, "accelerator", None) is not None:
        import warnings

        text = f"accelerator={config.accelerator!r} is not used: indexes are built on the CPU"
        warnings.warn(text, UserWarning, stacklevel=4)
    return options


def index_options(config: Any) -> tuple[int, dict[str, Any]]:
    """The engine's number for a kind of index, and its options. TypeError: no index."""
    from . import index

    if config is None:
        return 0, {}
    if isinstance(config, index.Auto):
        metric = metric_number(config.distance_type)
        return 0, {"metric": metric} if metric != 1 else {}
    kind = index.SCALAR_KINDS.get(type(config))
    if kind is not None:
        options = {"rows_per_zone": getattr(config, "rows_per_zone", None)}
        if isinstance(config, index.Json):
            options.update(json_path=config.path, json_kind=index.KIND_NAMES[config.target.upper()])
        return kind, options
    for known, number in index.VECTOR_KINDS.items():
        if isinstance(config, known):
            return number, _vector_options(config)
    if isinstance(config, index.FTS):
        raise absent("create_index(FTS): full-text search is")
    if isinstance(config, index.Fm):
        raise absent("create_index(Fm): substring indexes of this kind are")
    raise TypeError(
        "config must be an instance of IvfSq, IvfPq, IvfRq, HnswPq, HnswSq, HnswFlat, IvfFlat, BTree, Bitmap, LabelList, "
        f"Fm, or FTS, but got {type(config)}"
    )


def _config_of(index_type: str, distance_type: str, settings: dict[str, Any]) -> Any:
    """The config that the words of the older form stand for."""
    from dataclasses import fields

    from . import index

    kind = index.VECTOR_NAMES.get(index_type.upper())
    if kind is None:
        raise ValueError(f"Unknown index type {index_type}")
    usual = {one.name: one.default for one in fields(kind)}
    told = {key: value for key, value in settings.items() if key in usual and value != usual[key]}
    return kind(distance_type=distance_type, **told)


def _not_found(name: str) -> RuntimeError:
    return RuntimeError(f"lance error: Lance index not found: name={name}")


class Indexes(Writable):
    """Building, looking at and dropping indexes."""

    def _fresh(self) -> _quiver.Table:
        raise NotImplementedError

    def create_index(
        self,
        metric: str = "l2",
        num_partitions: Optional[int] = None,
        num_sub_vectors: Optional[int] = None,
        vector_column_name: str = "vector",
        replace: bool = True,
        accelerator: Optional[str] = None,
        index_cache_size: Optional[int] = None,
        num_bits: int = 8,
        index_type: str = "IVF_PQ",
        max_iterations: int = 50,
        sample_rate: int = 256,
        m: int = 20,
        ef_construction: int = 300,
        *,
        config: Any = None,
        wait_timeout: Any = None,
        name: Optional[str] = None,
        train: bool = True,
        target_partition_size: Optional[int] = None,
    ) -> None:
        """Builds an index over a column: ``create_index("vector", config=IvfPq(distance_type="cosine"))``.

        Without a config the kind follows from the column: for vectors one whose settings are chosen from the rows, so that a search
        with nothing set has true distances and finds 95 of 100 nearest neighbours and more; a BTree for all others.

        Parameters
        ----------
        metric: the column (the name of the argument is that of an older form, which began with a metric)
        config: what to build, from :mod:`quiver.index`
        replace: replaces an index of the same name
        name: None: the column's path and "_idx"
        train: False registers the index without rows; :meth:`optimize` fills it
        wait_timeout: waits until the index covers every row; RuntimeError when it takes longer
        num_partitions, num_sub_vectors, vector_column_name, index_type, ...: the older form, chosen when there is no config and the
            first argument is a metric, or one of the first five of these is given; it warns

        Raises
        ------
        TypeError: ``config`` is no index, or a setting is no number
        ValueError: an unknown column, one of a type that the index cannot hold, or a setting out of its range
        RuntimeError: the name is taken, and ``replace`` is False

        >>> import quiver
        >>> rows = [{"id": i, "vector": [i / 10, 1.0, 0.0, 0.0]} for i in range(100)]
        >>> table = quiver.connect("memory://").create_table("t", rows)
        >>> table.create_index("vector", config=quiver.index.IvfFlat(num_partitions=4))
        >>> table.search([2.02, 1.0, 0.0, 0.0]).limit(1).to_list()[0]["id"]
        20
        """
        settings = {
            "num_partitions": num_partitions,
            "num_sub_vectors": num_sub_vectors,
            "num_bits": num_bits,
            "max_iterations": max_iterations,
            "sample_rate": sample_rate,
            "m": m,
            "ef_construction": ef_construction,
            "target_partition_size": target_partition_size,
            "accelerator": accelerator,
        }
        column = metric
        if config is None:
            column, config = self._old_form(metric, vector_column_name, index_type, index_cache_size, settings)
        self._check_writable()
        kind, options = index_options(config)
        options.update(name=name, keep_existing=not replace, untrained=not train)
        self._create_index(column, kind, options)
        if wait_timeout is not None:
            self.wait_for_index([name or f"{column}_idx"], wait_timeout)

    def _old_form(
        self, metric: str, column: str, index_type: str, cache_size: Optional[int], settings: dict[str, Any]
    ) -> tuple[str, Any]:
        """The column and the config that the arguments of a call without a config stand for."""
        given = [settings[key] for key in ("num_partitions", "num_sub_vectors", "accelerator")]
        is_old = metric.lower() in KNOWN_METRICS or column != "vector" or any(x is not None for x in (*given, cache_size))
        if not is_old:
            usual = {"num_bits": 8, "max_iterations": 50, "sample_rate": 256, "m": 20, "ef_construction": 300}
            told = index_type != "IVF_PQ" or any(settings[key] != usual.get(key) for key in settings)
            return metric, _config_of(index_type, "l2", settings) if told else None
        import warnings

        from . import index

        kind = index.VECTOR_NAMES.get(index_type.upper(), index.IvfPq).__name__
        warnings.warn(_OLD_FORM.format(column=column, kind=kind, metric=metric), DeprecationWarning, stacklevel=3)
        if cache_size is not None:
            warnings.warn("index_cache_size is not used: an index is read as far as searches need it", stacklevel=3)
        return column, _config_of(index_type, metric, settings)

    def _create_index(self, column: str, kind: int, options: dict[str, Any]) -> None:
        try:
            self._inner.create_index(column, {**options, "kind": kind})
        except ValueError as error:
            status, text = getattr(error, "status", None), str(error)
            if status == "QV_EXISTS":
                raise RuntimeError(f"lance error: LanceError(Index): {text}") from error
            if status == "QV_NOT_FOUND" or (status == "QV_INVALID" and "cannot be created on the field" in text):
                raise ValueError(f"Schema Error: {text}") from error
            if status == "QV_INVALID":
                raise ValueError(f"Invalid input, {text}") from error
            raise

    def create_index_async(
        self,
        column: str,
        *,
        config: Any = None,
        replace: Optional[bool] = None,
        wait_timeout: Any = None,
        name: Optional[str] = None,
        train: bool = True,
    ) -> Job:
        """As :meth:`create_index`, in the background: the job's ``wait()`` raises what went wrong."""
        from .job import Job

        index_options(config)  # a wrong kind is told at once
        self._check_writable()

        def work() -> None:
            self.create_index(
                column,
                config=config,
                replace=replace is not False,
                wait_timeout=wait_timeout,
                name=name,
                train=train,
            )

        return Job(work, "create_index")

    def create_scalar_index(
        self,
        column: str,
        *,
        replace: bool = True,
        index_type: str = "BTREE",
        wait_timeout: Any = None,
        name: Optional[str] = None,
    ) -> None:
        """The older form of :meth:`create_index`; ``index_type``: "BTREE", "BITMAP", "LABEL_LIST", "NGRAM", "ZONEMAP" or
        "BLOOMFILTER". ValueError: another word."""
        from .index import KIND_NAMES

        if index_type.upper() not in KIND_NAMES:
            raise ValueError(f"Unknown index type {index_type}")
        self._check_writable()
        self._create_index(column, KIND_NAMES[index_type.upper()], {"name": name, "keep_existing": not replace})
        if wait_timeout is not None:
            self.wait_for_index([name or f"{column}_idx"], wait_timeout)

    def drop_index(self, name: str) -> None:
        """Takes an index away. RuntimeError: there is none of that name."""
        self._check_writable()
        try:
            self._inner.drop_index(name)
        except ValueError as error:
            raise _not_found(name) from error

    def list_indices(self) -> List[IndexConfig]:
        """The indexes of the version that the handle sees, sorted by name."""
        import json

        return [IndexConfig(one) for one in json.loads(self._fresh().indices())]

    def index_stats(self, index_name: str) -> Optional[IndexStatistics]:
        """How many rows an index covers; None: there is no such index."""
        import json

        try:
            known = json.loads(self._fresh().index_stats(index_name))
        except ValueError as error:
            if getattr(error, "status", None) == "QV_NOT_FOUND":
                return None
            raise
        segments = known.get("indices") or [{}]
        return IndexStatistics(
            known["num_indexed_rows"],
            known["num_unindexed_rows"],
            known["index_type"],
            segments[0].get("metric_type"),
            known.get("num_indices"),
        )

    def wait_for_index(self, index_names: Iterable[str], timeout: timedelta = timedelta(seconds=300)) -> None:
        """Returns when the indexes cover every row. RuntimeError: not within ``timeout``."""
        names = list(index_names)
        limit = timeout.total_seconds()
        try:
            self._inner.wait_for_index(names, int(limit * 1000))
        except (ValueError, RuntimeError) as error:
            if getattr(error, "status", None) not in ("QV_TIMEOUT", "QV_NOT_FOUND"):
                raise
            shown = ", ".join(f'"{name}"' for name in names)
            text = f"Timeout error: timed out waiting for indices: [{shown}] after {limit:g}s"
            raise RuntimeError(text) from error

    def prewarm_index(self, name: str) -> None:
        """Reads an index into memory. RuntimeError: there is none of that name."""
        try:
            self._fresh().prewarm_index(name)
        except ValueError as error:
            raise _not_found(name) from error


class Maintenance(Writable):
    """Compaction, clean-up, statistics."""

    def _fresh(self) -> _quiver.Table:
        raise NotImplementedError

    def optimize(
        self,
        *,
        cleanup_older_than: Optional[timedelta] = None,
        delete_unverified: bool = False,
        retrain: bool = False,
    ) -> None:
        """Merges small files, drops deleted rows from them, extends indexes, and removes old versions.

        cleanup_older_than: None: seven days. delete_unverified: also younger files that no version names; only safe while
        nobody writes. retrain: builds all indexes anew, when new rows lie otherwise than those that they were made for.
        """
        self._optimize(cleanup_older_than, delete_unverified, retrain)

    def _optimize(self, older_than: Optional[timedelta], delete_unverified: bool, retrain: bool) -> OptimizeStats:
        self._check_writable()
        age = None if older_than is None else int(older_than.total_seconds())
        options = {"older_than_s": age, "delete_unverified": delete_unverified}
        compaction, cleanup, _ = self._inner.optimize({}, options)
        if retrain:
            self._inner.optimize_indices(None, -1, True)
        fragments = [compaction[name] for name in CompactionStats.__slots__]
        return OptimizeStats(
            CompactionStats(*fragments), RemovalStats(cleanup["bytes_removed"], cleanup["old_versions"])
        )

    def compact_files(self, **kwargs: Any) -> CompactionMetrics:
        """Merges small files and drops deleted rows from them.

        target_rows_per_fragment: rows of a file (1,048,576); materialize_deletions_threshold: share of deleted rows above which
        a file is rewritten (0.1); max_bytes_per_file; defer_index_remap: leaves the indexes' files as they are
        """
        names = {
            "target_rows_per_fragment": "target_rows",
            "materialize_deletions_threshold": "max_deleted_share",
            "max_bytes_per_file": "max_bytes_per_file",
            "defer_index_remap": "defer_index_remap",
        }
        for key in kwargs:
            if key not in names:
                raise TypeError(f"compact_files() got an unexpected keyword argument {key!r}")
        self._check_writable()
        result = self._inner.compact({names[key]: value for key, value in kwargs.items()})
        return CompactionMetrics(*(result[name] for name in CompactionMetrics.__slots__))

    def cleanup_old_versions(
        self, older_than: Optional[timedelta] = None, *, delete_unverified: bool = False
    ) -> CleanupStats:
        """Removes versions older than ``older_than`` (seven days) and files that only they name. Tagged ones stay."""
        self._check_writable()
        age = None if older_than is None else int(older_than.total_seconds())
        result = self._inner.cleanup({"older_than_s": age, "delete_unverified": delete_unverified})
        return CleanupStats(*(result.get(name, 0) for name in CleanupStats.__slots__))

    def stats(self) -> dict[str, Any]:
        """Bytes, rows, indexes and the lengths of fragments, as a dict."""
        import json

        known: dict[str, Any] = json.loads(self._fresh().stats())
        return known

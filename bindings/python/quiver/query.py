"""Query builders: what :meth:`LanceTable.search` and the ``take_...`` calls give."""

from __future__ import annotations

import time

from . import _lazy, _quiver
from ._absent import absent, absent_class
from ._told import condition
from .common import seconds
from .schema import valid_fields, vector_columns

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Dict, Iterator, List, NoReturn, Optional, Self, Tuple, TypeVar, Union

    T = TypeVar("T")

    from .expr import Expr
    from .table import LanceTable

_METRICS = {"l2": 1, "cosine": 2, "dot": 3, "hamming": 4}
_METRIC_NAMES = {number: name for name, number in _METRICS.items()}
_APPROX_MODES = {"normal": 0, "fast": 1, "accurate": 2}
_GENERATED = ("_distance", "_rowid", "_rowaddr")
_NO_VECTOR = "There is no vector column in the data. Please specify the vector column name for vector search"


def flatten_columns(table: Any, flatten: Union[int, bool, None] = None) -> Any:
    """A ``pa.Table`` with its struct columns taken apart: all of them (True), or so many levels."""
    pa = _lazy.pyarrow("flatten")
    if flatten is None or flatten is False:
        return table
    if flatten is not True and flatten <= 0:
        raise ValueError("Please specify a positive integer for flatten or the boolean value `True`")
    level = 0
    while any(pa.types.is_struct(one.type) for one in table.schema) and (flatten is True or level < flatten):
        table = table.flatten()
        level += 1
    return table


def _rechunk(reader: Any, rows: int) -> Iterator[Any]:
    """The batches of a reader, cut and joined so that each has ``rows`` rows, the last one maybe fewer."""
    pa = _lazy.pyarrow("to_batches()")
    kept: List[Any] = []
    n = 0
    for batch in reader:
        while batch.num_rows > 0:
            part = batch.slice(0, rows - n)
            batch = batch.slice(part.num_rows)
            kept.append(part)
            n += part.num_rows
            if n == rows:
                yield pa.concat_batches(kept)
                kept, n = [], 0
    if kept:
        yield pa.concat_batches(kept)


class BaseQueryBuilder:
    """Columns and results, which all queries share."""

    # what is not asked for lies in the class: builders are made often, and most of them set little
    _columns: Optional[List[str]] = None
    _expressions: Optional[List[Optional[str]]] = None
    _with_row_id = False

    def __init__(self, table: LanceTable) -> None:
        self._table = table

    def _run(
        self, timeout: Optional[float], batch_rows: int = 0, plan: Optional[Tuple[bool, bool]] = None
    ) -> Any:
        """The stream of rows, or (``plan``: run it, as JSON) the text of the plan."""
        raise NotImplementedError

    def _extra(self) -> Optional[Dict[str, Any]]:
        """What the engine is told beyond columns and limits; None: nothing."""
        return None if self._expressions is None else {"expressions": self._expressions}

    def _explain(self, error: ValueError) -> Exception:
        """The error as users of the interface know it: which column is unknown, and what there is."""
        text = str(error)
        if getattr(error, "status", None) == "QV_NOT_FOUND":
            for name in self._columns or []:
                if f'"{name}"' in text or f"'{name}'" in text or f"`{name}`" in text:
                    known = ", ".join(valid_fields(self._table._inner.schema().fields))
                    return ValueError(f"Invalid input, Schema error: No field named {name}. Valid fields are {known}.")
        if getattr(error, "status", None) in ("QV_INVALID", "QV_NOT_FOUND") and not text.startswith("Invalid input"):
            return ValueError(f"Invalid input, {text}")
        return error

    def _stream(self, timeout: Any, batch_rows: int = 0, plan: Optional[Tuple[bool, bool]] = None) -> Any:
        limit = seconds(timeout)
        return self._told(self._run, limit, batch_rows, plan)

    def _told(self, call: Any, *args: Any) -> Any:
        try:
            return call(*args)
        except ValueError as error:
            self._retell(error)

    def _retell(self, error: ValueError) -> NoReturn:
        """Raises the error that is being handled as users know it."""
        explained = self._explain(error)
        if explained is error:
            raise
        raise explained from error

    # ---- what to return

    def select(self, columns: Union[List[str], Dict[str, Any]]) -> Self:
        """What to return, in this order: names of columns (nested ones with dots), or a dict from names to SQL expressions.

        ValueError: neither a list nor a dict, or a name twice.
        """
        if isinstance(columns, dict):
            pairs: List[Any] = list(columns.items())
        elif isinstance(columns, list):
            if set(map(type, columns)) == {str}:
                return self._select_names(columns)
            pairs = [(one, None) if isinstance(one, str) else one for one in columns]
        else:
            raise ValueError("columns must be a list or a dictionary")
        self._select_names([name for name, _ in pairs])
        computed = [None if text is None else condition(text) for _, text in pairs]
        self._expressions = computed if any(computed) else None
        return self

    def _select_names(self, names: List[str]) -> Self:
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"Invalid input, Duplicate column name: {twice}")
        self._columns = names.copy() or None
        self._expressions = None
        return self

    def use_lsm(self, enable: bool) -> Self:
        """Accepted: tables without an LSM write path read the same either way."""
        return self

    def with_row_address(self, with_row_address: bool = True) -> Self:
        """Accepted and ignored, as in the reference; select ``_rowaddr`` instead."""
        return self

    def with_fragments(self, fragments: Any) -> Self:
        raise absent("with_fragments is")

    def fragment_ids(self, fragment_ids: List[int]) -> Self:
        raise absent("fragment_ids is")

    # ---- results

    def to_list(self, *, timeout: Any = None) -> List[Dict[str, Any]]:
        """All rows as a list of dicts; vectors are lists of floats."""
        rows: List[Dict[str, Any]] = self._stream(timeout).to_list()
        return rows

    def to_arrow(self, *, timeout: Any = None) -> Any:
        """All rows as ``pa.Table`` (needs pyarrow)."""
        pa = _lazy.pyarrow("to_arrow()")
        return pa.table(self._stream(timeout).read_all())

    def to_batches(self, batch_size: Optional[int] = None, *, timeout: Any = None) -> Any:
        """A ``pa.RecordBatchReader``; with ``batch_size`` each batch but the last has so many rows."""
        pa = _lazy.pyarrow("to_batches()")
        reader = pa.RecordBatchReader.from_stream(self._stream(timeout, batch_size or 0))
        if batch_size is None:
            return reader
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        return pa.RecordBatchReader.from_batches(reader.schema, _rechunk(reader, batch_size))

    def to_pandas(
        self,
        flatten: Union[int, bool, None] = None,
        *,
        blob_mode: str = "lazy",
        timeout: Any = None,
        **kwargs: Any,
    ) -> Any:
        """All rows as a pandas ``DataFrame``.

        flatten: True takes struct columns apart at every level, a number at so many.
        """
        if blob_mode not in ("lazy", "bytes", "descriptions"):
            raise ValueError("blob_mode must be one of 'lazy', 'bytes', 'descriptions'")
        _lazy.need("pandas", "to_pandas()")
        return flatten_columns(self.to_arrow(timeout=timeout), flatten).to_pandas(**kwargs)

    def to_df(self) -> Any:
        """The older name of :meth:`to_pandas`."""
        return self.to_pandas()

    def to_polars(self, *, timeout: Any = None) -> Any:
        """All rows as a polars ``DataFrame``."""
        pl = _lazy.need("polars", "to_polars()")
        return pl.DataFrame(self._stream(timeout).read_all())

    def to_pydantic(self, model: type[T], *, timeout: Any = None) -> List[T]:
        """All rows as models; columns that the model does not know are left out."""
        names = set(model.field_names() if hasattr(model, "field_names") else model.model_fields)  # type: ignore[attr-defined]
        rows = self.to_list(timeout=timeout)
        return [model(**{name: value for name, value in row.items() if name in names}) for row in rows]

    def output_schema(self) -> Any:
        """The schema of the result as ``pa.Schema``."""
        pa = _lazy.pyarrow("output_schema()")
        stream = self._stream(None)
        schema = pa.schema(stream.schema)
        stream.close()
        return schema

    def explain_plan(self, verbose: Optional[bool] = False) -> str:
        """What would be done, as a tree of operators; nothing is run."""
        plan: str = self._stream(None, 0, (False, False))
        return plan

    def analyze_plan(self, distributed_metrics: str = "aggregate") -> str:
        """Runs the query and tells what each operator did: rows, time, bytes, I/O calls.

        distributed_metrics: accepted, since one process does the work. ValueError: another word than "aggregate",
        "per_worker" or "full".
        """
        if distributed_metrics not in ("aggregate", "per_worker", "full"):
            raise ValueError(
                f"Invalid distributed_metrics value '{distributed_metrics}'. Must be one of 'aggregate', 'per_worker', 'full'"
            )
        plan: str = self._stream(None, 0, (True, False))
        return plan

    def to_query_object(self) -> Any:
        """The query as a :class:`Query` (needs pydantic)."""
        raise NotImplementedError

    def plan(self, analyze: bool = False) -> Dict[str, Any]:
        """The plan as a dict, for programs; ``analyze`` runs the query first."""
        import json

        known: Dict[str, Any] = json.loads(self._stream(None, 0, (analyze, True)))
        return known


class LanceQueryBuilder(BaseQueryBuilder):
    """A search or a scan."""

    _limit: Optional[int] = None
    _offset = 0
    _where: Optional[Union[str, Expr]] = None
    _prefilter = True
    _order: Optional[List[Tuple[str, bool, bool]]] = None
    _indexed_only = False

    def _extra(self) -> Optional[Dict[str, Any]]:
        extra: Dict[str, Any] = {}
        if self._expressions is not None:
            extra["expressions"] = self._expressions
        if self._where is not None:
            extra["where"] = condition(self._where)
            extra["postfilter"] = not self._prefilter
        if self._order:
            extra["order_by"] = self._order
        if self._indexed_only:
            extra["fast_search"] = True
        return extra or None

    def _row_limit(self) -> Optional[int]:
        if self._limit is not None and not isinstance(self._limit, int):
            raise ValueError(f"limit must be a valid integer, not {self._limit!r}")
        return self._limit

    def limit(self, limit: Optional[int]) -> Self:
        """At most so many rows; None or 0: all of them."""
        self._limit = None if limit is None or limit <= 0 else limit
        return self

    def offset(self, offset: int) -> Self:
        """Skips so many rows; a negative number is ignored."""
        self._offset = max(0, offset)
        return self

    def with_row_id(self, with_row_id: bool) -> Self:
        """Adds the column ``_rowid`` (uint64)."""
        self._with_row_id = with_row_id
        return self

    def where(self, where: Union[str, Expr, None], prefilter: Optional[bool] = None) -> Self:
        """Only rows for which ``where`` (SQL or an expression) is true; several calls are joined by AND.

        prefilter: True (the default): before the search, so that it finds as many rows as asked; False: afterwards
        """
        if where is None:
            return self
        self._where = where if self._where is None else f"({condition(self._where)}) AND ({condition(where)})"
        if prefilter is not None:
            self._prefilter = prefilter
        return self

    def order_by(self, ordering: Optional[List[Any]]) -> Self:
        """Sorts by columns: a list of :class:`ColumnOrdering`, or of dicts with the same keys. A plain scan is sorted before
        limit and offset, a search sorts its hits."""
        if ordering is not None and not isinstance(ordering, list):
            raise TypeError(f"order_by needs a list of ColumnOrdering, not {type(ordering).__name__}")
        self._order = [_order_key(one) for one in ordering or []]
        return self

    def vector(self, vector: Any) -> NoReturn:
        raise absent("vector() on this query: hybrid search is")

    def text(self, text: Any) -> NoReturn:
        raise absent("text() on this query: full-text search is")


def _projection(builder: BaseQueryBuilder) -> Any:
    if builder._columns is None or builder._expressions is None:
        return builder._columns
    return dict(zip(builder._columns, builder._expressions, strict=True))


def _order_key(one: Any) -> Tuple[str, bool, bool]:
    if isinstance(one, dict):
        known = {"column_name", "ascending", "nulls_first"}
        if "column_name" not in one or set(one) - known:
            raise ValueError(f"an ordering has the keys {sorted(known)}, not {sorted(one)}")
        return one["column_name"], not one.get("ascending", True), bool(one.get("nulls_first", False))
    return one.column_name, not one.ascending, one.nulls_first


class LanceEmptyQueryBuilder(LanceQueryBuilder):
    """A plain scan in storage order: ``table.search()``."""

    def _run(
        self, timeout: Optional[float], batch_rows: int = 0, plan: Optional[Tuple[bool, bool]] = None
    ) -> Any:
        if "_distance" in (self._columns or []) and self._expressions is None:
            raise self._unknown("_distance")
        return self._table._fresh().scan(
            self._columns,
            self._offset,
            self._row_limit(),
            self._with_row_id,
            False,
            batch_rows,
            timeout,
            self._extra(),
            plan,
        )

    def to_query_object(self) -> Any:
        """The query as a :class:`Query` (needs pydantic)."""
        from ._models import Query

        return Query(
            filter=self._where,
            limit=self._limit,
            columns=_projection(self),
            with_row_id=self._with_row_id or None,
            offset=self._offset or None,
        )

    def _unknown(self, name: str) -> ValueError:
        known = ", ".join(valid_fields(self._table._inner.schema().fields))
        return ValueError(f"Invalid input, Schema error: No field named {name}. Valid fields are {known}.")

    def rerank(self, reranker: Any) -> NoReturn:
        raise NotImplementedError("Reranking is not yet supported.")


class LanceVectorQueryBuilder(LanceQueryBuilder):
    """The nearest neighbours of one or many vectors: ``table.search(vector)``.

    Results come nearest first, ten unless :meth:`limit` says otherwise. Without a vector index (or with another metric than the index was
    built for) the search is exact. With one, and with nothing set here, how much of it is read is chosen so that at least 95 of 100
    nearest neighbours are found, and every ``_distance`` is the true one.

    >>> import quiver
    >>> rows = [{"id": i, "vector": [float(i), 0.0]} for i in range(20)]
    >>> table = quiver.connect("memory://").create_table("t", rows)
    >>> [hit["id"] for hit in table.search([7.2, 0.0]).where("id % 2 = 0").limit(2).to_list()]
    [8, 6]
    """

    _metric = 0
    _limit: Optional[int] = 10
    _limit_set: Optional[int] = None
    _lower: Optional[float] = None
    _upper: Optional[float] = None
    _minimum_nprobes: Optional[int] = None
    _maximum_nprobes: Optional[int] = None
    _ef: Optional[int] = None
    _refine: Optional[int] = None
    _exact: Optional[bool] = None
    _approx = 0
    _index: Optional[str] = None
    _prefix = _factor = 0
    _binary = False

    def __init__(self, table: LanceTable, query: Any, vector_column: Optional[str] = None) -> None:
        self._table = table
        self._query = query
        self._column = vector_column

    def limit(self, limit: Optional[int]) -> LanceVectorQueryBuilder:
        """At most so many rows per query vector. ValueError: None, 0 or less."""
        if limit is None or limit <= 0:
            raise ValueError("Limit is required for ANN/KNN queries")
        self._limit = self._limit_set = limit
        return self

    def distance_type(self, distance_type: str) -> LanceVectorQueryBuilder:
        """How vectors are compared: "l2" (squared), "cosine" (1 - cosine), "dot" (1 - dot product), "hamming" (bits).

        ValueError: another word.
        """
        metric = _METRICS.get(distance_type.lower())
        if metric is None:
            raise ValueError(
                f"Invalid distance type '{distance_type}'.  Must be one of l2, cosine, dot, or hamming"
            )
        self._metric = metric
        return self

    metric = distance_type

    def distance_range(
        self, lower_bound: Optional[float] = None, upper_bound: Optional[float] = None
    ) -> LanceVectorQueryBuilder:
        """Only rows with ``lower_bound <= distance < upper_bound``."""
        self._lower, self._upper = lower_bound, upper_bound
        return self

    # ---- how a vector index is searched: what is not set is chosen

    def nprobes(self, nprobes: int) -> LanceVectorQueryBuilder:
        """How many partitions of the index are searched, neither more nor fewer; 0: chosen."""
        self._minimum_nprobes = self._maximum_nprobes = _setting("nprobes", nprobes) or None
        return self

    def minimum_nprobes(self, minimum_nprobes: int) -> LanceVectorQueryBuilder:
        """Partitions that are searched in any case. ValueError: 0, or more than the maximum."""
        if _setting("minimum_nprobes", minimum_nprobes) == 0:
            raise ValueError("Invalid input, minimum_nprobes must be greater than 0")
        if self._maximum_nprobes and minimum_nprobes > self._maximum_nprobes:
            raise ValueError("Invalid input, minimum_nprobes must be less than or equal to maximum_nprobes")
        self._minimum_nprobes = minimum_nprobes
        return self

    def maximum_nprobes(self, maximum_nprobes: int) -> LanceVectorQueryBuilder:
        """Partitions that are searched at most, when a condition leaves fewer than :meth:`limit` rows; 0: all. ValueError: less
        than the minimum."""
        low = self._minimum_nprobes
        if _setting("maximum_nprobes", maximum_nprobes) and low is not None and low > maximum_nprobes:
            raise ValueError("Invalid input, maximum_nprobes must be greater than or equal to minimum_nprobes")
        self._maximum_nprobes = maximum_nprobes
        return self

    def ef(self, ef: int) -> LanceVectorQueryBuilder:
        """Candidates that a walk through a graph keeps (HNSW indexes); more find more and take longer; 0: chosen."""
        self._ef = _setting("ef", ef)
        return self

    def refine_factor(self, refine_factor: int) -> LanceVectorQueryBuilder:
        """So many times :meth:`limit` candidates get their true distance. Not set: as many as it takes. 0: none does, and
        ``_distance`` is what the index estimates. OverflowError: a negative number."""
        self._refine = _setting("refine_factor", refine_factor)
        return self

    def approx_mode(self, mode: str) -> LanceVectorQueryBuilder:
        """"normal", "fast" (RaBitQ: one bit per dimension; graphs: only rows that match are looked at) or "accurate".
        ValueError: another word."""
        if mode not in _APPROX_MODES:
            raise ValueError(f"Invalid approx_mode {mode!r}: must be one of {', '.join(_APPROX_MODES)}")
        self._approx = _APPROX_MODES[mode]
        return self

    def first_stage(
        self, prefix_dims: int = 0, *, binary: bool = False, factor: int = 0
    ) -> LanceVectorQueryBuilder:
        """Two stages over all rows that match, without an index: a cheap distance chooses ``factor`` (16) times :meth:`limit`
        candidates, the whole vectors rank them.

        prefix_dims: the cheap distance looks at so many first values (Matryoshka embeddings). binary: it counts differing signs.
        ValueError: neither of them.
        """
        if not prefix_dims and not binary:
            raise ValueError("a first stage needs prefix_dims, binary=True or both")
        self._prefix, self._binary = _setting("prefix_dims", prefix_dims), binary
        self._factor = _setting("factor", factor)
        return self

    def use_index(self, name: str) -> LanceVectorQueryBuilder:
        """The index to search, by name. Not set: the newest that fits."""
        self._index = name
        return self

    def bypass_vector_index(self) -> LanceVectorQueryBuilder:
        """An exact search over all rows."""
        self._exact = True
        return self

    def _extra(self) -> Optional[Dict[str, Any]]:
        extra = LanceQueryBuilder._extra(self) or {}
        if self._minimum_nprobes:
            extra["min_probes"] = self._minimum_nprobes
        if self._maximum_nprobes:
            extra["max_probes"] = self._maximum_nprobes
        if self._ef:
            extra["ef"] = self._ef
        if self._refine is not None:
            extra["refine_factor"] = self._refine
            extra["no_refine"] = self._refine == 0
        if self._exact:
            extra["bypass_vector_index"] = True
        if self._approx:
            extra["approx_mode"] = self._approx
        if self._index:
            extra["index"] = self._index
        if self._prefix or self._binary:
            extra.update(prefix_dims=self._prefix, binary_stage=self._binary, stage_factor=self._factor)
        return extra or None

    def fast_search(self) -> LanceVectorQueryBuilder:
        """Only rows that the indexes cover (of the vectors, of the condition); without an index the search reads all rows."""
        self._indexed_only = True
        return self

    def rerank(self, reranker: Any, query_string: Optional[str] = None) -> NoReturn:
        raise absent("rerank: rerankers are")

    def output_schema(self) -> Any:
        kept, self._limit = self._limit, 1
        try:
            return super().output_schema()
        finally:
            self._limit = kept

    def to_query_object(self) -> Any:
        """The query as a :class:`Query` (needs pydantic)."""
        from ._models import Query

        return Query(
            vector=self._query,
            vector_column=self._column,
            filter=self._where,
            postfilter=None if self._prefilter else True,
            limit=self._limit_set,
            distance_type=_METRIC_NAMES.get(self._metric),
            columns=_projection(self),
            minimum_nprobes=self._minimum_nprobes,
            maximum_nprobes=self._maximum_nprobes,
            lower_bound=self._lower,
            upper_bound=self._upper,
            refine_factor=self._refine,
            with_row_id=self._with_row_id or None,
            offset=self._offset or None,
            fast_search=self._indexed_only or None,
            ef=self._ef,
            bypass_vector_index=self._exact,
        )

    def to_list(self, *, timeout: Any = None) -> List[Dict[str, Any]]:
        """All rows as a list of dicts; vectors are lists of floats."""
        limit = None if timeout is None else seconds(timeout)
        try:
            rows: List[Dict[str, Any]] = self._run(limit, 0, None, True)
        except ValueError as error:
            self._retell(error)
        return rows

    def _run(
        self,
        timeout: Optional[float],
        batch_rows: int = 0,
        plan: Optional[Tuple[bool, bool]] = None,
        as_rows: bool = False,
    ) -> Any:
        limit = self._row_limit()
        try:
            return self._table._fresh().search(
                self._query,
                self._column,
                self._metric,
                10 if limit is None else limit,
                self._offset,
                self._lower,
                self._upper,
                self._columns,
                self._with_row_id,
                False,
                False,
                timeout,
                self._extra(),
                plan,
                as_rows,
            )
        except ValueError as error:
            if getattr(error, "status", None) in ("QV_INVALID", "QV_NOT_FOUND"):
                self._explain_column()
            raise

    def _dimension(self) -> int:
        first = self._query[0] if len(self._query) else None
        return len(first) if first is not None and hasattr(first, "__len__") else len(self._query)

    def _explain_column(self) -> None:
        """Raises when the vector column is what is wrong."""
        schema = self._table._inner.schema()
        columns = {name: dimension for name, dimension, _ in vector_columns(schema.fields)}
        if self._column is None:
            fitting = [name for name, dimension in columns.items() if dimension == self._dimension()]
            if not fitting:
                raise ValueError(_NO_VECTOR)
            if len(fitting) > 1:
                raise ValueError(
                    "Schema has more than one vector column. Please specify the vector column name for vector search. "
                    f"Candidates: {fitting}"
                )
        elif self._column.partition(".")[0] not in schema.names:
            raise RuntimeError(f"lance error: LanceError(Index): column {self._column} does not exist in schema")
        elif self._column not in columns:
            raise ValueError(
                "Invalid input, Data type is not a vector (FixedSizeListArray or List<FixedSizeListArray>): column "
                f"{self._column}"
            )
        elif columns[self._column] != self._dimension():
            raise ValueError(
                f"Invalid input, query dim({self._dimension()}) doesn't match the column {self._column} vector "
                f"dim({columns[self._column]})"
            )


class LanceTakeQueryBuilder(BaseQueryBuilder):
    """Rows by position or by row id."""

    def __init__(self, table: LanceTable, rows: List[int], *, by_row_id: bool, with_row_id: bool = False) -> None:
        super().__init__(table)
        self._rows = [_position(row) for row in rows]
        self._by_row_id = by_row_id
        self._with_row_id = with_row_id

    def with_row_id(self) -> LanceTakeQueryBuilder:
        """Adds the column ``_rowid`` (uint64)."""
        self._with_row_id = True
        return self

    def _run(
        self, timeout: Optional[float], batch_rows: int = 0, plan: Optional[Tuple[bool, bool]] = None
    ) -> Any:
        if plan is not None:
            return self._plan(*plan)
        return self._table._fresh().take(
            self._rows, self._by_row_id, False, self._columns, self._with_row_id, False, batch_rows, timeout, self._extra()
        )

    def to_query_object(self) -> Any:
        """The query as a :class:`Query` (needs pydantic)."""
        from ._models import Query

        return Query(
            columns=_projection(self),
            with_row_id=self._with_row_id or None,
            take_offsets=None if self._by_row_id else self._rows,
        )

    def _plan(self, analyze: bool, as_json: bool) -> str:
        import json

        kind = "row_ids" if self._by_row_id else "offsets"
        known: Dict[str, Any] = {"operator": "TakeExec", "by": kind, "rows_asked": len(self._rows)}
        if analyze:
            started = time.perf_counter()
            known["output_rows"] = len(self._run(None).to_list())
            known["elapsed_seconds"] = time.perf_counter() - started
        if as_json:
            return json.dumps(known)
        return "TakeExec: " + ", ".join(f"{key}={value}" for key, value in known.items() if key != "operator")


def _setting(name: str, value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{name} must be a valid integer, not {value!r}")
    if value < 0 or value > 0xFFFFFFFF:
        raise OverflowError("out of range integral type conversion attempted")
    return value


def _position(row: Any) -> int:
    import operator

    number = operator.index(row)
    if number < 0:
        raise OverflowError("can't convert negative int to unsigned")
    if number >= 1 << 64:
        raise OverflowError(f"{number} is more than a row number can be")
    return number


LanceHybridQueryBuilder = absent_class("LanceHybridQueryBuilder", "hybrid search is")
LanceFtsQueryBuilder = absent_class("LanceFtsQueryBuilder", "full-text search is")
MatchQuery = absent_class("MatchQuery", "full-text search is")
PhraseQuery = absent_class("PhraseQuery", "full-text search is")
BoostQuery = absent_class("BoostQuery", "full-text search is")
MultiMatchQuery = absent_class("MultiMatchQuery", "full-text search is")
BooleanQuery = absent_class("BooleanQuery", "full-text search is")


def __getattr__(name: str) -> Any:
    if name in ("ColumnOrdering", "Query", "FullTextSearchQuery"):
        from . import _models

        return getattr(_models, name)
    if name in ("AsyncQuery", "AsyncVectorQuery", "AsyncTakeQuery", "AsyncQueryBase", "AsyncStandardQuery"):
        from . import _async_query

        return getattr(_async_query, name)
    raise AttributeError(f"module 'quiver.query' has no attribute {name!r}")

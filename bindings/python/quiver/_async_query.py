"""Queries for coroutines: what ``AsyncTable.query()`` and its relatives give."""

from __future__ import annotations

from ._absent import absent
from ._async import AsyncRecordBatchReader, run
from .query import (
    BaseQueryBuilder,
    LanceEmptyQueryBuilder,
    LanceQueryBuilder,
    LanceTakeQueryBuilder,
    LanceVectorQueryBuilder,
)
from .schema import vector_columns

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Dict, List, NoReturn, Optional, Self, Union

    from .table import LanceTable


class AsyncQueryBase:
    """Columns and results, which all queries share."""

    _builder: BaseQueryBuilder

    def __init__(self, table: LanceTable, builder: BaseQueryBuilder) -> None:
        self._table = table
        self._builder = builder

    def select(self, columns: Union[List[str], Dict[str, Any]]) -> Self:
        """What to return: names, or a dict from names to SQL. TypeError: neither."""
        if not isinstance(columns, (list, dict)):
            raise TypeError("columns must be a list of column names or a dict")
        self._builder.select(columns)
        return self

    def with_row_id(self) -> Self:
        """Adds the column ``_rowid`` (uint64)."""
        self._builder._with_row_id = True
        return self

    def with_row_address(self, with_row_address: bool = True) -> Self:
        return self

    def with_fragments(self, fragments: Any) -> Self:
        self._builder.with_fragments(fragments)
        return self

    def fragment_ids(self, fragment_ids: List[int]) -> Self:
        self._builder.fragment_ids(fragment_ids)
        return self

    def use_lsm(self, enable: bool) -> Self:
        return self

    def to_query_object(self) -> Any:
        return self._builder.to_query_object()

    async def to_batches(
        self, *, max_batch_length: Optional[int] = None, timeout: Any = None
    ) -> AsyncRecordBatchReader:
        """The rows as batches, read as they are consumed."""
        return AsyncRecordBatchReader(await run(self._builder.to_batches, max_batch_length, timeout=timeout))

    async def output_schema(self) -> Any:
        return await run(self._builder.output_schema)

    async def to_arrow(self, timeout: Any = None) -> Any:
        return await run(self._builder.to_arrow, timeout=timeout)

    async def to_list(self, timeout: Any = None) -> List[Dict[str, Any]]:
        return await run(self._builder.to_list, timeout=timeout)

    async def to_pandas(
        self, flatten: Union[int, bool, None] = None, timeout: Any = None, *, blob_mode: str = "lazy", **kwargs: Any
    ) -> Any:
        return await run(self._builder.to_pandas, flatten, blob_mode=blob_mode, timeout=timeout, **kwargs)

    async def to_polars(self, timeout: Any = None) -> Any:
        return await run(self._builder.to_polars, timeout=timeout)

    async def to_pydantic(self, model: Any, *, timeout: Any = None) -> List[Any]:
        return await run(self._builder.to_pydantic, model, timeout=timeout)

    async def explain_plan(self, verbose: Optional[bool] = False) -> str:
        return await run(self._builder.explain_plan, verbose)

    async def analyze_plan(self, distributed_metrics: str = "aggregate") -> str:
        return await run(self._builder.analyze_plan, distributed_metrics)


class AsyncStandardQuery(AsyncQueryBase):
    """A scan or a search."""

    _builder: LanceQueryBuilder

    def where(self, predicate: Any) -> Self:
        """Only rows for which ``predicate`` (SQL or an expression) is true."""
        self._builder.where(predicate)
        return self

    def limit(self, limit: int) -> Self:
        """At most so many rows; 0: none."""
        self._builder._limit = limit
        return self

    def offset(self, offset: int) -> Self:
        self._builder.offset(offset)
        return self

    def order_by(self, ordering: Optional[List[Any]]) -> Self:
        self._builder.order_by(ordering)
        return self

    def fast_search(self) -> Self:
        self._builder._indexed_only = True
        return self

    def postfilter(self) -> Self:
        """The condition is applied to what the search found."""
        self._builder._prefilter = False
        return self


class AsyncQuery(AsyncStandardQuery):
    """A plain scan, until ``nearest_to`` makes it a search."""

    def __init__(self, table: LanceTable) -> None:
        super().__init__(table, LanceEmptyQueryBuilder(table))

    def nearest_to(self, query_vector: Any) -> AsyncVectorQuery:
        """The nearest neighbours of a vector, or of each of a list of vectors. ValueError: None."""
        if query_vector is None:
            raise ValueError("query_vector can not be None")
        found = AsyncVectorQuery(self._table, query_vector)
        scan, search = self._builder, found._builder
        search._columns, search._expressions = scan._columns, scan._expressions
        search._with_row_id, search._where, search._prefilter = scan._with_row_id, scan._where, scan._prefilter
        search._offset, search._order, search._indexed_only = scan._offset, scan._order, scan._indexed_only
        if scan._limit is not None:
            search._limit = scan._limit
        return found

    def nearest_to_text(self, query: Any, columns: Any = None) -> NoReturn:
        raise absent("nearest_to_text: full-text search is")


class AsyncVectorQuery(AsyncStandardQuery):
    """The nearest neighbours of one or many vectors."""

    _builder: LanceVectorQueryBuilder

    def __init__(self, table: LanceTable, query_vector: Any) -> None:
        first: Any = query_vector[0] if len(query_vector) else None
        one = not hasattr(first, "__len__")
        vectors = query_vector if one or isinstance(query_vector, list) else list(query_vector)
        if not isinstance(vectors, list) and not hasattr(vectors, "dtype"):
            vectors = list(vectors)
        super().__init__(table, LanceVectorQueryBuilder(table, vectors))
        self._dimension = len(query_vector) if one else len(first)
        self._check = True

    def _check_dimension(self) -> None:
        fields = self._table._inner.schema().fields
        if self._check and not any(dim == self._dimension for _, dim, _ in vector_columns(fields)):
            raise ValueError(
                f"Invalid input, No vector column found to match with the query vector dimension: {self._dimension}"
            )

    async def to_batches(
        self, *, max_batch_length: Optional[int] = None, timeout: Any = None
    ) -> AsyncRecordBatchReader:
        self._check_dimension()
        return await super().to_batches(max_batch_length=max_batch_length, timeout=timeout)

    async def to_arrow(self, timeout: Any = None) -> Any:
        self._check_dimension()
        return await super().to_arrow(timeout)

    async def to_list(self, timeout: Any = None) -> List[Dict[str, Any]]:
        self._check_dimension()
        return await super().to_list(timeout)

    def column(self, column: str) -> AsyncVectorQuery:
        """Which column to search."""
        self._builder._column = column
        self._check = False
        return self

    def distance_type(self, distance_type: str) -> AsyncVectorQuery:
        self._builder.distance_type(distance_type)
        return self

    def distance_range(
        self, lower_bound: Optional[float] = None, upper_bound: Optional[float] = None
    ) -> AsyncVectorQuery:
        self._builder.distance_range(lower_bound, upper_bound)
        return self

    def nprobes(self, nprobes: int) -> AsyncVectorQuery:
        self._builder.nprobes(nprobes)
        return self

    def minimum_nprobes(self, minimum_nprobes: int) -> AsyncVectorQuery:
        self._builder.minimum_nprobes(minimum_nprobes)
        return self

    def maximum_nprobes(self, maximum_nprobes: int) -> AsyncVectorQuery:
        self._builder.maximum_nprobes(maximum_nprobes)
        return self

    def ef(self, ef: int) -> AsyncVectorQuery:
        self._builder.ef(ef)
        return self

    def refine_factor(self, refine_factor: int) -> AsyncVectorQuery:
        self._builder.refine_factor(refine_factor)
        return self

    def approx_mode(self, mode: str) -> AsyncVectorQuery:
        self._builder.approx_mode(mode)
        return self

    def first_stage(self, prefix_dims: int = 0, *, binary: bool = False, factor: int = 0) -> AsyncVectorQuery:
        self._builder.first_stage(prefix_dims, binary=binary, factor=factor)
        return self

    def use_index(self, name: str) -> AsyncVectorQuery:
        self._builder.use_index(name)
        return self

    def bypass_vector_index(self) -> AsyncVectorQuery:
        self._builder.bypass_vector_index()
        return self

    def rerank(self, reranker: Any = None, query_string: Optional[str] = None) -> NoReturn:
        raise absent("rerank: rerankers are")

    def nearest_to_text(self, query: Any, columns: Any = None) -> NoReturn:
        raise absent("nearest_to_text: full-text search is")


class AsyncTakeQuery(AsyncQueryBase):
    """Rows by position or by row id."""

    _builder: LanceTakeQueryBuilder

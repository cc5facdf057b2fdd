"""Tables as pyarrow data sets, so that DuckDB, polars and others read them with their filters and columns pushed down."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional, Union

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.dataset  # type: ignore[import-untyped]

from .._arrow_filter import to_sql
from ..table import LanceTable

Filter = Union[str, Any]


class PyarrowScannerAdapter(pa.dataset.Scanner):  # type: ignore[misc]
    """One read of a table: columns and a filter (SQL text or a ``pyarrow.compute`` expression)."""

    def __init__(
        self,
        table: LanceTable,
        columns: Optional[List[str]] = None,
        filter: Optional[Filter] = None,
        batch_size: Optional[int] = None,
        **_: Any,
    ) -> None:
        self._table = table
        self._columns = columns
        self._filter = filter
        self._batch_size = batch_size
        # What the engine cannot be told is filtered here; then its columns are needed too.
        self._sql = filter if isinstance(filter, str) else None if filter is None else to_sql(filter)
        self._here = filter if filter is not None and not isinstance(filter, str) else None

    def _reader(self, limit: Optional[int] = None) -> pa.RecordBatchReader:
        query = self._table.search()
        if self._columns is not None and self._here is None:
            query = query.select(list(self._columns)) if self._columns else query.with_row_id(True).select(["_rowid"])
        if self._sql is not None:
            query = query.where(self._sql)
        if limit is not None and self._here is None:
            query = query.limit(limit)
        reader = query.to_batches(self._batch_size)
        if self._here is None:
            return reader if self._columns is None or self._columns else _without_columns(reader)
        names = self._columns if self._columns is not None else reader.schema.names
        schema = pa.schema([reader.schema.field(name) for name in names])
        return pa.RecordBatchReader.from_batches(schema, self._filtered(reader, names, limit))

    def _filtered(self, reader: pa.RecordBatchReader, names: List[str], limit: Optional[int]) -> Iterator[Any]:
        left = limit
        for batch in reader:
            kept = pa.Table.from_batches([batch]).filter(self._here).select(names)
            if left is not None:
                kept = kept.slice(0, left)
                left -= kept.num_rows
            yield from kept.to_batches()
            if left == 0:
                return

    @property
    def projected_schema(self) -> pa.Schema:
        return self._reader(0).schema

    def to_reader(self, *, limit: Optional[int] = None) -> pa.RecordBatchReader:
        return self._reader(limit)

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._reader())

    def scan_batches(self) -> Iterator[pa.RecordBatch]:
        return self.to_batches()

    def to_table(self) -> pa.Table:
        return self._reader().read_all()

    def head(self, num_rows: int) -> pa.Table:
        return self._reader(num_rows).read_all()

    def count_rows(self) -> int:
        if self._filter is None or isinstance(self._filter, str):
            return self._table.count_rows(self._filter)
        return sum(batch.num_rows for batch in self._reader())

    def take(self, indices: List[int]) -> pa.Table:
        return self.to_table().take(indices)

    @staticmethod
    def from_dataset(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("from_dataset: make the scanner from the dataset itself")

    @staticmethod
    def from_fragment(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("from_fragment: tables have no pyarrow fragments")

    @staticmethod
    def from_batches(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("from_batches: a scanner reads a table")


def _without_columns(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Batches that only count rows."""
    empty = pa.schema([])
    batches = (pa.RecordBatch.from_struct_array(pa.nulls(b.num_rows, pa.struct([]))) for b in reader)
    return pa.RecordBatchReader.from_batches(empty, batches)


class PyarrowDatasetAdapter(pa.dataset.Dataset):  # type: ignore[misc]
    """A table as ``pyarrow.dataset.Dataset``: ``duckdb.sql("SELECT ... FROM ds WHERE ...")`` reads only what it needs."""

    def __init__(self, table: LanceTable) -> None:
        self.table = table

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    @property
    def partition_expression(self) -> Any:
        raise NotImplementedError("partition_expression: tables are not partitioned")

    def scanner(
        self, columns: Optional[List[str]] = None, filter: Optional[Filter] = None, **options: Any
    ) -> PyarrowScannerAdapter:
        return PyarrowScannerAdapter(self.table, columns, filter, options.get("batch_size"))

    def to_batches(self, columns: Any = None, filter: Any = None, **options: Any) -> Iterator[pa.RecordBatch]:
        return self.scanner(columns, filter, **options).to_batches()

    def to_table(self, columns: Any = None, filter: Any = None, **options: Any) -> pa.Table:
        return self.scanner(columns, filter, **options).to_table()

    def head(self, num_rows: int, columns: Any = None, filter: Any = None, **options: Any) -> pa.Table:
        return self.scanner(columns, filter, **options).head(num_rows)

    def take(self, indices: List[int], columns: Any = None, filter: Any = None, **options: Any) -> pa.Table:
        return self.scanner(columns, filter, **options).take(indices)

    def count_rows(self, filter: Optional[Filter] = None, **_: Any) -> int:
        return self.scanner(None, filter).count_rows()

    def get_fragments(self, filter: Any = None) -> Any:
        raise NotImplementedError("get_fragments: tables have no pyarrow fragments")

    def replace_schema(self, schema: pa.Schema) -> Any:
        raise NotImplementedError("replace_schema: a table keeps its schema")

    def join(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("join: use to_table().join(...)")

    def join_asof(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("join_asof: use to_table().join_asof(...)")

    def sort_by(self, sorting: Any, **_: Any) -> Any:
        raise NotImplementedError("sort_by: use search().order_by(...)")

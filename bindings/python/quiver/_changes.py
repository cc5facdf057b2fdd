"""What changes a table: rows, columns, the key."""

from __future__ import annotations

from . import _data, _lazy, _quiver
from ._absent import absent
from ._results import (
    AddColumnsResult,
    AlterColumnsResult,
    DeleteResult,
    DropColumnsResult,
    MergeResult,
    UpdateFieldMetadataResult,
    UpdateResult,
)
from ._told import condition, told

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more time than the rest of the import
    from typing import Any, Callable, Iterable, List, Optional, Union

    from .merge import LanceMergeInsertBuilder

_CHECKED_OUT = "Invalid input, table cannot be modified when a specific version is checked out"


class Writable:
    """A handle that may be pinned to a version."""

    _inner: _quiver.Table
    _pinned: bool

    def _check_writable(self) -> None:
        if self._pinned:
            raise ValueError(_CHECKED_OUT)


class RowChanges(Writable):
    """Deletes, updates and merges. Each makes one new version, also when it changes nothing; a failed one makes none."""

    def delete(self, where: Any) -> DeleteResult:
        """Deletes the rows for which ``where`` (SQL or an expression) is true.

        ValueError: an empty condition, or one that is not valid.
        """
        if where is None:
            raise TypeError("delete needs a condition; 'true' deletes all rows")
        self._check_writable()
        text = condition(where)
        version, rows = told(lambda: self._inner.delete(text))
        return DeleteResult(rows, version)

    def update(
        self,
        where: Any = None,
        values: Optional[dict[str, Any]] = None,
        *,
        values_sql: Optional[dict[str, str]] = None,
    ) -> UpdateResult:
        """Changes the rows for which ``where`` is true (None: all); they move to the end of the table.

        Parameters
        ----------
        values: new values by column, as Python values
        values_sql: new values by column, as SQL over the old row

        Raises
        ------
        ValueError: neither or both of the two, unknown columns, values that do not fit
        """
        if values is not None and values_sql is not None:
            raise ValueError("Only one of updates or updates_sql can be provided")
        if values is None and values_sql is None:
            raise ValueError("Either updates or updates_sql must be provided")
        from ._sql import value_to_sql

        if values is not None:
            pairs = [(name, value_to_sql(value)) for name, value in values.items()]
        else:
            pairs = [(name, condition(text)) for name, text in (values_sql or {}).items()]
        self._check_writable()
        text = None if where is None else condition(where)
        version, rows = told(lambda: self._inner.update(text, pairs))
        return UpdateResult(rows, version)

    def merge_insert(self, on: Union[str, Iterable[str]]) -> LanceMergeInsertBuilder:
        """Begins a merge by the key columns ``on`` ([]: the table's primary key), see :class:`LanceMergeInsertBuilder`."""
        from .merge import LanceMergeInsertBuilder

        return LanceMergeInsertBuilder(self, [on] if isinstance(on, str) else list(on))

    def _do_merge(
        self, on: List[str], options: dict[str, Any], data: Any, on_bad_vectors: str, fill_value: Any, timeout: Any
    ) -> MergeResult:
        limit = None if timeout is None else timeout.total_seconds()
        if limit is not None and limit <= 0:
            raise RuntimeError("Runtime error: merge insert timed out")
        self._check_writable()
        self._inner.checkout_latest()
        schema = self._inner.schema()
        if isinstance(data, list) and not data:
            stream = _quiver.stream_of_rows([], schema)
        else:
            stream = _data.fit_table(_data.to_stream(data), schema, on_bad_vectors, fill_value)
        result = told(lambda: self._inner.merge(stream, on, options, limit))
        version, updated, inserted, deleted, _, attempts = result
        return MergeResult(version, updated, inserted, deleted, attempts, updated + inserted)


class ColumnChanges(Writable):
    """Schema evolution: only what is new is written."""

    def add_columns(self, transforms: Any = None, *, computed: Optional[dict[str, str]] = None) -> AddColumnsResult:
        """New columns.

        transforms: ``{name: SQL}``, computed now from each row; or a ``pa.Field``, a list of them, or a ``pa.Schema``:
        columns of nulls; or a function that gets each batch (a ``pa.RecordBatch``) and gives one with the new columns

        ValueError: a name that is taken, an expression that is not valid, a field that is not nullable.
        """
        if transforms is not None and computed is not None:
            raise ValueError("add_columns cannot take both transforms and computed columns")
        if transforms is None and computed is None:
            raise ValueError("add_columns requires transforms or computed columns")
        if computed is not None:
            raise absent("add_columns(computed=...): computed columns are")
        self._check_writable()
        if isinstance(transforms, dict):
            pairs = [(name, condition(text)) for name, text in transforms.items()]
            return AddColumnsResult(told(lambda: self._inner.add_columns(pairs)))
        if callable(transforms):
            return self._add_function(transforms)
        pa = _lazy.pyarrow("add_columns() with fields")
        fields = [transforms] if isinstance(transforms, pa.Field) else list(transforms)
        for one in fields:
            if not one.nullable:
                raise ValueError(f"Invalid input, All-null columns must be nullable, but field '{one.name}' is not.")
        schema = _quiver.Schema(pa.schema(fields))
        return AddColumnsResult(told(lambda: self._inner.add_null_columns(schema)))

    def _add_function(self, function: Callable[[Any], Any]) -> AddColumnsResult:
        pa = _lazy.pyarrow("add_columns() with a function")

        def call(batch: Any) -> Any:
            return function(pa.RecordBatchReader.from_stream(batch).read_next_batch())

        first = self._inner.scan(None, 0, 1, False, False, 0, None)
        if not first.peek():
            raise ValueError("Invalid input, a function needs at least one row to tell the types of its columns")
        return self._add_made(_quiver.Schema(call(first).schema), None, call)

    def _add_made(
        self, schema: _quiver.Schema, columns: Optional[List[str]], function: Callable[[Any], Any]
    ) -> AddColumnsResult:
        def make(batch: _quiver.Stream) -> _quiver.Stream:
            return _quiver.import_stream(function(batch))

        return AddColumnsResult(told(lambda: self._inner.add_computed_columns(schema, columns, 0, make)))

    def merge(self, other_table: Any, left_on: str, right_on: Optional[str] = None, schema: Any = None) -> None:
        """Adds the columns of ``other_table`` (rows, or another table) by a left join on a key (needs pyarrow)."""
        pa = _lazy.pyarrow("Table.merge()")
        other = other_table.to_arrow() if hasattr(other_table, "to_arrow") else pa.table(_data.to_stream(other_table))
        key = right_on or left_on
        rows = {value: i for i, value in enumerate(other[key].to_pylist())}
        added = other.drop_columns([key])
        if schema is not None:
            added = added.cast(pa.schema([schema.field(name) for name in added.schema.names]))
        self._check_writable()

        def find(batch: Any) -> Any:
            keys = pa.table(batch)[left_on].to_pylist()
            return added.take(pa.array([rows.get(one) for one in keys], pa.int64())).combine_chunks()

        self._add_made(_quiver.Schema(pa.schema([one.with_nullable(True) for one in added.schema])), [left_on], find)

    def alter_columns(self, *alterations: dict[str, Any]) -> AlterColumnsResult:
        """Renames columns, casts them or changes whether they may be null.

        alterations: dicts with ``path`` (dots for nested columns) and ``rename``, ``data_type`` (``pa.DataType``) or
        ``nullable``

        ValueError: no path, an unknown column, a cast that is not possible, nulls in a column that may have none.
        """
        changes = []
        for one in alterations:
            if "path" not in one:
                raise ValueError("Missing path")
            data_type = one.get("data_type")
            if data_type is not None:
                pa = _lazy.pyarrow("alter_columns() with a data type")
                data_type = _quiver.Schema(pa.schema([pa.field("type", data_type)]))
            nullable = one.get("nullable")
            changes.append((one["path"], one.get("rename"), data_type, -1 if nullable is None else int(nullable)))
        self._check_writable()
        return AlterColumnsResult(told(lambda: self._inner.alter_columns(changes)))

    def drop_columns(self, columns: Iterable[str]) -> DropColumnsResult:
        """Takes columns away; no data is written. ValueError: an unknown column, or all columns."""
        if isinstance(columns, str):
            raise TypeError("drop_columns needs a list of names")
        names = list(columns)
        self._check_writable()
        return DropColumnsResult(told(lambda: self._inner.drop_columns(names)))

    def update_field_metadata(self, *updates: dict[str, Any]) -> UpdateFieldMetadataResult:
        """Sets the metadata of columns: dicts with ``path``, ``metadata`` (a value of None takes the key away) and maybe
        ``replace`` (True: nothing else stays)."""
        version = self._inner.version
        self._check_writable()
        for one in updates:
            pairs = list(one["metadata"].items())
            for key, value in pairs:
                if not isinstance(key, str) or not isinstance(value, (str, type(None))):
                    raise TypeError(f"metadata must be text, not {key!r}: {value!r}")
            path, replace = one["path"], bool(one.get("replace", False))
            version = told(lambda: self._inner.set_metadata(3, path, pairs, replace))
        return UpdateFieldMetadataResult(version)

    def replace_field_metadata(self, field_name: str, new_metadata: dict[str, str]) -> None:
        """The older form of :meth:`update_field_metadata` with ``replace``."""
        self.update_field_metadata({"path": field_name, "metadata": new_metadata, "replace": True})

    def set_unenforced_primary_key(self, columns: Union[str, Iterable[str]]) -> None:
        """Declares the key of the table, once: ``merge_insert([])`` uses it. Duplicates are not refused."""
        names = [columns] if isinstance(columns, str) else list(columns)
        if not names:
            raise ValueError("Invalid input, a primary key column is required")
        if len(names) > 1:
            raise ValueError("Invalid input, compound primary keys are not supported by this call")
        self._set_key(names, False)

    def set_primary_key(self, columns: Union[str, Iterable[str]]) -> None:
        """Declares the key of the table, once, and from then on refuses rows that would make two of one key."""
        self._set_key([columns] if isinstance(columns, str) else list(columns), True)

    def _set_key(self, names: List[str], enforced: bool) -> None:
        self._check_writable()
        try:
            told(lambda: self._inner.set_primary_key(names, enforced))
        except ValueError as error:
            if "nullable" in str(error):
                raise RuntimeError(f"lance error: {error}") from error
            raise

"""A table as a pyarrow data set: DuckDB and polars push their filters and columns down."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import quiver
from quiver._arrow_filter import to_sql
from quiver.integrations.pyarrow import PyarrowDatasetAdapter


@pytest.fixture
def table():
    rows = [{"id": i, "s": f"word{i}", "f": float(i), "n": None if i % 3 else i} for i in range(100)]
    return quiver.connect("memory://").create_table("t", rows)


FILTERS = [
    (pc.field("id") > 95, "(id > 95)"),
    ((pc.field("id") > 95) & (pc.field("f") <= 97.5), "((id > 95) AND (f <= 97.5))"),
    (pc.field("s") == "word7", "(s = 'word7')"),
    (pc.field("n").is_valid() & (pc.field("id") < 10), "((n IS NOT NULL) AND (id < 10))"),
    (~(pc.field("id") < 90), "(NOT (id < 90))"),
    (pc.field("id").isin([1, 2]), None),
    (pc.field("s") == 'a"b', None),
]


@pytest.mark.parametrize(("filter", "sql"), FILTERS, ids=range(len(FILTERS)))
def test_filters(table, filter, sql):
    assert to_sql(filter) == sql
    expected = table.to_arrow().filter(filter)
    dataset = PyarrowDatasetAdapter(table)
    assert dataset.to_table(filter=filter).equals(expected)
    assert dataset.to_table(columns=["s"], filter=filter).equals(expected.select(["s"]))
    assert dataset.count_rows(filter) == expected.num_rows
    assert dataset.head(3, filter=filter).equals(expected.slice(0, 3))


def test_data_sets(table):
    dataset = PyarrowDatasetAdapter(table)
    assert dataset.schema == table.schema
    assert dataset.to_table(columns=["id"], filter="id > 97")["id"].to_pylist() == [98, 99]
    assert sum(batch.num_rows for batch in dataset.to_batches()) == 100
    assert dataset.take([3, 1])["id"].to_pylist() == [3, 1]
    assert dataset.scanner(columns=[]).to_reader().read_all().num_rows == 100
    assert dataset.count_rows() == 100
    assert isinstance(dataset.scanner().to_table(), pa.Table)


def test_duckdb(table):
    duckdb = pytest.importorskip("duckdb")
    items = PyarrowDatasetAdapter(table)
    assert items is not None
    assert duckdb.sql("SELECT count(*) FROM items").fetchall() == [(100,)]
    assert duckdb.sql("SELECT s FROM items WHERE id BETWEEN 5 AND 6 ORDER BY id").fetchall() == [("word5",), ("word6",)]
    assert duckdb.sql("SELECT max(id) FROM items WHERE n IS NULL").fetchall() == [(98,)]


def test_polars(table):
    pl = pytest.importorskip("polars")
    frame = pl.scan_pyarrow_dataset(PyarrowDatasetAdapter(table))
    assert frame.filter(pl.col("id") > 97).select("id").collect()["id"].to_list() == [98, 99]
    assert table.to_polars().filter(pl.col("id") == 5).collect()["s"].to_list() == ["word5"]

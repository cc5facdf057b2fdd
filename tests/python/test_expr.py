"""Expressions as values: the SQL that they give, here and at the peer."""

import datetime as dt
import importlib
from decimal import Decimal

import pyarrow as pa
import pytest

UTC = dt.timezone.utc

TEXTS = [
    ("col('a') + 1", "(a + 1)"),
    ("5 - col('a')", "(5 - a)"),
    ("col('a') / 2.5", "(a / 2.5)"),
    ("3 > col('a')", "(a < 3)"),
    ("3 == col('a')", "(a = 3)"),
    ("col('x') != 1", "(x <> 1)"),
    ("~(col('a') > 1)", "NOT (a > 1)"),
    ("(col('a') > 1) & (col('b') < 2) | (col('c') == 3)", "(((a > 1) AND (b < 2)) OR (c = 3))"),
    ("col('a').eq(1).and_(col('b').gt(2))", "((a = 1) AND (b > 2))"),
    ("col('a').isin([])", "false"),
    ("col('a').isin([1, 'x'])", "a IN (1, 'x')"),
    ("col('a').contains('q')", "contains(a, 'q')"),
    ("col('a').lower() == lit('x')", "(lower(a) = 'x')"),
    ("col('a').upper()", "upper(a)"),
    ("lit(True)", "true"),
    ("lit(1.0)", "1.0"),
    ("lit(1e-7)", "0.0000001"),
    ("lit(1e20)", "100000000000000000000.0"),
    ("lit(float('nan'))", "arrow_cast('NaN', 'Float64')"),
    ("lit(-5)", "-5"),
    ("lit(2**70)", "1180591620717411303424.0"),
    ('lit("it\'s")', "'it''s'"),
    ("lit(b'\\xde\\xad')", "X'DEAD'"),
    ("lit(dt.date(2024, 1, 1))", "CAST('2024-01-01' AS DATE)"),
    ("lit(dt.datetime(2024, 1, 1, 1, 2, 3))", "CAST('2024-01-01 01:02:03' AS TIMESTAMP)"),
    ("lit(dt.datetime(2024, 1, 1, 1, 2, 3, 456))", "CAST('2024-01-01 01:02:03.000456' AS TIMESTAMP)"),
    (
        "lit(dt.datetime(2024, 1, 1, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=5))))",
        "CAST('2023-12-31 20:02:03' AS TIMESTAMP)",
    ),
    ("lit(Decimal('1.50'))", "arrow_cast('1.50', 'Decimal128(3, 2)')"),
    ("col('a').cast('int32')", "arrow_cast(a, 'Int32')"),
    ("col('a').cast(pa.int8())", "arrow_cast(a, 'Int8')"),
    ("col('a').cast(pa.timestamp('us'))", "arrow_cast(a, 'Timestamp(µs)')"),
    ("col('a').cast(pa.list_(pa.int32()))", "arrow_cast(a, 'List(Int32)')"),
    ("col('a').cast('str')", "arrow_cast(a, 'Utf8')"),
    ("col('firstName')", "`firstName`"),
    ("col('a.b')", "`a.b`"),
    ("col('a`b')", "`a``b`"),
    ("col('1a')", "`1a`"),
    ("col('name')", "`name`"),
    ("col('text').lower()", "lower(`text`)"),
    ("col('_rowid')", "_rowid"),
]


@pytest.fixture
def names(db_module):
    module = importlib.import_module(db_module.__name__ + ".expr")
    return {"col": module.col, "lit": module.lit, "func": module.func, "dt": dt, "pa": pa, "Decimal": Decimal}


@pytest.mark.parametrize(("code", "text"), TEXTS, ids=[code for code, _ in TEXTS])
def test_sql(names, code, text):
    made = eval(code, names)
    assert made.to_sql() == text
    assert repr(made) == f"Expr({text})"


def test_what_expressions_refuse(names):
    col, lit, func = names["col"], names["lit"], names["func"]
    with pytest.raises(TypeError, match="Unsupported literal type: NoneType"):
        lit(None)
    with pytest.raises(TypeError, match="Unsupported literal type: list"):
        lit([1])
    with pytest.raises(TypeError, match="Unsupported literal type: NoneType"):
        col("a") == None  # noqa: B015, E711
    with pytest.raises(TypeError):
        col(5)
    with pytest.raises(TypeError):
        hash(col("a"))
    with pytest.raises(TypeError):
        col("a").isin(5)
    with pytest.raises(ValueError, match="unsupported data type: 'zz'. Supported: bool, boolean, int8"):
        col("a").cast("zz")
    with pytest.raises(ValueError, match="unknown function: nope"):
        func("nope", 1)


@pytest.mark.ours_only  # the peer knows a handful of functions here
def test_functions_by_name(names):
    assert names["func"]("SQRT", names["col"]("x")).to_sql() == "sqrt(x)"
    assert names["func"]("array_has", names["col"]("l"), 3).to_sql() == "array_has(l, 3)"


def test_expressions_as_conditions(db_module, names, db):
    col = names["col"]
    rows = [{"id": i, "text": f"Word{i}", "when": dt.datetime(2024, 1, 1 + i), "Big": i} for i in range(10)]
    t = db.create_table("t", rows)
    assert [row["id"] for row in t.search().where(col("id") > 7).to_list()] == [8, 9]
    assert [row["id"] for row in t.search().where(col("text").lower().contains("word3")).to_list()] == [3]
    assert [row["id"] for row in t.search().where(col("Big").isin([1, 2])).to_list()] == [1, 2]
    found = t.search().where(col("when") == dt.datetime(2024, 1, 5)).select({"double": col("id") * 2}).to_list()
    assert found == [{"double": 8}]
    assert t.delete(col("id") < 3).num_deleted_rows == 3

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

NAN = float("nan")


def ids(rows):
    return [row["id"] for row in rows]


def distances(rows):
    return [row["_distance"] for row in rows]


# ---------------------------------------------------------------- vector search


def test_nearest(s):
    hits = s.search([1.2, 0.0]).limit(2).to_list()
    assert hits == [
        {"id": 1, "s": "word1 common", "price": 1.0, "vector": [1.0, 0.0], "_distance": pytest.approx(0.04, abs=1e-6)},
        {"id": 2, "s": "word2 common", "price": 2.0, "vector": [2.0, 0.0], "_distance": pytest.approx(0.64, abs=1e-6)},
    ]
    assert [type(value) for value in hits[0].values()] == [int, str, float, list, float]


def test_default_limit_and_columns(s):
    table = s.search([1.2, 0.0]).to_arrow()
    assert table.column_names == ["id", "s", "price", "vector", "_distance"]
    assert table.num_rows == 10
    assert table.schema.field("_distance").type == pa.float32()


@pytest.mark.parametrize(
    "build, names",
    [
        (lambda q: q.select(["id"]), ["id", "_distance"]),
        (lambda q: q.select(["_distance", "id"]), ["_distance", "id"]),
        (lambda q: q.select(["price", "id"]), ["price", "id", "_distance"]),
        (lambda q: q.select([]), ["id", "s", "price", "vector", "_distance"]),
        (lambda q: q.with_row_id(True), ["id", "s", "price", "vector", "_distance", "_rowid"]),
        (lambda q: q.with_row_id(False), ["id", "s", "price", "vector", "_distance"]),
        (lambda q: q.select(["_rowid", "id"]), ["_rowid", "id", "_distance"]),
        (lambda q: q.select(["_rowid", "id"]).with_row_id(True), ["id", "_distance", "_rowid"]),
    ],
)
def test_selected_columns(s, build, names):
    query = build(s.search([1.2, 0.0]).limit(1))
    assert query.to_arrow().column_names == names
    assert list(query.to_list()[0]) == names
    assert query.output_schema().names == names
    assert query.to_arrow().schema == query.output_schema()


def test_bad_select(s):
    with pytest.raises(ValueError, match="columns must be a list or a dictionary"):
        s.search([1.0, 0.0]).select("id")
    with pytest.raises(ValueError, match="No field named nope. Valid fields are `id`, `s`, `price`, `vector`"):
        s.search([1.0, 0.0]).select(["nope"]).to_list()
    with pytest.raises(ValueError, match='No field named "?ID"?'):
        s.search([1.0, 0.0]).select(["ID"]).to_list()
    with pytest.raises(ValueError, match="Duplicate column name: id"):
        s.search([1.0, 0.0]).select(["id", "id"]).to_list()
    with pytest.raises(ValueError, match="No field named nope"):
        s.search().select(["nope"]).to_list()


def test_nested_select(db):
    t = db.create_table("t", [{"vector": [1.0, 0.0], "st": {"a": 7, "b": {"c": "x"}}}])
    assert t.search([1.0, 0.0]).select(["st.a"]).to_list() == [{"st.a": 7, "_distance": 0.0}]


def test_bad_queries(s):
    with pytest.raises(ValueError, match="There is no vector column in the data. Please specify the vector column name for vector search"):
        s.search([1.0, 2.0, 3.0]).to_list()
    with pytest.raises(ValueError, match="could not convert string to float: 'a'"):
        s.search(["a", "b"]).to_list()
    for query in (5, (1.0, 2.0), pa.array([1.0, 2.0])):
        with pytest.raises(TypeError, match="Unsupported query type"):
            s.search(query)
    with pytest.raises((IndexError, ValueError)):
        s.search([]).to_list()


def test_vectors_that_find_nothing(s):
    assert s.search([NAN, 0.0]).to_list() == []
    assert s.search(np.array([NAN, 0.0], np.float32)).to_list() == []
    assert s.search([0.0, 0.0]).distance_type("cosine").to_list() == []
    assert 0 not in ids(s.search([1.0, 0.0]).distance_type("cosine").limit(30).to_list())


def test_many_vectors(s):
    for query in ([[1.0, 0.0], [5.0, 0.0]], np.array([[1.0, 0.0], [5.0, 0.0]])):
        rows = s.search(query).limit(2).select(["id"]).to_arrow()
        order = sorted(range(4), key=lambda i: rows["query_index"][i].as_py())
        rows = rows.take(order)  # the peer's order changes from run to run
        assert rows.column_names == ["query_index", "id", "_distance"]
        assert rows.schema.field("query_index").type == pa.int32()
        assert rows["query_index"].to_pylist() == [0, 0, 1, 1]
        assert rows["id"].to_pylist() == [1, 0, 5, 4]
    assert s.search([[1.0, 0.0]]).limit(1).select(["id"]).to_list() == [{"id": 1, "_distance": 0.0}]
    later = s.search([[1.0, 0.0], [5.0, 0.0]]).limit(2).offset(1).select(["id"]).to_list()
    assert ids(sorted(later, key=lambda row: row["query_index"])) == [0, 2, 4, 6]  # the peer's order changes from run to run


def test_vector_column_name(db, s):
    assert ids(s.search([2.0, 0.0], vector_column_name="vector").limit(1).to_list()) == [2]
    with pytest.raises(RuntimeError, match="column nope does not exist in schema"):
        s.search([1.0, 0.0], vector_column_name="nope").to_list()
    with pytest.raises(ValueError, match="Data type is not a vector"):
        s.search([1.0, 0.0], vector_column_name="id").to_list()
    two = db.create_table("two", [{"v1_vector": [1.0, 0.0], "v2_vector": [0.0, 1.0]}])
    with pytest.raises(ValueError, match=r"Schema has more than one vector column"):
        two.search([1.0, 0.0]).to_list()
    assert two.search([1.0, 0.0], "v2_vector").to_list()[0]["_distance"] == 2.0


def test_query_type(s):
    with pytest.raises(ValueError, match="Invalid query_type, must be 'vector', 'fts', or 'auto': zz"):
        s.search([1.0, 0.0], query_type="zz")
    with pytest.raises(ValueError, match="No embedding function for vector"):
        s.search("x", query_type="vector")
    with pytest.raises(TypeError, match="'fts' query must be a string or FullTextQuery: <class 'list'>"):
        s.search([1.0, 0.0], query_type="fts")
    assert len(s.search(query_type="fts").to_list()) == 30
    assert len(s.search(query_type="vector").to_list()) == 30


def test_limit(s):
    for limit in (0, -1, None):
        with pytest.raises(ValueError, match="Limit is required for ANN/KNN queries"):
            s.search([1.0, 0.0]).limit(limit)
    with pytest.raises(ValueError):
        s.search([1.0, 0.0]).limit(2.5).to_list()
    with pytest.raises(OverflowError):
        s.search([1.0, 0.0]).limit(10**12).to_list()
    assert len(s.search([1.0, 0.0]).limit(1000).to_list()) == 30


def test_offset(s):
    assert ids(s.search([0.0, 0.0]).limit(2).offset(3).to_list()) == [3, 4]
    assert len(s.search([1.0, 0.0]).offset(-1).to_list()) == 10
    assert s.search([1.0, 0.0]).offset(100).to_list() == []
    with pytest.raises(OverflowError):
        s.search([1.0, 0.0]).offset(2**64).to_list()
    with pytest.raises(OverflowError):
        s.search().offset(2**64).to_list()


def test_distance_types(s):
    assert ids(s.search([2.2, 0.0]).distance_type("L2").limit(1).to_list()) == [2]
    with pytest.raises(ValueError, match="Invalid distance type 'zz'.  Must be one of l2, cosine, dot, or hamming"):
        s.search([1.0, 0.0]).distance_type("zz").to_list()
    with pytest.raises(ValueError):
        s.search([1.0, 0.0]).distance_type("hamming").to_list()
    dot = s.search([2.0, 0.0]).distance_type("dot").limit(2).to_list()
    assert (ids(dot), distances(dot)) == ([29, 28], [-57.0, -55.0])
    cosine = s.search([1.0, 1.0]).metric("cosine").limit(1).to_list()
    assert distances(cosine) == [pytest.approx(1 - 0.5**0.5, abs=1e-6)]


def test_bytes_use_hamming(db):
    t = db.create_table("t", [{"id": 0, "vector": [1, 255]}, {"id": 1, "vector": [1, 254]}])
    assert str(t.schema.field("vector").type) == "fixed_size_list<item: uint8>[2]"
    hits = t.search([1, 254]).to_list()
    assert (ids(hits), distances(hits)) == ([1, 0], [0.0, 1.0])
    assert distances(t.search([1.0, 254.0]).limit(1).to_list()) == [0.0]
    if t.__class__.__module__.startswith("lancedb"):
        with pytest.raises(ValueError):
            t.search([1, 254]).distance_type("l2").to_list()
    else:  # the peer refuses, we can
        assert distances(t.search([1, 254]).distance_type("l2").to_list()) == [0.0, 1.0]


def test_distance_range(s):
    rows = s.search([2.0, 0.0]).distance_range(1.0, 4.0).to_list()
    assert (ids(rows), distances(rows)) == ([1, 3], [1.0, 1.0])
    assert s.search([2.0, 0.0]).distance_range(3.0, 1.0).to_list() == []
    assert ids(s.search([2.0, 0.0]).distance_range(upper_bound=1.0).to_list()) == [2]
    assert 2 not in ids(s.search([2.0, 0.0]).distance_range(lower_bound=1.0).to_list())


def test_index_settings_do_not_matter(s):
    query = s.search([1.2, 0.0]).limit(2).nprobes(0).nprobes(5).refine_factor(0).ef(0).bypass_vector_index()
    assert ids(query.to_list()) == [1, 2]
    with pytest.raises(ValueError, match="maximum_nprobes must be greater than or equal to minimum_nprobes"):
        s.search([1.0, 0.0]).minimum_nprobes(30).maximum_nprobes(10).to_list()
    with pytest.raises(OverflowError):
        s.search([1.0, 0.0]).refine_factor(-1).to_list()


def test_ties_by_row_id(db):
    t = db.create_table("t", [{"id": i, "vector": [float(i % 2), 0.0]} for i in range(20)])
    assert ids(t.search([0.0, 0.0]).to_list()) == list(range(0, 20, 2))


def test_timeout(s):
    with pytest.raises(RuntimeError, match="Query timeout"):
        s.search([1.0, 0.0]).to_list(timeout=datetime.timedelta(0))
    assert len(s.search([1.0, 0.0]).to_list(timeout=datetime.timedelta(minutes=1))) == 10


def test_rerank_needs_a_text(s):
    with pytest.raises((ValueError, NotImplementedError)):
        s.search([1.0, 0.0]).rerank(None).to_list()


def test_element_types(db):
    for name, item in (("f16", pa.float16()), ("f32", pa.float32()), ("f64", pa.float64())):
        values = [np.array([i, 0.5], item.to_pandas_dtype()) for i in range(5)]
        t = db.create_table(name, pa.table({"id": range(5), "vector": pa.array(values, pa.list_(item, 2))}))
        hits = t.search([3.25, 0.5]).limit(1).to_list()
        assert hits == [{"id": 3, "vector": [3.0, 0.5], "_distance": 0.0625}]


@pytest.mark.ours_only
def test_null_and_nan_vectors_never_match(db):
    """Written through Arrow, where the check of bad vectors does not look at short lists. The peer's add refuses NaN."""
    values = [[1.0, 0.0], None, [NAN, 0.0], [2.0, 0.0]]
    t = db.create_table("t", pa.table({"id": range(4), "v": pa.array(values, pa.list_(pa.float32(), 2))}))
    assert ids(t.search([0.0, 0.0]).to_list()) == [0, 3]


# ---------------------------------------------------------------- results


def test_result_types(s):
    frame = s.search([1.2, 0.0]).limit(2).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(frame.index, pd.RangeIndex)
    assert isinstance(frame["vector"][0], np.ndarray)
    assert frame["vector"][0].dtype == np.float32
    polars = s.search([1.2, 0.0]).limit(2).to_polars()
    assert isinstance(polars, pl.DataFrame)
    assert polars.schema["vector"] == pl.Array(pl.Float32, 2)
    assert isinstance(s.to_polars(), pl.LazyFrame)
    assert s.to_polars().collect().height == 30
    assert isinstance(s.to_arrow(), pa.Table)
    assert len(s.to_pandas()) == 30


def test_batches(s):
    reader = s.search().limit(10).to_batches(3)
    assert isinstance(reader, pa.RecordBatchReader)
    assert [batch.num_rows for batch in reader] == [3, 3, 3, 1]
    assert [batch.num_rows for batch in s.search([1.0, 0.0]).to_batches(3)] == [3, 3, 3, 1]
    assert s.search().to_batches().read_all().num_rows == 30


def test_flatten(db):
    t = db.create_table("t", [{"id": 1, "st": {"a": 1, "b": {"c": "x"}}}])
    assert list(t.search().to_pandas(flatten=True).columns) == ["id", "st.a", "st.b.c"]
    assert list(t.search().to_pandas(flatten=1).columns) == ["id", "st.a", "st.b"]
    with pytest.raises(ValueError, match="Please specify a positive integer for flatten or the boolean value `True`"):
        t.search().to_pandas(flatten=-1)


def test_to_pydantic(s, pydantic_module):
    class Row(pydantic_module.LanceModel):
        id: int
        vector: pydantic_module.Vector(2)

    class Other(pydantic_module.LanceModel):
        missing: int

    import pydantic

    rows = s.search([1.2, 0.0]).limit(2).to_pydantic(Row)
    assert [row.id for row in rows] == [1, 2]
    assert list(rows[0].vector) == [1.0, 0.0]
    with pytest.raises(pydantic.ValidationError):
        s.search([1.2, 0.0]).to_pydantic(Other)


def test_empty_results_keep_the_schema(s):
    empty = s.search([1.0, 0.0]).offset(100).to_arrow()
    assert empty.num_rows == 0
    assert empty.schema == s.search([1.0, 0.0]).to_arrow().schema


# ---------------------------------------------------------------- plain scans


def test_scan(s):
    for limit in (0, -1, None):
        assert len(s.search().limit(limit).to_list()) == 30
    assert ids(s.search().limit(3).to_list()) == [0, 1, 2]
    assert ids(s.search().offset(28).to_list()) == [28, 29]
    assert ids(s.search().limit(2).offset(3).to_list()) == [3, 4]
    assert s.search().select(["price", "id"]).to_arrow().column_names == ["price", "id"]
    assert s.search().select([]).to_arrow().column_names == ["id", "s", "price", "vector"]
    assert s.search().limit(2).with_row_id(True).to_list()[1]["_rowid"] == 1
    assert s.search().select(["_rowaddr", "_rowid"]).limit(2).to_list()[1] == {"_rowaddr": 1, "_rowid": 1}


def test_scan_is_not_a_vector_search(s):
    with pytest.raises(AttributeError):
        s.search().distance_type("l2")
    with pytest.raises(NotImplementedError, match="Reranking is not yet supported."):
        s.search().rerank(None)
    with pytest.raises(ValueError, match="No field named _distance"):
        s.search().select(["_distance"]).to_list()


def test_head(s):
    assert [s.head().num_rows, s.head(2).num_rows, s.head(0).num_rows] == [5, 2, 0]
    assert s.head(2)["id"].to_pylist() == [0, 1]
    with pytest.raises(OverflowError):
        s.head(-1)


def test_counts(s):
    assert s.count_rows() == len(s) == 30


# ---------------------------------------------------------------- takes


def test_take_offsets(s):
    assert ids(s.take_offsets([3, 1]).to_list()) == [1, 3]
    assert ids(s.take_offsets([3, 3]).to_list()) == [3, 3]
    assert s.take_offsets([99]).to_list() == []
    assert s.take_offsets([3, 1]).select(["id"]).with_row_id().to_list() == [{"id": 1, "_rowid": 1}, {"id": 3, "_rowid": 3}]
    with pytest.raises(OverflowError):
        s.take_offsets([-1])
    with pytest.raises(TypeError):
        s.take_offsets(["a"])
    assert s.take_offsets([3]).to_arrow().column_names == ["id", "s", "price", "vector"]
    assert len(s.take_offsets([3]).to_pandas()) == 1
    assert s.take_offsets([3]).to_polars().height == 1


def test_take_row_ids(s):
    assert ids(s.take_row_ids([7, 2]).to_list()) == [2, 7]
    assert s.take_row_ids([999]).to_list() == []


def test_getitems(s):
    rows = s.__getitems__([3, 1])
    assert rows["id"].to_pylist() == [3, 1]


def test_not_a_sequence(s):
    with pytest.raises(TypeError):
        s[0]
    with pytest.raises(TypeError):
        list(s)
    with pytest.raises(AttributeError):
        s.query()


# ---------------------------------------------------------------- several versions and files


def test_rows_of_many_appends(db):
    t = db.create_table("t", [{"id": 0, "vector": [0.0, 0.0]}])
    for i in range(1, 6):
        t.add([{"id": i, "vector": [float(i), 0.0]}])
    assert ids(t.to_arrow().to_pylist()) == list(range(6))
    assert ids(t.search([5.0, 0.0]).limit(2).to_list()) == [5, 4]
    assert [row["_rowid"] for row in t.search().with_row_id(True).to_list()] == [i << 32 for i in range(6)]
    assert ids(t.take_offsets([5, 0]).to_list()) == [0, 5]
    assert ids(t.take_row_ids([5 << 32]).to_list()) == [5]

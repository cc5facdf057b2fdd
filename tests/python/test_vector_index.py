"""Vector indexes: made, listed, searched, extended, dropped. What the peer answers otherwise is marked."""

import asyncio
import datetime as dt
import importlib
import warnings

import numpy as np
import pyarrow as pa
import pytest

N, DIM = 2000, 16


def clustered(n, dim, seed=7):
    """Rows around forty centres, as real vectors lie."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, dim)) * 4
    return (centres[rng.integers(0, 40, n)] + rng.normal(size=(n, dim))).astype(np.float32)


VECTORS = clustered(N, DIM)
QUERIES = VECTORS[::67] + 0.1


def as_table(vectors, **columns):
    kind = pa.list_(pa.from_numpy_dtype(vectors.dtype), vectors.shape[1])
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    return pa.table({"id": pa.array(range(len(vectors))), **columns, "vector": values.cast(kind)})


@pytest.fixture
def index(db_module):
    return importlib.import_module(db_module.__name__ + ".index")


@pytest.fixture
def t(db):
    return db.create_table("t", as_table(VECTORS, cat=[f"c{i % 10}" for i in range(N)]))


def true_distances(queries, vectors=VECTORS, metric="l2"):
    q, v = np.asarray(queries, np.float64), vectors.astype(np.float64)
    if metric == "l2":
        return ((q[:, None, :] - v[None, :, :]) ** 2).sum(-1)
    if metric == "cosine":
        return 1 - (q / np.linalg.norm(q, axis=1)[:, None]) @ (v / np.linalg.norm(v, axis=1)[:, None]).T
    return 1 - q @ v.T


def ids(hits):
    return [hit["id"] for hit in hits]


def recall(t, metric="l2", ask=lambda query: query, k=10):
    distances = true_distances(QUERIES, metric=metric)
    found = 0
    for query, row in zip(QUERIES, distances, strict=True):
        hits = ids(ask(t.search(query).distance_type(metric).limit(k).select(["id"])).to_list())
        found += len(set(hits) & set(np.argsort(row)[:k].tolist()))
    return found / (k * len(QUERIES))


KINDS = {
    "IvfFlat": ("IVF_FLAT", {}),
    "IvfSq": ("IVF_SQ", {}),
    "IvfPq": ("IVF_PQ", {"num_sub_vectors": 8}),
    "IvfRq": ("IVF_RQ", {"num_bits": 5}),
    "HnswSq": ("IVF_HNSW_SQ", {}),
    "HnswPq": ("IVF_HNSW_PQ", {"num_sub_vectors": 8}),
    "HnswFlat": ("IVF_HNSW_FLAT", {}),
}


# ---------------------------------------------------------------- every kind


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(t, index, kind, metric):
    name, settings = KINDS[kind]
    t.create_index("vector", config=getattr(index, kind)(distance_type=metric, num_partitions=4, **settings))
    (one,) = t.list_indices()
    assert (one.name, one.columns, one.num_indexed_rows, one.num_unindexed_rows) == ("vector_idx", ["vector"], N, 0)
    assert one.index_type == ("IvfHnsw" + kind[4:] if kind.startswith("Hnsw") else kind)
    assert one.type_url == "/lance.index.pb.VectorIndexDetails"
    assert one.index_version == (2 if kind == "IvfRq" else 1)
    assert one.size_bytes > 0 and one.num_segments == 1
    assert one.index_details["metric_type"] == metric.upper()
    stats = t.index_stats("vector_idx")
    assert (stats.num_indexed_rows, stats.num_unindexed_rows, stats.num_indices) == (N, 0, 1)
    assert (stats.index_type, stats.distance_type) == (name, metric)
    t.prewarm_index("vector_idx")
    assert recall(t, metric, lambda q: q.nprobes(4).ef(100).refine_factor(10)) >= 0.95
    t.drop_index("vector_idx")
    assert t.list_indices() == [] and t.index_stats("vector_idx") is None
    assert recall(t, metric) >= 0.999  # exact; the bound leaves room for ties in float32


@pytest.mark.ours_only
@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_set_is_true_distances_and_recall(t, index, kind, metric):
    t.create_index("vector", config=getattr(index, kind)(distance_type=metric))
    assert recall(t, metric) >= 0.95
    for query, row in zip(QUERIES[:5], true_distances(QUERIES[:5], metric=metric), strict=True):
        hits = t.search(query).distance_type(metric).to_list()
        assert len(hits) == 10
        assert [hit["_distance"] for hit in hits] == sorted(hit["_distance"] for hit in hits)
        np.testing.assert_allclose([hit["_distance"] for hit in hits], row[ids(hits)], rtol=1e-4, atol=1e-4)


@pytest.mark.ours_only
def test_the_kind_is_chosen(t, index):
    t.create_index("vector")
    assert t.list_indices()[0].index_type in ("IvfFlat", "IvfSq", "IvfPq", "IvfRq", "IvfHnswSq", "IvfHnswPq", "IvfHnswFlat")
    assert recall(t) >= 0.95
    t.create_index("vector", config=index.Auto(distance_type="cosine"))
    assert t.index_stats("vector_idx").distance_type == "cosine"
    assert recall(t, "cosine") >= 0.95
    t.create_index("id", config=index.Auto())
    assert t.index_stats("id_idx").index_type == "BTREE"


def test_details_of_codes(t, index):
    t.create_index("vector", config=index.IvfPq(num_partitions=2, num_sub_vectors=4))
    details = t.list_indices()[0].index_details
    assert details["compression"] == {"type": "pq", "num_bits": 8, "num_sub_vectors": 4}
    t.create_index("vector", config=index.IvfPq(num_partitions=2, num_bits=8))
    assert t.list_indices()[0].index_details["compression"]["num_bits"] == 8
    t.create_index("vector", config=index.HnswSq(num_partitions=1, m=12, ef_construction=60))
    details = t.list_indices()[0].index_details
    assert details["compression"] == {"type": "sq", "num_bits": 8}
    assert (details["hnsw"]["max_connections"], details["hnsw"]["construction_ef"]) == (12, 60)


@pytest.mark.ours_only
def test_bits_that_nobody_set_are_chosen(t, index):
    t.create_index("vector", config=index.IvfPq(num_partitions=2))
    assert t.list_indices()[0].index_details["compression"]["num_bits"] == 4


# ---------------------------------------------------------------- asking for one


def test_refused_at_the_column(t, index):
    for config, column, words in (
        (index.IvfPq(num_sub_vectors=5), "vector", "num_sub_vectors"),
        (index.IvfPq(), "cat", "cannot be created on the field `cat`"),
        (index.IvfFlat(), "id", "cannot be created on the field `id`"),
        (index.IvfFlat(), "nope", "Field path `nope` not found in schema"),
    ):
        with pytest.raises(ValueError, match=words):
            t.create_index(column, config=config)
    assert t.version == 1


def test_replacing(t, index):
    assert t.create_index("vector", config=index.IvfFlat(num_partitions=2)) is None
    assert t.version == 2
    with pytest.raises(RuntimeError, match="already exists"):
        t.create_index("vector", config=index.IvfFlat(num_partitions=3), replace=False)
    t.create_index("vector", config=index.IvfSq(num_partitions=2))
    assert [(one.name, one.index_type) for one in t.list_indices()] == [("vector_idx", "IvfSq")]
    t.create_index("vector", config=index.IvfFlat(num_partitions=2), name="mine")
    assert {one.name for one in t.list_indices()} == {"vector_idx", "mine"}
    t.drop_index("vector_idx")
    with pytest.raises(RuntimeError, match="Lance index not found: name=vector_idx"):
        t.drop_index("vector_idx")
    assert [one.name for one in t.list_indices()] == ["mine"]


def test_the_older_form(t):
    with pytest.warns(DeprecationWarning, match="deprecated"):
        t.create_index("cosine", num_partitions=4, num_sub_vectors=4)
    assert t.list_indices()[0].index_type == "IvfPq" and t.index_stats("vector_idx").distance_type == "cosine"
    with pytest.warns(DeprecationWarning):
        t.create_index("dot", num_partitions=4, index_type="IVF_HNSW_SQ", m=8, ef_construction=50)
    assert t.list_indices()[0].index_type == "IvfHnswSq" and t.index_stats("vector_idx").distance_type == "dot"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t.create_index()
    assert t.list_indices()[0].index_type == "IvfPq" and t.index_stats("vector_idx").distance_type == "l2"


def test_waiting(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=2), wait_timeout=dt.timedelta(seconds=30))
    t.wait_for_index(["vector_idx"], dt.timedelta(seconds=5))
    with pytest.raises(RuntimeError, match=r'timed out waiting for indices: \["nope"\]'):
        t.wait_for_index(["nope"], timeout=dt.timedelta(milliseconds=200))


def test_in_the_background(t, index):
    job = t.create_index_async("vector", config=index.IvfFlat(num_partitions=2))
    job.wait(dt.timedelta(seconds=60))
    assert job.status() == "finished"
    t.checkout_latest()
    assert t.index_stats("vector_idx").num_indexed_rows == N


def test_untrained(t, index):
    t.create_index("vector", config=index.IvfFlat(), train=False)
    assert t.index_stats("vector_idx").num_indexed_rows == 0
    assert ids(t.search(VECTORS[17]).limit(1).to_list()) == [17]


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("kind", ["IvfFlat", "IvfPq", "HnswSq"])
def test_small_tables(db, index, rows, kind):
    t = db.create_table("small", as_table(VECTORS[:rows]))
    t.create_index("vector", config=getattr(index, kind)())
    assert sorted(ids(t.search(VECTORS[0]).to_list())) == list(range(rows))


def test_many_partitions(db, index):
    t = db.create_table("t", as_table(VECTORS[:300]))
    t.create_index("vector", config=index.IvfFlat(num_partitions=5000))
    assert ids(t.search(VECTORS[17]).limit(1).nprobes(5000).to_list()) == [17]


# ---------------------------------------------------------------- searching


def test_bypass_and_another_metric_are_exact(t, index):
    exact = t.search(QUERIES[3]).to_list()
    cosine = t.search(QUERIES[3]).distance_type("cosine").to_list()
    t.create_index("vector", config=index.IvfPq(num_partitions=8, num_sub_vectors=2))
    assert t.search(QUERIES[3]).bypass_vector_index().to_list() == exact
    assert t.search(QUERIES[3]).distance_type("cosine").to_list() == cosine


def test_few_partitions_find_few(t, index):
    """Ours may find them all: a limit of all rows is cheaper without the index."""
    t.create_index("vector", config=index.IvfFlat(num_partitions=8))
    few = t.search(QUERIES[0]).nprobes(1).limit(N).to_list()
    assert 0 < len(few) <= N
    assert len(t.search(QUERIES[0]).nprobes(8).limit(N).to_list()) == N


def test_refining(t, index):
    """Estimates of two bytes per row are far off; refined ones are the true distances."""
    t.create_index("vector", config=index.IvfPq(num_partitions=2, num_sub_vectors=2))
    true = true_distances(QUERIES[:1])[0]
    refined = t.search(QUERIES[0]).nprobes(2).refine_factor(20).to_list()
    np.testing.assert_allclose([hit["_distance"] for hit in refined], true[ids(refined)], rtol=1e-4)


@pytest.mark.ours_only
def test_refining_can_be_turned_off(t, index):
    t.create_index("vector", config=index.IvfPq(num_partitions=2, num_sub_vectors=2))
    true = true_distances(QUERIES[:1])[0]
    hits = t.search(QUERIES[0]).nprobes(2).refine_factor(0).to_list()
    told = np.array([hit["_distance"] for hit in hits])
    assert len(hits) == 10 and not np.allclose(told, true[ids(hits)], rtol=1e-4)


def test_rows_after_the_index(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=4))
    new = as_table(VECTORS[:10] + 1000).set_column(0, "id", pa.array(range(5000, 5010)))
    t.add(new.append_column("cat", pa.array(["new"] * 10)).select(["id", "cat", "vector"]))
    stats = t.index_stats("vector_idx")
    assert (stats.num_indexed_rows, stats.num_unindexed_rows) == (N, 10)
    query = VECTORS[3] + 1000
    assert ids(t.search(query).limit(1).to_list()) == [5003]
    assert not set(ids(t.search(query).fast_search().select(["id"]).to_list())) & set(range(5000, 5010))
    t.optimize()
    stats = t.index_stats("vector_idx")
    assert (stats.num_indexed_rows, stats.num_unindexed_rows) == (N + 10, 0)
    assert ids(t.search(query).limit(1).to_list()) == [5003]
    assert ids(t.search(query).fast_search().limit(1).select(["id"]).to_list()) == [5003]


def test_changes_under_the_index(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=4))
    assert ids(t.search(VECTORS[20]).limit(1).to_list()) == [20]
    t.delete("id = 20")
    assert 20 not in ids(t.search(VECTORS[20]).to_list())
    t.update(where="id = 21", values={"vector": (VECTORS[21] + 500).tolist()})
    assert ids(t.search(VECTORS[21] + 500).limit(1).to_list()) == [21]
    assert 21 not in ids(t.search(VECTORS[21]).limit(1).to_list())
    t.optimize()
    assert ids(t.search(VECTORS[21] + 500).limit(1).to_list()) == [21]
    assert ids(t.search(VECTORS[22]).limit(1).to_list()) == [22]
    assert 20 not in ids(t.search(VECTORS[20]).to_list())


@pytest.mark.parametrize("kind", ["IvfFlat", "IvfPq", "HnswSq"])
def test_under_a_condition(t, index, kind):
    t.create_index("vector", config=getattr(index, kind)(num_partitions=8))
    for where, fitting in (("id < 5", range(5)), ("cat = 'c3'", range(3, N, 10)), ("id < 0", ())):
        hits = ids(t.search(QUERIES[2]).where(where).to_list())
        assert set(hits) <= set(fitting)
        assert len(hits) == min(10, len(fitting))
    after = ids(t.search(QUERIES[2]).where("cat = 'c3'", prefilter=False).to_list())
    assert len(after) < 10 and all(i % 10 == 3 for i in after)


def test_ranges_of_distances(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=4))
    true = np.sort(true_distances(QUERIES[:1])[0])
    hits = t.search(QUERIES[0]).nprobes(4).distance_range(float(true[3]) + 1e-3, float(true[8]) + 1e-3).to_list()
    np.testing.assert_allclose([hit["_distance"] for hit in hits], true[4:9], rtol=1e-4)


def test_many_queries(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=4))
    rows = t.search([q.tolist() for q in QUERIES[:7]]).nprobes(4).limit(3).select(["id"]).to_list()
    assert [row["query_index"] for row in rows] == [i for i in range(7) for _ in range(3)]
    for i in range(7):
        alone = ids(t.search(QUERIES[i]).nprobes(4).limit(3).to_list())
        assert [row["id"] for row in rows if row["query_index"] == i] == alone


def test_plans_name_the_index(t, index):
    t.create_index("vector", config=index.IvfPq(num_partitions=4, num_sub_vectors=4))
    plan = t.search(QUERIES[0]).limit(2).explain_plan()
    assert "ANNSubIndex" in plan and "ANNIvfPartition" in plan and "vector_idx" in plan
    assert "KNNVectorDistance" in t.search(QUERIES[0]).bypass_vector_index().explain_plan()
    assert "output_rows" in t.search(QUERIES[0]).analyze_plan()


def test_a_version_before_the_index(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=4))
    t.checkout(1)
    assert list(t.list_indices()) == [] and t.index_stats("vector_idx") is None
    assert ids(t.search(VECTORS[9]).limit(1).to_list()) == [9]


def test_results_of_other_shapes(t, index):
    t.create_index("vector", config=index.IvfFlat(num_partitions=4))
    query = t.search(QUERIES[0]).nprobes(4).with_row_id(True).limit(5)
    rows = query.to_list()
    assert list(rows[0]) == ["id", "cat", "vector", "_distance", "_rowid"]
    assert query.to_arrow().to_pylist() == rows
    assert t.search(QUERIES[0]).nprobes(4).limit(5).select({"twice": "id * 2"}).to_list()[0]["twice"] == 2 * rows[0]["id"]
    assert ids(t.search(QUERIES[0]).nprobes(4).limit(3).offset(2).to_list()) == ids(rows)[2:]


# ---------------------------------------------------------------- other vectors


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats(db, index, dtype):
    t = db.create_table("t", as_table(VECTORS[:600].astype(dtype)))
    t.create_index("vector", config=index.IvfPq(num_partitions=2, num_sub_vectors=8))
    assert ids(t.search(VECTORS[40]).nprobes(2).refine_factor(10).limit(1).to_list()) == [40]


def test_bits(db, index):
    bits = np.random.default_rng(3).integers(0, 256, (500, 8)).astype(np.uint8)
    t = db.create_table("t", as_table(bits))
    t.create_index("vector", config=index.IvfFlat(distance_type="hamming", num_partitions=4))
    assert t.index_stats("vector_idx").distance_type == "hamming"
    hits = t.search(bits[33]).nprobes(4).limit(5).to_list()
    expected = np.sort(np.unpackbits(bits ^ bits[33], axis=1).sum(1))[:5]
    assert hits[0]["id"] == 33 and [hit["_distance"] for hit in hits] == expected.tolist()


def test_nested_column(db, index):
    t = db.create_table("t", pa.table({"id": range(300), "st": [{"v": row.tolist()} for row in VECTORS[:300]]},
        schema=pa.schema([("id", pa.int64()), ("st", pa.struct([("v", pa.list_(pa.float32(), DIM))]))])))
    t.create_index("st.v", config=index.IvfFlat(num_partitions=2))
    assert [(one.name, one.columns) for one in t.list_indices()] == [("st.v_idx", ["st.v"])]
    assert ids(t.search(VECTORS[30], vector_column_name="st.v").nprobes(2).limit(1).to_list()) == [30]


def test_null_vectors(db, index):
    values = [None if i % 3 == 0 else VECTORS[i].tolist() for i in range(300)]
    rows = pa.table({"id": range(300), "vector": pa.array(values, pa.list_(pa.float32(), DIM))})
    t = db.create_table("t", rows, on_bad_vectors="null")
    t.create_index("vector", config=index.IvfFlat(num_partitions=2))
    hits = ids(t.search(VECTORS[31]).nprobes(2).limit(300).to_list())
    assert hits[0] == 31 and sorted(hits) == [i for i in range(300) if i % 3]


def test_lists_of_vectors(db, index):
    """Late interaction: each query vector's least distance to one of the row's vectors, added up."""
    rng = np.random.default_rng(5)
    lists = [rng.normal(size=(1 + i % 4, 8)).astype(np.float32) for i in range(400)]
    values = pa.array([one.tolist() for one in lists], pa.list_(pa.list_(pa.float32(), 8)))
    t = db.create_table("t", pa.table({"id": range(400), "v": values}))
    queries = rng.normal(size=(3, 8)).astype(np.float32)

    def distance(query, rows):
        cosine = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        return (1 - cosine).min()

    one = np.array([distance(queries[0], rows) for rows in lists])
    all_three = np.array([sum(distance(q, rows) for q in queries) for rows in lists])
    for made in (False, True):
        if made and type(t).__module__.startswith("lancedb"):
            return  # its index finds fewer of them
        if made:
            t.create_index("v", config=index.IvfFlat(distance_type="cosine", num_partitions=2))
        for query, expected in ((queries[0].tolist(), one), (queries.tolist(), all_three)):
            hits = t.search(query, "v").distance_type("cosine").nprobes(2).limit(5).select(["id"]).to_list()
            assert ids(hits) == np.argsort(expected)[:5].tolist()
            np.testing.assert_allclose([hit["_distance"] for hit in hits], np.sort(expected)[:5], atol=1e-4)


# ---------------------------------------------------------------- coroutines


def test_coroutines(db_module, tmp_path):
    index = importlib.import_module(db_module.__name__ + ".index")

    async def main():
        db = await db_module.connect_async(str(tmp_path / "db"))
        t = await db.create_table("t", as_table(VECTORS))
        await t.create_index("vector", config=index.IvfPq(num_partitions=4, num_sub_vectors=8))
        await t.wait_for_index(["vector_idx"], dt.timedelta(seconds=10))
        assert [one.index_type for one in await t.list_indices()] == ["IvfPq"]
        assert (await t.index_stats("vector_idx")).num_indexed_rows == N
        query = t.query().nearest_to(VECTORS[7]).nprobes(4).refine_factor(5).limit(1)
        assert ids(await query.to_list()) == [7]
        assert "ANNSubIndex" in await query.explain_plan()
        assert ids(await t.query().nearest_to(VECTORS[7]).bypass_vector_index().limit(1).to_list()) == [7]
        with pytest.raises(ValueError, match="nprobes must be"):
            t.query().nearest_to(VECTORS[7]).maximum_nprobes(10).minimum_nprobes(30)
        with pytest.raises(ValueError, match="already exists|Index name") as caught:
            raise ValueError(str(await failure(t.create_index("vector", config=index.IvfFlat(), replace=False))))
        assert "vector_idx" in str(caught.value)
        job = await t.create_index_async("vector", config=index.IvfFlat(num_partitions=2))
        await job.wait(dt.timedelta(seconds=60))
        await t.checkout_latest()
        assert [one.index_type for one in await t.list_indices()] == ["IvfFlat"]
        await t.prewarm_index("vector_idx")
        await t.drop_index("vector_idx")
        assert await t.list_indices() == []

    async def failure(call):
        try:
            await call
        except RuntimeError as error:
            return error

    asyncio.run(main())


# ---------------------------------------------------------------- the same files, both ways


@pytest.mark.ours_only
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("maker, reader", [("quiver", "lancedb"), ("lancedb", "quiver")])
def test_indexes_of_the_other_make(tmp_path, maker, reader, kind):
    maker, reader = (pytest.importorskip(name) for name in (maker, reader))
    index = importlib.import_module(maker.__name__ + ".index")
    made = maker.connect(tmp_path / "db").create_table("t", as_table(VECTORS))
    made.create_index("vector", config=getattr(index, kind)(num_partitions=4, **KINDS[kind][1]))
    t = reader.connect(tmp_path / "db").open_table("t")
    assert t.index_stats("vector_idx").index_type == KINDS[kind][0]
    plan = t.search(QUERIES[0]).explain_plan()
    assert "ANNSubIndex" in plan
    assert recall(t, ask=lambda q: q.nprobes(4).ef(100).refine_factor(10)) >= 0.95

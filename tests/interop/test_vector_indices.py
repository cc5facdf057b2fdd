"""Vector indices both ways: those that pylance makes are searched by Quiver, and the other way round, whatever happened to the rows since."""

import importlib

import numpy as np
import pyarrow as pa
import pytest
from layouts import compact

lance = pytest.importorskip("lance")

DIM, LISTS = 32, 8
KINDS = ["IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_FLAT", "IVF_HNSW_SQ", "IVF_HNSW_PQ"]
METRICS = ["l2", "cosine", "dot"]
TYPES = {"float32": pa.float32(), "float16": pa.float16(), "float64": pa.float64()}
CASES = [(metric, "float32") for metric in METRICS] + [("cosine", "float16"), ("l2", "float64")]


def make_vectors(rng, n, dim=DIM):
    centers = np.random.default_rng(99).standard_normal((40, dim))
    return (centers[rng.integers(0, 40, n)] + 0.3 * rng.standard_normal((n, dim))).astype(np.float32)


def make_rows(vectors, first=0, item=pa.float32(), column="vector"):
    flat = pa.array(vectors.astype(item.to_pandas_dtype()).reshape(-1), item)
    return pa.table({
        "id": pa.array(range(first, first + len(vectors)), pa.int64()),
        "cat": pa.array([i % 10 for i in range(first, first + len(vectors))], pa.int32()),
        column: pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    })


def distances(rows, query, metric):
    rows, query = rows.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return ((rows - query) ** 2).sum(axis=1)
    products = rows @ query
    if metric == "dot":
        return 1 - products
    return 1 - products / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)


class Truth:
    """The live rows of a table, read by pylance, and what they are to a query."""

    def __init__(self, path, metric):
        table = lance.dataset(path).to_table(columns=["id", "vector"])
        self.metric = metric
        self.ids = table["id"].to_numpy()
        vectors = table["vector"].combine_chunks()
        self.vectors = vectors.values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(len(table), -1)

    def best(self, query, k, keep=None):
        d = distances(self.vectors, query, self.metric)
        if keep is not None:
            d = np.where(keep(self.ids), d, np.inf)
        return list(self.ids[np.argsort(d, kind="stable")[:k]])

    def check(self, query, ids, found, tolerance=2e-3):
        """Distances are true ones, and ascend."""
        d = dict(zip(self.ids, distances(self.vectors, query, self.metric)))
        assert len(set(ids)) == len(ids) and list(found) == sorted(found)
        scale = 1 + max(abs(x) for x in found) if len(found) else 1
        for i, value in zip(ids, found):
            assert abs(d[i] - value) <= tolerance * scale, (i, d[i], value)


def recall(found, best):
    return sum(len(set(f) & set(b)) for f, b in zip(found, best)) / sum(len(b) for b in best)


def ours(table, queries, k=10, **settings):
    answers = []
    for query in queries:
        builder = table.search(query).limit(k)
        for name, value in settings.items():
            builder = getattr(builder, name)(*([] if value is None else [value]))
        rows = builder.select(["id", "_distance"]).to_arrow()
        answers.append((rows["id"].to_pylist(), rows["_distance"].to_pylist()))
    return answers


def theirs(path, queries, k=10, **settings):
    dataset = lance.dataset(path)
    answers = []
    for query in queries:
        nearest = {"column": "vector", "q": query, "k": k, **settings}
        rows = dataset.to_table(columns=["id", "_distance"], nearest=nearest)
        answers.append((rows["id"].to_pylist(), rows["_distance"].to_pylist()))
    return answers


def build_theirs(path, kind, metric):
    settings = {"num_partitions": LISTS}
    if "PQ" in kind:
        settings["num_sub_vectors"] = DIM // 4
    lance.dataset(path).create_index("vector", kind, metric=metric, replace=True, **settings)


def build_ours(table, kind, metric):
    index = importlib.import_module("quiver.index")
    config = {
        "IVF_FLAT": index.IvfFlat, "IVF_SQ": index.IvfSq, "IVF_PQ": index.IvfPq, "IVF_RQ": index.IvfRq,
        "IVF_HNSW_FLAT": index.HnswFlat, "IVF_HNSW_SQ": index.HnswSq, "IVF_HNSW_PQ": index.HnswPq,
    }[kind]
    settings = {"distance_type": metric, "num_partitions": LISTS}
    if "PQ" in kind:
        settings["num_sub_vectors"] = DIM // 4
    if kind == "IVF_RQ":
        settings["num_bits"] = 5
    table.create_index("vector", config=config(**settings), replace=True)


def start(db, tmp_path, rng, n=3000, item=pa.float32(), **options):
    path = str(tmp_path / "db" / "t.lance")
    lance.write_dataset(make_rows(make_vectors(rng, n), item=item), path, max_rows_per_file=1100, **options)
    return path, db.open_table("t")


def check_ours(path, table, queries, metric, least=0.93, tolerance=2e-3):
    """All lists, refined: what an exact search finds."""
    table.checkout_latest()
    truth = Truth(path, metric)
    answers = ours(table, queries, nprobes=LISTS)
    best = [truth.best(q, 10) for q in queries]
    assert recall([a[0] for a in answers], best) >= least
    for query, (ids, found) in zip(queries, answers):
        assert len(ids) == 10
        truth.check(query, ids, found, tolerance)
    return answers


@pytest.mark.parametrize("metric, item", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_theirs_in_ours(db, tmp_path, kind, metric, item):
    rng = np.random.default_rng(5)
    path, table = start(db, tmp_path, rng, item=TYPES[item])
    build_theirs(path, kind, metric)
    table.checkout_latest()
    queries = make_vectors(rng, 20)
    plan = table.search(queries[0]).nprobes(2).limit(10).explain_plan()
    assert "ANNSubIndex" in plan, plan
    truth = Truth(path, metric)
    best = [truth.best(q, 10) for q in queries]
    check_ours(path, table, queries, metric)
    for probes in (1, 3):
        reference = recall([a[0] for a in theirs(path, queries, nprobes=probes, refine_factor=10)], best)
        found = recall([a[0] for a in ours(table, queries, nprobes=probes)], best)
        assert found >= reference - 0.02, (probes, found, reference)
    lance.dataset(path).delete("id % 4 = 1")
    check_ours(path, table, queries, metric)
    lance.write_dataset(make_rows(make_vectors(rng, 300), 3000, TYPES[item]), path, mode="append")
    check_ours(path, table, queries, metric)
    lance.dataset(path).optimize.optimize_indices()
    check_ours(path, table, queries, metric)
    lance.dataset(path).update({"cat": "77"}, where="id % 5 = 2")
    check_ours(path, table, queries, metric)
    lance.dataset(path).optimize.compact_files()
    check_ours(path, table, queries, metric)


@pytest.mark.parametrize("metric, item", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_ours_in_theirs(db, tmp_path, kind, metric, item):
    rng = np.random.default_rng(6)
    path, table = start(db, tmp_path, rng, item=TYPES[item])
    build_ours(table, kind, metric)
    queries = make_vectors(rng, 20)

    def both(step):
        table.checkout_latest()
        truth = Truth(path, metric)
        best = [truth.best(q, 10) for q in queries]
        plan = lance.dataset(path).scanner(nearest={"column": "vector", "q": queries[0], "k": 10}).explain_plan()
        assert "ANN" in plan, (step, plan)
        here = check_ours(path, table, queries, metric)
        there = theirs(path, queries, nprobes=LISTS, refine_factor=10)
        found, reference = recall([a[0] for a in there], best), recall([a[0] for a in here], best)
        assert found >= reference - 0.02, (step, found, reference)

    both("built")
    table.delete("id % 4 = 1")
    both("deleted")
    table.add(make_rows(make_vectors(rng, 300), 3000, TYPES[item]))
    both("appended")
    table.update(where="id % 5 = 2", values={"cat": 77})
    both("updated")
    table.optimize()
    both("optimized")
    lance.write_dataset(make_rows(make_vectors(rng, 200), 5000, TYPES[item]), path, mode="append")
    lance.dataset(path).optimize.optimize_indices()
    both("extended there")


@pytest.mark.parametrize("compacted_by", ["ours", "theirs"])
@pytest.mark.parametrize("built_by", ["ours", "theirs"])
@pytest.mark.parametrize("kind", KINDS)
def test_moved_rows(db, tmp_path, kind, built_by, compacted_by):
    """A compaction that leaves the index as it is: both find the rows where they went, through the index."""
    rng = np.random.default_rng(8)
    path, table = start(db, tmp_path, rng)
    build_ours(table, kind, "l2") if built_by == "ours" else build_theirs(path, kind, "l2")
    queries = make_vectors(rng, 20)

    def move(target_rows):
        if compacted_by == "ours":
            compact(path, target_rows, defer=True)
        else:
            lance.dataset(path).optimize.compact_files(target_rows_per_fragment=target_rows, defer_index_remap=True)

    def both():
        truth = Truth(path, "l2")
        best = [truth.best(q, 10) for q in queries]
        check_ours(path, table, queries, "l2")
        assert recall([a[0] for a in ours(table, queries, nprobes=LISTS, fast_search=None)], best) >= 0.93
        if "HNSW" not in kind:  # pylance cannot walk a graph when rows of it are gone
            assert recall([a[0] for a in theirs(path, queries, nprobes=LISTS, refine_factor=10)], best) >= 0.93

    lance.dataset(path).delete("id % 4 = 1")
    move(2000)
    both()
    lance.dataset(path).delete("id % 9 = 2")
    both()
    move(10000)
    both()


@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("kind", ["IVF_FLAT", "IVF_PQ", "IVF_HNSW_SQ"])
def test_conditions(db, tmp_path, kind, stable):
    """k rows come whenever k rows match, by any condition."""
    rng = np.random.default_rng(7)
    path, table = start(db, tmp_path, rng, enable_stable_row_ids=stable)
    build_theirs(path, kind, "l2")
    lance.dataset(path).delete("id % 7 = 3")
    table.checkout_latest()
    truth = Truth(path, "l2")
    queries = make_vectors(rng, 10)
    for condition, keep in (
        ("cat = 4", lambda i: i % 10 == 4),
        ("id < 30", lambda i: i < 30),
        ("id >= 100 and cat != 2", lambda i: (i >= 100) & (i % 10 != 2)),
        ("id = 55", lambda i: i == 55),
        ("id < 0", lambda i: i < 0),
    ):
        matching = int(keep(truth.ids).sum())
        for probes in (1, LISTS):
            answers = ours(table, queries, nprobes=probes, where=condition)
            for query, (ids, found) in zip(queries, answers):
                assert len(ids) == min(10, matching)
                assert keep(np.array(ids, dtype=np.int64)).all()
                truth.check(query, ids, found)
        best = [truth.best(q, min(10, matching), keep) for q in queries]
        if matching:
            assert recall([a[0] for a in answers], best) >= 0.95


@pytest.mark.parametrize("kind", ["IVF_FLAT", "IVF_HNSW_FLAT"])
def test_bits(db, tmp_path, kind):
    rng = np.random.default_rng(8)
    path = str(tmp_path / "db" / "t.lance")
    rows = rng.integers(0, 256, (2000, 16), dtype=np.uint8)
    queries = rows[:10] ^ (rng.random((10, 16)) < 0.2).astype(np.uint8)
    lance.write_dataset(make_rows(rows, item=pa.uint8()), path)
    lance.dataset(path).create_index("vector", kind, metric="hamming", num_partitions=4)
    table = db.open_table("t")
    bits = np.unpackbits(rows, axis=1)
    for query in queries:
        found = table.search(query).nprobes(4).limit(5).to_arrow()
        d = (bits != np.unpackbits(query)).sum(axis=1)
        best = [float(x) for x in np.sort(d)[:5]]
        assert found["_distance"].to_pylist() == best if kind == "IVF_FLAT" else found["_distance"][0].as_py() == best[0]
        assert all(d[i] == x for i, x in zip(found["id"].to_pylist(), found["_distance"].to_pylist()))


@pytest.mark.parametrize("metric, scale", [("l2", 1), ("dot", 1), ("cosine", 0.5)])
@pytest.mark.parametrize("kind", ["IVF_PQ", "IVF_SQ", "IVF_RQ"])
def test_estimates(db, tmp_path, kind, metric, scale):
    """Unrefined distances are those that pylance shows, as 1 - cos for cosine. (RQ: its tables are coarse unless told otherwise.)"""
    rng = np.random.default_rng(9)
    path, table = start(db, tmp_path, rng)
    build_theirs(path, kind, metric)
    table.checkout_latest()
    queries = make_vectors(rng, 5)
    here = ours(table, queries, nprobes=LISTS, refine_factor=0)
    there = theirs(path, queries, nprobes=LISTS, **({"approx_mode": "accurate"} if kind == "IVF_RQ" else {}))
    for (ids, found), (ids2, found2) in zip(here, there):
        expected = np.array(found2) * scale
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
        assert len(set(ids) & set(ids2)) >= 9


def test_lists_of_vectors(db, tmp_path):
    """Late interaction: exact here, and refined over there."""
    rng = np.random.default_rng(10)
    counts = rng.integers(1, 6, 600)
    flat = make_vectors(rng, int(counts.sum()))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), DIM)
    rows = pa.table({"id": pa.array(range(600), pa.int64()), "vector": pa.ListArray.from_arrays(pa.array(offsets), vectors)})
    path = str(tmp_path / "db" / "t.lance")
    lance.write_dataset(rows, path)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    query = make_vectors(rng, 3)
    similar = unit @ (query / np.linalg.norm(query, axis=1, keepdims=True)).T
    truth = np.array([3 - similar[a:b].max(axis=0).sum() for a, b in zip(offsets[:-1], offsets[1:])])
    best = np.argsort(truth, kind="stable")[:10]

    def check():
        found = db.open_table("t").search(query).limit(10).select(["id", "_distance"]).to_arrow()
        np.testing.assert_allclose(found["_distance"].to_pylist(), truth[found["id"].to_numpy()], rtol=1e-4, atol=1e-4)
        return len(set(found["id"].to_pylist()) & set(best.tolist()))

    assert check() == 10
    lance.dataset(path).create_index("vector", "IVF_FLAT", metric="cosine", num_partitions=4)
    assert check() >= 9


def test_damaged_files(db, tmp_path):
    """The table answers by itself."""
    rng = np.random.default_rng(11)
    path, table = start(db, tmp_path, rng)
    build_theirs(path, "IVF_PQ", "l2")
    queries = make_vectors(rng, 5)
    for name in ("auxiliary.idx", "index.idx"):
        for file in (tmp_path / "db" / "t.lance" / "_indices").glob(f"*/{name}"):
            data = bytearray(file.read_bytes())
            data[-40:] = bytes(40)
            file.write_bytes(bytes(data))
        again = importlib.import_module("quiver").connect(tmp_path / "db").open_table("t")
        truth = Truth(path, "l2")
        for query, (ids, _) in zip(queries, ours(again, queries, nprobes=1)):
            assert ids == truth.best(query, 10)

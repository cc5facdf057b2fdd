"""Searches through an index under conditions: always as many rows as are wanted, found again when asked again, whatever changes meanwhile."""

import threading

import numpy as np
import pyarrow as pa
import pytest

import quiver
import quiver.index

N, DIM, K = 30_000, 24, 10


def vectors(n, seed=5):
    """Rows around many centres that lie along one direction: `side` says where along it."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(300, DIM)) * 3
    centres[:, 0] = np.linspace(-60, 60, len(centres))
    owner = rng.integers(0, len(centres), n)
    return (centres[owner] + rng.normal(size=(n, DIM))).astype(np.float32), owner * 1000 // len(centres)


VECTORS, SIDE = vectors(N)
CATEGORY = np.random.default_rng(1).integers(0, 100, N)
CASES = {
    "category < 1": CATEGORY < 1,
    "category < 10": CATEGORY < 10,
    "category < 50": CATEGORY < 50,
    "side >= 960": SIDE >= 960,
    "side >= 800 AND category < 30": (SIDE >= 800) & (CATEGORY < 30),
    "id < 3": np.arange(N) < 3,
    "id < 0": np.arange(N) < 0,
}


def rows(n=N):
    columns = {"id": range(n), "category": CATEGORY[:n], "side": SIDE[:n]}
    values = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS[:n].reshape(-1)), DIM)
    return pa.table({**{name: pa.array(list(map(int, v))) for name, v in columns.items()}, "vector": values})


@pytest.fixture(scope="module", params=["IvfRq", "IvfPq", "IvfSq", "IvfFlat", "HnswSq"])
def table(request, tmp_path_factory):
    t = quiver.connect(tmp_path_factory.mktemp(request.param)).create_table("t", rows())
    options = {} if request.param == "HnswSq" else {"num_partitions": 100}
    t.create_index("vector", config=getattr(quiver.index, request.param)(distance_type="l2", **options))
    t.create_index("category", config=quiver.index.BTree())
    return t


def found(table, query, where, **settings):
    search = table.search(query).select(["id"]).limit(K)
    search = search.where(where, prefilter=True) if where else search
    for name, value in settings.items():
        search = getattr(search, name)(value)
    return [row["id"] for row in search.to_list()]


def nearest(query, passing):
    ids = np.flatnonzero(passing)
    return ids[np.argsort(((VECTORS[ids].astype(np.float64) - query) ** 2).sum(1), kind="stable")[:K]]


def recall(table, queries, where, passing):
    shared = total = 0
    for query in queries:
        hits, wanted = found(table, query, where), nearest(query, passing)
        assert len(hits) == len(set(hits)) == len(wanted)
        assert passing[hits].all()
        shared += len(set(hits) & set(wanted))
        total += len(wanted)
    return shared / total if total else 1.0


def test_recall_under_conditions_is_that_without(table):
    anywhere, far = VECTORS[::1009] + np.float32(0.2), VECTORS[SIDE < 30][:30] + np.float32(0.2)
    for queries in (anywhere, far):
        without = recall(table, queries, None, np.ones(N, bool))
        for where, passing in CASES.items():
            assert recall(table, queries, where, passing) >= min(without, 0.97) - 0.02, where


def test_same_answer_when_asked_again(table):
    for where in CASES:
        first = [found(table, q, where) for q in VECTORS[:8]]
        assert first == [found(table, q, where) for q in VECTORS[:8]]
        assert first == [found(table, q, f"({where}) AND TRUE") for q in VECTORS[:8]]


def test_few_probes_still_give_all_rows(table):
    for where, passing in CASES.items():
        assert len(found(table, VECTORS[0], where, nprobes=1)) == min(K, passing.sum())


def test_batch_under_a_condition(table):
    batch = table.search(VECTORS[:20]).where("side >= 960", prefilter=True).select(["id"]).limit(K).to_arrow()
    singles = [found(table, q, "side >= 960") for q in VECTORS[:20]]
    by_query = [[] for _ in singles]
    for query, row in zip(batch["query_index"].to_pylist(), batch["id"].to_pylist(), strict=True):
        by_query[query].append(row)
    assert np.mean([len(set(a) & set(b)) / K for a, b in zip(singles, by_query, strict=True)]) > 0.98


def test_changes_after_a_condition_was_asked(tmp_path):
    t = quiver.connect(tmp_path).create_table("t", rows())
    t.create_index("vector", config=quiver.index.IvfRq(distance_type="l2", num_partitions=50))
    query, where = VECTORS[17], "category < 10"
    before = found(t, query, where)
    t.delete(f"id IN ({before[0]}, {before[3]})")
    after = found(t, query, where)
    assert not {before[0], before[3]} & set(after) and len(after) == K
    t.update(where=f"id = {before[1]}", values={"category": 50})
    assert before[1] not in found(t, query, where)
    t.add(rows(1).set_column(0, "id", pa.array([N])).set_column(3, "vector", pa.FixedSizeListArray.from_arrays(pa.array(query), DIM)))
    assert (N in found(t, query, where)) == bool(CATEGORY[0] < 10)
    assert N in found(t, query, "category >= 0")


def test_volatile_conditions_are_asked_anew(table):
    answers = {tuple(found(table, VECTORS[0], "random() < 0.01")) for _ in range(5)}
    assert len(answers) > 1


def test_many_conditions_by_several_threads(table):
    wrong = []

    def client(seed):
        rng = np.random.default_rng(seed)
        for _ in range(60):
            n = int(rng.integers(1, 40))
            hits = found(table, VECTORS[int(rng.integers(N))], f"category < {n}")
            if len(hits) != K or not (CATEGORY[hits] < n).all():
                wrong.append((n, hits))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

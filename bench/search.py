"""Exact search beside faiss Flat, numpy and lancedb. usage: search.py CORES [ROWS]"""

import pathlib
import shutil
import sys

import harness

CORES = int(sys.argv[1])
ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
harness.pin(CORES)

import data  # noqa: E402
import faiss  # noqa: E402
import lancedb  # noqa: E402
import numpy as np  # noqa: E402

import quiver  # noqa: E402

K = 10


def numpy_topk(base, norms, queries, block=16_384):
    """The best that we know in numpy: blocked products, and only distances below the k-th best so far are looked at."""
    n = len(queries)
    best = np.full((n, K), np.inf, np.float32)
    ids = np.zeros((n, K), np.int64)
    for at in range(0, len(base), block):
        distances = norms[at : at + block][None, :] - 2.0 * (queries @ base[at : at + block].T)
        for q in np.flatnonzero(distances.min(axis=1) < best[:, -1]):
            near = np.flatnonzero(distances[q] < best[q, -1])
            values = np.concatenate([best[q], distances[q, near]])
            order = np.argsort(values, kind="stable")[:K]
            ids[q] = np.concatenate([ids[q], at + near])[order]
            best[q] = values[order]
    return ids


def measure(name, base):
    faiss.omp_set_num_threads(CORES)
    folder = pathlib.Path("build/bench-db")
    shutil.rmtree(folder, ignore_errors=True)
    rows = data.arrow_table(base)
    ours = quiver.connect(folder / "quiver").create_table("t", rows)
    theirs = lancedb.connect(folder / "lancedb").create_table("t", rows)
    index = faiss.IndexFlatL2(base.shape[1])
    base = np.ascontiguousarray(base)
    index.add(base)
    norms = (base * base).sum(axis=1)
    random = np.random.default_rng(3)
    queries = base[random.integers(0, len(base), 100)] + random.normal(0, 0.01, (100, base.shape[1])).astype(np.float32)
    one = queries[0]

    found = [hit["id"] for hit in ours.search(one).select(["id"]).limit(K).to_list()]
    expected = index.search(one[None], K)[1][0].tolist()
    assert len(set(found) & set(expected)) >= K - 1, (found, expected)  # ties may differ at the end

    assert len(set(numpy_topk(base, norms, one[None])[0].tolist()) & set(expected)) >= K - 1
    bandwidth = harness.read_bandwidth(base)
    single = harness.best_of(
        {
            "quiver": lambda: ours.search(one).select(["id"]).limit(K).to_arrow(),
            "faiss": lambda: index.search(one[None], K),
            "numpy": lambda: numpy_topk(base, norms, one[None]),
            "lancedb": lambda: theirs.search(one).select(["id"]).limit(K).to_arrow(),
        },
        rounds=9,
    )
    bandwidth = max(bandwidth, harness.read_bandwidth(base))  # before and after: the machine is shared
    batch = harness.best_of(
        {
            "quiver": lambda: ours.search(queries).select(["id"]).limit(K).to_arrow(),
            "faiss": lambda: index.search(queries, K),
            "numpy": lambda: numpy_topk(base, norms, queries),
            "lancedb": lambda: theirs.search(list(queries)).select(["id"]).limit(K).to_arrow(),
        },
        rounds=5,
    )
    return {
        "data": name,
        "rows": len(base),
        "dim": base.shape[1],
        "cores": CORES,
        "bandwidth_gb_s": bandwidth / 1e9,
        "one_query_ms": {k: v * 1e3 for k, v in single.items()},
        "one_query_bandwidth_share": {k: base.nbytes / v / bandwidth for k, v in single.items()},
        "batch_100_qps": {k: 100 / v for k, v in batch.items()},
    }


results = [measure("sift", data.sift()[:ROWS]), measure("hog", data.hog()[: ROWS // 5])]
for result in results:
    print(result)
harness.save(f"search-{CORES}", {"results": results})

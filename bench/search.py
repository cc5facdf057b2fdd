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


def numpy_topk(base, norms, queries):
    distances = norms[None, :] - 2.0 * (queries @ base.T)
    part = np.argpartition(distances, K, axis=1)[:, :K]
    return np.take_along_axis(part, np.argsort(np.take_along_axis(distances, part, axis=1), axis=1), axis=1)


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
    batch = harness.best_of(
        {
            "quiver": lambda: ours.search(queries).select(["id"]).limit(K).to_arrow(),
            "faiss": lambda: index.search(queries, K),
            "numpy": lambda: [numpy_topk(base, norms, queries[i : i + 25]) for i in range(0, 100, 25)],
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

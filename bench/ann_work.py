"""What surrounds a vector search: conditions, batches, several clients, a fresh process, little memory; over the tables that ann.py made.
usage: ann_work.py [ROWS]     (after: ann.py sift 1 [ROWS], and ann.py hog 1)"""

import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import threading
import time

import harness

os.environ.setdefault("LANCE_LOG", "error")

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
sys.argv = ["ann.py", "sift", "1", str(ROWS)]

import ann  # noqa: E402
import data  # noqa: E402
import faiss  # noqa: E402
import lance  # noqa: E402
import lancedb  # noqa: E402
import lancedb.index  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

import quiver  # noqa: E402
import quiver.index  # noqa: E402

K = 10
ASKED = int(os.environ.get("ANN_ASKED", "200"))  # queries under each condition
FOLDER = ann.FOLDER


# ------------------------------------------------------------------ conditions


def directions(base, queries):
    """`side`: 0 .. 999 by the projection on the main direction of the data. Queries from one end, rows from the other: far from each other."""
    mean = base[:50_000].mean(axis=0)
    _, _, axes = np.linalg.svd(base[:50_000] - mean, full_matrices=False)
    along = (base - mean) @ axes[0]
    ranks = np.empty(len(base), np.int32)
    ranks[np.argsort(along)] = np.arange(len(base)) * 1000 // len(base)
    order = np.argsort((queries - mean) @ axes[0])
    return ranks, queries[order[: len(queries) // 4]]


def with_columns(module, kind, side):
    """The table of ann.py (its files linked: none is ever changed) with a column `side`, and indexes over both conditions' columns."""
    folder, original = FOLDER / f"work-{module.__name__}-{kind}", FOLDER / f"{module.__name__}-{kind}"
    if (folder / "ready").exists():
        return module.connect(folder).open_table("t")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder, copy_function=os.link)

    def sides(batch):
        return pa.record_batch({"side": side[batch["id"].to_numpy()]})

    if module is lancedb:
        lance.dataset(str(folder / "t.lance")).add_columns(lance.batch_udf(pa.schema({"side": pa.int32()}))(sides), read_columns=["id"])
    else:
        module.connect(folder).open_table("t").add_columns(sides)
    table = module.connect(folder).open_table("t")
    table.create_index("category", config=module.index.BTree())
    table.create_index("side", config=module.index.BTree())
    (folder / "ready").touch()
    return table


def table_search(table, where, setting):
    def search(query):
        found = table.search(query).where(where, prefilter=True).select(["id"]).limit(K)
        for name, value in setting.items():
            found = getattr(found, name)(value)
        return [row["id"] for row in found.to_list()]

    return search


def faiss_search(index, passing, setting):
    selector = faiss.IDSelectorBitmap(np.packbits(passing, bitorder="little"))
    if "ef" in setting:
        parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=setting["ef"])
    else:
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=setting["probes"])
    return lambda query: index.search(query[None], K, params=parameters)[1][0]


def exact_search(base, passing):
    ids = np.flatnonzero(passing)
    flat = faiss.IndexFlatL2(base.shape[1])
    flat.add(base[ids])
    return lambda query: ids[flat.search(query[None], K)[1][0]]


def one_pass(search, queries):
    """(seconds per query, what was found)"""
    began, found = time.perf_counter(), []
    for query in queries:
        found.append([x for x in search(query) if x >= 0])
        if time.perf_counter() - began > 4:
            break
    return (time.perf_counter() - began) / len(found), found


def best_setting(make, settings, queries, expected, wanted):
    """(q/s, rows found) of the fastest setting that reaches the recall; the better of two passes, of four seconds at most each."""
    best, fullest = None, 0
    for setting in settings:
        search = make(setting)
        passes = [one_pass(search, queries) for _ in range(2)]
        seconds, found = min(passes, key=lambda p: p[0])
        recall = ann.recall(found, expected[: len(found)])
        fullest = max(fullest, float(np.mean([len(f) for f in found])))
        if recall >= wanted and (best is None or seconds < best):
            best = seconds
    return {"qps": 1 / best if best else None, "rows": fullest}


def filtered(base, queries):
    side, far = directions(base, queries)
    category = data.scalars(len(base))["category"]
    ours = {kind: with_columns(quiver, kind, side) for kind in ("IvfRq", "HnswSq")}
    theirs = with_columns(lancedb, "IvfPq", side)
    ivf = faiss.read_index(str(FOLDER / "faiss IVF, SQ8.faiss"))
    hnsw = FOLDER / "faiss HNSW32.faiss"
    hnsw = faiss.read_index(str(hnsw)) if hnsw.exists() else None
    cases = {
        "1 %": ("category < 1", category < 1, queries[:ASKED]),
        "10 %": ("category < 10", category < 10, queries[:ASKED]),
        "50 %": ("category < 50", category < 50, queries[:ASKED]),
        "2.5 %, far from the queries": ("side >= 975", side >= 975, far[:ASKED]),
    }
    out = {}
    for name, (where, passing, asked) in cases.items():
        exact = exact_search(base, passing)
        expected = [exact(q) for q in asked]
        efs = [{"ef": ef} for ef in (16, 32, 64, 128, 256, 512)]
        probes = [{"probes": n} for n in (4, 8, 16, 32, 64, 128, 512)]
        result = {}
        for kind, table in ours.items():
            settings = [{}] + ([{"ef": s["ef"]} for s in efs] if "Hnsw" in kind else [{"nprobes": s["probes"]} for s in probes])
            result[f"quiver {kind}"] = best_setting(lambda s, t=table: table_search(t, where, s), settings, asked, expected, 0.95)
        settings = [{"nprobes": n, "refine_factor": 10} for n in (20, 50, 100)]
        result["lancedb IvfPq, BTREE"] = best_setting(lambda s: table_search(theirs, where, s), settings, asked, expected, 0.95)
        result["faiss IVF, SQ8"] = best_setting(lambda s: faiss_search(ivf, passing, s), probes, asked, expected, 0.95)
        if hnsw:
            result["faiss HNSW32"] = best_setting(lambda s: faiss_search(hnsw, passing, s), efs, asked, expected, 0.95)
        result["faiss, exact over the rows that match"] = best_setting(lambda s: exact, [{}], asked, expected, 0.95)
        out[name] = result
        print(name, {k: (v["qps"] and round(v["qps"]), v["rows"]) for k, v in result.items()}, flush=True)
    return out


# ------------------------------------------------------------------ batches, clients


def batches(table, queries):
    def batch():
        table.search(queries).select(["id"]).limit(K).to_arrow()

    def singles():
        for query in queries:
            table.search(query).select(["id"]).limit(K).to_arrow()

    seconds = harness.best_of({"batch": batch, "singles": singles}, rounds=3)
    return {k: len(queries) / v for k, v in seconds.items()}


def clients(search, queries, n, seconds=3.0):
    """Queries per second of n threads that ask one after the other."""
    counts, stop = [0] * n, time.perf_counter() + seconds

    def client(i):
        while time.perf_counter() < stop:
            for query in queries[i::n][:20]:
                search(query)
                counts[i] += 1

    began = time.perf_counter()
    threads = [threading.Thread(target=client, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


# ------------------------------------------------------------------ a fresh process, little memory

FRESH = """
import time; began = time.perf_counter()
import numpy as np
import {module}
imported = time.perf_counter()
table = {module}.connect({folder!r}).open_table("t")
rows = table.search(np.load({query!r})).select(["id"]).limit(10).to_list()
done = time.perf_counter()
peak = [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")][0] / 1024
assert len(rows) == 10
print(done - began, done - imported, peak)
"""


def fresh_process(module, folder, queries):
    path = FOLDER / "one.npy"
    np.save(path, queries[0])
    best = [float("inf")] * 3
    for _ in range(5):
        out = subprocess.run([sys.executable, "-c", FRESH.format(module=module, folder=str(folder), query=str(path))], capture_output=True, text=True, check=True)
        best = [min(a, float(b)) for a, b in zip(best, out.stdout.split())]
    return {"whole_ms": best[0] * 1e3, "after_import_ms": best[1] * 1e3, "peak_mb": best[2]}


LITTLE = textwrap.dedent("""
import resource, sys, time
import numpy as np
import quiver
table = quiver.connect({folder!r}).open_table("t")
queries, expected = np.load({queries!r}), np.load({expected!r})
found, began = [], time.perf_counter()
for q in queries:
    found.append([r["id"] for r in table.search(q).select(["id"]).limit(10).to_list()])
seconds = time.perf_counter() - began
own = [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("RssAnon")][0] / 1024
print(len(queries) / seconds, np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, expected)]), own)
""")


def limited_group(bytes_allowed):
    """A control group with so much memory, page cache included: the file that takes its processes. OSError: none can be made."""
    for root, limit in ((pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (pathlib.Path("/sys/fs/cgroup"), "memory.max")):
        group = root / "quiver-bench"
        if (root / limit).exists() or limit == "memory.max":
            group.mkdir(exist_ok=True)
            (group / limit).write_text(str(bytes_allowed))
            return group / "cgroup.procs"
    raise OSError("no control group of memory")


def little_memory(limit_mb=250):
    """The 960-d table of ann.py (after: ann.py hog 1), whose vectors are three times the memory that the process is allowed. Its pages leave
    the cache first: those that others have read would not count."""
    folder = FOLDER.parent / "hog-200000"
    if not (folder / "quiver-IvfRq" / "t.lance").exists():
        table = quiver.connect(folder / "quiver-IvfRq").create_table("t", data.arrow_table(np.array(data.hog()[1000:])))
        table.create_index("vector", config=quiver.index.IvfRq(distance_type="l2"))
    np.save(FOLDER / "little-q.npy", np.array(data.hog()[:200]))
    np.save(FOLDER / "little-e.npy", np.load(folder / "truth.npy")[:200])
    script = LITTLE.format(folder=str(folder / "quiver-IvfRq"), queries=str(FOLDER / "little-q.npy"), expected=str(FOLDER / "little-e.npy"))
    out = {}
    for name in ("no limit", f"{limit_mb} MB"):
        command = [sys.executable, "-c", script]
        if name != "no limit":
            try:
                command = ["sh", "-c", f'echo $$ > {limited_group(limit_mb << 20)}; exec "$@"', "sh", *command]
            except OSError as error:
                out[name] = {"not_measured": str(error)}
                continue
        harness.drop_caches(folder / "quiver-IvfRq")
        qps, recall, own = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        out[name] = {"qps": qps, "recall": recall, "own_mb": own}
    return {"rows": quiver.connect(folder / "quiver-IvfRq").open_table("t").count_rows(), "dim": 960, **out}


def main():
    base, queries, _ = ann.load()
    faiss.omp_set_num_threads(1)
    quiver.set_threads(1) if hasattr(quiver, "set_threads") else quiver._quiver.set_threads(1)
    result = {"rows": len(base), "filtered": filtered(base, queries)}
    ours = quiver.connect(FOLDER / "quiver-IvfRq").open_table("t")
    theirs = lancedb.connect(FOLDER / "lancedb-IvfPq").open_table("t")
    result["batch_qps"] = batches(ours, queries[: 5 * ASKED])
    ask = lambda table: lambda query: table.search(query).select(["id"]).limit(K).to_list()  # noqa: E731
    result["clients_qps"] = {who: {str(n): clients(ask(table), queries, n) for n in (1, 4)} for who, table in (("quiver", ours), ("lancedb", theirs))}
    result["fresh"] = {who: fresh_process(who, FOLDER / f"{who}-{kind}", queries) for who, kind in (("quiver", "IvfRq"), ("lancedb", "IvfPq"))}
    result["little_memory"] = little_memory()
    for part, value in result.items():
        print(part, value)
    harness.save("ann-work", result)


if __name__ == "__main__":
    main()

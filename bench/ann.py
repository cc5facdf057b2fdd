"""Vector indices: recall of ten rows against queries per second, beside faiss, hnswlib, usearch, SVS and lancedb, in one process.
usage: ann.py DATA CORES [ROWS]     DATA: sift, hog or text

Indices are kept in build/bench-ann with what building them cost (seconds of processor time, on all cores), so that a second run only
searches. Each point of a curve is one setting: its recall over all queries, and the best of several rounds of single queries, the rounds of
all contestants interleaved. What a contestant can do at a recall is its fastest setting that reaches it."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

import harness

DATA = sys.argv[1]
CORES = int(sys.argv[2])
ROWS = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
ONLY = set(filter(None, os.environ.get("ANN_ONLY", "").split(";")))
BUILD_CORES = os.cpu_count()

import data  # noqa: E402
import faiss  # noqa: E402
import lancedb  # noqa: E402
import lancedb.index  # noqa: E402
import numpy as np  # noqa: E402

import quiver  # noqa: E402
import quiver.index  # noqa: E402

K = 10
RECALLS = (0.90, 0.95, 0.99)
FOLDER = pathlib.Path("build/bench-ann") / f"{DATA}-{ROWS}"


def load():
    if DATA == "sift":
        return np.ascontiguousarray(data.sift()[:ROWS]), data.sift_queries(), "l2"
    if DATA == "hog":
        every = data.hog()
        return np.ascontiguousarray(every[1000:][:ROWS]), np.array(every[:1000]), "l2"
    rows, queries = data.text()
    return np.ascontiguousarray(rows[:ROWS]), queries, "cosine"


def truth(base, queries):
    path = FOLDER / "truth.npy"
    if not path.exists():
        exact = faiss.IndexFlatL2(base.shape[1])  # rows of unit length: the order of cosines too
        exact.add(base)
        np.save(path, exact.search(queries, K)[1])
    return np.load(path)


# ------------------------------------------------------------------ contestants


class Contestant:
    """`settings` are tried in their order; `search(query)` gives ids under the setting last chosen."""

    settings = ()

    def __init__(self, name):
        self.name = name

    def ready(self, base, metric):
        """Builds, or opens what an earlier run built; {cpu_s, wall_s, bytes}."""
        note = FOLDER / f"{self.name}.json"
        if note.exists() and self.open(base, metric):
            return json.loads(note.read_text())
        before, began = cpu_seconds(), time.perf_counter()
        self.build(base, metric)
        cost = {"cpu_s": cpu_seconds() - before, "wall_s": time.perf_counter() - began, "bytes": self.bytes()}
        note.write_text(json.dumps(cost))
        return cost


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Faiss(Contestant):
    def __init__(self, name, text, settings, refined=False):
        super().__init__(name)
        self.text, self.settings, self.refined = text, settings, refined
        self.path = FOLDER / f"{name}.faiss"

    def build(self, base, metric):
        faiss.omp_set_num_threads(BUILD_CORES)
        self.index = faiss.index_factory(base.shape[1], self.text)
        self.index.train(base)
        self.index.add(base)
        faiss.write_index(self.index, str(self.path))
        faiss.omp_set_num_threads(CORES)
        self.wrap(base)

    def open(self, base, metric):
        if not self.path.exists():
            return False
        self.index = faiss.read_index(str(self.path))
        self.wrap(base)
        return True

    def wrap(self, base):
        """Refinement over the caller's own rows, which the size of the index does not count."""
        self.searched = self.index
        if self.refined:
            self.exact = faiss.IndexFlatL2(base.shape[1])
            self.exact.add(base)
            self.searched = faiss.IndexRefine(self.index, self.exact)
            self.searched.own_fields = self.searched.own_refine_index = False

    def choose(self, setting):
        if "ef" in setting:
            self.index.hnsw.efSearch = setting["ef"]
        else:
            faiss.extract_index_ivf(self.index).nprobe = setting["probes"]
        if self.refined:
            self.searched.k_factor = setting["refine"]

    def search(self, query):
        return self.searched.search(query[None], K)[1][0]

    def bytes(self):
        return self.path.stat().st_size


class Hnswlib(Contestant):
    settings = [{"ef": ef} for ef in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256)]
    path = FOLDER / "hnswlib.index"

    def made(self, base):
        import hnswlib

        return hnswlib.Index("l2", base.shape[1])

    def build(self, base, metric):
        self.index = self.made(base)
        self.index.set_num_threads(BUILD_CORES)
        self.index.init_index(len(base), ef_construction=200, M=16)
        self.index.add_items(base)
        self.index.save_index(str(self.path))
        self.index.set_num_threads(CORES)

    def open(self, base, metric):
        if not self.path.exists():
            return False
        self.index = self.made(base)
        self.index.load_index(str(self.path))
        self.index.set_num_threads(CORES)
        return True

    def choose(self, setting):
        self.index.set_ef(setting["ef"])

    def search(self, query):
        return self.index.knn_query(query, K, num_threads=1)[0][0]

    def bytes(self):
        return self.path.stat().st_size


class Usearch(Contestant):
    settings = [{"ef": ef} for ef in (10, 16, 32, 64, 128, 256)]
    path = FOLDER / "usearch.index"

    def build(self, base, metric):
        from usearch.index import Index

        self.index = Index(ndim=base.shape[1], metric="l2sq", dtype="f32", connectivity=16, expansion_add=128)
        self.index.add(np.arange(len(base)), base, threads=BUILD_CORES)
        self.index.save(str(self.path))

    def open(self, base, metric):
        from usearch.index import Index

        if not self.path.exists():
            return False
        self.index = Index.restore(str(self.path))
        return True

    def choose(self, setting):
        self.index.expansion_search = setting["ef"]

    def search(self, query):
        return self.index.search(query, K, threads=1).keys

    def bytes(self):
        return self.path.stat().st_size


class Svs(Contestant):
    settings = [{"window": w} for w in (10, 16, 24, 32, 48, 64, 96, 128)]

    def build(self, base, metric):
        import svs

        parameters = svs.VamanaBuildParameters(graph_max_degree=32, window_size=64, alpha=1.2)
        self.index = svs.Vamana.build(parameters, base, svs.DistanceType.L2, num_threads=BUILD_CORES)
        self.index.num_threads = CORES
        self.index.save(*(str(FOLDER / f"svs-{part}") for part in ("config", "graph", "data")))

    def open(self, base, metric):
        import svs

        if not (FOLDER / "svs-config").exists():
            return False
        self.index = svs.Vamana(
            str(FOLDER / "svs-config"), svs.GraphLoader(str(FOLDER / "svs-graph")), svs.VectorDataLoader(str(FOLDER / "svs-data"), svs.DataType.float32),
            svs.DistanceType.L2, num_threads=CORES,
        )
        return True

    def choose(self, setting):
        self.index.search_window_size = setting["window"]

    def search(self, query):
        return self.index.search(query[None], K)[0][0]

    def bytes(self):
        return sum(harness.folder_bytes(FOLDER / f"svs-{part}") for part in ("config", "graph", "data"))


class Table(Contestant):
    """A table of a database with one index: ours and lancedb's alike. Each kind has a copy of the table, whose rows are not counted."""

    def __init__(self, module, kind, settings, **options):
        super().__init__(f"{module.__name__} {kind}")
        self.module, self.kind, self.settings, self.options = module, kind, settings, options
        self.folder = FOLDER / self.name.replace(" ", "-")

    def build(self, base, metric):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.table = self.module.connect(self.folder).create_table("t", data.arrow_table(base))
        self.began = cpu_seconds()
        config = getattr(self.module.index, self.kind)(distance_type=metric, **self.options)
        self.table.create_index("vector", config=config)

    def ready(self, base, metric):
        note = FOLDER / f"{self.name}.json"
        if note.exists() and self.open(base, metric):
            return json.loads(note.read_text())
        began = time.perf_counter()
        self.build(base, metric)
        cost = {"cpu_s": cpu_seconds() - self.began, "wall_s": time.perf_counter() - began, "bytes": self.bytes()}
        note.write_text(json.dumps(cost))
        return cost

    def open(self, base, metric):
        if not self.folder.exists():
            return False
        self.table = self.module.connect(self.folder).open_table("t")
        return True

    def choose(self, setting):
        self.setting = setting

    def search(self, query):
        found = self.table.search(query).limit(K).select(["id"])
        for name, value in self.setting.items():
            found = getattr(found, name)(value)
        return [row["id"] for row in found.to_list()]

    def bytes(self):
        return harness.folder_bytes(self.folder / "t.lance" / "_indices")


def grid(**values):
    out = [{}]
    for name, choices in values.items():
        out = [{**setting, name: choice} for setting in out for choice in choices]
    return out


def contestants(rows, dim):
    probes = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
    lists = max(64, int(2 ** round(np.log2(4 * rows**0.5)) // 4))
    half = dim // 2
    efs = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256)
    found = [
        Table(quiver, "IvfRq", grid(nprobes=probes)),
        Table(quiver, "IvfPq", grid(nprobes=probes, refine_factor=(4, 6, 10, 16))),
        Table(quiver, "IvfSq", grid(nprobes=probes)),
        Table(quiver, "HnswSq", grid(ef=efs)),
        Faiss("faiss IVF, PQ fast-scan, refined", f"IVF{lists},PQ{half}x4fs", grid(probes=probes, refine=(4, 8, 16)), refined=True),
        Faiss("faiss IVF, PQ 8 bits", f"IVF{lists},PQ{max(8, dim // 8)}", grid(probes=probes, refine=(4, 8)), refined=True),
        Faiss("faiss IVF, SQ8", f"IVF{lists},SQ8", grid(probes=probes)),
        Faiss("faiss IVF, RaBitQ", f"IVF{lists},RaBitQ", grid(probes=probes, refine=(4, 8, 16)), refined=True),
        Faiss("faiss HNSW32", "HNSW32", grid(ef=efs)),
        Faiss("faiss HNSW32, SQ8", "HNSW32_SQ8", grid(ef=efs)),
        Hnswlib("hnswlib"),
        Usearch("usearch"),
        Svs("SVS Vamana"),
        Table(lancedb, "IvfPq", grid(nprobes=(20, 50, 100), refine_factor=(5, 10, 50))),
        Table(lancedb, "IvfSq", grid(nprobes=(10, 20, 50, 100), refine_factor=(1, 2))),
        Table(lancedb, "IvfRq", grid(nprobes=(20, 50, 100), refine_factor=(10, 50))),
        Table(lancedb, "HnswSq", grid(ef=(20, 50, 100, 200), refine_factor=(1, 2))),
    ]
    return [c for c in found if not ONLY or c.name in ONLY]


# ------------------------------------------------------------------ measuring


def recall(found, expected):
    return float(np.mean([len(set(map(int, a)) & set(map(int, b))) / K for a, b in zip(found, expected)]))


def curve(contestant, queries, expected):
    """Points (recall, seconds per query over one quick round); settings that are worse in both respects are left out."""
    points = []
    for setting in contestant.settings:
        contestant.choose(setting)
        contestant.search(queries[0])
        sample = queries if contestant.name.split()[0] != "lancedb" else queries[:200]
        began = time.perf_counter()
        found = [contestant.search(q) for q in sample]
        seconds = (time.perf_counter() - began) / len(sample)
        points.append({"setting": setting, "recall": recall(found, expected[: len(sample)]), "seconds": seconds})
    return [p for p in points if not any(o["recall"] >= p["recall"] and o["seconds"] < p["seconds"] for o in points)]


def best_rounds(all_points, made, queries, rounds):
    """The best of several rounds for the points that decide something, interleaved over contestants."""
    for _ in range(rounds):
        for contestant in made:
            for point in all_points[contestant.name]:
                contestant.choose(point["setting"])
                sample = queries[: max(20, min(len(queries), int(0.25 / point["seconds"])))]
                for query in sample[:5]:
                    contestant.search(query)
                began = time.perf_counter()
                for query in sample:
                    contestant.search(query)
                point["seconds"] = min(point["seconds"], (time.perf_counter() - began) / len(sample))


def at_recall(points, wanted):
    reached = [p for p in points if p["recall"] >= wanted]
    return min(reached, key=lambda p: p["seconds"]) if reached else None


def in_c(table, name, queries, point):
    """Queries per second of the same setting through the C interface, when the bench program was built."""
    program = pathlib.Path("build/release/bench/bench_ann")
    if not program.exists():
        return None
    path = FOLDER / "queries.f32"
    path.write_bytes(queries.astype(np.float32).tobytes())
    setting = [f"{k}={v}" for k, v in point["setting"].items()]
    out = subprocess.run([program, table.folder, "t", path, str(queries.shape[1]), str(K), str(CORES), *setting], capture_output=True, text=True, check=True)
    return float(out.stdout.split()[0])


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    base, queries, metric = load()
    expected = truth(base, queries)
    costs, made = {}, []
    for contestant in contestants(*base.shape):
        costs[contestant.name] = contestant.ready(base, metric)
        made.append(contestant)
        print(contestant.name, costs[contestant.name], flush=True)
    harness.pin(CORES)
    faiss.omp_set_num_threads(CORES)
    points = {}
    for contestant in made:
        points[contestant.name] = curve(contestant, queries, expected)
    best_rounds(points, made, queries, rounds=3)
    out = {}
    for contestant in made:
        best = {str(r): at_recall(points[contestant.name], r) for r in RECALLS}
        entry = {"build": costs[contestant.name], "curve": points[contestant.name]}
        entry["qps"] = {r: 1 / p["seconds"] if p else None for r, p in best.items()}
        if contestant.name.startswith("quiver"):
            entry["qps_c"] = {r: in_c(contestant, contestant.name, queries, p) if p else None for r, p in best.items()}
        out[contestant.name] = entry
        print(f"{contestant.name:40}", {r: v and round(v) for r, v in entry["qps"].items()}, entry.get("qps_c", ""), flush=True)
    harness.save(f"ann-{DATA}-{CORES}", {"data": DATA, "rows": len(base), "dim": base.shape[1], "metric": metric, "cores": CORES, "contestants": out})


if __name__ == "__main__":
    main()

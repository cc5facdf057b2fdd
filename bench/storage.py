"""Writing, size on disk, appends, takes and scans beside pylance, lancedb and Parquet. usage: storage.py [ROWS]"""

import os
import pathlib
import shutil
import sys
import time

import harness

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000

import data  # noqa: E402
import lance  # noqa: E402
import lancedb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import quiver  # noqa: E402

FOLDER = pathlib.Path("build/bench-storage")
shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
rows = data.arrow_table(data.sift()[:ROWS])


def fresh(name):
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    return FOLDER / name


def sync_folder(folder):
    """What makes a peer's write durable: its files, then the folders."""
    for path in pathlib.Path(folder).rglob("*"):
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)


def write_parquet():
    FOLDER.mkdir(exist_ok=True)
    pq.write_table(rows, FOLDER / "t.parquet")
    file = os.open(FOLDER / "t.parquet", os.O_RDONLY)
    os.fsync(file)
    os.close(file)


def write_pylance(durable):
    folder = fresh("pylance.lance")
    lance.write_dataset(rows, folder)
    if durable:
        sync_folder(folder)


def create():
    work = {
        "quiver": lambda: quiver.connect(fresh("quiver")).create_table("t", rows),
        "pylance": lambda: write_pylance(False),
        "pylance + fsync": lambda: write_pylance(True),
        "lancedb": lambda: lancedb.connect(fresh("lancedb")).create_table("t", rows),
        "parquet + fsync": write_parquet,
    }
    seconds = harness.best_of(work, rounds=4, warmup=1, budget_s=200)
    return {k: len(rows) / v for k, v in seconds.items()}


def sizes():
    quiver.connect(fresh("small")).create_table("t", rows, storage_options={"quiver_compression": "small"})
    return {
        "quiver": harness.folder_bytes(FOLDER / "quiver"),
        "quiver small": harness.folder_bytes(FOLDER / "small"),
        "pylance": harness.folder_bytes(FOLDER / "pylance.lance"),
        "lancedb": harness.folder_bytes(FOLDER / "lancedb"),
        "parquet": (FOLDER / "t.parquet").stat().st_size,
    }


def appends(versions=1000):
    small = rows.slice(0, 100)
    contestants = {
        "quiver": quiver.connect(fresh("append-q")).create_table("t", small).add,
        "lancedb": lancedb.connect(fresh("append-l")).create_table("t", small).add,
    }
    lance.write_dataset(small, fresh("append-p.lance"))
    contestants["pylance"] = lambda batch: lance.write_dataset(batch, FOLDER / "append-p.lance", mode="append")
    times = {k: [] for k in contestants}
    for _ in range(versions):
        for name, add in contestants.items():
            started = time.perf_counter()
            add(small)
            times[name].append((time.perf_counter() - started) * 1e3)
    probe = FOLDER / "fsync-probe"
    syncs = []
    for _ in range(50):
        with open(probe, "wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            syncs.append((time.perf_counter() - started) * 1e3)
    return {
        "median_ms": {k: float(np.median(v)) for k, v in times.items()},
        "first_100_ms": {k: float(np.median(v[:100])) for k, v in times.items()},
        "last_100_ms": {k: float(np.median(v[-100:])) for k, v in times.items()},
        "one_fsync_ms": float(np.median(syncs)),
        "series": {k: v[::10] for k, v in times.items()},
    }


def takes():
    ours = quiver.connect(FOLDER / "quiver").open_table("t")
    theirs = lance.dataset(FOLDER / "pylance.lance")
    parquet = FOLDER / "t.parquet"
    wanted = np.sort(np.random.default_rng(4).choice(len(rows), 1000, replace=False)).tolist()
    columns = {"all": None, "vectors": ["vector"]}
    out = {}
    for name, chosen in columns.items():
        def quiver_take(which=wanted, chosen=chosen):
            query = ours.take_offsets(which)
            return (query.select(chosen) if chosen else query).to_arrow()

        out[f"1000 rows, {name}"] = harness.best_of(
            {
                "quiver": quiver_take,
                "pylance": lambda chosen=chosen: theirs.take(wanted, columns=chosen),
                "parquet": lambda chosen=chosen: pq.read_table(parquet, columns=chosen).take(wanted),
            },
            rounds=7,
            budget_s=30,
        )
    out["1 row, all"] = harness.best_of(
        {
            "quiver": lambda: ours.take_offsets([len(rows) // 2]).to_arrow(),
            "pylance": lambda: theirs.take([len(rows) // 2]),
            "parquet": lambda: pq.read_table(parquet).take([len(rows) // 2]),
        },
        rounds=9,
        budget_s=30,
    )
    cold = {}
    for name in ("quiver", "pylance"):
        times = []
        for _ in range(3):
            harness.drop_caches(FOLDER)
            started = time.perf_counter()
            if name == "quiver":
                quiver.connect(FOLDER / "quiver").open_table("t").take_offsets(wanted).to_arrow()
            else:
                lance.dataset(FOLDER / "pylance.lance").take(wanted)
            times.append(time.perf_counter() - started)
        cold[name] = min(times)
    out["1000 rows, all, cold"] = cold
    return {k: {p: s * 1e3 for p, s in v.items()} for k, v in out.items()}


def scans():
    ours = quiver.connect(FOLDER / "quiver").open_table("t")
    theirs = lance.dataset(FOLDER / "pylance.lance")
    full = harness.best_of(
        {"quiver": lambda: ours.to_arrow(), "pylance": lambda: theirs.to_table()}, rounds=5, budget_s=60
    )
    two = ["id", "price"]
    scalar = harness.best_of(
        {
            "quiver": lambda: ours.search().select(two).to_arrow(),
            "pylance": lambda: theirs.to_table(columns=two),
            "parquet": lambda: pq.read_table(FOLDER / "t.parquet", columns=two),
        },
        rounds=7,
        budget_s=60,
    )
    return {
        "full_gb_s": {k: rows.nbytes / v / 1e9 for k, v in full.items()},
        "two_scalars_mrows_s": {k: len(rows) / v / 1e6 for k, v in scalar.items()},
    }


result = {"rows": len(rows), "arrow_bytes": rows.nbytes, "create_rows_s": create(), "bytes_on_disk": sizes(), "takes_ms": takes(), "scans": scans(), "appends": appends()}
print({k: v for k, v in result.items() if k != "appends"}, {k: v for k, v in result["appends"].items() if k != "series"})
harness.save("storage", result)

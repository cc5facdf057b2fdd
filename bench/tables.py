"""Conditions, changes and scalar indexes beside lancedb, pylance, DuckDB and Parquet. usage: tables.py [ROWS] [ADDS]"""

import os
import pathlib
import shutil
import sys
import time

import harness

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ADDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000

import data  # noqa: E402
import duckdb  # noqa: E402
import lance  # noqa: E402
import lancedb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import quiver  # noqa: E402
from quiver.index import BTree  # noqa: E402

FOLDER = pathlib.Path("build/bench-tables")
rows = data.arrow_table(data.sift()[:ROWS])
parquet = FOLDER / "t.parquet"


def fresh(name):
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    return FOLDER / name


def ms(seconds):
    return {name: value * 1e3 for name, value in seconds.items()}


def prepare():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    pq.write_table(rows, parquet, row_group_size=1_000_000)
    ours = quiver.connect(FOLDER / "quiver").create_table("t", rows)
    theirs = lancedb.connect(FOLDER / "lancedb").create_table("t", rows)
    return ours, theirs


def point_queries(ours, theirs):
    """One row by its id, all columns."""
    dataset = lance.dataset(theirs.uri)
    wanted = ROWS // 3
    where = f"id = {wanted}"
    plain = harness.best_of(
        {
            "quiver": lambda: ours.search().where(where).to_arrow(),
            "pylance": lambda: dataset.to_table(filter=where),
            "lancedb": lambda: theirs.search().where(where).to_arrow(),
            "duckdb over parquet": lambda: duckdb.sql(f"SELECT * FROM '{parquet}' WHERE {where}").arrow(),
            "parquet": lambda: pq.read_table(parquet, filters=[("id", "=", wanted)]),
        },
        rounds=7,
        budget_s=40,
    )
    build = {}
    for name, create in (
        ("quiver", lambda: ours.create_index("id", config=BTree())),
        ("lancedb", lambda: theirs.create_index("id", config=lancedb.index.BTree())),
    ):
        times = []
        for _ in range(3):
            started = time.perf_counter()
            create()
            times.append(time.perf_counter() - started)
        build[name] = min(times)
    dataset = lance.dataset(theirs.uri)
    assert ours.search().where(where).to_list()[0]["id"] == wanted
    indexed = harness.best_of(
        {
            "quiver": lambda: ours.search().where(where).to_list(),
            "pylance": lambda: dataset.to_table(filter=where),
            "lancedb": lambda: theirs.search().where(where).to_list(),
        },
        rounds=200,
        warmup=20,
        budget_s=20,
    )
    cold = {}
    for name, run in (
        ("quiver", lambda: quiver.connect(FOLDER / "quiver").open_table("t").search().where(where).to_list()),
        ("pylance", lambda: lance.dataset(theirs.uri).to_table(filter=where)),
    ):
        times = []
        for _ in range(5):
            harness.drop_caches(FOLDER)
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        cold[name] = min(times)
    return {"no index": ms(plain), "BTREE build": ms(build), "BTREE, warm": ms(indexed), "BTREE, cold": ms(cold)}


def filtered_reads(ours, theirs):
    dataset = lance.dataset(theirs.uri)
    price = rows["price"].to_numpy()
    limits = {"2 %": float(np.quantile(price, 0.98)), "0.1 %": float(np.quantile(price, 0.999))}
    three = ["id", "category", "label"]
    out = {}
    where = f"price > {limits['2 %']}"
    out["count"] = ms(
        harness.best_of(
            {
                "quiver": lambda: ours.count_rows(where),
                "pylance": lambda: dataset.count_rows(filter=where),
                "lancedb": lambda: theirs.count_rows(where),
                "duckdb over parquet": lambda: duckdb.sql(f"SELECT count(*) FROM '{parquet}' WHERE {where}").fetchall(),
            },
            rounds=15,
            budget_s=30,
        )
    )
    for share, limit in limits.items():
        where = f"price > {limit}"
        for name, columns in (("3 columns", three), ("with the vector", [*three, "vector"])):
            out[f"scan {share}, {name}"] = ms(
                harness.best_of(
                    {
                        "quiver": lambda: ours.search().where(where).select(columns).to_arrow(),
                        "pylance": lambda: dataset.to_table(columns=columns, filter=where),
                        "lancedb": lambda: theirs.search().where(where).select(columns).to_arrow(),
                    },
                    rounds=9,
                    budget_s=40,
                )
            )
    return out


EXPRESSIONS = {
    "arithmetic": "a * 3 + b % 7 - c > 100",
    "float arithmetic": "x * 1.5 + y * y < 40.0",
    "comparison": "a > 500 and x < 0.5",
    "IN": "b in (3, 17, 92, 255, 401, 777)",
    "LIKE '%x%'": "s like '%ab%'",
    "LIKE 'x%'": "s like 'item 1%'",
    "dates": "d >= date '2023-03-01' and d < date '2023-06-01'",
    "CASE": "case when a > 500 then b else c end > 50",
}


def expressions(n):
    """Counts under a condition over n rows, one thread each."""
    random = np.random.default_rng(5)
    letters = np.array(list("abcdefgh"))
    words = np.array(["item " + str(i) + "".join(random.choice(letters, 4)) for i in range(5000)])
    rows_in_memory = pa.table(
        {
            "a": random.integers(0, 1000, n).astype(np.int64),
            "b": random.integers(0, 1000, n).astype(np.int32),
            "c": random.integers(0, 100, n).astype(np.int64),
            "x": random.random(n),
            "y": random.random(n) * 10,
            "s": pa.array(words[random.integers(0, len(words), n)]),
            "d": pa.array(random.integers(19000, 20000, n).astype(np.int32)).cast(pa.date32()),
        }
    )
    quiver._quiver.set_threads(1)
    ours = quiver.connect("memory://").create_table("e", rows_in_memory)
    con = duckdb.connect()
    con.execute("SET threads = 1")
    con.execute("CREATE TABLE e AS SELECT * FROM rows_in_memory")
    out = {}
    for name, text in EXPRESSIONS.items():
        assert ours.count_rows(text) == con.execute(f"SELECT count(*) FROM e WHERE {text}").fetchall()[0][0], text
        seconds = harness.best_of(
            {
                "quiver": lambda: ours.count_rows(text),
                "duckdb": lambda: con.execute(f"SELECT count(*) FROM e WHERE {text}").fetchall(),
            },
            rounds=7,
            budget_s=20,
        )
        out[name] = {k: n / v / 1e6 for k, v in seconds.items()}
    quiver._quiver.set_threads(0)
    return out


class Syncer:
    """Makes what a peer wrote below a folder durable, as our calls are when they return: new files and their folders."""

    def __init__(self, folder):
        self.folder, self.known = pathlib.Path(folder), set()
        os.sync()  # nobody's commit waits for what was written before
        self.new()

    def new(self):
        found = {path for path in self.folder.rglob("*") if path not in self.known}
        self.known |= found
        return found

    def timed(self, run):
        """Seconds of `run` and of syncing its files; looking for them is not counted."""
        seconds = timed(run)
        new = self.new()
        return seconds + timed(lambda: [fsync(path) for path in {*new, *(path.parent for path in new)} if path.exists()])


def fsync(path):
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.close(file)


def timed(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def changes():
    """Each change on a table as it was created, durable on both sides."""
    tenth, hundredth = ROWS // 10, ROWS // 100
    random = np.random.default_rng(6)

    def upsert(table, n):
        ids = random.choice(ROWS, n, replace=False)
        new = rows.take(pa.array(ids)).set_column(2, "price", pc.add(rows["price"].take(pa.array(ids)), 1.0))
        return lambda: table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(new)

    work = {
        "update 1 %": lambda t: lambda: t.update(where=f"id < {hundredth}", values_sql={"price": "price + 1"}),
        "update 10 %": lambda t: lambda: t.update(where=f"id < {tenth}", values_sql={"price": "price + 1"}),
        "delete 1 %": lambda t: lambda: t.delete("category = 7"),
        "delete 10 %": lambda t: lambda: t.delete("category < 10"),
        "upsert 1 %": lambda t: upsert(t, hundredth),
        "upsert 10 %": lambda t: upsert(t, tenth),
    }
    out, optimize = {}, {}
    for name, make in work.items():
        best = {"quiver": float("inf"), "lancedb": float("inf")}
        after = dict(best)
        for _ in range(3):
            for peer, module in (("quiver", quiver), ("lancedb", lancedb)):
                folder = fresh("change")
                table = module.connect(folder).create_table("t", rows)
                run, syncer = make(table), Syncer(folder)
                clock = timed if module is quiver else syncer.timed
                best[peer] = min(best[peer], clock(run))
                if name.startswith("update"):
                    after[peer] = min(after[peer], clock(table.optimize))
        out[name] = ms(best)
        if name.startswith("update"):
            optimize[f"optimize after {name}"] = ms(after)
    return {**out, **optimize}


def single_adds():
    """ADDS adds of one row, durable on both sides: the median of the first and of the last hundred."""
    one = rows.slice(0, 1)
    ours = quiver.connect(fresh("adds-q")).create_table("t", one)
    theirs = lancedb.connect(fresh("adds-l")).create_table("t", one)
    clocks = {"quiver": timed, "lancedb": Syncer(FOLDER / "adds-l").timed}
    out = {}
    peer_adds = min(ADDS, 1000)
    for name, table, n in (("quiver", ours, ADDS), ("lancedb", theirs, peer_adds)):
        times = []
        for _ in range(n):
            times.append(clocks[name](lambda: table.add(one)) * 1e3)
        out[name] = {
            "adds": n,
            "first_100_ms": float(np.median(times[:100])),
            "at_1000_ms": float(np.median(times[900:1000])),
            "last_100_ms": float(np.median(times[-100:])),
            "median_ms": float(np.median(times)),
        }
    return out


if __name__ == "__main__":
    ours, theirs = prepare()
    result = {
        "rows": ROWS,
        "filtered_reads_ms": filtered_reads(ours, theirs),
        "point_queries_ms": point_queries(ours, theirs),
        "expressions_mrows_s": expressions(10 * ROWS),
        "changes_ms": changes(),
        "single_adds": single_adds(),
    }
    for part, value in result.items():
        print(part, value)
    harness.save("tables", result)

"""Long random histories of every operation against a model in plain Python; pylance reads every 50th state.

The model is a list of rows (dicts) per version. HISTORY_SEED repeats a run, HISTORY_STEPS makes it longer.
"""

import datetime as dt
import os
import random

import lance
import pyarrow as pa
import pytest

import quiver
from quiver.index import Bitmap, BTree, LabelList, NGram, ZoneMap

STEPS = int(os.environ.get("HISTORY_STEPS", "150"))
SEEDS = [int(os.environ["HISTORY_SEED"])] if "HISTORY_SEED" in os.environ else [1, 2, 3]

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("n", pa.int32()),
        ("s", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("vector", pa.list_(pa.float32(), 2)),
    ]
)
# SQL, and the same in Python over a row; nulls are neither
CONDITIONS = [
    (lambda r, k: (f"id = {k}", lambda row: row["id"] == k)),
    (lambda r, k: (f"id between {k} and {k + 9}", lambda row: k <= row["id"] <= k + 9)),
    (lambda r, k: (f"n % 5 = {k % 5}", lambda row: row["n"] is not None and row["n"] % 5 == k % 5)),
    (lambda r, k: (f"n > {k % 100}", lambda row: row["n"] is not None and row["n"] > k % 100)),
    (lambda r, k: (f"s = 'w{k % 20}'", lambda row: row["s"] == f"w{k % 20}")),
    (lambda r, k: ("s is null", lambda row: row["s"] is None)),
    (lambda r, k: (f"contains(s, 'w{k % 20}')", lambda row: row["s"] is not None and f"w{k % 20}" in row["s"])),
    (lambda r, k: (f"array_has(tags, 't{k % 4}')", lambda row: row["tags"] is not None and f"t{k % 4}" in row["tags"])),
    (
        lambda r, k: (
            f"n < {k % 50} or s = 'w{k % 20}'",
            lambda row: (row["n"] is not None and row["n"] < k % 50) or row["s"] == f"w{k % 20}",
        )
    ),
]
INDEXES = [("id", BTree()), ("n", BTree()), ("n", ZoneMap()), ("s", Bitmap()), ("s", NGram()), ("tags", LabelList())]


class History:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.stable = seed % 2 == 0
        self.db = quiver.connect(folder)
        self.next_id = 0
        self.rows = self.fresh(60)
        options = {"new_table_enable_stable_row_ids": str(self.stable).lower(), "quiver_max_rows_per_file": "25"}
        self.t = self.db.create_table("t", self.table(self.rows), storage_options=options)
        self.states = {1: list(self.rows)}
        self.schema = SCHEMA
        self.columns = {}  # added ones: name -> type

    def fresh(self, n):
        out = []
        for _ in range(n):
            i, r = self.next_id, self.random
            self.next_id += 1
            out.append(
                {
                    "id": i,
                    "n": None if r.random() < 0.1 else r.randrange(200),
                    "s": None if r.random() < 0.1 else f"w{r.randrange(20)}",
                    "tags": None if r.random() < 0.1 else [f"t{r.randrange(4)}" for _ in range(r.randrange(3))],
                    "vector": [float(i), float(r.randrange(10))],
                }
            )
        return out

    def table(self, rows):
        return pa.Table.from_pylist(rows, schema=getattr(self, "schema", SCHEMA))

    def condition(self):
        return self.random.choice(CONDITIONS)(self.random, self.random.randrange(max(self.next_id, 1)))

    # ---- operations: each changes the table and the model in the same way

    def add(self):
        new = [{**row, **dict.fromkeys(self.columns)} for row in self.fresh(self.random.randrange(1, 15))]
        self.t.add(self.table(new))
        self.rows = self.rows + new

    def delete(self):
        where, matches = self.condition()
        count = self.t.delete(where).num_deleted_rows
        assert count == sum(map(matches, self.rows))
        self.rows = [row for row in self.rows if not matches(row)]

    def update(self):
        where, matches = self.condition()
        count = self.t.update(where=where, values_sql={"n": "n + 1", "s": "s || 'x'"}).rows_updated
        hit = [row for row in self.rows if matches(row)]
        assert count == len(hit)
        changed = [
            {**row, "n": None if row["n"] is None else row["n"] + 1, "s": None if row["s"] is None else row["s"] + "x"}
            for row in hit
        ]
        self.rows = [row for row in self.rows if not matches(row)] + changed

    def merge(self):
        known = self.random.sample([row["id"] for row in self.rows], min(4, len(self.rows)))
        new = [{**row, **dict.fromkeys(self.columns)} for row in self.fresh(3)]
        source = [{**row, "id": i} for i, row in zip(known, self.fresh(len(known)))]
        source = [{**row, **dict.fromkeys(self.columns)} for row in source] + new
        result = self.t.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(self.table(source))
        assert (result.num_updated_rows, result.num_inserted_rows) == (len(known), 3)
        self.rows = [row for row in self.rows if row["id"] not in known] + source

    def add_column(self):
        name = f"c{self.t.version}"
        self.t.add_columns({name: "id * 3"})
        self.columns[name] = pa.int64()
        self.rows = [{**row, name: row["id"] * 3} for row in self.rows]

    def drop_column(self):
        if self.columns:
            name = self.random.choice(sorted(self.columns))
            self.t.drop_columns([name])
            del self.columns[name]
            self.rows = [{k: v for k, v in row.items() if k != name} for row in self.rows]

    def rename_column(self):
        if self.columns:
            name = self.random.choice(sorted(self.columns))
            new = f"r{self.t.version}"
            self.t.alter_columns({"path": name, "rename": new})
            self.columns = {new if k == name else k: v for k, v in self.columns.items()}
            self.rows = [{new if k == name else k: v for k, v in row.items()} for row in self.rows]

    def create_index(self):
        column, config = self.random.choice(INDEXES)
        self.t.create_index(column, config=config, name=f"{column}_{type(config).__name__}")

    def drop_index(self):
        known = self.t.list_indices()
        if known:
            self.t.drop_index(self.random.choice(known).name)

    def optimize_indices(self):
        self.t._inner.optimize_indices(None, self.random.choice([-1, 0, 1]), False)

    def compact(self):
        self.t.compact_files(target_rows_per_fragment=self.random.choice([40, 1000]))

    def restore(self):
        version = self.random.choice(sorted(self.states))
        self.t.restore(version)
        self.rows = list(self.states[version])
        names = self.t.schema.names[5:]
        self.columns = {name: pa.int64() for name in names}

    def clean_up(self):
        self.t.cleanup_old_versions(dt.timedelta(0))
        self.states = {}

    def reopen(self):
        self.t = self.db.open_table("t")

    def travel(self):
        version = self.random.choice(sorted(self.states))
        self.t.checkout(version)
        assert self.found() == self.by_id(self.states[version])
        self.t.checkout_latest()

    def step(self):
        kinds = [self.add] * 5 + [self.delete, self.update, self.merge] * 3
        kinds += [self.add_column, self.drop_column, self.rename_column, self.create_index, self.create_index]
        kinds += [self.drop_index, self.optimize_indices, self.compact, self.compact, self.reopen, self.clean_up]
        if self.states:
            kinds += [self.restore, self.travel, self.travel]
        kind = self.random.choice(kinds)
        kind()
        self.schema = pa.schema(list(SCHEMA) + [pa.field(name, kind) for name, kind in self.columns.items()])
        self.states[self.t.version] = list(self.rows)
        return kind.__name__

    # ---- comparing

    @staticmethod
    def by_id(rows):
        return sorted(rows, key=lambda row: row["id"])

    def found(self):
        return self.by_id(self.t.to_arrow().to_pylist())

    def check(self):
        assert self.found() == self.by_id(self.rows)
        assert len(self.t) == len(self.rows)
        where, matches = self.condition()
        expected = sorted(row["id"] for row in self.rows if matches(row))
        assert sorted(row["id"] for row in self.t.search().where(where).select(["id"]).to_list()) == expected, where
        assert self.t.count_rows(where) == len(expected), where
        near = self.t.search([50.0, 5.0]).where(where).limit(3).to_list()
        distance = lambda row: (row["vector"][0] - 50.0) ** 2 + (row["vector"][1] - 5.0) ** 2  # noqa: E731
        best = sorted(distance(row) for row in self.rows if matches(row))[:3]
        assert [row["_distance"] for row in near] == pytest.approx(best), where

    def check_by_pylance(self):
        dataset = lance.dataset(self.t.uri)
        dataset.validate()
        assert dataset.version == self.t.version
        assert self.by_id(dataset.to_table().to_pylist()) == self.by_id(self.rows)
        ours = self.t.search().with_row_id(True).select(["id"]).to_arrow()
        assert ours.equals(dataset.to_table(columns=["id"], with_row_id=True))
        where, matches = self.condition()
        expected = sorted(row["id"] for row in self.rows if matches(row))
        assert sorted(dataset.to_table(columns=["id"], filter=where)["id"].to_pylist()) == expected, where


@pytest.mark.parametrize("seed", SEEDS)
def test_histories(tmp_path, seed):
    history, done = History(tmp_path / "db", seed), []
    for step in range(1, STEPS + 1):
        try:
            done.append(history.step())
            history.check()
            if step % 50 == 0:
                history.check_by_pylance()
        except Exception as error:
            raise AssertionError(f"seed {seed}, step {step}, after {done[-12:]}") from error
    assert quiver.connect(tmp_path / "db")["t"]._inner.verify()[3] == []

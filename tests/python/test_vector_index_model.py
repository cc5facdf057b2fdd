"""Random changes of a table with a vector index: with all lists probed, the index answers what an exact search does."""

import importlib
import os
import time

import numpy as np
import pyarrow as pa
import pytest

pytestmark = pytest.mark.ours_only

DIM, LISTS = 16, 6


def rows_of(rng, ids):
    vectors = rng.standard_normal((len(ids), DIM)).astype(np.float32)
    nulls = rng.random(len(ids)) < 0.05
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "cat": pa.array(rng.integers(0, 9, len(ids)), pa.int64()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM, mask=pa.array(nulls)),
    })


class World:
    def __init__(self, db, rng, kind, metric, stable):
        self.rng, self.kind, self.metric, self.next_id = rng, kind, metric, 400
        options = {"new_table_enable_stable_row_ids": "true"} if stable else {}
        self.table = db.create_table("t", rows_of(rng, range(400)), on_bad_vectors="null", storage_options=options)

    def some(self, n):
        return int(self.rng.integers(0, n))

    def append(self):
        n = 1 + self.some(150)
        self.table.add(rows_of(self.rng, range(self.next_id, self.next_id + n)), on_bad_vectors="null")
        self.next_id += n

    def delete(self):
        self.table.delete(f"id % {3 + self.some(12)} = {self.some(3)}")

    def delete_a_stretch(self):
        first = self.some(self.next_id)
        self.table.delete(f"id >= {first} and id < {first + self.some(100)}")

    def move(self):
        """Some rows get another vector."""
        vector = [float(x) for x in self.rng.standard_normal(DIM)]
        self.table.update(where=f"id % 40 = {self.some(40)}", values={"vector": vector})

    def touch(self):
        self.table.update(where=f"cat = {self.some(9)}", values={"cat": self.some(9)})

    def merge(self):
        ids = sorted({self.some(self.next_id) for _ in range(30)})
        rows = rows_of(self.rng, ids)
        self.table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows, on_bad_vectors="null")

    def optimize(self):
        self.table.optimize()

    def create(self):
        index = importlib.import_module("quiver.index")
        config = getattr(index, self.kind)(distance_type=self.metric, num_partitions=LISTS)
        self.table.create_index("vector", config=config, replace=True)

    def drop(self):
        for entry in self.table.list_indices():
            self.table.drop_index(entry.name)

    def go_back(self):
        if self.table.version > 2:
            self.table.restore(self.table.version - 1)

    def step(self):
        steps = [self.append, self.append, self.delete, self.delete_a_stretch, self.move, self.touch, self.merge,
                 self.optimize, self.optimize, self.create, self.drop, self.go_back]
        chosen = steps[self.some(len(steps))]
        if chosen == self.create and len(self.table) < 100:
            chosen = self.append
        chosen()
        return chosen.__name__

    def search(self, query, k, condition, exactly):
        builder = self.table.search(query).distance_type(self.metric).limit(k).select(["id", "_distance"])
        if condition:
            builder = builder.where(condition)
        builder = builder.bypass_vector_index() if exactly else builder.nprobes(LISTS)
        found = builder.to_arrow()
        return found["id"].to_pylist(), found["_distance"].to_pylist()

    def check(self, history):
        shared = total = 0
        for _ in range(4):
            query = self.rng.standard_normal(DIM).astype(np.float32)
            k = 1 + self.some(25)
            condition = [None, None, "cat < 4", f"id < {self.some(self.next_id)}", "cat = 77"][self.some(5)]
            ids, found = self.search(query, k, condition, False)
            best, distances = self.search(query, k, condition, True)
            assert len(ids) == len(best), (history, condition)
            assert len(set(ids)) == len(ids) and found == sorted(found), history
            true = dict(zip(best, distances))
            assert all(true.get(i, d) == d for i, d in zip(ids, found)), history
            if self.kind == "IvfFlat":
                assert ids == best, (history, condition, k)
            shared, total = shared + len(set(ids) & set(best)), total + len(best)
        return shared, total


@pytest.mark.parametrize("stable", [False, True], ids=["addresses", "row ids"])
@pytest.mark.parametrize("kind", ["IvfFlat", "IvfSq", "IvfPq", "IvfRq", "HnswSq"])
def test_any_changes(db, kind, stable):
    seed = int(os.environ.get("QVT_SEED", time.time_ns()))
    print(f"QVT_SEED={seed}")
    rng = np.random.default_rng(seed)
    world = World(db, rng, kind, ["l2", "cosine", "dot"][int(rng.integers(0, 3))], stable)
    world.create()
    history, shared, total = [], 0, 0
    for _ in range(25):
        history.append(world.step())
        got = world.check(history)
        shared, total = shared + got[0], total + got[1]
    assert shared >= 0.9 * total, (history, shared, total)

"""Damaged files of a vector index: searches stay right, and an index made again is whole."""

import numpy as np
import pyarrow as pa
import pytest

from conftest import folder_of

N, DIM, K = 1000, 8, 10
VECTORS = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)


pytestmark = pytest.mark.ours_only  # the peer's searches fail


@pytest.fixture
def t(db_module, db):
    values = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), DIM)
    table = db.create_table("t", pa.table({"id": pa.array(range(N)), "vector": values}))
    table.create_index("vector", config=db_module.index.IvfPq(num_partitions=4))
    return table


def nearest(table, query):
    rows = table.search(query).nprobes(4).refine_factor(N // K).limit(K).to_list()
    return [row["id"] for row in rows]


def truth(query):
    return np.argsort(((VECTORS - query) ** 2).sum(1), kind="stable")[:K].tolist()


@pytest.mark.parametrize("name", ["index.idx", "auxiliary.idx"])
@pytest.mark.parametrize("damage", ["missing", "halved", "empty"])
def test_searches_stay_right(db_module, db, t, name, damage):
    path = next((folder_of(db) / "t.lance" / "_indices").glob(f"*/{name}"))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else path.stat().st_size // 2])
    again = db_module.connect(db.uri).open_table("t")
    for query in VECTORS[::250]:
        assert nearest(again, query) == truth(query)
    assert "ANNSubIndex" not in again.search(VECTORS[0]).nprobes(4).explain_plan()
    again.create_index("vector", config=db_module.index.IvfPq(num_partitions=4))
    assert "ANNSubIndex" in again.search(VECTORS[0]).nprobes(4).explain_plan()
    assert nearest(again, VECTORS[0]) == truth(VECTORS[0])

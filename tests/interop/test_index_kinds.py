"""Label lists, n-grams, zone maps, Bloom filters and JSON indices that Quiver makes: pylance answers from them, extends and moves them."""

import json

import numpy as np
import pyarrow as pa
import pytest
from layouts import BLOOMFILTER, JSON, LABEL_LIST, NGRAM, ZONEMAP, answers, create_index

lance = pytest.importorskip("lance")

WORDS = ["Quick", "brown", "caf\u00e9", "Stra\u00dfe", "\ufb01ne", "\u65e5\u672c", "x1y2", "\u00e9t\u00e9", "FOX", "\u2c7d\u2c7d\u2c7d"]


def make_rows(rng, n, first=0):
    lists = [None if i % 11 == 0 else [f"t{k}" for k in rng.integers(0, 9, rng.integers(0, 4))] + [None] * (i % 7 == 0) for i in range(n)]
    return pa.table({
        "id": pa.array(range(first, first + n)),
        "tags": pa.array(lists, pa.list_(pa.string())),
        "text": [None if i % 13 == 0 else " ".join(rng.choice(WORDS, 4)) for i in range(n)],
        "val": pa.array([None if i % 17 == 0 else float("nan") if i % 19 == 0 else float(i // 50) for i in range(n)]),
        "b": pa.array([None if i % 17 == 0 else int(x) for i, x in enumerate(rng.integers(0, 1000, n))]),
        "d": pa.array([i // 100 for i in range(n)], pa.date32()),
        "s": [f"k{i // 30}" for i in range(n)],
        "j": pa.array([None if i % 11 == 0 else json.dumps({"a": i % 50}) for i in range(n)], pa.json_()),
    })


CONDITIONS = [
    "array_has(tags, 't3')", "array_has_all(tags, ['t1','t2'])", "not array_has_any(tags, ['t1','t5'])",
    "contains(text, 'Quick')", "contains(text, 'caf\u00e9')", "contains(text, '\u00dfe \ufb01')", "contains(text, '\u2c7d\u2c7d\u2c7d')",
    "text like '%own ca%'", "val = 7", "val > 38", "val between 5 and 9", "val is null", "val is not null", "val < 1",
    "d = date '1970-01-10'", "s = 'k100'", "s >= 'k99'", "b = 77", "b in (1, 2, 5)", "b is null",
]


def check(path, must_use):
    dataset = lance.dataset(path)
    for condition in CONDITIONS:
        assert answers(dataset, condition, True) == answers(dataset, condition, False), condition
        plan = dataset.scanner(columns=["id"], filter=condition).explain_plan()
        assert "ScalarIndexQuery" in plan or not must_use, condition


@pytest.mark.parametrize("version", ["2.2", "2.1", "2.0"])
@pytest.mark.parametrize("stable", [False, True])
def test_pylance_uses_them(tmp_path, version, stable):
    rng = np.random.default_rng(1)
    path = str(tmp_path / "t.lance")
    dataset = lance.write_dataset(make_rows(rng, 6000), path, max_rows_per_file=2500, enable_stable_row_ids=stable, data_storage_version=version)
    dataset.delete("id % 10 = 3")
    create_index(path, "tags", LABEL_LIST, "tags_idx")
    create_index(path, "text", NGRAM, "text_idx")
    for column in ("val", "d", "s"):
        create_index(path, column, ZONEMAP, f"{column}_a", rows_per_zone=500)  # of several, pylance looks at the first
    for column in ("b", "s"):
        create_index(path, column, BLOOMFILTER, f"{column}_b", rows_per_zone=500)
    if not stable:
        create_index(path, "j", JSON, "j_idx", json_path="$.a")
        wanted = sum(i % 50 == 7 and i % 11 != 0 and i % 10 != 3 for i in range(6000))
        assert len(answers(lance.dataset(path), "json_get_int(j, '$.a') = 7", True)) == wanted
    check(path, True)
    dataset = lance.write_dataset(make_rows(rng, 1500, 6000), path, mode="append", max_rows_per_file=400)
    dataset.optimize.optimize_indices()
    check(path, True)
    lance.dataset(path).optimize.compact_files()
    check(path, False)

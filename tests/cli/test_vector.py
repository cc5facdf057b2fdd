"""Vector search, vector indexes and the bench on the command line."""

import xml.etree.ElementTree as ElementTree

import pytest
from test_cli import lines, points, run  # noqa: F401  (points is a fixture)
from test_cli import db  # noqa: F401


def test_settings_of_a_search(points):
    plain = lines(run("search", points, "--row", 3, "--json"))
    for settings in (
        ["--nprobes", 5],
        ["--nprobes", 5, "--max-nprobes", 50],
        ["--ef", 50],
        ["--refine", 5],
        ["--refine", 0],
        ["--approx", "fast"],
        ["--exact"],
        ["--fast-search"],
    ):
        assert lines(run("search", points, "--row", 3, "--json", *settings)) == plain
    assert "min_probes is 30, more than max_probes" in run(
        "search", points, "--row", 3, "--nprobes", 30, "--max-nprobes", 10, code=4
    ).stderr
    assert '--approx is "best", not normal, fast or accurate' in run(
        "search", points, "--row", 3, "--approx", "best", code=2
    ).stderr
    assert "not a number" in run("search", points, "--row", 3, "--nprobes", "many", code=2).stderr
    assert "not a number" in run("search", points, "--row", 3, "--refine", 2**32, code=2).stderr


def test_refused_indexes(points):
    for settings, words in (
        (["--kind", "ivf_pq", "--bits", 3], "num_bits of IVF_PQ is 4 or 8, not 3"),
        (["--kind", "ivf_rq"], "IVF_RQ needs a dimension that is divisible by 8, not 2"),
        (["--kind", "ivf_hnsw_sq", "--neighbours", 2], "hnsw_m is 2, and must be at least 4"),
        (["--kind", "ivf_sq", "--sub-vectors", 2], "num_sub_vectors is for kinds with product quantization, not IVF_SQ"),
        (["--kind", "ivf_pq", "--metric", "hamming"], "hamming"),
        (["--kind", "btree", "--partitions", 2], "num_partitions is 2, but the index is not of a kind for vectors"),
    ):
        assert words in run("index", points, "create", "vector", *settings, code=4).stderr
    run("index", points, "create", "vector", "--kind", "ivf", code=2)
    run("index", points, "create", "vector", "--kind", "ivf_pq", "--metric", "far", code=2)
    assert run("index", points).stdout == ""


def test_bench_without_an_index(points, tmp_path):
    (told,) = lines(run("bench", points, "--queries", 20, "-k", 3, "--json"))
    assert (told["search"], told["recall"], told["queries"], told["k"], told["rows"]) == ("exact", 1.0, 20, 3, 100)
    assert told["queries_per_second"] > 0 and told["p99_ms"] >= told["median_ms"] > 0 and told["index"] is None
    text = run("bench", points, "--queries", 1000).stdout
    assert "100 rows, vector[2]" in text and "100 rows of the table searched for" in text  # no row twice
    picture = tmp_path / "bench.svg"
    run("bench", points, "--plot", picture)
    labels = [one.text for one in ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"exact", "recall", "searches per second"} <= set(labels)


def test_bench_refuses(points, tmp_path):
    run("bench", code=2)
    run("bench", points, "-k", 0, code=2)
    assert 'no column "name" with vectors' in run("bench", points, "--column", "name", code=3).stderr
    assert 'no index "none" over "vector"' in run("bench", points, "--index", "none", code=3).stderr
    run("bench", points, "--plot", tmp_path / "no" / "folder.svg", code=5)
    run("bench", tmp_path / "nothing", code=3)
    run("bench", points, "--queries", 10**6, code=2)


@pytest.mark.parametrize("kind, dtype", [("f2", "float16"), ("f8", "float64"), ("i1", "int8"), ("u1", "uint8")])
def test_bench_draws_any_elements(tmp_path, kind, dtype):
    import numpy as np

    path = tmp_path / "v.npy"
    np.save(path, np.random.default_rng(1).integers(0, 100, (50, 8)).astype(kind))
    run("import", tmp_path / "db" / "t", path)
    (told,) = lines(run("bench", tmp_path / "db" / "t", "--json"))
    assert told["recall"] == 1.0 and told["queries"] == 50

"""Vector search, vector indexes and the bench on the command line."""

import xml.etree.ElementTree as ElementTree

import numpy as np
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


@pytest.fixture
def many(tmp_path):
    """3,000 rows around thirty centres."""
    rng = np.random.default_rng(1)
    vectors = (rng.normal(size=(30, 16)) * 5)[rng.integers(0, 30, 3000)] + rng.normal(size=(3000, 16))
    np.save(tmp_path / "v.npy", vectors.astype("float32"))
    run("import", tmp_path / "db" / "many", tmp_path / "v.npy")
    return tmp_path / "db" / "many"


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_pq", "ivf_hnsw_sq"])
def test_made_searched_measured_dropped(many, kind, tmp_path):
    run("index", many, "create", "vector", "--kind", kind, "--partitions", 8, "--metric", "cosine", "--seed", 7)
    (told,) = lines(run("index", many, "--json"))
    assert (told["name"], told["num_indexed_rows"]) == ("vector_idx", 3000)
    stats = lines(run("index", many, "stats", "vector_idx", "--json"))[0]
    assert stats["index_type"] == kind.upper() and stats["indices"][0]["num_partitions"] == 8
    exact = lines(run("search", many, "--row", 5, "--metric", "cosine", "--exact", "--columns", "id", "--json"))
    found = lines(run("search", many, "--row", 5, "--metric", "cosine", "--columns", "id", "--json"))
    assert found[0] == exact[0] and len(found) == 10
    assert "vector_idx" in run("explain", many, "--row", 5, "--metric", "cosine").stdout
    picture = tmp_path / "bench.svg"
    points = lines(run("bench", many, "--metric", "cosine", "--queries", 30, "--json", "--plot", picture))
    assert [one["search"] for one in points[:2]] == ["exact", "chosen"] and points[0]["recall"] == 1.0
    assert points[1]["recall"] >= 0.9 and points[-1]["recall"] >= 0.95
    assert points[2]["search"] == ("ef 11" if "hnsw" in kind else "nprobes 1")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    text = run("bench", many, "--metric", "cosine", "--queries", 10, "--nprobes", 2, "--where", "id < 2000").stdout
    assert "as asked" in text and "recall" in text and f"index vector_idx ({kind.upper()}, 8 partitions)" in text
    run("index", many, "drop", "vector_idx")
    assert len(lines(run("bench", many, "--json", "--queries", 5))) == 1


def test_chosen_and_untrained(many):
    run("index", many, "create", "vector")  # neither kind nor settings
    assert lines(run("index", many, "--json"))[0]["index_type"].startswith("Ivf")
    run("index", many, "create", "vector", "--kind", "ivf_sq", "--no-train", "--name", "later")
    known = {one["name"]: one for one in lines(run("index", many, "--json"))}
    assert known["later"]["num_indexed_rows"] == 0
    run("optimize", many)
    known = {one["name"]: one for one in lines(run("index", many, "--json"))}
    assert known["later"]["num_indexed_rows"] == 3000
    assert lines(run("search", many, "--row", 9, "-k", 1, "--index", "later", "--json"))[0]["id"] == 9


def test_two_stages(many):
    exact = lines(run("search", many, "--row", 5, "--json"))
    assert lines(run("search", many, "--row", 5, "--prefix-dims", 8, "--stage-factor", 300, "--json")) == exact
    assert lines(run("search", many, "--row", 5, "--binary", "--stage-factor", 300, "--json")) == exact

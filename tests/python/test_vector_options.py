"""How a vector index is asked for and asked: what is refused before anything is built or read, in which words."""

import importlib
import warnings

import pytest


@pytest.fixture
def index(db_module):
    return importlib.import_module(db_module.__name__ + ".index")


@pytest.fixture
def t(db):
    rows = [{"id": i, "cat": f"c{i % 7}", "vector": [float(i % 13), float(i % 7), 1.0, 0.0] * 2} for i in range(100)]
    return db.create_table("t", rows)


# ---------------------------------------------------------------- making


def test_configs_have_the_known_fields(index):
    common = {"distance_type": "l2", "num_partitions": None, "max_iterations": 50, "sample_rate": 256}
    common["target_partition_size"] = None
    graph = {"m": 20, "ef_construction": 300}
    gpu = {"accelerator": None}
    codes = {"num_sub_vectors": None, "num_bits": 8}
    expected = {
        "IvfFlat": {**common, **gpu},
        "IvfSq": {**common, **gpu},
        "IvfPq": {**common, **gpu, **codes},
        "IvfRq": {**common, **gpu, "num_bits": 1},
        "HnswPq": {**common, **gpu, **codes, **graph},
        "HnswSq": {**common, **gpu, **graph},
        "HnswFlat": {**common, **graph},
    }
    for name, fields in expected.items():
        assert vars(getattr(index, name)()) == fields
    assert index.IvfHnswSq is index.HnswSq and index.IvfHnswPq is index.HnswPq and index.IvfHnswFlat is index.HnswFlat


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda index: index.IvfFlat(distance_type="zz"), ValueError, "Invalid distance type 'zz'.  Must be one of l2"),
        (lambda index: index.IvfPq(num_bits=3), RuntimeError, "ProductQuantization: num_bits 3 not supported"),
        (lambda index: index.IvfRq(num_bits=10), ValueError, "num_bits"),
        (lambda index: index.HnswSq(m=2), ValueError, "at least 4"),
        (lambda index: index.HnswSq(m=16, ef_construction=15), ValueError, "ef_construction"),
        (lambda index: index.IvfFlat(num_partitions=-1), TypeError, "failed to extract field"),
        (lambda index: index.IvfFlat(num_partitions="four"), TypeError, "failed to extract field"),
    ],
    ids=["metric", "pq bits", "rq bits", "m", "ef", "negative", "text"],
)
def test_refused_settings(t, index, make, error, words):
    with pytest.raises(error, match=words.replace(".", r"\.")):
        t.create_index("vector", config=make(index))
    assert t.version == 1 and t.list_indices() == []


@pytest.mark.parametrize(
    "first, keywords",
    [
        (["l2"], {}),
        (["Cosine"], {}),
        (["vector"], {"num_partitions": 2}),
        (["vector"], {"num_sub_vectors": 2}),
        ([], {"vector_column_name": "nope"}),
        ([], {"index_type": "ZZ"}),
        ([], {"metric": "zz", "num_partitions": 2}),
    ],
)
def test_the_older_form_warns(t, first, keywords):
    """It fails here, or builds; that it warns comes first."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        try:
            t.create_index(*first, **keywords)
        except ValueError:
            pass


def test_the_older_form_refuses(t):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="Unknown index type ZZ"):
            t.create_index(index_type="ZZ")
        with pytest.raises(ValueError, match="Invalid distance type 'vector'"):
            t.create_index("vector", num_partitions=2)
        with pytest.raises(ValueError, match="Invalid distance type 'zz'"):
            t.create_index(metric="zz", num_partitions=2)
        with pytest.raises(ValueError, match="Field path `nope` not found in schema"):
            t.create_index(vector_column_name="nope")


# ---------------------------------------------------------------- asking


def search(t):
    return t.search([1.0, 1.0, 1.0, 0.0] * 2).limit(3)


def test_settings_of_a_search(t):
    """Without an index they change nothing."""
    plain = search(t).to_list()
    assert search(t).nprobes(0).nprobes(5).ef(0).ef(50).refine_factor(5).to_list() == plain
    assert search(t).maximum_nprobes(50).minimum_nprobes(30).to_list() == plain
    assert search(t).minimum_nprobes(5).maximum_nprobes(0).to_list() == plain
    assert search(t).bypass_vector_index().to_list() == plain
    assert search(t).refine_factor(0).to_list() == plain


@pytest.mark.parametrize(
    "ask, error, words",
    [
        (lambda q: q.minimum_nprobes(0), ValueError, "minimum_nprobes must be greater than 0"),
        (lambda q: q.minimum_nprobes(30).maximum_nprobes(10), ValueError, "minimum_nprobes"),
        (lambda q: q.maximum_nprobes(10).minimum_nprobes(30), ValueError, "nprobes must be"),
        (lambda q: q.nprobes(-1), OverflowError, "out of range integral type conversion attempted"),
        (lambda q: q.ef(-1), OverflowError, "out of range integral type conversion attempted"),
        (lambda q: q.refine_factor(-1), OverflowError, "out of range integral type conversion attempted"),
        (lambda q: q.nprobes("many"), ValueError, "valid integer"),
    ],
    ids=["zero", "min above max", "max below min", "nprobes", "ef", "refine", "text"],
)
def test_refused_questions(t, ask, error, words):
    with pytest.raises(error, match=words):
        ask(search(t)).to_list()


def test_query_object(t):
    query = search(t).nprobes(3).refine_factor(2).ef(9).bypass_vector_index().to_query_object()
    assert (query.minimum_nprobes, query.maximum_nprobes, query.refine_factor, query.ef) == (3, 3, 2, 9)
    assert query.bypass_vector_index is True
    plain = t.search([1.0, 1.0, 1.0, 0.0] * 2).to_query_object()
    assert (plain.minimum_nprobes, plain.maximum_nprobes, plain.refine_factor, plain.ef) == (None, None, None, None)


@pytest.mark.ours_only
def test_our_own_settings(t):
    plain = search(t).to_list()
    for mode in ("normal", "fast", "accurate"):
        assert search(t).approx_mode(mode).to_list() == plain
    with pytest.raises(ValueError, match="Invalid approx_mode 'best': must be one of normal, fast, accurate"):
        search(t).approx_mode("best")


@pytest.mark.ours_only
def test_two_stages(t):
    """With candidates enough for all rows the answer is the exact one."""
    plain = search(t).to_list()
    assert search(t).first_stage(prefix_dims=4, factor=50).to_list() == plain
    assert search(t).first_stage(binary=True, factor=50).to_list() == plain
    assert len(search(t).first_stage(prefix_dims=4).to_list()) == 3
    with pytest.raises(ValueError, match="prefix_dims"):
        search(t).first_stage(prefix_dims=9).to_list()
    with pytest.raises(ValueError, match="prefix_dims, binary=True or both"):
        search(t).first_stage(factor=4)


def test_one_call_gives_what_arrow_gives(db):
    """to_list of a search goes straight from the engine to dicts; the rows are those of to_arrow."""
    import pyarrow as pa

    rows = pa.table(
        {
            "id": pa.array(range(20), pa.int32()),
            "name": [None if i % 3 == 0 else f"n{i}" for i in range(20)],
            "when": pa.array(range(20), pa.timestamp("ms")),
            "nested": [{"a": i, "b": [i, None]} for i in range(20)],
            "vector": pa.array([[float(i), 1.0] for i in range(20)], pa.list_(pa.float32(), 2)),
        }
    )
    t = db.create_table("t", rows)
    for query in (
        t.search([3.0, 1.0]),
        t.search([3.0, 1.0]).limit(4).with_row_id(True),
        t.search([3.0, 1.0]).select(["_distance", "name"]),
        t.search([3.0, 1.0]).where("id < 0"),
        t.search([3.0, 1.0]).limit(3).offset(2).where("id > 3", prefilter=False),
        t.search([[3.0, 1.0], [9.0, 0.0]]).limit(2),
    ):
        assert query.to_list() == query.to_arrow().to_pylist()

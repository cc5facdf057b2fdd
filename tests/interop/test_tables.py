"""Tables that both sides change: appends by turns, deletions, schema changes, compaction, row ids, tags; sliced batches."""

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from values import column

VERSIONS = ["2.0", "2.1", "2.2"]


def points(start, rows):
    ids = np.arange(start, start + rows)
    vectors = np.stack([ids, ids % 7], axis=1).astype(np.float32)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "s": pa.array([None if i % 5 == 0 else f"word {i}" for i in ids]),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 2),
        }
    )


def ids(rows):
    return [row["id"] for row in rows]


@pytest.mark.parametrize("version", VERSIONS)
def test_append_by_turns(db, version):
    t = db.create_table("t", points(0, 10), storage_options={"new_table_data_storage_version": version})
    at = 10
    for turn in range(6):
        if turn % 2:
            t.add(points(at, 10 + turn))
        else:
            lance.write_dataset(points(at, 10 + turn), t.uri, mode="append")
            t.checkout_latest()
        at += 10 + turn
    expected = points(0, at)
    assert t.version == 7
    assert t.to_arrow().equals(expected)
    dataset = lance.dataset(t.uri)
    dataset.validate()
    assert dataset.to_table().equals(expected)
    assert dataset.version == 7
    assert ids(t.search([20.0, 6.0]).limit(1).to_list()) == [20]


def test_pylance_creates_we_append(db, tmp_path):
    lance.write_dataset(points(0, 10), str(tmp_path / "db" / "t.lance"))
    t = db["t"]
    t.add(points(10, 10))
    t.add([{"id": 20, "vector": [20.0, 6.0]}])
    dataset = lance.dataset(t.uri)
    assert dataset.count_rows() == len(t) == 21
    assert dataset.to_table().equals(t.to_arrow())
    assert t.to_arrow()["s"].to_pylist()[-1] is None


@pytest.mark.parametrize("stable", [False, True])
def test_deletions(db, tmp_path, stable):
    dataset = lance.write_dataset(points(0, 3000), str(tmp_path / "db" / "t.lance"), max_rows_per_file=1000, enable_stable_row_ids=stable)
    dataset.delete("id % 3 = 0")
    dataset.delete("id between 1000 and 1500")
    t = db["t"]
    expected = dataset.to_table()
    assert len(t) == expected.num_rows
    assert t.to_arrow().equals(expected)
    with_ids = t.search().with_row_id(True).to_arrow()
    assert with_ids.equals(dataset.to_table(with_row_id=True))
    some = with_ids["_rowid"].to_pylist()[::100]
    assert t.take_row_ids(some).to_arrow()["id"].to_pylist() == expected["id"].to_pylist()[::100]
    assert t.take_offsets([0, 700, 5]).to_arrow()["id"].to_pylist() == expected.take([0, 5, 700])["id"].to_pylist()
    assert ids(t.search([9.0, 2.0]).limit(2).to_list()) == ids(
        dataset.to_table(nearest={"column": "vector", "q": [9.0, 2.0], "k": 2}).to_pylist()
    )
    assert ids(t.search().offset(10).limit(3).to_list()) == expected["id"].to_pylist()[10:13]


def test_compaction_and_versions(db, tmp_path):
    uri = str(tmp_path / "db" / "t.lance")
    for i in range(5):
        lance.write_dataset(points(10 * i, 10), uri, mode="append" if i else "create")
    dataset = lance.dataset(uri)
    dataset.delete("id = 7")
    dataset.optimize.compact_files()
    t = db["t"]
    assert t.to_arrow().sort_by("id").equals(lance.dataset(uri).to_table().sort_by("id"))
    assert [v["version"] for v in t.list_versions()] == [v["version"] for v in lance.dataset(uri).versions()]
    for version in range(1, 6):
        assert len(db.open_table("t", version=version)) == 10 * version
    t.add(points(100, 5))
    assert lance.dataset(uri).count_rows() == 54


def test_schema_changes(db, tmp_path):
    uri = str(tmp_path / "db" / "t.lance")
    dataset = lance.write_dataset(points(0, 50), uri)
    dataset.add_columns({"double": "id * 2"})
    dataset.alter_columns({"path": "s", "name": "text"})
    dataset.drop_columns(["vector"])
    t = db["t"]
    assert t.schema.names == ["id", "text", "double"]
    assert t.to_arrow().equals(lance.dataset(uri).to_table())
    t.add([{"id": 99, "double": 198}])
    assert lance.dataset(uri).to_table().to_pylist()[-1] == {"id": 99, "text": None, "double": 198}
    lance.dataset(uri).add_columns(pa.field("later", pa.string()))
    t.checkout_latest()
    assert t.to_arrow()["later"].null_count == 51


def test_updates_and_merges(db, tmp_path):
    uri = str(tmp_path / "db" / "t.lance")
    dataset = lance.write_dataset(points(0, 50), uri)
    dataset.update({"s": "'changed'"}, where="id < 10")
    dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(points(45, 10))
    t = db["t"]
    assert t.to_arrow().equals(lance.dataset(uri).to_table())
    assert len(t) == 55


def test_tags_and_indexes_are_left_alone(db, tmp_path):
    uri = str(tmp_path / "db" / "t.lance")
    dataset = lance.write_dataset(points(0, 500), uri)
    dataset.create_scalar_index("id", "BTREE")
    dataset.tags.create("old", 1)
    t = db["t"]
    assert t.tags.list()["old"]["version"] == 1
    t.add(points(500, 10))
    after = lance.dataset(uri)
    assert [index["name"] for index in after.list_indices()] == ["id_idx"]
    assert after.to_table(filter="id = 505").num_rows == 1
    assert after.to_table(filter="id = 5").num_rows == 1
    t.checkout("old")
    assert len(t) == 500


@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
@pytest.mark.parametrize("item", [pa.float16(), pa.float32(), pa.float64()], ids=str)
def test_searches_agree(db, metric, item):
    generator = np.random.default_rng(5)
    vectors = generator.standard_normal((2000, 24)).astype(item.to_pandas_dtype())
    data = pa.table({"id": range(2000), "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), item), 24)})
    t = db.create_table("t", data)
    query = generator.standard_normal(24).astype(item.to_pandas_dtype())
    ours = t.search(query).distance_type(metric).limit(20).to_arrow()
    peer = lance.dataset(t.uri).to_table(nearest={"column": "vector", "q": query, "k": 20, "metric": metric})
    tolerance = 2e-2 if item == pa.float16() else 1e-4
    np.testing.assert_allclose(ours["_distance"].to_numpy(), peer["_distance"].to_numpy(), rtol=tolerance, atol=tolerance)
    if item != pa.float16():
        assert ours["id"].to_pylist() == peer["id"].to_pylist()


# ---------------------------------------------------------------- batches as they come

NAMES = ("int64", "bool", "string", "vector_f32", "list_string", "list_list", "deep", "list_struct", "dictionary", "decimal128")


@pytest.mark.parametrize("version", VERSIONS)
def test_sliced_batches(db, tmp_path, version):
    """Offsets at every level: slices of a batch, of its children, and of structs inside structs."""
    names = [n for n in NAMES if version != "2.0" or n not in ("deep", "list_struct")]  # 2.0 has no null structs
    whole = pa.table({n: column(n, 4000, "some") for n in names}).append_column("id", pa.array(range(4000)))
    batch = whole.combine_chunks().to_batches()[0]
    cuts = [(0, 1), (1, 7), (8, 9), (17, 1000), (1017, 1), (1018, 2982)]
    stream = pa.RecordBatchReader.from_batches(batch.schema, (batch.slice(start, n) for start, n in cuts))
    t = db.create_table("t", stream, storage_options={"new_table_data_storage_version": version})
    expected = lance.write_dataset(whole, str(tmp_path / "peer.lance"), data_storage_version=version).to_table()
    assert t.to_arrow().to_pylist() == expected.to_pylist()
    assert lance.dataset(t.uri).to_table().to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("start, n", [(0, 500), (3, 497), (499, 1), (100, 0)])
def test_children_with_offsets(db, start, n):
    child = column("deep", 1000, "some").slice(250, 500)
    values = column("string", 1000, "some").slice(3, 500)
    nested = pa.StructArray.from_arrays([child, values, pa.array(range(500))], names=["child", "values", "id"])
    lists = pa.ListArray.from_arrays(pa.array(range(0, 501, 1), pa.int32()), nested)
    data = pa.table({"nested": nested, "lists": lists}).slice(start, n)
    t = db.create_table("t", data)
    assert t.to_arrow().to_pylist() == data.to_pylist()
    assert lance.dataset(t.uri).to_table().to_pylist() == data.to_pylist()


def test_stream_of_nested_structs_keeps_each_row(db):
    def batches():
        for i in range(40):
            rows = [{"id": 100 * i + j, "st": None if j % 11 == 0 else {"a": 100 * i + j, "b": {"c": str(j), "d": [i] * (j % 4)}}} for j in range(100)]
            yield pa.RecordBatch.from_pylist(rows, schema=schema).slice(i % 3)

    schema = pa.schema(
        [("id", pa.int64()), ("st", pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string()), ("d", pa.list_(pa.int8()))]))]))]
    )
    expected = pa.Table.from_batches(list(batches()))
    t = db.create_table("t", pa.RecordBatchReader.from_batches(schema, batches()))
    assert t.to_arrow().to_pylist() == expected.to_pylist()
    assert lance.dataset(t.uri).to_table().to_pylist() == expected.to_pylist()
    ours = t.search().select(["id", "st.a"]).to_arrow()
    assert all(a is None or a == i for i, a in zip(ours["id"].to_pylist(), ours["st.a"].to_pylist()))


def test_many_files(db):
    t = db.create_table("t", points(0, 10_000), storage_options={"quiver_max_rows_per_file": 999})
    assert len(lance.dataset(t.uri).get_fragments()) == 11
    assert lance.dataset(t.uri).to_table().equals(points(0, 10_000))
    assert t.to_arrow().equals(points(0, 10_000))


def test_results_of_other_packages(db):
    import duckdb
    import polars as pl

    t = db.create_table("t", points(0, 100))
    arrow = t.search().to_batches()
    assert duckdb.sql("select sum(id) from arrow").fetchall() == [(4950,)]
    assert pl.DataFrame(t._scan())["id"].sum() == 4950
    db.create_table("from_duckdb", duckdb.sql("select range as id from range(10)").to_arrow_table())
    assert len(db["from_duckdb"]) == 10
    assert pc.sum(t.to_arrow()["id"]).as_py() == 4950

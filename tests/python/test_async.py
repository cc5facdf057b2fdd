"""The asynchronous interface: the observed lines, over the same engine."""

import asyncio
import importlib

import pyarrow as pa
import pytest


def run(make):
    return asyncio.run(make())


@pytest.fixture
def rows():
    return [{"id": i, "s": f"word{i}", "vector": [float(i), 0.0]} for i in range(30)]


def test_tables(db_module, tmp_path, rows):
    async def main():
        db = await db_module.connect_async(str(tmp_path / "db"))
        t = await db.create_table("t", rows)
        assert await db.table_names() == ["t"]
        assert (await t.version(), await t.count_rows(), await t.count_rows("id > 5")) == (1, 30, 24)
        assert (await t.schema()).names == ["id", "s", "vector"]
        assert repr(t).startswith("NativeTable(t, uri=")
        assert (await t.add([{"id": 99, "s": "x", "vector": [0.0, 0.0]}])).version == 2
        assert (await t.delete("id = 99")).num_deleted_rows == 1
        assert (await t.update({"s": "new"}, where="id = 3")).rows_updated == 1
        assert (await t.update(updates_sql={"id": "id + 100"}, where="id = 4")).rows_updated == 1
        result = await t.merge_insert("id").when_not_matched_insert_all().execute([{"id": 500, "s": "y"}])
        assert result.num_inserted_rows == 1
        await t.checkout(1)
        assert await t.count_rows() == 30
        await t.restore()
        assert await t.count_rows() == 30
        await t.tags.create("first", 1)
        assert (await t.tags.list())["first"]["version"] == 1
        await t.add_columns({"twice": "id * 2"})
        await t.alter_columns({"path": "twice", "rename": "double"})
        await t.drop_columns(["double"])
        assert (await t.schema()).names == ["id", "s", "vector"]
        stats = await t.optimize()
        assert stats.compaction.fragments_added >= 0
        assert len(await t.list_versions()) == await t.version()
        t.close()
        assert not t.is_open()
        assert repr(t) == "ClosedTable(t)"
        with pytest.raises(RuntimeError, match="Table t is closed"):
            await t.count_rows()
        db.close()
        with pytest.raises(RuntimeError, match="Connection is closed"):
            await db.table_names()

    run(main)


def test_queries(db_module, tmp_path, rows):
    async def main():
        db = await db_module.connect_async(str(tmp_path / "db"))
        t = await db.create_table("t", rows)
        assert len(await t.query().to_list()) == 30
        assert len(await t.query().limit(0).to_list()) == 0
        found = await t.query().where("id > 25").select(["id"]).to_list()
        assert found == [{"id": 26}, {"id": 27}, {"id": 28}, {"id": 29}]
        assert len(await t.query().nearest_to([1.0, 0.0]).to_list()) == 10
        near = await t.query().nearest_to([1.2, 0.0]).where("id > 10").limit(2).to_list()
        assert [row["id"] for row in near] == [11, 12]
        after = await t.query().nearest_to([0.0, 0.0]).where("id > 3").postfilter().to_list()
        assert [row["id"] for row in after] == [4, 5, 6, 7, 8, 9]
        assert len(await (await t.search([1.0, 0.0])).limit(3).to_list()) == 3
        assert len(await t.vector_search([1.0, 0.0]).limit(3).distance_type("cosine").to_list()) == 3
        table = await t.query().with_row_id().limit(2).to_arrow()
        assert table.column_names == ["id", "s", "vector", "_rowid"]
        reader = await t.query().limit(20).to_batches(max_batch_length=7)
        assert [batch.num_rows async for batch in reader] == [7, 7, 6]
        assert len(await t.take_offsets([3, 1]).to_list()) == 2
        assert "KNN" in await t.query().nearest_to([1.0, 0.0]).explain_plan()
        with pytest.raises(ValueError, match="query_vector can not be None"):
            t.query().nearest_to(None)
        with pytest.raises(ValueError, match="No vector column found to match with the query vector dimension: 3"):
            await t.query().nearest_to([1.0, 0.0, 0.0]).to_list()
        with pytest.raises(ValueError, match="Unknown query type: 'foo'"):
            await t.search([1.0, 0.0], query_type="foo")
        with pytest.raises(TypeError, match="columns must be a list of column names or a dict"):
            t.query().select("id")

    run(main)


def test_many_at_once(db_module, tmp_path, rows):
    async def main():
        db = await db_module.connect_async(str(tmp_path / "db"))
        t = await db.create_table("t", rows)
        counts = await asyncio.gather(*(t.count_rows(f"id > {i}") for i in range(30)))
        assert counts == [29 - i for i in range(30)]
        await asyncio.gather(*(t.add([{"id": 100 + i, "s": "x", "vector": [0.0, 0.0]}]) for i in range(8)))
        assert await t.count_rows() == 38

    run(main)


def test_indexes(db_module, tmp_path, rows):
    index = importlib.import_module(db_module.__name__ + ".index")

    async def main():
        db = await db_module.connect_async(str(tmp_path / "db"))
        t = await db.create_table("t", rows)
        await t.create_index("id", config=index.BTree())
        assert [one.index_type for one in await t.list_indices()] == ["BTree"]
        assert (await t.index_stats("id_idx")).num_indexed_rows == 30
        await t.create_index("s")
        assert sorted(one.name for one in await t.list_indices()) == ["id_idx", "s_idx"]
        await t.drop_index("s_idx")
        await t.prewarm_index("id_idx")

    run(main)

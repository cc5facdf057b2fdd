"""What is not there yet has a name and says so; nothing answers wrongly instead."""

import pytest

import quiver
import quiver.index


@pytest.fixture
def t():
    return quiver.connect("memory://").create_table("t", [{"id": i, "vector": [float(i), 0.0]} for i in range(3)])


TABLE_CALLS = [
    lambda t: t.search([0.0, 0.0]).rerank(None),
    lambda t: t.search("words"),
    lambda t: t.search("words", query_type="fts"),
    lambda t: t.search(query_type="hybrid"),
    lambda t: t.create_index("id", config=quiver.index.FTS()),
    lambda t: t.create_fts_index("id"),
    lambda t: t.add_columns(computed={"x": "id"}),
    lambda t: t.refresh_column("id"),
    lambda t: t.branches.diff("x"),
    lambda t: t.fetch_blobs("id", [0]),
    lambda t: t.set_lsm_write_spec(None),
]


@pytest.mark.parametrize("call", TABLE_CALLS, ids=range(len(TABLE_CALLS)))
def test_tables(t, call):
    with pytest.raises(NotImplementedError) as caught:
        call(t)
    text = str(caught.value)
    assert "not available in the Python package of Quiver" in text
    assert "\n" not in text
    assert t.version == 1


DATABASE_CALLS = [
    lambda: quiver.connect("s3://bucket/x"),
    lambda: quiver.connect("gs://bucket/x"),
    lambda: quiver.connect("db://x", api_key="k"),
    lambda: quiver.connect("memory://", manifest_enabled=True),
    lambda: quiver.connect("x", namespace_client_impl="dir", namespace_client_properties={"root": "x"}),
    lambda: quiver.connect("memory://").create_table("t", [{"a": 1}], namespace_path=["child"]),
    lambda: quiver.connect("memory://").create_table("t", [{"a": 1}], embedding_functions=["x"]),
    lambda: quiver.connect("memory://").create_table("t", [{"a": 1}], storage_options={"new_table_data_storage_version": "legacy"}),
    lambda: quiver.connect("memory://").create_namespace(["a"]),
    lambda: quiver.connect("memory://").list_namespaces(),
    lambda: quiver.connect("memory://").create_materialized_view("x", None),
    lambda: quiver.connect("memory://").create_function(None),
    lambda: quiver.connect("memory://").create_secret("a", "b"),
    lambda: quiver.connect("memory://").create_view("a", "b"),
    lambda: quiver.connect_namespace("dir", {}),
    lambda: quiver.tokenize("x"),
    lambda: quiver.Session(),
    lambda: quiver.RemoteDBConnection("x"),
    lambda: quiver.rerankers.RRFReranker(),
    lambda: quiver.embeddings.get_registry(),
]


@pytest.mark.parametrize("call", DATABASE_CALLS, ids=range(len(DATABASE_CALLS)))
def test_databases(call):
    import quiver.embeddings
    import quiver.rerankers

    with pytest.raises(NotImplementedError, match="not available in the Python package of Quiver"):
        call()


def test_imports_of_what_is_missing():
    with pytest.raises(NotImplementedError, match="not available"):
        from quiver.remote import ClientConfig  # noqa: F401
    with pytest.raises(AttributeError):
        quiver.no_such_name


def test_names_can_be_used_in_annotations():
    assert isinstance(quiver.AsyncTable, type)
    assert not isinstance(quiver.connect("memory://"), quiver.RemoteDBConnection)


def test_public_members_of_the_peer_exist():
    """Whatever users call on a connection or a table is there, if only to say that it is not."""
    lancedb = pytest.importorskip("lancedb")
    import lancedb.db
    import lancedb.query
    import lancedb.table

    import quiver.db
    import quiver.query
    import quiver.table

    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(lancedb.LanceDBConnection) - public(quiver.db.LanceDBConnection) <= {"from_inner"}
    skipped = {"from_inner", "infer_tokenizer_configs", "query", "vector_search"}
    assert public(lancedb.table.LanceTable) - public(quiver.table.LanceTable) <= skipped
    for name in ("LanceVectorQueryBuilder", "LanceEmptyQueryBuilder"):
        assert public(getattr(lancedb.query, name)) - public(getattr(quiver.query, name)) <= {"create"}
    missing = [name for name in lancedb.__all__ if not hasattr(quiver, name)]
    assert missing == []

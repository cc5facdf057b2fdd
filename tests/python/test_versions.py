import datetime

import pytest


def test_versions(db):
    t = db.create_table("t", [{"a": 1}])
    before = datetime.datetime.now()
    t.add([{"a": 2}])
    versions = t.list_versions()
    assert [v["version"] for v in versions] == [1, 2]
    assert all(v["timestamp"].tzinfo is None for v in versions)
    assert abs(versions[1]["timestamp"] - before) < datetime.timedelta(seconds=60)
    assert versions[0]["timestamp"] <= versions[1]["timestamp"]
    assert versions[1]["metadata"]["total_rows"] == "2"
    assert versions[1]["metadata"]["total_fragments"] == "2"
    t.checkout(1)
    assert [v["version"] for v in t.list_versions()] == [1, 2]


def test_checkout(db):
    t = db.create_table("t", [{"a": 1}])
    t.add([{"a": 2}])
    assert t.version == 2
    assert t.checkout(1) is None
    assert (t.version, len(t)) == (1, 1)
    with pytest.raises(ValueError, match="Invalid input, table cannot be modified when a specific version is checked out"):
        t.add([{"a": 3}])
    t.checkout_latest()
    assert (t.version, len(t)) == (2, 2)
    assert t.add([{"a": 3}]).version == 3


def test_missing_versions(db):
    t = db.create_table("t", [{"a": 1}])
    with pytest.raises(ValueError, match=r"Version 99 no longer exists. Was it cleaned up\?"):
        t.checkout(99)
    with pytest.raises(ValueError, match=r"Version x no longer exists. Was it cleaned up\?"):
        t.checkout("x")
    for wrong in (1.5, -1, None):
        with pytest.raises(TypeError):
            t.checkout(wrong)
    assert t.version == 1


def test_tags(db, tmp_path):
    lance = pytest.importorskip("lance")
    t = db.create_table("t", [{"a": 1}])
    t.add([{"a": 2}])
    assert t.tags.list() == {}
    lance.dataset(t.uri).tags.create("t1", 1)
    tags = t.tags.list()
    assert tags["t1"]["version"] == 1
    assert tags["t1"]["manifest_size"] > 0
    assert t.tags.get_version("t1") == 1
    with pytest.raises(RuntimeError, match="Ref not found error: tag zz does not exist"):
        t.tags.get_version("zz")
    t.checkout("t1")
    assert (t.version, len(t)) == (1, 1)


def test_two_handles(db):
    a = db.create_table("t", [{"a": 1}])
    b = db.open_table("t")
    b.add([{"a": 2}])
    assert (len(a), a.version) == (1, 1)
    a.checkout_latest()
    assert (len(a), a.version) == (2, 2)
    b.add([{"a": 3}])
    assert a.add([{"a": 4}]).version == 4
    assert len(a) == 4


def test_after_drop(db):
    t = db.create_table("t", [{"a": 1}])
    db.drop_table("t")
    assert (t.version, t.count_rows()) == (1, 1)


def test_attributes(db):
    t = db.create_table("t", [{"a": 1}])
    assert t.name == "t"
    assert t.uri.endswith("/t.lance")
    assert repr(t) == f"LanceTable(name='t', _conn=LanceDBConnection(uri='{db.uri}'))"
    assert t.namespace == []
    assert t.id == "t"
    assert t.embedding_functions == {}
    assert t.current_branch() is None
    assert t.initial_storage_options() is None

"""Tags, branches and clones that one side makes are seen, opened and continued by the other. Ours go through the C interface."""

from pathlib import Path

import lance
import pyarrow as pa
import pytest

from capi import Capi


def ids(table):
    return sorted(table["id"].to_pylist())


def rows(*numbers):
    return pa.table({"id": pa.array(numbers, pa.int64()), "s": [f"row {n}" for n in numbers]})


@pytest.fixture
def ours(tmp_path):
    with Capi(tmp_path / "db") as capi:
        yield capi


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "db" / "t.lance")


@pytest.fixture
def theirs(uri, ours):
    lance.write_dataset(rows(1, 2, 3), uri)
    lance.write_dataset(rows(4), uri, mode="append")
    dataset = lance.dataset(uri)
    dataset.create_scalar_index("id", "BTREE")
    dataset.delete("id = 2")
    return dataset


def test_their_tags(theirs, ours):
    theirs.tags.create("first", 1)
    theirs.create_branch("b")
    theirs.tags.create("onb", ("b", 4))
    with ours.table("t") as t:
        assert t.tags() == {"first": (1, None), "onb": (4, "b")}
        t.checkout_tag("first")
        assert t.version == 1 and t.ids() == [1, 2, 3]
        t.checkout_tag("onb")
        assert t.version == 4 and t.ids() == [1, 3, 4]
        t.checkout_latest()
        assert t.version == 4
        t.tag_update("first", 2)
        t.tag_delete("onb")
    tags = theirs.tags.list()
    assert list(tags) == ["first"] and tags["first"]["version"] == 2
    assert theirs.checkout_version("first").count_rows() == 4


def test_our_tags(theirs, ours, uri):
    with ours.table("t") as t:
        t.tag_create("one", 1)
        t.tag_create("now", 0)
    tags = theirs.tags.list()
    assert {name: tag["version"] for name, tag in tags.items()} == {"one": 1, "now": 4}
    manifest = Path(uri, "_versions", f"{2**64 - 2}.manifest")
    assert tags["one"]["manifest_size"] == manifest.stat().st_size
    theirs.tags.update("one", 2)
    theirs.tags.delete("now")
    with ours.table("t") as t:
        assert t.tags() == {"one": (2, None)}


def test_our_branches(theirs, ours, uri):
    with ours.table("t") as t:
        with t.branch_create("feat/x") as b:
            assert b.version == 4 and b.ids() == [1, 3, 4]
            b.append(rows(10, 11))
            assert b.version == 5
            with t.branch_create("sub", "feat/x", 5) as sub:
                sub.append(rows(20))
                assert sub.ids() == [1, 3, 4, 10, 11, 20]
        assert t.ids() == [1, 3, 4]
    listed = lance.dataset(uri).branches.list()
    assert listed["feat/x"]["parent_branch"] is None and listed["feat/x"]["parent_version"] == 4
    assert listed["sub"]["parent_branch"] == "feat/x" and listed["sub"]["parent_version"] == 5
    assert len(listed["sub"]["branch_identifier"]) == 2
    assert listed["sub"]["branch_identifier"][0] == listed["feat/x"]["branch_identifier"][0]
    x = theirs.checkout_version(("feat/x", None))
    x.validate()
    assert ids(x.to_table()) == [1, 3, 4, 10, 11]
    assert ids(x.to_table(filter="id = 3")) == [3]
    sub = theirs.checkout_version(("sub", None))
    assert ids(sub.to_table()) == [1, 3, 4, 10, 11, 20]
    lance.write_dataset(rows(21), sub, mode="append")
    sub.delete("id = 1")
    with pytest.raises(OSError, match="referenced by"):
        theirs.branches.delete("feat/x")
    with ours.table("t") as t:
        with t.branch_open("sub") as b:
            assert b.ids() == [3, 4, 10, 11, 20, 21]
        with pytest.raises(RuntimeError, match="Branch feat/x is referenced by"):
            t.branch_delete("feat/x")
        t.branch_delete("sub")
        t.branch_delete("feat/x")
        assert t.branches() == {}
    assert theirs.branches.list() == {}


def test_their_branches(theirs, ours, uri):
    b = theirs.create_branch("b")
    b = lance.write_dataset(rows(10), b, mode="append")
    b.create_branch("c", ("b", 5))
    with ours.table("t") as t:
        assert t.branches() == {"b": (None, 4), "c": ("b", 5)}
        with t.branch_open("c") as c:
            assert c.ids() == [1, 3, 4, 10]
            c.append(rows(30))
            with c.branch_create("d", "c") as d:
                assert d.ids() == [1, 3, 4, 10, 30]
                d.append(rows(31))
    assert ids(theirs.checkout_version(("c", None)).to_table()) == [1, 3, 4, 10, 30]
    d = theirs.checkout_version(("d", None))
    assert ids(d.to_table()) == [1, 3, 4, 10, 30, 31]
    assert len(theirs.branches.list()["d"]["branch_identifier"]) == 3


def test_clones(theirs, ours, uri, tmp_path):
    theirs.tags.create("two", 2)
    with ours.clone("c", uri, tag="two") as c:
        assert c.version == 2 and c.ids() == [1, 2, 3, 4]
        c.append(rows(40))
    clone = lance.dataset(str(tmp_path / "db" / "c.lance"))
    clone.validate()
    assert clone.version == 3 and ids(clone.to_table()) == [1, 2, 3, 4, 40]
    clone.delete("id < 3")
    with ours.table("c") as c:
        assert c.ids() == [3, 4, 40]
    theirs.shallow_clone(str(tmp_path / "db" / "theirs.lance"), 4)
    with ours.table("theirs") as t:
        assert t.ids() == [1, 3, 4]
        t.append(rows(50))
    with ours.clone("twice", str(tmp_path / "db" / "theirs.lance")) as t:
        assert t.ids() == [1, 3, 4, 50]
    twice = lance.dataset(str(tmp_path / "db" / "twice.lance"))
    assert ids(twice.to_table()) == [1, 3, 4, 50]


def test_migration(ours, tmp_path):
    uri = str(tmp_path / "db" / "v1.lance")
    lance.write_dataset(rows(1), uri, enable_v2_manifest_paths=False)
    lance.write_dataset(rows(2), uri, mode="append")
    with ours.table("v1") as t:
        assert not t.uses_v2_names()
        t.migrate_names()
        assert t.uses_v2_names()
        t.append(rows(3))
    dataset = lance.dataset(uri)
    assert ids(dataset.to_table()) == [1, 2, 3]
    assert [v["version"] for v in dataset.versions()] == [1, 2, 3]


def test_versions_and_stats(theirs, ours):
    with ours.table("t") as t:
        mine = {v["version"]: v for v in t.versions()}
        for version in theirs.versions():
            assert mine[version["version"]]["metadata"] == version["metadata"]
        stats = t.stats()
    assert stats["num_rows"] == 3 and stats["num_indices"] == 1
    assert stats["fragment_stats"]["num_fragments"] == 2
    assert stats["fragment_stats"]["lengths"] == dict(min=1, max=3, mean=2, p25=1, p50=3, p75=3, p99=3)


def test_cleanup_keeps_what_theirs_names(theirs, ours, uri):
    theirs.tags.create("two", 2)
    branch = theirs.create_branch("b", 3)
    lance.write_dataset(rows(100), branch, mode="append")
    for i in range(5, 9):
        lance.write_dataset(rows(i), uri, mode="overwrite")
    with ours.table("t") as t:
        with pytest.raises(RuntimeError, match='Cleanup error: a tagged version has been marked for cleanup: tag "two"'):
            t.cleanup(older_than_s=0, error_if_tagged=True)
        removed = t.cleanup(older_than_s=0)
        assert removed["versions"] == 5 and removed["data_files"] == 3 and removed["deletion_files"] == 1
        assert [v["version"] for v in t.versions()] == [2, 3, 8]
        again = t.cleanup(older_than_s=0)
        assert again["bytes"] == again["versions"] == 0
    dataset = lance.dataset(uri)
    dataset.validate()
    assert [v["version"] for v in dataset.versions()] == [2, 3, 8]
    assert ids(dataset.checkout_version("two").to_table()) == [1, 2, 3, 4]
    assert ids(dataset.checkout_version(("b", None)).to_table()) == [1, 2, 3, 4, 100]
    assert ids(dataset.checkout_version(("b", None)).to_table(filter="id = 3")) == [3]
    lance.write_dataset(rows(9), uri, mode="append")
    stats = lance.dataset(uri).cleanup_old_versions(__import__("datetime").timedelta(0), error_if_tagged_old_versions=False)
    assert stats.old_versions == 1
    with ours.table("t") as t:
        assert t.ids() == [8, 9]


def test_restore(theirs, ours, uri):
    with ours.table("t") as t:
        t.restore(1)
        assert t.version == 5 and t.ids() == [1, 2, 3]
        t.append(rows(7))
    dataset = lance.dataset(uri)
    dataset.validate()
    assert ids(dataset.to_table()) == [1, 2, 3, 7]
    assert dataset.tags.list() == {}
    dataset.restore() if False else dataset.checkout_version(4).restore()
    with ours.table("t") as t:
        assert t.ids() == [1, 3, 4]

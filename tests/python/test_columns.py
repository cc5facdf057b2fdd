"""Schema evolution: the observed lines."""

import pyarrow as pa
import pytest


@pytest.fixture
def t(db):
    return db.create_table("t", [{"id": i, "s": f"v{i}", "f": float(i)} for i in range(3)])


def values(t, name):
    return t.to_arrow()[name].to_pylist()


def test_add_columns(t):
    result = t.add_columns({"d": "id * 2"})
    assert result.version == 2
    assert values(t, "d") == [0, 2, 4]
    t.add_columns({"a": "id + 1", "up": "upper(s)"})
    assert values(t, "up") == ["V0", "V1", "V2"]
    t.add_columns(pa.field("empty", pa.int32()))
    assert values(t, "empty") == [None] * 3
    t.add_columns(pa.schema([("x", pa.string()), ("y", pa.float32())]))
    assert t.schema.names == ["id", "s", "f", "d", "a", "up", "empty", "x", "y"]
    t.add([{"id": 9, "s": "z", "f": 1.0, "d": 1, "a": 1, "up": "U", "empty": 4, "x": "x", "y": 0.5}])
    assert values(t, "empty") == [None, None, None, 4]
    with pytest.raises(ValueError, match="Column d already exists"):
        t.add_columns({"d": "id"})
    with pytest.raises((ValueError, RuntimeError), match="nope"):
        t.add_columns({"z": "nope"})
    with pytest.raises(ValueError, match="All-null columns must be nullable, but field 'nn' is not"):
        t.add_columns(pa.field("nn", pa.int32(), nullable=False))
    with pytest.raises(ValueError, match="add_columns requires transforms or computed columns"):
        t.add_columns()


def test_add_columns_after_deletes(t):
    t.delete("id = 1")
    t.add_columns({"d": "id * 2"})
    assert values(t, "d") == [0, 4]
    t.update(where="id = 2", values={"d": 100})
    assert sorted(values(t, "d")) == [0, 100]


@pytest.mark.ours_only
def test_add_columns_by_a_function(t):
    def make(batch):
        return pa.record_batch({"n": pa.array([len(one) for one in batch["s"].to_pylist()], pa.int64())})

    t.add_columns(make)
    assert values(t, "n") == [2, 2, 2]

    def fails(batch):
        raise KeyError("no luck")

    with pytest.raises(KeyError, match="no luck"):
        t.add_columns(fails)
    assert t.version == 2


def test_alter_columns(t):
    assert t.alter_columns({"path": "f", "rename": "g"}).version == 2
    assert t.schema.names == ["id", "s", "g"]
    t.alter_columns({"path": "g", "data_type": pa.float32()})
    assert t.schema.field("g").type == pa.float32()
    assert values(t, "g") == [0.0, 1.0, 2.0]
    t.alter_columns({"path": "id", "data_type": pa.int32()})
    assert t.schema.names == ["id", "s", "g"]
    assert values(t, "id") == [0, 1, 2]
    t.alter_columns({"path": "s", "data_type": pa.large_string()})
    t.alter_columns({"path": "s", "nullable": False})
    assert not t.schema.field("s").nullable
    t.alter_columns({"path": "s", "nullable": True})
    with pytest.raises(ValueError, match="Missing path"):
        t.alter_columns({"rename": "x"})
    with pytest.raises(ValueError, match='Column "nope" does not exist'):
        t.alter_columns({"path": "nope", "rename": "x"})
    with pytest.raises((ValueError, RuntimeError), match="Duplicate"):
        t.alter_columns({"path": "g", "rename": "id"})


def test_bad_casts(db):
    t = db.create_table("t", [{"id": 2**40, "n": None}], schema=pa.schema([("id", pa.int64()), ("n", pa.int32())]))
    with pytest.raises((ValueError, RuntimeError), match="1099511627776"):
        t.alter_columns({"path": "id", "data_type": pa.int32()})
    with pytest.raises((ValueError, RuntimeError), match="(?i)null"):
        t.alter_columns({"path": "n", "nullable": False})
    assert t.version == 1


def test_vectors_of_another_width(db):
    t = db.create_table("t", [{"vector": [float(i), 1.0]} for i in range(4)])
    t.alter_columns({"path": "vector", "data_type": pa.list_(pa.float16(), 2)})
    assert t.schema.field("vector").type == pa.list_(pa.float16(), 2)
    assert t.search([3.0, 1.0]).limit(1).to_list()[0]["vector"] == [3.0, 1.0]


@pytest.mark.ours_only
def test_lists_become_vectors(db):
    schema = pa.schema([("v", pa.list_(pa.float32()))])
    t = db.create_table("t", pa.table({"v": [[1.0, 0.0], [0.0, 1.0]]}, schema=schema))
    t.alter_columns({"path": "v", "data_type": pa.list_(pa.float32(), 2)})
    assert t.search([0.0, 1.0]).limit(1).to_list()[0]["_distance"] == 0.0


def test_drop_columns(t):
    assert t.drop_columns(["f"]).version == 2
    assert t.schema.names == ["id", "s"]
    with pytest.raises(ValueError, match="Column nope does not exist"):
        t.drop_columns(["nope"])
    with pytest.raises(TypeError):
        t.drop_columns(5)
    with pytest.raises(ValueError, match="Cannot drop all columns"):
        t.drop_columns(["id", "s"])
    t.add_columns({"f": "id"})
    assert values(t, "f") == [0, 1, 2]


def test_field_metadata(t):
    assert t.update_field_metadata({"path": "id", "metadata": {"k": "v", "j": "w"}}).version == 2
    assert t.schema.field("id").metadata == {b"k": b"v", b"j": b"w"}
    t.update_field_metadata({"path": "id", "metadata": {"k": None}})
    assert t.schema.field("id").metadata == {b"j": b"w"}
    t.update_field_metadata({"path": "id", "metadata": {"x": "y"}, "replace": True})
    assert t.schema.field("id").metadata == {b"x": b"y"}
    with pytest.raises(TypeError):
        t.update_field_metadata({"path": "id", "metadata": {"k": 5}})

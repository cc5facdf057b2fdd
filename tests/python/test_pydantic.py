import datetime
import enum
from typing import List, Optional

import pyarrow as pa
import pydantic
import pytest


class Color(str, enum.Enum):
    red = "red"
    blue = "blue"


def fields(schema):
    return {field.name: (str(field.type), field.nullable) for field in schema}


def test_types(pydantic_module):
    Vector, MultiVector = pydantic_module.Vector, pydantic_module.MultiVector

    class Inner(pydantic.BaseModel):
        x: int
        y: Optional[str]

    class M(pydantic_module.LanceModel):
        i: int
        f: float
        s: str
        t: bool
        b: bytes
        d: datetime.date
        ts: datetime.datetime
        tz: datetime.datetime = pydantic.Field(json_schema_extra={"tz": "UTC"})
        v: Vector(2)
        v16: Vector(3, pa.float16())
        mv: MultiVector(2)
        o: Optional[int]
        u: int | None
        inner: Inner
        inners: List[Inner]
        l: List[str]
        e: Color

    assert fields(M.to_arrow_schema()) == {
        "i": ("int64", False),
        "f": ("double", False),
        "s": ("string", False),
        "t": ("bool", False),
        "b": ("binary", False),
        "d": ("date32[day]", False),
        "ts": ("timestamp[us]", False),
        "tz": ("timestamp[us, tz=UTC]", False),
        "v": ("fixed_size_list<item: float>[2]", True),
        "v16": ("fixed_size_list<item: halffloat>[3]", True),
        "mv": ("list<item: fixed_size_list<item: float>[2]>", True),
        "o": ("int64", True),
        "u": ("int64", True),
        "inner": ("struct<x: int64 not null, y: string>", False),
        "inners": ("list<item: struct<x: int64 not null, y: string>>", False),
        "l": ("list<item: string>", False),
        "e": ("dictionary<values=string, indices=int32, ordered=0>", False),
    }
    assert pydantic_module.pydantic_to_schema(M) == M.to_arrow_schema()
    assert M.field_names() == list(M.model_fields)


def test_bare_vector(pydantic_module):
    with pytest.raises(TypeError, match=r"Vector must be parameterized with a dimension, e.g. Vector\(128\)."):

        class M(pydantic_module.LanceModel):
            v: pydantic_module.Vector


@pytest.mark.parametrize("bare", [list, dict])
def test_bare_containers(pydantic_module, bare):
    class M(pydantic_module.LanceModel):
        v: bare

    with pytest.raises(TypeError, match="Converting Pydantic type to Arrow Type: unsupported type"):
        M.to_arrow_schema()


def test_validation(pydantic_module):
    class M(pydantic_module.LanceModel):
        id: int
        vector: pydantic_module.Vector(2)

    with pytest.raises(pydantic.ValidationError, match="List should have at most 2 items after validation, not 3"):
        M(id=1, vector=[1, 2, 3])
    with pytest.raises(pydantic.ValidationError):
        M(id=1, vector=[1])
    assert repr(M(id=1, vector=[1, 2]).vector) == "FixedSizeList(dim=2)"


def test_tables(db, pydantic_module):
    class M(pydantic_module.LanceModel):
        id: int
        vector: pydantic_module.Vector(2)

    loose = db.create_table("loose", [{"id": 1, "vector": [1.0, 2.0]}], schema=M)
    assert fields(loose.schema) == {"id": ("int64", True), "vector": ("fixed_size_list<item: float>[2]", True)}
    strict = db.create_table("strict", [M(id=1, vector=[1, 2])])
    assert fields(strict.schema) == {"id": ("int64", False), "vector": ("fixed_size_list<item: float>[2]", True)}
    empty = db.create_table("empty", schema=M)
    assert empty.schema == M.to_arrow_schema()
    empty.add([M(id=2, vector=[0, 1])])
    row = empty.search([0.0, 1.0]).to_pydantic(M)[0]
    assert (row.id, list(row.vector)) == (2, [0.0, 1.0])


def test_rich_models(db, pydantic_module):
    class Inner(pydantic.BaseModel):
        x: int

    class M(pydantic_module.LanceModel):
        color: Color
        inner: Inner
        inners: List[Inner]
        when: datetime.datetime
        alias: int = pydantic.Field(alias="other")
        maybe: Optional[str] = None

    when = datetime.datetime(2024, 1, 2, 3, 4, 5)
    rows = [
        M(color=Color.red, inner=Inner(x=1), inners=[Inner(x=2)], when=when, other=5),
        M(color=Color.blue, inner=Inner(x=3), inners=[], when=when, other=6, maybe="y"),
    ]
    t = db.create_table("t", rows)
    assert t.to_arrow().to_pylist() == [
        {"color": "red", "inner": {"x": 1}, "inners": [{"x": 2}], "when": when, "alias": 5, "maybe": None},
        {"color": "blue", "inner": {"x": 3}, "inners": [], "when": when, "alias": 6, "maybe": "y"},
    ]
    assert fields(t.schema)["alias"] == ("int64", False)


def test_multi_vector(db, pydantic_module):
    class M(pydantic_module.LanceModel):
        id: int
        v: pydantic_module.MultiVector(2)

    t = db.create_table("t", [M(id=1, v=[[1, 0], [0, 1]]), M(id=2, v=[[5, 5]])])
    assert t.to_arrow()["v"].to_pylist() == [[[1.0, 0.0], [0.0, 1.0]], [[5.0, 5.0]]]


@pytest.mark.ours_only
def test_without_pyarrow(tmp_path):
    """Models, dicts and lists need no pyarrow; the peer imports it at once."""
    import subprocess
    import sys

    program = """
import sys
sys.modules["pyarrow"] = None
import quiver
from quiver.pydantic import LanceModel, Vector, MultiVector
class M(LanceModel):
    id: int
    vector: Vector(2)
t = quiver.connect(sys.argv[1]).create_table("t", schema=M)
t.add([M(id=1, vector=[0, 1]), M(id=2, vector=[5, 5])])
t.add([{"id": 3, "vector": [1.0, 1.0]}])
t.add(iter([[{"id": 4, "vector": [9.0, 9.0]}]]))
assert [row.id for row in t.search([0.0, 1.0]).limit(2).to_pydantic(M)] == [1, 3]
assert t.search().select(["id"]).to_list() == [{"id": i} for i in (1, 2, 3, 4)]
for call in (t.to_arrow, t.search().to_arrow, t.search().to_batches, lambda: t.schema):
    try:
        call()
    except ImportError as error:
        assert "pip install pyarrow" in str(error), error
    else:
        raise AssertionError(call)
assert len([batch for batch in t._scan()]) >= 1
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)

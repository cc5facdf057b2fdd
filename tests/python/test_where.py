"""Conditions, projections, order and plans of reads."""

import datetime as dt
import importlib

import pytest


def ids(rows):
    return [row["id"] for row in rows]


def test_conditions(s):
    assert ids(s.search().where("id > 26").to_list()) == [27, 28, 29]
    assert ids(s.search().where("id > 3").where("id < 6").to_list()) == [4, 5]
    assert ids(s.search().where("ID > 28").to_list()) == [29]
    assert ids(s.search().where("`id` > 28").to_list()) == [29]
    assert ids(s.search().where("_rowid = 3").to_list()) == [3]
    assert s.count_rows("id > 5") == 24
    assert len(s.search().where("false").to_list()) == 0
    assert len(s.search().where("true").to_list()) == 30


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("id in (1, 2, 77)", [1, 2]),
        ("id not in (1, 2) and id < 5", [0, 3, 4]),
        ("id between 3 and 5", [3, 4, 5]),
        ("s like 'word1_ %' and id > 17", [18, 19]),
        ("s ilike 'WORD29%'", [29]),
        ("s is null", []),
        ("s is not null and id = 1", [1]),
        ("not (id < 28)", [28, 29]),
        ("id % 10 = 9", [9, 19, 29]),
        ("price * 2 = 8.0", [4]),
        ("cast(id as string) = '7'", [7]),
        ("lower(upper(s)) = 'word3 common'", [3]),
        ("length(s) > 12 and id < 11", [10]),
        ("contains(s, 'word28')", [28]),
        ("starts_with(s, 'word28')", [28]),
        ("s || '!' = 'word5 common!'", [5]),
        ("abs(id - 29) = 0", [29]),
        ("coalesce(null, id) = 2", [2]),
        ("regexp_like(s, '^word2[0-2] ')", [20, 21, 22]),
        ("vector[1] = 4.0", [4]),
        ("id == 6", [6]),
        ("1 = 1 and id = 0", [0]),
    ],
)
def test_dialect(s, where, expected):
    assert ids(s.search().where(where).to_list()) == expected


@pytest.mark.ours_only  # "not supported SQL in lance" there
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("case when id = 3 then true else false end", [3]),
        ("id is distinct from 0 and id < 3", [1, 2]),
        ("floor(price) = 2", [2]),
        ("substr(s, 5, 1) = '7'", [7]),
        ("s ~ '^word29'", [29]),
        ("try_cast('x' as int) is null and id = 9", [9]),
        ("s similar to 'word(4|5) common'", [4, 5]),
    ],
)
def test_more_of_the_dialect(s, where, expected):
    assert ids(s.search().where(where).to_list()) == expected


def test_bad_conditions(s):
    for where in ("nope > 3", "id >", "id", "", "id = ) 1", "nosuch(id)"):
        with pytest.raises(ValueError):
            s.search().where(where).to_list()
        with pytest.raises(ValueError):
            s.count_rows(where)
    with pytest.raises(ValueError, match="No field named nope. Valid fields are"):
        s.search().where("nope > 3").to_list()
    with pytest.raises(ValueError, match="does not return a boolean"):
        s.delete("id")
    with pytest.raises(ValueError):
        s.search([1.0, 0.0]).where("_distance < 5").to_list()


@pytest.mark.ours_only
def test_bad_conditions_tell_the_place(s):
    with pytest.raises(ValueError, match="Line: 1, Column: 6"):
        s.search().where("id = )").to_list()
    with pytest.raises(ValueError, match="price"):
        s.search().where("prise > 1").to_list()
    with pytest.raises(ValueError, match="(?i)divi"):
        s.search().where("1 / (id - 3) > 0").to_list()


def test_filtered_searches(s):
    assert ids(s.search([1.2, 0.0]).where("id > 20").limit(3).to_list()) == [21, 22, 23]
    assert ids(s.search([1.2, 0.0]).where("id > 26").limit(10).to_list()) == [27, 28, 29]
    after = s.search([0.0, 0.0]).where("id > 3", prefilter=False).to_list()
    assert ids(after) == [4, 5, 6, 7, 8, 9]


def test_computed_columns(s):
    assert s.search([1.2, 0.0]).select({"x": "id * 2"}).limit(2).to_arrow().column_names == ["x", "_distance"]
    found = s.search().select({"id": "id", "up": "upper(s)", "half": "price / 2"}).limit(2).to_list()
    assert found == [{"id": 0, "up": "WORD0 COMMON", "half": 0.0}, {"id": 1, "up": "WORD1 COMMON", "half": 0.5}]


def test_order(db_module, db):
    ordering = importlib.import_module(db_module.__name__ + ".query").ColumnOrdering
    t = db.create_table("t", [{"id": i, "k": [2, None, 1, 2, None][i]} for i in range(5)])

    def ordered(*keys, **more):
        query = t.search().order_by([ordering(**key) for key in keys])
        return ids((query.limit(more["limit"]) if more else query).to_list())

    assert ordered({"column_name": "id", "ascending": False}, limit=2) == [4, 3]
    assert ordered({"column_name": "k"}, {"column_name": "id", "ascending": False}) == [2, 3, 0, 4, 1]
    assert ordered({"column_name": "k", "nulls_first": True}, {"column_name": "id"}) == [1, 4, 2, 0, 3]
    assert ordered({"column_name": "k", "ascending": False}, {"column_name": "id"}) == [0, 3, 2, 1, 4]
    found = t.search().order_by([{"column_name": "id", "ascending": False}]).offset(1).limit(2).to_list()
    assert ids(found) == [3, 2]
    with pytest.raises(ValueError):
        t.search().order_by([{"column_name": "nope"}]).to_list()


def test_order_of_hits(s):
    query = s.search([3.2, 0.0]).limit(4).order_by([{"column_name": "id", "ascending": False}])
    assert ids(query.to_list()) == [5, 4, 3, 2]
    with pytest.raises(ValueError):
        s.search([3.2, 0.0]).limit(4).order_by([{"column_name": "nope"}]).to_list()


@pytest.mark.ours_only  # the peer fails here
def test_order_by_what_is_not_returned(s):
    found = s.search().select(["s"]).order_by([{"column_name": "id", "ascending": False}]).limit(1).to_list()
    assert found == [{"s": "word29 common"}]


def test_plans(s):
    plan = s.search([1.0, 0.0]).where("id > 5").limit(3).explain_plan()
    assert "KNN" in plan and "id" in plan
    analysis = s.search([1.0, 0.0]).where("id > 5").limit(3).analyze_plan()
    assert "output_rows" in analysis
    with pytest.raises(ValueError, match="Invalid distributed_metrics value 'zz'"):
        s.search([1.0, 0.0]).analyze_plan("zz")
    assert "id" in s.search().where("id > 5").explain_plan()


@pytest.mark.ours_only
def test_plans_as_data(s):
    plan = s.search().where("id > 5").limit(3).plan()
    assert isinstance(plan, dict)
    known = s.search().where("id > 5").plan(analyze=True)
    assert "output_rows" in str(known)


def test_timeout(s):
    with pytest.raises(RuntimeError, match="Query timeout"):
        s.search().where("id > 5").to_list(timeout=dt.timedelta(0))


def test_query_objects(s):
    query = s.search([1.0, 0.0]).where("id > 5").limit(7).to_query_object()
    assert (query.vector, query.filter, query.limit) == ([1.0, 0.0], "id > 5", 7)
    assert s.search([1.0, 0.0]).to_query_object().limit is None


def test_nested_columns(db):
    t = db.create_table("t", [{"id": i, "st": {"x": i * 10}, "l": [i, i + 1]} for i in range(4)])
    assert ids(t.search().where("st.x = 20").to_list()) == [2]
    assert ids(t.search().where("st['x'] = 20").to_list()) == [2]
    assert ids(t.search().where("l[1] = 3").to_list()) == [3]
    assert ids(t.search().where("array_has(l, 3)").to_list()) == [2, 3]
    assert ids(t.search().where("array_has_any(l, [0, 4])").to_list()) == [0, 3]
    assert ids(t.search().where("array_has_all(l, [1, 2])").to_list()) == [1]
    assert ids(t.search().where("array_length(l) = 2").to_list()) == [0, 1, 2, 3]

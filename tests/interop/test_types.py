"""Every type, both ways: what we write pylance reads, what pylance writes we read, at sizes around page borders.

The expectation is what pylance itself gives back, since older file versions cannot say everything (a null struct, for one).
"""

import lance
import pyarrow as pa
import pytest

from values import NULLS, TYPES, column

VERSIONS = ["2.0", "2.1", "2.2"]
SIZES = [1, 1023, 1025]


def same(a, b):
    """Equal values and, but for dictionaries' indices, equal types."""
    if a.num_rows != b.num_rows or a.column_names != b.column_names:
        return False
    for name in a.column_names:
        x, y = a[name].combine_chunks(), b[name].combine_chunks()
        if pa.types.is_dictionary(x.type) or pa.types.is_dictionary(y.type):
            if x.to_pylist() != y.to_pylist():
                return False
        elif x.type != y.type or not (x.equals(y) or x.to_pylist() == y.to_pylist()):
            return False
    return True


def theirs(table, folder, version):
    """What pylance stores and reads back, or None when it refuses the type."""
    try:
        return lance.write_dataset(table, str(folder), data_storage_version=version).to_table()
    except BaseException:  # a refusal may be a panic
        return None


def check(db, tmp_path, data, version, label):
    """The same table written by both, read by both."""
    folder = tmp_path / "db" / f"theirs_{label}.lance"
    expected = theirs(data, folder, version)
    try:
        ours = db.create_table(f"ours_{label}", data, storage_options={"new_table_data_storage_version": version})
    except NotImplementedError:
        assert expected is None, "pylance stores this, we do not"
        return
    if expected is None:
        assert same(ours.to_arrow(), data)
        return
    assert same(db.open_table(f"theirs_{label}").to_arrow(), expected), "theirs read by us"
    assert same(lance.dataset(ours.uri).to_table(), expected), "ours read by them"
    assert same(ours.to_arrow(), expected), "ours read by us"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", TYPES)
def test_small(db, tmp_path, name, version):
    for nulls in NULLS:
        for rows in SIZES:
            check(db, tmp_path, pa.table({"c": column(name, rows, nulls)}), version, f"{nulls}_{rows}")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", TYPES)
def test_large(db, tmp_path, name, version):
    """Many chunks and pages; for types whose values take long to make, the rows of 10,000 ten times over."""
    for nulls in NULLS:
        tenth = column(name, 10_000, nulls)
        data = pa.table({"id": pa.array(range(100_000)), "c": pa.chunked_array([tenth] * 10)})
        check(db, tmp_path, data, version, f"large_{nulls}")


@pytest.mark.parametrize("version", VERSIONS)
def test_all_columns_at_once(db, tmp_path, version):
    names = [n for n in TYPES if not (version == "2.0" and n in ("null", "struct", "deep", "list_struct"))]
    check(db, tmp_path, pa.table({n: column(n, 5000, "some") for n in names}), version, "wide")


@pytest.mark.parametrize("version", VERSIONS)
def test_takes(db, tmp_path, version):
    """Random rows of tables from both sides."""
    names = ["int64", "string", "vector_f32", "list_string", "dictionary"]
    if version != "2.0":  # which has no null structs
        names.append("deep")
    data = pa.table({n: column(n, 3000, "some") for n in names})
    data = data.append_column("id", pa.array(range(3000)))
    expected = theirs(data, tmp_path / "db" / "theirs.lance", version)
    ours = db.create_table("ours", data, storage_options={"new_table_data_storage_version": version})
    rows = [2999, 0, 17, 17, 1024, 1023, 2048, 5]
    for table in (ours, db.open_table("theirs")):
        assert same(table.__getitems__(rows), expected.take(rows))
        assert table.take_offsets(rows).to_list() == expected.take(sorted(rows)).to_pylist()
    assert same(lance.dataset(ours.uri).take(rows), expected.take(rows))

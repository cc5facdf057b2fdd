/* Maps and the primary key through the public door. */
#include "qvt_rows.h"

static qv_error err;

static qv_table *make_table(qv_db **db, const qvt_rows *rows)
{
    struct ArrowArrayStream stream;
    static int count;
    char uri[4096];
    qv_table *table;

    snprintf(uri, sizeof uri, "%s/db-%d", qvt_temp_dir(), count++);
    QVT_OK(qvt_rows_export(rows, 16, &stream, &err));
    QVT_OK(qv_db_open(uri, NULL, db, &err));
    QVT_OK(qv_db_create_table(*db, "t", QV_CREATE_OR_REPLACE, &stream, NULL, NULL, &table, &err));
    return table;
}

static void expect(qv_table *table, qv_metadata_kind kind, const char *path, const char *wanted)
{
    char *json;

    QVT_OK(qv_table_metadata(table, kind, path, &json, &err));
    assert_string_equal(json, wanted);
    qv_string_free(json);
}

static void maps(void **state)
{
    qvt_rng rng = { 3 };
    qvt_rows rows = { 0 };
    const qv_pair pairs[] = { { "quality", "good" }, { "odd \"key\"", "\n" } }, gone = { "quality", NULL },
                  empty = { "", "x" };
    int64_t next_id = 0;
    uint64_t version = 0;
    qv_db *db;

    QV_UNUSED(state);
    qvt_rows_random(&rng, 20, &next_id, &rows);
    qv_table *table = make_table(&db, &rows);
    for (int kind = QV_METADATA_CONFIG; kind <= QV_METADATA_FIELD; kind++) {
        const char *path = kind == QV_METADATA_FIELD ? "name" : NULL;
        expect(table, (qv_metadata_kind) kind, path, "{}");
        QVT_OK(qv_table_set_metadata(table, (qv_metadata_kind) kind, path, pairs, 2, false, &version, &err));
        expect(table, (qv_metadata_kind) kind, path, "{\"quality\":\"good\",\"odd \\\"key\\\"\":\"\\n\"}");
        QVT_OK(qv_table_set_metadata(table, (qv_metadata_kind) kind, path, &gone, 1, false, &version, &err));
        expect(table, (qv_metadata_kind) kind, path, "{\"odd \\\"key\\\"\":\"\\n\"}");
        QVT_OK(qv_table_set_metadata(table, (qv_metadata_kind) kind, path, pairs, 1, true, &version, &err));
        expect(table, (qv_metadata_kind) kind, path, "{\"quality\":\"good\"}");
    }
    assert_int_equal(version, 13);
    QVT_FAILS(qv_table_set_metadata(table, QV_METADATA_FIELD, "nome", pairs, 1, false, NULL, &err), QV_INVALID,
              "no column \"nome\"");
    QVT_FAILS(qv_table_set_metadata(table, (qv_metadata_kind) 9, NULL, pairs, 1, false, NULL, &err), QV_INVALID,
              "kind 9");
    QVT_FAILS(qv_table_set_metadata(table, QV_METADATA_TABLE, NULL, &empty, 1, false, NULL, &err), QV_INVALID,
              "a key is empty");
    qv_table_close(table);
    qv_db_close(db);
    qvt_rows_free(&rows);
}

static void primary_key(void **state)
{
    static const char *const id[] = { "id" }, *const twice[] = { "id", "id" }, *const name[] = { "name" },
                             *const none[] = { "nothing" };
    const qv_pair mark = { "lance-schema:unenforced-primary-key", "false" };
    qvt_rng rng = { 4 };
    qvt_rows rows = { 0 }, more = { 0 }, again = { 0 }, doubled;
    int64_t next_id = 0;
    uint64_t version;
    qv_db *db, *other;

    QV_UNUSED(state);
    qvt_rows_random(&rng, 20, &next_id, &rows);
    qv_table *table = make_table(&db, &rows);
    QVT_FAILS(qv_table_set_primary_key(table, id, 0, false, NULL, &err), QV_INVALID, "no columns");
    QVT_FAILS(qv_table_set_primary_key(table, twice, 2, false, NULL, &err), QV_INVALID, "twice");
    QVT_FAILS(qv_table_set_primary_key(table, name, 1, false, NULL, &err), QV_INVALID, "must not be nullable");
    QVT_FAILS(qv_table_set_primary_key(table, none, 1, false, NULL, &err), QV_INVALID, "no column \"nothing\"");
    QVT_OK(qv_table_set_primary_key(table, id, 1, true, &version, &err));
    assert_int_equal(version, 2);
    expect(table, QV_METADATA_CONFIG, NULL, "{\"quiver.primary_key.enforced\":\"true\"}");
    expect(table, QV_METADATA_FIELD, "id",
           "{\"lance-schema:unenforced-primary-key\":\"true\",\"lance-schema:unenforced-primary-key:position\":\"1\"}");
    QVT_FAILS(qv_table_set_primary_key(table, id, 1, false, NULL, &err), QV_INVALID, "already set");
    QVT_FAILS(qv_table_set_metadata(table, QV_METADATA_FIELD, "id", &mark, 1, false, NULL, &err), QV_INVALID,
              "cannot change");

    struct ArrowArrayStream stream; /* appends are held against the key, each other, and what is there */
    QVT_OK(qvt_rows_export(&rows, 16, &stream, &err));
    QVT_FAILS(qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err), QV_INVALID, "is in the table already");
    qvt_rows_random(&rng, 5, &next_id, &more);
    QVT_OK(qvt_rows_export(&more, 16, &stream, &err));
    QVT_OK(qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err));
    assert_int_equal(qv_table_version(table), 3);
    qvt_rows_random(&rng, 5, &next_id, &again);
    qvt_rows_add(&again, again.rows[2]);
    QVT_OK(qvt_rows_export(&again, 16, &stream, &err));
    QVT_FAILS(qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err), QV_INVALID, "");
    qvt_rows_free(&again);
    qvt_rows_free(&more);

    qvt_rows_copy(&doubled, &rows); /* rows of one key cannot be enforced, only declared */
    qvt_rows_append(&doubled, &rows);
    qv_table *double_table = make_table(&other, &doubled);
    QVT_FAILS(qv_table_set_primary_key(double_table, id, 1, true, NULL, &err), QV_INVALID, "two rows have the same");
    QVT_OK(qv_table_set_primary_key(double_table, id, 1, false, NULL, &err));
    expect(double_table, QV_METADATA_CONFIG, NULL, "{}");
    qv_table_close(double_table);
    qv_db_close(other);
    qv_table_close(table);
    qv_db_close(db);
    qvt_rows_free(&doubled);
    qvt_rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(maps), cmocka_unit_test(primary_key) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

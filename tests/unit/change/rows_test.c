/* Deleting and updating rows through the public door. */
#include "qvt_sql.h"

static qv_error err;

static const qvt_column columns[] = { { "id", "id" },
                                      { "n", "CAST(id % 7 AS INT)" },
                                      { "s", "CASE WHEN id % 5 = 0 THEN NULL ELSE concat('row ', id) END" },
                                      { NULL, NULL } };

typedef struct world {
    qv_db *db;
    qv_table *numbers, *table;
} world;

static world make(int64_t n, uint64_t rows_per_file, bool stable)
{
    world w = { .db = qvt_sql_db() };

    w.numbers = qvt_sql_numbers(w.db, 1000);
    char where[64];
    snprintf(where, sizeof where, "id < %lld", (long long) n);
    w.table = qvt_sql_table(w.db, "t", w.numbers, columns, where, rows_per_file, stable);
    return w;
}

static void drop(world *w)
{
    QVT_OK(qv_table_verify(w->table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(w->table);
    qv_table_close(w->numbers);
    qv_db_close(w->db);
}

/* ---------------------------------------------------------------- delete */

static void deletes(void **state)
{
    qv_delete_result result;

    QV_UNUSED(state);
    for (int stable = 0; stable < 2; stable++) {
        world w = make(10, 4, stable);
        QVT_OK(qv_table_delete(w.table, "id % 3 = 1", NULL, &result, &err));
        assert_int_equal(result.rows_deleted, 3);
        assert_int_equal(result.version, 2);
        assert_int_equal(qv_table_version(w.table), 2);
        assert_string_equal(qvt_sql_values(w.table, "id", NULL), "0,2,3,5,6,8,9");
        QVT_OK(qv_table_delete(w.table, "id = 100", NULL, &result, &err));
        assert_int_equal(result.rows_deleted, 0);
        assert_int_equal(result.version, 3);
        QVT_OK(qv_table_delete(w.table, "s IS NULL", NULL, &result, &err)); /* 0, 5 */
        assert_int_equal(result.rows_deleted, 2);
        assert_string_equal(qvt_sql_values(w.table, "id", NULL), "2,3,6,8,9");
        QVT_OK(qv_table_delete(w.table, "id >= 8", NULL, NULL, &err)); /* a whole fragment */
        assert_string_equal(qvt_sql_values(w.table, "id", NULL), "2,3,6");
        QVT_OK(qv_table_delete(w.table, "true", NULL, &result, &err));
        assert_int_equal(result.rows_deleted, 3);
        assert_int_equal(qvt_sql_count(w.table, NULL), 0);
        QVT_OK(qv_table_checkout(w.table, 2, &err));
        assert_string_equal(qvt_sql_values(w.table, "id", NULL), "0,2,3,5,6,8,9");
        QVT_FAILS(qv_table_delete(w.table, "true", NULL, NULL, &err), QV_READ_ONLY, "");
        drop(&w);
    }
}

static void bad_deletes(void **state)
{
    static const char *const wrong[] = { "nope = 1",          "id", "id = ", "id = 'a'", "foo(id)", "id / 0 = 1",
                                         "CAST(s AS INT) = 1" };
    world w = make(10, 4, false);

    QV_UNUSED(state);
    QVT_FAILS(qv_table_delete(w.table, NULL, NULL, NULL, &err), QV_INVALID, "Error parsing statement");
    QVT_FAILS(qv_table_delete(w.table, "", NULL, NULL, &err), QV_INVALID, "Expected: an expression, found: EOF");
    for (size_t i = 0; i < QV_COUNT_OF(wrong); i++) {
        qv_status st = qv_table_delete(w.table, wrong[i], NULL, NULL, &err);
        if (st != QV_INVALID)
            fail_msg("%s: %s", wrong[i], qv_status_name(st));
    }
    QVT_FAILS(qv_table_delete(w.table, "nope = 1", NULL, NULL, &err), QV_INVALID, "No field named nope");
    QVT_FAILS(qv_table_delete(w.table, "id", NULL, NULL, &err), QV_INVALID, "does not return a boolean");
    assert_int_equal(qv_table_version(w.table), 1);
    assert_int_equal(qvt_sql_count(w.table, NULL), 10);
    drop(&w);
}

/* ---------------------------------------------------------------- update */

static void updates(void **state)
{
    static const qv_assignment shift[] = { { "n", "n + 100" }, { "s", "s || '!'" } };
    static const qv_assignment casts[] = { { "n", "'12'" }, { "s", "id" } }, null[] = { { "s", "NULL" } };
    qv_update_result result;

    QV_UNUSED(state);
    for (int stable = 0; stable < 2; stable++) {
        world w = make(10, 4, stable);
        QVT_OK(qv_table_update(w.table, "id IN (1, 5, 8)", shift, 2, NULL, &result, &err));
        assert_int_equal(result.rows_updated, 3);
        assert_int_equal(result.version, 2);
        assert_string_equal(qvt_sql_values(w.table, "id", NULL), "0,2,3,4,6,7,9,1,5,8");
        assert_string_equal(qvt_sql_values(w.table, "n", NULL), "0,2,3,4,6,0,2,101,105,101");
        assert_int_equal(qvt_sql_count(w.table, "s = 'row 1!' OR s = 'row 8!'"), 2);
        assert_string_equal(qvt_sql_values(w.table, "id", "s IS NULL"), "0,5");
        assert_string_equal(qvt_sql_values(w.table, "_rowid", "id = 5"), stable ? "5" : "12884901889");
        QVT_OK(qv_table_update(w.table, "id = 99", shift, 2, NULL, &result, &err));
        assert_int_equal(result.rows_updated, 0);
        assert_int_equal(result.version, 3);
        QVT_OK(qv_table_update(w.table, "id < 2", casts, 2, NULL, NULL, &err));
        assert_string_equal(qvt_sql_values(w.table, "n", "id < 2"), "12,12");
        assert_int_equal(qvt_sql_count(w.table, "s = '0' OR s = '1'"), 2);
        QVT_OK(qv_table_update(w.table, NULL, null, 1, NULL, &result, &err));
        assert_int_equal(result.rows_updated, 10);
        assert_int_equal(qvt_sql_count(w.table, "s IS NULL"), 10);
        drop(&w);
    }
}

static void bad_updates(void **state)
{
    static const struct {
        qv_assignment assignments[2];
        size_t n;
        const char *where;
        qv_status status;
        const char *message;
    } cases[] = {
        { { { 0 } }, 0, NULL, QV_INVALID, "at least one column must be specified" },
        { { { "nope", "1" } }, 1, NULL, QV_INVALID, "Column 'nope' does not exist" },
        { { { "st.a", "1" } },
          1,
          NULL,
          QV_UNSUPPORTED,
          "Nested column references are not yet supported. Referenced: st.a" },
        { { { "n", "1" }, { "n", "2" } }, 2, NULL, QV_INVALID, "'n' is assigned twice" },
        { { { "n", NULL } }, 1, NULL, QV_INVALID, "no expression" },
        { { { NULL, "1" } }, 1, NULL, QV_INVALID, "without a column" },
        { { { "_rowid", "1" } }, 1, NULL, QV_INVALID, "'_rowid' does not exist" },
        { { { "n", "zz + 1" } }, 1, NULL, QV_INVALID, "zz" },
        { { { "n", "zz + 1" } }, 1, "id = 77", QV_INVALID, "zz" },
        { { { "n", "1" } }, 1, "zz = 1", QV_INVALID, "No field named zz" },
        { { { "n", "1" } }, 1, "id =", QV_INVALID, "" },
        { { { "n", "1 / (id - 3)" } }, 1, NULL, QV_INVALID, "" },
        { { { "n", "id * 10000000000" } }, 1, NULL, QV_SCHEMA, "n" },
        { { { "n", "s" } }, 1, NULL, QV_SCHEMA, "row 1" },
        { { { "id", "NULL" } }, 1, NULL, QV_SCHEMA, "id" },
    };
    world w = make(10, 4, false);

    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(cases); i++)
        QVT_FAILS(qv_table_update(w.table, cases[i].where, cases[i].assignments, cases[i].n, NULL, NULL, &err),
                  cases[i].status, cases[i].message);
    assert_int_equal(qv_table_version(w.table), 1);
    assert_string_equal(qvt_sql_values(w.table, "n", NULL), "0,1,2,3,4,5,6,0,1,2");
    drop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(deletes), cmocka_unit_test(bad_deletes),
                                        cmocka_unit_test(updates), cmocka_unit_test(bad_updates) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

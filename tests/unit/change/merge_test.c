/* Merging rows by key through the public door. */
#include "qvt_sql.h"

static qv_error err;

typedef struct world {
    qv_db *db;
    qv_table *numbers, *table;
} world;

/* id 0 .. n - 1, s, w = 10 * id; all but id nullable */
static world make(int64_t n, uint64_t rows_per_file, bool stable)
{
    static const qvt_column columns[] = { { "id", "id" },
                                          { "s", "CASE WHEN id < 0 THEN NULL ELSE concat('s', id) END" },
                                          { "w", "nullif(10 * id, -1)" },
                                          { NULL, NULL } };
    world w = { .db = qvt_sql_db() };
    char where[64];

    w.numbers = qvt_sql_numbers(w.db, 4000);
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

/* Source rows whose ids are an expression over the numbers that hold. */
static struct ArrowArrayStream source(const world *w, const char *id, const char *where)
{
    const qvt_column columns[] = { { "id", id }, { "s", "concat('new ', id)" }, { "w", "-id" }, { NULL, NULL } };
    return qvt_sql_rows(w->numbers, columns, where);
}

static const char *const key[] = { "id" };
#define UPSERT(o)                               \
    qv_merge_options o = QV_MERGE_OPTIONS_INIT; \
    o.on = key;                                 \
    o.n_on = 1;                                 \
    o.update_matched = o.insert_unmatched = true

static void expect_counts(const qv_merge_result *r, uint64_t version, uint64_t updated, uint64_t inserted,
                          uint64_t deleted)
{
    assert_int_equal(r->version, version);
    assert_int_equal(r->rows_updated, updated);
    assert_int_equal(r->rows_inserted, inserted);
    assert_int_equal(r->rows_deleted, deleted);
    assert_int_equal(r->attempts, 1);
}

static void upserts(void **state)
{
    QV_UNUSED(state);
    for (int stable = 0; stable < 2; stable++) {
        UPSERT(options);
        qv_merge_result result;
        world w = make(5, 2, stable);
        struct ArrowArrayStream rows =
            source(&w, "CASE id WHEN 0 THEN 3 WHEN 1 THEN 9 WHEN 2 THEN 1 ELSE 9 END", "id < 4");
        QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
        expect_counts(&result, 2, 2, 2, 0);
        assert_int_equal(result.source_rows, 4);
        assert_string_equal(qvt_sql_values(w.table, "id", NULL), "0,2,4,3,1,9,9");
        assert_string_equal(qvt_sql_values(w.table, "w", NULL), "0,20,40,0,-2,-1,-3");
        assert_string_equal(qvt_sql_values(w.table, "_rowid", "id = 3 OR id = 1"),
                            stable ? "3,1" : "12884901888,12884901889");
        rows = source(&w, "id", "id < 0");
        QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
        expect_counts(&result, 3, 0, 0, 0);
        assert_int_equal(qvt_sql_count(w.table, NULL), 7);
        drop(&w);
    }
}

static void clauses(void **state)
{
    UPSERT(options);
    qv_merge_result result;
    world w = make(10, 4, false);

    QV_UNUSED(state);
    options.update_matched = false; /* insert if absent */
    struct ArrowArrayStream rows = source(&w, "id + 8", "id < 4");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 2, 0, 2, 0);
    assert_string_equal(qvt_sql_values(w.table, "w", "id >= 8"), "80,90,-2,-3");
    options.update_matched = true; /* conditions over both sides */
    options.update_if = "source.w < -5 AND target.id <> 7";
    rows = source(&w, "id", "id < 9");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 3, 2, 0, 0);
    assert_string_equal(qvt_sql_values(w.table, "w", "id < 10"), "0,10,20,30,40,50,70,90,-6,-8");
    options.update_if = NULL; /* replace a range */
    options.delete_unmatched = true;
    options.delete_if = "id >= 4";
    rows = source(&w, "id", "id IN (5, 100)");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 4, 1, 1, 7);
    assert_string_equal(qvt_sql_values(w.table, "id", NULL), "0,1,2,3,5,100");
    options.delete_if = NULL;
    options.update_matched = options.insert_unmatched = false;
    rows = source(&w, "id", "id IN (1, 2)");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 5, 0, 0, 4);
    assert_string_equal(qvt_sql_values(w.table, "id", NULL), "1,2");
    rows = source(&w, "id", "id < 0"); /* no key at all */
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 6, 0, 0, 2);
    drop(&w);
}

static void subsets_and_nulls(void **state)
{
    static const qvt_column narrow[] = { { "w", "id + 500" }, { "id", "CAST(id * 3 AS INT)" }, { NULL, NULL } };
    static const qvt_column no_keys[] = { { "id", "id" }, { "s", "'x'" }, { "w", "nullif(0, 0)" }, { NULL, NULL } };
    static const char *const by_w[] = { "w" }, *const both[] = { "s", "id", "s" };
    UPSERT(options);
    qv_merge_result result;
    world w = make(5, 2, false);

    QV_UNUSED(state);
    struct ArrowArrayStream rows = qvt_sql_rows(w.numbers, narrow, "id < 3"); /* 0, 3, 6 */
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 2, 2, 1, 0);
    assert_string_equal(qvt_sql_values(w.table, "w", NULL), "10,20,40,500,501,502");
    assert_int_equal(qvt_sql_count(w.table, "(id = 3 AND s = 's3') OR (id = 6 AND s IS NULL)"), 2);
    options.on = by_w; /* null keys meet nothing, not even each other */
    for (int i = 0; i < 2; i++) {
        rows = qvt_sql_rows(w.numbers, no_keys, "id < 2");
        QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
        expect_counts(&result, (uint64_t) (3 + i), 0, 2, 0);
    }
    assert_int_equal(qvt_sql_count(w.table, "w IS NULL"), 4);
    options.on = both;
    options.n_on = 3;
    const qvt_column pairs[] = { { "id", "id" }, { "s", "concat('s', id / 2 * 2)" }, { "w", "7" }, { NULL, NULL } };
    rows = qvt_sql_rows(w.numbers, pairs, "id < 5"); /* only even ids have such a text */
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 5, 3, 2, 0);
    assert_string_equal(qvt_sql_values(w.table, "id", "w = 7"), "0,2,4,1,3");
    drop(&w);
}

/* Keys of every kind that can be one: a merge by the key finds each row, and only it. */
static void key_types(void **state)
{
    static const char *const types[] = { "CAST(id AS TINYINT)",
                                         "CAST(id AS INT UNSIGNED)",
                                         "CAST(id AS BIGINT)",
                                         "CAST(id AS DOUBLE) / 2",
                                         "CAST(CAST(id AS REAL) AS REAL)",
                                         "concat('k', id)",
                                         "CAST(concat('k', id) AS BYTEA)",
                                         "CAST(id AS DECIMAL(20, 2))",
                                         "CAST(CAST(id AS INT) AS DATE)",
                                         "CAST(id * 1000000 AS TIMESTAMP)",
                                         "id = 1" };
    static const char *const by_k[] = { "k" };

    QV_UNUSED(state);
    for (size_t i = 0; i < QV_COUNT_OF(types); i++) {
        const qvt_column columns[] = { { "k", types[i] }, { "id", "id" }, { NULL, NULL } };
        UPSERT(options);
        qv_merge_result result;
        qv_db *db = qvt_sql_db();
        qv_table *numbers = qvt_sql_numbers(db, 100);
        bool two = i == QV_COUNT_OF(types) - 1;
        qv_table *table = qvt_sql_table(db, "t", numbers, columns, two ? "id < 2" : "id < 60", 7, false);
        struct ArrowArrayStream rows = qvt_sql_rows(numbers, columns, two ? "id = 1 OR id = 0" : "id >= 40");
        options.on = by_k;
        QVT_OK(qv_table_merge(table, &rows, &options, &result, &err));
        expect_counts(&result, 2, two ? 2 : 20, two ? 0 : 40, 0);
        assert_int_equal(qvt_sql_count(table, NULL), two ? 2 : 100);
        qv_table_close(table);
        qv_table_close(numbers);
        qv_db_close(db);
    }
}

/* Small limits: the source goes into a file, and the keys take many passes; nothing else may differ. */
static void little_memory(void **state)
{
    static const char *const by_s[] = { "s" };

    QV_UNUSED(state);
    for (int text = 0; text < 2; text++) {
        UPSERT(options);
        qv_merge_result result;
        world w = make(3000, 700, true);
        QVT_OK(qv_table_delete(w.table, "id % 10 = 3", NULL, NULL, &err));
        options.on = text ? by_s : key;
        options.memory_limit_bytes = 5000;
        options.update_if = "target.id % 2 = 0";
        const qvt_column columns[] = { { "id", "id" }, { "s", "concat('s', id)" }, { "w", "-id" }, { NULL, NULL } };
        struct ArrowArrayStream rows = qvt_sql_rows(w.numbers, columns, "id >= 1000");
        QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
        expect_counts(&result, 3, 1000, 1200, 0);
        assert_int_equal(qvt_sql_count(w.table, NULL), 3900);
        assert_int_equal(qvt_sql_count(w.table, "w = -id"), 1000 + 1200 + 1);
        assert_int_equal(qvt_sql_count(w.table, "_rowid = id"), 2700);
        drop(&w);
    }
}

static void by_index(void **state)
{
    UPSERT(options);
    qv_merge_result result;
    world w = make(3000, 700, false);
    qv_index_options index = QV_INDEX_OPTIONS_INIT;

    QV_UNUSED(state);
    QVT_OK(qv_table_create_index(w.table, "id", &index, &err));
    for (int i = 0; i < 3; i++) { /* the rows of the first merge are not in the index */
        struct ArrowArrayStream rows = source(&w, "id * 300", "id < 15");
        options.no_index = i == 2;
        QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
        assert_int_equal(result.rows_updated, i ? 15 : 10);
        assert_int_equal(result.rows_inserted, i ? 0 : 5);
    }
    assert_int_equal(qvt_sql_count(w.table, NULL), 3005);
    drop(&w);
}

static void refuse(const world *w, const qv_merge_options *options, const char *id, qv_status status, const char *part)
{
    struct ArrowArrayStream rows = source(w, id, "id < 4");
    QVT_FAILS(qv_table_merge(w->table, &rows, options, NULL, &err), status, part);
    assert_null(rows.release);
}

static void bad_merges(void **state)
{
    static const char *const nope[] = { "nope" };
    static const qvt_column strange[] = { { "id", "id" }, { "zz", "1" }, { NULL, NULL } };
    static const qvt_column keyless[] = { { "s", "'x'" }, { NULL, NULL } };
    static const qvt_column overflow[] = { { "id", "concat('q', id)" }, { NULL, NULL } };
    UPSERT(options);
    world w = make(5, 2, false);

    QV_UNUSED(state);
    refuse(&w, &options, "id % 2", QV_INVALID,
           "Ambiguous merge inserts are prohibited: multiple source rows match the same target row on (id = ");
    options.update_if = "source.zz = 1";
    refuse(&w, &options, "id + 100", QV_INVALID, "zz");
    options.update_if = "source.id";
    refuse(&w, &options, "id", QV_INVALID, "boolean");
    options.update_if = "source.id / (target.id - target.id) = 1";
    refuse(&w, &options, "id", QV_INVALID, "");
    options.update_if = NULL;
    options.delete_unmatched = true;
    options.delete_if = "zz = 1";
    refuse(&w, &options, "id", QV_INVALID, "No field named zz");
    options.delete_unmatched = options.update_matched = options.insert_unmatched = false;
    refuse(&w, &options, "id", QV_INVALID, "not configured to change the data in any way");
    options.update_matched = true;
    options.n_on = 0;
    refuse(&w, &options, "id", QV_INVALID, "requires join keys");
    options.n_on = 1;
    options.on = nope;
    refuse(&w, &options, "id", QV_INVALID, "Merge insert key column 'nope' does not exist");
    options.on = key;
    struct ArrowArrayStream rows = qvt_sql_rows(w.numbers, strange, NULL);
    QVT_FAILS(qv_table_merge(w.table, &rows, &options, NULL, &err), QV_INVALID,
              "Field 'zz' not found in target schema");
    rows = qvt_sql_rows(w.numbers, keyless, NULL);
    QVT_FAILS(qv_table_merge(w.table, &rows, &options, NULL, &err), QV_INVALID, "No field named id");
    rows = qvt_sql_rows(w.numbers, overflow, NULL);
    QVT_FAILS(qv_table_merge(w.table, &rows, &options, NULL, &err), QV_SCHEMA, "q0");
    QVT_FAILS(qv_table_merge(w.table, NULL, &options, NULL, &err), QV_INVALID, "no source");
    assert_int_equal(qv_table_version(w.table), 1);
    assert_int_equal(qvt_sql_count(w.table, NULL), 5);
    drop(&w);
}

/* Repeated keys are no mistake where they update nothing. */
static void harmless_repeats(void **state)
{
    UPSERT(options);
    qv_merge_result result;
    world w = make(5, 2, false);

    QV_UNUSED(state);
    options.update_matched = false;
    struct ArrowArrayStream rows = source(&w, "id % 2", "id < 4");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 2, 0, 0, 0);
    options.update_matched = true;
    options.update_if = "source.w = -3";
    rows = source(&w, "id % 2", "id < 4");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 3, 1, 0, 0);
    drop(&w);
}

static void enforced_keys(void **state)
{
    static const char *const s[] = { "s" };
    static const qv_assignment assigned[] = { { "id", "id + 1" } }, other[] = { { "w", "1" } };
    UPSERT(options);
    qv_merge_result result;
    qv_write_result written;
    world w = make(5, 2, false);

    QV_UNUSED(state);
    QVT_OK(qv_table_set_primary_key(w.table, key, 1, true, NULL, &err));
    struct ArrowArrayStream rows = source(&w, "id + 4", "id < 2");
    QVT_FAILS(qv_table_write(w.table, QV_APPEND, &rows, NULL, NULL, &err), QV_INVALID, "(id = 4) is in the table");
    rows = source(&w, "id / 2 + 10", "id < 4");
    QVT_FAILS(qv_table_write(w.table, QV_APPEND, &rows, NULL, NULL, &err), QV_INVALID, "same primary key (id = 1");
    rows = source(&w, "id + 5", "id < 3");
    QVT_OK(qv_table_write(w.table, QV_APPEND, &rows, NULL, &written, &err));
    assert_int_equal(written.rows, 3);
    assert_true(written.bytes > 0);
    options.n_on = 0; /* the primary key */
    rows = source(&w, "id + 7", "id < 3");
    QVT_OK(qv_table_merge(w.table, &rows, &options, &result, &err));
    expect_counts(&result, 4, 1, 2, 0);
    rows = source(&w, "id / 2 + 50", "id < 4");
    QVT_FAILS(qv_table_merge(w.table, &rows, &options, NULL, &err), QV_INVALID, "same primary key");
    options.n_on = 1;
    options.on = s;
    refuse(&w, &options, "id + 100", QV_INVALID, "by this key only");
    QVT_FAILS(qv_table_update(w.table, NULL, assigned, 1, NULL, NULL, &err), QV_INVALID, "cannot be updated");
    QVT_OK(qv_table_update(w.table, "id = 1", other, 1, NULL, NULL, &err));
    QVT_FAILS(qv_table_drop_columns(w.table, key, 1, NULL, &err), QV_INVALID, "cannot be dropped");
    assert_int_equal(qvt_sql_count(w.table, NULL), 10);
    drop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(upserts),           cmocka_unit_test(clauses),
                                        cmocka_unit_test(subsets_and_nulls), cmocka_unit_test(key_types),
                                        cmocka_unit_test(little_memory),     cmocka_unit_test(by_index),
                                        cmocka_unit_test(bad_merges),        cmocka_unit_test(harmless_repeats),
                                        cmocka_unit_test(enforced_keys) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

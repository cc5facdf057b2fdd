/* Clean-up by the table's own config: every so many commits, of what is old enough and too many, and never of what is named. */
#include "qvt_rows.h"

static qv_error err;
static char told[1000]; /* the last warning */

static void keep_warning(void *user, qv_log_level level, const char *message)
{
    (void) user;
    if (level == QV_LOG_WARNING)
        snprintf(told, sizeof told, "%s", message);
}

static qv_table *open_fresh(qv_db **db)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };
    qv_table *table;

    qvt_rows_add(&rows, (qvt_row){ .id = 1 });
    QVT_OK(qv_db_open("memory://", NULL, db, &err));
    QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
    QVT_OK(qv_db_create_table(*db, "t", QV_CREATE, &stream, NULL, NULL, &table, &err));
    qvt_rows_free(&rows);
    told[0] = 0;
    return table;
}

/* Versions n + 1 to n + `times`, each of which leaves a file that only it names. */
static void overwrite(qv_table *table, int times)
{
    for (int i = 0; i < times; i++) {
        struct ArrowArrayStream stream;
        qvt_rows rows = { 0 };
        qvt_rows_add(&rows, (qvt_row){ .id = i });
        QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
        QVT_OK(qv_table_write(table, QV_OVERWRITE, &stream, NULL, NULL, &err));
        qvt_rows_free(&rows);
    }
}

static void configure(qv_table *table, const qv_pair *pairs, size_t n)
{
    QVT_OK(qv_table_set_metadata(table, QV_METADATA_CONFIG, NULL, pairs, n, false, NULL, &err));
}

static void expect_versions(qv_table *table, const uint64_t *wanted, size_t n_wanted)
{
    qv_version_info *versions;
    size_t n;

    QVT_OK(qv_table_versions(table, &versions, &n, &err));
    assert_int_equal(n, n_wanted);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(versions[i].version, wanted[i]);
    qv_versions_free(versions);
}
#define EXPECT_VERSIONS(table, ...) \
    expect_versions(table, (const uint64_t[]) __VA_ARGS__, sizeof((const uint64_t[]) __VA_ARGS__) / sizeof(uint64_t))

static void by_count(void **state)
{
    static const qv_pair pairs[] = { { "lance.auto_cleanup.interval", "4" },
                                     { "lance.auto_cleanup.retain_versions", "2" } };
    qv_db *db;
    qv_table *table = open_fresh(&db);
    uint64_t rows;

    (void) state;
    configure(table, pairs, 2);
    overwrite(table, 1);
    QVT_OK(qv_table_tag_create(table, "kept", 2, &err));
    EXPECT_VERSIONS(table, { 1, 2, 3 });
    overwrite(table, 1); /* the fourth version */
    EXPECT_VERSIONS(table, { 2, 3, 4 });
    overwrite(table, 3);
    EXPECT_VERSIONS(table, { 2, 3, 4, 5, 6, 7 });
    overwrite(table, 1);
    EXPECT_VERSIONS(table, { 2, 7, 8 });
    QVT_OK(qv_table_checkout_tag(table, "kept", &err));
    QVT_OK(qv_table_count_rows(table, &rows, &err));
    assert_int_equal(rows, 1);
    assert_string_equal(told, "");
    qv_table_close(table);
    qv_db_close(db);
}

static void by_age(void **state)
{
    static const qv_pair pairs[] = { { "lance.auto_cleanup.interval", "0" },
                                     { "lance.auto_cleanup.older_than", "1h 30m" } },
                         now = { "lance.auto_cleanup.older_than", "0s" };
    qv_db *db;
    qv_table *table = open_fresh(&db);

    (void) state;
    configure(table, pairs, 2);
    overwrite(table, 3);
    EXPECT_VERSIONS(table, { 1, 2, 3, 4, 5 }); /* all are young */
    configure(table, &now, 1);
    overwrite(table, 1);
    EXPECT_VERSIONS(table, { 7 });
    assert_string_equal(told, "");
    qv_table_close(table);
    qv_db_close(db);
}

/* Without an interval nothing happens; what is not understood is told, and takes nothing away. */
static void bad_config(void **state)
{
    static const qv_pair no_interval = { "lance.auto_cleanup.older_than", "0s" },
                         bad_interval = { "lance.auto_cleanup.interval", "often" },
                         interval = { "lance.auto_cleanup.interval", "0" },
                         bad_age[] = { { "lance.auto_cleanup.older_than", "3 fortnights" },
                                       { "lance.auto_cleanup.older_than", "x" },
                                       { "lance.auto_cleanup.retain_versions", "-1" } };
    qv_db *db;
    qv_table *table = open_fresh(&db);

    (void) state;
    configure(table, &no_interval, 1);
    overwrite(table, 1);
    configure(table, &bad_interval, 1);
    overwrite(table, 1);
    EXPECT_VERSIONS(table, { 1, 2, 3, 4, 5 });
    configure(table, &bad_age[0], 1);
    configure(table, &interval, 1);
    for (size_t i = 0; i < QV_COUNT_OF(bad_age); i++) {
        told[0] = 0;
        configure(table, &bad_age[i], 1);
        overwrite(table, 1);
        assert_non_null(strstr(told, "is not understood"));
    }
    qv_version_info *versions;
    size_t n;
    QVT_OK(qv_table_versions(table, &versions, &n, &err));
    assert_int_equal(n, 13);
    qv_versions_free(versions);
    qv_table_close(table);
    qv_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(by_count), cmocka_unit_test(by_age),
                                        cmocka_unit_test(bad_config) };

    qv_set_log(keep_warning, NULL, QV_LOG_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

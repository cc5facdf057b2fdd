/* Eight processes append a hundred times each to one table: 800 more versions, every row there once, no error seen by anyone. */
#include <sys/wait.h>
#include <unistd.h>

#include "qvt_rows.h"

#define WRITERS   8
#define APPENDS   100
#define ROWS_EACH 3

static int write_many(const char *uri, int writer)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err = { 0 };
    qv_status st = qv_db_open(uri, NULL, &db, &err);

    if (st == QV_OK)
        st = qv_db_open_table(db, "t", 0, &table, &err);
    for (int i = 0; st == QV_OK && i < APPENDS; i++) {
        struct ArrowArrayStream stream;
        qvt_rows rows = { 0 };
        int64_t next_id = 1000 + (writer * APPENDS + i) * ROWS_EACH;
        qvt_rng rng = { (uint64_t) next_id };
        qvt_rows_random(&rng, ROWS_EACH, &next_id, &rows);
        st = qvt_rows_export(&rows, 64, &stream, &err);
        if (st == QV_OK)
            st = qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err);
        qvt_rows_free(&rows);
    }
    if (st != QV_OK)
        fprintf(stderr, "writer %d: %s: %s\n", writer, qv_status_name(st), err.message);
    qv_table_close(table);
    qv_db_close(db);
    return st == QV_OK ? 0 : 1;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = ((const qvt_row *) a)->id, y = ((const qvt_row *) b)->id;
    return (x > y) - (x < y);
}

static void all_land(void **state)
{
    char uri[4096];
    pid_t children[WRITERS];
    qvt_rng rng = { 31 };
    qvt_rows first = { 0 }, found = { 0 };
    int64_t next_id = 0;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;

    QV_UNUSED(state);
    snprintf(uri, sizeof uri, "%s/db", qvt_temp_dir());
    qvt_rows_random(&rng, 1, &next_id, &first);
    QVT_OK(qvt_table_append(uri, &first, &err));
    for (int w = 0; w < WRITERS; w++) {
        children[w] = qvt_fork();
        assert_true(children[w] >= 0);
        if (children[w] == 0)
            _exit(write_many(uri, w));
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = 0;
        assert_int_equal(waitpid(children[w], &status, 0), children[w]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    assert_int_equal(qv_table_version(table), 1 + WRITERS * APPENDS);
    QVT_OK(qvt_rows_scan(table, &found, &err));
    assert_int_equal(found.n, 1 + WRITERS * APPENDS * ROWS_EACH);
    qsort(found.rows, found.n, sizeof *found.rows, compare_ids);
    for (size_t i = 1; i < found.n; i++)
        assert_int_equal(found.rows[i].id, 1000 + (int64_t) i - 1);
    qvt_rows_free(&first);
    qvt_rows_free(&found);
    qv_table_close(table);
    qv_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_land) };
    qvt_stay_single();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Four processes append the same keys to a table that enforces its primary key: each key gets in once, the others are told. */
#include <sys/wait.h>
#include <unistd.h>

#include "qvt_rows.h"

#define WRITERS 4
#define KEYS    50

/* How many of the keys this writer was the first to bring; 255: another failure than a key that is there. */
static int write_keys(const char *uri)
{
    qv_db *db;
    qv_table *table;
    qv_error err;
    int landed = 0;

    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    for (int64_t key = 1000; key < 1000 + KEYS; key++) {
        struct ArrowArrayStream stream;
        qvt_rng rng = { (uint64_t) key };
        qvt_rows rows = { 0 };
        int64_t next_id = key;
        qvt_rows_random(&rng, 1, &next_id, &rows);
        QVT_OK(qvt_rows_export(&rows, 8, &stream, &err));
        qv_status st = qv_table_write(table, QV_APPEND, &stream, NULL, NULL, &err);
        qvt_rows_free(&rows);
        if (st != QV_OK && st != QV_INVALID) {
            fprintf(stderr, "%s: %s\n", qv_status_name(st), err.message);
            return 255;
        }
        landed += st == QV_OK;
    }
    qv_table_close(table);
    qv_db_close(db);
    return landed;
}

static void each_key_once(void **state)
{
    static const char *const columns[] = { "id" };
    char uri[4096];
    pid_t children[WRITERS];
    qvt_rng rng = { 1 };
    qvt_rows first = { 0 }, found = { 0 };
    int64_t next_id = 0;
    int landed = 0, status;
    qv_db *db;
    qv_table *table;
    qv_error err;

    QV_UNUSED(state);
    snprintf(uri, sizeof uri, "%s/db", qvt_temp_dir());
    qvt_rows_random(&rng, 1, &next_id, &first);
    QVT_OK(qvt_table_append(uri, &first, &err));
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qv_table_set_primary_key(table, columns, 1, true, NULL, &err));
    for (int w = 0; w < WRITERS; w++) {
        children[w] = qvt_fork();
        assert_true(children[w] >= 0);
        if (children[w] == 0)
            _exit(write_keys(uri));
    }
    for (int w = 0; w < WRITERS; w++) {
        assert_int_equal(waitpid(children[w], &status, 0), children[w]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        landed += WEXITSTATUS(status);
    }
    assert_int_equal(landed, KEYS);
    qv_table_close(table);
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qvt_rows_scan(table, &found, &err));
    assert_int_equal(found.n, 1 + KEYS);
    qvt_rows_free(&first);
    qvt_rows_free(&found);
    qv_table_close(table);
    qv_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_key_once) };
    qvt_stay_single();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

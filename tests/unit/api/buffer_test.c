/* The write buffer: what readers see, when versions are made, who may have one, and many threads at once. */
#include <pthread.h>

#include "qvt_buffer.h"
#include "qvt_rows.h"

#include "base/alloc.h"
#include "base/job.h"

static qv_error err;

static void open_fresh(const char *uri, bool stable, qv_db **db, qv_table **table)
{
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    options.stable_row_ids = stable;
    qvt_rows_add(&rows, (qvt_row){ .id = 0, .has_vector = true });
    QVT_OK(qv_db_open(uri, NULL, db, &err));
    QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
    QVT_OK(qv_db_create_table(*db, "t", QV_CREATE, &stream, NULL, &options, table, &err));
    qvt_rows_free(&rows);
}

static void expect(qv_table *table, int64_t n)
{
    qvt_rows rows = { 0 };
    uint64_t counted;

    QVT_OK(qv_table_count_rows(table, &counted, &err));
    assert_int_equal(counted, n);
    QVT_OK(qvt_rows_scan(table, &rows, &err));
    assert_int_equal(rows.n, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(rows.rows[i].id, i);
    qvt_rows_free(&rows);
}

static void see_and_flush(const char *uri, bool stable)
{
    qv_db *db = NULL;
    qv_table *t = NULL, *other = NULL;
    qv_write_buffer *b = NULL;
    uint64_t version;

    open_fresh(uri, stable, &db, &t);
    QVT_OK(qv_db_open_table(db, "t", 0, &other, &err));
    QVT_OK(qv_write_buffer_open(t, NULL, &b, &err));
    for (int64_t i = 1; i <= 40; i++) {
        QVT_OK(qvt_buffer_add(b, i, &err));
        expect(t, i + 1);
    }
    assert_int_equal(qv_table_version(t), 1);
    expect(other, 1);
    QVT_OK(qv_write_buffer_flush(b, &version, &err));
    assert_int_equal(version, 2);
    expect(t, 41);
    QVT_OK(qv_table_checkout_latest(other, &err));
    expect(other, 41);
    QVT_OK(qv_write_buffer_flush(b, &version, &err)); /* nothing to do */
    assert_int_equal(version, 2);
    QVT_OK(qvt_buffer_add(b, 41, &err));
    QVT_OK(qv_table_checkout(t, 1, &err));
    expect(t, 1);
    QVT_OK(qv_table_checkout_latest(t, &err));
    expect(t, 42);
    QVT_OK(qv_write_buffer_close(b, &err));
    assert_int_equal(qv_table_version(t), 3);
    expect(t, 42);
    QVT_OK(qv_table_verify(t, NULL, NULL, NULL, NULL, &err));
    qv_table_close(other);
    qv_table_close(t);
    qv_db_close(db);
}

static void test_see_and_flush(void **state)
{
    char uri[4200];

    (void) state;
    see_and_flush("memory://", false);
    see_and_flush("memory://", true);
    for (int stable = 0; stable < 2; stable++) {
        snprintf(uri, sizeof uri, "%s/see-%d", qvt_temp_dir(), stable);
        see_and_flush(uri, stable);
    }
}

/* A change through the same handle finds the rows that wait. */
static void test_changes_come_after(void **state)
{
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv_write_buffer *b = NULL;
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    (void) state;
    open_fresh("memory://", false, &db, &t);
    QVT_OK(qv_write_buffer_open(t, NULL, &b, &err));
    QVT_OK(qvt_buffer_add(b, 1, &err));
    qvt_rows_add(&rows, (qvt_row){ .id = 2 });
    QVT_OK(qvt_rows_export(&rows, 1, &stream, &err));
    QVT_OK(qv_table_write(t, QV_APPEND, &stream, NULL, NULL, &err));
    expect(t, 3);
    assert_int_equal(qv_table_version(t), 3);
    QVT_OK(qvt_buffer_add(b, 3, &err));
    expect(t, 4);
    QVT_OK(qv_write_buffer_close(b, &err));
    expect(t, 4);
    qvt_rows_free(&rows);
    qv_table_close(t);
    qv_db_close(db);
}

static void test_one_at_a_time(void **state)
{
    qv_db *db = NULL, *again = NULL;
    qv_table *t = NULL, *other = NULL;
    qv_write_buffer *b = NULL, *c = NULL;
    char uri[4200];

    (void) state;
    snprintf(uri, sizeof uri, "%s/one", qvt_temp_dir());
    open_fresh(uri, false, &db, &t);
    QVT_OK(qv_write_buffer_open(t, NULL, &b, &err));
    QVT_FAILS(qv_write_buffer_open(t, NULL, &c, &err), QV_EXISTS, "another write buffer is open");
    QVT_OK(qv_db_open(uri, NULL, &again, &err));
    QVT_OK(qv_db_open_table(again, "t", 0, &other, &err));
    QVT_FAILS(qv_write_buffer_open(other, NULL, &c, &err), QV_EXISTS, "another write buffer is open");
    QVT_OK(qv_write_buffer_close(b, &err));
    QVT_OK(qv_write_buffer_open(other, NULL, &c, &err));
    QVT_OK(qv_write_buffer_close(c, &err));
    QVT_OK(qv_table_checkout(other, 1, &err));
    QVT_FAILS(qv_write_buffer_open(other, NULL, &c, &err), QV_READ_ONLY, "checked out");
    qv_table_close(other);
    qv_db_close(again);
    qv_table_close(t);
    qv_db_close(db);
}

static void test_bad_rows(void **state)
{
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv_write_buffer *b = NULL;

    (void) state;
    open_fresh("memory://", false, &db, &t);
    QVT_OK(qv_write_buffer_open(t, NULL, &b, &err));
    QVT_FAILS(qv_write_buffer_add(b, NULL, &err), QV_INVALID, "no data");
    struct ArrowArrayStream empty = { 0 };
    assert_int_not_equal(qv_write_buffer_add(b, &empty, &err), QV_OK);
    expect(t, 1);
    QVT_OK(qv_write_buffer_close(b, &err));
    qv_table_close(t);
    qv_db_close(db);
}

/* ------------------------------------------------------------------ threads */

enum { THREADS = 8, ROWS_EACH = 60 };

typedef struct writer {
    qv_write_buffer *buffer;
    qv_table *table;
    int64_t first;
    int failures;
} writer;

static void *write_rows(void *ctx)
{
    writer *w = ctx;
    qv_error e;

    for (int64_t i = 0; i < ROWS_EACH; i++) {
        uint64_t n;
        if (qvt_buffer_add(w->buffer, w->first + i, &e) != QV_OK ||
            (i % 7 == 0 && qv_table_count_rows(w->table, &n, &e) != QV_OK) ||
            (i % 31 == 30 && qv_write_buffer_flush(w->buffer, NULL, &e) != QV_OK)) {
            print_error("%s\n", e.message);
            w->failures++;
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    qv_db *db = NULL;
    qv_table *t = NULL;
    qv_write_buffer *b = NULL;
    qv_write_buffer_options options = QV_WRITE_BUFFER_OPTIONS_INIT;
    pthread_t threads[THREADS];
    writer writers[THREADS];
    bool seen[THREADS * ROWS_EACH + 1] = { false };
    qvt_rows rows = { 0 };
    char uri[4200];

    (void) state;
    options.max_rows = 50;
    snprintf(uri, sizeof uri, "%s/threads", qvt_temp_dir());
    open_fresh(uri, false, &db, &t);
    QVT_OK(qv_write_buffer_open(t, &options, &b, &err));
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (writer){ b, t, 1 + i * ROWS_EACH, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, write_rows, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].failures, 0);
    }
    QVT_OK(qv_write_buffer_close(b, &err));
    QVT_OK(qvt_rows_scan(t, &rows, &err));
    assert_int_equal(rows.n, THREADS * ROWS_EACH + 1);
    for (size_t i = 0; i < rows.n; i++) {
        assert_false(seen[rows.rows[i].id]);
        seen[rows.rows[i].id] = true;
    }
    qvt_rows_free(&rows);
    qv_table_close(t);
    qv_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_see_and_flush), cmocka_unit_test(test_changes_come_after),
        cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_threads),
    };
    qvt_stay_single();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

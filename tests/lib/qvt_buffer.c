#include "qvt_buffer.h"

#include <sys/wait.h>
#include <unistd.h>

#include "qvt_rows.h"

enum { OLD = 5, LEFT = 3, NEW = 10 };

qv_status qvt_buffer_add(qv_write_buffer *buffer, int64_t id, qv_error *err)
{
    struct ArrowArrayStream stream;
    qvt_rows rows = { 0 };

    qvt_rows_add(&rows, (qvt_row){ .id = id, .has_name = true, .name = "buffered" });
    qv_status st = qvt_rows_export(&rows, 1, &stream, err);
    qvt_rows_free(&rows);
    return st == QV_OK ? qv_write_buffer_add(buffer, &stream, err) : st;
}

static qv_status open_buffer(const char *uri, qv_db **db, qv_table **table, qv_write_buffer **buffer, qv_error *err)
{
    qv_write_buffer_options options = QV_WRITE_BUFFER_OPTIONS_INIT;

    options.max_rows = 4;
    qv_status st = qv_db_open(uri, NULL, db, err);
    if (st == QV_OK)
        st = qv_db_open_table(*db, "t", 0, table, err);
    return st == QV_OK ? qv_write_buffer_open(*table, &options, buffer, err) : st;
}

/* In a child process, which ends without closing. */
static void leave_rows(qvt_buffer *s)
{
    pid_t child = qvt_fork();

    if (child == 0) {
        qv_db *db = NULL;
        qv_table *table = NULL;
        qv_write_buffer *buffer = NULL;
        qv_error err;
        bool ok = open_buffer(s->uri, &db, &table, &buffer, &err) == QV_OK;
        for (int64_t i = 0; ok && i < LEFT; i++)
            ok = qvt_buffer_add(buffer, OLD + i, &err) == QV_OK;
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    s->tried = s->acknowledged = OLD + LEFT;
}

void qvt_buffer_prepare(void *ctx)
{
    qvt_buffer *s = ctx;
    qvt_rows rows = { 0 };
    qv_error err;

    snprintf(s->uri, sizeof s->uri, "%s/buffer-%d-%u", qvt_temp_dir(), s->leftover, s->n_folders++);
    for (int64_t i = 0; i < OLD; i++)
        qvt_rows_add(&rows, (qvt_row){ .id = i });
    QVT_OK(qvt_table_append(s->uri, &rows, &err));
    qvt_rows_free(&rows);
    s->tried = s->acknowledged = OLD;
    if (s->leftover)
        leave_rows(s);
}

qv_status qvt_buffer_run(void *ctx, qv_error *err)
{
    qvt_buffer *s = ctx;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_write_buffer *buffer = NULL;
    int64_t first = s->tried;

    qv_status st = open_buffer(s->uri, &db, &table, &buffer, err);
    for (int64_t i = first; st == QV_OK && i < first + NEW; i++) {
        s->tried = i + 1;
        st = qvt_buffer_add(buffer, i, err);
        if (st == QV_OK)
            s->acknowledged = i + 1;
    }
    if (buffer) {
        qv_status closed = qv_write_buffer_close(buffer, st == QV_OK ? err : NULL);
        st = st == QV_OK ? closed : st;
    }
    qv_table_close(table);
    qv_db_close(db);
    return st;
}

static void expect_prefix(qv_table *table, const qvt_buffer *s)
{
    qvt_rows rows = { 0 };
    qv_error err;

    QVT_OK(qvt_rows_scan(table, &rows, &err));
    if ((int64_t) rows.n < s->acknowledged || (int64_t) rows.n > s->tried)
        fail_msg("%zu rows, %lld acknowledged, %lld tried", rows.n, (long long) s->acknowledged, (long long) s->tried);
    for (size_t i = 0; i < rows.n; i++)
        assert_int_equal(rows.rows[i].id, i);
    qvt_rows_free(&rows);
}

void qvt_buffer_check(void *ctx, qv_status st)
{
    qvt_buffer *s = ctx;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_write_buffer *buffer = NULL;
    qv_error err;

    if (st == QV_OK)
        assert_int_equal(s->acknowledged, s->tried);
    QVT_OK(open_buffer(s->uri, &db, &table, &buffer, &err));
    expect_prefix(table, s);
    QVT_OK(qv_write_buffer_close(buffer, &err));
    expect_prefix(table, s);
    QVT_OK(qv_table_verify(table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(table);
    qv_db_close(db);
}

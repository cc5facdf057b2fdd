/* Checking and describing tables. */
#include "api/api_private.h"
#include "base/buffer.h"
#include "index/index.h"

#define MAX_JSON_BYTES ((size_t) 1 << 30)

typedef struct counter {
    void (*on_problem)(void *user, const char *object, const char *what);
    void *user;
    uint64_t problems;
} counter;

static void count_problem(void *ctx, const char *object, const char *what)
{
    counter *c = ctx;

    c->problems++;
    if (c->on_problem)
        c->on_problem(c->user, object, what);
}

/* The table's own problems do not keep the indices from being looked at. */
static qv_status verify_all(qv__snapshot *snapshot, counter *c, qv__job *job, qv_verify_report *report, qv_error *err)
{
    qv_status st = qv__snapshot_verify(snapshot, count_problem, c, job, report, err);

    if (st != QV_OK && st != QV_CORRUPT)
        return st;
    QV_TRY(qv__index_verify(snapshot, count_problem, c, job, err));
    report->problems = c->problems;
    return c->problems ? qv__fail(err, QV_CORRUPT, "version %llu: %llu problems",
                                  (unsigned long long) qv__snapshot_version(snapshot), (unsigned long long) c->problems)
                       : QV_OK;
}

qv_status qv_table_verify(qv_table *table, void (*on_problem)(void *user, const char *object, const char *what),
                          void *user, const qv_job *options, qv_verify_report *report, qv_error *err)
{
    qv_verify_report counted = { 0 };
    qv__snapshot *snapshot;
    qv__job job;
    uint64_t rows = 0;
    qv_status st = QV_OK;

    QV_TRY(qv__table_view(table, &snapshot, err));
    qv__job_begin(&job, options, "verify", 0);
    QV_CHECK(qv__snapshot_count_rows(snapshot, &rows, err));
    job.rows_total = rows;
    QV_CHECK(verify_all(snapshot, &(counter){ on_problem, user, 0 }, &job, &counted, err));
done:
    qv__job_end(&job, st);
    qv__snapshot_unref(snapshot);
    if (report)
        *report = counted;
    return st;
}

static qv_status describe_file(qv_table *table, const char *path, qv__buffer *json, qv_error *err)
{
    qv__file *file = NULL;
    qv_status st = QV_OK;

    QV_CHECK(qv__file_open(table->store, path, &file, err));
    QV_CHECK(qv__file_describe(file, json, err));
done:
    qv__file_unref(file);
    return st;
}

static qv_status finish_text(qv__buffer *text, char **out, qv_error *err)
{
    QV_TRY(qv__buffer_append_zeros(text, 1, err));
    *out = (char *) qv__buffer_detach(text, NULL);
    return QV_OK;
}

qv_status qv_table_describe(qv_table *table, const char *path, char **json, qv_error *err)
{
    qv__buffer text;
    qv__snapshot *snapshot;
    qv_status st = QV_OK;

    QV_TRY(qv__table_view(table, &snapshot, err));
    qv__buffer_init(&text, MAX_JSON_BYTES);
    QV_CHECK(path ? describe_file(table, path, &text, err) : qv__snapshot_describe(snapshot, &text, err));
    QV_CHECK(finish_text(&text, json, err));
done:
    qv__buffer_free(&text);
    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_stats(qv_table *table, char **json, qv_error *err)
{
    qv__buffer text;
    qv__snapshot *snapshot;
    qv_status st = QV_OK;

    QV_TRY(qv__table_view(table, &snapshot, err));
    qv__buffer_init(&text, MAX_JSON_BYTES);
    QV_CHECK(qv__snapshot_stats(snapshot, &text, err));
    QV_CHECK(finish_text(&text, json, err));
done:
    qv__buffer_free(&text);
    qv__snapshot_unref(snapshot);
    return st;
}

qv_status qv_table_cleanup(qv_table *table, const qv_cleanup_options *options, qv_cleanup_result *result, qv_error *err)
{
    qv_cleanup_options opts = QV_CLEANUP_OPTIONS_INIT;
    qv_cleanup_result counted = { 0 };
    qv__snapshot *newest = NULL;
    qv__job job;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__table_check_refs_writable(table, err));
    QV_TRY(qv__table_newest(table, &newest, err));
    qv__job_begin(&job, &opts.job, "cleanup", 0);
    qv_status st = qv__cleanup(table->root, newest, &opts, &job, &counted, err);
    qv__job_end(&job, st);
    qv__snapshot_unref(newest);
    if (result)
        *result = counted;
    return st;
}

void qv_string_free(char *string) { qv__free(string); }

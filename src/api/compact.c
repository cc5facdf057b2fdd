/* Compaction behind the public names. */
#include "api/api_private.h"
#include "change/change.h"

#define MAX_JSON_BYTES ((size_t) 1 << 30)

qv_status qv_table_compact(qv_table *table, const qv_compact_options *options, qv_compact_result *result, qv_error *err)
{
    qv_compact_options opts = QV_COMPACT_OPTIONS_INIT;
    qv_compact_result done = { 0 };
    qv__snapshot *base = NULL, *made = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__compact(table->store, base, &opts, &done, &made, err));
    if (made)
        qv__table_publish(table, made);
    if (result)
        *result = done;
done:
    qv__snapshot_unref(base);
    return st;
}

/* ---------------------------------------------------------------- in three steps */

static qv_status hand_out(qv__buffer *text, char **out, qv_error *err)
{
    size_t len;

    QV_TRY(qv__buffer_append(text, "", 1, err));
    *out = (char *) qv__buffer_detach(text, &len);
    return QV_OK;
}

qv_status qv_table_compact_plan(qv_table *table, const qv_compact_options *options, char **plan, qv_error *err)
{
    qv_compact_options opts = QV_COMPACT_OPTIONS_INIT;
    qv__snapshot *base = NULL;
    qv__buffer text;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    if (!plan)
        return qv__fail(err, QV_INVALID, "a plan needs a place to go to");
    qv__buffer_init(&text, MAX_JSON_BYTES);
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__compact_plan(base, &opts, &text, err));
    QV_CHECK(hand_out(&text, plan, err));
done:
    qv__buffer_free(&text);
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_compact_task(qv_table *table, const char *task, const qv_compact_options *options,
                                char **task_result, qv_error *err)
{
    qv_compact_options opts = QV_COMPACT_OPTIONS_INIT;
    qv__snapshot *base = NULL;
    qv__buffer text;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    if (!task || !task_result)
        return qv__fail(err, QV_INVALID, "a task and a place for its result are needed");
    QV_TRY(qv__table_check_writable(table, err));
    qv__buffer_init(&text, MAX_JSON_BYTES);
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__compact_task(table->store, base, task, &opts, &text, err));
    QV_CHECK(hand_out(&text, task_result, err));
done:
    qv__buffer_free(&text);
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_compact_commit(qv_table *table, const char *const *task_results, size_t n,
                                  const qv_compact_options *options, qv_compact_result *result, qv_error *err)
{
    qv_compact_options opts = QV_COMPACT_OPTIONS_INIT;
    qv_compact_result done = { 0 };
    qv__snapshot *base = NULL, *made = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    for (size_t i = 0; i < n; i++)
        if (!task_results || !task_results[i])
            return qv__fail(err, QV_INVALID, "%zu task results are announced, and number %zu is not there", n, i);
    QV_TRY(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__compact_commit(table->store, base, task_results, n, &opts, &done, &made, err));
    if (made)
        qv__table_publish(table, made);
    if (result)
        *result = done;
done:
    qv__snapshot_unref(base);
    return st;
}

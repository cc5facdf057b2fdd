/* Changing rows: delete, update, merge. */
#include "api/api_private.h"
#include "arrow/c_data.h"
#include "change/change.h"

qv_status qv_table_delete(qv_table *table, const char *where, const qv_job *job, qv_delete_result *result,
                          qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__delete(table->store, base, where, job, result, &made, err));
    qv__table_publish(table, made);
done:
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_update(qv_table *table, const char *where, const qv_assignment *assignments, size_t n,
                          const qv_job *job, qv_update_result *result, qv_error *err)
{
    qv__snapshot *base = NULL, *made;
    qv_status st = QV_OK;

    QV_CHECK(qv__table_check_writable(table, err));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__update(table->store, base, where, assignments, n, job, result, &made, err));
    qv__table_publish(table, made);
done:
    qv__snapshot_unref(base);
    return st;
}

qv_status qv_table_merge(qv_table *table, struct ArrowArrayStream *source, const qv_merge_options *options,
                         qv_merge_result *result, qv_error *err)
{
    qv_merge_options opts = QV_MERGE_OPTIONS_INIT;
    qv__snapshot *base = NULL, *made;
    qv__stream *rows = NULL;
    qv_status st = QV_OK;

    QV_CHECK(QV_OPTIONS(&opts, options, err));
    QV_CHECK(qv__table_check_writable(table, err));
    if (!source)
        QV_CHECK(qv__fail(err, QV_INVALID, "no source to merge into table \"%s\"", table->name));
    QV_CHECK(qv__table_newest(table, &base, err));
    QV_CHECK(qv__import_stream(source, &rows, err));
    QV_CHECK(qv__merge(table->store, base, rows, &opts, result, &made, err));
    qv__table_publish(table, made);
done:
    if (source && source->release)
        source->release(source);
    qv__stream_free(rows);
    qv__snapshot_unref(base);
    return st;
}

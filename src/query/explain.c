/* The doors of scans, and plans as text: what would be done, or what was. */
#include <string.h>

#include "base/job.h"
#include "query_private.h"

qv__wanted qv__wanted_of(const qv_scan_options *options)
{
    return (qv__wanted){ .columns = options->columns,
                         .expressions = options->expressions,
                         .n_columns = options->n_columns,
                         .row_id = options->with_row_id,
                         .row_address = options->with_row_address };
}

qv_status qv__query_failed(qv_status st, qv_error *err)
{
    static const char prefix[] = "Query timeout";

    if (st != QV_TIMEOUT || (err && strncmp(err->message, prefix, sizeof prefix - 1) == 0))
        return st; /* a sort has it from its scan */
    return qv__fail_in(err, st, "%s", prefix);
}

qv_status qv__scan_plan_new(qv__snapshot *snapshot, const qv_scan_options *options, const qv__matches *matches,
                            qv__scan_plan *out, qv_error *err)
{
    qv__wanted wanted = qv__wanted_of(options);

    return options->n_order_by > 0 ? qv__sorted_new(snapshot, options, &wanted, matches, out, err)
                                   : qv__scan_new(snapshot, options, &wanted, matches, out, err);
}

qv_status qv__scan(qv__snapshot *snapshot, const qv_scan_options *options, qv__stream **out, qv_error *err)
{
    return qv__scan_matches(snapshot, NULL, options, out, err);
}

qv_status qv__scan_matches(qv__snapshot *snapshot, const qv__matches *rows, const qv_scan_options *options,
                           qv__stream **out, qv_error *err)
{
    qv__scan_plan plan;

    QV_TRY(qv__scan_plan_new(snapshot, options, rows, &plan, err));
    *out = plan.stream;
    return QV_OK;
}

static qv_status run_to_end(qv__stream *stream, qv_error *err)
{
    qv__array *batch = NULL;

    do {
        qv__array_unref(batch);
        batch = NULL;
        QV_TRY(stream->next(stream, &batch, err));
    } while (batch);
    return QV_OK;
}

qv_status qv__explain_scan(qv__snapshot *snapshot, const qv_scan_options *options, qv_plan_mode mode, bool as_json,
                           qv__buffer *out, qv_error *err)
{
    int64_t began = qv__now_ns(), elapsed = -1;
    qv__scan_plan plan;

    QV_TRY(qv__scan_plan_new(snapshot, options, NULL, &plan, err));
    qv_status st = QV_OK;
    if (mode == QV_PLAN_ANALYZE) {
        st = run_to_end(plan.stream, err);
        elapsed = qv__now_ns() - began;
    }
    if (st == QV_OK)
        st = qv__plan_print(plan.plan, elapsed, as_json, out, err);
    qv__stream_free(plan.stream);
    return st;
}

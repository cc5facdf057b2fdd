/* Rows out: each call takes the handle's snapshot, makes a stream over it, and exports that. */
#include "api/api_private.h"
#include "arrow/c_data.h"
#include "query/query.h"

static qv_status check_column_list(const char *const *columns, size_t n, const char *const *expressions, qv_error *err)
{
    if (n && !columns)
        return qv__fail(err, QV_INVALID, "%zu columns are announced, but the list is NULL", n);
    for (size_t i = 0; i < n; i++)
        if (!columns[i])
            return qv__fail(err, QV_INVALID, "column %zu of the list is NULL", i);
    if (expressions && !columns)
        return qv__fail(err, QV_INVALID, "expressions are given, but no columns that name them");
    return QV_OK;
}

static qv_status check_order(const qv_order *order_by, size_t n, qv_error *err)
{
    if (n && !order_by)
        return qv__fail(err, QV_INVALID, "%zu sort keys are announced, but the list is NULL", n);
    for (size_t i = 0; i < n; i++)
        if (!order_by[i].column)
            return qv__fail(err, QV_INVALID, "sort key %zu of the list has no column", i);
    return QV_OK;
}

qv_status qv__check_scan_options(const qv_scan_options *options, qv_error *err)
{
    QV_TRY(check_column_list(options->columns, options->n_columns, options->expressions, err));
    return check_order(options->order_by, options->n_order_by, err);
}

qv_status qv_table_scan(qv_table *table, const qv_scan_options *options, struct ArrowArrayStream *out, qv_error *err)
{
    qv_scan_options opts = QV_SCAN_OPTIONS_INIT;
    qv__stream *stream = NULL;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__check_scan_options(&opts, err));
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__scan(snapshot, &opts, &stream, err);
    qv__snapshot_unref(snapshot);
    return st == QV_OK ? qv__export_stream(stream, out, err) : st;
}

qv_status qv_table_take(qv_table *table, qv_take_by by, const uint64_t *rows, size_t n_rows, bool in_order,
                        const qv_scan_options *options, struct ArrowArrayStream *out, qv_error *err)
{
    qv_scan_options opts = QV_SCAN_OPTIONS_INIT;
    qv__stream *stream = NULL;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__check_scan_options(&opts, err));
    if (n_rows && !rows)
        return qv__fail(err, QV_INVALID, "%zu rows are asked for, but the list is NULL", n_rows);
    if (by != QV_TAKE_OFFSETS && by != QV_TAKE_ROW_IDS)
        return qv__fail(err, QV_INVALID, "take by %d is not known", (int) by);
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__take(snapshot, by, rows, n_rows, in_order, &opts, &stream, err);
    qv__snapshot_unref(snapshot);
    return st == QV_OK ? qv__export_stream(stream, out, err) : st;
}

/* How a vector index is to be asked: numbers that contradict each other. */
static qv_status check_approximation(const qv_search_options *options, qv_error *err)
{
    if (options->max_probes && options->min_probes > options->max_probes)
        return qv__fail(err, QV_INVALID, "min_probes is %u, more than max_probes, which is %u", options->min_probes,
                        options->max_probes);
    if (options->no_refine && options->refine_factor)
        return qv__fail(err, QV_INVALID, "refine_factor is %u, but no_refine is set too", options->refine_factor);
    if ((unsigned) options->approx_mode > QV_APPROX_ACCURATE)
        return qv__fail(err, QV_INVALID, "approx_mode %d is not known", (int) options->approx_mode);
    return QV_OK;
}

qv_status qv__check_search(const qv_vectors *queries, const qv_search_options *options, qv_error *err)
{
    QV_TRY(check_column_list(options->columns, options->n_columns, options->expressions, err));
    if (!queries || !queries->data || queries->n == 0)
        return qv__fail(err, QV_INVALID, "the search has no query vector");
    if (queries->dim == 0)
        return qv__fail(err, QV_INVALID, "the query vector has 0 dimensions");
    if (queries->n > INT32_MAX)
        return qv__fail(err, QV_INVALID, "%zu query vectors at once, at most %d are allowed", queries->n, INT32_MAX);
    if ((unsigned) queries->element > QV_ELEMENT_U8)
        return qv__fail(err, QV_INVALID, "query element type %d is not known", (int) queries->element);
    if ((unsigned) options->metric > QV_METRIC_JACCARD)
        return qv__fail(err, QV_INVALID, "metric %d is not known", (int) options->metric);
    if (options->k == 0)
        return qv__fail(err, QV_INVALID, "k is 0; a search returns at least 1 row");
    QV_TRY(check_approximation(options, err));
    return check_order(options->order_by, options->n_order_by, err);
}

qv_status qv_table_search(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                          struct ArrowArrayStream *out, qv_error *err)
{
    qv_search_options opts = QV_SEARCH_OPTIONS_INIT;
    qv__stream *stream = NULL;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__check_search(queries, &opts, err));
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__search(snapshot, queries, &opts, &stream, err);
    qv__snapshot_unref(snapshot);
    return st == QV_OK ? qv__export_stream(stream, out, err) : st;
}

qv_status qv_table_count_where(qv_table *table, const char *where, const qv_job *job, uint64_t *out, qv_error *err)
{
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__count_where(snapshot, where, job, out, err);
    qv__snapshot_unref(snapshot);
    return st;
}

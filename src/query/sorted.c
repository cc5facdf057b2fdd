/* A stream over rows in an order. The sort keys are scanned first, each with the place of its row; the places are sorted, cut by offset
 * and limit, and then the columns are fetched, batch by batch. So memory is the keys alone, whatever else is returned. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "query_private.h"

enum {
    BATCH_ROWS = 1 << 15,
    BATCH_BYTES = 4 << 20
}; /* places lie anywhere: what a batch decodes should serve many rows */

typedef struct sorted {
    qv__stream stream;
    qv__row_reader reader;
    qv__projection *projection;
    qv__job job;
    bool ended; /* the job has been told */
    qv__plan plan;
    qv__operator *op_sort, *op_fetch, *op_project;

    qv__stream *keys; /* the scan of keys and places; NULL once sorted */
    qv__sort_key *how;
    size_t n_keys;
    uint64_t offset, end; /* of the sorted rows; end UINT64_MAX: all */
    uint32_t batch_rows;
    qv__location *places;
    size_t n, next;
} sorted;

/* ------------------------------------------------------------------ sorting */

static qv_status add_batch(sorted *s, qv__sorter *sorter, const qv__array *batch, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = (size_t) batch->length;
    const uint64_t *places = qv__array_values(batch->children[s->n_keys]);
    qv__location *at = NULL;

    QV_CHECK(qv__job_tick(&s->job, n, 0, err));
    QV_CHECK(QV_NEW(&at, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++)
        at[i] = (qv__location){ (size_t) (places[i] >> 32), places[i] & UINT32_MAX };
    qv__span span = qv__span_begin();
    QV_CHECK(qv__sorter_add(sorter, batch->children, at, n, err));
    qv__span_end(&span, s->op_sort, 0);
done:
    qv__free(at);
    return st;
}

static qv_status sort_all(sorted *s, qv_error *err)
{
    qv_status st = QV_OK;
    qv__sorter *sorter = NULL;
    qv__array *batch = NULL;

    QV_CHECK(qv__sorter_new(s->how, s->n_keys, s->end, &sorter, err));
    while (s->end > 0) {
        QV_CHECK(s->keys->next(s->keys, &batch, err));
        if (!batch)
            break;
        QV_CHECK(add_batch(s, sorter, batch, err));
        qv__array_unref(batch);
        batch = NULL;
    }
    qv__span span = qv__span_begin();
    QV_CHECK(qv__sorter_finish(sorter, &s->places, &s->n, err));
    qv__span_end(&span, s->op_sort, s->n);
    s->next = (size_t) QV_MIN(s->offset, s->n);
    qv__stream_free(s->keys);
    s->keys = NULL;
done:
    qv__array_unref(batch);
    qv__sorter_free(sorter);
    return st;
}

/* ------------------------------------------------------------------ the stream */

/* Rows whose columns take about BATCH_BYTES, after the first fragment's measure. */
static qv_status choose_batch_rows(sorted *s, qv_error *err)
{
    qv__opened *opened = NULL;
    uint64_t bytes = 0;
    qv_status st = QV_OK;

    if (s->batch_rows > 0 || s->n == s->next)
        return QV_OK;
    QV_TRY(qv__opened_new(&s->reader, s->places[s->next].fragment, &opened, err));
    uint64_t sample = QV_MIN(opened->rows, BATCH_ROWS);
    for (size_t i = 0; i < s->projection->n_used; i++) {
        qv__fragment_column *column;
        if (s->reader.sources.items[s->projection->used[i]].kind != QV_FROM_FIELD)
            continue;
        QV_CHECK(qv__opened_column(opened, s->projection->used[i], &column, err));
        bytes += qv__fragment_column_cost(column, 0, sample);
    }
    uint64_t rows = bytes > BATCH_BYTES ? (uint64_t) ((double) sample * BATCH_BYTES / (double) bytes) : BATCH_ROWS;
    s->batch_rows = (uint32_t) QV_MIN(QV_MAX(rows, 64), BATCH_ROWS);
done:
    qv__opened_unref(opened);
    return st;
}

static qv_status next_batch(sorted *s, qv__array **out, qv_error *err)
{
    if (s->keys) {
        QV_TRY(sort_all(s, err));
        QV_TRY(choose_batch_rows(s, err));
    }
    size_t n = QV_MIN(s->n - s->next, s->batch_rows);
    if (n == 0)
        return QV_OK;
    QV_TRY(qv__job_tick(&s->job, 0, 0, err));
    qv__span span = qv__span_begin();
    QV_TRY(qv__fetch_batch(&s->reader, s->projection, s->places + s->next, n, &s->job, out, err));
    qv__span_end(&span, s->op_fetch, n);
    qv__span_end(&(qv__span){ qv__now_ns(), qv__io_counted().bytes, qv__io_counted().calls }, s->op_project, n);
    s->next += n;
    return QV_OK;
}

static qv_status sorted_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    sorted *s = (sorted *) stream;
    qv__array *batch = NULL;

    *out = NULL;
    if (s->ended)
        return QV_OK;
    qv_status st = qv__query_failed(next_batch(s, &batch, err), err);
    if (st != QV_OK || !batch) {
        s->ended = true;
        qv__job_end(&s->job, st);
    }
    *out = batch;
    return st;
}

static void sorted_destroy(qv__stream *stream)
{
    sorted *s = (sorted *) stream;

    if (!s->ended)
        qv__job_end(&s->job, QV_CANCELLED);
    qv__stream_free(s->keys); /* before the plan, in which it counts */
    qv__schema_unref(s->stream.schema);
    qv__projection_free(s->projection);
    qv__plan_clear(&s->plan);
    qv__free(s->how);
    qv__free(s->places);
    qv__row_reader_clear(&s->reader);
    qv__free(s);
}

/* ------------------------------------------------------------------ the plan */

static qv_status print_order(const char *const *names, const qv__sort_key *keys, size_t n, qv__buffer *out,
                             qv_error *err)
{
    for (size_t k = 0; k < n; k++)
        QV_TRY(qv__buffer_printf(out, err, "%s%s %s NULLS %s", k ? ", " : "", names[k],
                                 keys[k].descending ? "DESC" : "ASC", keys[k].nulls_first ? "FIRST" : "LAST"));
    return qv__buffer_append_zeros(out, 1, err);
}

static qv_status print_fetched(const sorted *s, qv__buffer *out, qv_error *err)
{
    out->len = 0;
    for (size_t i = 0; i < s->projection->n_used; i++)
        QV_TRY(
            qv__buffer_printf(out, err, "%s%s", i ? ", " : "", s->reader.sources.items[s->projection->used[i]].name));
    return qv__buffer_append_zeros(out, 1, err);
}

static qv_status plan_sort(sorted *s, const char *order, qv_error *err)
{
    char how[48] = "", skip[48] = "";
    qv__plan *plan = &s->plan;

    if (s->end != UINT64_MAX)
        snprintf(how, sizeof how, "TopK(fetch=%llu), ", (unsigned long long) s->end);
    QV_TRY(qv__plan_add(&plan->logical, true, "Sort", NULL, err, "%s", order));
    QV_TRY(qv__plan_add(&plan->physical, false, "SortExec", &s->op_sort, err, "%sexpr=[%s]", how, order));
    if (s->offset == 0 && s->end == UINT64_MAX)
        return QV_OK;
    snprintf(skip, sizeof skip, "%llu", (unsigned long long) (s->end - QV_MIN(s->offset, s->end)));
    return qv__plan_add(&plan->logical, true, "Limit", NULL, err, "skip=%llu, fetch=%s", (unsigned long long) s->offset,
                        s->end == UINT64_MAX ? "None" : skip);
}

/* On top of the plan of the scan of keys. */
static qv_status make_plan(sorted *s, const char *const *names, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text;

    qv__buffer_init(&text, 64 << 20);
    QV_CHECK(print_order(names, s->how, s->n_keys, &text, err));
    QV_CHECK(plan_sort(s, (const char *) text.data, err));
    QV_CHECK(print_fetched(s, &text, err));
    QV_CHECK(qv__plan_add(&s->plan.physical, false, "TakeExec", &s->op_fetch, err, "skip=%llu, columns=[%s]",
                          (unsigned long long) s->offset, (const char *) text.data));
    text.len = 0;
    QV_CHECK(qv__projection_print(s->projection, &s->reader.sources, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    QV_CHECK(qv__plan_add(&s->plan.logical, true, "Projection", NULL, err, "%s", (const char *) text.data));
    QV_CHECK(qv__plan_add(&s->plan.physical, false, "ProjectionExec", &s->op_project, err, "expr=[%s]",
                          (const char *) text.data));
done:
    qv__buffer_free(&text);
    return st;
}

/* ------------------------------------------------------------------ making */

/* The scan of keys and places, whose plan becomes the lower part of ours. */
static qv_status scan_keys(sorted *s, const qv_scan_options *options, const qv__matches *matches, const char **names,
                           const char **expressions, qv_error *err)
{
    qv_scan_options inner = *options;
    qv__scan_plan scan;

    QV_TRY(qv__order_columns(options, names, expressions, s->how, &s->n_keys, err));
    qv__wanted wanted = { .columns = names, .expressions = expressions, .n_columns = s->n_keys, .place = true };
    inner.offset = 0;
    inner.limit = 0;
    inner.has_limit = false;
    inner.batch_rows = 0;
    inner.job.on_progress = NULL; /* told here, once */
    QV_TRY(qv__scan_new(s->reader.snapshot, &inner, &wanted, matches, &scan, err));
    s->keys = scan.stream;
    s->plan = *scan.plan;
    *scan.plan = (qv__plan){ 0 };
    return qv__order_check(s->keys->schema, s->n_keys, err);
}

static qv_status prepare(sorted *s, const qv_scan_options *options, const qv__wanted *wanted,
                         const qv__matches *matches, qv_error *err)
{
    qv_status st = QV_OK;
    const char **names = NULL, **expressions = NULL;

    s->offset = options->offset;
    s->end = options->has_limit || options->limit > 0 ? s->offset + options->limit : UINT64_MAX;
    if (s->end < s->offset)
        s->end = UINT64_MAX;
    QV_CHECK(QV_NEW(&s->how, options->n_order_by, err));
    QV_CHECK(QV_NEW(&names, options->n_order_by, err));
    QV_CHECK(QV_NEW(&expressions, options->n_order_by, err));
    QV_CHECK(
        qv__projection_new(qv__snapshot_schema(s->reader.snapshot), wanted, &s->reader.sources, &s->projection, err));
    QV_CHECK(qv__row_reader_prepare(&s->reader, err));
    QV_CHECK(scan_keys(s, options, matches, names, expressions, err));
    QV_CHECK(make_plan(s, names, err));
    QV_CHECK(qv__snapshot_count_rows(s->reader.snapshot, &s->job.rows_total, err));
done:
    qv__free(names);
    qv__free(expressions);
    return st;
}

qv_status qv__sorted_new(qv__snapshot *snapshot, const qv_scan_options *options, const qv__wanted *wanted,
                         const qv__matches *matches, qv__scan_plan *out, qv_error *err)
{
    sorted *s = NULL;

    QV_TRY(QV_NEW(&s, 1, err));
    s->stream.next = sorted_next;
    s->stream.destroy = sorted_destroy;
    s->reader.snapshot = qv__snapshot_ref(snapshot);
    s->batch_rows = options->batch_rows;
    qv__job_begin(&s->job, &options->job, "sort", 0);
    qv_status st = prepare(s, options, wanted, matches, err);
    if (st != QV_OK) {
        sorted_destroy(&s->stream);
        return st;
    }
    s->stream.schema = qv__schema_ref(s->projection->schema);
    *out = (qv__scan_plan){ &s->stream, &s->plan };
    return QV_OK;
}

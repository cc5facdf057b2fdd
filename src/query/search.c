/* Vector search: the condition becomes rows, the nearest of them are found, and the other columns are read for these alone. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "query/stages.h"

typedef struct search {
    const qv_search_options *options;
    const qv_vectors *queries;
    bool is_explained; /* only then the operators are described: their text costs as much as a small search */
    qv__row_reader reader;
    qv__filter filter;
    qv__chosen *chosen; /* by the condition; NULL: all live rows */
    qv__projection *projection;
    qv__knn knn;
    qv__ann ann;
    qv__job job;
    qv__plan plan;
    qv__operator *op_sort, *op_filter, *op_fetch, *op_project, *op_order;
    size_t n_hits; /* of all queries, after the offset */
    qv__location *places;
    const qv__hit **hits;
    int32_t *hit_query;
} search;

/* ------------------------------------------------------------------ the winners */

/* Drops the first `offset` hits of each query, and finds where the rest lie. */
static qv_status find_winners(search *x, qv_error *err)
{
    uint64_t skip = x->options->offset;
    const qv__topk *topks = x->knn.topks;

    for (size_t q = 0; q < x->knn.n_queries; q++)
        x->n_hits += topks[q].n > skip ? topks[q].n - (size_t) skip : 0;
    QV_TRY(QV_NEW(&x->places, QV_MAX(x->n_hits, 1), err));
    QV_TRY(QV_NEW(&x->hits, QV_MAX(x->n_hits, 1), err));
    QV_TRY(QV_NEW(&x->hit_query, QV_MAX(x->n_hits, 1), err));
    for (size_t q = 0, at = 0; q < x->knn.n_queries; q++)
        for (size_t i = (size_t) QV_MIN(skip, topks[q].n); i < topks[q].n; i++, at++) {
            bool found;
            x->hits[at] = &topks[q].heap[i];
            x->hit_query[at] = (int32_t) q;
            QV_TRY(qv__snapshot_locate(x->reader.snapshot, x->hits[at]->id, &x->places[at].fragment, &x->places[at].row,
                                       &found, err));
            if (!found)
                return qv__fail(err, QV_CORRUPT, "row id %llu was read but is not in the table's index of row ids",
                                (unsigned long long) x->hits[at]->id);
        }
    return QV_OK;
}

/* The condition on the winners alone. */
static qv_status filter_winners(search *x, qv_error *err)
{
    uint8_t *selected = NULL;
    size_t n = 0;

    if (!x->options->postfilter || qv__filter_is_empty(&x->filter))
        return QV_OK;
    qv__span span = qv__span_begin();
    QV_TRY(QV_NEW(&selected, QV_MAX(qv__bitmap_bytes(x->n_hits), 1), err));
    qv_status st = qv__fetch_selected(&x->reader, &x->filter, x->places, x->n_hits, &x->job, selected, &n, err);
    for (size_t i = 0, from = 0; st == QV_OK && i < n; i++, from++) {
        from = qv__bitmap_find(selected, from, x->n_hits, true);
        x->places[i] = x->places[from];
        x->hits[i] = x->hits[from];
        x->hit_query[i] = x->hit_query[from];
    }
    x->n_hits = n;
    qv__span_end(&span, x->op_filter, n);
    qv__free(selected);
    return st;
}

/* ------------------------------------------------------------------ the answer */

static qv_status add_scores(const search *x, qv__array **arrays, qv_error *err)
{
    for (size_t i = 0; i < x->projection->n_used; i++) {
        size_t source = x->projection->used[i];
        qv__source_kind kind = x->reader.sources.items[source].kind;
        void *values;
        if (kind != QV_FROM_DISTANCE && kind != QV_FROM_QUERY_INDEX)
            continue;
        QV_TRY(qv__made_array(kind, x->n_hits, &arrays[source], &values, err));
        for (size_t h = 0; h < x->n_hits; h++)
            if (kind == QV_FROM_DISTANCE)
                ((float *) values)[h] = x->hits[h]->distance;
            else
                ((int32_t *) values)[h] = x->hit_query[h];
    }
    return QV_OK;
}

static qv_status answer(search *x, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__projection *p = x->projection;
    size_t n_sources = x->reader.sources.n;
    qv__array **arrays = NULL, *batch = NULL;

    if (x->n_hits == 0)
        return qv__stream_of(p->schema, NULL, 0, out, err);
    QV_CHECK(QV_NEW(&arrays, QV_MAX(n_sources, 1), err));
    qv__span span = qv__span_begin();
    QV_CHECK(qv__fetch_rows(&x->reader, p->used, p->n_used, x->places, x->n_hits, &x->job, arrays, err));
    qv__span_end(&span, x->op_fetch, x->n_hits);
    span = qv__span_begin();
    QV_CHECK(add_scores(x, arrays, err));
    QV_CHECK(qv__projection_batch(p, arrays, x->n_hits, &batch, err));
    qv__span_end(&span, x->op_project, x->n_hits);
    if (x->options->n_order_by) {
        span = qv__span_begin();
        QV_CHECK(qv__search_sort(x->options, p->schema, &batch, err));
        qv__span_end(&span, x->op_order, x->n_hits);
    }
    QV_CHECK(qv__stream_of(p->schema, &batch, 1, out, err));
done:
    qv__array_unref(batch);
    if (arrays)
        qv__unref_all(arrays, n_sources);
    qv__free(arrays);
    return st;
}

/* ------------------------------------------------------------------ the plan */

static qv_status print_columns(const search *x, qv__buffer *text, qv_error *err)
{
    text->len = 0;
    for (size_t i = 0; i < x->projection->n_used; i++)
        QV_TRY(
            qv__buffer_printf(text, err, "%s%s", i ? ", " : "", x->reader.sources.items[x->projection->used[i]].name));
    return qv__buffer_append_zeros(text, 1, err);
}

static qv_status plan_search(search *x, qv__buffer *text, qv_error *err)
{
    qv__plan *plan = &x->plan;
    unsigned long long k = x->options->k, offset = x->options->offset;

    const char *metric = qv__metric_name(x->knn.metric);

    QV_TRY(qv__plan_add(&plan->logical, true, "VectorSearch", NULL, err, "column=%s, metric=%s, queries=%zu, k=%llu",
                        x->knn.column.leaf->name, metric, x->knn.n_queries, k));
    QV_TRY(qv__ann_explain(&x->ann, &x->knn, plan, err));
    QV_TRY(qv__plan_add(&plan->physical, false, "KNNVectorDistance", &x->knn.op, err,
                        "metric=%s, column=%s, queries=%zu%s%s%s", metric, x->knn.column.leaf->name, x->knn.n_queries,
                        x->ann.reason ? ", index=none (" : "", x->ann.reason ? x->ann.reason : "",
                        x->ann.reason ? ")" : ""));
    QV_TRY(qv__stages_explain(&x->knn, x->knn.op, err));
    QV_TRY(qv__plan_add(&plan->physical, false, "SortExec", &x->op_sort, err,
                        "TopK(fetch=%llu), skip=%llu, expr=[_distance ASC NULLS LAST, _rowid ASC NULLS LAST]",
                        k + offset, offset));
    if (x->options->postfilter && x->filter.program) {
        QV_TRY(qv__expr_print(x->filter.program, x->filter.program->root, text, err));
        QV_TRY(qv__buffer_append_zeros(text, 1, err));
        QV_TRY(qv__plan_add(&plan->logical, true, "Filter", NULL, err, "%s", (const char *) text->data));
        QV_TRY(qv__plan_add(&plan->physical, false, "FilterExec", &x->op_filter, err, "%s", (const char *) text->data));
    }
    QV_TRY(print_columns(x, text, err));
    return qv__plan_add(&plan->physical, false, "TakeExec", &x->op_fetch, err, "columns=[%s]",
                        (const char *) text->data);
}

static qv_status plan_order(search *x, qv__buffer *text, qv_error *err)
{
    const qv_search_options *o = x->options;

    text->len = 0;
    for (size_t i = 0; i < o->n_order_by; i++)
        QV_TRY(qv__buffer_printf(text, err, "%s%s %s NULLS %s", i ? ", " : "", o->order_by[i].column,
                                 o->order_by[i].descending ? "DESC" : "ASC",
                                 o->order_by[i].nulls_first ? "FIRST" : "LAST"));
    QV_TRY(qv__buffer_append_zeros(text, 1, err));
    QV_TRY(qv__plan_add(&x->plan.logical, true, "Sort", NULL, err, "%s", (const char *) text->data));
    return qv__plan_add(&x->plan.physical, false, "SortExec", &x->op_order, err, "expr=[%s]",
                        (const char *) text->data);
}

static qv_status make_plan(search *x, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text;
    qv__filter none = { 0 };
    bool prefilter = !x->options->postfilter;

    qv__buffer_init(&text, 64 << 20);
    QV_CHECK(qv__filter_plan(prefilter ? &x->filter : &none, &x->reader, &x->plan, err));
    QV_CHECK(plan_search(x, &text, err));
    text.len = 0;
    QV_CHECK(qv__projection_print(x->projection, &x->reader.sources, &text, err));
    QV_CHECK(qv__buffer_append_zeros(&text, 1, err));
    QV_CHECK(qv__plan_add(&x->plan.logical, true, "Projection", NULL, err, "%s", (const char *) text.data));
    QV_CHECK(qv__plan_add(&x->plan.physical, false, "ProjectionExec", &x->op_project, err, "expr=[%s]",
                          (const char *) text.data));
    if (x->options->n_order_by)
        QV_CHECK(plan_order(x, &text, err));
done:
    qv__buffer_free(&text);
    return st;
}

/* ------------------------------------------------------------------ searching */

/* The column, the index over it, and the metric: the caller's, else the index's. */
static qv_status find_column(search *x, qv__snapshot *snapshot, const qv_vectors *queries, qv_error *err)
{
    const qv_search_options *options = x->options;
    qv_metric metric = options->metric;

    x->knn = (qv__knn){ .snapshot = snapshot, .options = options, .job = &x->job };
    QV_TRY(qv__vector_column_find(qv__snapshot_schema(snapshot), options->vector_column, queries->dim, &x->knn.column,
                                  err));
    QV_TRY(qv__ann_plan(&x->ann, snapshot, &x->knn.column, options, err));
    if (metric == QV_METRIC_AUTO && x->ann.plan)
        metric = qv__vector_plan_metric(x->ann.plan);
    QV_TRY(qv__knn_prepare(&x->knn, queries, metric, err));
    return qv__stages_check(&x->knn, err);
}

static qv__choosing choosing(const search *x)
{
    return (qv__choosing){ x->options->where, x->options->no_index, x->options->fast_search };
}

/* A condition that was asked before; explained searches tell how it is worked out. */
static qv_status find_chosen(search *x, qv__snapshot *snapshot, qv_error *err)
{
    const qv__choosing how = choosing(x);

    if (!how.where || x->options->postfilter || x->is_explained)
        return QV_OK;
    return qv__chosen_find(snapshot, &how, &x->chosen, err);
}

/* The rows that may match, before they are searched. */
static qv_status choose_rows(search *x, qv_error *err)
{
    const qv__choosing how = choosing(x);

    if (x->options->postfilter || (!x->chosen && qv__filter_is_empty(&x->filter)))
        return QV_OK;
    if (!x->chosen)
        QV_TRY(qv__chosen_new(&x->reader, &x->filter, &how, !x->is_explained, &x->job, &x->chosen, err));
    x->knn.matches = &x->chosen->matches;
    x->ann.chosen = x->chosen;
    return QV_OK;
}

static qv_status prepare(search *x, qv__snapshot *snapshot, const qv_vectors *queries, qv_error *err)
{
    const qv_search_options *options = x->options;
    const qv__schema *schema = qv__snapshot_schema(snapshot);

    x->reader.snapshot = qv__snapshot_ref(snapshot);
    x->queries = queries;
    QV_TRY(qv__job_tick(&x->job, 0, 0, err));
    QV_TRY(find_column(x, snapshot, queries, err));
    qv__wanted wanted = { .columns = options->columns,
                          .expressions = options->expressions,
                          .n_columns = options->n_columns,
                          .row_id = options->with_row_id,
                          .row_address = options->with_row_address,
                          .is_search = true,
                          .query_index = options->query_index || x->knn.n_queries > 1 };
    QV_TRY(find_chosen(x, snapshot, err));
    if (!x->chosen)
        QV_TRY(qv__filter_new(&x->filter, &x->reader, options->where, options->no_index || options->postfilter, err));
    x->filter.fast_search = options->fast_search;
    QV_TRY(qv__projection_new(schema, &wanted, &x->reader.sources, &x->projection, err));
    QV_TRY(qv__search_sort_check(options, x->projection->schema, err));
    QV_TRY(qv__row_reader_prepare(&x->reader, err));
    return x->is_explained ? make_plan(x, err) : QV_OK;
}

/* The nearest rows: through the index and over what it does not cover, or over all. */
static qv_status find_nearest(search *x, qv_error *err)
{
    qv__knn *knn = &x->knn;
    qv__ann *ann = &x->ann;

    QV_TRY(qv__knn_count(knn, err));
    QV_TRY(qv__ann_choose(ann, knn, x->queries, err));
    bool by_index = ann->plan && !ann->reason;
    bool is_fast = ann->plan && x->options->fast_search && !x->options->bypass_vector_index;
    qv__knn_part all = is_fast ? QV_KNN_COVERED : QV_KNN_ALL, others = is_fast ? QV_KNN_NONE : QV_KNN_UNCOVERED;
    if (ann->plan)
        knn->covered = qv__vector_plan_covered(ann->plan);
    knn->part = by_index ? others : all;
    if (qv__stages_asked(x->options))
        QV_TRY(qv__stages_run(knn, x->queries, err));
    else
        QV_TRY(qv__knn_run(knn, err));
    if (by_index)
        QV_TRY(qv__ann_run(ann, knn, err));
    if (ann->shortage) {
        knn->part = all;
        QV_TRY(qv__knn_run(knn, err));
    }
    qv__knn_finish(knn);
    return qv__ann_count(ann, err);
}

static qv_status run(search *x, qv__stream **out, qv_error *err)
{
    QV_TRY(choose_rows(x, err));
    QV_TRY(find_nearest(x, err));
    qv__span span = qv__span_begin();
    QV_TRY(find_winners(x, err));
    qv__span_end(&span, x->op_sort, x->n_hits);
    QV_TRY(filter_winners(x, err));
    return answer(x, out, err);
}

static void search_clear(search *x)
{
    qv__ann_clear(&x->ann);
    qv__knn_clear(&x->knn);
    qv__projection_free(x->projection);
    qv__filter_clear(&x->filter);
    qv__chosen_unref(x->chosen);
    qv__plan_clear(&x->plan);
    qv__free(x->places);
    qv__free(x->hits);
    qv__free(x->hit_query);
    qv__row_reader_clear(&x->reader);
}

qv_status qv__search(qv__snapshot *snapshot, const qv_vectors *queries, const qv_search_options *options,
                     qv__stream **out, qv_error *err)
{
    search x = { .options = options };

    qv__job_begin(&x.job, &options->job, "search", 0);
    qv_status st = prepare(&x, snapshot, queries, err);
    if (st == QV_OK)
        st = run(&x, out, err);
    st = qv__query_failed(st, err);
    qv__job_end(&x.job, st);
    search_clear(&x);
    return st;
}

qv_status qv__explain_search(qv__snapshot *snapshot, const qv_vectors *queries, const qv_search_options *options,
                             qv_plan_mode mode, bool as_json, qv__buffer *out, qv_error *err)
{
    search x = { .options = options, .is_explained = true };
    qv__stream *stream = NULL;
    int64_t began = qv__now_ns(), elapsed = -1;

    qv__job_begin(&x.job, &options->job, "search", 0);
    qv_status st = prepare(&x, snapshot, queries, err);
    if (st == QV_OK && mode == QV_PLAN_ANALYZE) {
        st = qv__query_failed(run(&x, &stream, err), err);
        elapsed = qv__now_ns() - began;
    }
    if (st == QV_OK)
        st = qv__plan_print(&x.plan, elapsed, as_json, out, err);
    qv__job_end(&x.job, st);
    qv__stream_free(stream);
    search_clear(&x);
    return st;
}

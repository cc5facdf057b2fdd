/* A search through a vector index. The index finds rows of the fragments that it covers and asks for true distances as it needs them
 * (exact.c); the rows of the other fragments have been scanned (knn.c). Both lie in the same heaps, ordered by (distance, row id), so
 * the answer is one.
 *
 * An upper bound cuts what was found and is not asked of the index: that fewer than k rows are nearer than the bound is then known from
 * the search without it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "query/ann.h"

enum {
    OVERFETCH =
        10, /* columns of lists: rows that each vector of the query brings, per row wanted (Lee et al., XTR, 2023) */
};

/* ------------------------------------------------------------------ which index */

static bool is_asked(const qv_search_options *o)
{
    return o->index || o->min_probes || o->max_probes || o->ef || o->refine_factor || o->no_refine ||
           o->approx_mode != QV_APPROX_NORMAL;
}

/* A name that no index of the version has is a mistake of the caller. */
static qv_status check_name(qv__snapshot *snapshot, const char *name, qv_error *err)
{
    const qv__index_entry *entries;
    size_t n;

    QV_TRY(qv__snapshot_indices(snapshot, &entries, &n, err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i].name, name) == 0)
            return QV_OK;
    return qv__fail(err, QV_NOT_FOUND, "index \"%s\" does not exist", name);
}

qv_status qv__ann_plan(qv__ann *ann, qv__snapshot *snapshot, const qv__vector_column *column,
                       const qv_search_options *options, qv_error *err)
{
    *ann = (qv__ann){ .snapshot = snapshot, .options = options, .column = column };
    QV_TRY(qv__vector_plan_of(snapshot, column->leaf->id, options->index, options->metric, column->dim, &ann->plan,
                              &ann->reason, err));
    if (!ann->plan && options->index)
        QV_TRY(check_name(snapshot, options->index, err));
    if (ann->plan && options->bypass_vector_index)
        ann->reason = "bypassed";
    else if (ann->plan && (options->prefix_dims > 0 || options->binary_stage))
        ann->reason = "two stages over all rows";
    return QV_OK;
}

/* ------------------------------------------------------------------ the question */

static qv_status float_queries(const qv_vectors *queries, void **out, qv_error *err)
{
    float *values;

    QV_TRY(QV_NEW(&values, queries->n * queries->dim, err));
    if (queries->element == QV_ELEMENT_F32)
        memcpy(values, queries->data, queries->n * queries->dim * sizeof *values);
    for (size_t i = 0; queries->element != QV_ELEMENT_F32 && i < queries->n * queries->dim; i++)
        values[i] = (float) qv__query_value(queries, i);
    *out = values;
    return QV_OK;
}

static qv_status make_queries(qv__ann *ann, const qv__knn *knn, const qv_vectors *queries, qv_error *err)
{
    ann->n_queries = queries->n;
    return knn->metric == QV_METRIC_HAMMING ? qv__packed_bits(queries, (uint8_t **) &ann->queries, err)
                                            : float_queries(queries, &ann->queries, err);
}

/* In lanes, since a sum that waits for the one before takes most of the time of a small search. */
static double square_of(const float *values, size_t n)
{
    enum { LANES = 8 };
    double squares[LANES] = { 0 }, square = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            squares[lane] += (double) values[i + lane] * (double) values[i + lane];
    for (; i < n; i++)
        squares[0] += (double) values[i] * (double) values[i];
    for (size_t lane = 0; lane < LANES; lane++)
        square += squares[lane];
    return square;
}

/* Rows that no index has for their length could be the nearest of such a query. */
static bool has_long_query(const qv__ann *ann, const qv__knn *knn)
{
    const float *values = ann->queries;
    size_t dim = ann->column->dim;

    for (size_t q = 0; knn->metric == QV_METRIC_L2 && q < ann->n_queries; q++)
        if (square_of(values + q * dim, dim) > QV_INDEXED_QUERY)
            return true;
    return false;
}

static void count_covered(qv__ann *ann, const qv__knn *knn)
{
    const bool *covered = qv__vector_plan_covered(ann->plan);

    for (size_t f = 0; f < qv__snapshot_n_fragments(ann->snapshot); f++)
        if (covered[f]) {
            ann->passing += knn->rows[f];
            ann->covered_rows += qv__snapshot_fragment(ann->snapshot, f)->physical_rows;
        } else if (!ann->options->fast_search)
            ann->uncovered += knn->rows[f];
}

/* Of all vectors of a row, on average. */
static size_t row_bytes(const qv__ann *ann)
{
    uint64_t per_row = ann->column->is_multi ? qv__vector_plan_rows(ann->plan) / QV_MAX(ann->covered_rows, 1) : 1;
    return qv__element_bytes(ann->column->element, ann->column->dim) * (size_t) QV_MAX(per_row, 1);
}

qv_status qv__ann_choose(qv__ann *ann, const qv__knn *knn, const qv_vectors *queries, qv_error *err)
{
    const qv_search_options *o = ann->options;

    if (!ann->plan || ann->reason)
        return QV_OK;
    count_covered(ann, knn);
    qv__search_size size = { .stored = ann->covered_rows,
                             .passing = ann->passing,
                             .keep = knn->keep,
                             .row_bytes = row_bytes(ann),
                             .is_asked = is_asked(o),
                             .has_condition = knn->matches != NULL,
                             .estimates = o->no_refine };
    ann->reason = qv__choose_strategy(&size).reason;
    if (ann->reason)
        return QV_OK;
    ann->by_address = qv__vector_plan_by_address(ann->plan) || !qv__snapshot_has_stable_row_ids(ann->snapshot);
    QV_TRY(make_queries(ann, knn, queries, err));
    if (has_long_query(ann, knn)) {
        ann->reason = "the query is too long for what an index can tell";
        return QV_OK;
    }
    return qv__measure_init(&ann->measure, ann->snapshot, ann->column, knn->distance, knn->n_vectors, ann->by_address,
                            err);
}

/* Which rows the index may answer with: NULL when it stores no others, or passes them over by itself. */
static qv_status make_mask(qv__ann *ann, const qv__row_mask **out, qv_error *err)
{
    const bool *covered = qv__vector_plan_covered(ann->plan);

    *out = NULL;
    if (ann->chosen)
        return qv__mask_list_get(&ann->chosen->masks, ann->snapshot, covered, &ann->chosen->matches, ann->by_address,
                                 &ann->chosen->home->budget, out, err);
    bool all = ann->passing == ann->covered_rows && qv__vector_plan_rows(ann->plan) <= ann->passing;
    return (all && !qv__vector_plan_is_multi(ann->plan)) || qv__vector_plan_has_moved_rows(ann->plan)
               ? QV_OK
               : qv__row_mask_of(ann->snapshot, covered, ann->by_address, out, err);
}

/* What the index gave: width slots per query, of which counts are used. */
typedef struct given {
    qv__hit *hits;
    size_t *counts;
    size_t width;
} given;

static void given_clear(given *g)
{
    qv__free(g->hits);
    qv__free(g->counts);
    *g = (given){ 0 };
}

static void count(qv__vector_counters *all, const qv__vector_counters *some)
{
    all->probes += some->probes;
    all->lists += some->lists;
    all->rows += some->rows;
    all->offered += some->offered;
    all->measured += some->measured;
    all->bytes += some->bytes;
}

static qv_status ask(qv__ann *ann, const qv__knn *knn, size_t k, uint32_t max_probes, bool exactly, given *out,
                     qv_error *err)
{
    const qv_search_options *o = ann->options;
    const qv__row_mask *mask;
    qv__vector_counters spent = { 0 };

    QV_TRY(make_mask(ann, &mask, err));
    qv__vector_request request = { .queries = ann->queries,
                                   .n = ann->n_queries,
                                   .dim = ann->column->dim,
                                   .k = k,
                                   .refine_factor = exactly ? o->refine_factor : 0,
                                   .min_probes = o->min_probes,
                                   .max_probes = max_probes,
                                   .ef = o->ef,
                                   .mode = o->approx_mode,
                                   .exact = exactly ? &ann->measure.exact : NULL,
                                   .mask = mask ? &mask->keys : NULL,
                                   .narrowing = mask ? mask->narrowing : NULL,
                                   .passing = (double) ann->passing / (double) QV_MAX(ann->covered_rows, 1),
                                   .has_lower = o->has_lower && !ann->column->is_multi,
                                   .lower = o->lower_bound,
                                   .job = knn->job };
    QV_TRY(qv__vector_search(ann->plan, &request, &out->hits, &out->width, &out->counts, &spent, err));
    count(&ann->counters, &spent);
    return qv__measure_status(&ann->measure, err);
}

/* ------------------------------------------------------------------ the answer */

/* The row id of a key; *found false: the index stores a row that is not among those it covers any more. */
static qv_status row_of_key(qv__ann *ann, uint64_t key, uint64_t *id, bool *found, qv_error *err)
{
    const uint64_t *ids;
    qv__location at;

    QV_TRY(qv__measure_locate(&ann->measure, key, &at, found, err));
    *found = *found && qv__vector_plan_covered(ann->plan)[at.fragment];
    *id = key;
    if (!*found || !ann->by_address)
        return QV_OK;
    QV_TRY(qv__snapshot_row_id_array(ann->snapshot, at.fragment, &ids, err));
    if (ids)
        *id = ids[at.row];
    return QV_OK;
}

static qv_status push(qv__ann *ann, const qv__hit *hits, size_t n, size_t *n_pushed, qv__topk *topk, qv_error *err)
{
    *n_pushed = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t id;
        bool found;
        QV_TRY(row_of_key(ann, hits[i].id, &id, &found, err));
        if (!found)
            continue;
        qv__topk_push(topk, hits[i].distance, id);
        ++*n_pushed;
    }
    return QV_OK;
}

/* Estimates cannot be ranked beside the true distances of scanned rows: they become true ones. */
static qv_status measure_hits(qv__ann *ann, size_t query, qv__hit *hits, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *keys = NULL;
    float *distances = NULL;

    QV_CHECK(QV_NEW(&keys, QV_MAX(n, 1), err));
    QV_CHECK(QV_NEW(&distances, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++)
        keys[i] = hits[i].id;
    ann->measure.exact.distances(&ann->measure, query, keys, n, distances);
    QV_CHECK(qv__measure_status(&ann->measure, err));
    for (size_t i = 0; i < n; i++)
        hits[i].distance = distances[i];
    ann->counters.measured += n;
done:
    qv__free(keys);
    qv__free(distances);
    return st;
}

/* Rows that the index must at least give, as far as is known: it stores no row without a vector. */
static size_t expected(const qv__ann *ann, const qv__knn *knn)
{
    uint64_t n = QV_MIN(ann->passing, knn->keep);
    return (size_t) (knn->matches ? n : QV_MIN(n, qv__vector_plan_rows(ann->plan)));
}

static bool gives_fewer(const qv__ann *ann, const qv__knn *knn, const given *g)
{
    for (size_t q = 0; q < knn->n_queries; q++)
        if (g->counts[q] < expected(ann, knn))
            return true;
    return false;
}

/* Where the lists that the caller allows hold too few rows, more lists are looked at. */
static qv_status ask_for_all(qv__ann *ann, const qv__knn *knn, bool exactly, given *out, qv_error *err)
{
    uint32_t max_probes = ann->options->max_probes;

    QV_TRY(ask(ann, knn, knn->keep, max_probes, exactly, out, err));
    if (max_probes == 0 || !gives_fewer(ann, knn, out))
        return QV_OK;
    given_clear(out);
    return ask(ann, knn, knn->keep, 0, exactly, out, err);
}

static const char gave_fewer[] = "the index gave fewer rows than match";

/* Could rows that the index does not have for their length be among the nearest? */
static bool misses_long_rows(const qv__ann *ann, const qv__knn *knn, const qv__hit *hits, size_t n)
{
    if (n < QV_MIN(ann->passing, knn->keep))
        return knn->metric != QV_METRIC_COSINE && qv__vector_plan_rows(ann->plan) < ann->passing;
    return knn->metric == QV_METRIC_L2 && n && !(hits[n - 1].distance < QV_INDEXED_FOUND);
}

static qv_status search_vectors(qv__ann *ann, qv__knn *knn, qv_error *err)
{
    qv_status st = QV_OK;
    bool exactly = !ann->options->no_refine;
    size_t pushed;
    given g = { 0 };

    QV_CHECK(ask_for_all(ann, knn, exactly, &g, err));
    for (size_t q = 0; q < knn->n_queries; q++) {
        qv__hit *hits = g.hits + q * g.width;
        size_t n = QV_MIN(g.counts[q], knn->keep);
        if (!exactly && ann->uncovered > 0)
            QV_CHECK(measure_hits(ann, q, hits, n, err));
        QV_CHECK(push(ann, hits, n, &pushed, &knn->topks[q], err));
        if (pushed < expected(ann, knn))
            ann->shortage = gave_fewer;
        else if (!ann->shortage && misses_long_rows(ann, knn, hits, n))
            ann->shortage = "rows too long for the index may be nearer";
    }
done:
    given_clear(&g);
    return st;
}

/* ------------------------------------------------------------------ columns of lists */

static int by_key(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The rows that any vector of the query brought, each once. */
static size_t unite(qv__hit *hits, size_t width, const size_t *counts, size_t n_vectors)
{
    size_t n = 0, kept = 0;

    for (size_t v = 0; v < n_vectors; v++)
        for (size_t i = 0; i < counts[v]; i++)
            hits[n++] = hits[v * width + i];
    qsort(hits, n, sizeof *hits, by_key);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || hits[i].id != hits[kept - 1].id)
            hits[kept++] = hits[i];
    return kept;
}

static qv_status search_lists(qv__ann *ann, qv__knn *knn, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t wanted = QV_MIN((uint64_t) knn->keep * OVERFETCH, qv__vector_plan_rows(ann->plan));
    size_t pushed;
    given g = { 0 };

    QV_CHECK(ask(ann, knn, (size_t) wanted, ann->options->max_probes, false, &g, err));
    size_t n = unite(g.hits, g.width, g.counts, ann->n_queries);
    QV_CHECK(measure_hits(ann, 0, g.hits, n, err));
    QV_CHECK(push(ann, g.hits, n, &pushed, knn->topks, err));
    if (pushed < expected(ann, knn))
        ann->shortage = gave_fewer;
    else if (ann->options->has_lower)
        ann->shortage = "the index has no lower bound for lists";
done:
    given_clear(&g);
    return st;
}

/* The index is damaged, not the table. */
static bool is_useless(const qv__ann *ann, qv_status st)
{
    return (st == QV_CORRUPT || st == QV_NOT_FOUND || st == QV_UNSUPPORTED) && !atomic_load(&ann->measure.has_failed);
}

qv_status qv__ann_run(qv__ann *ann, qv__knn *knn, qv_error *err)
{
    qv__span span = qv__span_begin();
    qv_error why;

    qv_status st = ann->column->is_multi ? search_lists(ann, knn, &why) : search_vectors(ann, knn, &why);
    if (is_useless(ann, st)) {
        ann->shortage = "the index cannot be used";
        ann->damage = why;
    } else if (st != QV_OK) {
        if (err)
            *err = why;
        return st;
    }
    qv__span_end(&span, ann->op_rows, knn->topks[0].n);
    return QV_OK;
}

void qv__ann_clear(qv__ann *ann) { qv__free(ann->queries); }

/* ------------------------------------------------------------------ explaining */

static const char lists_name[] = "ANNIvfPartition: ", rows_name[] = "ANNSubIndex: ";

/* "ANNIvfPartition: ...; ANNSubIndex: ..." as two operators, the lists below. */
static qv_status add_operators(qv__ann *ann, qv__plan *plan, char *text, qv_error *err)
{
    char *rows = strstr(text, rows_name);
    const char *lists = text;

    if (strncmp(lists, lists_name, sizeof lists_name - 1) == 0)
        lists += sizeof lists_name - 1;
    if (rows) {
        for (char *end = rows; end > lists && (end[-1] == ' ' || end[-1] == ';' || end[-1] == ',');)
            *--end = 0;
        rows += sizeof rows_name - 1;
    }
    QV_TRY(qv__plan_add(&plan->physical, false, "ANNIvfPartition", &ann->op_lists, err, "%s", lists));
    return qv__plan_add(&plan->physical, false, "ANNSubIndex", &ann->op_rows, err, "%s", rows ? rows : "");
}

qv_status qv__ann_explain(qv__ann *ann, const qv__knn *knn, qv__plan *plan, qv_error *err)
{
    const qv_search_options *o = ann->options;
    qv__buffer text;
    qv__vector_request request = { .n = knn->n_vectors,
                                   .dim = ann->column->dim,
                                   .k = (size_t) o->k + (size_t) o->offset,
                                   .refine_factor = o->refine_factor,
                                   .min_probes = o->min_probes,
                                   .max_probes = o->max_probes,
                                   .ef = o->ef,
                                   .mode = o->approx_mode,
                                   .exact = o->no_refine || ann->column->is_multi ? NULL : &ann->measure.exact,
                                   .passing = 1,
                                   .job = knn->job };

    if (!ann->plan || ann->reason)
        return QV_OK;
    qv__buffer_init(&text, 1 << 20);
    qv_status st = qv__vector_plan_print(ann->plan, &request, &text, err);
    if (st == QV_OK)
        st = qv__buffer_append_zeros(&text, 1, err);
    if (st == QV_OK)
        st = add_operators(ann, plan, (char *) text.data, err);
    qv__buffer_free(&text);
    return st;
}

/* That the index was not enough, and why: the rows that were scanned for it are the next operator's. */
static qv_status note_shortage(const qv__ann *ann, qv_error *err)
{
    bool is_damaged = ann->damage.status != QV_OK;

    if (!ann->shortage)
        return QV_OK;
    return qv__plan_note(ann->op_rows, err, ", then_all_rows=[%s%s%s]", ann->shortage, is_damaged ? ": " : "",
                         is_damaged ? ann->damage.message : "");
}

qv_status qv__ann_count(qv__ann *ann, qv_error *err)
{
    const qv__vector_counters *c = &ann->counters;

    if (!ann->op_rows)
        return QV_OK;
    if (ann->reason)
        return qv__plan_note(ann->op_rows, err, ", not_searched=[%s]", ann->reason);
    atomic_store(&ann->op_lists->rows, c->lists);
    atomic_store(&ann->op_lists->comparisons, c->probes);
    atomic_store(&ann->op_rows->comparisons, c->rows);
    atomic_store(&ann->op_rows->bytes_read, c->bytes);
    QV_TRY(qv__plan_note(ann->op_rows, err,
                         ", probes=%llu, lists=%llu, rows_scanned=%llu, rows_offered=%llu, rows_refined=%llu, "
                         "index_bytes=%llu",
                         (unsigned long long) c->probes, (unsigned long long) c->lists, (unsigned long long) c->rows,
                         (unsigned long long) c->offered, (unsigned long long) c->measured,
                         (unsigned long long) c->bytes));
    return note_shortage(ann, err);
}

/* Distances of all rows that may match to all queries. The rows of the snapshot are cut into as many tasks as the work is worth;
 * each keeps the k best of its rows for every query, and the heaps are merged. (distance, row id) orders hits totally, so the answer
 * does not depend on the cuts.
 *
 * Under a condition the rows are bitmaps. Where many rows of a task match, its vectors are walked as they lie and the others are
 * skipped; where few do, only theirs are read. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "query/stages.h"
#include "simd/half.h"

enum {
    TASK_VALUES = 4 << 20, /* multiplications that make a task worth handing over: about 0.1 ms */
    CHUNK_BYTES = 4 << 20, /* vectors between two looks at the job, for up to CHUNK_QUERIES queries */
    CHUNK_QUERIES = 16,
    MAX_HEAP_BYTES = 64 << 20, /* heaps of all tasks together, as long as one task's are smaller */
    SPARSE = 32,               /* with fewer matches than one in so many rows, vectors are taken one by one */
    FEW = 64                   /* of these, measured together */
};

/* ------------------------------------------------------------------ the query */

double qv__query_value(const qv_vectors *v, size_t i)
{
    const uint8_t *p = v->data;
    float single;
    double value;

    switch (v->element) {
    case QV_ELEMENT_F16:
        return qv__float_of_f16(qv__load_u16(p + 2 * i));
    case QV_ELEMENT_BF16:
        return qv__float_of_bf16(qv__load_u16(p + 2 * i));
    case QV_ELEMENT_F64:
        memcpy(&value, p + 8 * i, 8);
        return value;
    case QV_ELEMENT_I8:
        return (int8_t) p[i];
    case QV_ELEMENT_U8:
        return p[i];
    default:
        memcpy(&single, p + 4 * i, 4);
        return single;
    }
}

qv_status qv__packed_bits(const qv_vectors *queries, uint8_t **out, qv_error *err)
{
    uint8_t *bytes = NULL;

    QV_TRY(QV_NEW(&bytes, queries->n * queries->dim, err));
    for (size_t i = 0; i < queries->n * queries->dim; i++) {
        double value = qv__query_value(queries, i);
        if (!isfinite(value)) {
            qv__free(bytes);
            return qv__fail(err, QV_INVALID, "query %zu has value %g at position %zu; it must be finite",
                            i / queries->dim, value, i % queries->dim);
        }
        bytes[i] = value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t) value;
    }
    *out = bytes;
    return QV_OK;
}

const char *qv__metric_name(qv_metric metric)
{
    static const char *const names[] = { "auto", "l2", "cosine", "dot", "hamming", "jaccard" };
    return (size_t) metric < QV_COUNT_OF(names) ? names[metric] : "unknown";
}

static qv_metric metric_of(const qv__vector_column *column)
{
    return column->element == QV_EL_U8 ? QV_METRIC_HAMMING : column->is_multi ? QV_METRIC_COSINE : QV_METRIC_L2;
}

qv_status qv__knn_prepare(qv__knn *x, const qv_vectors *queries, qv_metric metric, qv_error *err)
{
    static const qv__element elements[] = {
        [QV_ELEMENT_F32] = QV_EL_F32,   [QV_ELEMENT_F16] = QV_EL_F16, [QV_ELEMENT_F64] = QV_EL_F64,
        [QV_ELEMENT_BF16] = QV_EL_BF16, [QV_ELEMENT_I8] = QV_EL_I8,   [QV_ELEMENT_U8] = QV_EL_U8
    };
    uint8_t *bytes = NULL;

    if (metric == QV_METRIC_AUTO)
        metric = metric_of(&x->column);
    x->metric = metric;
    x->n_vectors = queries->n;
    x->n_queries = x->column.is_multi ? 1 : queries->n;
    if (metric != QV_METRIC_HAMMING && metric != QV_METRIC_JACCARD)
        return qv__distance_new(metric, x->column.element, x->column.dim, queries->data, elements[queries->element],
                                queries->n, &x->distance, err);
    if (x->column.element != QV_EL_U8) {
        char type[100];
        return qv__fail(err, QV_INVALID, "metric %s does not support column \"%s\" of %s; it is for uint8 vectors",
                        qv__metric_name(metric), x->column.leaf->name,
                        qv__type_print(x->column.leaf->type, type, sizeof type));
    }
    QV_TRY(qv__packed_bits(queries, &bytes, err));
    qv_status st =
        qv__distance_new(metric, QV_EL_BITS, 8 * x->column.dim, bytes, QV_EL_BITS, queries->n, &x->distance, err);
    qv__free(bytes);
    return st;
}

/* ------------------------------------------------------------------ cutting the work */

static qv_status count_fragment(const qv__knn *x, size_t f, uint64_t *out, qv_error *err)
{
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n_deleted;

    if (x->matches) {
        *out = x->matches->rows[f] ? roaring_bitmap_get_cardinality(x->matches->rows[f]) : 0;
        return QV_OK;
    }
    QV_TRY(qv__snapshot_deletions(x->snapshot, f, &deleted, &n_deleted, &live, err));
    *out = qv__snapshot_fragment(x->snapshot, f)->physical_rows - n_deleted;
    return QV_OK;
}

qv_status qv__knn_count(qv__knn *x, qv_error *err)
{
    size_t n = qv__snapshot_n_fragments(x->snapshot);
    uint64_t offset = x->options->offset, k = x->options->k;

    QV_TRY(QV_NEW(&x->rows, QV_MAX(n, 1), err));
    for (size_t f = 0; f < n; f++) {
        QV_TRY(count_fragment(x, f, &x->rows[f], err));
        x->n_rows += x->rows[f];
    }
    x->keep = offset >= x->n_rows ? x->n_rows : (size_t) QV_MIN(x->n_rows, offset + k);
    return QV_OK;
}

static bool is_scanned(const qv__knn *x, size_t fragment)
{
    return x->part == QV_KNN_ALL || (x->part != QV_KNN_NONE && x->covered[fragment] == (x->part == QV_KNN_COVERED));
}

static qv_status lay_out(qv__knn *x, qv_error *err)
{
    size_t n = qv__snapshot_n_fragments(x->snapshot);

    QV_TRY(QV_NEW(&x->starts, n + 1, err));
    x->scanned = 0;
    for (size_t f = 0; f < n; f++) {
        bool scanned = is_scanned(x, f);
        x->starts[f + 1] = x->starts[f] + (scanned ? qv__snapshot_fragment(x->snapshot, f)->physical_rows : 0);
        x->scanned += scanned ? x->rows[f] : 0;
    }
    x->total_rows = x->starts[n];
    return QV_OK;
}

/* As many tasks as the arithmetic pays for, few enough that their heaps stay small; more than threads, to even out. */
static qv_status make_tasks(qv__knn *x, qv_error *err)
{
    unsigned threads = qv__job_threads(x->job) ? qv__job_threads(x->job) : qv__pool_size();
    double work = (double) x->scanned * (double) x->column.dim * (double) x->n_vectors / TASK_VALUES;
    uint64_t per_task, n_slots;

    if (!qv__mul_u64(x->n_queries, x->keep, &per_task) || !qv__mul_u64(per_task, sizeof(qv__hit), &n_slots))
        return qv__fail_nomem(err, SIZE_MAX);
    uint64_t by_memory = QV_MAX(MAX_HEAP_BYTES / QV_MAX(n_slots, 1), 1);
    x->n_tasks = threads > 1 && work >= 2 ? (size_t) QV_MIN(work, 8.0 * threads) : 1;
    x->n_tasks = QV_MIN(x->n_tasks, by_memory);
    QV_TRY(QV_NEW(&x->topks, x->n_tasks * x->n_queries, err));
    QV_TRY(QV_NEW(&x->slots, x->n_tasks * per_task, err));
    const float *lower = x->options->has_lower && !x->is_first_stage ? &x->options->lower_bound : NULL;
    const float *upper = x->options->has_upper && !x->is_first_stage ? &x->options->upper_bound : NULL;
    for (size_t i = 0; i < x->n_tasks * x->n_queries; i++)
        qv__topk_init(&x->topks[i], x->keep, x->slots + i * x->keep, lower, upper);
    return QV_OK;
}

/* ------------------------------------------------------------------ scanning */

typedef struct part { /* rows of one fragment */
    size_t fragment;
    qv__fragment_column *column;
    const uint8_t *live; /* bit per row from live_base on; NULL: all */
    uint64_t live_base;
    const roaring_bitmap_t *matches; /* NULL: all live rows */
    const uint64_t *ids;             /* NULL: addresses */
    uint64_t first_id;               /* address of row 0 */
    uint8_t *both;                   /* scratch: live and valid */
    size_t both_capacity;            /* bytes */
    uint8_t *mask;                   /* the matches as bits */
    uint64_t most;                   /* rows of one run */
    uint64_t *list;                  /* columns of lists: rows, and their distances */
    float *distances;
} part;

/* The rows that may match: live ones whose vector is not null. */
static qv_status matching_rows(part *p, const qv__vector_run *run, uint64_t row, qv__scan_rows *rows, qv_error *err)
{
    rows->live = run->validity ? run->validity : p->live;
    rows->live_offset = run->validity ? run->validity_offset : row - p->live_base;
    if (!run->validity || !p->live)
        return QV_OK;
    QV_TRY(QV_GROW(&p->both, &p->both_capacity, qv__bitmap_bytes(run->rows), err));
    qv__bitmap_copy(p->both, 0, run->validity, run->validity_offset, run->rows);
    for (uint64_t i = 0; i < run->rows; i++)
        if (!qv__bit_get(p->live, row - p->live_base + i))
            qv__bit_clear(p->both, i);
    rows->live = p->both;
    rows->live_offset = 0;
    return QV_OK;
}

static qv_status measure(qv__knn *x, const qv__vector_run *run, const qv__scan_rows *rows, qv__topk *topks,
                         qv_error *err)
{
    qv_status st = qv__distance_topk(x->distance, rows, topks, err);
    return st == QV_OK ? qv__job_tick(x->job, run->rows, run->rows * run->stride, err) : st;
}

static qv__vector_run signs_run(const qv__knn *x, const part *p, uint64_t row, uint64_t most)
{
    const qv__signs *signs = x->signs[p->fragment];
    size_t bytes = qv__bitmap_bytes(x->column.dim);

    return (qv__vector_run){ .data = signs->bits + row * bytes,
                             .stride = bytes,
                             .rows = most,
                             .validity = signs->validity,
                             .validity_offset = row };
}

static qv_status scan_run(qv__knn *x, part *p, uint64_t row, uint64_t most, qv__topk *topks, uint64_t *n, qv_error *err)
{
    qv__vector_run run = { 0 };

    if (x->signs)
        run = signs_run(x, p, row, most);
    else
        QV_TRY(qv__vector_column_run(&x->column, p->column, row, most, &run, err));
    qv__scan_rows rows = { .rows = run.data,
                           .stride = run.stride,
                           .n = run.rows,
                           .ids = p->ids ? p->ids + row : NULL,
                           .first_id = p->first_id + row };
    qv_status st = matching_rows(p, &run, row, &rows, err);
    if (st == QV_OK)
        st = measure(x, &run, &rows, topks, err);
    *n = run.rows;
    qv__vector_run_free(&run);
    return st;
}

/* Runs as they lie; stretches without a row that may match are stepped over. */
static qv_status scan_runs(qv__knn *x, part *p, uint64_t row, uint64_t end, qv__topk *topks, qv_error *err)
{
    for (uint64_t n; row < end; row += n) {
        if (p->live)
            row = p->live_base + qv__bitmap_find(p->live, row - p->live_base, end - p->live_base, true);
        if (row == end)
            break;
        QV_TRY(scan_run(x, p, row, QV_MIN(p->most, end - row), topks, &n, err));
    }
    return QV_OK;
}

/* Some rows by number, and the vectors of these alone. */
static qv_status scan_taken(qv__knn *x, part *p, const uint64_t *list, size_t n, uint64_t *ids, qv__topk *topks,
                            qv_error *err)
{
    qv__vector_run run = { 0 };

    for (size_t i = 0; i < n; i++)
        ids[i] = p->ids ? p->ids[list[i]] : p->first_id + list[i];
    QV_TRY(qv__vector_column_take(&x->column, p->column, list, n, &run, err));
    qv__scan_rows rows = { .rows = run.data, .stride = run.stride, .n = run.rows, .ids = ids, .live = run.validity };
    rows.live_offset = run.validity_offset;
    qv_status st = measure(x, &run, &rows, topks, err);
    qv__vector_run_free(&run);
    return st;
}

/* The same without copying them, where they lie bare in the file. */
static qv_status measure_few(qv__knn *x, const part *p, qv__measure *m, const uint32_t *rows, size_t n, qv__topk *topks,
                             qv_error *err)
{
    uint64_t keys[FEW];
    float distances[FEW];

    for (size_t i = 0; i < n; i++)
        keys[i] = p->first_id + rows[i];
    for (size_t q = 0; q < x->n_queries; q++) {
        m->exact.distances(m, q, keys, n, distances);
        for (size_t i = 0; i < n; i++)
            qv__topk_push(&topks[q], distances[i], p->ids ? p->ids[rows[i]] : keys[i]);
    }
    QV_TRY(qv__measure_status(m, err));
    return qv__job_tick(x->job, n, n * qv__element_bytes(x->column.element, x->column.dim), err);
}

static qv_status scan_lying(qv__knn *x, const part *p, uint64_t row, uint64_t end, qv__topk *topks, bool *is_done,
                            qv_error *err)
{
    const qv__location first = { p->fragment, row };
    const uint8_t *vector;
    uint32_t rows[FEW], n;
    roaring_uint32_iterator_t at;
    qv__measure m;

    QV_TRY(qv__measure_init(&m, x->snapshot, &x->column, x->distance, x->n_vectors, true, err));
    QV_TRY(qv__vector_place(m.places, x->snapshot, &x->column, &first, &vector, is_done, err));
    if (!*is_done)
        return QV_OK;
    roaring_init_iterator(p->matches, &at);
    roaring_move_uint32_iterator_equalorlarger(&at, (uint32_t) row);
    do {
        for (n = 0; n < FEW && at.has_value && at.current_value < end; roaring_advance_uint32_iterator(&at))
            rows[n++] = at.current_value;
        QV_TRY(measure_few(x, p, &m, rows, n, topks, err));
    } while (n == FEW);
    return QV_OK;
}

static qv_status scan_few(qv__knn *x, part *p, uint64_t row, uint64_t end, qv__topk *topks, qv_error *err)
{
    qv_status st = QV_OK;
    bool is_done = false;
    roaring_uint32_iterator_t at;
    uint64_t *list = NULL, *ids = NULL;

    if (!x->is_first_stage)
        QV_TRY(scan_lying(x, p, row, end, topks, &is_done, err));
    if (is_done)
        return QV_OK;
    QV_CHECK(QV_NEW(&list, p->most, err));
    QV_CHECK(QV_NEW(&ids, p->most, err));
    roaring_init_iterator(p->matches, &at);
    roaring_move_uint32_iterator_equalorlarger(&at, (uint32_t) row);
    while (at.has_value && at.current_value < end) {
        size_t n = 0;
        for (; at.has_value && at.current_value < end && n < p->most; roaring_advance_uint32_iterator(&at))
            list[n++] = at.current_value;
        QV_CHECK(scan_taken(x, p, list, n, ids, topks, err));
    }
done:
    qv__free(list);
    qv__free(ids);
    return st;
}

/* The matches within [row, end) as bits. */
static qv_status mask_matches(part *p, uint64_t row, uint64_t end, qv_error *err)
{
    roaring_uint32_iterator_t at;

    QV_TRY(QV_NEW(&p->mask, qv__bitmap_bytes(end - row), err));
    roaring_init_iterator(p->matches, &at);
    roaring_move_uint32_iterator_equalorlarger(&at, (uint32_t) row);
    for (; at.has_value && at.current_value < end; roaring_advance_uint32_iterator(&at))
        qv__bit_set(p->mask, at.current_value - row);
    p->live = p->mask;
    p->live_base = row;
    return QV_OK;
}

/* Rows of a column of lists that may match, up to p->most of them; they are read as a span where none is left out. */
static size_t next_lists(const part *p, uint64_t *row, uint64_t end)
{
    size_t n = 0;

    for (; *row < end && n < p->most; ++*row) {
        if (p->live)
            *row = p->live_base + qv__bitmap_find(p->live, *row - p->live_base, end - p->live_base, true);
        if (*row < end)
            p->list[n++] = *row;
    }
    return n;
}

static qv_status measure_lists(qv__knn *x, part *p, size_t n, qv__topk *topk, qv_error *err)
{
    qv__array *lists = NULL;
    bool is_span = p->list[n - 1] - p->list[0] == n - 1;

    QV_TRY(qv__vector_column_array(&x->column, p->column, is_span ? NULL : p->list, p->list[0], n, &lists, err));
    qv_status st = qv__maxsim(&x->column, x->distance, x->n_vectors, lists, p->distances, err);
    for (size_t i = 0; st == QV_OK && i < n; i++)
        qv__topk_push(topk, p->distances[i], p->ids ? p->ids[p->list[i]] : p->first_id + p->list[i]);
    qv__array_unref(lists);
    return st;
}

static qv_status scan_lists(qv__knn *x, part *p, uint64_t row, uint64_t end, qv__topk *topk, qv_error *err)
{
    uint64_t row_bytes = qv__fragment_column_cost(p->column, row, end - row) / (end - row);

    p->most = QV_MIN(QV_MAX(CHUNK_BYTES / QV_MAX(row_bytes, 64), 1), end - row);
    QV_TRY(QV_NEW(&p->list, p->most, err));
    QV_TRY(QV_NEW(&p->distances, p->most, err));
    for (size_t n; (n = next_lists(p, &row, end)) > 0;) {
        QV_TRY(measure_lists(x, p, n, topk, err));
        QV_TRY(qv__job_tick(x->job, n, n * row_bytes, err));
    }
    return QV_OK;
}

static qv_status scan_part(qv__knn *x, size_t fragment, uint64_t row, uint64_t end, qv__topk *topks, qv_error *err)
{
    qv_status st = QV_OK;
    part p = { .fragment = fragment, .first_id = qv__snapshot_fragment(x->snapshot, fragment)->id << 32 };
    const uint32_t *deleted;
    size_t n_deleted;

    p.most = CHUNK_BYTES / qv__element_bytes(x->column.element, x->column.dim);
    p.most = QV_MAX(p.most * CHUNK_QUERIES / QV_MAX(x->n_vectors, CHUNK_QUERIES), 64);
    p.matches = x->matches ? x->matches->rows[fragment] : NULL;
    uint64_t n = p.matches ? roaring_bitmap_range_cardinality(p.matches, row, end) : end - row;
    if (n == 0 || (x->matches && !p.matches))
        return QV_OK;
    QV_CHECK(qv__snapshot_row_id_array(x->snapshot, fragment, &p.ids, err));
    QV_CHECK(qv__fragment_column_open(x->snapshot, fragment, qv__read_field(&x->column.read), &p.column, err));
    if (p.matches && n < (end - row) / SPARSE && !x->column.is_multi && !x->signs) {
        QV_CHECK(scan_few(x, &p, row, end, topks, err));
        goto done;
    }
    if (!p.matches)
        QV_CHECK(qv__snapshot_deletions(x->snapshot, fragment, &deleted, &n_deleted, &p.live, err));
    else if (n < end - row)
        QV_CHECK(mask_matches(&p, row, end, err));
    QV_CHECK(x->column.is_multi ? scan_lists(x, &p, row, end, topks, err) : scan_runs(x, &p, row, end, topks, err));
done:
    qv__fragment_column_free(p.column);
    qv__free(p.both);
    qv__free(p.mask);
    qv__free(p.list);
    qv__free(p.distances);
    return st;
}

/* Rows [total * task / n_tasks, total * (task + 1) / n_tasks) of all fragments laid end to end. */
static qv_status scan_task(void *ctx, size_t task, qv_error *err)
{
    qv__knn *x = ctx;
    double share = (double) x->total_rows / (double) x->n_tasks;
    uint64_t from = task == 0 ? 0 : (uint64_t) (share * (double) task);
    uint64_t to = task + 1 == x->n_tasks ? x->total_rows : (uint64_t) (share * (double) (task + 1));
    qv__topk *topks = x->topks + task * x->n_queries;
    qv__span span = qv__span_begin();

    for (size_t f = 0; f < qv__snapshot_n_fragments(x->snapshot); f++) {
        uint64_t start = x->starts[f], first = QV_MAX(from, start), last = QV_MIN(to, x->starts[f + 1]);
        if (first < last)
            QV_TRY(scan_part(x, f, first - start, last - start, topks, err));
    }
    qv__span_end(&span, x->op, 0);
    return QV_OK;
}

/* Made before the tasks begin, each with all threads. */
static qv_status get_signs(qv__knn *x, qv_error *err)
{
    qv__vector_places *places;

    QV_TRY(qv__vector_places_of(x->snapshot, &x->column, &places, err));
    QV_TRY(QV_NEW(&x->signs, QV_MAX(qv__snapshot_n_fragments(x->snapshot), 1), err));
    for (size_t f = 0; f < qv__snapshot_n_fragments(x->snapshot); f++)
        if (is_scanned(x, f) && x->rows[f] > 0)
            QV_TRY(qv__signs_of_fragment(places, x->snapshot, &x->column, f, x->job, &x->signs[f], err));
    return QV_OK;
}

static void forget_scan(qv__knn *x)
{
    qv__free((void *) x->signs);
    x->signs = NULL;
    qv__free(x->starts);
    qv__free(x->topks);
    qv__free(x->slots);
    x->starts = NULL;
    x->topks = NULL;
    x->slots = NULL;
}

qv_status qv__knn_run(qv__knn *x, qv_error *err)
{
    forget_scan(x);
    QV_TRY(lay_out(x, err));
    x->job->rows_total = x->scanned;
    QV_TRY(make_tasks(x, err));
    if (x->is_first_stage && x->options->binary_stage)
        QV_TRY(get_signs(x, err));
    if (x->scanned > 0)
        QV_TRY(qv__parallel_for(x->n_tasks, qv__job_threads(x->job), scan_task, x, err));
    if (x->op)
        atomic_fetch_add(&x->op->rows, x->scanned);
    for (size_t q = 0; q < x->n_queries; q++)
        for (size_t t = 1; t < x->n_tasks; t++)
            qv__topk_merge(&x->topks[q], &x->topks[t * x->n_queries + q]);
    return QV_OK;
}

void qv__knn_finish(qv__knn *x)
{
    for (size_t q = 0; q < x->n_queries; q++)
        qv__topk_sort(&x->topks[q]);
}

void qv__knn_clear(qv__knn *x)
{
    qv__read_clear(&x->column.read);
    qv__distance_free(x->distance);
    qv__free(x->rows);
    forget_scan(x);
}

/* Exact nearest neighbours. The rows of the snapshot are cut into as many tasks as the work is worth; each keeps the k best of
 * its rows for every query, and the heaps are merged. (distance, row id) orders hits totally, so the answer does not depend on
 * the cuts. Other columns are read for the winners only. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "query_private.h"
#include "simd/half.h"

enum {
    TASK_VALUES = 4 << 20, /* multiplications that make a task worth handing over: about 0.1 ms */
    CHUNK_BYTES = 4 << 20, /* vectors between two looks at the job, for up to CHUNK_QUERIES queries */
    CHUNK_QUERIES = 16,
    MAX_HEAP_BYTES = 64 << 20 /* heaps of all tasks together, as long as one task's are smaller */
};

typedef struct knn {
    qv__snapshot *snapshot;
    const qv_search_options *options;
    qv__vector_column column;
    qv__distance *distance;
    qv__job job;
    size_t n_queries, keep; /* hits kept per query: offset + k, at most all rows */
    size_t n_tasks;
    uint64_t total_rows; /* physical */
    uint64_t *starts;    /* first row of each fragment among all, n_fragments + 1 */
    qv__topk *topks;     /* n_tasks x n_queries */
    qv__hit *slots;
    size_t n_hits; /* of all queries, after the offset */
    qv__location *places;
    const qv__hit **hits;
    int32_t *hit_query;
} knn;

/* ------------------------------------------------------------------ the query */

static double query_value(const qv_vectors *v, size_t i)
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

/* Bytes of packed bits from numbers: cut off to integers, held in 0 .. 255. */
static qv_status packed_bits(const qv_vectors *queries, uint8_t **out, qv_error *err)
{
    uint8_t *bytes = NULL;

    QV_TRY(QV_NEW(&bytes, queries->n * queries->dim, err));
    for (size_t i = 0; i < queries->n * queries->dim; i++) {
        double value = query_value(queries, i);
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

static const char *metric_name(qv_metric metric)
{
    static const char *const names[] = { "auto", "l2", "cosine", "dot", "hamming", "jaccard" };
    return (size_t) metric < QV_COUNT_OF(names) ? names[metric] : "unknown";
}

static qv_status prepare_query(knn *x, const qv_vectors *queries, qv_error *err)
{
    static const qv__element elements[] = {
        [QV_ELEMENT_F32] = QV_EL_F32,   [QV_ELEMENT_F16] = QV_EL_F16, [QV_ELEMENT_F64] = QV_EL_F64,
        [QV_ELEMENT_BF16] = QV_EL_BF16, [QV_ELEMENT_I8] = QV_EL_I8,   [QV_ELEMENT_U8] = QV_EL_U8
    };
    qv_metric metric = x->options->metric;
    uint8_t *bytes = NULL;

    if (metric == QV_METRIC_AUTO)
        metric = x->column.element == QV_EL_U8 ? QV_METRIC_HAMMING : QV_METRIC_L2;
    if (metric != QV_METRIC_HAMMING && metric != QV_METRIC_JACCARD)
        return qv__distance_new(metric, x->column.element, x->column.dim, queries->data, elements[queries->element],
                                queries->n, &x->distance, err);
    if (x->column.element != QV_EL_U8) {
        char type[100];
        return qv__fail(err, QV_INVALID, "metric %s does not support column \"%s\" of %s; it is for uint8 vectors",
                        metric_name(metric), x->column.leaf->name,
                        qv__type_print(x->column.leaf->type, type, sizeof type));
    }
    QV_TRY(packed_bits(queries, &bytes, err));
    qv_status st =
        qv__distance_new(metric, QV_EL_BITS, 8 * x->column.dim, bytes, QV_EL_BITS, queries->n, &x->distance, err);
    qv__free(bytes);
    return st;
}

/* ------------------------------------------------------------------ cutting the work */

static qv_status count_rows(knn *x, qv_error *err)
{
    size_t n = qv__snapshot_n_fragments(x->snapshot);
    uint64_t live;

    QV_TRY(qv__snapshot_count_rows(x->snapshot, &live, err));
    QV_TRY(QV_NEW(&x->starts, n + 1, err));
    for (size_t f = 0; f < n; f++)
        x->starts[f + 1] = x->starts[f] + qv__snapshot_fragment(x->snapshot, f)->physical_rows;
    x->total_rows = x->starts[n];
    x->keep = x->options->offset >= live ? live : (size_t) QV_MIN(live, x->options->offset + x->options->k);
    return QV_OK;
}

/* As many tasks as the arithmetic pays for, few enough that their heaps stay small; more than threads, to even out. */
static qv_status make_tasks(knn *x, qv_error *err)
{
    unsigned threads = qv__job_threads(&x->job) ? qv__job_threads(&x->job) : qv__pool_size();
    double work = (double) x->total_rows * (double) x->column.dim * (double) x->n_queries / TASK_VALUES;
    uint64_t per_task, n_slots;

    if (!qv__mul_u64(x->n_queries, x->keep, &per_task) || !qv__mul_u64(per_task, sizeof(qv__hit), &n_slots))
        return qv__fail_nomem(err, SIZE_MAX);
    uint64_t by_memory = QV_MAX(MAX_HEAP_BYTES / QV_MAX(n_slots, 1), 1);
    x->n_tasks = threads > 1 && work >= 2 ? (size_t) QV_MIN(work, 8.0 * threads) : 1;
    x->n_tasks = QV_MIN(x->n_tasks, by_memory);
    QV_TRY(QV_NEW(&x->topks, x->n_tasks * x->n_queries, err));
    QV_TRY(QV_NEW(&x->slots, x->n_tasks * per_task, err));
    const float *lower = x->options->has_lower ? &x->options->lower_bound : NULL;
    const float *upper = x->options->has_upper ? &x->options->upper_bound : NULL;
    for (size_t i = 0; i < x->n_tasks * x->n_queries; i++)
        qv__topk_init(&x->topks[i], x->keep, x->slots + i * x->keep, lower, upper);
    return QV_OK;
}

/* ------------------------------------------------------------------ scanning */

typedef struct part { /* rows of one fragment */
    size_t fragment;
    qv__fragment_column *column;
    const uint8_t *live;  /* NULL: all */
    const uint64_t *ids;  /* NULL: addresses */
    uint64_t first_id;    /* address of row 0 */
    uint8_t *both;        /* scratch: live and valid */
    size_t both_capacity; /* bytes */
} part;

/* The rows that may match: live ones whose vector is not null. */
static qv_status matching_rows(part *p, const qv__vector_run *run, uint64_t row, qv__scan_rows *rows, qv_error *err)
{
    rows->live = run->validity ? run->validity : p->live;
    rows->live_offset = run->validity ? run->validity_offset : row;
    if (!run->validity || !p->live)
        return QV_OK;
    QV_TRY(QV_GROW(&p->both, &p->both_capacity, qv__bitmap_bytes(run->rows), err));
    qv__bitmap_copy(p->both, 0, run->validity, run->validity_offset, run->rows);
    for (uint64_t i = 0; i < run->rows; i++)
        if (!qv__bit_get(p->live, row + i))
            qv__bit_clear(p->both, i);
    rows->live = p->both;
    rows->live_offset = 0;
    return QV_OK;
}

static qv_status scan_run(knn *x, part *p, uint64_t row, uint64_t most, qv__topk *topks, uint64_t *n, qv_error *err)
{
    qv__vector_run run = { 0 };

    QV_TRY(qv__vector_column_run(&x->column, p->column, row, most, &run, err));
    qv__scan_rows rows = { .rows = run.data,
                           .stride = run.stride,
                           .n = run.rows,
                           .ids = p->ids ? p->ids + row : NULL,
                           .first_id = p->first_id + row };
    qv_status st = matching_rows(p, &run, row, &rows, err);
    if (st == QV_OK)
        st = qv__distance_topk(x->distance, &rows, topks, err);
    if (st == QV_OK)
        st = qv__job_tick(&x->job, run.rows, run.rows * run.stride, err);
    *n = run.rows;
    qv__vector_run_free(&run);
    return st;
}

static qv_status scan_part(knn *x, size_t fragment, uint64_t row, uint64_t end, qv__topk *topks, qv_error *err)
{
    qv_status st = QV_OK;
    part p = { .fragment = fragment, .first_id = qv__snapshot_fragment(x->snapshot, fragment)->id << 32 };
    const uint32_t *deleted;
    size_t n_deleted;
    uint64_t most = CHUNK_BYTES / qv__element_bytes(x->column.element, x->column.dim);
    most = QV_MAX(most * CHUNK_QUERIES / QV_MAX(x->n_queries, CHUNK_QUERIES), 64);

    QV_CHECK(qv__snapshot_deletions(x->snapshot, fragment, &deleted, &n_deleted, &p.live, err));
    QV_CHECK(qv__snapshot_row_id_array(x->snapshot, fragment, &p.ids, err));
    QV_CHECK(qv__fragment_column_open(x->snapshot, fragment, x->column.read.field, &p.column, err));
    for (uint64_t n; row < end; row += n)
        QV_CHECK(scan_run(x, &p, row, QV_MIN(most, end - row), topks, &n, err));
done:
    qv__fragment_column_free(p.column);
    qv__free(p.both);
    return st;
}

/* Rows [total * task / n_tasks, total * (task + 1) / n_tasks) of all fragments laid end to end. */
static qv_status scan_task(void *ctx, size_t task, qv_error *err)
{
    knn *x = ctx;
    double share = (double) x->total_rows / (double) x->n_tasks;
    uint64_t from = task == 0 ? 0 : (uint64_t) (share * (double) task);
    uint64_t to = task + 1 == x->n_tasks ? x->total_rows : (uint64_t) (share * (double) (task + 1));
    qv__topk *topks = x->topks + task * x->n_queries;

    for (size_t f = 0; f < qv__snapshot_n_fragments(x->snapshot); f++) {
        uint64_t start = x->starts[f], first = QV_MAX(from, start), last = QV_MIN(to, x->starts[f + 1]);
        if (first < last)
            QV_TRY(scan_part(x, f, first - start, last - start, topks, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the winners */

/* Sorts each query's hits, drops the first `offset`, and finds where the rest lie. */
static qv_status find_winners(knn *x, qv_error *err)
{
    uint64_t skip = x->options->offset;

    for (size_t q = 0; q < x->n_queries; q++) {
        for (size_t t = 1; t < x->n_tasks; t++)
            qv__topk_merge(&x->topks[q], &x->topks[t * x->n_queries + q]);
        qv__topk_sort(&x->topks[q]);
        x->n_hits += x->topks[q].n > skip ? x->topks[q].n - (size_t) skip : 0;
    }
    QV_TRY(QV_NEW(&x->places, QV_MAX(x->n_hits, 1), err));
    QV_TRY(QV_NEW(&x->hits, QV_MAX(x->n_hits, 1), err));
    QV_TRY(QV_NEW(&x->hit_query, QV_MAX(x->n_hits, 1), err));
    for (size_t q = 0, at = 0; q < x->n_queries; q++)
        for (size_t i = (size_t) QV_MIN(skip, x->topks[q].n); i < x->topks[q].n; i++, at++) {
            bool found;
            x->hits[at] = &x->topks[q].heap[i];
            x->hit_query[at] = (int32_t) q;
            QV_TRY(qv__snapshot_locate(x->snapshot, x->hits[at]->id, &x->places[at].fragment, &x->places[at].row,
                                       &found, err));
            if (!found)
                return qv__fail(err, QV_CORRUPT, "row id %llu was read but is not in the table's index of row ids",
                                (unsigned long long) x->hits[at]->id);
        }
    return QV_OK;
}

static qv_status add_scores(const knn *x, const qv__projection *p, qv__array **columns, qv_error *err)
{
    for (size_t o = 0; o < p->n_outputs; o++) {
        void *values;
        if (p->outputs[o].kind != QV_OUT_DISTANCE && p->outputs[o].kind != QV_OUT_QUERY_INDEX)
            continue;
        QV_TRY(qv__fixed_array(p->schema->fields[o].type, x->n_hits, &columns[o], &values, err));
        for (size_t i = 0; i < x->n_hits; i++)
            if (p->outputs[o].kind == QV_OUT_DISTANCE)
                ((float *) values)[i] = x->hits[i]->distance;
            else
                ((int32_t *) values)[i] = x->hit_query[i];
    }
    return QV_OK;
}

static qv_status answer(knn *x, const qv__projection *p, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL, *batch = NULL;

    if (x->n_hits == 0)
        return qv__stream_of(p->schema, NULL, 0, out, err);
    QV_CHECK(QV_NEW(&columns, QV_MAX(p->n_outputs, 1), err));
    QV_CHECK(qv__fetch_rows(x->snapshot, p, x->places, x->n_hits, &x->job, columns, err));
    QV_CHECK(add_scores(x, p, columns, err));
    QV_CHECK(qv__batch_new(p->schema, columns, (int64_t) x->n_hits, &batch, err));
    QV_CHECK(qv__stream_of(p->schema, &batch, 1, out, err));
done:
    qv__array_unref(batch);
    if (columns)
        qv__unref_all(columns, p->n_outputs);
    qv__free(columns);
    return st;
}

qv_status qv__search(qv__snapshot *snapshot, const qv_vectors *queries, const qv_search_options *options,
                     qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    knn x = { .snapshot = snapshot, .options = options, .n_queries = queries->n };
    qv__projection *projection = NULL;
    const qv__schema *schema = qv__snapshot_schema(snapshot);
    qv__wanted wanted = { .columns = options->columns,
                          .n_columns = options->n_columns,
                          .row_id = options->with_row_id,
                          .row_address = options->with_row_address,
                          .is_search = true,
                          .query_index = options->query_index || queries->n > 1 };

    qv__job_begin(&x.job, &options->job, "search", 0);
    QV_CHECK(qv__job_tick(&x.job, 0, 0, err));
    QV_CHECK(qv__vector_column_find(schema, options->vector_column, queries->dim, &x.column, err));
    QV_CHECK(prepare_query(&x, queries, err));
    QV_CHECK(qv__projection_new(schema, &wanted, &projection, err));
    QV_CHECK(count_rows(&x, err));
    x.job.rows_total = x.total_rows;
    QV_CHECK(make_tasks(&x, err));
    QV_CHECK(qv__parallel_for(x.n_tasks, qv__job_threads(&x.job), scan_task, &x, err));
    QV_CHECK(find_winners(&x, err));
    QV_CHECK(answer(&x, projection, out, err));
done:
    qv__job_end(&x.job, st);
    qv__projection_free(projection);
    qv__read_clear(&x.column.read);
    qv__distance_free(x.distance);
    qv__free(x.starts);
    qv__free(x.topks);
    qv__free(x.slots);
    qv__free(x.places);
    qv__free(x.hits);
    qv__free(x.hit_query);
    return st;
}

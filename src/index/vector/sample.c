/* Training: a sample of the rows is drawn, its centroids are the lists, and the quantizer learns from what is left between rows and
 * centroids. */
#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "index/vector/build_private.h"

#define LEAST_SAMPLE  4096
#define CODE_SAMPLE   65536 /* rows that a quantizer learns from, at most */
#define CHUNK         8192
#define PROBE_ROWS    2048
#define PQ_TRAIN_RATE 256 /* rows per code word */

/* ------------------------------------------------------------------ drawing */

void qv__sample_clear(qv__vector_sample *sample)
{
    qv__free(sample->rows);
    qv__free(sample->ids);
    *sample = (qv__vector_sample){ 0 };
}

/* What was drawn so far. */
typedef struct draw {
    const qv__build_order *order;
    qv__row_chunk chunk;
    uint32_t *which;
    size_t which_capacity;
    qv__vector_sample *sample;
    size_t capacity, most;
    uint64_t rows; /* of the source */
} draw;

/* Rows are most of what a build holds: there is room for as many as are expected, and not for twice as many. */
static qv_status reserve_rows(draw *d, size_t n, qv_error *err)
{
    size_t bytes = d->order->shape.work_bytes, wanted = QV_MAX(n, d->capacity + d->capacity / 4);

    if (n <= d->capacity)
        return QV_OK;
    uint8_t *rows = qv__realloc(d->sample->rows, wanted, bytes);
    if (!rows)
        return qv__fail_nomem(err, wanted * bytes);
    d->sample->rows = rows;
    uint64_t *ids = qv__realloc(d->sample->ids, wanted, sizeof *ids);
    if (!ids)
        return qv__fail_nomem(err, wanted * sizeof *ids);
    d->sample->ids = ids;
    d->capacity = wanted;
    return QV_OK;
}

static qv_status reserve(draw *d, size_t n, qv_error *err)
{
    QV_TRY(reserve_rows(d, d->sample->n + n, err));
    return QV_GROW(&d->which, &d->which_capacity, n, err);
}

static qv_status add_chunk(draw *d, qv_error *err)
{
    qv__vector_sample *s = d->sample;
    size_t n = QV_MIN(d->chunk.n, d->most - s->n);

    QV_TRY(reserve(d, n, err));
    size_t kept = qv__chunk_work(&d->chunk, &d->order->shape, d->order->metric, 0, n,
                                 s->rows + s->n * d->order->shape.work_bytes, d->which);
    for (size_t i = 0; i < kept; i++)
        s->ids[s->n + i] = d->chunk.ids[d->which[i]];
    s->n += kept;
    d->rows += d->chunk.rows;
    s->is_whole &= n == d->chunk.n;
    return qv__job_tick(d->order->job, d->chunk.rows, 0, err);
}

/* About `rows` of the source, but no more vectors than `most`; room is made for the `expected` ones. */
static qv_status draw_rows(const qv__build_order *order, qv__index_source *source, uint64_t rows, size_t most,
                           size_t expected, qv__vector_sample *out, uint64_t *drawn, qv_error *err)
{
    qv_status st = QV_OK;
    draw d = { .order = order, .sample = out, .most = most };
    qv__stream *stream = NULL;

    qv__sample_clear(out);
    out->is_whole = rows >= source->rows;
    QV_CHECK(reserve(&d, QV_MIN(expected, most), err));
    QV_CHECK(source->sample(source->ctx, rows, order->seed, &stream, err));
    for (;;) {
        QV_CHECK(qv__chunk_next(&d.chunk, stream, &order->shape, CHUNK, err));
        if (!d.chunk.rows || out->n == most)
            break;
        QV_CHECK(add_chunk(&d, err));
    }
    out->is_whole &= !d.chunk.rows;
    *drawn = d.rows;
done:
    qv__chunk_clear(&d.chunk);
    qv__free(d.which);
    qv__stream_free(stream);
    return st;
}

/* Vectors per row of the source, about: many in columns of lists, few when most are null. */
static qv_status measure_rows(const qv__build_order *order, qv__index_source *source, qv__vector_sample *sample,
                              double *per_row, qv_error *err)
{
    uint64_t drawn;

    QV_TRY(draw_rows(order, source, PROBE_ROWS, SIZE_MAX, 0, sample, &drawn, err));
    sample->vectors = sample->n;
    *per_row = drawn ? (double) sample->n / (double) drawn : 0;
    return QV_OK;
}

qv_status qv__sample_draw(const qv__build_order *order, qv__index_source *source, size_t wanted, qv__vector_sample *out,
                          qv_error *err)
{
    size_t most = (size_t) QV_MAX(order->memory / 4 / order->shape.work_bytes, LEAST_SAMPLE);
    uint64_t drawn, rows = source->rows, vectors = out->vectors;
    double per_row = (double) vectors / (double) QV_MAX(rows, 1);

    wanted = QV_MIN(wanted, most);
    if (vectors && 1.1 * (double) wanted < per_row * (double) rows)
        rows = (uint64_t) ((double) wanted * (per_row < 1 ? 1.1 : 1.0) / per_row) + 1;
    size_t expected = (size_t) QV_MIN((double) wanted + (double) wanted / 8, ceil(per_row * (double) rows));
    QV_TRY(draw_rows(order, source, rows, most, expected, out, &drawn, err));
    out->vectors = out->is_whole ? out->n : QV_MAX(vectors, out->n);
    return QV_OK;
}

static size_t spread_place(const qv__vector_sample *sample, size_t n, size_t i)
{
    return n <= sample->n ? (size_t) ((double) i * ((double) sample->n / (double) n)) : i % sample->n;
}

/* n rows spread over the sample; when there are fewer, it is gone through again. */
static qv_status spread_rows(const qv__build_order *order, const qv__vector_sample *sample, size_t n, void *out,
                             qv_error *err)
{
    size_t bytes = order->shape.work_bytes;
    uint8_t **rows = out;

    QV_TRY(qv__new(out, n, bytes, err));
    for (size_t i = 0; i < n && sample->n; i++)
        memcpy(*rows + i * bytes, sample->rows + spread_place(sample, n, i) * bytes, bytes);
    return QV_OK;
}

qv_status qv__sample_pick(const qv__build_order *order, const qv__vector_sample *sample, size_t n,
                          qv__vector_sample *out, qv_error *err)
{
    qv__sample_clear(out);
    QV_TRY(spread_rows(order, sample, n, &out->rows, err));
    QV_TRY(QV_NEW(&out->ids, n, err));
    for (size_t i = 0; i < n; i++)
        out->ids[i] = sample->ids[spread_place(sample, n, i)];
    out->n = n;
    return QV_OK;
}

/* ------------------------------------------------------------------ centroids */

static qv_status train_centroids_on(const qv__build_order *order, const void *rows, size_t n, qv__vector_model *parts,
                                    qv_error *err)
{
    const qv__vector_shape *shape = &order->shape;
    const qv__kmeans_options options = { .k = parts->n_lists,
                                         .metric = order->metric,
                                         .iterations = order->iterations,
                                         .balance = 1,
                                         .seed = order->seed,
                                         .threads = qv__job_threads(order->job),
                                         .job = order->job };

    if (shape->element == QV_EL_BITS)
        return qv__kmodes_train(rows, n, shape->bytes, &options, parts->bit_centroids, &parts->loss, err);
    return qv__kmeans_train(rows, n, shape->dim, &options, parts->centroids, &parts->loss, err);
}

static qv_status train_centroids(const qv__build_order *order, const qv__vector_sample *sample, qv__vector_model *parts,
                                 qv_error *err)
{
    const qv__vector_shape *shape = &order->shape;
    size_t n = QV_MAX(parts->n_lists * (size_t) order->sample_rate, LEAST_SAMPLE);
    void *rows;

    if (shape->element == QV_EL_BITS)
        QV_TRY(QV_NEW(&parts->bit_centroids, parts->n_lists * shape->bytes, err));
    else
        QV_TRY(QV_NEW(&parts->centroids, parts->n_lists * shape->dim, err));
    if (!sample->n)
        return QV_OK;
    if (sample->n <= n)
        return train_centroids_on(order, sample->rows, sample->n, parts, err);
    QV_TRY(spread_rows(order, sample, n, &rows, err));
    qv_status st = train_centroids_on(order, rows, n, parts, err);
    qv__free(rows);
    return st;
}

/* ------------------------------------------------------------------ quantizers */

/* Residuals of the first n rows of the sample. */
static qv_status take_centroids_off(const qv__build_order *order, const qv__vector_model *parts, float *rows, size_t n,
                                    qv_error *err)
{
    qv_status st = QV_OK;
    size_t dim = order->shape.dim;
    qv__centroids *ranking = NULL;
    uint32_t *lists = NULL;

    QV_CHECK(QV_NEW(&lists, n, err));
    QV_CHECK(qv__centroids_new(parts->centroids, parts->n_lists, dim, order->metric, &ranking, err));
    QV_CHECK(qv__centroids_assign(ranking, rows, n, false, lists, NULL, err));
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++)
            rows[i * dim + d] -= parts->centroids[lists[i] * dim + d];
done:
    qv__centroids_free(ranking);
    qv__free(lists);
    return st;
}

static qv_status train_pq(const qv__build_order *order, const qv__vector_sample *sample, qv__vector_model *parts,
                          qv_error *err)
{
    qv_status st = QV_OK;
    float *rows = NULL;
    const qv__pq_options options = { .m = order->pq_m,
                                     .bits = order->bits,
                                     .iterations = order->iterations,
                                     .seed = order->seed,
                                     .threads = qv__job_threads(order->job),
                                     .job = order->job };
    size_t words = (size_t) 1 << order->bits, n = QV_MIN(sample->n, QV_MIN(words * PQ_TRAIN_RATE, CODE_SAMPLE));

    n = QV_MAX(n, words); /* of fewer rows some are taken more than once */
    QV_CHECK(spread_rows(order, sample, n, &rows, err));
    if (order->metric != QV_METRIC_DOT && sample->n)
        QV_CHECK(take_centroids_off(order, parts, rows, n, err));
    QV_CHECK(qv__pq_train(rows, n, order->shape.dim, order->metric, &options, &parts->quantizer, err));
done:
    qv__free(rows);
    return st;
}

static qv_status train_sq(const qv__build_order *order, const qv__vector_sample *sample, qv__vector_model *parts,
                          qv_error *err)
{
    size_t n = QV_MIN(sample->n, CODE_SAMPLE);
    float *rows = NULL;

    if (!sample->n)
        return qv__sq_new(order->shape.dim, 0, 0, order->metric, &parts->quantizer, err);
    if (n == sample->n)
        return qv__sq_train((const float *) (const void *) sample->rows, n, order->shape.dim, 0, order->metric,
                            &parts->quantizer, err);
    QV_TRY(spread_rows(order, sample, n, &rows, err));
    qv_status st = qv__sq_train(rows, n, order->shape.dim, QV_SQ_BEST_SHARE, order->metric, &parts->quantizer, err);
    qv__free(rows);
    return st;
}

static qv_status train_quantizer(const qv__build_order *order, const qv__vector_sample *sample, qv__vector_model *parts,
                                 qv_error *err)
{
    switch (order->kind->code) {
    case QV_CODE_FLAT:
        return qv__flat_new(order->shape.dim, order->shape.element, order->metric, &parts->quantizer, err);
    case QV_CODE_SQ:
        return train_sq(order, sample, parts, err);
    case QV_CODE_PQ:
        return train_pq(order, sample, parts, err);
    default:
        return qv__rabitq_make(order->shape.dim, order->bits, order->metric, order->seed, &parts->quantizer, err);
    }
}

/* ------------------------------------------------------------------ the model */

static size_t sample_size(const qv__build_order *order, size_t n_lists)
{
    size_t codes = order->kind->code == QV_CODE_FLAT || order->kind->code == QV_CODE_RQ ? 0 : CODE_SAMPLE;

    return QV_MAX(QV_MAX(n_lists * (size_t) order->sample_rate, LEAST_SAMPLE), codes);
}

static qv_status draw_sample(const qv__build_order *order, qv__index_source *source, qv__vector_sample *sample,
                             size_t *n_lists, qv_error *err)
{
    double per_row;

    qv__job_stage(order->job, "sampling", 0);
    QV_TRY(measure_rows(order, source, sample, &per_row, err));
    sample->vectors = sample->is_whole ? sample->n : (uint64_t) (per_row * (double) source->rows);
    *n_lists = qv__default_lists(order, sample->vectors);
    if (!sample->is_whole)
        QV_TRY(qv__sample_draw(order, source, sample_size(order, *n_lists), sample, err));
    if (sample->n < *n_lists && !sample->is_whole)
        QV_TRY(qv__sample_draw(order, source, SIZE_MAX / 2, sample, err)); /* the guess was off */
    if (sample->n >= *n_lists)
        return QV_OK;
    if (order->n_lists && sample->n && !sample->is_whole)
        return qv__fail(err, QV_INVALID,
                        "num_partitions %" PRIu32
                        " needs as many rows to train on, and the memory of the build holds %zu",
                        order->n_lists, sample->n);
    *n_lists = QV_MAX(sample->n, 1);
    return QV_OK;
}

qv_status qv__train(const qv__build_order *order, qv__index_source *source, qv__vector_sample *sample,
                    qv__vector_model **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_model parts = { .kind = order->kind,
                               .metric = order->metric,
                               .element = order->shape.element,
                               .dim = order->shape.dim,
                               .is_multi = order->shape.is_multi,
                               .hnsw_m = order->hnsw_m,
                               .hnsw_ef_construction = order->hnsw_ef_construction,
                               .target_partition_size = order->list_rows };

    QV_CHECK(draw_sample(order, source, sample, &parts.n_lists, err));
    if (order->n_lists &&
        !order->list_rows) /* lists are to stay as long as they were asked to be when rows are added */
        parts.target_partition_size = QV_MAX(sample->vectors / order->n_lists, 1);
    qv__job_stage(order->job, "training", 0);
    QV_CHECK(train_centroids(order, sample, &parts, err));
    QV_CHECK(train_quantizer(order, sample, &parts, err));
    st = qv__vector_model_new(&parts, out, err);
    return st;
done:
    qv__free(parts.centroids);
    qv__free(parts.bit_centroids);
    if (parts.quantizer)
        parts.quantizer->class->free(parts.quantizer);
    return st;
}

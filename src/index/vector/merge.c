/* Merging: segments of one model become one, list after list; rows that are gone are left out, new ones are assigned and encoded under the same
 * model. Segments of different models, and a model that the rows have grown out of, are built anew by who asked (QV_UNSUPPORTED). */
#include <inttypes.h>

#include "base/alloc.h"
#include "index/vector/build_private.h"

#define MOST_GROWTH 4 /* times the lists that there are is what would be made now: then they are made */

/* ------------------------------------------------------------------ is it one model? */

static bool same_rabitq(const qv__quantizer *a, const qv__quantizer *b)
{
    const qv__rabitq_shape *x = qv__rabitq_shape_of(a), *y = qv__rabitq_shape_of(b);

    if (x->bits != y->bits || x->rotation != y->rotation || x->is_packed != y->is_packed ||
        x->is_residual_query != y->is_residual_query || x->has_errors != y->has_errors ||
        x->is_blocked != y->is_blocked)
        return false;
    return x->rotation == QV_ROTATION_FAST ? memcmp(x->signs, y->signs, 4 * ((x->dim + 7) / 8)) == 0
                                           : memcmp(x->matrix, y->matrix, x->dim * x->dim * sizeof *x->matrix) == 0;
}

static bool same_pq(const qv__quantizer *a, const qv__quantizer *b)
{
    size_t m, other_m;
    unsigned bits, other_bits;
    const float *x = qv__pq_codebook(a, &m, &bits), *y = qv__pq_codebook(b, &other_m, &other_bits);

    return m == other_m && bits == other_bits && memcmp(x, y, (a->dim << bits) * sizeof *x) == 0;
}

static bool same_quantizer(qv__code_kind kind, const qv__quantizer *a, const qv__quantizer *b)
{
    double low, high, other_low, other_high;

    if (a->n_columns != b->n_columns)
        return false;
    switch (kind) {
    case QV_CODE_SQ:
        qv__sq_bounds(a, &low, &high);
        qv__sq_bounds(b, &other_low, &other_high);
        return low == other_low && high == other_high;
    case QV_CODE_PQ:
        return same_pq(a, b);
    case QV_CODE_RQ:
        return same_rabitq(a, b);
    default:
        return true;
    }
}

static bool same_model(const qv__vector_model *a, const qv__vector_model *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->metric != b->metric || a->element != b->element || a->dim != b->dim ||
        a->is_multi != b->is_multi || a->n_lists != b->n_lists)
        return false;
    if (a->element == QV_EL_BITS)
        return memcmp(a->bit_centroids, b->bit_centroids, a->n_lists * (a->dim / 8)) == 0;
    return memcmp(a->centroids, b->centroids, a->n_lists * a->dim * sizeof *a->centroids) == 0 &&
           same_quantizer(a->kind->code, a->quantizer, b->quantizer);
}

/* ------------------------------------------------------------------ lists of older segments */

size_t qv__older_rows(const qv__older_lists *older, size_t list)
{
    size_t n = 0;

    for (size_t i = 0; i < older->n; i++)
        n += qv__vector_segment_list_rows(older->segments[i], list);
    return n;
}

/* Copies the rows that are kept to the front of the columns. Returns how many. */
static size_t keep_rows(const qv__list_build *build, size_t segment, const uint64_t *stored, size_t n, uint64_t *ids,
                        uint8_t *const *columns, size_t n_columns)
{
    const qv__older_lists *older = build->older;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t row;
        memcpy(&row, stored + i, sizeof row);
        if (older->keep && !older->keep(older->ctx, segment, &row))
            continue;
        ids[kept] = row;
        for (size_t c = 0; c < n_columns && kept != i; c++)
            memcpy(columns[c] + kept * build->widths[c], columns[c] + i * build->widths[c], build->widths[c]);
        kept++;
    }
    return kept;
}

/* What codes stand for: graphs over vectors that are not there any more are made over these. */
static void decode_rows(const qv__list_build *build, size_t list, const uint8_t *codes, size_t n, float *rows)
{
    const qv__vector_model *model = build->model;
    size_t dim = model->dim;
    double low, high;

    if (model->kind->code == QV_CODE_FLAT) {
        for (size_t i = 0; i < n; i++)
            qv__vector_work(model->element, dim, model->metric, codes + i * build->widths[0], rows + i * dim);
        return;
    }
    if (model->kind->code == QV_CODE_SQ) {
        qv__sq_bounds(model->quantizer, &low, &high);
        for (size_t i = 0; i < n * dim; i++)
            rows[i] = (float) (low + codes[i] * (high - low) / 255);
        return;
    }
    qv__pq_decode(model->quantizer, codes, n, rows);
    for (size_t i = 0; i < n && model->metric != QV_METRIC_DOT; i++)
        for (size_t d = 0; d < dim; d++)
            rows[i * dim + d] += model->centroids[list * dim + d];
}

static qv_status get_segment(const qv__list_build *build, size_t segment, size_t list, uint64_t *ids,
                             uint8_t *const *columns, size_t *n, const qv__hnsw **graph, qv_error *err)
{
    const qv__quantizer *q = build->model->quantizer;
    qv__vector_segment *from = build->older->segments[segment];
    qv__code_list stored;
    size_t rows = qv__vector_segment_list_rows(from, list);

    *n = 0;
    *graph = NULL;
    if (!rows)
        return QV_OK;
    if (build->model->kind->has_graph) {
        QV_TRY(qv__vector_segment_graph(from, list, graph, &stored, err));
        for (size_t c = 0; c < q->n_columns; c++)
            memcpy(columns[c], stored.columns[c], rows * build->widths[c]);
    } else {
        QV_TRY(qv__vector_segment_list(from, list, &stored, err));
        q->class->disarrange(q, stored.columns, rows, columns);
    }
    *n = keep_rows(build, segment, stored.ids, rows, ids, columns, q->n_columns);
    if (build->keeps_rows)
        decode_rows(build, list, columns[0], *n, (float *) (void *) columns[q->n_columns]);
    if (*n != rows)
        *graph = NULL;
    return QV_OK;
}

qv_status qv__older_get(const qv__list_build *build, size_t list, uint64_t *ids, uint8_t *const *columns, size_t *n,
                        const qv__hnsw **graph, qv_error *err)
{
    uint8_t *at[QV_STORE_COLUMNS];

    *n = 0;
    *graph = NULL;
    for (size_t i = 0; i < build->older->n; i++) {
        const qv__hnsw *own;
        size_t some;
        for (size_t c = 0; c < build->n_columns; c++)
            at[c] = columns[c] + *n * build->widths[c];
        QV_TRY(get_segment(build, i, list, ids + *n, at, &some, &own, err));
        if (some)
            *graph = *n ? NULL : own;
        *n += some;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ is the model still a good one? */

static uint64_t older_total(const qv__older_lists *older)
{
    uint64_t n = 0;

    for (size_t i = 0; i < older->n; i++)
        n += qv__vector_segment_rows(older->segments[i]);
    return n;
}

static qv_status check_growth(const qv__build_order *order, const qv__vector_model *model, uint64_t rows, qv_error *err)
{
    size_t wanted = qv__default_lists(order, rows);

    if (order->n_lists || wanted <= MOST_GROWTH * model->n_lists)
        return QV_OK;
    return qv__fail(err, QV_UNSUPPORTED, "%" PRIu64 " rows are too many for %zu lists: %zu are to be made", rows,
                    model->n_lists, wanted);
}

/* ------------------------------------------------------------------ merging */

/* The order that the model was made by, as far as lists go. */
static qv_status order_of_model(const qv__vector_kind *kind, const qv__vector_model *model,
                                const qv__index_target *target, const qv__index_source *added, qv__build_order *out,
                                qv_error *err)
{
    size_t bytes = qv__element_bytes(model->element, model->dim);

    *out = (qv__build_order){ .kind = kind,
                              .seed = target->options ? target->options->seed : 0,
                              .memory = target->memory_limit ? target->memory_limit : QV_BUILD_MEMORY,
                              .n_lists = target->options ? target->options->num_partitions : 0,
                              .list_rows = model->target_partition_size,
                              .metric = model->metric,
                              .hnsw_m = model->hnsw_m,
                              .hnsw_ef_construction = model->hnsw_ef_construction,
                              .job = target->job };
    out->shape =
        (qv__vector_shape){ model->element, model->dim, bytes,
                            model->element == QV_EL_BITS ? bytes : model->dim * sizeof(float), model->is_multi };
    if (!added)
        return QV_OK;
    qv__vector_shape now;
    if (!qv__vector_shape_of(added->type, model->metric, &now) || now.element != model->element ||
        now.dim != model->dim || now.is_multi != model->is_multi)
        return qv__fail(err, QV_UNSUPPORTED, "the column is not of the type any more that the index was made over");
    return QV_OK;
}

/* All segments of the model that new rows will stand in or beside. */
static qv_status all_lists(const qv__list_build *build, qv__older_lists *out, qv_error *err)
{
    const qv__older_lists *older = build->older;

    *out = (qv__older_lists){ 0 };
    QV_TRY(QV_NEW(&out->segments, older->n + 1, err));
    for (; out->n < older->n; out->n++)
        out->segments[out->n] = older->segments[out->n];
    if (build->target->like)
        out->segments[out->n++] = (qv__vector_segment *) build->target->like;
    return QV_OK;
}

static qv_status add_rows(qv__list_build *build, qv__index_source *added, qv_error *err)
{
    qv_status st = QV_OK;
    qv__older_lists all;

    QV_TRY(all_lists(build, &all, err));
    QV_CHECK(check_growth(build->order, build->model, older_total(build->older) + added->rows, err));
    QV_CHECK(qv__drift_check_recall(build->order, build->model, &all, added, &build->tuning, err));
    QV_CHECK(qv__list_build_rows(build, added->values, added->rows, err));
    QV_CHECK(qv__drift_check_loss(build->model, &all, build->distance, qv__list_store_rows(build->store), err));
done:
    qv__free((void *) all.segments);
    return st;
}

qv_status qv__vector_merge(const qv__vector_kind *kind, const qv__index_target *target, qv__segment *const *old,
                           size_t n_old, qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__older_lists older = { .n = n_old, .keep = keep, .ctx = ctx };
    qv__build_order order;
    qv__list_build build = { 0 };

    QV_CHECK(QV_NEW(&older.segments, n_old, err));
    for (size_t i = 0; i < n_old; i++)
        older.segments[i] = (qv__vector_segment *) (void *) old[i];
    if (added && !older_total(&older)) {
        st = qv__vector_build(kind, target, added, out, err);
        goto done;
    }
    qv__vector_model *model = qv__vector_segment_model(older.segments[0]);
    for (size_t i = 1; i < n_old; i++)
        if (!same_model(model, qv__vector_segment_model(older.segments[i])))
            QV_CHECK(qv__fail(err, QV_UNSUPPORTED, "segments of %s were trained apart", kind->name));
    QV_CHECK(order_of_model(kind, model, target, added, &order, err));
    QV_CHECK(qv__list_build_init(&build, target, &order, model, err));
    build.older = &older;
    if (added)
        QV_CHECK(add_rows(&build, added, err));
    QV_CHECK(qv__list_build_write(&build, out, err));
done:
    qv__list_build_clear(&build);
    qv__free((void *) older.segments);
    return st;
}

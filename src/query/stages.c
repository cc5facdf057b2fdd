/* Two stages. The first ranks all rows that match by a distance that is cheap: over the first values of each vector, for embeddings
 * trained so that these say most (Kusupati et al., Matryoshka representation learning, 2022), over the signs, or over the signs of the
 * first values. The second measures the best of them in full. */
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "query/stages.h"

enum { FACTOR = 16 }; /* candidates per row wanted */

qv_status qv__stages_check(const qv__knn *knn, qv_error *err)
{
    const qv_search_options *o = knn->options;
    const char *name = knn->column.leaf->name;

    if (!qv__stages_asked(o))
        return QV_OK;
    if (knn->column.is_multi)
        return qv__fail(err, QV_INVALID, "column \"%s\" holds lists of vectors, which are searched in one stage", name);
    if (knn->metric == QV_METRIC_HAMMING || knn->metric == QV_METRIC_JACCARD)
        return qv__fail(err, QV_INVALID, "by metric %s column \"%s\" is searched in one stage",
                        qv__metric_name(knn->metric), name);
    if (o->prefix_dims > knn->column.dim)
        return qv__fail(err, QV_INVALID, "prefix_dims is %u, but column \"%s\" has %zu dimensions", o->prefix_dims,
                        name, knn->column.dim);
    return QV_OK;
}

static uint64_t factor_of(const qv_search_options *o) { return o->stage_factor ? o->stage_factor : FACTOR; }

qv_status qv__stages_explain(const qv__knn *knn, qv__operator *op, qv_error *err)
{
    const qv_search_options *o = knn->options;

    if (!qv__stages_asked(o))
        return QV_OK;
    return qv__plan_note(op, err, ", first_stage=[%s of %zu dimensions], candidates=%llu per row",
                         o->binary_stage ? "signs" : "values", o->prefix_dims ? o->prefix_dims : knn->column.dim,
                         (unsigned long long) factor_of(o));
}

/* ------------------------------------------------------------------ the first stage */

static const size_t value_bytes[] = { [QV_ELEMENT_F32] = 4,  [QV_ELEMENT_F16] = 2, [QV_ELEMENT_F64] = 8,
                                      [QV_ELEMENT_BF16] = 2, [QV_ELEMENT_I8] = 1,  [QV_ELEMENT_U8] = 1 };
static const qv__element elements[] = {
    [QV_ELEMENT_F32] = QV_EL_F32,   [QV_ELEMENT_F16] = QV_EL_F16, [QV_ELEMENT_F64] = QV_EL_F64,
    [QV_ELEMENT_BF16] = QV_EL_BF16, [QV_ELEMENT_I8] = QV_EL_I8,   [QV_ELEMENT_U8] = QV_EL_U8
};

/* The queries' first values, or their signs, as the kernels of the first stage take them. */
static qv_status first_stage(const qv__knn *knn, const qv_vectors *queries, qv__distance **out, qv_error *err)
{
    size_t dim = knn->options->prefix_dims ? knn->options->prefix_dims : knn->column.dim;
    size_t each = value_bytes[queries->element], from = queries->dim * each;
    bool signs = knn->options->binary_stage;
    size_t to = signs ? qv__bitmap_bytes(dim) : dim * each;
    uint8_t *cut;

    QV_TRY(QV_NEW(&cut, queries->n * to, err));
    for (size_t q = 0; q < queries->n; q++) {
        const uint8_t *query = (const uint8_t *) queries->data + q * from;
        if (signs)
            qv__signs_of(elements[queries->element], query, dim, cut + q * to);
        else
            memcpy(cut + q * to, query, to);
    }
    qv_status st = signs ? qv__distance_new(QV_METRIC_HAMMING, QV_EL_BITS, dim, cut, QV_EL_BITS, queries->n, out, err)
                         : qv__distance_new(knn->metric, knn->column.element, dim, cut, elements[queries->element],
                                            queries->n, out, err);
    qv__free(cut);
    return st;
}

/* Ranks all rows by it; the candidates, as keys. */
static qv_status choose(qv__knn *knn, qv__distance *first, uint64_t **keys, size_t *counts, size_t *width,
                        qv_error *err)
{
    qv__distance *whole = knn->distance;
    uint64_t wanted, n;
    size_t keep = knn->keep;

    if (!qv__mul_u64(keep, factor_of(knn->options), &wanted))
        wanted = knn->n_rows;
    knn->distance = first;
    knn->keep = *width = (size_t) QV_MIN(wanted, knn->n_rows);
    knn->is_first_stage = true;
    qv_status st = qv__knn_run(knn, err);
    knn->is_first_stage = false;
    knn->distance = whole;
    knn->keep = keep;
    QV_TRY(st);
    if (!qv__mul_u64(*width, knn->n_queries, &n))
        return qv__fail_nomem(err, SIZE_MAX);
    QV_TRY(QV_NEW(keys, QV_MAX(n, 1), err));
    for (size_t q = 0; q < knn->n_queries; q++) {
        counts[q] = knn->topks[q].n;
        for (size_t i = 0; i < counts[q]; i++)
            (*keys)[q * *width + i] = knn->topks[q].heap[i].id;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the second */

static qv_status measure(qv__knn *knn, const uint64_t *keys, const size_t *counts, size_t width, bool *is_short,
                         qv_error *err)
{
    qv_status st = QV_OK;
    float *distances = NULL;
    qv__measure m;
    qv__knn_part part = knn->part;
    bool addresses = !qv__snapshot_has_stable_row_ids(knn->snapshot);

    QV_CHECK(QV_NEW(&distances, QV_MAX(width, 1), err));
    QV_CHECK(qv__measure_init(&m, knn->snapshot, &knn->column, knn->distance, 1, addresses, err));
    knn->part = QV_KNN_NONE;
    QV_CHECK(qv__knn_run(knn, err));
    knn->part = part;
    for (size_t q = 0; q < knn->n_queries; q++) {
        const uint64_t *of = keys + q * width;
        size_t usable = 0;
        m.exact.distances(&m, q, of, counts[q], distances);
        QV_CHECK(qv__measure_status(&m, err));
        for (size_t i = 0; i < counts[q]; i++) {
            qv__topk_push(&knn->topks[q], distances[i], of[i]);
            usable +=
                distances[i] == distances[i] && (!knn->options->has_lower || distances[i] >= knn->options->lower_bound);
        }
        *is_short = *is_short || usable < knn->keep;
    }
done:
    qv__free(distances);
    return st;
}

/* Where too few candidates can be ranked (a lower bound, prefixes without length under cosine), all rows are measured. */
qv_status qv__stages_run(qv__knn *knn, const qv_vectors *queries, qv_error *err)
{
    qv_status st = QV_OK;
    qv__distance *first = NULL;
    uint64_t *keys = NULL;
    size_t *counts = NULL, width = 0;
    bool is_short = false;

    QV_CHECK(first_stage(knn, queries, &first, err));
    QV_CHECK(QV_NEW(&counts, knn->n_queries, err));
    QV_CHECK(choose(knn, first, &keys, counts, &width, err));
    QV_CHECK(measure(knn, keys, counts, width, &is_short, err));
    if (is_short)
        QV_CHECK(qv__knn_run(knn, err));
done:
    qv__distance_free(first);
    qv__free(keys);
    qv__free(counts);
    return st;
}

/* What is built when nothing is said: the kind, the number of lists, the bits of codes; and whether what is said fits. */
#include <inttypes.h>
#include <math.h>

#include "index/vector/build_private.h"

#define QV_BUILD_MEMORY (UINT64_C(1) << 30)
#define DEFAULT_SEED    UINT64_C(0x7156)
#define MOST_LISTS      65536
#define GRAPH_LIST_ROWS ((uint64_t) 1 << 22)
#define HNSW_M          20
#define HNSW_EF         300
#define RQ_BITS         5
#define SAMPLE_RATE     64    /* rows per centroid */
#define FEW_ROWS        10000 /* with fewer, vectors as they are cost nothing worth saving */

/* ------------------------------------------------------------------ columns */

bool qv__vector_shape_of(const qv__type *type, qv_metric metric, qv__vector_shape *out)
{
    *out = (qv__vector_shape){ 0 };
    if (!qv__vector_type_of(type, &out->element, &out->dim, &out->is_multi))
        return false;
    out->bytes = qv__element_bytes(out->element, out->dim);
    out->work_bytes = out->dim * sizeof(float);
    if (metric == QV_METRIC_AUTO)
        metric = qv__default_metric(type);
    if (metric == QV_METRIC_HAMMING && out->element == QV_EL_U8) {
        out->element = QV_EL_BITS;
        out->dim *= 8;
        out->work_bytes = out->bytes;
    }
    return true;
}

qv_metric qv__default_metric(const qv__type *type)
{
    qv__element element;
    size_t dim;
    bool is_multi;

    if (!qv__vector_type_of(type, &element, &dim, &is_multi))
        return QV_METRIC_L2;
    return is_multi ? QV_METRIC_COSINE : element == QV_EL_U8 ? QV_METRIC_HAMMING : QV_METRIC_L2;
}

/* What kinds cannot do with a metric or a dimension is told when one is built. */
bool qv__vector_can_index(const qv__type *type)
{
    qv__element element;
    size_t dim;
    bool is_multi;

    return qv__vector_type_of(type, &element, &dim, &is_multi);
}

qv_index_kind qv__vector_choose_kind(const qv__type *type, qv_metric metric, uint64_t rows)
{
    qv__vector_shape shape;

    if (!qv__vector_shape_of(type, metric, &shape) || shape.element == QV_EL_BITS || rows < FEW_ROWS)
        return QV_INDEX_IVF_FLAT;
    return shape.dim % 8 == 0 ? QV_INDEX_IVF_RQ : QV_INDEX_IVF_SQ;
}

/* ------------------------------------------------------------------ do the options fit? */

static qv_status check_metric(const qv__build_order *o, qv__element stored, qv_error *err)
{
    if (!qv__vector_metric_name(o->metric))
        return qv__fail(err, QV_INVALID, "metric %d is none that an index can have: l2, cosine, dot or hamming",
                        (int) o->metric);
    if (o->metric != QV_METRIC_HAMMING)
        return QV_OK;
    if (stored != QV_EL_U8)
        return qv__fail(err, QV_INVALID, "hamming counts differing bits, and needs a column of uint8 vectors");
    if (o->kind->code != QV_CODE_FLAT)
        return qv__fail(err, QV_INVALID,
                        "hamming needs IVF_FLAT or IVF_HNSW_FLAT: %s makes codes of numbers, not of bits",
                        o->kind->name);
    return QV_OK;
}

static qv_status check_bits(const qv__build_order *o, uint32_t bits, qv_error *err)
{
    switch (o->kind->code) {
    case QV_CODE_PQ:
        return !bits || bits == 4 || bits == 8
                   ? QV_OK
                   : qv__fail(err, QV_INVALID, "num_bits of %s is 4 or 8, not %" PRIu32, o->kind->name, bits);
    case QV_CODE_RQ:
        return bits <= 9 ? QV_OK
                         : qv__fail(err, QV_INVALID, "num_bits of %s is 1 to 9, not %" PRIu32, o->kind->name, bits);
    case QV_CODE_SQ:
        return !bits || bits == 8 ? QV_OK
                                  : qv__fail(err, QV_INVALID, "num_bits of %s is 8, not %" PRIu32, o->kind->name, bits);
    default:
        return bits ? qv__fail(err, QV_INVALID, "%s has no codes, and so no num_bits", o->kind->name) : QV_OK;
    }
}

static qv_status check_sub_vectors(const qv__build_order *o, uint32_t m, uint32_t bits, qv_error *err)
{
    if (m && o->kind->code != QV_CODE_PQ)
        return qv__fail(err, QV_INVALID, "num_sub_vectors is for kinds with product quantization, not %s",
                        o->kind->name);
    if (m && o->shape.dim % m)
        return qv__fail(err, QV_INVALID, "the dimension %zu is not divisible by num_sub_vectors %" PRIu32, o->shape.dim,
                        m);
    if (m % 2 && bits == 4)
        return qv__fail(err, QV_INVALID, "with 4 bits num_sub_vectors must be even, not %" PRIu32, m);
    return QV_OK;
}

static qv_status check_graph(const qv__build_order *o, const qv_index_options *options, qv_error *err)
{
    if (!o->kind->has_graph && (options->hnsw_m || options->hnsw_ef_construction))
        return qv__fail(err, QV_INVALID, "%s has no graphs, and so no hnsw_m and hnsw_ef_construction", o->kind->name);
    if (o->kind->has_graph && o->hnsw_m < 4)
        return qv__fail(err, QV_INVALID, "hnsw_m is %" PRIu32 ", and must be at least 4", o->hnsw_m);
    if (o->kind->has_graph && o->hnsw_ef_construction < o->hnsw_m)
        return qv__fail(err, QV_INVALID, "hnsw_ef_construction %" PRIu32 " is less than hnsw_m %" PRIu32,
                        o->hnsw_ef_construction, o->hnsw_m);
    return QV_OK;
}

/* ------------------------------------------------------------------ codes */

/* The longest sub-vectors of at most `most` values that divide the dimension into an even number of them (4 bits), or into any (8). */
static unsigned count_sub_vectors(size_t dim, size_t most, bool is_even)
{
    for (size_t width = most; width > 1; width--)
        if (dim % width == 0 && (!is_even || dim / width % 2 == 0))
            return (unsigned) (dim / width);
    return (unsigned) dim;
}

/* 2 bits per value either way. 4 bits for two lose more than 8 bits for four, yet lists of them are scanned several times as fast, which
 * measuring more rows does not use up. Walks of graphs look rows up one by one, with twice the work for twice the sub-vectors. Who says
 * how many sub-vectors there are means the usual ones, of 8 bits. */
static uint32_t default_pq_bits(const qv__build_order *o, const qv_index_options *options)
{
    return o->kind->has_graph || options->num_sub_vectors || o->shape.dim % 4 ? 8 : 4;
}

static void choose_pq(qv__build_order *o, const qv_index_options *options)
{
    o->bits = options->num_bits ? options->num_bits : default_pq_bits(o, options);
    o->pq_m = options->num_sub_vectors ? options->num_sub_vectors
                                       : count_sub_vectors(o->shape.dim, o->bits / 2, o->bits == 4);
}

static void choose_codes(qv__build_order *o, const qv_index_options *options)
{
    switch (o->kind->code) {
    case QV_CODE_PQ:
        choose_pq(o, options);
        break;
    case QV_CODE_RQ:
        o->bits = options->num_bits ? options->num_bits : RQ_BITS;
        break;
    case QV_CODE_SQ:
        o->bits = 8;
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ the order */

qv_status qv__build_order_of(const qv__vector_kind *kind, const qv__type *type, const qv__index_target *target,
                             qv__build_order *out, qv_error *err)
{
    static const qv_index_options none = QV_INDEX_OPTIONS_INIT;
    const qv_index_options *options = target->options ? target->options : &none;
    qv__build_order o = { .kind = kind,
                          .metric = options->metric ? options->metric : qv__default_metric(type),
                          .seed = options->seed ? options->seed : DEFAULT_SEED,
                          .memory = target->memory_limit ? target->memory_limit : QV_BUILD_MEMORY,
                          .n_lists = options->num_partitions,
                          .list_rows = options->target_partition_size,
                          .sample_rate = options->sample_rate ? options->sample_rate : SAMPLE_RATE,
                          .iterations = options->max_iterations,
                          .hnsw_m = options->hnsw_m ? options->hnsw_m : HNSW_M,
                          .hnsw_ef_construction =
                              options->hnsw_ef_construction ? options->hnsw_ef_construction : HNSW_EF,
                          .job = target->job };
    qv__vector_shape stored;
    char text[128];

    if (!qv__vector_shape_of(type, QV_METRIC_L2, &stored) || !qv__vector_shape_of(type, o.metric, &o.shape))
        return qv__fail(err, QV_INVALID, "%s is no column of vectors", qv__type_print(type, text, sizeof text));
    QV_TRY(check_metric(&o, stored.element, err));
    if (kind->code == QV_CODE_RQ && o.shape.dim % 8)
        return qv__fail(err, QV_INVALID, "%s needs a dimension that is divisible by 8, not %zu", kind->name,
                        o.shape.dim);
    if (o.n_lists > MOST_LISTS)
        return qv__fail(err, QV_INVALID, "num_partitions is %" PRIu32 ", and may be %d at most", o.n_lists, MOST_LISTS);
    QV_TRY(check_bits(&o, options->num_bits, err));
    QV_TRY(check_sub_vectors(&o, options->num_sub_vectors, options->num_bits, err));
    QV_TRY(check_graph(&o, options, err));
    choose_codes(&o, options);
    *out = o;
    return QV_OK;
}

/* ------------------------------------------------------------------ lists */

/* One graph over all rows is walked in less time than several, so lists are as long as memory lets them be: a list is held, with its graph and as it
 * is written, beside the store of all rows, which takes half of the memory at most. */
static double graph_list_rows(const qv__build_order *o, double vectors)
{
    double codes = o->kind->code == QV_CODE_FLAT ? (double) o->shape.bytes
                   : o->kind->code == QV_CODE_SQ ? (double) o->shape.dim
                                                 : (double) o->shape.work_bytes + (double) o->pq_m;
    double memory = (double) o->memory, stored = QV_MIN(vectors * (codes + sizeof(uint64_t)), memory / 2);

    return QV_MIN((double) GRAPH_LIST_ROWS, (memory - stored) / (2 * codes + 12.0 * o->hnsw_m + 64));
}

/* Scanning is cheapest when looking through the centroids costs about as much as looking through the lists: their number grows with the root of
 * the number of rows. Codes are cheaper than vectors, and lists of them may be longer. */
double qv__default_list_rows(const qv__build_order *o, uint64_t vectors)
{
    double n = (double) vectors;

    if (o->kind->has_graph)
        return graph_list_rows(o, n);
    return QV_MAX(sqrt(n) * (o->kind->code == QV_CODE_FLAT ? 0.7 : 1.0), 32);
}

size_t qv__default_lists(const qv__build_order *o, uint64_t vectors)
{
    double rows = o->list_rows ? (double) o->list_rows : qv__default_list_rows(o, vectors);
    double lists = (double) vectors / QV_MAX(rows, 1);

    if (o->n_lists)
        return o->n_lists;
    if (o->kind->has_graph || o->list_rows)
        lists = ceil(lists);
    return (size_t) QV_MAX(QV_MIN(lists, (double) MOST_LISTS), 1);
}

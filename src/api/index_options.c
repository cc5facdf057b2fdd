/* What may be said about an index that is to be made, as far as no column is needed to judge it: which options a kind has a use for, and
 * within which limits. 0 is "chosen" everywhere. */
#include <inttypes.h>

#include "api/api_private.h"

/* What of the vectors' options a kind has a use for. */
typedef struct kind_options {
    qv_index_kind kind;
    const char *name;
    bool lists, codebook, bits, graph, hamming;
    uint32_t least_bits, most_bits, step_bits;
} kind_options;

static const kind_options kinds[] = {
    /* which of them are of use shows when the kind is chosen */
    { QV_INDEX_AUTO, "chosen", true, true, true, true, true, 1, 9, 1 },
    { QV_INDEX_VECTOR, "chosen", true, true, true, true, true, 1, 9, 1 },
    { QV_INDEX_IVF_FLAT, "IVF_FLAT", true, false, false, false, true, 0, 0, 0 },
    { QV_INDEX_IVF_SQ, "IVF_SQ", true, false, true, false, false, 8, 8, 1 },
    { QV_INDEX_IVF_PQ, "IVF_PQ", true, true, true, false, false, 4, 8, 4 },
    { QV_INDEX_IVF_RQ, "IVF_RQ", true, false, true, false, false, 1, 9, 1 },
    { QV_INDEX_IVF_HNSW_FLAT, "IVF_HNSW_FLAT", true, false, false, true, false, 0, 0, 0 },
    { QV_INDEX_IVF_HNSW_SQ, "IVF_HNSW_SQ", true, false, true, true, false, 8, 8, 1 },
    { QV_INDEX_IVF_HNSW_PQ, "IVF_HNSW_PQ", true, true, true, true, false, 4, 8, 4 },
};

static const kind_options *options_of(qv_index_kind kind)
{
    static const kind_options scalar = { .name = "scalar" };

    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return &scalar;
}

static qv_status check_known(const kind_options *kind, bool is_known, const char *what, uint64_t value, qv_error *err)
{
    if (value && !is_known)
        return qv__fail(err, QV_INVALID, "%s is %" PRIu64 ", but an index of kind %s has no use for it", what, value,
                        kind->name);
    return QV_OK;
}

static qv_status check_bits(const kind_options *kind, uint32_t bits, qv_error *err)
{
    QV_TRY(check_known(kind, kind->bits, "num_bits", bits, err));
    if (!bits || (bits >= kind->least_bits && bits <= kind->most_bits && bits % kind->step_bits == 0))
        return QV_OK;
    if (kind->least_bits == kind->most_bits)
        return qv__fail(err, QV_INVALID, "%s num_bits must be %u, got %u", kind->name, kind->most_bits, bits);
    return qv__fail(err, QV_INVALID,
                    kind->step_bits == 1 ? "%s num_bits must be in %u..=%u, got %u"
                                         : "%s num_bits must be %u or %u, got %u",
                    kind->name, kind->least_bits, kind->most_bits, bits);
}

enum { LEAST_NEIGHBOURS = 4, MOST_NEIGHBOURS = 1024 }; /* fewer leave a graph in pieces */

static qv_status check_graph(const kind_options *kind, const qv_index_options *options, qv_error *err)
{
    uint32_t m = options->hnsw_m, ef = options->hnsw_ef_construction;

    QV_TRY(check_known(kind, kind->graph, "hnsw_m", m, err));
    QV_TRY(check_known(kind, kind->graph, "hnsw_ef_construction", ef, err));
    if (m && (m < LEAST_NEIGHBOURS || m > MOST_NEIGHBOURS))
        return qv__fail(err, QV_INVALID, "hnsw_m must be at least %d and at most %d, got %u", LEAST_NEIGHBOURS,
                        MOST_NEIGHBOURS, m);
    if (m && ef && ef < m)
        return qv__fail(err, QV_INVALID, "hnsw_ef_construction must be at least hnsw_m (%u), got %u", m, ef);
    return QV_OK;
}

static qv_status check_metric(const kind_options *kind, qv_metric metric, qv_error *err)
{
    if ((unsigned) metric > QV_METRIC_JACCARD)
        return qv__fail(err, QV_INVALID, "metric %d is not known", (int) metric);
    QV_TRY(check_known(kind, kind->lists, "metric", (uint64_t) metric, err));
    if (metric == QV_METRIC_JACCARD)
        return qv__fail(err, QV_INVALID, "no kind of index answers by jaccard; a search by it is exact");
    if (metric == QV_METRIC_HAMMING && !kind->hamming)
        return qv__fail(err, QV_INVALID, "an index of kind %s does not answer by hamming; IVF_FLAT does", kind->name);
    return QV_OK;
}

qv_status qv__check_index_options(const qv_index_options *options, qv_error *err)
{
    const kind_options *kind = options_of(options->kind);

    QV_TRY(check_metric(kind, options->metric, err));
    QV_TRY(check_known(kind, kind->lists, "num_partitions", options->num_partitions, err));
    QV_TRY(check_known(kind, kind->lists, "target_partition_size", options->target_partition_size, err));
    QV_TRY(check_known(kind, kind->lists, "max_iterations", options->max_iterations, err));
    QV_TRY(check_known(kind, kind->lists, "sample_rate", options->sample_rate, err));
    QV_TRY(check_known(kind, kind->codebook, "num_sub_vectors", options->num_sub_vectors, err));
    QV_TRY(check_bits(kind, options->num_bits, err));
    return check_graph(kind, options, err);
}

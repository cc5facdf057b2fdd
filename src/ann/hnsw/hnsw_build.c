/* Building a graph: nodes draw their levels, each level is linked on its own from the highest one down, and what no path reaches on level 0 is
 * connected in the end. The first node is on every level, and the entry point. Nothing depends on which thread was faster. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "hnsw_builder.h"

/* A neighbour makes another one needless when it is nearer to it than the node is by this factor, of squared distances: some links more than the
 * heuristic alone keeps, and shorter walks (Jayaram Subramanya et al., DiskANN, 2019). Products may be negative, and have none. */
#define SLACK 1.2f

/* ------------------------------------------------------------------ threads */

static qv_status make_threads(qv__builder *builder, unsigned wanted, qv_error *err)
{
    builder->n_threads = wanted ? QV_MIN(wanted, qv__pool_size()) : qv__pool_size();
    QV_TRY(QV_NEW(&builder->threads, builder->n_threads, err));
    for (unsigned i = 0; i < builder->n_threads; i++)
        QV_TRY(qv__hnsw_scratch_new(&builder->threads[i].scratch, err));
    return QV_OK;
}

static void free_threads(qv__builder *builder)
{
    for (unsigned i = 0; builder->threads && i < builder->n_threads; i++) {
        qv__hnsw_scratch_free(builder->threads[i].scratch);
        qv__free(builder->threads[i].nodes);
        qv__free(builder->threads[i].distances);
    }
    qv__free(builder->threads);
}

/* ------------------------------------------------------------------ levels */

/* splitmix64 (Steele, Lea, Flood 2014): a number of each place, so that the same seed gives the same in any order. */
static uint64_t random_of(uint64_t seed, uint64_t i)
{
    uint64_t x = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* floor(-ln(u) / ln(m)), u in (0, 1]. */
static unsigned level_of(const qv__builder *builder, uint32_t node, unsigned max_level)
{
    double u = (double) ((random_of(builder->seed, node) >> 11) + 1) * 0x1p-53;

    return QV_MIN((unsigned) (-log(u) / log(builder->m)), max_level - 1);
}

/* Counts nodes by level, then puts each at its place: a shuffle first, then a stable sort by level. */
static qv_status make_order(qv__builder *builder, unsigned max_level, qv_error *err)
{
    uint32_t next[QV_HNSW_LEVELS] = { 0 };

    QV_TRY(QV_NEW(&builder->order, builder->n, err));
    QV_TRY(QV_NEW(&builder->rank, builder->n, err));
    for (uint32_t i = 0; i < builder->n; i++) { /* rank: the shuffled nodes, for now */
        uint32_t j = (uint32_t) (random_of(~builder->seed, i) % (i + 1));
        builder->rank[i] = builder->rank[j];
        builder->rank[j] = i;
    }
    for (uint32_t i = 0; i < builder->n; i++)
        builder->level_n[level_of(builder, i, max_level)]++;
    for (unsigned level = QV_HNSW_LEVELS - 1; level-- > 0;) {
        next[level] = builder->level_n[level + 1];
        builder->level_n[level] += builder->level_n[level + 1];
    }
    for (uint32_t i = 0; i < builder->n; i++)
        builder->order[next[level_of(builder, builder->rank[i], max_level)]++] = builder->rank[i];
    for (uint32_t i = 0; i < builder->n; i++)
        builder->rank[builder->order[i]] = i;
    while (builder->n_levels < QV_HNSW_LEVELS && builder->level_n[builder->n_levels] > 0)
        builder->n_levels++;
    return QV_OK;
}

/* ------------------------------------------------------------------ the finished graph */

/* A level's nodes in ascending order, with their lists one after another. */
static qv_status finish_level(qv__builder *builder, unsigned number, qv_error *err)
{
    qv__hnsw_level *level = &builder->graph->upper[number - 1];
    uint32_t n = builder->level_n[number], n_neighbours = 0, at = 0;

    for (uint32_t i = 0; i < n; i++)
        n_neighbours += qv__builder_block(builder, number, builder->order[i])[0];
    QV_TRY(QV_NEW(&level->nodes, n, err));
    QV_TRY(QV_NEW(&level->starts, n + 1, err));
    QV_TRY(QV_NEW(&level->neighbours, n_neighbours, err));
    for (uint32_t node = 0; node < builder->n; node++) {
        if (builder->rank[node] >= n)
            continue;
        const uint32_t *block = qv__builder_block(builder, number, node);
        level->nodes[level->n++] = node;
        memcpy(level->neighbours + at, block + 1, block[0] * sizeof *block);
        at += block[0];
        level->starts[level->n] = at;
    }
    return QV_OK;
}

static qv_status finish(qv__builder *builder, qv_error *err)
{
    QV_TRY(qv__builder_connect(builder, err));
    for (unsigned level = 1; level < builder->n_levels; level++)
        QV_TRY(finish_level(builder, level, err));
    builder->graph->n_added = builder->n_levels;
    return qv__hnsw_seal(builder->graph, err);
}

/* ------------------------------------------------------------------ the door */

static qv_status check_options(size_t n, unsigned m, unsigned ef, unsigned max_level, qv_error *err)
{
    if (n > INT32_MAX)
        return qv__fail(err, QV_INVALID, "a graph over %zu rows; at most %d are supported", n, INT32_MAX);
    if (m < 4 || m > 1024)
        return qv__fail(err, QV_INVALID, "a graph with m = %u; it must be 4 to 1024", m);
    if (ef < m || ef > 1000000)
        return qv__fail(err, QV_INVALID, "a graph with ef_construction = %u; it must be m = %u to 1000000", ef, m);
    if (max_level > QV_HNSW_LEVELS)
        return qv__fail(err, QV_INVALID, "a graph of up to %u levels; at most %d are supported", max_level,
                        QV_HNSW_LEVELS);
    return QV_OK;
}

static const uint32_t *growing_neighbours(const void *graph, unsigned level, uint32_t node, uint32_t *n)
{
    const uint32_t *block = qv__builder_block(graph, level, node);
    *n = block[0];
    return block + 1;
}

static qv_status make_lists(qv__builder *builder, unsigned max_level, qv_error *err)
{
    QV_TRY(make_order(builder, max_level, err));
    qv__hnsw_shape shape = { builder->n, builder->n_levels, builder->n ? builder->order[0] : 0,
                             builder->m, builder->ef,       max_level };
    QV_TRY(qv__hnsw_alloc(&shape, 2 * builder->m, &builder->graph, err));
    for (unsigned level = 1; level < builder->n_levels; level++)
        QV_TRY(QV_NEW(&builder->lists[level - 1], (size_t) builder->level_n[level] * (builder->m + 1), err));
    builder->view = (qv__hnsw_view){ growing_neighbours, builder, builder->graph->blocks, 2 * builder->m + 1 };
    return QV_OK;
}

static void builder_clear(qv__builder *builder)
{
    free_threads(builder);
    for (size_t i = 0; i < QV_HNSW_LEVELS - 1; i++)
        qv__free(builder->lists[i]);
    qv__free(builder->order);
    qv__free(builder->rank);
    qv__free(builder->edges);
    qv__free(builder->sorted);
    qv__hnsw_free(builder->graph);
}

qv_status qv__hnsw_build(const void *rows, size_t stride, size_t n, size_t dim, qv__element element, qv_metric metric,
                         const qv__hnsw_options *options, qv__hnsw **out, qv_error *err)
{
    unsigned max_level = options->max_level ? options->max_level : 7;
    qv_status st = QV_OK;
    qv__builder builder = {
        .rows = rows,
        .stride = stride,
        .bytes = qv__element_bytes(element, dim),
        .dim = dim,
        .element = element,
        .m = options->m ? options->m : 20,
        .ef = options->ef_construction ? options->ef_construction : 300,
        .seed = options->seed,
        .job = options->job,
    };
    bool is_float = element != QV_EL_I8 && element != QV_EL_U8 && element != QV_EL_BITS;

    QV_TRY(check_options(n, builder.m, builder.ef, max_level, err));
    builder.n = (uint32_t) n;
    builder.metric = metric == QV_METRIC_COSINE && is_float ? QV_METRIC_DOT : metric;
    builder.is_unit = metric == QV_METRIC_COSINE;
    builder.slack = metric == QV_METRIC_DOT ? 1 : SLACK;
    builder.pairs = qv__distance_pairs(builder.metric, element, dim);
    if (!builder.pairs)
        return qv__fail(err, QV_INVALID, "a graph over rows of element type %d with metric %d", (int) element,
                        (int) metric);
    QV_CHECK(make_threads(&builder, options->threads, err));
    QV_CHECK(make_lists(&builder, max_level, err));
    for (unsigned level = builder.n_levels; level-- > 0;)
        QV_CHECK(qv__builder_link_level(&builder, level, err));
    QV_CHECK(finish(&builder, err));
    *out = builder.graph;
    builder.graph = NULL;
done:
    builder_clear(&builder);
    return st;
}

/* What the steps of a build call: threads that share work, distances between rows, the choice of neighbours. */
#include <stdatomic.h>

#include "base/pool.h"
#include "hnsw_builder.h"

/* ------------------------------------------------------------------ threads */

typedef struct sharing {
    qv__builder *builder;
    qv__builder_fn fn;
    size_t n, at_once;
    _Atomic size_t next;
} sharing;

static qv_status work(void *ctx, size_t task, qv_error *err)
{
    sharing *all = ctx;

    for (;;) {
        size_t first = atomic_fetch_add_explicit(&all->next, all->at_once, memory_order_relaxed);
        if (first >= all->n)
            return QV_OK;
        for (size_t i = first; i < QV_MIN(first + all->at_once, all->n); i++)
            QV_TRY(all->fn(all->builder, &all->builder->threads[task], i, err));
    }
}

qv_status qv__builder_each(qv__builder *builder, size_t n, qv__builder_fn fn, size_t at_once, qv_error *err)
{
    sharing all = { .builder = builder, .fn = fn, .n = n, .at_once = at_once };
    size_t n_tasks = QV_MIN((n + at_once - 1) / at_once, builder->n_threads);

    return qv__parallel_for(n_tasks, builder->n_threads, work, &all, err);
}

/* ------------------------------------------------------------------ distances */

static void row_distances(void *ctx, const uint32_t *nodes, size_t n, float *out)
{
    const qv__builder_row *row = ctx;
    const qv__builder *builder = row->builder;

    builder->pairs(builder->rows + builder->stride * row->node, builder->dim, builder->rows, builder->stride, nodes, n,
                   out);
}

qv__measure qv__builder_measure(const qv__builder_row *row)
{
    const qv__builder *builder = row->builder;
    return (qv__measure){ row_distances, (void *) row, builder->rows, builder->stride, builder->bytes, 0 };
}

uint32_t qv__builder_choose(const qv__builder *builder, const qv__near *near, size_t n, uint32_t most, uint32_t *out)
{
    uint32_t n_chosen = 0;

    for (size_t i = 0; i < n && n_chosen < most; i++) {
        const uint8_t *row = builder->rows + builder->stride * near[i].node;
        bool is_nearest = true;
        for (uint32_t at = 0; is_nearest && at < n_chosen; at += 4) {
            uint32_t length = QV_MIN(n_chosen - at, 4);
            float distances[4];
            builder->pairs(row, builder->dim, builder->rows, builder->stride, out + at, length, distances);
            for (uint32_t j = 0; j < length; j++)
                is_nearest &= !(distances[j] * builder->slack < near[i].distance);
        }
        if (is_nearest)
            out[n_chosen++] = near[i].node;
    }
    return n_chosen;
}

/* Trying an index on its lists: estimates of all rows of the lists near a query, or what walks over their graphs find. */
#include <math.h>

#include "base/alloc.h"
#include "index/vector/tuning_private.h"

#define COVERED 0.995 /* of what the near lists hold */

static const uint32_t efs[QV_TUNE_EFS] = { 10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512 };

/* FLAT measures at once, RaBitQ every row within its bounds: they need no refine factor, and so no estimates. */
bool qv__tuner_needs_estimates(const qv__tuner *t)
{
    const qv__vector_kind *kind = t->model->kind;

    if (kind->has_graph)
        return true;
    return kind->code != QV_CODE_FLAT && (kind->code != QV_CODE_RQ || !t->model->quantizer->class->has_bounds);
}

void qv__tuner_lists_clear(qv__tuner *t)
{
    for (size_t q = 0; t->codes && q < t->n_queries; q++)
        if (t->codes[q])
            t->model->quantizer->class->query_free(t->codes[q]);
    qv__free((void *) t->codes);
    qv__free(t->tops);
    qv__free(t->slots);
    qv__free(t->numbers);
    qv__free(t->estimates);
    qv__hnsw_scratch_free(t->scratch);
}

/* ------------------------------------------------------------------ getting ready */

static size_t level_width(const qv__tuner *t, size_t level)
{
    return t->model->kind->has_graph ? t->efs[level] : (size_t) QV_TUNE_WIDTH;
}

static qv_status make_tops(qv__tuner *t, qv_error *err)
{
    size_t width = 0;

    t->n_levels = t->model->kind->has_graph ? QV_TUNE_EFS : 1;
    memcpy(t->efs, efs, sizeof efs);
    for (size_t level = 0; level < t->n_levels; level++)
        width += level_width(t, level);
    QV_TRY(QV_NEW(&t->tops, t->n_queries * t->n_levels, err));
    QV_TRY(QV_NEW(&t->slots, t->n_queries * width, err));
    qv__hit *slots = t->slots;
    for (size_t i = 0; i < t->n_queries * t->n_levels; i++) {
        size_t some = level_width(t, i % t->n_levels);
        qv__topk_init(&t->tops[i], some, slots, NULL, NULL);
        slots += some;
    }
    return QV_OK;
}

/* All rows have been seen: what is wanted is known. */
static qv_status get_ready(qv__tuner *t, qv_error *err)
{
    const qv__quantizer *quantizer = t->model->quantizer;

    t->is_ready = true;
    for (t->probes = 1; t->probes < t->near && qv__tuner_coverage(t, t->probes) < COVERED; t->probes++)
        ;
    if (!qv__tuner_needs_estimates(t))
        return QV_OK;
    QV_TRY(make_tops(t, err));
    QV_TRY(QV_NEW(&t->codes, t->n_queries, err));
    for (size_t q = 0; q < t->n_queries; q++) {
        const void *query = t->queries + q * t->order->shape.work_bytes;
        QV_TRY(quantizer->class->query_new(quantizer, query, &t->codes[q], err));
    }
    return t->model->kind->has_graph ? qv__hnsw_scratch_new(&t->scratch, err) : QV_OK;
}

static qv_status make_room(qv__tuner *t, size_t n, qv_error *err)
{
    QV_TRY(QV_GROW(&t->estimates, &t->estimates_capacity, n, err));
    if (n <= t->numbers_capacity)
        return QV_OK;
    QV_TRY(QV_GROW(&t->numbers, &t->numbers_capacity, n, err));
    for (size_t i = 0; i < t->numbers_capacity; i++)
        t->numbers[i] = (uint32_t) i;
    return QV_OK;
}

/* ------------------------------------------------------------------ one list */

static void enter_list(const qv__tuner *t, size_t q, size_t list, size_t rank)
{
    const qv__quantizer *quantizer = t->model->quantizer;
    const float *centroids = t->model->centroids;
    size_t extra = quantizer->class->extra_floats ? quantizer->class->extra_floats(quantizer) : 0;

    quantizer->class->enter_list(t->codes[q], centroids ? centroids + list * t->model->dim : NULL,
                                 t->list_distances[q * t->near + rank],
                                 extra && t->model->extra ? t->model->extra + list * extra : NULL);
}

/* Where the wanted rows are in the list. */
static void place_wanted(qv__tuner *t, size_t q, size_t list, size_t rank, const uint64_t *ids, size_t n)
{
    qv__wanted *wanted = t->wanted + q * QV_TUNE_K;

    for (size_t i = 0; i < t->n_wanted[q]; i++)
        for (size_t at = 0; wanted[i].list == list && at < n; at++)
            if (ids[at] == wanted[i].key) {
                wanted[i].place = (uint64_t) rank << 32 | at;
                break;
            }
}

static void try_estimates(qv__tuner *t, size_t q, size_t rank, const uint64_t *ids, const uint8_t *const *plain,
                          size_t n)
{
    const qv__quantizer_class *class = t->model->quantizer->class;

    class->distances(t->codes[q], plain, t->numbers, n, t->estimates);
    for (size_t i = 0; i < n; i++)
        if (ids[i] != t->keys[q])
            qv__topk_push(&t->tops[q], t->estimates[i], (uint64_t) rank << 32 | i);
}

static qv_status try_walk(qv__tuner *t, size_t q, size_t level, size_t rank, const uint64_t *ids,
                          const uint64_t *numbers, const uint8_t *const *plain, const qv__hnsw *graph, qv_error *err)
{
    qv_status st = QV_OK;
    qv__candidates candidates = { 0 };
    const qv__hit *hits;
    uint64_t n_distances = 0;
    qv__hnsw_walk walk = { t->codes[q], plain, numbers, t->efs[level] };

    QV_CHECK(qv__candidates_init(&candidates, t->efs[level], NULL, 0, NULL, err));
    QV_CHECK(qv__hnsw_search(graph, &walk, t->scratch, &candidates, &n_distances, err));
    size_t n = qv__candidates_finish(&candidates, &hits);
    for (size_t i = 0; i < n; i++)
        if (ids[hits[i].id] != t->keys[q])
            qv__topk_push(&t->tops[q * t->n_levels + level], hits[i].distance, (uint64_t) rank << 32 | hits[i].id);
done:
    qv__candidates_clear(&candidates);
    return st;
}

static qv_status try_graph(qv__tuner *t, size_t q, size_t rank, const uint64_t *ids, const uint64_t *numbers,
                           const uint8_t *const *plain, const qv__hnsw *graph, qv_error *err)
{
    for (size_t level = 0; level < t->n_levels; level++)
        QV_TRY(try_walk(t, q, level, rank, ids, numbers, plain, graph, err));
    return QV_OK;
}

static qv_status try_list(qv__tuner *t, size_t list, const uint64_t *ids, const uint64_t *numbers,
                          const uint8_t *const *plain, size_t n, const qv__hnsw *graph, qv_error *err)
{
    for (size_t q = 0; q < t->n_queries; q++) {
        size_t rank = t->ranks[q * t->model->n_lists + list];
        if (rank >= t->probes)
            continue;
        place_wanted(t, q, list, rank, ids, n);
        enter_list(t, q, list, rank);
        if (graph)
            QV_TRY(try_graph(t, q, rank, ids, numbers, plain, graph, err));
        else
            try_estimates(t, q, rank, ids, plain, n);
        QV_TRY(qv__job_tick(t->order->job, 0, 0, err));
    }
    return QV_OK;
}

qv_status qv__tuner_see_list(qv__tuner *t, size_t list, const uint64_t *ids, const uint8_t *const *plain, size_t n,
                             const qv__hnsw *graph, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *numbers = NULL;

    if (!t->is_ready)
        QV_TRY(get_ready(t, err));
    t->n_rows += n;
    if (!n || !qv__tuner_needs_estimates(t))
        return QV_OK;
    QV_CHECK(make_room(t, n, err));
    if (graph) { /* nodes by their number: a row may have several vectors of one id */
        QV_CHECK(QV_NEW(&numbers, n, err));
        for (size_t i = 0; i < n; i++)
            numbers[i] = i;
    }
    QV_CHECK(try_list(t, list, ids, numbers, plain, n, graph, err));
done:
    qv__free(numbers);
    return st;
}

/* ------------------------------------------------------------------ what was found */

/* How many estimates of the first lists are smaller than the one of the wanted row; SIZE_MAX: it is not among those kept. */
static size_t estimate_rank(const qv__topk *top, const qv__wanted *wanted, size_t probes)
{
    float own = NAN;
    size_t n = 0;

    for (size_t i = 0; i < top->n && isnan(own); i++)
        if (top->heap[i].id == wanted->place)
            own = top->heap[i].distance;
    if (isnan(own))
        return SIZE_MAX;
    for (size_t i = 0; i < top->n; i++)
        n += top->heap[i].distance < own && (top->heap[i].id >> 32) < probes;
    return n;
}

void qv__tuner_recalls(const qv__tuner *t, size_t level, size_t probes, const uint32_t *refines, size_t n,
                       double *recalls)
{
    size_t n_wanted = 0;

    for (size_t f = 0; f < n; f++)
        recalls[f] = 0;
    for (size_t q = 0; q < t->n_queries; q++)
        for (size_t i = 0; i < t->n_wanted[q]; i++, n_wanted++) {
            const qv__wanted *wanted = &t->wanted[q * QV_TUNE_K + i];
            if (t->ranks[q * t->model->n_lists + wanted->list] >= probes)
                continue;
            size_t rank = estimate_rank(&t->tops[q * t->n_levels + level], wanted, probes);
            for (size_t f = 0; f < n; f++)
                recalls[f] += rank < (size_t) QV_TUNE_K * refines[f];
        }
    for (size_t f = 0; f < n; f++)
        recalls[f] = n_wanted ? recalls[f] / (double) n_wanted : 1;
}

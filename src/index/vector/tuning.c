/* How to search what is built. Some rows of the sample ask for their neighbours. While all rows go by, those in the lists nearest to each query are
 * measured: the ten nearest are what it should find. How many lists must be looked at follows from where these lie; how coarse estimates may be,
 * and how far graphs must be walked, is tried on each list as it is written. */
#include <math.h>

#include "base/alloc.h"
#include "index/vector/search.h"
#include "index/vector/tuning_private.h"

#define LEAST_SAMPLE 200
#define LEAST_NEAR   32
#define NEAR_SHARE   10    /* one list in so many is near */
#define GOOD_ENOUGH  0.005 /* recall that is not worth another step */
#define LEAST_MISSED 0.002
#define COPY_SHARE   16
#define LIST_COST    8192 /* bytes that are streamed in the time that a list takes besides its codes */
#define ROW_COST     4096 /* and a row that is measured, besides its own: a visit to memory, and to its place in a file */

static const uint32_t refines[QV_TUNE_REFINES] = { 1,  2,  3,  4,  5,  6,  8,  10,
                                                   12, 16, 20, 24, 32, 40, 48, QV_TUNE_WIDTH / QV_TUNE_K };
enum { MOST_STEPS = QV_COUNT_OF(((qv__vector_tuning *) NULL)->steps) };

/* ------------------------------------------------------------------ queries */

void qv__tuner_free(qv__tuner *tuner)
{
    if (!tuner)
        return;
    qv__tuner_lists_clear(tuner);
    pthread_mutex_destroy(&tuner->lock);
    qv__distance_free(tuner->distance);
    qv__free(tuner->queries);
    qv__free(tuner->keys);
    qv__free(tuner->lists);
    qv__free(tuner->list_distances);
    qv__free(tuner->ranks);
    qv__free(tuner->asking);
    qv__free(tuner->wanted);
    qv__free(tuner->n_wanted);
    qv__free(tuner);
}

static void choose_queries(qv__tuner *t, const qv__vector_sample *sample)
{
    size_t bytes = t->order->shape.work_bytes;

    for (size_t q = 0; q < t->n_queries; q++) {
        size_t at = (2 * q + 1) * sample->n / (2 * t->n_queries);
        memcpy(t->queries + q * bytes, sample->rows + at * bytes, bytes);
        t->keys[q] = sample->ids[at];
    }
}

static qv_status rank_bits(const qv__tuner *t, size_t q, float *room, uint32_t *lists, float *distances, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = t->model->n_lists;
    qv__hit *slots = NULL;
    qv__topk top;

    QV_CHECK(QV_NEW(&slots, t->near, err));
    qv__topk_init(&top, t->near, slots, NULL, NULL);
    qv__distance_to_rows(t->distance, q, t->model->bit_centroids, t->order->shape.bytes, n, room);
    for (size_t l = 0; l < n; l++)
        qv__topk_push(&top, room[l], l);
    qv__topk_sort(&top);
    for (size_t i = 0; i < t->near; i++) {
        lists[i] = (uint32_t) slots[i].id;
        distances[i] = slots[i].distance;
    }
done:
    qv__free(slots);
    return st;
}

static qv_status rank_lists(qv__tuner *t, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = t->model->n_lists;
    float *room = NULL;

    QV_CHECK(QV_NEW(&room, n, err));
    for (size_t i = 0; i < t->n_queries * n; i++)
        t->ranks[i] = (uint32_t) t->near;
    for (size_t q = 0; q < t->n_queries; q++) {
        uint32_t *lists = t->lists + q * t->near;
        float *distances = t->list_distances + q * t->near;
        const void *query = t->queries + q * t->order->shape.work_bytes;
        if (t->model->element == QV_EL_BITS)
            QV_CHECK(rank_bits(t, q, room, lists, distances, err));
        else
            qv__centroids_rank(t->model->ranking, query, t->near, room, lists, distances);
        for (size_t i = 0; i < t->near; i++) {
            t->ranks[q * n + lists[i]] = (uint32_t) i;
            t->asking[lists[i] * t->n_words + q / 64] |= UINT64_C(1) << (q % 64);
        }
    }
done:
    qv__free(room);
    return st;
}

static qv_status make_tuner(qv__tuner *t, const qv__vector_sample *sample, qv_error *err)
{
    qv__element element = t->model->element == QV_EL_BITS ? QV_EL_BITS : QV_EL_F32;
    size_t n = t->n_queries, n_lists = t->model->n_lists;

    QV_TRY(QV_NEW(&t->queries, n * t->order->shape.work_bytes, err));
    QV_TRY(QV_NEW(&t->keys, n, err));
    QV_TRY(QV_NEW(&t->lists, n * t->near, err));
    QV_TRY(QV_NEW(&t->list_distances, n * t->near, err));
    QV_TRY(QV_NEW(&t->ranks, n * n_lists, err));
    QV_TRY(QV_NEW(&t->asking, n_lists * t->n_words, err));
    QV_TRY(QV_NEW(&t->wanted, n * QV_TUNE_K, err));
    QV_TRY(QV_NEW(&t->n_wanted, n, err));
    choose_queries(t, sample);
    QV_TRY(qv__distance_new(t->model->metric, element, t->model->dim, t->queries, element, n, &t->distance, err));
    return rank_lists(t, err);
}

qv_status qv__tuner_new(const qv__build_order *order, const qv__vector_model *model, const qv__vector_sample *sample,
                        size_t n_queries, qv__tuner **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__tuner *t = NULL;

    *out = NULL;
    if (sample->n < LEAST_SAMPLE) /* such an index is looked through anyway */
        return QV_OK;
    QV_TRY(QV_NEW(&t, 1, err));
    pthread_mutex_init(&t->lock, NULL);
    t->order = order;
    t->model = model;
    t->n_queries = n_queries;
    t->n_words = (t->n_queries + 63) / 64;
    t->near = QV_MIN(QV_MAX(model->n_lists / NEAR_SHARE, LEAST_NEAR), model->n_lists);
    QV_CHECK(make_tuner(t, sample, err));
    *out = t;
    t = NULL;
done:
    qv__tuner_free(t);
    return st;
}

/* ------------------------------------------------------------------ what is to be found */

static bool is_nearer(const qv__wanted *a, const qv__wanted *b)
{
    return a->distance < b->distance || (a->distance == b->distance && a->key < b->key);
}

static void keep_wanted(qv__wanted *wanted, size_t *n, const qv__wanted *row)
{
    size_t at = *n;

    if (at == QV_TUNE_K && !is_nearer(row, &wanted[at - 1]))
        return;
    if (at == QV_TUNE_K)
        at--;
    else
        ++*n;
    for (; at && is_nearer(row, &wanted[at - 1]); at--)
        wanted[at] = wanted[at - 1];
    wanted[at] = *row;
}

/* Rows of a block that a query asks for. */
typedef struct picks {
    uint32_t *rows; /* n_queries x n */
    size_t *counts;
    float *distances;
} picks;

static void pick_rows(const qv__tuner *t, const uint32_t *lists, size_t n, picks *p)
{
    for (size_t i = 0; i < n; i++)
        for (size_t w = 0; w < t->n_words; w++)
            for (uint64_t bits = t->asking[lists[i] * t->n_words + w]; bits; bits &= bits - 1) {
                size_t q = w * 64 + (size_t) __builtin_ctzll(bits);
                p->rows[q * n + p->counts[q]++] = (uint32_t) i;
            }
}

static void measure_rows(qv__tuner *t, size_t q, const void *rows, const uint64_t *ids, const uint32_t *lists,
                         const uint32_t *picked, size_t n, float *distances)
{
    qv__wanted found[QV_TUNE_K];
    size_t n_found = 0;

    qv__distance_to_picked(t->distance, q, rows, t->order->shape.work_bytes, picked, n, distances);
    for (size_t i = 0; i < n; i++) {
        qv__wanted row = { distances[i], ids[picked[i]], lists[picked[i]], UINT64_MAX };
        if (row.key != t->keys[q] && !isnan(row.distance))
            keep_wanted(found, &n_found, &row);
    }
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < n_found; i++)
        keep_wanted(t->wanted + q * QV_TUNE_K, &t->n_wanted[q], &found[i]);
    pthread_mutex_unlock(&t->lock);
}

qv_status qv__tuner_see_rows(qv__tuner *t, const void *rows, const uint64_t *ids, const uint32_t *lists, size_t n,
                             qv_error *err)
{
    qv_status st = QV_OK;
    picks p = { 0 };

    p.rows = qv__alloc(t->n_queries * n, sizeof *p.rows); /* mostly left untouched, so not zeroed */
    if (!p.rows)
        QV_CHECK(qv__fail_nomem(err, t->n_queries * n * sizeof *p.rows));
    QV_CHECK(QV_NEW(&p.counts, t->n_queries, err));
    QV_CHECK(QV_NEW(&p.distances, n, err));
    pick_rows(t, lists, n, &p);
    for (size_t q = 0; q < t->n_queries; q++)
        if (p.counts[q])
            measure_rows(t, q, rows, ids, lists, p.rows + q * n, p.counts[q], p.distances);
done:
    qv__free(p.rows);
    qv__free(p.counts);
    qv__free(p.distances);
    return st;
}

double qv__tuner_coverage(const qv__tuner *t, size_t probes)
{
    size_t n = 0, found = 0;

    for (size_t q = 0; q < t->n_queries; q++)
        for (size_t i = 0; i < t->n_wanted[q]; i++, n++)
            found += t->ranks[q * t->model->n_lists + t->wanted[q * QV_TUNE_K + i].list] < probes;
    return n ? (double) found / (double) n : 1;
}

/* ------------------------------------------------------------------ steps */

/* Steps rise: one that finds no more than the last is not worth its cost. */
static void add_step(qv__vector_tuning *out, double recall, size_t probes, uint32_t refine, uint32_t ef)
{
    if (out->n == QV_COUNT_OF(out->steps) || (out->n && (float) recall <= out->steps[out->n - 1].recall))
        return;
    out->steps[out->n].recall = (float) recall;
    out->steps[out->n].probes = (uint32_t) probes;
    out->steps[out->n].refine = refine;
    out->steps[out->n++].ef = ef;
}

/* The smallest refine factor that finds what greater ones find. */
static double choose_refine(const qv__tuner *t, size_t level, uint32_t *refine)
{
    double recalls[QV_TUNE_REFINES];
    size_t at = 0;

    qv__tuner_recalls(t, level, t->probes, refines, QV_TUNE_REFINES, recalls);
    while (recalls[at] < recalls[QV_TUNE_REFINES - 1] - GOOD_ENOUGH)
        at++;
    *refine = refines[at];
    return recalls[at];
}

static void add_graph_steps(const qv__tuner *t, qv__vector_tuning *out)
{
    for (size_t level = 0; level < t->n_levels; level++) {
        uint32_t refine;
        double recall = choose_refine(t, level, &refine);
        add_step(out, recall, t->probes, refine, t->efs[level]);
    }
}

/* Numbers of lists from those that hold half of what is wanted to those that hold all of it, in even shares. */
static size_t choose_probes(const qv__tuner *t, size_t *probes, size_t room)
{
    size_t first = 1, last = t->probes, n = 0;

    while (first < last && qv__tuner_coverage(t, first) < 0.5)
        first++;
    for (size_t i = 0; i < room; i++) {
        double share = (double) i / (double) (room - 1);
        size_t some = (size_t) lround((double) first * pow((double) last / (double) first, share));
        if (n == 0 || some != probes[n - 1])
            probes[n++] = some;
    }
    return n;
}

/* One way to search, and what comes of it. */
typedef struct way {
    size_t probes;
    uint32_t refine;
    double recall, cost;
} way;

/* Codes of lists are streamed, rows that are measured lie anywhere: in bytes that stream by in the time. */
static double cost_of(const qv__tuner *t, size_t probes, uint32_t refine)
{
    const qv__quantizer *quantizer = t->model->quantizer;
    double code = 0, rows = (double) t->n_rows / (double) t->model->n_lists;

    for (size_t i = 0; i < quantizer->n_columns; i++)
        code += (double) quantizer->columns[i].width;
    return (double) probes * (rows * code + LIST_COST) +
           (double) QV_TUNE_K * refine * ((double) t->order->shape.bytes + ROW_COST);
}

/* Are most of the wanted rows copies of the one that asks, but for noise: nearer than a small part of the usual distance to a centroid? */
static bool has_copies(const qv__tuner *t)
{
    double loss = t->model->metric == QV_METRIC_COSINE ? t->model->loss / 2 : t->model->loss;
    size_t n = 0, n_copies = 0;

    for (size_t q = 0; t->model->metric != QV_METRIC_DOT && q < t->n_queries; q++) {
        n += t->n_wanted[q];
        for (size_t i = 0; i < t->n_wanted[q]; i++)
            n_copies += t->wanted[q * QV_TUNE_K + i].distance < loss / COPY_SHARE;
    }
    return 2 * n_copies > n;
}

/* Codes of few bits do not tell copies apart: to find ten of a hundred all have to be measured. Queries from elsewhere have no such
 * neighbours, so what copies ask for says nothing about how many rows should be measured, and the usual number is. */
static void recalls_of(const qv__tuner *t, bool copies, size_t probes, double *recalls)
{
    if (!copies) {
        qv__tuner_recalls(t, 0, probes, refines, QV_TUNE_REFINES, recalls);
        return;
    }
    for (size_t f = 0; f < QV_TUNE_REFINES; f++)
        recalls[f] = refines[f] >= qv__usual_refine(t->model) ? qv__tuner_coverage(t, probes) : 0;
}

static size_t try_ways(const qv__tuner *t, way *ways)
{
    size_t probes[MOST_STEPS], n_probes = choose_probes(t, probes, MOST_STEPS), n = 0;
    double recalls[QV_TUNE_REFINES];
    bool copies = has_copies(t);

    for (size_t i = 0; i < n_probes; i++) {
        recalls_of(t, copies, probes[i], recalls);
        for (size_t f = 0; f < QV_TUNE_REFINES; f++)
            ways[n++] = (way){ probes[i], refines[f], recalls[f], cost_of(t, probes[i], refines[f]) };
    }
    return n;
}

static const way *cheapest(const way *ways, size_t n, double recall)
{
    const way *best = NULL;

    for (size_t i = 0; i < n; i++)
        if (ways[i].recall >= recall && (!best || ways[i].cost < best->cost))
            best = &ways[i];
    return best;
}

/* Few lists and many measured rows, or the reverse: for recalls whose misses shrink in even shares, the cheapest way to each. */
static void add_cheapest_steps(const qv__tuner *t, qv__vector_tuning *out)
{
    way ways[MOST_STEPS * QV_TUNE_REFINES];
    size_t n = try_ways(t, ways);
    double all = 0, most = 0.5;

    for (size_t i = 0; i < n; i++)
        all = QV_MAX(all, ways[i].recall);
    double least = QV_MAX(1 - all, LEAST_MISSED);
    for (size_t i = 0; i < MOST_STEPS; i++) {
        double wanted = 1 - most * pow(least / most, (double) i / (MOST_STEPS - 1));
        const way *best = cheapest(ways, n, i + 1 < MOST_STEPS ? QV_MIN(wanted, all) : all);
        add_step(out, best->recall, best->probes, best->refine, 0);
    }
}

static void add_probe_steps(const qv__tuner *t, qv__vector_tuning *out)
{
    size_t probes[MOST_STEPS], n = choose_probes(t, probes, MOST_STEPS);

    for (size_t i = 0; i < n; i++)
        add_step(out, qv__tuner_coverage(t, probes[i]), probes[i], 0, 0);
}

qv_status qv__tuner_finish(qv__tuner *t, qv__vector_tuning *out, qv_error *err)
{
    QV_UNUSED(err);
    *out = (qv__vector_tuning){ 0 };
    if (!t->is_ready) /* no list was seen */
        return QV_OK;
    if (t->model->kind->has_graph)
        add_graph_steps(t, out);
    else if (qv__tuner_needs_estimates(t))
        add_cheapest_steps(t, out);
    else
        add_probe_steps(t, out);
    return QV_OK;
}

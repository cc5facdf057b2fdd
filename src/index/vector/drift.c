/* Have the rows moved on from what an index was trained on? Two measures tell. Some of the new rows, drawn evenly, ask for their neighbours as
 * a search with nothing set does: through the first lists of the older segments and of the rows drawn, which are set against what many more
 * lists hold, and by codes, which are set against the vectors of the rows drawn. What they find is to be what was found when the index was
 * tuned. And all new rows tell how far they are from their centroids: much farther than those that were trained on, or much nearer. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "index/vector/search.h"
#include "index/vector/tuning_private.h"

#define MOST_DRIFT   2    /* times the model's loss, or a part of it, is what new rows are off their centroids */
#define LEAST_SHARE  0.05 /* of the rows are new, for that to count */
#define MEMORY_SHARE 4    /* the rows drawn take a part of the build's memory */
#define LEAST_ROWS   256
#define MOST_ROWS    4096
#define QUERIES      200
#define PROMISED \
    0.95 /* the recall of searches with nothing set: rows that were not trained on are found a little worse */
#define LEAST_LOST   0.02 /* of the recall, to be told from none */
#define SURE         3    /* standard errors */
#define SEEN_AT_ONCE 1024

/* ------------------------------------------------------------------ rows that ask for each other */

static size_t count_queries(size_t rows) { return QV_MIN(rows / 2, QUERIES); }

/* Rows spread evenly over a sample, list after list, encoded. */
typedef struct trial {
    const qv__build_order *order;
    qv__vector_model model; /* without graphs: a walk finds what the codes let it find */
    size_t n;
    uint8_t *rows;
    uint64_t *ids;
    uint32_t *lists;
    uint8_t *columns[QV_MAX_CODE_COLUMNS];
} trial;

static void trial_clear(trial *t)
{
    qv__free(t->rows);
    qv__free(t->ids);
    qv__free(t->lists);
    for (size_t c = 0; c < QV_MAX_CODE_COLUMNS; c++)
        qv__free(t->columns[c]);
}

static qv_status assign(const trial *t, const uint8_t *rows, uint32_t *lists, qv_error *err)
{
    if (t->model.element != QV_EL_BITS)
        return qv__centroids_assign(t->model.ranking, (const float *) (const void *) rows, t->n, false, lists, NULL,
                                    err);
    qv__kmodes_assign(t->model.bit_centroids, t->model.n_lists, rows, t->n, t->order->shape.bytes, lists, NULL);
    return QV_OK;
}

/* A counting sort by list. starts: n_lists + 1, zeroed. */
static void sort_by_list(trial *t, const qv__vector_sample *picked, const uint32_t *lists, size_t *starts)
{
    size_t bytes = t->order->shape.work_bytes;

    for (size_t i = 0; i < t->n; i++)
        starts[lists[i] + 1]++;
    for (size_t l = 0; l < t->model.n_lists; l++)
        starts[l + 1] += starts[l];
    for (size_t i = 0; i < t->n; i++) {
        size_t at = starts[lists[i]]++;
        memcpy(t->rows + at * bytes, picked->rows + i * bytes, bytes);
        t->ids[at] = picked->ids[i];
        t->lists[at] = lists[i];
    }
}

static qv_status encode(trial *t, qv_error *err)
{
    const qv__quantizer *q = t->model.quantizer;

    if (t->model.kind->code == QV_CODE_FLAT)
        return QV_OK;
    for (size_t c = 0; c < q->n_columns; c++)
        QV_TRY(qv__new((void **) &t->columns[c], t->n, q->columns[c].width, err));
    return q->class->encode(q, (const float *) (const void *) t->rows, t->n, t->model.centroids, t->lists, t->columns,
                            err);
}

static qv_status trial_init(trial *t, const qv__build_order *order, const qv__vector_model *model,
                            const qv__vector_sample *picked, qv_error *err)
{
    qv_status st = QV_OK;
    uint32_t *lists = NULL;
    size_t *starts = NULL;

    *t = (trial){ .order = order, .model = *model, .n = picked->n };
    t->model.kind = qv__vector_kind_made_of(model->kind->code, false);
    QV_CHECK(qv__new((void **) &t->rows, t->n, order->shape.work_bytes, err));
    QV_CHECK(QV_NEW(&t->ids, t->n, err));
    QV_CHECK(QV_NEW(&t->lists, t->n, err));
    QV_CHECK(QV_NEW(&lists, t->n, err));
    QV_CHECK(QV_NEW(&starts, model->n_lists + 1, err));
    QV_CHECK(assign(t, picked->rows, lists, err));
    sort_by_list(t, picked, lists, starts);
    QV_CHECK(encode(t, err));
done:
    qv__free(lists);
    qv__free(starts);
    return st;
}

static qv_status see_lists(const trial *t, qv__tuner *tuner, qv_error *err)
{
    const qv__quantizer *q = t->model.quantizer;

    for (size_t from = 0, to; from < t->n; from = to) {
        const uint8_t *columns[QV_MAX_CODE_COLUMNS];
        for (to = from; to < t->n && t->lists[to] == t->lists[from]; to++)
            ;
        for (size_t c = 0; c < q->n_columns; c++)
            columns[c] = t->columns[c] + from * q->columns[c].width;
        QV_TRY(qv__tuner_see_list(tuner, t->lists[from], t->ids + from, columns, to - from, NULL, err));
    }
    return QV_OK;
}

static qv_status see_rows(const trial *t, qv__tuner *tuner, qv_error *err)
{
    for (size_t i = 0; i < t->n; i += SEEN_AT_ONCE)
        QV_TRY(qv__tuner_see_rows(tuner, t->rows + i * t->order->shape.work_bytes, t->ids + i, t->lists + i,
                                  QV_MIN(t->n - i, SEEN_AT_ONCE), err));
    return QV_OK;
}

/* The share of their neighbours among themselves that is among the best estimates. */
static double fidelity(const qv__tuner *tuner, uint32_t refine)
{
    double found;

    refine = QV_MAX(refine, 1);
    qv__tuner_recalls(tuner, 0, tuner->probes, &refine, 1, &found);
    return found / fmax(qv__tuner_coverage(tuner, tuner->probes), 1e-9);
}

/* ------------------------------------------------------------------ neighbours among all rows */

/* The best estimates of each query in its first lists of the older segments: n_queries x QV_TUNE_K. */
typedef struct older_hits {
    qv__hit *hits;
    size_t *counts;
} older_hits;

static void older_hits_clear(older_hits *o)
{
    qv__free(o->hits);
    qv__free(o->counts);
}

static qv_status search_older(const qv__older_lists *older, const qv__tuner *tuner, size_t probes, older_hits *out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__candidates *candidates = NULL;
    qv__vector_counters counters = { 0 };
    const qv__vector_request request = { .queries = tuner->queries,
                                         .n = tuner->n_queries,
                                         .dim = tuner->model->dim,
                                         .k = QV_TUNE_K,
                                         .min_probes = (uint32_t) probes,
                                         .max_probes = (uint32_t) probes,
                                         .passing = 1,
                                         .job = tuner->order->job };

    QV_CHECK(QV_NEW(&candidates, tuner->n_queries, err));
    QV_CHECK(qv__new((void **) &out->hits, tuner->n_queries, QV_TUNE_K * sizeof *out->hits, err));
    QV_CHECK(QV_NEW(&out->counts, tuner->n_queries, err));
    for (size_t q = 0; q < tuner->n_queries; q++)
        QV_CHECK(qv__candidates_init(&candidates[q], QV_TUNE_K, NULL, q, NULL, err));
    for (size_t i = 0; i < older->n; i++)
        QV_CHECK(qv__vector_segment_search(older->segments[i], &request, NULL, candidates, &counters, err));
    for (size_t q = 0; q < tuner->n_queries; q++) {
        const qv__hit *found;
        out->counts[q] = qv__candidates_finish(&candidates[q], &found);
        if (out->counts[q])
            memcpy(out->hits + q * QV_TUNE_K, found, out->counts[q] * sizeof *found);
    }
done:
    for (size_t q = 0; candidates && q < tuner->n_queries; q++)
        qv__candidates_clear(&candidates[q]);
    qv__free(candidates);
    return st;
}

typedef struct neighbour {
    float distance;
    bool is_found; /* in the first lists */
} neighbour;

static int compare_neighbours(const void *a, const void *b)
{
    const neighbour *x = a, *y = b;

    return (x->distance > y->distance) - (x->distance < y->distance);
}

static bool has_hit(const older_hits *o, size_t q, uint64_t id)
{
    for (size_t i = 0; i < o->counts[q]; i++)
        if (o->hits[q * QV_TUNE_K + i].id == id)
            return true;
    return false;
}

/* The nearest older and new rows of all near lists together. Returns how many. */
static size_t merge_neighbours(const qv__tuner *tuner, size_t q, size_t probes, const older_hits *first,
                               const older_hits *all, neighbour out[2 * QV_TUNE_K])
{
    size_t n = 0;

    for (size_t i = 0; i < all->counts[q]; i++) {
        const qv__hit *hit = &all->hits[q * QV_TUNE_K + i];
        out[n++] = (neighbour){ hit->distance, has_hit(first, q, hit->id) };
    }
    for (size_t i = 0; i < tuner->n_wanted[q]; i++) {
        const qv__wanted *wanted = &tuner->wanted[q * QV_TUNE_K + i];
        out[n++] = (neighbour){ wanted->distance, tuner->ranks[q * tuner->model->n_lists + wanted->list] < probes };
    }
    qsort(out, n, sizeof *out, compare_neighbours);
    return QV_MIN(n, QV_TUNE_K);
}

/* The share of the neighbours that lies in the first lists. */
static qv_status coverage(const qv__older_lists *older, const qv__tuner *tuner, size_t probes, double *out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    older_hits first = { 0 }, all = { 0 };
    neighbour near[2 * QV_TUNE_K];
    size_t n = 0, found = 0;

    *out = 1;
    if (probes >= tuner->near)
        return QV_OK;
    QV_CHECK(search_older(older, tuner, probes, &first, err));
    QV_CHECK(search_older(older, tuner, tuner->near, &all, err));
    for (size_t q = 0; q < tuner->n_queries; q++) {
        size_t some = merge_neighbours(tuner, q, probes, &first, &all, near);
        for (size_t i = 0; i < some; i++)
            found += near[i].is_found;
        n += some;
    }
    *out = n ? (double) found / (double) n : 1;
done:
    older_hits_clear(&first);
    older_hits_clear(&all);
    return st;
}

static qv_status measure(const qv__build_order *order, const qv__vector_model *model, const qv__older_lists *older,
                         const qv__vector_sample *sample, double *recall, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__tuned_step *step = qv__tuned_step_of(&model->tuning, QV_APPROX_NORMAL);
    qv__tuner *tuner = NULL;
    trial t = { 0 };

    QV_CHECK(trial_init(&t, order, model, sample, err));
    QV_CHECK(qv__tuner_new(order, &t.model, sample, count_queries(sample->n), &tuner, err));
    QV_CHECK(see_rows(&t, tuner, err));
    QV_CHECK(coverage(older, tuner, step->probes, recall, err));
    if (qv__tuner_needs_estimates(tuner)) {
        QV_CHECK(see_lists(&t, tuner, err));
        *recall *= fidelity(tuner, step->refine);
    }
done:
    qv__tuner_free(tuner);
    trial_clear(&t);
    return st;
}

/* ------------------------------------------------------------------ judging */

static bool is_worse(double recall, double tuned, size_t rows)
{
    double n = (double) count_queries(rows) * QV_TUNE_K;
    double error = sqrt((recall * (1 - recall) + tuned * (1 - tuned)) / n);

    return recall < PROMISED && recall < tuned - fmax(LEAST_LOST, SURE * error);
}

static bool is_much(uint64_t added, uint64_t rows) { return (double) added >= LEAST_SHARE * (double) rows; }

static uint64_t count_rows(const qv__older_lists *older)
{
    uint64_t n = 0;

    for (size_t i = 0; i < older->n; i++)
        n += qv__vector_segment_rows(older->segments[i]);
    return n;
}

static qv_status draw(const qv__build_order *order, qv__index_source *added, qv__vector_sample *out, qv_error *err)
{
    size_t most = QV_MIN((size_t) (order->memory / MEMORY_SHARE / order->shape.work_bytes), MOST_ROWS);
    qv_status st = QV_OK;
    qv__vector_sample all = { .vectors = added->rows };

    QV_CHECK(qv__sample_draw(order, added, most, &all, err));
    QV_CHECK(qv__sample_pick(order, &all, QV_MIN(all.n, most), out, err));
done:
    qv__sample_clear(&all);
    return st;
}

qv_status qv__drift_check_recall(const qv__build_order *order, const qv__vector_model *model,
                                 const qv__older_lists *older, qv__index_source *added, qv__vector_tuning *tuning,
                                 qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_sample sample = { 0 };
    double recall, tuned;

    if (!model->tuning.n || added->rows < LEAST_ROWS || !is_much(added->rows, count_rows(older) + added->rows))
        return QV_OK;
    QV_CHECK(draw(order, added, &sample, err));
    if (sample.n < LEAST_ROWS) /* most are null */
        goto done;
    QV_CHECK(measure(order, model, older, &sample, &recall, err));
    tuned = (double) qv__tuned_step_of(&model->tuning, QV_APPROX_NORMAL)->recall;
    tuning->added = (float) recall;
    tuning->added_rows = (uint32_t) sample.n;
    if (is_worse(recall, tuned, sample.n))
        st = qv__fail(err, QV_UNSUPPORTED,
                      "new rows are found with a recall of %.3f where %.3f was tuned for: others are to be trained on",
                      recall, tuned);
done:
    qv__sample_clear(&sample);
    return st;
}

/* Where the loss is known to be a mean distance, because Quiver measured it. */
qv_status qv__drift_check_loss(const qv__vector_model *model, const qv__older_lists *older, double distance,
                               uint64_t added, qv_error *err)
{
    double mean = distance / (double) QV_MAX(added, 1);

    if (!model->tuning.n || model->metric == QV_METRIC_DOT || !is_much(added, count_rows(older) + added))
        return QV_OK;
    if (mean <= MOST_DRIFT * model->loss && mean >= model->loss / MOST_DRIFT)
        return QV_OK;
    return qv__fail(
        err, QV_UNSUPPORTED,
        "new rows are %g from their centroids, and those that were trained on %g: others are to be trained on", mean,
        model->loss);
}

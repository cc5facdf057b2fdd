/* How many lists a query looks into: what the caller says; else what was measured when the index was built; else as many as lie within a
 * margin of the nearest centroid, by a table that fits data of many kinds. */
#include <math.h>

#include "index/vector/search.h"

#define FEW_GRAPHS 3 /* lists that are always walked */

/* ------------------------------------------------------------------ budgets by margin */

typedef struct margin {
    float most_k, share;
    uint32_t least, most;
} margin;

static const margin l2_margins[] = {
    { 1, .2175f, 5, 19 },    { 10, .265f, 6, 24 },     { 100, .33f, 11, 38 },    { 200, .375f, 15, 56 },
    { 500, .3725f, 22, 81 }, { 1000, .4175f, 29, 93 }, { 10000, .57f, 98, 238 }, { INFINITY, .75f, 463, 704 },
};
static const margin cosine_margins[] = {
    { 1, .235f, 3, 50 },    { 10, .2875f, 8, 77 },   { 100, .38f, 7, 106 },       { 200, .415f, 18, 156 },
    { 500, .45f, 28, 192 }, { 1000, .47f, 34, 248 }, { 10000, .6475f, 104, 447 }, { INFINITY, .58f, 738, 958 },
};
static const margin dot_margins[] = {
    { 1, .14f, 56, 112 },    { 10, .055f, 144, 432 },     { 100, .0625f, 200, 768 },    { 200, .0675f, 211, 833 },
    { 500, .07f, 244, 971 }, { 1000, .0725f, 279, 1092 }, { 10000, .0825f, 517, 1824 }, { INFINITY, .21f, 1009, 2528 },
};
static const margin bit_margins[] = { { 1, .6f, 5, 1 << 20 }, { 10, 7, 6, 1 << 20 }, { INFINITY, 81, 11, 1 << 20 } };

static const margin *margin_of(qv_metric metric, double k)
{
    const margin *m = metric == QV_METRIC_COSINE    ? cosine_margins
                      : metric == QV_METRIC_DOT     ? dot_margins
                      : metric == QV_METRIC_HAMMING ? bit_margins
                                                    : l2_margins;

    while (k > (double) m->most_k)
        m++;
    return m;
}

/* ------------------------------------------------------------------ what was measured */

/* Recall, as measured on rows of the table, that a search wants when nothing is said. Queries come from elsewhere and lie farther from the
 * rows than rows do from one another: 0.98 measured is what 0.95 asked takes. */
static float wanted_recall(qv_approx_mode mode)
{
    return mode == QV_APPROX_FAST ? 0.95f : mode == QV_APPROX_ACCURATE ? 0.995f : 0.98f;
}

const qv__tuned_step *qv__tuned_step_of(const qv__vector_tuning *tuning, qv_approx_mode mode)
{
    for (uint32_t i = 0; i < tuning->n; i++)
        if (tuning->steps[i].recall >= wanted_recall(mode))
            return &tuning->steps[i];
    return tuning->n ? &tuning->steps[tuning->n - 1] : NULL;
}

/* Measured for 10 rows; more rows, or rows that must pass a filter, lie farther out. The volume within which k rows lie grows with k, the
 * number of cells that it touches much less. A search through narrowed lists begins with fewer, since it goes on where that is too little. */
static size_t scaled(uint32_t probes, const qv__vector_request *request, double share)
{
    double k = (double) request->k / (request->narrowing ? 1 : share);
    double thinned = request->narrowing ? pow(1 / share, 0.2) : 1;

    return (size_t) ceil(probes * thinned * (k > 10 ? pow(k / 10, 0.3) : 1));
}

/* ------------------------------------------------------------------ the policy */

/* Lists with graphs are few, and rows that ask for their neighbours find nearly all of them in their own list. Queries from elsewhere do not:
 * lists about as near as the nearest one are walked, too. (The margins of bits let nearly every list pass.) */
static bool is_widened(const qv__vector_model *model)
{
    return model->kind->has_graph && model->metric != QV_METRIC_HAMMING;
}

qv__probe_policy qv__probe_policy_of(const qv__vector_model *model, const qv__vector_request *request)
{
    size_t n = model->n_lists;
    double share = QV_MIN(QV_MAX(request->passing, 1e-6), 1.0), k = (double) request->k / share;
    const qv__tuned_step *step = qv__tuned_step_of(&model->tuning, request->mode);
    qv__probe_policy p = { .limit = request->max_probes ? QV_MIN(request->max_probes, n) : n };

    if (request->min_probes) {
        p.least = p.most = request->min_probes;
    } else {
        const margin *m = margin_of(model->metric, k);
        p.least = step ? QV_MAX(scaled(step->probes, request, share), is_widened(model) ? FEW_GRAPHS : 1) : m->least;
        p.most = QV_MAX(p.least, m->most);
        p.share = m->share;
        p.by_margin = !step || is_widened(model);
    }
    p.least = QV_MIN(p.least, n);
    p.most = p.by_margin ? QV_MIN(p.most, n) : p.least;
    p.least = QV_MIN(p.least, p.limit);
    p.most = QV_MIN(p.most, p.limit);
    return p;
}

size_t qv__probes_of(const qv__probe_policy *policy, qv_metric metric, const float *distances, size_t n)
{
    size_t probes = QV_MIN(policy->least, n), most = QV_MIN(policy->most, n);

    if (!policy->by_margin || n == 0)
        return QV_MIN(policy->most, n);
    float scale = metric == QV_METRIC_DOT ? fabsf(1 - distances[0]) : distances[0];
    while (probes < most && distances[probes] - distances[0] <= policy->share * scale)
        probes++;
    return probes;
}

/* A query made ready: rotated, with tables of the sums of every four components, quantised to bytes; and what a list adds to it. */
#include <math.h>
#include <string.h>

#include "ann/rabitq/rabitq_private.h"
#include "base/alloc.h"

/* How sure bounds are, in standard deviations of an estimate. By sign codes one row in 44 is nearer than its bound; it is lost only if it is
 * a neighbour so far out that the bound is beyond the last one: some 15 in 10,000 neighbours are. More deviations let many more rows pass.
 * By extended codes, whose errors are small, one row in 1,400. */
#define DEVIATIONS          2.0
#define EXTENDED_DEVIATIONS 3.2
/* The same for the sums of rounded table entries: one in 30,000. */
#define TABLE_DEVIATIONS 4.0f

void qv__rabitq_query_free(qv__code_query *base)
{
    qv__rabitq_query *query = (qv__rabitq_query *) base;
    if (!query)
        return;
    qv__free(query->raw);
    qv__free(query->rotated);
    qv__free(query->residual);
    qv__free(query->tables);
    qv__free(query->group);
    qv__free(query->signs);
    qv__free(query->visits);
    qv__free(query->values);
    qv__free(query);
}

static qv_status allocate(qv__rabitq_query *query, qv_error *err)
{
    const qv__rabitq *rabitq = query->rabitq;
    size_t padded = rabitq->n_blocks * QV_RABITQ_BLOCK;

    QV_TRY(QV_NEW(&query->raw, rabitq->base.dim, err));
    QV_TRY(QV_NEW(&query->rotated, padded, err));
    if (rabitq->shape.is_residual_query)
        QV_TRY(QV_NEW(&query->residual, padded, err));
    QV_TRY(QV_NEW(&query->tables, (rabitq->n_bytes + 1) * 32, err));
    QV_TRY(QV_NEW(&query->group, rabitq->n_bytes * QV_RABITQ_GROUP, err));
    QV_TRY(QV_NEW(&query->signs, padded / 8, err));
    if (rabitq->extra_bits > 0)
        QV_TRY(QV_NEW(&query->visits, QV_RABITQ_VISITS, err));
    return QV_NEW(&query->values, padded, err);
}

/* ------------------------------------------------------------------ tables */

static void make_tables(qv__rabitq_query *query)
{
    const float *x = qv__rabitq_operand(query);
    size_t dim = query->rabitq->base.dim;
    float most = 0, total = 0, low = 0, ranges = 0, errors[2];

    for (size_t i = 0; i < dim; i += 4) {
        float range = 0;
        for (size_t j = i; j < i + 4; j++) {
            range += fabsf(x[j]);
            total += x[j];
            low += x[j] < 0 ? x[j] : 0;
        }
        most = range > most ? range : most;
        ranges += range;
    }
    query->step = most / 255;
    query->low = low;
    query->total = total;
    query->rabitq->kernels->tables(x, dim, query->step, query->tables, errors);
    query->table_error = query->step / 2 * (float) (dim / 4);
    /* where bounds are a matter of deviations anyway, the roundings, which are independent, need not all be at their worst */
    float likely = TABLE_DEVIATIONS * sqrtf(errors[1]);
    if (query->rabitq->at.error >= 0 && likely + fabsf(errors[0]) < query->table_error) {
        query->low -= errors[0];
        query->table_error = likely;
    }
    query->table_error += ranges * 1e-6f; /* what the sums themselves are rounded by */
}

qv_status qv__rabitq_query_new(const qv__quantizer *quantizer, const float *raw, qv__code_query **out, qv_error *err)
{
    const qv__rabitq *rabitq = qv__rabitq_of(quantizer);
    qv__rabitq_query *query = NULL;
    float sums[3];

    QV_TRY(QV_NEW(&query, 1, err));
    query->base.quantizer = quantizer;
    query->rabitq = rabitq;
    query->finer = (qv__finer){ qv__rabitq_bounds, qv__rabitq_fetch, query };
    qv_status st = allocate(query, err);
    if (st != QV_OK) {
        qv__rabitq_query_free(&query->base);
        return st;
    }
    memcpy(query->raw, raw, quantizer->dim * sizeof *raw);
    qv__rabitq_rotate(rabitq, raw, 1, query->rotated);
    rabitq->kernels->compare(raw, raw, quantizer->dim, sums);
    query->norm2 = sums[2];
    if (!query->residual)
        make_tables(query);
    *out = &query->base;
    return QV_OK;
}

void qv__rabitq_set_fast(qv__code_query *query, bool fast) { ((qv__rabitq_query *) query)->is_fast = fast; }

/* ------------------------------------------------------------------ lists */

/* A query against the centroid: q . c, |q - c|^2, |c|^2. */
typedef struct against {
    float dot, far, norm;
} against;

/* Files of index version 1: codes are multiplied with the rotated residual of the query. */
static void enter_residual(qv__rabitq_query *query, const against *list, const float *extra)
{
    bool is_dot = query->rabitq->base.metric == QV_METRIC_DOT;
    size_t dim = query->rabitq->base.dim;
    qv__rabitq_terms *terms = &query->terms;

    for (size_t i = 0; i < dim; i++)
        query->residual[i] = query->rotated[i] - (extra ? extra[i] : 0);
    make_tables(query);
    terms->slope = (float) (2 / sqrt((double) dim));
    terms->weight = 1;
    terms->shift = is_dot ? -list->dot : list->far;
    terms->reach = terms->extended_reach = 0;
}

static void enter_raw(qv__rabitq_query *query, const against *list)
{
    qv__rabitq_terms *terms = &query->terms;
    float distance; /* that errors grow with */

    terms->slope = 1;
    if (query->rabitq->base.metric == QV_METRIC_DOT) {
        /* only the part of the query across the centroid is estimated: along it the product is known */
        float along = list->dot / list->norm;
        terms->weight = isfinite(along) ? along : 0;
        terms->shift = 1 - list->dot - terms->weight;
        distance = sqrtf(fmaxf(query->norm2 - terms->weight * list->dot, 0));
    } else {
        terms->weight = 1;
        terms->shift = list->far;
        distance = sqrtf(list->far);
    }
    terms->reach = (float) (DEVIATIONS / QV_RABITQ_EPSILON) * distance;
    terms->extended_reach = (float) (EXTENDED_DEVIATIONS / QV_RABITQ_EPSILON) * distance;
}

void qv__rabitq_enter_list(qv__code_query *base, const float *centroid, float centroid_distance, const float *extra)
{
    qv__rabitq_query *query = (qv__rabitq_query *) base;
    qv__rabitq_terms *terms = &query->terms;
    against list = { 0, query->norm2, 0 };
    float sums[3];
    QV_UNUSED(centroid_distance); /* neither cosine's nor dot's is what the formulas ask for */

    if (centroid) {
        query->rabitq->kernels->compare(centroid, query->raw, base->quantizer->dim, sums);
        list = (against){ sums[0], sums[1], sums[2] };
    }
    if (query->residual)
        enter_residual(query, &list, extra);
    else
        enter_raw(query, &list);
    if (base->quantizer->metric == QV_METRIC_COSINE) { /* 1 - cos is half the squared distance of unit vectors */
        terms->slope /= 2;
        terms->weight /= 2;
        terms->shift /= 2;
        terms->reach /= 2;
        terms->extended_reach /= 2;
    }
    query->line = (qv__rabitq_line){
        .step = terms->slope * query->step,
        .offset = terms->slope * (query->low - query->total / 2),
        .weight = terms->weight,
        .base = terms->shift,
        .table_error = terms->slope * query->table_error,
        .error = terms->reach,
    };
}

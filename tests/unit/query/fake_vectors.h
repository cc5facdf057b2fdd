/* A vector index that stands in for src/index/vector: it looks at every row that it stores, and errs as it is told to. Part of
 * fake_table.h. */
#ifndef QVT_FAKE_VECTORS_H
#define QVT_FAKE_VECTORS_H

#include "index/vector/vector.h"

typedef struct fake_vectors {
    bool exists;
    qv_metric metric;
    bool by_address;
    unsigned uncovered; /* fragments whose index leaves this remainder by 3 are not covered; 3: all are */
    bool stale;         /* stores rows of other fragments, too */
    size_t most;        /* rows given per query; 0: no limit */
    bool widens;        /* but only as long as probes are limited */
    float estimate;     /* what estimates are multiplied with */
    qv_status failure;  /* of a search */
    unsigned searches;  /* counted */
    unsigned plans;     /* counted */
    bool breaks;        /* plans made so far are void */
    bool had_mask;      /* of the last */
    size_t had_k;
} fake_vectors;
static fake_vectors fake_vector_index;

struct qv__vector_plan {
    qv__snapshot *snapshot;
    const qv__field *field; /* at the top, or a struct's child */
    size_t column;
    bool nested, is_multi;
    bool covered[FAKE_MAX_FRAGMENTS];
    fake_vectors made_of;
};

/* Narrowings are made for masks and searched by; this index scans all anyhow. */
struct qv__narrowing {
    const qv__key_mask *mask;
};
qv_status qv__narrowing_new(const qv__key_mask *mask, atomic_size_t *budget, qv__narrowing **out, qv_error *err)
{
    QV_UNUSED(budget);
    QV_TRY(QV_NEW(out, 1, err));
    (*out)->mask = mask;
    return QV_OK;
}
void qv__narrowing_free(qv__narrowing *narrowing) { qv__free(narrowing); }

qv_status qv__vector_plan_new(qv__snapshot *s, int32_t field, const char *name, qv_metric metric, size_t dim,
                              qv__vector_plan **out, const char **reason, qv_error *err)
{
    QV_UNUSED(dim);
    *out = NULL;
    *reason = NULL;
    if (!fake_vector_index.exists || (name && strcmp(name, "fake_vectors") != 0))
        return QV_OK;
    if (metric != QV_METRIC_AUTO && metric != fake_vector_index.metric) {
        *reason = "it is for another metric";
        return QV_OK;
    }
    QV_TRY(QV_NEW(out, 1, err));
    (*out)->snapshot = s;
    fake_vector_index.plans++;
    (*out)->made_of = fake_vector_index;
    for (size_t c = 0; c < s->schema->n_fields; c++) {
        const qv__field *at = &s->schema->fields[c];
        if (at->id == field || (at->type->id == QV_TYPE_STRUCT && at->type->children[0].id == field)) {
            (*out)->column = c;
            (*out)->nested = at->id != field;
            (*out)->is_multi = at->type->id == QV_TYPE_LIST;
        }
    }
    for (size_t f = 0; f < s->n_fragments; f++)
        (*out)->covered[f] = f % 3 != fake_vector_index.uncovered;
    return QV_OK;
}

void qv__vector_plan_free(qv__vector_plan *plan) { qv__free(plan); }
const char *qv__vector_plan_name(const qv__vector_plan *plan) { return plan ? "fake_vectors" : NULL; }
qv_metric qv__vector_plan_metric(const qv__vector_plan *plan)
{
    QV_UNUSED(plan);
    return fake_vector_index.metric;
}
const bool *qv__vector_plan_covered(const qv__vector_plan *plan) { return plan->covered; }
bool qv__vector_plan_by_address(const qv__vector_plan *plan)
{
    QV_UNUSED(plan);
    return fake_vector_index.by_address;
}
bool qv__vector_plan_has_moved_rows(const qv__vector_plan *plan)
{
    QV_UNUSED(plan);
    return false;
}
bool qv__vector_plan_is_multi(const qv__vector_plan *plan) { return plan->is_multi; }
/* A test that changes the index wants another plan. */
bool qv__vector_plan_is_broken(const qv__vector_plan *plan)
{
    const fake_vectors *now = &fake_vector_index, *then = &plan->made_of;
    return !now->exists || (now->breaks && !then->breaks) || now->metric != then->metric ||
           now->uncovered != then->uncovered;
}

/* The vectors of a row: their first position among the items' lists, and how many. */
static const qv__array *fake_row_vectors(const qv__vector_plan *plan, size_t f, uint64_t row, int64_t *from,
                                         int64_t *to)
{
    const qv__array *array = plan->snapshot->data[f].columns[plan->column];
    int64_t at = (int64_t) row;

    *from = *to = 0;
    if (plan->nested) {
        if (qv__array_is_null(array, at))
            return array;
        at += array->offset;
        array = array->children[0];
    }
    if (qv__array_is_null(array, at))
        return array;
    if (plan->is_multi) {
        qv__array_list_range(array, at, from, to);
        return array->children[0];
    }
    *from = at;
    *to = at + 1;
    return array;
}

uint64_t qv__vector_plan_rows(const qv__vector_plan *plan)
{
    uint64_t n = 0;
    int64_t from, to;

    for (size_t f = 0; f < plan->snapshot->n_fragments; f++)
        for (uint64_t r = 0; r < plan->snapshot->fragments[f].physical_rows; r++)
            if (plan->covered[f] || fake_vector_index.stale) {
                fake_row_vectors(plan, f, r, &from, &to);
                n += (uint64_t) (to - from);
            }
    return n;
}

static int fake_by_distance(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint64_t fake_key(const qv__vector_plan *plan, size_t f, uint64_t row)
{
    const qv__snapshot *s = plan->snapshot;
    return fake_vector_index.by_address ? s->fragments[f].id << 32 | row : fake_row_id(s, f, row);
}

/* A null item makes the vector null. */
static bool fake_is_null_vector(const qv__array *vectors, int64_t at)
{
    const qv__array *items = vectors->children[0];
    int64_t dim = vectors->type->width;

    for (int64_t i = 0; i < dim; i++)
        if (qv__array_is_null(items, (vectors->offset + at) * dim + i))
            return true;
    return qv__array_is_null(vectors, at);
}

/* All that may match, by estimate. */
static size_t fake_estimates(const qv__vector_plan *plan, const qv__vector_request *request, const qv__distance *d,
                             size_t q, qv__hit *out)
{
    size_t n = 0, hint = 0, dim = request->dim;

    for (size_t f = 0; f < plan->snapshot->n_fragments; f++)
        for (uint64_t r = 0; r < plan->snapshot->fragments[f].physical_rows; r++) {
            int64_t from, to;
            uint64_t key = fake_key(plan, f, r);
            const qv__array *vectors = fake_row_vectors(plan, f, r, &from, &to), *items = vectors->children[0];
            if ((!plan->covered[f] && !fake_vector_index.stale) || !qv__key_mask_has(request->mask, key, &hint))
                continue;
            for (int64_t v = from; v < to; v++) {
                const float *values = (const float *) (const void *) items->buffers[1].data;
                float distance;
                if (fake_is_null_vector(vectors, v))
                    continue;
                values += (size_t) items->offset + (size_t) (vectors->offset + v) * dim;
                qv__distance_to_rows(d, q, values, dim * sizeof(float), 1, &distance);
                if (distance == distance)
                    out[n++] = (qv__hit){ distance * fake_vector_index.estimate, key };
            }
        }
    return n;
}

qv_status qv__vector_search(qv__vector_plan *plan, const qv__vector_request *request, qv__hit **hits, size_t *width,
                            size_t **counts, qv__vector_counters *counters, qv_error *err)
{
    qv_status st = QV_OK;
    qv__distance *d = NULL;
    size_t stored = (size_t) qv__vector_plan_rows(plan);
    qv__hit *all = malloc((stored + 1) * sizeof *all);
    uint64_t *keys = malloc((stored + 1) * sizeof *keys);
    float *exact = malloc((stored + 1) * sizeof *exact);

    *hits = NULL;
    *counts = NULL;
    fake_vector_index.searches++;
    fake_vector_index.had_mask = request->mask != NULL;
    fake_vector_index.had_k = request->k;
    if (fake_vector_index.failure != QV_OK)
        QV_CHECK(qv__fail(err, fake_vector_index.failure, "the index is gone"));
    QV_CHECK(qv__distance_new(fake_vector_index.metric, QV_EL_F32, request->dim, request->queries, QV_EL_F32,
                              request->n, &d, err));
    *width = request->k;
    QV_CHECK(QV_NEW(hits, QV_MAX(request->n * request->k, 1), err));
    QV_CHECK(QV_NEW(counts, request->n, err));
    for (size_t q = 0; q < request->n; q++) {
        size_t n = fake_estimates(plan, request, d, q, all), kept = 0;
        for (size_t i = 0; i < n; i++)
            keys[i] = all[i].id;
        if (request->exact)
            request->exact->distances(request->exact->ctx, q, keys, n, exact);
        for (size_t i = 0; i < n; i++) {
            float distance = request->exact ? exact[i] : all[i].distance;
            if (distance == distance && (!request->has_lower || distance >= request->lower))
                all[kept++] = (qv__hit){ distance, keys[i] };
        }
        qsort(all, kept, sizeof *all, fake_by_distance);
        kept = QV_MIN(kept, request->k);
        if (fake_vector_index.most && (!fake_vector_index.widens || request->max_probes))
            kept = QV_MIN(kept, fake_vector_index.most);
        memcpy(*hits + q * request->k, all, kept * sizeof *all);
        (*counts)[q] = kept;
        counters->rows += n;
        counters->lists++;
    }
done:
    if (st != QV_OK) {
        qv__free(*hits);
        qv__free(*counts);
        *hits = NULL;
        *counts = NULL;
    }
    qv__distance_free(d);
    free(all);
    free(keys);
    free(exact);
    return st;
}

qv_status qv__vector_plan_print(qv__vector_plan *plan, const qv__vector_request *request, qv__buffer *out,
                                qv_error *err)
{
    QV_UNUSED(plan);
    return qv__buffer_printf(out, err, "ANNIvfPartition: minimum_nprobes=%u, ANNSubIndex: name=fake_vectors, k=%zu",
                             request->min_probes, request->k);
}

#endif

/* Distances between lists of vectors. */
#include <math.h>

#include "base/alloc.h"
#include "query_private.h"

/* The vectors of all rows, and room for their distances to one vector of the query. */
typedef struct lists {
    const qv__array *array;
    qv__vector_run run;
    int64_t first, n;
    float *distances;
    double *sums; /* per row */
} lists;

/* The least distance of the row's vectors; NaN: it has none that can be compared. */
static double nearest(const lists *x, int64_t row)
{
    int64_t from, to;
    double best = NAN;

    if (qv__array_is_null(x->array, row))
        return NAN;
    qv__array_list_range(x->array, row, &from, &to);
    for (int64_t i = from; i < to; i++) {
        bool valid = !x->run.validity || qv__bit_get(x->run.validity, x->run.validity_offset + (uint64_t) i);
        float distance = x->distances[i - x->first];
        if (valid && !(distance >= best) && !isnan(distance))
            best = distance;
    }
    return best;
}

static qv_status measure(lists *x, const qv__distance *distance, size_t n_vectors, float *out, qv_error *err)
{
    int64_t rows = x->array->length;

    QV_TRY(QV_NEW(&x->distances, QV_MAX((size_t) x->n, 1), err));
    QV_TRY(QV_NEW(&x->sums, QV_MAX((size_t) rows, 1), err));
    for (size_t q = 0; q < n_vectors; q++) {
        qv__distance_to_rows(distance, q, x->run.data + (size_t) x->first * x->run.stride, x->run.stride, (size_t) x->n,
                             x->distances);
        for (int64_t i = 0; i < rows; i++)
            x->sums[i] += nearest(x, i);
    }
    for (int64_t i = 0; i < rows; i++)
        out[i] = (float) x->sums[i];
    return QV_OK;
}

qv_status qv__maxsim(const qv__vector_column *column, const qv__distance *distance, size_t n_vectors,
                     const qv__array *array, float *out, qv_error *err)
{
    lists x = { .array = array };
    int64_t unused, end;

    if (array->length == 0)
        return QV_OK;
    qv__array_list_range(array, 0, &x.first, &unused);
    qv__array_list_range(array, array->length - 1, &unused, &end);
    x.n = end - x.first;
    QV_TRY(qv__vector_run_of(array->children[0], column->element, column->dim, &x.run, err));
    qv_status st = measure(&x, distance, n_vectors, out, err);
    qv__free(x.distances);
    qv__free(x.sums);
    qv__vector_run_free(&x.run);
    return st;
}

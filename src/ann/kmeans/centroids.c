/* Trained centroids, made ready for assigning rows and for ranking by a query. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kmeans_private.h"

struct qv__centroids {
    qv_metric metric; /* L2 or DOT */
    size_t k, dim;
    float *values;
    qv__nearest *nearest;
};

qv_status qv__centroids_new(const float *centroids, size_t k, size_t dim, qv_metric metric, qv__centroids **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__centroids *made = NULL;

    QV_TRY(QV_NEW(&made, 1, err));
    made->metric = metric == QV_METRIC_DOT ? QV_METRIC_DOT : QV_METRIC_L2;
    made->k = k;
    made->dim = dim;
    QV_CHECK(qv__nearest_new(made->metric, k, dim, &made->nearest, err));
    made->values = qv__alloc(k * dim, sizeof(float));
    if (!made->values)
        QV_CHECK(qv__fail_nomem(err, k * dim * sizeof(float)));
    memcpy(made->values, centroids, k * dim * sizeof(float));
    qv__nearest_set(made->nearest, centroids, NULL, k);
    *out = made;
    made = NULL;
done:
    qv__centroids_free(made);
    return st;
}

void qv__centroids_free(qv__centroids *centroids)
{
    if (!centroids)
        return;
    qv__nearest_free(centroids->nearest);
    qv__free(centroids->values);
    qv__free(centroids);
}

static float distance_of(const qv__centroids *centroids, const float *row, uint32_t list)
{
    const float *centroid = centroids->values + list * centroids->dim;
    double sum = 0;

    if (centroids->metric == QV_METRIC_DOT) {
        for (size_t i = 0; i < centroids->dim; i++)
            sum += (double) row[i] * centroid[i];
        return (float) (1 - sum);
    }
    for (size_t i = 0; i < centroids->dim; i++) {
        double diff = (double) row[i] - centroid[i];
        sum += diff * diff;
    }
    return (float) sum;
}

qv_status qv__centroids_assign(const qv__centroids *centroids, const float *rows, size_t n, bool is_exact,
                               uint32_t *lists, float *distances, qv_error *err)
{
    QV_UNUSED(is_exact);
    QV_UNUSED(err);
    qv__nearest_find(centroids->nearest, rows, centroids->dim * sizeof(float), n, lists);
    for (size_t i = 0; i < n && distances; i++)
        distances[i] = distance_of(centroids, rows + i * centroids->dim, lists[i]);
    return QV_OK;
}

void qv__centroids_rank(const qv__centroids *centroids, const float *query, size_t n, float *scratch, uint32_t *lists,
                        float *distances)
{
    qv__nearest_distances(centroids->nearest, query, scratch);
    qv__smallest(scratch, centroids->k, n, lists, distances);
}

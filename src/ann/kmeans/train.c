/* The door of training: options checked and completed. */
#include <math.h>

#include "kmeans_private.h"

enum { DEFAULT_ITERATIONS = 25, MAX_K = 1 << 24 };
static const double default_tolerance = 1e-4;

qv_status qv__kmeans_options_of(const qv__kmeans_options *options, size_t n, size_t dim, qv__kmeans_options *out,
                                qv_error *err)
{
    if (options->k == 0 || options->k > MAX_K)
        return qv__fail(err, QV_INVALID, "%zu centroids are asked for; 1 to %d are possible", options->k, MAX_K);
    if (n < options->k || n > UINT32_MAX)
        return qv__fail(err, QV_INVALID, "%zu rows to train %zu centroids; %zu to %u are possible", n, options->k,
                        options->k, UINT32_MAX);
    if (dim == 0)
        return qv__fail(err, QV_INVALID, "rows to train centroids have 0 dimensions");
    if (!(options->balance >= 0) || !(options->tolerance >= 0))
        return qv__fail(err, QV_INVALID, "k-means with balance %g and tolerance %g; neither may be negative",
                        options->balance, options->tolerance);
    *out = *options;
    if (out->iterations == 0)
        out->iterations = DEFAULT_ITERATIONS;
    if (out->tolerance == 0)
        out->tolerance = default_tolerance;
    return QV_OK;
}

qv_status qv__kmeans_train(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, float *centroids,
                           double *loss, qv_error *err)
{
    qv__kmeans_options complete;

    if (options->metric != QV_METRIC_L2 && options->metric != QV_METRIC_COSINE && options->metric != QV_METRIC_DOT)
        return qv__fail(err, QV_INVALID, "k-means with metric %d", (int) options->metric);
    QV_TRY(qv__kmeans_options_of(options, n, dim, &complete, err));
    return qv__kmeans_lloyd(rows, n, dim, &complete, complete.k > QV_KMEANS_FLAT_MOST, centroids, loss, err);
}

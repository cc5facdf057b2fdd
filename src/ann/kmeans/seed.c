/* First centroids: greedy k-means++ (Arthur, Vassilvitskii 2007). Each next one is drawn with probability proportional to the squared
 * distance from those already there, several times over, and the draw that leaves the least total distance is taken. Draws are from a
 * sample, so that seeding costs about as much as one of Lloyd's iterations. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kmeans_private.h"

enum { SEED_ROWS_PER_CENTROID = 16, SEED_ROWS_LEAST = 1024 };

void qv__kmeans_sample(size_t n, size_t m, uint64_t *random, uint32_t *numbers)
{
    for (size_t i = 0; i < m; i++) {
        size_t first = (size_t) ((double) n * (double) i / (double) m);
        size_t end = (size_t) ((double) n * (double) (i + 1) / (double) m);
        numbers[i] = (uint32_t) (m == n ? i : first + qv__kmeans_random(random) % (end - first));
    }
}

/* A number drawn by weight; n when all weights are zero. */
static size_t draw(const double *weights, size_t n, uint64_t *random)
{
    double total = 0;
    size_t last = n;

    for (size_t i = 0; i < n; i++)
        total += weights[i];
    double at = qv__kmeans_unit(random) * total;
    for (size_t i = 0; i < n; i++) {
        if (!(weights[i] > 0))
            continue;
        last = i;
        at -= weights[i];
        if (at < 0)
            break;
    }
    return last;
}

typedef struct seeding {
    qv__nearest *sample; /* the sampled rows, to be compared with a new centroid */
    uint32_t *numbers;
    float *distances; /* from the drawn row */
    double *weights;  /* squared distance to the nearest centroid so far; 0 for a row that is one */
    double *trial;    /* what weights become with the drawn row */
    size_t m;
} seeding;

/* What weights become with sampled row i, in s->trial; returns their sum. */
static double try_row(seeding *s, const float *row, size_t i, bool is_first)
{
    double sum = 0;

    qv__nearest_distances(s->sample, row, 1, s->distances);
    s->distances[i] = 0;
    for (size_t j = 0; j < s->m; j++) {
        double distance = s->distances[j];
        s->trial[j] = is_first || distance < s->weights[j] ? distance : s->weights[j];
        sum += s->trial[j];
    }
    return sum;
}

static size_t choose_next(seeding *s, const float *rows, size_t dim, size_t c, size_t n_draws, uint64_t *random)
{
    size_t best = s->m;
    double least = INFINITY;

    for (size_t t = 0; t < n_draws; t++) {
        size_t i = draw(s->weights, s->m, random);
        if (i == s->m) /* fewer different rows than centroids */
            return c % s->m;
        double sum = try_row(s, rows + s->numbers[i] * dim, i, false);
        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    return best == s->m ? c % s->m : best; /* distances beyond float's range */
}

static qv_status choose_all(seeding *s, const float *rows, size_t dim, size_t k, uint64_t *random, qv__job *job,
                            float *centroids, qv_error *err)
{
    size_t n_draws = 2 + (size_t) log((double) k);

    for (size_t c = 0; c < k; c++) {
        size_t i = c == 0 ? qv__kmeans_random(random) % s->m : choose_next(s, rows, dim, c, n_draws, random);
        const float *row = rows + s->numbers[i] * dim;
        memcpy(centroids + c * dim, row, dim * sizeof(float));
        try_row(s, row, i, c == 0);
        double *swapped = s->weights;
        s->weights = s->trial;
        s->trial = swapped;
        QV_TRY(qv__kmeans_tick(job, err));
    }
    return QV_OK;
}

qv_status qv__kmeans_seed(const float *rows, size_t n, size_t dim, size_t k, uint64_t *random, qv__job *job,
                          float *centroids, qv_error *err)
{
    qv_status st = QV_OK;
    seeding s = { .m = QV_MIN(n, QV_MAX(k * SEED_ROWS_PER_CENTROID, SEED_ROWS_LEAST)) };

    QV_CHECK(QV_NEW(&s.numbers, s.m, err));
    QV_CHECK(QV_NEW(&s.distances, s.m, err));
    QV_CHECK(QV_NEW(&s.weights, s.m, err));
    QV_CHECK(QV_NEW(&s.trial, s.m, err));
    QV_CHECK(qv__nearest_new(QV_METRIC_L2, s.m, dim, &s.sample, err));
    qv__kmeans_sample(n, s.m, random, s.numbers);
    qv__nearest_set(s.sample, rows, s.numbers, s.m);
    QV_CHECK(choose_all(&s, rows, dim, k, random, job, centroids, err));
done:
    qv__nearest_free(s.sample);
    qv__free(s.numbers);
    qv__free(s.distances);
    qv__free(s.weights);
    qv__free(s.trial);
    return st;
}

/* K-means against plain Lloyd in double: loss, the nearest centroid, ranking; and that threads change nothing. */
#include <math.h>

#include "ann/kmeans/kmeans.h"
#include "base/alloc.h"
#include "qvt.h"

/* ------------------------------------------------------------------ rows */

static double gauss(qvt_rng *rng)
{
    double u = qvt_rng_unit(rng), v = qvt_rng_unit(rng);
    return sqrt(-2 * log(u + 1e-300)) * cos(6.283185307179586 * v);
}

static float *uniform_rows(size_t n, size_t dim, uint64_t seed)
{
    qvt_rng rng = { seed };
    float *rows = malloc(n * dim * sizeof *rows);
    for (size_t i = 0; i < n * dim; i++)
        rows[i] = (float) qvt_rng_unit(&rng);
    return rows;
}

/* Around `n_clusters` centres, of very different sizes. */
static float *clustered_rows(size_t n, size_t dim, size_t n_clusters, uint64_t seed)
{
    qvt_rng rng = { seed };
    float *centres = malloc(n_clusters * dim * sizeof *centres), *rows = malloc(n * dim * sizeof *rows);
    for (size_t i = 0; i < n_clusters * dim; i++)
        centres[i] = (float) (gauss(&rng) * 3);
    for (size_t r = 0; r < n; r++) {
        double u = qvt_rng_unit(&rng);
        size_t c = (size_t) (u * u * (double) n_clusters);
        for (size_t i = 0; i < dim; i++)
            rows[r * dim + i] = (float) (centres[c * dim + i] + gauss(&rng));
    }
    free(centres);
    return rows;
}

/* ------------------------------------------------------------------ the reference */

static double distance_of(qv_metric metric, const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += metric == QV_METRIC_DOT ? -(double) a[i] * b[i] : ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    return metric == QV_METRIC_DOT ? 1 + sum : sum;
}

static size_t nearest_of(qv_metric metric, const float *centroids, size_t k, const float *row, size_t dim,
                         double *distance)
{
    size_t nearest = 0;
    *distance = INFINITY;
    for (size_t c = 0; c < k; c++) {
        double here = distance_of(metric, centroids + c * dim, row, dim);
        if (here < *distance) {
            *distance = here;
            nearest = c;
        }
    }
    return nearest;
}

static double mean_distance(qv_metric metric, const float *centroids, size_t k, const float *rows, size_t n, size_t dim)
{
    double sum = 0, distance;
    for (size_t r = 0; r < n; r++) {
        nearest_of(metric, centroids, k, rows + r * dim, dim, &distance);
        sum += distance;
    }
    return sum / (double) n;
}

/* Lloyd from random rows, the best of three starts. */
static double reference_loss(const float *rows, size_t n, size_t dim, size_t k, unsigned iterations)
{
    float *centroids = malloc(k * dim * sizeof *centroids);
    double *sums = malloc(k * dim * sizeof *sums), best = INFINITY;
    size_t *sizes = malloc(k * sizeof *sizes);

    for (uint64_t start = 1; start <= 3; start++) {
        qvt_rng rng = { start };
        for (size_t c = 0; c < k; c++)
            memcpy(centroids + c * dim, rows + qvt_rng_below(&rng, n) * dim, dim * sizeof *rows);
        for (unsigned it = 0; it < iterations; it++) {
            memset(sums, 0, k * dim * sizeof *sums);
            memset(sizes, 0, k * sizeof *sizes);
            for (size_t r = 0; r < n; r++) {
                double distance;
                size_t c = nearest_of(QV_METRIC_L2, centroids, k, rows + r * dim, dim, &distance);
                sizes[c]++;
                for (size_t i = 0; i < dim; i++)
                    sums[c * dim + i] += rows[r * dim + i];
            }
            for (size_t i = 0; i < k * dim; i++)
                if (sizes[i / dim])
                    centroids[i] = (float) (sums[i] / (double) sizes[i / dim]);
        }
        best = fmin(best, mean_distance(QV_METRIC_L2, centroids, k, rows, n, dim));
    }
    free(centroids);
    free(sums);
    free(sizes);
    return best;
}

/* ------------------------------------------------------------------ training */

static void loss_is_that_of_plain_lloyd(void **state)
{
    static const struct {
        size_t n, dim, k, clusters;
    } cases[] = { { 3000, 16, 20, 20 }, { 3000, 16, 20, 0 },   { 2000, 3, 40, 10 }, { 1500, 1, 12, 0 },
                  { 800, 127, 10, 5 },  { 12000, 8, 300, 50 }, { 9000, 12, 280, 0 } };
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < QV_COUNT_OF(cases); i++) {
        size_t n = cases[i].n, dim = cases[i].dim, k = cases[i].k;
        float *rows = cases[i].clusters ? clustered_rows(n, dim, cases[i].clusters, 11) : uniform_rows(n, dim, 12);
        float *centroids = malloc(k * dim * sizeof *centroids);
        double loss = 0, reference = reference_loss(rows, n, dim, k, 25);
        qv__kmeans_options options = { .k = k, .metric = QV_METRIC_L2, .seed = 5 };
        QVT_OK(qv__kmeans_train(rows, n, dim, &options, centroids, &loss, &err));
        double own = mean_distance(QV_METRIC_L2, centroids, k, rows, n, dim);
        if (own > reference * 1.03)
            print_error("%zu x %zu, %zu cells: loss %g, reference %g\n", n, dim, k, own, reference);
        assert_true(own <= reference * 1.03);
        assert_true(fabs(loss - own) <= 0.01 * own); /* that of the last assignment */
        free(rows);
        free(centroids);
    }
}

static void threads_change_nothing(void **state)
{
    enum { N = 20000, DIM = 9, K = 50, MANY = 700 };
    static float first[MANY * DIM], again[MANY * DIM];
    float *rows = clustered_rows(N, DIM, 30, 3);
    qv_error err;
    QV_UNUSED(state);

    qv_set_threads(5);
    for (int kind = 0; kind < 4; kind++)
        for (unsigned threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
            double loss;
            qv__kmeans_options options = {
                .k = kind / 2 ? MANY : K, .metric = QV_METRIC_L2, .seed = 9, .threads = threads, .balance = kind % 2
            };
            QVT_OK(qv__kmeans_train(rows, N, DIM, &options, threads == 1 ? first : again, &loss, &err));
            if (threads > 1)
                assert_memory_equal(first, again, options.k * DIM * sizeof *first);
        }
    qv_set_threads(0);
    free(rows);
}

static void as_many_centroids_as_rows(void **state)
{
    enum { N = 60, DIM = 3 };
    float *rows = uniform_rows(N, DIM, 4), centroids[N * DIM];
    double loss = 1;
    qv_error err;
    qv__kmeans_options options = { .k = N, .metric = QV_METRIC_L2 };
    QV_UNUSED(state);

    QVT_OK(qv__kmeans_train(rows, N, DIM, &options, centroids, &loss, &err));
    assert_true(loss < 1e-10);
    assert_true(mean_distance(QV_METRIC_L2, centroids, N, rows, N, DIM) < 1e-12);
    free(rows);
}

static void equal_rows_give_equal_centroids(void **state)
{
    enum { N = 1000, DIM = 5, MOST = 400 };
    static float rows[N * DIM], centroids[MOST * DIM];
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < N * DIM; i++)
        rows[i] = (float) (i % DIM) + 0.5f;
    for (size_t k = 8; k <= MOST; k += MOST - 8) {
        qv__kmeans_options options = { .k = k, .metric = QV_METRIC_L2, .balance = 1 };
        double loss = 1;
        QVT_OK(qv__kmeans_train(rows, N, DIM, &options, centroids, &loss, &err));
        assert_true(loss == 0);
        for (size_t c = 0; c < k; c++)
            assert_memory_equal(centroids + c * DIM, rows, DIM * sizeof(float));
    }
}

/* Seven different rows, many times each, more centroids: each row is one of them. */
static void duplicates_are_all_found(void **state)
{
    enum { N = 1400, DIM = 4, MOST = 300 };
    static float rows[N * DIM], centroids[MOST * DIM];
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < N * DIM; i++)
        rows[i] = (float) ((i / DIM % 7) * 3 + i % DIM);
    for (size_t k = 10; k <= MOST; k += MOST - 10) {
        qv__kmeans_options options = { .k = k, .metric = QV_METRIC_L2 };
        double loss = 1;
        QVT_OK(qv__kmeans_train(rows, N, DIM, &options, centroids, &loss, &err));
        assert_true(loss < 1e-9);
        for (size_t i = 0; i < k * DIM; i++)
            assert_true(isfinite(centroids[i]));
        assert_true(mean_distance(QV_METRIC_L2, centroids, k, rows, N, DIM) < 1e-9);
    }
}

static void cells_are_kept_even(void **state)
{
    enum { N = 12000, DIM = 6, K = 60 };
    float *rows = clustered_rows(N, DIM, 12, 8);
    static float centroids[K * DIM];
    static uint32_t lists[N];
    qv_error err;
    QV_UNUSED(state);

    for (double balance = 0.5; balance <= 1; balance *= 2) {
        size_t sizes[K] = { 0 }, most = 0;
        qv__centroids *made = NULL;
        qv__kmeans_options options = { .k = K, .metric = QV_METRIC_L2, .balance = balance };
        QVT_OK(qv__kmeans_train(rows, N, DIM, &options, centroids, NULL, &err));
        QVT_OK(qv__centroids_new(centroids, K, DIM, QV_METRIC_L2, &made, &err));
        QVT_OK(qv__centroids_assign(made, rows, N, true, lists, NULL, &err));
        for (size_t i = 0; i < N; i++) {
            sizes[lists[i]]++;
            most = QV_MAX(most, sizes[lists[i]]);
        }
        if ((double) most > (double) N / K * (1 + 1 / balance))
            print_error("balance %g: %zu rows in a cell\n", balance, most);
        assert_true((double) most <= (double) N / K * (1 + 1 / balance));
        qv__centroids_free(made);
    }
    free(rows);
}

static void what_does_not_fit_is_named(void **state)
{
    float rows[4] = { 1, 2, 3, 4 }, centroids[8];
    qv_error err;
    qv__kmeans_options options = { .k = 5, .metric = QV_METRIC_L2 };
    QV_UNUSED(state);

    QVT_FAILS(qv__kmeans_train(rows, 4, 1, &options, centroids, NULL, &err), QV_INVALID, "4 rows to train 5 centroids");
    options.k = 0;
    QVT_FAILS(qv__kmeans_train(rows, 4, 1, &options, centroids, NULL, &err), QV_INVALID, "0 centroids");
    options.k = 1;
    options.metric = QV_METRIC_HAMMING;
    QVT_FAILS(qv__kmeans_train(rows, 4, 1, &options, centroids, NULL, &err), QV_INVALID, "metric");
    options.metric = QV_METRIC_L2;
    options.balance = -1;
    QVT_FAILS(qv__kmeans_train(rows, 4, 1, &options, centroids, NULL, &err), QV_INVALID, "balance -1");
}

/* ------------------------------------------------------------------ failures */

typedef struct trial {
    const float *rows;
    float *centroids;
    uint32_t *lists;
} trial;

enum { TRIAL_ROWS = 3000, TRIAL_DIM = 2, TRIAL_MOST = 600 };

static qv_status train_few(const trial *t, qv_error *err)
{
    qv__kmeans_options options = { .k = 30, .metric = QV_METRIC_L2, .threads = 1, .balance = 1 };
    return qv__kmeans_train(t->rows, TRIAL_ROWS, TRIAL_DIM, &options, t->centroids, NULL, err);
}
static qv_status train_many(const trial *t, qv_error *err)
{
    qv__kmeans_options options = { .k = 260, .metric = QV_METRIC_L2, .threads = 1, .iterations = 2, .balance = 1 };
    return qv__kmeans_train(t->rows, TRIAL_ROWS, TRIAL_DIM, &options, t->centroids, NULL, err);
}
static qv_status train_modes(const trial *t, qv_error *err)
{
    qv__kmeans_options options = { .k = 4, .threads = 1 };
    return qv__kmodes_train((const uint8_t *) t->rows, TRIAL_ROWS, TRIAL_DIM, &options, (uint8_t *) t->centroids, NULL,
                            err);
}
static qv_status assign_many(const trial *t, qv_error *err)
{
    qv__centroids *made = NULL;
    qv_status st = qv__centroids_new(t->rows, TRIAL_MOST, TRIAL_DIM, QV_METRIC_L2, &made, err);
    if (st == QV_OK)
        st = qv__centroids_assign(made, t->rows, TRIAL_ROWS, false, t->lists, NULL, err);
    qv__centroids_free(made);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    static float centroids[TRIAL_MOST * TRIAL_DIM];
    static uint32_t lists[TRIAL_ROWS];
    qv_status (*const calls[])(const trial *, qv_error *) = { train_few, train_many, train_modes, assign_many };
    float *rows = uniform_rows(TRIAL_ROWS, TRIAL_DIM, 6);
    trial t = { rows, centroids, lists };
    qv_error err;
    QV_UNUSED(state);

    for (size_t c = 0; c < QV_COUNT_OF(calls); c++)
        for (uint64_t n = 0;; n += 1 + n / 50) { /* all of the first fifty, then thinner */
            uint64_t live = qv_memory().live_blocks;
            qv__alloc_fail_at(n);
            qv_status st = calls[c](&t, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            assert_int_equal(qv_memory().live_blocks, live);
            if (!fired)
                break;
        }
    free(rows);
}

static void training_can_be_cancelled(void **state)
{
    enum { N = 3000, DIM = 8, K = 16, MANY = 300 };
    float *rows = uniform_rows(N, DIM, 6);
    static float centroids[MANY * DIM];
    static uint8_t modes[K * DIM];
    qv_error err;
    qv_cancel *cancel = NULL;
    qv__job job;
    QV_UNUSED(state);

    QVT_OK(qv_cancel_new(&cancel, &err));
    qv_job wanted = { .struct_size = sizeof wanted, .cancel = cancel };
    qv__job_begin(&job, &wanted, "training", 0);
    qv__kmeans_options options = { .k = K, .metric = QV_METRIC_L2, .job = &job };
    QVT_OK(qv__kmeans_train(rows, N, DIM, &options, centroids, NULL, &err));
    qv_cancel_raise(cancel);
    QVT_FAILS(qv__kmeans_train(rows, N, DIM, &options, centroids, NULL, &err), QV_CANCELLED, "training");
    QVT_FAILS(qv__kmodes_train((const uint8_t *) rows, N, DIM, &options, modes, NULL, &err), QV_CANCELLED, "training");
    options.k = MANY;
    QVT_FAILS(qv__kmeans_train(rows, N, DIM, &options, centroids, NULL, &err), QV_CANCELLED, "training");
    qv__job_end(&job, QV_CANCELLED);
    qv_cancel_free(cancel);
    free(rows);
}

/* ------------------------------------------------------------------ the nearest centroid */

static void rows_go_to_the_nearest(void **state)
{
    static const size_t dims[] = { 1, 3, 127, 128, 960 };
    qv_error err;
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
        for (int is_dot = 0; is_dot < 2; is_dot++) {
            size_t dim = dims[d], n = 500, k = 75;
            qv_metric metric = is_dot ? QV_METRIC_DOT : QV_METRIC_L2;
            float *rows = uniform_rows(n, dim, 31), *centroids = uniform_rows(k, dim, 32);
            uint32_t *lists = malloc(n * sizeof *lists);
            float *distances = malloc(n * sizeof *distances);
            qv__centroids *made = NULL;
            QVT_OK(qv__centroids_new(centroids, k, dim, metric, &made, &err));
            QVT_OK(qv__centroids_assign(made, rows, n, true, lists, distances, &err));
            for (size_t r = 0; r < n; r++) {
                double least, here;
                nearest_of(metric, centroids, k, rows + r * dim, dim, &least);
                here = distance_of(metric, centroids + lists[r] * dim, rows + r * dim, dim);
                assert_true(here <= least + 1e-6 * (double) dim);
                assert_true(fabs(distances[r] - here) <= 1e-5 * (1 + fabs(here)));
            }
            QVT_OK(qv__centroids_assign(made, rows, 0, true, lists, distances, &err));
            qv__centroids_free(made);
            free(rows);
            free(centroids);
            free(lists);
            free(distances);
        }
}

/* Two levels: nearly all rows go to the nearest, the others hardly farther. Threads share what is made for it. */
static void two_levels_miss_little(void **state)
{
    enum { N = 6000, DIM = 16, K = 700 };
    static uint32_t exact[N], lists[N];
    static float distances[N], others[N], centroids[K * DIM];
    qv_error err;
    QV_UNUSED(state);

    for (int kind = 0; kind < 2; kind++) {
        float *rows = kind ? clustered_rows(N, DIM, 80, 21) : uniform_rows(N, DIM, 22);
        qv__kmeans_options options = { .k = K, .metric = QV_METRIC_COSINE, .seed = 2 };
        qv__centroids *made = NULL;
        double sum = 0, other = 0;
        size_t same = 0;
        QVT_OK(qv__kmeans_train(rows, N, DIM, &options, centroids, NULL, &err));
        QVT_OK(qv__centroids_new(centroids, K, DIM, QV_METRIC_L2, &made, &err));
        QVT_OK(qv__centroids_assign(made, rows, N, true, exact, distances, &err));
        QVT_OK(qv__centroids_assign(made, rows, N, false, lists, others, &err));
        for (size_t r = 0; r < N; r++) {
            same += lists[r] == exact[r];
            sum += distances[r];
            other += others[r];
        }
        if (same < N * 95 / 100 || other > sum * 1.02)
            print_error("%zu of %d the same, mean distance %g, exact %g\n", same, N, other / N, sum / N);
        assert_true(same >= N * 95 / 100 && other <= sum * 1.02);
        memset(lists, 0xff, sizeof lists);
        QVT_OK(qv__centroids_assign(made, rows, 100, false, lists, NULL, &err)); /* few: all are compared */
        assert_memory_equal(lists, exact, 100 * sizeof *lists);
        qv__centroids_free(made);
        free(rows);
    }
}

static void centroids_are_ranked(void **state)
{
    enum { K = 1000, DIM = 24, N = 37 };
    float *centroids = uniform_rows(K, DIM, 41), *queries = uniform_rows(10, DIM, 42);
    static float scratch[K], distances[K];
    static uint32_t lists[K];
    qv_error err;
    QV_UNUSED(state);

    for (int is_dot = 0; is_dot < 2; is_dot++) {
        qv_metric metric = is_dot ? QV_METRIC_DOT : QV_METRIC_L2;
        qv__centroids *made = NULL;
        QVT_OK(qv__centroids_new(centroids, K, DIM, metric, &made, &err));
        for (size_t q = 0; q < 10; q++) {
            bool seen[K] = { false };
            double last = -INFINITY;
            qv__centroids_rank(made, queries + q * DIM, N, scratch, lists, distances);
            for (size_t i = 0; i < N; i++) {
                double here = distance_of(metric, centroids + lists[i] * DIM, queries + q * DIM, DIM);
                assert_true(fabs(here - distances[i]) <= 1e-5 * DIM && here >= last - 1e-5);
                assert_false(seen[lists[i]]);
                seen[lists[i]] = true;
                last = here;
            }
            for (size_t c = 0; c < K; c++)
                assert_true(seen[c] || distance_of(metric, centroids + c * DIM, queries + q * DIM, DIM) >= last - 1e-5);
        }
        qv__centroids_free(made);
    }
    free(centroids);
    free(queries);
}

/* ------------------------------------------------------------------ packed bits */

static unsigned bits_between(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < bytes * 8; i++)
        sum += (a[i / 8] >> (i % 8) & 1) != (b[i / 8] >> (i % 8) & 1);
    return sum;
}

/* Of equal ones the first. */
static uint32_t nearest_bits(const uint8_t *centroids, size_t k, const uint8_t *row, size_t bytes, unsigned *least)
{
    uint32_t nearest = 0;

    *least = UINT32_MAX;
    for (uint32_t c = 0; c < k; c++) {
        unsigned here = bits_between(row, centroids + c * bytes, bytes);
        if (here < *least) {
            *least = here;
            nearest = c;
        }
    }
    return nearest;
}

/* Bits around planted centres are told apart: the loss is that of the noise. */
static void modes_are_found(void **state)
{
    enum { N = 3000, BYTES = 19, K = 12 };
    static uint8_t rows[N * BYTES], first[K * BYTES], centroids[K * BYTES], planted[K * BYTES];
    static uint32_t lists[N];
    static float distances[N];
    qvt_rng rng = { 77 };
    double noise = 0, loss = 0, own = 0;
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < K * BYTES; i++)
        planted[i] = (uint8_t) qvt_rng_next(&rng);
    for (size_t r = 0; r < N; r++) {
        memcpy(rows + r * BYTES, planted + r % K * BYTES, BYTES);
        for (size_t flips = qvt_rng_below(&rng, 12); flips > 0; flips--) {
            size_t bit = qvt_rng_below(&rng, BYTES * 8);
            rows[r * BYTES + bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
        noise += bits_between(rows + r * BYTES, planted + r % K * BYTES, BYTES);
    }
    qv_set_threads(5);
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        qv__kmeans_options options = { .k = K, .seed = 3, .threads = threads };
        QVT_OK(qv__kmodes_train(rows, N, BYTES, &options, threads == 1 ? first : centroids, &loss, &err));
        if (threads > 1)
            assert_memory_equal(first, centroids, sizeof first);
    }
    qv_set_threads(0);
    qv__kmodes_assign(centroids, K, rows, N, BYTES, lists, distances);
    for (size_t r = 0; r < N; r++) {
        unsigned least;
        assert_int_equal(lists[r], nearest_bits(centroids, K, rows + r * BYTES, BYTES, &least));
        assert_true(distances[r] == (float) least);
        own += least;
    }
    assert_true(fabs(own / N - loss) < 1e-9);
    assert_true(own <= noise * 1.03);
}

/* Few bits give many ties; rows and centroids end within what is taken at once, at its end, or behind. */
static void bits_go_to_the_first_nearest(void **state)
{
    static const size_t counts[] = { 1, 2, 255, 256, 257, 600 };
    enum { MOST = 600, WIDEST = 65 };
    static uint8_t rows[MOST * WIDEST], centroids[MOST * WIDEST];
    static uint32_t lists[MOST], again[MOST];
    static float distances[MOST];
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (size_t i = 0; i < 6 * QV_COUNT_OF(counts); i++) {
        static const size_t widths[] = { 1, 2, 7, 16, 64, 65 };
        size_t bytes = widths[i % 6], n = counts[i / 6], k = counts[(i / 6 + i) % 6];
        unsigned least;
        for (size_t at = 0; at < n * bytes; at++)
            rows[at] = (uint8_t) qvt_rng_next(&rng);
        for (size_t at = 0; at < k * bytes; at++)
            centroids[at] = (uint8_t) qvt_rng_next(&rng);
        qv__kmodes_assign(centroids, k, rows, n, bytes, lists, distances);
        qv__kmodes_assign(centroids, k, rows, n, bytes, again, NULL);
        for (size_t r = 0; r < n; r++) {
            assert_int_equal(lists[r], nearest_bits(centroids, k, rows + r * bytes, bytes, &least));
            assert_int_equal(again[r], lists[r]);
            assert_true(distances[r] == (float) least);
        }
    }
}

static void equal_bits_give_one_mode(void **state)
{
    uint8_t rows[50 * 3], centroids[5 * 3];
    double loss = 1;
    qv_error err;
    qv__kmeans_options options = { .k = 5 };
    QV_UNUSED(state);

    memset(rows, 0xa5, sizeof rows);
    QVT_OK(qv__kmodes_train(rows, 50, 3, &options, centroids, &loss, &err));
    assert_true(loss == 0);
    for (size_t i = 0; i < sizeof centroids; i++)
        assert_int_equal(centroids[i], 0xa5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_that_of_plain_lloyd),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(as_many_centroids_as_rows),
        cmocka_unit_test(equal_rows_give_equal_centroids),
        cmocka_unit_test(duplicates_are_all_found),
        cmocka_unit_test(cells_are_kept_even),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(training_can_be_cancelled),
        cmocka_unit_test(rows_go_to_the_nearest),
        cmocka_unit_test(two_levels_miss_little),
        cmocka_unit_test(centroids_are_ranked),
        cmocka_unit_test(modes_are_found),
        cmocka_unit_test(bits_go_to_the_first_nearest),
        cmocka_unit_test(equal_bits_give_one_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

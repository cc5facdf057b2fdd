/* The nearest of k vectors, at every level of this machine, against sums in double; and the n smallest of many values. */
#include <math.h>

#include "base/alloc.h"
#include "qvt.h"
#include "simd/simd_private.h"

static const char *const level_names[] = { "scalar", "avx2", "avx512", "neon" };

static double distance_of(qv_metric metric, const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += metric == QV_METRIC_DOT ? -(double) a[i] * b[i] : ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    return metric == QV_METRIC_DOT ? 1 + sum : sum;
}

static double norm2_of(const float *a, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double) a[i] * a[i];
    return sum;
}

typedef struct setup {
    const qv__kernels *kernels;
    qv_metric metric;
    size_t k, n, dim;
    double scale;
} setup;

static void check_row(const setup *s, const float *vectors, const float *row, uint32_t position, const float *got)
{
    double least = INFINITY, row2 = norm2_of(row, s->dim), largest2 = 0;
    uint32_t nearest = 0;

    for (size_t v = 0; v < s->k; v++) {
        double here = distance_of(s->metric, vectors + v * s->dim, row, s->dim);
        double norm2 = norm2_of(vectors + v * s->dim, s->dim);
        if (here < least) {
            least = here;
            nearest = (uint32_t) v;
        }
        largest2 = fmax(largest2, norm2);
        if (here < 1e37)
            assert_true(fabs(got[v] - here) <= 1e-5 * (row2 + norm2) + fabs(here) * 0x1p-23 + 1e-37);
    }
    assert_in_range(position, 0, s->k - 1);
    double taken = distance_of(s->metric, vectors + position * s->dim, row, s->dim);
    if (taken > least + 1e-6 * (double) s->dim * (row2 + largest2)) {
        print_error("%s: dim %zu of %zu: %u at %.9g, expected %u at %.9g\n", s->kernels->name, s->dim, s->k, position,
                    taken, nearest, least);
        fail();
    }
}

/* Rows asked for together get what each of them gets alone, bit by bit. */
static void check_rows_together(const qv__nearest *nearest, const setup *s, const float *rows)
{
    float *all = malloc(s->n * s->k * 4), *one = malloc(s->k * 4);

    qv__nearest_distances(nearest, rows, s->n, all);
    for (size_t r = 0; r < s->n; r++) {
        qv__nearest_distances(nearest, rows + r * s->dim, 1, one);
        assert_memory_equal(all + r * s->k, one, s->k * 4);
    }
    free(all);
    free(one);
}

static void run(const setup *s, qvt_rng *rng)
{
    qv_error err;
    qv__nearest *nearest = NULL;
    size_t stride = s->dim + 3;
    float *vectors = malloc(s->k * s->dim * 4), *rows = malloc(s->n * stride * 4), *got = malloc(s->k * 4);
    uint32_t *positions = malloc(s->n * 4);

    for (size_t i = 0; i < s->k * s->dim; i++)
        vectors[i] = (float) ((qvt_rng_unit(rng) - 0.5) * s->scale);
    for (size_t i = 0; i < s->n * stride; i++)
        rows[i] = (float) ((qvt_rng_unit(rng) - 0.5) * s->scale);
    QVT_OK(qv__nearest_new_with(s->kernels, s->metric, s->k, s->dim, &nearest, &err));
    qv__nearest_set(nearest, vectors, NULL, s->k);
    qv__nearest_find(nearest, rows, stride * 4, s->n, positions);
    for (size_t r = 0; r < s->n; r++) {
        qv__nearest_distances(nearest, rows + r * stride, 1, got);
        check_row(s, vectors, rows + r * stride, positions[r], got);
    }
    check_rows_together(nearest, s, rows);
    qv__nearest_free(nearest);
    free(vectors);
    free(rows);
    free(got);
    free(positions);
}

static void nearest_agrees_with_double(void **state)
{
    static const size_t dims[] = { 1, 2, 3, 8, 16, 127, 128, 960 };
    static const size_t ks[] = { 1, 2, 15, 16, 17, 31, 32, 33, 100, 257 };
    qvt_rng rng = { 7 };
    QV_UNUSED(state);

    for (size_t level = 0; level < QV_COUNT_OF(level_names); level++)
        for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
            for (size_t k = 0; k < QV_COUNT_OF(ks); k++) {
                setup s = { .kernels = qv__kernels_of(level_names[level]), .k = ks[k], .dim = dims[d], .scale = 2 };
                s.n = 1 + (d * 7 + k * 5) % 41;
                s.metric = (d + k) % 2 ? QV_METRIC_DOT : QV_METRIC_L2;
                if (s.kernels)
                    run(&s, &rng);
            }
}

static void many_rows_pass_in_blocks(void **state)
{
    qvt_rng rng = { 8 };
    QV_UNUSED(state);

    for (size_t level = 0; level < QV_COUNT_OF(level_names); level++) {
        setup s = { .kernels = qv__kernels_of(level_names[level]),
                    .metric = QV_METRIC_L2,
                    .k = 70,
                    .n = 1003,
                    .dim = 5,
                    .scale = 100 };
        if (s.kernels)
            run(&s, &rng);
    }
}

/* Squares beyond float32's range: of the vectors, or of the rows alone. */
static void sums_beyond_float_are_made_in_double(void **state)
{
    qv_error err;
    float vectors[3 * 2] = { 3e19f, 3e19f, 1e19f, -2e19f, -3e19f, 3e19f };
    float small[3 * 2] = { 1, 2, 3, -4, -5, 6 };
    float rows[3 * 2] = { 2.9e19f, 2e19f, 1e19f, -1e19f, -1e20f, 1e20f };
    float huge[2 * 2] = { 3e38f, -3e38f, -3e38f, 3e38f };
    QV_UNUSED(state);

    for (size_t level = 0; level < QV_COUNT_OF(level_names); level++) {
        uint32_t positions[3];
        qv__nearest *nearest = NULL;
        if (!qv__kernels_of(level_names[level]))
            continue;
        QVT_OK(qv__nearest_new_with(qv__kernels_of(level_names[level]), QV_METRIC_L2, 3, 2, &nearest, &err));
        qv__nearest_set(nearest, vectors, NULL, 3);
        qv__nearest_find(nearest, rows, 8, 3, positions);
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(positions[i], i);
        qv__nearest_set(nearest, small, NULL, 3);
        qv__nearest_find(nearest, huge, 8, 2, positions);
        assert_int_equal(positions[0], 1);
        assert_int_equal(positions[1], 2);
        qv__nearest_free(nearest);
    }
}

/* Equal vectors: the first one. Values are small integers, whose sums are exact. */
static void ties_go_to_the_first(void **state)
{
    enum { K = 200, N = 300, DIM = 4 };
    static float vectors[K * DIM], rows[N * DIM];
    qvt_rng rng = { 9 };
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < K * DIM; i++)
        vectors[i] = (float) qvt_rng_below(&rng, 3);
    for (size_t i = 0; i < N * DIM; i++)
        rows[i] = (float) qvt_rng_below(&rng, 4);
    for (size_t level = 0; level < QV_COUNT_OF(level_names); level++) {
        uint32_t positions[N];
        qv__nearest *nearest = NULL;
        if (!qv__kernels_of(level_names[level]))
            continue;
        QVT_OK(qv__nearest_new_with(qv__kernels_of(level_names[level]), QV_METRIC_L2, K, DIM, &nearest, &err));
        qv__nearest_set(nearest, vectors, NULL, K);
        qv__nearest_find(nearest, rows, DIM * 4, N, positions);
        for (size_t r = 0; r < N; r++) {
            uint32_t first = 0;
            for (uint32_t v = 1; v < K; v++)
                if (distance_of(QV_METRIC_L2, vectors + v * DIM, rows + r * DIM, DIM) <
                    distance_of(QV_METRIC_L2, vectors + first * DIM, rows + r * DIM, DIM))
                    first = v;
            assert_int_equal(positions[r], first);
        }
        qv__nearest_free(nearest);
    }
}

static void a_subset_can_be_set(void **state)
{
    float vectors[6] = { 0, 10, 20, 30, 40, 50 }, rows[2] = { 41, 1 };
    uint32_t numbers[3] = { 5, 1, 4 }, positions[2];
    qv__nearest *nearest = NULL;
    qv_error err;
    QV_UNUSED(state);

    QVT_OK(qv__nearest_new(QV_METRIC_L2, 6, 1, &nearest, &err));
    qv__nearest_set(nearest, vectors, NULL, 6);
    qv__nearest_set(nearest, vectors, numbers, 3);
    qv__nearest_find(nearest, rows, 4, 2, positions);
    assert_int_equal(positions[0], 2);
    assert_int_equal(positions[1], 1);
    qv__nearest_free(nearest);
    nearest = NULL;
    QVT_FAILS(qv__nearest_new(QV_METRIC_L2, 0, 1, &nearest, &err), QV_INVALID, "0 vectors of 1");
    QVT_FAILS(qv__nearest_new(QV_METRIC_HAMMING, 1, 1, &nearest, &err), QV_INVALID, "metric");
    for (uint64_t n = 0;; n++) {
        qv__alloc_fail_at(n);
        qv_status st = qv__nearest_new(QV_METRIC_L2, 6, 1, &nearest, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        if (!fired)
            break;
        assert_int_equal(st, QV_NOMEM);
    }
    qv__nearest_free(nearest);
}

/* ------------------------------------------------------------------ the n smallest */

static void smallest_are_in_order(void **state)
{
    qvt_rng rng = { 10 };
    QV_UNUSED(state);

    for (size_t round = 0; round < 400; round++) {
        size_t count = 1 + qvt_rng_below(&rng, round < 20 ? 5 : 5000), few = round % 2 ? count / 8 : count;
        size_t n = qvt_rng_below(&rng, few + 1);
        float *values = malloc(count * 4), *smallest = malloc((n + 1) * 4);
        uint32_t *positions = malloc((n + 1) * 4);
        bool *taken = calloc(count, 1);
        for (size_t i = 0; i < count; i++) {
            values[i] = (float) qvt_rng_below(&rng, round % 3 ? 50 : 1000000) - 20;
            if (round % 5 == 0 && i % 3 == 0)
                values[i] = NAN;
        }
        qv__smallest(values, count, n, positions, smallest);
        for (size_t i = 0; i < n; i++) {
            size_t best = count;
            for (size_t j = 0; j < count; j++)
                if (!taken[j] && !isnan(values[j]) && (best == count || values[j] < values[best]))
                    best = j;
            if (best == count) {
                assert_true(isinf(smallest[i]) && !taken[positions[i]]);
                taken[positions[i]] = true;
                continue;
            }
            taken[best] = true;
            assert_int_equal(positions[i], best);
            assert_true(smallest[i] == values[best]);
        }
        free(values);
        free(smallest);
        free(positions);
        free(taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_agrees_with_double),
        cmocka_unit_test(many_rows_pass_in_blocks),
        cmocka_unit_test(sums_beyond_float_are_made_in_double),
        cmocka_unit_test(ties_go_to_the_first),
        cmocka_unit_test(a_subset_can_be_set),
        cmocka_unit_test(smallest_are_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Top-k against sorting everything, and many queries against one at a time: the answers must be the same to the bit. */
#include <math.h>

#include "base/bitmap.h"
#include "qvt.h"
#include "simd/simd_private.h"

static const char *const level_names[] = { "scalar", "avx2", "avx512", "neon" };

static int by_rank(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* ------------------------------------------------------------------ the heap */

static void heap_against_sort(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (int round = 0; round < 500; round++) {
        size_t n = qvt_rng_below(&rng, 300), k = qvt_rng_below(&rng, 40), n_all = 0;
        float lower = (float) qvt_rng_below(&rng, 10), upper = lower + (float) qvt_rng_below(&rng, 50);
        bool has_lower = qvt_rng_below(&rng, 2), has_upper = qvt_rng_below(&rng, 2);
        qv__hit all[300], slots[40], other_slots[40];
        qv__topk whole, part;

        qv__topk_init(&whole, k, slots, has_lower ? &lower : NULL, has_upper ? &upper : NULL);
        qv__topk_init(&part, k, other_slots, has_lower ? &lower : NULL, has_upper ? &upper : NULL);
        for (size_t i = 0; i < n; i++) {
            static const float odd[] = { NAN, INFINITY, -INFINITY, -0.0f };
            float distance = qvt_rng_below(&rng, 20) ? (float) qvt_rng_below(&rng, 40) : odd[qvt_rng_below(&rng, 4)];
            qv__topk_push(i % 2 ? &whole : &part, distance, i * 7919 % 1009);
            if (!isnan(distance) && !(has_lower && distance < lower) && !(has_upper && distance >= upper))
                all[n_all++] = (qv__hit){ distance, i * 7919 % 1009 };
        }
        qv__topk_merge(&whole, &part);
        qv__topk_sort(&whole);
        qsort(all, n_all, sizeof all[0], by_rank);
        assert_int_equal(whole.n, QV_MIN(n_all, k));
        for (size_t i = 0; i < whole.n; i++) {
            assert_true(whole.heap[i].distance == all[i].distance);
            assert_int_equal(whole.heap[i].id, all[i].id);
        }
    }
}

/* ------------------------------------------------------------------ scans */

typedef struct data {
    qv__element element;
    size_t dim, n, stride, n_queries;
    uint8_t *rows;
    float *queries;
    uint64_t *ids;
    uint8_t *live;
} data;

static void make_data(data *x, qvt_rng *rng)
{
    size_t bytes = qv__element_bytes(x->element, x->dim);
    x->stride = bytes + (qvt_rng_below(rng, 2) ? 0 : 1 + qvt_rng_below(rng, 20));
    x->rows = calloc(x->n, x->stride);
    x->queries = calloc(x->n_queries * x->dim, sizeof(float));
    x->ids = calloc(x->n, sizeof(uint64_t));
    x->live = calloc(1, x->n / 8 + 2);
    bool small = qvt_rng_below(rng, 2); /* few different values: many ties */
    for (size_t r = 0; r < x->n; r++) {
        x->ids[r] = qvt_rng_next(rng) >> 20;
        uint64_t special = qvt_rng_below(rng, 50);
        if (qvt_rng_below(rng, 4))
            qv__bit_set(x->live, r + 3);
        for (size_t i = 0; i < x->dim; i++) {
            uint8_t *at = x->rows + r * x->stride;
            double value = small ? (double) qvt_rng_below(rng, 3) - 1 : qvt_rng_unit(rng) * 20 - 10;
            static const float odd[] = { 0, NAN, INFINITY, 3e38f, 1e-25f, -0.0f, 1e-42f };
            float single = special < QV_COUNT_OF(odd) ? odd[special] : (float) value;
            double wide = single;
            uint32_t bits;
            memcpy(&bits, &single, 4);
            uint16_t half = (uint16_t) (bits >> 16);
            if (x->element == QV_EL_F32)
                memcpy(at + 4 * i, &single, 4);
            else if (x->element == QV_EL_F64)
                memcpy(at + 8 * i, &wide, 8);
            else if (x->element == QV_EL_BF16)
                memcpy(at + 2 * i, &half, 2);
            else
                at[i] = special == 0 ? 0 : (uint8_t) (int) (value + 10);
        }
    }
    for (size_t i = 0; i < x->n_queries * x->dim; i++)
        x->queries[i] = (float) (small ? (double) qvt_rng_below(rng, 3) - 1 : floor(qvt_rng_unit(rng) * 20));
    for (size_t i = 0; i < x->dim; i++)
        x->queries[i] = 0;
}

static void free_data(data *x)
{
    free(x->rows);
    free(x->queries);
    free(x->ids);
    free(x->live);
}

static qv__topk *scan(const qv__kernels *kernels, const data *x, qv_metric metric, size_t k, const float *queries,
                      size_t n_queries, size_t step)
{
    qv_error err;
    qv__distance *d = NULL;
    qv__topk *topks = calloc(n_queries, sizeof *topks);

    QVT_OK(qv__distance_new_with(kernels, metric, x->element, x->dim, queries, QV_EL_F32, n_queries, &d, &err));
    for (size_t q = 0; q < n_queries; q++)
        qv__topk_init(&topks[q], k, calloc(k, sizeof(qv__hit)), NULL, NULL);
    for (size_t at = 0; at < x->n; at += step) {
        qv__scan_rows rows = {
            x->rows + at * x->stride, x->stride, QV_MIN(step, x->n - at), x->ids + at, 0, x->live, at + 3
        };
        QVT_OK(qv__distance_topk(d, &rows, topks, &err));
    }
    for (size_t q = 0; q < n_queries; q++)
        qv__topk_sort(&topks[q]);
    qv__distance_free(d);
    return topks;
}

static void free_topks(qv__topk *topks, size_t n)
{
    for (size_t q = 0; q < n; q++)
        free(topks[q].heap);
    free(topks);
}

static void check_against_sort(const qv__kernels *kernels, const data *x, qv_metric metric, size_t k, size_t q,
                               const qv__topk *got)
{
    qv_error err;
    qv__distance *d = NULL;
    qv__hit *all = calloc(x->n, sizeof *all);
    size_t n = 0;

    QVT_OK(qv__distance_new_with(kernels, metric, x->element, x->dim, x->queries + q * x->dim, QV_EL_F32, 1, &d, &err));
    for (size_t r = 0; r < x->n; r++) {
        float distance;
        qv__distance_to_rows(d, 0, x->rows + r * x->stride, x->stride, 1, &distance);
        if (qv__bit_get(x->live, r + 3) && !isnan(distance))
            all[n++] = (qv__hit){ distance, x->ids[r] };
    }
    qsort(all, n, sizeof *all, by_rank);
    assert_int_equal(got->n, QV_MIN(n, k));
    for (size_t i = 0; i < got->n; i++) {
        assert_true(all[i].distance == got->heap[i].distance);
        assert_int_equal(all[i].id, got->heap[i].id);
    }
    free(all);
    qv__distance_free(d);
}

static void many_against_one(void **state)
{
    static const qv__element elements[] = { QV_EL_F32, QV_EL_F64, QV_EL_BF16, QV_EL_I8, QV_EL_U8 };
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (size_t l = 0; l < QV_COUNT_OF(level_names); l++)
        for (int round = 0; round < 60; round++) {
            const qv__kernels *kernels = qv__kernels_of(level_names[l]);
            if (!kernels)
                break;
            qv_metric metric = (qv_metric) (QV_METRIC_L2 + qvt_rng_below(&rng, 3));
            data x = { .element = elements[qvt_rng_below(&rng, 5)],
                       .dim = 1 + qvt_rng_below(&rng, 70),
                       .n = 1 + qvt_rng_below(&rng, 900),
                       .n_queries = 2 + qvt_rng_below(&rng, 70) };
            size_t k = 1 + qvt_rng_below(&rng, 30);
            make_data(&x, &rng);
            qv__topk *together = scan(kernels, &x, metric, k, x.queries, x.n_queries, x.n);
            qv__topk *apart = scan(kernels, &x, metric, k, x.queries, x.n_queries, 1 + qvt_rng_below(&rng, x.n));
            for (size_t q = 0; q < x.n_queries; q++) {
                assert_int_equal(together[q].n, apart[q].n);
                for (size_t i = 0; i < together[q].n; i++) {
                    assert_true(together[q].heap[i].distance == apart[q].heap[i].distance);
                    assert_int_equal(together[q].heap[i].id, apart[q].heap[i].id);
                }
                if (q < 4)
                    check_against_sort(kernels, &x, metric, k, q, &together[q]);
            }
            free_topks(together, x.n_queries);
            free_topks(apart, x.n_queries);
            free_data(&x);
        }
}

/* Without ids the row number counts; bounds hold; infinite distances are kept when there is no bound. */
static void numbers_and_bounds(void **state)
{
    enum { N = 1000 };
    static float rows[N], query[9];
    float lower = 4, upper = 100;
    qv__hit slots[9][8];
    qv__topk topks[9];
    qv__distance *d = NULL;
    qv_error err;
    QV_UNUSED(state);

    for (int i = 0; i < N; i++)
        rows[i] = (float) i;
    rows[2] = INFINITY;
    for (size_t n_queries = 1; n_queries <= 9; n_queries += 8) {
        qv__scan_rows all = { rows, sizeof(float), N, NULL, 5000, NULL, 0 };
        QVT_OK(qv__distance_new(QV_METRIC_L2, QV_EL_F32, 1, query, QV_EL_F32, n_queries, &d, &err));
        for (size_t q = 0; q < n_queries; q++)
            qv__topk_init(&topks[q], 8, slots[q], &lower, &upper);
        QVT_OK(qv__distance_topk(d, &all, topks, &err));
        for (size_t q = 0; q < n_queries; q++) {
            qv__topk_sort(&topks[q]);
            assert_int_equal(topks[q].n, 7); /* 3 to 9 */
            for (size_t i = 0; i < 7; i++)
                assert_int_equal(topks[q].heap[i].id, 5003 + i);
            qv__topk_init(&topks[q], 8, slots[q], NULL, NULL);
        }
        all.n = 3;
        QVT_OK(qv__distance_topk(d, &all, topks, &err));
        assert_int_equal(topks[n_queries - 1].n, 3);
        assert_true(isinf(topks[n_queries - 1].heap[0].distance));
        qv__distance_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_against_sort),
        cmocka_unit_test(many_against_one),
        cmocka_unit_test(numbers_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every kernel of every level that this machine has, against sums in long double. */
#include <float.h>
#include <math.h>

#include "qvt.h"
#include "simd/half.h"
#include "simd/simd_private.h"

static const char *const level_names[] = { "scalar", "avx2", "avx512", "neon" };
static const qv_metric float_metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };

enum { MAX_ROWS = 11 };

/* ------------------------------------------------------------------ stored values */

static uint16_t f16_of(double value) /* cuts off; what counts is the value that is stored */
{
    int exponent;
    double fraction = frexp(fabs(value), &exponent);

    if (value == 0 || exponent < -13)
        return 0;
    uint16_t bits = (uint16_t) ((exponent + 14) << 10 | (int) ((fraction * 2 - 1) * 1024));
    return (uint16_t) (bits | (value < 0 ? 0x8000 : 0));
}

static void store(qv__element element, uint8_t *at, size_t i, double value)
{
    float single = (float) value;
    uint32_t bits;
    uint16_t half;

    memcpy(&bits, &single, 4);
    switch (element) {
    case QV_EL_F32:
        memcpy(at + 4 * i, &single, 4);
        break;
    case QV_EL_F64:
        memcpy(at + 8 * i, &value, 8);
        break;
    case QV_EL_BF16:
        half = (uint16_t) (bits >> 16);
        memcpy(at + 2 * i, &half, 2);
        break;
    case QV_EL_F16:
        half = f16_of(value);
        memcpy(at + 2 * i, &half, 2);
        break;
    default:
        at[i] = (uint8_t) (int) value;
        break;
    }
}

static double load(qv__element element, const uint8_t *at, size_t i)
{
    float single;
    double value;
    uint16_t half;

    switch (element) {
    case QV_EL_F32:
        memcpy(&single, at + 4 * i, 4);
        return single;
    case QV_EL_F64:
        memcpy(&value, at + 8 * i, 8);
        return value;
    case QV_EL_BF16:
        memcpy(&half, at + 2 * i, 2);
        return qv__float_of_bf16(half);
    case QV_EL_F16:
        memcpy(&half, at + 2 * i, 2);
        return qv__float_of_f16(half);
    case QV_EL_I8:
        return (int8_t) at[i];
    default:
        return at[i];
    }
}

static double random_value(qvt_rng *rng, qv__element element)
{
    if (element == QV_EL_I8)
        return (double) qvt_rng_below(rng, 256) - 128;
    if (element == QV_EL_U8)
        return (double) qvt_rng_below(rng, 256);
    return (qvt_rng_unit(rng) - 0.5) * 4;
}

/* ------------------------------------------------------------------ the oracle */

typedef struct oracle {
    long double distance, scale; /* scale: |q|^2 + |v|^2 */
} oracle;

static oracle expected(qv_metric metric, qv__element element, const uint8_t *q, qv__element q_element,
                       const uint8_t *row, size_t dim)
{
    long double diff = 0, dot = 0, qq = 0, vv = 0;
    for (size_t i = 0; i < dim; i++) {
        long double a = load(q_element, q, i), b = load(element, row, i);
        diff += (a - b) * (a - b);
        dot += a * b;
        qq += a * a;
        vv += b * b;
    }
    if (metric == QV_METRIC_L2)
        return (oracle){ diff, qq + vv };
    if (metric == QV_METRIC_DOT)
        return (oracle){ 1 - dot, 1 + qq + vv };
    return (oracle){ qq > 0 && vv > 0 ? 1 - dot / (sqrtl(qq) * sqrtl(vv)) : NAN, 2 };
}

static void check(const char *what, float got, oracle want, qv__element element, bool exact)
{
    long double tolerance = exact || element == QV_EL_F64 ? 0 : 1e-5L * want.scale;
    if (element == QV_EL_F64)
        tolerance = 1e-12L * want.scale;
    tolerance += fabsl(want.distance) * 0x1p-24L;  /* the result is a float */
    tolerance += 200 * (long double) FLT_TRUE_MIN; /* squares below the normal range lose digits */
    bool same = isnan(want.distance)             ? isnan(got)
                : fabsl(want.distance) > FLT_MAX ? got == (float) want.distance
                                                 : fabsl(got - want.distance) <= tolerance;
    if (!same) {
        print_error("%s: %.9g, expected %.9Lg within %.3Lg\n", what, (double) got, want.distance, tolerance);
        fail();
    }
}

/* ------------------------------------------------------------------ the sweep */

typedef struct setup {
    const qv__kernels *kernels;
    qv_metric metric;
    qv__element element, q_element;
    size_t dim;
    bool whole_query; /* of integers */
} setup;

/* Rows picked in any order give what they give in their own, to the bit. */
static void check_picked(const qv__distance *distance, const uint8_t *rows, size_t stride, size_t n, const float *block)
{
    uint32_t picked[2 * MAX_ROWS] = { 0 };
    float out[2 * MAX_ROWS];

    for (size_t i = 0; i < 2 * n; i++)
        picked[i] = (uint32_t) ((i * 7 + n) % n);
    qv__distance_to_picked(distance, 0, rows, stride, picked, 2 * n, out);
    for (size_t i = 0; i < 2 * n; i++)
        assert_memory_equal(&out[i], &block[picked[i]], sizeof(float));
}

/* The last row against all of them. */
static void check_pairs(const setup *s, const uint8_t *rows, size_t stride, size_t n)
{
    const uint8_t *one = rows + (n - 1) * stride;
    uint32_t picked[MAX_ROWS] = { 0 };
    float out[MAX_ROWS];

    if (s->metric == QV_METRIC_COSINE)
        return;
    for (size_t i = 0; i < n; i++)
        picked[i] = (uint32_t) (n - 1 - i);
    s->kernels->pairs[s->metric == QV_METRIC_L2 ? QV_K_L2 : QV_K_DOT][s->element](one, s->dim, rows, stride, picked, n,
                                                                                  out);
    for (size_t i = 0; i < n; i++)
        check("pair", out[i], expected(s->metric, s->element, one, s->element, rows + picked[i] * stride, s->dim),
              s->element, s->element == QV_EL_I8 || s->element == QV_EL_U8);
}

static void run(const setup *s, const uint8_t *query, const uint8_t *rows, size_t stride, size_t n)
{
    qv_error err;
    qv__distance *d = NULL;
    float block[MAX_ROWS], single;
    char what[200];

    QVT_OK(qv__distance_new_with(s->kernels, s->metric, s->element, s->dim, query, s->q_element, 1, &d, &err));
    qv__distance_to_rows(d, 0, rows, stride, n, block);
    bool is_int = s->element == QV_EL_I8 || s->element == QV_EL_U8;
    assert_int_equal(d->queries[0].is_int, is_int && s->whole_query);
    for (size_t r = 0; r < n; r++) {
        snprintf(what, sizeof what, "%s metric %d element %d dim %zu row %zu of %zu", s->kernels->name, (int) s->metric,
                 (int) s->element, s->dim, r, n);
        oracle want = expected(s->metric, s->element, query, s->q_element, rows + r * stride, s->dim);
        check(what, block[r], want, s->element, is_int && s->whole_query && s->metric != QV_METRIC_COSINE);
        qv__distance_to_rows(d, 0, rows + r * stride, stride, 1, &single);
        assert_memory_equal(&single, &block[r], sizeof single);
    }
    check_picked(d, rows, stride, n, block);
    check_pairs(s, rows, stride, n);
    qv__distance_free(d);
}

/* Random rows at an odd address with gaps between them; the block ends where its last row ends. */
static void sweep_one(setup *s, qvt_rng *rng)
{
    size_t bytes = qv__element_bytes(s->element, s->dim), stride = bytes + qvt_rng_below(rng, 9);
    size_t n = 1 + qvt_rng_below(rng, MAX_ROWS), shift = qvt_rng_below(rng, 4);
    size_t len = shift + (n - 1) * stride + bytes;
    uint8_t *block = malloc(len), *query = malloc(s->dim * 8 + 1);

    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < s->dim; i++)
            store(s->element, block + shift + r * stride, i, random_value(rng, s->element));
    for (size_t i = 0; i < s->dim; i++)
        store(s->q_element, query + 1, i,
              s->whole_query ? random_value(rng, s->element) : random_value(rng, QV_EL_F32));
    run(s, query + 1, block + shift, stride, n);
    free(block);
    free(query);
}

static void sweep(void **state)
{
    static const size_t more_dims[] = { 96, 128, 129, 256, 768, 960, 8191, 8192, 8193, 20000 };
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (size_t l = 0; l < QV_COUNT_OF(level_names); l++) {
        const qv__kernels *kernels = qv__kernels_of(level_names[l]);
        if (!kernels)
            continue;
        for (size_t at = 0; at < 67 + QV_COUNT_OF(more_dims); at++)
            for (size_t m = 0; m < QV_COUNT_OF(float_metrics); m++)
                for (int e = 0; e < QV_EL_BITS; e++) {
                    setup s = {
                        kernels, float_metrics[m], (qv__element) e, QV_EL_F32, at < 67 ? at + 1 : more_dims[at - 67],
                        false
                    };
                    s.q_element = e == QV_EL_F64 ? QV_EL_F64 : QV_EL_F32;
                    sweep_one(&s, &rng);
                    s.whole_query = e == QV_EL_I8 || e == QV_EL_U8;
                    if (s.whole_query)
                        sweep_one(&s, &rng);
                }
    }
}

/* ------------------------------------------------------------------ bits */

static void sweep_bits(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (size_t l = 0; l < QV_COUNT_OF(level_names); l++)
        for (size_t dim = 1; dim < 2100; dim += dim < 40 ? 1 : 1 + qvt_rng_below(&rng, 90)) {
            const qv__kernels *kernels = qv__kernels_of(level_names[l]);
            if (!kernels)
                break;
            size_t bytes = (dim + 7) / 8, n = 1 + qvt_rng_below(&rng, MAX_ROWS),
                   stride = bytes + qvt_rng_below(&rng, 3);
            uint8_t *query = malloc(bytes), *rows = malloc((n - 1) * stride + bytes);
            for (size_t i = 0; i < bytes; i++)
                query[i] = (uint8_t) qvt_rng_next(&rng);
            for (size_t i = 0; i < (n - 1) * stride + bytes; i++)
                rows[i] = (uint8_t) (qvt_rng_below(&rng, 4) ? qvt_rng_next(&rng) : 0);
            for (int metric = QV_METRIC_HAMMING; metric <= QV_METRIC_JACCARD; metric++) {
                qv__distance *d = NULL;
                float out[MAX_ROWS];
                QVT_OK(qv__distance_new_with(kernels, (qv_metric) metric, QV_EL_BITS, dim, query, QV_EL_BITS, 1, &d,
                                             &err));
                qv__distance_to_rows(d, 0, rows, stride, n, out);
                for (size_t r = 0; r < n; r++) {
                    unsigned both = 0, either = 0;
                    for (size_t i = 0; i < dim; i++) {
                        bool a = query[i / 8] >> (i % 8) & 1, b = rows[r * stride + i / 8] >> (i % 8) & 1;
                        both += a && b;
                        either += a || b;
                    }
                    float want = metric == QV_METRIC_HAMMING ? (float) (either - both)
                                 : either                    ? (float) (1.0 - (double) both / either)
                                                             : 0;
                    assert_true(out[r] == want);
                }
                check_picked(d, rows, stride, n, out);
                qv__distance_free(d);
            }
            free(query);
            free(rows);
        }
}

/* ------------------------------------------------------------------ values at the edge */

/* Rows of one float32 value each, repeated over the dimensions, against a query of ones or of `q`. */
static float distance_of(const qv__kernels *kernels, qv_metric metric, qv__element element, size_t dim, double q,
                         double v, oracle *want)
{
    qv_error err;
    qv__distance *d = NULL;
    qv__element q_element = element == QV_EL_F64 ? QV_EL_F64 : QV_EL_F32;
    uint8_t query[100 * 8], row[100 * 8];
    float out;

    for (size_t i = 0; i < dim; i++) {
        store(q_element, query, i, i % 2 ? -q : q);
        store(element, row, i, i % 3 ? v : -v);
    }
    *want = expected(metric, element, query, q_element, row, dim);
    QVT_OK(qv__distance_new_with(kernels, metric, element, dim, query, q_element, 1, &d, &err));
    qv__distance_to_rows(d, 0, row, sizeof row, 1, &out);
    qv__distance_free(d);
    return out;
}

static void extremes(void **state)
{
    static const double values[] = { 0,     1,       -0.0,  1e30,  3e38,     -3e38,     1e19,  1e20, 1e-20,
                                     1e-30, 1.5e-38, 1e-40, 1e-44, INFINITY, -INFINITY, 1e-23, 65504 };
    QV_UNUSED(state);

    for (size_t l = 0; l < QV_COUNT_OF(level_names); l++)
        for (size_t a = 0; a < QV_COUNT_OF(values) * QV_COUNT_OF(values); a++)
            for (size_t m = 0; m < QV_COUNT_OF(float_metrics); m++)
                for (size_t dim = 1; dim < 100; dim += 33) {
                    static const qv__element elements[] = { QV_EL_F32, QV_EL_F64, QV_EL_BF16 };
                    const qv__kernels *kernels = qv__kernels_of(level_names[l]);
                    double q = values[a / QV_COUNT_OF(values)], v = values[a % QV_COUNT_OF(values)];
                    for (size_t e = 0; kernels && e < 3 && isfinite(q); e++) {
                        oracle want;
                        char what[160];
                        float got = distance_of(kernels, float_metrics[m], elements[e], dim, q, v, &want);
                        snprintf(what, sizeof what, "%s metric %d element %d dim %zu q %g v %g", kernels->name,
                                 (int) float_metrics[m], (int) elements[e], dim, q, v);
                        check(what, got, want, elements[e], false);
                    }
                }
}

/* A NaN anywhere in a row makes its distance NaN and leaves its neighbours alone. */
static void not_a_number(void **state)
{
    enum { DIM = 37, N = 9 };
    float query[DIM], rows[N][DIM], out[N];
    qv_error err;
    QV_UNUSED(state);

    for (size_t l = 0; l < QV_COUNT_OF(level_names); l++)
        for (size_t at = 0; at < DIM * N; at++)
            for (size_t m = 0; m < QV_COUNT_OF(float_metrics); m++) {
                const qv__kernels *kernels = qv__kernels_of(level_names[l]);
                qv__distance *d = NULL;
                if (!kernels)
                    break;
                for (size_t i = 0; i < DIM * N; i++)
                    rows[i / DIM][i % DIM] = (float) (i % 7) + 1;
                rows[at / DIM][at % DIM] = NAN;
                for (size_t i = 0; i < DIM; i++)
                    query[i] = (float) i;
                QVT_OK(qv__distance_new_with(kernels, float_metrics[m], QV_EL_F32, DIM, query, QV_EL_F32, 1, &d, &err));
                qv__distance_to_rows(d, 0, rows, sizeof rows[0], N, out);
                for (size_t r = 0; r < N; r++)
                    assert_int_equal(isnan(out[r]) != 0, r == at / DIM);
                qv__distance_free(d);
            }
}

static void halves(void **state)
{
    QV_UNUSED(state);
    for (uint32_t bits = 0; bits < 65536; bits++) {
        int exponent = (int) (bits >> 10 & 31), fraction = (int) (bits & 1023);
        double want = exponent == 31 ? (fraction ? NAN : INFINITY)
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
        float got = qv__float_of_f16((uint16_t) bits);
        if (bits & 0x8000)
            want = -want;
        assert_true(isnan(want) ? isnan(got) : (double) got == want && !signbit(got) == !signbit(want));
    }
}

/* ------------------------------------------------------------------ refusals */

static void refusals(void **state)
{
    float query[2] = { 1, NAN };
    double wide[2] = { 1, 1e39 };
    qv__distance *d = NULL;
    qv_error err;
    QV_UNUSED(state);

    QVT_FAILS(qv__distance_new(QV_METRIC_L2, QV_EL_F32, 2, query, QV_EL_F32, 1, &d, &err), QV_INVALID,
              "query 0 has value nan at position 1");
    query[1] = -INFINITY;
    QVT_FAILS(qv__distance_new(QV_METRIC_L2, QV_EL_F32, 2, query, QV_EL_F32, 1, &d, &err), QV_INVALID, "-inf");
    QVT_FAILS(qv__distance_new(QV_METRIC_L2, QV_EL_F32, 2, wide, QV_EL_F64, 1, &d, &err), QV_INVALID, "1e+39");
    QVT_FAILS(qv__distance_new(QV_METRIC_HAMMING, QV_EL_F32, 2, query, QV_EL_F32, 1, &d, &err), QV_INVALID,
              "does not support float32 vectors");
    QVT_FAILS(qv__distance_new(QV_METRIC_L2, QV_EL_BITS, 2, query, QV_EL_BITS, 1, &d, &err), QV_INVALID,
              "does not support packed bit vectors");
    QVT_FAILS(qv__distance_new(QV_METRIC_HAMMING, QV_EL_BITS, 2, query, QV_EL_F32, 1, &d, &err), QV_INVALID,
              "query of float32");
    QVT_FAILS(qv__distance_new(QV_METRIC_L2, QV_EL_F32, 0, query, QV_EL_F32, 1, &d, &err), QV_INVALID, "dimensions");
    assert_null(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweep),        cmocka_unit_test(sweep_bits), cmocka_unit_test(extremes),
        cmocka_unit_test(not_a_number), cmocka_unit_test(halves),     cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SQ and FLAT against the plainest reference: codes and estimates in double, bounds against true distances, scans against all rows. */
#include <float.h>
#include <math.h>

#include "ann/sq/sq.h"
#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/float16.h"
#include "qvt.h"

static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };

/* ------------------------------------------------------------------ reference */

static float gaussian(qvt_rng *rng)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += qvt_rng_unit(rng);
    return (float) sum;
}

static float *random_rows(qvt_rng *rng, size_t n, size_t dim, bool is_unit)
{
    float *rows = malloc((n * dim + 1) * sizeof *rows);

    for (size_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t j = 0; j < dim; j++) {
            rows[i * dim + j] = gaussian(rng);
            squares += (double) rows[i * dim + j] * rows[i * dim + j];
        }
        for (size_t j = 0; is_unit && j < dim; j++)
            rows[i * dim + j] = (float) (rows[i * dim + j] / sqrt(squares));
    }
    return rows;
}

static double true_distance(qv_metric metric, const float *a, const float *b, size_t dim)
{
    double l2 = 0, product = 0, aa = 0, bb = 0;

    for (size_t j = 0; j < dim; j++) {
        l2 += ((double) a[j] - b[j]) * ((double) a[j] - b[j]);
        product += (double) a[j] * b[j];
        aa += (double) a[j] * a[j];
        bb += (double) b[j] * b[j];
    }
    return metric == QV_METRIC_L2 ? l2 : metric == QV_METRIC_DOT ? 1 - product : 1 - product / sqrt(aa * bb);
}

static uint8_t code_of(double low, double high, float value)
{
    if (high <= low)
        return 0;
    double at = ((double) value - low) * 255 / (high - low);
    return at < 0 ? 0 : at > 255 ? 255 : (uint8_t) floor(at);
}

static double sq_estimate(qv_metric metric, double low, double high, const float *query, const uint8_t *code,
                          size_t dim)
{
    double step = (high - low) / 255, integer = 0, product = 0;

    for (size_t j = 0; j < dim; j++) {
        double d = (double) code[j] - code_of(low, high, query[j]);
        integer += d * d;
        product += (low + step * code[j]) * query[j];
    }
    return metric == QV_METRIC_DOT ? 1 - product : integer * step * step * (metric == QV_METRIC_COSINE ? 0.5 : 1);
}

/* ------------------------------------------------------------------ SQ */

static void codes_and_estimates(void **state)
{
    static const size_t dims[] = { 1, 2, 3, 7, 31, 64, 65, 100, 128, 771 };
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
        for (size_t m = 0; m < QV_COUNT_OF(metrics); m++) {
            size_t dim = dims[d], n = 150;
            float *rows = random_rows(&rng, n, dim, metrics[m] == QV_METRIC_COSINE);
            const float *query = rows + 5 * dim;
            uint8_t *codes = malloc(n * dim), *arranged = malloc(n * dim), *back = malloc(n * dim);
            float estimates[150];
            uint32_t picked[150];
            double low, high;
            qv__quantizer *sq = NULL;
            qv__code_query *prepared = NULL;

            QVT_OK(qv__sq_train(rows, n / 2, dim, 0, metrics[m], &sq, &err));
            qv__sq_bounds(sq, &low, &high);
            QVT_OK(sq->class->encode(sq, rows, n, NULL, NULL, &codes, &err));
            for (size_t i = 0; i < n * dim; i++)
                assert_int_equal(codes[i], code_of(low, high, rows[i]));
            sq->class->arrange(sq, (const uint8_t *const *) &codes, n, &arranged);
            sq->class->disarrange(sq, (const uint8_t *const *) &arranged, n, &back);
            assert_memory_equal(codes, back, n * dim);
            for (size_t i = 0; i < n; i++)
                picked[i] = (uint32_t) (i * 7 % n);
            QVT_OK(sq->class->query_new(sq, query, &prepared, &err));
            sq->class->enter_list(prepared, NULL, 0, NULL);
            sq->class->distances(prepared, (const uint8_t *const *) &codes, picked, n, estimates);
            for (size_t i = 0; i < n; i++) {
                double expected = sq_estimate(metrics[m], low, high, query, codes + picked[i] * dim, dim);
                assert_true(fabs(estimates[i] - expected) <= 1e-5 * (fabs(expected) + (double) dim));
            }
            sq->class->query_free(prepared);
            sq->class->free(sq);
            free(rows);
            free(codes);
            free(arranged);
            free(back);
        }
}

static void bounds_of_a_sample(void **state)
{
    qvt_rng rng = { 7 };
    float values[1000];
    double low, high;
    qv_error err;
    qv__quantizer *sq = NULL;
    QV_UNUSED(state);

    for (size_t i = 0; i < 1000; i++) /* -500 .. 499 in no order */
        values[i] = (float) ((int) (i * 7919 % 1000) - 500) * 1.5f;
    QVT_OK(qv__sq_train(values, 100, 10, 0, QV_METRIC_L2, &sq, &err));
    qv__sq_bounds(sq, &low, &high);
    assert_true(low == -750 && high == 748.5);
    sq->class->free(sq);
    QVT_OK(qv__sq_train(values, 100, 10, 0.01, QV_METRIC_L2, &sq, &err)); /* ten at each end */
    qv__sq_bounds(sq, &low, &high);
    assert_true(low == -735 && high == 733.5);
    sq->class->free(sq);
    for (size_t i = 0; i < 1000; i++)
        values[i] = gaussian(&rng) * powf(10, (float) qvt_rng_below(&rng, 60) - 30);
    QVT_OK(qv__sq_train(values, 1000, 1, 0, QV_METRIC_L2, &sq, &err));
    qv__sq_bounds(sq, &low, &high);
    float least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < 1000; i++) {
        least = fminf(least, values[i]);
        most = fmaxf(most, values[i]);
    }
    assert_true(low == least && high == most);
    sq->class->free(sq);
}

static void expect_best_bounds(const float *values, size_t n, size_t dim, double least, double most)
{
    qv__quantizer *sq;
    double low, high;
    qv_error err;

    QVT_OK(qv__sq_train(values, n, dim, QV_SQ_BEST_SHARE, QV_METRIC_L2, &sq, &err));
    qv__sq_bounds(sq, &low, &high);
    assert_true(high >= least && high <= most && low <= -least && low >= -most);
    sq->class->free(sq);
}

/* A few values far out do not make the steps of all others wide, but many are kept, and so is what is rare among equal values. */
static void best_bounds_of_a_sample(void **state)
{
    enum { N = 30000, DIM = 50, ALL = N * DIM };
    qvt_rng rng = { 8 };
    float *values = malloc(ALL * sizeof *values);
    QV_UNUSED(state);

    for (size_t i = 0; i < ALL; i++)
        values[i] = gaussian(&rng);
    expect_best_bounds(values, N, DIM, 3, 6);
    expect_best_bounds(values, 40, DIM, 2, 6);
    for (size_t i = 0; i < 12; i++)
        values[qvt_rng_below(&rng, ALL)] = i % 2 ? 300 : -300;
    expect_best_bounds(values, N, DIM, 3, 6);
    for (size_t i = 0; i < ALL / 50; i++)
        values[qvt_rng_below(&rng, ALL)] = i % 2 ? 20 : -20;
    expect_best_bounds(values, N, DIM, 20, 20);
    for (size_t i = 0; i < ALL; i++)
        values[i] = i % 10000 == 7 ? 1 : i % 10000 == 9 ? -1 : 0;
    expect_best_bounds(values, N, DIM, 1, 1);
    free(values);
}

static void refused(void **state)
{
    float values[4] = { 1, 2, NAN, 4 };
    qv_error err;
    qv__quantizer *sq = NULL;
    qv__code_query *query = NULL;
    QV_UNUSED(state);

    QVT_FAILS(qv__sq_new(0, 0, 1, QV_METRIC_L2, &sq, &err), QV_INVALID, "0 dimensions");
    QVT_FAILS(qv__sq_new(4, 0, 1, QV_METRIC_HAMMING, &sq, &err), QV_INVALID, "metric 4");
    QVT_FAILS(qv__sq_new(4, 2, 1, QV_METRIC_L2, &sq, &err), QV_INVALID, "between 2 and 1");
    QVT_FAILS(qv__sq_new(4, 0, INFINITY, QV_METRIC_L2, &sq, &err), QV_INVALID, "inf");
    QVT_FAILS(qv__sq_train(values, 0, 4, 0, QV_METRIC_L2, &sq, &err), QV_INVALID, "0 vectors");
    QVT_FAILS(qv__sq_train(values, 1, 4, 0.5, QV_METRIC_L2, &sq, &err), QV_INVALID, "outliers");
    QVT_FAILS(qv__sq_train(values, 1, 4, 0, QV_METRIC_L2, &sq, &err), QV_INVALID, "position 2");
    QVT_FAILS(qv__flat_new(4, QV_EL_F32, QV_METRIC_HAMMING, &sq, &err), QV_INVALID, "metric 4");
    QVT_FAILS(qv__flat_new(4, QV_EL_F32, QV_METRIC_AUTO, &sq, &err), QV_INVALID, "metric 0");
    QVT_FAILS(qv__flat_new(0, QV_EL_F32, QV_METRIC_L2, &sq, &err), QV_INVALID, "0 dimensions");
    QVT_OK(qv__sq_new(4, 0, 1, QV_METRIC_L2, &sq, &err));
    QVT_FAILS(sq->class->query_new(sq, values, &query, &err), QV_INVALID, "position 2");
    sq->class->free(sq);
}

/* All values equal: there is one code, and every distance is 0. */
static void one_value(void **state)
{
    float values[6] = { 3, 3, 3, 3, 3, 3 }, out[2];
    uint8_t codes[6], *columns[1] = { codes };
    uint32_t rows[2] = { 1, 0 };
    qv_error err;
    qv__quantizer *sq = NULL;
    qv__code_query *query = NULL;
    QV_UNUSED(state);

    QVT_OK(qv__sq_train(values, 2, 3, 0, QV_METRIC_L2, &sq, &err));
    QVT_OK(sq->class->encode(sq, values, 2, NULL, NULL, columns, &err));
    QVT_OK(sq->class->query_new(sq, values, &query, &err));
    sq->class->distances(query, (const uint8_t *const *) columns, rows, 2, out);
    assert_true(out[0] == 0 && out[1] == 0);
    sq->class->query_free(query);
    sq->class->free(sq);
}

/* ------------------------------------------------------------------ scans */

typedef struct truth {
    const float *rows, *queries;
    size_t dim;
    qv_metric metric;
    uint64_t first; /* the key of row 0 */
} truth;

static void measure(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    const truth *t = ctx;
    for (size_t i = 0; i < n; i++)
        out[i] = (float) true_distance(t->metric, t->rows + (keys[i] - t->first) * t->dim, t->queries + query * t->dim,
                                       t->dim);
}

static int by_rank(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The k best of all rows that may match. */
static size_t all_ranked(truth *t, size_t query, size_t n, const uint64_t *keys, const qv__key_mask *mask, qv__hit *out)
{
    size_t n_out = 0;

    for (size_t i = 0; i < n; i++) {
        float distance;
        if (mask && !qv__key_mask_find(mask, keys[i]))
            continue;
        measure(t, query, &keys[i], 1, &distance);
        out[n_out++] = (qv__hit){ distance, keys[i] };
    }
    qsort(out, n_out, sizeof *out, by_rank);
    return n_out;
}

static void scan_lists(qv__code_query *query, size_t n, const uint64_t *ids, const uint8_t *codes, size_t width,
                       qv__candidates *candidates)
{
    static const size_t lengths[] = { 1, 0, 63, 64, 65, 7, 200, SIZE_MAX };
    const qv__quantizer_class *class = query->quantizer->class;
    size_t at = 0;

    for (size_t l = 0; at < n; l++) {
        size_t length = QV_MIN(lengths[l % QV_COUNT_OF(lengths)], n - at);
        qv__code_list list = { .n = length, .ids = ids + at, .columns = { codes + at * width } };
        class->enter_list(query, NULL, 0, NULL);
        class->scan(query, &list, candidates);
        at += length;
    }
}

static void check_scan(qv__quantizer *quantizer, truth *t, size_t n, const uint64_t *ids, const uint8_t *codes,
                       const qv__key_mask *mask, size_t n_queries)
{
    enum { K = 10 };
    qv__exact exact = { measure, t, NULL };
    qv__hit *ranked = malloc(n * sizeof *ranked);
    qv_error err;

    for (size_t q = 0; q < n_queries; q++) {
        const qv__hit *hits;
        qv__candidates candidates;
        qv__code_query *query = NULL;
        QVT_OK(quantizer->class->query_new(quantizer, t->queries + q * t->dim, &query, &err));
        QVT_OK(qv__candidates_init(&candidates, K, &exact, q, mask, &err));
        scan_lists(query, n, ids, codes, quantizer->columns[0].width, &candidates);
        size_t n_ranked = all_ranked(t, q, n, ids, mask, ranked);
        size_t n_hits = qv__candidates_finish(&candidates, &hits);
        assert_int_equal(n_hits, QV_MIN(n_ranked, K));
        for (size_t i = 0; i < n_hits; i++) {
            assert_int_equal(hits[i].id, ranked[i].id);
            assert_true(hits[i].distance == ranked[i].distance);
        }
        assert_true(n < 1000 || candidates.measured < n / 2); /* bounds are of use */
        qv__candidates_clear(&candidates);
        quantizer->class->query_free(query);
    }
    free(ranked);
}

/* Bounds hold: the true k best are found, exactly, without measuring everything. */
static void scans_are_exact(void **state)
{
    enum { N = 3000, DIM = 24, QUERIES = 8 };
    qvt_rng rng = { 42 };
    qv_error err;
    uint64_t ids[N];
    uint8_t bits[(N + 7) / 8];
    QV_UNUSED(state);

    for (size_t i = 0; i < N; i++)
        ids[i] = 5000 + i;
    for (size_t i = 0; i < sizeof bits; i++)
        bits[i] = (uint8_t) qvt_rng_next(&rng);
    qv__key_span span = { 5000, N, bits };
    qv__key_mask mask = { 1, &span };
    for (size_t m = 0; m < QV_COUNT_OF(metrics); m++)
        for (int flat = 0; flat < 2; flat++) {
            bool is_unit = metrics[m] == QV_METRIC_COSINE;
            float *rows = random_rows(&rng, N, DIM, is_unit), *queries = random_rows(&rng, QUERIES, DIM, is_unit);
            qv__quantizer *quantizer = NULL;
            truth t = { rows, queries, DIM, metrics[m], 5000 };
            if (flat)
                QVT_OK(qv__flat_new(DIM, QV_EL_F32, metrics[m], &quantizer, &err));
            else
                QVT_OK(qv__sq_train(rows, N, DIM, 0, metrics[m], &quantizer, &err));
            uint8_t *codes = malloc(N * quantizer->columns[0].width + 1);
            uint8_t *columns[1] = { codes + 1 }; /* at an odd address */
            QVT_OK(quantizer->class->encode(quantizer, rows, N, NULL, NULL, columns, &err));
            check_scan(quantizer, &t, N, ids, codes + 1, NULL, QUERIES);
            check_scan(quantizer, &t, N, ids, codes + 1, &mask, QUERIES);
            check_scan(quantizer, &t, 0, ids, codes + 1, NULL, 1);
            check_scan(quantizer, &t, 1, ids, codes + 1, NULL, 1);
            quantizer->class->free(quantizer);
            free(codes);
            free(rows);
            free(queries);
        }
}

/* A query far outside of the trained range: its code says little, and the bound knows it. */
static void query_outside(void **state)
{
    enum { N = 500, DIM = 8 };
    qvt_rng rng = { 9 };
    float *rows = random_rows(&rng, N, DIM, false), query[DIM] = { 50, -90, 3, 0, 12, -7, 1, 1 };
    uint8_t *codes = malloc(N * DIM);
    uint64_t ids[N];
    qv__quantizer *sq = NULL;
    qv_error err;
    QV_UNUSED(state);

    for (size_t i = 0; i < N; i++)
        ids[i] = i;
    for (size_t m = 0; m < QV_COUNT_OF(metrics); m++) {
        truth t = { rows, query, DIM, metrics[m], 0 };
        if (metrics[m] == QV_METRIC_COSINE)
            continue;
        QVT_OK(qv__sq_train(rows, N, DIM, 0, metrics[m], &sq, &err));
        QVT_OK(sq->class->encode(sq, rows, N, NULL, NULL, &codes, &err));
        check_scan(sq, &t, N, ids, codes, NULL, 1);
        sq->class->free(sq);
    }
    free(rows);
    free(codes);
}

/* Without true distances the best estimates are kept. */
static void scans_by_estimate(void **state)
{
    enum { N = 777, DIM = 17, K = 20 };
    qvt_rng rng = { 11 };
    qv_error err;
    uint64_t ids[N];
    uint32_t picked[N];
    float estimates[N];
    QV_UNUSED(state);

    for (size_t i = 0; i < N; i++) {
        ids[i] = N - i;
        picked[i] = (uint32_t) i;
    }
    for (size_t m = 0; m < QV_COUNT_OF(metrics); m++) {
        float *rows = random_rows(&rng, N, DIM, true);
        uint8_t *codes = malloc(N * DIM);
        const qv__hit *hits;
        qv__hit ranked[N];
        qv__quantizer *sq = NULL;
        qv__code_query *query = NULL;
        qv__candidates candidates;
        QVT_OK(qv__sq_train(rows, N, DIM, 0, metrics[m], &sq, &err));
        QVT_OK(sq->class->encode(sq, rows, N, NULL, NULL, &codes, &err));
        QVT_OK(sq->class->query_new(sq, rows, &query, &err));
        QVT_OK(qv__candidates_init(&candidates, K, NULL, 0, NULL, &err));
        scan_lists(query, N, ids, codes, DIM, &candidates);
        sq->class->distances(query, (const uint8_t *const *) &codes, picked, N, estimates);
        for (size_t i = 0; i < N; i++)
            ranked[i] = (qv__hit){ estimates[i], ids[i] };
        qsort(ranked, N, sizeof *ranked, by_rank);
        assert_int_equal(qv__candidates_finish(&candidates, &hits), K);
        for (size_t i = 0; i < K; i++)
            assert_true(hits[i].id == ranked[i].id && hits[i].distance == ranked[i].distance);
        qv__candidates_clear(&candidates);
        sq->class->query_free(query);
        sq->class->free(sq);
        free(codes);
        free(rows);
    }
}

/* ------------------------------------------------------------------ FLAT */

static double stored_value(qv__element element, const uint8_t *at, size_t i)
{
    uint16_t half;
    float single;
    double wide;
    uint32_t bits;

    switch (element) {
    case QV_EL_F16:
        memcpy(&half, at + 2 * i, 2);
        return qv__f16_to_f64(half);
    case QV_EL_BF16:
        memcpy(&half, at + 2 * i, 2);
        bits = (uint32_t) half << 16;
        memcpy(&single, &bits, 4);
        return single;
    case QV_EL_F64:
        memcpy(&wide, at + 8 * i, 8);
        return wide;
    case QV_EL_I8:
        return (int8_t) at[i];
    case QV_EL_U8:
        return at[i];
    default:
        memcpy(&single, at + 4 * i, 4);
        return single;
    }
}

/* encode() rounds to the nearest value of the type, and distances are those of what is stored. */
static void flat_elements(void **state)
{
    static const qv__element elements[] = { QV_EL_F32, QV_EL_F16, QV_EL_F64, QV_EL_BF16, QV_EL_I8, QV_EL_U8 };
    static const double rounding[QV_EL_COUNT] = { 0, 0x1p-11, 0, 0x1p-8, 0, 0, 0 };
    enum { N = 90, DIM = 37 };
    qvt_rng rng = { 13 };
    qv_error err;
    QV_UNUSED(state);

    for (size_t e = 0; e < QV_COUNT_OF(elements); e++)
        for (size_t m = 0; m < QV_COUNT_OF(metrics); m++) {
            bool is_integer = elements[e] == QV_EL_I8 || elements[e] == QV_EL_U8;
            float *rows = random_rows(&rng, N, DIM, false), *decoded = malloc(N * DIM * sizeof *decoded), out[N];
            uint8_t *codes = malloc(N * DIM * 8);
            uint32_t picked[N];
            qv__quantizer *flat = NULL;
            qv__code_query *query = NULL;
            QVT_OK(qv__flat_new(DIM, elements[e], metrics[m], &flat, &err));
            if (is_integer) {
                QVT_FAILS(flat->class->encode(flat, rows, N, NULL, NULL, &codes, &err), QV_INVALID, "element type");
                for (size_t i = 0; i < N * DIM; i++)
                    codes[i] = (uint8_t) qvt_rng_next(&rng);
            } else {
                QVT_OK(flat->class->encode(flat, rows, N, NULL, NULL, &codes, &err));
            }
            for (size_t i = 0; i < N * DIM; i++) {
                decoded[i] = (float) stored_value(elements[e], codes, i);
                if (!is_integer)
                    assert_true(fabs((double) decoded[i] - rows[i]) <= rounding[elements[e]] * fabs(rows[i]) + 1e-7);
            }
            for (size_t i = 0; i < N; i++)
                picked[i] = (uint32_t) (N - 1 - i);
            QVT_OK(flat->class->query_new(flat, rows + DIM, &query, &err));
            flat->class->distances(query, (const uint8_t *const *) &codes, picked, N, out);
            for (size_t i = 0; i < N; i++) {
                double expected = true_distance(metrics[m], decoded + picked[i] * DIM, rows + DIM, DIM);
                assert_true(fabs(out[i] - expected) <= 2e-5 * (1 + fabs(expected)) * (is_integer ? 100 : 1));
            }
            flat->class->query_free(query);
            flat->class->free(flat);
            free(rows);
            free(decoded);
            free(codes);
        }
}

static void flat_bits(void **state)
{
    enum { N = 130, BYTES = 9 };
    qvt_rng rng = { 17 };
    uint8_t *rows = malloc(N * BYTES), question[BYTES];
    uint64_t ids[N];
    const qv__hit *hits;
    qv__hit ranked[N];
    qv_error err;
    qv__quantizer *flat = NULL;
    qv__code_query *query = NULL;
    qv__candidates candidates;
    QV_UNUSED(state);

    for (size_t i = 0; i < N * BYTES; i++)
        rows[i] = (uint8_t) qvt_rng_next(&rng);
    for (size_t i = 0; i < BYTES; i++)
        question[i] = (uint8_t) qvt_rng_next(&rng);
    for (size_t i = 0; i < N; i++) {
        int differing = 0;
        for (size_t j = 0; j < BYTES; j++)
            differing += __builtin_popcount((unsigned) (rows[i * BYTES + j] ^ question[j]));
        ids[i] = i;
        ranked[i] = (qv__hit){ (float) differing, i };
    }
    qsort(ranked, N, sizeof *ranked, by_rank);
    QVT_OK(qv__flat_new(BYTES * 8, QV_EL_BITS, QV_METRIC_HAMMING, &flat, &err));
    assert_int_equal(flat->columns[0].width, BYTES);
    QVT_OK(flat->class->query_new(flat, (const float *) (const void *) question, &query, &err));
    QVT_OK(qv__candidates_init(&candidates, 12, NULL, 0, NULL, &err));
    scan_lists(query, N, ids, rows, BYTES, &candidates);
    assert_int_equal(qv__candidates_finish(&candidates, &hits), 12);
    for (size_t i = 0; i < 12; i++)
        assert_true(hits[i].id == ranked[i].id && hits[i].distance == ranked[i].distance);
    qv__candidates_clear(&candidates);
    flat->class->query_free(query);
    flat->class->free(flat);
    free(rows);
}

/* ------------------------------------------------------------------ failures */

static qv_status make_and_ask(const float *rows, qv_metric metric, bool is_flat, qv_error *err)
{
    qv__quantizer *quantizer = NULL;
    qv__code_query *query = NULL;
    qv_status st = is_flat ? qv__flat_new(4, QV_EL_F32, metric, &quantizer, err)
                           : qv__sq_train(rows, 3, 4, 0, metric, &quantizer, err);

    if (st != QV_OK)
        return st;
    st = quantizer->class->query_new(quantizer, rows, &query, err);
    quantizer->class->query_free(query);
    quantizer->class->free(quantizer);
    return st;
}

static void failed_allocations(void **state)
{
    static const float rows[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    size_t live = qv_memory().live_blocks;
    qv_error err;
    QV_UNUSED(state);

    for (size_t m = 0; m < QV_COUNT_OF(metrics); m++)
        for (int is_flat = 0; is_flat < 2; is_flat++)
            for (uint64_t n = 0;; n++) {
                qv__alloc_fail_at(n);
                qv_status st = make_and_ask(rows, metrics[m], is_flat, &err);
                bool fired = qv__alloc_fault_fired();
                qv__alloc_fail_at(UINT64_MAX);
                assert_int_equal(qv_memory().live_blocks, live);
                assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
                if (!fired)
                    break;
                assert_true(n < 100);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_and_estimates),
        cmocka_unit_test(bounds_of_a_sample),
        cmocka_unit_test(best_bounds_of_a_sample),
        cmocka_unit_test(refused),
        cmocka_unit_test(one_value),
        cmocka_unit_test(scans_are_exact),
        cmocka_unit_test(query_outside),
        cmocka_unit_test(scans_by_estimate),
        cmocka_unit_test(flat_elements),
        cmocka_unit_test(flat_bits),
        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

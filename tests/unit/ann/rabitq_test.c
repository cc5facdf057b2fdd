/* RaBitQ against plain readings of the format in double precision: rotation, codes, factors, estimates, bounds, layouts; and every
 * instruction set against the scalar one, to the bit. */
#include <math.h>

#include "ann/rabitq/rabitq_private.h"
#include "base/alloc.h"
#include "qvt.h"

enum { MOST_DIM = 960, MOST_ROWS = 700 };
static const size_t dims[] = { 8, 32, 40, 96, 104, 128, 960 };
static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };
static const char *const levels[] = { "scalar", "avx2", "avx512", "neon" };

/* ------------------------------------------------------------------ rows, and what is made of them */

typedef struct data {
    qv__quantizer *quantizer;
    const qv__rabitq *rabitq;
    size_t dim, n;
    float *rows, *query, *centroid;
    uint32_t *lists;
    uint64_t *ids;
    uint8_t *plain[QV_MAX_CODE_COLUMNS], *arranged[QV_MAX_CODE_COLUMNS];
} data;

static double normal(qvt_rng *rng)
{
    return sqrt(-2 * log(1 - qvt_rng_unit(rng))) * cos(6.283185307179586 * qvt_rng_unit(rng));
}

static void make_vector(qvt_rng *rng, size_t dim, double centre, double spread, bool is_unit, float *out)
{
    double norm = 0;
    for (size_t i = 0; i < dim; i++) {
        out[i] = (float) (centre * (1 + (double) (i % 5)) + spread * normal(rng));
        norm += (double) out[i] * out[i];
    }
    for (size_t i = 0; i < dim && is_unit; i++)
        out[i] = (float) (out[i] / sqrt(norm));
}

static void make_columns(data *x)
{
    for (size_t c = 0; c < x->quantizer->n_columns; c++) {
        /* at odd addresses, and exactly as long as they are */
        x->plain[c] = (uint8_t *) malloc(x->n * x->quantizer->columns[c].width + 1) + 1;
        x->arranged[c] = (uint8_t *) malloc(x->n * x->quantizer->columns[c].width + 1) + 1;
    }
}

static void use_level(const data *x, const char *level)
{
    ((qv__rabitq *) x->quantizer)->kernels = qv__rabitq_kernels(level);
}

/* Levels up to the one in use are there. */
static bool has_level(const char *level)
{
    const char *best = qv__simd_level();
    return strcmp(level, "scalar") == 0 || strcmp(level, best) == 0 ||
           (strcmp(level, "avx2") == 0 && strcmp(best, "avx512") == 0);
}

static void make_rows(data *x, qvt_rng *rng, qv_metric metric)
{
    bool is_unit = metric == QV_METRIC_COSINE;
    x->rows = malloc((x->n * x->dim + 1) * sizeof(float));
    x->query = malloc(x->dim * sizeof(float));
    x->centroid = malloc(x->dim * sizeof(float));
    x->lists = calloc(x->n + 1, sizeof(uint32_t));
    x->ids = malloc((x->n + 1) * sizeof(uint64_t));
    make_vector(rng, x->dim, 0.3, 1, is_unit, x->query);
    make_vector(rng, x->dim, 0.3, 0.3, is_unit, x->centroid);
    for (size_t r = 0; r < x->n; r++) {
        make_vector(rng, x->dim, 0.3, 1, is_unit, x->rows + r * x->dim);
        x->ids[r] = r * 3 + 5;
    }
    if (x->n > 3) /* a row that is the centroid has no residual; twins */
        memcpy(x->rows, x->centroid, x->dim * sizeof(float));
    if (x->n > 3)
        memcpy(x->rows + x->dim, x->rows + 2 * x->dim, x->dim * sizeof(float));
}

static void make_data(data *x, qvt_rng *rng, size_t dim, size_t n, unsigned bits, qv_metric metric)
{
    qv_error err;
    *x = (data){ .dim = dim, .n = n };
    QVT_OK(qv__rabitq_make(dim, bits, metric, qvt_rng_next(rng), &x->quantizer, &err));
    x->rabitq = qv__rabitq_of(x->quantizer);
    make_rows(x, rng, metric);
    make_columns(x);
    const qv__quantizer_class *class = x->quantizer->class;
    QVT_OK(class->encode(x->quantizer, x->rows, n, x->centroid, x->lists, x->plain, &err));
    class->arrange(x->quantizer, (const uint8_t *const *) x->plain, n, x->arranged);
}

static void free_data(data *x)
{
    for (size_t c = 0; c < x->quantizer->n_columns; c++) {
        free(x->plain[c] - 1);
        free(x->arranged[c] - 1);
    }
    x->quantizer->class->free(x->quantizer);
    free(x->rows);
    free(x->query);
    free(x->centroid);
    free(x->lists);
    free(x->ids);
}

static qv__code_list list_of(const data *x)
{
    qv__code_list list = { .n = x->n, .ids = x->ids };
    for (size_t c = 0; c < x->quantizer->n_columns; c++)
        list.columns[c] = x->arranged[c];
    return list;
}

static double true_distance(const data *x, size_t row)
{
    const float *v = x->rows + row * x->dim;
    double far = 0, dot = 0;
    for (size_t i = 0; i < x->dim; i++) {
        far += ((double) v[i] - x->query[i]) * ((double) v[i] - x->query[i]);
        dot += (double) v[i] * x->query[i];
    }
    return x->quantizer->metric == QV_METRIC_L2 ? far : x->quantizer->metric == QV_METRIC_DOT ? 1 - dot : far / 2;
}

static float factor(const data *x, int column, size_t row)
{
    float value;
    memcpy(&value, x->plain[column] + row * sizeof value, sizeof value);
    return value;
}

/* ------------------------------------------------------------------ plain readings of the format */

static void reference_rotate(const qv__rabitq_shape *shape, const float *in, double *x)
{
    size_t n = shape->dim, power = 1, per_round = n / 8;
    for (size_t i = 0; i < n; i++)
        x[i] = in[i];
    while (2 * power <= n)
        power *= 2;
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < n; i++)
            if (shape->signs[round * per_round + i / 8] >> i % 8 & 1)
                x[i] = -x[i];
        double *part = round % 2 ? x + n - power : x, out[1024];
        for (size_t i = 0; i < power; i++) { /* the definition: signs by the parity of common bits */
            out[i] = 0;
            for (size_t j = 0; j < power; j++)
                out[i] += __builtin_parityll(i & j) ? -part[j] : part[j];
            out[i] /= sqrt((double) power);
        }
        memcpy(part, out, power * sizeof *out);
        for (size_t i = 0; power != n && i < n / 2; i++) {
            double a = x[i], b = x[i + n / 2];
            x[i] = a + b;
            x[i + n / 2] = a - b;
        }
    }
    for (size_t i = 0; power != n && i < n; i++)
        x[i] /= 4;
}

static unsigned reference_extra(const uint8_t *row, unsigned e, size_t dimension)
{
    const uint8_t *block = row + dimension / 64 * 8 * e;
    size_t x = dimension % 64, k = x / 16, b = x % 16, bit = 8 * (b % 8) + 2 * k + b / 8;
    unsigned value = 0;

    if (e == 1)
        value = block[x / 8] >> x % 8 & 1;
    if (e == 2 || e == 3)
        value = block[b] >> 2 * k & 3;
    if (e == 4)
        value = block[8 * k + b % 8] >> (b < 8 ? 0 : 4) & 15;
    if (e == 5)
        value = block[16 * (k / 2) + b] >> (k % 2 ? 4 : 0) & 15;
    if ((e == 6 || e == 7) && k < 3)
        value = block[16 * k + b] & 63;
    if ((e == 6 || e == 7) && k == 3)
        value = block[b] >> 6 | block[16 + b] >> 6 << 2 | block[32 + b] >> 6 << 4;
    if (e == 8)
        value = block[x];
    if (e == 3 || e == 5 || e == 7)
        value |= (unsigned) (block[8 * (e - 1) + bit / 8] >> bit % 8 & 1) << (e - 1);
    return value;
}

/* The code of a row as the format reads it: g, or h with e = 0. */
static void reference_code(const data *x, size_t row, unsigned e, double *g)
{
    for (size_t i = 0; i < x->dim; i++) {
        unsigned sign = x->plain[x->rabitq->at.signs][row * (x->dim / 8) + i / 8] >> i % 8 & 1;
        unsigned extra =
            e == 0 ? 0 : reference_extra(x->plain[x->rabitq->at.extra] + row * x->rabitq->extra_width, e, i);
        g[i] = (double) ((sign << e) + extra) - ((double) (1 << e) - 0.5);
    }
}

static double product(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The estimate of the format's text, with the code g and its factors. */
static double reference_estimate(const data *x, const double *g, const double *t, double add, double scale)
{
    double dot = 0, far = 0, norm = 0;
    for (size_t i = 0; i < x->dim; i++) {
        double q = x->query[i], c = x->centroid[i];
        dot += q * c;
        far += (q - c) * (q - c);
        norm += c * c;
    }
    double sum = product(g, t, x->dim);
    if (x->quantizer->metric == QV_METRIC_DOT)
        return sum * scale + dot / norm * (add - 1) + 1 - dot;
    double estimate = sum * scale + add + far;
    return x->quantizer->metric == QV_METRIC_COSINE ? estimate / 2 : estimate;
}

static void close_to(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance)) {
        print_error("%.9g is not %.9g to within %g\n", a, b, tolerance);
        fail();
    }
}

/* ------------------------------------------------------------------ rotation */

static void rotation_by_definition(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    static float in[16 * MOST_DIM], out[16 * MOST_DIM], single[MOST_DIM];
    static double expected[MOST_DIM];
    qv_error err;
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++) {
        data x = { .dim = dims[d] };
        QVT_OK(qv__rabitq_make(dims[d], 1, QV_METRIC_L2, qvt_rng_next(&rng), &x.quantizer, &err));
        const qv__rabitq *rabitq = qv__rabitq_of(x.quantizer);
        for (size_t i = 0; i < 16 * dims[d]; i++)
            in[i] = (float) normal(&rng);
        for (size_t level = 0; level < QV_COUNT_OF(levels); level++) {
            if (!has_level(levels[level]))
                continue;
            use_level(&x, levels[level]);
            qv__rabitq_rotate(rabitq, in, 16, out);
            for (size_t l = 0; l < 16; l += 5) {
                float vector[MOST_DIM];
                for (size_t i = 0; i < dims[d]; i++)
                    vector[i] = in[i * 16 + l];
                reference_rotate(&rabitq->shape, vector, expected);
                qv__rabitq_rotate(rabitq, vector, 1, single);
                for (size_t i = 0; i < dims[d]; i++) {
                    close_to(out[i * 16 + l], expected[i], 2e-5);
                    assert_true(single[i] == out[i * 16 + l]);
                }
            }
        }
        x.quantizer->class->free(x.quantizer);
    }
}

/* ------------------------------------------------------------------ codes and factors */

static void check_row(const data *x, const double *z, size_t row)
{
    static double r[MOST_DIM], g[MOST_DIM], h[MOST_DIM];
    static float residual[MOST_DIM];
    unsigned e = x->rabitq->extra_bits;
    bool is_dot = x->quantizer->metric == QV_METRIC_DOT;
    double dim = (double) x->dim, times = is_dot ? 1 : 2;

    for (size_t i = 0; i < x->dim; i++)
        residual[i] = x->rows[row * x->dim + i] - x->centroid[i];
    reference_rotate(&x->rabitq->shape, residual, r);
    reference_code(x, row, 0, h);
    reference_code(x, row, e, g);
    double n = product(r, r, x->dim), hr = product(h, r, x->dim), gr = product(g, r, x->dim);
    double norm = sqrt(n), far = fabs(product(r, z, x->dim)) + n + norm * sqrt(product(z, z, x->dim));
    for (size_t i = 0; i < x->dim; i++)
        assert_true(fabs(r[i]) < 1e-4 || (r[i] > 0) == (h[i] > 0));
    double constant = is_dot ? 1 - product(r, z, x->dim) : n;
    close_to(factor(x, x->rabitq->at.add, row), constant + (hr ? times * n * product(h, z, x->dim) / hr : 0),
             1e-5 * (1 + far));
    close_to(factor(x, x->rabitq->at.scale, row), hr ? -times * n / hr : 0, 1e-5 * (1 + norm));
    double error = hr ? times * 1.9 * norm * sqrt(fmax(n * dim / 4 / (hr * hr) - 1, 0) / (dim - 1)) : 0;
    close_to(factor(x, x->rabitq->at.error, row), error, 1e-4 * (1 + norm));
    if (e == 0)
        return;
    close_to(factor(x, x->rabitq->at.add_extra, row), constant + (gr ? times * n * product(g, z, x->dim) / gr : 0),
             1e-5 * (1 + far));
    close_to(factor(x, x->rabitq->at.scale_extra, row), gr ? -times * n / gr : 0, 1e-5 * (1 + norm));
    /* codes point where the row does: better with every bit */
    double gg = product(g, g, x->dim);
    if (n > 0 && x->dim >= 32)
        assert_true(gr / sqrt(n * gg) > 1 - 1.5 * pow(0.25, e));
}

static void codes_and_factors(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    static double z[MOST_DIM];
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
        for (unsigned bits = 1; bits <= 9; bits++) {
            data x;
            make_data(&x, &rng, dims[d], dims[d] > 200 ? 5 : 33, bits, metrics[(d + bits) % 3]);
            reference_rotate(&x.rabitq->shape, x.centroid, z);
            for (size_t row = 0; row < x.n; row++)
                check_row(&x, z, row);
            free_data(&x);
        }
}

/* Rows of several lists in one call have the codes that each has alone. */
static void lists_are_told_apart(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (int many = 0; many < 2; many++) {
        size_t n_lists = many ? 100 : 7;
        data x;
        make_data(&x, &rng, 40, 50, 3, QV_METRIC_DOT);
        float *centroids = malloc(n_lists * 40 * sizeof *centroids);
        for (size_t i = 0; i < n_lists; i++)
            make_vector(&rng, 40, 0.1 * (double) i, 1, false, centroids + i * 40);
        for (size_t r = 0; r < x.n; r++)
            x.lists[r] = (uint32_t) qvt_rng_below(&rng, n_lists);
        x.lists[3] = (uint32_t) n_lists - 1;
        QVT_OK(x.quantizer->class->encode(x.quantizer, x.rows, x.n, centroids, x.lists, x.plain, &err));
        for (size_t r = 0; r < x.n; r++) {
            uint8_t bytes[QV_MAX_CODE_COLUMNS][64], *alone[QV_MAX_CODE_COLUMNS];
            uint32_t zero = 0;
            for (size_t c = 0; c < QV_MAX_CODE_COLUMNS; c++)
                alone[c] = bytes[c];
            QVT_OK(x.quantizer->class->encode(x.quantizer, x.rows + r * 40, 1, centroids + x.lists[r] * 40, &zero,
                                              alone, &err));
            for (size_t c = 0; c < x.quantizer->n_columns; c++) {
                size_t width = x.quantizer->columns[c].width;
                assert_memory_equal(alone[c], x.plain[c] + r * width, width);
            }
        }
        free(centroids);
        free_data(&x);
    }
}

/* ------------------------------------------------------------------ layouts */

static void arranged_as_stored(void **state)
{
    static const uint8_t perm[16] = { 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15 };
    static const size_t counts[] = { 0, 1, 5, 31, 32, 33, 64, 77 };
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (size_t i = 0; i < QV_COUNT_OF(counts); i++) {
        data x;
        make_data(&x, &rng, 40, counts[i], 3, QV_METRIC_L2);
        size_t w = 5, full = x.n / 32 * 32, rest = x.n - full;
        const uint8_t *codes = x.plain[0], *packed = x.arranged[0];
        for (size_t g = 0; g < full; g += 32)
            for (size_t b = 0; b < w; b++)
                for (size_t j = 0; j < 16; j++) {
                    const uint8_t *block = packed + g * w + b * 32;
                    uint8_t first = codes[(g + perm[j]) * w + b], second = codes[(g + perm[j] + 16) * w + b];
                    assert_int_equal(block[j], (first & 15) | (second & 15) << 4);
                    assert_int_equal(block[j + 16], first >> 4 | (second & 0xf0));
                }
        for (size_t r = 0; r < rest; r++)
            for (size_t b = 0; b < w; b++)
                assert_int_equal(packed[full * w + b * rest + r], codes[(full + r) * w + b]);

        uint8_t *back[QV_MAX_CODE_COLUMNS];
        for (size_t c = 0; c < x.quantizer->n_columns; c++)
            back[c] = malloc(x.n * x.quantizer->columns[c].width + 1);
        x.quantizer->class->disarrange(x.quantizer, (const uint8_t *const *) x.arranged, x.n, back);
        for (size_t c = 0; c < x.quantizer->n_columns; c++) {
            assert_memory_equal(back[c], x.plain[c], x.n * x.quantizer->columns[c].width);
            free(back[c]);
        }
        free_data(&x);
    }
}

static void extra_codes_as_stored(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (unsigned e = 1; e <= 8; e++)
        for (size_t dim = 8; dim <= 136; dim += 8) {
            uint8_t values[136], back[136], blocks[3 * 64], stream[136] = { 0 };
            for (size_t i = 0; i < dim; i++)
                values[i] = (uint8_t) (qvt_rng_next(&rng) & ((1u << e) - 1));
            qv__rabitq_block(values, dim, e, blocks);
            for (size_t i = 0; i < dim; i++)
                assert_int_equal(reference_extra(blocks, e, i), values[i]);
            for (size_t i = dim; i < (dim + 63) / 64 * 64; i++)
                assert_int_equal(reference_extra(blocks, e, i), 0);
            qv__rabitq_unblock(blocks, dim, e, back);
            assert_memory_equal(back, values, dim);
            for (size_t bit = 0; bit < dim * e; bit++)
                stream[bit / 8] |= (uint8_t) ((values[bit / e] >> bit % e & 1) << bit % 8);
            uint8_t *exact = malloc(dim * e / 8);
            memcpy(exact, stream, dim * e / 8);
            qv__rabitq_unstream(exact, dim, e, back);
            assert_memory_equal(back, values, dim);
            free(exact);
        }
}

/* ------------------------------------------------------------------ estimates */

static void check_estimates(const data *x, bool is_fast)
{
    static double t[MOST_DIM], g[MOST_DIM];
    static float estimates[MOST_ROWS];
    uint32_t rows[MOST_ROWS];
    qv_error err;
    qv__code_query *query;
    const qv__quantizer_class *class = x->quantizer->class;
    bool is_extended = x->rabitq->extra_bits > 0 && !is_fast;

    reference_rotate(&x->rabitq->shape, x->query, t);
    QVT_OK(class->query_new(x->quantizer, x->query, &query, &err));
    qv__rabitq_set_fast(query, is_fast);
    class->enter_list(query, x->centroid, 0, NULL);
    for (size_t r = 0; r < x->n; r++)
        rows[r] = (uint32_t) (x->n - 1 - r);
    class->distances(query, (const uint8_t *const *) x->plain, rows, x->n, estimates);
    for (size_t r = 0; r < x->n; r++) {
        const qv__rabitq_columns *at = &x->rabitq->at;
        reference_code(x, rows[r], is_extended ? x->rabitq->extra_bits : 0, g);
        double add = factor(x, is_extended ? at->add_extra : at->add, rows[r]);
        double scale = factor(x, is_extended ? at->scale_extra : at->scale, rows[r]);
        double size =
            fabs(add) + fabs(true_distance(x, 0)) + fabs(scale) * sqrt(product(g, g, x->dim) * product(t, t, x->dim));
        close_to(estimates[r], reference_estimate(x, g, t, add, scale), 3e-6 * (1 + size));
    }
    class->query_free(query);
}

static void estimates_by_formula(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
        for (unsigned bits = 1; bits <= 9; bits++) {
            data x;
            make_data(&x, &rng, dims[d], 20, bits, metrics[(d + bits) % 3]);
            check_estimates(&x, false);
            check_estimates(&x, true);
            free_data(&x);
        }
}

/* Rows that wait for their true distances, with their least ones. */
static void no_distances(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    QV_UNUSED(ctx), QV_UNUSED(query), QV_UNUSED(keys);
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
}

static size_t count_broken_bounds(const data *x)
{
    qv_error err;
    qv__code_query *query;
    qv__candidates candidates;
    qv__exact exact = { no_distances, NULL, NULL };
    qv__code_list list = list_of(x);
    size_t n_broken = 0;

    QVT_OK(x->quantizer->class->query_new(x->quantizer, x->query, &query, &err));
    x->quantizer->class->enter_list(query, x->centroid, 0, NULL);
    QVT_OK(qv__candidates_init(&candidates, x->n, &exact, 0, NULL, &err));
    x->quantizer->class->scan(query, &list, &candidates);
    qv__candidates_refine(&candidates);
    assert_int_equal(candidates.waiting.n, x->n);
    for (size_t i = 0; i < x->n; i++) {
        double distance = true_distance(x, (candidates.waiting.rows[i].id - 5) / 3);
        n_broken += candidates.waiting.rows[i].distance > distance + 1e-5 * (1 + fabs(distance));
    }
    qv__candidates_clear(&candidates);
    x->quantizer->class->query_free(query);
    return n_broken;
}

/* Sign codes alone promise less than extended ones do. */
static void bounds_hold(void **state)
{
    qvt_rng rng = { 20250117 };
    size_t n_pairs[2] = { 0 }, n_broken[2] = { 0 };
    QV_UNUSED(state);

    for (unsigned bits = 1; bits <= 9; bits++)
        for (size_t metric = 0; metric < 3; metric++)
            for (size_t round = 0; round < (bits == 1 ? 96 : 24); round++) {
                data x;
                make_data(&x, &rng, round % 4 == 3 ? 40 : 96, 60, bits, metrics[metric]);
                assert_true(x.quantizer->class->has_bounds);
                n_broken[bits > 1] += count_broken_bounds(&x);
                n_pairs[bits > 1] += x.n;
                free_data(&x);
            }
    assert_true((double) n_broken[0] <= 0.025 * (double) n_pairs[0]);
    assert_true((double) n_broken[1] <= 0.001 * (double) n_pairs[1]);
}

/* ------------------------------------------------------------------ scans */

static int by_rank(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void check_scan(const data *x, size_t k, bool is_fast)
{
    qv_error err;
    qv__code_query *query;
    qv__candidates candidates;
    qv__code_list list = list_of(x);
    static qv__hit all[MOST_ROWS];
    const qv__hit *hits;

    QVT_OK(x->quantizer->class->query_new(x->quantizer, x->query, &query, &err));
    qv__rabitq_set_fast(query, is_fast);
    x->quantizer->class->enter_list(query, x->centroid, 0, NULL);
    for (uint32_t r = 0; r < x->n; r++) {
        x->quantizer->class->distances(query, (const uint8_t *const *) x->plain, &r, 1, &all[r].distance);
        all[r].id = x->ids[r];
    }
    qsort(all, x->n, sizeof all[0], by_rank);
    QVT_OK(qv__candidates_init(&candidates, k, NULL, 0, NULL, &err));
    x->quantizer->class->scan(query, &list, &candidates);
    size_t n = qv__candidates_finish(&candidates, &hits), missing = 0;
    assert_int_equal(n, QV_MIN(k, x->n));
    for (size_t i = 0, j = 0; i < n; i++) { /* a row may be lost to its bound, rarely; none is invented */
        while (j < x->n && (all[j].id != hits[i].id || all[j].distance != hits[i].distance)) {
            j++;
            missing++;
        }
        assert_true(j++ < x->n);
    }
    assert_true(missing <= (k < x->n ? 1 + k / 50 : 0));
    qv__candidates_clear(&candidates);
    x->quantizer->class->query_free(query);
}

static void scans_against_estimates(void **state)
{
    static const size_t counts[] = { 0, 1, 31, 32, 65, 321, 650 };
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
        for (size_t c = 0; c < QV_COUNT_OF(counts); c++) {
            data x;
            if (dims[d] > 200 && counts[c] > 100)
                continue;
            make_data(&x, &rng, dims[d], counts[c], 1 + (unsigned) ((d + c) % 9), metrics[(d + c) % 3]);
            check_scan(&x, x.n + 1, false);
            check_scan(&x, 10, false);
            check_scan(&x, x.n + 1, true);
            free_data(&x);
        }
}

/* A row whose estimate is the threshold itself is never lost to the rounding of tables. */
static void tables_lose_no_row(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++) {
        data x;
        make_data(&x, &rng, dims[d], 50, 1, metrics[d % 3]);
        ((qv__rabitq *) x.quantizer)->at.error = -1; /* no slack but that of the tables */
        qv__code_list list = list_of(&x);
        qv__code_query *query;
        QVT_OK(x.quantizer->class->query_new(x.quantizer, x.query, &query, &err));
        x.quantizer->class->enter_list(query, x.centroid, 0, NULL);
        for (uint32_t r = 0; r < x.n; r++) {
            qv__candidates candidates;
            float estimate;
            bool is_found = false;
            x.quantizer->class->distances(query, (const uint8_t *const *) x.plain, &r, 1, &estimate);
            QVT_OK(qv__candidates_init(&candidates, x.n, NULL, 0, NULL, &err));
            candidates.threshold = estimate;
            x.quantizer->class->scan(query, &list, &candidates);
            for (size_t i = 0; i < candidates.n; i++)
                is_found |= candidates.hits[i].id == x.ids[r];
            assert_true(is_found);
            qv__candidates_clear(&candidates);
        }
        x.quantizer->class->query_free(query);
        free_data(&x);
    }
}

/* True distances behind bounds: the answer is that of an exact scan, and few rows are measured. */
static void measure(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    QV_UNUSED(query);
    for (size_t i = 0; i < n; i++)
        out[i] = (float) true_distance(ctx, (keys[i] - 5) / 3);
}

static void exact_answers(void **state)
{
    qvt_rng rng = { 77 };
    size_t n_measured[10] = { 0 }, n_missing = 0;
    qv_error err;
    QV_UNUSED(state);

    for (unsigned bits = 1; bits <= 9; bits += 2)
        for (size_t round = 0; round < 6; round++) {
            data x;
            qv__code_query *query;
            qv__candidates candidates;
            qv__hit all[MOST_ROWS];
            const qv__hit *hits;
            make_data(&x, &rng, 128, MOST_ROWS, bits, metrics[round % 3]);
            qv__exact exact = { measure, &x, NULL };
            qv__code_list list = list_of(&x);
            QVT_OK(x.quantizer->class->query_new(x.quantizer, x.query, &query, &err));
            x.quantizer->class->enter_list(query, x.centroid, 0, NULL);
            QVT_OK(qv__candidates_init(&candidates, 10, &exact, 0, NULL, &err));
            x.quantizer->class->scan(query, &list, &candidates);
            assert_int_equal(qv__candidates_finish(&candidates, &hits), 10);
            n_measured[bits] += candidates.measured;
            for (size_t r = 0; r < x.n; r++)
                all[r] = (qv__hit){ (float) true_distance(&x, r), x.ids[r] };
            qsort(all, x.n, sizeof all[0], by_rank);
            for (size_t i = 0; i < 10; i++)
                n_missing += hits[i].id != all[i].id;
            qv__candidates_clear(&candidates);
            x.quantizer->class->query_free(query);
            free_data(&x);
        }
    assert_true(n_missing <= 1);
    assert_true(n_measured[3] < n_measured[1] && n_measured[5] < n_measured[3]);
    assert_true(n_measured[9] < 6 * 100);
}

/* Rows [first, first + n) as a list of their own. */
static void take_list(const data *x, size_t first, size_t n, qv__code_list *out)
{
    const uint8_t *plain[QV_MAX_CODE_COLUMNS];
    uint8_t *arranged[QV_MAX_CODE_COLUMNS];

    *out = (qv__code_list){ .n = n, .ids = x->ids + first };
    for (size_t c = 0; c < x->quantizer->n_columns; c++) {
        size_t width = x->quantizer->columns[c].width;
        plain[c] = x->plain[c] + first * width;
        out->columns[c] = arranged[c] = malloc(n * width);
    }
    x->quantizer->class->arrange(x->quantizer, plain, n, arranged);
}

/* Rows wait for more lists than a query remembers. */
static void many_lists(void **state)
{
    enum { LISTS = 80, K = 12 };
    qvt_rng rng = { 78 };
    size_t n_missing = 0;
    qv_error err;
    QV_UNUSED(state);

    for (unsigned bits = 1; bits <= 9; bits += 4)
        for (size_t round = 0; round < 6; round++) {
            data x;
            qv__code_query *query;
            qv__candidates candidates;
            qv__code_list lists[LISTS];
            qv__hit all[MOST_ROWS];
            const qv__hit *hits;
            make_data(&x, &rng, 96, MOST_ROWS, bits, metrics[round % 3]);
            qv__exact exact = { measure, &x, NULL };
            size_t n_lists = 0;
            for (size_t first = 0, n; first < x.n; first += n) {
                n = n_lists + 1 == LISTS ? x.n - first : QV_MIN(1 + qvt_rng_below(&rng, 12), x.n - first);
                take_list(&x, first, n, &lists[n_lists++]);
            }
            assert_true(n_lists > 40);
            QVT_OK(x.quantizer->class->query_new(x.quantizer, x.query, &query, &err));
            QVT_OK(qv__candidates_init(&candidates, K, &exact, 0, NULL, &err));
            for (size_t l = 0; l < n_lists; l++) {
                x.quantizer->class->enter_list(query, x.centroid, 0, NULL);
                x.quantizer->class->scan(query, &lists[l], &candidates);
                if (round % 2)
                    qv__candidates_settle(&candidates);
            }
            assert_int_equal(qv__candidates_finish(&candidates, &hits), K);
            for (size_t r = 0; r < x.n; r++)
                all[r] = (qv__hit){ (float) true_distance(&x, r), x.ids[r] };
            qsort(all, x.n, sizeof all[0], by_rank);
            bool is_kept[MOST_ROWS] = { false };
            for (size_t i = 0; i < K; i++)
                is_kept[(hits[i].id - 5) / 3] = true;
            for (size_t i = 0; i < K; i++)
                n_missing += !is_kept[(all[i].id - 5) / 3];
            qv__candidates_clear(&candidates);
            x.quantizer->class->query_free(query);
            for (size_t l = 0; l < n_lists; l++)
                for (size_t c = 0; c < x.quantizer->n_columns; c++)
                    free((void *) lists[l].columns[c]);
            free_data(&x);
        }
    assert_true(n_missing <= 2);
}

/* ------------------------------------------------------------------ levels */

static void levels_agree(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (size_t d = 0; d < QV_COUNT_OF(dims); d++)
        for (unsigned bits = 1; bits <= 9; bits++) {
            data x;
            static float expected[MOST_ROWS], least[200], expected_least[200];
            uint8_t *codes[QV_MAX_CODE_COLUMNS];
            size_t n = 60;
            make_data(&x, &rng, dims[d], n, bits, metrics[(d + bits) % 3]);
            for (size_t c = 0; c < x.quantizer->n_columns; c++)
                codes[c] = malloc(n * x.quantizer->columns[c].width);
            for (size_t level = 0; level < QV_COUNT_OF(levels); level++) {
                if (!has_level(levels[level]))
                    continue;
                qv__code_query *query;
                qv__candidates candidates;
                qv__exact exact = { no_distances, NULL, NULL };
                qv__code_list list = list_of(&x);
                use_level(&x, levels[level]);
                QVT_OK(x.quantizer->class->encode(x.quantizer, x.rows, n, x.centroid, x.lists, codes, &err));
                for (size_t c = 0; c < x.quantizer->n_columns; c++)
                    assert_memory_equal(codes[c], x.plain[c], n * x.quantizer->columns[c].width);
                QVT_OK(x.quantizer->class->query_new(x.quantizer, x.query, &query, &err));
                x.quantizer->class->enter_list(query, x.centroid, 0, NULL);
                for (uint32_t r = 0; r < n; r++) {
                    float estimate;
                    x.quantizer->class->distances(query, (const uint8_t *const *) codes, &r, 1, &estimate);
                    assert_true(level == 0 || estimate == expected[r]);
                    expected[r] = estimate;
                }
                QVT_OK(qv__candidates_init(&candidates, n, &exact, 0, NULL, &err));
                x.quantizer->class->scan(query, &list, &candidates);
                qv__candidates_refine(&candidates);
                assert_int_equal(candidates.waiting.n, n);
                for (size_t i = 0; i < n; i++) {
                    least[i] = candidates.waiting.rows[i].distance;
                    assert_true(level == 0 || least[i] == expected_least[i]);
                    expected_least[i] = least[i];
                }
                qv__candidates_clear(&candidates);
                x.quantizer->class->query_free(query);
            }
            for (size_t c = 0; c < x.quantizer->n_columns; c++)
                free(codes[c]);
            free_data(&x);
        }
}

/* ------------------------------------------------------------------ old files */

/* Unpacked sign codes and bit streams: the same estimates as the new layouts give. */
static void old_layouts(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (unsigned bits = 1; bits <= 9; bits++) {
        data x, old;
        make_data(&x, &rng, 40, 70, bits, metrics[bits % 3]);
        qv__rabitq_shape shape = *qv__rabitq_shape_of(x.quantizer);
        shape.is_packed = shape.is_blocked = shape.has_errors = false;
        old = x;
        QVT_OK(qv__rabitq_new(&shape, &old.quantizer, &err));
        old.rabitq = qv__rabitq_of(old.quantizer);
        assert_false(old.quantizer->class->has_bounds);
        assert_int_equal(old.quantizer->n_columns, bits > 1 ? 6 : 3);
        make_columns(&old);
        for (size_t c = 0; c < old.quantizer->n_columns; c++)
            for (size_t from = 0; from < x.quantizer->n_columns; from++)
                if (strcmp(old.quantizer->columns[c].name, x.quantizer->columns[from].name) == 0)
                    memcpy(old.plain[c], x.plain[from], x.n * x.quantizer->columns[from].width);
        if (bits > 1) {
            unsigned e = bits - 1;
            size_t width = 40 * e / 8;
            assert_string_equal(old.quantizer->columns[old.rabitq->at.extra].name, "__ex_codes");
            memset(old.plain[old.rabitq->at.extra], 0, x.n * width);
            for (size_t r = 0; r < x.n; r++)
                for (size_t bit = 0; bit < 40 * e; bit++)
                    old.plain[old.rabitq->at.extra][r * width + bit / 8] |=
                        (uint8_t) ((reference_extra(x.plain[x.rabitq->at.extra] + r * x.rabitq->extra_width, e,
                                                    bit / e) >>
                                        bit % e &
                                    1)
                                   << bit % 8);
        }
        old.quantizer->class->arrange(old.quantizer, (const uint8_t *const *) old.plain, x.n, old.arranged);
        assert_memory_equal(old.arranged[0], old.plain[0], x.n * 5);

        qv__code_query *queries[2];
        QVT_OK(x.quantizer->class->query_new(x.quantizer, x.query, &queries[0], &err));
        QVT_OK(old.quantizer->class->query_new(old.quantizer, x.query, &queries[1], &err));
        x.quantizer->class->enter_list(queries[0], x.centroid, 0, NULL);
        old.quantizer->class->enter_list(queries[1], x.centroid, 0, NULL);
        for (uint32_t r = 0; r < x.n; r++) {
            float a, b;
            x.quantizer->class->distances(queries[0], (const uint8_t *const *) x.plain, &r, 1, &a);
            old.quantizer->class->distances(queries[1], (const uint8_t *const *) old.plain, &r, 1, &b);
            assert_true(a == b);
        }
        x.quantizer->class->query_free(queries[0]);
        old.quantizer->class->query_free(queries[1]);
        check_scan(&old, 1000, false);
        for (size_t c = 0; c < old.quantizer->n_columns; c++) {
            free(old.plain[c] - 1);
            free(old.arranged[c] - 1);
        }
        old.quantizer->class->free(old.quantizer);
        free_data(&x);
    }
}

/* Codes of the first version: a matrix, one bit, the residual of the query. The matrix is of coordinates that swap places. */
static void residual_queries(void **state)
{
    enum { DIM = 24, ROWS = 40 };
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    QV_UNUSED(state);

    for (size_t m = 0; m < 3; m++) {
        float matrix[DIM * DIM] = { 0 };
        data x = { .dim = DIM, .n = ROWS };
        for (size_t i = 0; i < DIM; i++)
            matrix[i * DIM + (i * 7 + 3) % DIM] = i % 3 ? 1 : -1;
        qv__rabitq_shape shape = {
            .dim = DIM,
            .bits = 1,
            .metric = metrics[m],
            .rotation = QV_ROTATION_MATRIX,
            .matrix = matrix,
            .is_packed = true,
            .is_residual_query = true,
        };
        QVT_OK(qv__rabitq_new(&shape, &x.quantizer, &err));
        x.rabitq = qv__rabitq_of(x.quantizer);
        make_rows(&x, &rng, metrics[m]);
        make_columns(&x);
        double expected[ROWS];
        for (size_t r = 0; r < ROWS; r++) {
            double n = 0, l1 = 0, vc = 0, cc = 0, qc = 0, far = 0, s = 0, total = 0;
            uint8_t *signs = x.plain[0] + r * DIM / 8;
            memset(signs, 0, DIM / 8);
            for (size_t i = 0; i < DIM; i++) {
                size_t j = (i * 7 + 3) % DIM;
                double v = x.rows[r * DIM + j], c = x.centroid[j], q = x.query[j], sign = i % 3 ? 1 : -1;
                double p = sign * (v - c), t = sign * (q - c);
                signs[i / 8] |= (uint8_t) ((p >= 0) << i % 8);
                s += p >= 0 ? t : 0;
                total += t;
                n += p * p;
                l1 += fabs(p);
                vc += v * c;
                cc += c * c;
                qc += q * c;
                far += t * t;
            }
            bool is_dot = metrics[m] == QV_METRIC_DOT;
            double ip = l1 / sqrt(DIM), root = sqrt(DIM);
            float add = (float) (is_dot ? 1 - vc + cc : n);
            float scale = (float) (ip == 0 ? 0 : (is_dot ? -1 : -2) * n / ip);
            memcpy(x.plain[1] + r * 4, &add, 4);
            memcpy(x.plain[2] + r * 4, &scale, 4);
            expected[r] = (2 * s - total) / root * scale + add + (is_dot ? -qc : far);
            expected[r] *= metrics[m] == QV_METRIC_COSINE ? 0.5 : 1;
        }
        x.quantizer->class->arrange(x.quantizer, (const uint8_t *const *) x.plain, ROWS, x.arranged);
        QVT_FAILS(x.quantizer->class->encode(x.quantizer, x.rows, ROWS, x.centroid, x.lists, x.plain, &err),
                  QV_UNSUPPORTED, "old");

        qv__code_query *query;
        qv__candidates candidates;
        const qv__hit *hits;
        float extra[DIM];
        assert_int_equal(x.quantizer->class->extra_floats(x.quantizer), DIM);
        x.quantizer->class->list_extra(x.quantizer, x.centroid, extra);
        QVT_OK(x.quantizer->class->query_new(x.quantizer, x.query, &query, &err));
        x.quantizer->class->enter_list(query, x.centroid, 0, extra);
        qv__code_list list = list_of(&x);
        QVT_OK(qv__candidates_init(&candidates, ROWS, NULL, 0, NULL, &err));
        x.quantizer->class->scan(query, &list, &candidates);
        assert_int_equal(qv__candidates_finish(&candidates, &hits), ROWS);
        for (size_t i = 0; i < ROWS; i++)
            close_to(hits[i].distance, expected[(hits[i].id - 5) / 3], 1e-4);
        qv__candidates_clear(&candidates);
        x.quantizer->class->query_free(query);
        free_data(&x);
    }
}

/* ------------------------------------------------------------------ what does not fit, and memory */

static void misfits_are_named(void **state)
{
    qv__quantizer *out;
    qv_error err;
    QV_UNUSED(state);

    QVT_FAILS(qv__rabitq_make(100, 1, QV_METRIC_L2, 1, &out, &err), QV_INVALID, "100");
    QVT_FAILS(qv__rabitq_make(0, 1, QV_METRIC_L2, 1, &out, &err), QV_INVALID, "0");
    QVT_FAILS(qv__rabitq_make(64, 0, QV_METRIC_L2, 1, &out, &err), QV_INVALID, "0");
    QVT_FAILS(qv__rabitq_make(64, 10, QV_METRIC_L2, 1, &out, &err), QV_INVALID, "10");
    QVT_FAILS(qv__rabitq_make(64, 1, QV_METRIC_HAMMING, 1, &out, &err), QV_INVALID, "metric");
    qv__rabitq_shape shape = { .dim = 64, .bits = 1, .metric = QV_METRIC_L2, .rotation = QV_ROTATION_MATRIX };
    QVT_FAILS(qv__rabitq_new(&shape, &out, &err), QV_INVALID, "matrix");
    shape.rotation = QV_ROTATION_FAST;
    QVT_FAILS(qv__rabitq_new(&shape, &out, &err), QV_INVALID, "signs");
    shape.is_residual_query = true;
    shape.bits = 4;
    QVT_FAILS(qv__rabitq_new(&shape, &out, &err), QV_INVALID, "residual");
}

static qv_status make_and_ask(const data *x, qv_error *err)
{
    qv__quantizer *quantizer = NULL;
    qv__code_query *query = NULL;
    qv_status st;

    QV_CHECK(qv__rabitq_make(x->dim, 4, QV_METRIC_L2, 1, &quantizer, err));
    QV_CHECK(quantizer->class->encode(quantizer, x->rows, x->n, x->centroid, x->lists, x->plain, err));
    QV_CHECK(quantizer->class->query_new(quantizer, x->query, &query, err));
    quantizer->class->query_free(query);
done:
    if (quantizer)
        quantizer->class->free(quantizer);
    return st;
}

static void memory_runs_out(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    data x;
    QV_UNUSED(state);

    make_data(&x, &rng, 64, 20, 4, QV_METRIC_L2);
    uint64_t blocks = qv_memory().live_blocks;
    for (uint64_t n = 0;; n++) {
        qv__alloc_fail_at(n);
        qv_status st = make_and_ask(&x, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        assert_int_equal(qv_memory().live_blocks, blocks);
        if (!fired)
            break;
    }
    free_data(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_by_definition),
        cmocka_unit_test(codes_and_factors),
        cmocka_unit_test(lists_are_told_apart),
        cmocka_unit_test(arranged_as_stored),
        cmocka_unit_test(extra_codes_as_stored),
        cmocka_unit_test(estimates_by_formula),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(scans_against_estimates),
        cmocka_unit_test(tables_lose_no_row),
        cmocka_unit_test(exact_answers),
        cmocka_unit_test(many_lists),
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(old_layouts),
        cmocka_unit_test(residual_queries),
        cmocka_unit_test(misfits_are_named),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Product quantization against plain loops in double precision, at every level of instructions. */
#include "qvt.h"

#include <math.h>

#include "ann/pq/pq_private.h"
#include "base/alloc.h"
#include "base/pool.h"

static const char *const levels[] = { "scalar", "avx2", "avx512", "avx512_vbmi", "neon" };
static const qv_metric metrics[] = { QV_METRIC_L2, QV_METRIC_COSINE, QV_METRIC_DOT };

/* ------------------------------------------------------------------ data */

static float normal(qvt_rng *rng)
{
    double sum = 0;
    for (int i = 0; i < 6; i++)
        sum += qvt_rng_unit(rng);
    return (float) (sum - 3);
}

static float *random_floats(qvt_rng *rng, size_t n)
{
    float *values = calloc(n ? n : 1, sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = normal(rng);
    return values;
}

static void make_unit(float *rows, size_t n, size_t dim)
{
    for (size_t r = 0; r < n; r++, rows += dim) {
        double norm = 0;
        for (size_t j = 0; j < dim; j++)
            norm += (double) rows[j] * rows[j];
        for (size_t j = 0; j < dim; j++)
            rows[j] = (float) (rows[j] / sqrt(norm));
    }
}

typedef struct shape {
    size_t dim, m;
    unsigned bits;
} shape;

/* dsub 1, 2, 3, 5, 16, 32; one sub-vector; as many as dimensions; more than 16-bit sums hold */
static const shape shapes[] = { { 16, 8, 8 }, { 16, 8, 4 },  { 1, 1, 8 },  { 7, 7, 8 },  { 6, 6, 4 },
                                { 32, 1, 8 }, { 64, 2, 4 },  { 15, 3, 8 }, { 12, 4, 4 }, { 48, 3, 8 },
                                { 10, 2, 4 }, { 96, 32, 8 }, { 64, 32, 4 } };

typedef struct made {
    qv__quantizer *quantizer;
    qv__pq *pq;
    float *codebook;
    size_t n_words;
} made;

static made make(qvt_rng *rng, shape x, qv_metric metric, const char *level)
{
    qv_error err;
    made made = { .n_words = (size_t) 1 << x.bits };

    made.codebook = random_floats(rng, x.dim * made.n_words);
    QVT_OK(qv__pq_new(made.codebook, x.dim, x.m, x.bits, metric, &made.quantizer, &err));
    made.pq = (qv__pq *) made.quantizer;
    made.pq->kernels = qv__pq_kernels_of(level);
    return made;
}

static void unmake(made *made)
{
    made->quantizer->class->free(made->quantizer);
    free(made->codebook);
}

static const float *word(const made *made, size_t s, size_t c)
{
    size_t dsub = made->pq->dsub;
    return made->codebook + (s * made->n_words + c) * dsub;
}

static double distance2(const float *a, const float *b, const float *minus, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        double difference = (double) a[j] - (minus ? minus[j] : 0) - b[j];
        sum += difference * difference;
    }
    return sum;
}

/* The code as the format has it, by its formula. */
static size_t code_at(const uint8_t *plain, size_t width, unsigned bits, size_t r, size_t s)
{
    if (bits == 8)
        return plain[r * width + s];
    uint8_t byte = plain[r * width + s / 2];
    return s % 2 ? byte >> 4 : byte & 15;
}

static uint8_t *random_codes(qvt_rng *rng, size_t n_bytes)
{
    uint8_t *codes = calloc(n_bytes ? n_bytes : 1, 1);
    for (size_t i = 0; i < n_bytes; i++)
        codes[i] = (uint8_t) (qvt_rng_next(rng) >> 30);
    return codes;
}

/* ------------------------------------------------------------------ encoding */

static void check_codes(const made *made, shape x, qv_metric metric, const float *rows, size_t n,
                        const float *centroids, const uint32_t *lists, const uint8_t *codes)
{
    size_t dsub = x.dim / x.m;

    for (size_t r = 0; r < n; r++)
        for (size_t s = 0; s < x.m; s++) {
            const float *part = rows + r * x.dim + s * dsub;
            const float *minus = metric == QV_METRIC_DOT ? NULL : centroids + lists[r] * x.dim + s * dsub;
            double least = INFINITY;
            for (size_t c = 0; c < made->n_words; c++)
                least = fmin(least, distance2(part, word(made, s, c), minus, dsub));
            size_t code = code_at(codes, made->pq->width, x.bits, r, s);
            double found = distance2(part, word(made, s, code), minus, dsub);
            assert_true(found <= least + 1e-5 * (1 + least)); /* another one only where rounding decides */
        }
}

static void encode_finds_nearest_words(void **state)
{
    static const size_t sizes[] = { 0, 1, 31, 65, 200 };
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
        for (size_t i = 0; qv__pq_kernels_of(levels[l]) && i < QV_COUNT_OF(shapes); i++) {
            shape x = shapes[i];
            size_t n = sizes[i % QV_COUNT_OF(sizes)];
            qv_metric metric = metrics[i % 3];
            made made = make(&rng, x, metric, levels[l]);
            float *rows = random_floats(&rng, n * x.dim), *centroids = random_floats(&rng, 3 * x.dim);
            uint32_t *lists = calloc(n + 1, sizeof *lists);
            for (size_t r = 0; r < n; r++)
                lists[r] = (uint32_t) qvt_rng_below(&rng, 3);
            uint8_t *codes = calloc(n * made.pq->width + 1, 1);
            codes[n * made.pq->width] = 0x5a;
            QVT_OK(made.quantizer->class->encode(made.quantizer, rows, n, centroids, lists, &codes, &err));
            check_codes(&made, x, metric, rows, n, centroids, lists, codes);
            assert_int_equal(codes[n * made.pq->width], 0x5a);
            free(rows);
            free(centroids);
            free(lists);
            free(codes);
            unmake(&made);
        }
}

static void equal_words_give_the_first(void **state)
{
    qvt_rng rng = { 5 };
    qv_error err;

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++) {
        if (!qv__pq_kernels_of(levels[l]))
            continue;
        made made = make(&rng, (shape){ 4, 2, 8 }, QV_METRIC_DOT, levels[l]);
        for (size_t c = 0; c < 256; c++) /* every word seven times */
            for (size_t s = 0; s < 2; s++)
                made.pq->codebook[(s * 256 + c) * 2] = made.pq->codebook[(s * 256 + c) * 2 + 1] = (float) (c / 7);
        qv__pq_seal(made.pq);
        float rows[4] = { 3, 3, 20.25f, 20.25f };
        uint8_t codes[2], *out = codes;
        QVT_OK(made.quantizer->class->encode(made.quantizer, rows, 1, NULL, NULL, &out, &err));
        assert_int_equal(codes[0], 21);
        assert_int_equal(codes[1], 140);
        unmake(&made);
    }
}

static void decode_gives_words(void **state)
{
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(shapes); i++) {
        shape x = shapes[i];
        made made = make(&rng, x, QV_METRIC_L2, "scalar");
        size_t n = 9, width = x.m * x.bits / 8, m;
        unsigned bits;
        assert_int_equal(made.quantizer->n_columns, 1);
        assert_int_equal(strcmp(made.quantizer->columns[0].name, "__pq_code"), 0);
        assert_int_equal(made.quantizer->columns[0].width, width);
        assert_memory_equal(qv__pq_codebook(made.quantizer, &m, &bits), made.codebook,
                            x.dim * made.n_words * sizeof(float));
        assert_int_equal(m, x.m);
        assert_int_equal(bits, x.bits);
        uint8_t *codes = random_codes(&rng, n * width);
        float *rows = calloc(n * x.dim, sizeof *rows);
        qv__pq_decode(made.quantizer, codes, n, rows);
        for (size_t r = 0; r < n; r++)
            for (size_t s = 0; s < x.m; s++)
                assert_memory_equal(rows + r * x.dim + s * (x.dim / x.m),
                                    word(&made, s, code_at(codes, width, x.bits, r, s)), x.dim / x.m * sizeof(float));
        free(codes);
        free(rows);
        unmake(&made);
    }
}

static void arranged_lists_are_transposed(void **state)
{
    static const size_t sizes[] = { 0, 1, 31, 33, 63, 65, 1000 };
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(shapes); i++) {
        made made = make(&rng, shapes[i], QV_METRIC_L2, "scalar");
        size_t n = sizes[i % QV_COUNT_OF(sizes)], width = made.pq->width;
        uint8_t *plain = random_codes(&rng, n * width), *arranged = random_codes(&rng, n * width);
        uint8_t *back = random_codes(&rng, n * width);
        made.quantizer->class->arrange(made.quantizer, (const uint8_t *const[]){ plain }, n, &arranged);
        for (size_t b = 0; b < width; b++)
            for (size_t r = 0; r < n; r++)
                assert_int_equal(arranged[b * n + r], plain[r * width + b]);
        made.quantizer->class->disarrange(made.quantizer, (const uint8_t *const[]){ arranged }, n, &back);
        assert_memory_equal(back, plain, n * width);
        free(plain);
        free(arranged);
        free(back);
        unmake(&made);
    }
}

/* ------------------------------------------------------------------ estimates */

static double reference(const made *made, shape x, qv_metric metric, const float *query, const float *centroid,
                        const uint8_t *codes, size_t r)
{
    size_t dsub = x.dim / x.m;
    double sum = 0;

    for (size_t s = 0; s < x.m; s++) {
        const float *w = word(made, s, code_at(codes, made->pq->width, x.bits, r, s));
        if (metric == QV_METRIC_DOT)
            for (size_t j = 0; j < dsub; j++)
                sum += (double) query[s * dsub + j] * w[j];
        else
            sum += distance2(query + s * dsub, w, centroid ? centroid + s * dsub : NULL, dsub);
    }
    return metric == QV_METRIC_DOT ? 1 - sum : metric == QV_METRIC_COSINE ? sum / 2 : sum;
}

static void estimates_are_sums(void **state)
{
    enum { N = 70 };
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
        for (size_t i = 0; qv__pq_kernels_of(levels[l]) && i < 3 * QV_COUNT_OF(shapes); i++) {
            shape x = shapes[i / 3];
            qv_metric metric = metrics[i % 3];
            made made = make(&rng, x, metric, levels[l]);
            const qv__quantizer_class *class = made.quantizer->class;
            float *query = random_floats(&rng, x.dim), *centroids = random_floats(&rng, 2 * x.dim), found[N];
            uint8_t *codes = random_codes(&rng, N * made.pq->width);
            uint32_t rows[N];
            qv__code_query *q;
            if (metric == QV_METRIC_COSINE)
                make_unit(query, 1, x.dim);
            QVT_OK(class->query_new(made.quantizer, query, &q, &err));
            for (size_t r = 0; r < N; r++)
                rows[r] = (uint32_t) (r * 11 % N);
            for (int list = 0; list < 3; list++) { /* two lists of an inverted file, then none */
                const float *centroid = list < 2 ? centroids + (size_t) list * x.dim : NULL;
                class->enter_list(q, centroid, 0, NULL);
                class->distances(q, (const uint8_t *const[]){ codes }, rows, N, found);
                for (size_t r = 0; r < N; r++) {
                    double expected = reference(&made, x, metric, query, centroid, codes, rows[r]);
                    double scale = metric == QV_METRIC_DOT ? 1 + (double) x.dim : fabs(expected) + sqrt(fabs(expected));
                    assert_true(fabs(found[r] - expected) <= 1e-6 * (double) (8 + x.m) / 8 * scale);
                }
            }
            class->query_free(q);
            free(query);
            free(centroids);
            free(codes);
            unmake(&made);
        }
}

/* ------------------------------------------------------------------ scans */

static int by_rank(const void *left, const void *right)
{
    const qv__hit *a = left, *b = right;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

typedef struct scan_case {
    shape shape;
    qv_metric metric;
    size_t n, capacity;
    float spread; /* of the codebook: sums of very different or nearly equal values */
    bool masked, bounded;
    float far; /* all vectors are this far from zero */
} scan_case;

/* Three lists of one query into the same candidates, against the estimates of all rows, ranked. */
static void check_scan(qvt_rng *rng, const scan_case *x, const char *level)
{
    enum { LISTS = 3 };
    made made = make(rng, x->shape, x->metric, level);
    const qv__quantizer_class *class = made.quantizer->class;
    size_t dim = x->shape.dim, width = made.pq->width, n = x->n, n_all = 0;
    float *query = random_floats(rng, dim), *estimates = calloc(n + 1, sizeof *estimates);
    qv__hit *all = calloc(LISTS * n + 1, sizeof *all);
    uint64_t *ids = calloc(n + 1, sizeof *ids), bits[40];
    uint32_t *rows = calloc(n + 1, sizeof *rows);
    qv__key_span span = { 500, 40 * 64, (const uint8_t *) bits };
    qv__key_mask mask = { 1, &span };
    qv__candidates candidates;
    qv__code_query *q;
    qv_error err;

    for (size_t j = 0; j < dim; j++)
        query[j] += x->far;
    for (size_t i = 0; i < dim * made.n_words; i++)
        made.pq->codebook[i] *= x->spread;
    qv__pq_seal(made.pq);
    for (size_t i = 0; i < QV_COUNT_OF(bits); i++)
        bits[i] = qvt_rng_next(rng) & qvt_rng_next(rng);
    QVT_OK(qv__candidates_init(&candidates, x->capacity, NULL, 0, x->masked ? &mask : NULL, &err));
    QVT_OK(class->query_new(made.quantizer, query, &q, &err));
    if (x->bounded)
        candidates.upper = x->metric == QV_METRIC_DOT ? 0 : (float) dim * 0.9f;
    for (size_t list = 0; list < LISTS; list++) {
        float *centroid = random_floats(rng, dim);
        for (size_t j = 0; j < dim; j++)
            centroid[j] += x->far;
        uint8_t *plain = random_codes(rng, n * width), *arranged = calloc(n * width + 1, 1);
        uint8_t *unaligned = arranged + 1;
        class->arrange(made.quantizer, (const uint8_t *const[]){ plain }, n, &unaligned);
        for (size_t r = 0; r < n; r++) {
            ids[r] = 3 * (r * 7 % (n + 1)) + list;
            rows[r] = (uint32_t) r;
        }
        class->enter_list(q, centroid, 0, NULL);
        class->distances(q, (const uint8_t *const[]){ plain }, rows, n, estimates);
        class->scan(q, &(qv__code_list){ .n = n, .ids = ids, .columns = { unaligned } }, &candidates);
        for (size_t r = 0; r < n; r++)
            if ((!x->masked || qv__key_mask_find(&mask, ids[r])) && (!x->bounded || estimates[r] < candidates.upper))
                all[n_all++] = (qv__hit){ estimates[r], ids[r] };
        free(centroid);
        free(plain);
        free(arranged);
    }
    qsort(all, n_all, sizeof *all, by_rank);
    const qv__hit *hits;
    assert_int_equal(qv__candidates_finish(&candidates, &hits), QV_MIN(n_all, x->capacity));
    for (size_t i = 0; i < QV_MIN(n_all, x->capacity); i++) {
        assert_int_equal(hits[i].id, all[i].id);
        assert_true(hits[i].distance == all[i].distance);
    }
    qv__candidates_clear(&candidates);
    class->query_free(q);
    free(query);
    free(estimates);
    free(all);
    free(ids);
    free(rows);
    unmake(&made);
}

static void scans_offer_the_best(void **state)
{
    static const size_t sizes[] = { 0, 1, 31, 33, 63, 64, 65, 255, 257, 1000 };
    static const size_t capacities[] = { 1, 3, 10, 100, 5000 };
    static const float spreads[] = { 1, 1e-3f, 100, 0 }, fars[] = { 0, 0, 1, 1000, 1e18f };
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
        for (size_t i = 0; qv__pq_kernels_of(levels[l]) && i < 300; i++) {
            scan_case x = { .shape = shapes[i % QV_COUNT_OF(shapes)],
                            .metric = metrics[i / 2 % 3],
                            .n = sizes[qvt_rng_below(&rng, QV_COUNT_OF(sizes))],
                            .capacity = capacities[qvt_rng_below(&rng, QV_COUNT_OF(capacities))],
                            .spread = spreads[qvt_rng_below(&rng, QV_COUNT_OF(spreads))],
                            .far = fars[qvt_rng_below(&rng, QV_COUNT_OF(fars))],
                            .masked = qvt_rng_below(&rng, 3) == 0,
                            .bounded = qvt_rng_below(&rng, 3) == 0 };
            check_scan(&rng, &x, levels[l]);
        }
}

/* Sums of bytes that pass 16 bits. */
static void scans_offer_the_best_of_long_codes(void **state)
{
    static const shape longs[] = { { 513, 513, 8 }, { 1100, 1100, 4 }, { 1025, 1025, 8 } };
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
        for (size_t i = 0; qv__pq_kernels_of(levels[l]) && i < 6; i++)
            check_scan(&rng,
                       &(scan_case){
                           .shape = longs[i % 3], .metric = metrics[i % 2 * 2], .n = 200, .capacity = 5, .spread = 1 },
                       levels[l]);
}

/* ------------------------------------------------------------------ sums of bytes */

static unsigned byte_of(const uint8_t *bytes, const uint8_t *codes, unsigned bits, size_t n, size_t r, size_t s)
{
    uint8_t code = codes[(bits == 8 ? s : s / 2) * n + r];
    return bytes[(s << bits) + (bits == 8 ? code : s % 2 ? code >> 4 : code & 15)];
}

static unsigned sum_of_bytes(const uint8_t *bytes, const uint8_t *codes, const shape *x, size_t n, size_t r)
{
    unsigned sum = 0;

    for (size_t s = 0; s < x->m; s += 2)
        sum += QV_MIN(byte_of(bytes, codes, x->bits, n, r, s) +
                          (s + 1 < x->m ? byte_of(bytes, codes, x->bits, n, r, s + 1) : 0),
                      255);
    return sum;
}

static void sums_of_bytes_are_cut_at_their_limits(void **state)
{
    enum { N = 320, BLOCKS = N / 64 };
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
        for (size_t i = 0; qv__pq_kernels_of(levels[l]) && i < 40; i++) {
            unsigned bits = i % 2 ? 4 : 8;
            const qv__pq_kernels *kernels = qv__pq_kernels_of(levels[l]);
            qv__pq_sums_fn sum_up = bits == 4 ? kernels->sums4 : kernels->sums8;
            size_t m = 2 + 2 * qvt_rng_below(&rng, 400) + (bits == 8 && i % 4), width = m * bits / 8;
            uint8_t *bytes = random_codes(&rng, m << bits), *codes = random_codes(&rng, width * N);
            for (size_t k = 0; k < m << bits; k++)
                bytes[k] /= (uint8_t) (i < 20 ? 2 : 1); /* no pair is cut, or many are */
            uint16_t sums[N], limit;
            uint64_t passing[BLOCKS];
            sum_up(bytes, m, (qv__pq_codes){ codes, N, (uintptr_t) codes }, BLOCKS, sums);
            limit = sums[qvt_rng_below(&rng, N)];
            kernels->at_most(sums, BLOCKS, limit, passing);
            for (size_t r = 0; r < N; r++) {
                unsigned sum = sum_of_bytes(bytes, codes, &(shape){ m, m, bits }, N, r);
                assert_int_equal(sums[r], QV_MIN(sum, UINT16_MAX));
                assert_int_equal(passing[r / 64] >> (r % 64) & 1, sums[r] <= limit);
            }
            free(bytes);
            free(codes);
        }
}

/* Bytes are the tables, rounded down. */
static void bytes_are_rounded_down(void **state)
{
    enum { N = 48 };
    float values[N];
    uint8_t bytes[N];

    (void) state;
    for (size_t i = 0; i < N; i++)
        values[i] = (float) (i * 37 % 401) * 0.25f;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++) {
        if (!qv__pq_kernels_of(levels[l]))
            continue;
        qv__pq_kernels_of(levels[l])->to_bytes(values, N, 3, bytes);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(bytes[i], QV_MIN((i * 37 % 401) * 3 / 4, 255));
    }
}

/* Where rows will be measured, estimates are sums of bytes, and the best rows by them are kept. They are above the exact ones by what
 * rounding takes at most; below, more may be missing where pairs of bytes were cut. */
static void check_rough_scan(qvt_rng *rng, shape shape, qv_metric metric, size_t n, size_t capacity, bool is_masked,
                             const char *level)
{
    made made = make(rng, shape, metric, level);
    const qv__quantizer_class *class = made.quantizer->class;
    float *query = random_floats(rng, shape.dim), *centroid = random_floats(rng, shape.dim);
    float *exact = calloc(n, sizeof *exact);
    size_t width = made.pq->width;
    uint8_t *plain = random_codes(rng, n * width), *arranged = calloc(n * width, 1);
    uint64_t *ids = calloc(n, sizeof *ids), bits[64];
    uint32_t *rows = calloc(n, sizeof *rows);
    qv__key_span span = { 0, 64 * 64, (const uint8_t *) bits };
    qv__key_mask mask = { 1, &span };
    qv__hit *all = calloc(n, sizeof *all);
    const qv__hit *hits;
    qv__candidates candidates;
    qv__code_query *q;
    qv_error err;

    class->arrange(made.quantizer, (const uint8_t *const[]){ plain }, n, &arranged);
    for (size_t i = 0; i < QV_COUNT_OF(bits); i++)
        bits[i] = qvt_rng_next(rng);
    for (size_t r = 0; r < n; r++)
        rows[r] = (uint32_t) (ids[r] = r);
    QVT_OK(class->query_new(made.quantizer, query, &q, &err));
    QVT_OK(qv__candidates_init(&candidates, capacity, NULL, 0, is_masked ? &mask : NULL, &err));
    candidates.is_rough = true;
    class->enter_list(q, centroid, 0, NULL);
    class->distances(q, (const uint8_t *const[]){ plain }, rows, n, exact);
    class->scan(q, &(qv__code_list){ .n = n, .ids = ids, .columns = { arranged } }, &candidates);
    const qv__pq_query *inner = (const qv__pq_query *) q;
    size_t n_all = 0, n_found = qv__candidates_finish(&candidates, &hits);
    for (size_t r = 0; r < n; r++) {
        double base = inner->offset + inner->step * (double) shape.m / 2;
        double sum = inner->step > 0 ? sum_of_bytes(inner->bytes, arranged, &shape, n, r) : 0;
        float estimate = inner->step > 0 ? (float) (base + inner->step * sum) : exact[r];
        assert_true(estimate <= exact[r] + inner->step * (double) shape.m / 2 * 1.01 + 1e-4);
        if (!is_masked || qv__key_mask_find(&mask, r))
            all[n_all++] = (qv__hit){ estimate, r };
    }
    qsort(all, n_all, sizeof *all, by_rank);
    assert_int_equal(n_found, QV_MIN(n_all, capacity));
    for (size_t i = 0; i < n_found; i++) {
        assert_int_equal(hits[i].id, all[i].id);
        assert_true(hits[i].distance == all[i].distance);
    }
    qv__candidates_clear(&candidates);
    class->query_free(q);
    free(query);
    free(centroid);
    free(exact);
    free(plain);
    free(arranged);
    free(ids);
    free(rows);
    free(all);
    unmake(&made);
}

static void rough_scans_choose_among_the_best(void **state)
{
    static const size_t sizes[] = { 1, 63, 64, 65, 300, 2047, 2048, 2049, 2111, 2112, 2113, 4000 };
    static const size_t capacities[] = { 1, 10, 100, 5000 };
    static const shape plain_shapes[] = { { 32, 16, 4 }, { 32, 8, 8 }, { 9, 9, 8 }, { 1100, 1100, 4 } };
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
        for (size_t i = 0; qv__pq_kernels_of(levels[l]) && i < 8 * QV_COUNT_OF(sizes); i++)
            check_rough_scan(&rng, plain_shapes[i % 13 == 0 ? 3 : i % 3], metrics[i % 3], sizes[i % QV_COUNT_OF(sizes)],
                             capacities[qvt_rng_below(&rng, QV_COUNT_OF(capacities))], i % 4 == 0, levels[l]);
}

/* All levels give the same bits. */
static void levels_agree(void **state)
{
    enum { N = 64 };
    qv_error err;

    (void) state;
    for (size_t i = 0; i < 3 * QV_COUNT_OF(shapes); i++) {
        shape x = shapes[i / 3];
        float first[N], other[N];
        bool has_first = false;
        for (size_t l = 0; l < QV_COUNT_OF(levels); l++) {
            if (!qv__pq_kernels_of(levels[l]))
                continue;
            qvt_rng rng = { 77 + i };
            made made = make(&rng, x, metrics[i % 3], levels[l]);
            float *query = random_floats(&rng, x.dim);
            uint8_t *codes = random_codes(&rng, N * made.pq->width);
            uint32_t rows[N];
            qv__code_query *q;
            for (uint32_t r = 0; r < N; r++)
                rows[r] = r;
            QVT_OK(made.quantizer->class->query_new(made.quantizer, query, &q, &err));
            made.quantizer->class->distances(q, (const uint8_t *const[]){ codes }, rows, N, has_first ? other : first);
            for (size_t r = 0; has_first && r < N; r++)
                assert_true(other[r] == first[r]);
            has_first = true;
            made.quantizer->class->query_free(q);
            free(query);
            free(codes);
            unmake(&made);
        }
    }
}

/* The rows that a scan chooses to be measured, or finds at once; how many. */
static size_t chosen_at(const char *level, uint64_t seed, size_t i, bool is_rough, qv__hit *chosen)
{
    enum { N = 700, CAPACITY = 30 };
    qvt_rng rng = { seed };
    made made = make(&rng, shapes[i], metrics[seed % 3], level);
    const qv__quantizer_class *class = made.quantizer->class;
    float *query = random_floats(&rng, shapes[i].dim), *centroid = random_floats(&rng, shapes[i].dim);
    uint8_t *codes = random_codes(&rng, N * made.pq->width);
    uint64_t ids[N];
    const qv__hit *hits;
    qv__candidates candidates;
    qv__code_query *q;
    qv_error err;

    for (size_t r = 0; r < N; r++)
        ids[r] = r;
    QVT_OK(class->query_new(made.quantizer, query, &q, &err));
    QVT_OK(qv__candidates_init(&candidates, CAPACITY, NULL, 0, NULL, &err));
    candidates.is_rough = is_rough;
    class->enter_list(q, centroid, 0, NULL);
    class->scan(q, &(qv__code_list){ .n = N, .ids = ids, .columns = { codes } }, &candidates);
    size_t n = qv__candidates_finish(&candidates, &hits);
    memcpy(chosen, hits, n * sizeof *hits);
    qv__candidates_clear(&candidates);
    class->query_free(q);
    free(query);
    free(centroid);
    free(codes);
    unmake(&made);
    return n;
}

/* What is measured, and so what is answered, does not depend on the processor. */
static void levels_choose_the_same_rows(void **state)
{
    (void) state;
    for (size_t i = 0; i < 6 * QV_COUNT_OF(shapes); i++) {
        qv__hit first[30], other[30];
        bool is_rough = i % 2 == 0;
        size_t shape_at = i / 6, n = chosen_at("scalar", 400 + i, shape_at, is_rough, first);
        for (size_t l = 1; l < QV_COUNT_OF(levels); l++) {
            if (!qv__pq_kernels_of(levels[l]))
                continue;
            assert_int_equal(chosen_at(levels[l], 400 + i, shape_at, is_rough, other), n);
            for (size_t h = 0; h < n; h++) {
                assert_int_equal(other[h].id, first[h].id);
                assert_true(other[h].distance == first[h].distance);
            }
        }
    }
}

/* ------------------------------------------------------------------ training */

static double error_of(const qv__quantizer *quantizer, const float *rows, size_t n)
{
    qv_error err;
    const qv__pq *pq = (const qv__pq *) quantizer;
    size_t dim = quantizer->dim;
    uint8_t *codes = calloc(n * pq->width, 1);
    float *back = calloc(n * dim, sizeof *back);

    QVT_OK(quantizer->class->encode(quantizer, rows, n, NULL, NULL, &codes, &err));
    qv__pq_decode(quantizer, codes, n, back);
    double error = distance2(rows, back, NULL, n * dim) / (double) n;
    free(codes);
    free(back);
    return error;
}

/* Lloyd's algorithm in double, from the first rows; the error of one sub-vector. */
static double plain_kmeans(const float *rows, size_t n, size_t dim, size_t from, size_t dsub, size_t k)
{
    double *words = calloc(k * dsub, sizeof *words), *sums = calloc(k * (dsub + 1), sizeof *sums), error = 0;

    for (size_t c = 0; c < k; c++)
        for (size_t j = 0; j < dsub; j++)
            words[c * dsub + j] = rows[c * dim + from + j];
    for (int iteration = 0; iteration < 26; iteration++) {
        error = 0;
        memset(sums, 0, k * (dsub + 1) * sizeof *sums);
        for (size_t r = 0; r < n; r++) {
            double best = INFINITY;
            size_t code = 0;
            for (size_t c = 0; c < k; c++) {
                double distance = 0;
                for (size_t j = 0; j < dsub; j++)
                    distance += pow(rows[r * dim + from + j] - words[c * dsub + j], 2);
                if (distance < best) {
                    best = distance;
                    code = c;
                }
            }
            error += best / (double) n;
            for (size_t j = 0; j < dsub; j++)
                sums[code * (dsub + 1) + j] += rows[r * dim + from + j];
            sums[code * (dsub + 1) + dsub]++;
        }
        for (size_t c = 0; c < k; c++)
            for (size_t j = 0; sums[c * (dsub + 1) + dsub] > 0 && j < dsub; j++)
                words[c * dsub + j] = sums[c * (dsub + 1) + j] / sums[c * (dsub + 1) + dsub];
    }
    free(words);
    free(sums);
    return error;
}

static void training_is_as_good_as_plain_kmeans(void **state)
{
    static const shape some[] = { { 8, 2, 8 }, { 12, 4, 4 }, { 3, 3, 8 } };
    enum { N = 2000 };
    qvt_rng rng = { 4711 };
    qv_error err;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(some); i++) {
        shape x = some[i];
        float *rows = random_floats(&rng, N * x.dim);
        qv__pq_options options = { .m = x.m, .bits = x.bits, .seed = 1 };
        qv__quantizer *pq;
        double plain = 0;
        QVT_OK(qv__pq_train(rows, N, x.dim, QV_METRIC_L2, &options, &pq, &err));
        for (size_t s = 0; s < x.m; s++)
            plain += plain_kmeans(rows, N, x.dim, s * (x.dim / x.m), x.dim / x.m, (size_t) 1 << x.bits);
        double error = error_of(pq, rows, N);
        if (error > 1.02 * plain)
            print_error("dim %zu: error %g, plain k-means %g\n", x.dim, error, plain);
        assert_true(error <= 1.02 * plain);
        pq->class->free(pq);
        free(rows);
    }
}

static void training_depends_on_the_seed_alone(void **state)
{
    enum { N = 1500, DIM = 12 };
    qvt_rng rng = { 99 };
    qv_error err;
    float *rows = random_floats(&rng, N * DIM);
    qv__quantizer *first = NULL;
    size_t m;
    unsigned bits;

    (void) state;
    qv_set_threads(4);
    for (unsigned threads = 1; threads <= 4; threads++) {
        qv__pq_options options = { .m = 4, .bits = 8, .seed = 9, .threads = threads };
        qv__quantizer *pq;
        QVT_OK(qv__pq_train(rows, N, DIM, QV_METRIC_COSINE, &options, &pq, &err));
        if (first)
            assert_memory_equal(qv__pq_codebook(pq, &m, &bits), qv__pq_codebook(first, &m, &bits),
                                256 * DIM * sizeof(float));
        if (first)
            pq->class->free(pq);
        else
            first = pq;
    }
    qv__pq_options other = { .m = 4, .bits = 8, .seed = 10 };
    qv__quantizer *pq;
    QVT_OK(qv__pq_train(rows, N, DIM, QV_METRIC_COSINE, &other, &pq, &err));
    assert_true(memcmp(qv__pq_codebook(pq, &m, &bits), qv__pq_codebook(first, &m, &bits), 256 * DIM * sizeof(float)) !=
                0);
    pq->class->free(pq);
    first->class->free(first);
    free(rows);
}

/* As many rows as words, few different rows, one row again and again: all are represented exactly. */
static void few_rows_are_their_own_words(void **state)
{
    static const size_t kinds[] = { 256, 100, 1 };
    enum { DIM = 6 };
    qvt_rng rng = { 3 };
    qv_error err;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(kinds); i++) {
        size_t n = i == 0 ? 256 : 777;
        float *rows = random_floats(&rng, n * DIM);
        for (size_t r = kinds[i]; r < n; r++)
            memcpy(rows + r * DIM, rows + r % kinds[i] * DIM, DIM * sizeof *rows);
        qv__pq_options options = { .m = 2, .bits = 8 };
        qv__quantizer *pq;
        QVT_OK(qv__pq_train(rows, n, DIM, QV_METRIC_DOT, &options, &pq, &err));
        assert_true(error_of(pq, rows, n) < 1e-10);
        pq->class->free(pq);
        free(rows);
    }
}

/* ------------------------------------------------------------------ refusals */

static void what_does_not_fit_is_named(void **state)
{
    float rows[32 * 6] = { 0 };
    qv__quantizer *pq;
    qv_error err;

    (void) state;
    QVT_FAILS(qv__pq_new(rows, 6, 4, 8, QV_METRIC_L2, &pq, &err), QV_INVALID, "4 sub-vectors do not divide 6");
    QVT_FAILS(qv__pq_new(rows, 6, 0, 8, QV_METRIC_L2, &pq, &err), QV_INVALID, "0 sub-vectors");
    QVT_FAILS(qv__pq_new(rows, 0, 1, 8, QV_METRIC_L2, &pq, &err), QV_INVALID, "0 dimensions");
    QVT_FAILS(qv__pq_new(rows, 6, 3, 4, QV_METRIC_L2, &pq, &err), QV_INVALID, "even, not 3");
    QVT_FAILS(qv__pq_new(rows, 6, 2, 5, QV_METRIC_L2, &pq, &err), QV_INVALID, "not 5");
    QVT_FAILS(qv__pq_new(rows, 6, 2, 8, QV_METRIC_HAMMING, &pq, &err), QV_INVALID, "l2, cosine and dot");
    qv__pq_options options = { .m = 2, .bits = 8 };
    QVT_FAILS(qv__pq_train(rows, 32, 6, QV_METRIC_L2, &options, &pq, &err), QV_INVALID, "at least 256 rows, not 32");
    options = (qv__pq_options){ .m = 2, .bits = 4 };
    QVT_FAILS(qv__pq_train(rows, 15, 6, QV_METRIC_L2, &options, &pq, &err), QV_INVALID, "at least 16 rows, not 15");
}

static void training_can_be_cancelled(void **state)
{
    qvt_rng rng = { 8 };
    float *rows = random_floats(&rng, 300 * 4);
    qv_cancel *cancel;
    qv__quantizer *pq;
    qv_error err;
    qv__job job;

    (void) state;
    QVT_OK(qv_cancel_new(&cancel, &err));
    qv_cancel_raise(cancel);
    qv__job_begin(&job, &(qv_job){ .struct_size = sizeof(qv_job), .cancel = cancel }, "training", 0);
    qv__pq_options options = { .m = 2, .bits = 8, .job = &job };
    QVT_FAILS(qv__pq_train(rows, 300, 4, QV_METRIC_L2, &options, &pq, &err), QV_CANCELLED, "training");
    qv__job_end(&job, QV_CANCELLED);
    qv_cancel_free(cancel);
    free(rows);
}

static qv_status everything(const float *rows, const float *codebook, qv_error *err)
{
    qv_status st = QV_OK;
    qv__pq_options options = { .m = 2, .bits = 4, .iterations = 2 };
    qv__quantizer *trained = NULL, *pq = NULL;
    qv__code_query *query = NULL;
    uint8_t codes[20], *out = codes;

    QV_CHECK(qv__pq_train(rows, 20, 4, QV_METRIC_L2, &options, &trained, err));
    QV_CHECK(qv__pq_new(codebook, 4, 2, 4, QV_METRIC_L2, &pq, err));
    QV_CHECK(pq->class->encode(pq, rows, 20, NULL, NULL, &out, err));
    QV_CHECK(pq->class->query_new(pq, rows, &query, err));
done:
    if (query)
        pq->class->query_free(query);
    if (pq)
        pq->class->free(pq);
    if (trained)
        trained->class->free(trained);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    qvt_rng rng = { 12 };
    float *rows = random_floats(&rng, 20 * 4), *codebook = random_floats(&rng, 16 * 4);
    uint64_t n_failed = 0;

    (void) state;
    for (;; n_failed++) {
        qv_error err = { 0 };
        qv__alloc_fail_at(n_failed);
        qv_status st = everything(rows, codebook, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        if (!fired)
            break;
        assert_int_equal(err.status, QV_NOMEM);
    }
    assert_true(n_failed >= 15);
    free(rows);
    free(codebook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_finds_nearest_words),
        cmocka_unit_test(equal_words_give_the_first),
        cmocka_unit_test(decode_gives_words),
        cmocka_unit_test(arranged_lists_are_transposed),
        cmocka_unit_test(estimates_are_sums),
        cmocka_unit_test(scans_offer_the_best),
        cmocka_unit_test(scans_offer_the_best_of_long_codes),
        cmocka_unit_test(sums_of_bytes_are_cut_at_their_limits),
        cmocka_unit_test(bytes_are_rounded_down),
        cmocka_unit_test(rough_scans_choose_among_the_best),
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(levels_choose_the_same_rows),
        cmocka_unit_test(training_is_as_good_as_plain_kmeans),
        cmocka_unit_test(training_depends_on_the_seed_alone),
        cmocka_unit_test(few_rows_are_their_own_words),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(training_can_be_cancelled),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

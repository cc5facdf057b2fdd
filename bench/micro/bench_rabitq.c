/* RaBitQ: rows per second that are encoded, that sign codes are scanned, and that exact answers take behind bounds.
 *   bench_rabitq [n [dim [metric: l2, cosine, dot]]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ann/rabitq/rabitq.h"

enum { LIST = 500, KEPT = 10, QUERIES = 64 };

static void require(qv_status st, const qv_error *err)
{
    if (st == QV_OK)
        return;
    fprintf(stderr, "%s: %s\n", qv_status_name(st), err->message);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static uint64_t random_state = 88172645463325252u;

static float normal(void)
{
    float sum = -6;
    for (int i = 0; i < 12; i++) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        sum += (float) (random_state >> 40) / (float) (1 << 24);
    }
    return sum;
}

/* Rows around the centroids of their lists: row i belongs to list i / LIST. */
typedef struct data {
    size_t n, dim, n_lists;
    qv_metric metric;
    float *rows, *centroids, *queries;
    uint32_t *lists;
    uint64_t *ids;
} data;

static void make_unit(float *row, size_t dim)
{
    float norm = 0;
    for (size_t i = 0; i < dim; i++)
        norm += row[i] * row[i];
    for (size_t i = 0; i < dim; i++)
        row[i] /= sqrtf(norm);
}

static data make_data(size_t n, size_t dim, qv_metric metric)
{
    data x = { .n = n, .dim = dim, .n_lists = (n + LIST - 1) / LIST, .metric = metric };
    x.rows = malloc(n * dim * sizeof *x.rows);
    x.centroids = malloc(x.n_lists * dim * sizeof *x.centroids);
    x.queries = malloc(QUERIES * dim * sizeof *x.queries);
    x.lists = malloc(n * sizeof *x.lists);
    x.ids = malloc(n * sizeof *x.ids);
    for (size_t i = 0; i < x.n_lists * dim; i++)
        x.centroids[i] = 0.5f + 0.3f * normal();
    for (size_t r = 0; r < n; r++) {
        x.lists[r] = (uint32_t) (r / LIST);
        x.ids[r] = r;
        for (size_t i = 0; i < dim; i++)
            x.rows[r * dim + i] = x.centroids[x.lists[r] * dim + i] + 0.4f * normal();
    }
    for (size_t q = 0; q < QUERIES; q++)
        for (size_t i = 0; i < dim; i++)
            x.queries[q * dim + i] = x.rows[q * (n / QUERIES) * dim + i] + 0.2f * normal();
    for (size_t r = 0; r < n && metric == QV_METRIC_COSINE; r++)
        make_unit(x.rows + r * dim, dim);
    for (size_t q = 0; q < QUERIES && metric == QV_METRIC_COSINE; q++)
        make_unit(x.queries + q * dim, dim);
    return x;
}

static float distance(const data *x, const float *query, uint64_t row)
{
    const float *v = x->rows + row * x->dim;
    float dot[8] = { 0 }, far[8] = { 0 }, dots = 0, fars = 0;
    for (size_t i = 0; i < x->dim; i += 8)
        for (size_t j = 0; j < 8; j++) {
            dot[j] += v[i + j] * query[i + j];
            far[j] += (v[i + j] - query[i + j]) * (v[i + j] - query[i + j]);
        }
    for (size_t j = 0; j < 8; j++) {
        dots += dot[j];
        fars += far[j];
    }
    return x->metric == QV_METRIC_L2 ? fars : 1 - dots;
}

static void measure(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    const data *x = ctx;
    for (size_t i = 0; i < n; i++)
        out[i] = distance(x, x->queries + query * x->dim, keys[i]);
}

/* ------------------------------------------------------------------ what is measured */

typedef struct coded {
    qv__quantizer *quantizer;
    uint8_t *columns[QV_MAX_CODE_COLUMNS];
} coded;

static coded encode(const data *x, unsigned bits)
{
    coded codes;
    qv_error err;
    uint8_t *plain[QV_MAX_CODE_COLUMNS];
    enum { AT_ONCE = 50 * LIST };

    require(qv__rabitq_make(x->dim, bits, x->metric, 1, &codes.quantizer, &err), &err);
    const qv__quantizer *quantizer = codes.quantizer;
    for (size_t c = 0; c < quantizer->n_columns; c++) {
        plain[c] = malloc(x->n * quantizer->columns[c].width);
        codes.columns[c] = malloc(x->n * quantizer->columns[c].width);
        memset(plain[c], 0, x->n * quantizer->columns[c].width);
    }
    double began = cpu_seconds();
    for (size_t r = 0; r < x->n; r += AT_ONCE) {
        uint8_t *out[QV_MAX_CODE_COLUMNS];
        uint32_t first = x->lists[r], lists[AT_ONCE];
        size_t n = x->n - r < AT_ONCE ? x->n - r : AT_ONCE;
        for (size_t c = 0; c < quantizer->n_columns; c++)
            out[c] = plain[c] + r * quantizer->columns[c].width;
        for (size_t i = 0; i < n; i++)
            lists[i] = x->lists[r + i] - first;
        require(quantizer->class->encode(quantizer, x->rows + r * x->dim, n, x->centroids + first * x->dim, lists, out,
                                         &err),
                &err);
    }
    double seconds = cpu_seconds() - began;
    for (size_t r = 0; r < x->n; r += LIST) {
        const uint8_t *from[QV_MAX_CODE_COLUMNS];
        uint8_t *to[QV_MAX_CODE_COLUMNS];
        for (size_t c = 0; c < quantizer->n_columns; c++) {
            from[c] = plain[c] + r * quantizer->columns[c].width;
            to[c] = codes.columns[c] + r * quantizer->columns[c].width;
        }
        quantizer->class->arrange(quantizer, from, x->n - r < LIST ? x->n - r : LIST, to);
    }
    for (size_t c = 0; c < quantizer->n_columns; c++)
        free(plain[c]);
    printf("bits %u: encode %.2f M rows/s", bits, 1e-6 * (double) x->n / seconds);
    return codes;
}

static void scan_lists(const data *x, const coded *codes, qv__code_query *query, qv__candidates *candidates)
{
    const qv__quantizer *quantizer = codes->quantizer;
    for (size_t l = 0; l < x->n_lists; l++) {
        size_t first = l * LIST;
        qv__code_list list = { .n = x->n - first < LIST ? x->n - first : LIST, .ids = x->ids + first };
        for (size_t c = 0; c < quantizer->n_columns; c++)
            list.columns[c] = codes->columns[c] + first * quantizer->columns[c].width;
        quantizer->class->enter_list(query, x->centroids + l * x->dim, 0, NULL);
        quantizer->class->scan(query, &list, candidates);
    }
}

/* The first step alone: no row passes. */
static void bench_scan(const data *x, const coded *codes)
{
    qv_error err;
    double best = INFINITY, rows = 0;

    for (size_t q = 0; q < QUERIES; q++) {
        qv__code_query *query;
        qv__candidates candidates;
        require(codes->quantizer->class->query_new(codes->quantizer, x->queries + q * x->dim, &query, &err), &err);
        require(qv__candidates_init(&candidates, KEPT, NULL, 0, NULL, &err), &err);
        candidates.threshold = -INFINITY;
        double began = cpu_seconds();
        scan_lists(x, codes, query, &candidates);
        best = fmin(best, cpu_seconds() - began);
        rows = (double) x->n;
        qv__candidates_clear(&candidates);
        codes->quantizer->class->query_free(query);
    }
    printf(", scan %.0f M rows/s (20000 rows: %.1f us)", 1e-6 * rows / best, 1e6 * best / rows * 20000);
}

static void bench_exact(const data *x, const coded *codes)
{
    qv_error err;
    qv__exact exact = { measure, (void *) x, NULL };
    double seconds = 0, offered = 0, measured = 0;

    for (size_t q = 0; q < QUERIES; q++) {
        qv__code_query *query;
        qv__candidates candidates;
        const qv__hit *hits;
        require(qv__candidates_init(&candidates, KEPT, &exact, q, NULL, &err), &err);
        double began = cpu_seconds();
        require(codes->quantizer->class->query_new(codes->quantizer, x->queries + q * x->dim, &query, &err), &err);
        scan_lists(x, codes, query, &candidates);
        qv__candidates_finish(&candidates, &hits);
        seconds += cpu_seconds() - began;
        offered += (double) candidates.offered;
        measured += (double) candidates.measured;
        qv__candidates_clear(&candidates);
        codes->quantizer->class->query_free(query);
    }
    printf(", exact %.0f M rows/s (%.0f offered, %.0f measured of %zu)\n", 1e-6 * (double) x->n * QUERIES / seconds,
           offered / QUERIES, measured / QUERIES, x->n);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000, dim = argc > 2 ? strtoull(argv[2], NULL, 10) : 128;
    const char *name = argc > 3 ? argv[3] : "l2";
    qv_metric metric = strcmp(name, "dot") == 0      ? QV_METRIC_DOT
                       : strcmp(name, "cosine") == 0 ? QV_METRIC_COSINE
                                                     : QV_METRIC_L2;
    data x = make_data(n, dim, metric);

    printf("%zu rows of %zu dimensions, %s, lists of %d, %s\n", n, dim, name, LIST, qv__simd_level());
    for (unsigned bits = 1; bits <= 9; bits++) {
        coded codes = encode(&x, bits);
        bench_scan(&x, &codes);
        bench_exact(&x, &codes);
        for (size_t c = 0; c < codes.quantizer->n_columns; c++)
            free(codes.columns[c]);
        codes.quantizer->class->free(codes.quantizer);
    }
    free(x.rows);
    free(x.centroids);
    free(x.queries);
    free(x.lists);
    free(x.ids);
    return 0;
}

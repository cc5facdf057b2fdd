/* Product quantization: training, encoding, the cost of entering a list, and scans of lists, by level. Fastest of several runs, one thread.
 * usage: bench_pq [dim, default 128] [sub-vectors of 8 bits, default 32; twice as many of 4 bits] [rows per list, default 500] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ann/pq/pq_private.h"

enum { RUNS = 5, TRAIN_ROWS = 65536, ENCODE_ROWS = 50000, LISTS = 200, CAPACITY = 100, CLUSTERS = 1000 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void *must(void *block)
{
    if (!block)
        exit(1);
    return block;
}

static void check(qv_status st, const qv_error *err)
{
    if (st == QV_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static float uniform(void) { return (float) rand() / (float) RAND_MAX - 0.5f; }

/* Clusters, so that sums differ as those of real vectors do. */
static float *make_rows(size_t n, size_t dim)
{
    float *rows = must(malloc(n * dim * sizeof *rows)), *centres = must(malloc(CLUSTERS * dim * sizeof *centres));

    for (size_t i = 0; i < CLUSTERS * dim; i++)
        centres[i] = uniform();
    for (size_t r = 0; r < n; r++) {
        size_t cluster = (size_t) rand() % CLUSTERS;
        for (size_t j = 0; j < dim; j++)
            rows[r * dim + j] = centres[cluster * dim + j] + 0.5f * uniform();
    }
    free(centres);
    return rows;
}

static void measure_encoding(const qv__quantizer *pq, const float *rows, uint8_t *codes)
{
    double best = 1e30;
    qv_error err;

    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        check(pq->class->encode(pq, rows, ENCODE_ROWS, NULL, NULL, &codes, &err), &err);
        best = QV_MIN(best, seconds() - start);
    }
    printf("  encode      %8.2f M rows/s\n", ENCODE_ROWS / best / 1e6);
}

typedef struct lists {
    size_t n, per_list, width;
    uint8_t *arranged;
    uint64_t *ids;
} lists;

static lists make_lists(const qv__quantizer *pq, const uint8_t *codes, size_t per_list)
{
    lists x = { .per_list = per_list, .width = pq->columns[0].width, .n = QV_MIN(LISTS, ENCODE_ROWS / per_list) };

    x.arranged = must(malloc(x.n * per_list * x.width));
    x.ids = must(malloc(x.n * per_list * sizeof *x.ids));
    for (size_t i = 0; i < x.n * per_list; i++)
        x.ids[i] = i;
    for (size_t list = 0; list < x.n; list++) {
        size_t at = list * per_list * x.width;
        pq->class->arrange(pq, (const uint8_t *const[]){ codes + at }, per_list, (uint8_t *[]){ x.arranged + at });
    }
    return x;
}

/* One query over the first rows of all lists, for the best of `capacity`: us per list. */
static double scan_time(const qv__quantizer *pq, const lists *x, const float *row, size_t n_rows, size_t capacity)
{
    double best = 1e30;
    qv__code_query *query;
    qv_error err;

    for (int run = 0; run < RUNS; run++) {
        qv__candidates candidates;
        check(qv__candidates_init(&candidates, capacity, NULL, 0, NULL, &err), &err);
        double start = seconds();
        check(pq->class->query_new(pq, row, &query, &err), &err);
        for (size_t list = 0; list < x->n; list++) {
            qv__code_list one = { .n = n_rows,
                                  .ids = x->ids + list * x->per_list,
                                  .columns = { x->arranged + list * x->per_list * x->width } };
            pq->class->enter_list(query, NULL, 0, NULL);
            pq->class->scan(query, &one, &candidates);
        }
        pq->class->query_free(query);
        best = QV_MIN(best, seconds() - start);
        qv__candidates_clear(&candidates);
    }
    return best / (double) x->n * 1e6;
}

static void measure_scans(const qv__quantizer *pq, const float *rows, const uint8_t *codes, size_t per_list)
{
    lists x = make_lists(pq, codes, per_list);
    double some = scan_time(pq, &x, rows, per_list, CAPACITY), one = scan_time(pq, &x, rows, 1, CAPACITY);
    double all = scan_time(pq, &x, rows, per_list, x.n * per_list);

    printf("  scan        %8.2f us per list (%.0f M rows/s), of one row %.2f us; all rows kept: %.2f us\n", some,
           (double) per_list / some, one, all);
    free(x.arranged);
    free(x.ids);
}

static void measure(const float *rows, size_t dim, size_t m, unsigned bits, size_t per_list)
{
    static const char *const levels[] = { "scalar", "avx2", "avx512", "avx512_vbmi", "neon" };
    size_t n_words = (size_t) 1 << bits;
    qv__pq_options options = { .m = m, .bits = bits, .threads = 1 };
    qv__quantizer *pq;
    qv_error err;
    uint8_t *codes = must(malloc(ENCODE_ROWS * m));
    double start = seconds();

    check(qv__pq_train(rows, 256 * n_words, dim, QV_METRIC_L2, &options, &pq, &err), &err);
    printf("%u bits, m %zu: trained on %zu rows in %.2f s\n", bits, m, 256 * n_words, seconds() - start);
    for (size_t l = 0; l < QV_COUNT_OF(levels); l++) {
        if (!qv__pq_kernels_of(levels[l]))
            continue;
        ((qv__pq *) pq)->kernels = qv__pq_kernels_of(levels[l]);
        printf("%s\n", levels[l]);
        measure_encoding(pq, rows, codes);
        measure_scans(pq, rows, codes, per_list);
        fflush(stdout);
    }
    pq->class->free(pq);
    free(codes);
}

int main(int argc, char **argv)
{
    size_t dim = argc > 1 ? strtoull(argv[1], NULL, 10) : 128, m = argc > 2 ? strtoull(argv[2], NULL, 10) : 32;
    size_t per_list = argc > 3 ? strtoull(argv[3], NULL, 10) : 500;
    float *rows = make_rows(TRAIN_ROWS, dim);

    printf("%zu dimensions, kernels in use: %s\n", dim, qv__pq_kernels_get()->name);
    measure(rows, dim, m, 8, per_list);
    measure(rows, dim, 2 * m, 4, per_list);
    free(rows);
    return 0;
}

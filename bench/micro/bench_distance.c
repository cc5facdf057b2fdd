/* Distance kernels against the memory: GB/s and distances/s by level, element, metric and number of queries, next to what a
 * plain sum over the same bytes reaches. Fastest of several runs, one thread.
 * usage: bench_distance [rows, default 1000000] [dim, default 128] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "simd/simd_private.h"

enum { RUNS = 5, K = 10, MAX_QUERIES = 100 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static const char *const element_names[] = { "f32", "f16", "f64", "bf16", "i8", "u8", "bits" };
static const char *const metric_names[] = { "auto", "l2", "cosine", "dot", "hamming", "jaccard" };

static volatile uint64_t sink;

/* Eight independent sums, so that additions are never what limits. */
__attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3"))) static uint64_t sum_words(
    const uint64_t *words, size_t n)
{
    uint64_t sums[64] = { 0 };
    for (size_t i = 0; i + 64 <= n; i += 64)
        for (size_t j = 0; j < 64; j++)
            sums[j] += words[i + j];
    for (size_t j = 1; j < 64; j++)
        sums[0] += sums[j];
    return sums[0];
}

static double memory_speed(const uint8_t *rows, size_t bytes)
{
    double best = 1e30;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        sink += sum_words((const uint64_t *) (const void *) rows, bytes / 8);
        best = QV_MIN(best, seconds() - start);
    }
    return (double) bytes / best;
}

static double scan_time(const qv__kernels *kernels, qv_metric metric, qv__element element, size_t dim,
                        const uint8_t *rows, size_t n, size_t n_queries)
{
    static qv__hit slots[MAX_QUERIES][K];
    qv__topk topks[MAX_QUERIES];
    qv_error err;
    qv__distance *d = NULL;
    double best = 1e30;
    uint8_t *queries = calloc(n_queries, qv__element_bytes(QV_EL_F32, dim));
    qv__element q_element = element == QV_EL_BITS ? QV_EL_BITS : QV_EL_F32;

    for (size_t i = 0; i < n_queries * qv__element_bytes(q_element, dim); i += 4) {
        float value = (float) (rand() % 100);
        memcpy(queries + i, &value, element == QV_EL_BITS ? 1 : sizeof value);
    }
    if (qv__distance_new_with(kernels, metric, element, dim, queries, q_element, n_queries, &d, &err) != QV_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    for (int run = 0; run < RUNS; run++) {
        qv__scan_rows all = { rows, qv__element_bytes(element, dim), n, NULL, 0, NULL, 0 };
        for (size_t q = 0; q < n_queries; q++)
            qv__topk_init(&topks[q], K, slots[q], NULL, NULL);
        double start = seconds();
        if (qv__distance_topk(d, &all, topks, &err) != QV_OK)
            exit(1);
        best = QV_MIN(best, seconds() - start);
    }
    qv__distance_free(d);
    free(queries);
    return best;
}

/* Values of every type from the same small integers. */
static void fill(uint8_t *rows, qv__element element, size_t n_values)
{
    for (size_t i = 0; i < n_values; i++) {
        unsigned value = (unsigned) rand() % 100;
        float single = (float) value;
        double wide = single;
        uint32_t bits;
        memcpy(&bits, &single, 4);
        uint16_t half = element == QV_EL_BF16 ? (uint16_t) (bits >> 16)
                        : value               ? (uint16_t) (((bits >> 23) - 112) << 10 | (bits >> 13 & 1023))
                                              : 0;
        switch (element) {
        case QV_EL_F64:
            memcpy(rows + 8 * i, &wide, 8);
            break;
        case QV_EL_F32:
            memcpy(rows + 4 * i, &single, 4);
            break;
        case QV_EL_F16:
        case QV_EL_BF16:
            memcpy(rows + 2 * i, &half, 2);
            break;
        default:
            rows[i] = (uint8_t) value;
            break;
        }
    }
}

int main(int argc, char **argv)
{
    static const char *const levels[] = { "scalar", "avx2", "avx512", "neon" };
    static const size_t query_counts[] = { 1, 4, 10, MAX_QUERIES };
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, dim = argc > 2 ? strtoull(argv[2], NULL, 10) : 128;
    uint8_t *rows = aligned_alloc(4096, (n * dim * 8 + 4095) / 4096 * 4096);

    if (!rows)
        return 1;
    printf("%zu rows, %zu dimensions, k %d\n", n, dim, K);
    for (int e = 0; e < QV_EL_COUNT; e++) {
        size_t bytes = n * qv__element_bytes((qv__element) e, dim);
        fill(rows, (qv__element) e, e == QV_EL_BITS ? bytes : n * dim);
        double speed = memory_speed(rows, bytes);
        printf("%-5s plain sum %7.2f GB/s\n", element_names[e], speed / 1e9);
        for (int m = e == QV_EL_BITS ? QV_METRIC_HAMMING : QV_METRIC_L2;
             m <= (e == QV_EL_BITS ? QV_METRIC_JACCARD : QV_METRIC_DOT); m++)
            for (size_t l = 0; l < QV_COUNT_OF(levels); l++)
                for (size_t q = 0; qv__kernels_of(levels[l]) && q < QV_COUNT_OF(query_counts); q++) {
                    if (l == 0 && query_counts[q] > 1)
                        continue;
                    double t = scan_time(qv__kernels_of(levels[l]), (qv_metric) m, (qv__element) e, dim, rows, n,
                                         query_counts[q]);
                    printf("%-5s %-8s %-7s %3zu queries %9.3f ms %7.2f GB/s (%3.0f %% of the sum) %7.3f Gdist/s\n",
                           element_names[e], metric_names[m], levels[l], query_counts[q], t * 1e3,
                           (double) bytes / t / 1e9, 100 * (double) bytes / t / speed,
                           (double) n * (double) query_counts[q] / t / 1e9);
                    fflush(stdout);
                }
    }
    free(rows);
    return 0;
}

/* Searches of a vector index beneath the public door: no opening, no columns fetched, only lists, candidates and true distances.
 *   bench_ivf DB TABLE COLUMN DIM QUERIES(float32 file) TRUTH(int64 file, K row numbers per query) K PROBES BATCH [THREADS] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api_private.h"
#include "query/ann.h"

enum { ROUNDS = 15 }; /* of which the best counts, for each query: others may be using the machine */

static qv_error err;

static void must(qv_status st)
{
    if (st == QV_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    long size = 0;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        exit(2);
    void *values = malloc((size_t) size);
    rewind(file);
    if (!values || fread(values, 1, (size_t) size, file) != (size_t) size)
        exit(2);
    fclose(file);
    *bytes = (size_t) size;
    return values;
}

typedef struct bench {
    qv__snapshot *snapshot;
    qv__vector_column column;
    qv__vector_plan *plan;
    const float *queries;
    const int64_t *truth;
    size_t n, dim, k, batch;
    uint32_t probes;
    unsigned threads;
    qv__vector_counters spent;
    size_t found;
} bench;

/* The number of a row in the table, from its address. */
static int64_t number_of(const bench *b, uint64_t address)
{
    int64_t before = 0;
    for (size_t f = 0; qv__snapshot_fragment(b->snapshot, f)->id != address >> 32; f++)
        before += (int64_t) qv__snapshot_fragment(b->snapshot, f)->physical_rows;
    return before + (int64_t) (address & UINT32_MAX);
}

static void count(bench *b, size_t first, const qv__hit *hits, size_t width, const size_t *counts, size_t n)
{
    for (size_t q = 0; q < n; q++)
        for (size_t i = 0; i < counts[q]; i++)
            for (size_t j = 0; j < b->k; j++)
                b->found += b->truth[(first + q) * b->k + j] == number_of(b, hits[q * width + i].id);
}

static double ask(bench *b, size_t first, size_t n)
{
    qv_job options = { .threads = b->threads };
    qv__vector_counters spent;
    qv__distance *distance;
    qv__measure measure;
    qv__job job;
    qv__hit *hits;
    size_t width, *counts;

    qv__job_begin(&job, &options, "search", 0);
    must(qv__distance_new(QV_METRIC_L2, b->column.element, b->dim, b->queries + first * b->dim, QV_EL_F32, n, &distance,
                          &err));
    must(qv__measure_init(&measure, b->snapshot, &b->column, distance, 1, true, &err));
    qv__vector_request request = { .queries = b->queries + first * b->dim,
                                   .n = n,
                                   .dim = b->dim,
                                   .k = b->k,
                                   .min_probes = b->probes,
                                   .max_probes = b->probes,
                                   .exact = &measure.exact,
                                   .passing = 1,
                                   .job = &job };
    double began = now_s();
    must(qv__vector_search(b->plan, &request, &hits, &width, &counts, &spent, &err));
    double seconds = now_s() - began;
    count(b, first, hits, width, counts, n);
    b->spent.rows += spent.rows;
    b->spent.offered += spent.offered;
    b->spent.measured += spent.measured;
    qv__free(hits);
    qv__free(counts);
    qv__distance_free(distance);
    qv__job_end(&job, QV_OK);
    return seconds;
}

int main(int argc, char **argv)
{
    size_t bytes;
    qv_db *db;
    qv_table *table;
    double total = 0, *best;
    bench b = { .probes = 8 };

    if (argc < 10) {
        fprintf(stderr, "usage: %s DB TABLE COLUMN DIM QUERIES TRUTH K PROBES BATCH [THREADS]\n", argv[0]);
        return 2;
    }
    must(qv_db_open(argv[1], NULL, &db, &err));
    must(qv_db_open_table(db, argv[2], 0, &table, &err));
    b.snapshot = qv__table_snapshot(table);
    must(qv__vector_column_find(qv__snapshot_schema(b.snapshot), argv[3], strtoul(argv[4], NULL, 10), &b.column, &err));
    b.dim = b.column.dim;
    b.queries = read_file(argv[5], &bytes);
    b.n = bytes / sizeof(float) / b.dim;
    b.truth = read_file(argv[6], &bytes);
    b.k = strtoul(argv[7], NULL, 10);
    b.probes = (uint32_t) strtoul(argv[8], NULL, 10);
    b.batch = strtoul(argv[9], NULL, 10);
    b.threads = argc > 10 ? (unsigned) strtoul(argv[10], NULL, 10) : 1;
    must(qv__vector_plan_new(b.snapshot, b.column.leaf->id, NULL, QV_METRIC_AUTO, b.dim, &b.plan, NULL, &err));
    best = malloc(b.n * sizeof *best);
    if (!best)
        return 2;
    for (size_t q = 0; q < b.n; q++)
        best[q] = 1e300;
    for (int round = 0; round < ROUNDS; round++) {
        b.spent = (qv__vector_counters){ 0 };
        b.found = 0;
        for (size_t q = 0; q < b.n; q += b.batch)
            best[q] = fmin(best[q], ask(&b, q, QV_MIN(b.batch, b.n - q)));
    }
    for (size_t q = 0; q < b.n; q += b.batch)
        total += best[q];
    double n = (double) b.n;
    printf("%.1f us each, recall %.4f, per query %.0f rows, %.0f offered, %.0f measured\n", total / n * 1e6,
           (double) b.found / n / (double) b.k, (double) b.spent.rows / n, (double) b.spent.offered / n,
           (double) b.spent.measured / n);
    qv__vector_plan_free(b.plan);
    qv__snapshot_unref(b.snapshot);
    free(best);
    free((void *) b.queries);
    free((void *) b.truth);
    qv_table_close(table);
    qv_db_close(db);
    return 0;
}

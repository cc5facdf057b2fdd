/* Graphs: time to build, and speed against recall over flat float32 vectors and over scalar codes whose finds are measured exactly. One
 * thread searches. Queries are rows that were left out.
 * usage: bench_hnsw [float32 matrix as .npy, or - for clusters; default -] [rows, default 100000] [m, default 16]
 *                   [ef_construction, default 300] [threads of the build, default 1] [of rows of that many dimensions; default 128] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ann/hnsw/hnsw.h"
#include "ann/sq/sq.h"

enum { K = 10, QUERIES = 1000 };

typedef struct data {
    size_t n, dim;
    float *rows, *queries;
    uint64_t *keys;
    qv__hit *truth; /* K each */
} data;

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void must(qv_status st, const qv_error *err)
{
    if (st != QV_OK) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

/* ------------------------------------------------------------------ rows */

static double uniform(void) { return (rand() + 0.5) / ((double) RAND_MAX + 1); }
static float gaussian(void) { return (float) (sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform())); }

/* Rows around centres, most of their spread in a few directions: what embeddings are like. */
static void fill_clusters(data *d, size_t n_all)
{
    enum { CENTRES = 200, INNER = 16 };
    float *centres = malloc(CENTRES * d->dim * sizeof *centres), *base = malloc(INNER * d->dim * sizeof *base);

    for (size_t i = 0; i < CENTRES * d->dim; i++)
        centres[i] = gaussian();
    for (size_t i = 0; i < INNER * d->dim; i++)
        base[i] = gaussian() / 4;
    for (size_t i = 0; i < n_all; i++) {
        float *row = d->rows + i * d->dim;
        memcpy(row, centres + (size_t) rand() % CENTRES * d->dim, d->dim * sizeof *row);
        for (size_t b = 0; b < INNER; b++) {
            float weight = gaussian();
            for (size_t j = 0; j < d->dim; j++)
                row[j] += weight * base[b * d->dim + j];
        }
        for (size_t j = 0; j < d->dim; j++)
            row[j] += gaussian() / 10;
    }
    free(centres);
    free(base);
}

static FILE *open_npy(const char *path, size_t *n, size_t *dim)
{
    unsigned char start[10];
    char header[4096] = { 0 };
    FILE *file = fopen(path, "rb");

    if (!file || fread(start, 1, 10, file) != 10)
        exit(1);
    size_t len = start[8] + 256u * start[9];
    if (len >= sizeof header || fread(header, 1, len, file) != len || !strstr(header, "<f4"))
        exit(1);
    const char *shape = strstr(header, "(");
    if (!shape || sscanf(shape, "(%zu, %zu)", n, dim) != 2)
        exit(1);
    return file;
}

static void make_data(data *d, const char *path, size_t n_wanted, size_t dim)
{
    size_t n_all = n_wanted + QUERIES;
    FILE *file = strcmp(path, "-") ? open_npy(path, &n_all, &dim) : NULL;

    n_all = QV_MIN(n_all, n_wanted + QUERIES);
    d->dim = dim;
    d->n = n_all - QUERIES;
    d->rows = aligned_alloc(64, (n_all * dim * sizeof(float) + 63) / 64 * 64);
    d->keys = malloc(d->n * sizeof *d->keys);
    if (file) {
        if (fread(d->rows, dim * sizeof(float), n_all, file) != n_all)
            exit(1);
        fclose(file);
    } else {
        fill_clusters(d, n_all);
    }
    d->queries = d->rows + d->n * dim;
    for (size_t i = 0; i < d->n; i++)
        d->keys[i] = i;
}

static void make_truth(data *d)
{
    qv__scan_rows rows = { d->rows, d->dim * sizeof(float), d->n, NULL, 0, NULL, 0 };
    qv__topk topks[QUERIES];
    qv__distance *distance = NULL;
    qv_error err;

    d->truth = calloc((size_t) QUERIES * K, sizeof *d->truth);
    for (size_t q = 0; q < QUERIES; q++)
        qv__topk_init(&topks[q], K, d->truth + q * K, NULL, NULL);
    must(qv__distance_new(QV_METRIC_L2, QV_EL_F32, d->dim, d->queries, QV_EL_F32, QUERIES, &distance, &err), &err);
    must(qv__distance_topk(distance, &rows, topks, &err), &err);
    qv__distance_free(distance);
    for (size_t q = 0; q < QUERIES; q++)
        qv__topk_sort(&topks[q]);
}

/* ------------------------------------------------------------------ building */

static qv__hnsw *build(const data *d, const void *rows, qv__element element, const qv__hnsw_options *options)
{
    qv__hnsw *graph = NULL;
    qv_error err;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    double links = 0;

    must(qv__hnsw_build(rows, qv__element_bytes(element, d->dim), d->n, d->dim, element, QV_METRIC_L2, options, &graph,
                        &err),
         &err);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    for (uint32_t i = 0; i < d->n; i++) {
        const uint32_t *neighbours;
        uint32_t n;
        qv__hnsw_node(graph, 0, i, &neighbours, &n);
        links += n;
    }
    printf("build over %s: %.2f s of CPU, %.2f s on the clock, %.1f neighbours on level 0, %u levels\n",
           element == QV_EL_U8 ? "codes" : "float32", cpu, wall, links / (double) d->n,
           qv__hnsw_shape_of(graph).n_levels);
    fflush(stdout);
    return graph;
}

/* ------------------------------------------------------------------ searching */

typedef struct measuring {
    const data *d;
    qv__distance *distance; /* of all queries */
} measuring;

static void measure(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    const measuring *m = ctx;
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(m->d->rows + keys[i] * m->d->dim);
    for (size_t i = 0; i < n; i++)
        qv__distance_to_rows(m->distance, query, m->d->rows + keys[i] * m->d->dim, m->d->dim * sizeof(float), 1,
                             out + i);
}

static size_t count_hits(const data *d, size_t q, const qv__hit *hits, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j < n; j++)
            found += hits[j].id == d->truth[q * K + i].id;
    return found;
}

static void search_all(const data *d, const qv__hnsw *graph, const qv__quantizer *quantizer, const uint8_t *codes,
                       const qv__exact *exact, size_t ef)
{
    uint64_t n_distances = 0, n_measured = 0;
    size_t found = 0;
    qv__hnsw_scratch *scratch = NULL;
    qv_error err;

    must(qv__hnsw_scratch_new(&scratch, &err), &err);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t q = 0; q < QUERIES; q++) {
        qv__candidates candidates;
        qv__code_query *query = NULL;
        const qv__hit *hits;
        must(quantizer->class->query_new(quantizer, d->queries + q * d->dim, &query, &err), &err);
        must(qv__candidates_init(&candidates, K, exact, q, NULL, &err), &err);
        qv__hnsw_walk walk = { query, &codes, d->keys, ef };
        must(qv__hnsw_search(graph, &walk, scratch, &candidates, &n_distances, &err), &err);
        size_t n = qv__candidates_finish(&candidates, &hits);
        found += count_hits(d, q, hits, n);
        n_measured += candidates.measured;
        qv__candidates_clear(&candidates);
        quantizer->class->query_free(query);
    }
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("  %-4s ef %4zu: recall %.4f, %8.0f queries/s, %6.0f distances, %5.1f measured\n", quantizer->class->name,
           ef, (double) found / QUERIES / K, QUERIES / cpu, (double) n_distances / QUERIES,
           (double) n_measured / QUERIES);
    fflush(stdout);
    qv__hnsw_scratch_free(scratch);
}

int main(int argc, char **argv)
{
    static const size_t widths[] = { 10, 20, 30, 40, 60, 80, 120, 200, 400 };
    size_t n_wanted = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    qv__hnsw_options options = {
        .m = argc > 3 ? (unsigned) atoi(argv[3]) : 16,
        .ef_construction = argc > 4 ? (unsigned) atoi(argv[4]) : 300,
        .threads = argc > 5 ? (unsigned) atoi(argv[5]) : 1,
    };
    data d;
    qv__quantizer *sq = NULL, *flat = NULL;
    qv_error err;

    make_data(&d, argc > 1 ? argv[1] : "-", n_wanted, argc > 6 ? strtoull(argv[6], NULL, 10) : 128);
    printf("%zu rows, %zu dimensions, k %d, m %u, ef_construction %u, %u threads, %s\n", d.n, d.dim, K, options.m,
           options.ef_construction, options.threads, qv__simd_level());
    make_truth(&d);
    must(qv__sq_train(d.rows, QV_MIN(d.n, 65536), d.dim, 0, QV_METRIC_L2, &sq, &err), &err);
    must(qv__flat_new(d.dim, QV_EL_F32, QV_METRIC_L2, &flat, &err), &err);
    uint8_t *codes = malloc(d.n * d.dim);
    must(sq->class->encode(sq, d.rows, d.n, NULL, NULL, &codes, &err), &err);
    measuring with = { &d, NULL };
    must(qv__distance_new(QV_METRIC_L2, QV_EL_F32, d.dim, d.queries, QV_EL_F32, QUERIES, &with.distance, &err), &err);
    qv__exact exact = { measure, &with, NULL };
    for (int over_codes = 1; over_codes >= 0; over_codes--) {
        qv__hnsw *graph = over_codes ? build(&d, codes, QV_EL_U8, &options) : build(&d, d.rows, QV_EL_F32, &options);
        for (size_t i = 0; i < QV_COUNT_OF(widths); i++)
            search_all(&d, graph, over_codes ? sq : flat, over_codes ? codes : (const uint8_t *) d.rows,
                       over_codes ? &exact : NULL, widths[i]);
        qv__hnsw_free(graph);
    }
    qv__distance_free(with.distance);
    sq->class->free(sq);
    flat->class->free(flat);
    free(codes);
    free(d.rows);
    free(d.keys);
    free(d.truth);
    return 0;
}

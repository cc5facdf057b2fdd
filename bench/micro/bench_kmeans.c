/* K-means over the rows of a .npy file (float32, row after row): CPU seconds of training and of assigning all rows, how good the cells are,
 * and how long it takes to rank centroids for a query.
 * usage: bench_kmeans FILE.npy [centroids, default 2048] [training rows per centroid, default 256] [threads, default 1] [balance, default 0] */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ann/kmeans/kmeans.h"

enum { N_CHECKED = 20000, N_QUERIES = 1000, N_PROBES = 32, ROWS_AT_ONCE = 65536 };

typedef struct matrix {
    float *rows;
    size_t n, dim;
} matrix;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void check(qv_status st, const qv_error *err)
{
    if (st != QV_OK) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

static matrix read_npy(const char *path)
{
    matrix m = { 0 };
    struct stat info;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &info) != 0) {
        perror(path);
        exit(1);
    }
    uint8_t *bytes = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    const char *shape = bytes == MAP_FAILED ? NULL : strstr((const char *) bytes + 10, "'shape': (");
    if (!shape || sscanf(shape, "'shape': (%zu, %zu)", &m.n, &m.dim) != 2) {
        fprintf(stderr, "%s: not a matrix\n", path);
        exit(1);
    }
    m.rows = (float *) (void *) (bytes + 10 + bytes[8] + 256 * bytes[9]);
    return m;
}

/* Every so-many-th row. */
static float *sample(matrix all, size_t n)
{
    float *rows = malloc(n * all.dim * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        memcpy(rows + i * all.dim, all.rows + i * all.n / n * all.dim, all.dim * sizeof *rows);
    return rows;
}

static void assign_all(const qv__centroids *centroids, matrix all, bool is_exact, uint32_t *lists)
{
    qv_error err;
    for (size_t r = 0; r < all.n; r += ROWS_AT_ONCE)
        check(qv__centroids_assign(centroids, all.rows + r * all.dim, QV_MIN(all.n - r, ROWS_AT_ONCE), is_exact,
                                   lists + r, NULL, &err),
              &err);
}

static double mean_distance(matrix rows, const float *centroids, const uint32_t *lists)
{
    double sum = 0;
    for (size_t r = 0; r < rows.n; r++)
        for (size_t i = 0; i < rows.dim; i++) {
            double diff = (double) rows.rows[r * rows.dim + i] - centroids[lists[r] * rows.dim + i];
            sum += diff * diff;
        }
    return sum / (double) rows.n;
}

static void report_assigning(const qv__centroids *made, const float *centroids, size_t k, matrix all)
{
    matrix checked = { sample(all, QV_MIN(all.n, N_CHECKED)), QV_MIN(all.n, N_CHECKED), all.dim };
    uint32_t *exact = malloc(checked.n * sizeof *exact), *lists = malloc(all.n * sizeof *lists);
    size_t *sizes = calloc(k, sizeof *sizes), same = 0, most = 0;
    double squares = 0, start = cpu_seconds();

    assign_all(made, checked, true, exact);
    double seconds = cpu_seconds() - start;
    double flops = 2.0 * (double) checked.n * (double) k * (double) all.dim;
    printf("exact, %zu rows: %.3f s, %.1f GFlop/s, mean distance %.6g\n", checked.n, seconds, flops / seconds * 1e-9,
           mean_distance(checked, centroids, exact));
    assign_all(made, checked, false, lists);
    for (size_t r = 0; r < checked.n; r++)
        same += lists[r] == exact[r];
    printf("inexact: %.2f %% the same, mean distance %.6g\n", 100.0 * (double) same / (double) checked.n,
           mean_distance(checked, centroids, lists));
    start = cpu_seconds();
    assign_all(made, all, false, lists);
    printf("inexact, %zu rows: %.3f s\n", all.n, cpu_seconds() - start);
    for (size_t r = 0; r < all.n; r++)
        sizes[lists[r]]++;
    for (size_t c = 0; c < k; c++) {
        most = QV_MAX(most, sizes[c]);
        squares += (double) sizes[c] * (double) sizes[c];
    }
    printf("cells: largest %.2f times the mean, imbalance %.3f\n", (double) most * (double) k / (double) all.n,
           squares * (double) k / (double) all.n / (double) all.n);
    free(checked.rows);
    free(exact);
    free(lists);
    free(sizes);
}

static void report_ranking(const qv__centroids *made, size_t k, matrix all)
{
    float *scratch = malloc(k * sizeof *scratch), distances[N_PROBES];
    uint32_t lists[N_PROBES];
    double start = cpu_seconds();

    for (size_t q = 0; q < N_QUERIES; q++)
        qv__centroids_rank(made, all.rows + q * all.n / N_QUERIES * all.dim, QV_MIN(N_PROBES, k), scratch, lists,
                           distances);
    printf("rank: %.1f us per query\n", (cpu_seconds() - start) / N_QUERIES * 1e6);
    free(scratch);
}

static size_t number(int argc, char **argv, int at, size_t otherwise)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    qv_error err;
    qv__centroids *made = NULL;
    double loss = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_kmeans FILE.npy [centroids] [training rows per centroid] [threads] [balance]\n");
        return 2;
    }
    matrix all = read_npy(argv[1]);
    size_t k = number(argc, argv, 2, 2048), n = QV_MIN(all.n, k * number(argc, argv, 3, 256));
    qv__kmeans_options options = { .k = k, .metric = QV_METRIC_L2, .threads = (unsigned) number(argc, argv, 4, 1) };
    options.balance = argc > 5 ? atof(argv[5]) : 0;
    float *rows = sample(all, n), *centroids = malloc(k * all.dim * sizeof *centroids);

    double start = cpu_seconds();
    check(qv__kmeans_train(rows, n, all.dim, &options, centroids, &loss, &err), &err);
    printf("train %zu x %zu, %zu centroids: %.3f s, loss %.6g\n", n, all.dim, k, cpu_seconds() - start, loss);
    free(rows);
    check(qv__centroids_new(centroids, k, all.dim, QV_METRIC_L2, &made, &err), &err);
    report_assigning(made, centroids, k, all);
    report_ranking(made, k, all);
    qv__centroids_free(made);
    free(centroids);
    return 0;
}

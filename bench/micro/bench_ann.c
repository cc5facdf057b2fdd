/* Queries per second of a vector search through the public interface, single queries one after the other, ids and distances only.
 * usage: bench_ann DB TABLE QUERIES(float32 file) DIM K THREADS [nprobes=N] [refine_factor=N] [ef=N] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <quiver/quiver.h>

enum { ROUNDS = 5 };

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

static float *read_floats(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    long size = 0;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        exit(2);
    float *values = malloc((size_t) size);
    rewind(file);
    if (!values || fread(values, 1, (size_t) size, file) != (size_t) size)
        exit(2);
    fclose(file);
    *n = (size_t) size / sizeof(float);
    return values;
}

static void set(qv_search_options *options, const char *setting)
{
    const char *equals = strchr(setting, '=');
    uint32_t value = equals ? (uint32_t) strtoul(equals + 1, NULL, 10) : 0;

    if (strncmp(setting, "nprobes=", 8) == 0)
        options->min_probes = options->max_probes = value;
    else if (strncmp(setting, "refine_factor=", 14) == 0)
        options->refine_factor = value;
    else if (strncmp(setting, "ef=", 3) == 0)
        options->ef = value;
    else
        exit(2);
}

static void ask(qv_table *table, const float *query, size_t dim, const qv_search_options *options)
{
    qv_vectors queries = { query, QV_ELEMENT_F32, dim, 1 };
    struct ArrowArrayStream rows;
    struct ArrowArray batch;

    must(qv_table_search(table, &queries, options, &rows, &err));
    while (rows.get_next(&rows, &batch) == 0 && batch.release)
        batch.release(&batch);
    rows.release(&rows);
}

int main(int argc, char **argv)
{
    static const char *const columns[] = { "id" };
    qv_db *db;
    qv_table *table;
    double best = 1e300;

    if (argc < 7) {
        fprintf(stderr, "usage: %s DB TABLE QUERIES DIM K THREADS [setting=value ...]\n", argv[0]);
        return 2;
    }
    size_t n, dim = strtoul(argv[4], NULL, 10);
    float *values = read_floats(argv[3], &n);
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    options.k = (uint32_t) strtoul(argv[5], NULL, 10);
    options.job.threads = (unsigned) strtoul(argv[6], NULL, 10);
    options.columns = columns;
    options.n_columns = 1;
    for (int i = 7; i < argc; i++)
        set(&options, argv[i]);
    must(qv_db_open(argv[1], NULL, &db, &err));
    must(qv_db_open_table(db, argv[2], 0, &table, &err));
    for (int round = 0; round < ROUNDS; round++) {
        double began = now_s();
        for (size_t q = 0; q < n / dim; q++)
            ask(table, values + q * dim, dim, &options);
        double seconds = (now_s() - began) / (double) (n / dim);
        best = seconds < best ? seconds : best;
    }
    printf("%.1f queries per second, %.1f us each\n", 1 / best, best * 1e6);
    free(values);
    qv_table_close(table);
    qv_db_close(db);
    return 0;
}

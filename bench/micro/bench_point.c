/* What finding one row by an indexed integer column costs through the public interface: a scan under `column = value`, all columns,
 * read to its end. Median and fastest of many runs with values spread over the table, and the first answer of fresh handles.
 * usage: bench_point DB TABLE COLUMN ROWS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <quiver/quiver.h>

enum { RUNS = 20000, OPENS = 200 };

static qv_error err;

static void must(qv_status st)
{
    if (st == QV_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e6 + (double) t.tv_nsec * 1e-3;
}

static int64_t find(qv_table *table, const char *column, unsigned long long value)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    struct ArrowArrayStream rows;
    struct ArrowArray batch;
    char where[256];
    int64_t found = 0;

    snprintf(where, sizeof where, "%s = %llu", column, value);
    options.where = where;
    must(qv_table_scan(table, &options, &rows, &err));
    while (rows.get_next(&rows, &batch) == 0 && batch.release) {
        found += batch.length;
        batch.release(&batch);
    }
    rows.release(&rows);
    return found;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static double times[RUNS];
    qv_db *db;
    qv_table *table;

    if (argc != 5) {
        fprintf(stderr, "usage: %s DB TABLE COLUMN ROWS\n", argv[0]);
        return 2;
    }
    unsigned long long rows = strtoull(argv[4], NULL, 10), seed = 1;
    must(qv_db_open(argv[1], NULL, &db, &err));
    for (int i = 0; i < OPENS; i++) {
        double t0 = now_us();
        must(qv_db_open_table(db, argv[2], 0, &table, &err));
        find(table, argv[3], rows / 2);
        times[i] = now_us() - t0;
        qv_table_close(table);
    }
    qsort(times, OPENS, sizeof *times, ascending);
    printf("open and first answer: %.1f us fastest, %.1f us median\n", times[0], times[OPENS / 2]);
    must(qv_db_open_table(db, argv[2], 0, &table, &err));
    for (int i = 0; i < RUNS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double t0 = now_us();
        if (find(table, argv[3], (seed >> 33) % rows) == 0)
            fprintf(stderr, "a value was not found\n");
        times[i] = now_us() - t0;
    }
    qsort(times, RUNS, sizeof *times, ascending);
    printf("one row: %.1f us fastest, %.1f us median, %.1f us at the 99th percentile\n", times[0], times[RUNS / 2],
           times[RUNS * 99 / 100]);
    qv_table_close(table);
    qv_db_close(db);
    return 0;
}

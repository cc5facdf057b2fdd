/* Scans, takes and exact searches of a table on disk, warm. Fastest of several runs.
 * usage: bench_query FOLDER [rows, default 1000000] [dim, default 128]; the table is made in FOLDER when it is not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/compute/compute.h"
#include "base/job.h"
#include "query/query.h"

enum { BATCH = 10000, RUNS = 7, TAKEN = 1000 };

static qv_error err;

static void must(qv_status st)
{
    if (st == QV_OK)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

/* ------------------------------------------------------------------ making the table */

typedef struct source {
    qv__stream stream;
    size_t left, dim;
    uint64_t next_id, random;
} source;

static float next_value(source *s)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (float) (s->random >> 40) * 0x1p-24f;
}

static qv_status source_next(qv__stream *stream, qv__array **out, qv_error *e)
{
    source *s = (source *) stream;
    size_t n = QV_MIN(s->left, BATCH);
    qv__array *columns[2] = { NULL, NULL };
    uint8_t *ids, *values;

    *out = NULL;
    if (n == 0)
        return QV_OK;
    const qv__type *list = s->stream.schema->fields[1].type;
    must(qv__array_new(s->stream.schema->fields[0].type, (int64_t) n, 0, &columns[0], e));
    must(qv__array_new(list, (int64_t) n, 1, &columns[1], e));
    must(qv__array_new(list->children[0].type, (int64_t) (n * s->dim), 0, &columns[1]->children[0], e));
    must(qv__bytes_new(n * 8, &columns[0]->buffers[1], &ids, e));
    must(qv__bytes_new(n * s->dim * 4, &columns[1]->children[0]->buffers[1], &values, e));
    for (size_t i = 0; i < n; i++)
        ((uint64_t *) (void *) ids)[i] = s->next_id++;
    for (size_t i = 0; i < n * s->dim; i++)
        ((float *) (void *) values)[i] = next_value(s);
    s->left -= n;
    qv_status st = qv__batch_new(s->stream.schema, columns, (int64_t) n, out, e);
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

static void source_destroy(qv__stream *stream) { qv__schema_unref(stream->schema); }

static qv__snapshot *make_table(qv__store *store, size_t rows, size_t dim)
{
    source s = { .left = rows, .dim = dim, .random = 1 };
    qv__write write = { .create = true };
    qv__field item = { 0 }, fields[2] = { { 0 } };
    qv__type *types[3];
    qv__snapshot *snapshot = NULL;

    must(qv__type_new(QV_TYPE_INT64, &types[0], &err));
    must(qv__type_new(QV_TYPE_FLOAT32, &types[1], &err));
    must(qv__field_init(&item, "item", types[1], true, &err));
    must(qv__type_new_list(QV_TYPE_FIXED_LIST, &item, (int32_t) dim, &types[2], &err));
    must(qv__field_init(&fields[0], "id", types[0], false, &err));
    must(qv__field_init(&fields[1], "v", types[2], true, &err));
    must(qv__schema_new(fields, 2, NULL, &s.stream.schema, &err));
    s.stream.next = source_next;
    s.stream.destroy = source_destroy;
    qv__job job;
    qv__job_begin(&job, NULL, "write", rows);
    write.job = &job;
    must(qv__table_write(store, NULL, &s.stream, &write, NULL, &snapshot, &err));
    qv__job_end(&job, QV_OK);
    return snapshot;
}

/* ------------------------------------------------------------------ measuring */

static uint64_t drain(qv__stream *stream)
{
    uint64_t rows = 0;
    for (;;) {
        qv__array *batch = NULL;
        must(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        rows += (uint64_t) batch->length;
        qv__array_unref(batch);
    }
    qv__stream_free(stream);
    return rows;
}

static void report(const char *what, int64_t best_ns, uint64_t rows)
{
    printf("%-40s %12.1f us %12llu rows\n", what, (double) best_ns / 1e3, (unsigned long long) rows);
    fflush(stdout);
}

static void bench_scan(qv__snapshot *s, const char *what, const char *const *columns, size_t n)
{
    int64_t best = INT64_MAX;
    uint64_t rows = 0;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;

    options.columns = columns;
    options.n_columns = n;
    for (int run = 0; run < RUNS; run++) {
        qv__stream *stream = NULL;
        int64_t start = qv__now_ns();
        must(qv__scan(s, &options, &stream, &err));
        rows = drain(stream);
        best = QV_MIN(best, qv__now_ns() - start);
    }
    report(what, best, rows);
}

static void bench_take(qv__snapshot *s, qv_take_by by, bool in_order, uint64_t total)
{
    int64_t best = INT64_MAX;
    uint64_t rows[TAKEN], n = 0, random = 7;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;

    for (int run = 0; run < 3 * RUNS; run++) {
        qv__stream *stream = NULL;
        for (size_t i = 0; i < TAKEN; i++)
            rows[i] = (random = random * 6364136223846793005u + 1442695040888963407u) % total;
        int64_t start = qv__now_ns();
        must(qv__take(s, by, rows, TAKEN, in_order, &options, &stream, &err));
        n = drain(stream);
        best = QV_MIN(best, qv__now_ns() - start);
    }
    report(by == QV_TAKE_OFFSETS ? in_order ? "take 1000 offsets, in order" : "take 1000 offsets" : "take 1000 row ids",
           best, n);
}

static void bench_search(qv__snapshot *s, size_t dim, size_t n_queries, uint32_t threads)
{
    int64_t best = INT64_MAX;
    uint64_t rows = 0;
    float *q = calloc(n_queries * dim, sizeof *q);
    qv_vectors queries = { q, QV_ELEMENT_F32, dim, n_queries };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    char what[80];

    options.job.threads = threads;
    for (size_t i = 0; i < n_queries * dim; i++)
        q[i] = (float) (i * 7919 % 1000) / 1000;
    for (int run = 0; run < RUNS; run++) {
        qv__stream *stream = NULL;
        int64_t start = qv__now_ns();
        must(qv__search(s, &queries, &options, &stream, &err));
        rows = drain(stream);
        best = QV_MIN(best, qv__now_ns() - start);
    }
    free(q);
    snprintf(what, sizeof what, "search %zu queries, %u threads", n_queries, threads);
    report(what, best, rows);
}

int main(int argc, char **argv)
{
    size_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000, dim = argc > 3 ? strtoull(argv[3], NULL, 10) : 128;
    static const char *const id[] = { "id" }, *const vector[] = { "v" };
    qv__store *store = NULL;
    qv__snapshot *s = NULL;
    uint64_t total;

    if (argc < 2)
        return 2;
    must(qv__store_open(argv[1], true, &store, &err));
    if (qv__snapshot_open(store, 0, &s, &err) == QV_NOT_FOUND)
        s = make_table(store, rows, dim);
    if (!s)
        must(err.status);
    must(qv__snapshot_count_rows(s, &total, &err));
    printf("%llu rows, %zu dimensions, kernels %s\n", (unsigned long long) total, dim, qv__simd_level());
    bench_search(s, dim, 1, 1);
    bench_search(s, dim, 1, 0);
    bench_search(s, dim, 100, 1);
    bench_search(s, dim, 100, 0);
    bench_take(s, QV_TAKE_OFFSETS, false, total);
    bench_take(s, QV_TAKE_OFFSETS, true, total);
    bench_take(s, QV_TAKE_ROW_IDS, true, total);
    bench_scan(s, "scan id", id, 1);
    bench_scan(s, "scan v", vector, 1);
    qv__snapshot_unref(s);
    qv__store_unref(store);
    return 0;
}

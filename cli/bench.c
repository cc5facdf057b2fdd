/* quiver bench TABLE: how many of the true neighbours a vector index finds on the user's own table, and how fast.
 *
 * Rows of the table are drawn at random and searched for, one at a time; a row is not counted as its own neighbour. Exact search over all
 * rows gives the truth. Then the same searches run exactly, with nothing set, and with more and more of the index read. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

enum { USUAL_QUERIES = 200, MOST_QUERIES = 100000, MOST_POINTS = 40, EXACT_RUNS = 30 };

typedef struct hit_list { /* of all queries, nearest first */
    uint64_t *ids;
    float *distances;
    size_t *counts;
} hit_list;

typedef struct bench {
    const cli *args;
    qv_table *table;
    qv_vectors queries;
    uint64_t *query_ids;
    uint32_t k;
    uint64_t rows;
    char *column_name, *index_name, *index_type;
    uint64_t partitions;
    hit_list truth;
    uint8_t *values;
    size_t row_bytes;
} bench;

typedef struct measure {
    char label[32];
    const char *line;
    double recall, rate, median_ms, p99_ms;
} measure;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static int no_memory(void) { return cli_complain(EXIT_FAILED, "out of memory"); }

/* ---------------------------------------------------------------- rows that are searched for */

static bool element_of(const char *format, qv_element *element, size_t *bytes)
{
    static const struct {
        char format;
        qv_element element;
        size_t bytes;
    } known[] = {
        { 'f', QV_ELEMENT_F32, 4 }, { 'e', QV_ELEMENT_F16, 2 }, { 'g', QV_ELEMENT_F64, 8 },
        { 'C', QV_ELEMENT_U8, 1 },  { 'c', QV_ELEMENT_I8, 1 },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (format[0] == known[i].format && !format[1]) {
            *element = known[i].element;
            *bytes = known[i].bytes;
            return true;
        }
    return false;
}

/* The column asked for, or the only one with vectors. */
static int find_column(bench *b)
{
    struct ArrowSchema schema = { 0 };
    qv_error err;
    qv_status st = qv_table_schema(b->table, &schema, &err);
    const char *found = NULL;
    int code = EXIT_OK;

    if (st != QV_OK)
        return cli_fail(st, &err);
    for (int64_t c = 0; code == EXIT_OK && c < schema.n_children; c++) {
        const struct ArrowSchema *field = schema.children[c];
        bool is_vector = strncmp(field->format, "+w:", 3) == 0;
        if (!is_vector || (b->args->column && strcmp(field->name, b->args->column) != 0))
            continue;
        if (found)
            code =
                cli_complain(EXIT_USAGE, "\"%s\" and \"%s\" hold vectors: say which with --column", found, field->name);
        found = field->name;
    }
    if (code == EXIT_OK && !found)
        code = b->args->column ? cli_complain(EXIT_NOT_FOUND, "no column \"%s\" with vectors", b->args->column)
                               : cli_complain(EXIT_NOT_FOUND, "the table has no column with vectors");
    if (code == EXIT_OK && !(b->column_name = strdup(found)))
        code = no_memory();
    schema.release(&schema);
    return code;
}

/* One row out of each of n equal parts of the table, so that they are different and come in order. */
static uint64_t *draw_positions(uint64_t seed, uint64_t rows, size_t n)
{
    uint64_t *positions = malloc((n + 1) * sizeof *positions), state = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; positions && i < n; i++) {
        uint64_t first = (uint64_t) ((double) rows / (double) n * (double) i);
        uint64_t next = (uint64_t) ((double) rows / (double) n * (double) (i + 1));
        state = state * 6364136223846793005u + 1442695040888963407u;
        positions[i] = next > first ? first + (state >> 11) % (next - first) : first;
    }
    return positions;
}

/* Copies the vectors of a batch that are not null. */
static int copy_vectors(bench *b, const struct ArrowSchema *schema, const struct ArrowArray *batch)
{
    const struct ArrowArray *vectors = batch->children[0], *items = vectors->children[0];
    const uint8_t *valid = vectors->buffers[0];
    const uint64_t *ids = batch->children[1]->buffers[1];
    size_t bytes, dim = strtoull(schema->children[0]->format + 3, NULL, 10);

    if (!element_of(schema->children[0]->children[0]->format, &b->queries.element, &bytes))
        return cli_complain(EXIT_UNSUPPORTED, "vectors of Arrow type \"%s\" cannot be drawn as queries",
                            schema->children[0]->children[0]->format);
    b->row_bytes = dim * bytes;
    uint8_t *values = realloc(b->values, (b->queries.n + (size_t) batch->length) * b->row_bytes + 1);
    if (!values)
        return no_memory();
    b->values = values;
    b->queries.dim = dim;
    for (int64_t i = 0; i < batch->length; i++) {
        size_t at = (size_t) (batch->offset + vectors->offset + i);
        if (valid && !(valid[at >> 3] >> (at & 7) & 1))
            continue;
        memcpy(values + b->queries.n * b->row_bytes,
               (const uint8_t *) items->buffers[1] + ((size_t) items->offset + at * dim) * bytes, b->row_bytes);
        b->query_ids[b->queries.n++] = ids[batch->offset + batch->children[1]->offset + i];
    }
    b->queries.data = values;
    return EXIT_OK;
}

static int draw_queries(bench *b)
{
    size_t n = b->args->queries ? b->args->queries : USUAL_QUERIES;
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    const char *columns[] = { b->column_name, "_rowid" };
    struct ArrowArrayStream stream;
    struct ArrowSchema schema = { 0 };
    struct ArrowArray batch;
    qv_error err;

    if (n > MOST_QUERIES)
        return cli_complain(EXIT_USAGE, "--queries is %zu, at most %d are possible", n, MOST_QUERIES);
    if (b->rows == 0)
        return cli_complain(EXIT_NOT_FOUND, "the table has no rows");
    n = n < b->rows ? n : (size_t) b->rows;
    uint64_t *positions = draw_positions(b->args->seed, b->rows, n);
    b->query_ids = malloc(n * sizeof *b->query_ids);
    if (!positions || !b->query_ids) {
        free(positions);
        return no_memory();
    }
    options.columns = columns;
    options.n_columns = 2;
    qv_status st = qv_table_take(b->table, QV_TAKE_OFFSETS, positions, n, false, &options, &stream, &err);
    free(positions);
    if (st != QV_OK)
        return cli_fail(st, &err);
    int code = stream.get_schema(&stream, &schema) == 0 ? EXIT_OK : EXIT_FAILED;
    while (code == EXIT_OK) {
        memset(&batch, 0, sizeof batch);
        if (stream.get_next(&stream, &batch) != 0)
            code = cli_complain(EXIT_FAILED, "%s", stream.get_last_error(&stream));
        if (code != EXIT_OK || !batch.release)
            break;
        code = copy_vectors(b, &schema, &batch);
        batch.release(&batch);
    }
    if (schema.release)
        schema.release(&schema);
    stream.release(&stream);
    return code == EXIT_OK && b->queries.n == 0 ? cli_complain(EXIT_NOT_FOUND, "no drawn row has a vector") : code;
}

/* ---------------------------------------------------------------- searching */

static int hits_init(hit_list *hits, size_t n, uint32_t k)
{
    hits->ids = malloc(n * k * sizeof *hits->ids + 1);
    hits->distances = malloc(n * k * sizeof *hits->distances + 1);
    hits->counts = calloc(n + 1, sizeof *hits->counts);
    return hits->ids && hits->distances && hits->counts ? EXIT_OK : no_memory();
}

static void hits_free(hit_list *hits)
{
    free(hits->ids);
    free(hits->distances);
    free(hits->counts);
}

/* One more row than k is asked for, since the query's own is left out. */
static void keep_hits(const bench *b, const struct ArrowArray *batch, size_t query, hit_list *out)
{
    const uint64_t *ids = batch->children[0]->buffers[1];
    const float *distances = batch->children[1]->buffers[1];

    for (int64_t i = 0; i < batch->length && out->counts[query] < b->k; i++) {
        uint64_t id = ids[batch->offset + batch->children[0]->offset + i];
        size_t at = query * b->k + out->counts[query];
        if (id == b->query_ids[query])
            continue;
        out->ids[at] = id;
        out->distances[at] = distances[batch->offset + batch->children[1]->offset + i];
        out->counts[query]++;
    }
}

static int search_one(const bench *b, qv_search_options *options, size_t query, hit_list *out, double *seconds)
{
    qv_vectors one = b->queries;
    struct ArrowArrayStream stream;
    struct ArrowArray batch = { 0 };
    qv_error err;

    one.data = b->values + query * b->row_bytes;
    one.n = 1;
    out->counts[query] = 0;
    double started = now_s();
    qv_status st = qv_table_search(b->table, &one, options, &stream, &err);
    if (st != QV_OK)
        return cli_fail(st, &err);
    for (int rc = 0; rc == 0;) {
        rc = stream.get_next(&stream, &batch);
        *seconds = now_s() - started;
        if (rc != 0 || !batch.release)
            break;
        keep_hits(b, &batch, query, out);
        batch.release(&batch);
    }
    stream.release(&stream);
    return EXIT_OK;
}

static int compare_seconds(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

/* The share of true neighbours that were found; a row as near as the last of them counts as one, since ties have no order. */
static double recall_of(const bench *b, const hit_list *found, size_t n)
{
    size_t wanted = 0, got = 0;

    for (size_t q = 0; q < n; q++) {
        const uint64_t *truth = b->truth.ids + q * b->k;
        size_t n_truth = b->truth.counts[q], here = 0;
        float last = n_truth ? b->truth.distances[q * b->k + n_truth - 1] : 0;
        for (size_t i = 0; i < found->counts[q]; i++) {
            bool is_true = found->distances[q * b->k + i] == last;
            for (size_t t = 0; !is_true && t < n_truth; t++)
                is_true = truth[t] == found->ids[q * b->k + i];
            here += is_true;
        }
        wanted += n_truth;
        got += here < n_truth ? here : n_truth;
    }
    return wanted ? (double) got / (double) wanted : 1;
}

/* Runs the first n queries one after the other. */
static int run(const bench *b, qv_search_options *options, size_t n, hit_list *found, measure *out)
{
    double *seconds = malloc((n + 1) * sizeof *seconds), total = 0;
    int code = seconds ? EXIT_OK : no_memory();

    for (size_t q = 0; code == EXIT_OK && q < n && q < 5; q++) /* not the first touch is measured */
        code = search_one(b, options, q, found, &seconds[q]);
    for (size_t q = 0; code == EXIT_OK && q < n; q++) {
        code = search_one(b, options, q, found, &seconds[q]);
        total += seconds[q];
    }
    if (code == EXIT_OK) {
        qsort(seconds, n, sizeof *seconds, compare_seconds);
        out->rate = total > 0 ? (double) n / total : 0;
        out->median_ms = seconds[n / 2] * 1e3;
        out->p99_ms = seconds[(n * 99 + 99) / 100 - 1] * 1e3;
    }
    free(seconds);
    return code;
}

/* ---------------------------------------------------------------- what is measured */

/* The index: by name, or the only one over the column. Without one only the exact search is measured. */
static int find_index(bench *b)
{
    char *text = NULL;
    qv_error err;
    qv_status st = qv_table_indices(b->table, &text, &err);
    json_t *list, *one;
    size_t i;

    if (st != QV_OK)
        return cli_fail(st, &err);
    list = json_loads(text, 0, NULL);
    qv_string_free(text);
    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *column = json_string_value(json_array_get(json_object_get(one, "columns"), 0));
        bool fits = name && column && strcmp(column, b->column_name) == 0 &&
                    (!b->args->index || strcmp(name, b->args->index) == 0);
        if (fits && !b->index_name)
            b->index_name = strdup(name);
    }
    json_decref(list);
    if (!b->index_name)
        return b->args->index
                   ? cli_complain(EXIT_NOT_FOUND, "no index \"%s\" over \"%s\"", b->args->index, b->column_name)
                   : EXIT_OK;
    st = qv_table_index_stats(b->table, b->index_name, &text, &err);
    if (st != QV_OK)
        return cli_fail(st, &err);
    json_t *stats = json_loads(text, 0, NULL);
    qv_string_free(text);
    const char *type = json_string_value(json_object_get(stats, "index_type"));
    json_t *segment = json_array_get(json_object_get(stats, "indices"), 0);
    b->index_type = strdup(type ? type : "?");
    b->partitions = (uint64_t) json_integer_value(json_object_get(segment, "num_partitions"));
    json_decref(stats);
    return b->index_type ? EXIT_OK : no_memory();
}

static int measure_point(const bench *b, qv_search_options *options, hit_list *found, const char *line, measure *out)
{
    size_t n = b->queries.n;

    if (options->bypass_vector_index && n > EXACT_RUNS)
        n = EXACT_RUNS;
    int code = run(b, options, n, found, out);
    out->line = line;
    if (code == EXIT_OK)
        out->recall = recall_of(b, found, n);
    return code;
}

/* Twice as much each time, until nothing is missed or all of the index is read. */
static int sweep(const bench *b, qv_search_options options, hit_list *found, measure *points, size_t *n)
{
    bool has_graph = strstr(b->index_type, "HNSW") != NULL;
    uint32_t first = has_graph ? options.k : 1;
    uint64_t most = has_graph ? 1024 : b->partitions ? b->partitions : 1;
    int code = EXIT_OK;

    for (uint64_t effort = first; code == EXIT_OK && *n<MOST_POINTS; effort = effort * 2> most ? most : effort * 2) {
        measure *point = &points[*n];
        options.min_probes = options.max_probes = has_graph ? 0 : (uint32_t) effort;
        options.ef = has_graph ? (uint32_t) effort : 0;
        snprintf(point->label, sizeof point->label, "%s %" PRIu64, has_graph ? "ef" : "nprobes", effort);
        code = measure_point(b, &options, found, has_graph ? "ef" : "nprobes", point);
        *n += code == EXIT_OK;
        if (effort >= most || point->recall >= 0.9995)
            break;
    }
    return code;
}

static int measure_all(bench *b, measure *points, size_t *n)
{
    static const char *const columns[] = { "_rowid", "_distance" };
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    hit_list found = { 0 };
    int code = cli_search_options(b->args, &options);

    options.vector_column = b->column_name;
    options.columns = columns;
    options.n_columns = 2;
    options.with_row_id = false;
    options.offset = 0;
    options.k = b->k + 1;
    options.index = b->index_name;
    options.job = cli_job(b->args, "searching");
    if (code == EXIT_OK)
        code = hits_init(&found, b->queries.n, b->k);
    if (code == EXIT_OK)
        code = hits_init(&b->truth, b->queries.n, b->k);
    options.bypass_vector_index = true;
    measure ignored;
    if (code == EXIT_OK)
        code = run(b, &options, b->queries.n, &b->truth, &ignored);
    snprintf(points[0].label, sizeof points[0].label, "exact");
    if (code == EXIT_OK)
        code = measure_point(b, &options, &found, "exact", &points[(*n)++]);
    if (code == EXIT_OK && b->index_name && !b->args->exact) {
        options.bypass_vector_index = false;
        bool is_set = options.min_probes || options.max_probes || options.ef;
        snprintf(points[1].label, sizeof points[1].label, is_set ? "as asked" : "chosen");
        code = measure_point(b, &options, &found, is_set ? "as asked" : "chosen", &points[1]);
        *n += code == EXIT_OK;
        if (code == EXIT_OK)
            code = sweep(b, options, &found, points, n);
    }
    cli_job_done();
    hits_free(&found);
    return code;
}

/* ---------------------------------------------------------------- telling */

static void print_json(const bench *b, const measure *points, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cli_print_json(json_pack("{s:s, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:s, s:s?}", "search", points[i].label,
                                 "recall", points[i].recall, "queries_per_second", points[i].rate, "median_ms",
                                 points[i].median_ms, "p99_ms", points[i].p99_ms, "queries", (json_int_t) b->queries.n,
                                 "k", (json_int_t) b->k, "rows", (json_int_t) b->rows, "column", b->column_name,
                                 "index", b->index_name));
}

static void print_table(const bench *b, const measure *points, size_t n)
{
    printf("%s: %" PRIu64 " rows, %s[%zu]", qv_table_name(b->table), b->rows, b->column_name, b->queries.dim);
    if (b->index_name)
        printf(", index %s (%s, %" PRIu64 " partitions)", b->index_name, b->index_type, b->partitions);
    printf("\n%zu rows of the table searched for one at a time, their %u nearest others; %s\n\n", b->queries.n, b->k,
           qv_simd_level());
    printf("%-14s %9s %12s %11s %11s\n", "search", "recall", "searches/s", "median", "p99");
    for (size_t i = 0; i < n; i++)
        printf("%-14s %9.4f %12.0f %8.3f ms %8.3f ms\n", points[i].label, points[i].recall, points[i].rate,
               points[i].median_ms, points[i].p99_ms);
}

static int tell(const bench *b, const measure *points, size_t n)
{
    cli_point plotted[MOST_POINTS];
    char title[512];

    for (size_t i = 0; i < n; i++) {
        plotted[i] = (cli_point){ .line = points[i].line, .recall = points[i].recall, .rate = points[i].rate };
        memcpy(plotted[i].label, points[i].label, sizeof plotted[i].label);
    }
    if (b->args->json) {
        print_json(b, points, n);
    } else {
        print_table(b, points, n);
        if (n > 1)
            cli_plot_text(plotted, n, stdout);
    }
    if (!b->args->plot)
        return EXIT_OK;
    snprintf(title, sizeof title, "%s.%s: %" PRIu64 " rows, %zu dimensions, %s", qv_table_name(b->table),
             b->column_name, b->rows, b->queries.dim, b->index_type ? b->index_type : "no index");
    return cli_plot_svg(plotted, n, title, b->args->plot);
}

int cli_bench(cli *args)
{
    measure points[MOST_POINTS] = { 0 };
    bench b = { .args = args, .k = args->has_limit ? (uint32_t) args->limit : 10 };
    qv_db *db = NULL;
    size_t n = 0;
    qv_error err;

    if (args->argc != 1 || b.k == 0 || b.k > 10000)
        return cli_complain(EXIT_USAGE,
                            "quiver bench DB/TABLE [--column C] [--queries N] [-k N, 1 to 10000] [--plot F.svg]");
    int code = cli_open_table(args, args->argv[0], false, &db, &b.table);
    qv_status st = code == EXIT_OK ? qv_table_count_rows(b.table, &b.rows, &err) : QV_OK;
    if (st != QV_OK)
        code = cli_fail(st, &err);
    if (code == EXIT_OK)
        code = find_column(&b);
    if (code == EXIT_OK)
        code = draw_queries(&b);
    if (code == EXIT_OK)
        code = find_index(&b);
    if (code == EXIT_OK)
        code = measure_all(&b, points, &n);
    if (code == EXIT_OK)
        code = tell(&b, points, n);
    hits_free(&b.truth);
    free(b.values);
    free(b.query_ids);
    free(b.column_name);
    free(b.index_name);
    free(b.index_type);
    cli_close(db, b.table);
    return code;
}

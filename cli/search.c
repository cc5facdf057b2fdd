/* quiver search TABLE: by a vector on the command line, or by the vector of a row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

static int find_word(const char *option, const char *text, const char *const *words, size_t n, const char *known,
                     int *out)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *out = (int) i;
            return EXIT_OK;
        }
    return cli_complain(EXIT_USAGE, "%s is \"%s\", not %s", option, text, known);
}

int cli_metric(const char *text, qv_metric *out)
{
    static const char *const names[] = { "auto", "l2", "cosine", "dot", "hamming", "jaccard" };
    int found = *out;
    int code = text ? find_word("--metric", text, names, 6, "l2, cosine, dot, hamming or jaccard", &found) : EXIT_OK;

    *out = (qv_metric) found;
    return code;
}

int cli_search_options(const cli *args, qv_search_options *out)
{
    static const char *const modes[] = { "normal", "fast", "accurate" };
    int mode = QV_APPROX_NORMAL;
    int code = cli_metric(args->metric, &out->metric);

    if (code == EXIT_OK && args->approx)
        code = find_word("--approx", args->approx, modes, 3, "normal, fast or accurate", &mode);
    out->vector_column = args->column;
    out->k = args->has_limit ? (uint32_t) args->limit : 10;
    out->offset = args->offset;
    out->with_row_id = args->with_row_id;
    out->where = args->where;
    out->postfilter = args->postfilter;
    out->no_index = args->no_index;
    out->fast_search = args->fast_search;
    out->index = args->index;
    out->bypass_vector_index = args->exact;
    out->min_probes = args->nprobes;
    out->max_probes = args->max_nprobes ? args->max_nprobes : args->nprobes;
    out->ef = args->ef;
    out->refine_factor = args->refine;
    out->no_refine = args->has_refine && args->refine == 0;
    out->approx_mode = (qv_approx_mode) mode;
    out->prefix_dims = args->prefix_dims;
    out->binary_stage = args->binary;
    out->stage_factor = args->stage_factor;
    return code;
}

/* A JSON list of numbers -> floats; free() them. */
static int parse_vector(json_t *list, float **out, size_t *dim)
{
    *dim = json_array_size(list);
    *out = malloc((*dim ? *dim : 1) * sizeof **out);
    if (!*out || !*dim)
        return cli_complain(EXIT_USAGE, "the query vector is not a list of numbers, like '[0.5, 1, 2]'");
    for (size_t i = 0; i < *dim; i++) {
        json_t *item = json_array_get(list, i);
        if (!json_is_number(item))
            return cli_complain(EXIT_USAGE, "item %zu of the query vector is not a number", i);
        (*out)[i] = (float) json_number_value(item);
    }
    return EXIT_OK;
}

/* The vector of live row number `row`, as JSON. */
static int vector_of_row(qv_table *table, uint64_t row, const char *column, json_t **out)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;
    struct ArrowArrayStream rows;
    struct ArrowSchema schema = { 0 };
    struct ArrowArray batch = { 0 };
    qv_error err;

    options.columns = column ? &column : NULL;
    options.n_columns = column ? 1 : 0;
    qv_status st = qv_table_take(table, QV_TAKE_OFFSETS, &row, 1, false, &options, &rows, &err);
    if (st != QV_OK)
        return cli_fail(st, &err);
    *out = NULL;
    if (rows.get_schema(&rows, &schema) == 0 && rows.get_next(&rows, &batch) == 0 && batch.release && batch.length)
        for (int64_t c = 0; !*out && c < schema.n_children; c++)
            if (strncmp(schema.children[c]->format, "+w:", 3) == 0)
                *out = cli_value(schema.children[c], batch.children[c], batch.offset);
    if (batch.release)
        batch.release(&batch);
    if (schema.release)
        schema.release(&schema);
    rows.release(&rows);
    if (!json_is_array(*out))
        return cli_complain(EXIT_NOT_FOUND, "row %llu has no vector", (unsigned long long) row);
    return EXIT_OK;
}

/* The rows of a search, or (explain) its plan. */
static int run(cli *args, qv_table *table, const float *query, size_t dim, bool explain)
{
    qv_search_options options = QV_SEARCH_OPTIONS_INIT;
    qv_vectors vectors = { query, QV_ELEMENT_F32, dim, 1 };
    struct ArrowArrayStream rows;
    char *plan = NULL;
    qv_status st = QV_OK;
    qv_error err;
    const char **columns = cli_split(args->columns, &options.n_columns);
    int code = cli_search_options(args, &options);

    options.columns = columns;
    qv_order *order = cli_order(args->order_by, &options.n_order_by);
    options.order_by = order;
    options.job = cli_job(args, "searching");
    if (code == EXIT_OK) {
        st = explain
                 ? qv_table_explain_search(table, &vectors, &options, args->analyze ? QV_PLAN_ANALYZE : QV_PLAN_EXPLAIN,
                                           args->json, &plan, &err)
                 : qv_table_search(table, &vectors, &options, &rows, &err);
        cli_job_done();
        if (st != QV_OK)
            code = cli_fail(st, &err);
        else if (explain)
            printf("%s\n", plan);
        else
            code = cli_print_rows(&rows, args->json ? CLI_JSONL : CLI_TABLE, stdout);
    }
    qv_string_free(plan);
    free(columns);
    free(order);
    return code;
}

static int search(cli *args, bool explain)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    json_t *list = NULL;
    float *query = NULL;
    size_t dim = 0;
    int code = cli_open_table(args, args->argv[0], false, &db, &table);

    if (code == EXIT_OK && args->has_row)
        code = vector_of_row(table, args->row, args->column, &list);
    else if (code == EXIT_OK)
        list = json_loads(args->vector, 0, NULL);
    if (code == EXIT_OK)
        code = parse_vector(list, &query, &dim);
    if (code == EXIT_OK)
        code = run(args, table, query, dim, explain);
    free(query);
    json_decref(list);
    cli_close(db, table);
    return code;
}

int cli_search(cli *args)
{
    if (args->argc != 1 || (!args->vector && !args->has_row))
        return cli_complain(EXIT_USAGE,
                            "search needs a table and a query: quiver search DB/TABLE --vector '[1, 2]' (or --row 17)");
    return search(args, false);
}

/* quiver explain: of a search when there is a query vector, else of a scan. */
int cli_explain(cli *args)
{
    qv_scan_options options;
    qv_db *db = NULL;
    qv_table *table = NULL;
    char *plan = NULL;
    qv_error err;

    if (args->argc != 1)
        return cli_complain(EXIT_USAGE, "explain needs a table: quiver explain DB/TABLE [--where SQL] [--vector X]");
    if (args->vector || args->has_row)
        return search(args, true);
    int code = cli_open_table(args, args->argv[0], false, &db, &table);
    cli_scan_options(args, 0, &options);
    if (code == EXIT_OK) {
        qv_status st = qv_table_explain_scan(table, &options, args->analyze ? QV_PLAN_ANALYZE : QV_PLAN_EXPLAIN,
                                             args->json, &plan, &err);
        if (st == QV_OK)
            printf("%s\n", plan);
        else
            code = cli_fail(st, &err);
    }
    qv_string_free(plan);
    cli_scan_free(&options);
    cli_close(db, table);
    return code;
}

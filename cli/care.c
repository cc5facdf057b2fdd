/* quiver index and quiver optimize. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

/* ---------------------------------------------------------------- index */

static int parse_kind(const char *text, qv_index_kind *out)
{
    static const struct {
        const char *name;
        qv_index_kind kind;
    } kinds[] = { { "btree", QV_INDEX_BTREE },
                  { "bitmap", QV_INDEX_BITMAP },
                  { "label_list", QV_INDEX_LABEL_LIST },
                  { "ngram", QV_INDEX_NGRAM },
                  { "zonemap", QV_INDEX_ZONEMAP },
                  { "bloomfilter", QV_INDEX_BLOOMFILTER },
                  { "json", QV_INDEX_JSON },
                  { "vector", QV_INDEX_VECTOR },
                  { "ivf_flat", QV_INDEX_IVF_FLAT },
                  { "ivf_sq", QV_INDEX_IVF_SQ },
                  { "ivf_pq", QV_INDEX_IVF_PQ },
                  { "ivf_rq", QV_INDEX_IVF_RQ },
                  { "ivf_hnsw_flat", QV_INDEX_IVF_HNSW_FLAT },
                  { "ivf_hnsw_sq", QV_INDEX_IVF_HNSW_SQ },
                  { "ivf_hnsw_pq", QV_INDEX_IVF_HNSW_PQ } };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcasecmp(text, kinds[i].name) == 0) {
            *out = kinds[i].kind;
            return EXIT_OK;
        }
    return cli_complain(
        EXIT_USAGE,
        "--kind is \"%s\", not btree, bitmap, label_list, ngram, zonemap, bloomfilter, json, vector, ivf_flat, "
        "ivf_sq, ivf_pq, ivf_rq, ivf_hnsw_flat, ivf_hnsw_sq or ivf_hnsw_pq",
        text);
}

static int create_index(cli *args, qv_table *table, const char *column)
{
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv_error err;
    int code = args->kind ? parse_kind(args->kind, &options.kind) : EXIT_OK;

    if (code == EXIT_OK)
        code = cli_metric(args->metric, &options.metric);
    if (code != EXIT_OK)
        return code;
    options.name = args->name;
    options.keep_existing = args->keep;
    options.json_path = args->path;
    options.rows_per_zone = args->zone_rows;
    options.untrained = args->untrained;
    options.num_partitions = args->partitions;
    options.target_partition_size = args->partition_rows;
    options.num_sub_vectors = args->sub_vectors;
    options.num_bits = args->bits;
    options.max_iterations = args->iterations;
    options.sample_rate = args->sample_rate;
    options.hnsw_m = args->neighbours;
    options.hnsw_ef_construction = args->ef_construction;
    options.seed = args->seed;
    options.job = cli_job(args, "indexing");
    qv_status st = qv_table_create_index(table, column, &options, &err);
    cli_job_done();
    return st == QV_OK ? EXIT_OK : cli_fail(st, &err);
}

static int list_indices(const cli *args, qv_table *table)
{
    char *text = NULL;
    qv_error err;
    qv_status st = qv_table_indices(table, &text, &err);
    size_t i;
    json_t *one;

    if (st != QV_OK)
        return cli_fail(st, &err);
    json_t *list = json_loads(text, 0, NULL);
    qv_string_free(text);
    json_array_foreach(list, i, one)
    {
        if (args->json)
            cli_print_json(json_incref(one));
        else
            printf("%-24s %-12s on %-20s %lld rows indexed, %lld not, %lld bytes\n",
                   json_string_value(json_object_get(one, "name")),
                   json_string_value(json_object_get(one, "index_type")),
                   json_string_value(json_array_get(json_object_get(one, "columns"), 0)),
                   (long long) json_integer_value(json_object_get(one, "num_indexed_rows")),
                   (long long) json_integer_value(json_object_get(one, "num_unindexed_rows")),
                   (long long) json_integer_value(json_object_get(one, "size_bytes")));
    }
    json_decref(list);
    return EXIT_OK;
}

static int index_stats(const cli *args, qv_table *table, const char *name)
{
    char *text = NULL;
    qv_error err;
    qv_status st = qv_table_index_stats(table, name, &text, &err);

    if (st != QV_OK)
        return cli_fail(st, &err);
    json_t *value = json_loads(text, 0, NULL);
    json_dumpf(value, stdout, args->json ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
    qv_string_free(text);
    return EXIT_OK;
}

int cli_index(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    const char *verb = args->argc > 1 ? args->argv[1] : "list";
    bool create = strcmp(verb, "create") == 0, drop = strcmp(verb, "drop") == 0, list = strcmp(verb, "list") == 0;
    qv_error err;

    if (args->argc < 1 || args->argc > 3 || (!create && !drop && !list && strcmp(verb, "stats") != 0) ||
        (!list && args->argc != 3))
        return cli_complain(EXIT_USAGE, "quiver index DB/TABLE [create COLUMN --kind KIND | drop NAME | stats NAME]");
    int code = cli_open_table(args, args->argv[0], create || drop, &db, &table);
    if (code == EXIT_OK && create) {
        code = create_index(args, table, args->argv[2]);
    } else if (code == EXIT_OK && drop) {
        qv_status st = qv_table_drop_index(table, args->argv[2], &err);
        code = st == QV_OK ? EXIT_OK : cli_fail(st, &err);
    } else if (code == EXIT_OK) {
        code = list ? list_indices(args, table) : index_stats(args, table, args->argv[2]);
    }
    cli_close(db, table);
    return code;
}

/* ---------------------------------------------------------------- optimize */

/* "7d", "12h", "30m", "45s" or "0" -> seconds. */
static int parse_age(const char *text, int64_t *out)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    static const char units[] = "smhd";
    static const int64_t seconds[] = { 1, 60, 3600, 86400 };
    const char *unit = strchr(units, *end); /* the end of the text is a unit too: seconds */

    if (end == text || n < 0 || n > 100000000 || !unit || (*end && end[1]))
        return cli_complain(EXIT_USAGE, "--older-than is \"%s\", not an age like 7d, 12h, 30m or 45s", text);
    *out = n * (*end ? seconds[unit - units] : 1);
    return EXIT_OK;
}

static void tell_optimize(const cli *args, const qv_optimize_result *r)
{
    const qv_compact_result *c = &r->compaction;
    const qv_cleanup_result *p = &r->cleanup;

    cli_job_done();
    if (args->json)
        cli_print_json(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "fragments_removed",
                                 (json_int_t) c->fragments_removed, "fragments_added", (json_int_t) c->fragments_added,
                                 "bytes_before", (json_int_t) c->bytes_before, "bytes_after",
                                 (json_int_t) c->bytes_after, "versions_removed", (json_int_t) p->versions_removed,
                                 "bytes_removed", (json_int_t) p->bytes_removed));
    else
        printf("%" PRIu64 " fragments became %" PRIu64 ", %" PRIu64 " versions and %" PRIu64 " bytes removed\n",
               c->fragments_removed, c->fragments_added, p->versions_removed, p->bytes_removed);
}

int cli_optimize(cli *args)
{
    qv_cleanup_options cleanup = QV_CLEANUP_OPTIONS_INIT;
    qv_optimize_result result = { 0 };
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    int code = args->older_than ? parse_age(args->older_than, &cleanup.older_than_s) : EXIT_OK;

    if (args->argc != 1)
        return cli_complain(EXIT_USAGE, "optimize needs one table: quiver optimize DB/TABLE");
    cleanup.retain_versions = args->retain;
    if (code == EXIT_OK)
        code = cli_open_table(args, args->argv[0], true, &db, &table);
    if (code == EXIT_OK) {
        qv_job job = cli_job(args, "optimizing");
        qv_status st = qv_table_optimize(table, NULL, &cleanup, &job, &result, &err);
        if (st == QV_OK)
            tell_optimize(args, &result);
        else
            code = cli_fail(st, &err);
    }
    cli_close(db, table);
    return code;
}

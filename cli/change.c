/* Commands that change rows: update, delete, merge. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* One line about what a change did, for people or as JSON. */
static void tell(const cli *args, const char *what, uint64_t rows, uint64_t version)
{
    cli_job_done();
    if (args->json)
        cli_print_json(json_pack("{s:I, s:I}", what, (json_int_t) rows, "version", (json_int_t) version));
    else
        printf("%" PRIu64 " %s, version %" PRIu64 "\n", rows, what, version);
}

int cli_delete(cli *args)
{
    qv_delete_result result = { 0 };
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;

    if (args->argc != 1 || !args->where)
        return cli_complain(EXIT_USAGE, "delete needs a table and a condition: quiver delete DB/TABLE --where SQL");
    int code = cli_open_table(args, args->argv[0], true, &db, &table);
    if (code == EXIT_OK) {
        qv_job job = cli_job(args, "deleting");
        qv_status st = qv_table_delete(table, args->where, &job, &result, &err);
        if (st == QV_OK)
            tell(args, "rows_deleted", result.rows_deleted, result.version);
        else
            code = cli_fail(st, &err);
    }
    cli_close(db, table);
    return code;
}

/* "column=expression" -> an assignment over one block, which *text keeps. */
static int split_assignment(const char *given, char **text, qv_assignment *out)
{
    *text = strdup(given);
    char *equals = *text ? strchr(*text, '=') : NULL;
    if (!equals || equals == *text)
        return cli_complain(EXIT_USAGE, "\"%s\" is not of the form column=expression", given);
    *equals = 0;
    *out = (qv_assignment){ *text, equals + 1 };
    return EXIT_OK;
}

int cli_update(cli *args)
{
    qv_update_result result = { 0 };
    qv_assignment assignments[sizeof args->set / sizeof args->set[0]];
    char *texts[sizeof args->set / sizeof args->set[0]] = { NULL };
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    int code = EXIT_OK;

    if (args->argc != 1 || !args->n_set)
        return cli_complain(EXIT_USAGE,
                            "update needs a table and new values: quiver update DB/TABLE --set C=EXPR [--where SQL]");
    for (size_t i = 0; code == EXIT_OK && i < args->n_set; i++)
        code = split_assignment(args->set[i], &texts[i], &assignments[i]);
    if (code == EXIT_OK)
        code = cli_open_table(args, args->argv[0], true, &db, &table);
    if (code == EXIT_OK) {
        qv_job job = cli_job(args, "updating");
        qv_status st = qv_table_update(table, args->where, assignments, args->n_set, &job, &result, &err);
        if (st == QV_OK)
            tell(args, "rows_updated", result.rows_updated, result.version);
        else
            code = cli_fail(st, &err);
    }
    for (size_t i = 0; i < args->n_set; i++)
        free(texts[i]);
    cli_close(db, table);
    return code;
}

static void tell_merge(const cli *args, const qv_merge_result *r)
{
    cli_job_done();
    if (args->json)
        cli_print_json(json_pack("{s:I, s:I, s:I, s:I, s:I}", "rows_updated", (json_int_t) r->rows_updated,
                                 "rows_inserted", (json_int_t) r->rows_inserted, "rows_deleted",
                                 (json_int_t) r->rows_deleted, "source_rows", (json_int_t) r->source_rows, "version",
                                 (json_int_t) r->version));
    else
        printf("%" PRIu64 " updated, %" PRIu64 " inserted, %" PRIu64 " deleted, version %" PRIu64 "\n", r->rows_updated,
               r->rows_inserted, r->rows_deleted, r->version);
}

int cli_merge(cli *args)
{
    qv_merge_options options = QV_MERGE_OPTIONS_INIT;
    qv_merge_result result = { 0 };
    struct ArrowArrayStream rows;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    bool any = args->update || args->update_if || args->insert || args->delete_missing || args->delete_if;

    if (args->argc != 2)
        return cli_complain(EXIT_USAGE, "merge needs a table and a file: quiver merge DB/TABLE FILE --on KEY");
    const char **on = cli_split(args->on, &options.n_on);
    int code = cli_open_table(args, args->argv[0], true, &db, &table);
    if (code == EXIT_OK)
        code = cli_open_rows(args, args->argv[1], &rows);
    if (code == EXIT_OK) {
        options.on = on;
        options.update_matched = args->update || args->update_if || !any;
        options.update_if = args->update_if;
        options.insert_unmatched = args->insert || !any;
        options.delete_unmatched = args->delete_missing || args->delete_if;
        options.delete_if = args->delete_if;
        options.no_index = args->no_index;
        options.job = cli_job(args, "merging");
        qv_status st = qv_table_merge(table, &rows, &options, &result, &err);
        if (st == QV_OK)
            tell_merge(args, &result);
        else
            code = cli_fail(st, &err);
    }
    free(on);
    cli_close(db, table);
    return code;
}

/* Commands that look: ls, info, head, versions, verify, dump. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

int cli_ls(cli *args)
{
    qv_db_options options = QV_DB_OPTIONS_INIT;
    qv_db *db = NULL;
    qv_names *names = NULL;
    qv_error err;

    if (args->argc != 1)
        return cli_complain(EXIT_USAGE, "ls needs a database: quiver ls DB");
    options.read_only = true;
    qv_status st = qv_db_open(args->argv[0], &options, &db, &err);
    if (st == QV_OK)
        st = qv_db_table_names(db, NULL, 0, &names, &err);
    json_t *list = json_array();
    for (size_t i = 0; st == QV_OK && i < names->n; i++) {
        qv_table *table = NULL;
        uint64_t rows = 0;
        st = qv_db_open_table(db, names->names[i], 0, &table, &err);
        if (st == QV_OK)
            st = qv_table_count_rows(table, &rows, &err);
        if (st == QV_OK && args->json)
            json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", names->names[i], "version",
                                                  (json_int_t) qv_table_version(table), "rows", (json_int_t) rows));
        else if (st == QV_OK)
            printf("%-32s %12" PRIu64 " rows  version %" PRIu64 "\n", names->names[i], rows, qv_table_version(table));
        qv_table_close(table);
        if (st == QV_NOT_FOUND) /* a folder that only looks like a table */
            st = QV_OK;
    }
    if (args->json && st == QV_OK)
        cli_print_json(json_incref(list));
    json_decref(list);
    qv_names_free(names);
    qv_db_close(db);
    return st == QV_OK ? EXIT_OK : cli_fail(st, &err);
}

/* Opens the table that the command's only argument names. */
static int open_only(cli *args, const char *command, qv_db **db, qv_table **table)
{
    if (args->argc != 1)
        return cli_complain(EXIT_USAGE, "%s needs one table: quiver %s DB/TABLE", command, command);
    return cli_open_table(args, args->argv[0], false, db, table);
}

static json_t *info_json(qv_table *table, const struct ArrowSchema *schema, uint64_t rows, json_t *structure)
{
    json_t *columns = json_array();
    char type[256];

    for (int64_t c = 0; c < schema->n_children; c++)
        json_array_append_new(columns, json_pack("{s:s, s:s, s:b}", "name", schema->children[c]->name, "type",
                                                 cli_type_name(schema->children[c], type, sizeof type), "nullable",
                                                 (schema->children[c]->flags & ARROW_FLAG_NULLABLE) != 0));
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:O}", "name", qv_table_name(table), "uri", qv_table_uri(table),
                     "version", (json_int_t) qv_table_version(table), "rows", (json_int_t) rows, "columns", columns,
                     "structure", structure);
}

int cli_info(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    struct ArrowSchema schema = { 0 };
    uint64_t rows = 0;
    char *text = NULL, type[256];
    qv_error err;
    int code = open_only(args, "info", &db, &table);

    if (code == EXIT_OK) {
        qv_status st = qv_table_schema(table, &schema, &err);
        if (st == QV_OK)
            st = qv_table_count_rows(table, &rows, &err);
        if (st == QV_OK)
            st = qv_table_describe(table, NULL, &text, &err);
        json_t *structure = st == QV_OK ? json_loads(text, 0, NULL) : NULL;
        if (st != QV_OK) {
            code = cli_fail(st, &err);
        } else if (args->json) {
            cli_print_json(info_json(table, &schema, rows, structure));
        } else {
            printf("table     %s\nfolder    %s\nversion   %" PRIu64 "\nrows      %" PRIu64 "\nfragments %zu\ncolumns\n",
                   qv_table_name(table), qv_table_uri(table), qv_table_version(table), rows,
                   json_array_size(json_object_get(structure, "fragments")));
            for (int64_t c = 0; c < schema.n_children; c++)
                printf("  %-24s %s%s\n", schema.children[c]->name, cli_type_name(schema.children[c], type, sizeof type),
                       schema.children[c]->flags & ARROW_FLAG_NULLABLE ? "" : " not null");
        }
        json_decref(structure);
    }
    if (schema.release)
        schema.release(&schema);
    qv_string_free(text);
    qv_table_close(table);
    qv_db_close(db);
    return code;
}

int cli_head(cli *args)
{
    qv_scan_options options;
    struct ArrowArrayStream rows;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    int code = open_only(args, "head", &db, &table);

    cli_scan_options(args, 10, &options);
    if (code == EXIT_OK) {
        qv_status st = qv_table_scan(table, &options, &rows, &err);
        code = st == QV_OK ? cli_print_rows(&rows, args->json ? CLI_JSONL : CLI_TABLE, stdout) : cli_fail(st, &err);
    }
    cli_scan_free(&options);
    cli_close(db, table);
    return code;
}

int cli_count(cli *args)
{
    uint64_t rows = 0;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    int code = open_only(args, "count", &db, &table);

    if (code == EXIT_OK) {
        qv_job job = cli_job(args, "counting");
        qv_status st = qv_table_count_where(table, args->where, &job, &rows, &err);
        cli_job_done();
        if (st != QV_OK)
            code = cli_fail(st, &err);
        else if (args->json)
            cli_print_json(json_pack("{s:I}", "rows", (json_int_t) rows));
        else
            printf("%" PRIu64 "\n", rows);
    }
    cli_close(db, table);
    return code;
}

int cli_versions(cli *args)
{
    qv_version_info *versions = NULL;
    size_t n = 0;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    int code = open_only(args, "versions", &db, &table);
    qv_status st = code == EXIT_OK ? qv_table_versions(table, &versions, &n, &err) : QV_OK;
    json_t *list = json_array();

    if (st != QV_OK)
        code = cli_fail(st, &err);
    for (size_t i = 0; code == EXIT_OK && i < n; i++) {
        char when[40] = "";
        time_t seconds = (time_t) (versions[i].timestamp_ns / 1000000000);
        struct tm parts;
        if (gmtime_r(&seconds, &parts))
            strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
        if (args->json)
            json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:I}", "version", (json_int_t) versions[i].version,
                                                  "timestamp", when, "rows", (json_int_t) versions[i].rows, "fragments",
                                                  (json_int_t) versions[i].fragments));
        else
            printf("%6" PRIu64 "  %s  %12" PRIu64 " rows  %" PRIu64 " fragments\n", versions[i].version, when,
                   versions[i].rows, versions[i].fragments);
    }
    if (args->json && code == EXIT_OK)
        cli_print_json(json_incref(list));
    json_decref(list);
    qv_versions_free(versions);
    qv_table_close(table);
    qv_db_close(db);
    return code;
}

static void tell_problem(void *user, const char *object, const char *what)
{
    json_t *list = user;

    cli_job_done();
    if (list)
        json_array_append_new(list, json_pack("{s:s, s:s}", "object", object, "problem", what));
    else
        printf("%s: %s\n", object, what);
}

int cli_verify(cli *args)
{
    qv_verify_report report = { 0 };
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;
    int code = open_only(args, "verify", &db, &table);
    json_t *problems = args->json ? json_array() : NULL;

    if (code == EXIT_OK) {
        qv_job job = cli_job(args, "verifying");
        qv_status st = qv_table_verify(table, tell_problem, problems, &job, &report, &err);
        cli_job_done();
        if (st != QV_OK && st != QV_CORRUPT)
            code = cli_fail(st, &err);
        else
            code = st == QV_OK ? EXIT_OK : EXIT_CORRUPT;
        if (st == QV_CORRUPT && report.problems == 0)
            code = cli_fail(st, &err);
        if (args->json)
            cli_print_json(json_pack("{s:b, s:I, s:I, s:I, s:O}", "ok", st == QV_OK, "files", (json_int_t) report.files,
                                     "bytes", (json_int_t) report.bytes, "rows", (json_int_t) report.rows, "problems",
                                     problems));
        else
            printf("%s: %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " rows, %" PRIu64 " problems\n",
                   st == QV_OK ? "ok" : "BROKEN", report.files, report.bytes, report.rows, report.problems);
    }
    json_decref(problems);
    qv_table_close(table);
    qv_db_close(db);
    return code;
}

/* quiver dump TABLE [data/FILE.lance]: JSON, indented for people. */
int cli_dump(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    char *text = NULL, name[256];
    qv_error err;

    if (args->argc < 1 || args->argc > 2)
        return cli_complain(EXIT_USAGE, "dump needs a table: quiver dump DB/TABLE [data/FILE.lance]");
    int code = cli_open(args->argv[0], args->version, false, &db, &table, name, sizeof name);
    if (code == EXIT_OK) {
        qv_status st = qv_table_describe(table, args->argc == 2 ? args->argv[1] : NULL, &text, &err);
        json_t *value = st == QV_OK ? json_loads(text, 0, NULL) : NULL;
        if (st != QV_OK)
            code = cli_fail(st, &err);
        else if (args->json)
            puts(text);
        else
            json_dumpf(value, stdout, JSON_INDENT(2));
        if (st == QV_OK && !args->json)
            putchar('\n');
        json_decref(value);
    }
    qv_string_free(text);
    qv_table_close(table);
    qv_db_close(db);
    return code;
}

/* quiver import TABLE FILE...: rows of files into a table, one version per file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static int open_rows(row_source *source, const cli *args, const char *path, struct ArrowArrayStream *out)
{
    return source ? cli_stream_rows(source, args->vector, path, out) : EXIT_NOT_FOUND;
}

/* The rows of a file as a stream, by --format or by the file's name. */
int cli_open_rows(const cli *args, const char *path, struct ArrowArrayStream *out)
{
    char by_format[32];
    qv_error err;
    const char *kind = path;

    if (args->format) {
        snprintf(by_format, sizeof by_format, ".%s", args->format);
        kind = by_format;
    }
    if (ends_in(kind, ".jsonl") || ends_in(kind, ".ndjson") || ends_in(kind, ".json"))
        return open_rows(cli_open_jsonl(path), args, path, out);
    if (ends_in(kind, ".csv"))
        return open_rows(cli_open_csv(path), args, path, out);
    if (ends_in(kind, ".npy"))
        return cli_stream_npy(path, args->vector, out);
    if (ends_in(kind, ".fvecs") || ends_in(kind, ".bvecs"))
        return cli_stream_vecs(path, args->vector, out);
    if (ends_in(kind, ".parquet"))
        return cli_stream_parquet(path, out);
    if (ends_in(kind, ".arrow") || ends_in(kind, ".arrows") || ends_in(kind, ".ipc") || ends_in(kind, ".feather")) {
        qv_status st = qv_ipc_read(path, out, &err);
        return st == QV_OK ? EXIT_OK : cli_fail(st, &err);
    }
    return cli_complain(EXIT_USAGE, "%s: unknown kind of file; use --format csv|jsonl|arrow|parquet|npy|fvecs|bvecs",
                        path);
}

static int write_options(const cli *args, qv_write_options *options)
{
    options->file_version = args->file_version;
    options->job = cli_job(args, "importing");
    if (!args->compression || strcmp(args->compression, "default") == 0)
        return EXIT_OK;
    if (strcmp(args->compression, "small") == 0)
        options->compression = QV_COMPRESSION_SMALL;
    else if (strcmp(args->compression, "none") == 0)
        options->compression = QV_COMPRESSION_NONE;
    else
        return cli_complain(EXIT_USAGE, "--compression is \"%s\", not default, none or small", args->compression);
    return EXIT_OK;
}

static int import_file(const cli *args, const char *path, qv_db *db, qv_table **table, const char *name, bool replace)
{
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream rows;
    uint64_t before = 0, after = 0;
    qv_error err;
    int code = write_options(args, &options);

    if (code == EXIT_OK)
        code = cli_open_rows(args, path, &rows);
    if (code != EXIT_OK)
        return code;
    qv_status st = QV_OK;
    if (*table && !replace)
        st = qv_table_count_rows(*table, &before, &err);
    if (st != QV_OK)
        rows.release(&rows);
    else if (*table)
        st = qv_table_write(*table, replace ? QV_OVERWRITE : QV_APPEND, &rows, &options, NULL, &err);
    else
        st = qv_db_create_table(db, name, QV_CREATE, &rows, NULL, &options, table, &err);
    if (st == QV_OK)
        st = qv_table_count_rows(*table, &after, &err);
    if (st != QV_OK)
        return cli_fail(st, &err);
    cli_job_done();
    unsigned long long version = qv_table_version(*table), rows_now = after, added = after - before;
    if (args->json)
        cli_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I}", "file", path, "table", name, "version",
                                 (json_int_t) version, "rows_added", (json_int_t) added, "rows",
                                 (json_int_t) rows_now));
    else
        printf("%s: %llu rows into %s, version %llu, %llu rows now\n", path, added, name, version, rows_now);
    return EXIT_OK;
}

int cli_import(cli *args)
{
    bool replace = args->mode && strcmp(args->mode, "overwrite") == 0,
         create = args->mode && strcmp(args->mode, "create") == 0;
    qv_db *db = NULL;
    qv_table *table = NULL;
    char name[256];

    if (args->argc < 2)
        return cli_complain(EXIT_USAGE, "import needs a table and at least one file: quiver import DB/TABLE FILE...");
    if (args->mode && !replace && !create && strcmp(args->mode, "append") != 0)
        return cli_complain(EXIT_USAGE, "--mode is \"%s\", not append, create or overwrite", args->mode);
    int code = cli_open(args->argv[0], 0, true, &db, &table, name, sizeof name);
    if (code == EXIT_OK && create && table)
        code = cli_complain(EXIT_BAD_DATA, "Table '%s' already exists", name);
    for (int i = 1; code == EXIT_OK && i < args->argc; i++)
        code = import_file(args, args->argv[i], db, &table, name, replace && i == 1);
    qv_table_close(table);
    qv_db_close(db);
    return code;
}

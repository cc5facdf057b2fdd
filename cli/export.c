/* quiver export TABLE FILE: the table's rows as CSV, JSON lines, Arrow IPC or Parquet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"

static const char *kind_of_file(const cli *args, const char *path)
{
    const char *dot = strrchr(path, '.');
    return args->format ? args->format : dot ? dot + 1 : "";
}

static int export_ipc(const cli *args, const char *path, bool as_stream, struct ArrowArrayStream *rows)
{
    qv_job job = cli_job(args, "exporting");
    qv_error err;
    qv_status st = qv_ipc_write(path, as_stream, rows, &job, &err);

    cli_job_done();
    return st == QV_OK ? EXIT_OK : cli_fail(st, &err);
}

static int export_parquet(const cli *args, const char *path, struct ArrowArrayStream *rows)
{
    char temporary[1100];

    snprintf(temporary, sizeof temporary, "%.1000s.tmp-%d.arrow", path, (int) getpid());
    int code = export_ipc(args, temporary, false, rows);
    if (code == EXIT_OK)
        code = cli_export_parquet(temporary, path);
    unlink(temporary);
    return code;
}

static int export_text(const char *path, cli_style style, struct ArrowArrayStream *rows)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");

    if (!file) {
        rows->release(rows);
        return cli_complain(EXIT_IO, "%s: %s", path, strerror(errno));
    }
    int code = cli_print_rows(rows, style, file);
    if (file != stdout && fclose(file) != 0 && code == EXIT_OK)
        code = cli_complain(EXIT_IO, "%s: %s", path, strerror(errno));
    return code;
}

int cli_export(cli *args)
{
    qv_scan_options options;
    struct ArrowArrayStream rows;
    qv_db *db = NULL;
    qv_table *table = NULL;
    qv_error err;

    if (args->argc != 2)
        return cli_complain(
            EXIT_USAGE, "export needs a table and a file: quiver export DB/TABLE FILE (csv, jsonl, arrow, parquet)");
    int code = cli_open_table(args, args->argv[0], false, &db, &table);
    const char *path = args->argv[1], *kind = kind_of_file(args, path);
    cli_scan_options(args, 0, &options);
    if (code == EXIT_OK) {
        qv_status st = qv_table_scan(table, &options, &rows, &err);
        if (st != QV_OK)
            code = cli_fail(st, &err);
        else if (strcasecmp(kind, "csv") == 0)
            code = export_text(path, CLI_CSV, &rows);
        else if (strcasecmp(kind, "jsonl") == 0 || strcasecmp(kind, "ndjson") == 0)
            code = export_text(path, CLI_JSONL, &rows);
        else if (strcasecmp(kind, "arrow") == 0 || strcasecmp(kind, "feather") == 0 || strcasecmp(kind, "ipc") == 0)
            code = export_ipc(args, path, false, &rows);
        else if (strcasecmp(kind, "arrows") == 0)
            code = export_ipc(args, path, true, &rows);
        else if (strcasecmp(kind, "parquet") == 0)
            code = export_parquet(args, path, &rows);
        else {
            rows.release(&rows);
            code =
                cli_complain(EXIT_USAGE, "%s: unknown kind of file; use --format csv|jsonl|arrow|arrows|parquet", path);
        }
    }
    cli_scan_free(&options);
    cli_close(db, table);
    return code;
}

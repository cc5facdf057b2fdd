/* Failing, opening tables, progress and Ctrl-C. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static qv_cancel *cancel;

int cli_fail(qv_status status, const qv_error *err)
{
    static const struct {
        qv_status status;
        int code;
    } codes[] = { { QV_NOT_FOUND, EXIT_NOT_FOUND },  { QV_INVALID, EXIT_BAD_DATA },
                  { QV_SCHEMA, EXIT_BAD_DATA },      { QV_IO, EXIT_IO },
                  { QV_CORRUPT, EXIT_CORRUPT },      { QV_UNSUPPORTED, EXIT_UNSUPPORTED },
                  { QV_CANCELLED, EXIT_INTERRUPTED } };

    cli_job_done();
    fprintf(stderr, "quiver: %s\n", err->message);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].status == status)
            return codes[i].code;
    return EXIT_FAILED;
}

int cli_complain(int exit_code, const char *format, ...)
{
    va_list args;

    cli_job_done();
    fputs("quiver: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return exit_code;
}

/* Splits "folder/table[.lance][/]" into the folder (in place) and the table's name. */
static const char *split_path(char *path, char *name, size_t name_len)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = 0;
    char *slash = strrchr(path, '/');
    snprintf(name, name_len, "%s", slash ? slash + 1 : path);
    len = strlen(name);
    if (len > 6 && strcmp(name + len - 6, ".lance") == 0)
        name[len - 6] = 0;
    if (!slash)
        return ".";
    slash[slash == path] = 0;
    return path;
}

int cli_open(const char *path, uint64_t version, bool create, qv_db **db, qv_table **table, char *name, size_t name_len)
{
    qv_db_options options = QV_DB_OPTIONS_INIT;
    char copy[4096];
    qv_error err;

    if (strlen(path) >= sizeof copy)
        return cli_complain(EXIT_USAGE, "the path has %zu bytes, at most %zu are possible", strlen(path),
                            sizeof copy - 1);
    snprintf(copy, sizeof copy, "%s", path);
    options.read_only = !create;
    qv_status st = qv_db_open(split_path(copy, name, name_len), &options, db, &err);
    if (st == QV_OK)
        st = qv_db_open_table(*db, name, version, table, &err);
    if (st == QV_NOT_FOUND && create && *db) {
        *table = NULL;
        return EXIT_OK;
    }
    return st == QV_OK ? EXIT_OK : cli_fail(st, &err);
}

static qv_status find_version(const cli *args, qv_table *table, qv_error *err)
{
    if (args->tag)
        return qv_table_checkout_tag(table, args->tag, err);
    return args->version ? qv_table_checkout(table, args->version, err) : QV_OK;
}

int cli_open_table(const cli *args, const char *path, bool for_writing, qv_db **db, qv_table **table)
{
    qv_table *branch = NULL;
    char name[256];
    qv_error err;
    qv_status st = QV_OK;
    int code = cli_open(path, 0, for_writing, db, table, name, sizeof name);

    if (code != EXIT_OK)
        return code;
    if (!*table)
        return cli_complain(EXIT_NOT_FOUND, "Table '%s' was not found", name);
    if (args->branch) {
        st = qv_table_branch_open(*table, args->branch, 0, &branch, &err);
        if (st == QV_OK) {
            qv_table_close(*table);
            *table = branch;
        }
    }
    if (st == QV_OK)
        st = find_version(args, *table, &err);
    return st == QV_OK ? EXIT_OK : cli_fail(st, &err);
}

void cli_close(qv_db *db, qv_table *table)
{
    qv_table_close(table);
    qv_db_close(db);
}

qv_order *cli_order(const char *text, size_t *n)
{
    *n = 0;
    if (!text)
        return NULL;
    size_t most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ',';
    qv_order *keys = calloc(1, most * sizeof *keys + strlen(text) + 1);
    if (!keys)
        return NULL;
    char *copy = strcpy((char *) (keys + most), text);
    for (char *save = NULL, *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save), (*n)++) {
        keys[*n].descending = part[0] == '-';
        keys[*n].column = part + keys[*n].descending;
    }
    return keys;
}

void cli_scan_options(const cli *args, uint64_t default_limit, qv_scan_options *out)
{
    *out = (qv_scan_options) QV_SCAN_OPTIONS_INIT;
    out->columns = cli_split(args->columns, &out->n_columns);
    out->order_by = cli_order(args->order_by, &out->n_order_by);
    out->limit = args->has_limit ? args->limit : default_limit;
    out->has_limit = args->has_limit || default_limit;
    out->offset = args->offset;
    out->with_row_id = args->with_row_id;
    out->where = args->where;
    out->no_index = args->no_index;
}

void cli_scan_free(qv_scan_options *options)
{
    free((void *) (uintptr_t) options->columns);
    free((void *) (uintptr_t) options->order_by);
}

/* ---------------------------------------------------------------- progress */

static bool progress_shown;

static bool show_progress(void *user, const qv_progress *p)
{
    double rate = p->seconds > 0 ? (double) p->rows_done / p->seconds : 0;

    fprintf(stderr, "\r\033[K%s %llu", (const char *) user, (unsigned long long) p->rows_done);
    if (p->rows_total)
        fprintf(stderr, " of %llu", (unsigned long long) p->rows_total);
    fprintf(stderr, " rows, %.0f rows/s, %.1f MB", rate, (double) p->bytes_done / 1e6);
    if (p->rows_total > p->rows_done && rate > 0)
        fprintf(stderr, ", %.0f s left", (double) (p->rows_total - p->rows_done) / rate);
    fflush(stderr);
    progress_shown = true;
    return true;
}

void cli_job_done(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

static void on_interrupt(int signal_number)
{
    (void) signal_number;
    if (cancel)
        qv_cancel_raise(cancel);
}

qv_job cli_job(const cli *args, const char *what)
{
    qv_job job = QV_JOB_INIT;
    qv_error err;

    if (!cancel && qv_cancel_new(&cancel, &err) == QV_OK)
        signal(SIGINT, on_interrupt);
    job.cancel = cancel;
    if (!args->quiet && isatty(STDERR_FILENO)) {
        job.on_progress = show_progress;
        job.user = (void *) (uintptr_t) what;
    }
    return job;
}

/* ---------------------------------------------------------------- small things */

const char **cli_split(const char *text, size_t *n)
{
    *n = 0;
    if (!text)
        return NULL;
    size_t most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ',';
    const char **list = malloc(most * sizeof *list + strlen(text) + 1);
    if (!list)
        return NULL;
    char *copy = strcpy((char *) (list + most), text);
    for (char *save = NULL, *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save))
        list[(*n)++] = part;
    return list;
}

void cli_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    fputc('\n', stdout);
    json_decref(value);
}

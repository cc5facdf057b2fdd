/* quiver columns: shows and changes the columns of a table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---------------------------------------------------------------- types by name */

static const struct {
    const char *name, *format;
} types[] = { { "bool", "b" },
              { "int8", "c" },
              { "int16", "s" },
              { "int32", "i" },
              { "int64", "l" },
              { "uint8", "C" },
              { "uint16", "S" },
              { "uint32", "I" },
              { "uint64", "L" },
              { "float16", "e" },
              { "float32", "f" },
              { "float", "f" },
              { "float64", "g" },
              { "double", "g" },
              { "string", "u" },
              { "large_string", "U" },
              { "binary", "z" },
              { "large_binary", "Z" },
              { "date", "tdD" },
              { "date32", "tdD" },
              { "date64", "tdm" },
              { "timestamp", "tsu:" },
              { "timestamp[s]", "tss:" },
              { "timestamp[ms]", "tsm:" },
              { "timestamp[us]", "tsu:" },
              { "timestamp[ns]", "tsn:" } };

static void release_nothing(struct ArrowSchema *schema) { schema->release = NULL; }

/* A type as a schema over memory of the caller: "int32", or "float32[4]" for vectors. */
typedef struct named_type {
    struct ArrowSchema schema, item;
    struct ArrowSchema *children[1];
    char format[32];
} named_type;

static const char *format_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i].name) == len && memcmp(types[i].name, name, len) == 0)
            return types[i].format;
    return NULL;
}

static int parse_type(const char *name, named_type *out)
{
    size_t len = strlen(name);
    const char *whole = format_of(name, len), *bracket = strchr(name, '[');
    int dimension = 0;

    memset(out, 0, sizeof *out);
    out->schema = (struct ArrowSchema){ .name = "", .flags = ARROW_FLAG_NULLABLE, .release = release_nothing };
    out->item = out->schema;
    if (whole) {
        out->schema.format = whole;
        return EXIT_OK;
    }
    if (bracket)
        out->item.format = format_of(name, (size_t) (bracket - name));
    if (!out->item.format || sscanf(bracket, "[%d]", &dimension) != 1 || dimension < 1)
        return cli_complain(EXIT_USAGE, "\"%s\" is not a type like int32, string, timestamp or float32[4]", name);
    snprintf(out->format, sizeof out->format, "+w:%d", dimension);
    out->item.name = "item";
    out->children[0] = &out->item;
    out->schema.format = out->format;
    out->schema.n_children = 1;
    out->schema.children = out->children;
    return EXIT_OK;
}

/* ---------------------------------------------------------------- changes */

static int finish(const cli *args, qv_status st, const qv_error *err, uint64_t version)
{
    cli_job_done();
    if (st != QV_OK)
        return cli_fail(st, err);
    if (args->json)
        cli_print_json(json_pack("{s:I}", "version", (json_int_t) version));
    else
        printf("version %" PRIu64 "\n", version);
    return EXIT_OK;
}

static int add(cli *args, qv_table *table)
{
    size_t n = (size_t) args->argc - 2;
    qv_assignment *columns = calloc(n + 1, sizeof *columns);
    char **texts = calloc(n + 1, sizeof *texts);
    uint64_t version = 0;
    qv_error err;
    int code = n ? EXIT_OK : cli_complain(EXIT_USAGE, "columns add needs COLUMN=EXPRESSION");

    for (size_t i = 0; code == EXIT_OK && i < n; i++) {
        texts[i] = strdup(args->argv[2 + i]);
        char *equals = texts[i] ? strchr(texts[i], '=') : NULL;
        if (!equals || equals == texts[i]) {
            code = cli_complain(EXIT_USAGE, "\"%s\" is not of the form column=expression", args->argv[2 + i]);
            break;
        }
        *equals = 0;
        columns[i] = (qv_assignment){ texts[i], equals + 1 };
    }
    if (code == EXIT_OK) {
        qv_job job = cli_job(args, "adding columns");
        qv_status st = qv_table_add_columns(table, columns, n, &job, &version, &err);
        code = finish(args, st, &err, version);
    }
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
    free(columns);
    return code;
}

static int drop(cli *args, qv_table *table)
{
    uint64_t version = 0;
    qv_error err;

    if (args->argc < 3)
        return cli_complain(EXIT_USAGE, "columns drop needs the names of columns");
    qv_status st =
        qv_table_drop_columns(table, (const char *const *) (args->argv + 2), (size_t) args->argc - 2, &version, &err);
    return finish(args, st, &err, version);
}

static int alter(cli *args, qv_table *table, const char *verb)
{
    qv_column_change change = { NULL, NULL, NULL, -1 };
    bool rename = strcmp(verb, "rename") == 0, cast = strcmp(verb, "cast") == 0;
    named_type type;
    uint64_t version = 0;
    qv_error err;

    if (args->argc != (rename || cast ? 4 : 3))
        return cli_complain(EXIT_USAGE, "columns %s needs a column%s", verb,
                            rename ? " and its new name"
                            : cast ? " and a type"
                                   : "");
    change.path = args->argv[2];
    if (cast) {
        int code = parse_type(args->argv[3], &type);
        if (code != EXIT_OK)
            return code;
        change.type = &type.schema;
    } else if (rename) {
        change.rename = args->argv[3];
    } else {
        change.nullable = strcmp(verb, "allow-null") == 0;
    }
    qv_job job = cli_job(args, "changing columns");
    qv_status st = qv_table_alter_columns(table, &change, 1, &job, &version, &err);
    return finish(args, st, &err, version);
}

static int show(const cli *args, qv_table *table)
{
    struct ArrowSchema schema = { 0 };
    char type[256];
    qv_error err;
    qv_status st = qv_table_schema(table, &schema, &err);

    if (st != QV_OK)
        return cli_fail(st, &err);
    for (int64_t c = 0; c < schema.n_children; c++) {
        const struct ArrowSchema *one = schema.children[c];
        bool nullable = one->flags & ARROW_FLAG_NULLABLE;
        cli_type_name(one, type, sizeof type);
        if (args->json)
            cli_print_json(json_pack("{s:s, s:s, s:b}", "name", one->name, "type", type, "nullable", nullable));
        else
            printf("%-24s %s%s\n", one->name, type, nullable ? "" : " not null");
    }
    schema.release(&schema);
    return EXIT_OK;
}

int cli_columns(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    const char *verb = args->argc > 1 ? args->argv[1] : NULL;

    if (args->argc < 1)
        return cli_complain(EXIT_USAGE, "columns needs a table: quiver columns DB/TABLE");
    int code = cli_open_table(args, args->argv[0], verb != NULL, &db, &table);
    if (code == EXIT_OK && !verb)
        code = show(args, table);
    else if (code == EXIT_OK && strcmp(verb, "add") == 0)
        code = add(args, table);
    else if (code == EXIT_OK && strcmp(verb, "drop") == 0)
        code = drop(args, table);
    else if (code == EXIT_OK && (strcmp(verb, "rename") == 0 || strcmp(verb, "cast") == 0 ||
                                 strcmp(verb, "require") == 0 || strcmp(verb, "allow-null") == 0))
        code = alter(args, table, verb);
    else if (code == EXIT_OK)
        code = cli_complain(EXIT_USAGE, "columns %s is not known: add, drop, rename, cast, require, allow-null", verb);
    cli_close(db, table);
    return code;
}

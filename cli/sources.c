/* Rows from text: JSON lines (jansson) and CSV (libcsv). */
#include <csv.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---------------------------------------------------------------- JSON lines */

typedef struct jsonl_source {
    row_source base;
    FILE *file;
    char *text;
    size_t room;
    char path[512];
} jsonl_source;

static json_t *jsonl_next(row_source *source, bool *failed)
{
    jsonl_source *self = (jsonl_source *) source;
    ssize_t len;

    while ((len = getline(&self->text, &self->room, self->file)) >= 0) {
        json_error_t why;
        self->base.line++;
        if (strspn(self->text, " \t\r\n") == (size_t) len)
            continue;
        json_t *row = json_loadb(self->text, (size_t) len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
        if (!row) {
            cli_complain(EXIT_BAD_DATA, "%s:%llu:%d: %s", self->path, (unsigned long long) self->base.line, why.column,
                         why.text);
            *failed = true;
        }
        return row;
    }
    return NULL;
}

static void jsonl_close(row_source *source)
{
    jsonl_source *self = (jsonl_source *) source;

    if (self->file && self->file != stdin)
        fclose(self->file);
    free(self->text);
    free(self);
}

static FILE *open_text(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file)
        cli_complain(EXIT_NOT_FOUND, "%s: %s", path, strerror(errno));
    return file;
}

row_source *cli_open_jsonl(const char *path)
{
    jsonl_source *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->base.next = jsonl_next;
    self->base.close = jsonl_close;
    snprintf(self->path, sizeof self->path, "%s", path);
    if (!(self->file = open_text(path))) {
        jsonl_close(&self->base);
        return NULL;
    }
    return &self->base;
}

/* ---------------------------------------------------------------- CSV */

/* The first row names the columns. Values that look like numbers, booleans or [lists] become such; an empty unquoted
 * field is null. Rows are parsed a block at a time into a queue. */
typedef struct csv_source {
    row_source base;
    FILE *file;
    struct csv_parser parser;
    json_t *names;
    json_t *row; /* being filled */
    size_t column;
    json_t *queue; /* parsed rows */
    size_t queue_at;
    bool ended;
    bool failed;
    char path[512];
} csv_source;

static json_t *csv_value(const char *text, size_t len)
{
    char *end;
    char copy[64];

    if (!text)
        return json_null();
    if (len == 0)
        return json_string("");
    if (text[0] == '[' || text[0] == '{') {
        json_t *parsed = json_loadb(text, len, 0, NULL);
        if (parsed)
            return parsed;
    }
    if (len < sizeof copy && strspn(text, "+-.0123456789eE") >= len) {
        memcpy(copy, text, len);
        copy[len] = 0;
        errno = 0;
        long long whole = strtoll(copy, &end, 10);
        if (!*end && !errno && copy[0] != '+' && !(copy[0] == '0' && len > 1))
            return json_integer(whole);
        double real = strtod(copy, &end);
        if (!*end && copy[0] != '+' && (strpbrk(copy, ".eE") || errno))
            return json_real(real);
    }
    if ((len == 4 && strncasecmp(text, "true", 4) == 0) || (len == 5 && strncasecmp(text, "false", 5) == 0))
        return json_boolean(len == 4);
    return json_stringn(text, len);
}

static void csv_field(void *bytes, size_t len, void *ctx)
{
    csv_source *self = ctx;
    json_t *value = csv_value(bytes, len);

    if (!value) {
        cli_complain(EXIT_BAD_DATA, "%s:%llu: field %zu is not UTF-8", self->path,
                     (unsigned long long) self->base.line + 1, self->column + 1);
        self->failed = true;
        return;
    }
    if (!self->names) { /* the header: names are text whatever they look like */
        json_decref(value);
        json_array_append_new(self->row, json_stringn(bytes ? bytes : "", bytes ? len : 0));
    } else if (self->column < json_array_size(self->names)) {
        json_object_set_new(self->row, json_string_value(json_array_get(self->names, self->column)), value);
    } else {
        json_decref(value);
    }
    self->column++;
}

static void csv_row_end(int terminator, void *ctx)
{
    csv_source *self = ctx;

    (void) terminator;
    self->base.line++;
    if (!self->names) {
        self->names = self->row;
    } else if (self->column != json_array_size(self->names)) {
        cli_complain(EXIT_BAD_DATA, "%s:%llu: %zu fields, the header has %zu", self->path,
                     (unsigned long long) self->base.line, self->column, json_array_size(self->names));
        self->failed = true;
        json_decref(self->row);
    } else {
        json_array_append_new(self->queue, self->row);
    }
    self->row = json_object();
    self->column = 0;
}

static bool csv_fill(csv_source *self)
{
    char block[65536];

    json_array_clear(self->queue);
    self->queue_at = 0;
    while (!self->ended && !self->failed && json_array_size(self->queue) == 0) {
        size_t n = fread(block, 1, sizeof block, self->file);
        if (n && csv_parse(&self->parser, block, n, csv_field, csv_row_end, self) != n) {
            cli_complain(EXIT_BAD_DATA, "%s:%llu: %s", self->path, (unsigned long long) self->base.line + 1,
                         csv_strerror(csv_error(&self->parser)));
            self->failed = true;
        }
        if (n < sizeof block) {
            self->ended = true;
            csv_fini(&self->parser, csv_field, csv_row_end, self);
        }
    }
    return !self->failed;
}

static json_t *csv_next(row_source *source, bool *failed)
{
    csv_source *self = (csv_source *) source;

    if (self->queue_at == json_array_size(self->queue) && !csv_fill(self)) {
        *failed = true;
        return NULL;
    }
    if (self->queue_at == json_array_size(self->queue))
        return NULL;
    return json_incref(json_array_get(self->queue, self->queue_at++));
}

static void csv_close(row_source *source)
{
    csv_source *self = (csv_source *) source;

    if (self->file && self->file != stdin)
        fclose(self->file);
    csv_free(&self->parser);
    json_decref(self->names);
    json_decref(self->row);
    json_decref(self->queue);
    free(self);
}

row_source *cli_open_csv(const char *path)
{
    csv_source *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->base.next = csv_next;
    self->base.close = csv_close;
    snprintf(self->path, sizeof self->path, "%s", path);
    self->row = json_array();
    self->queue = json_array();
    if (!self->row || !self->queue || csv_init(&self->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0 ||
        !(self->file = open_text(path))) {
        csv_close(&self->base);
        return NULL;
    }
    return &self->base;
}

/* A stream of batches as a table for people, as JSON lines, or as CSV. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MOST_COLUMN_WIDTH 48

/* One cell as text; vectors and long lists are cut in the middle when `brief`. */
static char *cell_text(json_t *value, bool brief)
{
    if (json_is_string(value) && !brief)
        return strdup(json_string_value(value));
    if (brief && json_is_array(value) && json_array_size(value) > 4) {
        char text[160];
        snprintf(text, sizeof text, "[%.4g, %.4g, ... %zu]", json_number_value(json_array_get(value, 0)),
                 json_number_value(json_array_get(value, 1)), json_array_size(value));
        if (json_is_number(json_array_get(value, 0)))
            return strdup(text);
    }
    char *text = json_is_string(value) ? strdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(7));
    if (text)
        for (char *c = text; *c; c++)
            if ((unsigned char) *c < ' ')
                *c = ' ';
    return text;
}

static size_t shown_length(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char) *text & 0xc0) != 0x80;
    return n;
}

static void print_padded(FILE *file, const char *text, size_t width, bool last)
{
    size_t shown = 0;

    for (const char *c = text; *c && shown + (((unsigned char) *c & 0xc0) != 0x80) <= width; c++) {
        shown += ((unsigned char) *c & 0xc0) != 0x80;
        fputc(*c, file);
    }
    for (; !last && shown < width + 2; shown++)
        fputc(' ', file);
}

static void print_table(FILE *file, const struct ArrowSchema *schema, const struct ArrowArray *batch, bool header)
{
    size_t n = (size_t) schema->n_children, rows = (size_t) batch->length;
    char **cells = calloc(n * rows + 1, sizeof *cells);
    size_t *widths = calloc(n + 1, sizeof *widths);

    for (size_t c = 0; cells && widths && c < n; c++) {
        widths[c] = shown_length(schema->children[c]->name);
        for (size_t r = 0; r < rows; r++) {
            json_t *value = cli_value(schema->children[c], batch->children[c], batch->offset + (int64_t) r);
            cells[r * n + c] = cell_text(value, true);
            json_decref(value);
            size_t len = cells[r * n + c] ? shown_length(cells[r * n + c]) : 0;
            widths[c] = len > widths[c] ? len : widths[c];
        }
        widths[c] = widths[c] > MOST_COLUMN_WIDTH ? MOST_COLUMN_WIDTH : widths[c];
    }
    for (size_t c = 0; header && widths && c < n; c++)
        print_padded(file, schema->children[c]->name, widths[c], c + 1 == n);
    if (header)
        fputc('\n', file);
    for (size_t r = 0; cells && widths && r < rows; r++) {
        for (size_t c = 0; c < n; c++) {
            print_padded(file, cells[r * n + c] ? cells[r * n + c] : "", widths[c], c + 1 == n);
            free(cells[r * n + c]);
        }
        fputc('\n', file);
    }
    free(cells);
    free(widths);
}

static void print_jsonl(FILE *file, const struct ArrowSchema *schema, const struct ArrowArray *batch)
{
    for (int64_t r = 0; r < batch->length; r++) {
        json_t *row = json_object();
        for (int64_t c = 0; row && c < schema->n_children; c++)
            json_object_set_new_nocheck(row, schema->children[c]->name,
                                        cli_value(schema->children[c], batch->children[c], batch->offset + r));
        json_dumpf(row, file, JSON_COMPACT | JSON_REAL_PRECISION(9));
        fputc('\n', file);
        json_decref(row);
    }
}

static void print_csv_cell(FILE *file, const char *text, bool quote)
{
    quote = quote || strpbrk(text, ",\"\r\n");
    if (quote)
        fputc('"', file);
    for (; *text; text++) {
        if (quote && *text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    if (quote)
        fputc('"', file);
}

/* A null is an empty field, an empty text is "": both come back as they were. */
static void print_csv(FILE *file, const struct ArrowSchema *schema, const struct ArrowArray *batch, bool header)
{
    for (int64_t c = 0; header && c < schema->n_children; c++) {
        fputs(c ? "," : "", file);
        print_csv_cell(file, schema->children[c]->name, false);
    }
    if (header)
        fputc('\n', file);
    for (int64_t r = 0; r < batch->length; r++) {
        for (int64_t c = 0; c < schema->n_children; c++) {
            json_t *value = cli_value(schema->children[c], batch->children[c], batch->offset + r);
            char *text = json_is_null(value) ? NULL : cell_text(value, false);
            fputs(c ? "," : "", file);
            if (text)
                print_csv_cell(file, text, json_is_string(value) && !*text);
            free(text);
            json_decref(value);
        }
        fputc('\n', file);
    }
}

int cli_print_rows(struct ArrowArrayStream *stream, cli_style style, void *target)
{
    struct ArrowSchema schema = { 0 };
    struct ArrowArray batch;
    FILE *file = target;
    int code = stream->get_schema(stream, &schema);
    bool header = true;

    while (code == 0 && (code = stream->get_next(stream, &batch)) == 0 && batch.release) {
        if (style == CLI_TABLE)
            print_table(file, &schema, &batch, header);
        else if (style == CLI_JSONL)
            print_jsonl(file, &schema, &batch);
        else
            print_csv(file, &schema, &batch, header);
        header = false;
        batch.release(&batch);
    }
    if (code == 0 && header && style != CLI_JSONL) { /* no rows: the names all the same */
        for (int64_t c = 0; c < schema.n_children; c++)
            fprintf(file, "%s%s", c ? (style == CLI_CSV ? "," : "  ") : "", schema.children[c]->name);
        fputc('\n', file);
    }
    int result = EXIT_OK;
    if (code != 0) {
        const char *why = stream->get_last_error(stream);
        result = cli_complain(EXIT_FAILED, "%s", why ? why : strerror(code));
    } else if (fflush(file) != 0 || ferror(file)) {
        result = cli_complain(EXIT_IO, "the output could not be written");
    }
    if (schema.release)
        schema.release(&schema);
    stream->release(stream);
    return result;
}

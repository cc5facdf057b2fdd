/* JSON values -> Arrow: the shape of the rows is learned from a sample, then batches are built column by column.
 * Every row that does not fit the shape stops the import with its line number; nothing is dropped. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define SAMPLE_ROWS 10000
#define BATCH_ROWS  8192

/* ---------------------------------------------------------------- shapes */

void shape_free(shape *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->n; i++) {
        if (self->names)
            free(self->names[i]);
        shape_free(self->children[i]);
    }
    free(self->names);
    free(self->children);
    free(self);
}

static shape *shape_new(int kind)
{
    shape *self = calloc(1, sizeof *self);
    if (self)
        self->kind = (__typeof__(self->kind)) kind;
    return self;
}

static bool add_child(shape *self, const char *name, shape *child)
{
    shape **children = realloc(self->children, (self->n + 1) * sizeof *children);
    if (children)
        self->children = children;
    char **names = realloc(self->names, (self->n + 1) * sizeof *names);
    if (names)
        self->names = names;
    char *copy = name ? strdup(name) : NULL;
    if (!children || !names || !child || (name && !copy)) {
        free(copy);
        shape_free(child);
        return false;
    }
    names[self->n] = copy;
    children[self->n++] = child;
    return true;
}

static const char *const kind_names[] = { "null", "bool", "integer", "number", "text", "list", "object", "vector" };

static int kind_of(json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return SHAPE_BOOL;
    case JSON_INTEGER:
        return SHAPE_INT;
    case JSON_REAL:
        return SHAPE_FLOAT;
    case JSON_STRING:
        return SHAPE_STRING;
    case JSON_ARRAY:
        return SHAPE_LIST;
    case JSON_OBJECT:
        return SHAPE_STRUCT;
    default:
        return SHAPE_NULL;
    }
}

static bool learn_list(shape *self, json_t *list, char *why, size_t why_len)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        shape *item = shape_learn(self->n ? self->children[0] : NULL, json_array_get(list, i), why, why_len);
        if (!item)
            return false;
        if (self->n)
            self->children[0] = item;
        else if (!add_child(self, NULL, item))
            return false;
    }
    return true;
}

static bool learn_struct(shape *self, json_t *object, char *why, size_t why_len)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (i < self->n && strcmp(self->names[i], key) != 0)
            i++;
        shape *child = shape_learn(i < self->n ? self->children[i] : NULL, value, why, why_len);
        if (!child) {
            size_t used = strlen(why);
            snprintf(why + used, why_len - used, " in \"%s\"", key);
            return false;
        }
        if (i < self->n)
            self->children[i] = child;
        else if (!add_child(self, key, child))
            return false;
    }
    return true;
}

shape *shape_learn(shape *self, json_t *value, char *why, size_t why_len)
{
    int kind = kind_of(value);

    if (!self && !(self = shape_new(kind))) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    if (self->kind == SHAPE_NULL)
        self->kind = (__typeof__(self->kind)) kind;
    if (self->kind == SHAPE_INT && kind == SHAPE_FLOAT)
        self->kind = SHAPE_FLOAT;
    bool fits = kind == SHAPE_NULL || kind == (int) self->kind || (self->kind == SHAPE_FLOAT && kind == SHAPE_INT);
    if (!fits) {
        snprintf(why, why_len, "%s where rows before have %s", kind_names[kind], kind_names[self->kind]);
        return NULL;
    }
    if (kind == SHAPE_LIST && !learn_list(self, value, why, why_len))
        return NULL;
    if (kind == SHAPE_STRUCT && !learn_struct(self, value, why, why_len))
        return NULL;
    return self;
}

static bool sounds_like_vector(const char *name)
{
    char lower[64];
    size_t i = 0;

    for (; name[i] && i + 1 < sizeof lower; i++)
        lower[i] = (char) (name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    lower[i] = 0;
    return strstr(lower, "vector") || strstr(lower, "embedding");
}

int shape_find_vectors(shape *row, const char *vector, json_t *sample_rows)
{
    bool found = false;

    for (size_t c = 0; c < row->n; c++) {
        shape *column = row->children[c];
        bool named = vector && strcmp(row->names[c], vector) == 0;
        bool numbers = column->kind == SHAPE_LIST && column->n &&
                       (column->children[0]->kind == SHAPE_INT || column->children[0]->kind == SHAPE_FLOAT);
        found |= named;
        if (named && !numbers)
            return cli_complain(EXIT_BAD_DATA, "column \"%s\" holds %s, not lists of numbers", vector,
                                kind_names[column->kind]);
        if (!numbers || !(named || (!vector && sounds_like_vector(row->names[c]))))
            continue;
        json_t *first = NULL;
        for (size_t i = 0; !json_is_array(first) && i < json_array_size(sample_rows); i++)
            first = json_object_get(json_array_get(sample_rows, i), row->names[c]);
        column->kind = SHAPE_VECTOR;
        column->dim = json_array_size(first);
    }
    if (vector && !found)
        return cli_complain(EXIT_NOT_FOUND, "no column \"%s\" in the data", vector);
    return EXIT_OK;
}

/* ---------------------------------------------------------------- columns */

typedef struct blob { /* growing bytes */
    uint8_t *data;
    size_t len, capacity;
} blob;

/* A column being built, and afterwards its exported form: the ArrowArray's private data. */
typedef struct column {
    const shape *kind;
    int64_t length, null_count;
    blob validity;
    blob values; /* numbers, booleans as bits, offsets */
    blob text;   /* strings; the floats of vectors */
    size_t n;
    struct column **children;
    const void *buffers[3];
    struct ArrowArray *arrays; /* exported children and the pointers to them */
    struct ArrowArray **pointers;
} column;

static void column_free(column *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->n; i++)
        column_free(self->children[i]);
    free(self->children);
    free(self->validity.data);
    free(self->values.data);
    free(self->text.data);
    free(self->arrays);
    free(self->pointers);
    free(self);
}

static bool append(blob *to, const void *bytes, size_t n)
{
    if (to->len + n > to->capacity) {
        size_t wanted = (to->len + n) * 2 + 64;
        uint8_t *grown = realloc(to->data, wanted);
        if (!grown)
            return false;
        to->data = grown;
        to->capacity = wanted;
    }
    memcpy(to->data + to->len, bytes, n);
    to->len += n;
    return true;
}

static bool append_bit(blob *to, int64_t i, bool on)
{
    uint8_t zero = 0;
    if (i % 8 == 0 && !append(to, &zero, 1))
        return false;
    to->data[i / 8] |= (uint8_t) (on << (i % 8));
    return true;
}

static column *column_new(const shape *kind)
{
    column *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->kind = kind;
    int32_t zero = 0;
    bool offsets = kind->kind == SHAPE_STRING || kind->kind == SHAPE_LIST;
    if ((offsets && !append(&self->values, &zero, sizeof zero)) ||
        (kind->n && !(self->children = calloc(kind->n, sizeof(column *))))) {
        column_free(self);
        return NULL;
    }
    for (; self->n < kind->n; self->n++)
        if (!(self->children[self->n] = column_new(kind->children[self->n]))) {
            column_free(self);
            return NULL;
        }
    return self;
}

static bool column_add(column *self, json_t *value, char *why, size_t why_len);

static bool misfit(const column *self, json_t *value, char *why, size_t why_len)
{
    snprintf(why, why_len, "%s where %s is expected", kind_names[kind_of(value)], kind_names[self->kind->kind]);
    return false;
}

static bool add_vector(column *self, json_t *value, char *why, size_t why_len)
{
    size_t n = json_array_size(value);

    if (json_is_array(value) && n != self->kind->dim) {
        snprintf(why, why_len, "a vector of %zu items where %zu are expected", n, self->kind->dim);
        return false;
    }
    for (size_t i = 0; i < self->kind->dim; i++) {
        json_t *item = json_array_get(value, i);
        if (json_is_array(value) && !json_is_number(item))
            return misfit(self, item, why, why_len);
        float f = (float) json_number_value(item);
        if (!append(&self->text, &f, sizeof f))
            return false;
    }
    return true;
}

static bool add_list(column *self, json_t *value, char *why, size_t why_len)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!self->n)
            return misfit(self, json_array_get(value, i), why, why_len);
        if (!column_add(self->children[0], json_array_get(value, i), why, why_len))
            return false;
    }
    int32_t end = self->n ? (int32_t) self->children[0]->length : 0;
    return append(&self->values, &end, sizeof end);
}

static bool add_struct(column *self, json_t *value, char *why, size_t why_len)
{
    const char *key;
    json_t *part;
    size_t known = 0;

    for (size_t c = 0; c < self->n; c++) {
        json_t *child = json_object_get(value, self->kind->names[c]);
        known += child != NULL;
        json_t *null = json_null();
        if (!column_add(self->children[c], child ? child : null, why, why_len)) {
            size_t used = strlen(why);
            snprintf(why + used, why_len - used, " in \"%s\"", self->kind->names[c]);
            return false;
        }
    }
    if (known == json_object_size(value))
        return true;
    json_object_foreach(value, key, part)
    {
        size_t c = 0;
        while (c < self->n && strcmp(self->kind->names[c], key) != 0)
            c++;
        if (c == self->n)
            snprintf(why, why_len, "a column \"%s\" that the first %d rows do not have", key, SAMPLE_ROWS);
    }
    return false;
}

static bool add_string(column *self, json_t *value)
{
    size_t n = json_string_length(value);
    if (self->text.len + n > INT32_MAX)
        return false;
    if (n && !append(&self->text, json_string_value(value), n))
        return false;
    int32_t end = (int32_t) self->text.len;
    return append(&self->values, &end, sizeof end);
}

static bool column_add(column *self, json_t *value, char *why, size_t why_len)
{
    int kind = kind_of(value), mine = self->kind->kind;
    bool fits = kind == mine || kind == SHAPE_NULL || (mine == SHAPE_FLOAT && kind == SHAPE_INT) ||
                (mine == SHAPE_VECTOR && kind == SHAPE_LIST);

    if (!fits)
        return misfit(self, value, why, why_len);
    if (!append_bit(&self->validity, self->length, kind != SHAPE_NULL))
        return false;
    self->null_count += kind == SHAPE_NULL;
    int64_t whole = json_integer_value(value);
    double real = json_number_value(value);
    int64_t row = self->length++;
    switch (mine) {
    case SHAPE_BOOL:
        return append_bit(&self->values, row, json_is_true(value));
    case SHAPE_INT:
        return append(&self->values, &whole, sizeof whole);
    case SHAPE_FLOAT:
        return append(&self->values, &real, sizeof real);
    case SHAPE_STRING:
        return add_string(self, value);
    case SHAPE_LIST:
        return add_list(self, value, why, why_len);
    case SHAPE_STRUCT:
        return add_struct(self, value, why, why_len);
    case SHAPE_VECTOR:
        return add_vector(self, value, why, why_len);
    default:
        return true;
    }
}

/* ---------------------------------------------------------------- export */

static void release_column(struct ArrowArray *array)
{
    column_free(array->private_data);
    array->release = NULL;
}

static void release_part(struct ArrowArray *array) { array->release = NULL; }

/* Fills `out` from a column; only the root owns memory. */
static bool column_export(column *self, struct ArrowArray *out, bool root)
{
    static const uint8_t nothing[8];
    int kind = self->kind->kind;
    size_t n = kind == SHAPE_VECTOR || kind == SHAPE_LIST ? 1 : self->n;

    self->arrays = calloc(n ? n : 1, sizeof *self->arrays);
    self->pointers = calloc(n ? n : 1, sizeof(struct ArrowArray *));
    if (!self->arrays || !self->pointers)
        return false;
    self->buffers[0] = self->null_count ? self->validity.data : NULL;
    self->buffers[1] = self->values.data ? self->values.data : nothing;
    self->buffers[2] = self->text.data ? self->text.data : nothing;
    int64_t n_buffers = kind == SHAPE_NULL                             ? 0
                        : kind == SHAPE_STRUCT || kind == SHAPE_VECTOR ? 1
                        : kind == SHAPE_STRING                         ? 3
                                                                       : 2;
    for (size_t i = 0; i < n; i++) {
        self->pointers[i] = &self->arrays[i];
        if (i < self->n && !column_export(self->children[i], &self->arrays[i], false))
            return false;
    }
    if (kind == SHAPE_LIST && !self->n) /* lists that were all empty: a child of type null */
        self->arrays[0] = (struct ArrowArray){ 0, 0, 0, 0, 0, NULL, NULL, NULL, release_part, NULL };
    if (kind == SHAPE_VECTOR) {
        self->buffers[1] = NULL; /* the floats' own validity, and their values in buffers[2] */
        self->arrays[0] = (struct ArrowArray){
            self->length * (int64_t) self->kind->dim, 0, 0, 2, 0, &self->buffers[1], NULL, NULL, release_part, NULL
        };
    }
    *out = (struct ArrowArray){ self->length,
                                self->null_count,
                                0,
                                n_buffers,
                                (int64_t) n,
                                self->buffers,
                                self->pointers,
                                NULL,
                                root ? release_column : release_part,
                                root ? self : NULL };
    return true;
}

/* An ArrowSchema tree whose root owns everything. */
static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release)
            schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    free((char *) (uintptr_t) schema->format);
    free((char *) (uintptr_t) schema->name);
    schema->release = NULL;
}

static bool schema_export(const shape *self, const char *name, struct ArrowSchema *out)
{
    static const char *const formats[] = { "n", "b", "l", "g", "u", "+l", "+s" };
    static const shape float_item = { .kind = SHAPE_FLOAT }, null_item = { .kind = SHAPE_NULL };
    char format[32];
    size_t n = self->kind == SHAPE_VECTOR || self->kind == SHAPE_LIST ? 1 : self->n;

    if (self->kind == SHAPE_VECTOR)
        snprintf(format, sizeof format, "+w:%zu", self->dim);
    else
        snprintf(format, sizeof format, "%s", formats[self->kind]);
    *out = (struct ArrowSchema){
        strdup(format), strdup(name),   NULL, ARROW_FLAG_NULLABLE, 0, calloc(n ? n : 1, sizeof(struct ArrowSchema *)),
        NULL,           release_schema, NULL
    };
    if (!out->format || !out->name || !out->children)
        return false;
    for (size_t i = 0; i < n; i++) {
        const shape *child = self->kind == SHAPE_VECTOR ? &float_item : self->n ? self->children[i] : &null_item;
        if (!(out->children[i] = calloc(1, sizeof(struct ArrowSchema))))
            return false;
        out->n_children++;
        if (!schema_export(child, self->kind == SHAPE_STRUCT ? self->names[i] : "item", out->children[i]))
            return false;
        if (self->kind == SHAPE_VECTOR) {
            free((char *) (uintptr_t) out->children[i]->format);
            if (!(out->children[i]->format = strdup("f")))
                return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- the stream */

typedef struct row_stream {
    row_source *source;
    shape *shape;
    json_t *sample; /* rows read while learning, given out first */
    size_t sample_at;
    char path[1024];
    char error[512];
} row_stream;

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    row_stream *self = stream->private_data;

    if (schema_export(self->shape, "", out))
        return 0;
    release_schema(out);
    return ENOMEM;
}

/* The next row, owned; NULL at the end or on failure. */
static json_t *next_row(row_stream *self, bool *failed)
{
    if (self->sample_at < json_array_size(self->sample))
        return json_incref(json_array_get(self->sample, self->sample_at++));
    return self->source->next(self->source, failed);
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    row_stream *self = stream->private_data;
    char why[300] = "";
    bool failed = false;
    column *rows = column_new(self->shape);

    memset(out, 0, sizeof *out);
    for (json_t *row; rows && rows->length < BATCH_ROWS && (row = next_row(self, &failed));) {
        bool added = column_add(rows, row, why, sizeof why);
        json_decref(row);
        if (!added) {
            snprintf(self->error, sizeof self->error, "%.200s, row %llu: %s", self->path,
                     (unsigned long long) (self->sample_at < json_array_size(self->sample) ? self->sample_at
                                                                                           : self->source->line),
                     *why ? why : "out of memory");
            column_free(rows);
            return EINVAL;
        }
    }
    if (failed) {
        snprintf(self->error, sizeof self->error, "%.200s: the input could not be read to its end", self->path);
        column_free(rows);
        return EINVAL;
    }
    if (!rows || (rows->length && !column_export(rows, out, true))) {
        column_free(rows);
        return ENOMEM;
    }
    if (!rows->length)
        column_free(rows);
    return 0;
}

static const char *last_error(struct ArrowArrayStream *stream) { return ((row_stream *) stream->private_data)->error; }

static void release_stream(struct ArrowArrayStream *stream)
{
    row_stream *self = stream->private_data;

    self->source->close(self->source);
    shape_free(self->shape);
    json_decref(self->sample);
    free(self);
    stream->release = NULL;
}

static int learn(row_stream *self, const char *vector)
{
    char why[300] = "";
    bool failed = false;
    json_t *row;

    while (json_array_size(self->sample) < SAMPLE_ROWS && (row = self->source->next(self->source, &failed))) {
        json_array_append_new(self->sample, row);
        shape *wider = json_is_object(row) ? shape_learn(self->shape, row, why, sizeof why) : NULL;
        if (!wider)
            return cli_complain(EXIT_BAD_DATA, "%s, row %llu: %s", self->path, (unsigned long long) self->source->line,
                                *why ? why : "not an object");
        self->shape = wider;
    }
    if (failed)
        return EXIT_BAD_DATA;
    if (!self->shape)
        return cli_complain(EXIT_BAD_DATA, "%s has no rows", self->path);
    return shape_find_vectors(self->shape, vector, self->sample);
}

int cli_stream_rows(row_source *source, const char *vector, const char *path, struct ArrowArrayStream *out)
{
    row_stream *self = calloc(1, sizeof *self);

    if (!self || !(self->sample = json_array())) {
        source->close(source);
        free(self);
        return cli_complain(EXIT_FAILED, "out of memory");
    }
    self->source = source;
    snprintf(self->path, sizeof self->path, "%s", path);
    *out = (struct ArrowArrayStream){ get_schema, get_next, last_error, release_stream, self };
    int code = learn(self, vector);
    if (code != EXIT_OK)
        release_stream(out);
    return code;
}

/* Arrow types: parsed from ArrowSchema once, so that the loops over values switch on an enum instead of text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qpy.h"

static char *copy_text(const char *text)
{
    size_t n = strlen(text == NULL ? "" : text) + 1;
    char *copy = malloc(n);

    if (copy != NULL)
        memcpy(copy, text == NULL ? "" : text, n);
    return copy;
}

qpy_type *qpy_type_new(qpy_kind kind, const char *name)
{
    qpy_type *type = calloc(1, sizeof(*type));

    if (type != NULL)
        type->name = copy_text(name);
    if (type == NULL || type->name == NULL) {
        free(type);
        PyErr_NoMemory();
        return NULL;
    }
    type->kind = kind;
    type->nullable = true;
    return type;
}

void qpy_type_free(qpy_type *type)
{
    if (type == NULL)
        return;
    for (size_t i = 0; i < type->n_children; i++)
        qpy_type_free(type->children[i]);
    free(type->children);
    free(type->name);
    free(type->tz);
    Py_DecRef(type->py_name);
    Py_DecRef(type->py_tz);
    free(type);
}

int qpy_type_add(qpy_type *parent, qpy_type *child)
{
    qpy_type **children;

    if (child == NULL)
        return -1;
    children = realloc(parent->children, (parent->n_children + 1) * sizeof(*children));
    if (children == NULL) {
        qpy_type_free(child);
        PyErr_NoMemory();
        return -1;
    }
    parent->children = children;
    children[parent->n_children++] = child;
    return 0;
}

/* ---------------------------------------------------------------- parsing */

static bool parse_number(const char *text, int *out)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || number < 0 || number > INT32_MAX)
        return false;
    *out = (int) number;
    return true;
}

static bool parse_decimal(qpy_type *type, const char *text)
{
    int bits = 128;
    int n = sscanf(text, "d:%d,%d,%d", &type->precision, &type->scale, &bits);

    type->kind = QPY_DECIMAL;
    type->width = bits / 8;
    return n >= 2 && (bits == 32 || bits == 64 || bits == 128 || bits == 256);
}

static bool parse_temporal(qpy_type *type, const char *format)
{
    switch (format[1]) {
    case 'd':
        type->kind = QPY_DATE;
        type->width = format[2] == 'D' ? 4 : 8;
        return (format[2] == 'D' || format[2] == 'm') && format[3] == 0;
    case 't':
        type->kind = QPY_TIME;
        type->width = format[2] == 's' || format[2] == 'm' ? 4 : 8;
        break;
    case 'D':
        type->kind = QPY_DURATION;
        type->width = 8;
        break;
    case 's':
        type->kind = QPY_TIMESTAMP;
        type->width = 8;
        if (format[2] == 0 || format[3] != ':')
            return false;
        if (format[4] != 0) {
            type->tz = copy_text(format + 4);
            if (type->tz == NULL)
                return false;
        }
        break;
    default:
        return false;
    }
    type->unit = format[2];
    return type->unit != 0 && strchr("smun", type->unit) != NULL;
}

static bool parse_nested(qpy_type *type, const char *format)
{
    switch (format[1]) {
    case 'l':
    case 'L':
        type->kind = QPY_LIST;
        type->is_large = format[1] == 'L';
        return format[2] == 0;
    case 'w':
        type->kind = QPY_FIXED_LIST;
        return format[2] == ':' && parse_number(format + 3, &type->list_size);
    case 's':
        type->kind = QPY_STRUCT;
        return format[2] == 0;
    case 'm':
        type->kind = QPY_MAP;
        return format[2] == 0;
    default:
        return false;
    }
}

static bool parse_format(qpy_type *type, const char *format)
{
    static const char ints[] = "cCsSiIlL";
    const char *at;

    if (format[0] == '+')
        return parse_nested(type, format);
    if (format[0] == 't')
        return parse_temporal(type, format);
    if (format[0] == 'd')
        return parse_decimal(type, format);
    if (format[0] == 'w') {
        type->kind = QPY_FIXED;
        return format[1] == ':' && parse_number(format + 2, &type->width);
    }
    if (format[0] == 'v' && (format[1] == 'u' || format[1] == 'z') && format[2] == 0) {
        type->kind = format[1] == 'u' ? QPY_STRING : QPY_BINARY;
        type->is_view = true;
        return true;
    }
    if (format[0] == 0 || format[1] != 0)
        return false;
    at = strchr(ints, format[0]);
    if (at != NULL) {
        type->kind = QPY_INT;
        type->width = 1 << ((at - ints) / 2);
        type->is_signed = (at - ints) % 2 == 0;
        return true;
    }
    switch (format[0]) {
    case 'n':
        type->kind = QPY_NULL;
        return true;
    case 'b':
        type->kind = QPY_BOOL;
        return true;
    case 'e':
        type->kind = QPY_FLOAT;
        type->width = 2;
        return true;
    case 'f':
        type->kind = QPY_FLOAT;
        type->width = 4;
        return true;
    case 'g':
        type->kind = QPY_FLOAT;
        type->width = 8;
        return true;
    case 'U':
        type->is_large = true;
        type->kind = QPY_STRING;
        return true;
    case 'u':
        type->kind = QPY_STRING;
        return true;
    case 'Z':
        type->is_large = true;
        type->kind = QPY_BINARY;
        return true;
    case 'z':
        type->kind = QPY_BINARY;
        return true;
    default:
        return false;
    }
}

static bool has_uuid_metadata(const char *metadata)
{
    int32_t n, len;
    bool is_name;

    if (metadata == NULL)
        return false;
    memcpy(&n, metadata, 4);
    metadata += 4;
    for (int32_t i = 0; i < n; i++) {
        memcpy(&len, metadata, 4);
        is_name = len == 20 && memcmp(metadata + 4, "ARROW:extension:name", 20) == 0;
        metadata += 4 + len;
        memcpy(&len, metadata, 4);
        if (is_name && len == 10 && memcmp(metadata + 4, "arrow.uuid", 10) == 0)
            return true;
        metadata += 4 + len;
    }
    return false;
}

static qpy_type *parse(const struct ArrowSchema *schema, int depth)
{
    qpy_type *type = qpy_type_new(QPY_NULL, schema->name);
    int64_t want = -1;

    if (type == NULL)
        return NULL;
    if (depth > QPY_DEPTH) {
        PyErr_Format(PyExc_ValueError, "Arrow types may be nested %d levels deep, and these go deeper", QPY_DEPTH);
        goto fail;
    }
    if (schema->format == NULL || !parse_format(type, schema->format)) {
        PyErr_Format(PyExc_NotImplementedError, "Arrow type \"%s\" of column \"%s\" is not supported",
                     schema->format == NULL ? "" : schema->format, type->name);
        goto fail;
    }
    type->nullable = (schema->flags & ARROW_FLAG_NULLABLE) != 0;
    type->is_uuid = type->kind == QPY_FIXED && type->width == 16 && has_uuid_metadata(schema->metadata);
    if (type->kind == QPY_LIST || type->kind == QPY_FIXED_LIST || type->kind == QPY_MAP)
        want = 1;
    else if (type->kind != QPY_STRUCT)
        want = 0;
    if (schema->n_children < 0 || (want >= 0 && schema->n_children != want)) {
        PyErr_Format(PyExc_ValueError, "Arrow type \"%s\" of column \"%s\" has %lld children", schema->format,
                     type->name, (long long) schema->n_children);
        goto fail;
    }
    for (int64_t i = 0; i < schema->n_children; i++)
        if (qpy_type_add(type, parse(schema->children[i], depth + 1)) != 0)
            goto fail;
    if (schema->dictionary != NULL) {
        if (type->kind != QPY_INT) {
            PyErr_Format(PyExc_ValueError, "dictionary column \"%s\" has indices of type \"%s\"", type->name,
                         schema->format);
            goto fail;
        }
        type->kind = QPY_DICTIONARY;
        if (qpy_type_add(type, parse(schema->dictionary, depth + 1)) != 0)
            goto fail;
    }
    return type;
fail:
    qpy_type_free(type);
    return NULL;
}

qpy_type *qpy_type_parse(const struct ArrowSchema *schema) { return parse(schema, 0); }

/* ---------------------------------------------------------------- writing */

static void format_of(const qpy_type *type, char *out, size_t n)
{
    static const char ints[] = "cCsSiIlL";
    int log2 = type->width == 8 ? 3 : type->width == 4 ? 2 : type->width == 2 ? 1 : 0;

    switch (type->kind) {
    case QPY_NULL:
        snprintf(out, n, "n");
        break;
    case QPY_BOOL:
        snprintf(out, n, "b");
        break;
    case QPY_INT:
    case QPY_DICTIONARY:
        snprintf(out, n, "%c", ints[2 * log2 + !type->is_signed]);
        break;
    case QPY_FLOAT:
        snprintf(out, n, "%c", "?efg"[log2]);
        break;
    case QPY_STRING:
        snprintf(out, n, type->is_view ? "vu" : type->is_large ? "U" : "u");
        break;
    case QPY_BINARY:
        snprintf(out, n, type->is_view ? "vz" : type->is_large ? "Z" : "z");
        break;
    case QPY_FIXED:
        snprintf(out, n, "w:%d", type->width);
        break;
    case QPY_DATE:
        snprintf(out, n, type->width == 4 ? "tdD" : "tdm");
        break;
    case QPY_TIME:
        snprintf(out, n, "tt%c", type->unit);
        break;
    case QPY_TIMESTAMP:
        snprintf(out, n, "ts%c:%s", type->unit, type->tz == NULL ? "" : type->tz);
        break;
    case QPY_DURATION:
        snprintf(out, n, "tD%c", type->unit);
        break;
    case QPY_DECIMAL:
        snprintf(out, n, "d:%d,%d,%d", type->precision, type->scale, type->width * 8);
        break;
    case QPY_LIST:
        snprintf(out, n, type->is_large ? "+L" : "+l");
        break;
    case QPY_FIXED_LIST:
        snprintf(out, n, "+w:%d", type->list_size);
        break;
    case QPY_STRUCT:
        snprintf(out, n, "+s");
        break;
    case QPY_MAP:
        snprintf(out, n, "+m");
        break;
    }
}

static int export_type(const qpy_type *type, struct ArrowSchema *out)
{
    static const char uuid[] = "\1\0\0\0\24\0\0\0ARROW:extension:name\12\0\0\0arrow.uuid";
    bool is_dictionary = type->kind == QPY_DICTIONARY;
    char format[128];

    format_of(type, format, sizeof(format));
    if (qpy_schema_init(out, format, type->name, type->nullable ? ARROW_FLAG_NULLABLE : 0,
                        is_dictionary ? 0 : type->n_children) != 0)
        return -1;
    if (type->is_uuid) {
        char *metadata = malloc(sizeof(uuid));

        if (metadata == NULL)
            goto fail;
        memcpy(metadata, uuid, sizeof(uuid));
        out->metadata = metadata;
    }
    for (size_t i = 0; !is_dictionary && i < type->n_children; i++)
        if (export_type(type->children[i], out->children[i]) != 0)
            goto fail;
    if (is_dictionary) {
        out->dictionary = calloc(1, sizeof(*out->dictionary));
        if (out->dictionary == NULL || export_type(type->children[0], out->dictionary) != 0)
            goto fail;
    }
    return 0;
fail:
    out->release(out);
    return -1;
}

int qpy_type_export(const qpy_type *type, struct ArrowSchema *out)
{
    if (export_type(type, out) == 0)
        return 0;
    PyErr_NoMemory();
    return -1;
}

void qpy_type_describe(const qpy_type *type, char *out, size_t n)
{
    char child[64];
    const char *unit = type->unit == 's' ? "s" : type->unit == 'm' ? "ms" : type->unit == 'u' ? "us" : "ns";

    switch (type->kind) {
    case QPY_NULL:
        snprintf(out, n, "null");
        break;
    case QPY_BOOL:
        snprintf(out, n, "boolean");
        break;
    case QPY_INT:
        snprintf(out, n, "%sint%d", type->is_signed ? "" : "u", type->width * 8);
        break;
    case QPY_FLOAT:
        snprintf(out, n, type->width == 2 ? "halffloat" : type->width == 4 ? "float" : "double");
        break;
    case QPY_STRING:
        snprintf(out, n, "%sstring", type->is_large ? "large_" : "");
        break;
    case QPY_BINARY:
        snprintf(out, n, "%sbinary", type->is_large ? "large_" : "");
        break;
    case QPY_FIXED:
        snprintf(out, n, "fixed_size_binary[%d]", type->width);
        break;
    case QPY_DATE:
        snprintf(out, n, type->width == 4 ? "date32[day]" : "date64[ms]");
        break;
    case QPY_TIME:
        snprintf(out, n, "time%d[%s]", type->width * 8, unit);
        break;
    case QPY_TIMESTAMP:
        snprintf(out, n, "timestamp[%s%s%s]", unit, type->tz ? ", tz=" : "", type->tz ? type->tz : "");
        break;
    case QPY_DURATION:
        snprintf(out, n, "duration[%s]", unit);
        break;
    case QPY_DECIMAL:
        snprintf(out, n, "decimal%d(%d, %d)", type->width * 8, type->precision, type->scale);
        break;
    case QPY_STRUCT:
        snprintf(out, n, "struct");
        break;
    case QPY_MAP:
        snprintf(out, n, "map");
        break;
    case QPY_DICTIONARY:
        snprintf(out, n, "dictionary");
        break;
    case QPY_LIST:
    case QPY_FIXED_LIST:
        qpy_type_describe(type->children[0], child, sizeof(child));
        snprintf(out, n, "%slist<%s: %s>", type->kind == QPY_FIXED_LIST ? "fixed_size_" : "", type->children[0]->name,
                 child);
        break;
    }
}

/* ---------------------------------------------------------------- ArrowSchema structs that own what they name */

static void release_schema(struct ArrowSchema *schema)
{
    free((void *) (uintptr_t) schema->format);
    free((void *) (uintptr_t) schema->name);
    free((void *) (uintptr_t) schema->metadata);
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL)
            schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    if (schema->dictionary != NULL) {
        if (schema->dictionary->release != NULL)
            schema->dictionary->release(schema->dictionary);
        free(schema->dictionary);
    }
    schema->release = NULL;
}

int qpy_schema_init(struct ArrowSchema *out, const char *format, const char *name, int64_t flags, size_t n_children)
{
    memset(out, 0, sizeof(*out));
    out->flags = flags;
    out->format = copy_text(format);
    out->name = copy_text(name);
    out->children = calloc(n_children + 1, sizeof(*out->children));
    if (out->format == NULL || out->name == NULL || out->children == NULL)
        goto fail;
    for (size_t i = 0; i < n_children; i++) {
        out->children[i] = calloc(1, sizeof(**out->children));
        if (out->children[i] == NULL)
            goto fail;
        out->n_children++;
    }
    out->release = release_schema;
    return 0;
fail:
    release_schema(out);
    return -1;
}

static size_t metadata_size(const char *metadata)
{
    const char *at = metadata + 4;
    int32_t n, len;

    memcpy(&n, metadata, 4);
    for (int32_t i = 0; i < 2 * n; i++) {
        memcpy(&len, at, 4);
        at += 4 + len;
    }
    return (size_t) (at - metadata);
}

static int copy_schema(const struct ArrowSchema *from, struct ArrowSchema *out, int depth)
{
    if (depth > QPY_DEPTH || from->format == NULL || from->n_children < 0)
        return -1;
    if (qpy_schema_init(out, from->format, from->name, from->flags, (size_t) from->n_children) != 0)
        return -1;
    if (from->metadata != NULL) {
        size_t n = metadata_size(from->metadata);
        char *metadata = malloc(n);

        if (metadata == NULL)
            goto fail;
        memcpy(metadata, from->metadata, n);
        out->metadata = metadata;
    }
    for (int64_t i = 0; i < from->n_children; i++)
        if (copy_schema(from->children[i], out->children[i], depth + 1) != 0)
            goto fail;
    if (from->dictionary != NULL) {
        out->dictionary = calloc(1, sizeof(*out->dictionary));
        if (out->dictionary == NULL || copy_schema(from->dictionary, out->dictionary, depth + 1) != 0)
            goto fail;
    }
    return 0;
fail:
    out->release(out);
    return -1;
}

int qpy_schema_copy(const struct ArrowSchema *from, struct ArrowSchema *out) { return copy_schema(from, out, 0); }

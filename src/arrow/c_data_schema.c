/* ArrowSchema -> types. A schema is text and pointers from another library: formats are parsed in full, names and keys
 * must be UTF-8, counts are checked, and depth is limited before anything recurses. */
#include <string.h>

#include "arrow/arrow_private.h"
#include "arrow/c_data.h"
#include "arrow/validate.h"
#include "base/alloc.h"
#include "base/bytes.h"

typedef struct importer {
    const struct ArrowSchema *c;
    const qv__path *path;
    int depth;
    qv_error *err;
} importer;

static qv_status import_field(const importer *up, const struct ArrowSchema *c, const qv__path *path, qv__field *out);

const char *qv__shown_name(const struct ArrowSchema *schema)
{
    if (!schema || !schema->release)
        return "?";
    if (!schema->name)
        return "";
    return qv__utf8_valid((const uint8_t *) schema->name, strlen(schema->name)) ? schema->name : "?";
}

static qv_status bad_format(const importer *in)
{
    return qv__path_fail(in->path, in->err, QV_INVALID, "unknown Arrow format \"%.40s\"", in->c->format);
}

static qv_status unsupported(const importer *in, const char *what)
{
    return qv__path_fail(in->path, in->err, QV_UNSUPPORTED, "type %s (Arrow format \"%.40s\")", what, in->c->format);
}

/* ---- metadata: int32 n, then n times int32 length, key, int32 length, value; native byte order, any alignment */

static qv_status load_length(const importer *in, const char **at, int32_t *out)
{
    *out = (int32_t) qv__load_u32(*at);
    *at += 4;
    if (*out < 0)
        return qv__path_fail(in->path, in->err, QV_INVALID, "metadata has a length of %d", *out);
    return QV_OK;
}

static qv_status import_metadata(const importer *in, qv__metadata *out)
{
    const char *at = in->c->metadata;
    int32_t n, key_len, value_len;

    if (!at)
        return QV_OK;
    QV_TRY(load_length(in, &at, &n));
    for (int32_t i = 0; i < n; i++) {
        QV_TRY(load_length(in, &at, &key_len));
        const char *key = at;
        at += key_len;
        QV_TRY(load_length(in, &at, &value_len));
        if (memchr(key, 0, (size_t) key_len) || !qv__utf8_valid((const uint8_t *) key, (size_t) key_len))
            return qv__path_fail(in->path, in->err, QV_INVALID, "metadata key %d is not UTF-8 text", i);
        QV_TRY(qv__metadata_add(out, key, (size_t) key_len, at, (size_t) value_len, in->err));
        at += value_len;
    }
    return QV_OK;
}

/* ---- formats */

/* A whole decimal number at *at, which moves behind it. */
static bool parse_int(const char **at, int32_t low, int32_t high, int32_t *out)
{
    const char *p = *at;
    bool negative = *p == '-';
    int64_t v = 0;

    p += negative;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (*p - '0');
        if (v > INT32_MAX)
            return false;
    }
    v = negative ? -v : v;
    if (v < low || v > high)
        return false;
    *at = p;
    *out = (int32_t) v;
    return true;
}

/* Formats of one letter. */
static int letter_type(char letter)
{
    static const struct {
        char letter;
        uint8_t id;
    } letters[] = {
        { 'n', QV_TYPE_NULL },         { 'b', QV_TYPE_BOOL },   { 'c', QV_TYPE_INT8 },       { 'C', QV_TYPE_UINT8 },
        { 's', QV_TYPE_INT16 },        { 'S', QV_TYPE_UINT16 }, { 'i', QV_TYPE_INT32 },      { 'I', QV_TYPE_UINT32 },
        { 'l', QV_TYPE_INT64 },        { 'L', QV_TYPE_UINT64 }, { 'e', QV_TYPE_FLOAT16 },    { 'f', QV_TYPE_FLOAT32 },
        { 'g', QV_TYPE_FLOAT64 },      { 'u', QV_TYPE_UTF8 },   { 'U', QV_TYPE_LARGE_UTF8 }, { 'z', QV_TYPE_BINARY },
        { 'Z', QV_TYPE_LARGE_BINARY },
    };

    for (size_t i = 0; i < QV_COUNT_OF(letters); i++)
        if (letters[i].letter == letter)
            return letters[i].id;
    return -1;
}

static qv_status import_decimal(const importer *in, qv__type **out)
{
    const char *at = in->c->format + 2;
    int32_t precision, scale, bits = 128;
    qv__type *type = NULL;

    if (!parse_int(&at, 1, 76, &precision) || *at++ != ',' || !parse_int(&at, -128, 127, &scale))
        return bad_format(in);
    if (*at == ',' && (at++, !parse_int(&at, 1, 1024, &bits)))
        return bad_format(in);
    if (*at)
        return bad_format(in);
    if (bits == 32 || bits == 64)
        return unsupported(in, bits == 32 ? "decimal32" : "decimal64");
    if ((bits != 128 && bits != 256) || precision > (bits == 128 ? 38 : 76))
        return bad_format(in);
    QV_TRY(qv__type_new(bits == 128 ? QV_TYPE_DECIMAL128 : QV_TYPE_DECIMAL256, &type, in->err));
    type->precision = precision;
    type->scale = scale;
    *out = type;
    return QV_OK;
}

static qv_status import_timestamp(const importer *in, qv__unit unit, qv__type **out)
{
    const char *zone = in->c->format + 4;
    qv__type *type = NULL;

    if (in->c->format[3] != ':')
        return bad_format(in);
    if (!qv__utf8_valid((const uint8_t *) zone, strlen(zone)))
        return qv__path_fail(in->path, in->err, QV_INVALID, "the time zone is not UTF-8");
    QV_TRY(qv__type_new(QV_TYPE_TIMESTAMP, &type, in->err));
    type->unit = unit;
    if (*zone && !(type->timezone = qv__strdup(zone))) {
        qv__type_unref(type);
        return qv__fail_nomem(in->err, strlen(zone) + 1);
    }
    *out = type;
    return QV_OK;
}

/* td date, tt time, ts timestamp, tD duration, ti interval */
static qv_status import_temporal(const importer *in, qv__type **out)
{
    static const char units[] = "smun";
    const char *format = in->c->format;
    const char *unit = format[1] && format[2] ? strchr(units, format[2]) : NULL;
    qv__type_id id;

    if (format[1] == 'd' && (format[2] == 'D' || format[2] == 'm') && !format[3])
        return qv__type_new(format[2] == 'D' ? QV_TYPE_DATE32 : QV_TYPE_DATE64, out, in->err);
    if (format[1] == 'i' && format[2] && strchr("MDn", format[2]) && !format[3])
        return unsupported(in, "interval");
    if (!unit)
        return bad_format(in);
    if (format[1] == 's')
        return import_timestamp(in, (qv__unit) (unit - units), out);
    if (format[3] || (format[1] != 't' && format[1] != 'D'))
        return bad_format(in);
    id = format[1] == 'D' ? QV_TYPE_DURATION : unit - units <= QV_UNIT_MS ? QV_TYPE_TIME32 : QV_TYPE_TIME64;
    QV_TRY(qv__type_new(id, out, in->err));
    (*out)->unit = (qv__unit) (unit - units);
    return QV_OK;
}

static qv_status import_fixed_binary(const importer *in, qv__type **out)
{
    const char *at = in->c->format + 2;
    int32_t width;

    /* Its bits must fit an int. */
    if (!parse_int(&at, 0, INT32_MAX / 8, &width) || *at)
        return bad_format(in);
    QV_TRY(qv__type_new(QV_TYPE_FIXED_BINARY, out, in->err));
    (*out)->width = width;
    return QV_OK;
}

/* ---- children */

static qv_status check_children(const importer *in, int64_t expected)
{
    const struct ArrowSchema *c = in->c;

    if (expected >= 0 && c->n_children != expected)
        return qv__path_fail(in->path, in->err, QV_INVALID, "format \"%.40s\" has %lld children, expected %lld",
                             c->format, (long long) c->n_children, (long long) expected);
    if (c->n_children < 0 || c->n_children > INT32_MAX)
        return qv__path_fail(in->path, in->err, QV_INVALID, "%lld children", (long long) c->n_children);
    if (c->n_children > 0 && !c->children)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the pointer to its children is NULL");
    return QV_OK;
}

static qv_status import_child(const importer *in, int64_t i, qv__field *out)
{
    const struct ArrowSchema *child = in->c->children[i];
    qv__path here = { in->path, qv__shown_name(child) };

    return import_field(in, child, &here, out);
}

static qv_status import_list(const importer *in, qv__type_id id, int32_t width, qv__type **out)
{
    qv_status st = QV_OK;
    qv__field element = { 0 };
    qv__type *type = NULL;

    QV_CHECK(check_children(in, 1));
    QV_CHECK(import_child(in, 0, &element));
    if (id == QV_TYPE_MAP && (element.type->id != QV_TYPE_STRUCT || element.type->n_children != 2))
        QV_CHECK(qv__path_fail(in->path, in->err, QV_INVALID, "the entries of a map are a struct of two fields, not %s",
                               qv__type_name(element.type->id)));
    QV_CHECK(qv__type_new_list(id, &element, width, &type, in->err));
    type->ordered = id == QV_TYPE_MAP && (in->c->flags & ARROW_FLAG_MAP_KEYS_SORTED);
    *out = type;
done:
    qv__field_clear(&element);
    return st;
}

static qv_status import_struct(const importer *in, qv__type **out)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t n = 0, capacity = 0;

    QV_CHECK(check_children(in, -1));
    /* Grown as children are read, not by their claimed number. */
    for (int64_t i = 0; i < in->c->n_children; i++) {
        QV_CHECK(QV_GROW(&fields, &capacity, n + 1, in->err));
        fields[n] = (qv__field){ 0 };
        QV_CHECK(import_child(in, i, &fields[n]));
        n++;
    }
    QV_CHECK(qv__type_new_struct(fields, n, out, in->err));
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

/* Runs become the plain type of their values. */
static qv_status import_run_end(const importer *in, qv__type **out)
{
    qv_status st = QV_OK;
    qv__field ends = { 0 }, values = { 0 };

    QV_CHECK(check_children(in, 2));
    QV_CHECK(import_child(in, 0, &ends));
    QV_CHECK(import_child(in, 1, &values));
    if (ends.type->id != QV_TYPE_INT16 && ends.type->id != QV_TYPE_INT32 && ends.type->id != QV_TYPE_INT64)
        QV_CHECK(qv__path_fail(in->path, in->err, QV_INVALID, "run ends are %s, expected int16, int32 or int64",
                               qv__type_name(ends.type->id)));
    *out = qv__type_ref(values.type);
done:
    qv__field_clear(&ends);
    qv__field_clear(&values);
    return st;
}

static qv_status import_nested(const importer *in, qv__type **out)
{
    const char *format = in->c->format, *at = format + 3;
    int32_t width;

    if (strcmp(format, "+s") == 0)
        return import_struct(in, out);
    if (strcmp(format, "+l") == 0)
        return import_list(in, QV_TYPE_LIST, 0, out);
    if (strcmp(format, "+L") == 0)
        return import_list(in, QV_TYPE_LARGE_LIST, 0, out);
    if (strcmp(format, "+m") == 0)
        return import_list(in, QV_TYPE_MAP, 0, out);
    if (strcmp(format, "+r") == 0)
        return import_run_end(in, out);
    if (strncmp(format, "+w:", 3) == 0 && parse_int(&at, 0, INT32_MAX, &width) && !*at)
        return import_list(in, QV_TYPE_FIXED_LIST, width, out);
    if (strncmp(format, "+ud:", 4) == 0 || strncmp(format, "+us:", 4) == 0)
        return unsupported(in, format[2] == 'd' ? "dense_union" : "sparse_union");
    if (strcmp(format, "+vl") == 0 || strcmp(format, "+vL") == 0)
        return unsupported(in, format[2] == 'l' ? "list_view" : "large_list_view");
    return bad_format(in);
}

static qv_status import_plain(const importer *in, qv__type **out)
{
    const char *format = in->c->format;

    if (format[0] == '+')
        return import_nested(in, out);
    QV_TRY(check_children(in, 0));
    if (strcmp(format, "vu") == 0)
        return qv__type_new(QV_TYPE_UTF8, out, in->err);
    if (strcmp(format, "vz") == 0)
        return qv__type_new(QV_TYPE_BINARY, out, in->err);
    if (format[0] == 't')
        return import_temporal(in, out);
    if (strncmp(format, "d:", 2) == 0)
        return import_decimal(in, out);
    if (strncmp(format, "w:", 2) == 0)
        return import_fixed_binary(in, out);
    int id = format[0] && !format[1] ? letter_type(format[0]) : -1;
    return id < 0 ? bad_format(in) : qv__type_new((qv__type_id) id, out, in->err);
}

static qv_status import_dictionary(const importer *in, qv__type *index_type, qv__type **out)
{
    qv_status st = QV_OK;
    qv__field values = { 0 };
    qv__path here = { in->path, "dictionary" };

    if (index_type->id < QV_TYPE_INT8 || index_type->id > QV_TYPE_UINT64)
        return qv__path_fail(in->path, in->err, QV_INVALID, "dictionary indices are %s, expected an integer type",
                             qv__type_name(index_type->id));
    QV_CHECK(import_field(in, in->c->dictionary, &here, &values));
    QV_CHECK(
        qv__type_new_dictionary(index_type, values.type, in->c->flags & ARROW_FLAG_DICTIONARY_ORDERED, out, in->err));
done:
    qv__field_clear(&values);
    return st;
}

static qv_status import_any(const importer *in, qv__type **out)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    QV_CHECK(import_plain(in, &type));
    if (in->c->dictionary) {
        QV_CHECK(import_dictionary(in, type, out));
    } else {
        *out = type;
        type = NULL;
    }
done:
    qv__type_unref(type);
    return st;
}

static qv_status check_node(const importer *in)
{
    const struct ArrowSchema *c = in->c;

    if (!c)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the Arrow schema is NULL");
    if (!c->release)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the Arrow schema was released before");
    if (!c->format)
        return qv__path_fail(in->path, in->err, QV_INVALID, "the Arrow format is NULL");
    if (in->depth > QV_TYPE_MAX_DEPTH)
        return qv__path_fail(in->path, in->err, QV_UNSUPPORTED, "type is nested deeper than %d levels",
                             QV_TYPE_MAX_DEPTH);
    if (c->name && !qv__utf8_valid((const uint8_t *) c->name, strlen(c->name)))
        return qv__path_fail(in->path, in->err, QV_INVALID, "the name of a field is not UTF-8");
    return QV_OK;
}

static qv_status import_field(const importer *up, const struct ArrowSchema *c, const qv__path *path, qv__field *out)
{
    qv_status st = QV_OK;
    importer in = { c, path, up->depth + 1, up->err };
    qv__field field = { 0 };
    qv__type *type = NULL;

    QV_CHECK(check_node(&in));
    QV_CHECK(import_any(&in, &type));
    QV_CHECK(qv__field_init(&field, c->name, type, c->flags & ARROW_FLAG_NULLABLE, in.err));
    QV_CHECK(import_metadata(&in, &field.metadata));
    *out = field;
    field = (qv__field){ 0 };
done:
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

qv_status qv__import_type(const struct ArrowSchema *schema, qv__field *out, qv_error *err)
{
    const char *name = qv__shown_name(schema);
    qv__path path = { NULL, *name ? name : "type" };
    importer in = { .err = err };

    return import_field(&in, schema, &path, out);
}

qv_status qv__import_schema(const struct ArrowSchema *schema, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field root = { 0 };
    qv__path path = { NULL, NULL };
    importer in = { .err = err };

    QV_CHECK(import_field(&in, schema, &path, &root));
    if (root.type->id != QV_TYPE_STRUCT)
        QV_CHECK(qv__fail(err, QV_INVALID, "the schema of a table is a struct, not %s", qv__type_name(root.type->id)));
    QV_CHECK(qv__schema_new(root.type->children, root.type->n_children, &root.metadata, out, err));
done:
    qv__field_clear(&root);
    return st;
}

/* Logical type strings <-> types. Parametric ones are read from both ends: "fixed_size_list:{T}:{n}" and "dict:{V}:{K}:{o}"
 * carry another type inside, and a time zone may contain colons. */
#include "file/logical_type.h"

#include <inttypes.h>

#include "base/alloc.h"

static const struct plain_name {
    const char *name;
    qv__type_id id;
    qv__unit unit;
} plain_names[] = {
    { "null", QV_TYPE_NULL, 0 },
    { "bool", QV_TYPE_BOOL, 0 },
    { "int8", QV_TYPE_INT8, 0 },
    { "int16", QV_TYPE_INT16, 0 },
    { "int32", QV_TYPE_INT32, 0 },
    { "int64", QV_TYPE_INT64, 0 },
    { "uint8", QV_TYPE_UINT8, 0 },
    { "uint16", QV_TYPE_UINT16, 0 },
    { "uint32", QV_TYPE_UINT32, 0 },
    { "uint64", QV_TYPE_UINT64, 0 },
    { "halffloat", QV_TYPE_FLOAT16, 0 },
    { "float", QV_TYPE_FLOAT32, 0 },
    { "double", QV_TYPE_FLOAT64, 0 },
    { "string", QV_TYPE_UTF8, 0 },
    { "large_string", QV_TYPE_LARGE_UTF8, 0 },
    { "binary", QV_TYPE_BINARY, 0 },
    { "large_binary", QV_TYPE_LARGE_BINARY, 0 },
    { "date32:day", QV_TYPE_DATE32, 0 },
    { "date64:ms", QV_TYPE_DATE64, 0 },
    { "time32:s", QV_TYPE_TIME32, QV_UNIT_S },
    { "time32:ms", QV_TYPE_TIME32, QV_UNIT_MS },
    { "time64:us", QV_TYPE_TIME64, QV_UNIT_US },
    { "time64:ns", QV_TYPE_TIME64, QV_UNIT_NS },
    { "duration:s", QV_TYPE_DURATION, QV_UNIT_S },
    { "duration:ms", QV_TYPE_DURATION, QV_UNIT_MS },
    { "duration:us", QV_TYPE_DURATION, QV_UNIT_US },
    { "duration:ns", QV_TYPE_DURATION, QV_UNIT_NS },
    /* Names of earlier writers; never written. "json" and "blob" say how the bytes of a large_binary are meant. */
    { "time:s", QV_TYPE_TIME32, QV_UNIT_S },
    { "time:ms", QV_TYPE_TIME32, QV_UNIT_MS },
    { "time:us", QV_TYPE_TIME64, QV_UNIT_US },
    { "time:ns", QV_TYPE_TIME64, QV_UNIT_NS },
    { "json", QV_TYPE_LARGE_BINARY, 0 },
    { "blob", QV_TYPE_LARGE_BINARY, 0 },
};

static const char *const unit_names[] = { "s", "ms", "us", "ns" };

static qv_status unknown(const char *text, size_t len, qv_error *err)
{
    return qv__fail(err, QV_UNSUPPORTED, "logical type \"%.*s\" is not known", (int) QV_MIN(len, 200), text);
}

/* If text starts with `prefix`, moves past it. */
static bool eat(const char **text, size_t *len, const char *prefix)
{
    size_t n = strlen(prefix);

    if (*len < n || memcmp(*text, prefix, n) != 0)
        return false;
    *text += n;
    *len -= n;
    return true;
}

static bool parse_number(const char *text, size_t len, int64_t min, int64_t max, int32_t *out)
{
    bool negative = len > 0 && text[0] == '-';
    int64_t value = 0;

    if (len == negative || len > 11)
        return false;
    for (size_t i = negative; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    value = negative ? -value : value;
    if (value < min || value > max)
        return false;
    *out = (int32_t) value;
    return true;
}

/* Position of the last ':' in text, or len when there is none. */
static size_t last_colon(const char *text, size_t len)
{
    for (size_t i = len; i-- > 0;)
        if (text[i] == ':')
            return i;
    return len;
}

static qv_status parse_decimal(const char *text, size_t len, qv__type_id id, qv__type **out, qv_error *err)
{
    size_t colon = last_colon(text, len);
    int32_t precision, scale;

    if (colon == len || !parse_number(text, colon, 1, id == QV_TYPE_DECIMAL128 ? 38 : 76, &precision) ||
        !parse_number(text + colon + 1, len - colon - 1, -128, 127, &scale))
        return qv__fail(err, QV_CORRUPT, "bad decimal type \"%.*s\"", (int) QV_MIN(len, 100), text);
    QV_TRY(qv__type_new(id, out, err));
    (*out)->precision = precision;
    (*out)->scale = scale;
    return QV_OK;
}

static qv_status parse_timestamp(const char *text, size_t len, qv__type **out, qv_error *err)
{
    size_t unit_len = 0;
    qv__unit unit;
    qv__type *type;

    while (unit_len < len && text[unit_len] != ':')
        unit_len++;
    for (unit = QV_UNIT_S; unit <= QV_UNIT_NS; unit++)
        if (strlen(unit_names[unit]) == unit_len && memcmp(unit_names[unit], text, unit_len) == 0)
            break;
    if (unit > QV_UNIT_NS)
        return unknown(text, len, err);
    QV_TRY(qv__type_new(QV_TYPE_TIMESTAMP, &type, err));
    type->unit = unit;
    text += unit_len;
    len -= unit_len;
    if (len > 1 && !(len == 2 && text[1] == '-')) {
        type->timezone = qv__strndup(text + 1, len - 1);
        if (!type->timezone) {
            qv__type_unref(type);
            return qv__fail_nomem(err, len);
        }
    }
    *out = type;
    return QV_OK;
}

static qv_status parse_leaf(const char *text, size_t len, unsigned depth, qv__type **out, qv_error *err);

static qv_status parse_fixed_list(const char *text, size_t len, unsigned depth, qv__type **out, qv_error *err)
{
    static const char bfloat16[] = "lance.bfloat16";
    qv_status st = QV_OK;
    size_t colon = last_colon(text, len);
    int32_t width;
    qv__type *item = NULL;
    qv__field element = { 0 };

    if (colon == len || !parse_number(text + colon + 1, len - colon - 1, 1, INT32_MAX, &width))
        return qv__fail(err, QV_CORRUPT, "bad fixed-size list type \"%.*s\"", (int) QV_MIN(len, 200), text);
    bool is_bfloat16 = colon == sizeof bfloat16 - 1 && memcmp(text, bfloat16, colon) == 0;
    if (is_bfloat16) {
        QV_CHECK(qv__type_new(QV_TYPE_FIXED_BINARY, &item, err));
        item->width = 2;
    } else {
        QV_CHECK(parse_leaf(text, colon, depth + 1, &item, err));
    }
    QV_CHECK(qv__field_init(&element, "item", item, true, err));
    if (is_bfloat16)
        QV_CHECK(qv__metadata_set(&element.metadata, QV_KEY_EXTENSION, bfloat16, sizeof bfloat16 - 1, err));
    QV_CHECK(qv__type_new_list(QV_TYPE_FIXED_LIST, &element, width, out, err));
done:
    qv__field_clear(&element);
    qv__type_unref(item);
    return st;
}

static qv_status parse_dictionary(const char *text, size_t len, unsigned depth, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *key = NULL, *value = NULL;
    size_t order = last_colon(text, len);
    size_t key_at = last_colon(text, order);

    if (order == len || key_at == order)
        return qv__fail(err, QV_CORRUPT, "bad dictionary type \"%.*s\"", (int) QV_MIN(len, 200), text);
    bool ordered = len - order == 5 && memcmp(text + order, ":true", 5) == 0;
    QV_CHECK(parse_leaf(text + key_at + 1, order - key_at - 1, depth + 1, &key, err));
    QV_CHECK(parse_leaf(text, key_at, depth + 1, &value, err));
    if (key->id < QV_TYPE_INT8 || key->id > QV_TYPE_UINT64) {
        st = qv__fail(err, QV_CORRUPT, "dictionary keys of type \"%.*s\"", (int) (order - key_at - 1),
                      text + key_at + 1);
        goto done;
    }
    QV_CHECK(qv__type_new_dictionary(key, value, ordered, out, err));
done:
    qv__type_unref(key);
    qv__type_unref(value);
    return st;
}

/* A type without child fields. */
static qv_status parse_leaf(const char *text, size_t len, unsigned depth, qv__type **out, qv_error *err)
{
    const char *whole = text;
    size_t whole_len = len;

    if (depth > QV_SCHEMA_MAX_DEPTH)
        return qv__fail(err, QV_CORRUPT, "logical type nested deeper than %d", QV_SCHEMA_MAX_DEPTH);
    for (size_t i = 0; i < QV_COUNT_OF(plain_names); i++) {
        if (strlen(plain_names[i].name) == len && memcmp(plain_names[i].name, text, len) == 0) {
            QV_TRY(qv__type_new(plain_names[i].id, out, err));
            (*out)->unit = plain_names[i].unit;
            return QV_OK;
        }
    }
    if (eat(&text, &len, "timestamp:"))
        return parse_timestamp(text, len, out, err);
    if (eat(&text, &len, "decimal:128:"))
        return parse_decimal(text, len, QV_TYPE_DECIMAL128, out, err);
    if (eat(&text, &len, "decimal:256:"))
        return parse_decimal(text, len, QV_TYPE_DECIMAL256, out, err);
    if (eat(&text, &len, "fixed_size_binary:")) {
        int32_t width;
        if (!parse_number(text, len, 1, INT32_MAX, &width))
            return qv__fail(err, QV_CORRUPT, "bad logical type \"%.*s\"", (int) QV_MIN(whole_len, 200), whole);
        QV_TRY(qv__type_new(QV_TYPE_FIXED_BINARY, out, err));
        (*out)->width = width;
        return QV_OK;
    }
    if (eat(&text, &len, "fixed_size_list:"))
        return parse_fixed_list(text, len, depth, out, err);
    if (eat(&text, &len, "dict:"))
        return parse_dictionary(text, len, depth, out, err);
    return unknown(whole, whole_len, err);
}

static qv_status one_child(const char *logical, size_t n_children, qv_error *err)
{
    return n_children == 1
               ? QV_OK
               : qv__fail(err, QV_CORRUPT, "type \"%s\" with %zu child fields, expected 1", logical, n_children);
}

static qv_status map_of(const qv__field *entries, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    if (entries->type->id != QV_TYPE_STRUCT || entries->type->n_children != 2)
        return qv__fail(err, QV_CORRUPT, "map entries are not a struct of key and value");
    QV_CHECK(qv__type_new(QV_TYPE_MAP, &type, err));
    QV_CHECK(QV_NEW(&type->children, 1, err));
    type->n_children = 1;
    QV_CHECK(qv__field_copy(&type->children[0], entries, err));
    type->children[0].nullable = false;
    *out = type;
    type = NULL;
done:
    qv__type_unref(type);
    return st;
}

qv_status qv__type_of_logical(const char *logical, const qv__field *children, size_t n_children, qv__type **out,
                              qv_error *err)
{
    bool is_large = strncmp(logical, "large_list", 10) == 0;
    const char *rest = is_large ? logical + 6 : logical;

    if (strcmp(rest, "list") == 0 || strcmp(rest, "list.struct") == 0) {
        QV_TRY(one_child(logical, n_children, err));
        return qv__type_new_list(is_large ? QV_TYPE_LARGE_LIST : QV_TYPE_LIST, &children[0], 0, out, err);
    }
    if (strcmp(logical, "map") == 0) {
        QV_TRY(one_child(logical, n_children, err));
        return map_of(&children[0], out, err);
    }
    if (strcmp(logical, "struct") == 0)
        return qv__type_new_struct(children, n_children, out, err);
    if (strncmp(logical, "fixed_size_list:struct:", 23) == 0 || strncmp(logical, "fixed_size_list.struct:", 23) == 0)
        return qv__fail(err, QV_UNSUPPORTED, "logical type \"%.100s\": fixed-size lists of structs are not supported",
                        logical);
    if (n_children)
        return qv__fail(err, QV_CORRUPT, "type \"%.100s\" with %zu child fields", logical, n_children);
    return parse_leaf(logical, strlen(logical), 0, out, err);
}

static qv_status print_leaf(const qv__type *type, const qv__metadata *metadata, qv__buffer *out, qv_error *err);

static qv_status print_fixed_list(const qv__type *type, qv__buffer *out, qv_error *err)
{
    const qv__field *element = &type->children[0];

    QV_TRY(qv__buffer_printf(out, err, "fixed_size_list:"));
    if (qv__metadata_is(&element->metadata, QV_KEY_EXTENSION, "lance.bfloat16"))
        QV_TRY(qv__buffer_printf(out, err, "lance.bfloat16"));
    else
        QV_TRY(print_leaf(element->type, &element->metadata, out, err));
    return qv__buffer_printf(out, err, ":%" PRId32, type->width);
}

/* Types that own no child fields. */
static qv_status print_leaf(const qv__type *type, const qv__metadata *metadata, qv__buffer *out, qv_error *err)
{
    char text[128];

    switch (type->id) {
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        return qv__buffer_printf(out, err, "decimal:%d:%" PRId32 ":%" PRId32,
                                 type->id == QV_TYPE_DECIMAL128 ? 128 : 256, type->precision, type->scale);
    case QV_TYPE_TIMESTAMP:
        return qv__buffer_printf(out, err, "timestamp:%s:%s", unit_names[type->unit],
                                 type->timezone && *type->timezone ? type->timezone : "-");
    case QV_TYPE_FIXED_BINARY:
        return qv__buffer_printf(out, err, "fixed_size_binary:%" PRId32, type->width);
    case QV_TYPE_FIXED_LIST:
        return print_fixed_list(type, out, err);
    case QV_TYPE_DICTIONARY:
        QV_TRY(qv__buffer_printf(out, err, "dict:"));
        QV_TRY(print_leaf(type->children[0].type, NULL, out, err));
        QV_TRY(qv__buffer_printf(out, err, ":"));
        QV_TRY(print_leaf(type->index_type, NULL, out, err));
        return qv__buffer_printf(out, err, ":%s", type->ordered ? "true" : "false");
    case QV_TYPE_LARGE_BINARY:
        if (metadata && qv__metadata_is(metadata, QV_KEY_EXTENSION, "lance.json"))
            return qv__buffer_printf(out, err, "json");
        break;
    default:
        break;
    }
    for (size_t i = 0; i < QV_COUNT_OF(plain_names); i++)
        if (plain_names[i].id == type->id && plain_names[i].unit == type->unit)
            return qv__buffer_printf(out, err, "%s", plain_names[i].name);
    return qv__fail(err, QV_UNSUPPORTED, "type %s cannot be stored in a Lance table",
                    qv__type_print(type, text, sizeof text));
}

qv_status qv__logical_type_of(const qv__field *field, qv__buffer *out, qv_error *err)
{
    const qv__type *type = field->type;

    if (qv__field_is_blob_v2(field))
        return qv__buffer_printf(out, err, "struct");
    switch (type->id) {
    case QV_TYPE_STRUCT:
        return qv__buffer_printf(out, err, "struct");
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
        return qv__buffer_printf(out, err, "%s%s", type->id == QV_TYPE_LIST ? "list" : "large_list",
                                 type->children[0].type->id == QV_TYPE_STRUCT ? ".struct" : "");
    case QV_TYPE_MAP:
        if (type->ordered)
            return qv__fail(err, QV_UNSUPPORTED, "maps with sorted keys cannot be stored in a Lance table");
        return qv__buffer_printf(out, err, "map");
    default:
        return print_leaf(type, &field->metadata, out, err);
    }
}

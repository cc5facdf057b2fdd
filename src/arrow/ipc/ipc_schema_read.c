/* Schema metadata -> types. FlatBuffers allow one table to be referred to many times, so that few bytes could unfold into
 * endless trees; every field and every text copied is paid from a budget of the metadata's own size. */
#include "arrow/ipc/ipc_private.h"
#include "arrow/validate.h"

typedef struct reading {
    size_t fields_left;
    size_t text_left;
    qv_error *err;
} reading;

static const char corrupt_schema[] = "the schema's metadata is corrupt";

#define READ(expr)                                          \
    do {                                                    \
        if (!(expr))                                        \
            return qv__ipc_corrupt(r->err, corrupt_schema); \
    } while (0)

void qv__ipc_fields_free(qv__ipc_field *fields, size_t n)
{
    for (size_t i = 0; fields && i < n; i++) {
        qv__ipc_fields_free(fields[i].children, fields[i].n_children);
        qv__type_unref(fields[i].type);
    }
    qv__free(fields);
}

qv_status qv__ipc_fields_of(const qv__field *fields, size_t n, int64_t *next_id, qv__ipc_field **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__ipc_field *made = NULL;

    QV_CHECK(QV_NEW(&made, n, err));
    for (size_t i = 0; i < n; i++) {
        qv__ipc_field *f = &made[i];

        f->type = f->value_type = qv__type_ref(fields[i].type);
        f->is_dictionary = f->type->id == QV_TYPE_DICTIONARY;
        if (f->is_dictionary) {
            f->value_type = f->type->children[0].type;
            f->dictionary_id = (*next_id)++;
        }
        if (f->value_type->id == QV_TYPE_DICTIONARY)
            QV_CHECK(qv__fail(err, QV_UNSUPPORTED, "Arrow IPC cannot hold a dictionary of dictionaries (field \"%s\")",
                              fields[i].name));
        QV_CHECK(qv__ipc_fields_of(f->value_type->children, f->value_type->n_children, next_id, &f->children, err));
        f->n_children = f->value_type->n_children;
    }
    *out = made;
    made = NULL;
done:
    qv__ipc_fields_free(made, n);
    return st;
}

/* ---- types without children */

static qv_status read_int_type(reading *r, const qv__flat_table *t, qv__type_id *id)
{
    int64_t bits, is_signed;

    READ(qv__flat_int(t, 0, 4, 0, &bits) && qv__flat_int(t, 1, 1, 0, &is_signed));
    for (int k = 0; k < 4; k++)
        if (bits == 8 << k) {
            *id = (qv__type_id) ((is_signed ? QV_TYPE_INT8 : QV_TYPE_UINT8) + k);
            return QV_OK;
        }
    return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: integers of %lld bits", (long long) bits);
}

static qv_status read_decimal(reading *r, const qv__flat_table *t, qv__type *type)
{
    int64_t precision, scale, bits;

    READ(qv__flat_int(t, 0, 4, 0, &precision) && qv__flat_int(t, 1, 4, 0, &scale) && qv__flat_int(t, 2, 4, 128, &bits));
    if (bits != 128 && bits != 256)
        return qv__fail(r->err, QV_UNSUPPORTED, "decimal%lld columns", (long long) bits);
    if (precision < 1 || precision > (bits == 128 ? 38 : 76) || scale < -precision * 4 || scale > precision * 4)
        return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: decimal%lld(%lld, %lld)", (long long) bits,
                        (long long) precision, (long long) scale);
    type->id = bits == 128 ? QV_TYPE_DECIMAL128 : QV_TYPE_DECIMAL256;
    type->precision = (int32_t) precision;
    type->scale = (int32_t) scale;
    return QV_OK;
}

static qv_status read_timezone(reading *r, const qv__flat_table *t, qv__type *type)
{
    const char *zone;
    size_t len;

    READ(qv__flat_string(t, 1, &zone, &len));
    if (!zone || len == 0)
        return QV_OK;
    READ(len <= r->text_left && qv__utf8_valid((const uint8_t *) zone, len) && !memchr(zone, 0, len));
    r->text_left -= len;
    type->timezone = qv__strndup(zone, len);
    return type->timezone ? QV_OK : qv__fail_nomem(r->err, len + 1);
}

static qv_status read_unit(reading *r, const qv__flat_table *t, int64_t absent, qv__type *type)
{
    int64_t unit;

    READ(qv__flat_int(t, 0, 2, absent, &unit) && unit >= QV_UNIT_S && unit <= QV_UNIT_NS);
    type->unit = (qv__unit) unit;
    return QV_OK;
}

static qv_status read_temporal(reading *r, flat_type kind, const qv__flat_table *t, qv__type *type)
{
    int64_t unit, bits;

    switch (kind) {
    case FLAT_DATE:
        READ(qv__flat_int(t, 0, 2, 1, &unit) && unit >= 0 && unit <= 1);
        type->id = unit == 0 ? QV_TYPE_DATE32 : QV_TYPE_DATE64;
        return QV_OK;
    case FLAT_TIME:
        QV_TRY(read_unit(r, t, QV_UNIT_MS, type));
        READ(qv__flat_int(t, 1, 4, 32, &bits) && bits == (type->unit <= QV_UNIT_MS ? 32 : 64));
        type->id = bits == 32 ? QV_TYPE_TIME32 : QV_TYPE_TIME64;
        return QV_OK;
    case FLAT_TIMESTAMP:
        type->id = QV_TYPE_TIMESTAMP;
        QV_TRY(read_unit(r, t, QV_UNIT_S, type));
        return read_timezone(r, t, type);
    default:
        type->id = QV_TYPE_DURATION;
        return read_unit(r, t, QV_UNIT_MS, type);
    }
}

static const char *unsupported_name(flat_type kind)
{
    switch (kind) {
    case FLAT_INTERVAL:
        return "interval";
    case FLAT_UNION:
        return "union";
    case FLAT_RUN_END:
        return "run_end_encoded";
    case FLAT_BINARY_VIEW:
        return "binary_view";
    case FLAT_UTF8_VIEW:
        return "utf8_view";
    case FLAT_LIST_VIEW:
        return "list_view";
    case FLAT_LARGE_LIST_VIEW:
        return "large_list_view";
    default:
        return NULL;
    }
}

/* `type` is fresh and not shared yet. */
static qv_status read_leaf(reading *r, flat_type kind, const qv__flat_table *t, qv__type *type)
{
    int64_t number;

    switch (kind) {
    case FLAT_NULL:
        return QV_OK;
    case FLAT_INT:
        return read_int_type(r, t, &type->id);
    case FLAT_FLOAT:
        READ(qv__flat_int(t, 0, 2, 0, &number) && number >= 0 && number <= 2);
        type->id = (qv__type_id) (QV_TYPE_FLOAT16 + number);
        return QV_OK;
    case FLAT_BINARY:
        type->id = QV_TYPE_BINARY;
        return QV_OK;
    case FLAT_UTF8:
        type->id = QV_TYPE_UTF8;
        return QV_OK;
    case FLAT_LARGE_BINARY:
        type->id = QV_TYPE_LARGE_BINARY;
        return QV_OK;
    case FLAT_LARGE_UTF8:
        type->id = QV_TYPE_LARGE_UTF8;
        return QV_OK;
    case FLAT_BOOL:
        type->id = QV_TYPE_BOOL;
        return QV_OK;
    case FLAT_DECIMAL:
        return read_decimal(r, t, type);
    case FLAT_DATE:
    case FLAT_TIME:
    case FLAT_TIMESTAMP:
    case FLAT_DURATION:
        return read_temporal(r, kind, t, type);
    case FLAT_FIXED_BINARY:
        READ(qv__flat_int(t, 0, 4, 0, &number) && number >= 0);
        if (number > INT32_MAX / 8) /* a width in bits is an int */
            return qv__fail(r->err, QV_LIMIT, "fixed_size_binary of %lld bytes", (long long) number);
        type->id = QV_TYPE_FIXED_BINARY;
        type->width = (int32_t) number;
        return QV_OK;
    default:
        if (unsupported_name(kind))
            return qv__fail(r->err, QV_UNSUPPORTED, "%s columns", unsupported_name(kind));
        return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: unknown type number %d", (int) kind);
    }
}

/* ---- fields */

static qv_status read_fields(reading *r, const qv__flat_table *table, int vector, int depth, qv__field **fields,
                             qv__ipc_field **ipc, size_t *n);

static qv_status read_metadata(reading *r, const qv__flat_table *table, int vector, qv__metadata *to)
{
    const uint8_t *items;
    size_t n, key_len, value_len;
    const char *key, *value;
    qv__flat_table pair;

    READ(qv__flat_vector(table, vector, 4, &items, &n));
    for (size_t i = 0; i < n; i++) {
        READ(qv__flat_vector_table(table, items, i, &pair) && qv__flat_string(&pair, 0, &key, &key_len) &&
             qv__flat_string(&pair, 1, &value, &value_len));
        READ(r->fields_left > 0 && key_len <= r->text_left && value_len <= r->text_left - key_len);
        r->fields_left--;
        r->text_left -= key_len + value_len;
        QV_TRY(qv__metadata_add(to, key ? key : "", key_len, value ? value : "", value_len, r->err));
    }
    return QV_OK;
}

static qv_status read_list_type(reading *r, flat_type kind, const qv__flat_table *t, const qv__field *children,
                                size_t n, qv__type **out)
{
    qv__type_id id = kind == FLAT_LIST         ? QV_TYPE_LIST
                     : kind == FLAT_LARGE_LIST ? QV_TYPE_LARGE_LIST
                     : kind == FLAT_MAP        ? QV_TYPE_MAP
                                               : QV_TYPE_FIXED_LIST;
    int64_t number = 0;

    READ(n == 1);
    if (kind == FLAT_FIXED_LIST)
        READ(qv__flat_int(t, 0, 4, 0, &number) && number >= 0);
    if (kind == FLAT_MAP) {
        READ(children[0].type->id == QV_TYPE_STRUCT && children[0].type->n_children == 2);
        READ(qv__flat_int(t, 0, 1, 0, &number));
    }
    QV_TRY(qv__type_new_list(id, &children[0], kind == FLAT_FIXED_LIST ? (int32_t) number : 0, out, r->err));
    if (kind == FLAT_MAP)
        (*out)->ordered = number != 0;
    return QV_OK;
}

static qv_status read_type(reading *r, const qv__flat_table *table, const qv__field *children, size_t n, qv__type **out)
{
    qv_status st;
    int64_t kind;
    qv__flat_table t;
    bool present;
    qv__type *type = NULL;

    READ(qv__flat_int(table, FIELD_TYPE_TYPE, 1, 0, &kind) && qv__flat_table_at(table, FIELD_TYPE, &t, &present) &&
         present);
    if (kind == FLAT_LIST || kind == FLAT_LARGE_LIST || kind == FLAT_FIXED_LIST || kind == FLAT_MAP)
        return read_list_type(r, (flat_type) kind, &t, children, n, out);
    if (kind == FLAT_STRUCT)
        return qv__type_new_struct(children, n, out, r->err);
    QV_TRY(qv__type_new(QV_TYPE_NULL, &type, r->err));
    st = read_leaf(r, (flat_type) kind, &t, type);
    if (st == QV_OK && n != 0)
        st = qv__ipc_corrupt(r->err, "a type that has no children has some");
    if (st != QV_OK) {
        qv__type_unref(type);
        return st;
    }
    *out = type;
    return QV_OK;
}

/* Wraps ipc->type into a dictionary type where the field says so. */
static qv_status read_dictionary(reading *r, const qv__flat_table *table, qv__ipc_field *ipc)
{
    qv_status st = QV_OK;
    qv__flat_table encoding, index;
    bool present;
    int64_t ordered;
    qv__type_id id = QV_TYPE_INT32;
    qv__type *index_type = NULL, *type = NULL;

    READ(qv__flat_table_at(table, FIELD_DICTIONARY, &encoding, &present));
    if (!present)
        return QV_OK;
    READ(qv__flat_int(&encoding, DICTIONARY_ID, 8, 0, &ipc->dictionary_id) &&
         qv__flat_int(&encoding, DICTIONARY_ORDERED, 1, 0, &ordered) &&
         qv__flat_table_at(&encoding, DICTIONARY_INDEX_TYPE, &index, &present));
    if (present)
        QV_TRY(read_int_type(r, &index, &id));
    QV_CHECK(qv__type_new(id, &index_type, r->err));
    QV_CHECK(qv__type_new_dictionary(index_type, ipc->type, ordered != 0, &type, r->err));
    qv__type_unref(ipc->type);
    ipc->type = type;
    ipc->value_type = type->children[0].type;
    ipc->is_dictionary = true;
done:
    qv__type_unref(index_type);
    return st;
}

static qv_status read_field(reading *r, const qv__flat_table *table, int depth, qv__field *field, qv__ipc_field *ipc)
{
    qv_status st = QV_OK;
    qv__field *children = NULL;
    size_t n = 0, len;
    const char *name;
    char *copy = NULL;
    int64_t nullable;

    if (depth > QV_TYPE_MAX_DEPTH)
        return qv__fail(r->err, QV_LIMIT, "Arrow IPC: fields nested deeper than %d", QV_TYPE_MAX_DEPTH);
    READ(qv__flat_string(table, FIELD_NAME, &name, &len) && len <= r->text_left &&
         qv__flat_int(table, FIELD_NULLABLE, 1, 0, &nullable));
    READ(!name || (qv__utf8_valid((const uint8_t *) name, len) && !memchr(name, 0, len)));
    r->text_left -= len;
    copy = qv__strndup(name ? name : "", len);
    if (!copy)
        return qv__fail_nomem(r->err, len + 1);
    QV_CHECK(read_fields(r, table, FIELD_CHILDREN, depth + 1, &children, &ipc->children, &n));
    ipc->n_children = n;
    QV_CHECK(read_type(r, table, children, n, &ipc->type));
    ipc->value_type = ipc->type;
    QV_CHECK(read_dictionary(r, table, ipc));
    QV_CHECK(qv__field_init(field, copy, ipc->type, nullable != 0, r->err));
    QV_CHECK(read_metadata(r, table, FIELD_METADATA, &field->metadata));
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&children[i]);
    qv__free(children);
    qv__free(copy);
    return st;
}

static qv_status read_fields(reading *r, const qv__flat_table *table, int vector, int depth, qv__field **fields,
                             qv__ipc_field **ipc, size_t *n)
{
    qv_status st = QV_OK;
    const uint8_t *items;
    size_t count;
    qv__field *made = NULL;
    qv__ipc_field *made_ipc = NULL;
    qv__flat_table child;

    READ(qv__flat_vector(table, vector, 4, &items, &count) && count <= r->fields_left);
    r->fields_left -= count;
    QV_CHECK(QV_NEW(&made, count, r->err));
    QV_CHECK(QV_NEW(&made_ipc, count, r->err));
    for (size_t i = 0; i < count; i++) {
        if (!qv__flat_vector_table(table, items, i, &child))
            QV_CHECK(qv__ipc_corrupt(r->err, corrupt_schema));
        QV_CHECK(read_field(r, &child, depth, &made[i], &made_ipc[i]));
    }
    *fields = made;
    *ipc = made_ipc;
    *n = count;
    return QV_OK;
done:
    for (size_t i = 0; made && i < count; i++)
        qv__field_clear(&made[i]);
    qv__free(made);
    qv__ipc_fields_free(made_ipc, made_ipc ? count : 0);
    return st;
}

qv_status qv__ipc_read_schema(const qv__flat_table *table, qv__schema **schema, qv__ipc_field **fields, qv_error *err)
{
    qv_status st = QV_OK;
    reading reader = { table->size / 4, table->size, err }, *r = &reader;
    qv__field *made = NULL;
    qv__ipc_field *ipc = NULL;
    qv__metadata metadata = { 0 };
    size_t n = 0;
    int64_t endianness;

    READ(qv__flat_int(table, SCHEMA_ENDIANNESS, 2, 0, &endianness));
    if (endianness != 0)
        return qv__fail(err, QV_UNSUPPORTED, "big-endian Arrow IPC data");
    QV_CHECK(read_fields(r, table, SCHEMA_FIELDS, 1, &made, &ipc, &n));
    QV_CHECK(read_metadata(r, table, SCHEMA_METADATA, &metadata));
    QV_CHECK(qv__schema_new(made, n, &metadata, schema, err));
    *fields = ipc;
    ipc = NULL;
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&made[i]);
    qv__free(made);
    qv__ipc_fields_free(ipc, n);
    qv__metadata_clear(&metadata);
    return st;
}

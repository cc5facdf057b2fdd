/* Types -> schema metadata. */
#include "arrow/ipc/ipc_private.h"

static qv_status put_metadata(qv__buffer *out, const qv__metadata *metadata, size_t slot_at, qv_error *err)
{
    size_t at = 0, items = 0, pair_at = 0, text_at = 0;

    QV_TRY(qv__flat_put_vector(out, metadata->n, 4, 4, &at, &items, err));
    qv__flat_link(out, slot_at, at);
    for (size_t i = 0; i < metadata->n; i++) {
        qv__flat_slot slots[] = { { .field = 0, .bytes = 4 }, { .field = 1, .bytes = 4 } };

        QV_TRY(qv__flat_put_table(out, slots, 2, &pair_at, err));
        qv__flat_link(out, items + 4 * i, pair_at);
        QV_TRY(qv__flat_put_string(out, metadata->pairs[i].key, strlen(metadata->pairs[i].key), &text_at, err));
        qv__flat_link(out, slots[0].at, text_at);
        QV_TRY(qv__flat_put_string(out, metadata->pairs[i].value, metadata->pairs[i].value_len, &text_at, err));
        qv__flat_link(out, slots[1].at, text_at);
    }
    return QV_OK;
}

static qv_status put_int_type(qv__buffer *out, qv__type_id id, size_t *at, qv_error *err)
{
    bool is_signed = id <= QV_TYPE_INT64;
    int step = (int) id - (is_signed ? QV_TYPE_INT8 : QV_TYPE_UINT8);
    qv__flat_slot slots[] = { { .field = 0, .bytes = 4, .value = 8 << step },
                              { .field = 1, .bytes = 1, .value = is_signed } };

    return qv__flat_put_table(out, slots, 2, at, err);
}

/* Numbers of the type union and the value of its only, or first, parameter (-1: none) and that one's width. */
static const struct type_row {
    uint8_t kind, bytes;
    int value;
} type_rows[QV_TYPE_COUNT] = {
    [QV_TYPE_NULL] = { FLAT_NULL, 0, -1 },
    [QV_TYPE_BOOL] = { FLAT_BOOL, 0, -1 },
    [QV_TYPE_FLOAT16] = { FLAT_FLOAT, 2, 0 },
    [QV_TYPE_FLOAT32] = { FLAT_FLOAT, 2, 1 },
    [QV_TYPE_FLOAT64] = { FLAT_FLOAT, 2, 2 },
    [QV_TYPE_DECIMAL128] = { FLAT_DECIMAL, 4, 0 },
    [QV_TYPE_DECIMAL256] = { FLAT_DECIMAL, 4, 0 },
    [QV_TYPE_DATE32] = { FLAT_DATE, 2, 0 },
    [QV_TYPE_DATE64] = { FLAT_DATE, 2, 1 },
    [QV_TYPE_TIME32] = { FLAT_TIME, 2, 0 },
    [QV_TYPE_TIME64] = { FLAT_TIME, 2, 0 },
    [QV_TYPE_TIMESTAMP] = { FLAT_TIMESTAMP, 2, 0 },
    [QV_TYPE_DURATION] = { FLAT_DURATION, 2, 0 },
    [QV_TYPE_UTF8] = { FLAT_UTF8, 0, -1 },
    [QV_TYPE_LARGE_UTF8] = { FLAT_LARGE_UTF8, 0, -1 },
    [QV_TYPE_BINARY] = { FLAT_BINARY, 0, -1 },
    [QV_TYPE_LARGE_BINARY] = { FLAT_LARGE_BINARY, 0, -1 },
    [QV_TYPE_FIXED_BINARY] = { FLAT_FIXED_BINARY, 4, 0 },
    [QV_TYPE_LIST] = { FLAT_LIST, 0, -1 },
    [QV_TYPE_LARGE_LIST] = { FLAT_LARGE_LIST, 0, -1 },
    [QV_TYPE_FIXED_LIST] = { FLAT_FIXED_LIST, 4, 0 },
    [QV_TYPE_STRUCT] = { FLAT_STRUCT, 0, -1 },
    [QV_TYPE_MAP] = { FLAT_MAP, 1, 0 },
};

static int flat_kind(const qv__type *type)
{
    return type->id >= QV_TYPE_INT8 && type->id <= QV_TYPE_UINT64 ? FLAT_INT : type_rows[type->id].kind;
}

static qv_status put_type(qv__buffer *out, const qv__type *type, size_t *at, qv_error *err)
{
    const struct type_row *row = &type_rows[type->id];
    qv__flat_slot slots[3] = { { .field = 0, .bytes = row->bytes, .value = row->value } };
    size_t n = row->value >= 0, text_at = 0;

    if (flat_kind(type) == FLAT_INT)
        return put_int_type(out, type->id, at, err);
    switch (type->id) {
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        slots[0].value = type->precision;
        slots[n++] = (qv__flat_slot){ .field = 1, .bytes = 4, .value = type->scale };
        slots[n++] = (qv__flat_slot){ .field = 2, .bytes = 4, .value = type->id == QV_TYPE_DECIMAL128 ? 128 : 256 };
        break;
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
        slots[0].value = type->unit;
        slots[n++] = (qv__flat_slot){ .field = 1, .bytes = 4, .value = type->id == QV_TYPE_TIME32 ? 32 : 64 };
        break;
    case QV_TYPE_TIMESTAMP:
        slots[0].value = type->unit;
        if (type->timezone)
            slots[n++] = (qv__flat_slot){ .field = 1, .bytes = 4 };
        break;
    case QV_TYPE_DURATION:
        slots[0].value = type->unit;
        break;
    case QV_TYPE_FIXED_BINARY:
    case QV_TYPE_FIXED_LIST:
        slots[0].value = type->width;
        break;
    case QV_TYPE_MAP:
        slots[0].value = type->ordered;
        break;
    default:
        break;
    }
    QV_TRY(qv__flat_put_table(out, slots, n, at, err));
    if (type->id == QV_TYPE_TIMESTAMP && type->timezone) {
        QV_TRY(qv__flat_put_string(out, type->timezone, strlen(type->timezone), &text_at, err));
        qv__flat_link(out, slots[1].at, text_at);
    }
    return QV_OK;
}

static qv_status put_dictionary(qv__buffer *out, const qv__ipc_field *ipc, size_t slot_at, qv_error *err)
{
    size_t at = 0, index_at = 0;
    qv__flat_slot slots[] = { { .field = DICTIONARY_ID, .bytes = 8, .value = ipc->dictionary_id },
                              { .field = DICTIONARY_INDEX_TYPE, .bytes = 4 },
                              { .field = DICTIONARY_ORDERED, .bytes = 1, .value = ipc->type->ordered } };

    QV_TRY(qv__flat_put_table(out, slots, 3, &at, err));
    qv__flat_link(out, slot_at, at);
    QV_TRY(put_int_type(out, ipc->type->index_type->id, &index_at, err));
    qv__flat_link(out, slots[1].at, index_at);
    return QV_OK;
}

static qv_status put_fields(qv__buffer *out, const qv__field *fields, const qv__ipc_field *ipc, size_t n,
                            size_t slot_at, qv_error *err);

static qv_status put_field(qv__buffer *out, const qv__field *field, const qv__ipc_field *ipc, size_t *at, qv_error *err)
{
    enum { NAME, NULLABLE, TYPE_TYPE, TYPE, CHILDREN, MORE };
    size_t n = MORE, metadata = 0, dictionary = 0, child_at = 0;
    qv__flat_slot slots[MORE + 2] = {
        { .field = FIELD_NAME, .bytes = 4 },
        { .field = FIELD_NULLABLE, .bytes = 1, .value = field->nullable },
        { .field = FIELD_TYPE_TYPE, .bytes = 1, .value = flat_kind(ipc->value_type) },
        { .field = FIELD_TYPE, .bytes = 4 },
        { .field = FIELD_CHILDREN, .bytes = 4 },
    };

    if (field->metadata.n) {
        metadata = n;
        slots[n++] = (qv__flat_slot){ .field = FIELD_METADATA, .bytes = 4 };
    }
    if (ipc->is_dictionary) {
        dictionary = n;
        slots[n++] = (qv__flat_slot){ .field = FIELD_DICTIONARY, .bytes = 4 };
    }
    QV_TRY(qv__flat_put_table(out, slots, n, at, err));
    QV_TRY(qv__flat_put_string(out, field->name, strlen(field->name), &child_at, err));
    qv__flat_link(out, slots[NAME].at, child_at);
    QV_TRY(put_type(out, ipc->value_type, &child_at, err));
    qv__flat_link(out, slots[TYPE].at, child_at);
    if (metadata)
        QV_TRY(put_metadata(out, &field->metadata, slots[metadata].at, err));
    if (dictionary)
        QV_TRY(put_dictionary(out, ipc, slots[dictionary].at, err));
    return put_fields(out, ipc->value_type->children, ipc->children, ipc->n_children, slots[CHILDREN].at, err);
}

static qv_status put_fields(qv__buffer *out, const qv__field *fields, const qv__ipc_field *ipc, size_t n,
                            size_t slot_at, qv_error *err)
{
    size_t at = 0, items = 0, field_at = 0;

    QV_TRY(qv__flat_put_vector(out, n, 4, 4, &at, &items, err));
    qv__flat_link(out, slot_at, at);
    for (size_t i = 0; i < n; i++) {
        QV_TRY(put_field(out, &fields[i], &ipc[i], &field_at, err));
        qv__flat_link(out, items + 4 * i, field_at);
    }
    return QV_OK;
}

qv_status qv__ipc_put_schema(qv__buffer *out, const qv__schema *schema, const qv__ipc_field *fields, size_t *at,
                             qv_error *err)
{
    qv__flat_slot slots[] = { { .field = SCHEMA_ENDIANNESS, .bytes = 2 },
                              { .field = SCHEMA_FIELDS, .bytes = 4 },
                              { .field = SCHEMA_METADATA, .bytes = 4 } };

    QV_TRY(qv__flat_put_table(out, slots, schema->metadata.n ? 3 : 2, at, err));
    QV_TRY(put_fields(out, schema->fields, fields, schema->n_fields, slots[1].at, err));
    return schema->metadata.n ? put_metadata(out, &schema->metadata, slots[2].at, err) : QV_OK;
}

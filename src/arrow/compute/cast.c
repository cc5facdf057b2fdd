/* Which cast serves which pair of types. Equal types cost nothing; everything else goes to the file of its family. */
#include "arrow/compute/cast_private.h"

#include <stdio.h>

static bool is_bytes(const qv__type *type)
{
    return qv__type_layout(type) == QV_LAYOUT_BYTES || type->id == QV_TYPE_FIXED_BINARY;
}

static bool is_list(const qv__type *type)
{
    return type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST || type->id == QV_TYPE_FIXED_LIST;
}

static bool temporal_possible(const qv__type *from, const qv__type *to)
{
    bool from_instant = from->id == QV_TYPE_DATE32 || from->id == QV_TYPE_DATE64 || from->id == QV_TYPE_TIMESTAMP;
    bool to_instant = to->id == QV_TYPE_DATE32 || to->id == QV_TYPE_DATE64 || to->id == QV_TYPE_TIMESTAMP;
    bool from_time = from->id == QV_TYPE_TIME32 || from->id == QV_TYPE_TIME64;
    bool to_time = to->id == QV_TYPE_TIME32 || to->id == QV_TYPE_TIME64;

    if (qv__type_is_int(from) || qv__type_is_int(to))
        return true;
    if (!qv__type_is_temporal(from) || !qv__type_is_temporal(to))
        return false;
    return (from_instant && to_instant) || (from_time && to_time) || (from->id == QV_TYPE_TIMESTAMP && to_time) ||
           (from->id == QV_TYPE_DURATION && to->id == QV_TYPE_DURATION);
}

static bool plain_value(const qv__type *type)
{
    return qv__type_is_number(type) || qv__type_is_decimal(type) || qv__type_is_temporal(type);
}

/* NULL: impossible. Looks at this level only. */
static qv__cast_fn choose(const qv__type *from, const qv__type *to)
{
    if (from->id == QV_TYPE_DICTIONARY || to->id == QV_TYPE_DICTIONARY)
        return qv__cast_dictionary;
    if (is_bytes(from) && is_bytes(to))
        return qv__cast_bytes;
    if (qv__type_is_utf8(to) && plain_value(from))
        return qv__cast_to_string;
    if (qv__type_is_utf8(from) && plain_value(to))
        return qv__cast_from_string;
    if (qv__type_is_number(from) && qv__type_is_number(to))
        return qv__cast_number;
    if ((qv__type_is_decimal(from) && (qv__type_is_decimal(to) || qv__type_is_number(to))) ||
        (qv__type_is_decimal(to) && qv__type_is_number(from)))
        return qv__cast_decimal;
    if ((qv__type_is_temporal(from) || qv__type_is_temporal(to)) && temporal_possible(from, to))
        return qv__cast_temporal;
    if ((is_list(from) || from->id == QV_TYPE_MAP) && is_list(to))
        return qv__cast_list;
    if (from->id == QV_TYPE_MAP && to->id == QV_TYPE_MAP)
        return qv__cast_list;
    if (from->id == QV_TYPE_STRUCT && to->id == QV_TYPE_STRUCT)
        return qv__cast_struct;
    return NULL;
}

static bool struct_possible(const qv__type *from, const qv__type *to)
{
    for (size_t k = 0; k < to->n_children; k++) {
        const qv__field *found = NULL;

        for (size_t j = 0; j < from->n_children && !found; j++)
            if (strcmp(from->children[j].name, to->children[k].name) == 0)
                found = &from->children[j];
        if (found ? !qv__cast_possible(found->type, to->children[k].type) : !to->children[k].nullable)
            return false;
    }
    return true;
}

static bool map_possible(const qv__type *from, const qv__type *to)
{
    const qv__type *a = from->children[0].type, *b = to->children[0].type;

    return qv__cast_possible(a->children[0].type, b->children[0].type) &&
           qv__cast_possible(a->children[1].type, b->children[1].type);
}

bool qv__cast_possible(const qv__type *from, const qv__type *to)
{
    if (from->id == QV_TYPE_NULL || qv__type_equal(from, to))
        return true;
    if (from->id == QV_TYPE_DICTIONARY)
        return qv__cast_possible(from->children[0].type, to);
    if (to->id == QV_TYPE_DICTIONARY)
        return qv__cast_possible(from, to->children[0].type);
    if (!choose(from, to))
        return false;
    if (from->id == QV_TYPE_FIXED_LIST && to->id == QV_TYPE_FIXED_LIST && from->width != to->width)
        return false;
    if (from->id == QV_TYPE_MAP && to->id == QV_TYPE_MAP)
        return map_possible(from, to);
    if (is_list(to))
        return qv__cast_possible(from->children[0].type, to->children[0].type);
    if (to->id == QV_TYPE_STRUCT)
        return struct_possible(from, to);
    return true;
}

qv_status qv__array_cast(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out, qv_error *err)
{
    char have[128], want[128];

    if (qv__type_equal(array->type, to)) { /* names of list elements may differ, but no bytes */
        *out = qv__array_ref(array);
        return QV_OK;
    }
    if (array->type->id == QV_TYPE_NULL)
        return qv__array_new_null(to, array->length, out, err);
    if (!qv__cast_possible(array->type, to))
        return qv__fail(err, QV_INVALID, "cannot cast %s to %s", qv__type_print(array->type, have, sizeof have),
                        qv__type_print(to, want, sizeof want));
    if (mode == QV_CAST_TRY)
        return qv__cast_try(array, to, out, err);
    return choose(array->type, to)(array, to, mode, out, err);
}

qv_status qv__cast_frame(const qv__array *array, const qv__type *to, qv__array **out, uint8_t **values, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;
    bool bits = to->id == QV_TYPE_BOOL;
    size_t n = (size_t) array->length;

    QV_TRY(qv__array_new(to, array->length, 0, &frame, err));
    QV_CHECK(qv__validity_range(array, 0, array->length, frame, err));
    QV_CHECK(
        qv__array_buffer(frame, 1, bits ? qv__bitmap_bytes(n) : n, bits ? 1 : qv__type_value_bytes(to), values, err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

qv_status qv__array_retype(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err)
{
    qv__array *copy = NULL;

    QV_TRY(qv__array_new(to, array->length, array->n_children, &copy, err));
    copy->offset = array->offset;
    copy->null_count = array->null_count;
    for (size_t k = 0; k < QV_COUNT_OF(copy->buffers); k++)
        copy->buffers[k] = qv__bytes_ref(array->buffers[k]);
    for (size_t k = 0; k < array->n_children; k++)
        copy->children[k] = qv__array_ref(array->children[k]);
    copy->dictionary = qv__array_ref(array->dictionary);
    *out = copy;
    return QV_OK;
}

char *qv__type_print_sql(const qv__type *type, char *buf, size_t buf_len)
{
    static const char *const names[] = { "Null",   "Boolean", "Int8",   "Int16",   "Int32",   "Int64",  "UInt8",
                                         "UInt16", "UInt32",  "UInt64", "Float16", "Float32", "Float64" };
    static const char *const texts[] = { "Utf8", "LargeUtf8", "Binary", "LargeBinary" };
    static const char *const units[] = { "Second", "Millisecond", "Microsecond", "Nanosecond" };

    if (type->id < QV_COUNT_OF(names))
        snprintf(buf, buf_len, "%s", names[type->id]);
    else if (qv__type_is_decimal(type))
        snprintf(buf, buf_len, "Decimal%d(%d, %d)", qv__type_bits(type), (int) type->precision, (int) type->scale);
    else if (type->id == QV_TYPE_DATE32 || type->id == QV_TYPE_DATE64)
        snprintf(buf, buf_len, "Date%d", qv__type_bits(type));
    else if (type->id == QV_TYPE_TIME32 || type->id == QV_TYPE_TIME64)
        snprintf(buf, buf_len, "Time%d(%s)", qv__type_bits(type), units[type->unit]);
    else if (type->id == QV_TYPE_TIMESTAMP && type->timezone)
        snprintf(buf, buf_len, "Timestamp(%s, Some(\"%s\"))", units[type->unit], type->timezone);
    else if (type->id == QV_TYPE_TIMESTAMP)
        snprintf(buf, buf_len, "Timestamp(%s, None)", units[type->unit]);
    else if (type->id == QV_TYPE_DURATION)
        snprintf(buf, buf_len, "Duration(%s)", units[type->unit]);
    else if (type->id >= QV_TYPE_UTF8 && type->id <= QV_TYPE_LARGE_BINARY)
        snprintf(buf, buf_len, "%s", texts[type->id - QV_TYPE_UTF8]);
    else
        qv__type_print(type, buf, buf_len);
    return buf;
}

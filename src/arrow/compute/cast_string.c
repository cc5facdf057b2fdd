/* Values to text and back, and strings and binary of all kinds to each other. */
#include <stdio.h>
#include <strings.h>

#include "arrow/compute/cast_private.h"
#include "base/float16.h"
#include "arrow/validate.h"
#include "base/buffer.h"

enum { VALUE_TEXT_MAX = 512, SHOWN_MAX = 100 };

/* ---- to text */

static qv_status format_value(const qv__array *array, int64_t i, qv__cast_mode mode, char *buf, size_t *len,
                              qv_error *err)
{
    const qv__type *type = array->type;
    qv__wide wide;

    if (type->id == QV_TYPE_BOOL) {
        *len = (size_t) snprintf(buf, VALUE_TEXT_MAX, "%s", qv__load_int(array, i) ? "true" : "false");
    } else if (qv__type_is_float(type)) {
        *len = qv__float_format(qv__load_float(array, i), type->id == QV_TYPE_FLOAT32, mode, buf);
    } else if (qv__type_is_decimal(type)) {
        if (type->scale > 200 || type->scale < -200)
            return qv__fail(err, QV_INVALID, "decimals of scale %d have no text", (int) type->scale);
        wide = qv__wide_load(qv__fixed_at(array, i), qv__type_value_bytes(type));
        *len = qv__wide_format(&wide, type->scale, buf);
    } else if (qv__type_is_temporal(type)) {
        *len = qv__temporal_format(type, qv__load_int(array, i), mode, buf);
    } else if (type->id == QV_TYPE_UINT64) {
        *len = (size_t) snprintf(buf, VALUE_TEXT_MAX, "%llu", (unsigned long long) qv__load_int(array, i));
    } else {
        *len = (size_t) snprintf(buf, VALUE_TEXT_MAX, "%lld", (long long) qv__load_int(array, i));
    }
    return QV_OK;
}

/* Hands the collected bytes over to buffer 2. */
static qv_status adopt_bytes(qv__buffer *text, qv__array *frame, qv_error *err)
{
    size_t len;
    uint8_t *block;

    if (text->len == 0) {
        uint8_t *unused;
        return qv__array_buffer(frame, 2, 0, 1, &unused, err);
    }
    block = qv__buffer_detach(text, &len);
    return qv__bytes_adopt(block, len, &frame->buffers[2], err);
}

qv_status qv__cast_to_string(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    bool is_64 = qv__type_offsets_64(to);
    qv__buffer text;
    qv__array *frame = NULL;
    uint8_t *offsets;
    char value[VALUE_TEXT_MAX];
    size_t len = 0;

    qv__buffer_init(&text, is_64 ? SIZE_MAX / 2 : INT32_MAX);
    QV_CHECK(qv__array_new(to, array->length, 0, &frame, err));
    QV_CHECK(qv__validity_range(array, 0, array->length, frame, err));
    QV_CHECK(qv__array_buffer(frame, 1, (size_t) array->length + 1, is_64 ? 8 : 4, &offsets, err));
    for (int64_t i = 0; i < array->length; i++) {
        if (!qv__array_is_null(array, i)) {
            QV_CHECK(format_value(array, i, mode, value, &len, err));
            QV_CHECK(qv__buffer_append(&text, value, len, err));
        }
        qv__offset_put(offsets, is_64, i + 1, (int64_t) text.len);
    }
    QV_CHECK(adopt_bytes(&text, frame, err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    qv__buffer_free(&text);
    return st;
}

/* ---- from text */

static qv_status bad_text(const char *text, size_t len, const qv__type *to, qv__cast_mode mode, int64_t i,
                          qv_error *err)
{
    char name[96];
    int shown = (int) QV_MIN(len, SHOWN_MAX);

    while (shown > 0 && (size_t) shown < len && ((uint8_t) text[shown] & 0xc0) == 0x80)
        shown--; /* whole characters only */
    if (mode == QV_CAST_SAFE)
        return qv__fail(err, QV_INVALID, "Failed to parse string: '%.*s' as a scalar of type %s (at index %lld)", shown,
                        text, qv__type_print(to, name, sizeof name), (long long) i);
    if (to->id == QV_TYPE_TIMESTAMP)
        return qv__fail(err, QV_INVALID, "Error parsing timestamp from '%.*s' (at index %lld)", shown, text,
                        (long long) i);
    return qv__fail(err, QV_INVALID, "Cannot cast %s '%.*s' to value of %s type (at index %lld)",
                    to->id == QV_TYPE_BOOL ? "value" : "string", shown, text, qv__type_print_sql(to, name, sizeof name),
                    (long long) i);
}

static bool parse_bool(const char *text, size_t len, qv__cast_mode mode, bool *value)
{
    static const struct {
        const char *word;
        bool value, sql_only;
    } words[] = {
        { "true", true, false }, { "false", false, false }, { "1", true, false },  { "0", false, false },
        { "t", true, true },     { "f", false, true },      { "yes", true, true }, { "no", false, true },
        { "y", true, true },     { "n", false, true },      { "on", true, true },  { "off", false, true },
    };

    for (size_t k = 0; k < QV_COUNT_OF(words); k++)
        if (len == strlen(words[k].word) && strncasecmp(text, words[k].word, len) == 0 &&
            (mode == QV_CAST_SQL || !words[k].sql_only)) {
            *value = words[k].value;
            return true;
        }
    return false;
}

static bool parse_int(const char *text, size_t len, const qv__type *to, uint8_t *at)
{
    bool negative;
    uint64_t magnitude, most;
    int bits = qv__type_bits(to);

    if (!qv__int_parse(text, len, &negative, &magnitude))
        return false;
    if (to->id <= QV_TYPE_INT64)
        most = (UINT64_C(1) << (bits - 1)) - 1 + negative;
    else
        most = negative ? 0 : UINT64_MAX >> (64 - bits);
    if (magnitude > most)
        return false;
    if (negative)
        magnitude = 0 - magnitude;
    memcpy(at, &magnitude, (size_t) bits / 8);
    return true;
}

static bool parse_float(const char *text, size_t len, const qv__type *to, uint8_t *at)
{
    double value;
    float single;

    if (!qv__float_parse(text, len, to->id == QV_TYPE_FLOAT32, &value))
        return false;
    single = (float) value;
    if (to->id == QV_TYPE_FLOAT16)
        qv__store_u16(at, qv__f64_to_f16(value));
    else if (to->id == QV_TYPE_FLOAT32)
        memcpy(at, &single, sizeof single);
    else
        memcpy(at, &value, sizeof value);
    return true;
}

static qv_status parse_decimal(const char *text, size_t len, const qv__type *to, qv__cast_mode mode, int64_t i,
                               uint8_t *at, qv_error *err)
{
    qv__wide value;
    qv__wide_result result = qv__wide_parse(text, len, to->scale, &value);
    int shown = (int) QV_MIN(len, SHOWN_MAX);

    if (result == QV_WIDE_BAD_TEXT)
        return bad_text(text, len, to, mode, i, err);
    if (result == QV_WIDE_INEXACT && mode == QV_CAST_SAFE)
        return qv__fail(err, QV_INVALID, "Rescaling Decimal value %.*s would cause data loss (at index %lld)", shown,
                        text, (long long) i);
    if (result == QV_WIDE_TOO_BIG || !qv__wide_fits(&value, to->precision))
        return qv__fail(err, QV_INVALID, "Decimal value %.*s does not fit in precision %d (at index %lld)", shown, text,
                        (int) to->precision, (long long) i);
    qv__wide_store(value, at, qv__type_value_bytes(to));
    return QV_OK;
}

static qv_status parse_value(const char *text, size_t len, const qv__type *to, qv__cast_mode mode, int64_t i,
                             uint8_t *values, qv_error *err)
{
    uint8_t *at = to->id == QV_TYPE_BOOL ? values : values + (size_t) i * qv__type_value_bytes(to);
    bool good, flag = false;
    int64_t ticks = 0;

    if (qv__type_is_decimal(to))
        return parse_decimal(text, len, to, mode, i, at, err);
    if (to->id == QV_TYPE_BOOL) {
        good = parse_bool(text, len, mode, &flag);
        qv__bit_put(values, (size_t) i, flag);
    } else if (qv__type_is_float(to)) {
        good = parse_float(text, len, to, at);
    } else if (qv__type_is_int(to)) {
        good = parse_int(text, len, to, at);
    } else {
        good = qv__temporal_parse(text, len, to, mode, &ticks) && (qv__type_bits(to) == 64 || ticks == (int32_t) ticks);
        memcpy(at, &ticks, qv__type_value_bytes(to));
    }
    return good ? QV_OK : bad_text(text, len, to, mode, i, err);
}

qv_status qv__cast_from_string(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                               qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;
    uint8_t *values;

    QV_CHECK(qv__cast_frame(array, to, &frame, &values, err));
    for (int64_t i = 0; i < array->length; i++) {
        int64_t start = qv__offset_at(array, i), end = qv__offset_at(array, i + 1);

        if (!qv__array_is_null(array, i))
            QV_CHECK(parse_value((const char *) array->buffers[2].data + start, (size_t) (end - start), to, mode, i,
                                 values, err));
    }
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

/* ---- strings and binary to each other */

static qv_status check_utf8(const qv__array *array, const qv__type *to, qv_error *err)
{
    char name[64];

    for (int64_t i = 0; i < array->length; i++) {
        int64_t start = qv__offset_at(array, i), end = qv__offset_at(array, i + 1);

        if (!qv__array_is_null(array, i) && !qv__utf8_valid(array->buffers[2].data + start, (size_t) (end - start)))
            return qv__fail(err, QV_INVALID, "Invalid UTF8 payload: value at index %lld cannot be cast to %s",
                            (long long) i, qv__type_print(to, name, sizeof name));
    }
    return QV_OK;
}

/* The bytes are shared; offsets of another width are written anew. */
static qv_status change_offsets(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    bool is_64 = qv__type_offsets_64(to);
    int64_t first = qv__offset_at(array, 0), last = qv__offset_at(array, array->length);
    qv__array *frame = NULL;
    uint8_t *offsets;

    if (is_64 == qv__type_offsets_64(array->type))
        return qv__array_retype(array, to, out, err);
    QV_TRY(qv__check_offsets_fit(to, (uint64_t) (last - first), err));
    QV_TRY(qv__array_new(to, array->length, 0, &frame, err));
    QV_CHECK(qv__validity_range(array, 0, array->length, frame, err));
    QV_CHECK(qv__array_buffer(frame, 1, (size_t) array->length + 1, is_64 ? 8 : 4, &offsets, err));
    for (int64_t i = 0; i <= array->length; i++)
        qv__offset_put(offsets, is_64, i, qv__offset_at(array, i) - first);
    frame->buffers[2] = qv__bytes_slice(array->buffers[2], (size_t) first, (size_t) (last - first));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

/* Fixed-size binary to binary: the values lie one after the other already. */
static qv_status from_fixed(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    bool is_64 = qv__type_offsets_64(to);
    size_t width = (size_t) array->type->width;
    uint64_t total;
    qv__array *frame = NULL;
    uint8_t *offsets;

    if (!qv__mul_u64((uint64_t) array->length, width, &total))
        return qv__fail_nomem(err, SIZE_MAX);
    QV_TRY(qv__check_offsets_fit(to, total, err));
    QV_TRY(qv__array_new(to, array->length, 0, &frame, err));
    QV_CHECK(qv__validity_range(array, 0, array->length, frame, err));
    QV_CHECK(qv__array_buffer(frame, 1, (size_t) array->length + 1, is_64 ? 8 : 4, &offsets, err));
    for (int64_t i = 0; i <= array->length; i++)
        qv__offset_put(offsets, is_64, i, i * (int64_t) width);
    frame->buffers[2] = qv__bytes_slice(array->buffers[1], (size_t) array->offset * width, (size_t) total);
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

static qv_status to_fixed(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;
    uint8_t *values;

    QV_CHECK(qv__cast_frame(array, to, &frame, &values, err));
    for (int64_t i = 0; i < array->length; i++) {
        size_t len;
        const uint8_t *bytes = qv__array_string(array, i, &len);

        if (qv__array_is_null(array, i))
            continue;
        if (len != (size_t) to->width)
            QV_CHECK(qv__fail(err, QV_INVALID, "Cannot cast to FixedSizeBinary(%d): value at index %lld has length %zu",
                              (int) to->width, (long long) i, len));
        if (len)
            memcpy(values + (size_t) i * len, bytes, len);
    }
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

qv_status qv__cast_bytes(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *bytes = NULL;

    QV_UNUSED(mode);
    if (to->id == QV_TYPE_FIXED_BINARY)
        return to_fixed(array, to, out, err);
    if (array->type->id == QV_TYPE_FIXED_BINARY)
        QV_CHECK(from_fixed(array, to, &bytes, err));
    else
        QV_CHECK(change_offsets(array, to, &bytes, err));
    if (qv__type_is_utf8(to) && !qv__type_is_utf8(array->type))
        QV_CHECK(check_utf8(bytes, to, err));
    *out = bytes;
    bytes = NULL;
done:
    qv__array_unref(bytes);
    return st;
}

/* Full validation. Each test first sweeps the whole buffer without branches, so that the compiler can use vectors; only
 * when the sweep finds something wrong does a second, slow loop look for the first culprit to name. */
#include "arrow/validate.h"

#include "arrow/arrow_private.h"
#include "base/bytes.h"

/* Are all n offsets at p non-negative and in rising order? When every value is non-negative, differences cannot
 * overflow, so the sign bit of values and differences together decides. */
#define DEFINE_OFFSETS_RISE(bits)                                            \
    static bool offsets_rise_##bits(const uint8_t *p, size_t n)              \
    {                                                                        \
        const size_t step = bits / 8;                                        \
        uint##bits##_t bad = qv__load_u##bits(p);                            \
        size_t i = 0;                                                        \
        for (; i + 64 < n; i += 64)                                          \
            for (size_t j = i; j < i + 64; j++) {                            \
                uint##bits##_t a = qv__load_u##bits(p + j * step);           \
                uint##bits##_t b = qv__load_u##bits(p + (j + 1) * step);     \
                bad |= b | (uint##bits##_t)(b - a);                          \
            }                                                                \
        for (; i + 1 < n; i++) {                                             \
            uint##bits##_t b = qv__load_u##bits(p + (i + 1) * step);         \
            bad |= b | (uint##bits##_t)(b - qv__load_u##bits(p + i * step)); \
        }                                                                    \
        return !(bad >> (bits - 1));                                         \
    }
DEFINE_OFFSETS_RISE(32)
DEFINE_OFFSETS_RISE(64)
#undef DEFINE_OFFSETS_RISE

/* The largest index, read as unsigned: a negative one is then larger than any valid one. */
#define DEFINE_MAX(bits, load)                                   \
    static uint64_t max_index_##bits(const uint8_t *p, size_t n) \
    {                                                            \
        uint##bits##_t most = 0;                                 \
        size_t i = 0;                                            \
        for (; i + 64 <= n; i += 64)                             \
            for (size_t j = i; j < i + 64; j++) {                \
                uint##bits##_t v = load(p + j * (bits / 8));     \
                most = v > most ? v : most;                      \
            }                                                    \
        for (; i < n; i++) {                                     \
            uint##bits##_t v = load(p + i * (bits / 8));         \
            most = v > most ? v : most;                          \
        }                                                        \
        return most;                                             \
    }
#define LOAD_U8(p) (*(p))
DEFINE_MAX(8, LOAD_U8)
DEFINE_MAX(16, qv__load_u16)
DEFINE_MAX(32, qv__load_u32)
DEFINE_MAX(64, qv__load_u64)
#undef DEFINE_MAX
#undef LOAD_U8

static uint64_t max_index(const uint8_t *p, size_t n, int bits)
{
    switch (bits) {
    case 8:
        return max_index_8(p, n);
    case 16:
        return max_index_16(p, n);
    case 32:
        return max_index_32(p, n);
    default:
        return max_index_64(p, n);
    }
}

static qv_status check_buffer(const qv__array *a, size_t i, uint64_t bits_each, int64_t n, const char *what,
                              const qv__path *path, qv_error *err)
{
    uint64_t bits;

    if (!qv__mul_u64((uint64_t) n, bits_each, &bits))
        return qv__path_fail(path, err, QV_INVALID, "%lld values are too many", (long long) n);
    uint64_t need = bits / 8 + (bits % 8 != 0);
    if (need > a->buffers[i].len || (need > 0 && !a->buffers[i].data))
        return qv__path_fail(path, err, QV_INVALID, "%s buffer has %zu bytes, %llu are needed", what, a->buffers[i].len,
                             (unsigned long long) need);
    return QV_OK;
}

static qv_status check_nulls(const qv__array *a, const qv__path *path, qv_error *err)
{
    int64_t nulls = 0;

    if (a->type->id == QV_TYPE_NULL) {
        nulls = a->length;
    } else if (a->buffers[0].data) {
        QV_TRY(check_buffer(a, 0, 1, a->offset + a->length, "validity", path, err));
        nulls = a->length - (int64_t) qv__bitmap_count(a->buffers[0].data, (size_t) a->offset, (size_t) a->length);
    }
    if (nulls != a->null_count)
        return qv__path_fail(path, err, QV_INVALID, "null_count is %lld, %lld values are null",
                             (long long) a->null_count, (long long) nulls);
    return QV_OK;
}

static qv_status check_offsets(const qv__array *a, int64_t limit, const char *what, const qv__path *path, qv_error *err)
{
    size_t width = qv__type_offset_bytes(a->type), n = (size_t) a->length + 1;

    QV_TRY(check_buffer(a, 1, width * 8, a->offset + a->length + 1, "offsets", path, err));
    const uint8_t *offsets = a->buffers[1].data + (size_t) a->offset * width;
    bool rise = width == 8 ? offsets_rise_64(offsets, n) : offsets_rise_32(offsets, n);
    if (!rise) {
        int64_t before = 0;
        for (int64_t i = 0; i <= a->length; i++) {
            int64_t offset = qv__array_offset(a, i);
            if (offset < before)
                return qv__path_fail(path, err, QV_INVALID, "offset %lld is %lld, less than %lld before it",
                                     (long long) i, (long long) offset, (long long) before);
            before = offset;
        }
    }
    int64_t last = qv__array_offset(a, a->length);
    if (last > limit)
        return qv__path_fail(path, err, QV_INVALID, "last offset is %lld, there are %lld %s", (long long) last,
                             (long long) limit, what);
    return QV_OK;
}

/* No value begins inside a character (the text as a whole being valid, none then ends inside one either). */
static bool starts_are_characters(const qv__array *a)
{
    const uint8_t *data = a->buffers[2].data;
    int64_t end = qv__array_offset(a, a->length);

    for (int64_t i = 0; i < a->length; i++) {
        int64_t at = qv__array_offset(a, i);
        if (at < end && (data[at] & 0xc0) == 0x80)
            return false;
    }
    return true;
}

static qv_status check_text(const qv__array *a, const qv__path *path, qv_error *err)
{
    int64_t start = qv__array_offset(a, 0), end = qv__array_offset(a, a->length);

    qv__utf8_kind kind = qv__utf8_scan(a->buffers[2].data + start, (size_t) (end - start));
    if (kind == QV_UTF8_ASCII || (kind == QV_UTF8_WIDE && starts_are_characters(a)))
        return QV_OK;
    for (int64_t i = 0; i < a->length; i++) { /* bytes under a null may be anything */
        size_t len;
        if (qv__array_is_null(a, i))
            continue;
        const uint8_t *text = qv__array_string(a, i, &len);
        if (!qv__utf8_valid(text, len))
            return qv__path_fail(path, err, QV_INVALID, "value %lld is not UTF-8", (long long) i);
    }
    return QV_OK;
}

static qv_status check_strings(const qv__array *a, const qv__path *path, qv_error *err)
{
    size_t len = a->buffers[2].data ? a->buffers[2].len : 0;

    QV_TRY(check_offsets(a, (int64_t) QV_MIN(len, (size_t) INT64_MAX), "bytes", path, err));
    return qv__type_is_text(a->type) ? check_text(a, path, err) : QV_OK;
}

static qv_status check_dictionary(const qv__array *a, const qv__path *path, qv_error *err)
{
    int bits = qv__type_bits(a->type);
    bool is_signed = a->type->index_type->id <= QV_TYPE_INT64;
    uint64_t limit = (uint64_t) a->dictionary->length;

    QV_TRY(check_buffer(a, 1, (uint64_t) bits, a->offset + a->length, "index", path, err));
    if (a->length == 0)
        return QV_OK;
    const uint8_t *indices = qv__array_values(a);
    if (is_signed)
        limit = QV_MIN(limit, UINT64_C(1) << (bits - 1));
    if (max_index(indices, (size_t) a->length, bits) < limit)
        return QV_OK;
    for (int64_t i = 0; i < a->length; i++) { /* indices under a null may be anything */
        uint64_t v = max_index(indices + (size_t) i * (size_t) (bits / 8), 1, bits);
        if (v < limit || qv__array_is_null(a, i))
            continue;
        if (is_signed && v >> (bits - 1))
            return qv__path_fail(path, err, QV_INVALID, "index %lld is negative (%lld)", (long long) i,
                                 (long long) (v | (bits < 64 ? UINT64_MAX << bits : 0)));
        return qv__path_fail(path, err, QV_INVALID, "index %lld is %llu, the dictionary has %lld values", (long long) i,
                             (unsigned long long) v, (long long) a->dictionary->length);
    }
    return QV_OK;
}

static qv_status check_child(const qv__array *a, size_t i, int64_t need, const qv__path *path, qv_error *err)
{
    const qv__array *child = a->children[i];
    qv__path here = { path, qv__child_name(a->type, i) };

    if (!child || !qv__type_equal(child->type, a->type->children[i].type))
        return qv__path_fail(&here, err, QV_INVALID, "the array is not of the field's type");
    if (child->length < need)
        return qv__path_fail(&here, err, QV_INVALID, "has %lld values, its parent needs %lld",
                             (long long) child->length, (long long) need);
    return qv__array_validate_at(child, &here, err);
}

/* Arrow wants neither null entries nor null keys in the maps that are there. */
static qv_status check_map(const qv__array *a, const qv__path *path, qv_error *err)
{
    const qv__array *entries = a->children[0], *keys = entries->children[0];
    int64_t start = qv__array_offset(a, 0), end = qv__array_offset(a, a->length);

    if (entries->null_count == 0 && keys->null_count == 0)
        return QV_OK;
    for (int64_t i = start; i < end; i++)
        if (qv__array_is_null(entries, i) || qv__array_is_null(keys, entries->offset + i))
            return qv__path_fail(path, err, QV_INVALID, "map entry %lld has a null key", (long long) i);
    return QV_OK;
}

static qv_status check_values(const qv__array *a, const qv__path *path, qv_error *err)
{
    int64_t end = a->offset + a->length, need = 0;

    switch (a->type->id) {
    case QV_TYPE_NULL:
        return QV_OK;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        return check_strings(a, path, err);
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        QV_TRY(check_offsets(a, a->children[0] ? a->children[0]->length : 0, "items", path, err));
        QV_TRY(check_child(a, 0, 0, path, err));
        return a->type->id == QV_TYPE_MAP ? check_map(a, path, err) : QV_OK;
    case QV_TYPE_FIXED_LIST:
        if (a->type->width < 0 || __builtin_mul_overflow(end, a->type->width, &need))
            return qv__path_fail(path, err, QV_INVALID, "%lld lists of %d are too many", (long long) end,
                                 a->type->width);
        return check_child(a, 0, need, path, err);
    case QV_TYPE_STRUCT:
        for (size_t i = 0; i < a->n_children; i++)
            QV_TRY(check_child(a, i, end, path, err));
        return QV_OK;
    case QV_TYPE_DICTIONARY: {
        qv__path here = { path, qv__child_name(a->type, 0) };
        if (!a->dictionary || !qv__type_equal(a->dictionary->type, a->type->children[0].type))
            return qv__path_fail(&here, err, QV_INVALID, "the array is not of the field's type");
        QV_TRY(qv__array_validate_at(a->dictionary, &here, err));
        return check_dictionary(a, path, err);
    }
    default:
        return check_buffer(a, 1, (uint64_t) qv__type_bits(a->type), end, "values", path, err);
    }
}

qv_status qv__array_validate_at(const qv__array *a, const qv__path *path, qv_error *err)
{
    size_t n_children = a->type->id == QV_TYPE_DICTIONARY ? 0 : a->type->n_children;
    int64_t end;

    if (a->length < 0 || a->offset < 0 || __builtin_add_overflow(a->length, a->offset, &end) || end == INT64_MAX)
        return qv__path_fail(path, err, QV_INVALID, "length %lld at offset %lld is out of range", (long long) a->length,
                             (long long) a->offset);
    if (a->n_children != n_children)
        return qv__path_fail(path, err, QV_INVALID, "has %zu children, its type %zu", a->n_children, n_children);
    QV_TRY(check_nulls(a, path, err));
    return check_values(a, path, err);
}

qv_status qv__array_validate(const qv__array *array, const char *name, qv_error *err)
{
    qv__path path = { NULL, name };

    return qv__array_validate_at(array, &path, err);
}

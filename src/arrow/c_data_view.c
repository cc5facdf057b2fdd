/* utf8_view and binary_view -> utf8 and binary. A view is 16 bytes: int32 length, then up to 12 bytes of text, or 4
 * bytes of prefix, int32 buffer and int32 offset. The sizes of the data buffers come in the last buffer. Each view is
 * checked while lengths are added up; only then is anything copied. */
#include <string.h>

#include "arrow/arrow_private.h"
#include "base/bytes.h"

enum { VIEW_BYTES = 16, INLINE_BYTES = 12 };

typedef struct views {
    const uint8_t *validity; /* NULL: no nulls */
    const uint8_t *first;    /* the view at the window's start */
    const void *const *buffers;
    int64_t n_buffers;
    const uint8_t *sizes; /* n_buffers int64 */
    int64_t offset;       /* of the window, for validity */
    int64_t n;
    const qv__path *path;
    qv_error *err;
} views;

static inline bool is_null(const views *v, int64_t i)
{
    return v->validity && !qv__bit_get(v->validity, (size_t) (v->offset + i));
}

static inline const uint8_t *view_text(const views *v, int64_t i, size_t *len)
{
    const uint8_t *view = v->first + i * VIEW_BYTES;

    *len = qv__load_u32(view);
    if (*len <= INLINE_BYTES)
        return view + 4;
    return (const uint8_t *) v->buffers[qv__load_u32(view + 8)] + qv__load_u32(view + 12);
}

static qv_status check_view(const views *v, int64_t i)
{
    const uint8_t *view = v->first + i * VIEW_BYTES;
    int32_t len = (int32_t) qv__load_u32(view);

    if (len < 0)
        return qv__path_fail(v->path, v->err, QV_INVALID, "view %lld has length %d", (long long) i, len);
    if (len <= INLINE_BYTES)
        return QV_OK;
    int32_t buffer = (int32_t) qv__load_u32(view + 8), at = (int32_t) qv__load_u32(view + 12);
    if (buffer < 0 || buffer >= v->n_buffers)
        return qv__path_fail(v->path, v->err, QV_INVALID, "view %lld names buffer %d of %lld", (long long) i, buffer,
                             (long long) v->n_buffers);
    int64_t size = (int64_t) qv__load_u64(v->sizes + (size_t) buffer * 8);
    if (at < 0 || size < 0 || !v->buffers[buffer] || !qv__inside((uint64_t) at, (uint64_t) len, (uint64_t) size))
        return qv__path_fail(v->path, v->err, QV_INVALID, "view %lld is %d bytes at %d of a buffer of %lld",
                             (long long) i, len, at, (long long) size);
    if (memcmp(view + 4, (const uint8_t *) v->buffers[buffer] + at, 4) != 0)
        return qv__path_fail(v->path, v->err, QV_INVALID, "view %lld has a prefix that is not its text's",
                             (long long) i);
    return QV_OK;
}

static qv_status check_views(const views *v, const qv__type *type, uint64_t *total)
{
    uint64_t limit = qv__type_offset_bytes(type) == 8 ? INT64_MAX : INT32_MAX;

    *total = 0;
    for (int64_t i = 0; i < v->n; i++) {
        if (is_null(v, i))
            continue;
        QV_TRY(check_view(v, i));
        *total += qv__load_u32(v->first + i * VIEW_BYTES);
        if (*total > limit)
            return qv__path_fail(v->path, v->err, QV_LIMIT, "more than %llu bytes of views in one batch",
                                 (unsigned long long) limit);
    }
    return QV_OK;
}

static void copy_views(const views *v, bool wide, uint8_t *offsets, uint8_t *data)
{
    uint64_t end = 0;

    for (int64_t i = 0; i <= v->n; i++) {
        if (wide)
            qv__store_u64(offsets + i * 8, end);
        else
            qv__store_u32(offsets + i * 4, (uint32_t) end);
        if (i == v->n || is_null(v, i))
            continue;
        size_t len;
        const uint8_t *text = view_text(v, i, &len);
        memcpy(data + end, text, len);
        end += len;
    }
}

static qv_status open_views(const struct ArrowArray *c, qv__window window, views *v)
{
    int64_t last = c->n_buffers - 1, start = c->offset + window.skip;

    if (c->n_buffers < 3 || c->n_children != 0 || c->dictionary || !c->buffers)
        return qv__path_fail(v->path, v->err, QV_INVALID,
                             "a view array with %lld buffers and %lld children, expected at least 3 and none",
                             (long long) c->n_buffers, (long long) c->n_children);
    if (!c->buffers[0] && c->null_count > 0)
        return qv__path_fail(v->path, v->err, QV_INVALID, "null_count is %lld, but the validity buffer is NULL",
                             (long long) c->null_count);
    v->n_buffers = c->n_buffers - 3;
    v->n = window.take;
    if (v->n == 0)
        return QV_OK;
    if (!c->buffers[1] || (v->n_buffers > 0 && !c->buffers[last]))
        return qv__path_fail(v->path, v->err, QV_INVALID, "the %s buffer is NULL, %lld values need it",
                             c->buffers[1] ? "sizes" : "views", (long long) v->n);
    if (start + v->n > INT64_MAX / VIEW_BYTES)
        return qv__path_fail(v->path, v->err, QV_INVALID, "length %lld at offset %lld is out of range",
                             (long long) c->length, (long long) c->offset);
    v->validity = c->buffers[0];
    v->first = (const uint8_t *) c->buffers[1] + start * VIEW_BYTES;
    v->buffers = (const void *const *) c->buffers + 2;
    v->sizes = c->buffers[last];
    v->offset = start;
    return QV_OK;
}

static qv_status copy_validity(const views *v, qv__array *a)
{
    uint8_t *bits;
    size_t n = (size_t) v->n, len = qv__bitmap_bytes(n);

    if (!v->validity)
        return QV_OK;
    a->null_count = v->n - (int64_t) qv__bitmap_count(v->validity, (size_t) v->offset, n);
    if (a->null_count == 0)
        return QV_OK;
    QV_TRY(qv__bytes_new(len, &a->buffers[0], &bits, v->err));
    bits[len - 1] = 0;
    qv__bitmap_copy(bits, 0, v->validity, (size_t) v->offset, n);
    return QV_OK;
}

qv_status qv__import_views(const struct ArrowArray *c, const qv__type *type, qv__window window, const qv__path *path,
                           qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    views v = { .path = path, .err = err };
    size_t width = qv__type_offset_bytes(type);
    uint64_t total;
    uint8_t *offsets, *data;
    qv__array *a = NULL;

    QV_TRY(open_views(c, window, &v));
    QV_TRY(check_views(&v, type, &total));
    QV_CHECK(qv__array_new(type, v.n, 0, &a, err));
    QV_CHECK(copy_validity(&v, a));
    QV_CHECK(qv__bytes_new(((size_t) v.n + 1) * width, &a->buffers[1], &offsets, err));
    QV_CHECK(qv__bytes_new((size_t) total, &a->buffers[2], &data, err));
    copy_views(&v, width == 8, offsets, data);
    *out = a;
    a = NULL;
done:
    qv__array_unref(a);
    return st;
}

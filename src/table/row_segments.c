/* Segments: the packed pieces that sequences of row ids and spans of rows consist of. What they claim is checked before anything
 * is expanded. */
#include <inttypes.h>

#include "table/table_private.h"

/* ------------------------------------------------------------------ encoded arrays */

static qv_status view_array(const Lance__Table__EncodedU64Array *array, qv__u64_view *out, qv_error *err)
{
    ProtobufCBinaryData data = { 0 };

    *out = (qv__u64_view){ .width = 8 };
    if (array && array->u16_array) {
        data = array->u16_array->offsets;
        *out = (qv__u64_view){ .width = 2, .base = array->u16_array->first };
    } else if (array && array->u32_array) {
        data = array->u32_array->offsets;
        *out = (qv__u64_view){ .width = 4, .base = array->u32_array->first };
    } else if (array && array->u64_array) {
        data = array->u64_array->values;
    }
    if (data.len % out->width)
        return qv__fail(err, QV_CORRUPT, "%zu bytes of %zu-byte numbers", data.len, out->width);
    out->bytes = data.data;
    out->n = data.len / out->width;
    return QV_OK;
}

static uint64_t view_get(const qv__u64_view *view, size_t i)
{
    const uint8_t *at = view->bytes + i * view->width;

    return view->base + (view->width == 2 ? qv__load_u16(at) : view->width == 4 ? qv__load_u32(at) : qv__load_u64(at));
}

/* ------------------------------------------------------------------ segments */

static qv_status check_range(uint64_t start, uint64_t end, qv_error *err)
{
    if (end < start)
        return qv__fail(err, QV_CORRUPT, "a range of row ids from %" PRIu64 " to %" PRIu64, start, end);
    return QV_OK;
}

static qv_status open_holes(const Lance__Table__U64RangeWithHoles *range, qv__row_segment *out, qv_error *err)
{
    *out = (qv__row_segment){ .form = QV_SEGMENT_HOLES, .start = range->start, .end = range->end };
    QV_TRY(check_range(out->start, out->end, err));
    QV_TRY(view_array(range->holes, &out->view, err));
    for (size_t i = 0; i < out->view.n; i++) {
        uint64_t hole = view_get(&out->view, i);
        if (hole < out->start || hole >= out->end || (i && hole <= view_get(&out->view, i - 1)))
            return qv__fail(err, QV_CORRUPT, "hole %" PRIu64 " in a range of row ids is out of order", hole);
    }
    out->n = out->end - out->start - out->view.n;
    return QV_OK;
}

static qv_status open_bitmap(const Lance__Table__U64RangeWithBitmap *range, qv__row_segment *out, qv_error *err)
{
    *out = (qv__row_segment){ .form = QV_SEGMENT_BITMAP, .start = range->start, .end = range->end };
    QV_TRY(check_range(out->start, out->end, err));
    uint64_t n_bits = out->end - out->start;
    if (n_bits / 8 + (n_bits % 8 != 0) > range->bitmap.len)
        return qv__fail(err, QV_CORRUPT, "a bitmap of %zu bytes for %" PRIu64 " row ids", range->bitmap.len, n_bits);
    out->bitmap = range->bitmap.data;
    out->n = n_bits ? qv__bitmap_count(out->bitmap, 0, n_bits) : 0;
    return QV_OK;
}

qv_status qv__row_segment_open(const Lance__Table__U64Segment *message, qv__row_segment *out, qv_error *err)
{
    if (message->range) {
        *out =
            (qv__row_segment){ .form = QV_SEGMENT_RANGE, .start = message->range->start, .end = message->range->end };
        out->n = out->end - out->start;
        return check_range(out->start, out->end, err);
    }
    if (message->range_with_holes)
        return open_holes(message->range_with_holes, out, err);
    if (message->range_with_bitmap)
        return open_bitmap(message->range_with_bitmap, out, err);
    *out = (qv__row_segment){ .form = QV_SEGMENT_ARRAY };
    QV_TRY(view_array(message->sorted_array ? message->sorted_array : message->array, &out->view, err));
    out->n = out->view.n;
    return QV_OK;
}

void qv__row_segment_expand(const qv__row_segment *s, uint64_t *out)
{
    size_t hole = 0;

    switch (s->form) {
    case QV_SEGMENT_RANGE:
        for (uint64_t i = 0; i < s->n; i++)
            out[i] = s->start + i;
        break;
    case QV_SEGMENT_HOLES:
        for (uint64_t id = s->start; id < s->end; id++) {
            if (hole < s->view.n && view_get(&s->view, hole) == id)
                hole++;
            else
                *out++ = id;
        }
        break;
    case QV_SEGMENT_BITMAP:
        for (uint64_t i = 0; i < s->end - s->start; i++)
            if (qv__bit_get(s->bitmap, i))
                *out++ = s->start + i;
        break;
    case QV_SEGMENT_ARRAY:
        for (size_t i = 0; i < s->n; i++)
            out[i] = view_get(&s->view, i);
        break;
    }
}

/* Constant pages: one value for all rows, no value at all, and levels that may say which rows, or only the structure. Levels are
 * decoded once per page; in pages of lists a table of where each row begins comes with them. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/read/read_private.h"

static bool has_value(const qv__page21 *page) { return page->has_inline_value || page->has_value_buffer; }

static bool has_levels(const qv__page21 *page) { return page->page->n_buffers >= 2; }

/* ------------------------------------------------------------------ the value */

static qv_status value_misfit(const qv__leaf *leaf, size_t len, qv_error *err)
{
    char text[100];

    return qv__fail(err, QV_CORRUPT, "constant of %zu bytes for values of type %s", len,
                    qv__type_print(leaf->type, text, sizeof text));
}

static qv_status append_fixed(qv__piece value, const qv__leaf *leaf, qv__sink *sink, qv_error *err)
{
    uint8_t *room;

    if (sink->kind == QV_SINK_BITS && value.len == 1)
        return qv__sink_bits(sink, value.data, 0, 1, err);
    if (sink->kind != QV_SINK_FIXED || value.len != sink->width)
        return value_misfit(leaf, value.len, err);
    QV_TRY(qv__sink_fixed(sink, 1, &room, err));
    memcpy(room, value.data, value.len);
    return QV_OK;
}

/* `u32 k | u32 len[k] | k byte strings`: the Arrow buffers of a one-element array without validity. */
static qv_status append_buffers(qv__piece bytes, const qv__leaf *leaf, qv__sink *sink, qv_error *err)
{
    uint32_t k = bytes.len >= 4 ? qv__load_u32(bytes.data) : 0;
    size_t width = sink->kind == QV_SINK_LARGE_STRING ? 8 : 4, head = 4 + 4 * (size_t) k;

    if ((k != 1 && k != 2) || head > bytes.len)
        return value_misfit(leaf, bytes.len, err);
    size_t first = qv__load_u32(bytes.data + 4), second = k == 2 ? qv__load_u32(bytes.data + 8) : 0;
    if (first > bytes.len - head || second > bytes.len - head - first)
        return value_misfit(leaf, bytes.len, err);
    if (k == 1)
        return append_fixed((qv__piece){ bytes.data + head, first }, leaf, sink, err);
    if ((sink->kind != QV_SINK_STRING && sink->kind != QV_SINK_LARGE_STRING) || first != 2 * width)
        return value_misfit(leaf, bytes.len, err);
    const uint8_t *offsets = bytes.data + head;
    uint64_t start = width == 4 ? qv__load_u32(offsets) : qv__load_u64(offsets);
    uint64_t end = width == 4 ? qv__load_u32(offsets + 4) : qv__load_u64(offsets + 8);
    if (start > end || end > second)
        return value_misfit(leaf, bytes.len, err);
    return qv__sink_string(sink, offsets + first + start, (size_t) (end - start), err);
}

/* The value as an array of one element. */
static qv_status make_value(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__sink sink = { 0 };
    qv__bytes bytes = { 0 };

    QV_CHECK(qv__sink_init(&sink, leaf->type, err));
    QV_CHECK(qv__sink_valid(&sink, 1, err));
    if (page->has_inline_value) {
        QV_CHECK(append_fixed(page->inline_value, leaf, &sink, err));
    } else {
        QV_CHECK(qv__page_buffer(file, page->page, 0, &bytes, err));
        QV_CHECK(append_buffers((qv__piece){ bytes.data, bytes.len }, leaf, &sink, err));
    }
    QV_CHECK(qv__sink_finish(&sink, &cache->items, err));
done:
    qv__bytes_unref(&bytes);
    qv__sink_clear(&sink);
    return st;
}

static qv_status append_value(const qv__array *value, uint64_t n, qv__sink *sink, qv_error *err)
{
    uint8_t *room;
    size_t len;

    switch (sink->kind) {
    case QV_SINK_BITS:
        QV_TRY(qv__sink_zeros(sink, n, err));
        if (n)
            qv__bitmap_fill(sink->values.data, (size_t) (sink->n_values - n), (size_t) n,
                            qv__bit_get(value->buffers[1].data, 0));
        return QV_OK;
    case QV_SINK_FIXED:
        QV_TRY(qv__sink_fixed(sink, n, &room, err));
        for (uint64_t i = 0; i < n; i++)
            memcpy(room + i * sink->width, value->buffers[1].data, sink->width);
        return QV_OK;
    default:
        QV_TRY(qv__sink_reserve(sink, n, err));
        for (uint64_t i = 0; i < n; i++) {
            const uint8_t *bytes = qv__array_string(value, 0, &len);
            QV_TRY(qv__sink_string(sink, bytes, len, err));
        }
        return QV_OK;
    }
}

/* ------------------------------------------------------------------ levels */

/* One kind of level: raw u16, or a block of `n` if `coding` says so. A missing kind has no bytes. */
static qv_status make_levels(qv__file *file, const qv__page21 *page, size_t buffer, const qv__coding *coding,
                             uint64_t n, uint16_t **out, uint64_t *n_out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes bytes = { 0 };
    qv__scratch scratch;
    qv__view view;

    qv__scratch_init(&scratch);
    QV_CHECK(qv__page_buffer(file, page->page, buffer, &bytes, err));
    if (bytes.len == 0 && (!coding || n == 0))
        goto done;
    qv__piece levels = { bytes.data, bytes.len };
    if (coding) {
        QV_CHECK(qv__view_block(coding, levels, n, &scratch, &view, err));
        levels.data = view.data;
    } else if (bytes.len % 2) {
        QV_CHECK(qv__fail(err, QV_CORRUPT, "levels of %zu bytes", bytes.len));
    } else {
        n = bytes.len / 2;
    }
    QV_CHECK(QV_NEW(out, (size_t) n + 1, err));
    if (n)
        memcpy(*out, levels.data, (size_t) n * 2);
    *n_out = n;
done:
    qv__bytes_unref(&bytes);
    qv__scratch_clear(&scratch);
    return st;
}

/* Where each row begins, in levels and in value slots. */
static qv_status make_row_table(const qv__page21 *page, qv__page_cache *cache, qv_error *err)
{
    uint64_t row = 0, value = 0, rows = page->page->length;

    if (rows > cache->n_levels)
        return qv__fail(err, QV_CORRUPT, "page of %" PRIu64 " rows has %" PRIu64 " levels", rows, cache->n_levels);
    QV_TRY(QV_NEW(&cache->row_level, (size_t) rows + 1, err));
    QV_TRY(QV_NEW(&cache->row_value, (size_t) rows + 1, err));
    for (uint64_t i = 0; i < cache->n_levels; i++) {
        bool starts = cache->rep[i] >= page->layers.n_lists;
        if (starts ? row == rows : i == 0)
            return qv__fail(err, QV_CORRUPT, "the levels do not begin with a row, or have too many");
        if (starts) {
            cache->row_level[row] = i;
            cache->row_value[row++] = value;
        }
        value += !cache->def || cache->def[i] <= page->layers.visible;
    }
    if (row != rows)
        return qv__fail(err, QV_CORRUPT, "page of %" PRIu64 " rows has levels of %" PRIu64, rows, row);
    cache->row_level[rows] = cache->n_levels;
    cache->row_value[rows] = value;
    return QV_OK;
}

qv_status qv__constant_make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                                  qv_error *err)
{
    uint64_t n_rep = 0, n_def = 0;
    size_t first = page->has_value_buffer;

    if (has_value(page))
        QV_TRY(make_value(file, page, leaf, cache, err));
    if (!has_levels(page))
        return QV_OK;
    QV_TRY(make_levels(file, page, first, page->rep, page->n_rep, &cache->rep, &n_rep, err));
    QV_TRY(make_levels(file, page, first + 1, page->def, page->n_def, &cache->def, &n_def, err));
    if (cache->rep && cache->def && n_rep != n_def)
        return qv__fail(err, QV_CORRUPT, "%" PRIu64 " repetition and %" PRIu64 " definition levels", n_rep, n_def);
    cache->n_levels = cache->rep ? n_rep : n_def;
    if (page->layers.n_lists == 0) {
        if (cache->def && n_def != page->page->length)
            return qv__fail(err, QV_CORRUPT, "page of %" PRIu64 " rows has %" PRIu64 " levels", page->page->length,
                            n_def);
        return QV_OK;
    }
    if (!cache->rep)
        return page->page->length ? qv__fail(err, QV_CORRUPT, "page has lists but no repetition levels") : QV_OK;
    return make_row_table(page, cache, err);
}

/* ------------------------------------------------------------------ rows */

static qv_status read_rows(qv__reader *reader, const qv__page21 *page, const qv__page_cache *cache, qv__rows rows,
                           qv_error *err)
{
    qv__sink *sink = reader->sinks[0];
    uint64_t at = rows.at, n = rows.n, n_values = rows.n;

    if (sink->kind == QV_SINK_STRUCT && sink->n_children == 0 && page->layers.n == 1)
        return qv__sink_valid(sink, n, err); /* a struct without fields: the page says nothing */
    if (!has_value(page) && !has_levels(page)) {
        QV_TRY(qv__sink_nulls(sink, n, err));
        return qv__sink_zeros(sink, n, err);
    }
    if (page->layers.n_lists) {
        at = cache->row_level[rows.at];
        n = cache->row_level[rows.at + rows.n] - at;
        n_values = cache->row_value[rows.at + rows.n] - cache->row_value[rows.at];
    }
    QV_TRY(qv__levels_apply(&page->layers, cache->rep ? cache->rep + at : NULL, cache->def ? cache->def + at : NULL,
                            (size_t) n, reader->sinks, err));
    return has_value(page) ? append_value(cache->items, n_values, sink, err) : qv__sink_zeros(sink, n_values, err);
}

qv_status qv__constant_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows,
                            size_t n_rows, qv_error *err)
{
    const qv__page_cache *cache = NULL;

    QV_TRY(qv__page21_cache(reader->file, page, leaf, &cache, err));
    for (size_t i = 0; i < n_rows; i++)
        if (rows[i].n)
            QV_TRY(read_rows(reader, page, cache, rows[i], err));
    return QV_OK;
}

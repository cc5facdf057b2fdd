/* Full-zip pages: per level a control word and, where there is one, the value's payload, back to back. Rows of a fixed width are
 * found by arithmetic; others through the repetition index of byte offsets. */
#include <inttypes.h>

#include "file/read/read_private.h"

#define BATCH 512 /* levels gathered before they are applied */

typedef struct walker {
    qv__reader *reader;
    const qv__page21 *page;
    unsigned control_bytes;
    uint16_t visible;
    uint64_t n_starts;
    size_t n; /* levels gathered */
    uint16_t rep[BATCH], def[BATCH];
} walker;

static qv_status flush(walker *w, qv_error *err)
{
    size_t n = w->n;

    w->n = 0;
    return qv__levels_apply(&w->page->layers, w->page->bits_rep ? w->rep : NULL, w->page->bits_def ? w->def : NULL, n,
                            w->reader->sinks, err);
}

static uint32_t control_word(const uint8_t *at, unsigned n_bytes)
{
    switch (n_bytes) {
    case 0:
        return 0;
    case 1:
        return *at;
    case 2:
        return qv__load_u16(at);
    default:
        return qv__load_u32(at);
    }
}

static qv_status cut_short(size_t at, size_t len, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "full-zip item at byte %zu passes its row's end at %zu", at, len);
}

/* The payload of one visible level; *at moves past it. */
static qv_status read_payload(walker *w, const uint8_t *data, size_t len, size_t *at, uint16_t def, qv_error *err)
{
    const qv__page21 *page = w->page;
    uint64_t size = page->value_bits / 8;

    if (page->length_bits) {
        unsigned width = page->length_bits / 8;
        if (def != 0) /* nulls have a slot, but no bytes */
            return qv__sink_zeros(w->reader->sinks[0], 1, err);
        if (width > len - *at)
            return cut_short(*at, len, err);
        size = width == 4 ? qv__load_u32(data + *at) : qv__load_u64(data + *at);
        *at += width;
    }
    if (size > len - *at)
        return cut_short(*at, len, err);
    if (page->layers.n_lists == 0 || def <= page->layers.visible)
        QV_TRY(qv__emit_zipped(page->values, (qv__piece){ data + *at, (size_t) size }, &w->reader->scratch,
                               w->reader->sinks[0], err));
    *at += (size_t) size;
    return QV_OK;
}

/* Walks levels until `len` bytes are used and n_levels are seen (UINT64_MAX: only the bytes count). */
static qv_status walk(walker *w, const uint8_t *data, size_t len, uint64_t n_levels, qv_error *err)
{
    const qv__page21 *page = w->page;
    uint32_t def_mask = (1u << page->bits_def) - 1;
    size_t at = 0;
    uint64_t i = 0;

    for (; n_levels == UINT64_MAX ? at < len : i < n_levels; i++) {
        if (w->control_bytes > len - at)
            return cut_short(at, len, err);
        uint32_t word = control_word(data + at, w->control_bytes);
        uint16_t def = (uint16_t) (word & def_mask), rep = (uint16_t) (word >> page->bits_def);
        at += w->control_bytes;
        w->rep[w->n] = rep;
        w->def[w->n++] = def;
        w->n_starts += page->layers.n_lists && rep >= page->layers.n_lists;
        if (page->layers.n_lists == 0 || def <= w->visible)
            QV_TRY(read_payload(w, data, len, &at, def, err));
        if (w->n == BATCH)
            QV_TRY(flush(w, err));
    }
    if (at != len)
        return qv__fail(err, QV_CORRUPT, "full-zip rows use %zu of their %zu bytes", at, len);
    return flush(w, err);
}

/* ------------------------------------------------------------------ rows */

/* Do rows of bare values lie one after the other, without a bit between? */
static bool is_matrix(const qv__page21 *page, const qv__sink *sink)
{
    const qv__coding *c = page->values;

    return qv__control_bytes(page) == 0 && sink->kind != QV_SINK_BITS && qv__coding_is_bare(c) &&
           (c->bits != 1 || c->layers[c->n_layers - 1].items % 8 == 0);
}

static qv_status read_fixed(walker *w, qv__rows rows, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__page21 *page = w->page;
    uint64_t stride = w->control_bytes + page->value_bits / 8;
    qv__sink *sink = w->reader->sinks[0];
    qv__bytes bytes = { 0 };

    QV_CHECK(qv__page_buffer_part(w->reader->file, page->page, 0, rows.at * stride, rows.n * stride, &bytes, err));
    if (is_matrix(page, sink)) {
        qv__view view = {
            .kind = QV_VIEW_FIXED, .data = bytes.data, .data_len = bytes.len, .bits = page->values->bits
        };
        QV_CHECK(qv__levels_apply(&page->layers, NULL, NULL, (size_t) rows.n, w->reader->sinks, err));
        QV_CHECK(qv__view_emit(&view, 0, rows.n, sink, err));
    } else {
        QV_CHECK(walk(w, bytes.data, bytes.len, rows.n, err));
    }
done:
    qv__bytes_unref(&bytes);
    return st;
}

static uint64_t index_entry(const uint8_t *index, unsigned width, uint64_t i)
{
    switch (width) {
    case 1:
        return index[i];
    case 2:
        return qv__load_u16(index + i * 2);
    case 4:
        return qv__load_u32(index + i * 4);
    default:
        return qv__load_u64(index + i * 8);
    }
}

/* Byte range of rows, from the repetition index. */
static qv_status find_rows(qv__file *file, const qv__page21 *page, qv__rows rows, uint64_t *start, uint64_t *end,
                           qv_error *err)
{
    uint64_t size = page->page->buffers[1].len, entries = page->page->length + 1, width = size / entries;
    qv__bytes index = { 0 };

    if (size % entries || (width != 1 && width != 2 && width != 4 && width != 8))
        return qv__fail(err, QV_CORRUPT, "repetition index of %" PRIu64 " bytes for %" PRIu64 " rows", size,
                        entries - 1);
    QV_TRY(qv__page_buffer_part(file, page->page, 1, rows.at * width, (rows.n + 1) * width, &index, err));
    *start = index_entry(index.data, (unsigned) width, 0);
    *end = index_entry(index.data, (unsigned) width, rows.n);
    qv__bytes_unref(&index);
    if (*start > *end)
        return qv__fail(err, QV_CORRUPT, "repetition index: rows begin at %" PRIu64 " and end at %" PRIu64, *start,
                        *end);
    return QV_OK;
}

static qv_status read_indexed(walker *w, qv__rows rows, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__page21 *page = w->page;
    uint64_t start = 0, end = 0;
    qv__bytes bytes = { 0 };

    QV_TRY(find_rows(w->reader->file, page, rows, &start, &end, err));
    QV_CHECK(qv__page_buffer_part(w->reader->file, page->page, 0, start, end - start, &bytes, err));
    w->n_starts = 0;
    QV_CHECK(walk(w, bytes.data, bytes.len, page->layers.n_lists ? UINT64_MAX : rows.n, err));
    if (page->layers.n_lists && w->n_starts != rows.n)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "repetition index: %" PRIu64 " rows where %" PRIu64 " should be",
                          w->n_starts, rows.n));
done:
    qv__bytes_unref(&bytes);
    return st;
}

qv_status qv__zip_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows, size_t n_rows,
                       qv_error *err)
{
    walker w;
    const qv__page_cache *cache = NULL;

    w.reader = reader;
    w.page = page;
    w.control_bytes = qv__control_bytes(page);
    w.visible = page->layers.visible;
    w.n_starts = w.n = 0;
    if (page->value_bits && page->layers.visible != page->layers.visible_old) {
        QV_TRY(qv__page21_cache(reader->file, page, leaf, &cache, err));
        w.visible = cache->visible;
    }
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].n == 0)
            continue;
        QV_TRY(page->has_index ? read_indexed(&w, rows[i], err) : read_fixed(&w, rows[i], err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ what is computed once */

/* Do exactly n_items levels use up the page, and start its rows, when levels up to `visible` have payloads? */
static bool uses_all(const qv__page21 *page, qv__bytes bytes, uint16_t visible)
{
    unsigned control = qv__control_bytes(page);
    uint32_t def_mask = (1u << page->bits_def) - 1;
    size_t at = 0, size = page->value_bits / 8;
    uint64_t starts = 0;

    for (uint64_t i = 0; i < page->n_items; i++) {
        if (control > bytes.len - at)
            return false;
        uint32_t word = control_word(bytes.data + at, control);
        at += control;
        starts += word >> page->bits_def >= page->layers.n_lists;
        if ((word & def_mask) > visible)
            continue;
        if (size > bytes.len - at)
            return false;
        at += size;
    }
    return at == bytes.len && starts == page->page->length;
}

/* Writers of late 2025 counted the structs outside a list among the visible levels. Only the page as a whole tells. */
qv_status qv__zip_make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                             qv_error *err)
{
    qv__bytes bytes = { 0 };

    QV_UNUSED(leaf);
    QV_TRY(qv__page_buffer(file, page->page, 0, &bytes, err));
    cache->visible = page->layers.visible;
    if (!uses_all(page, bytes, page->layers.visible) && uses_all(page, bytes, page->layers.visible_old))
        cache->visible = page->layers.visible_old;
    qv__bytes_unref(&bytes);
    return QV_OK;
}

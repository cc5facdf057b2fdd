/* PageLayout messages, checked against the leaf's type and the page's buffers, and the memory of what was computed from a page. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/message.h"
#include "file/read/read_private.h"

/* ------------------------------------------------------------------ parsing */

static qv_status optional_coding(const Lance__File__CompressiveEncoding *message, unsigned bits, const char *what,
                                 qv__arena *arena, const qv__coding **out, qv_error *err)
{
    if (!message)
        return QV_OK;
    QV_TRY(qv__coding_parse(message, arena, out, err));
    return qv__coding_fits_bits(*out, bits, what, err);
}

static bool is_strings(const qv__type *type)
{
    return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_BINARY ||
           type->id == QV_TYPE_LARGE_BINARY;
}

/* The values are indices; what they point to has the leaf's type, or the dictionary's value type. */
static qv_status parse_dictionary(const Lance__File__MiniBlockLayout *m, const qv__leaf *leaf, qv__arena *arena,
                                  qv__page21 *out, qv_error *err)
{
    const qv__type *items = leaf->type->id == QV_TYPE_DICTIONARY ? leaf->type->children[0].type : leaf->type;
    unsigned bits =
        leaf->type->id == QV_TYPE_DICTIONARY ? (unsigned) qv__type_bits(leaf->type->index_type) : out->values->bits;

    if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
        return qv__fail(err, QV_CORRUPT, "dictionary indices of %u bits", bits);
    if (!is_strings(items) && qv__value_bits(items) < 8)
        return qv__fail(err, QV_UNSUPPORTED, "a dictionary of nested values or booleans");
    QV_TRY(qv__coding_fits_bits(out->values, bits, "dictionary indices", err));
    QV_TRY(qv__coding_parse(m->dictionary, arena, &out->dictionary, err));
    QV_TRY(qv__coding_fits(out->dictionary, items, QV_PLACE_BLOCK, err));
    out->n_dictionary_items = m->num_dictionary_items;
    return QV_OK;
}

static qv_status need_buffers(const qv__page *page, size_t n, qv_error *err)
{
    return page->n_buffers >= n ? QV_OK
                                : qv__fail(err, QV_CORRUPT, "page has %zu buffers, needs %zu", page->n_buffers, n);
}

static qv_status rows_are(const qv__page *page, uint64_t n, const char *what, qv_error *err)
{
    return page->length == n
               ? QV_OK
               : qv__fail(err, QV_CORRUPT, "page of %" PRIu64 " rows has %" PRIu64 " %s", page->length, n, what);
}

static qv_status parse_mini(const Lance__File__MiniBlockLayout *m, const qv__leaf *leaf, qv__arena *arena,
                            qv__page21 *out, qv_error *err)
{
    out->layout = QV_LAYOUT_MINI;
    QV_TRY(qv__layers_init(&out->layers, m->layers, m->n_layers, leaf->is_list, leaf->n_layers, err));
    QV_TRY(optional_coding(m->rep_compression, 16, "repetition levels", arena, &out->rep, err));
    QV_TRY(optional_coding(m->def_compression, 16, "definition levels", arena, &out->def, err));
    QV_TRY(qv__coding_parse(m->value_compression, arena, &out->values, err));
    out->n_items = m->num_items;
    out->has_large_chunks = m->has_large_chunk;
    out->has_index = m->repetition_index_depth > 0;
    if (m->repetition_index_depth > 1)
        return qv__fail(err, QV_UNSUPPORTED, "a repetition index of depth %" PRIu32, m->repetition_index_depth);
    if (m->num_buffers != qv__coding_buffers(out->values))
        return qv__fail(err, QV_CORRUPT, "chunks with %" PRIu64 " value buffers, the encoding has %u", m->num_buffers,
                        qv__coding_buffers(out->values));
    out->n_value_buffers = (unsigned) m->num_buffers;
    QV_TRY(need_buffers(out->page, 2 + (m->dictionary != NULL) + out->has_index, err));
    if (out->layers.n_lists == 0)
        QV_TRY(rows_are(out->page, out->n_items, "values", err));
    else if (!out->rep && out->page->length)
        return qv__fail(err, QV_CORRUPT, "page has lists but no repetition levels");
    if (m->dictionary)
        return parse_dictionary(m, leaf, arena, out, err);
    return qv__coding_fits(out->values, leaf->type, QV_PLACE_MINI, err);
}

bool qv__coding_is_bare(const qv__coding *coding)
{
    if (coding->kind == QV_CODING_FLAT)
        return true;
    if (coding->kind != QV_CODING_VECTOR)
        return false;
    for (unsigned i = 0; i < coding->n_layers; i++)
        if (coding->layers[i].has_validity)
            return false;
    return true;
}

uint64_t qv__payload_bytes(const qv__coding *coding)
{
    uint64_t bytes = 0;

    if (coding->kind != QV_CODING_VECTOR)
        return coding->bits / 8;
    for (unsigned i = 0; i < coding->n_layers; i++)
        bytes += coding->layers[i].has_validity ? (coding->layers[i].items + 7) / 8 : 0;
    return bytes + (coding->layers[coding->n_layers - 1].items * coding->bits + 7) / 8;
}

static qv_status parse_zip_width(const Lance__File__FullZipLayout *m, qv__page21 *out, qv_error *err)
{
    bool is_fixed = out->values->kind == QV_CODING_FLAT || out->values->kind == QV_CODING_VECTOR;

    if (is_fixed != (m->has_bits_per_value != 0) || m->has_bits_per_value == m->has_bits_per_offset)
        return qv__fail(err, QV_CORRUPT, "full-zip page: values and their width do not fit");
    if (is_fixed) {
        out->value_bits = m->bits_per_value;
        if (m->bits_per_value % 8 || m->bits_per_value / 8 != qv__payload_bytes(out->values))
            return qv__fail(err, QV_CORRUPT, "full-zip values of %" PRIu32 " bits, the encoding has %" PRIu64,
                            m->bits_per_value, qv__payload_bytes(out->values) * 8);
        return QV_OK;
    }
    out->length_bits = m->bits_per_offset;
    if (m->bits_per_offset != 32 && m->bits_per_offset != 64)
        return qv__fail(err, QV_CORRUPT, "full-zip lengths of %" PRIu32 " bits", m->bits_per_offset);
    return QV_OK;
}

static qv_status parse_zip(const Lance__File__FullZipLayout *m, const qv__leaf *leaf, qv__arena *arena, qv__page21 *out,
                           qv_error *err)
{
    uint64_t total;

    out->layout = QV_LAYOUT_ZIP;
    QV_TRY(qv__layers_init(&out->layers, m->layers, m->n_layers, leaf->is_list, leaf->n_layers, err));
    QV_TRY(qv__coding_parse(m->value_compression, arena, &out->values, err));
    QV_TRY(qv__coding_fits(out->values, leaf->type, QV_PLACE_ZIP, err));
    QV_TRY(parse_zip_width(m, out, err));
    if (m->bits_rep > 16 || m->bits_def > 16)
        return qv__fail(err, QV_CORRUPT, "full-zip levels of %" PRIu32 " and %" PRIu32 " bits", m->bits_rep,
                        m->bits_def);
    out->bits_rep = m->bits_rep;
    out->bits_def = m->bits_def;
    out->n_items = m->num_items;
    out->has_index = out->length_bits || out->bits_rep;
    QV_TRY(need_buffers(out->page, 1u + out->has_index, err));
    if (out->layers.n_lists && out->bits_rep == 0 && out->page->length)
        return qv__fail(err, QV_CORRUPT, "page has lists but no repetition levels");
    if (out->layers.n_lists)
        return QV_OK;
    QV_TRY(rows_are(out->page, out->n_items, "items", err));
    if (out->has_index)
        return QV_OK;
    if (!qv__mul_u64(out->n_items, qv__control_bytes(out) + out->value_bits / 8, &total) ||
        total != out->page->buffers[0].len)
        return qv__fail(err, QV_CORRUPT, "full-zip page of %" PRIu64 " rows of %u bits has %" PRIu64 " bytes",
                        out->n_items, out->value_bits, out->page->buffers[0].len);
    return QV_OK;
}

static qv_status parse_constant(const Lance__File__ConstantLayout *m, const qv__leaf *leaf, qv__arena *arena,
                                qv__page21 *out, qv_error *err)
{
    size_t n_buffers = out->page->n_buffers;

    out->layout = QV_LAYOUT_CONSTANT;
    QV_TRY(qv__layers_init(&out->layers, m->layers, m->n_layers, leaf->is_list, leaf->n_layers, err));
    QV_TRY(optional_coding(m->rep_compression, 16, "repetition levels", arena, &out->rep, err));
    QV_TRY(optional_coding(m->def_compression, 16, "definition levels", arena, &out->def, err));
    out->n_rep = m->num_rep_values;
    out->n_def = m->num_def_values;
    out->has_inline_value = m->has_inline_value;
    out->inline_value = (qv__piece){ m->inline_value.data, m->inline_value.len };
    out->has_value_buffer = !m->has_inline_value && (n_buffers == 1 || n_buffers == 3);
    if (n_buffers > 3 || (m->has_inline_value && n_buffers != 0 && n_buffers != 2))
        return qv__fail(err, QV_CORRUPT, "constant page with %zu buffers", n_buffers);
    if (n_buffers < 2 && out->layers.n_lists && out->page->length)
        return qv__fail(err, QV_CORRUPT, "page has lists but no levels");
    if (n_buffers == 0 && !m->has_inline_value && (m->n_layers != 1 || m->layers[0] != QV_LAYER_NULLABLE_ITEM) &&
        out->page->length)
        return qv__fail(err, QV_CORRUPT, "constant page without value and levels");
    return QV_OK;
}

static qv_status parse_layout(const Lance__File__PageLayout *m, const qv__leaf *leaf, qv__arena *arena, bool is_inner,
                              qv__page21 *out, qv_error *err);

static qv_status parse_blob(const Lance__File__BlobLayout *m, const qv__leaf *leaf, qv__arena *arena, qv__page21 *out,
                            qv_error *err)
{
    qv__leaf inner_leaf = { .type = leaf->blob_type, .n_layers = 1 };

    if (!leaf->blob_type)
        return qv__fail(err, QV_CORRUPT, "a blob page in a column that holds no blobs");
    out->layout = QV_LAYOUT_BLOB;
    QV_TRY(qv__layers_init(&out->layers, m->layers, m->n_layers, leaf->is_list, leaf->n_layers, err));
    if (out->layers.n_lists)
        return qv__fail(err, QV_UNSUPPORTED, "blobs inside lists are not supported");
    if (!m->inner_layout)
        return qv__fail(err, QV_CORRUPT, "a blob page without inner layout");
    qv__page21 *inner = qv__arena_alloc(arena, 1, sizeof *inner);
    if (!inner)
        return qv__fail_nomem(err, sizeof *inner);
    inner->page = out->page;
    QV_TRY(parse_layout(m->inner_layout, &inner_leaf, arena, true, inner, err));
    out->inner = inner;
    return QV_OK;
}

static qv_status parse_layout(const Lance__File__PageLayout *m, const qv__leaf *leaf, qv__arena *arena, bool is_inner,
                              qv__page21 *out, qv_error *err)
{
    if (m->mini_block_layout)
        return parse_mini(m->mini_block_layout, leaf, arena, out, err);
    if (m->constant_layout && !is_inner)
        return parse_constant(m->constant_layout, leaf, arena, out, err);
    if (m->full_zip_layout && !is_inner)
        return parse_zip(m->full_zip_layout, leaf, arena, out, err);
    if (m->blob_layout && !is_inner)
        return parse_blob(m->blob_layout, leaf, arena, out, err);
    if (is_inner)
        return qv__fail(err, QV_UNSUPPORTED, "blob positions in another layout than mini-block");
    return qv__fail(err, QV_UNSUPPORTED, "page layout %u is not known",
                    m->base.n_unknown_fields ? m->base.unknown_fields[0].tag : 0);
}

qv_status qv__page21_parse(const qv__page *page, const qv__leaf *leaf, qv__arena *arena, qv__page21 *out, qv_error *err)
{
    ProtobufCMessage *message = NULL;

    *out = (qv__page21){ .page = page };
    QV_TRY(qv__message_unpack(&lance__file__page_layout__descriptor, page->encoding.data, page->encoding.len, arena,
                              &message, err));
    return parse_layout((const Lance__File__PageLayout *) message, leaf, arena, false, out, err);
}

/* ------------------------------------------------------------------ notation */

static qv_status print_coding(const char *name, const qv__coding *coding, qv__buffer *out, qv_error *err)
{
    if (!coding)
        return QV_OK;
    QV_TRY(qv__buffer_printf(out, err, " %s=", name));
    return qv__coding_print(coding, out, err);
}

qv_status qv__page21_print(const qv__page21 *page, qv__buffer *out, qv_error *err)
{
    static const char *const names[] = { "mini_block", "full_zip", "constant", "blob" };
    static const char *const kinds[] = { "?", "item", "list", "item?", "list?", "list0", "list?0" };

    QV_TRY(qv__buffer_printf(out, err, "%s", names[page->layout]));
    QV_TRY(print_coding("values", page->values, out, err));
    QV_TRY(print_coding("dictionary", page->dictionary, out, err));
    QV_TRY(print_coding("rep", page->rep, out, err));
    QV_TRY(print_coding("def", page->def, out, err));
    if (page->layout == QV_LAYOUT_ZIP)
        QV_TRY(qv__buffer_printf(out, err, " control=%u+%u", page->bits_rep, page->bits_def));
    if (page->layout == QV_LAYOUT_CONSTANT)
        QV_TRY(qv__buffer_printf(out, err, page->has_inline_value || page->has_value_buffer ? " value" : " null"));
    QV_TRY(qv__buffer_printf(out, err, " layers="));
    for (unsigned i = 0; i < page->layers.n; i++)
        QV_TRY(qv__buffer_printf(out, err, "%s%s", i ? "," : "", kinds[page->layers.kind[i]]));
    if (page->inner) {
        QV_TRY(qv__buffer_printf(out, err, " of "));
        return qv__page21_print(page->inner, out, err);
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ what is computed once */

void qv__page_cache_free(qv__page_cache *cache)
{
    if (!cache)
        return;
    qv__free(cache->chunk_at);
    qv__free(cache->first_value);
    qv__free(cache->first_start);
    qv__free(cache->first_end);
    qv__array_unref(cache->items);
    qv__free(cache->rep);
    qv__free(cache->def);
    qv__free(cache->row_level);
    qv__free(cache->row_value);
    qv__free(cache);
}

static qv_status make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                            qv_error *err)
{
    switch (page->layout) {
    case QV_LAYOUT_MINI:
        return qv__mini_make_cache(file, page, leaf, cache, err);
    case QV_LAYOUT_ZIP:
        return qv__zip_make_cache(file, page, leaf, cache, err);
    case QV_LAYOUT_CONSTANT:
        return qv__constant_make_cache(file, page, leaf, cache, err);
    default:
        return QV_OK;
    }
}

qv_status qv__page21_cache(qv__file *file, qv__page21 *page, const qv__leaf *leaf, const qv__page_cache **out,
                           qv_error *err)
{
    /* acquire: sees what the thread that published the cache wrote into it */
    qv__page_cache *cache = atomic_load_explicit(&page->cache, memory_order_acquire), *expected = NULL;

    if (cache) {
        *out = cache;
        return QV_OK;
    }
    QV_TRY(QV_NEW(&cache, 1, err));
    qv_status st = make_cache(file, page, leaf, cache, err);
    if (st != QV_OK) {
        qv__page_cache_free(cache);
        return st;
    }
    if (!atomic_compare_exchange_strong_explicit(&page->cache, &expected, cache, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        qv__page_cache_free(cache);
        cache = expected;
    }
    *out = cache;
    return QV_OK;
}

size_t qv__find_last(const uint64_t *entries, size_t n, uint64_t key)
{
    size_t lo = 0, hi = n;

    while (lo + 1 < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (entries[mid] <= key)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* ------------------------------------------------------------------ reading */

void qv__reader_init(qv__reader *reader, qv__file *file)
{
    memset(reader, 0, sizeof *reader);
    reader->file = file;
    qv__scratch_init(&reader->scratch);
    qv__buffer_init(&reader->rep, 1 << 20);
    qv__buffer_init(&reader->def, 1 << 20);
    qv__buffer_init(&reader->inflated, (size_t) 1 << 40);
}

void qv__reader_clear(qv__reader *reader)
{
    qv__scratch_clear(&reader->scratch);
    qv__buffer_free(&reader->rep);
    qv__buffer_free(&reader->def);
    qv__buffer_free(&reader->inflated);
    qv__bytes_unref(&reader->chunk_bytes);
    qv__object_unref(reader->blob);
}

qv_status qv__page21_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows,
                          size_t n_rows, qv_error *err)
{
    switch (page->layout) {
    case QV_LAYOUT_MINI:
        return qv__mini_read(reader, page, leaf, rows, n_rows, err);
    case QV_LAYOUT_ZIP:
        return qv__zip_read(reader, page, leaf, rows, n_rows, err);
    case QV_LAYOUT_CONSTANT:
        return qv__constant_read(reader, page, leaf, rows, n_rows, err);
    default:
        return qv__blob_read(reader, page, leaf, rows, n_rows, err);
    }
}

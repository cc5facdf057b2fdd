/* Pages of version 2.0: one recursive message whose leaves name page buffers. All rows of a page are addressable, so a read
 * touches the bytes of its rows only, except in buffers that are compressed as a whole. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/read/read_private.h"

#define MAX_DEPTH 64

typedef const Lance__File__ArrayEncoding encoding20;

/* ------------------------------------------------------------------ buffers */

static qv_status buffer_number(const Lance__File__Buffer *buffer, size_t *out, qv_error *err)
{
    if (buffer && buffer->buffer_type != 0)
        return qv__fail(err, QV_UNSUPPORTED, "a page that uses buffers of type %" PRIu32, buffer->buffer_type);
    *out = buffer ? buffer->buffer_index : 0;
    return QV_OK;
}

/* 0: not compressed. */
static qv_status scheme_of(const Lance__File__BufferCompression *compression, int *out, qv_error *err)
{
    const char *name = compression && compression->scheme ? compression->scheme : "";

    *out = 0;
    if (strcmp(name, "zstd") == 0)
        *out = QV_SCHEME_ZSTD;
    else if (strcmp(name, "lz4") == 0)
        *out = QV_SCHEME_LZ4;
    else if (*name && strcmp(name, "none") != 0)
        return qv__fail(err, QV_UNSUPPORTED, "compression scheme \"%.60s\" is not known", name);
    return QV_OK;
}

static qv_status inflate_buffer(qv__reader *reader, const qv__page *page, size_t i, int scheme, qv_error *err)
{
    qv__bytes bytes = { 0 };

    if (reader->inflated_page == page && reader->inflated_buffer == i)
        return QV_OK;
    reader->inflated_page = NULL;
    QV_TRY(qv__page_buffer(reader->file, page, i, &bytes, err));
    qv_status st = qv__inflate((qv__scheme) scheme, (qv__piece){ bytes.data, bytes.len }, &reader->inflated, err);
    qv__bytes_unref(&bytes);
    QV_TRY(st);
    reader->inflated_page = page;
    reader->inflated_buffer = i;
    return QV_OK;
}

/* Bytes [at, at + len) of a flat buffer. What comes from a compressed one is borrowed from the reader, until its next use. */
static qv_status flat_bytes(qv__reader *reader, const qv__page *page, const Lance__File__Flat20 *flat, uint64_t at,
                            uint64_t len, qv__bytes *out, qv_error *err)
{
    size_t i = 0;
    int scheme = 0;

    QV_TRY(buffer_number(flat->buffer, &i, err));
    QV_TRY(scheme_of(flat->compression, &scheme, err));
    if (!scheme)
        return qv__page_buffer_part(reader->file, page, i, at, len, out, err);
    QV_TRY(inflate_buffer(reader, page, i, scheme, err));
    if (!qv__inside(at, len, reader->inflated.len))
        return qv__fail(err, QV_CORRUPT, "compressed buffer holds %zu bytes, [%" PRIu64 ", +%" PRIu64 ") is needed",
                        reader->inflated.len, at, len);
    *out = (qv__bytes){ reader->inflated.data + at, (size_t) len, NULL };
    return QV_OK;
}

static const Lance__File__Flat20 *flat_of(encoding20 *e)
{
    while (e && e->nullable && e->nullable->no_nulls)
        e = e->nullable->no_nulls->values;
    return e ? e->flat : NULL;
}

static qv_status need_flat(encoding20 *e, uint64_t bits, const char *what, const Lance__File__Flat20 **out,
                           qv_error *err)
{
    *out = flat_of(e);
    if (!*out || (bits && (*out)->bits_per_value != bits))
        return qv__fail(err, QV_CORRUPT, "%s are not flat values of %" PRIu64 " bits", what, bits);
    return QV_OK;
}

static qv_status misfit(const char *what, const qv__sink *sink, qv_error *err)
{
    char text[100];

    return qv__fail(err, QV_CORRUPT, "%s encoding for values of type %s", what,
                    qv__type_print(sink->type, text, sizeof text));
}

/* Bits [at, at + n) of a bitmap buffer; *bit is where they begin in *out. */
static qv_status bitmap_bytes(qv__reader *reader, const qv__page *page, const Lance__File__Flat20 *flat, uint64_t at,
                              uint64_t n, qv__bytes *out, uint64_t *bit, qv_error *err)
{
    *bit = at % 8;
    return flat_bytes(reader, page, flat, at / 8, (*bit + n + 7) / 8, out, err);
}

/* ------------------------------------------------------------------ values of one kind each */

static qv_status read_flat(qv__reader *reader, const qv__page *page, const Lance__File__Flat20 *flat, uint64_t at,
                           uint64_t n, qv__sink *sink, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes bytes = { 0 };
    uint64_t bit = 0, start, len;
    uint8_t *room;

    if (sink->kind == QV_SINK_BITS && flat->bits_per_value == 1) {
        QV_TRY(bitmap_bytes(reader, page, flat, at, n, &bytes, &bit, err));
        st = qv__sink_bits(sink, bytes.data, bit, n, err);
        goto done;
    }
    if ((sink->kind != QV_SINK_FIXED && sink->kind != QV_SINK_DICTIONARY) || flat->bits_per_value != sink->width * 8)
        return misfit("flat", sink, err);
    if (!qv__mul_u64(at, sink->width, &start) || !qv__mul_u64(n, sink->width, &len))
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_TRY(flat_bytes(reader, page, flat, start, len, &bytes, err));
    QV_CHECK(qv__sink_fixed(sink, n, &room, err));
    if (len)
        memcpy(room, bytes.data, (size_t) len);
done:
    qv__bytes_unref(&bytes);
    return st;
}

qv_status qv__page20_ends(qv__reader *reader, const qv__page20 *page, encoding20 *encoding, uint64_t at, uint64_t n,
                          uint64_t adjustment, uint64_t *previous, qv__bytes *ends, qv_error *err)
{
    const Lance__File__Flat20 *flat = NULL;
    uint64_t before = at ? 1 : 0;
    qv__bytes bytes = { 0 };

    QV_TRY(need_flat(encoding, 64, "offsets", &flat, err));
    if (at > UINT64_MAX / 16 || n > UINT64_MAX / 16)
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_TRY(flat_bytes(reader, page->page, flat, (at - before) * 8, (n + before) * 8, &bytes, err));
    *previous = before ? qv__load_u64(bytes.data) : 0;
    if (adjustment)
        *previous %= adjustment;
    *ends = (qv__bytes){ bytes.data + before * 8, bytes.len - before * 8, bytes.owner };
    return QV_OK;
}

/* Strings: ends, then bytes. `says_slots`: nulls are told by the ends; else somebody else has told them. */
static qv_status read_binary(qv__reader *reader, const qv__page20 *page, const Lance__File__Binary20 *binary,
                             uint64_t at, uint64_t n, bool says_slots, const qv__fsst_decoder *fsst, qv__sink *sink,
                             qv_error *err)
{
    qv_status st = QV_OK;
    const Lance__File__Flat20 *flat = NULL;
    uint64_t adjustment = binary->null_adjustment, start = 0, previous, end = 0;
    qv__bytes ends = { 0 }, bytes = { 0 };
    uint8_t *room;
    size_t len;

    if (sink->kind != QV_SINK_STRING && sink->kind != QV_SINK_LARGE_STRING)
        return misfit("binary", sink, err);
    if (n == 0)
        return QV_OK;
    QV_CHECK(qv__page20_ends(reader, page, binary->indices, at, n, adjustment, &start, &ends, err));
    QV_CHECK(need_flat(binary->bytes, 8, "string bytes", &flat, err));
    end = qv__load_u64(ends.data + (n - 1) * 8);
    end = adjustment ? end % adjustment : end;
    if (end < start)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "string ends fall from %" PRIu64 " to %" PRIu64, start, end));
    QV_CHECK(flat_bytes(reader, page->page, flat, start, end - start, &bytes, err));
    QV_CHECK(qv__sink_reserve(sink, n, err));
    previous = start;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t raw = qv__load_u64(ends.data + i * 8), stop = adjustment ? raw % adjustment : raw;
        bool is_null = adjustment && raw >= adjustment;
        if (stop < previous || stop > end)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "string [%" PRIu64 ", %" PRIu64 ") in a run that ends at %" PRIu64,
                              previous, stop, end));
        if (says_slots)
            QV_CHECK(is_null ? qv__sink_nulls(sink, 1, err) : qv__sink_valid(sink, 1, err));
        const uint8_t *from = bytes.data + (previous - start);
        len = is_null ? 0 : (size_t) (stop - previous);
        if (fsst && len) {
            QV_CHECK(qv__sink_string_room(sink, len * 8 + 8, &room, err));
            QV_CHECK(qv__fsst_decode(fsst, from, len, room, &len, err));
            QV_CHECK(qv__sink_string_end(sink, len, err));
        } else {
            QV_CHECK(qv__sink_string(sink, from, len, err));
        }
        previous = stop;
    }
done:
    qv__bytes_unref(&ends);
    qv__bytes_unref(&bytes);
    return st;
}

static qv_status read_fsst(qv__reader *reader, const qv__page20 *page, const Lance__File__Fsst20 *fsst, uint64_t at,
                           uint64_t n, bool says_slots, qv__sink *sink, qv_error *err)
{
    qv__fsst_decoder *decoder = NULL;

    if (!fsst->binary || !fsst->binary->binary)
        return qv__fail(err, QV_UNSUPPORTED, "fsst over something else than binary");
    QV_TRY(QV_NEW(&decoder, 1, err));
    qv_status st = qv__fsst_decoder_init(decoder, fsst->symbol_table.data, fsst->symbol_table.len, err);
    if (st == QV_OK)
        st = read_binary(reader, page, fsst->binary->binary, at, n, says_slots, decoder->coded ? decoder : NULL, sink,
                         err);
    qv__free(decoder);
    return st;
}

static qv_status read_array(qv__reader *reader, qv__page20 *page, encoding20 *e, uint64_t at, uint64_t n,
                            unsigned depth, qv__sink *sink, qv_error *err);

/* A dictionary's items, decoded once per page. */
static qv_status dictionary_items(qv__reader *reader, qv__page20 *page, const Lance__File__Dictionary20 *dictionary,
                                  qv__type *type, unsigned depth, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__sink sink = { 0 };
    qv__array *items = atomic_load_explicit(&page->items, memory_order_acquire), *expected = NULL;

    if (items) {
        *out = items;
        return QV_OK;
    }
    QV_CHECK(qv__sink_init(&sink, type, err));
    QV_CHECK(read_array(reader, page, dictionary->items, 0, dictionary->num_dictionary_items, depth + 1, &sink, err));
    QV_CHECK(qv__sink_finish(&sink, &items, err));
    if (!atomic_compare_exchange_strong_explicit(&page->items, &expected, items, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        qv__array_unref(items);
        items = expected;
    }
    *out = items;
done:
    qv__sink_clear(&sink);
    return st;
}

/* Indices of strings: 0 is null, k is item k - 1. */
static qv_status string_index(const qv__array *items, uint64_t index, bool says_slots, qv__sink *sink, qv_error *err)
{
    size_t len = 0;
    const uint8_t *bytes = NULL;
    bool is_null = index == 0;

    if (index > (uint64_t) items->length)
        return qv__fail(err, QV_CORRUPT, "dictionary index %" PRIu64 " of %" PRId64 " items", index, items->length);
    if (!is_null) {
        is_null = qv__array_is_null(items, (int64_t) index - 1);
        bytes = qv__array_string(items, (int64_t) index - 1, &len);
    }
    if (says_slots)
        QV_TRY(is_null ? qv__sink_nulls(sink, 1, err) : qv__sink_valid(sink, 1, err));
    return qv__sink_string(sink, bytes, is_null ? 0 : len, err);
}

static uint64_t load_index(const uint8_t *at, unsigned width)
{
    return width == 1 ? *at : width == 2 ? qv__load_u16(at) : width == 4 ? qv__load_u32(at) : qv__load_u64(at);
}

static qv_status read_keys(const uint8_t *keys, unsigned width, uint64_t n, bool says_slots, qv__array *items,
                           qv__sink *sink, qv_error *err)
{
    uint8_t *room;

    QV_TRY(qv__sink_dictionary(sink, items, err));
    QV_TRY(qv__sink_fixed(sink, n, &room, err));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = load_index(keys + i * width, width);
        if (key >= (uint64_t) items->length)
            return qv__fail(err, QV_CORRUPT, "dictionary key %" PRIu64 " of %" PRId64 " items", key, items->length);
        memcpy(room + i * width, keys + i * width, width);
        bool is_null = qv__array_is_null(items, (int64_t) key);
        if (says_slots)
            QV_TRY(is_null ? qv__sink_nulls(sink, 1, err) : qv__sink_valid(sink, 1, err));
    }
    return QV_OK;
}

static qv_status read_dictionary(qv__reader *reader, qv__page20 *page, const Lance__File__Dictionary20 *dictionary,
                                 uint64_t at, uint64_t n, bool says_slots, unsigned depth, qv__sink *sink,
                                 qv_error *err)
{
    qv_status st = QV_OK;
    const Lance__File__Flat20 *flat = NULL;
    bool is_dictionary = sink->kind == QV_SINK_DICTIONARY;
    qv__array *items = NULL;
    qv__bytes bytes = { 0 };

    if (!is_dictionary && sink->kind != QV_SINK_STRING && sink->kind != QV_SINK_LARGE_STRING)
        return misfit("dictionary", sink, err);
    QV_TRY(dictionary_items(reader, page, dictionary, is_dictionary ? sink->type->children[0].type : sink->type, depth,
                            &items, err));
    QV_TRY(need_flat(dictionary->indices, is_dictionary ? sink->width * 8 : 0, "dictionary indices", &flat, err));
    uint64_t width = flat->bits_per_value / 8, start, len;
    if (flat->bits_per_value % 8 || (width != 1 && width != 2 && width != 4 && width != 8) ||
        !qv__mul_u64(at, width, &start) || !qv__mul_u64(n, width, &len))
        return qv__fail(err, QV_CORRUPT, "dictionary indices of %" PRIu64 " bits", flat->bits_per_value);
    QV_TRY(flat_bytes(reader, page->page, flat, start, len, &bytes, err));
    if (is_dictionary) {
        QV_CHECK(read_keys(bytes.data, (unsigned) width, n, says_slots, items, sink, err));
    } else {
        for (uint64_t i = 0; i < n; i++)
            QV_CHECK(string_index(items, load_index(bytes.data + i * width, (unsigned) width), says_slots, sink, err));
    }
done:
    qv__bytes_unref(&bytes);
    return st;
}

/* Row-major fixed-width children, none of them null. */
static qv_status read_packed(qv__reader *reader, const qv__page *page, const Lance__File__PackedStruct20 *packed,
                             uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    qv_status st = QV_OK;
    size_t buffer = 0, stride = 0, field_at = 0;
    uint64_t start, len;
    qv__bytes bytes = { 0 };
    uint8_t *room;

    if (sink->kind != QV_SINK_STRUCT || packed->n_inner != sink->n_children || sink->n_children == 0)
        return misfit("packed struct", sink, err);
    for (size_t i = 0; i < sink->n_children; i++) {
        const Lance__File__Flat20 *flat = flat_of(packed->inner[i]);
        if (sink->children[i].kind != QV_SINK_FIXED || !flat || flat->bits_per_value != sink->children[i].width * 8)
            return misfit("packed struct", sink, err);
        stride += sink->children[i].width;
    }
    QV_TRY(buffer_number(packed->buffer, &buffer, err));
    if (!qv__mul_u64(at, stride, &start) || !qv__mul_u64(n, stride, &len))
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_TRY(qv__page_buffer_part(reader->file, page, buffer, start, len, &bytes, err));
    for (size_t i = 0; i < sink->n_children; i++) {
        size_t width = sink->children[i].width;
        QV_CHECK(qv__sink_valid(&sink->children[i], n, err));
        QV_CHECK(qv__sink_fixed(&sink->children[i], n, &room, err));
        for (uint64_t k = 0; k < n; k++)
            memcpy(room + k * width, bytes.data + k * stride + field_at, width);
        field_at += width;
    }
done:
    qv__bytes_unref(&bytes);
    return st;
}

/* Values of `packed` bits, one after the other from the lowest bit up; signed ones carry their sign in the highest. */
static qv_status read_bitpacked(qv__reader *reader, const qv__page *page, const Lance__File__Bitpacked20 *b,
                                uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    size_t buffer = 0;
    uint64_t packed = b->compressed_bits, start, end;
    qv__bytes bytes = { 0 };
    uint8_t *room;

    if (sink->kind != QV_SINK_FIXED || sink->width > 8 || b->uncompressed_bits != sink->width * 8 || packed == 0 ||
        packed > b->uncompressed_bits)
        return misfit("bit-packed", sink, err);
    QV_TRY(buffer_number(b->buffer, &buffer, err));
    if (!qv__mul_u64(at, packed, &start) || !qv__mul_u64(at + n, packed, &end) || end > UINT64_MAX - 7)
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_TRY(qv__page_buffer_part(reader->file, page, buffer, start / 8, (end + 7) / 8 - start / 8, &bytes, err));
    qv_status st = qv__sink_fixed(sink, n, &room, err);
    uint64_t mask = packed == 64 ? UINT64_MAX : ((uint64_t) 1 << packed) - 1;
    for (uint64_t i = 0, bit = start % 8; st == QV_OK && i < n; i++, bit += packed) {
        uint64_t value = 0, have = 0;
        for (size_t k = (size_t) (bit / 8); have < packed + bit % 8; k++, have += 8) {
            uint64_t shift = have - bit % 8; /* wraps for the first byte, which is shifted down instead */
            value |= have == 0    ? (uint64_t) bytes.data[k] >> (bit % 8)
                     : shift < 64 ? (uint64_t) bytes.data[k] << shift
                                  : 0;
        }
        value &= mask;
        if (b->signed_values && value >> (packed - 1) & 1)
            value |= ~mask;
        memcpy(room + i * sink->width, &value, sink->width);
    }
    qv__bytes_unref(&bytes);
    return st;
}

/* FastLanes groups of 1024, the last one zero-padded. */
static qv_status read_groups(qv__reader *reader, const qv__page *page, const Lance__File__BitpackedNonNeg20 *b,
                             uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    size_t buffer = 0;
    uint64_t group_bytes = b->compressed_bits * 128, first = at / QV_PACK_GROUP, start, len;
    qv__bytes bytes = { 0 };
    uint8_t *room, group[QV_PACK_GROUP * 8];

    if (sink->kind != QV_SINK_FIXED || sink->width > 8 || b->uncompressed_bits != sink->width * 8 ||
        b->compressed_bits > b->uncompressed_bits)
        return misfit("bit-packed", sink, err);
    if (n == 0)
        return QV_OK;
    QV_TRY(buffer_number(b->buffer, &buffer, err));
    uint64_t last = (at + n - 1) / QV_PACK_GROUP;
    if (!qv__mul_u64(first, group_bytes, &start) || !qv__mul_u64(last - first + 1, group_bytes, &len))
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_TRY(qv__page_buffer_part(reader->file, page, buffer, start, len, &bytes, err));
    qv_status st = qv__sink_fixed(sink, n, &room, err);
    for (uint64_t i = at; st == QV_OK && i < at + n;) {
        uint64_t in = i % QV_PACK_GROUP, count = QV_MIN(QV_PACK_GROUP - in, at + n - i);
        qv__unpack_group((int) b->uncompressed_bits, (unsigned) b->compressed_bits,
                         bytes.data + (i / QV_PACK_GROUP - first) * group_bytes, group);
        memcpy(room + (i - at) * sink->width, group + in * sink->width, (size_t) count * sink->width);
        i += count;
    }
    qv__bytes_unref(&bytes);
    return st;
}

/* Strings that all have the same length. */
static qv_status read_fixed_strings(qv__reader *reader, const qv__page *page, const Lance__File__FixedSizeBinary20 *b,
                                    uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    qv_status st = QV_OK;
    const Lance__File__Flat20 *flat = NULL;
    uint64_t start, len;
    qv__bytes bytes = { 0 };

    if (sink->kind != QV_SINK_STRING && sink->kind != QV_SINK_LARGE_STRING)
        return misfit("fixed-size binary", sink, err);
    QV_TRY(need_flat(b->bytes, 0, "string bytes", &flat, err));
    if (!qv__mul_u64(at, b->byte_width, &start) || !qv__mul_u64(n, b->byte_width, &len))
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    QV_TRY(flat_bytes(reader, page, flat, start, len, &bytes, err));
    for (uint64_t i = 0; i < n && st == QV_OK; i++)
        st = qv__sink_string(sink, bytes.data + i * b->byte_width, b->byte_width, err);
    qv__bytes_unref(&bytes);
    return st;
}

static qv_status read_constant(const Lance__File__Constant20 *constant, uint64_t n, qv__sink *sink, qv_error *err)
{
    uint8_t *room;

    if (sink->kind != QV_SINK_FIXED || constant->value.len != sink->width)
        return misfit("constant", sink, err);
    QV_TRY(qv__sink_fixed(sink, n, &room, err));
    for (uint64_t i = 0; i < n; i++)
        memcpy(room + i * sink->width, constant->value.data, sink->width);
    return QV_OK;
}

static qv_status read_vectors(qv__reader *reader, qv__page20 *page, const Lance__File__FixedSizeList20 *list,
                              uint64_t at, uint64_t n, unsigned depth, qv__sink *sink, qv_error *err)
{
    uint64_t first, items;

    if (sink->kind != QV_SINK_VECTOR || list->dimension != sink->width)
        return misfit("fixed-size list", sink, err);
    if (list->has_validity)
        return qv__fail(err, QV_UNSUPPORTED, "a 2.0 fixed-size list with validity of its own");
    if (!qv__mul_u64(at, sink->width, &first) || !qv__mul_u64(n, sink->width, &items))
        return qv__fail(err, QV_CORRUPT, "page of too many values");
    return read_array(reader, page, list->items, first, items, depth + 1, &sink->children[0], err);
}

/* ------------------------------------------------------------------ any encoding */

/* Values [at, at + n). Kinds that tell nulls by their values say the slots too, unless somebody else has. */
static qv_status read_values(qv__reader *reader, qv__page20 *page, encoding20 *e, uint64_t at, uint64_t n,
                             bool says_slots, unsigned depth, qv__sink *sink, qv_error *err)
{
    if (e->binary)
        return read_binary(reader, page, e->binary, at, n, says_slots, NULL, sink, err);
    if (e->fsst)
        return read_fsst(reader, page, e->fsst, at, n, says_slots, sink, err);
    if (e->dictionary)
        return read_dictionary(reader, page, e->dictionary, at, n, says_slots, depth, sink, err);
    if (says_slots)
        QV_TRY(qv__sink_valid(sink, n, err));
    if (e->flat)
        return read_flat(reader, page->page, e->flat, at, n, sink, err);
    if (e->fixed_size_list)
        return read_vectors(reader, page, e->fixed_size_list, at, n, depth, sink, err);
    if (e->packed_struct)
        return read_packed(reader, page->page, e->packed_struct, at, n, sink, err);
    if (e->bitpacked)
        return read_bitpacked(reader, page->page, e->bitpacked, at, n, sink, err);
    if (e->fixed_size_binary)
        return read_fixed_strings(reader, page->page, e->fixed_size_binary, at, n, sink, err);
    if (e->bitpacked_non_neg)
        return read_groups(reader, page->page, e->bitpacked_non_neg, at, n, sink, err);
    if (e->constant)
        return read_constant(e->constant, n, sink, err);
    if (e->list || e->simple_struct)
        return misfit(e->list ? "list" : "struct", sink, err);
    return qv__fail(err, QV_UNSUPPORTED, "2.0 encoding %u is not known",
                    e->base.n_unknown_fields ? e->base.unknown_fields[0].tag : 0);
}

static qv_status read_validity(qv__reader *reader, const qv__page *page, encoding20 *e, uint64_t at, uint64_t n,
                               qv__sink *sink, qv_error *err)
{
    const Lance__File__Flat20 *flat = NULL;
    qv__bytes bytes = { 0 };
    uint64_t bit = 0;

    QV_TRY(need_flat(e, 1, "validity bits", &flat, err));
    QV_TRY(bitmap_bytes(reader, page, flat, at, n, &bytes, &bit, err));
    qv_status st = qv__sink_validity(sink, bytes.data, bit, n, err);
    qv__bytes_unref(&bytes);
    return st;
}

static qv_status read_array(qv__reader *reader, qv__page20 *page, encoding20 *e, uint64_t at, uint64_t n,
                            unsigned depth, qv__sink *sink, qv_error *err)
{
    bool says_slots = true;

    while (e && e->nullable && e->nullable->no_nulls)
        e = e->nullable->no_nulls->values;
    if (depth > MAX_DEPTH)
        return qv__fail(err, QV_CORRUPT, "encodings nested deeper than %d", MAX_DEPTH);
    if (e && e->nullable && e->nullable->all_nulls) {
        QV_TRY(qv__sink_nulls(sink, n, err));
        return qv__sink_zeros(sink, n, err);
    }
    if (e && e->nullable && e->nullable->some_nulls) {
        QV_TRY(read_validity(reader, page->page, e->nullable->some_nulls->validity, at, n, sink, err));
        e = e->nullable->some_nulls->values;
        says_slots = false;
        while (e && e->nullable && e->nullable->no_nulls)
            e = e->nullable->no_nulls->values;
    }
    if (!e || e->nullable)
        return qv__fail(err, QV_CORRUPT, "an encoding is missing");
    return read_values(reader, page, e, at, n, says_slots, depth, sink, err);
}

qv_status qv__page20_read(qv__reader *reader, qv__page20 *page, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    return read_array(reader, page, page->encoding, at, n, 0, sink, err);
}

/* ------------------------------------------------------------------ bare pages */

static bool is_plain(const Lance__File__Flat20 *flat)
{
    int scheme = 0;

    return flat && scheme_of(flat->compression, &scheme, NULL) == QV_OK && !scheme &&
           (!flat->buffer || flat->buffer->buffer_type == 0) &&
           (!flat->buffer || flat->buffer->buffer_index < INT32_MAX);
}

bool qv__page20_is_bare(const qv__page20 *page, const qv__type *type, int *values_buffer, int *validity_buffer)
{
    encoding20 *e = page->encoding;

    *validity_buffer = -1;
    while (e && e->nullable && e->nullable->no_nulls)
        e = e->nullable->no_nulls->values;
    if (e && e->nullable && e->nullable->some_nulls) {
        const Lance__File__Flat20 *validity = flat_of(e->nullable->some_nulls->validity);
        if (!is_plain(validity) || validity->bits_per_value != 1)
            return false;
        *validity_buffer = validity->buffer ? (int) validity->buffer->buffer_index : 0;
        e = e->nullable->some_nulls->values;
    }
    for (unsigned depth = 0; e && depth < MAX_DEPTH; depth++) {
        while (e && e->nullable && e->nullable->no_nulls)
            e = e->nullable->no_nulls->values;
        if (!e || e->flat || !e->fixed_size_list)
            break;
        if (type->id != QV_TYPE_FIXED_LIST || (uint32_t) type->width != e->fixed_size_list->dimension ||
            e->fixed_size_list->has_validity)
            return false;
        type = type->children[0].type;
        e = e->fixed_size_list->items;
    }
    if (!e || !is_plain(e->flat) || qv__value_bits(type) < 8 ||
        (uint64_t) qv__value_bits(type) != e->flat->bits_per_value)
        return false;
    *values_buffer = e->flat->buffer ? (int) e->flat->buffer->buffer_index : 0;
    return true;
}

/* ------------------------------------------------------------------ notation */

static qv_status print(encoding20 *e, unsigned depth, qv__buffer *out, qv_error *err);

static qv_status print_two(const char *name, encoding20 *a, encoding20 *b, unsigned depth, qv__buffer *out,
                           qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "%s(", name));
    QV_TRY(print(a, depth, out, err));
    if (b) {
        QV_TRY(qv__buffer_printf(out, err, ","));
        QV_TRY(print(b, depth, out, err));
    }
    return qv__buffer_printf(out, err, ")");
}

static qv_status print(encoding20 *e, unsigned depth, qv__buffer *out, qv_error *err)
{
    if (!e || depth > MAX_DEPTH)
        return qv__buffer_printf(out, err, "?");
    depth++;
    if (e->flat) {
        const char *scheme =
            e->flat->compression && e->flat->compression->scheme ? e->flat->compression->scheme : "none";
        bool is_known = strcmp(scheme, "zstd") == 0 || strcmp(scheme, "lz4") == 0;
        return qv__buffer_printf(out, err, "flat(%" PRIu64 "%s%s)", e->flat->bits_per_value, is_known ? "," : "",
                                 is_known ? scheme : "");
    }
    if (e->nullable && e->nullable->some_nulls)
        return print_two("nullable", e->nullable->some_nulls->validity, e->nullable->some_nulls->values, depth, out,
                         err);
    if (e->nullable && e->nullable->no_nulls)
        return print(e->nullable->no_nulls->values, depth, out, err);
    if (e->nullable)
        return qv__buffer_printf(out, err, "all_null");
    if (e->fixed_size_list) {
        QV_TRY(qv__buffer_printf(out, err, "%" PRIu32 " x ", e->fixed_size_list->dimension));
        return print(e->fixed_size_list->items, depth, out, err);
    }
    if (e->list)
        return print_two("list", e->list->offsets, NULL, depth, out, err);
    if (e->binary)
        return print_two("binary", e->binary->indices, e->binary->bytes, depth, out, err);
    if (e->dictionary)
        return print_two("dictionary", e->dictionary->indices, e->dictionary->items, depth, out, err);
    if (e->fsst)
        return print_two("fsst", e->fsst->binary, NULL, depth, out, err);
    if (e->fixed_size_binary)
        return print_two("fixed_size_binary", e->fixed_size_binary->bytes, NULL, depth, out, err);
    return qv__buffer_printf(out, err, "%s",
                             e->simple_struct       ? "struct"
                             : e->packed_struct     ? "packed_struct"
                             : e->bitpacked         ? "bitpacked"
                             : e->bitpacked_non_neg ? "fastlanes"
                             : e->constant          ? "constant"
                                                    : "?");
}

qv_status qv__encoding20_print(encoding20 *encoding, qv__buffer *out, qv_error *err)
{
    return print(encoding, 0, out, err);
}

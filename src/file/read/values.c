/* The values of one chunk or one block. A coding is first turned into a view, in which every value has an address: bare values
 * are seen where they lie, packed and run-length ones are decoded into memory, strings stay coded until they are
 * asked for. Then ranges of the view are appended to a sink. */
#include <assert.h>
#include <inttypes.h>

#include "file/read/read_private.h"

#define MAX_SCRATCH ((size_t) 1 << 40)

void qv__scratch_init(qv__scratch *scratch)
{
    qv__buffer_init(&scratch->values, MAX_SCRATCH);
    qv__buffer_init(&scratch->inflated, MAX_SCRATCH);
    qv__buffer_init(&scratch->value, MAX_SCRATCH);
}

void qv__scratch_clear(qv__scratch *scratch)
{
    qv__buffer_free(&scratch->values);
    qv__buffer_free(&scratch->inflated);
    qv__buffer_free(&scratch->value);
}

static qv_status short_of(const char *what, uint64_t needed, size_t have, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "%s: %zu bytes, %" PRIu64 " are needed", what, have, needed);
}

/* ------------------------------------------------------------------ views */

/* Empties scratch->values and makes it n_bytes long. */
static qv_status scratch_room(qv__buffer *buffer, uint64_t n_bytes, uint8_t **out, qv_error *err)
{
    buffer->len = 0;
    QV_TRY(qv__buffer_reserve(buffer, (size_t) n_bytes + 8, err));
    buffer->len = (size_t) n_bytes;
    *out = buffer->data;
    return QV_OK;
}

/* No zstd frame holds more than a 128 KiB block per 4 bytes, no lz4 block more than 255 bytes per byte. */
qv_status qv__inflate(qv__scheme scheme, qv__piece bytes, qv__buffer *out, qv_error *err)
{
    size_t ratio = scheme == QV_SCHEME_ZSTD ? 32768 : 256;
    size_t max_len = bytes.len > MAX_SCRATCH / ratio ? MAX_SCRATCH : bytes.len * ratio + 1024;

    out->len = 0;
    QV_TRY(qv__buffer_reserve(out, 8, err)); /* so that even nothing has a pointer */
    return bytes.len == 0 ? QV_OK : qv__decompress(scheme, bytes.data, bytes.len, max_len, out, err);
}

static qv_status flat_view(unsigned bits, qv__piece piece, uint64_t n, qv__view *out, qv_error *err)
{
    uint64_t n_bits;

    if (!qv__mul_u64(n, bits, &n_bits) || qv__round_up(n_bits, 8) / 8 > piece.len)
        return short_of("flat values", n_bits / 8 + 1, piece.len, err);
    out->kind = QV_VIEW_FIXED;
    out->data = piece.data;
    out->data_len = piece.len;
    out->bits = bits;
    return QV_OK;
}

static qv_status variable_view(unsigned bits, qv__piece piece, uint64_t n, qv__view *out, qv_error *err)
{
    uint64_t table = (n + 1) * (bits / 8);

    if (table > piece.len)
        return short_of("offsets of strings", table, piece.len, err);
    out->kind = QV_VIEW_STRINGS;
    out->data = out->offsets = piece.data;
    out->data_len = piece.len;
    out->offset_bytes = bits / 8;
    return QV_OK;
}

static qv_status decode_words(const qv__coding *c, const qv__piece *pieces, uint64_t n, uint8_t *values, qv_error *err)
{
    switch (c->kind) {
    case QV_CODING_INLINE:
        return qv__inline_unpack((int) c->bits, pieces[0].data, pieces[0].len, (size_t) n, values, err);
    case QV_CODING_OUT_OF_LINE:
        return qv__outofline_unpack((int) c->bits, c->packed_bits, pieces[0].data, pieces[0].len, (size_t) n, values,
                                    err);
    case QV_CODING_RLE:
        if (pieces[0].len / (c->bits / 8) > pieces[1].len)
            return short_of("run lengths", pieces[0].len / (c->bits / 8), pieces[1].len, err);
        return qv__rle_decode((int) c->bits, pieces[0].data, pieces[0].len, pieces[1].data,
                              pieces[0].len / (c->bits / 8), (size_t) n, values, err);
    case QV_CODING_BSS:
        if (n * (c->bits / 8) > pieces[0].len)
            return short_of("byte stream split", n * (c->bits / 8), pieces[0].len, err);
        qv__bss_decode((int) c->bits, pieces[0].data, (size_t) n, values);
        return QV_OK;
    default: /* constant */
        for (uint64_t i = 0; i < n; i++)
            memcpy(values + i * c->constant_len, c->constant, c->constant_len);
        return QV_OK;
    }
}

static qv_status word_view(const qv__coding *c, const qv__piece *pieces, uint64_t n, uint8_t *target,
                           qv__scratch *scratch, qv__view *out, qv_error *err)
{
    if (c->kind == QV_CODING_INLINE && n > QV_PACK_GROUP)
        return qv__fail(err, QV_CORRUPT, "%" PRIu64 " values in a bit-packed group of 1024", n);
    if (!target)
        QV_TRY(scratch_room(&scratch->values, n * (c->bits / 8), &target, err));
    QV_TRY(decode_words(c, pieces, n, target, err));
    out->kind = QV_VIEW_FIXED;
    out->data = target;
    out->data_len = (size_t) n * (c->bits / 8);
    out->bits = c->bits;
    return QV_OK;
}

static qv_status vector_view(const qv__coding *c, const qv__piece *pieces, uint64_t n, qv__view *out, qv_error *err)
{
    uint64_t items = n;

    for (unsigned i = 0; i < c->n_layers; i++) {
        if (!qv__mul_u64(n, c->layers[i].items, &items))
            return qv__fail(err, QV_CORRUPT, "%" PRIu64 " vectors in a chunk", n);
        if (!c->layers[i].has_validity)
            continue;
        if (items / 8 + (items % 8 != 0) > pieces->len)
            return short_of("validity of items", items / 8 + 1, pieces->len, err);
        out->validity[i] = pieces->data;
        pieces++;
    }
    out->vector = c;
    return flat_view(c->bits, *pieces, items, out, err);
}

qv_status qv__view_chunk(const qv__coding *c, const qv__piece *pieces, size_t n_pieces, uint64_t n, uint8_t *target,
                         qv__scratch *scratch, qv__view *out, qv_error *err)
{
    qv__piece inflated[QV_MAX_VECTOR_LAYERS + 2];

    if (n_pieces != qv__coding_buffers(c))
        return qv__fail(err, QV_CORRUPT, "%zu value buffers, the encoding has %u", n_pieces, qv__coding_buffers(c));
    *out = (qv__view){ 0 };
    switch (c->kind) {
    case QV_CODING_FLAT:
        return flat_view(c->bits, pieces[0], n, out, err);
    case QV_CODING_VARIABLE:
        return variable_view(c->bits, pieces[0], n, out, err);
    case QV_CODING_FSST:
        QV_TRY(qv__view_chunk(c->inner, pieces, n_pieces, n, NULL, scratch, out, err));
        out->fsst = c->fsst->coded ? c->fsst : NULL;
        return QV_OK;
    case QV_CODING_GENERAL:
        if (n_pieces == 0)
            return qv__fail(err, QV_CORRUPT, "compression of no buffer");
        /* A second layer of compression would inflate into the buffer it reads from. */
        if (pieces[0].data == scratch->inflated.data && pieces[0].len)
            return qv__fail(err, QV_UNSUPPORTED, "values compressed twice");
        QV_TRY(qv__inflate(c->scheme, pieces[0], &scratch->inflated, err));
        memcpy(inflated, pieces, n_pieces * sizeof *pieces);
        inflated[0] = (qv__piece){ scratch->inflated.data, scratch->inflated.len };
        return qv__view_chunk(c->inner, inflated, n_pieces, n, target, scratch, out, err);
    case QV_CODING_VECTOR:
        return vector_view(c, pieces, n, out, err);
    case QV_CODING_PACKED:
        QV_TRY(flat_view(c->bits, pieces[0], n, out, err));
        out->kind = QV_VIEW_PACKED;
        out->packed = c;
        return QV_OK;
    case QV_CODING_VARIABLE_PACKED:
        return qv__fail(err, QV_CORRUPT, "a variable packed struct in a mini-block chunk");
    default:
        return word_view(c, pieces, n, target, scratch, out, err);
    }
}

qv_status qv__view_few(const qv__coding *c, const qv__piece *pieces, size_t n_pieces, uint64_t n, uint64_t at,
                       uint64_t count, qv__scratch *scratch, qv__view *out, qv_error *err)
{
    uint8_t *values;

    assert(qv__coding_picks(c));
    if (n_pieces != 1)
        return qv__fail(err, QV_CORRUPT, "%zu value buffers, the encoding has 1", n_pieces);
    QV_TRY(scratch_room(&scratch->values, count * (c->bits / 8), &values, err));
    QV_TRY(qv__inline_pick((int) c->bits, pieces[0].data, pieces[0].len, (size_t) n, (size_t) at, (size_t) count,
                           values, err));
    *out = (qv__view){
        .kind = QV_VIEW_FIXED, .data = values, .data_len = (size_t) count * (c->bits / 8), .bits = c->bits
    };
    return QV_OK;
}

/* ------------------------------------------------------------------ blocks */

/* `u32 32 | u32 start | offsets | bytes`, `u64 64 | u64 start | ..`, or an early form with `u8 bits | n | start | ..`. */
static qv_status variable_block(qv__piece block, uint64_t n, qv__view *out, qv_error *err)
{
    if (block.len < 9)
        return short_of("block of strings", 9, block.len, err);
    bool is_early = block.data[1] || block.data[2] || block.data[3];
    unsigned bits = block.data[0];
    if (bits != 32 && bits != 64)
        return qv__fail(err, QV_CORRUPT, "block of strings with offsets of %u bits", bits);
    unsigned width = bits / 8;
    size_t head = is_early ? 1 + 2 * width : 2 * width;
    uint64_t table, end;
    if (!qv__mul_u64(n + 1, width, &table) || !qv__add_u64(table, head, &end) || end > block.len)
        return short_of("offsets of strings", table, block.len, err);
    uint64_t start = width == 4 ? qv__load_u32(block.data + head - 4) : qv__load_u64(block.data + head - 8);
    if (start > block.len || start < end)
        return qv__fail(err, QV_CORRUPT, "block of strings: bytes begin at %" PRIu64 " of %zu", start, block.len);
    out->kind = QV_VIEW_STRINGS;
    out->data = block.data + start;
    out->data_len = (size_t) (block.len - start);
    out->offsets = block.data + head;
    out->offset_bytes = width;
    return QV_OK;
}

static qv_status rle_block(const qv__coding *c, qv__piece block, uint64_t n, qv__scratch *scratch, qv__view *out,
                           qv_error *err)
{
    if (block.len < 8)
        return short_of("run-length block", 8, block.len, err);
    uint64_t values_len = qv__load_u64(block.data);
    if (values_len > block.len - 8)
        return short_of("run values", values_len, block.len - 8, err);
    if (n > (uint64_t) block.len * 255)
        return short_of("runs", n / 255, block.len, err);
    qv__piece pieces[2] = { { block.data + 8, (size_t) values_len },
                            { block.data + 8 + values_len, block.len - 8 - (size_t) values_len } };
    return word_view(c, pieces, n, NULL, scratch, out, err);
}

qv_status qv__view_block(const qv__coding *c, qv__piece block, uint64_t n, qv__scratch *scratch, qv__view *out,
                         qv_error *err)
{
    *out = (qv__view){ 0 };
    switch (c->kind) {
    case QV_CODING_FLAT:
        return flat_view(c->bits, block, n, out, err);
    case QV_CODING_VARIABLE:
        return variable_block(block, n, out, err);
    case QV_CODING_FSST:
        QV_TRY(qv__view_block(c->inner, block, n, scratch, out, err));
        out->fsst = c->fsst->coded ? c->fsst : NULL;
        return QV_OK;
    case QV_CODING_RLE:
        return rle_block(c, block, n, scratch, out, err);
    case QV_CODING_GENERAL:
        if (block.data == scratch->inflated.data && block.len)
            return qv__fail(err, QV_UNSUPPORTED, "values compressed twice");
        QV_TRY(qv__inflate(c->scheme, block, &scratch->inflated, err));
        return qv__view_block(c->inner, (qv__piece){ scratch->inflated.data, scratch->inflated.len }, n, scratch, out,
                              err);
    case QV_CODING_OUT_OF_LINE:
        /* With a width of 0 no byte backs the count; everything else is bounded by the block. */
        if (c->packed_bits == 0 && n > 1 << 20)
            return qv__fail(err, QV_CORRUPT, "%" PRIu64 " values of width 0", n);
        if (c->packed_bits && n / 8 > (uint64_t) block.len + 1024)
            return short_of("bit-packed values", n / 8, block.len, err);
        return word_view(c, &block, n, NULL, scratch, out, err);
    case QV_CODING_INLINE:
    case QV_CODING_CONSTANT:
        if (n > QV_PACK_GROUP && c->kind == QV_CODING_CONSTANT && n > 65536)
            return qv__fail(err, QV_UNSUPPORTED, "a block of %" PRIu64 " constant values", n);
        return word_view(c, &block, n, NULL, scratch, out, err);
    case QV_CODING_BSS:
        if (n > block.len)
            return short_of("byte stream split", n, block.len, err);
        return word_view(c, &block, n, NULL, scratch, out, err);
    default:
        return qv__fail(err, QV_UNSUPPORTED, "this encoding is not supported in a block");
    }
}

qv_status qv__block_levels(const qv__coding *coding, qv__piece block, size_t n, qv__scratch *scratch, uint16_t *out,
                           qv_error *err)
{
    const uint8_t *bytes = block.data;
    qv__view view;

    if (n == 0)
        return QV_OK;
    switch (coding->kind) {
    case QV_CODING_INLINE:
        if (n > QV_PACK_GROUP)
            return qv__fail(err, QV_CORRUPT, "%zu levels in a bit-packed group of 1024", n);
        return qv__inline_unpack(16, bytes, block.len, n, out, err);
    case QV_CODING_OUT_OF_LINE:
        return qv__outofline_unpack(16, coding->packed_bits, bytes, block.len, n, out, err);
    default:
        QV_TRY(qv__view_block(coding, block, n, scratch, &view, err));
        memcpy(out, view.data, n * sizeof *out);
        return QV_OK;
    }
}

/* ------------------------------------------------------------------ emission */

static inline uint64_t offset_at(const qv__view *view, uint64_t i)
{
    return view->offset_bytes == 4 ? qv__load_u32(view->offsets + i * 4) : qv__load_u64(view->offsets + i * 8);
}

static qv_status bad_offsets(uint64_t start, uint64_t end, size_t len, qv_error *err)
{
    return qv__fail(err, QV_CORRUPT, "string [%" PRIu64 ", %" PRIu64 ") in %zu bytes", start, end, len);
}

/* Verbatim strings: the bytes in one copy, the offsets shifted. */
static qv_status emit_plain_strings(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    uint64_t start = offset_at(view, at), end = offset_at(view, at + n), previous = start, base = sink->bytes.len;
    bool is_large = sink->kind == QV_SINK_LARGE_STRING;
    uint8_t *room, *ends;

    if (start > end || end > view->data_len)
        return bad_offsets(start, end, view->data_len, err);
    QV_TRY(qv__sink_ends(sink, n, &ends, err));
    QV_TRY(qv__sink_string_room(sink, (size_t) (end - start), &room, err));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t offset = offset_at(view, at + i + 1);
        if (offset < previous || offset > end)
            return bad_offsets(previous, offset, view->data_len, err);
        if (is_large)
            qv__store_u64(ends + i * 8, base + (offset - start));
        else
            qv__store_u32(ends + i * 4, (uint32_t) (base + (offset - start)));
        previous = offset;
    }
    memcpy(room, view->data + start, (size_t) (end - start));
    return qv__sink_ends_done(sink, n, base + (end - start), err);
}

static qv_status emit_fsst(const qv__fsst_decoder *fsst, const uint8_t *bytes, size_t len, qv__sink *sink,
                           qv_error *err)
{
    uint8_t *room;
    size_t out_len = 0;

    if (len > SIZE_MAX / 16)
        return bad_offsets(0, len, 0, err);
    QV_TRY(qv__sink_string_room(sink, len * 8 + 8, &room, err));
    QV_TRY(qv__fsst_decode(fsst, bytes, len, room, &out_len, err));
    return qv__sink_string_end(sink, out_len, err);
}

/* A run of coded strings, decoded one after the other into room for the longest they can become. */
static qv_status emit_coded_strings(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    uint64_t start = offset_at(view, at), end = offset_at(view, at + n), total = sink->bytes.len;
    bool is_large = sink->kind == QV_SINK_LARGE_STRING;
    uint8_t *room, *ends;

    if (start > end || end > view->data_len || end - start > SIZE_MAX / 16)
        return bad_offsets(start, end, view->data_len, err);
    QV_TRY(qv__sink_ends(sink, n, &ends, err));
    QV_TRY(qv__sink_string_room(sink, (size_t) (end - start) * 8 + 8, &room, err));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t stop = offset_at(view, at + i + 1);
        size_t len = 0;
        if (stop < start || stop > end)
            return bad_offsets(start, stop, view->data_len, err);
        QV_TRY(qv__fsst_decode(view->fsst, view->data + start, (size_t) (stop - start), room, &len, err));
        room += len;
        total += len;
        if (is_large)
            qv__store_u64(ends + i * 8, total);
        else
            qv__store_u32(ends + i * 4, (uint32_t) total);
        start = stop;
    }
    return qv__sink_ends_done(sink, n, total, err);
}

static qv_status emit_strings(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    return view->fsst ? emit_coded_strings(view, at, n, sink, err) : emit_plain_strings(view, at, n, sink, err);
}

/* n values of `width` bytes, `stride` apart, into a sink of a fixed-width type or a vector of such. */
static qv_status emit_strided(const uint8_t *from, size_t width, size_t stride, uint64_t n, qv__sink *sink,
                              qv_error *err)
{
    uint64_t items = n;
    uint8_t *room;

    while (sink->kind == QV_SINK_VECTOR) {
        items *= sink->width;
        sink = &sink->children[0];
        QV_TRY(qv__sink_valid(sink, items, err));
    }
    QV_TRY(qv__sink_fixed(sink, items, &room, err));
    for (uint64_t i = 0; i < n; i++)
        memcpy(room + i * width, from + i * stride, width);
    return QV_OK;
}

static qv_status emit_packed(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    size_t stride = view->bits / 8, field_at = 0;

    for (size_t i = 0; i < view->packed->n_fields; i++) {
        size_t width = view->packed->fields[i].bits / 8;
        QV_TRY(qv__sink_valid(&sink->children[i], n, err));
        QV_TRY(emit_strided(view->data + at * stride + field_at, width, stride, n, &sink->children[i], err));
        field_at += width;
    }
    return QV_OK;
}

static qv_status emit_fixed(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    uint64_t items = 1;
    uint8_t *room;

    for (unsigned i = 0; sink->kind == QV_SINK_VECTOR; i++) {
        items *= sink->width;
        sink = &sink->children[0];
        if (view->validity[i])
            QV_TRY(qv__sink_validity(sink, view->validity[i], at * items, n * items, err));
        else
            QV_TRY(qv__sink_valid(sink, n * items, err));
    }
    if (sink->kind == QV_SINK_BITS)
        return qv__sink_bits(sink, view->data, at * items, n * items, err);
    QV_TRY(qv__sink_fixed(sink, n * items, &room, err));
    if (n)
        memcpy(room, view->data + at * items * sink->width, (size_t) (n * items) * sink->width);
    return QV_OK;
}

qv_status qv__view_emit(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err)
{
    switch (view->kind) {
    case QV_VIEW_STRINGS:
        return emit_strings(view, at, n, sink, err);
    case QV_VIEW_PACKED:
        return emit_packed(view, at, n, sink, err);
    default:
        return emit_fixed(view, at, n, sink, err);
    }
}

/* ------------------------------------------------------------------ dictionaries */

static inline uint64_t index_at(const uint8_t *indices, unsigned bits, uint64_t i)
{
    switch (bits) {
    case 8:
        return indices[i];
    case 16:
        return qv__load_u16(indices + i * 2);
    case 32:
        return qv__load_u32(indices + i * 4);
    default:
        return qv__load_u64(indices + i * 8);
    }
}

/* A loop per width of the indices: compilers make vectors of those. */
#define EACH_INDEX(bits, body)                   \
    switch (bits) {                              \
    case 8:                                      \
        for (uint64_t i = 0; i < n; i++)         \
            body(indices[i]);                    \
        break;                                   \
    case 16:                                     \
        for (uint64_t i = 0; i < n; i++)         \
            body(qv__load_u16(indices + i * 2)); \
        break;                                   \
    default:                                     \
        for (uint64_t i = 0; i < n; i++)         \
            body(index_at(indices, bits, i));    \
    }

static qv_status check_indices(const uint8_t *indices, unsigned bits, uint64_t n, uint64_t limit, qv_error *err)
{
    uint64_t largest = 0;
    uint16_t small = 0; /* as wide as the indices, so that more fit a vector */

#define LARGEST(index)       largest = QV_MAX(largest, index)
#define LARGEST_SMALL(index) small = (uint16_t) QV_MAX(small, index)
    if (bits <= 16) {
        EACH_INDEX(bits, LARGEST_SMALL)
        largest = small;
    } else {
        EACH_INDEX(bits, LARGEST)
    }
#undef LARGEST
#undef LARGEST_SMALL
    return n == 0 || largest < limit
               ? QV_OK
               : qv__fail(err, QV_CORRUPT, "dictionary index %" PRIu64 " of %" PRIu64 " items", largest, limit);
}

static qv_status gather_fixed(const qv__array *items, const uint8_t *indices, unsigned bits, uint64_t n, qv__sink *sink,
                              qv_error *err)
{
    const uint8_t *from = qv__array_values(items);
    size_t width = sink->width;
    uint8_t *room;

    QV_TRY(qv__sink_fixed(sink, n, &room, err));
#define GATHER_8(index) memcpy(room + i * 8, from + (index) *8, 8)
#define GATHER_4(index) memcpy(room + i * 4, from + (index) *4, 4)
#define GATHER(index)   memcpy(room + i * width, from + (index) *width, width)
    if (width == 8) {
        EACH_INDEX(bits, GATHER_8)
    } else if (width == 4) {
        EACH_INDEX(bits, GATHER_4)
    } else {
        EACH_INDEX(bits, GATHER)
    }
#undef GATHER_8
#undef GATHER_4
#undef GATHER
    return QV_OK;
}
#undef EACH_INDEX

/* Offsets of the items, whatever their width. */
static inline uint64_t item_offset(const qv__array *items, uint64_t i)
{
    const uint8_t *offsets = items->buffers[1].data;
    bool is_large = items->type->id == QV_TYPE_LARGE_UTF8 || items->type->id == QV_TYPE_LARGE_BINARY;

    return is_large ? qv__load_u64(offsets + i * 8) : qv__load_u32(offsets + i * 4);
}

/* The items are an array that a sink made: offset 0, offsets sound. First the ends are laid out, then the bytes copied. */
static qv_status gather_strings(const qv__array *items, const uint8_t *indices, unsigned bits, uint64_t n,
                                qv__sink *sink, qv_error *err)
{
    uint64_t total = sink->bytes.len;
    uint8_t *to, *ends;

    QV_TRY(qv__sink_ends(sink, n, &ends, err));
    bool is_large = sink->kind == QV_SINK_LARGE_STRING;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t index = index_at(indices, bits, i);
        total += item_offset(items, index + 1) - item_offset(items, index);
        if (is_large)
            qv__store_u64(ends + i * 8, total);
        else
            qv__store_u32(ends + i * 4, (uint32_t) total);
    }
    QV_TRY(qv__sink_string_room(sink, (size_t) (total - sink->bytes.len), &to, err));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t index = index_at(indices, bits, i), start = item_offset(items, index);
        size_t len = (size_t) (item_offset(items, index + 1) - start);
        memcpy(to, items->buffers[2].data + start, len);
        to += len;
    }
    return qv__sink_ends_done(sink, n, total, err);
}

qv_status qv__sink_gather(const qv__array *items, const uint8_t *indices, unsigned bits, uint64_t n, qv__sink *sink,
                          qv_error *err)
{
    QV_TRY(check_indices(indices, bits, n, (uint64_t) items->length, err));
    return sink->kind == QV_SINK_FIXED ? gather_fixed(items, indices, bits, n, sink, err)
                                       : gather_strings(items, indices, bits, n, sink, err);
}

qv_status qv__view_emit_indices(const qv__view *view, uint64_t at, uint64_t n, qv__array *items, qv__sink *sink,
                                qv_error *err)
{
    const uint8_t *indices = view->data + at * (view->bits / 8);
    uint8_t *room;

    if (sink->kind != QV_SINK_DICTIONARY)
        return qv__sink_gather(items, indices, view->bits, n, sink, err);
    QV_TRY(check_indices(indices, view->bits, n, (uint64_t) items->length, err));
    QV_TRY(qv__sink_fixed(sink, n, &room, err));
    if (n)
        memcpy(room, indices, (size_t) n * sink->width);
    return QV_OK;
}

/* ------------------------------------------------------------------ full-zip payloads */

static qv_status emit_zipped_vector(const qv__coding *c, qv__piece payload, qv__sink *sink, qv_error *err)
{
    qv__view view = { .kind = QV_VIEW_FIXED, .bits = c->bits, .vector = c };
    uint64_t n_items = c->layers[c->n_layers - 1].items;

    for (unsigned i = 0; i < c->n_layers; i++) {
        if (!c->layers[i].has_validity)
            continue;
        size_t n_bytes = qv__bitmap_bytes((size_t) c->layers[i].items);
        if (n_bytes > payload.len)
            return short_of("validity of items", n_bytes, payload.len, err);
        view.validity[i] = payload.data;
        payload = (qv__piece){ payload.data + n_bytes, payload.len - n_bytes };
    }
    if ((n_items * c->bits + 7) / 8 > payload.len)
        return short_of("vector", (n_items * c->bits + 7) / 8, payload.len, err);
    view.data = payload.data;
    return qv__view_emit(&view, 0, 1, sink, err);
}

static qv_status emit_zipped_fixed(const qv__coding *c, qv__piece payload, qv__sink *sink, qv_error *err)
{
    uint8_t *room;

    if (payload.len < c->bits / 8)
        return short_of("value", c->bits / 8, payload.len, err);
    if (sink->kind == QV_SINK_BITS) /* a whole byte for a bool */
        return qv__sink_bits(sink, payload.data, 0, 1, err);
    QV_TRY(qv__sink_fixed(sink, 1, &room, err));
    memcpy(room, payload.data, c->bits / 8);
    return QV_OK;
}

static qv_status emit_zipped_struct(const qv__coding *c, qv__piece payload, qv__scratch *scratch, qv__sink *sink,
                                    qv_error *err)
{
    if (payload.len == 0) /* a null row */
        return qv__sink_zeros(sink, 1, err);
    for (size_t i = 0; i < c->n_fields; i++) {
        const struct qv__coding_field *field = &c->fields[i];
        uint64_t len = field->bits / 8;
        size_t head = field->length_bits / 8;
        if (head > payload.len)
            return short_of("length of a packed field", head, payload.len, err);
        if (head)
            len = head == 4 ? qv__load_u32(payload.data) : qv__load_u64(payload.data);
        payload = (qv__piece){ payload.data + head, payload.len - head };
        if (len > payload.len)
            return short_of("packed field", len, payload.len, err);
        QV_TRY(qv__sink_valid(&sink->children[i], 1, err));
        QV_TRY(
            qv__emit_zipped(field->value, (qv__piece){ payload.data, (size_t) len }, scratch, &sink->children[i], err));
        payload = (qv__piece){ payload.data + len, payload.len - (size_t) len };
    }
    return QV_OK;
}

qv_status qv__emit_zipped(const qv__coding *c, qv__piece payload, qv__scratch *scratch, qv__sink *sink, qv_error *err)
{
    switch (c->kind) {
    case QV_CODING_FLAT:
        return emit_zipped_fixed(c, payload, sink, err);
    case QV_CODING_VECTOR:
        return emit_zipped_vector(c, payload, sink, err);
    case QV_CODING_VARIABLE:
        return qv__sink_string(sink, payload.data, payload.len, err);
    case QV_CODING_FSST:
        if (c->inner->kind == QV_CODING_VARIABLE && c->fsst->coded)
            return emit_fsst(c->fsst, payload.data, payload.len, sink, err);
        if (c->inner->kind == QV_CODING_GENERAL && c->inner->inner->kind == QV_CODING_VARIABLE) {
            QV_TRY(qv__inflate(c->inner->scheme, payload, &scratch->value, err));
            payload = (qv__piece){ scratch->value.data, scratch->value.len };
            return c->fsst->coded ? emit_fsst(c->fsst, payload.data, payload.len, sink, err)
                                  : qv__sink_string(sink, payload.data, payload.len, err);
        }
        return qv__emit_zipped(c->inner, payload, scratch, sink, err);
    case QV_CODING_GENERAL:
        if (payload.data == scratch->value.data && payload.len)
            return qv__fail(err, QV_UNSUPPORTED, "values compressed twice");
        QV_TRY(qv__inflate(c->scheme, payload, &scratch->value, err));
        return qv__emit_zipped(c->inner, (qv__piece){ scratch->value.data, scratch->value.len }, scratch, sink, err);
    case QV_CODING_VARIABLE_PACKED:
        return emit_zipped_struct(c, payload, scratch, sink, err);
    default:
        return qv__fail(err, QV_UNSUPPORTED, "this encoding is not supported in a full-zip page");
    }
}

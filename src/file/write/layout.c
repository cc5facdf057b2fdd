/* Page descriptions: the messages of lance_file.proto, built in an arena. A failed allocation hands out scratch memory and is
 * remembered, so that builders read like the message they build; packing reports it. */
#include "file/write/write_private.h"

#include "base/alloc.h"

void qv__layout_init(qv__layout *layout)
{
    qv__arena_init(&layout->arena, 0);
    layout->failed = false;
}

void qv__layout_clear(qv__layout *layout) { qv__arena_reset(&layout->arena); }

void *qv__layout_new(qv__layout *layout, const ProtobufCMessageDescriptor *descriptor)
{
    void *message = qv__arena_alloc(&layout->arena, 1, descriptor->sizeof_message);
    if (!message) {
        layout->failed = true;
        message = layout->scratch;
    }
    protobuf_c_message_init(descriptor, message);
    return message;
}

void *qv__layout_copy(qv__layout *layout, const void *bytes, size_t n)
{
    void *copy = qv__arena_alloc(&layout->arena, QV_MAX(n, 1), 1);
    if (!copy)
        layout->failed = true;
    else if (n)
        memcpy(copy, bytes, n);
    return copy;
}

#define NEW(type) qv__layout_new(layout, &lance__file__##type##__descriptor)

qv__enc *qv__enc_flat(qv__layout *layout, unsigned bits)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->flat = NEW(flat);
    enc->flat->has_bits_per_value = true;
    enc->flat->bits_per_value = bits;
    return enc;
}

qv__enc *qv__enc_variable(qv__layout *layout, unsigned offset_bits)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->variable = NEW(variable);
    enc->variable->offsets = qv__enc_flat(layout, offset_bits);
    return enc;
}

qv__enc *qv__enc_inline(qv__layout *layout, unsigned bits)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->inline_bitpacking = NEW(inline_bitpacking);
    enc->inline_bitpacking->has_uncompressed_bits = true;
    enc->inline_bitpacking->uncompressed_bits = bits;
    return enc;
}

qv__enc *qv__enc_outofline(qv__layout *layout, unsigned bits, unsigned width)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->out_of_line_bitpacking = NEW(out_of_line_bitpacking);
    enc->out_of_line_bitpacking->has_uncompressed_bits = true;
    enc->out_of_line_bitpacking->uncompressed_bits = bits;
    enc->out_of_line_bitpacking->values = qv__enc_flat(layout, width);
    return enc;
}

qv__enc *qv__enc_rle(qv__layout *layout, unsigned bits)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->rle = NEW(rle);
    enc->rle->values = qv__enc_flat(layout, bits);
    enc->rle->run_lengths = qv__enc_flat(layout, 8);
    return enc;
}

qv__enc *qv__enc_split(qv__layout *layout, unsigned bits)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->byte_stream_split = NEW(byte_stream_split);
    enc->byte_stream_split->values = qv__enc_flat(layout, bits);
    return enc;
}

qv__enc *qv__enc_fsst(qv__layout *layout, const uint8_t *table, qv__enc *values)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->fsst = NEW(fsst);
    enc->fsst->has_symbol_table = true;
    enc->fsst->symbol_table.len = 2312;
    enc->fsst->symbol_table.data = qv__layout_copy(layout, table, 2312);
    enc->fsst->values = values;
    return enc;
}

qv__enc *qv__enc_general(qv__layout *layout, int scheme, int level, qv__enc *values)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->general = NEW(general);
    enc->general->compression = NEW(compression);
    enc->general->compression->has_scheme = true;
    enc->general->compression->scheme = scheme;
    enc->general->compression->has_level = level != 0;
    enc->general->compression->level = level;
    enc->general->values = values;
    return enc;
}

qv__enc *qv__enc_list(qv__layout *layout, uint64_t items, qv__enc *values, bool has_validity)
{
    qv__enc *enc = NEW(compressive_encoding);
    enc->fixed_size_list = NEW(fixed_size_list);
    enc->fixed_size_list->has_items_per_value = true;
    enc->fixed_size_list->items_per_value = items;
    enc->fixed_size_list->has_has_validity = has_validity;
    enc->fixed_size_list->has_validity = has_validity;
    enc->fixed_size_list->values = values;
    return enc;
}

qv_status qv__layout_pack(qv__layout *layout, const void *message, qv__page *page, qv_error *err)
{
    if (layout->failed)
        return qv__fail_nomem(err, 0);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = qv__alloc(QV_MAX(len, 1), 1);
    if (!bytes)
        return qv__fail_nomem(err, len);
    page->encoding = bytes;
    page->encoding_len = protobuf_c_message_pack(message, bytes);
    return QV_OK;
}

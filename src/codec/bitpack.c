/* The two framings of FastLanes groups: "inline" (a word that tells the width, then one group) and "out of line" (the width
 * stands in the page's description; groups back to back, the short last group raw or padded, whichever is smaller). */
#include "codec/codec.h"

#include <assert.h>

#include "base/bytes.h"

static size_t group_bytes(unsigned width) { return (size_t) 128 * width; }

static uint64_t load_width(int bits, const uint8_t *bytes)
{
    switch (bits) {
    case 8:
        return bytes[0];
    case 16:
        return qv__load_u16(bytes);
    case 32:
        return qv__load_u32(bytes);
    default:
        return qv__load_u64(bytes);
    }
}

static void store_word(int bits, uint8_t *to, uint64_t value)
{
    switch (bits) {
    case 8:
        *to = (uint8_t) value;
        break;
    case 16:
        qv__store_u16(to, (uint16_t) value);
        break;
    case 32:
        qv__store_u32(to, (uint32_t) value);
        break;
    default:
        qv__store_u64(to, value);
        break;
    }
}

/* Unpacks the first n <= 1024 values of a group. */
static void unpack_some(int bits, unsigned width, const uint8_t *packed, size_t n, uint8_t *values)
{
    if (n == QV_PACK_GROUP) {
        qv__unpack_group(bits, width, packed, values);
        return;
    }
    uint64_t whole[QV_PACK_GROUP];
    qv__unpack_group(bits, width, packed, whole);
    memcpy(values, whole, n * (size_t) bits / 8);
}

/* Packs n <= 1024 values as a full group, the rest zero. */
static void pack_some(int bits, unsigned width, const uint8_t *values, size_t n, uint8_t *packed)
{
    if (n == QV_PACK_GROUP) {
        qv__pack_group(bits, width, values, packed);
        return;
    }
    uint64_t whole[QV_PACK_GROUP];
    size_t used = n * (size_t) bits / 8;
    memcpy(whole, values, used);
    memset((uint8_t *) whole + used, 0, (size_t) QV_PACK_GROUP * (size_t) bits / 8 - used);
    qv__pack_group(bits, width, whole, packed);
}

/* The width of an inline block of n > 0 values, when the block is one. */
static qv_status inline_width(int bits, const uint8_t *bytes, size_t len, size_t n, unsigned *out, qv_error *err)
{
    size_t word = (size_t) bits / 8;

    if (n > QV_PACK_GROUP)
        return qv__fail(err, QV_CORRUPT, "bit-packed block claims %zu values, a group holds 1024", n);
    if (len < word)
        return qv__fail(err, QV_CORRUPT, "bit-packed block of %zu bytes has no width", len);
    uint64_t width = load_width(bits, bytes);
    if (width > (uint64_t) bits)
        return qv__fail(err, QV_CORRUPT, "bit-packed block has width %llu for values of %d bits",
                        (unsigned long long) width, bits);
    if (len != word + group_bytes((unsigned) width))
        return qv__fail(err, QV_CORRUPT, "bit-packed block has %zu bytes, width %u needs %zu", len, (unsigned) width,
                        word + group_bytes((unsigned) width));
    *out = (unsigned) width;
    return QV_OK;
}

qv_status qv__inline_unpack(int bits, const uint8_t *bytes, size_t len, size_t n, void *values, qv_error *err)
{
    unsigned width = 0;

    if (n == 0)
        return QV_OK;
    QV_TRY(inline_width(bits, bytes, len, n, &width, err));
    unpack_some(bits, width, bytes + bits / 8, n, values);
    return QV_OK;
}

qv_status qv__inline_pick(int bits, const uint8_t *bytes, size_t len, size_t n, size_t at, size_t count, void *values,
                          qv_error *err)
{
    unsigned width = 0;
    uint8_t *to = values;

    assert(at <= n && count <= n - at);
    if (count == 0)
        return QV_OK;
    QV_TRY(inline_width(bits, bytes, len, n, &width, err));
    for (size_t i = 0; i < count; i++)
        store_word(bits, to + i * (size_t) bits / 8,
                   qv__unpack_one(bits, width, bytes + bits / 8, (unsigned) (at + i)));
    return QV_OK;
}

qv_status qv__inline_pack(int bits, const void *values, size_t n, qv__buffer *out, qv_error *err)
{
    size_t word = (size_t) bits / 8;
    unsigned width = qv__bits_needed(bits, values, n);
    uint64_t head = width;
    QV_TRY(qv__buffer_reserve(out, word + group_bytes(width), err));
    memcpy(out->data + out->len, &head, word);
    pack_some(bits, width, values, n, out->data + out->len + word);
    out->len += word + group_bytes(width);
    return QV_OK;
}

qv_status qv__outofline_unpack(int bits, unsigned width, const uint8_t *bytes, size_t len, size_t n, void *values,
                               qv_error *err)
{
    size_t word = (size_t) bits / 8, full = n / QV_PACK_GROUP, tail = n % QV_PACK_GROUP;
    if (width > (unsigned) bits)
        return qv__fail(err, QV_CORRUPT, "bit packing has width %u for values of %d bits", width, bits);
    if (n > SIZE_MAX / 16)
        return qv__fail(err, QV_CORRUPT, "bit packing claims %zu values", n);
    size_t packed = group_bytes(width), head = full * packed;
    /* when both sizes agree the tail is raw */
    bool is_raw = tail && len == head + tail * word, is_packed = tail && !is_raw && len == head + packed;
    if (!is_packed && !is_raw && (tail || len != head))
        return qv__fail(err, QV_CORRUPT, "bit packing of %zu values at width %u cannot have %zu bytes", n, width, len);
    uint8_t *to = values;
    for (size_t i = 0; i < full; i++)
        qv__unpack_group(bits, width, bytes + i * packed, to + i * QV_PACK_GROUP * word);
    if (is_packed)
        unpack_some(bits, width, bytes + head, tail, to + full * QV_PACK_GROUP * word);
    else if (is_raw)
        memcpy(to + full * QV_PACK_GROUP * word, bytes + head, tail * word);
    return QV_OK;
}

qv_status qv__outofline_pack(int bits, unsigned width, const void *values, size_t n, qv__buffer *out, qv_error *err)
{
    size_t word = (size_t) bits / 8, full = n / QV_PACK_GROUP, tail = n % QV_PACK_GROUP;
    const uint8_t *from = values;
    size_t packed = group_bytes(width);
    bool raw_tail = tail * word <= packed;
    size_t total = full * packed + (!tail ? 0 : raw_tail ? tail * word : packed);
    QV_TRY(qv__buffer_reserve(out, total, err));
    uint8_t *to = out->data + out->len;
    for (size_t i = 0; i < full; i++)
        qv__pack_group(bits, width, from + i * QV_PACK_GROUP * word, to + i * packed);
    if (tail && raw_tail)
        memcpy(to + full * packed, from + full * QV_PACK_GROUP * word, tail * word);
    else if (tail)
        pack_some(bits, width, from + full * QV_PACK_GROUP * word, tail, to + full * packed);
    out->len += total;
    return QV_OK;
}

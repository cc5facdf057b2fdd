/* FSST, reading: every coded byte below 255 stands for a symbol of 1..8 bytes, 255 says that the next byte is literal.
 * Symbols are stored eight bytes at a time, which is why the output needs eight bytes of room beyond its end. */
#include "codec/codec.h"

#include "base/bytes.h"

#define ESCAPE 255
#define HEAD   8

qv_status qv__fsst_decoder_init(qv__fsst_decoder *decoder, const uint8_t *table, size_t len, qv_error *err)
{
    if (len != QV_FSST_TABLE_BYTES)
        return qv__fail(err, QV_CORRUPT, "FSST symbol table has %zu bytes, not %d", len, QV_FSST_TABLE_BYTES);
    if (memcmp(table + 4, "TSSF", 4) != 0)
        return qv__fail(err, QV_CORRUPT, "FSST symbol table does not begin with its magic bytes");
    size_t n = table[0];
    const uint8_t *symbols = table + HEAD, *lengths = symbols + 8 * n;
    memset(decoder, 0, sizeof *decoder);
    decoder->coded = table[3] & 1;
    for (size_t i = 0; i < n; i++) {
        if (lengths[i] < 1 || lengths[i] > 8)
            return qv__fail(err, QV_CORRUPT, "FSST symbol %zu has length %u", i, lengths[i]);
        decoder->lengths[i] = lengths[i];
        decoder->symbols[i] = qv__load_u64(symbols + 8 * i);
    }
    return QV_OK;
}

qv_status qv__fsst_decode(const qv__fsst_decoder *decoder, const uint8_t *bytes, size_t len, uint8_t *out,
                          size_t *out_len, qv_error *err)
{
    if (!decoder->coded) {
        if (len)
            memcpy(out, bytes, len);
        *out_len = len;
        return QV_OK;
    }
    uint8_t *to = out;
    for (size_t at = 0; at < len; at++) {
        uint8_t code = bytes[at];
        if (code != ESCAPE) {
            if (decoder->lengths[code] == 0)
                return qv__fail(err, QV_CORRUPT, "FSST string uses code %u, which has no symbol", code);
            qv__store_u64(to, decoder->symbols[code]);
            to += decoder->lengths[code];
        } else {
            if (++at == len)
                return qv__fail(err, QV_CORRUPT, "FSST string of %zu bytes ends in an escape", len);
            *to++ = bytes[at];
        }
    }
    *out_len = (size_t) (to - out);
    return QV_OK;
}

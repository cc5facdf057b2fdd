/* FSST, the using half: the encoder's lookup tables, the stored symbol table, and coding of strings. */
#include "codec/fsst_private.h"

#include "base/alloc.h"

#define ESCAPED (1u << 8 | QV__FSST_ESCAPE)

void qv__fsst_clear(qv__fsst_encoder *encoder)
{
    encoder->n = 0;
    memset(encoder->slots, 0, sizeof encoder->slots);
    for (size_t i = 0; i < QV_COUNT_OF(encoder->pairs); i++)
        encoder->pairs[i] = ESCAPED;
    for (size_t i = 0; i < QV_COUNT_OF(encoder->singles); i++)
        encoder->singles[i] = ESCAPED;
}

static bool add_long(qv__fsst_encoder *encoder, qv__fsst_symbol symbol, unsigned code)
{
    struct qv__fsst_slot *slot = &encoder->slots[qv__fsst_slot_of(symbol.bytes)];
    if (slot->mask)
        return false;
    *slot = (struct qv__fsst_slot){ symbol.bytes, qv__fsst_mask(symbol.len), (uint16_t) code, symbol.len };
    return true;
}

static void add_single(qv__fsst_encoder *encoder, unsigned byte, unsigned entry)
{
    encoder->singles[byte] = (uint16_t) entry;
    for (unsigned next = 0; next < 256; next++)
        if (encoder->pairs[byte | next << 8] >> 8 == 1) /* two-byte symbols stay */
            encoder->pairs[byte | next << 8] = (uint16_t) entry;
}

bool qv__fsst_add(qv__fsst_encoder *encoder, qv__fsst_symbol symbol)
{
    unsigned code = encoder->n, entry = (unsigned) symbol.len << 8 | code;
    if (code >= QV__FSST_SYMBOLS)
        return false;
    if (symbol.len >= 3 && !add_long(encoder, symbol, code))
        return false;
    if (symbol.len == 2)
        encoder->pairs[symbol.bytes] = (uint16_t) entry;
    if (symbol.len == 1)
        add_single(encoder, (unsigned) symbol.bytes, entry);
    encoder->symbols[encoder->n++] = symbol;
    return true;
}

void qv__fsst_table(const qv__fsst_encoder *encoder, uint8_t table[QV_FSST_TABLE_BYTES])
{
    memset(table, 0, QV_FSST_TABLE_BYTES);
    table[0] = (uint8_t) encoder->n;
    table[3] = 1; /* coded */
    memcpy(table + 4, "TSSF", 4);
    for (unsigned i = 0; i < encoder->n; i++) {
        qv__store_u64(table + 8 + 8 * i, encoder->symbols[i].bytes);
        table[8 + 8 * encoder->n + i] = encoder->symbols[i].len;
    }
}

size_t qv__fsst_encode(const qv__fsst_encoder *encoder, const uint8_t *bytes, size_t len, uint8_t *out)
{
    uint8_t *to = out;
    for (size_t at = 0; at < len;) {
        unsigned match = qv__fsst_match(encoder, qv__fsst_word(bytes + at, len - at), len - at);
        /* both bytes are always stored; an escape keeps the second */
        to[0] = (uint8_t) match;
        to[1] = bytes[at];
        to += 1 + ((match & 0xFF) == QV__FSST_ESCAPE);
        at += match >> 8;
    }
    return (size_t) (to - out);
}

void qv__fsst_encoder_free(qv__fsst_encoder *encoder) { qv__free(encoder); }

/* Shared by the two halves of the FSST encoder: learning symbols and using them. */
#ifndef QV_CODEC_FSST_PRIVATE_H
#define QV_CODEC_FSST_PRIVATE_H

#include "base/bytes.h"
#include "codec/codec.h"

#define QV__FSST_ESCAPE  255
#define QV__FSST_SYMBOLS 255
#define QV__FSST_SLOTS   2048

typedef struct qv__fsst_symbol {
    uint64_t bytes; /* first byte lowest; bytes beyond `len` are zero */
    uint8_t len;    /* 1..8 */
} qv__fsst_symbol;

/* How the longest symbol at some position is found: symbols of three and more bytes by a hash of their first three, one
 * per slot (a table is built so that they do not collide); the others by their first two bytes. */
struct qv__fsst_encoder {
    unsigned n;
    qv__fsst_symbol symbols[QV__FSST_SYMBOLS];
    struct qv__fsst_slot {
        uint64_t bytes, mask; /* mask 0: free */
        uint16_t code;
        uint8_t len;
    } slots[QV__FSST_SLOTS];
    /* by the next two bytes, the second one zero at the end of a string: len << 8 | code; an escape has length 1 */
    uint16_t pairs[65536];
    uint16_t singles[256]; /* the same when only one byte is left */
};

static inline uint64_t qv__fsst_mask(unsigned len) { return len == 8 ? ~UINT64_C(0) : (UINT64_C(1) << (8 * len)) - 1; }

static inline size_t qv__fsst_slot_of(uint64_t word)
{
    return (size_t) (((word & 0xFFFFFF) * UINT64_C(0x9E3779B97F4A7C15)) >> 53);
}

/* The next eight bytes, zero beyond the end. */
static inline uint64_t qv__fsst_word(const uint8_t *at, size_t left)
{
    uint64_t word = 0;
    if (left >= 8)
        return qv__load_u64(at);
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t) at[i] << (8 * i);
    return word;
}

/* The code for the bytes in `word`, of which `left` >= 1 belong to the string: len << 8 | code. */
static inline unsigned qv__fsst_match(const qv__fsst_encoder *e, uint64_t word, size_t left)
{
    const struct qv__fsst_slot *slot = &e->slots[qv__fsst_slot_of(word)];
    if (slot->mask && (word & slot->mask) == slot->bytes && slot->len <= left)
        return (unsigned) slot->len << 8 | slot->code;
    return left >= 2 ? e->pairs[word & 0xFFFF] : e->singles[word & 0xFF];
}

/* An encoder without symbols; everything is escaped. */
void qv__fsst_clear(qv__fsst_encoder *encoder);
/* Adds a symbol as the next code; false when its slot is taken or the table is full. Shorter symbols never replace what
 * longer ones said for the same two bytes. */
bool qv__fsst_add(qv__fsst_encoder *encoder, qv__fsst_symbol symbol);

#endif

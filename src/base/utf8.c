/* UTF-8 validation. 32 bytes of ASCII at a time are skipped with one test; the rest runs through an automaton whose
 * whole transition table for a byte is one 64-bit row: the state is a bit position in the row, so a step is a load and
 * a shift. States follow Unicode's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "base/utf8.h"

#include "base/bytes.h"

enum {
    BROKEN = 0,    /* stays broken: no row has anything in its low 6 bits */
    START = 6,     /* between characters */
    ONE = 12,      /* one more continuation byte */
    TWO = 18,      /* two more */
    THREE = 24,    /* three more */
    AFTER_E0 = 30, /* A0..BF, then one */
    AFTER_ED = 36, /* 80..9F, then one */
    AFTER_F0 = 42, /* 90..BF, then two */
    AFTER_F4 = 48  /* 80..8F, then two */
};

#define STEP(from, to) ((uint64_t) (to) << (from))
#define CONTINUATION   (STEP(ONE, START) | STEP(TWO, ONE) | STEP(THREE, TWO))

static const uint64_t rows[256] = {
    [0x00 ... 0x7f] = STEP(START, START),
    [0x80 ... 0x8f] = CONTINUATION | STEP(AFTER_ED, ONE) | STEP(AFTER_F4, TWO),
    [0x90 ... 0x9f] = CONTINUATION | STEP(AFTER_ED, ONE) | STEP(AFTER_F0, TWO),
    [0xa0 ... 0xbf] = CONTINUATION | STEP(AFTER_E0, ONE) | STEP(AFTER_F0, TWO),
    [0xc2 ... 0xdf] = STEP(START, ONE),
    [0xe0] = STEP(START, AFTER_E0),
    [0xe1 ... 0xec] = STEP(START, TWO),
    [0xed] = STEP(START, AFTER_ED),
    [0xee ... 0xef] = STEP(START, TWO),
    [0xf0] = STEP(START, AFTER_F0),
    [0xf1 ... 0xf3] = STEP(START, THREE),
    [0xf4] = STEP(START, AFTER_F4),
};

static inline bool is_ascii_32(const uint8_t *p)
{
    uint64_t all = qv__load_u64(p) | qv__load_u64(p + 8) | qv__load_u64(p + 16) | qv__load_u64(p + 24);
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

qv__utf8_kind qv__utf8_scan(const uint8_t *bytes, size_t len)
{
    uint64_t state = START;
    uint8_t any = 0;
    size_t i = 0;

    for (; i + 32 <= len; i += 32) {
        if ((state & 63) == START && is_ascii_32(bytes + i))
            continue;
        any = 0x80;
        for (size_t j = 0; j < 32; j++)
            state = rows[bytes[i + j]] >> (state & 63);
        if ((state & 63) == BROKEN)
            return QV_UTF8_BROKEN;
    }
    for (; i < len; i++) {
        any |= bytes[i];
        state = rows[bytes[i]] >> (state & 63);
    }
    if ((state & 63) != START)
        return QV_UTF8_BROKEN;
    return any & 0x80 ? QV_UTF8_WIDE : QV_UTF8_ASCII;
}

bool qv__utf8_valid(const uint8_t *bytes, size_t len) { return qv__utf8_scan(bytes, len) != QV_UTF8_BROKEN; }

size_t qv__utf8_count(const uint8_t *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += (text[i] & 0xc0) != 0x80;
    return n;
}

size_t qv__utf8_at(const uint8_t *text, size_t len, uint64_t n)
{
    size_t at = 0;

    if (n >= len)
        return len;
    for (; n > 0 && at < len; n--)
        at += qv__utf8_len(text[at]);
    return at;
}

uint32_t qv__utf8_get(const uint8_t *text, size_t *n)
{
    uint32_t c = text[0];

    *n = qv__utf8_len(text[0]);
    switch (*n) {
    case 2:
        return (c & 0x1f) << 6 | (text[1] & 0x3fu);
    case 3:
        return (c & 0x0f) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
    case 4:
        return (c & 0x07) << 18 | (text[1] & 0x3fu) << 12 | (text[2] & 0x3fu) << 6 | (text[3] & 0x3fu);
    default:
        return c;
    }
}

size_t qv__utf8_put(uint32_t c, uint8_t out[4])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t) (0x80 | (c & 0x3f));
    out[0] = (uint8_t) (first[n] | c);
    return n;
}

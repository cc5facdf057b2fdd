/* Whole 64-bit words where possible; words are loaded and stored through memcpy, so any alignment is fine. */
#include "base/bitmap.h"

#include "base/bytes.h"

/* Bits [at, at + n), n <= 64, as a word; touches only bytes that hold some of them. */
static uint64_t load_bits(const uint8_t *bits, size_t at, size_t n)
{
    size_t shift = at & 7, bytes = qv__bitmap_bytes(shift + n);
    uint64_t low = 0;

    memcpy(&low, bits + (at >> 3), bytes < 8 ? bytes : 8);
    low >>= shift;
    if (bytes == 9)
        low |= (uint64_t) bits[(at >> 3) + 8] << (64 - shift);
    return n == 64 ? low : low & ((UINT64_C(1) << n) - 1);
}

void qv__bitmap_fill(uint8_t *bits, size_t start, size_t n, bool on)
{
    size_t end = start + n;

    for (; start < end && (start & 7); start++)
        qv__bit_put(bits, start, on);
    if (end > start) {
        size_t bytes = (end - start) >> 3;
        memset(bits + (start >> 3), on ? 0xff : 0, bytes);
        start += bytes * 8;
    }
    for (; start < end; start++)
        qv__bit_put(bits, start, on);
}

void qv__bitmap_copy(uint8_t *to, size_t to_start, const uint8_t *from, size_t from_start, size_t n)
{
    size_t i = 0;

    for (; i < n && ((to_start + i) & 7); i++)
        qv__bit_put(to, to_start + i, qv__bit_get(from, from_start + i));
    for (; n - i >= 64; i += 64) {
        uint64_t word = load_bits(from, from_start + i, 64);
        memcpy(to + ((to_start + i) >> 3), &word, 8);
    }
    for (; i < n; i++)
        qv__bit_put(to, to_start + i, qv__bit_get(from, from_start + i));
}

size_t qv__bitmap_count(const uint8_t *bits, size_t start, size_t n)
{
    size_t ones = 0, i = 0;

    for (; n - i >= 64; i += 64)
        ones += (size_t) __builtin_popcountll(load_bits(bits, start + i, 64));
    if (i < n)
        ones += (size_t) __builtin_popcountll(load_bits(bits, start + i, n - i));
    return ones;
}

size_t qv__bitmap_find(const uint8_t *bits, size_t from, size_t end, bool on)
{
    while (from < end) {
        size_t n = end - from < 64 ? end - from : 64;
        uint64_t word = load_bits(bits, from, n), mask = n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
        word = on ? word : ~word & mask;
        if (word)
            return from + (size_t) __builtin_ctzll(word);
        from += n;
    }
    return end;
}

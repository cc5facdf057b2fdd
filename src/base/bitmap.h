/* LSB-first bitmaps, as Arrow stores validity. Lengths and positions are in bits. */
#ifndef QV_BASE_BITMAP_H
#define QV_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool qv__bit_get(const uint8_t *bits, size_t i) { return bits[i >> 3] >> (i & 7) & 1; }
static inline void qv__bit_set(uint8_t *bits, size_t i) { bits[i >> 3] |= (uint8_t) (1u << (i & 7)); }
static inline void qv__bit_clear(uint8_t *bits, size_t i) { bits[i >> 3] &= (uint8_t) ~(1u << (i & 7)); }
static inline void qv__bit_put(uint8_t *bits, size_t i, bool on) { on ? qv__bit_set(bits, i) : qv__bit_clear(bits, i); }
static inline size_t qv__bitmap_bytes(size_t n_bits) { return (n_bits >> 3) + ((n_bits & 7) != 0); }

void qv__bitmap_fill(uint8_t *bits, size_t start, size_t n, bool on);
void qv__bitmap_copy(uint8_t *to, size_t to_start, const uint8_t *from, size_t from_start, size_t n);
size_t qv__bitmap_count(const uint8_t *bits, size_t start, size_t n); /* ones */
/* The first position >= from and < end whose bit is `on`, or end. */
size_t qv__bitmap_find(const uint8_t *bits, size_t from, size_t end, bool on);

#endif

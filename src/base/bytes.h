/* Little-endian loads and stores at any alignment, and checked arithmetic for sizes from files. */
#ifndef QV_BASE_BYTES_H
#define QV_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Quiver supports little-endian machines only"
#endif

#define QV_DEFINE_LE(bits)                                       \
    static inline uint##bits##_t qv__load_u##bits(const void *p) \
    {                                                            \
        uint##bits##_t v;                                        \
        memcpy(&v, p, sizeof v);                                 \
        return v;                                                \
    }                                                            \
    static inline void qv__store_u##bits(void *p, uint##bits##_t v) { memcpy(p, &v, sizeof v); }
QV_DEFINE_LE(16)
QV_DEFINE_LE(32)
QV_DEFINE_LE(64)
#undef QV_DEFINE_LE

static inline bool qv__add_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool qv__mul_u64(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }
/* Does [at, at + len) lie inside [0, size)? Never overflows. */
static inline bool qv__inside(uint64_t at, uint64_t len, uint64_t size) { return at <= size && len <= size - at; }
static inline uint64_t qv__round_up(uint64_t n, uint64_t power_of_two)
{
    return (n + power_of_two - 1) & ~(power_of_two - 1);
}

#endif

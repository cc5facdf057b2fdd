/* kern_tmpl.h: included once per instruction set, so there is no include guard. The includer defines QV_ISA.
 * Comparisons fill 64 bytes with 0 or 1, which compilers turn into vector compares, and pack them into a word. */
#include <math.h>
#include <string.h>

#include "expr/kern.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

static inline uint64_t pack64(const uint8_t *flags)
{
    uint64_t word = 0;

#if defined(__AVX2__)
    for (int k = 0; k < 2; k++) {
        __m256i part = _mm256_loadu_si256((const __m256i *) (flags + 32 * k));
        word |= (uint64_t) (uint32_t) _mm256_movemask_epi8(_mm256_slli_epi16(part, 7)) << (32 * k);
    }
#elif defined(__SSE2__)
    for (int k = 0; k < 4; k++) {
        __m128i part = _mm_loadu_si128((const __m128i *) (flags + 16 * k));
        word |= (uint64_t) (uint32_t) _mm_movemask_epi8(_mm_slli_epi16(part, 7)) << (16 * k);
    }
#else
    for (int k = 0; k < 8; k++) {
        uint64_t part;
        memcpy(&part, flags + 8 * k, 8);
        word |= (part * UINT64_C(0x0102040810204080) >> 56) << (8 * k);
    }
#endif
    return word;
}

#define INT_EQ(a, b)   ((a) == (b))
#define INT_LT(a, b)   ((a) < (b))
#define INT_LE(a, b)   ((a) <= (b))
#define FLOAT_EQ(a, b) (((a) == (b)) | (((a) != (a)) & ((b) != (b))))
#define FLOAT_LT(a, b) (((a) < (b)) | (((a) == (a)) & ((b) != (b))))
#define FLOAT_LE(a, b) (((a) <= (b)) | ((b) != (b)))

/* RIGHT: what stands for b[i]. */
#define COMPARE(name, type, test, RIGHT)                                            \
    static void name(const void *left, const void *right, size_t n, uint64_t *bits) \
    {                                                                               \
        const type *a = left, *b = right;                                           \
        uint8_t flags[64] = { 0 };                                                  \
                                                                                    \
        for (; n >= 64; n -= 64, a += 64, b += (RIGHT) *64) {                       \
            for (size_t i = 0; i < 64; i++)                                         \
                flags[i] = (uint8_t) test(a[i], b[(RIGHT) *i]);                     \
            *bits++ = pack64(flags);                                                \
        }                                                                           \
        if (n) {                                                                    \
            memset(flags, 0, sizeof flags);                                         \
            for (size_t i = 0; i < n; i++)                                          \
                flags[i] = (uint8_t) test(a[i], b[(RIGHT) *i]);                     \
            *bits = pack64(flags);                                                  \
        }                                                                           \
    }
#define COMPARES(id, type, kind)             \
    COMPARE(eq_##id, type, kind##_EQ, 1)     \
    COMPARE(lt_##id, type, kind##_LT, 1)     \
    COMPARE(le_##id, type, kind##_LE, 1)     \
    COMPARE(eq_one_##id, type, kind##_EQ, 0) \
    COMPARE(lt_one_##id, type, kind##_LT, 0) \
    COMPARE(le_one_##id, type, kind##_LE, 0)

/* id, value type, a type that holds every sum, difference and product of two; the 64-bit ones are apart */
#define NARROW_TYPES(X)       \
    X(I8, int8_t, int32_t)    \
    X(I16, int16_t, int32_t)  \
    X(I32, int32_t, int64_t)  \
    X(U8, uint8_t, int32_t)   \
    X(U16, uint16_t, int64_t) \
    X(U32, uint32_t, int64_t)

COMPARES(I8, int8_t, INT)
COMPARES(I16, int16_t, INT)
COMPARES(I32, int32_t, INT)
COMPARES(I64, int64_t, INT)
COMPARES(U8, uint8_t, INT)
COMPARES(U16, uint16_t, INT)
COMPARES(U32, uint32_t, INT)
COMPARES(U64, uint64_t, INT)
COMPARES(F32, float, FLOAT)
COMPARES(F64, double, FLOAT)

/* One loop: LEFT and RIGHT are 1 or 0, the steps of the operands. `body` makes r and says bad |= ... */
#define LOOP(name, type, LEFT, RIGHT, body)                                    \
    static bool name(const void *left, const void *right, size_t n, void *out) \
    {                                                                          \
        const type *a = left, *b = right;                                      \
        type *to = out;                                                        \
        uint64_t bad = 0;                                                      \
                                                                               \
        for (size_t i = 0; i < n; i++) {                                       \
            type x = a[(LEFT) *i], y = b[(RIGHT) *i], r;                       \
            body;                                                              \
            to[i] = r;                                                         \
        }                                                                      \
        return bad == 0;                                                       \
    }
#define LOOPS(op, id, type, ...)                     \
    LOOP(op##_##id##_both, type, 1, 1, __VA_ARGS__)  \
    LOOP(op##_##id##_right, type, 1, 0, __VA_ARGS__) \
    LOOP(op##_##id##_left, type, 0, 1, __VA_ARGS__)

#define WIDE_BODY(type, wide, sign)           \
    {                                         \
        wide full = (wide) x sign(wide) y;    \
        r = (type) full;                      \
        bad |= (uint64_t) (full != (wide) r); \
    }
/* 32-bit products of unsigned values pass int64; they are worked out as uint64. */
#define NARROW_ADD(id, type, wide) LOOPS(add, id, type, WIDE_BODY(type, wide, +))
#define NARROW_SUB(id, type, wide) LOOPS(sub, id, type, WIDE_BODY(type, wide, -))
NARROW_TYPES(NARROW_ADD)
NARROW_TYPES(NARROW_SUB)
LOOPS(mul, I8, int8_t, WIDE_BODY(int8_t, int32_t, *))
LOOPS(mul, I16, int16_t, WIDE_BODY(int16_t, int32_t, *))
LOOPS(mul, I32, int32_t, WIDE_BODY(int32_t, int64_t, *))
LOOPS(mul, U8, uint8_t, WIDE_BODY(uint8_t, uint32_t, *))
LOOPS(mul, U16, uint16_t, WIDE_BODY(uint16_t, uint32_t, *))
LOOPS(mul, U32, uint32_t, WIDE_BODY(uint32_t, uint64_t, *))

/* Signed overflow: the result's sign differs from both operands' (sum), or from the left one's while those differ (difference). */
LOOPS(add, I64, int64_t, {
    r = (int64_t) ((uint64_t) x + (uint64_t) y);
    bad |= (uint64_t) ((x ^ r) & (y ^ r)) >> 63;
})
LOOPS(sub, I64, int64_t, {
    r = (int64_t) ((uint64_t) x - (uint64_t) y);
    bad |= (uint64_t) ((x ^ y) & (x ^ r)) >> 63;
})
LOOPS(mul, I64, int64_t, { bad |= (uint64_t) __builtin_mul_overflow(x, y, &r); })
LOOPS(add, U64, uint64_t, {
    r = x + y;
    bad |= (uint64_t) (r < x);
})
LOOPS(sub, U64, uint64_t, {
    r = x - y;
    bad |= (uint64_t) (y > x);
})
LOOPS(mul, U64, uint64_t, { bad |= (uint64_t) __builtin_mul_overflow(x, y, &r); })

#define SIGNED_DIVISIONS(id, type, least)                                          \
    LOOPS(div, id, type, {                                                         \
        bool zero = y == 0;                                                        \
        bool flip = y == -1;                                                       \
        bad |= (uint64_t) (zero | (flip & (x == (least))));                        \
        r = (type) (flip ? (type) (0 - (uint64_t) x) : x / (zero ? (type) 1 : y)); \
    })                                                                             \
    LOOPS(mod, id, type, {                                                         \
        bool zero = y == 0;                                                        \
        bad |= (uint64_t) zero;                                                    \
        r = (type) ((zero | (y == -1)) ? 0 : x % y);                               \
    })
#define UNSIGNED_DIVISIONS(id, type)            \
    LOOPS(div, id, type, {                      \
        bool zero = y == 0;                     \
        bad |= (uint64_t) zero;                 \
        r = (type) (x / (zero ? (type) 1 : y)); \
    })                                          \
    LOOPS(mod, id, type, {                      \
        bool zero = y == 0;                     \
        bad |= (uint64_t) zero;                 \
        r = (type) (x % (zero ? (type) 1 : y)); \
    })
SIGNED_DIVISIONS(I8, int8_t, INT8_MIN)
SIGNED_DIVISIONS(I16, int16_t, INT16_MIN)
SIGNED_DIVISIONS(I32, int32_t, INT32_MIN)
SIGNED_DIVISIONS(I64, int64_t, INT64_MIN)
UNSIGNED_DIVISIONS(U8, uint8_t)
UNSIGNED_DIVISIONS(U16, uint16_t)
UNSIGNED_DIVISIONS(U32, uint32_t)
UNSIGNED_DIVISIONS(U64, uint64_t)

#define BITS(id, type)                            \
    LOOPS(and, id, type, { r = (type) (x & y); }) \
    LOOPS(or, id, type, { r = (type) (x | y); })  \
    LOOPS(xor, id, type, {                        \
      r = (type) (x ^ y);                         \
    })
BITS(I8, int8_t)
BITS(I16, int16_t)
BITS(I32, int32_t)
BITS(I64, int64_t)
BITS(U8, uint8_t)
BITS(U16, uint16_t)
BITS(U32, uint32_t)
BITS(U64, uint64_t)

#define FLOATS(id, type, rest)           \
    LOOPS(add, id, type, { r = x + y; }) \
    LOOPS(sub, id, type, { r = x - y; }) \
    LOOPS(mul, id, type, { r = x * y; }) \
    LOOPS(div, id, type, { r = x / y; }) \
    LOOPS(mod, id, type, { r = rest(x, y); })
FLOATS(F32, float, fmodf)
FLOATS(F64, double, fmod)

/* STEP: 1, or 0 for one value. Whole words are copied; in mixed ones every place is written, by masks and without a branch. */
#define LAY(name, type, STEP)                                                                         \
    static void name(const void *values, const uint64_t *taken, size_t n, void *out)                  \
    {                                                                                                 \
        const type *from = values;                                                                    \
        type *to = out;                                                                               \
                                                                                                      \
        for (size_t at = 0; at < n; at += 64) {                                                       \
            size_t count = n - at < 64 ? n - at : 64;                                                 \
            uint64_t bits = taken[at / 64];                                                           \
            if (bits == 0)                                                                            \
                continue;                                                                             \
            for (size_t i = 0; i < count; i++) {                                                      \
                type mask = (type) (0 - (type) (bits >> i & 1));                                      \
                to[at + i] = (type) ((to[at + i] & (type) ~mask) | (from[(STEP) * (at + i)] & mask)); \
            }                                                                                         \
        }                                                                                             \
    }
LAY(lay_4, uint32_t, 1)
LAY(lay_4_one, uint32_t, 0)
LAY(lay_8, uint64_t, 1)
LAY(lay_8_one, uint64_t, 0)

/* Places where the needle's first and last byte both fit are looked at closely; 32 places at a time are asked. */
static size_t find(const uint8_t *text, size_t from, size_t end, const uint8_t *needle, size_t len)
{
    const uint8_t *found;

    if (end - from < len)
        return end;
#if defined(__AVX2__)
    const __m256i first = _mm256_set1_epi8((char) needle[0]), last = _mm256_set1_epi8((char) needle[len - 1]);

    for (; from + len + 31 <= end; from += 32) {
        __m256i a = _mm256_loadu_si256((const __m256i *) (text + from));
        __m256i b = _mm256_loadu_si256((const __m256i *) (text + from + len - 1));
        uint32_t hits =
            (uint32_t) _mm256_movemask_epi8(_mm256_and_si256(_mm256_cmpeq_epi8(a, first), _mm256_cmpeq_epi8(b, last)));

        for (; hits; hits &= hits - 1) {
            size_t at = from + (size_t) __builtin_ctz(hits);
            if (len <= 2 || memcmp(text + at + 1, needle + 1, len - 2) == 0)
                return at;
        }
    }
#endif
    while (from + len <= end) {
        found = memchr(text + from, needle[0], end - from - len + 1);
        if (!found)
            break;
        if (len == 1 || memcmp(found + 1, needle + 1, len - 1) == 0)
            return (size_t) (found - text);
        from = (size_t) (found - text) + 1;
    }
    return end;
}

#define COMPARE_ROW(test, id) [QV_KERN_##id] = { test##_##id, test##_one_##id },
#define COMPARE_TABLE(test)                                                                         \
    {                                                                                               \
        COMPARE_ROW(test, I8)                                                                       \
        COMPARE_ROW(test, I16)                                                                      \
        COMPARE_ROW(test, I32)                                                                      \
        COMPARE_ROW(test, I64)                                                                      \
        COMPARE_ROW(test, U8)                                                                       \
        COMPARE_ROW(test, U16)                                                                      \
        COMPARE_ROW(test, U32) COMPARE_ROW(test, U64) COMPARE_ROW(test, F32) COMPARE_ROW(test, F64) \
    }
#define LOOP_ROW(op, id) [QV_KERN_##id] = { op##_##id##_both, op##_##id##_right, op##_##id##_left },
#define INT_TABLE(op) \
    LOOP_ROW(op, I8)  \
    LOOP_ROW(op, I16) \
    LOOP_ROW(op, I32) LOOP_ROW(op, I64) LOOP_ROW(op, U8) LOOP_ROW(op, U16) LOOP_ROW(op, U32) LOOP_ROW(op, U64)
#define FULL_TABLE(op) INT_TABLE(op) LOOP_ROW(op, F32) LOOP_ROW(op, F64)

#define TABLE_NAME_OF(isa) qv__kernels_expr_##isa
#define TABLE_NAME(isa)    TABLE_NAME_OF(isa)
const qv__kernels_expr TABLE_NAME(QV_ISA) = {
    .compare = { [QV_KERN_EQ] = COMPARE_TABLE(eq), [QV_KERN_LT] = COMPARE_TABLE(lt), [QV_KERN_LE] = COMPARE_TABLE(le) },
    .arithmetic = { [QV_KERN_ADD] = { FULL_TABLE(add) },
                    [QV_KERN_SUB] = { FULL_TABLE(sub) },
                    [QV_KERN_MUL] = { FULL_TABLE(mul) },
                    [QV_KERN_DIV] = { FULL_TABLE(div) },
                    [QV_KERN_MOD] = { FULL_TABLE(mod) },
                    [QV_KERN_AND] = { INT_TABLE(and) },
                    [QV_KERN_OR] = { INT_TABLE(or) },
                    [QV_KERN_XOR] = { INT_TABLE(xor) } },
    .lay = { { lay_4, lay_4_one }, { lay_8, lay_8_one } },
    .find = find,
};

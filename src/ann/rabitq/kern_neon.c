/* The kernels for 64-bit ARM: half a byte position of a group is one register, its table another. */
#include <arm_neon.h>

#define QV_ISA    neon
#define QV_VECTOR 16
#include "ann/rabitq/kern_vector.h"

QV_INLINE vi widen(vb bytes, unsigned part)
{
    uint8x16_t all = (uint8x16_t) bytes;
    uint16x8_t half = part < 2 ? vmovl_u8(vget_low_u8(all)) : vmovl_high_u8(all);
    return (vi) (part % 2 == 0 ? vmovl_u16(vget_low_u16(half)) : vmovl_high_u16(half));
}

QV_INLINE vf swap(vf x, unsigned half)
{
    float32x4_t all = (float32x4_t) x;
    return (vf) (half == 1 ? vrev64q_f32(all) : vextq_f32(all, all, 2));
}

QV_INLINE vi spread(unsigned bits, unsigned part, int32_t value)
{
    vi lanes = { 1, 2, 4, 8 };
    return ((((vi){ 0 } + (int32_t) (bits >> 4 * part)) & lanes) != 0) & value;
}

enum { CHUNK = 128 }; /* byte positions whose entries a 16-bit sum holds */

/* Sums of 8 + 8 rows; even bytes are rows 0 .. 7. `both` = even + 256 * odd, and its carries do not matter. */
typedef struct sums16 {
    uint16x8_t both, odd;
} sums16;

static inline void add_entries(sums16 *sums, uint8x16_t entries)
{
    sums->both = vaddq_u16(sums->both, vreinterpretq_u16_u8(entries));
    sums->odd = vsraq_n_u16(sums->odd, vreinterpretq_u16_u8(entries), 8);
}

static inline void add_totals(const sums16 *sums, uint32_t *totals)
{
    uint16x8_t rows[2] = { vsubq_u16(sums->both, vshlq_n_u16(sums->odd, 8)), sums->odd };
    for (size_t i = 0; i < 2; i++, totals += 8) {
        vst1q_u32(totals, vaddw_u16(vld1q_u32(totals), vget_low_u16(rows[i])));
        vst1q_u32(totals + 4, vaddw_high_u16(vld1q_u32(totals + 4), rows[i]));
    }
}

static void sum_group(const uint8_t *codes, size_t n_bytes, const uint8_t *tables, uint32_t *totals)
{
    const uint8x16_t nibble = vdupq_n_u8(15);

    memset(totals, 0, QV_RABITQ_GROUP * sizeof *totals);
    for (size_t from = 0; from < n_bytes; from += CHUNK) {
        size_t end = n_bytes - from < CHUNK ? n_bytes : from + CHUNK;
        sums16 low = { vdupq_n_u16(0), vdupq_n_u16(0) }, high = low; /* rows 0 .. 15, 16 .. 31 */
        for (size_t b = from; b < end; b++)
            for (size_t half = 0; half < 2; half++) {
                uint8x16_t code = vld1q_u8(codes + 32 * b + 16 * half), table = vld1q_u8(tables + 32 * b + 16 * half);
                add_entries(&low, vqtbl1q_u8(table, vandq_u8(code, nibble)));
                add_entries(&high, vqtbl1q_u8(table, vshrq_n_u8(code, 4)));
            }
        add_totals(&low, totals);
        add_totals(&high, totals + 16);
    }
}

#define SUM_GROUP sum_group
#include "ann/rabitq/kern_group.h"
#include "ann/rabitq/kern_tmpl.h"

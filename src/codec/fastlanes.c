/* FastLanes groups: 1024 values of T bits packed to `width` bits each, 128 * width bytes.
 *
 * Value `row` of lane l (l < 1024 / T) is number ORDER[row / 8] * 16 + (row % 8) * 128 + l of the group and takes the bits
 * [row * width, (row + 1) * width) of the lane's bit string; word k of that string is word k * (1024 / T) + l of the
 * group. Neighbouring lanes lie in neighbouring words, so one vector operation handles many values. */
#include "codec/codec.h"

#include "base/bytes.h"

#define QV_CAT_(a, b) a##b
#define QV_CAT(a, b)  QV_CAT_(a, b)

/* Groups come from files and slices: any alignment. */
typedef uint8_t word8;
typedef uint16_t __attribute__((aligned(1), may_alias)) word16;
typedef uint32_t __attribute__((aligned(1), may_alias)) word32;
typedef uint64_t __attribute__((aligned(1), may_alias)) word64;

static const uint8_t ORDER[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };

static inline unsigned first_of_row(unsigned row) { return ORDER[row / 8] * 16u + (row % 8) * 128u; }

#define T    8
#define WORD word8
#include "codec/fastlanes_tmpl.h"
#define T    16
#define WORD word16
#include "codec/fastlanes_tmpl.h"
#define T    32
#define WORD word32
#include "codec/fastlanes_tmpl.h"
#define T    64
#define WORD word64
#include "codec/fastlanes_tmpl.h"

void qv__pack_group(int bits, unsigned width, const void *values, void *packed)
{
    if (width == 0)
        return;
    switch (bits) {
    case 8:
        pack8(width, values, packed);
        break;
    case 16:
        pack16(width, values, packed);
        break;
    case 32:
        pack32(width, values, packed);
        break;
    default:
        pack64(width, values, packed);
        break;
    }
}

void qv__unpack_group(int bits, unsigned width, const void *packed, void *values)
{
    if (width == 0) {
        memset(values, 0, (size_t) QV_PACK_GROUP * (size_t) bits / 8);
        return;
    }
    switch (bits) {
    case 8:
        unpack8(width, packed, values);
        break;
    case 16:
        unpack16(width, packed, values);
        break;
    case 32:
        unpack32(width, packed, values);
        break;
    default:
        unpack64(width, packed, values);
        break;
    }
}

static uint64_t load_word(int bits, const uint8_t *at)
{
    switch (bits) {
    case 8:
        return *at;
    case 16:
        return qv__load_u16(at);
    case 32:
        return qv__load_u32(at);
    default:
        return qv__load_u64(at);
    }
}

uint64_t qv__unpack_one(int bits, unsigned width, const void *packed, unsigned index)
{
    if (width == 0)
        return 0;
    unsigned t = (unsigned) bits, lanes = 1024 / t, within = index % 128;
    unsigned lane = within % lanes;
    /* ORDER reverses three bits, so it is its own inverse */
    unsigned row = ORDER[(within - lane) / 16] * 8u + index / 128;
    unsigned bit = row * width, shift = bit % t;
    const uint8_t *word = (const uint8_t *) packed + ((size_t) (bit / t) * lanes + lane) * (t / 8);
    uint64_t value = load_word(bits, word) >> shift;
    if (shift + width > t)
        value |= load_word(bits, word + (size_t) lanes * (t / 8)) << (t - shift);
    return width == 64 ? value : value & ((UINT64_C(1) << width) - 1);
}

unsigned qv__bits_needed(int bits, const void *values, size_t n)
{
    uint64_t all;
    switch (bits) {
    case 8:
        all = all_bits8(values, n);
        break;
    case 16:
        all = all_bits16(values, n);
        break;
    case 32:
        all = all_bits32(values, n);
        break;
    default:
        all = all_bits64(values, n);
        break;
    }
    return all ? 64 - (unsigned) __builtin_clzll(all) : 0;
}

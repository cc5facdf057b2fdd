/* The kernels for any processor of the build's architecture. */
#define QV_ISA    plain
#define QV_VECTOR 16
#include "ann/rabitq/kern_vector.h"

QV_INLINE vi widen(vb bytes, unsigned part)
{
    return (vi){ bytes[4 * part], bytes[4 * part + 1], bytes[4 * part + 2], bytes[4 * part + 3] };
}

QV_INLINE vf swap(vf x, unsigned half)
{
    return half == 1 ? (vf){ x[1], x[0], x[3], x[2] } : (vf){ x[2], x[3], x[0], x[1] };
}

QV_INLINE vi spread(unsigned bits, unsigned part, int32_t value)
{
    vi lanes = { 1, 2, 4, 8 };
    return ((((vi){ 0 } + (int32_t) (bits >> 4 * part)) & lanes) != 0) & value;
}

static void sum_group(const uint8_t *codes, size_t n_bytes, const uint8_t *tables, uint32_t *sums)
{
    memset(sums, 0, QV_RABITQ_GROUP * sizeof *sums);
    for (size_t b = 0; b < n_bytes; b++, codes += 32, tables += 32)
        for (size_t j = 0; j < 16; j++) {
            size_t row = j / 2 + j % 2 * 8;
            sums[row] += (uint32_t) tables[codes[j] & 15] + tables[16 + (codes[j + 16] & 15)];
            sums[row + 16] += (uint32_t) tables[codes[j] >> 4] + tables[16 + (codes[j + 16] >> 4)];
        }
}

#define SUM_GROUP sum_group
#include "ann/rabitq/kern_group.h"
#include "ann/rabitq/kern_tmpl.h"

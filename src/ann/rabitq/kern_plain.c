/* The kernels for any processor of the build's architecture. */
#include <math.h>

#define QV_ISA    plain
#define QV_VECTOR 16
#include "ann/rabitq/kern_vector.h"

QV_INLINE vi widen(vb bytes, unsigned part)
{
    return (vi){ bytes[4 * part], bytes[4 * part + 1], bytes[4 * part + 2], bytes[4 * part + 3] };
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

static void scan_plain(const uint8_t *codes, size_t n_bytes, size_t n_groups, const uint8_t *tables,
                       const qv__rabitq_line *line, const qv__rabitq_factors *factors, float threshold, float *least,
                       uint32_t *passing)
{
    uint32_t sums[QV_RABITQ_GROUP];

    for (size_t g = 0; g < n_groups; g++) {
        sum_group(codes + g * n_bytes * QV_RABITQ_GROUP, n_bytes, tables, sums);
        passing[g] = 0;
        for (size_t i = 0; i < QV_RABITQ_GROUP; i++) {
            size_t row = g * QV_RABITQ_GROUP + i;
            float scale, add, error = 0;
            memcpy(&scale, factors->scale + row, sizeof scale);
            memcpy(&add, factors->add + row, sizeof add);
            if (factors->error)
                memcpy(&error, factors->error + row, sizeof error);
            float estimate = (line->step * (float) sums[i] + line->offset) * scale + (line->weight * add + line->base);
            least[row] = estimate - (line->table_error * fabsf(scale) + line->error * error);
            passing[g] |= (uint32_t) (least[row] <= threshold) << i;
        }
    }
}

static void pack_columns_plain(const uint8_t *codes, size_t n_bytes, size_t n, uint8_t *out)
{
    for (size_t b = 0; b < n_bytes; b++, codes += n, out += 32) {
        uint8_t column[QV_RABITQ_GROUP] = { 0 };
        memcpy(column, codes, n);
        for (size_t j = 0; j < 16; j++) {
            uint8_t first = column[j / 2 + j % 2 * 8], second = column[j / 2 + j % 2 * 8 + 16];
            out[j] = (uint8_t) ((first & 15) | second << 4);
            out[j + 16] = (uint8_t) (first >> 4 | (second & 0xf0));
        }
    }
}

#include "ann/rabitq/kern_tmpl.h"

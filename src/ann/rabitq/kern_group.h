/* scan_<isa> and pack_columns_<isa> for sets without kernels of their own for them. The includer defines SUM_GROUP(codes, n_bytes, tables,
 * sums): the 32 sums of a group. */
#include <math.h>

static void QV_NAME(scan)(const uint8_t *codes, size_t n_bytes, size_t n_groups, const uint8_t *tables,
                          const qv__rabitq_line *line, const qv__rabitq_factors *factors, float threshold, float *least,
                          uint32_t *passing)
{
    uint32_t sums[QV_RABITQ_GROUP];

    for (size_t g = 0; g < n_groups; g++) {
        SUM_GROUP(codes + g * n_bytes * QV_RABITQ_GROUP, n_bytes, tables, sums);
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

static void QV_NAME(pack_columns)(const uint8_t *codes, size_t n_bytes, size_t n, uint8_t *out)
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

/* Layouts of codes, as Lance stores them: sign codes in groups of 32 rows, extra codes in blocks of 64 dimensions. */
#include <string.h>

#include "ann/rabitq/rabitq_private.h"

/* ------------------------------------------------------------------ sign codes */

/* Where rows 0 .. 15 of a half lie among its 16 bytes: even bytes are rows 0 .. 7, so that sums of bytes pairwise stay in order. */
static inline size_t place_of(size_t row) { return row % 16 < 8 ? row % 16 * 2 : row % 16 * 2 - 15; }

void qv__rabitq_pack(const uint8_t *rows, size_t row_stride, size_t byte_stride, size_t n_bytes, size_t n,
                     uint8_t *group)
{
    memset(group, 0, n_bytes * QV_RABITQ_GROUP);
    for (size_t row = 0; row < n; row++) {
        unsigned shift = row < 16 ? 0 : 4;
        uint8_t *at = group + place_of(row);
        for (size_t b = 0; b < n_bytes; b++, at += QV_RABITQ_GROUP) {
            uint8_t byte = rows[b * byte_stride + row * row_stride];
            at[0] |= (uint8_t) ((byte & 15) << shift);
            at[16] |= (uint8_t) ((byte >> 4) << shift);
        }
    }
}

/* In words, since what follows reads more than a byte at a time: that would wait for stores of single bytes. */
void qv__rabitq_unpack(const uint8_t *group, size_t n_bytes, size_t row, uint8_t *out)
{
    unsigned shift = row < 16 ? 0 : 4;
    const uint8_t *at = group + place_of(row);

    for (size_t b = 0; b < n_bytes; b += 8) {
        size_t n = n_bytes - b < 8 ? n_bytes - b : 8;
        uint64_t word = 0;
        for (size_t i = 0; i < n; i++, at += QV_RABITQ_GROUP)
            word |= (uint64_t) ((at[0] >> shift & 15) | (at[16] >> shift & 15) << 4) << 8 * i;
        if (n == 8)
            memcpy(out + b, &word, 8);
        else
            memcpy(out + b, &word, n);
    }
}

static void arrange_signs(const uint8_t *plain, size_t n_bytes, size_t n, uint8_t *out)
{
    size_t row = 0;
    for (; row + QV_RABITQ_GROUP <= n; row += QV_RABITQ_GROUP)
        qv__rabitq_pack(plain + row * n_bytes, n_bytes, 1, n_bytes, QV_RABITQ_GROUP, out + row * n_bytes);
    for (size_t r = row; r < n; r++) /* the rest: byte column by byte column */
        for (size_t b = 0; b < n_bytes; b++)
            out[row * n_bytes + b * (n - row) + (r - row)] = plain[r * n_bytes + b];
}

static void disarrange_signs(const uint8_t *arranged, size_t n_bytes, size_t n, uint8_t *out)
{
    size_t row = 0;
    for (; row + QV_RABITQ_GROUP <= n; row += QV_RABITQ_GROUP)
        for (size_t r = 0; r < QV_RABITQ_GROUP; r++)
            qv__rabitq_unpack(arranged + row * n_bytes, n_bytes, r, out + (row + r) * n_bytes);
    for (size_t r = row; r < n; r++)
        for (size_t b = 0; b < n_bytes; b++)
            out[r * n_bytes + b] = arranged[row * n_bytes + b * (n - row) + (r - row)];
}

/* Only packed sign codes are arranged; all else lies row after row in lists too. */
void qv__rabitq_arrange(const qv__quantizer *quantizer, const uint8_t *const *plain, size_t n, uint8_t *const *out)
{
    const qv__rabitq *rabitq = qv__rabitq_of(quantizer);
    for (size_t c = 0; c < quantizer->n_columns; c++)
        if ((int) c == rabitq->at.signs && rabitq->shape.is_packed)
            arrange_signs(plain[c], rabitq->n_bytes, n, out[c]);
        else if (n > 0)
            memcpy(out[c], plain[c], n * quantizer->columns[c].width);
}

void qv__rabitq_disarrange(const qv__quantizer *quantizer, const uint8_t *const *arranged, size_t n,
                           uint8_t *const *out)
{
    const qv__rabitq *rabitq = qv__rabitq_of(quantizer);
    for (size_t c = 0; c < quantizer->n_columns; c++)
        if ((int) c == rabitq->at.signs && rabitq->shape.is_packed)
            disarrange_signs(arranged[c], rabitq->n_bytes, n, out[c]);
        else if (n > 0)
            memcpy(out[c], arranged[c], n * quantizer->columns[c].width);
}

/* ------------------------------------------------------------------ extra codes */

/* A run of bits of a dimension's code lies in one byte of its block; a code is one or two runs. */
typedef struct run {
    uint8_t byte, shift, first, bits; /* bits first .. first + bits of the code at bits shift .. of the byte */
} run;

/* The runs of dimension 16k + b: the low bits in 1, 2, 4, 6 or 8, then for odd numbers of bits a plane of the highest. */
static size_t runs_of(unsigned bits, unsigned dimension, run runs[4])
{
    unsigned k = dimension / 16, b = dimension % 16, low = bits == 1 ? 1 : bits & ~1u;
    size_t n = 0;

    if (low == 1)
        runs[n++] = (run){ (uint8_t) (dimension / 8), dimension % 8, 0, 1 };
    else if (low == 2)
        runs[n++] = (run){ (uint8_t) b, (uint8_t) (2 * k), 0, 2 };
    else if (bits == 4)
        runs[n++] = (run){ (uint8_t) (8 * k + b % 8), b < 8 ? 0 : 4, 0, 4 };
    else if (bits == 5)
        runs[n++] = (run){ (uint8_t) (16 * (k / 2) + b), k % 2 ? 4 : 0, 0, 4 };
    else if (low == 6 && k < 3)
        runs[n++] = (run){ (uint8_t) (16 * k + b), 0, 0, 6 };
    else if (low == 6)
        for (uint8_t j = 0; j < 3; j++)
            runs[n++] = (run){ (uint8_t) (16 * j + b), 6, (uint8_t) (2 * j), 2 };
    else
        runs[n++] = (run){ (uint8_t) dimension, 0, 0, 8 };
    if (bits % 2 == 1 && bits > 1)
        runs[n++] = (run){ (uint8_t) (8 * low + b % 8), (uint8_t) (2 * k + b / 8), (uint8_t) low, 1 };
    return n;
}

void qv__rabitq_block(const uint8_t *values, size_t dim, unsigned bits, uint8_t *out)
{
    size_t block_bytes = 8 * bits;
    run runs[4];

    memset(out, 0, (dim + 63) / 64 * block_bytes);
    for (unsigned d = 0; d < QV_RABITQ_BLOCK; d++) {
        size_t n = runs_of(bits, d, runs);
        for (size_t i = d, at = 0; i < dim; i += QV_RABITQ_BLOCK, at += block_bytes)
            for (size_t r = 0; r < n; r++)
                out[at + runs[r].byte] |=
                    (uint8_t) ((values[i] >> runs[r].first & ((1u << runs[r].bits) - 1)) << runs[r].shift);
    }
}

void qv__rabitq_unblock(const uint8_t *blocks, size_t dim, unsigned bits, uint8_t *values)
{
    size_t block_bytes = 8 * bits;
    run runs[4];

    memset(values, 0, dim);
    for (unsigned d = 0; d < QV_RABITQ_BLOCK; d++) {
        size_t n = runs_of(bits, d, runs);
        for (size_t i = d, at = 0; i < dim; i += QV_RABITQ_BLOCK, at += block_bytes)
            for (size_t r = 0; r < n; r++)
                values[i] |= (uint8_t) ((blocks[at + runs[r].byte] >> runs[r].shift & ((1u << runs[r].bits) - 1))
                                        << runs[r].first);
    }
}

void qv__rabitq_unstream(const uint8_t *stream, size_t dim, unsigned bits, uint8_t *values)
{
    for (size_t i = 0, at = 0; i < dim; i++, at += bits) {
        unsigned word = stream[at / 8];
        if (at % 8 + bits > 8)
            word |= (unsigned) stream[at / 8 + 1] << 8;
        values[i] = (uint8_t) (word >> at % 8 & ((1u << bits) - 1));
    }
}

/* Hamming and Jaccard distances of packed bits. Included once per instruction set.
 *   B_NAME(stem)        name of a function for this set
 *   B_VEC, B_BYTES      vector and its length in bytes
 *   B_XOR, B_AND, B_OR
 *   B_ACC, B_ACC_ZERO   counts in lanes of 64 bits
 *   B_COUNT(acc, v)     acc + ones of v
 *   B_SUM(acc)          sum over lanes, uint64_t
 *   B_LOAD(p), B_LOAD_N(p, n)   n < B_BYTES bytes, then zeros
 * Whole bytes only: dim is a multiple of 8. */

static void B_NAME(hamming)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    const uint8_t *q = query->values;
    size_t len = query->dim / 8;

    for (size_t r = 0; r < n; r++) {
        const uint8_t *row = rows + r * stride;
        B_ACC ones = B_ACC_ZERO;
        size_t i = 0;
        for (; i + B_BYTES <= len; i += B_BYTES)
            ones = B_COUNT(ones, B_XOR(B_LOAD(q + i), B_LOAD(row + i)));
        if (i < len)
            ones = B_COUNT(ones, B_XOR(B_LOAD(q + i), B_LOAD_N(row + i, len - i)));
        out[r] = (float) B_SUM(ones);
    }
}

static void B_NAME(hamming_pairs)(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride,
                                  const uint32_t *picked, size_t n, float *out)
{
    for (size_t r = 0; r < n; r++) {
        const uint8_t *row = rows + stride * picked[r];
        size_t len = dim / 8, i = 0;
        B_ACC ones = B_ACC_ZERO;
        for (; i + B_BYTES <= len; i += B_BYTES)
            ones = B_COUNT(ones, B_XOR(B_LOAD(one + i), B_LOAD(row + i)));
        if (i < len)
            ones = B_COUNT(ones, B_XOR(B_LOAD_N(one + i, len - i), B_LOAD_N(row + i, len - i)));
        out[r] = (float) B_SUM(ones);
    }
}

static void B_NAME(jaccard)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    const uint8_t *q = query->values;
    size_t len = query->dim / 8;

    for (size_t r = 0; r < n; r++) {
        const uint8_t *row = rows + r * stride;
        B_ACC both = B_ACC_ZERO, either = B_ACC_ZERO;
        size_t i = 0;
        for (; i < len; i += B_BYTES) {
            B_VEC a = B_LOAD(q + i);
            B_VEC b = i + B_BYTES <= len ? B_LOAD(row + i) : B_LOAD_N(row + i, len - i);
            both = B_COUNT(both, B_AND(a, b));
            either = B_COUNT(either, B_OR(a, b));
        }
        uint64_t n_both = B_SUM(both), n_either = B_SUM(either);
        out[r] = n_either ? (float) (1.0 - (double) n_both / (double) n_either) : 0.0f;
    }
}

#undef B_NAME
#undef B_VEC
#undef B_BYTES
#undef B_ACC
#undef B_ACC_ZERO
#undef B_XOR
#undef B_AND
#undef B_OR
#undef B_COUNT
#undef B_SUM
#undef B_LOAD
#undef B_LOAD_N

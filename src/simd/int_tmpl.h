/* Distances of one query to rows of 8-bit integers, exact. Included once per instruction set and element type.
 *   I_NAME(stem)         name of a function for this set and element
 *   I_VEC, I_LANES       vector of int16 values and its length
 *   I_ACC, I_ACC_ZERO    int32 sums; I_ADD(a, b)
 *   I_SUB(a, b)          int16
 *   I_MADD(acc, a, b)    acc + products of int16 pairs, added to int32
 *   I_SUM4(a, b, c, d, out)  four sums over lanes, int32
 *   I_QUERY(q)           I_LANES int16 of the query
 *   I_LOAD(row, i), I_LOAD_N(row, i, n)   widened to int16
 *   I_WITHOUT_DOT        optional: the set has a better dot product
 * Sums are int32 within QV_INT_CHUNK values and int64 beyond. */

#define I_INLINE static inline __attribute__((always_inline))

/* One row, values [from, end). `kind` is constant. first: squared differences (l2) or products with the query; second: squares
 * of the row (cosine). */
I_INLINE void I_NAME(row)(int kind, const int16_t *q, const uint8_t *row, size_t from, size_t end, I_ACC *first,
                          I_ACC *second)
{
#define STEP(s, values, at)                          \
    {                                                \
        I_VEC v = values, query = I_QUERY(q + (at)); \
        if (kind == QV_K_L2)                         \
            v = query = I_SUB(v, query);             \
        first##s = I_MADD(first##s, v, query);       \
        if (kind == QV_K_COSINE)                     \
            second##s = I_MADD(second##s, v, v);     \
    }
    I_ACC first0 = I_ACC_ZERO, first1 = I_ACC_ZERO, second0 = I_ACC_ZERO, second1 = I_ACC_ZERO;
    size_t i = from;

    for (; i + 2 * I_LANES <= end; i += 2 * I_LANES) {
        STEP(0, I_LOAD(row, i), i)
        STEP(1, I_LOAD(row, i + I_LANES), i + I_LANES)
    }
    if (i + I_LANES <= end) {
        STEP(0, I_LOAD(row, i), i)
        i += I_LANES;
    }
    if (i < end)
        STEP(1, I_LOAD_N(row, i, end - i), i)
    *first = I_ADD(first0, first1);
    *second = I_ADD(second0, second1);
#undef STEP
}

/* Adds the sums of up to four rows over [from, end); with fewer, the last one stands for the missing. */
I_INLINE void I_NAME(chunk)(int kind, const int16_t *q, const uint8_t *rows, size_t stride, size_t n, size_t from,
                            size_t end, int64_t *firsts, int64_t *seconds)
{
    I_ACC a, b, c, d, aa, bb, cc, dd;
    int32_t sums[4];

    I_NAME(row)(kind, q, rows, from, end, &a, &aa);
    b = c = d = a;
    bb = cc = dd = aa;
    if (n > 1)
        I_NAME(row)(kind, q, rows + stride, from, end, &b, &bb);
    if (n > 2)
        I_NAME(row)(kind, q, rows + 2 * stride, from, end, &c, &cc);
    if (n > 3)
        I_NAME(row)(kind, q, rows + 3 * stride, from, end, &d, &dd);
    I_SUM4(a, b, c, d, sums);
    for (size_t r = 0; r < 4; r++)
        firsts[r] += sums[r];
    if (kind != QV_K_COSINE)
        return;
    I_SUM4(aa, bb, cc, dd, sums);
    for (size_t r = 0; r < 4; r++)
        seconds[r] += sums[r];
}

I_INLINE void I_NAME(rows)(int kind, const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n,
                           float *out)
{
    const int16_t *q = query->values;

    for (size_t at = 0; at < n; at += 4, rows += 4 * stride) {
        int64_t firsts[4] = { 0 }, seconds[4] = { 0 };
        size_t group = QV_MIN(n - at, 4);
        for (size_t i = 0; i < query->dim; i += QV_INT_CHUNK)
            I_NAME(chunk)(kind, q, rows, stride, group, i, i + QV_MIN(query->dim - i, QV_INT_CHUNK), firsts, seconds);
        for (size_t r = 0; r < group; r++) {
            if (kind == QV_K_L2)
                out[at + r] = (float) firsts[r];
            else if (kind == QV_K_DOT)
                out[at + r] = (float) (1 - firsts[r]);
            else
                out[at + r] =
                    seconds[r] ? (float) (1 - (double) firsts[r] / (query->norm * sqrt((double) seconds[r]))) : NAN;
        }
    }
}

/* Vectors of one chunk, the rule, need no int64: what follows the sums would take as long as they do. */
static void I_NAME(l2)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    size_t at = 0;

    for (; query->dim <= QV_INT_CHUNK && at + 4 <= n; at += 4, rows += 4 * stride) {
        I_ACC a, b, c, d, none;
        int32_t sums[4];
        I_NAME(row)(QV_K_L2, query->values, rows, 0, query->dim, &a, &none);
        I_NAME(row)(QV_K_L2, query->values, rows + stride, 0, query->dim, &b, &none);
        I_NAME(row)(QV_K_L2, query->values, rows + 2 * stride, 0, query->dim, &c, &none);
        I_NAME(row)(QV_K_L2, query->values, rows + 3 * stride, 0, query->dim, &d, &none);
        I_SUM4(a, b, c, d, sums);
        for (size_t r = 0; r < 4; r++)
            out[at + r] = (float) sums[r];
    }
    I_NAME(rows)(QV_K_L2, query, rows, stride, n - at, out + at);
}

/* Two rows, values [from, end). */
I_INLINE I_ACC I_NAME(pair)(int kind, const uint8_t *one, const uint8_t *row, size_t from, size_t end)
{
#define STEP(s, values, others)        \
    {                                  \
        I_VEC v = values, w = others;  \
        if (kind == QV_K_L2)           \
            v = w = I_SUB(v, w);       \
        sum##s = I_MADD(sum##s, v, w); \
    }
    I_ACC sum0 = I_ACC_ZERO, sum1 = I_ACC_ZERO;
    size_t i = from;

    for (; i + 2 * I_LANES <= end; i += 2 * I_LANES) {
        STEP(0, I_LOAD(row, i), I_LOAD(one, i))
        STEP(1, I_LOAD(row, i + I_LANES), I_LOAD(one, i + I_LANES))
    }
    if (i + I_LANES <= end) {
        STEP(0, I_LOAD(row, i), I_LOAD(one, i))
        i += I_LANES;
    }
    if (i < end)
        STEP(1, I_LOAD_N(row, i, end - i), I_LOAD_N(one, i, end - i))
    return I_ADD(sum0, sum1);
#undef STEP
}

/* Adds the sums of up to four rows over [from, end); with fewer, the first one stands for the missing. */
I_INLINE void I_NAME(pair_chunk)(int kind, const uint8_t *one, const uint8_t *rows, size_t stride,
                                 const uint32_t *picked, size_t n, size_t from, size_t end, int64_t *sums)
{
    I_ACC a = I_NAME(pair)(kind, one, rows + stride * picked[0], from, end), b = a, c = a, d = a;
    int32_t parts[4];

    if (n > 1)
        b = I_NAME(pair)(kind, one, rows + stride * picked[1], from, end);
    if (n > 2)
        c = I_NAME(pair)(kind, one, rows + stride * picked[2], from, end);
    if (n > 3)
        d = I_NAME(pair)(kind, one, rows + stride * picked[3], from, end);
    I_SUM4(a, b, c, d, parts);
    for (size_t r = 0; r < 4; r++)
        sums[r] += parts[r];
}

I_INLINE void I_NAME(pairs)(int kind, const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride,
                            const uint32_t *picked, size_t n, float *out)
{
    for (size_t at = 0; at < n; at += 4) {
        int64_t sums[4] = { 0 };
        size_t group = QV_MIN(n - at, 4);
        for (size_t i = 0; i < dim; i += QV_INT_CHUNK)
            I_NAME(pair_chunk)(kind, one, rows, stride, picked + at, group, i, i + QV_MIN(dim - i, QV_INT_CHUNK), sums);
        for (size_t r = 0; r < group; r++)
            out[at + r] = (float) (kind == QV_K_L2 ? sums[r] : 1 - sums[r]);
    }
}

static void I_NAME(l2_pairs)(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride, const uint32_t *picked,
                             size_t n, float *out)
{
    I_NAME(pairs)(QV_K_L2, one, dim, rows, stride, picked, n, out);
}

static void I_NAME(dot_pairs)(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride,
                              const uint32_t *picked, size_t n, float *out)
{
    I_NAME(pairs)(QV_K_DOT, one, dim, rows, stride, picked, n, out);
}

#ifndef I_WITHOUT_DOT
static void I_NAME(dot)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    I_NAME(rows)(QV_K_DOT, query, rows, stride, n, out);
}
#endif

static void I_NAME(cosine)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    I_NAME(rows)(QV_K_COSINE, query, rows, stride, n, out);
}

#undef I_INLINE
#undef I_NAME
#undef I_LOAD
#undef I_LOAD_N

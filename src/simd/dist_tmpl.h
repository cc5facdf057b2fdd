/* Distances of one query to rows, floating point. Included once per instruction set and element type, so there is no include
 * guard; parameters are undefined at the end.
 *   T_NAME(stem)          name of a function for this set and element
 *   T_REAL                float or double: what the query holds and the result is made in
 *   T_VEC, T_LANES        vector of sums and its length
 *   T_ZERO, T_ADD, T_SUB, T_FMA(a, b, c) = a * b + c
 *   T_SUM4(a, b, c, d, out)  the four sums over lanes
 *   T_QUERY(q)            T_LANES values of the query
 *   T_LOAD(row, i)        T_LANES values of the row from value i, widened
 *   T_LOAD_N(row, i, n)   n < T_LANES values, then zeros
 *   T_SQRT, T_TINY        square root; squares below T_TINY may have lost precision
 *   T_STORE(p, v)         optional: makes a widen function
 *   T_WITHOUT_PAIRS       optional: no row is compared with another one
 * A row is read from its first to its last value with four sums, then the next row: memory is then one stream, which the
 * hardware prefetches best (four rows side by side reach half of its speed, and software prefetches only cost). Four rows
 * share the sum over lanes. The order of additions within a row never depends on its neighbours. */

#define T_INLINE static inline __attribute__((always_inline))

/* Whole vectors of a row from value i on, over four sums: WHOLE(sum, at) each. One order for all, so that equal rows give equal bits. */
#define WALK_WHOLE                                     \
    for (; i + 4 * T_LANES <= dim; i += 4 * T_LANES) { \
        WHOLE(0, i)                                    \
        WHOLE(1, i + T_LANES)                          \
        WHOLE(2, i + 2 * T_LANES)                      \
        WHOLE(3, i + 3 * T_LANES)                      \
    }                                                  \
    if (i + 2 * T_LANES <= dim) {                      \
        WHOLE(0, i)                                    \
        WHOLE(1, i + T_LANES)                          \
        i += 2 * T_LANES;                              \
    }                                                  \
    if (i + T_LANES <= dim) {                          \
        WHOLE(2, i)                                    \
        i += T_LANES;                                  \
    }

/* `kind` is constant. first: squared differences (l2) or products with the query; second: squares of the row (cosine). */
T_INLINE void T_NAME(row)(int kind, const T_REAL *q, const uint8_t *row, size_t dim, T_VEC *first, T_VEC *second)
{
#define STEP(s, values, at)                          \
    {                                                \
        T_VEC v = values, query = T_QUERY(q + (at)); \
        if (kind == QV_K_L2)                         \
            v = query = T_SUB(v, query);             \
        first##s = T_FMA(v, query, first##s);        \
        if (kind == QV_K_COSINE)                     \
            second##s = T_FMA(v, v, second##s);      \
    }
#define WHOLE(s, at) STEP(s, T_LOAD(row, at), at)
    T_VEC first0 = T_ZERO, first1 = T_ZERO, first2 = T_ZERO, first3 = T_ZERO;
    T_VEC second0 = T_ZERO, second1 = T_ZERO, second2 = T_ZERO, second3 = T_ZERO;
    size_t i = 0;

    WALK_WHOLE
    if (i < dim)
        STEP(3, T_LOAD_N(row, i, dim - i), i)
    *first = T_ADD(T_ADD(first0, first1), T_ADD(first2, first3));
    *second = T_ADD(T_ADD(second0, second1), T_ADD(second2, second3));
#undef STEP
#undef WHOLE
}

T_INLINE float T_NAME(finish)(int kind, T_REAL first, T_REAL second)
{
    if (kind == QV_K_L2)
        return (float) first;
    if (kind == QV_K_DOT)
        return (float) (1 - first);
    /* the query has length 1 */
    return second >= T_TINY && isfinite(second) ? (float) (1 - first / T_SQRT(second)) : NAN;
}

T_INLINE void T_NAME(rows)(int kind, const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n,
                           float *out)
{
    const T_REAL *q = query->values;
    T_REAL firsts[4], seconds[4] = { 0 };
    T_VEC a, b, c, d, aa, bb, cc, dd;
    size_t r = 0;

    for (; r + 4 <= n; r += 4, rows += 4 * stride) {
        T_NAME(row)(kind, q, rows, query->dim, &a, &aa);
        T_NAME(row)(kind, q, rows + stride, query->dim, &b, &bb);
        T_NAME(row)(kind, q, rows + 2 * stride, query->dim, &c, &cc);
        T_NAME(row)(kind, q, rows + 3 * stride, query->dim, &d, &dd);
        T_SUM4(a, b, c, d, firsts);
        if (kind == QV_K_COSINE)
            T_SUM4(aa, bb, cc, dd, seconds);
        for (size_t i = 0; i < 4; i++)
            out[r + i] = T_NAME(finish)(kind, firsts[i], seconds[i]);
    }
    for (; r < n; r++, rows += stride) {
        T_NAME(row)(kind, q, rows, query->dim, &a, &aa);
        T_SUM4(a, a, a, a, firsts);
        if (kind == QV_K_COSINE)
            T_SUM4(aa, aa, aa, aa, seconds);
        out[r] = T_NAME(finish)(kind, firsts[0], seconds[0]);
    }
}

static void T_NAME(l2)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    T_NAME(rows)(QV_K_L2, query, rows, stride, n, out);
}

static void T_NAME(dot)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    T_NAME(rows)(QV_K_DOT, query, rows, stride, n, out);
}

static void T_NAME(cosine)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    T_NAME(rows)(QV_K_COSINE, query, rows, stride, n, out);
}

#ifndef T_WITHOUT_PAIRS
/* The sums of row() in the same order, for two rows. */
T_INLINE T_VEC T_NAME(pair)(int kind, const uint8_t *one, const uint8_t *row, size_t dim)
{
#define STEP(s, values, others)       \
    {                                 \
        T_VEC v = values, w = others; \
        if (kind == QV_K_L2)          \
            v = w = T_SUB(v, w);      \
        sum##s = T_FMA(v, w, sum##s); \
    }
#define WHOLE(s, at) STEP(s, T_LOAD(row, at), T_LOAD(one, at))
    T_VEC sum0 = T_ZERO, sum1 = T_ZERO, sum2 = T_ZERO, sum3 = T_ZERO;
    size_t i = 0;

    WALK_WHOLE
    if (i < dim)
        STEP(3, T_LOAD_N(row, i, dim - i), T_LOAD_N(one, i, dim - i))
    return T_ADD(T_ADD(sum0, sum1), T_ADD(sum2, sum3));
#undef STEP
#undef WHOLE
}

T_INLINE void T_NAME(pairs)(int kind, const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride,
                            const uint32_t *picked, size_t n, float *out)
{
    T_REAL sums[4];

    for (size_t r = 0; r < n; r += 4) {
        size_t group = QV_MIN(n - r, 4);
        T_VEC a = T_NAME(pair)(kind, one, rows + stride * picked[r], dim), b = a, c = a, d = a;
        if (group > 1)
            b = T_NAME(pair)(kind, one, rows + stride * picked[r + 1], dim);
        if (group > 2)
            c = T_NAME(pair)(kind, one, rows + stride * picked[r + 2], dim);
        if (group > 3)
            d = T_NAME(pair)(kind, one, rows + stride * picked[r + 3], dim);
        T_SUM4(a, b, c, d, sums);
        for (size_t i = 0; i < group; i++)
            out[r + i] = T_NAME(finish)(kind, sums[i], 0);
    }
}

static void T_NAME(l2_pairs)(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride, const uint32_t *picked,
                             size_t n, float *out)
{
    T_NAME(pairs)(QV_K_L2, one, dim, rows, stride, picked, n, out);
}

static void T_NAME(dot_pairs)(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride,
                              const uint32_t *picked, size_t n, float *out)
{
    T_NAME(pairs)(QV_K_DOT, one, dim, rows, stride, picked, n, out);
}
#endif

#ifdef T_STORE
static void T_NAME(widen)(const uint8_t *row, size_t dim, float *out)
{
    size_t i = 0;
    for (; i + T_LANES <= dim; i += T_LANES)
        T_STORE(out + i, T_LOAD(row, i));
    if (i < dim) {
        float rest[T_LANES];
        T_STORE(rest, T_LOAD_N(row, i, dim - i));
        memcpy(out + i, rest, (dim - i) * sizeof(float));
    }
}
#endif

#undef T_INLINE
#undef WALK_WHOLE
#undef T_NAME
#undef T_LOAD
#undef T_LOAD_N
#undef T_WITHOUT_PAIRS

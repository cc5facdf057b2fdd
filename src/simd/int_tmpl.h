/* Distances of one query to rows of 8-bit integers, exact. Included once per instruction set and element type.
 *   I_NAME(stem)         name of a function for this set and element
 *   I_VEC, I_LANES       vector of int16 values and its length
 *   I_ACC, I_ACC_ZERO    int32 sums
 *   I_SUB(a, b)          int16
 *   I_MADD(acc, a, b)    acc + products of int16 pairs, added to int32
 *   I_SUM4(a, b, c, d, out)  four sums over lanes, int32
 *   I_QUERY(q)           I_LANES int16 of the query
 *   I_LOAD(row, i), I_LOAD_N(row, i, n)   widened to int16
 *   I_WITHOUT_DOT        optional: the set has a better dot product
 * Sums are int32 within QV_INT_CHUNK values and int64 beyond. */

#define EACH4(X) X(0) X(1) X(2) X(3)
#define I_DECLARE(r)                 \
    const uint8_t *row##r = rows[r]; \
    I_ACC first##r = I_ACC_ZERO, second##r = I_ACC_ZERO;

enum { I_NAME(KIND_L2), I_NAME(KIND_DOT), I_NAME(KIND_BOTH) };

/* first: squared differences (l2) or products with the query; second: squares of the row (cosine). `kind` is constant. */
static inline __attribute__((always_inline)) void I_NAME(chunkx4)(int kind, const int16_t *q,
                                                                  const uint8_t *const *rows, size_t from, size_t end,
                                                                  int64_t *firsts, int64_t *seconds)
{
#define STEP(r, values)                              \
    {                                                \
        I_VEC v = values;                            \
        if (kind == I_NAME(KIND_L2)) {               \
            I_VEC diff = I_SUB(v, query);            \
            first##r = I_MADD(first##r, diff, diff); \
        } else {                                     \
            first##r = I_MADD(first##r, v, query);   \
            if (kind == I_NAME(KIND_BOTH))           \
                second##r = I_MADD(second##r, v, v); \
        }                                            \
    }
#define WHOLE(r) STEP(r, I_LOAD(row##r, i))
#define REST(r)  STEP(r, I_LOAD_N(row##r, i, end - i))
    EACH4(I_DECLARE)
    int32_t sums[4];
    size_t i = from;
    for (; i + I_LANES <= end; i += I_LANES) {
        I_VEC query = I_QUERY(q + i);
        EACH4(WHOLE)
    }
    if (i < end) {
        I_VEC query = I_QUERY(q + i);
        EACH4(REST)
    }
    I_SUM4(first0, first1, first2, first3, sums);
    for (int r = 0; r < 4; r++)
        firsts[r] += sums[r];
    if (kind == I_NAME(KIND_BOTH)) {
        I_SUM4(second0, second1, second2, second3, sums);
        for (int r = 0; r < 4; r++)
            seconds[r] += sums[r];
    }
#undef STEP
#undef WHOLE
#undef REST
}

static inline __attribute__((always_inline)) void I_NAME(rows)(int kind, const qv__kernel_query *query,
                                                               const uint8_t *rows, size_t stride, size_t n, float *out)
{
    for (size_t at = 0; at < n;) {
        const uint8_t *four[4];
        int64_t firsts[4] = { 0 }, seconds[4] = { 0 };
        size_t group = n - at < 4 ? n - at : 4;
        for (size_t r = 0; r < 4; r++) {
            four[r] = rows + (at + (r < group ? r : group - 1)) * stride;
            QV_PREFETCH(four[r], QV_SCAN_PREFETCH);
        }
        for (size_t i = 0; i < query->dim; i += QV_INT_CHUNK)
            I_NAME(chunkx4)(kind, query->values, four, i, i + QV_MIN(query->dim - i, QV_INT_CHUNK), firsts, seconds);
        for (size_t r = 0; r < group; r++) {
            if (kind == I_NAME(KIND_L2))
                out[at + r] = (float) firsts[r];
            else if (kind == I_NAME(KIND_DOT))
                out[at + r] = (float) (1 - firsts[r]);
            else
                out[at + r] =
                    seconds[r] ? (float) (1 - (double) firsts[r] / (query->norm * sqrt((double) seconds[r]))) : NAN;
        }
        at += group;
    }
}

static void I_NAME(l2)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    I_NAME(rows)(I_NAME(KIND_L2), query, rows, stride, n, out);
}

#ifndef I_WITHOUT_DOT
static void I_NAME(dot)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    I_NAME(rows)(I_NAME(KIND_DOT), query, rows, stride, n, out);
}
#endif

static void I_NAME(cosine)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    I_NAME(rows)(I_NAME(KIND_BOTH), query, rows, stride, n, out);
}

#undef EACH4
#undef I_DECLARE
#undef I_NAME
#undef I_LOAD
#undef I_LOAD_N

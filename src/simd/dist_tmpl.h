/* Distances of one query to rows, floating point. Included once per instruction set and element type, so there is no include
 * guard; parameters are undefined at the end.
 *   T_NAME(stem)          name of a function for this set and element
 *   T_REAL                float or double: what the query holds and the result is made in
 *   T_VALUE_BYTES         bytes of a stored value
 *   T_VEC, T_LANES        vector of sums and its length
 *   T_ZERO, T_ADD, T_SUB, T_FMA(a, b, c) = a * b + c
 *   T_SUM4(a, b, c, d, out)  the four sums over lanes
 *   T_QUERY(q)            T_LANES values of the query
 *   T_LOAD(row, i)        T_LANES values of the row from value i, widened
 *   T_LOAD_N(row, i, n)   n < T_LANES values, then zeros
 *   T_SQRT, T_TINY        square root; squares below T_TINY may have lost precision
 *   T_STORE(p, v)         optional: makes a widen function
 * Four rows go side by side, each with two sums of its own (one of products, one of squares for cosine), so the order of
 * additions for a row never depends on its neighbours; a shorter last group repeats its last row. */

#define EACH4(X) X(0) X(1) X(2) X(3)
#define T_LINES  ((2 * T_LANES * T_VALUE_BYTES + 63) / 64) /* cache lines that a step of the main loop passes, per row */
#define T_AHEAD(row, i)                           \
    for (size_t line = 0; line < T_LINES; line++) \
        QV_PREFETCH(row, (i) *T_VALUE_BYTES + QV_SCAN_PREFETCH + 64 * line);

static inline void T_NAME(l2x4)(const T_REAL *q, const uint8_t *const *rows, size_t dim, T_REAL *out)
{
#define DECLARE(r)                   \
    const uint8_t *row##r = rows[r]; \
    T_VEC even##r = T_ZERO, odd##r = T_ZERO;
#define STEP(r, sum, values)                \
    {                                       \
        T_VEC diff = T_SUB(values, query);  \
        sum##r = T_FMA(diff, diff, sum##r); \
    }
#define EVEN(r)  STEP(r, even, T_LOAD(row##r, i))
#define ODD(r)   STEP(r, odd, T_LOAD(row##r, i + T_LANES))
#define REST(r)  STEP(r, odd, T_LOAD_N(row##r, i, dim - i))
#define AHEAD(r) T_AHEAD(row##r, i)
    EACH4(DECLARE)
    size_t i = 0;
    for (; i + 2 * T_LANES <= dim; i += 2 * T_LANES) {
        T_VEC query = T_QUERY(q + i);
        EACH4(AHEAD)
        EACH4(EVEN)
        query = T_QUERY(q + i + T_LANES);
        EACH4(ODD)
    }
    if (i + T_LANES <= dim) {
        T_VEC query = T_QUERY(q + i);
        EACH4(EVEN)
        i += T_LANES;
    }
    if (i < dim) {
        T_VEC query = T_QUERY(q + i);
        EACH4(REST)
    }
    T_SUM4(T_ADD(even0, odd0), T_ADD(even1, odd1), T_ADD(even2, odd2), T_ADD(even3, odd3), out);
#undef STEP
}

static inline void T_NAME(dotx4)(const T_REAL *q, const uint8_t *const *rows, size_t dim, T_REAL *out)
{
#define STEP(r, sum, values) sum##r = T_FMA(values, query, sum##r);
    EACH4(DECLARE)
    size_t i = 0;
    for (; i + 2 * T_LANES <= dim; i += 2 * T_LANES) {
        T_VEC query = T_QUERY(q + i);
        EACH4(AHEAD)
        EACH4(EVEN)
        query = T_QUERY(q + i + T_LANES);
        EACH4(ODD)
    }
    if (i + T_LANES <= dim) {
        T_VEC query = T_QUERY(q + i);
        EACH4(EVEN)
        i += T_LANES;
    }
    if (i < dim) {
        T_VEC query = T_QUERY(q + i);
        EACH4(REST)
    }
    T_SUM4(T_ADD(even0, odd0), T_ADD(even1, odd1), T_ADD(even2, odd2), T_ADD(even3, odd3), out);
#undef STEP
#undef EVEN
#undef ODD
#undef REST
}

/* `even` gathers products with the query, `odd` squares. */
static inline void T_NAME(cosinex4)(const T_REAL *q, const uint8_t *const *rows, size_t dim, T_REAL *dots,
                                    T_REAL *squares)
{
#define STEP(r, values)                     \
    {                                       \
        T_VEC v = values;                   \
        even##r = T_FMA(v, query, even##r); \
        odd##r = T_FMA(v, v, odd##r);       \
    }
#define EVEN(r) STEP(r, T_LOAD(row##r, i))
#define ODD(r)  STEP(r, T_LOAD(row##r, i + T_LANES))
#define REST(r) STEP(r, T_LOAD_N(row##r, i, dim - i))
    EACH4(DECLARE)
    size_t i = 0;
    for (; i + 2 * T_LANES <= dim; i += 2 * T_LANES) {
        T_VEC query = T_QUERY(q + i);
        EACH4(AHEAD)
        EACH4(EVEN)
        query = T_QUERY(q + i + T_LANES);
        EACH4(ODD)
    }
    if (i + T_LANES <= dim) {
        T_VEC query = T_QUERY(q + i);
        EACH4(EVEN)
        i += T_LANES;
    }
    if (i < dim) {
        T_VEC query = T_QUERY(q + i);
        EACH4(REST)
    }
    T_SUM4(even0, even1, even2, even3, dots);
    T_SUM4(odd0, odd1, odd2, odd3, squares);
#undef DECLARE
#undef STEP
#undef EVEN
#undef ODD
#undef REST
#undef AHEAD
}

static inline size_t T_NAME(group)(const uint8_t *rows, size_t stride, size_t left, const uint8_t **four)
{
    size_t n = left < 4 ? left : 4;
    for (size_t r = 0; r < 4; r++)
        four[r] = rows + (r < n ? r : n - 1) * stride;
    return n;
}

static void T_NAME(l2)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    for (size_t at = 0; at < n;) {
        const uint8_t *four[4];
        T_REAL sums[4];
        size_t group = T_NAME(group)(rows + at * stride, stride, n - at, four);
        T_NAME(l2x4)(query->values, four, query->dim, sums);
        for (size_t r = 0; r < group; r++)
            out[at + r] = (float) sums[r];
        at += group;
    }
}

static void T_NAME(dot)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    for (size_t at = 0; at < n;) {
        const uint8_t *four[4];
        T_REAL sums[4];
        size_t group = T_NAME(group)(rows + at * stride, stride, n - at, four);
        T_NAME(dotx4)(query->values, four, query->dim, sums);
        for (size_t r = 0; r < group; r++)
            out[at + r] = (float) (1 - sums[r]);
        at += group;
    }
}

/* The query has length 1. */
static void T_NAME(cosine)(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    for (size_t at = 0; at < n;) {
        const uint8_t *four[4];
        T_REAL dots[4], squares[4];
        size_t group = T_NAME(group)(rows + at * stride, stride, n - at, four);
        T_NAME(cosinex4)(query->values, four, query->dim, dots, squares);
        for (size_t r = 0; r < group; r++)
            out[at + r] =
                squares[r] >= T_TINY && isfinite(squares[r]) ? (float) (1 - dots[r] / T_SQRT(squares[r])) : NAN;
        at += group;
    }
}

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

#undef EACH4
#undef T_LINES
#undef T_AHEAD
#undef T_NAME
#undef T_VALUE_BYTES
#undef T_LOAD
#undef T_LOAD_N

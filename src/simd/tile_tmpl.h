/* Many queries against many rows: products of QV_TILE_ROWS rows with a panel of queries, kept in registers. A panel stores the
 * queries value by value, so lanes are queries and no sum over lanes is needed; each row value is broadcast once.
 *   M_NAME(stem)     name of a function for this instruction set
 *   M_VEC, M_LANES   vector of floats; a wide panel has 2 * M_LANES queries, a narrow one M_LANES
 *   M_ZERO, M_LOAD(p), M_STORE(p, v), M_SET1(x), M_FMA(a, b, c)
 *   M_LE(v, bound)   bit i: v[i] <= bound     M_GE(a, b)   bit i: a[i] >= b[i]; NaN gives 0
 *   M_SUB(a, b), M_ADD(a, b)
 *   M_MASK, M_GT(a, b), M_PICK(mask, a, b)    lanes where a > b; a where the mask is set, else b */

#define EACH12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

static inline float M_NAME(value)(const uint8_t *row, size_t i)
{
    float value;
    memcpy(&value, row + i * sizeof value, sizeof value);
    return value;
}

#define M_ROW(r) const uint8_t *row##r = rows + (size_t) QV_MIN(r, n_rows - 1) * stride;

static void M_NAME(tile_narrow)(const float *panel, size_t dim, const uint8_t *rows, size_t stride, size_t n_rows,
                                float *out)
{
#define DECLARE(r) M_VEC sum##r = M_ZERO;
#define STEP(r)    sum##r = M_FMA(M_SET1(M_NAME(value)(row##r, i)), query, sum##r);
#define STORE(r)   M_STORE(out + (r) *M_LANES, sum##r);
    EACH12(M_ROW)
    EACH12(DECLARE)
    for (size_t i = 0; i < dim; i++) {
        M_VEC query = M_LOAD(panel + i * M_LANES);
        EACH12(STEP)
    }
    EACH12(STORE)
#undef DECLARE
#undef STEP
#undef STORE
}

#ifndef M_HALF_TILE /* enough registers for twelve rows and two vectors of queries */
static void M_NAME(tile_wide)(const float *panel, size_t dim, const uint8_t *rows, size_t stride, size_t n_rows,
                              float *out)
{
#define DECLARE(r) M_VEC low##r = M_ZERO, high##r = M_ZERO;
#define STEP(r)                                         \
    {                                                   \
        M_VEC value = M_SET1(M_NAME(value)(row##r, i)); \
        low##r = M_FMA(value, query_low, low##r);       \
        high##r = M_FMA(value, query_high, high##r);    \
    }
#define STORE(r)                             \
    M_STORE(out + (r) *2 * M_LANES, low##r); \
    M_STORE(out + (r) *2 * M_LANES + M_LANES, high##r);
    EACH12(M_ROW)
    EACH12(DECLARE)
    for (size_t i = 0; i < dim; i++) {
        M_VEC query_low = M_LOAD(panel + i * 2 * M_LANES), query_high = M_LOAD(panel + i * 2 * M_LANES + M_LANES);
        EACH12(STEP)
    }
    EACH12(STORE)
#undef DECLARE
#undef STEP
#undef STORE
}
#else /* sixteen registers: six rows at a time */
#define EACH6(X) X(0) X(1) X(2) X(3) X(4) X(5)
static void M_NAME(tile_wide)(const float *panel, size_t dim, const uint8_t *rows, size_t stride, size_t n_rows,
                              float *out)
{
#define DECLARE(r)                                                                   \
    const uint8_t *row##r = rows + (size_t) QV_MIN(half + (r), n_rows - 1) * stride; \
    M_VEC low##r = M_ZERO, high##r = M_ZERO;
#define STEP(r)                                         \
    {                                                   \
        M_VEC value = M_SET1(M_NAME(value)(row##r, i)); \
        low##r = M_FMA(value, query_low, low##r);       \
        high##r = M_FMA(value, query_high, high##r);    \
    }
#define STORE(r)                                       \
    M_STORE(out + (half + (r)) * 2 * M_LANES, low##r); \
    M_STORE(out + (half + (r)) * 2 * M_LANES + M_LANES, high##r);
    for (size_t half = 0; half < QV_TILE_ROWS; half += 6) {
        EACH6(DECLARE)
        for (size_t i = 0; i < dim; i++) {
            M_VEC query_low = M_LOAD(panel + i * 2 * M_LANES), query_high = M_LOAD(panel + i * 2 * M_LANES + M_LANES);
            EACH6(STEP)
        }
        EACH6(STORE)
    }
#undef DECLARE
#undef STEP
#undef STORE
}
#undef EACH6
#endif

/* ------------------------------------------------------------------ the nearest of many */

/* The lanes of a row in `best` take what is greater; `half` says which vector of M_LANES places it came from. */
static inline void M_NAME(keep_greater)(float *best, float *from, M_VEC low, M_VEC high, float half)
{
    M_VEC value = M_LOAD(best), place = M_LOAD(from);
    M_MASK greater = M_GT(low, value);
    value = M_PICK(greater, low, value);
    place = M_PICK(greater, M_SET1(half), place);
    greater = M_GT(high, value);
    M_STORE(best, M_PICK(greater, high, value));
    M_STORE(from, M_PICK(greater, M_SET1(half + 1), place));
}

static void M_NAME(tile_nearest)(const float *panel, const float *bias, size_t dim, const uint8_t *rows, size_t stride,
                                 size_t n_rows, float half, float *best, float *from)
{
#ifdef M_HALF_TILE
#define N_ROWS_AT_ONCE 6
#define EACH(X)        X(0) X(1) X(2) X(3) X(4) X(5)
#else
#define N_ROWS_AT_ONCE 12
#define EACH(X)        EACH12(X)
#endif
#define DECLARE(r)                                                                    \
    const uint8_t *row##r = rows + (size_t) QV_MIN(first + (r), n_rows - 1) * stride; \
    M_VEC low##r = bias_low, high##r = bias_high;
#define STEP(r)                                         \
    {                                                   \
        M_VEC value = M_SET1(M_NAME(value)(row##r, i)); \
        low##r = M_FMA(value, query_low, low##r);       \
        high##r = M_FMA(value, query_high, high##r);    \
    }
#define KEEP(r) \
    M_NAME(keep_greater)(best + (first + (r)) * M_LANES, from + (first + (r)) * M_LANES, low##r, high##r, half);
    M_VEC bias_low = M_LOAD(bias), bias_high = M_LOAD(bias + M_LANES);
    for (size_t first = 0; first < QV_TILE_ROWS; first += N_ROWS_AT_ONCE) {
        EACH(DECLARE)
        for (size_t i = 0; i < dim; i++) {
            M_VEC query_low = M_LOAD(panel + i * 2 * M_LANES), query_high = M_LOAD(panel + i * 2 * M_LANES + M_LANES);
            EACH(STEP)
        }
        EACH(KEEP)
    }
#undef DECLARE
#undef STEP
#undef KEEP
#undef EACH
#undef N_ROWS_AT_ONCE
}

/* One row against a panel. Even and odd values are summed apart: four sums hide the latency of additions. */
static void M_NAME(panel_l2)(const float *panel, size_t dim, const float *row, float *out)
{
    M_VEC even_low = M_ZERO, even_high = M_ZERO, odd_low = M_ZERO, odd_high = M_ZERO;
    size_t i = 0;
#define STEP(sum, at, value)                     \
    {                                            \
        M_VEC diff = M_SUB(M_LOAD(at), (value)); \
        sum = M_FMA(diff, diff, sum);            \
    }
    for (; i + 2 <= dim; i += 2) {
        M_VEC even = M_SET1(row[i]), odd = M_SET1(row[i + 1]);
        STEP(even_low, panel + i * 2 * M_LANES, even)
        STEP(even_high, panel + i * 2 * M_LANES + M_LANES, even)
        STEP(odd_low, panel + (i + 1) * 2 * M_LANES, odd)
        STEP(odd_high, panel + (i + 1) * 2 * M_LANES + M_LANES, odd)
    }
    if (i < dim) {
        M_VEC even = M_SET1(row[i]);
        STEP(even_low, panel + i * 2 * M_LANES, even)
        STEP(even_high, panel + i * 2 * M_LANES + M_LANES, even)
    }
#undef STEP
    M_STORE(out, M_ADD(even_low, odd_low));
    M_STORE(out + M_LANES, M_ADD(even_high, odd_high));
}

static void M_NAME(panel_dot)(const float *panel, size_t dim, const float *row, float *out)
{
    M_VEC even_low = M_ZERO, even_high = M_ZERO, odd_low = M_ZERO, odd_high = M_ZERO;
    size_t i = 0;
    for (; i + 2 <= dim; i += 2) {
        M_VEC even = M_SET1(row[i]), odd = M_SET1(row[i + 1]);
        even_low = M_FMA(M_LOAD(panel + i * 2 * M_LANES), even, even_low);
        even_high = M_FMA(M_LOAD(panel + i * 2 * M_LANES + M_LANES), even, even_high);
        odd_low = M_FMA(M_LOAD(panel + (i + 1) * 2 * M_LANES), odd, odd_low);
        odd_high = M_FMA(M_LOAD(panel + (i + 1) * 2 * M_LANES + M_LANES), odd, odd_high);
    }
    if (i < dim) {
        M_VEC even = M_SET1(row[i]);
        even_low = M_FMA(M_LOAD(panel + i * 2 * M_LANES), even, even_low);
        even_high = M_FMA(M_LOAD(panel + i * 2 * M_LANES + M_LANES), even, even_high);
    }
    M_VEC low = M_ADD(even_low, odd_low), high = M_ADD(even_high, odd_high), one = M_SET1(1);
    M_STORE(out, M_SUB(one, low));
    M_STORE(out + M_LANES, M_SUB(one, high));
}

/* Left to the compiler, which knows the instruction set of the file. */
static void M_NAME(add_rows)(const float *restrict rows, size_t dim, const uint32_t *restrict numbers, size_t n,
                             double *restrict sums)
{
    enum { AHEAD = 4, LINE = 64 / sizeof(float) };
    for (size_t r = 0; r < n; r++) {
        const float *row = rows + numbers[r] * dim;
        const float *later = rows + numbers[QV_MIN(r + AHEAD, n - 1)] * dim; /* in no order that the machine foresees */
        for (size_t i = 0; i < dim; i += LINE)
            __builtin_prefetch(later + i);
        for (size_t i = 0; i < dim; i++)
            sums[i] += row[i];
    }
}

static size_t M_NAME(select_le)(const float *values, size_t n, float bound, uint32_t *positions)
{
    size_t found = 0, i = 0;
    for (; i + M_LANES <= n; i += M_LANES)
        for (uint32_t bits = M_LE(M_LOAD(values + i), bound); bits; bits &= bits - 1)
            positions[found++] = (uint32_t) i + (uint32_t) __builtin_ctz(bits);
    for (; i < n; i++)
        if (values[i] <= bound)
            positions[found++] = (uint32_t) i;
    return found;
}

static uint32_t M_NAME(test_panel)(const float *dots, const float *least, float scale, float add, size_t width)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < width; i += M_LANES)
        bits |= M_GE(M_LOAD(dots + i), M_FMA(M_LOAD(least + i), M_SET1(scale), M_SET1(add))) << i;
    return bits;
}

/* Rounds to the nearest float; candidates only. */
static void M_NAME(narrow_f64)(const uint8_t *row, size_t dim, float *out)
{
    for (size_t i = 0; i < dim; i++) {
        double value;
        memcpy(&value, row + i * sizeof value, sizeof value);
        out[i] = (float) value;
    }
}

#undef EACH12
#undef M_ROW

/* The part of a table that the templates fill. */
#ifndef QV_KERNELS_OF
#define QV_KERNELS_OF(isa)                                                                                     \
    .rows = { [QV_K_L2] = { [QV_EL_F32] = l2_f32_##isa,                                                        \
                            [QV_EL_F16] = l2_f16_##isa,                                                        \
                            [QV_EL_F64] = l2_f64_##isa,                                                        \
                            [QV_EL_BF16] = l2_bf16_##isa,                                                      \
                            [QV_EL_I8] = l2_i8_##isa,                                                          \
                            [QV_EL_U8] = l2_u8_##isa },                                                        \
              [QV_K_COSINE] = { [QV_EL_F32] = cosine_f32_##isa,                                                \
                                [QV_EL_F16] = cosine_f16_##isa,                                                \
                                [QV_EL_F64] = cosine_f64_##isa,                                                \
                                [QV_EL_BF16] = cosine_bf16_##isa,                                              \
                                [QV_EL_I8] = cosine_i8_##isa,                                                  \
                                [QV_EL_U8] = cosine_u8_##isa },                                                \
              [QV_K_DOT] = { [QV_EL_F32] = dot_f32_##isa,                                                      \
                             [QV_EL_F16] = dot_f16_##isa,                                                      \
                             [QV_EL_F64] = dot_f64_##isa,                                                      \
                             [QV_EL_BF16] = dot_bf16_##isa,                                                    \
                             [QV_EL_I8] = dot_i8_##isa,                                                        \
                             [QV_EL_U8] = dot_u8_##isa } },                                                    \
    .float_query = { [QV_K_L2] = { [QV_EL_I8] = l2_i8f_##isa, [QV_EL_U8] = l2_u8f_##isa },                     \
                     [QV_K_COSINE] = { [QV_EL_I8] = cosine_i8f_##isa, [QV_EL_U8] = cosine_u8f_##isa },         \
                     [QV_K_DOT] = { [QV_EL_I8] = dot_i8f_##isa, [QV_EL_U8] = dot_u8f_##isa } },                \
    .pairs = { [QV_K_L2] = { [QV_EL_F32] = l2_pairs_f32_##isa,                                                 \
                             [QV_EL_F16] = l2_pairs_f16_##isa,                                                 \
                             [QV_EL_F64] = l2_pairs_f64_##isa,                                                 \
                             [QV_EL_BF16] = l2_pairs_bf16_##isa,                                               \
                             [QV_EL_I8] = l2_pairs_i8_##isa,                                                   \
                             [QV_EL_U8] = l2_pairs_u8_##isa },                                                 \
               [QV_K_DOT] = { [QV_EL_F32] = dot_pairs_f32_##isa,                                               \
                              [QV_EL_F16] = dot_pairs_f16_##isa,                                               \
                              [QV_EL_F64] = dot_pairs_f64_##isa,                                               \
                              [QV_EL_BF16] = dot_pairs_bf16_##isa,                                             \
                              [QV_EL_I8] = dot_pairs_i8_##isa,                                                 \
                              [QV_EL_U8] = dot_pairs_u8_##isa } },                                             \
    .widen = { [QV_EL_F32] = widen_f32_##isa,   [QV_EL_F16] = widen_f16_##isa, [QV_EL_F64] = narrow_f64_##isa, \
               [QV_EL_BF16] = widen_bf16_##isa, [QV_EL_I8] = widen_i8f_##isa,  [QV_EL_U8] = widen_u8f_##isa }, \
    .tile_wide = tile_wide_##isa, .tile_narrow = tile_narrow_##isa, .panel_wide = 2 * M_LANES,                 \
    .tile_nearest = tile_nearest_##isa, .panel_l2 = panel_l2_##isa, .panel_dot = panel_dot_##isa,              \
    .add_rows = add_rows_##isa, .panel_narrow = M_LANES, .select_le = select_le_##isa, .test_panel = test_panel_##isa
#endif

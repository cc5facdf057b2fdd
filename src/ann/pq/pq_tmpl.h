/* Included once per instruction set, so there is no include guard. Lanes are rows (nearest, approach) or codewords (tables), so that
 * sub-vectors of one or two components keep all of them busy, and nothing is summed over lanes. The includer defines
 *   P_NAME(stem)     name of a function for this instruction set
 *   P_VEC, P_LANES   vector of floats, at most 16 of them
 *   P_LOAD(p), P_STORE(p, v), P_SET1(x), P_SUB, P_MUL, P_MIN, P_MAX
 *   P_FMA(a, b, c)   a * b + c      P_FNMA(a, b, c)  c - a * b
 *   P_GREATEST(v)    over the lanes
 *   P_INT, P_INT_SET1(i), P_INT_STORE(p, i)          vector of 32-bit numbers
 *   P_KEEP(best, which, v, i)       where v < best: best = v, which = i
 *   P_STORE_BYTES(p, v)             each lane, in 0 .. 255, rounded down
 *   P_WIDE           defined: 32 registers, four codewords at a time, else two */

#define EACH4(X) X(0) X(1) X(2) X(3)
#ifdef P_WIDE
#define P_CODES      4
#define EACH_CODE(X) X(0) X(1) X(2) X(3)
#else
#define P_CODES      2
#define EACH_CODE(X) X(0) X(1)
#endif

/* Four vectors of rows meet P_CODES words at a time, so that a loaded value is used several times: bound by the fused additions. */
static void P_NAME(nearest)(const float *rows, const qv__pq_words *words, uint32_t *codes, float *scores)
{
#define DECLARE_BEST(v)               \
    P_VEC best##v = P_SET1(INFINITY); \
    P_INT which##v = P_INT_SET1(0);
#define DECLARE_SUMS(w)                                                                                      \
    P_VEC sum##w##_0 = P_SET1(words->half_norms[c + (w)]), sum##w##_1 = sum##w##_0, sum##w##_2 = sum##w##_0, \
          sum##w##_3 = sum##w##_0;
#define LOAD_ROWS(v) P_VEC row##v = P_LOAD(rows + j * QV_PQ_BLOCK + first + (v) *P_LANES);
#define STEP(w)                                           \
    {                                                     \
        P_VEC value = P_SET1(word[(w) *words->dsub + j]); \
        sum##w##_0 = P_FNMA(value, row0, sum##w##_0);     \
        sum##w##_1 = P_FNMA(value, row1, sum##w##_1);     \
        sum##w##_2 = P_FNMA(value, row2, sum##w##_2);     \
        sum##w##_3 = P_FNMA(value, row3, sum##w##_3);     \
    }
#define KEEP(w)                                       \
    {                                                 \
        P_INT code = P_INT_SET1((int32_t) (c + (w))); \
        P_KEEP(best0, which0, sum##w##_0, code);      \
        P_KEEP(best1, which1, sum##w##_1, code);      \
        P_KEEP(best2, which2, sum##w##_2, code);      \
        P_KEEP(best3, which3, sum##w##_3, code);      \
    }
#define STORE(v)                                     \
    P_STORE(scores + first + (v) *P_LANES, best##v); \
    P_INT_STORE(codes + first + (v) *P_LANES, which##v);

    for (size_t first = 0; first < QV_PQ_BLOCK; first += 4 * P_LANES) {
        EACH4(DECLARE_BEST)
        for (size_t c = 0; c < words->n; c += P_CODES) {
            const float *word = words->values + c * words->dsub;
            EACH_CODE(DECLARE_SUMS)
            for (size_t j = 0; j < words->dsub; j++) {
                EACH4(LOAD_ROWS)
                EACH_CODE(STEP)
            }
            EACH_CODE(KEEP)
        }
        EACH4(STORE)
    }
#undef DECLARE_BEST
#undef DECLARE_SUMS
#undef LOAD_ROWS
#undef STEP
#undef KEEP
#undef STORE
}

static void P_NAME(approach)(const float *rows, const float *word, size_t dsub, float *least)
{
    for (size_t r = 0; r < QV_PQ_BLOCK; r += P_LANES) {
        P_VEC sum = P_SET1(0);
        for (size_t j = 0; j < dsub; j++) {
            P_VEC difference = P_SUB(P_LOAD(rows + j * QV_PQ_BLOCK + r), P_SET1(word[j]));
            sum = P_FMA(difference, difference, sum);
        }
        P_STORE(least + r, P_MIN(P_LOAD(least + r), sum));
    }
}

#define P_DISTANCE_STEP(sum, value, word)             \
    {                                                 \
        P_VEC difference = P_SUB((value), (word));    \
        (sum) = P_FMA(difference, difference, (sum)); \
    }
#define P_PRODUCT_STEP(sum, value, word) (sum) = P_FNMA((value), (word), (sum));

#define P_FINISH(v)                                     \
    sum##v = P_MUL(sum##v, P_SET1(scale));              \
    P_STORE(values + s * n + c + (v) *P_LANES, sum##v); \
    most = P_MAX(most, sum##v);

/* Words by four vectors, which share the loads of the query; 16 words may be a single vector. */
#define P_TABLES(name, STEP)                                                                                      \
    static void P_NAME(name)(const float *query, const qv__pq_columns *words, float scale, qv__pq_tables *tables) \
    {                                                                                                             \
        const size_t n = words->n, dsub = words->dsub;                                                            \
        float *values = tables->values;                                                                           \
        P_VEC most = P_SET1(0);                                                                                   \
        for (size_t s = 0; s < words->m; s++) {                                                                   \
            const float *part = query + s * dsub, *columns = words->values + s * dsub * n;                        \
            size_t c = 0;                                                                                         \
            for (; c + 4 * P_LANES <= n; c += 4 * P_LANES) {                                                      \
                P_VEC sum0 = P_SET1(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;                                    \
                for (size_t j = 0; j < dsub; j++) {                                                               \
                    const float *column = columns + j * n + c;                                                    \
                    P_VEC value = P_SET1(part[j]);                                                                \
                    STEP(sum0, value, P_LOAD(column))                                                             \
                    STEP(sum1, value, P_LOAD(column + P_LANES))                                                   \
                    STEP(sum2, value, P_LOAD(column + 2 * P_LANES))                                               \
                    STEP(sum3, value, P_LOAD(column + 3 * P_LANES))                                               \
                }                                                                                                 \
                EACH4(P_FINISH)                                                                                   \
            }                                                                                                     \
            for (; c < n; c += P_LANES) {                                                                         \
                P_VEC sum0 = P_SET1(0);                                                                           \
                for (size_t j = 0; j < dsub; j++)                                                                 \
                    STEP(sum0, P_SET1(part[j]), P_LOAD(columns + j * n + c))                                      \
                P_FINISH(0)                                                                                       \
            }                                                                                                     \
        }                                                                                                         \
        tables->most = P_GREATEST(most);                                                                          \
    }
P_TABLES(distance_tables, P_DISTANCE_STEP)
P_TABLES(product_tables, P_PRODUCT_STEP)

static void P_NAME(to_bytes)(const float *values, size_t n, float steps, uint8_t *bytes)
{
    for (size_t i = 0; i < n; i += P_LANES)
        P_STORE_BYTES(bytes + i, P_MIN(P_MUL(P_LOAD(values + i), P_SET1(steps)), P_SET1(255)));
}

#undef EACH4
#undef EACH_CODE
#undef P_TABLES
#undef P_FINISH
#undef P_DISTANCE_STEP
#undef P_PRODUCT_STEP

/* The part of a table that the template fills. */
#define P_KERNELS                                                                                         \
    .nearest = P_NAME(nearest), .approach = P_NAME(approach), .distance_tables = P_NAME(distance_tables), \
    .product_tables = P_NAME(product_tables), .to_bytes = P_NAME(to_bytes)

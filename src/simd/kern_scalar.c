/* The reference kernels: one value at a time, sums in double. Every other table is tested against this one. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "half.h"
#include "simd_private.h"

/* ------------------------------------------------------------------ loads */

static inline float load_f32(const uint8_t *row, size_t i) { return qv__float_of_bits(qv__load_u32(row + 4 * i)); }
static inline float load_f16(const uint8_t *row, size_t i) { return qv__float_of_f16(qv__load_u16(row + 2 * i)); }
static inline float load_bf16(const uint8_t *row, size_t i) { return qv__float_of_bf16(qv__load_u16(row + 2 * i)); }
static inline double load_f64(const uint8_t *row, size_t i)
{
    double value;
    memcpy(&value, row + 8 * i, sizeof value);
    return value;
}
static inline int load_i8(const uint8_t *row, size_t i) { return (int8_t) row[i]; }
static inline int load_u8(const uint8_t *row, size_t i) { return row[i]; }

/* ------------------------------------------------------------------ distances */

#define T_REAL         float
#define T_VEC          double
#define T_LANES        1
#define T_ZERO         0
#define T_ADD(a, b)    ((a) + (b))
#define T_SUB(a, b)    ((a) - (b))
#define T_FMA(a, b, c) ((a) * (b) + (c))
#define T_QUERY(q)     ((double) *(q))
#define T_SQRT         sqrtf
#define T_TINY         1e-30f
#define T_SUM4(a, b, c, d, out) \
    ((out)[0] = (float) (a), (out)[1] = (float) (b), (out)[2] = (float) (c), (out)[3] = (float) (d))
#define T_STORE(p, v) (*(p) = (float) (v))

#define T_NAME(stem)      QV_CAT(stem, _f32_scalar)
#define T_LOAD            (double) load_f32
#define T_LOAD_N(r, i, n) T_LOAD(r, i)
#include "dist_tmpl.h"
#define T_NAME(stem)      QV_CAT(stem, _f16_scalar)
#define T_LOAD            (double) load_f16
#define T_LOAD_N(r, i, n) T_LOAD(r, i)
#include "dist_tmpl.h"
#define T_NAME(stem)      QV_CAT(stem, _bf16_scalar)
#define T_LOAD            (double) load_bf16
#define T_LOAD_N(r, i, n) T_LOAD(r, i)
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _i8f_scalar)
#define T_WITHOUT_PAIRS
#define T_LOAD            (double) load_i8
#define T_LOAD_N(r, i, n) T_LOAD(r, i)
#include "dist_tmpl.h"
#define T_NAME(stem) QV_CAT(stem, _u8f_scalar)
#define T_WITHOUT_PAIRS
#define T_LOAD            (double) load_u8
#define T_LOAD_N(r, i, n) T_LOAD(r, i)
#include "dist_tmpl.h"

#undef T_REAL
#undef T_SQRT
#undef T_TINY
#undef T_SUM4
#undef T_STORE
#define T_REAL                  double
#define T_SQRT                  sqrt
#define T_TINY                  1e-290
#define T_SUM4(a, b, c, d, out) ((out)[0] = (a), (out)[1] = (b), (out)[2] = (c), (out)[3] = (d))
#define T_NAME(stem)            QV_CAT(stem, _f64_scalar)
#define T_LOAD                  load_f64
#define T_LOAD_N(r, i, n)       T_LOAD(r, i)
#include "dist_tmpl.h"

#define I_VEC                   int
#define I_LANES                 1
#define I_ACC                   int32_t
#define I_ACC_ZERO              0
#define I_ADD(a, b)             ((a) + (b))
#define I_SUB(a, b)             ((a) - (b))
#define I_MADD(acc, a, b)       ((acc) + (a) * (b))
#define I_SUM4(a, b, c, d, out) ((out)[0] = (a), (out)[1] = (b), (out)[2] = (c), (out)[3] = (d))
#define I_QUERY(q)              (*(q))
#define I_NAME(stem)            QV_CAT(stem, _i8_scalar)
#define I_LOAD                  load_i8
#define I_LOAD_N(r, i, n)       I_LOAD(r, i)
#include "int_tmpl.h"
#define I_NAME(stem)      QV_CAT(stem, _u8_scalar)
#define I_LOAD            load_u8
#define I_LOAD_N(r, i, n) I_LOAD(r, i)
#include "int_tmpl.h"

/* Bits, by bytes: the only kernels that take a dim that is no multiple of 8. Unused bits of the last byte are masked. */
static inline unsigned last_mask(size_t dim, size_t i) { return dim - 8 * i >= 8 ? 0xff : (1u << (dim - 8 * i)) - 1; }

static float bits_between(const uint8_t *a, const uint8_t *b, size_t dim)
{
    uint64_t ones = 0;
    size_t i = 0;

    for (; 8 * (i + 8) <= dim; i += 8)
        ones += (unsigned) __builtin_popcountll(qv__load_u64(a + i) ^ qv__load_u64(b + i));
    for (; 8 * i < dim; i++)
        ones += (unsigned) __builtin_popcount((unsigned) (a[i] ^ b[i]) & last_mask(dim, i));
    return (float) ones;
}

static void hamming_scalar(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    for (size_t r = 0; r < n; r++)
        out[r] = bits_between(query->values, rows + r * stride, query->dim);
}

static void hamming_pairs_scalar(const uint8_t *one, size_t dim, const uint8_t *rows, size_t stride,
                                 const uint32_t *picked, size_t n, float *out)
{
    for (size_t r = 0; r < n; r++)
        out[r] = bits_between(one, rows + stride * picked[r], dim);
}

static void jaccard_scalar(const qv__kernel_query *query, const uint8_t *rows, size_t stride, size_t n, float *out)
{
    const uint8_t *q = query->values;
    for (size_t r = 0; r < n; r++) {
        const uint8_t *row = rows + r * stride;
        uint64_t both = 0, either = 0;
        for (size_t i = 0; 8 * i < query->dim; i++) {
            unsigned mask = last_mask(query->dim, i);
            both += (unsigned) __builtin_popcount((unsigned) (q[i] & row[i]) & mask);
            either += (unsigned) __builtin_popcount((unsigned) (q[i] | row[i]) & mask);
        }
        out[r] = either ? (float) (1.0 - (double) both / (double) either) : 0.0f;
    }
}

/* ------------------------------------------------------------------ tiles */

#define M_NAME(stem)    QV_CAT(stem, _scalar)
#define M_VEC           float
#define M_LANES         1
#define M_ZERO          0
#define M_LOAD(p)       (*(p))
#define M_STORE(p, v)   (*(p) = (v))
#define M_SET1(x)       (x)
#define M_FMA(a, b, c)  ((a) * (b) + (c))
#define M_ADD(a, b)     ((a) + (b))
#define M_SUB(a, b)     ((a) - (b))
#define M_MASK          bool
#define M_GT(a, b)      ((a) > (b))
#define M_PICK(m, a, b) ((m) ? (a) : (b))
#define M_LE(v, bound)  ((uint32_t) ((v) <= (bound)))
#define M_GE(a, b)      ((uint32_t) ((a) >= (b)))
#include "tile_tmpl.h"

const qv__kernels qv__kernels_scalar = {
    .name = "scalar",
    QV_KERNELS_OF(scalar),
    .hamming = hamming_scalar,
    .hamming_pairs = hamming_pairs_scalar,
    .jaccard = jaccard_scalar,
};

/* ------------------------------------------------------------------ beyond the range of a float */

static long double value_of(qv__element element, const uint8_t *row, size_t i)
{
    switch (element) {
    case QV_EL_F16:
        return load_f16(row, i);
    case QV_EL_BF16:
        return load_bf16(row, i);
    case QV_EL_F64:
        return load_f64(row, i);
    case QV_EL_I8:
        return load_i8(row, i);
    case QV_EL_U8:
        return load_u8(row, i);
    default:
        return load_f32(row, i);
    }
}

static long double query_value_of(qv__element element, const qv__kernel_query *query, size_t i)
{
    if (element == QV_EL_F64)
        return ((const double *) query->values)[i];
    if (query->is_int)
        return ((const int16_t *) query->values)[i];
    return ((const float *) query->values)[i];
}

float qv__distance_pair_exact(int kind, qv__element element, const qv__kernel_query *query, const uint8_t *row)
{
    long double squared_diff = 0, dot = 0, q_squared = 0, v_squared = 0;

    for (size_t i = 0; i < query->dim; i++) {
        long double q = query_value_of(element, query, i), v = value_of(element, row, i);
        squared_diff += (q - v) * (q - v);
        dot += q * v;
        q_squared += q * q;
        v_squared += v * v;
    }
    if (kind == QV_K_L2)
        return (float) squared_diff;
    if (kind == QV_K_DOT)
        return (float) (1 - dot);
    return q_squared > 0 && v_squared > 0 ? (float) (1 - dot / (sqrtl(q_squared) * sqrtl(v_squared))) : NAN;
}

bool qv__any_not_finite(const float *values, size_t n)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= (uint32_t) ((qv__load_u32(values + i) & 0x7f800000) == 0x7f800000);
    return any;
}

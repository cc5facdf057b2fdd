/* Product quantization one value at a time: the reference for other levels, and what machines without them run. */
#include <math.h>

#include "pq_private.h"

#define P_NAME(stem)      stem##_scalar
#define P_VEC             float
#define P_LANES           1
#define P_LOAD(p)         (*(p))
#define P_STORE(p, v)     (*(p) = (v))
#define P_SET1(x)         (x)
#define P_SUB(a, b)       ((a) - (b))
#define P_MUL(a, b)       ((a) * (b))
#define P_MIN(a, b)       ((a) < (b) ? (a) : (b))
#define P_MAX(a, b)       ((a) > (b) ? (a) : (b))
#define P_FMA(a, b, c)    ((a) * (b) + (c))
#define P_FNMA(a, b, c)   ((c) - (a) * (b))
#define P_GREATEST(v)     (v)
#define P_INT             uint32_t
#define P_INT_SET1(i)     ((uint32_t) (i))
#define P_INT_STORE(p, i) (*(p) = (i))
#define P_KEEP(best, which, v, i) \
    if ((v) < (best)) {           \
        (best) = (v);             \
        (which) = (i);            \
    }
#define P_STORE_BYTES(p, v) (*(p) = (uint8_t) (int32_t) (v))
#include "pq_tmpl.h"

const qv__pq_kernels qv__pq_kernels_scalar = { .name = "scalar", P_KERNELS };

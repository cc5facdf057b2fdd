/* The kernels for any processor of the build's architecture. */
#define QV_ISA plain
#include "expr/kern_tmpl.h"

const qv__kernels_expr *qv__expr_kernels(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return &qv__kernels_expr_avx2;
#endif
    return &qv__kernels_expr_plain;
}

/* Chooses the kernels of product quantization: those of the level that simd/ has chosen, with byte permutes where the processor has them. */
#include <pthread.h>
#include <string.h>

#include "pq_private.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const qv__pq_kernels *chosen; /* written once */

#if defined(__x86_64__)
static qv__pq_kernels avx512_vbmi; /* written once */

static const qv__pq_kernels *x86_level(const char *level)
{
    if (strcmp(level, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &qv__pq_kernels_avx2;
    bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (strcmp(level, "avx512") == 0 && has_avx512)
        return &qv__pq_kernels_avx512;
    if (strcmp(level, "avx512_vbmi") == 0 && has_avx512 && __builtin_cpu_supports("avx512vbmi"))
        return &avx512_vbmi;
    return NULL;
}
#endif

static const qv__pq_kernels *find(const char *level)
{
    if (strcmp(level, "scalar") == 0)
        return &qv__pq_kernels_scalar;
#if defined(__x86_64__)
    return x86_level(level);
#elif defined(__aarch64__)
    return strcmp(level, "neon") == 0 ? &qv__pq_kernels_neon : NULL;
#else
    return NULL;
#endif
}

static void choose(void)
{
    const char *level = qv__simd_level();
#if defined(__x86_64__)
    avx512_vbmi = qv__pq_kernels_avx512;
    avx512_vbmi.name = "avx512_vbmi";
    avx512_vbmi.sums8 = qv__pq_sums8_avx512_vbmi;
    avx512_vbmi.permutes8 = true;
    if (strcmp(level, "avx512") == 0 && find("avx512_vbmi"))
        level = "avx512_vbmi";
#endif
    chosen = find(level);
    if (!chosen)
        chosen = &qv__pq_kernels_scalar;
}

const qv__pq_kernels *qv__pq_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const qv__pq_kernels *qv__pq_kernels_of(const char *level)
{
    pthread_once(&once, choose);
    return find(level);
}

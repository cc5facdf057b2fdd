/* Chooses a table of kernels once. Each level's table is complete; extensions of a level (VNNI, VPOPCNTDQ) are put into a
 * copy of it, because they depend on the machine. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "simd_private.h"

enum { MAX_LEVELS = 3 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const qv__kernels *levels[MAX_LEVELS]; /* of this machine, slowest first; written once */
static size_t n_levels;
static const qv__kernels *chosen;

static void find_levels(void)
{
    qv__cpu cpu = qv__cpu_detect();

    levels[n_levels++] = &qv__kernels_scalar;
#if defined(__x86_64__)
    static qv__kernels avx512;
    if (cpu.avx2)
        levels[n_levels++] = &qv__kernels_avx2;
    if (cpu.avx512) {
        avx512 = qv__kernels_avx512;
        if (cpu.avx512_vnni)
            qv__avx512_vnni_kernels(&avx512);
        if (cpu.avx512_popcnt)
            qv__avx512_popcnt_kernels(&avx512);
        levels[n_levels++] = &avx512;
    }
#elif defined(__aarch64__)
    if (cpu.neon)
        levels[n_levels++] = &qv__kernels_neon;
#else
    QV_UNUSED(cpu);
#endif
}

static const qv__kernels *level_of(const char *name)
{
    for (size_t i = 0; i < n_levels; i++)
        if (strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

static void choose(void)
{
    find_levels();
    chosen = levels[n_levels - 1];
    const char *wanted = getenv("QV_SIMD");
    if (!wanted || !wanted[0])
        return;
    const qv__kernels *level = level_of(wanted);
    if (level)
        chosen = level;
    else
        qv__log(QV_LOG_WARNING, "QV_SIMD=%s is not a level of this machine; using %s", wanted, chosen->name);
}

const qv__kernels *qv__kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const qv__kernels *qv__kernels_of(const char *level)
{
    pthread_once(&once, choose);
    return level_of(level);
}

const char *qv__simd_level(void) { return qv__kernels_get()->name; }

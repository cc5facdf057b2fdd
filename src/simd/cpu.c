/* What the processor and the operating system allow. On x86 both are asked: CPUID for the instructions, XGETBV for the
 * registers that the system saves. AVX-512 counts as one bundle (F, BW, DQ, VL). */
#include "simd_private.h"

#if defined(__x86_64__)

#include <cpuid.h>

static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t) high << 32 | low;
}

static bool has_all(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

qv__cpu qv__cpu_detect(void)
{
    enum { XSAVE_YMM = 0x6, XSAVE_ZMM = 0xe6 };
    qv__cpu cpu = { 0 };
    uint32_t a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C | bit_POPCNT))
        return cpu;
    uint64_t saved = saved_registers();
    if ((saved & XSAVE_YMM) != XSAVE_YMM || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return cpu;
    cpu.avx2 = has_all(b, bit_AVX2);
    cpu.avx512 = cpu.avx2 && (saved & XSAVE_ZMM) == XSAVE_ZMM &&
                 has_all(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL);
    cpu.avx512_vnni = cpu.avx512 && has_all(c, bit_AVX512VNNI);
    cpu.avx512_popcnt = cpu.avx512 && has_all(c, bit_AVX512VPOPCNTDQ);
    return cpu;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

#include <asm/hwcap.h>

qv__cpu qv__cpu_detect(void)
{
    qv__cpu cpu = { .neon = getauxval(AT_HWCAP) & HWCAP_ASIMD };
    return cpu;
}

#else

qv__cpu qv__cpu_detect(void) { return (qv__cpu){ 0 }; }

#endif

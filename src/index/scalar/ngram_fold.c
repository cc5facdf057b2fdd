/* Which ASCII letters and digits stand for other characters in NGRAM indices. The reference lower-cases a character, takes its
 * compatibility decomposition apart and drops accents; these tables are what its indices show for every character up to U+2FFFF
 * (lower-casing included). Capital letters come where there is no small form: they stay capital, there and here. */
#include "index/scalar/ngram_private.h"

/* Consecutive characters that become one letter or digit each; '.': this one does not. */
typedef struct run {
    uint32_t first;
    const char *letters;
} run;

/* Characters that become several; a blank is anything that is no letter or digit. */
typedef struct expansion {
    uint32_t c;
    const char *letters;
} expansion;

/* clang-format off */
static const run runs[] = {
    { 0xaa, "a.......23.....1o.....aaaaaa.ceeeeiiiidnooooo.ouuuuy..aaaaaa.ceeeeiiiidnooooo.ou" },
    { 0xfa, "uuuy.yaaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiii.i..jjkkkllllllllllnnnnnnn" },
    { 0x14a, "nnoooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs" },
    { 0x1a0, "oo" },
    { 0x1af, "uu" },
    { 0x1cd, "aaiioouuuuuuuuuu.aaaa....ggkkoooo..j...gg..nnaa..ooaaaaeeeeiiiioooorrrruuuusstt." },
    { 0x21d, ".hh......aaeeooooooooyy" },
    { 0x2b0, "h.jr...wy" },
    { 0x2e1, "lsx" },
    { 0x1d2c, "A.B.DE.GHIJKLMN.O.PRTU0a...bde...g.kmno...ptu..v......iruv" },
    { 0x1d9c, "c.d.f" },
    { 0x1dbb, "z" },
    { 0x1e00, "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooo" },
    { 0x1e50, "oooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvvwwwwwwwwwwxxxxyyzzzzzzhtwyas...." },
    { 0x1ea0, "aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuu" },
    { 0x1ef0, "uuyyyyyyyy" },
    { 0x2070, "0i..456789.....n0123456789......aeox.hklmnpst" },
    { 0x2102, "CC.....FgHHHhhIILl.N...PQRRR......3...3.kaBC.eEF.Mo....i" },
    { 0x2145, "Ddeij" },
    { 0x215f, "1i...v....x..lcdmi...v....x..lcdm" },
    { 0x2460, "123456789" },
    { 0x24b6, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0" },
    { 0x2c7c, "jV" },
    { 0x32c0, "123456789" },
    { 0x3358, "0123456789" },
    { 0x3382, "A" },
    { 0x338c, "Fg.......l.....m" },
    { 0x33b2, "s...V.....0...kM" },
    { 0x33e0, "123456789" },
    { 0xa7f1, "SCFQ...H" },
    { 0xff10, "0123456789.......abcdefghijklmnopqrstuvwxyz......abcdefghijklmnopqrstuvwxyz" },
    { 0x10795, "h" },
    { 0x107a2, "o..q" },
    { 0x1ccd6, "ABCDEFGHIJKLMNOPQRSTUV01230123456789" },
    { 0x1d400, "ABCDEFGHIJKLMNOPQRSTUV0123abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123ab" },
    { 0x1d450, "cdefg.ijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123abcdefghijklmnopqrstuvwxyzA.CD" },
    { 0x1d4a0, "..G..JK..NOPQ.STUV0123abcd.f.hijklmn.pqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123abcdef" },
    { 0x1d4f0, "ghijklmnopqrstuvwxyzAB.DEFG..JKLMNOPQ.STUV012.abcdefghijklmnopqrstuvwxyzAB.DEFG." },
    { 0x1d540, "IJKLM.O...STUV012.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123abcdefghij" },
    { 0x1d590, "klmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL" },
    { 0x1d5e0, "MNOPQRSTUV0123abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123abcdefghijklmn" },
    { 0x1d630, "opqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV0123abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP" },
    { 0x1d680, "QRSTUV0123abcdefghijklmnopqrstuvwxyzi" },
    { 0x1d7ce, "01234567890123456789012345678901234567890123456789" },
    { 0x1f12a, "SCR...ABCDEFGHIJKLMNOPQRSTUV0123" },
    { 0x1fbf0, "0123456789" },
};

static const expansion expansions[] = {
    { 0xbc, "14" }, { 0xbd, "12" }, { 0xbe, "34" }, { 0xc6, "ae" }, { 0xde, "th" }, { 0xdf, "ss" }, { 0xe6, "ae" },
    { 0xfe, "th" }, { 0x130, "i " }, { 0x132, "ij" }, { 0x133, "ij" }, { 0x152, "oe" }, { 0x153, "oe" },
    { 0x1c4, "dz" }, { 0x1c5, "dz" }, { 0x1c6, "dz" }, { 0x1c7, "lj" }, { 0x1c8, "lj" }, { 0x1c9, "lj" },
    { 0x1ca, "nj" }, { 0x1cb, "nj" }, { 0x1cc, "nj" }, { 0x1e2, "ae" }, { 0x1e3, "ae" }, { 0x1f1, "dz" },
    { 0x1f2, "dz" }, { 0x1f3, "dz" }, { 0x1fc, "ae" }, { 0x1fd, "ae" }, { 0x1d2d, "AE" }, { 0x1e9e, "ss" },
    { 0x20a8, "Rs" }, { 0x2100, "a c" }, { 0x2101, "a s" }, { 0x2105, "c o" }, { 0x2106, "c u" }, { 0x2116, "No" },
    { 0x2120, "SM" }, { 0x2121, "TEL" }, { 0x2122, "TM" }, { 0x213b, "FA1" }, { 0x2150, "17" }, { 0x2151, "19" },
    { 0x2152, "110" }, { 0x2153, "13" }, { 0x2154, "23" }, { 0x2155, "15" }, { 0x2156, "25" }, { 0x2157, "35" },
    { 0x2158, "45" }, { 0x2159, "16" }, { 0x215a, "56" }, { 0x215b, "18" }, { 0x215c, "38" }, { 0x215d, "58" },
    { 0x215e, "78" }, { 0x2161, "ii" }, { 0x2162, "iii" }, { 0x2163, "iv" }, { 0x2165, "vi" }, { 0x2166, "vii" },
    { 0x2167, "viii" }, { 0x2168, "ix" }, { 0x216a, "xi" }, { 0x216b, "xii" }, { 0x2171, "ii" }, { 0x2172, "iii" },
    { 0x2173, "iv" }, { 0x2175, "vi" }, { 0x2176, "vii" }, { 0x2177, "viii" }, { 0x2178, "ix" }, { 0x217a, "xi" },
    { 0x217b, "xii" }, { 0x2189, "03" }, { 0x2469, "10" }, { 0x246a, "11" }, { 0x246b, "12" }, { 0x246c, "13" },
    { 0x246d, "14" }, { 0x246e, "15" }, { 0x246f, "16" }, { 0x2470, "17" }, { 0x2471, "18" }, { 0x2472, "19" },
    { 0x2473, "20" }, { 0x2488, "1 " }, { 0x2489, "2 " }, { 0x248a, "3 " }, { 0x248b, "4 " }, { 0x248c, "5 " },
    { 0x248d, "6 " }, { 0x248e, "7 " }, { 0x248f, "8 " }, { 0x2490, "9 " }, { 0x2491, "10 " }, { 0x2492, "11 " },
    { 0x2493, "12 " }, { 0x2494, "13 " }, { 0x2495, "14 " }, { 0x2496, "15 " }, { 0x2497, "16 " }, { 0x2498, "17 " },
    { 0x2499, "18 " }, { 0x249a, "19 " }, { 0x249b, "20 " }, { 0x3250, "PTE" }, { 0x3251, "21" }, { 0x3252, "22" },
    { 0x3253, "23" }, { 0x3254, "24" }, { 0x3255, "25" }, { 0x3256, "26" }, { 0x3257, "27" }, { 0x3258, "28" },
    { 0x3259, "29" }, { 0x325a, "30" }, { 0x325b, "31" }, { 0x325c, "32" }, { 0x325d, "33" }, { 0x325e, "34" },
    { 0x325f, "35" }, { 0x32b1, "36" }, { 0x32b2, "37" }, { 0x32b3, "38" }, { 0x32b4, "39" }, { 0x32b5, "40" },
    { 0x32b6, "41" }, { 0x32b7, "42" }, { 0x32b8, "43" }, { 0x32b9, "44" }, { 0x32ba, "45" }, { 0x32bb, "46" },
    { 0x32bc, "47" }, { 0x32bd, "48" }, { 0x32be, "49" }, { 0x32bf, "50" }, { 0x32c9, "10" }, { 0x32ca, "11" },
    { 0x32cb, "12" }, { 0x32cc, "Hg" }, { 0x32cd, "erg" }, { 0x32ce, "eV" }, { 0x32cf, "LTD" }, { 0x3362, "10" },
    { 0x3363, "11" }, { 0x3364, "12" }, { 0x3365, "13" }, { 0x3366, "14" }, { 0x3367, "15" }, { 0x3368, "16" },
    { 0x3369, "17" }, { 0x336a, "18" }, { 0x336b, "19" }, { 0x336c, "20" }, { 0x336d, "21" }, { 0x336e, "22" },
    { 0x336f, "23" }, { 0x3370, "24" }, { 0x3371, "hPa" }, { 0x3372, "da" }, { 0x3373, "AU" }, { 0x3374, "bar" },
    { 0x3375, "oV" }, { 0x3376, "pc" }, { 0x3377, "dm" }, { 0x3378, "dm2" }, { 0x3379, "dm3" }, { 0x337a, "IU" },
    { 0x3380, "pA" }, { 0x3381, "nA" }, { 0x3383, "mA" }, { 0x3384, "kA" }, { 0x3385, "KB" }, { 0x3386, "MB" },
    { 0x3387, "GB" }, { 0x3388, "cal" }, { 0x3389, "kcal" }, { 0x338a, "pF" }, { 0x338b, "nF" }, { 0x338e, "mg" },
    { 0x338f, "kg" }, { 0x3390, "Hz" }, { 0x3391, "kHz" }, { 0x3392, "MHz" }, { 0x3393, "GHz" }, { 0x3394, "THz" },
    { 0x3396, "ml" }, { 0x3397, "dl" }, { 0x3398, "kl" }, { 0x3399, "fm" }, { 0x339a, "nm" }, { 0x339c, "mm" },
    { 0x339d, "cm" }, { 0x339e, "km" }, { 0x339f, "mm2" }, { 0x33a0, "cm2" }, { 0x33a1, "m2" }, { 0x33a2, "km2" },
    { 0x33a3, "mm3" }, { 0x33a4, "cm3" }, { 0x33a5, "m3" }, { 0x33a6, "km3" }, { 0x33a7, "ms" }, { 0x33a8, "ms2" },
    { 0x33a9, "Pa" }, { 0x33aa, "kPa" }, { 0x33ab, "MPa" }, { 0x33ac, "GPa" }, { 0x33ad, "rad" }, { 0x33ae, "rads" },
    { 0x33af, "rads2" }, { 0x33b0, "ps" }, { 0x33b1, "ns" }, { 0x33b3, "ms" }, { 0x33b4, "pV" }, { 0x33b5, "nV" },
    { 0x33b7, "mV" }, { 0x33b8, "kV" }, { 0x33b9, "MV" }, { 0x33ba, "p0" }, { 0x33bb, "n0" }, { 0x33bd, "m0" },
    { 0x33be, "k0" }, { 0x33bf, "M0" }, { 0x33c2, "a " }, { 0x33c3, "Bq" }, { 0x33c4, "cc" }, { 0x33c5, "cd" },
    { 0x33c6, "Ckg" }, { 0x33c7, "Co " }, { 0x33c8, "dB" }, { 0x33c9, "Gy" }, { 0x33ca, "ha" }, { 0x33cb, "HP" },
    { 0x33cc, "in" }, { 0x33cd, "KK" }, { 0x33ce, "KM" }, { 0x33cf, "kt" }, { 0x33d0, "lm" }, { 0x33d1, "ln" },
    { 0x33d2, "log" }, { 0x33d3, "lx" }, { 0x33d4, "mb" }, { 0x33d5, "mil" }, { 0x33d6, "mol" }, { 0x33d7, "PH" },
    { 0x33d8, "p " }, { 0x33d9, "PPM" }, { 0x33da, "PR" }, { 0x33db, "sr" }, { 0x33dc, "Sv" }, { 0x33dd, "0b" },
    { 0x33de, "Vm" }, { 0x33df, "Am" }, { 0x33e9, "10" }, { 0x33ea, "11" }, { 0x33eb, "12" }, { 0x33ec, "13" },
    { 0x33ed, "14" }, { 0x33ee, "15" }, { 0x33ef, "16" }, { 0x33f0, "17" }, { 0x33f1, "18" }, { 0x33f2, "19" },
    { 0x33f3, "20" }, { 0x33f4, "21" }, { 0x33f5, "22" }, { 0x33f6, "23" }, { 0x33f7, "24" }, { 0x33f8, "25" },
    { 0x33f9, "26" }, { 0x33fa, "27" }, { 0x33fb, "28" }, { 0x33fc, "29" }, { 0x33fd, "30" }, { 0x33fe, "31" },
    { 0x33ff, "gal" }, { 0xa7f9, "oe" }, { 0xfb00, "ff" }, { 0xfb01, "fi" }, { 0xfb02, "fl" }, { 0xfb03, "ffi" },
    { 0xfb04, "ffl" }, { 0xfb05, "st" }, { 0xfb06, "st" }, { 0x10783, "ae" }, { 0x1f100, "0 " }, { 0x1f101, "0 " },
    { 0x1f102, "1 " }, { 0x1f103, "2 " }, { 0x1f104, "3 " }, { 0x1f105, "4 " }, { 0x1f106, "5 " }, { 0x1f107, "6 " },
    { 0x1f108, "7 " }, { 0x1f109, "8 " }, { 0x1f10a, "9 " }, { 0x1f12d, "CD" }, { 0x1f12e, "03" }, { 0x1f14a, "HV" },
    { 0x1f14b, "MV" }, { 0x1f14c, "SD" }, { 0x1f14d, "SS" }, { 0x1f14e, "PPV" }, { 0x1f14f, "0C" }, { 0x1f16a, "MC" },
    { 0x1f16b, "MD" }, { 0x1f16c, "MR" }, { 0x1f190, "DJ" },
};
/* clang-format on */

/* The last run that begins at or before c. */
static const run *run_of(uint32_t c)
{
    size_t low = 0, end = QV_COUNT_OF(runs);

    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (runs[middle].first <= c)
            low = middle + 1;
        else
            end = middle;
    }
    return low ? &runs[low - 1] : NULL;
}

static const char *expansion_of(uint32_t c)
{
    size_t low = 0, end = QV_COUNT_OF(expansions);

    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (expansions[middle].c < c)
            low = middle + 1;
        else
            end = middle;
    }
    return low < QV_COUNT_OF(expansions) && expansions[low].c == c ? expansions[low].letters : NULL;
}

size_t qv__ngram_fold(uint32_t c, char out[QV_NGRAM_FOLD_MOST])
{
    const run *r = run_of(c);
    const char *letters = expansion_of(c);

    if (letters) {
        size_t n = strlen(letters);
        memcpy(out, letters, n);
        return n;
    }
    if (!r || c - r->first >= strlen(r->letters) || r->letters[c - r->first] == '.')
        return 0;
    out[0] = r->letters[c - r->first];
    return 1;
}

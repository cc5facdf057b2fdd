/* fastlanes_tmpl.h: packing of one group of 1024 values of T bits, included once per T, so there is no include guard.
 * The includer defines T (8, 16, 32, 64) and WORD (an unaligned unsigned type of T bits); both end here.
 *
 * A row is one vector operation over the L = 1024 / T lanes: word, shift and mask are the same for all of them, which is
 * what lets the compiler vectorise the inner loops for every width without a function per width. */

static void QV_CAT(pack, T)(unsigned width, const WORD *restrict in, WORD *restrict out)
{
    enum { L = 1024 / T };
    for (unsigned row = 0; row < T; row++) {
        const WORD *restrict from = in + first_of_row(row);
        unsigned bit = row * width, shift = bit % T;
        WORD *restrict to = out + (size_t) (bit / T) * L;
        if (shift == 0)
            for (unsigned i = 0; i < L; i++)
                to[i] = from[i];
        else
            for (unsigned i = 0; i < L; i++)
                to[i] |= (WORD) (from[i] << shift);
        if (shift + width > T)
            for (unsigned i = 0; i < L; i++)
                to[L + i] = (WORD) (from[i] >> (T - shift));
    }
}

static void QV_CAT(unpack, T)(unsigned width, const WORD *restrict in, WORD *restrict out)
{
    enum { L = 1024 / T };
    const WORD mask = (WORD) ((WORD) ~(WORD) 0 >> (T - width));
    for (unsigned row = 0; row < T; row++) {
        WORD *restrict to = out + first_of_row(row);
        unsigned bit = row * width, shift = bit % T;
        const WORD *restrict from = in + (size_t) (bit / T) * L;
        if (shift + width <= T)
            for (unsigned i = 0; i < L; i++)
                to[i] = (WORD) (from[i] >> shift) & mask;
        else
            for (unsigned i = 0; i < L; i++)
                to[i] = (WORD) ((WORD) (from[i] >> shift) | (WORD) (from[L + i] << (T - shift))) & mask;
    }
}

static uint64_t QV_CAT(all_bits, T)(const WORD *values, size_t n)
{
    WORD all = 0;
    for (size_t i = 0; i < n; i++)
        all |= values[i];
    return all;
}

#undef T
#undef WORD

/* rle_tmpl.h: runs over values of T bits, included once per T, so there is no include guard. The includer defines T and
 * WORD (an unaligned unsigned type of T bits); both end here. */

/* Fills n values from the runs; false when they do not suffice. */
static bool QV_CAT(decode_runs, T)(const WORD *run_values, const uint8_t *run_lengths, size_t n_runs, size_t n,
                                   WORD *out)
{
    size_t at = 0;
    for (size_t run = 0; run < n_runs && at < n; run++) {
        size_t len = QV_MIN((size_t) run_lengths[run], n - at);
        WORD value = run_values[run];
        for (size_t i = 0; i < len; i++)
            out[at + i] = value;
        at += len;
    }
    return at == n;
}

/* The end of the run that starts at `at`, at most 255 values long. */
static inline size_t QV_CAT(run_end, T)(const WORD *values, size_t at, size_t n)
{
    size_t end = at + 1, limit = n - at > 255 ? at + 255 : n;
    while (end < limit && values[end] == values[at])
        end++;
    return end;
}

static void QV_CAT(encode_runs, T)(const WORD *values, size_t n, WORD *run_values, uint8_t *run_lengths)
{
    for (size_t at = 0, end; at < n; at = end) {
        end = QV_CAT(run_end, T)(values, at, n);
        *run_values++ = values[at];
        *run_lengths++ = (uint8_t) (end - at);
    }
}

static size_t QV_CAT(count_runs, T)(const WORD *values, size_t n)
{
    size_t runs = 0;
    for (size_t at = 0; at < n; at = QV_CAT(run_end, T)(values, at, n))
        runs++;
    return runs;
}

#undef T
#undef WORD

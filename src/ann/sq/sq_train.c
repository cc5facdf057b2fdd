/* Bounds of scalar quantization: quantiles of all values of a sample, found by counting digits of their bit patterns, so that a sample of any
 * size needs no memory and the result is exact. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sq_private.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, ENOUGH_VALUES = 1 << 20 };

/* Bit patterns of floats in the order of the floats. */
static inline uint32_t rank_of(float value)
{
    uint32_t bits = qv__load_u32(&value);
    return bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
}

static float value_of(uint32_t rank)
{
    uint32_t bits = rank & UINT32_C(0x80000000) ? rank & UINT32_C(0x7fffffff) : ~rank;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The value at place `nth` in ascending order: its bits from the top, a digit per pass. */
static float nth_value(const float *values, size_t n, size_t nth)
{
    uint32_t prefix = 0, prefix_mask = 0;

    for (int shift = 32 - DIGIT_BITS; prefix_mask != UINT32_MAX; shift = QV_MAX(shift - DIGIT_BITS, 0)) {
        size_t counts[DIGITS] = { 0 }, digit = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t rank = rank_of(values[i]);
            if ((rank & prefix_mask) == prefix)
                counts[rank >> shift & (DIGITS - 1)]++;
        }
        while (nth >= counts[digit])
            nth -= counts[digit++];
        prefix |= (uint32_t) digit << shift;
        prefix_mask |= (uint32_t) (DIGITS - 1) << shift;
    }
    return value_of(prefix);
}

/* ------------------------------------------------------------------ which share to leave out */

/* Of all values the squares of what they are off by: a twelfth of a squared step within the bounds, and the way to them outside, as far as
 * `most`: a row that is lost cannot be lost more. */
static double loss_between(const float *values, size_t n, float low, float high, double most)
{
    double step = ((double) high - low) / 255, sum = (double) n * step * step / 12;

    for (size_t i = 0; i < n; i++) {
        double outside = values[i] < low ? low - values[i] : values[i] > high ? values[i] - high : 0;
        outside = QV_MIN(outside, most);
        sum += outside * outside;
    }
    return sum;
}

/* A few values far out make the steps of all others wide; to cut them off costs the rows that have them. */
static double best_share(const float *values, size_t n)
{
    static const double shares[] = { 0, 1e-5, 1e-4, 1e-3 };
    enum { N = QV_COUNT_OF(shares) };
    double best = 0, least = INFINITY;
    float low[N], high[N];

    for (size_t i = 0; i < N; i++) {
        size_t left_out = (size_t) (shares[i] * (double) n);
        low[i] = nth_value(values, n, left_out);
        high[i] = nth_value(values, n, n - 1 - left_out);
    }
    double usual = ((double) high[N - 1] - low[N - 1]) / 6; /* about a standard deviation */
    for (size_t i = 0; i < N && usual > 0; i++) {
        double loss = loss_between(values, n, low[i], high[i], usual);
        if (loss < least) {
            least = loss;
            best = shares[i];
        }
    }
    return best;
}

/* The same of rows that lie evenly among many. */
static qv_status choose_share(const float *rows, size_t n, size_t dim, double *share, qv_error *err)
{
    size_t n_picked = QV_MIN(n, QV_MAX(ENOUGH_VALUES / dim, 1));
    float *picked = NULL;

    if (n_picked == n) {
        *share = best_share(rows, n * dim);
        return QV_OK;
    }
    QV_TRY(QV_NEW(&picked, n_picked * dim, err));
    for (size_t i = 0; i < n_picked; i++)
        memcpy(picked + i * dim, rows + i * n / n_picked * dim, dim * sizeof *rows);
    *share = best_share(picked, n_picked * dim);
    qv__free(picked);
    return QV_OK;
}

qv_status qv__sq_train(const float *rows, size_t n, size_t dim, double outliers, qv_metric metric, qv__quantizer **out,
                       qv_error *err)
{
    size_t n_values = n * dim;

    if (n_values == 0)
        return qv__fail(err, QV_INVALID, "scalar quantization trained on %zu vectors of %zu dimensions", n, dim);
    if (outliers != QV_SQ_BEST_SHARE && !(outliers >= 0 && outliers < 0.5))
        return qv__fail(err, QV_INVALID, "a share of %g outliers; it must be at least 0 and below 0.5", outliers);
    for (size_t i = 0; i < n_values; i++)
        if (!isfinite(rows[i]))
            return qv__fail(err, QV_INVALID, "vector %zu has value %g at position %zu; it must be finite", i / dim,
                            (double) rows[i], i % dim);
    if (outliers == QV_SQ_BEST_SHARE)
        QV_TRY(choose_share(rows, n, dim, &outliers, err));
    size_t left_out = (size_t) (outliers * (double) n_values);
    float low = nth_value(rows, n_values, left_out), high = nth_value(rows, n_values, n_values - 1 - left_out);
    return qv__sq_new(dim, low, high, metric, out, err);
}

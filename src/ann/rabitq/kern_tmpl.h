/* The kernels that are one text for all instruction sets, in the vectors of 64 bytes that compilers lower to what the set has. Included
 * once per set, which defines QV_ISA and the functions scan_<isa> and pack_columns_<isa>. */
#include <math.h>
#include <string.h>

#include "ann/rabitq/kern.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define QV_PASTE2(a, b) a##b
#define QV_PASTE(a, b)  QV_PASTE2(a, b)
#define QV_NAME(name)   QV_PASTE(name##_, QV_ISA)
#define QV_INLINE       static inline __attribute__((always_inline))

enum { LANES = QV_RABITQ_LANES };

typedef float vf __attribute__((vector_size(64), aligned(1), may_alias));
typedef int32_t vi __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint8_t vb __attribute__((vector_size(16), aligned(1), may_alias));
typedef double vd __attribute__((vector_size(128), aligned(1), may_alias));

#define LOAD(type, at) (*(const type *) (const void *) (at))

/* Always in this order. */
QV_INLINE float sum_lanes(const vf *v)
{
    float lanes[LANES];
    memcpy(lanes, v, sizeof lanes);
    for (size_t n = LANES / 2; n > 0; n /= 2)
        for (size_t i = 0; i < n; i++)
            lanes[i] += lanes[i + n];
    return lanes[0];
}

/* ------------------------------------------------------------------ codes and a query */

#define LANE_BITS                                                                                                \
    ((vi){ 1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, \
           1 << 13, 1 << 14, 1 << 15 })

/* `value` in the lanes whose bit is set. */
QV_INLINE void spread_bits(const uint8_t *bits, int32_t value, vi *out)
{
    vi word = (vi){ 0 } + (bits[0] | bits[1] << 8);
    *out = ((word & LANE_BITS) != 0) & value;
}

/* The bits of a top plane for dimensions 16k ..., as bytes of `value`. */
QV_INLINE void spread_plane(const uint8_t *plane, unsigned k, uint8_t value, vb *out)
{
    uint8_t low = (uint8_t) (1 << 2 * k), high = (uint8_t) (2 << 2 * k);
    vb bits = { low, low, low, low, low, low, low, low, high, high, high, high, high, high, high, high };
    uint8_t twice[16];
    memcpy(twice, plane, 8);
    memcpy(twice + 8, plane, 8);
    *out = (vb) ((LOAD(vb, twice) & bits) != 0) & value;
}

/* Extra codes of dimensions 16k .. 16k + 15 of a block. `layout` is a constant wherever this is used. */
QV_INLINE void unpack(const uint8_t *block, unsigned layout, unsigned k, vb *out)
{
    vb top;
    uint8_t halves[16];

    switch (layout) {
    case 2:
    case 3:
        *out = LOAD(vb, block) >> 2 * k & 3;
        break;
    case 4:
        for (size_t i = 0; i < 8; i++) {
            halves[i] = block[8 * k + i] & 15;
            halves[i + 8] = block[8 * k + i] >> 4;
        }
        *out = LOAD(vb, halves);
        break;
    case 5:
        *out = LOAD(vb, block + 16 * (k / 2));
        *out = k % 2 ? (vb) (*out >> 4) : (vb) (*out & 15);
        break;
    case 6:
    case 7:
        if (k < 3)
            *out = LOAD(vb, block + 16 * k) & 63;
        else
            *out = LOAD(vb, block) >> 6 | LOAD(vb, block + 16) >> 6 << 2 | LOAD(vb, block + 32) >> 6 << 4;
        break;
    default:
        *out = LOAD(vb, block + 16 * k);
        break;
    }
    if (layout == 3 || layout == 5 || layout == 7) {
        spread_plane(block + 8 * (layout - 1), k, (uint8_t) (1 << (layout - 1)), &top);
        *out |= top;
    }
}

QV_INLINE void product_of(const uint8_t *signs, const uint8_t *extra, unsigned layout, unsigned extra_bits,
                          const float *query, size_t n_blocks, float products[2])
{
    vf dot[2] = { { 0 }, { 0 } }, norm[2] = { { 0 }, { 0 } };
    float middle = (float) (1 << extra_bits) - 0.5f;

    for (size_t block = 0; block < n_blocks; block++, signs += 8, extra += 8 * layout, query += QV_RABITQ_BLOCK) {
        for (unsigned k = 0; k < 4; k++) {
            vi code, low;
            vb bytes;
            spread_bits(signs + 2 * k, 1 << extra_bits, &code);
            if (layout == 1) {
                spread_bits(extra + 2 * k, 1, &low);
                code += low;
            } else if (layout > 1) {
                unpack(extra, layout, k, &bytes);
                code += __builtin_convertvector(bytes, vi);
            }
            vf g = __builtin_convertvector(code, vf) - middle;
            dot[k % 2] += g * LOAD(vf, query + 16 * k);
            norm[k % 2] += g * g;
        }
    }
    dot[0] += dot[1];
    norm[0] += norm[1];
    products[0] = sum_lanes(&dot[0]);
    products[1] = sum_lanes(&norm[0]);
}

static void QV_NAME(product)(const uint8_t *signs, const uint8_t *extra, unsigned layout, unsigned extra_bits,
                             const float *query, size_t n_blocks, float products[2])
{
    switch (layout) {
#define LAYOUT(bits)                                                           \
    case bits:                                                                 \
        product_of(signs, extra, bits, extra_bits, query, n_blocks, products); \
        break;
        LAYOUT(0)
        LAYOUT(1)
        LAYOUT(2)
        LAYOUT(3)
        LAYOUT(4)
        LAYOUT(5)
        LAYOUT(6)
        LAYOUT(7)
        LAYOUT(8)
#undef LAYOUT
    }
}

static void QV_NAME(compare)(const float *a, const float *b, size_t n, float out[3])
{
    vf dot = { 0 }, far = { 0 }, norm = { 0 };

    for (size_t i = 0; i < n; i += LANES) {
        vf x = { 0 }, y = { 0 };
        memcpy(&x, a + i, i + LANES <= n ? sizeof x : (n - i) * sizeof *a);
        memcpy(&y, b + i, i + LANES <= n ? sizeof y : (n - i) * sizeof *b);
        dot += x * y;
        far += (x - y) * (x - y);
        norm += x * x;
    }
    out[0] = sum_lanes(&dot);
    out[1] = sum_lanes(&far);
    out[2] = sum_lanes(&norm);
}

/* ------------------------------------------------------------------ rotation */

/* (a, b) -> (a + b, a - b) for n pairs. */
QV_INLINE void butterfly(float *restrict a, float *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float sum = a[i] + b[i];
        b[i] = a[i] - b[i];
        a[i] = sum;
    }
}

/* Two stages at once, so that a value is loaded and stored half as often. */
QV_INLINE void two_butterflies(float *restrict a, float *restrict b, float *restrict c, float *restrict d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float ab = a[i] + b[i], a_b = a[i] - b[i], cd = c[i] + d[i], c_d = c[i] - d[i];
        a[i] = ab + cd;
        b[i] = a_b + c_d;
        c[i] = ab - cd;
        d[i] = a_b - c_d;
    }
}

/* The Walsh-Hadamard transform of n components (a power of two) of `lanes` values each, times `scale`. */
QV_INLINE void transform(float *x, size_t n, size_t lanes, float scale)
{
    size_t all = n * lanes, half = lanes;

    for (; 4 * half <= all; half *= 4)
        for (size_t i = 0; i < all; i += 4 * half)
            two_butterflies(x + i, x + i + half, x + i + 2 * half, x + i + 3 * half, half);
    if (half < all)
        butterfly(x, x + half, half);
    for (size_t i = 0; i < all; i++)
        x[i] *= scale;
}

QV_INLINE void flip(float *x, size_t dim, size_t lanes, const uint8_t *signs)
{
    for (size_t i = 0; i < dim; i++) {
        float sign = signs[i / 8] >> i % 8 & 1 ? -1.0f : 1.0f;
        for (size_t l = 0; l < lanes; l++)
            x[i * lanes + l] *= sign;
    }
}

QV_INLINE void rotate_lanes(float *x, size_t dim, size_t lanes, const uint8_t *signs)
{
    size_t power = 1, half = dim / 2 * lanes;
    while (2 * power <= dim)
        power *= 2;
    float scale = (float) (1 / sqrt((double) power));

    for (size_t round = 0; round < 4; round++) {
        flip(x, dim, lanes, signs + round * ((dim + 7) / 8));
        transform(round % 2 ? x + (dim - power) * lanes : x, power, lanes, scale);
        if (power != dim)
            butterfly(x, x + half, half);
    }
    if (power != dim)
        for (size_t i = 0; i < dim * lanes; i++)
            x[i] *= 0.25f;
}

static void QV_NAME(rotate)(float *x, size_t dim, size_t lanes, const uint8_t *signs)
{
    if (lanes == LANES)
        rotate_lanes(x, dim, LANES, signs);
    else
        rotate_lanes(x, dim, lanes, signs);
}

/* ------------------------------------------------------------------ codes of rows */

/* Takes `other` in the lanes of `mask` (all bits set). */
QV_INLINE void take(vf *into, const vi *mask, const vf *other)
{
    *into = (vf) (((vi) *other & *mask) | ((vi) *into & ~*mask));
}

/* Code values before they are complemented: floor(t |x|), at most `top`. NaN gives 0. */
QV_INLINE void values_of(const vf *size, const vf *scale, float top, vi *out)
{
    vf t = *size * *scale + 1e-5f, all = (vf){ 0 } + top;
    vi is_more = t > all, is_number = t == t;
    take(&t, &is_more, &all);
    t = (vf) ((vi) t & is_number);
    *out = __builtin_convertvector(t, vi);
}

QV_INLINE void size_of(const float *x, vf *size)
{
    vi bits = LOAD(vi, x) & INT32_MAX;
    *size = (vf) bits;
}

/* Cosine of the angle between codes and rows, up to a factor of the row. */
QV_INLINE void try_scales(const float *x, size_t dim, float top, const vf *scales, vf *best, vf *best_scales)
{
    vf along = { 0 }, norm = { 0 };

    for (size_t i = 0; i < dim; i++) {
        vf size;
        vi value;
        size_of(x + i * LANES, &size);
        values_of(&size, scales, top, &value);
        vf g = __builtin_convertvector(value, vf) + 0.5f;
        along += g * size;
        norm += g * g;
    }
    vf quality = along * along / norm;
    vi is_better = quality > *best;
    take(best, &is_better, &quality);
    take(best_scales, &is_better, scales);
}

/* `n` scales evenly around the best one, `step` times the largest apart. */
QV_INLINE void try_around(const float *x, size_t dim, float top, const vf *largest, float step, int n, vf *best,
                          vf *best_scales)
{
    vf centre = *best_scales;
    for (int i = -n; i <= n; i++) {
        if (i == 0)
            continue;
        vf scales = centre + *largest * (step * (float) i);
        try_scales(x, dim, top, &scales, best, best_scales);
    }
}

/* The quality as a function of the scale is nearly smooth, with one broad top: a grid, then two finer ones around the best. */
static void QV_NAME(fit)(const float *x, size_t dim, unsigned extra_bits, float *scales)
{
    enum { GRID = 12, AROUND = 2 };
    float top = (float) ((1 << extra_bits) - 1), step = 1.0f / GRID;
    vf most = { 0 }, best = { 0 }, best_scales = { 0 };

    for (size_t i = 0; i < dim; i++) {
        vf size;
        size_of(x + i * LANES, &size);
        vi is_more = size > most;
        take(&most, &is_more, &size);
    }
    vi is_zero = most == 0.0f;
    vf one = (vf){ 0 } + 1.0f;
    take(&most, &is_zero, &one);
    vf largest = (top + 2.0f) / most;
    for (int i = 1; i <= GRID; i++) {
        vf some = largest * (step * (float) i);
        try_scales(x, dim, top, &some, &best, &best_scales);
    }
    try_around(x, dim, top, &largest, step / (AROUND + 1), AROUND, &best, &best_scales);
    try_around(x, dim, top, &largest, step / ((AROUND + 1) * (AROUND + 1)), AROUND, &best, &best_scales);
    memcpy(scales, &best_scales, sizeof best_scales);
}

static void QV_NAME(code)(const float *x, size_t dim, unsigned extra_bits, const float *scales, uint8_t *codes)
{
    int32_t top = (1 << extra_bits) - 1;
    vf by = LOAD(vf, scales);

    for (size_t i = 0; i < dim; i++) {
        vf size;
        vi value;
        size_of(x + i * LANES, &size);
        values_of(&size, &by, (float) top, &value);
        vi is_negative = LOAD(vi, x + i * LANES) < 0;
        value ^= is_negative & top;
        vb bytes = __builtin_convertvector(value, vb);
        memcpy(codes + i * LANES, &bytes, sizeof bytes);
    }
}

static void QV_NAME(sign)(const float *x, size_t dim, uint8_t *out)
{
    for (size_t i = 0; i < dim; i += 8, out += LANES) {
        vb bytes = { 0 };
        for (unsigned bit = 0; bit < 8; bit++) {
            vi is_positive = LOAD(vi, x + (i + bit) * LANES) >= 0; /* by the sign bit, so that -0 is negative */
            bytes |= __builtin_convertvector(is_positive, vb) & (uint8_t) (1 << bit);
        }
        memcpy(out, &bytes, sizeof bytes);
    }
}

/* `size` with the sign of x. */
QV_INLINE void with_sign(const vf *size, const vf *x, vf *out) { *out = (vf) ((vi) *size | ((vi) *x & INT32_MIN)); }

QV_INLINE void sums_of_rows(const float *rows, const float *z, size_t dim, const uint8_t *codes, int32_t top,
                            qv__rabitq_sums *sums)
{
    vd xx = { 0 }, xz = { 0 }, hx = { 0 }, hz = { 0 }, gx = { 0 }, gz = { 0 };

    for (size_t i = 0; i < dim; i++) {
        vf x = LOAD(vf, rows + i * LANES), size = (vf){ 0 } + 0.5f, h, g;
        vd x_wide = __builtin_convertvector(x, vd), z_wide = __builtin_convertvector(LOAD(vf, z + i * LANES), vd);
        with_sign(&size, &x, &h);
        xx += x_wide * x_wide;
        xz += x_wide * z_wide;
        hx += __builtin_convertvector(h, vd) * x_wide;
        hz += __builtin_convertvector(h, vd) * z_wide;
        if (!codes)
            continue;
        vi value = __builtin_convertvector(LOAD(vb, codes + i * LANES), vi) ^ (((vi) x < 0) & top);
        size += __builtin_convertvector(value, vf);
        with_sign(&size, &x, &g);
        gx += __builtin_convertvector(g, vd) * x_wide;
        gz += __builtin_convertvector(g, vd) * z_wide;
    }
    memcpy(sums->xx, &xx, sizeof xx);
    memcpy(sums->xz, &xz, sizeof xz);
    memcpy(sums->hx, &hx, sizeof hx);
    memcpy(sums->hz, &hz, sizeof hz);
    memcpy(sums->gx, &gx, sizeof gx);
    memcpy(sums->gz, &gz, sizeof gz);
}

static void QV_NAME(sum)(const float *x, const float *z, size_t dim, unsigned extra_bits, const uint8_t *codes,
                         qv__rabitq_sums *sums)
{
    if (codes)
        sums_of_rows(x, z, dim, codes, (1 << extra_bits) - 1, sums);
    else
        sums_of_rows(x, z, dim, NULL, 0, sums);
}

const qv__kernels_rabitq QV_NAME(qv__kernels_rabitq) = {
    .scan = QV_NAME(scan),
    .pack_columns = QV_NAME(pack_columns),
    .product = QV_NAME(product),
    .compare = QV_NAME(compare),
    .rotate = QV_NAME(rotate),
    .fit = QV_NAME(fit),
    .code = QV_NAME(code),
    .sign = QV_NAME(sign),
    .sum = QV_NAME(sum),
};

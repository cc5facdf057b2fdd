/* The kernels that are one text for all instruction sets, in the compilers' own vectors. Included once per set, which defines
 *   QV_ISA, QV_VECTOR       its name, the bytes of a register
 *   widen(bytes, part)      WIDTH of 16 bytes as integers
 *   spread(bits, part, v)   v in the lanes whose bit is set, of WIDTH of 16 bits
 *   swap(x, half)           lane i goes to lane i ^ half (half < WIDTH)
 *   scan_<isa>, pack_columns_<isa>
 * with the vector types that kern_vector.h makes of QV_VECTOR. */
#include <math.h>

/* 16 lanes, always in this order. */
QV_INLINE float sum_lanes(const vf *lanes)
{
    v4 quarters[4];
    memcpy(quarters, lanes, sizeof quarters);
    v4 sum = (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* ------------------------------------------------------------------ codes and a query */

/* The bits of a top plane for dimensions 16k ..., as bytes of `value`. */
QV_INLINE vb spread_plane(const uint8_t *plane, unsigned k, uint8_t value)
{
    uint8_t low = (uint8_t) (1 << 2 * k), high = (uint8_t) (2 << 2 * k);
    vb bits = { low, low, low, low, low, low, low, low, high, high, high, high, high, high, high, high };
    uint64_t word;
    memcpy(&word, plane, sizeof word);
    v2 twice = { word, word };
    return (vb) (((vb) twice & bits) == bits) & value;
}

/* Extra codes of dimensions 16k .. 16k + 15 of a block. `layout` is a constant wherever this is used. */
QV_INLINE vb unpack(const uint8_t *block, unsigned layout, unsigned k)
{
    vb codes;
    uint64_t word;

    if (layout == 2 || layout == 3) {
        codes = LOAD(vb, block) >> 2 * k & 3;
    } else if (layout == 4) {
        memcpy(&word, block + 8 * k, sizeof word);
        v2 halves = { word & 0x0f0f0f0f0f0f0f0f, word >> 4 & 0x0f0f0f0f0f0f0f0f };
        codes = (vb) halves;
    } else if (layout == 5) {
        codes = LOAD(vb, block + 16 * (k / 2));
        codes = k % 2 ? (vb) (codes >> 4) : (vb) (codes & 15);
    } else if ((layout == 6 || layout == 7) && k == 3) {
        codes = LOAD(vb, block) >> 6 | LOAD(vb, block + 16) >> 6 << 2 | LOAD(vb, block + 32) >> 6 << 4;
    } else {
        codes = LOAD(vb, block + 16 * k);
        if (layout != 8)
            codes &= 63;
    }
    if (layout == 3 || layout == 5 || layout == 7)
        codes |= spread_plane(block + 8 * (layout - 1), k, (uint8_t) (1 << (layout - 1)));
    return codes;
}

QV_INLINE unsigned load16(const uint8_t *bytes) { return bytes[0] | (unsigned) bytes[1] << 8; }

QV_INLINE void product_of(const uint8_t *signs, const uint8_t *extra, unsigned layout, unsigned extra_bits,
                          const float *query, size_t n_blocks, float products[2])
{
    vf dot[PARTS] = { { 0 } }, norm[PARTS] = { { 0 } };
    float middle = (float) (1 << extra_bits) - 0.5f;

    for (size_t block = 0; block < n_blocks; block++, signs += 8, extra += 8 * layout, query += QV_RABITQ_BLOCK)
        for (unsigned k = 0; k < 4; k++) {
            vb codes = layout > 1 ? unpack(extra, layout, k) : (vb){ 0 };
            for (unsigned part = 0; part < PARTS; part++) {
                vi code = spread(load16(signs + 2 * k), part, 1 << extra_bits);
                if (layout == 1)
                    code |= spread(load16(extra + 2 * k), part, 1);
                else if (layout > 1)
                    code |= widen(codes, part);
                vf g = __builtin_convertvector(code, vf) - middle;
                dot[part] += g * LOAD(vf, query + 16 * k + WIDTH * part);
                norm[part] += g * g;
            }
        }
    products[0] = sum_lanes(dot);
    products[1] = sum_lanes(norm);
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

/* ------------------------------------------------------------------ tables of a query */

/* The lanes of table entries that contain component i of four. */
QV_INLINE vi lanes_with(unsigned i, unsigned part)
{
    static const unsigned lanes[4] = { 0xaaaa, 0xcccc, 0xf0f0, 0xff00 };
    return spread(lanes[i], part, -1);
}

static void QV_NAME(tables)(const float *x, size_t dim, float step, uint8_t *tables, float errors[2])
{
    vf sum[PARTS] = { { 0 } }, square[PARTS] = { { 0 } };
    float per_step = step > 0 ? 1 / step : 0;

    for (size_t at = 0; at < dim; at += 4, tables += LANES) {
        const float *four = x + at;
        float least = 0;
        for (unsigned i = 0; i < 4; i++)
            least += four[i] < 0 ? four[i] : 0;
        for (unsigned part = 0; part < PARTS; part++) {
            vf exact = (vf){ 0 } - least;
            for (unsigned i = 0; i < 4; i++)
                exact += (vf) ((vi) ((vf){ 0 } + four[i]) & lanes_with(i, part));
            vi entry = __builtin_convertvector(exact * per_step + 0.5f, vi);
            vf error = __builtin_convertvector(entry, vf) * step - exact;
            vbs bytes = __builtin_convertvector(entry, vbs);
            memcpy(tables + WIDTH * part, &bytes, WIDTH);
            sum[part] += error;
            square[part] += error * error;
        }
    }
    errors[0] = sum_lanes(sum) / LANES;
    errors[1] = sum_lanes(square) / LANES;
}

/* ------------------------------------------------------------------ vectors */

typedef struct comparison {
    vf dot[PARTS], far[PARTS], norm[PARTS];
} comparison;

QV_INLINE void compare_lanes(const float *a, const float *b, comparison *sums)
{
    for (size_t part = 0; part < PARTS; part++) {
        vf x = LOAD(vf, a + WIDTH * part), y = LOAD(vf, b + WIDTH * part);
        sums->dot[part] += x * y;
        sums->far[part] += (x - y) * (x - y);
        sums->norm[part] += x * x;
    }
}

static void QV_NAME(compare)(const float *a, const float *b, size_t n, float out[3])
{
    comparison sums = { { { 0 } }, { { 0 } }, { { 0 } } };
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        compare_lanes(a + i, b + i, &sums);
    if (i < n) {
        float rest[2][LANES] = { { 0 }, { 0 } };
        memcpy(rest[0], a + i, (n - i) * sizeof *a);
        memcpy(rest[1], b + i, (n - i) * sizeof *b);
        compare_lanes(rest[0], rest[1], &sums);
    }
    out[0] = sum_lanes(sums.dot);
    out[1] = sum_lanes(sums.far);
    out[2] = sum_lanes(sums.norm);
}

/* ------------------------------------------------------------------ rotation */

/* (a, b) -> (a + b, a - b) * scale for n pairs. */
QV_INLINE void butterfly(float *a, float *b, size_t n, float scale)
{
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        vf x = LOAD(vf, a + i), y = LOAD(vf, b + i);
        LOAD(vf, a + i) = (x + y) * scale;
        LOAD(vf, b + i) = (x - y) * scale;
    }
    for (; i < n; i++) {
        float x = a[i], y = b[i];
        a[i] = (x + y) * scale;
        b[i] = (x - y) * scale;
    }
}

/* Two stages at once, of four runs of n values that follow each other: a value is loaded and stored half as often. */
QV_INLINE void two_butterflies(float *x, size_t n, float scale)
{
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        vf a = LOAD(vf, x + i), b = LOAD(vf, x + i + n), c = LOAD(vf, x + i + 2 * n), d = LOAD(vf, x + i + 3 * n);
        LOAD(vf, x + i) = ((a + b) + (c + d)) * scale;
        LOAD(vf, x + i + n) = ((a - b) + (c - d)) * scale;
        LOAD(vf, x + i + 2 * n) = ((a + b) - (c + d)) * scale;
        LOAD(vf, x + i + 3 * n) = ((a - b) - (c - d)) * scale;
    }
    for (; i < n; i++) {
        float a = x[i], b = x[i + n], c = x[i + 2 * n], d = x[i + 3 * n];
        x[i] = ((a + b) + (c + d)) * scale;
        x[i + n] = ((a - b) + (c - d)) * scale;
        x[i + 2 * n] = ((a + b) - (c + d)) * scale;
        x[i + 3 * n] = ((a - b) - (c - d)) * scale;
    }
}

/* The stages of halves 1 .. WIDTH / 2, within registers. */
QV_INLINE void first_stages(float *x, size_t n)
{
    static const int32_t numbers[LANES] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    vi number = LOAD(vi, numbers);

    for (size_t i = 0; i < n; i += WIDTH) {
        vf v = LOAD(vf, x + i);
#pragma GCC unroll 4
        for (int half = 1; half < WIDTH; half *= 2) {
            vi is_second = (number & half) != 0;
            v = swap(v, (unsigned) half) + (vf) ((vi) v ^ (is_second & INT32_MIN));
        }
        LOAD(vf, x + i) = v;
    }
}

/* The Walsh-Hadamard transform of n components (a power of two) of `lanes` values each, times `scale` in its last stage. */
QV_INLINE void transform(float *x, size_t n, size_t lanes, float scale)
{
    size_t all = n * lanes, half = lanes;

    if (lanes == 1 && n > WIDTH) {
        first_stages(x, n);
        half = WIDTH;
    }
    for (; 4 * half <= all; half *= 4)
        for (size_t i = 0; i < all; i += 4 * half)
            two_butterflies(x + i, half, 4 * half == all ? scale : 1.0f);
    if (half < all)
        butterfly(x, x + half, half, scale);
}

/* Negates the components whose bit is set. */
QV_INLINE void flip(float *x, size_t dim, size_t lanes, const uint8_t *signs)
{
    if (lanes == 1) {
        size_t i = 0;
        for (; i + LANES <= dim; i += LANES)
            for (unsigned part = 0; part < PARTS; part++)
                LOAD(vi, x + i + WIDTH * part) ^= spread(load16(signs + i / 8), part, INT32_MIN);
        for (; i < dim; i++)
            x[i] = signs[i / 8] >> i % 8 & 1 ? -x[i] : x[i];
        return;
    }
    for (size_t i = 0; i < dim; i++, x += LANES) {
        vi sign = (vi){ 0 } + (int32_t) ((uint32_t) (signs[i / 8] >> i % 8) << 31);
        for (size_t lane = 0; lane < LANES; lane += WIDTH)
            LOAD(vi, x + lane) ^= sign;
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
            butterfly(x, x + half, half, round == 3 ? 0.25f : 1.0f);
    }
}

static void QV_NAME(rotate)(float *x, size_t dim, size_t lanes, const uint8_t *signs)
{
    if (lanes == LANES)
        rotate_lanes(x, dim, LANES, signs);
    else
        rotate_lanes(x, dim, 1, signs);
}

/* ------------------------------------------------------------------ codes of rows */

/* The functions below work on WIDTH of the 16 lanes: component i of the first is at x[i * LANES]. */

QV_INLINE vf choose(vi mask, vf a, vf b) { return (vf) (((vi) a & mask) | ((vi) b & ~mask)); }

/* Code values before they are complemented: floor(t |x|), at most `top`. NaN gives 0. */
QV_INLINE vi values_of(vf size, vf scale, float top)
{
    vf t = size * scale + 1e-5f, all = (vf){ 0 } + top;
    t = choose(t > all, all, t);
    return __builtin_convertvector(choose(t == t, t, (vf){ 0 }), vi);
}

QV_INLINE vf size_of(const float *x) { return (vf) (LOAD(vi, x) & INT32_MAX); }

typedef struct fitting {
    const float *x;
    size_t dim;
    float top;
    vf best, scales; /* quality, and the scales that reach it */
} fitting;

/* The quality is the squared cosine of the angle between code and row, up to a factor of the row. */
QV_INLINE void try_scales(fitting *fit, vf scales)
{
    vf along = { 0 }, norm = { 0 };

    for (size_t i = 0; i < fit->dim; i++) {
        vf size = size_of(fit->x + i * LANES);
        vf g = __builtin_convertvector(values_of(size, scales, fit->top), vf) + 0.5f;
        along += g * size;
        norm += g * g;
    }
    vf quality = along * along / norm;
    vi is_better = quality > fit->best;
    fit->best = choose(is_better, quality, fit->best);
    fit->scales = choose(is_better, scales, fit->scales);
}

/* `n` scales on both sides of the best one, `step` apart. */
QV_INLINE void try_around(fitting *fit, vf step, int n)
{
    vf centre = fit->scales;
    for (int i = 1; i <= n; i++) {
        try_scales(fit, centre - step * (float) i);
        try_scales(fit, centre + step * (float) i);
    }
}

/* The quality as a function of the scale is nearly smooth, with one broad top: a grid, then two finer ones around the best. The best lies
 * below (top + 10) / (largest component) and above the share of it that the extended RaBitQ of Lance searches from, too. */
QV_INLINE vf fit_lanes(const float *x, size_t dim, unsigned extra_bits)
{
    enum { GRID = 12, AROUND = 2 };
    static const float lowest[] = { 0, 0.15f, 0.20f, 0.52f, 0.59f, 0.71f, 0.75f, 0.77f, 0.81f };
    fitting fit = { .x = x, .dim = dim, .top = (float) ((1 << extra_bits) - 1) };
    vf most = { 0 };

    for (size_t i = 0; i < dim; i++) {
        vf size = size_of(x + i * LANES);
        most = choose(size > most, size, most);
    }
    most = choose(most == 0.0f, (vf){ 0 } + 1.0f, most);
    vf largest = (fit.top + 10.0f) / most, step = largest * ((1.0f - lowest[extra_bits]) / GRID);
    for (int i = 0; i <= GRID; i++)
        try_scales(&fit, largest * lowest[extra_bits] + step * (float) i);
    try_around(&fit, step * (1.0f / (AROUND + 1)), AROUND);
    try_around(&fit, step * (1.0f / ((AROUND + 1) * (AROUND + 1))), AROUND);
    return fit.scales;
}

static void QV_NAME(fit)(const float *x, size_t dim, unsigned extra_bits, float *scales)
{
    for (size_t lane = 0; lane < LANES; lane += WIDTH)
        LOAD(vf, scales + lane) = fit_lanes(x + lane, dim, extra_bits);
}

static void QV_NAME(code)(const float *x, size_t dim, unsigned extra_bits, const float *scales, uint8_t *codes)
{
    int32_t top = (1 << extra_bits) - 1;

    for (size_t i = 0; i < dim; i++, x += LANES, codes += LANES)
        for (size_t lane = 0; lane < LANES; lane += WIDTH) {
            vi value = values_of(size_of(x + lane), LOAD(vf, scales + lane), (float) top);
            vbs bytes = __builtin_convertvector(value ^ ((LOAD(vi, x + lane) < 0) & top), vbs);
            memcpy(codes + lane, &bytes, WIDTH);
        }
}

static void QV_NAME(sign)(const float *x, size_t dim, uint8_t *out)
{
    for (size_t i = 0; i < dim; i += 8, out += LANES)
        for (size_t lane = 0; lane < LANES; lane += WIDTH) {
            vi bits = { 0 };
            for (int bit = 0; bit < 8; bit++) /* by the sign bit, so that -0 is negative */
                bits |= (LOAD(vi, x + (i + (size_t) bit) * LANES + lane) >= 0) & (1 << bit);
            vbs bytes = __builtin_convertvector(bits, vbs);
            memcpy(out + lane, &bytes, WIDTH);
        }
}

/* In single precision for a few components at a time, then in double. */
enum { SUMS = 6, FEW = 8 };

QV_INLINE void add_few(const float *rows, const float *z, const uint8_t *codes, int32_t top, vf sums[SUMS])
{
    for (size_t i = 0; i < FEW; i++) {
        vf x = LOAD(vf, rows + i * LANES), other = LOAD(vf, z + i * LANES);
        vi sign = (vi) x & INT32_MIN;
        vf h = (vf) (sign | (vi) ((vf){ 0 } + 0.5f));
        sums[0] += x * x;
        sums[1] += x * other;
        sums[2] += h * x;
        sums[3] += h * other;
        if (!codes)
            continue;
        vi value = __builtin_convertvector(LOAD(vbs, codes + i * LANES), vi) ^ ((sign != 0) & top);
        vf g = (vf) (sign | (vi) (__builtin_convertvector(value, vf) + 0.5f));
        sums[4] += g * x;
        sums[5] += g * other;
    }
}

QV_INLINE void sum_rows(const float *x, const float *z, size_t dim, const uint8_t *codes, int32_t top,
                        double all[SUMS][LANES])
{
    for (size_t i = 0; i < dim; i += FEW)
        for (size_t lane = 0; lane < LANES; lane += WIDTH) {
            vf sums[SUMS] = { { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 } };
            add_few(x + i * LANES + lane, z + i * LANES + lane, codes ? codes + i * LANES + lane : NULL, top, sums);
            for (size_t sum = 0; sum < SUMS; sum++)
                for (size_t l = 0; l < WIDTH; l++)
                    all[sum][lane + l] += (double) sums[sum][l];
        }
}

static void QV_NAME(sum)(const float *x, const float *z, size_t dim, unsigned extra_bits, const uint8_t *codes,
                         qv__rabitq_sums *sums)
{
    double all[SUMS][LANES] = { { 0 } };

    if (codes)
        sum_rows(x, z, dim, codes, (1 << extra_bits) - 1, all);
    else
        sum_rows(x, z, dim, NULL, 0, all);
    memcpy(sums, all, sizeof *sums);
}

const qv__kernels_rabitq QV_NAME(qv__kernels_rabitq) = {
    .scan = QV_NAME(scan),
    .pack_columns = QV_NAME(pack_columns),
    .product = QV_NAME(product),
    .tables = QV_NAME(tables),
    .compare = QV_NAME(compare),
    .rotate = QV_NAME(rotate),
    .fit = QV_NAME(fit),
    .code = QV_NAME(code),
    .sign = QV_NAME(sign),
    .sum = QV_NAME(sum),
};

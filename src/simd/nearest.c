/* The nearest of k vectors for many rows: tiles of rows against panels of vectors (tile_tmpl.h), with the choice fused in.
 *
 * |row - v|^2 = |row|^2 - 2 (row . v - |v|^2 / 2): the nearest has the greatest row . v + bias, bias = -|v|^2 / 2; for products bias = 0.
 * Places past the last vector have bias -inf and are never taken. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "simd_private.h"

enum {
    BLOCK_ROWS = 20 * QV_TILE_ROWS, /* rows that pass over a panel while it is in the first-level cache */
    BLOCK_BYTES = 192 << 10,        /* and stay in the second-level cache meanwhile */
    MAX_LANES = QV_PANEL_MAX / 2,
    MAX_VECTORS = 1 << 24, /* half panels are counted in floats */
};

struct qv__nearest {
    const qv__kernels *kernels;
    qv_metric metric;
    size_t dim, capacity, k;
    float *panels; /* each dim x panel_wide, value by value */
    float *bias;   /* a value per place */
    bool in_range; /* every bias is finite */
};

static size_t panels_of(const qv__nearest *nearest, size_t k)
{
    return (k + nearest->kernels->panel_wide - 1) / nearest->kernels->panel_wide;
}

qv_status qv__nearest_new_with(const qv__kernels *kernels, qv_metric metric, size_t capacity, size_t dim,
                               qv__nearest **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__nearest *nearest = NULL;
    uint64_t n_floats;

    if (capacity == 0 || capacity > MAX_VECTORS || dim == 0)
        return qv__fail(err, QV_INVALID, "%zu vectors of %zu dimensions to choose from; 1 to %d are possible", capacity,
                        dim, MAX_VECTORS);
    if (metric != QV_METRIC_L2 && metric != QV_METRIC_DOT)
        return qv__fail(err, QV_INVALID, "the nearest vector by metric %d", (int) metric);
    QV_TRY(QV_NEW(&nearest, 1, err));
    nearest->kernels = kernels;
    nearest->metric = metric;
    nearest->dim = dim;
    nearest->capacity = capacity;
    size_t places = panels_of(nearest, capacity) * kernels->panel_wide;
    if (!qv__mul_u64(places, dim, &n_floats) || n_floats > SIZE_MAX / 16)
        QV_CHECK(qv__fail_nomem(err, SIZE_MAX));
    nearest->panels = qv__alloc_aligned(n_floats * sizeof(float));
    nearest->bias = qv__alloc_aligned(places * sizeof(float));
    if (!nearest->panels || !nearest->bias)
        QV_CHECK(qv__fail_nomem(err, n_floats * sizeof(float)));
    *out = nearest;
    nearest = NULL;
done:
    qv__nearest_free(nearest);
    return st;
}

qv_status qv__nearest_new(qv_metric metric, size_t capacity, size_t dim, qv__nearest **out, qv_error *err)
{
    return qv__nearest_new_with(qv__kernels_get(), metric, capacity, dim, out, err);
}

void qv__nearest_free(qv__nearest *nearest)
{
    if (!nearest)
        return;
    qv__free(nearest->panels);
    qv__free(nearest->bias);
    qv__free(nearest);
}

/* Four sums, so that additions need not wait for each other. */
static float bias_of(const qv__nearest *nearest, const float *vector)
{
    double sums[4] = { 0 };
    size_t i = 0, dim = nearest->dim;

    if (nearest->metric == QV_METRIC_DOT)
        return 0;
    for (; i + 4 <= dim; i += 4)
        for (size_t j = 0; j < 4; j++)
            sums[j] += (double) vector[i + j] * vector[i + j];
    for (; i < dim; i++)
        sums[0] += (double) vector[i] * vector[i];
    return (float) (-((sums[0] + sums[1]) + (sums[2] + sums[3])) / 2);
}

static void fill_panel(qv__nearest *nearest, size_t p, const float *vectors, const uint32_t *numbers, size_t n)
{
    size_t dim = nearest->dim, width = nearest->kernels->panel_wide;
    float *panel = nearest->panels + p * width * dim, *bias = nearest->bias + p * width;

    for (size_t v = 0; v < width; v++) {
        if (v >= n) {
            bias[v] = -INFINITY;
            for (size_t i = 0; i < dim; i++)
                panel[i * width + v] = 0;
            continue;
        }
        const float *vector = vectors + (numbers ? numbers[p * width + v] : p * width + v) * dim;
        bias[v] = bias_of(nearest, vector);
        nearest->in_range = nearest->in_range && isfinite(bias[v]);
        for (size_t i = 0; i < dim; i++)
            panel[i * width + v] = vector[i];
    }
}

void qv__nearest_set(qv__nearest *nearest, const float *vectors, const uint32_t *numbers, size_t k)
{
    size_t width = nearest->kernels->panel_wide;

    nearest->k = k;
    nearest->in_range = true;
    for (size_t p = 0; p < panels_of(nearest, k); p++)
        fill_panel(nearest, p, vectors, numbers, QV_MIN(k - p * width, width));
}

/* ------------------------------------------------------------------ one row, in double */

static float value_at(const qv__nearest *nearest, size_t v, size_t i)
{
    size_t width = nearest->kernels->panel_wide;
    return nearest->panels[(v / width * nearest->dim + i) * width + v % width];
}

/* The same sums in double: products of floats cannot leave its range. */
static uint32_t find_in_double(const qv__nearest *nearest, const uint8_t *row)
{
    double greatest = -INFINITY;
    uint32_t position = 0;

    for (size_t v = 0; v < nearest->k; v++) {
        double product = 0, norm2 = 0;
        for (size_t i = 0; i < nearest->dim; i++) {
            float value;
            memcpy(&value, row + i * sizeof value, sizeof value);
            double at = value_at(nearest, v, i);
            product += value * at;
            norm2 += at * at;
        }
        double sum = nearest->metric == QV_METRIC_DOT ? product : product - norm2 / 2;
        if (sum > greatest) {
            greatest = sum;
            position = (uint32_t) v;
        }
    }
    return position;
}

/* ------------------------------------------------------------------ many rows */

/* The greatest over the lanes of a row; of equal ones that with the smaller number. */
static uint32_t choose_lane(const qv__nearest *nearest, const float *best, const float *from, const uint8_t *row)
{
    size_t lanes = nearest->kernels->panel_narrow;
    float greatest = -INFINITY;
    uint32_t position = 0;

    for (size_t lane = 0; lane < lanes; lane++) {
        uint32_t here = (uint32_t) from[lane] * (uint32_t) lanes + (uint32_t) lane;
        if (best[lane] > greatest || (best[lane] == greatest && here < position)) {
            greatest = best[lane];
            position = here;
        }
    }
    return isfinite(greatest) ? position : find_in_double(nearest, row);
}

static void find_block(const qv__nearest *nearest, const uint8_t *rows, size_t stride, size_t n, uint32_t *positions)
{
    _Alignas(64) float best[BLOCK_ROWS * MAX_LANES];
    _Alignas(64) float from[BLOCK_ROWS * MAX_LANES];
    const qv__kernels *k = nearest->kernels;
    size_t lanes = k->panel_narrow, width = k->panel_wide, n_panels = panels_of(nearest, nearest->k);
    size_t n_slots = (n + QV_TILE_ROWS - 1) / QV_TILE_ROWS * QV_TILE_ROWS * lanes;

    for (size_t i = 0; i < n_slots; i++) {
        best[i] = -INFINITY;
        from[i] = 0;
    }
    for (size_t p = 0; p < n_panels; p++)
        for (size_t r = 0; r < n; r += QV_TILE_ROWS)
            k->tile_nearest(nearest->panels + p * width * nearest->dim, nearest->bias + p * width, nearest->dim,
                            rows + r * stride, stride, QV_MIN(n - r, QV_TILE_ROWS), (float) (2 * p), best + r * lanes,
                            from + r * lanes);
    for (size_t r = 0; r < n; r++)
        positions[r] = choose_lane(nearest, best + r * lanes, from + r * lanes, rows + r * stride);
}

void qv__nearest_find(const qv__nearest *nearest, const void *rows, size_t stride, size_t n, uint32_t *positions)
{
    const uint8_t *bytes = rows;
    size_t block = QV_MIN(BLOCK_BYTES / (nearest->dim * sizeof(float)), BLOCK_ROWS);

    block = QV_MAX(block / QV_TILE_ROWS * QV_TILE_ROWS, QV_TILE_ROWS);
    for (size_t r = 0; r < n && !nearest->in_range; r++)
        positions[r] = find_in_double(nearest, bytes + r * stride);
    for (size_t r = 0; r < n && nearest->in_range; r += block)
        find_block(nearest, bytes + r * stride, stride, QV_MIN(n - r, block), positions + r);
}

/* ------------------------------------------------------------------ all distances */

/* A panel stays in the first-level cache while all rows pass over it. */
void qv__nearest_distances(const qv__nearest *nearest, const float *rows, size_t n_rows, float *out)
{
    const qv__kernels *k = nearest->kernels;
    size_t width = k->panel_wide, n_panels = panels_of(nearest, nearest->k);
    void (*panel_fn)(const float *, size_t, const float *, float *) =
        nearest->metric == QV_METRIC_DOT ? k->panel_dot : k->panel_l2;

    for (size_t p = 0; p < n_panels; p++) {
        const float *panel = nearest->panels + p * width * nearest->dim;
        float last[QV_PANEL_MAX];
        size_t n = QV_MIN(nearest->k - p * width, width);
        for (size_t r = 0; r < n_rows; r++) {
            float *at = out + r * nearest->k + p * width;
            panel_fn(panel, nearest->dim, rows + r * nearest->dim, n == width ? at : last);
            if (n < width)
                memcpy(at, last, n * sizeof(float));
        }
    }
}

void qv__add_rows(const float *rows, size_t dim, const uint32_t *numbers, size_t n, double *sums)
{
    qv__kernels_get()->add_rows(rows, dim, numbers, n, sums);
}

/* ------------------------------------------------------------------ the n smallest */

enum { SELECT_BLOCK = 256 };

static inline bool is_after(float a, uint32_t a_at, float b, uint32_t b_at) { return a > b || (a == b && a_at > b_at); }

/* A heap in two arrays, the last in order on top. Puts a value where the top was. */
static void sift_down(float *values, uint32_t *at, size_t n, float value, uint32_t position)
{
    size_t hole = 0;

    for (size_t child = 1; child < n; child = 2 * hole + 1) {
        if (child + 1 < n && is_after(values[child + 1], at[child + 1], values[child], at[child]))
            child++;
        if (!is_after(values[child], at[child], value, position))
            break;
        values[hole] = values[child];
        at[hole] = at[child];
        hole = child;
    }
    values[hole] = value;
    at[hole] = position;
}

static void sift_up(float *values, uint32_t *at, size_t hole)
{
    float value = values[hole];
    uint32_t position = at[hole];

    for (; hole > 0; hole = (hole - 1) / 2) {
        size_t parent = (hole - 1) / 2;
        if (!is_after(value, position, values[parent], at[parent]))
            break;
        values[hole] = values[parent];
        at[hole] = at[parent];
    }
    values[hole] = value;
    at[hole] = position;
}

/* Of few values only the first in order are looked for among those that a bound lets through. The bound: values are dealt out to twice as
 * many groups as are wanted, and of the groups' least values the n-th in order is no less than the n-th of all. */
enum { FEW = 64, GROUPS_MOST = 2 * FEW, FOUND_MOST = 4 * FEW, SELECTED_MOST = 4096 };

static float nth_of(float *values, size_t count, size_t n)
{
    size_t low = 0, high = count - 1;

    while (low < high) { /* Hoare's selection */
        float pivot = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (values[i] < pivot)
                i++;
            while (pivot < values[j])
                j--;
            if (i >= j)
                break;
            float other = values[i];
            values[i] = values[j];
            values[j] = other;
        }
        if (n <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[low];
}

static float bound_of_nth(const float *values, size_t count, size_t n)
{
    float least[GROUPS_MOST];
    size_t n_groups = 2 * n;

    for (size_t g = 0; g < n_groups; g++)
        least[g] = INFINITY;
    for (size_t at = 0; at < count; at += n_groups) {
        size_t here = QV_MIN(n_groups, count - at);
        for (size_t g = 0; g < here; g++)
            least[g] = values[at + g] < least[g] ? values[at + g] : least[g];
    }
    return nth_of(least, n_groups, n - 1);
}

/* false: more lie within the bound than there is room for. */
static bool smallest_few(const float *values, size_t count, size_t n, uint32_t *positions, float *smallest)
{
    const qv__kernels *k = qv__kernels_get();
    uint32_t found[SELECTED_MOST];
    float bound = bound_of_nth(values, count, n);
    size_t n_found = bound < INFINITY ? k->select_le(values, count, bound, found) : 0;

    if (n_found < n || n_found > FOUND_MOST)
        return false;
    for (size_t f = 0, kept = 0; f < n_found; f++) { /* inserted from behind: most stay near where they are put */
        float value = values[found[f]];
        if (kept == n && !(value < smallest[n - 1]))
            continue;
        size_t at = kept < n ? kept++ : n - 1;
        for (; at > 0 && value < smallest[at - 1]; at--) {
            smallest[at] = smallest[at - 1];
            positions[at] = positions[at - 1];
        }
        smallest[at] = value;
        positions[at] = found[f];
    }
    return true;
}

static void smallest_by_heap(const float *values, size_t count, size_t n, uint32_t *positions, float *smallest)
{
    const qv__kernels *k = qv__kernels_get();
    uint32_t found[SELECT_BLOCK];

    for (size_t i = 0; i < n; i++) {
        smallest[i] = isnan(values[i]) ? INFINITY : values[i];
        positions[i] = (uint32_t) i;
        sift_up(smallest, positions, i);
    }
    for (size_t i = n; n > 0 && i < count; i += SELECT_BLOCK) {
        size_t n_found = k->select_le(values + i, QV_MIN(count - i, SELECT_BLOCK), smallest[0], found);
        for (size_t f = 0; f < n_found; f++)
            if (values[i + found[f]] < smallest[0])
                sift_down(smallest, positions, n, values[i + found[f]], (uint32_t) (i + found[f]));
    }
    for (size_t left = n; left > 1; left--) {
        float value = smallest[left - 1], top = smallest[0];
        uint32_t position = positions[left - 1], top_at = positions[0];
        sift_down(smallest, positions, left - 1, value, position);
        smallest[left - 1] = top;
        positions[left - 1] = top_at;
    }
}

void qv__smallest(const float *values, size_t count, size_t n, uint32_t *positions, float *smallest)
{
    bool is_few = n > 0 && n <= FEW && count >= 8 * n && count <= SELECTED_MOST;

    if (!is_few || !smallest_few(values, count, n, positions, smallest))
        smallest_by_heap(values, count, n, positions, smallest);
}

/* Distances and top-k in one pass.
 *
 * One query, or a few: blocks of rows that fit the cache go through the one-to-many kernel, and only distances that can
 * still enter the heap are looked at.
 *
 * Many queries: tiles multiply a few rows with a panel of queries in registers. That gives dot products with the rounding of
 * plain sums, so they only choose candidates: a row is a candidate when its distance, less a bound on all rounding errors of
 * this computation and of the one-to-many kernel, is not above the worst distance kept. Candidates get their distance from the
 * one-to-many kernel. The answers of both ways are therefore the same to the bit.
 *
 * With u = 2^-24 a sum of n products has an error of at most n u |q||v| <= n u (|q|^2 + |v|^2) / 2. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "simd_private.h"

enum {
    BLOCK_ROWS = 512,        /* distances held at once */
    BLOCK_BYTES = 128 << 10, /* rows that stay in the second-level cache while several queries pass over them */
};

static inline uint64_t id_of(const qv__scan_rows *rows, size_t i)
{
    return rows->ids ? rows->ids[i] : rows->first_id + i;
}

static inline bool is_live(const qv__scan_rows *rows, size_t i)
{
    return !rows->live || qv__bit_get(rows->live, rows->live_offset + i);
}

/* No distance above this can be kept. */
static inline float worst_kept(const qv__topk *topk)
{
    return topk->n < topk->k ? topk->upper : topk->heap[0].distance;
}

/* The next block with live rows: [*at, *at + result), at most `most` rows. */
static size_t next_block(const qv__scan_rows *rows, size_t *at, size_t most)
{
    if (rows->live)
        *at =
            qv__bitmap_find(rows->live, rows->live_offset + *at, rows->live_offset + rows->n, true) - rows->live_offset;
    return QV_MIN(rows->n - *at, most);
}

/* ------------------------------------------------------------------ few queries */

static void scan_block(const qv__distance *d, size_t q, const qv__scan_rows *rows, size_t at, size_t n, qv__topk *topk)
{
    float distances[BLOCK_ROWS];
    uint32_t found[BLOCK_ROWS];

    qv__distance_block(d, q, (const uint8_t *) rows->rows + at * rows->stride, rows->stride, n, rows->live,
                       rows->live_offset + at, distances);
    size_t n_found = d->kernels->select_le(distances, n, worst_kept(topk), found);
    for (size_t f = 0; f < n_found; f++)
        if (is_live(rows, at + found[f]))
            qv__topk_push(topk, distances[found[f]], id_of(rows, at + found[f]));
}

static void scan_few(const qv__distance *d, const qv__scan_rows *rows, qv__topk *topks)
{
    size_t most = BLOCK_ROWS;

    if (d->n_queries > 1)
        most = QV_MIN(QV_MAX(BLOCK_BYTES / QV_MAX(rows->stride, 1), 4), BLOCK_ROWS);
    for (size_t at = 0; at < rows->n;) {
        size_t n = next_block(rows, &at, most);
        if (n == 0)
            return;
        for (size_t q = 0; q < d->n_queries; q++)
            if (topks[q].k > 0)
                scan_block(d, q, rows, at, n, &topks[q]);
        at += n;
    }
}

/* ------------------------------------------------------------------ many queries */

/* A row is a candidate for query q when dot >= least[q] * scale + add; scale and add are the row's. */
typedef struct row_test {
    float scale, add;
    enum { ROW_TEST, ROW_NEVER, ROW_ALWAYS } kind;
} row_test;

typedef struct many {
    const qv__distance *d;
    const qv__scan_rows *rows;
    qv__topk *topks;
    double slack;       /* bound on the relative rounding error */
    float *least;       /* n_panels * panel_wide */
    float *wide;        /* block of rows as float32, when they are stored otherwise */
    size_t wide_stride; /* bytes */
    row_test *tests;    /* of the rows of a block */
    float *dots;        /* QV_TILE_ROWS * QV_PANEL_MAX */
    size_t block_rows;
    qv__kernel_query zero; /* its l2 distance to a row is |v|^2 */
} many;

/* The smallest dot product that can still enter the heap; computed in double and rounded down by the slack. */
static float least_dot(const many *m, size_t q)
{
    double worst = worst_kept(&m->topks[q]), norm2 = m->d->panel_norm2[q], s = m->slack;

    if (m->topks[q].k == 0 || (m->d->kind == QV_K_COSINE && norm2 == 0))
        return INFINITY;
    if (isinf(worst))
        return worst > 0 ? -INFINITY : INFINITY;
    if (m->d->kind == QV_K_L2)
        return (float) (((1 - s) * norm2 - worst) / 2 - s * (fabs(worst) + norm2) - FLT_MIN);
    if (m->d->kind == QV_K_DOT)
        return (float) (1 - worst - s * (norm2 / 2 + 1 + fabs(worst)) - FLT_MIN);
    return (float) (1 - worst - s * (1 + fabs(worst)));
}

static row_test test_of(const many *m, float norm2, bool live)
{
    double s = m->slack;

    if (!live || isnan(norm2))
        return (row_test){ 0, 0, ROW_NEVER };
    if (isinf(norm2) || (m->d->kind == QV_K_COSINE && norm2 < 1e-30f && norm2 > 0))
        return (row_test){ 0, 0, ROW_ALWAYS }; /* out of float32's range: only the exact distance tells */
    if (m->d->kind == QV_K_L2)
        return (row_test){ 1, (float) ((1 - s) * (double) norm2 / 2 - s * (double) norm2), ROW_TEST };
    if (m->d->kind == QV_K_DOT)
        return (row_test){ 1, (float) (-s * (double) norm2), ROW_TEST };
    return (row_test){ sqrtf(norm2), 0, ROW_TEST };
}

/* Is every value of the row zero? */
static bool is_zero_row(const many *m, const uint8_t *row)
{
    size_t n = qv__element_bytes(m->d->element, m->d->dim);
    size_t each = n / m->d->dim;
    for (size_t i = 0; i < n; i++)
        if (row[i] && !(row[i] == 0x80 && i % each == each - 1 && each > 1)) /* -0.0 */
            return false;
    return true;
}

/* Rows [at, at + n) as float32, and their tests. */
static const uint8_t *prepare_rows(many *m, size_t at, size_t n, size_t *stride)
{
    const qv__scan_rows *rows = m->rows;
    const uint8_t *first = (const uint8_t *) rows->rows + at * rows->stride, *floats = first;
    float norms[BLOCK_ROWS];

    *stride = rows->stride;
    if (m->wide) {
        for (size_t i = 0; i < n; i++)
            m->d->kernels->widen[m->d->element](first + i * rows->stride, m->d->dim,
                                                (float *) (void *) ((uint8_t *) m->wide + i * m->wide_stride));
        floats = (const uint8_t *) m->wide;
        *stride = m->wide_stride;
    }
    m->d->kernels->rows[QV_K_L2][QV_EL_F32](&m->zero, floats, *stride, n, norms);
    for (size_t i = 0; i < n; i++) {
        m->tests[i] = test_of(m, norms[i], is_live(rows, at + i));
        if (norms[i] == 0 && m->d->kind == QV_K_COSINE && m->tests[i].kind == ROW_TEST)
            m->tests[i].kind = is_zero_row(m, first + i * rows->stride) ? ROW_NEVER : ROW_ALWAYS;
    }
    return floats;
}

static void push_exact(many *m, size_t q, size_t row)
{
    const qv__scan_rows *rows = m->rows;
    float distance;

    qv__distance_block(m->d, q, (const uint8_t *) rows->rows + row * rows->stride, rows->stride, 1, NULL, 0, &distance);
    qv__topk_push(&m->topks[q], distance, id_of(rows, row));
    m->least[q] = least_dot(m, q);
}

/* Rows [at, at + n) of one tile, whose products with panel `first` .. are in m->dots. */
static void push_candidates(many *m, size_t at, size_t n, const row_test *tests, size_t first, size_t n_queries,
                            size_t width)
{
    uint32_t all = n_queries == 32 ? UINT32_MAX : (1u << n_queries) - 1;

    for (size_t r = 0; r < n; r++) {
        uint32_t bits = 0;
        if (tests[r].kind == ROW_TEST)
            bits =
                m->d->kernels->test_panel(m->dots + r * width, m->least + first, tests[r].scale, tests[r].add, width);
        else if (tests[r].kind == ROW_ALWAYS)
            bits = UINT32_MAX;
        for (bits &= all; bits; bits &= bits - 1)
            push_exact(m, first + (size_t) __builtin_ctz(bits), at + r);
    }
}

static void scan_many_block(many *m, size_t at, size_t n)
{
    const qv__kernels *k = m->d->kernels;
    size_t stride;
    const uint8_t *floats = prepare_rows(m, at, n, &stride);

    for (size_t p = 0; p < m->d->n_panels; p++) {
        size_t first, n_queries, width;
        const float *panel = qv__distance_panel(m->d, p, &first, &n_queries, &width);
        for (size_t r = 0; r < n; r += QV_TILE_ROWS) {
            size_t n_tile = QV_MIN(n - r, QV_TILE_ROWS);
            (width == k->panel_wide ? k->tile_wide : k->tile_narrow)(panel, m->d->dim, floats + r * stride, stride,
                                                                     n_tile, m->dots);
            push_candidates(m, at + r, n_tile, m->tests + r, first, n_queries, width);
        }
    }
}

static qv_status many_init(many *m, qv_error *err)
{
    size_t dim = m->d->dim, row_bytes = qv__round_up(dim * sizeof(float), 64);

    m->block_rows = QV_MIN(QV_MAX(BLOCK_BYTES / row_bytes, 1), BLOCK_ROWS);
    m->block_rows = QV_MIN((m->block_rows + QV_TILE_ROWS - 1) / QV_TILE_ROWS * QV_TILE_ROWS,
                           BLOCK_ROWS / QV_TILE_ROWS * QV_TILE_ROWS);
    m->slack = (2.0 * (double) dim + 64) * 0x1p-24;
    size_t n_least = m->d->n_panels * m->d->kernels->panel_wide;
    QV_TRY(QV_NEW(&m->least, n_least, err));
    for (size_t q = 0; q < n_least; q++)
        m->least[q] = q < m->d->n_queries ? least_dot(m, q) : INFINITY;
    QV_TRY(QV_NEW(&m->tests, m->block_rows, err));
    QV_TRY(QV_NEW(&m->dots, QV_TILE_ROWS * QV_PANEL_MAX, err));
    float *zeros = NULL;
    QV_TRY(QV_NEW(&zeros, dim + QV_QUERY_PAD, err));
    m->zero = (qv__kernel_query){ .values = zeros, .dim = dim };
    if (m->d->element == QV_EL_F32)
        return QV_OK;
    m->wide_stride = row_bytes;
    m->wide = qv__alloc_aligned(m->block_rows * row_bytes);
    return m->wide ? QV_OK : qv__fail_nomem(err, m->block_rows * row_bytes);
}

static qv_status scan_many(const qv__distance *d, const qv__scan_rows *rows, qv__topk *topks, qv_error *err)
{
    qv_status st = QV_OK;
    many m = { .d = d, .rows = rows, .topks = topks };

    QV_CHECK(many_init(&m, err));
    for (size_t at = 0; at < rows->n;) {
        size_t n = next_block(rows, &at, m.block_rows);
        if (n == 0)
            break;
        scan_many_block(&m, at, n);
        at += n;
    }
done:
    qv__free(m.least);
    qv__free(m.tests);
    qv__free(m.dots);
    qv__free((void *) m.zero.values);
    qv__free(m.wide);
    return st;
}

qv_status qv__distance_topk(const qv__distance *distance, const qv__scan_rows *rows, qv__topk *topks, qv_error *err)
{
    if (distance->panels)
        return scan_many(distance, rows, topks, err);
    scan_few(distance, rows, topks);
    return QV_OK;
}

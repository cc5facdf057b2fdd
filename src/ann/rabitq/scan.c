/* Lists are scanned in two steps: packed sign codes give all rows a least distance, and only the rows whose is below the threshold are
 * estimated with exact sums, from all their bits. */
#include <math.h>
#include <string.h>

#include "ann/rabitq/rabitq_private.h"

enum { GROUPS = 8, ROWS = GROUPS * QV_RABITQ_GROUP }; /* looked at before the rows that pass are estimated */

static float load(const uint8_t *column, size_t row)
{
    float value;
    memcpy(&value, column + row * sizeof value, sizeof value);
    return value;
}

/* ------------------------------------------------------------------ one row */

typedef struct estimate {
    float distance, least;
} estimate;

static void multiply_extra(qv__rabitq_query *query, const uint8_t *codes, float products[2])
{
    const qv__rabitq *rabitq = query->rabitq;
    unsigned layout = rabitq->extra_bits;

    if (!rabitq->shape.is_blocked) {
        qv__rabitq_unstream(codes, rabitq->base.dim, rabitq->extra_bits, query->values);
        codes = query->values;
        layout = QV_RABITQ_MOST_EXTRA;
    }
    rabitq->kernels->product(query->signs, codes, layout, rabitq->extra_bits, query->rotated, rabitq->n_blocks,
                             products);
}

/* The error factor of extended codes. Codes g in place of h = +-1/2 give the same estimate with the same error but for the angle: its
 * tangent is sqrt(|g|^2 |r|^2 / (g . r)^2 - 1), and scale_extra is a known multiple of |r|^2 / (g . r). The factors of the sign codes
 * give |r|^2 by the same formula, since |h|^2 = dim / 4. */
static double error_of_extra(const qv__rabitq *rabitq, const uint8_t *const *columns, size_t row, float scale_extra,
                             double norm)
{
    double dim = (double) rabitq->base.dim, scale = load(columns[rabitq->at.scale], row);
    double by_error = load(columns[rabitq->at.error], row) / QV_RABITQ_EPSILON;
    double length2 = scale * scale * dim / 4 - by_error * by_error * (dim - 1);
    double coded2 = (double) scale_extra * scale_extra * norm;

    /* both are rounded to a few parts in a million */
    return QV_RABITQ_EPSILON * sqrt((fmax(coded2 - length2, 0) + 2e-6 * coded2) / (dim - 1));
}

/* Of a row whose sign codes are in query->signs. `columns`: row after row, those of sign codes are not looked at. */
static estimate estimate_row(qv__rabitq_query *query, const uint8_t *const *columns, size_t row)
{
    const qv__rabitq *rabitq = query->rabitq;
    bool is_extended = rabitq->extra_bits > 0 && !query->is_fast;
    const qv__rabitq_columns *at = &rabitq->at;
    float products[2], error = 0;

    if (is_extended)
        multiply_extra(query, columns[at->extra] + row * rabitq->extra_width, products);
    else
        rabitq->kernels->product(query->signs, NULL, 0, 0, qv__rabitq_operand(query), rabitq->n_blocks, products);
    float scale = load(columns[is_extended ? at->scale_extra : at->scale], row);
    float add = load(columns[is_extended ? at->add_extra : at->add], row);
    float distance = products[0] * query->slope * scale + query->weight * add + query->shift;
    if (at->error >= 0 && is_extended) {
        size_t n_padded = rabitq->n_blocks * QV_RABITQ_BLOCK - rabitq->base.dim;
        double middle = (1 << rabitq->extra_bits) - 0.5; /* what g is where there is no dimension */
        double norm = products[1] - (double) n_padded * middle * middle;
        error = (float) error_of_extra(rabitq, columns, row, scale, norm);
    } else if (at->error >= 0) {
        error = load(columns[at->error], row);
    }
    return (estimate){ distance, distance - query->reach * error };
}

/* ------------------------------------------------------------------ lists */

static void prefetch_row(const qv__rabitq *rabitq, const qv__code_list *list, size_t row)
{
    const uint8_t *extra = list->columns[rabitq->at.extra] + row * rabitq->extra_width;
    for (size_t i = 0; i < rabitq->extra_width; i += 64)
        __builtin_prefetch(extra + i);
    __builtin_prefetch(list->columns[rabitq->at.add_extra] + row * sizeof(float));
    __builtin_prefetch(list->columns[rabitq->at.scale_extra] + row * sizeof(float));
}

/* What rows must be below to be estimated. Without error factors the sign codes of extended ones tell nothing. */
static float bar_of(const qv__rabitq_query *query, const qv__candidates *candidates)
{
    bool is_blind = query->rabitq->at.error < 0 && query->rabitq->extra_bits > 0 && !query->is_fast;
    return is_blind ? INFINITY : candidates->threshold;
}

/* Estimates and offers the rows of packed groups that passed; the first group begins at row `first`. */
static void offer_passing(qv__rabitq_query *query, const qv__code_list *list, const uint8_t *groups, size_t first,
                          size_t n_groups, const float *least, const uint32_t *passing, qv__candidates *candidates)
{
    const qv__rabitq *rabitq = query->rabitq;

    if (rabitq->extra_bits > 0 && !query->is_fast)
        for (size_t g = 0; g < n_groups; g++)
            for (uint32_t bits = passing[g]; bits; bits &= bits - 1)
                prefetch_row(rabitq, list, first + g * QV_RABITQ_GROUP + (size_t) __builtin_ctz(bits));
    for (size_t g = 0; g < n_groups; g++)
        for (uint32_t bits = passing[g]; bits; bits &= bits - 1) {
            size_t i = (size_t) __builtin_ctz(bits), row = first + g * QV_RABITQ_GROUP + i;
            if (!(least[g * QV_RABITQ_GROUP + i] <= bar_of(query, candidates))) /* it has fallen since */
                continue;
            qv__rabitq_unpack(groups + g * rabitq->n_bytes * QV_RABITQ_GROUP, rabitq->n_bytes, i, query->signs);
            estimate found = estimate_row(query, list->columns, row);
            qv__candidates_offer(candidates, found.distance, found.least, list->ids[row]);
        }
}

/* Groups as they lie in the list. */
static void scan_groups(qv__rabitq_query *query, const qv__code_list *list, size_t first, size_t n_groups,
                        qv__candidates *candidates)
{
    const qv__rabitq *rabitq = query->rabitq;
    const qv__rabitq_columns *at = &rabitq->at;
    const uint8_t *groups = list->columns[at->signs] + first * rabitq->n_bytes;
    const uint8_t *const *columns = list->columns;
    qv__rabitq_factors factors = {
        .scale = (const float *) (const void *) (columns[at->scale] + first * sizeof(float)),
        .add = (const float *) (const void *) (columns[at->add] + first * sizeof(float)),
        .error = at->error < 0 ? NULL : (const float *) (const void *) (columns[at->error] + first * sizeof(float)),
    };
    float least[ROWS];
    uint32_t passing[GROUPS];

    rabitq->kernels->scan(groups, rabitq->n_bytes, n_groups, query->tables, &query->line, &factors,
                          bar_of(query, candidates), least, passing);
    offer_passing(query, list, groups, first, n_groups, least, passing, candidates);
}

/* Up to 32 rows that are not packed in the list: they are packed here. */
static void scan_rest(qv__rabitq_query *query, const qv__code_list *list, size_t first, size_t n,
                      qv__candidates *candidates)
{
    const qv__rabitq *rabitq = query->rabitq;
    const qv__rabitq_columns *at = &rabitq->at;
    const uint8_t *codes = list->columns[at->signs] + first * rabitq->n_bytes;
    float scale[QV_RABITQ_GROUP] = { 0 }, add[QV_RABITQ_GROUP] = { 0 }, error[QV_RABITQ_GROUP] = { 0 };
    float least[QV_RABITQ_GROUP];
    uint32_t passing;

    if (rabitq->shape.is_packed)
        rabitq->kernels->pack_columns(codes, rabitq->n_bytes, n, query->group);
    else
        qv__rabitq_pack(codes, rabitq->n_bytes, 1, rabitq->n_bytes, n, query->group);
    memcpy(scale, list->columns[at->scale] + first * sizeof *scale, n * sizeof *scale);
    memcpy(add, list->columns[at->add] + first * sizeof *add, n * sizeof *add);
    if (at->error >= 0)
        memcpy(error, list->columns[at->error] + first * sizeof *error, n * sizeof *error);
    qv__rabitq_factors factors = { scale, add, error };
    rabitq->kernels->scan(query->group, rabitq->n_bytes, 1, query->tables, &query->line, &factors,
                          bar_of(query, candidates), least, &passing);
    if (n < QV_RABITQ_GROUP)
        passing &= ((uint32_t) 1 << n) - 1;
    offer_passing(query, list, query->group, first, 1, least, &passing, candidates);
}

void qv__rabitq_scan(qv__code_query *base, const qv__code_list *list, qv__candidates *candidates)
{
    qv__rabitq_query *query = (qv__rabitq_query *) base;
    bool is_packed = query->rabitq->shape.is_packed;
    size_t n_packed = is_packed ? list->n / QV_RABITQ_GROUP * QV_RABITQ_GROUP : 0;

    for (size_t row = 0; row < n_packed; row += ROWS)
        scan_groups(query, list, row, QV_MIN(n_packed - row, ROWS) / QV_RABITQ_GROUP, candidates);
    for (size_t row = n_packed; row < list->n; row += QV_RABITQ_GROUP)
        scan_rest(query, list, row, QV_MIN(list->n - row, QV_RABITQ_GROUP), candidates);
}

void qv__rabitq_distances(qv__code_query *base, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out)
{
    qv__rabitq_query *query = (qv__rabitq_query *) base;
    const qv__rabitq *rabitq = query->rabitq;

    for (size_t i = 0; i < n; i++) {
        memcpy(query->signs, plain[rabitq->at.signs] + rows[i] * rabitq->n_bytes, rabitq->n_bytes);
        out[i] = estimate_row(query, plain, rows[i]).distance;
    }
}

/* Packed sign codes give all rows of a list a least distance. Where candidates are measured, that is enough for sign codes; rows of extended
 * ones wait until all lists were scanned, and are then judged by all their bits, the most promising first. Where estimates are what is
 * wanted, the rows that pass are estimated at once, with exact sums. */
#include <math.h>
#include <string.h>

#include "ann/rabitq/rabitq_private.h"

enum { GROUPS = 4, ROWS = GROUPS * QV_RABITQ_GROUP }; /* looked at before the rows that pass are estimated */

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

    double across2 = coded2 > length2 ? coded2 - length2 : 0;
    return QV_RABITQ_EPSILON * sqrt((across2 + 2e-6 * coded2) / (dim - 1)); /* rounded to a few parts in a million */
}

/* Of a row whose sign codes are in query->signs. `columns`: row after row, those of sign codes are not looked at. */
static estimate estimate_row(qv__rabitq_query *query, const qv__rabitq_terms *terms, const uint8_t *const *columns,
                             size_t row)
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
    float distance = products[0] * terms->slope * scale + terms->weight * add + terms->shift;
    if (at->error >= 0 && is_extended) {
        size_t n_padded = rabitq->n_blocks * QV_RABITQ_BLOCK - rabitq->base.dim;
        double middle = (1 << rabitq->extra_bits) - 0.5; /* what g is where there is no dimension */
        double norm = products[1] - (double) n_padded * middle * middle;
        error = (float) error_of_extra(rabitq, columns, row, scale, norm);
    } else if (at->error >= 0) {
        error = load(columns[at->error], row);
    }
    return (estimate){ distance, distance - (is_extended ? terms->extended_reach : terms->reach) * error };
}

static void load_signs(qv__rabitq_query *query, const qv__code_list *list, size_t row)
{
    const qv__rabitq *rabitq = query->rabitq;
    size_t n_bytes = rabitq->n_bytes, n_rest = list->n % QV_RABITQ_GROUP, n_packed = list->n - n_rest;
    const uint8_t *codes = list->columns[rabitq->at.signs];
    uint8_t *signs = query->signs;

    if (!rabitq->shape.is_packed)
        memcpy(signs, codes + row * n_bytes, n_bytes);
    else if (row < n_packed)
        qv__rabitq_unpack(codes + row / QV_RABITQ_GROUP * QV_RABITQ_GROUP * n_bytes, n_bytes, row % QV_RABITQ_GROUP,
                          signs);
    else /* the rest of a packed list: byte column by byte column */
        for (size_t b = 0; b < n_bytes; b++)
            signs[b] = codes[n_packed * n_bytes + b * n_rest + (row - n_packed)];
}

/* ------------------------------------------------------------------ rows that wait */

static void prefetch(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        __builtin_prefetch(bytes + i);
}

/* Begins to fetch a line. By loading from it: rows lie pages apart, and processors drop prefetches of pages whose translation is not at
 * hand. Nothing waits for what is loaded. */
static void touch(const uint8_t *bytes) { (void) *(const volatile uint8_t *) bytes; }

static void touch_extra(const qv__rabitq *rabitq, const qv__code_list *list, size_t row)
{
    const qv__rabitq_columns *at = &rabitq->at;
    const uint8_t *codes = list->columns[at->extra] + row * rabitq->extra_width;

    touch(codes);
    touch(list->columns[at->add_extra] + row * sizeof(float));
    touch(list->columns[at->scale_extra] + row * sizeof(float));
    touch((const uint8_t *) &list->ids[row]);
    prefetch(codes, rabitq->extra_width);
}

void qv__rabitq_fetch(void *base, const uint64_t *places, size_t n)
{
    const qv__rabitq_query *query = base;

    for (size_t i = 0; i < n; i++)
        touch_extra(query->rabitq, &query->visits[places[i] >> 32].list, (uint32_t) places[i]);
}

void qv__rabitq_bounds(void *base, const uint64_t *places, size_t n, float *least, float *most, uint64_t *keys)
{
    qv__rabitq_query *query = base;

    for (size_t i = 0; i < n; i++) {
        const qv__rabitq_visit *visit = &query->visits[places[i] >> 32];
        size_t row = (uint32_t) places[i];
        load_signs(query, &visit->list, row);
        estimate found = estimate_row(query, &visit->terms, visit->list.columns, row);
        least[i] = found.least;
        most[i] = 2 * found.distance - found.least;
        keys[i] = visit->list.ids[row];
    }
}

/* ------------------------------------------------------------------ rows that pass */

/* The rows of some groups that passed wait until the next groups have been scanned: by then what was prefetched of them is there. */
typedef struct passed {
    size_t n, rows[ROWS];
    float least[ROWS];
} passed;

/* What becomes of rows that pass. Where there are no error factors nothing is known of how far estimates are off. */
typedef enum fate { ESTIMATE, MEASURE, WAIT } fate;

typedef struct scan {
    qv__rabitq_query *query;
    const qv__rabitq *rabitq;
    const qv__code_list *list;
    qv__candidates *candidates;
    size_t n_packed; /* rows in packed groups, from the first on */
    bool is_extended;
    fate fate;
    passed passed[2];
    size_t latest; /* which of them */
} scan;

static void prefetch_row(const scan *s, size_t row)
{
    if (s->fate == ESTIMATE && s->is_extended)
        touch_extra(s->rabitq, s->list, row);
    else if (s->fate != WAIT || s->candidates->mask)
        __builtin_prefetch(&s->list->ids[row]);
}

/* What is looked at of all rows: four streams, each too short for the processor to foresee. */
static void prefetch_rows(const scan *s, size_t first)
{
    const qv__rabitq_columns *at = &s->rabitq->at;
    const uint8_t *const *columns = s->list->columns;
    size_t n = first < s->list->n ? QV_MIN(s->list->n - first, ROWS) : 0;

    prefetch(columns[at->signs] + first * s->rabitq->n_bytes, n * s->rabitq->n_bytes);
    prefetch(columns[at->scale] + first * sizeof(float), n * sizeof(float));
    prefetch(columns[at->add] + first * sizeof(float), n * sizeof(float));
    if (at->error >= 0)
        prefetch(columns[at->error] + first * sizeof(float), n * sizeof(float));
}

/* What rows must be below to be estimated. Without error factors the sign codes of extended ones tell nothing. */
static float bar_of(const scan *s)
{
    return s->is_extended && s->rabitq->at.error < 0 ? INFINITY : s->candidates->threshold;
}

/* How far the estimate of a row by its sign codes lies above the bound that the kernel made of it. */
static float slack_of(const scan *s, size_t row)
{
    const qv__rabitq_line *line = &s->query->line;
    const qv__rabitq_columns *at = &s->rabitq->at;
    const uint8_t *const *columns = s->list->columns;

    return line->table_error * fabsf(load(columns[at->scale], row)) + line->error * load(columns[at->error], row);
}

static void offer_estimate(const scan *s, size_t row)
{
    load_signs(s->query, s->list, row);
    estimate found = estimate_row(s->query, &s->query->terms, s->list->columns, row);
    if (found.least <= s->candidates->threshold)
        qv__candidates_offer(s->candidates, found.distance, found.least, s->list->ids[row]);
}

static void offer_waiting(const scan *s, size_t row, float least)
{
    uint64_t place = (uint64_t) (s->query->n_visits - 1) << 32 | row;
    uint64_t key = s->candidates->mask ? s->list->ids[row] : 0;

    qv__candidates_offer_rough(s->candidates, &s->query->finer, least, least + 2 * slack_of(s, row), place, key);
}

static void offer(const scan *s, const passed *some)
{
    for (size_t i = 0; i < some->n; i++) {
        size_t row = some->rows[i];
        float least = some->least[i];
        if (!(least <= bar_of(s))) /* it has fallen since */
            continue;
        if (s->fate == WAIT)
            offer_waiting(s, row, least);
        else if (s->fate == MEASURE)
            qv__candidates_offer_between(s->candidates, least, least + 2 * slack_of(s, row), s->list->ids[row]);
        else
            offer_estimate(s, row);
    }
}

/* Takes the rows of groups that passed, the first of which begins at row `first`, and offers those of the groups before. */
static void pass(scan *s, size_t first, size_t n_groups, const float *least, const uint32_t *passing)
{
    passed *latest = &s->passed[s->latest ^= 1];

    latest->n = 0;
    for (size_t g = 0; g < n_groups; g++)
        for (uint32_t bits = passing[g]; bits; bits &= bits - 1) {
            size_t i = g * QV_RABITQ_GROUP + (size_t) __builtin_ctz(bits);
            latest->rows[latest->n] = first + i;
            latest->least[latest->n++] = least[i];
            prefetch_row(s, first + i);
        }
    offer(s, &s->passed[!s->latest]);
}

/* ------------------------------------------------------------------ lists */

static const float *floats_at(const scan *s, int column, size_t row)
{
    return (const float *) (const void *) (s->list->columns[column] + row * sizeof(float)); /* at any alignment */
}

/* Groups as they lie in the list. */
static void scan_groups(scan *s, size_t first, size_t n_groups)
{
    const qv__rabitq_columns *at = &s->rabitq->at;
    qv__rabitq_factors factors = {
        .scale = floats_at(s, at->scale, first),
        .add = floats_at(s, at->add, first),
        .error = at->error < 0 ? NULL : floats_at(s, at->error, first),
    };
    float least[ROWS];
    uint32_t passing[GROUPS];

    s->rabitq->kernels->scan(s->list->columns[at->signs] + first * s->rabitq->n_bytes, s->rabitq->n_bytes, n_groups,
                             s->query->tables, &s->query->line, &factors, bar_of(s), least, passing);
    pass(s, first, n_groups, least, passing);
}

/* Up to 32 rows that are not packed in the list: they are packed here. */
static void scan_rest(scan *s, size_t first, size_t n)
{
    const qv__rabitq *rabitq = s->rabitq;
    const qv__rabitq_columns *at = &rabitq->at;
    const uint8_t *codes = s->list->columns[at->signs] + first * rabitq->n_bytes;
    float scale[QV_RABITQ_GROUP] = { 0 }, add[QV_RABITQ_GROUP] = { 0 }, error[QV_RABITQ_GROUP] = { 0 };
    float least[QV_RABITQ_GROUP];
    uint32_t passing;

    if (rabitq->shape.is_packed)
        rabitq->kernels->pack_columns(codes, rabitq->n_bytes, n, s->query->group);
    else
        qv__rabitq_pack(codes, rabitq->n_bytes, 1, rabitq->n_bytes, n, s->query->group);
    memcpy(scale, floats_at(s, at->scale, first), n * sizeof *scale);
    memcpy(add, floats_at(s, at->add, first), n * sizeof *add);
    if (at->error >= 0)
        memcpy(error, floats_at(s, at->error, first), n * sizeof *error);
    qv__rabitq_factors factors = { scale, add, error };
    rabitq->kernels->scan(s->query->group, rabitq->n_bytes, 1, s->query->tables, &s->query->line, &factors, bar_of(s),
                          least, &passing);
    if (n < QV_RABITQ_GROUP)
        passing &= ((uint32_t) 1 << n) - 1;
    pass(s, first, 1, least, &passing);
}

/* Remembers the list for rows that wait. */
static void add_visit(const scan *s)
{
    qv__rabitq_query *query = s->query;

    if (query->n_visits == QV_RABITQ_VISITS || s->candidates->rough.n == 0) {
        qv__candidates_refine(s->candidates);
        query->n_visits = 0;
    }
    query->visits[query->n_visits++] = (qv__rabitq_visit){ *s->list, query->terms };
}

void qv__rabitq_scan(qv__code_query *base, const qv__code_list *list, qv__candidates *candidates)
{
    qv__rabitq_query *query = (qv__rabitq_query *) base;
    scan s; /* not initialised as a whole: most of it is room */

    s.query = query;
    s.rabitq = query->rabitq;
    s.list = list;
    s.candidates = candidates;
    s.n_packed = s.rabitq->shape.is_packed ? list->n / QV_RABITQ_GROUP * QV_RABITQ_GROUP : 0;
    s.is_extended = s.rabitq->extra_bits > 0 && !query->is_fast;
    s.fate = !candidates->exact || s.rabitq->at.error < 0 ? ESTIMATE : s.is_extended ? WAIT : MEASURE;
    if (s.fate == WAIT)
        add_visit(&s);
    s.latest = 0;
    s.passed[0].n = 0;
    prefetch_rows(&s, 0);
    for (size_t row = 0; row < s.n_packed; row += ROWS) {
        prefetch_rows(&s, row + ROWS);
        scan_groups(&s, row, QV_MIN(s.n_packed - row, ROWS) / QV_RABITQ_GROUP);
    }
    for (size_t row = s.n_packed; row < list->n; row += QV_RABITQ_GROUP)
        scan_rest(&s, row, QV_MIN(list->n - row, QV_RABITQ_GROUP));
    offer(&s, &s.passed[s.latest]);
}

void qv__rabitq_distances(qv__code_query *base, const uint8_t *const *plain, const uint32_t *rows, size_t n, float *out)
{
    qv__rabitq_query *query = (qv__rabitq_query *) base;
    const qv__rabitq *rabitq = query->rabitq;

    for (size_t i = 0; i < n; i++) {
        memcpy(query->signs, plain[rabitq->at.signs] + rows[i] * rabitq->n_bytes, rabitq->n_bytes);
        out[i] = estimate_row(query, &query->terms, plain, rows[i]).distance;
    }
}

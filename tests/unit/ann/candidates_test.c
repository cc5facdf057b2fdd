/* Candidates against sorting everything: by estimate, and by true distance behind bounds that hold. */
#include <math.h>

#include "ann/ann.h"
#include "base/alloc.h"
#include "qvt.h"

enum { MOST_ROWS = 3000, MOST_KEPT = 400 };

typedef struct rows {
    size_t n;
    uint64_t keys[MOST_ROWS];
    float estimates[MOST_ROWS], least[MOST_ROWS], most[MOST_ROWS];
    float roughly[2][MOST_ROWS];       /* wider bounds */
    float truths[2 * MOST_ROWS + 100]; /* by key */
    size_t n_spans;
    qv__key_span spans[64];
    uint8_t bits[64][8];
    uint64_t n_measured, n_fetched;
    size_t query;
} rows;

/* How rows are offered. */
typedef enum way { BY_ESTIMATE, BY_LEAST, BETWEEN, ROUGHLY, MIXED, N_WAYS } way;

static int by_rank(const void *a, const void *b)
{
    const qv__hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void measure(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    rows *x = ctx;
    assert_int_equal(query, x->query);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = x->truths[keys[i]];
    x->n_measured += n;
}

static void fetch(void *ctx, const uint64_t *keys, size_t n)
{
    rows *x = ctx;
    assert_true(n > 0 && keys);
    x->n_fetched += n;
}

/* Rows by their number plus 7. */
static void find_bounds(void *ctx, const uint64_t *places, size_t n, float *least, float *most, uint64_t *keys)
{
    rows *x = ctx;
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        least[i] = x->least[places[i] - 7];
        most[i] = x->most[places[i] - 7];
        keys[i] = x->keys[places[i] - 7];
    }
}

static void fetch_bounds(void *ctx, const uint64_t *places, size_t n)
{
    const rows *x = ctx;
    for (size_t i = 0; i < n; i++)
        assert_true(places[i] >= 7 && places[i] < x->n + 7);
}

static void make_mask(rows *x, qvt_rng *rng)
{
    uint64_t at = qvt_rng_below(rng, 20);
    for (x->n_spans = 0; x->n_spans < QV_COUNT_OF(x->spans) && qvt_rng_below(rng, 200); x->n_spans++) {
        qv__key_span *span = &x->spans[x->n_spans];
        bool has_bits = qvt_rng_below(rng, 3);
        *span = (qv__key_span){ at, qvt_rng_below(rng, has_bits ? 64 : 200), NULL };
        for (size_t i = 0; i < 8; i++)
            x->bits[x->n_spans][i] = (uint8_t) qvt_rng_next(rng);
        if (has_bits)
            span->bits = x->bits[x->n_spans];
        at += span->n + qvt_rng_below(rng, 2) * qvt_rng_below(rng, 60);
    }
}

/* The plain reading of a mask. */
static bool may_match(const rows *x, uint64_t key)
{
    for (size_t s = 0; s < x->n_spans; s++)
        if (key >= x->spans[s].first && key < x->spans[s].first + x->spans[s].n) {
            uint64_t i = key - x->spans[s].first;
            return !x->spans[s].bits || (x->spans[s].bits[i / 8] >> i % 8 & 1);
        }
    return false;
}

/* Distances with ties, infinities and NaN; keys unique unless `has_twins`. */
static void make_rows(rows *x, qvt_rng *rng, bool has_twins)
{
    size_t kinds = qvt_rng_below(rng, 2) ? 30 : 100000;

    x->n = qvt_rng_below(rng, 4) ? qvt_rng_below(rng, MOST_ROWS) : qvt_rng_below(rng, 4);
    x->n_measured = x->n_fetched = 0;
    x->query = qvt_rng_below(rng, 5);
    for (size_t key = 0; key < QV_COUNT_OF(x->truths); key++) {
        static const float odd[] = { NAN, INFINITY, -0.0f, -INFINITY };
        uint64_t special = qvt_rng_below(rng, 200);
        x->truths[key] = special < QV_COUNT_OF(odd) ? odd[special] : (float) qvt_rng_below(rng, kinds);
    }
    for (size_t i = 0; i < x->n; i++) {
        uint64_t place = (i * 7919 + 13) % MOST_ROWS;
        x->keys[i] = has_twins ? place / 2 : 2 * place + qvt_rng_below(rng, 2);
        float error = (float) (qvt_rng_unit(rng) * (double) kinds / 5);
        x->least[i] = isnan(x->truths[x->keys[i]]) ? (float) i : x->truths[x->keys[i]] - error;
        x->estimates[i] = x->least[i] + error * (float) qvt_rng_unit(rng) * 2;
        if (qvt_rng_below(rng, 300) == 0)
            x->estimates[i] = NAN;
        x->most[i] = x->truths[x->keys[i]] + error * (float) qvt_rng_unit(rng);
        if (isnan(x->most[i])) /* nothing is known of such a row */
            x->most[i] = INFINITY;
        x->roughly[0][i] = x->least[i] - error * (float) qvt_rng_unit(rng);
        x->roughly[1][i] = x->most[i] + error * (float) qvt_rng_unit(rng);
    }
}

static void offer_blocks(const rows *x, qv__candidates *candidates, qvt_rng *rng)
{
    for (size_t i = 0; i < x->n;) {
        size_t n_wanted = 1 + qvt_rng_below(rng, 64), n = QV_MIN(n_wanted, x->n - i);
        uint64_t passing = 0;
        for (size_t j = 0; j < n; j++)
            if (x->least[i + j] <= candidates->threshold)
                passing |= (uint64_t) 1 << j;
        qv__candidates_offer_block(candidates, x->estimates + i, x->least + i, x->keys + i, passing);
        i += n;
    }
}

static void offer_row(const rows *x, qv__candidates *candidates, const qv__finer *finer, size_t i, bool is_rough)
{
    if (is_rough)
        qv__candidates_offer_rough(candidates, finer, x->roughly[0][i], x->roughly[1][i], i + 7, x->keys[i]);
    else
        qv__candidates_offer_between(candidates, x->least[i], x->most[i], x->keys[i]);
}

static void offer_all(const rows *x, qv__candidates *candidates, qvt_rng *rng, const qv__finer *finer, way how)
{
    if (how == BY_ESTIMATE || how == BY_LEAST) {
        offer_blocks(x, candidates, rng);
        return;
    }
    for (size_t i = 0; i < x->n; i++) {
        offer_row(x, candidates, finer, i, how == ROUGHLY || (how == MIXED && qvt_rng_below(rng, 2)));
        if (qvt_rng_below(rng, 200) == 0)
            qv__candidates_settle(candidates);
        if (qvt_rng_below(rng, 1000) == 0)
            qv__candidates_refine(candidates);
    }
}

static void check_against_sort(qvt_rng *rng, way how)
{
    static rows x;
    static qv__hit all[MOST_ROWS];
    qv_error err;
    qv__candidates candidates;
    size_t capacity = qvt_rng_below(rng, 3) ? 1 + qvt_rng_below(rng, 20) : qvt_rng_below(rng, MOST_KEPT), n_all = 0;
    bool is_exact = how != BY_ESTIMATE, has_mask = qvt_rng_below(rng, 2), has_bounds = qvt_rng_below(rng, 2);

    make_rows(&x, rng, qvt_rng_below(rng, 4) == 0);
    make_mask(&x, rng);
    qv__key_mask mask = { x.n_spans, x.spans };
    qv__exact exact = { measure, &x, qvt_rng_below(rng, 2) ? fetch : NULL };
    qv__finer finer = { find_bounds, fetch_bounds, &x };
    QVT_OK(
        qv__candidates_init(&candidates, capacity, is_exact ? &exact : NULL, x.query, has_mask ? &mask : NULL, &err));
    if (has_bounds) {
        candidates.lower = (float) qvt_rng_below(rng, 10);
        candidates.upper = candidates.lower + (float) qvt_rng_below(rng, 30);
    }
    float lower = candidates.lower, upper = candidates.upper;
    offer_all(&x, &candidates, rng, &finer, how);
    const qv__hit *hits;
    size_t n = qv__candidates_finish(&candidates, &hits);

    for (size_t i = 0; i < x.n; i++) {
        float distance = is_exact ? x.truths[x.keys[i]] : x.estimates[i];
        bool is_in = distance >= lower && (distance < upper || upper == INFINITY);
        if (is_in && (!has_mask || may_match(&x, x.keys[i])))
            all[n_all++] = (qv__hit){ distance, x.keys[i] };
    }
    qsort(all, n_all, sizeof all[0], by_rank);
    assert_int_equal(n, QV_MIN(n_all, capacity));
    for (size_t i = 0; i < n; i++) {
        assert_true(hits[i].distance == all[i].distance);
        assert_int_equal(hits[i].id, all[i].id);
    }
    assert_int_equal(candidates.measured, x.n_measured);
    assert_int_equal(x.n_fetched, exact.fetch && is_exact ? x.n_measured : 0);
    assert_true(candidates.measured <= candidates.offered && candidates.offered <= x.n);
    qv__candidates_clear(&candidates);
}

static void estimates_against_sort(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);
    for (int round = 0; round < 1500; round++)
        check_against_sort(&rng, BY_ESTIMATE);
}

static void truths_against_sort(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    QV_UNUSED(state);
    for (int round = 0; round < 1500; round++)
        check_against_sort(&rng, BY_LEAST + (way) round % (N_WAYS - BY_LEAST));
}

/* Orders that a careless selection takes quadratic time for. */
static void any_order_of_rows(void **state)
{
    enum { N = 400000, CAPACITY = 20000 };
    qv_error err;
    QV_UNUSED(state);

    for (int order = 0; order < 4; order++) {
        qv__candidates candidates;
        QVT_OK(qv__candidates_init(&candidates, CAPACITY, NULL, 0, NULL, &err));
        for (uint64_t i = 0; i < N; i++) {
            uint64_t key = order == 0 ? i : order == 1 ? N - 1 - i : order == 2 ? i % 2 * N / 2 + i / 2 : i;
            float distance = order == 3 ? 1 : (float) key;
            qv__candidates_offer(&candidates, distance, distance, key);
        }
        const qv__hit *hits;
        assert_int_equal(qv__candidates_finish(&candidates, &hits), CAPACITY);
        for (uint64_t i = 0; i < CAPACITY; i++)
            assert_int_equal(hits[i].id, i);
        assert_true(candidates.threshold == (order == 3 ? 1 : CAPACITY - 1));
        qv__candidates_clear(&candidates);
    }
}

/* What the waiting is for: good bounds leave few rows to measure, and hardly more than must be where both are known. */
static void few_rows_are_measured(void **state)
{
    static rows x;
    QV_UNUSED(state);

    for (way how = BY_LEAST; how < MIXED; how++) {
        qv_error err;
        qvt_rng rng = { 42 };
        qv__exact exact = { measure, &x, NULL };
        qv__finer finer = { find_bounds, fetch_bounds, &x };
        qv__candidates candidates;
        const qv__hit *hits;
        size_t n_needed = 0;

        x = (rows){ .n = MOST_ROWS };
        for (size_t i = 0; i < x.n; i++) {
            x.keys[i] = i;
            x.truths[i] = x.estimates[i] = (float) qvt_rng_unit(&rng);
            x.least[i] = x.truths[i] - 0.01f;
            x.most[i] = x.truths[i] + 0.01f;
            x.roughly[0][i] = x.truths[i] - 0.05f;
            x.roughly[1][i] = x.truths[i] + 0.05f;
        }
        QVT_OK(qv__candidates_init(&candidates, 10, &exact, 0, NULL, &err));
        offer_all(&x, &candidates, &rng, &finer, how);
        assert_int_equal(qv__candidates_finish(&candidates, &hits), 10);
        for (size_t i = 0; i < x.n; i++)
            n_needed += x.least[i] <= hits[9].distance;
        assert_true(n_needed > 20 && candidates.measured >= n_needed);
        assert_true(candidates.measured < (how == BY_LEAST ? 200 : n_needed + 40));
        qv__candidates_clear(&candidates);
    }
}

static void spans_are_found(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    static rows x;
    QV_UNUSED(state);

    for (int round = 0; round < 200; round++) {
        make_mask(&x, &rng);
        qv__key_mask mask = { x.n_spans, x.spans };
        size_t hint = 0;
        for (uint64_t i = 0; i < 500; i++) {
            uint64_t key = round % 2 ? i * 9 : qvt_rng_below(&rng, 5000);
            assert_int_equal(qv__key_mask_find(&mask, key), may_match(&x, key));
            assert_int_equal(qv__key_mask_has(&mask, key, &hint), may_match(&x, key));
        }
        assert_false(qv__key_mask_find(&mask, UINT64_MAX));
    }
    assert_true(qv__key_mask_find(NULL, 7));
}

static void memory_runs_out(void **state)
{
    qv_error err;
    qv__exact exact = { measure, NULL, NULL };
    qv__candidates candidates;
    QV_UNUSED(state);

    for (uint64_t n = 0;; n++) {
        qv__alloc_fail_at(n);
        qv_status st = qv__candidates_init(&candidates, 10, &exact, 0, NULL, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        qv__candidates_clear(&candidates);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        if (!fired)
            break;
        assert_true(n < 10);
    }
    QVT_FAILS(qv__candidates_init(&candidates, SIZE_MAX / 2, NULL, 0, NULL, &err), QV_NOMEM, "memory");
    qv__candidates_clear(&candidates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_against_sort), cmocka_unit_test(truths_against_sort),
        cmocka_unit_test(any_order_of_rows),      cmocka_unit_test(few_rows_are_measured),
        cmocka_unit_test(spans_are_found),        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The rows that a segment is asked for under a mask, against asking both for every key. */
#include "qvt.h"

#include "base/bitmap.h"
#include "index/vector/search.h"

enum { KEYS = 3000, MOST_SPANS = 60 };

static qv_error err;

typedef struct spans {
    qv__key_span spans[MOST_SPANS];
    uint8_t bits[MOST_SPANS][KEYS / 8 + 1];
    size_t n;
} spans;

/* Ascending, apart or side by side; the first key is such that sums of 32 bits would wrap. */
static void random_spans(qvt_rng *rng, uint64_t first, bool with_bits, spans *out)
{
    uint64_t at = first;

    out->n = 0;
    while (out->n < MOST_SPANS && at < first + KEYS) {
        qv__key_span *span = &out->spans[out->n];
        at += qvt_rng_below(rng, 2) ? 0 : qvt_rng_below(rng, 90);
        *span = (qv__key_span){ .first = at, .n = 1 + qvt_rng_below(rng, qvt_rng_below(rng, 4) ? 40 : 700) };
        if (at + span->n > first + KEYS)
            break;
        if (with_bits && qvt_rng_below(rng, 3)) {
            for (size_t i = 0; i < sizeof out->bits[0]; i++)
                out->bits[out->n][i] = (uint8_t) qvt_rng_next(rng);
            span->bits = out->bits[out->n];
        }
        at += span->n;
        out->n++;
    }
}

static bool has(const qv__key_span *all, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++)
        if (key >= all[i].first && key - all[i].first < all[i].n)
            return !all[i].bits || qv__bit_get(all[i].bits, key - all[i].first);
    return false;
}

static void common_keys(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();

    for (size_t round = 0; round < 200; round++) {
        static spans own, asked;
        uint64_t first = round % 2 ? 0 : UINT32_MAX - KEYS / 2;
        qv__own_keys common = { 0 };
        size_t hint = 0;
        random_spans(&rng, first, false, &own);
        random_spans(&rng, first, true, &asked);
        if (round < 4)
            *(round % 2 ? &own.n : &asked.n) = 0;
        const qv__own_keys a = { own.spans, own.n, own.n, NULL };
        const qv__key_mask b = { asked.n, asked.spans };
        QVT_OK(qv__own_keys_intersect(&a, &b, &common, &err));
        const qv__key_mask got = { common.n, common.spans };
        for (uint64_t key = first; key < first + KEYS; key++)
            assert_int_equal(qv__key_mask_has(&got, key, &hint),
                             has(own.spans, own.n, key) && has(asked.spans, asked.n, key));
        for (size_t i = 1; i < common.n; i++)
            assert_true(common.spans[i - 1].first + common.spans[i - 1].n <= common.spans[i].first);
        qv__free(common.spans);
        qv__free(common.bits);
    }
}

static void without_memory(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    static spans own, asked;

    random_spans(&rng, 0, false, &own);
    random_spans(&rng, 0, true, &asked);
    const qv__own_keys a = { own.spans, own.n, own.n, NULL };
    const qv__key_mask b = { asked.n, asked.spans };
    for (uint64_t n = 0;; n++) {
        qv__own_keys common = { 0 };
        qv__alloc_fail_at(n);
        qv_status st = qv__own_keys_intersect(&a, &b, &common, &err);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        qv__free(common.spans);
        qv__free(common.bits);
        assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(common_keys), cmocka_unit_test(without_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Masks of keys against a look at every row. */
#include "fake_table.h"
#include "query/ann.h"

static qv__snapshot *table(qvt_rng *rng, bool stable)
{
    qv__field field = fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false);
    qv__snapshot *s = fake_new(&field, 1);

    fake_clear_fields(&field, 1);
    s->stable = stable;
    for (size_t n = qvt_rng_below(rng, 6), f = 0; f < n; f++)
        fake_add(s, rng, f == 0 ? 90 : 7 * f, qvt_rng_below(rng, 700), 0, qvt_rng_below(rng, 3) ? 0 : 0.4);
    return s;
}

static bool has_row(const qv__matches *matches, const qv__snapshot *s, const bool *covered, size_t f, uint64_t row)
{
    if (!covered[f])
        return false;
    if (matches)
        return matches->rows[f] && roaring_bitmap_contains(matches->rows[f], (uint32_t) row);
    return qv__bit_get(s->data[f].live, row);
}

/* Every row's key, and keys that no row has. */
static void check(const qv__row_mask *mask, const qv__snapshot *s, const bool *covered, const qv__matches *matches,
                  bool by_address)
{
    uint64_t n = 0;
    size_t hint = 0;

    for (size_t i = 1; i < mask->keys.n_spans; i++)
        assert_true(mask->spans[i - 1].first + mask->spans[i - 1].n <= mask->spans[i].first);
    for (size_t f = 0; f < s->n_fragments; f++)
        for (uint64_t r = 0; r < s->fragments[f].physical_rows; r++) {
            uint64_t key = by_address ? s->fragments[f].id << 32 | r : s->data[f].ids[r];
            bool has = has_row(matches, s, covered, f, r);
            assert_int_equal(qv__key_mask_has(&mask->keys, key, &hint), has);
            n += has;
        }
    assert_int_equal(mask->n_rows, n);
    for (size_t f = 0; by_address && f < s->n_fragments; f++)
        assert_false(qv__key_mask_has(&mask->keys, s->fragments[f].id << 32 | s->fragments[f].physical_rows, &hint));
    assert_false(qv__key_mask_has(&mask->keys, UINT64_MAX, &hint));
    assert_false(qv__key_mask_has(&mask->keys, UINT64_C(1) << 45, &hint));
}

static void choose_matches(qvt_rng *rng, const qv__snapshot *s, qv__matches *out)
{
    qv_error err;
    double share = qvt_rng_below(rng, 4) == 0 ? 1 : qvt_rng_unit(rng);

    *out = (qv__matches){ .n_fragments = s->n_fragments };
    QVT_OK(QV_NEW(&out->rows, s->n_fragments + 1, &err));
    for (size_t f = 0; f < s->n_fragments; f++) {
        if (qvt_rng_below(rng, 5) == 0)
            continue;
        out->rows[f] = roaring_bitmap_create();
        for (uint64_t r = 0; r < s->fragments[f].physical_rows; r++)
            if (qv__bit_get(s->data[f].live, r) && qvt_rng_unit(rng) < share)
                roaring_bitmap_add(out->rows[f], (uint32_t) r);
    }
}

static void masks(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    qv_error err;
    bool covered[FAKE_MAX_FRAGMENTS];
    QV_UNUSED(state);

    size_t blocks = qv_memory().live_blocks;
    for (int round = 0; round < 300; round++) {
        qv__matches matches;
        qv__row_mask *mask;
        const qv__row_mask *kept, *again;
        bool stable = round % 2, by_address = !stable || round % 4 == 1;
        qv__snapshot *s = table(&rng, stable);
        for (size_t f = 0; f < s->n_fragments; f++)
            covered[f] = qvt_rng_below(&rng, 4) > 0;
        choose_matches(&rng, s, &matches);
        QVT_OK(qv__row_mask_new(s, covered, &matches, by_address, &mask, &err));
        check(mask, s, covered, &matches, by_address);
        qv__row_mask_free(mask);
        qv__matches_clear(&matches);
        QVT_OK(qv__row_mask_of(s, covered, by_address, &kept, &err));
        check(kept, s, covered, NULL, by_address);
        QVT_OK(qv__row_mask_of(s, covered, by_address, &again, &err));
        assert_ptr_equal(kept, again);
        qv__snapshot_unref(s);
        assert_int_equal(qv_memory().live_blocks, blocks);
    }
}

/* Ids of many blocks, in no order, up to the last. */
static void far_ids(void **state)
{
    qvt_rng rng = { 11 };
    qv_error err;
    bool covered[] = { true };
    qv__row_mask *mask;
    qv__field field = fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false);
    qv__snapshot *s = fake_new(&field, 1);
    QV_UNUSED(state);

    fake_clear_fields(&field, 1);
    s->stable = true;
    fake_add(s, &rng, 3, 500, 0, 0.1);
    for (size_t r = 0; r < 500; r++)
        s->data[0].ids[r] = r * 7919 % 500 * 30011 + (r % 3 ? 0 : UINT64_C(1) << 40);
    s->data[0].ids[5] = UINT64_MAX - 1;
    QVT_OK(qv__row_mask_new(s, covered, NULL, false, &mask, &err));
    check(mask, s, covered, NULL, false);
    qv__row_mask_free(mask);
    qv__snapshot_unref(s);
}

static void failures(void **state)
{
    qvt_rng rng = { 5 };
    qv_error err;
    bool covered[] = { true, true };
    qv__field field = fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false);
    qv__snapshot *s = fake_new(&field, 1);
    QV_UNUSED(state);

    fake_clear_fields(&field, 1);
    fake_add(s, &rng, 3, 500, 0, 0.1);
    fake_add(s, &rng, 1, 500, 0, 0.1);
    size_t blocks = qv_memory().live_blocks;
    for (int by_address = 0; by_address < 2; by_address++)
        for (uint64_t n = 0;; n++) {
            const qv__row_mask *mask;
            s->stable = !by_address;
            qv__alloc_fail_at(n);
            qv_status st = qv__row_mask_of(s, covered, by_address, &mask, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            qv__owner_unref(atomic_exchange(&s->query_slot, NULL));
            assert_int_equal(qv_memory().live_blocks, blocks);
            assert_int_equal(st, fired ? QV_NOMEM : QV_OK);
            if (!fired)
                break;
        }
    qv__snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(masks), cmocka_unit_test(far_ids),
                                        cmocka_unit_test(failures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

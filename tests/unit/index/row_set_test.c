/* Row sets against a sorted array of rows as their model; stored forms against bytes that the reference wrote, and against damage. */
#include "index/rows/row_set.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "qvt.h"

#define MOST 20000

/* The model: a set of rows out of few high words, so that sets meet. */
typedef struct model {
    size_t n;
    uint64_t rows[MOST];
} model;

static int compare_rows(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

static void model_sort(model *m)
{
    size_t n = 0;

    if (m->n)
        qsort(m->rows, m->n, sizeof *m->rows, compare_rows);
    for (size_t i = 0; i < m->n; i++)
        if (!n || m->rows[n - 1] != m->rows[i])
            m->rows[n++] = m->rows[i];
    m->n = n;
}

static bool model_has(const model *m, uint64_t row)
{
    return m->n && bsearch(&row, m->rows, m->n, sizeof *m->rows, compare_rows) != NULL;
}

static uint64_t random_row(qvt_rng *rng)
{
    static const uint64_t highs[] = { 0, 1, 7, 70000, UINT32_MAX };
    uint64_t shape = qvt_rng_below(rng, 3);
    uint64_t low = shape == 0   ? qvt_rng_below(rng, 3000)
                   : shape == 1 ? 65536 * qvt_rng_below(rng, 4) + qvt_rng_below(rng, 65536)
                                : qvt_rng_next(rng) & UINT32_MAX;

    return highs[qvt_rng_below(rng, QV_COUNT_OF(highs))] << 32 | low;
}

static void make_both(qvt_rng *rng, model *m, qv__row_set *set)
{
    qv_error err;
    uint64_t *rows = m->rows;

    m->n = qvt_rng_below(rng, 4) == 0 ? qvt_rng_below(rng, 40) : qvt_rng_below(rng, 6000);
    for (size_t i = 0; i < m->n; i++)
        rows[i] = random_row(rng);
    QVT_OK(qv__row_set_add_many(set, rows, m->n, &err));
    if (qvt_rng_below(rng, 2)) {
        uint64_t first = random_row(rng), n = qvt_rng_below(rng, 9000);
        n = first > UINT64_MAX - n ? 0 : n;
        QVT_OK(qv__row_set_add_range(set, first, first + n, &err));
        for (uint64_t i = 0; i < n; i++)
            rows[m->n++] = first + i;
    }
    model_sort(m);
}

static void expect_equal(const qv__row_set *set, const model *m)
{
    bool has_full;

    assert_int_equal(qv__row_set_count(set, &has_full), m->n);
    assert_false(has_full);
    for (size_t i = 0; i < m->n; i++)
        assert_true(qv__row_set_contains(set, m->rows[i]));
    for (size_t i = 0; i < set->n; i++) {
        assert_false(roaring_bitmap_is_empty(set->parts[i].low));
        assert_true(!i || set->parts[i - 1].high < set->parts[i].high);
    }
}

static void test_operations(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    static model a, b, wanted;

    for (int round = 0; round < 60; round++) {
        qv__row_set x = { 0 }, y = { 0 }, z = { 0 };
        make_both(&rng, &a, &x);
        make_both(&rng, &b, &y);
        expect_equal(&x, &a);

        QVT_OK(qv__row_set_copy(&z, &x, &err));
        QVT_OK(qv__row_set_and(&z, &y, &err));
        wanted.n = 0;
        for (size_t i = 0; i < a.n; i++)
            if (model_has(&b, a.rows[i]))
                wanted.rows[wanted.n++] = a.rows[i];
        expect_equal(&z, &wanted);
        qv__row_set_clear(&z);

        QVT_OK(qv__row_set_copy(&z, &x, &err));
        QVT_OK(qv__row_set_and_not(&z, &y, &err));
        wanted.n = 0;
        for (size_t i = 0; i < a.n; i++)
            if (!model_has(&b, a.rows[i]))
                wanted.rows[wanted.n++] = a.rows[i];
        expect_equal(&z, &wanted);
        QVT_OK(qv__row_set_or(&z, &y, &err));
        QVT_OK(qv__row_set_or(&z, &x, &err));
        uint64_t both = 0;
        for (size_t i = 0; i < a.n; i++)
            both += model_has(&b, a.rows[i]);
        bool has_full;
        assert_int_equal(qv__row_set_count(&z, &has_full), a.n + b.n - both);
        qv__row_set_clear(&z);
        qv__row_set_clear(&x);
        qv__row_set_clear(&y);
    }
}

static void test_full_fragments(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qv__row_set full = { 0 }, some = { 0 }, copy = { 0 };
    bool has_full;

    QVT_OK(qv__row_set_add_part(&full, 3, NULL, &err));
    QVT_OK(qv__row_set_add(&some, UINT64_C(3) << 32 | 5, &err));
    QVT_OK(qv__row_set_add(&some, UINT64_C(4) << 32 | 5, &err));
    assert_true(qv__row_set_contains(&full, UINT64_C(3) << 32 | 77));
    assert_int_equal(qv__row_set_count(&full, &has_full), 0);
    assert_true(has_full);

    QVT_FAILS(qv__row_set_and_not(&full, &some, &err), QV_INVALID, "fragment 3");
    QVT_OK(qv__row_set_copy(&copy, &some, &err));
    QVT_OK(qv__row_set_and_not(&copy, &full, &err));
    assert_int_equal(copy.n, 1);
    assert_false(qv__row_set_contains(&copy, UINT64_C(3) << 32 | 5));
    QVT_OK(qv__row_set_and(&full, &some, &err)); /* all rows and one row is one row */
    assert_int_equal(qv__row_set_count(&full, &has_full), 1);
    assert_false(has_full);
    QVT_OK(qv__row_set_add_part(&full, 3, NULL, &err));
    assert_true(qv__row_set_contains(&full, UINT64_C(3) << 32 | 6));
    qv__row_set_clear(&full);
    qv__row_set_clear(&some);
    qv__row_set_clear(&copy);
}

/* {1, 5, 3 << 32 | 7, 3 << 32 | 70000} as the reference writes it */
static const uint8_t treemap[] = { 0x02, 0, 0, 0, 0,    0,    0,    0, 0,    0, 0, 0, 0x3a, 0x30, 0,    0,
                                   0x01, 0, 0, 0, 0,    0,    0x01, 0, 0x10, 0, 0, 0, 0x01, 0,    0x05, 0,
                                   0x03, 0, 0, 0, 0x3a, 0x30, 0,    0, 0x02, 0, 0, 0, 0,    0,    0,    0,
                                   0x01, 0, 0, 0, 0x18, 0,    0,    0, 0x1a, 0, 0, 0, 0x07, 0,    0x70, 0x11 };

static void expect_treemap(const qv__row_set *set)
{
    bool has_full;

    assert_int_equal(qv__row_set_count(set, &has_full), 4);
    assert_true(qv__row_set_contains(set, 1) && qv__row_set_contains(set, 5));
    assert_true(qv__row_set_contains(set, UINT64_C(3) << 32 | 7));
    assert_true(qv__row_set_contains(set, UINT64_C(3) << 32 | 70000));
}

static void test_reference_bytes(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qv__row_set set = { 0 }, again = { 0 };
    qv__buffer bytes;

    qv__buffer_init(&bytes, 1 << 20);
    QVT_OK(qv__row_set_parse(treemap, sizeof treemap, false, &set, &err));
    expect_treemap(&set);
    QVT_OK(qv__row_set_pack(&set, false, &bytes, &err));
    assert_int_equal(bytes.len, sizeof treemap);
    assert_memory_equal(bytes.data, treemap, sizeof treemap);
    bytes.len = 0;
    QVT_OK(qv__row_set_pack(&set, true, &bytes, &err));
    assert_int_equal(qv__load_u32(bytes.data), 2);
    assert_int_equal(qv__load_u32(bytes.data + 8), 20);
    QVT_OK(qv__row_set_parse(bytes.data, bytes.len, true, &again, &err));
    expect_treemap(&again);
    qv__row_set_clear(&set);
    qv__row_set_clear(&again);
    qv__buffer_free(&bytes);

    static const uint8_t runs[] = { 0x3b, 0x30, 0, 0, 0x01, 0, 0, 0x03, 0, 0x01, 0, 0, 0, 0x03, 0 };
    roaring_bitmap_t *bitmap;
    QVT_OK(qv__roaring_parse(runs, sizeof runs, &bitmap, &err));
    assert_int_equal(roaring_bitmap_get_cardinality(bitmap), 4);
    assert_true(roaring_bitmap_contains_range(bitmap, 0, 4));
    roaring_bitmap_free(bitmap);
}

/* Every shape of container, packed and read again; the library may write runs when asked to. */
static void test_round_trips(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    static model m;
    qv__buffer bytes;

    qv__buffer_init(&bytes, 1 << 26);
    for (int round = 0; round < 40; round++) {
        qv__row_set set = { 0 }, again = { 0 };
        bool sized = round % 2 != 0;
        make_both(&rng, &m, &set);
        for (size_t i = 0; i < set.n; i++)
            if (qvt_rng_below(&rng, 2))
                roaring_bitmap_run_optimize(set.parts[i].low);
        bytes.len = 0;
        QVT_OK(qv__row_set_pack(&set, sized, &bytes, &err));
        QVT_OK(qv__row_set_parse(bytes.data, bytes.len, sized, &again, &err));
        expect_equal(&again, &m);
        qv__row_set_clear(&set);
        qv__row_set_clear(&again);
    }
    qv__buffer_free(&bytes);
}

static void test_damage(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    roaring_bitmap_t *bitmap;
    qv__row_set set = { 0 };
    static const uint8_t run_past_end[] = { 0x3b, 0x30, 0, 0, 0x01, 0, 0, 0x03, 0, 0x01, 0, 0xff, 0xff, 0x03, 0 };
    static const uint8_t run_count[] = { 0x3b, 0x30, 0, 0, 0x01, 0, 0, 0x03, 0, 0xff, 0xff, 0, 0, 0x03, 0 };
    static const uint8_t cardinality[] = { 0x3b, 0x30, 0, 0, 0x01, 0, 0, 0x09, 0, 0x01, 0, 0, 0, 0x03, 0 };
    static const uint8_t no_runs[] = { 0x3b, 0x30, 0, 0, 0x01, 0, 0, 0x03, 0, 0, 0 };
    static const uint8_t order[] = { 0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0x10, 0, 0, 0, 5, 0, 5, 0 };
    static const uint8_t offset[] = { 0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0x12, 0, 0, 0, 5, 0, 6, 0 };
    static const uint8_t count[] = { 0x3a, 0x30, 0, 0, 0xff, 0xff, 0xff, 0xff };
    static uint8_t bits[16 + 8192] = { 0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0x00, 0x20, 0x10, 0, 0, 0 };

    QVT_FAILS(qv__roaring_parse(run_past_end, sizeof run_past_end, &bitmap, &err), QV_CORRUPT, "a run out of order");
    QVT_FAILS(qv__roaring_parse(run_count, sizeof run_count, &bitmap, &err), QV_CORRUPT, "end inside the runs");
    QVT_FAILS(qv__roaring_parse(cardinality, sizeof cardinality, &bitmap, &err), QV_CORRUPT, "another number");
    QVT_FAILS(qv__roaring_parse(no_runs, sizeof no_runs, &bitmap, &err), QV_CORRUPT, "inside the runs");
    QVT_FAILS(qv__roaring_parse(order, sizeof order, &bitmap, &err), QV_CORRUPT, "values out of order");
    QVT_FAILS(qv__roaring_parse(offset, sizeof offset, &bitmap, &err), QV_CORRUPT, "wrong offset");
    QVT_FAILS(qv__roaring_parse(count, sizeof count, &bitmap, &err), QV_CORRUPT, "containers");
    QVT_FAILS(qv__roaring_parse(bits, sizeof bits, &bitmap, &err), QV_CORRUPT, "another number of bits");
    QVT_FAILS(qv__roaring_parse(treemap, 0, &bitmap, &err), QV_CORRUPT, "begin with");
    for (size_t len = 0; len < sizeof treemap; len++)
        assert_int_equal(qv__row_set_parse(treemap, len, false, &set, &err), QV_CORRUPT);
    uint8_t copy[sizeof treemap];
    memcpy(copy, treemap, sizeof copy);
    copy[32] = 0; /* the second part has the first one's high word */
    QVT_FAILS(qv__row_set_parse(copy, sizeof copy, false, &set, &err), QV_CORRUPT, "follows part 0");
    assert_int_equal(set.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),      cmocka_unit_test(test_full_fragments),
        cmocka_unit_test(test_reference_bytes), cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Each operation against a plain array of booleans, at random positions, in blocks of exactly the needed size. */
#include "base/bitmap.h"

#include "qvt.h"

#define MOST 700

static uint8_t *pack(const bool *model, size_t n)
{
    uint8_t *bits = calloc(qv__bitmap_bytes(n) + (n == 0), 1); /* the sanitizer sees a byte too far */
    for (size_t i = 0; i < n; i++)
        qv__bit_put(bits, i, model[i]);
    return bits;
}

static void expect_equal(const uint8_t *bits, const bool *model, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(qv__bit_get(bits, i), model[i]);
}

static void against_booleans(void **state)
{
    qvt_rng rng = qvt_rng_seeded();

    (void) state;
    for (int round = 0; round < 4000; round++) {
        bool a[MOST], b[MOST];
        size_t n_a = qvt_rng_below(&rng, MOST), n_b = qvt_rng_below(&rng, MOST);
        uint64_t density = qvt_rng_below(&rng, 40) + 1;
        for (size_t i = 0; i < MOST; i++) {
            a[i] = qvt_rng_below(&rng, density) == 0;
            b[i] = qvt_rng_below(&rng, 2) == 0;
        }
        uint8_t *bits_a = pack(a, n_a), *bits_b = pack(b, n_b);

        size_t start = qvt_rng_below(&rng, n_a + 1), n = qvt_rng_below(&rng, n_a - start + 1), ones = 0;
        for (size_t i = start; i < start + n; i++)
            ones += a[i];
        assert_int_equal(qv__bitmap_count(bits_a, start, n), ones);
        for (int on = 0; on < 2; on++) {
            size_t at = start;
            while (at < start + n && a[at] != on)
                at++;
            assert_int_equal(qv__bitmap_find(bits_a, start, start + n, on), at);
        }

        size_t most = n < n_b ? n : n_b, to = qvt_rng_below(&rng, n_b - most + 1);
        qv__bitmap_copy(bits_b, to, bits_a, start, most);
        memcpy(b + to, a + start, most * sizeof *b);
        expect_equal(bits_b, b, n_b);

        bool on = qvt_rng_below(&rng, 2);
        qv__bitmap_fill(bits_a, start, n, on);
        for (size_t i = start; i < start + n; i++)
            a[i] = on;
        expect_equal(bits_a, a, n_a);
        free(bits_a);
        free(bits_b);
    }
}

static void sizes(void **state)
{
    (void) state;
    assert_int_equal(qv__bitmap_bytes(0), 0);
    assert_int_equal(qv__bitmap_bytes(1), 1);
    assert_int_equal(qv__bitmap_bytes(8), 1);
    assert_int_equal(qv__bitmap_bytes(9), 2);
    assert_true(qv__bitmap_bytes(SIZE_MAX) == SIZE_MAX / 8 + 1);
    assert_int_equal(qv__bitmap_find(NULL, 5, 5, true), 5);
    assert_int_equal(qv__bitmap_find(NULL, 6, 5, true), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_booleans),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

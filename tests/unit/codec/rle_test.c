/* Runs and byte stream split: round trips, known bytes, hostile input. */
#include "qvt.h"

#include "codec/codec.h"

static void runs_round_trip(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    static uint8_t values[8 * 5000], back[8 * 5000];
    for (int bits = 8; bits <= 64; bits *= 2)
        for (uint64_t longest = 1; longest <= 2000; longest = longest * 3 + 1) {
            size_t n = 1 + qvt_rng_below(&rng, 5000), w = (size_t) bits / 8, runs = 0;
            for (size_t i = 0; i < n;) {
                uint64_t value = qvt_rng_next(&rng), len = 1 + qvt_rng_below(&rng, longest);
                for (; len && i < n; len--, i++)
                    memcpy(values + i * w, &value, w);
            }
            qv__buffer rv, rl;
            qv__buffer_init(&rv, 1 << 20);
            qv__buffer_init(&rl, 1 << 20);
            QVT_OK(qv__rle_encode(bits, values, n, &rv, &rl, &err));
            for (size_t i = 0, in_run = 0; i < n; i++) {
                in_run = i && memcmp(values + i * w, values + i * w - w, w) == 0 && in_run < 255 ? in_run + 1 : 1;
                runs += in_run == 1;
            }
            assert_int_equal(rl.len, runs);
            assert_int_equal(rl.len, qv__rle_runs(bits, values, n));
            assert_int_equal(rv.len, rl.len * w);
            QVT_OK(qv__rle_decode(bits, rv.data, rv.len, rl.data, rl.len, n, back, &err));
            assert_memory_equal(back, values, n * w);
            QVT_FAILS(qv__rle_decode(bits, rv.data, rv.len, rl.data, rl.len, n + 1, back, &err), QV_CORRUPT, "fewer");
            QVT_FAILS(qv__rle_decode(bits, rv.data, rv.len - 1, rl.data, rl.len, n, back, &err), QV_CORRUPT, "run");
            qv__buffer_free(&rv);
            qv__buffer_free(&rl);
        }
}

static void surplus_is_cut_off(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    const uint8_t run_values[] = { 7, 0, 9, 0 }, run_lengths[] = { 2, 200 };
    uint16_t back[3] = { 0 };
    QVT_OK(qv__rle_decode(16, run_values, 4, run_lengths, 2, 3, back, &err));
    assert_int_equal(back[0], 7);
    assert_int_equal(back[1], 7);
    assert_int_equal(back[2], 9);
}

static void byte_split(void **state)
{
    QV_UNUSED(state);
    const uint32_t values[] = { 0x04030201, 0x14131211 };
    const uint8_t expected[] = { 0x01, 0x11, 0x02, 0x12, 0x03, 0x13, 0x04, 0x14 };
    uint8_t bytes[8];
    uint32_t back[2];
    qv__bss_encode(32, values, 2, bytes);
    assert_memory_equal(bytes, expected, 8);
    qv__bss_decode(32, bytes, 2, back);
    assert_memory_equal(back, values, 8);
    uint64_t wide[100], wide_back[100];
    uint8_t wide_bytes[800];
    for (size_t i = 0; i < 100; i++)
        wide[i] = i * UINT64_C(0x9E3779B97F4A7C15);
    qv__bss_encode(64, wide, 100, wide_bytes);
    qv__bss_decode(64, wide_bytes, 100, wide_back);
    assert_memory_equal(wide, wide_back, sizeof wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_round_trip),
        cmocka_unit_test(surplus_is_cut_off),
        cmocka_unit_test(byte_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

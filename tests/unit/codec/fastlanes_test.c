/* Packing against an oracle that follows the format's description bit by bit. */
#include "qvt.h"

#include "base/bytes.h"
#include "codec/codec.h"

static const unsigned ORDER[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };

/* Value `index` from the packed words, one bit at a time. */
static uint64_t slow_unpack(unsigned t, unsigned w, const uint8_t *packed, unsigned index)
{
    unsigned lanes = 1024 / t;
    for (unsigned lane = 0; lane < lanes; lane++)
        for (unsigned row = 0; row < t; row++) {
            if (ORDER[row / 8] * 16 + (row % 8) * 128 + lane != index)
                continue;
            uint64_t value = 0;
            for (unsigned b = 0; b < w; b++) {
                unsigned bit = row * w + b;
                size_t at = ((size_t) (bit / t) * lanes + lane) * t + bit % t;
                value |= (uint64_t) (packed[at / 8] >> (at % 8) & 1) << b;
            }
            return value;
        }
    fail_msg("index %u is in no lane", index);
    return 0;
}

static void put(int bits, void *values, size_t i, uint64_t v) { memcpy((char *) values + i * bits / 8, &v, bits / 8); }

static uint64_t get(int bits, const void *values, size_t i)
{
    uint64_t v = 0;
    memcpy(&v, (const char *) values + i * bits / 8, bits / 8);
    return v;
}

static void every_width_round_trips(void **state)
{
    QV_UNUSED(state);
    qvt_rng rng = qvt_rng_seeded();
    static uint8_t values[8192 + 1], packed[8192 + 1], back[8192 + 1];
    for (int bits = 8; bits <= 64; bits *= 2)
        for (unsigned w = 0; w <= (unsigned) bits; w++) {
            unsigned shift = (unsigned) qvt_rng_below(&rng, 2); /* any alignment */
            uint64_t mask = w == 0 ? 0 : ~UINT64_C(0) >> (64 - w);
            for (size_t i = 0; i < 1024; i++)
                put(bits, values + shift, i, (i % 7 == 3 ? ~UINT64_C(0) : qvt_rng_next(&rng)) & mask);
            assert_int_equal(qv__bits_needed(bits, values + shift, 1024), w);
            memset(packed, 0xAA, sizeof packed);
            qv__pack_group(bits, w, values + shift, packed + shift);
            if (128 * w + shift < sizeof packed)
                assert_int_equal(packed[128 * w + shift], 0xAA);
            qv__unpack_group(bits, w, packed + shift, back + shift);
            assert_memory_equal(values + shift, back + shift, 1024 * bits / 8);
            for (unsigned k = 0; k < 40; k++) {
                unsigned i = k < 8 ? k * 128 + k : (unsigned) qvt_rng_below(&rng, 1024);
                assert_int_equal(slow_unpack(bits, w, packed + shift, i), get(bits, values + shift, i));
                assert_int_equal(qv__unpack_one(bits, w, packed + shift, i), get(bits, values + shift, i));
            }
        }
}

static void picked_values_are_those_of_the_group(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    static uint64_t values[1024], back[1024];
    const size_t counts[] = { 1, 7, 129, 1000, 1024 };
    for (int bits = 8; bits <= 64; bits *= 2)
        for (unsigned w = 0; w <= (unsigned) bits; w++)
            for (size_t c = 0; c < QV_COUNT_OF(counts); c++) {
                size_t n = counts[c], word = (size_t) bits / 8;
                for (size_t i = 0; i < n; i++)
                    put(bits, values, i, w == 0 ? 0 : qvt_rng_next(&rng) >> (64 - w));
                qv__buffer packed;
                qv__buffer_init(&packed, 1 << 20);
                assert_int_equal(qv__inline_pack(bits, values, n, &packed, &err), QV_OK);
                for (unsigned k = 0; k < 8; k++) {
                    size_t at = (size_t) qvt_rng_below(&rng, n), count = (size_t) qvt_rng_below(&rng, n - at + 1);
                    memset(back, 0xAA, sizeof back);
                    assert_int_equal(qv__inline_pick(bits, packed.data, packed.len, n, at, count, back, &err), QV_OK);
                    assert_memory_equal(back, (uint8_t *) values + at * word, count * word);
                    if (count < 1024)
                        assert_int_equal(((uint8_t *) back)[count * word], 0xAA);
                }
                qv__buffer_free(&packed);
            }
}

static void picking_checks_what_unpacking_checks(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    uint8_t block[8 + 128 * 5] = { 5 };
    uint64_t value;

    assert_int_equal(qv__inline_pick(64, block, sizeof block, 1024, 1023, 1, &value, &err), QV_OK);
    assert_int_equal(qv__inline_pick(64, block, sizeof block - 1, 1024, 0, 1, &value, &err), QV_CORRUPT);
    assert_int_equal(qv__inline_pick(64, block, 7, 1024, 0, 1, &value, &err), QV_CORRUPT);
    assert_int_equal(qv__inline_pick(64, block, sizeof block, 1025, 0, 1, &value, &err), QV_CORRUPT);
    block[0] = 65;
    assert_int_equal(qv__inline_pick(64, block, sizeof block, 1024, 0, 1, &value, &err), QV_CORRUPT);
    assert_string_equal(err.message, "bit-packed block has width 65 for values of 64 bits");
}

static void framings_round_trip_any_count(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    static uint64_t values[5000], back[5000];
    const size_t counts[] = { 0, 1, 2, 511, 512, 1023, 1024, 1025, 2048, 3000, 5000 };
    for (int bits = 8; bits <= 64; bits *= 2)
        for (unsigned w = 0; w <= (unsigned) bits; w += 1 + w / 9)
            for (size_t c = 0; c < QV_COUNT_OF(counts); c++) {
                size_t n = counts[c], bytes = n * bits / 8;
                for (size_t i = 0; i < n; i++)
                    put(bits, values, i, w ? qvt_rng_next(&rng) & (~UINT64_C(0) >> (64 - w)) : 0);
                qv__buffer out;
                qv__buffer_init(&out, 1 << 20);
                QVT_OK(qv__outofline_pack(bits, w, values, n, &out, &err));
                memset(back, 0xEE, sizeof back);
                QVT_OK(qv__outofline_unpack(bits, w, out.data, out.len, n, back, &err));
                assert_memory_equal(back, values, bytes);
                if (bits > 8) /* any other size is refused */
                    QVT_FAILS(qv__outofline_unpack(bits, w, out.data, out.len + 1, n, back, &err), QV_CORRUPT, "width");
                out.len = 0;
                if (n <= 1024) {
                    QVT_OK(qv__inline_pack(bits, values, n, &out, &err));
                    memset(back, 0xEE, sizeof back);
                    QVT_OK(qv__inline_unpack(bits, out.data, out.len, n, back, &err));
                    assert_memory_equal(back, values, bytes);
                }
                qv__buffer_free(&out);
            }
}

/* width 1 of 16-bit values: value 64 is row 8 % 8 of ORDER[1] = 4, lane 0, so bit 8 of word 0 */
static void known_bytes(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    uint16_t values[1024] = { 0 };
    values[0] = 1;
    values[64] = 1;
    values[128] = 1;
    qv__buffer out;
    qv__buffer_init(&out, 1 << 20);
    QVT_OK(qv__inline_pack(16, values, 1024, &out, &err));
    assert_int_equal(out.len, 2 + 128);
    assert_int_equal(qv__load_u16(out.data), 1);
    assert_int_equal(qv__load_u16(out.data + 2), 1 | 1 << 1 | 1 << 8);
    qv__buffer_free(&out);
}

/* 192 values of 3 bits take 192 words raw and packed: such a tail is raw */
static void tail_of_equal_size_is_raw(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    uint16_t values[1024 + 192], back[1024 + 192];
    for (size_t i = 0; i < QV_COUNT_OF(values); i++)
        values[i] = (uint16_t) (i * 5 % 8);
    qv__buffer out;
    qv__buffer_init(&out, 1 << 20);
    QVT_OK(qv__outofline_pack(16, 3, values, QV_COUNT_OF(values), &out, &err));
    assert_int_equal(out.len, 2 * 128 * 3);
    assert_memory_equal(out.data + 128 * 3, values + 1024, 192 * 2);
    QVT_OK(qv__outofline_unpack(16, 3, out.data, out.len, QV_COUNT_OF(values), back, &err));
    assert_memory_equal(back, values, sizeof values);
    qv__buffer_free(&out);
}

static void hostile_framings(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    uint32_t block[1 + 1024] = { 0 }, back[1024];
    const uint8_t *bytes = (const uint8_t *) block;
    QVT_FAILS(qv__inline_unpack(32, bytes, 3, 5, back, &err), QV_CORRUPT, "no width");
    block[0] = 33;
    QVT_FAILS(qv__inline_unpack(32, bytes, sizeof block, 5, back, &err), QV_CORRUPT, "width 33");
    block[0] = 7;
    QVT_FAILS(qv__inline_unpack(32, bytes, 4 + 128 * 7 - 4, 5, back, &err), QV_CORRUPT, "needs 900");
    QVT_FAILS(qv__inline_unpack(32, bytes, 4 + 128 * 7, 1025, back, &err), QV_CORRUPT, "1025");
    QVT_FAILS(qv__outofline_unpack(16, 17, bytes, 128, 5, back, &err), QV_CORRUPT, "width 17");
    QVT_FAILS(qv__outofline_unpack(16, 3, bytes, 12, 5, back, &err), QV_CORRUPT, "12 bytes");
    QVT_FAILS(qv__outofline_unpack(16, 3, bytes, 12, SIZE_MAX / 2, back, &err), QV_CORRUPT, "claims");
    QVT_OK(qv__outofline_unpack(16, 3, bytes, 10, 5, back, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_round_trips),
        cmocka_unit_test(framings_round_trip_any_count),
        cmocka_unit_test(picked_values_are_those_of_the_group),
        cmocka_unit_test(picking_checks_what_unpacking_checks),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(tail_of_equal_size_is_raw),
        cmocka_unit_test(hostile_framings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* UTF-8 validation against a slow decoder that follows the definition, exhaustively where that is possible. */
#include "base/utf8.h"
#include "qvt.h"

/* Decodes one character the plain way; 0: not valid. */
static size_t slow_char(const uint8_t *p, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = p[0] < 0x80             ? 1
                 : (p[0] & 0xe0) == 0xc0 ? 2
                 : (p[0] & 0xf0) == 0xe0 ? 3
                 : (p[0] & 0xf8) == 0xf0 ? 4
                                         : 0;

    if (len == 0 || len > n)
        return 0;
    if (len == 1)
        return 1;
    uint32_t code = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : len;
}

static bool slow_valid(const uint8_t *p, size_t n)
{
    while (n > 0) {
        size_t len = slow_char(p, n);
        if (len == 0)
            return false;
        p += len;
        n -= len;
    }
    return true;
}

static void all_short_sequences(void **state)
{
    uint8_t text[3];

    (void) state;
    assert_true(qv__utf8_valid(NULL, 0));
    for (uint32_t v = 0; v < 1u << 24; v++) {
        text[0] = (uint8_t) (v >> 16);
        text[1] = (uint8_t) (v >> 8);
        text[2] = (uint8_t) v;
        if (qv__utf8_valid(text, 3) != slow_valid(text, 3)) {
            print_error("%02x %02x %02x\n", text[0], text[1], text[2]);
            fail();
        }
    }
}

/* All four-byte sequences at the borders of each byte's classes. */
static void long_sequences_at_borders(void **state)
{
    static const uint8_t edges[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
                                     0xdf, 0xe0, 0xec, 0xed, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff };
    enum { N = QV_COUNT_OF(edges) };

    (void) state;
    for (size_t v = 0; v < N * N * N * N; v++) {
        uint8_t text[4] = { edges[v % N], edges[v / N % N], edges[v / N / N % N], edges[v / N / N / N] };
        assert_int_equal(qv__utf8_valid(text, 4), slow_valid(text, 4));
    }
}

/* Random text, sound and broken, over the borders of blocks. */
static void random_texts(void **state)
{
    static const char *const pieces[] = {
        "a", "bc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8e\xaf", "0123456789abcdef"
    };
    qvt_rng rng = qvt_rng_seeded();
    size_t n_broken = 0;

    (void) state;
    for (int round = 0; round < 100000; round++) {
        uint8_t text[300];
        size_t n = 0;
        for (size_t k = qvt_rng_below(&rng, 18); k > 0; k--) {
            const char *piece = pieces[qvt_rng_below(&rng, QV_COUNT_OF(pieces))];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        assert_true(qv__utf8_valid(text, n));
        if (n == 0)
            continue;
        text[qvt_rng_below(&rng, n)] = (uint8_t) qvt_rng_next(&rng);
        size_t from = qvt_rng_below(&rng, n), len = qvt_rng_below(&rng, n - from + 1);
        bool valid = slow_valid(text + from, len);
        n_broken += !valid;
        assert_int_equal(qv__utf8_valid(text + from, len), valid);
    }
    assert_true(n_broken > 1000);
}

/* Every character: written, read, and counted. */
static void walking(void **state)
{
    uint8_t text[16] = "ab";
    size_t n = 0;

    (void) state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c < 0xe000)
            continue;
        size_t len = qv__utf8_put(c, text + 2);
        assert_int_equal(slow_char(text + 2, len), len);
        assert_int_equal(qv__utf8_get(text + 2, &n), c);
        assert_int_equal(n, len);
        text[2 + len] = 'z';
        assert_int_equal(qv__utf8_count(text, len + 3), 4);
        assert_int_equal(qv__utf8_at(text, len + 3, 2), 2);
        assert_int_equal(qv__utf8_at(text, len + 3, 3), 2 + len);
        assert_int_equal(qv__utf8_at(text, len + 3, 4), len + 3);
        assert_int_equal(qv__utf8_at(text, len + 3, UINT64_MAX), len + 3);
    }
    assert_int_equal(qv__utf8_count(NULL, 0), 0);
    assert_int_equal(qv__utf8_at(NULL, 0, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_short_sequences),
        cmocka_unit_test(long_sequences_at_borders),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(walking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

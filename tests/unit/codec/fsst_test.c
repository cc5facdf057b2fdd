/* FSST: round trips over kinds of text, gain, determinism, hostile tables and strings. */
#include "qvt.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "codec/codec.h"

#define STRINGS 3000

typedef struct text {
    uint8_t *bytes;
    int64_t offsets[STRINGS + 1];
} text;

/* kind 0: words, 1: urls, 2: random bytes, 3: one letter, 4: empty and very short */
static void make_text(text *t, unsigned kind, qvt_rng *rng)
{
    static const char *const words[] = { "the ", "vector ", "database ", "of ", "nearest ", "neighbours ", "and " };
    size_t at = 0;
    t->bytes = malloc(STRINGS * 300);
    t->offsets[0] = 0;
    for (size_t i = 0; i < STRINGS; i++) {
        char one[300];
        int len = 0;
        if (kind == 0)
            for (uint64_t w = qvt_rng_below(rng, 20); w; w--)
                len += sprintf(one + len, "%s", words[qvt_rng_below(rng, 7)]);
        else if (kind == 1)
            len = sprintf(one, "https://www.example.com/items/%llu?page=%llu",
                          (unsigned long long) qvt_rng_below(rng, 100000), (unsigned long long) qvt_rng_below(rng, 9));
        else
            for (uint64_t w = qvt_rng_below(rng, kind == 4 ? 3 : 200); w; w--)
                one[len++] = kind == 2 ? (char) qvt_rng_next(rng) : 'a';
        memcpy(t->bytes + at, one, (size_t) len);
        at += (size_t) len;
        t->offsets[i + 1] = (int64_t) at;
    }
}

static size_t round_trip(const text *t, qv__fsst_encoder *encoder)
{
    qv_error err;
    static uint8_t coded[2 * 300 + 8], back[8 * (2 * 300 + 8) + 8];
    uint8_t table[QV_FSST_TABLE_BYTES];
    qv__fsst_decoder decoder;
    size_t total = 0;
    qv__fsst_table(encoder, table);
    QVT_OK(qv__fsst_decoder_init(&decoder, table, sizeof table, &err));
    for (size_t i = 0; i < STRINGS; i++) {
        size_t len = (size_t) (t->offsets[i + 1] - t->offsets[i]), back_len;
        /* a copy of its own: reading beyond the string would be seen by the sanitizers */
        uint8_t *one = malloc(len + 1);
        memcpy(one, t->bytes + t->offsets[i], len);
        uint8_t *exact = realloc(one, len ? len : 1);
        size_t coded_len = qv__fsst_encode(encoder, exact, len, coded);
        assert_true(coded_len <= 2 * len);
        QVT_OK(qv__fsst_decode(&decoder, coded, coded_len, back, &back_len, &err));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, t->bytes + t->offsets[i], len);
        total += coded_len;
        free(exact);
    }
    return total;
}

static void texts_round_trip(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    qvt_rng rng = qvt_rng_seeded();
    for (unsigned kind = 0; kind < 5; kind++) {
        text t;
        qv__fsst_encoder *encoder = NULL, *again = NULL;
        uint8_t table[2][QV_FSST_TABLE_BYTES];
        make_text(&t, kind, &rng);
        QVT_OK(qv__fsst_train(t.bytes, t.offsets, STRINGS, &encoder, &err));
        QVT_OK(qv__fsst_train(t.bytes, t.offsets, STRINGS, &again, &err));
        qv__fsst_table(encoder, table[0]);
        qv__fsst_table(again, table[1]);
        assert_memory_equal(table[0], table[1], QV_FSST_TABLE_BYTES);
        size_t coded = round_trip(&t, encoder), raw = (size_t) t.offsets[STRINGS];
        if (kind == 0 || kind == 1)
            assert_true(coded * 2 < raw);
        if (kind == 3)
            assert_true(coded * 6 < raw);
        qv__fsst_encoder_free(encoder);
        qv__fsst_encoder_free(again);
        free(t.bytes);
    }
    /* no strings at all */
    qv__fsst_encoder *encoder = NULL;
    int64_t offset = 0;
    QVT_OK(qv__fsst_train((const uint8_t *) "", &offset, 0, &encoder, &err));
    qv__fsst_encoder_free(encoder);
}

/* "ab" = symbol 0, then the literal 'z', then symbol 1 = "12345678" */
static void known_bytes(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    uint8_t table[QV_FSST_TABLE_BYTES] = { 2, 0, 0, 1, 'T', 'S', 'S', 'F' };
    memcpy(table + 8, "ab", 2);
    memcpy(table + 16, "12345678", 8);
    table[24] = 2;
    table[25] = 8;
    const uint8_t coded[] = { 0, 255, 'z', 1 };
    uint8_t out[8 * 4 + 8];
    size_t len;
    qv__fsst_decoder decoder;
    QVT_OK(qv__fsst_decoder_init(&decoder, table, sizeof table, &err));
    QVT_OK(qv__fsst_decode(&decoder, coded, 4, out, &len, &err));
    assert_int_equal(len, 11);
    assert_memory_equal(out, "abz12345678", 11);
    QVT_FAILS(qv__fsst_decode(&decoder, coded, 2, out, &len, &err), QV_CORRUPT, "escape");
    const uint8_t unknown[] = { 2 };
    QVT_FAILS(qv__fsst_decode(&decoder, unknown, 1, out, &len, &err), QV_CORRUPT, "code 2");
    table[3] = 0; /* verbatim */
    QVT_OK(qv__fsst_decoder_init(&decoder, table, sizeof table, &err));
    QVT_OK(qv__fsst_decode(&decoder, coded, 4, out, &len, &err));
    assert_int_equal(len, 4);
    assert_memory_equal(out, coded, 4);
    table[25] = 9;
    QVT_FAILS(qv__fsst_decoder_init(&decoder, table, sizeof table, &err), QV_CORRUPT, "length 9");
    QVT_FAILS(qv__fsst_decoder_init(&decoder, table, 2311, &err), QV_CORRUPT, "2311");
    table[4] = 'X';
    QVT_FAILS(qv__fsst_decoder_init(&decoder, table, sizeof table, &err), QV_CORRUPT, "magic");
}

static void training_unwinds(void **state)
{
    QV_UNUSED(state);
    qv_error err;
    const int64_t offsets[] = { 0, 5 };
    for (uint64_t n = 0;; n++) {
        qv__fsst_encoder *encoder = NULL;
        qv__alloc_fail_at(n);
        qv_status st = qv__fsst_train((const uint8_t *) "aaaaa", offsets, 1, &encoder, &err);
        qv__alloc_fail_at(UINT64_MAX);
        qv__fsst_encoder_free(encoder);
        if (st == QV_OK) {
            assert_true(n >= 2);
            break;
        }
        assert_int_equal(st, QV_NOMEM);
        assert_null(encoder);
    }
    assert_int_equal(qv_memory().live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_round_trip),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(training_unwinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

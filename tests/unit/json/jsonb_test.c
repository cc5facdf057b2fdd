/* JSON text <-> JSONB. The bytes in the list were written by the reference implementation. */
#include "qvt.h"

#include "base/alloc.h"
#include "json/json.h"

static qv_error err;

typedef struct sample {
    const char *text, *hex, *shown; /* shown NULL: the text itself */
} sample;

static const sample samples[] = {
    { "1", "20000000200000025001", NULL },
    { "0", "200000002000000100", NULL },
    { "-1", "200000002000000240ff", NULL },
    { "255", "200000002000000250ff", NULL },
    { "256", "2000000020000003500100", NULL },
    { "-128", "20000000200000024080", NULL },
    { "-129", "200000002000000340ff7f", NULL },
    { "65536", "20000000200000055000010000", NULL },
    { "4294967296", "2000000020000009500000000100000000", NULL },
    { "18446744073709551615", "200000002000000950ffffffffffffffff", NULL },
    { "18446744073709551616", "20000000200000096043f0000000000000", "1.8446744073709552e+19" },
    { "-9223372036854775808", "2000000020000009408000000000000000", NULL },
    { "-9223372036854775809", "200000002000000960c3e0000000000000", "-9.223372036854776e+18" },
    { "1.5", "2000000020000009603ff8000000000000", NULL },
    { "1.0", "2000000020000009603ff0000000000000", NULL },
    { "-0", "200000002000000100", "0" },
    { "-0.0", "2000000020000009608000000000000000", NULL },
    { "1e10", "2000000020000009604202a05f20000000", "10000000000.0" },
    { "1e400", "200000002000000120", "null" },
    { "1E-5", "2000000020000009603ee4f8b588e368f1", "0.00001" },
    { "0.1", "2000000020000009603fb999999999999a", NULL },
    { "1.23456789012345678901234567890", "2000000020000009603ff3c0ca428c59fb", "1.2345678901234567" },
    { "123456789012345678901234567890", "20000000200000096045f8ee90ff6c373e", "1.2345678901234568e+29" },
    { "true", "2000000040000000", NULL },
    { "false", "2000000030000000", NULL },
    { "null", "2000000000000000", NULL },
    { "\"\"", "2000000010000000", NULL },
    { "\"a\"", "200000001000000161", NULL },
    { "\"\\u00e9\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "200000001000000ac3a90a09225c2f080c0d",
      "\"\xc3\xa9\\n\\t\\\"\\\\/\\b\\f\\r\"" },
    { "\"\\ud83d\\ude00\"", "2000000010000004f09f9880", "\"\xf0\x9f\x98\x80\"" },
    { "\"\\u0001\"", "200000001000000101", NULL },
    { "[]", "80000000", NULL },
    { "{}", "40000000", NULL },
    { "[1,2,\"x\",null,true,[3]]",
      "8000000620000002200000021000000100000000400000005000000a500150027880000001200000025003", NULL },
    { "{\"b\":1,\"a\":{\"c\":[]}, \"aa\":2}",
      "40000003100000011000000210000001500000112000000220000002616161624000000110000001500000046380000000"
      "50025001",
      "{\"a\":{\"c\":[]},\"aa\":2,\"b\":1}" },
    { "{\"\xc3\xa9\":1,\"z\":2,\"\":3}", "400000031000000010000001100000022000000220000002200000027ac3a9500350025001",
      "{\"\":3,\"z\":2,\"\xc3\xa9\":1}" },
    { " [ 1 , 2 ] ", "80000002200000022000000250015002", "[1,2]" },
    { "1.7976931348623157e308", "2000000020000009607fefffffffffffff", "1.7976931348623157e+308" },
    { "5e-324", "2000000020000009600000000000000001", NULL },
    { "1e22", "2000000020000009604480f0cf064dd592", "1e+22" },
    { "1e16", "2000000020000009604341c37937e08000", "1e+16" },
    { "1e15", "200000002000000960430c6bf526340000", "1000000000000000.0" },
    { "123456789012345680.0", "200000002000000960437b69b4ba630f35", "1.2345678901234568e+17" },
    { "-1.5e-7", "200000002000000960be8421f5f40d8376", NULL },
    { "0.000001", "2000000020000009603eb0c6f7a0b5ed8d", "1e-6" },
    { "2.50", "2000000020000009604004000000000000", "2.5" },
    { "{\"a\":1.10}", "40000001100000012000000961603ff199999999999a", "{\"a\":1.1}" },
};

static void print_hex(const qv__buffer *bytes, char *out)
{
    for (size_t i = 0; i < bytes->len; i++)
        sprintf(out + 2 * i, "%02x", bytes->data[i]);
}

static void test_samples(void **state)
{
    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(samples); i++) {
        const sample *s = &samples[i];
        const char *shown = s->shown ? s->shown : s->text;
        qv__buffer bytes, text;
        char hex[512] = "";

        qv__buffer_init(&bytes, 4096);
        qv__buffer_init(&text, 4096);
        QVT_OK(qv__jsonb_encode((const uint8_t *) s->text, strlen(s->text), &bytes, &err));
        print_hex(&bytes, hex);
        assert_string_equal(hex, s->hex);
        QVT_OK(qv__jsonb_decode(bytes.data, bytes.len, &text, &err));
        assert_int_equal(text.len, strlen(shown));
        assert_memory_equal(text.data, shown, text.len);
        qv__buffer_free(&bytes);
        qv__buffer_free(&text);
    }
}

static void expect_refused(const char *text, const char *part)
{
    qv__buffer bytes;

    qv__buffer_init(&bytes, 1 << 20);
    QVT_FAILS(qv__jsonb_encode((const uint8_t *) text, strlen(text), &bytes, &err), QV_SCHEMA, part);
    assert_int_equal(bytes.len, 0);
    qv__buffer_free(&bytes);
}

static void test_refused(void **state)
{
    (void) state;
    expect_refused("", "a value expected at byte 0");
    expect_refused("  ", "a value expected at byte 2");
    expect_refused("nul", "a value expected at byte 0");
    expect_refused("[1,]", "a value expected at byte 3");
    expect_refused("[1 2]", "',' or ']' expected at byte 3");
    expect_refused("{\"a\" 1}", "':' expected at byte 5");
    expect_refused("{a:1}", "a key in quotes expected at byte 1");
    expect_refused("{\"a\":1,\"b\":2,\"a\":3}", "the key \"a\" occurs twice");
    expect_refused("\"abc", "string without end at byte 4");
    expect_refused("\"a\nb\"", "control character in a string at byte 2");
    expect_refused("\"\\x\"", "unknown escape at byte 2");
    expect_refused("\"\\ud800\"", "half of a surrogate pair");
    expect_refused("\"\\u12g4\"", "four hexadecimal digits expected");
    expect_refused("01", "more after the end at byte 1");
    expect_refused("1.", "a digit expected at byte 2");
    expect_refused("-", "a digit expected at byte 1");
    expect_refused("1e+", "a digit expected at byte 3");
    expect_refused("1 1", "more after the end at byte 2");
    expect_refused("NaN", "a value expected at byte 0");
}

static void test_nesting(void **state)
{
    char text[2 * (QV_JSON_MAX_DEPTH + 1) + 1];
    qv__buffer bytes, back;

    (void) state;
    qv__buffer_init(&bytes, 1 << 20);
    qv__buffer_init(&back, 1 << 20);
    memset(text, '[', QV_JSON_MAX_DEPTH);
    memset(text + QV_JSON_MAX_DEPTH, ']', QV_JSON_MAX_DEPTH);
    QVT_OK(qv__jsonb_encode((uint8_t *) text, 2 * QV_JSON_MAX_DEPTH, &bytes, &err));
    QVT_OK(qv__jsonb_decode(bytes.data, bytes.len, &back, &err));
    assert_int_equal(back.len, 2 * QV_JSON_MAX_DEPTH);
    assert_memory_equal(back.data, text, back.len);
    memset(text, '[', QV_JSON_MAX_DEPTH + 1);
    text[QV_JSON_MAX_DEPTH + 1] = 0;
    expect_refused(text, "nested deeper than 256");
    qv__buffer_free(&bytes);
    qv__buffer_free(&back);
}

/* Every document, with every byte changed in turn, decodes or is refused; it never reads outside (sanitizers watch). */
static void test_damage(void **state)
{
    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(samples); i++) {
        qv__buffer bytes, text;

        qv__buffer_init(&bytes, 4096);
        qv__buffer_init(&text, 1 << 16);
        QVT_OK(qv__jsonb_encode((const uint8_t *) samples[i].text, strlen(samples[i].text), &bytes, &err));
        for (size_t at = 0; at < bytes.len; at++) {
            for (unsigned flip = 1; flip < 256; flip <<= 1) {
                uint8_t *exact = qv__memdup(bytes.data, bytes.len);
                exact[at] ^= (uint8_t) flip;
                text.len = 0;
                qv_status st = qv__jsonb_decode(exact, bytes.len, &text, &err);
                assert_true(st == QV_OK || st == QV_CORRUPT || st == QV_UNSUPPORTED);
                qv__free(exact);
            }
        }
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t *exact = qv__memdup(bytes.data, len);
            text.len = 0;
            QVT_FAILS(qv__jsonb_decode(exact, len, &text, &err), QV_CORRUPT, "JSONB");
            qv__free(exact);
        }
        qv__buffer_free(&bytes);
        qv__buffer_free(&text);
    }
}

static void test_find(void **state)
{
    const char *text = "{\"branch\":null,\"version\":300,\"a\":{\"version\":1},\"n\":-4}";
    qv__buffer bytes;
    qv__jsonb_value value;
    uint64_t number;

    (void) state;
    qv__buffer_init(&bytes, 4096);
    QVT_OK(qv__jsonb_encode((const uint8_t *) text, strlen(text), &bytes, &err));
    assert_true(qv__jsonb_find(bytes.data, bytes.len, "version", &value));
    assert_true(qv__jsonb_u64(&value, &number));
    assert_int_equal(number, 300);
    assert_true(qv__jsonb_find(bytes.data, bytes.len, "branch", &value));
    assert_int_equal(value.entry, QV_JSONB_NULL);
    assert_true(qv__jsonb_find(bytes.data, bytes.len, "n", &value));
    assert_false(qv__jsonb_u64(&value, &number));
    assert_false(qv__jsonb_find(bytes.data, bytes.len, "missing", &value));
    qv__buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_refused), cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_damage),  cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

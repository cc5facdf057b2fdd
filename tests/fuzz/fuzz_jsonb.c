/* Byte 0 even: the rest is JSON text. What encodes decodes, and the text that comes out encodes to the same bytes and decodes to
 * itself. Odd: the rest is JSONB; what decodes is JSON, keys that occur twice aside, and looking keys up stays inside. */
#include "fuzz.h"

#include "arrow/validate.h"
#include "base/bytes.h"
#include "json/json.h"

static void check_text(const uint8_t *text, size_t len)
{
    qv__buffer bytes, shown, again, last;
    qv_error err;

    qv__buffer_init(&bytes, 64 << 20);
    qv__buffer_init(&shown, 64 << 20);
    qv__buffer_init(&again, 64 << 20);
    qv__buffer_init(&last, 64 << 20);
    if (qv__utf8_valid(text, len) && qv__jsonb_encode(text, len, &bytes, &err) == QV_OK) {
        FUZZ_CHECK(qv__jsonb_decode(bytes.data, bytes.len, &shown, &err) == QV_OK);
        FUZZ_CHECK(qv__utf8_valid(shown.data, shown.len));
        FUZZ_CHECK(qv__jsonb_encode(shown.data, shown.len, &again, &err) == QV_OK);
        FUZZ_CHECK(qv__jsonb_decode(again.data, again.len, &last, &err) == QV_OK);
        FUZZ_CHECK(shown.len == last.len && memcmp(shown.data, last.data, last.len) == 0);
    }
    qv__buffer_free(&bytes);
    qv__buffer_free(&shown);
    qv__buffer_free(&again);
    qv__buffer_free(&last);
}

static void check_look_up(const uint8_t *bytes, size_t len)
{
    static const char *const keys[] = { "", "a", "id", "position", "size" };
    qv__jsonb_value value;
    uint64_t number;

    for (size_t i = 0; i < QV_COUNT_OF(keys); i++) {
        if (!qv__jsonb_find(bytes, len, keys[i], &value))
            continue;
        FUZZ_CHECK(value.data >= bytes && value.data + value.len <= bytes + len);
        (void) qv__jsonb_u64(&value, &number);
    }
}

static void check_bytes(const uint8_t *bytes, size_t len)
{
    qv__buffer shown, again;
    qv_error err;

    check_look_up(bytes, len);
    qv__buffer_init(&shown, 64 << 20);
    qv__buffer_init(&again, 64 << 20);
    if (qv__jsonb_decode(bytes, len, &shown, &err) == QV_OK) {
        FUZZ_CHECK(qv__utf8_valid(shown.data, shown.len));
        qv_status st = qv__jsonb_encode(shown.data, shown.len, &again, &err);
        FUZZ_CHECK(st == QV_OK || strstr(err.message, "occurs twice"));
    }
    qv__buffer_free(&shown);
    qv__buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        check_text(data + 1, size - 1);
    else
        check_bytes(data + 1, size - 1);
    return 0;
}

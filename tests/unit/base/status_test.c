#include "base/status.h"

#include <errno.h>
#include <stdbool.h>

#include "qvt.h"

static void names_and_texts(void **state)
{
    (void) state;
    assert_string_equal(qv_status_name(QV_OK), "QV_OK");
    assert_string_equal(qv_status_name(QV_LIMIT), "QV_LIMIT");
    assert_string_equal(qv_status_text(QV_CORRUPT), "stored data failed a check");
    assert_string_equal(qv_status_name((qv_status) 99), "QV_UNKNOWN");
    assert_string_equal(qv_status_text((qv_status) -1), "unknown status");
    assert_string_equal(qv_version(), QV_VERSION_STRING);
    /* pinned for ever */
    assert_int_equal(QV_OK, 0);
    assert_int_equal(QV_CONFLICT, 5);
    assert_int_equal(QV_TIMEOUT, 10);
    assert_int_equal(QV_LIMIT, 13);
}

static void messages(void **state)
{
    qv_error err;

    (void) state;
    assert_int_equal(qv__fail(&err, QV_SCHEMA, "column \"%s\" has %d", "emb", 768), QV_SCHEMA);
    assert_int_equal(err.status, QV_SCHEMA);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.message, "column \"emb\" has 768");
    assert_int_equal(qv__fail(NULL, QV_SCHEMA, "nobody listens"), QV_SCHEMA);

    assert_int_equal(qv__fail_errno(&err, ENOSPC, "file \"%s\"", "x"), QV_IO);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.message, "file \"x\": No space left on device");
    assert_int_equal(qv__fail_errno(&err, ENOMEM, "file"), QV_NOMEM);
    assert_int_equal(err.sys_errno, 0);
    assert_int_equal(qv__fail_errno(NULL, EIO, "file"), QV_IO);

    qv__fail_errno(&err, EIO, "inner");
    assert_int_equal(qv__fail_in(&err, QV_IO, "table \"%s\"", "t"), QV_IO);
    assert_int_equal(err.sys_errno, EIO);
    assert_string_equal(err.message, "table \"t\": inner: Input/output error");
    assert_int_equal(qv__fail_nomem(&err, 12345), QV_NOMEM);
    assert_non_null(strstr(err.message, "12345"));
}

static bool is_utf8(const char *text)
{
    for (const unsigned char *c = (const unsigned char *) text; *c;) {
        size_t width = *c < 0x80 ? 1 : *c >= 0xf0 ? 4 : *c >= 0xe0 ? 3 : *c >= 0xc0 ? 2 : 0;
        if (width == 0)
            return false;
        for (size_t i = 1; i < width; i++)
            if ((c[i] & 0xc0) != 0x80)
                return false;
        c += width;
    }
    return true;
}

/* However a message is cut, it ends in a zero byte and never inside a character. */
static void long_messages_stay_utf8(void **state)
{
    static const char *const letters[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x98" };

    (void) state;
    for (size_t l = 0; l < QV_COUNT_OF(letters); l++) {
        size_t width = strlen(letters[l]);
        for (size_t shift = 0; shift < 5; shift++) {
            char text[900] = "xxxxx";
            qv_error err;
            text[shift] = 0;
            while (strlen(text) + width < 800)
                strcat(text, letters[l]);
            for (int how = 0; how < 3; how++) {
                if (how == 0)
                    qv__fail(&err, QV_INVALID, "%s", text);
                else if (how == 1)
                    qv__fail_errno(&err, EIO, "%s", text);
                else
                    qv__fail_in(&err, QV_INVALID, "in");
                size_t len = strlen(err.message);
                assert_in_range(len, 500 - width, 503);
                assert_true(is_utf8(err.message));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_texts),
        cmocka_unit_test(messages),
        cmocka_unit_test(long_messages_stay_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

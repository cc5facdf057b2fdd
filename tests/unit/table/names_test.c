#include "qvt.h"

#include "table/table_private.h"

static qv_error err;

static void test_manifest_names(void **state)
{
    char name[QV_NAME_BYTES];
    uint64_t version;

    (void) state;
    qv__manifest_name(1, QV_NAMES_V2, name);
    assert_string_equal(name, "_versions/18446744073709551614.manifest");
    qv__manifest_name(1, QV_NAMES_V1, name);
    assert_string_equal(name, "_versions/1.manifest");
    qv__manifest_name(QV_DETACHED_BIT | 5, QV_NAMES_V2, name);
    assert_string_equal(name, "_versions/d9223372036854775813.manifest");

    assert_int_equal(qv__manifest_name_parse("18446744073709551614.manifest", &version), QV_NAMES_V2);
    assert_int_equal(version, 1);
    assert_int_equal(qv__manifest_name_parse("17.manifest", &version), QV_NAMES_V1);
    assert_int_equal(version, 17);
    assert_int_equal(qv__manifest_name_parse("d9223372036854775813.manifest", &version), QV_NAMES_DETACHED);
    assert_true(version == (QV_DETACHED_BIT | 5));
}

static void test_other_names(void **state)
{
    static const char *const others[] = { "latest_version_hint.json",
                                          ".manifest",
                                          "x.manifest",
                                          "1.manifest-tmp",
                                          "-1.manifest",
                                          "0.manifest",
                                          "18446744073709551615.manifest",  /* version 0 */
                                          "99999999999999999999.manifest",  /* passes 64 bits */
                                          "118446744073709551614.manifest", /* too long */
                                          "d5.manifest",                    /* detached numbers have the top bit */
                                          "" };
    uint64_t version;

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(others); i++)
        assert_int_equal(qv__manifest_name_parse(others[i], &version), QV_NAMES_OTHER);
}

static void test_unique_names(void **state)
{
    uint8_t uuid[16] = { 0xf0, 0x01, 0x80, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa }, other[16];
    char name[QV_NAME_BYTES], text[37];
    qv__deletion_file file = { .is_bitmap = true, .read_version = 3, .id = UINT64_MAX };

    (void) state;
    qv__data_file_name(uuid, name);
    assert_string_equal(name, "111100000000000110000000abcdef0102030405060708090a.lance");
    qv__uuid_print(uuid, text);
    assert_string_equal(text, "f00180ab-cdef-0102-0304-05060708090a");
    qv__deletion_name(7, &file, name);
    assert_string_equal(name, "7-3-18446744073709551615.bin");
    QVT_OK(qv__uuid_new(uuid, &err));
    QVT_OK(qv__uuid_new(other, &err));
    assert_memory_not_equal(uuid, other, 16);
    assert_int_equal(uuid[6] >> 4, 4);
    assert_int_equal(uuid[8] >> 6, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_names),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_unique_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

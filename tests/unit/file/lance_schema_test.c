/* Field messages to schemas and back; what is refused, and how it is named. */
#include "base/alloc.h"
#include "file/lance_schema.h"
#include "qvt.h"

static qv_error err;

typedef struct row {
    const char *name, *logical;
    int32_t id, parent;
    const char *key, *value; /* one metadata entry */
} row;

static Lance__File__Field fields[600];
static Lance__File__Field *pointers[600];
static Lance__File__MetadataEntry entries[600];
static Lance__File__MetadataEntry *entry_pointers[600];

static qv_status schema_of(const row *rows, size_t n, qv__schema **out)
{
    for (size_t i = 0; i < n; i++) {
        lance__file__field__init(&fields[i]);
        fields[i].name = (char *) (uintptr_t) rows[i].name;
        fields[i].logical_type = (char *) (uintptr_t) rows[i].logical;
        fields[i].has_id = fields[i].has_parent_id = fields[i].has_nullable = fields[i].nullable = true;
        fields[i].id = rows[i].id;
        fields[i].parent_id = rows[i].parent;
        pointers[i] = &fields[i];
        if (rows[i].key) {
            lance__file__metadata_entry__init(&entries[i]);
            entries[i].key = (char *) (uintptr_t) rows[i].key;
            entries[i].has_value = true;
            entries[i].value = (ProtobufCBinaryData){ strlen(rows[i].value), (uint8_t *) (uintptr_t) rows[i].value };
            entry_pointers[i] = &entries[i];
            fields[i].n_metadata = 1;
            fields[i].metadata = &entry_pointers[i];
        }
    }
    return qv__schema_from_lance(pointers, n, NULL, out, &err);
}

static const row everything[] = {
    { "n", "null", 0, -1, NULL, NULL },
    { "b", "bool", 1, -1, NULL, NULL },
    { "i", "int8", 2, -1, NULL, NULL },
    { "u", "uint64", 3, -1, NULL, NULL },
    { "h", "halffloat", 4, -1, NULL, NULL },
    { "dec", "decimal:128:20:-2", 5, -1, NULL, NULL },
    { "dec2", "decimal:256:50:2", 6, -1, NULL, NULL },
    { "fsb", "fixed_size_binary:16", 7, -1, NULL, NULL },
    { "d32", "date32:day", 8, -1, NULL, NULL },
    { "t32", "time32:ms", 9, -1, NULL, NULL },
    { "t64", "time64:ns", 10, -1, NULL, NULL },
    { "ts", "timestamp:us:-", 11, -1, NULL, NULL },
    { "tz", "timestamp:ns:+05:00", 12, -1, NULL, NULL },
    { "dur", "duration:s", 13, -1, NULL, NULL },
    { "v", "fixed_size_list:float:4", 14, -1, NULL, NULL },
    { "vv", "fixed_size_list:fixed_size_list:double:4:2", 15, -1, NULL, NULL },
    { "vb", "fixed_size_list:lance.bfloat16:8", 16, -1, NULL, NULL },
    { "dict", "dict:string:int32:false", 17, -1, NULL, NULL },
    { "dict2", "dict:timestamp:us:+01:00:int8:true", 18, -1, NULL, NULL },
    { "st", "struct", 20, -1, NULL, NULL },
    { "a", "large_string", 21, 20, NULL, NULL },
    { "l", "large_list", 22, 20, NULL, NULL },
    { "item", "int16", 23, 22, NULL, NULL },
    { "ls", "list.struct", 24, -1, NULL, NULL },
    { "item", "struct", 25, 24, NULL, NULL },
    { "x", "binary", 26, 25, NULL, NULL },
    { "m", "map", 27, -1, NULL, NULL },
    { "entries", "struct", 28, 27, NULL, NULL },
    { "key", "string", 29, 28, NULL, NULL },
    { "value", "float", 30, 28, NULL, NULL },
    { "j", "json", 31, -1, "ARROW:extension:name", "lance.json" },
    { "blob1", "large_binary", 32, -1, "lance-encoding:blob", "true" },
    { "blob2", "struct", 33, -1, "ARROW:extension:name", "lance.blob.v2" },
    { "data", "large_binary", 34, 33, NULL, NULL },
    { "uri", "string", 35, 33, NULL, NULL },
    { "packed", "struct", 19, -1, "lance-encoding:packed", "true" },
    { "a", "int32", 40, 19, NULL, NULL },
};

static void every_type_comes_back_as_it_was(void **state)
{
    (void) state;
    qv__schema *schema;
    qv__lance_fields back;

    QVT_OK(schema_of(everything, QV_COUNT_OF(everything), &schema));
    QVT_OK(qv__schema_to_lance(schema, &back, &err));
    assert_int_equal(back.n, QV_COUNT_OF(everything));
    for (size_t i = 0; i < back.n; i++) {
        assert_string_equal(back.fields[i]->name, everything[i].name);
        assert_string_equal(back.fields[i]->logical_type, everything[i].logical);
        assert_int_equal(back.fields[i]->id, everything[i].id);
        assert_int_equal(back.fields[i]->parent_id, everything[i].parent);
        assert_int_equal(back.fields[i]->nullable, strcmp(everything[i].name, "entries") != 0);
        assert_int_equal(back.fields[i]->n_metadata, everything[i].key ? 1 : 0);
    }
    qv__lance_fields_clear(&back);
    qv__schema_unref(schema);
}

static const qv__field *field_named(const qv__schema *schema, const char *name)
{
    ptrdiff_t at = qv__schema_find(schema, name);
    assert_true(at >= 0);
    return &schema->fields[at];
}

static void fields_know_how_they_are_stored(void **state)
{
    (void) state;
    qv__schema *schema;

    QVT_OK(schema_of(everything, QV_COUNT_OF(everything), &schema));
    assert_true(qv__field_is_column(field_named(schema, "v")));
    assert_true(qv__field_is_column(field_named(schema, "packed")));
    assert_true(qv__field_is_packed(field_named(schema, "packed")));
    assert_false(qv__field_is_column(field_named(schema, "st")));
    assert_false(qv__field_is_column(field_named(schema, "m")));
    assert_true(qv__field_is_blob(field_named(schema, "blob1")));
    assert_false(qv__field_is_blob_v2(field_named(schema, "blob1")));
    assert_true(qv__field_is_blob_v2(field_named(schema, "blob2")));
    assert_int_equal(field_named(schema, "blob2")->type->id, QV_TYPE_LARGE_BINARY);
    assert_string_equal(field_named(schema, "tz")->type->timezone, "+05:00");
    assert_null(field_named(schema, "ts")->type->timezone);
    assert_string_equal(field_named(schema, "dict2")->type->children[0].type->timezone, "+01:00");
    qv__schema_unref(schema);
}

static void keys_are_mirrored(void **state)
{
    (void) state;
    qv__schema *schema;
    qv__lance_fields back;
    row rows[] = { { "id", "int64", 0, -1, NULL, NULL } };
    Lance__File__Field field;

    QVT_OK(schema_of(rows, 1, &schema));
    qv__schema_unref(schema);
    field = fields[0];
    field.has_unenforced_primary_key = field.unenforced_primary_key = true;
    field.has_unenforced_primary_key_position = true;
    field.unenforced_primary_key_position = 2;
    pointers[0] = &field;
    QVT_OK(qv__schema_from_lance(pointers, 1, NULL, &schema, &err));
    QVT_OK(qv__schema_to_lance(schema, &back, &err));
    assert_true(back.fields[0]->unenforced_primary_key);
    assert_int_equal(back.fields[0]->unenforced_primary_key_position, 2);
    qv__lance_fields_clear(&back);
    qv__schema_unref(schema);
}

static void descriptor_children_of_blobs_are_skipped(void **state)
{
    (void) state;
    qv__schema *schema;
    const row rows[] = { { "b", "struct", 1, -1, "lance-encoding:blob", "true" },
                         { "kind", "uint8", -1, -1, NULL, NULL },
                         { "position", "uint64", -1, -1, NULL, NULL },
                         { "after", "int32", 4, -1, NULL, NULL } };

    QVT_OK(schema_of(rows, 4, &schema));
    assert_int_equal(schema->n_fields, 2);
    assert_true(qv__field_is_blob_v2(&schema->fields[0]));
    qv__schema_unref(schema);
}

static void ids_are_given_in_pre_order(void **state)
{
    (void) state;
    qv__schema *schema;
    int32_t next = 50;
    const row rows[] = { { "a", "list", 1, -1, NULL, NULL },
                         { "item", "int32", 2, 1, NULL, NULL },
                         { "b", "struct", 3, -1, "ARROW:extension:name", "lance.blob.v2" },
                         { "c", "int32", 4, -1, NULL, NULL } };

    QVT_OK(schema_of(rows, 4, &schema));
    const qv__type *shared = schema->fields[0].type;
    schema->fields[0].id = schema->fields[1].id = schema->fields[2].id = -1;
    shared->children[0].id = -1;
    QVT_OK(qv__schema_assign_ids(schema, &next, &err));
    assert_int_equal(schema->fields[0].id, 50);
    assert_int_equal(schema->fields[0].type->children[0].id, 51);
    assert_int_equal(schema->fields[1].id, 52);
    assert_int_equal(schema->fields[2].id, 55);
    assert_int_equal(next, 56);
    qv__schema_unref(schema);
}

static void bad_schemas_are_refused(void **state)
{
    (void) state;
    qv__schema *schema = NULL;
    const row unknown[] = { { "a", "interval:months", 0, -1, NULL, NULL } };
    const row twice[] = { { "a", "int8", 3, -1, NULL, NULL }, { "b", "int8", 3, -1, NULL, NULL } };
    const row orphan[] = { { "a", "int8", 1, 7, NULL, NULL } };
    const row late[] = { { "a", "int8", 1, 2, NULL, NULL }, { "s", "struct", 2, -1, NULL, NULL } };
    const row widthless[] = { { "a", "fixed_size_binary:0", 1, -1, NULL, NULL } };
    const row negative[] = { { "a", "fixed_size_list:float:-4", 1, -1, NULL, NULL } };
    const row keys[] = { { "a", "dict:string:double:false", 1, -1, NULL, NULL } };
    const row lonely[] = { { "a", "list", 1, -1, NULL, NULL } };
    const row leafy[] = { { "a", "int8", 1, -1, NULL, NULL }, { "b", "int8", 2, 1, NULL, NULL } };
    static row deep[70];
    static char nested[4096];

    QVT_FAILS(schema_of(unknown, 1, &schema), QV_UNSUPPORTED, "interval:months");
    QVT_FAILS(schema_of(twice, 2, &schema), QV_CORRUPT, "field id 3 occurs twice");
    QVT_FAILS(schema_of(orphan, 1, &schema), QV_CORRUPT, "parent 7 of field 1");
    QVT_FAILS(schema_of(late, 2, &schema), QV_CORRUPT, "parent 2 of field 1");
    QVT_FAILS(schema_of(widthless, 1, &schema), QV_CORRUPT, "fixed_size_binary:0");
    QVT_FAILS(schema_of(negative, 1, &schema), QV_CORRUPT, "fixed-size list");
    QVT_FAILS(schema_of(keys, 1, &schema), QV_CORRUPT, "double");
    QVT_FAILS(schema_of(lonely, 1, &schema), QV_CORRUPT, "0 child fields");
    QVT_FAILS(schema_of(leafy, 2, &schema), QV_CORRUPT, "1 child fields");
    for (int i = 0; i < 70; i++)
        deep[i] = (row){ "s", "struct", i, i - 1, NULL, NULL };
    QVT_FAILS(schema_of(deep, 70, &schema), QV_CORRUPT, "deeper than 64");
    for (int i = 0; i < 70; i++)
        strcat(nested, "fixed_size_list:");
    strcat(nested, "float");
    for (int i = 0; i < 70; i++)
        strcat(nested, ":1");
    deep[0] = (row){ "v", nested, 0, -1, NULL, NULL };
    QVT_FAILS(schema_of(deep, 1, &schema), QV_CORRUPT, "deeper than 64");
    assert_null(schema);
}

static void allocation_failures_unwind(void **state)
{
    (void) state;
    size_t before = qv_memory().live_blocks;

    for (uint64_t n = 0;; n++) {
        qv__schema *schema = NULL;
        qv__lance_fields back;
        int32_t next = 100;
        qv__alloc_fail_at(n);
        qv_status st = schema_of(everything, QV_COUNT_OF(everything), &schema);
        if (st == QV_OK) {
            schema->fields[0].id = -1;
            st = qv__schema_assign_ids(schema, &next, &err);
        }
        if (st == QV_OK) {
            st = qv__schema_to_lance(schema, &back, &err);
            if (st == QV_OK)
                qv__lance_fields_clear(&back);
        }
        qv__schema_unref(schema);
        bool fired = qv__alloc_fault_fired();
        qv__alloc_fail_at(UINT64_MAX);
        assert_int_equal(qv_memory().live_blocks, before);
        if (!fired) {
            assert_int_equal(st, QV_OK);
            break;
        }
        assert_true(st == QV_NOMEM || st == QV_OK); /* a buffer may make do with less */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_as_it_was),
        cmocka_unit_test(fields_know_how_they_are_stored),
        cmocka_unit_test(keys_are_mirrored),
        cmocka_unit_test(descriptor_children_of_blobs_are_skipped),
        cmocka_unit_test(ids_are_given_in_pre_order),
        cmocka_unit_test(bad_schemas_are_refused),
        cmocka_unit_test(allocation_failures_unwind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Round trips over the C data interface: whatever leaves by export comes back by import as the same type and values, at
 * any nesting and offset, with every allocation given back; trees survive the moves that the interface allows. */
#include "arrow/c_data.h"

#include <time.h>

#include "arrow/arrow_private.h"
#include "arrow/validate.h"
#include "base/alloc.h"
#include "qvt_arrays.h"

static qv_error err;

static qv__type *type_of_field(const char *format, struct ArrowSchema *c)
{
    qv__field field;

    *c = (struct ArrowSchema){ .format = format, .release = (void (*)(struct ArrowSchema *)) 1 };
    QVT_OK(qv__import_type(c, &field, &err));
    qv__type *type = qv__type_ref(field.type);
    qv__field_clear(&field);
    return type;
}

/* Exports and imports type and values; the original may be gone by then. */
static qv__array *there_and_back(qv__array *array)
{
    struct ArrowSchema schema;
    struct ArrowArray c;
    qv__field field, back;
    qv__array *out = NULL;

    QVT_OK(qv__field_init(&field, "c", array->type, true, &err));
    QVT_OK(qv__export_field(&field, &schema, &err));
    QVT_OK(qv__export_array(array, &c, &err));
    qv__array_unref(array);
    QVT_OK(qv__import_type(&schema, &back, &err));
    assert_true(qv__field_equal(&field, &back));
    QVT_OK(qv__import_array(&c, &schema, back.type, &out, &err));
    assert_null(c.release);
    schema.release(&schema);
    assert_null(schema.release);
    qv__field_clear(&field);
    qv__field_clear(&back);
    return out;
}

static void random_arrays_come_back(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    size_t before = qv_memory().live_blocks;

    (void) state;
    for (int round = 0; round < 1500; round++) {
        qv__type *type = qvt_random_type(&rng, (int) qvt_rng_below(&rng, 4), true);
        double share = round % 3 == 0 ? 0 : qvt_rng_unit(&rng);
        qv__array *array = qvt_random_array(&rng, type, (int64_t) qvt_rng_below(&rng, 40), share);
        QVT_OK(qv__array_validate(array, "array", &err));
        qv__array *back = there_and_back(qv__array_ref(array));
        assert_int_equal(back->length, array->length);
        assert_int_equal(back->null_count, array->null_count);
        qvt_same_values(array, 0, back, 0, array->length);
        qvt_check_layout(back);
        qv__array_unref(array);
        qv__array_unref(back);
        qv__type_unref(type);
    }
    assert_int_equal(qv_memory().live_blocks, before);
}

static qv_status round_trip_status(const qv__array *array)
{
    struct ArrowSchema schema = { 0 };
    struct ArrowArray c = { 0 };
    qv__field field = { 0 }, back = { 0 };
    qv__array *out = NULL;
    qv_status st;

    QV_CHECK(qv__field_init(&field, "c", array->type, true, &err));
    QV_CHECK(qv__metadata_set(&field.metadata, "key", "value", 5, &err));
    QV_CHECK(qv__export_field(&field, &schema, &err));
    QV_CHECK(qv__export_array(array, &c, &err));
    QV_CHECK(qv__import_type(&schema, &back, &err));
    QV_CHECK(qv__import_array(&c, &schema, back.type, &out, &err));
    qvt_same_values(array, 0, out, 0, array->length);
done:
    if (c.release)
        c.release(&c);
    if (schema.release)
        schema.release(&schema);
    qv__field_clear(&field);
    qv__field_clear(&back);
    qv__array_unref(out);
    return st;
}

static void each_failed_allocation_unwinds(void **state)
{
    qvt_rng rng = { 77 };
    size_t start = qv_memory().live_blocks;

    (void) state;
    for (int round = 0; round < 40; round++) {
        qv__type *type = qvt_random_type(&rng, 3, true);
        qv__array *array = qvt_random_array(&rng, type, 20, 0.3);
        size_t before = qv_memory().live_blocks;
        for (uint64_t n = 0;; n++) {
            qv__alloc_fail_at(n);
            qv_status st = round_trip_status(array);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_int_equal(qv_memory().live_blocks, before);
            if (!fired) {
                assert_int_equal(st, QV_OK);
                break;
            }
            assert_true(st == QV_NOMEM || st == QV_OK); /* a growing array tries again with less */
        }
        qv__array_unref(array);
        qv__type_unref(type);
    }
    assert_int_equal(qv_memory().live_blocks, start);
}

static void every_format_is_known(void **state)
{
    static const struct {
        const char *format, *text;
    } cases[] = {
        { "n", "null" },
        { "b", "bool" },
        { "c", "int8" },
        { "C", "uint8" },
        { "s", "int16" },
        { "S", "uint16" },
        { "i", "int32" },
        { "I", "uint32" },
        { "l", "int64" },
        { "L", "uint64" },
        { "e", "float16" },
        { "f", "float32" },
        { "g", "float64" },
        { "z", "binary" },
        { "Z", "large_binary" },
        { "u", "utf8" },
        { "U", "large_utf8" },
        { "vu", "utf8" },
        { "vz", "binary" },
        { "d:10,2", "decimal128(10, 2)" },
        { "d:38,-3,128", "decimal128(38, -3)" },
        { "d:76,10,256", "decimal256(76, 10)" },
        { "w:16", "fixed_size_binary[16]" },
        { "w:0", "fixed_size_binary[0]" },
        { "tdD", "date32" },
        { "tdm", "date64" },
        { "tts", "time32[s]" },
        { "ttm", "time32[ms]" },
        { "ttu", "time64[us]" },
        { "ttn", "time64[ns]" },
        { "tss:", "timestamp[s]" },
        { "tsm:UTC", "timestamp[ms, UTC]" },
        { "tsu:+01:30", "timestamp[us, +01:30]" },
        { "tsn:Europe/Berlin", "timestamp[ns, Europe/Berlin]" },
        { "tDs", "duration[s]" },
        { "tDn", "duration[ns]" },
    };

    (void) state;
    for (size_t i = 0; i < QV_COUNT_OF(cases); i++) {
        struct ArrowSchema c;
        char text[80];
        qv__type *type = type_of_field(cases[i].format, &c);
        assert_string_equal(qv__type_print(type, text, sizeof text), cases[i].text);
        if (cases[i].format[0] != 'v') {
            qv__field field;
            struct ArrowSchema out;
            QVT_OK(qv__field_init(&field, "", type, true, &err));
            QVT_OK(qv__export_field(&field, &out, &err));
            qv__type *again = type_of_field(out.format, &c);
            assert_true(qv__type_equal(type, again));
            out.release(&out);
            qv__type_unref(again);
            qv__field_clear(&field);
        }
        qv__type_unref(type);
    }
}

/* Flags and metadata at every level, extension types among them. */
static void flags_and_metadata_come_back(void **state)
{
    static const char raw[] = "a\0b\xff";
    qv__field element, column, back;
    qv__type *floats, *list;
    struct ArrowSchema c;
    size_t len;

    (void) state;
    QVT_OK(qv__type_new(QV_TYPE_FLOAT32, &floats, &err));
    QVT_OK(qv__field_init(&element, "el", floats, false, &err));
    QVT_OK(qv__metadata_set(&element.metadata, "", "", 0, &err));
    QVT_OK(qv__type_new_list(QV_TYPE_FIXED_LIST, &element, 3, &list, &err));
    QVT_OK(qv__field_init(&column, "v\xc3\xa4", list, true, &err));
    QVT_OK(qv__metadata_set(&column.metadata, "ARROW:extension:name", "arrow.fixed_shape_tensor", 24, &err));
    QVT_OK(qv__metadata_set(&column.metadata, "raw", raw, sizeof raw, &err));
    QVT_OK(qv__metadata_set(&column.metadata, "raw", raw, 4, &err)); /* replaces */

    QVT_OK(qv__export_field(&column, &c, &err));
    assert_string_equal(c.format, "+w:3");
    assert_int_equal(c.flags, ARROW_FLAG_NULLABLE);
    assert_int_equal(c.children[0]->flags, 0);
    QVT_OK(qv__import_type(&c, &back, &err));
    c.release(&c);
    assert_true(qv__field_equal(&column, &back));
    assert_string_equal(back.type->children[0].name, "el");
    assert_false(back.type->children[0].nullable);
    assert_string_equal(qv__metadata_get(&back.metadata, "ARROW:extension:name", &len), "arrow.fixed_shape_tensor");
    assert_int_equal(back.metadata.n, 2);
    assert_memory_equal(qv__metadata_get(&back.metadata, "raw", &len), raw, 4);
    assert_int_equal(len, 4);
    assert_non_null(qv__metadata_get(&back.type->children[0].metadata, "", &len));
    assert_null(qv__metadata_get(&back.metadata, "nothing", &len));
    qv__field_clear(&back);
    qv__field_clear(&column);
    qv__field_clear(&element);
    qv__type_unref(list);
    qv__type_unref(floats);
}

static void maps_and_dictionaries_keep_their_order_flags(void **state)
{
    qv__type *key, *value, *map, *dictionary;
    struct ArrowSchema c;
    qv__field field, back;

    (void) state;
    key = qvt_type(QV_TYPE_INT8, 0, 0);
    value = qvt_type(QV_TYPE_UTF8, 0, 0);
    map = qvt_map_type(key, value);
    map->ordered = true;
    QVT_OK(qv__type_new_dictionary(key, map, true, &dictionary, &err));
    QVT_OK(qv__field_init(&field, "d", dictionary, false, &err));
    QVT_OK(qv__export_field(&field, &c, &err));
    assert_int_equal(c.flags, ARROW_FLAG_DICTIONARY_ORDERED);
    assert_int_equal(c.n_children, 0);
    assert_string_equal(c.format, "c");
    assert_string_equal(c.dictionary->format, "+m");
    assert_true(c.dictionary->flags & ARROW_FLAG_MAP_KEYS_SORTED);
    QVT_OK(qv__import_type(&c, &back, &err));
    assert_true(qv__field_equal(&field, &back));
    c.release(&c);
    qv__field_clear(&field);
    qv__field_clear(&back);
    qv__type_unref(dictionary);
    qv__type_unref(map);
    qv__type_unref(key);
    qv__type_unref(value);
}

/* The consumer may move children out, release the parent, and release the children later and in any order. */
static void children_outlive_their_parent(void **state)
{
    qvt_rng rng = { 5 };
    size_t before = qv_memory().live_blocks;
    qv__type *leaf = qvt_type(QV_TYPE_UTF8, 0, 0), *parts[2], *rows;
    struct ArrowSchema schema, moved_schema;
    struct ArrowArray c, first, second;
    qv__field field;

    (void) state;
    parts[0] = qvt_list_type(QV_TYPE_LIST, leaf, 0);
    parts[1] = qvt_type(QV_TYPE_INT64, 0, 0);
    rows = qvt_struct_type(parts, 2);
    qv__array *array = qvt_random_array(&rng, rows, 30, 0);
    qv__array *strings = qv__array_ref(array->children[0]);
    QVT_OK(qv__field_init(&field, "r", rows, true, &err));
    QVT_OK(qv__export_field(&field, &schema, &err));
    QVT_OK(qv__export_array(array, &c, &err));
    moved_schema = *schema.children[0];
    schema.children[0]->release = NULL;
    schema.release(&schema);
    first = *c.children[0];
    c.children[0]->release = NULL;
    second = *c.children[1];
    c.children[1]->release = NULL;
    c.release(&c);
    qv__array_unref(array);
    second.release(&second);

    qv__field back;
    qv__array *out;
    assert_string_equal(moved_schema.name, "f0");
    QVT_OK(qv__import_type(&moved_schema, &back, &err));
    moved_schema.release(&moved_schema);
    QVT_OK(qv__import_array(&first, NULL, back.type, &out, &err));
    qvt_same_values(strings, 0, out, 0, strings->length);
    qv__array_unref(out);
    qv__array_unref(strings);
    qv__field_clear(&back);
    qv__field_clear(&field);
    qv__type_unref(rows);
    qv__type_unref(leaf);
    assert_int_equal(qv_memory().live_blocks, before);
}

static void exported_buffers_are_shared(void **state)
{
    qvt_rng rng = { 9 };
    qv__type *type = qvt_type(QV_TYPE_INT64, 0, 0);
    qv__array *array = qvt_random_array(&rng, type, 100, 0), *back;
    const uint8_t *values = qv__array_values(array);

    (void) state;
    back = there_and_back(array);
    assert_ptr_equal(qv__array_values(back), values);
    qv__array_unref(back);
    qv__type_unref(type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_arrays_come_back),
        cmocka_unit_test(each_failed_allocation_unwinds),
        cmocka_unit_test(every_format_is_known),
        cmocka_unit_test(flags_and_metadata_come_back),
        cmocka_unit_test(maps_and_dictionaries_keep_their_order_flags),
        cmocka_unit_test(children_outlive_their_parent),
        cmocka_unit_test(exported_buffers_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

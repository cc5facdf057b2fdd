/* Types and arrays by themselves: equality, printing, the depth limit, nulls of every type, sizes. */
#include "arrow/array.h"

#include "arrow/validate.h"
#include "base/alloc.h"
#include "qvt_arrays.h"

static qv_error err;

static void types_print(void **state)
{
    qv__type *number = qvt_type(QV_TYPE_FLOAT32, 0, 0), *text = qvt_type(QV_TYPE_UTF8, 0, 0);
    qv__type *index_type = qvt_type(QV_TYPE_INT8, 0, 0), *coded, *parts[3], *all;
    char buf[200], tight[12];

    (void) state;
    QVT_OK(qv__type_new_dictionary(index_type, text, false, &coded, &err));
    parts[0] = qvt_list_type(QV_TYPE_FIXED_LIST, number, 4);
    parts[1] = qvt_map_type(text, coded);
    parts[2] = qv__type_ref(coded);
    all = qvt_struct_type(parts, 3);
    all->children[2].nullable = false;
    assert_string_equal(qv__type_print(all, buf, sizeof buf),
                        "struct<f0: fixed_size_list<float32>[4], f1: map<utf8, dictionary<int8, utf8>>, "
                        "f2: dictionary<int8, utf8> not null>");
    assert_string_equal(qv__type_print(all, tight, sizeof tight), "struct<f0: ");
    assert_string_equal(qv__type_print(all, tight, 1), "");
    assert_int_equal(qv__type_bits(coded), 8);
    assert_int_equal(qv__type_depth(all), 5);
    qv__type_unref(all);
    qv__type_unref(coded);
    qv__type_unref(index_type);
    qv__type_unref(text);
    qv__type_unref(number);
}

/* Two random types are equal exactly when they print alike: the text shows all that equality looks at here. */
static void equality_follows_the_text(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    size_t n_equal = 0;

    (void) state;
    for (int round = 0; round < 20000; round++) {
        char left[400], right[400];
        qv__type *a = qvt_random_type(&rng, 1, true), *b = qvt_random_type(&rng, 1, true);
        bool same = strcmp(qv__type_print(a, left, sizeof left), qv__type_print(b, right, sizeof right)) == 0;
        if (qv__type_equal(a, b) != same) {
            print_error("%s, %s\n", left, right);
            fail();
        }
        n_equal += same;
        qv__type_unref(a);
        qv__type_unref(b);
    }
    assert_true(n_equal > 20);
}

static void names_count_in_structs_only(void **state)
{
    qv__type *number = qvt_type(QV_TYPE_INT64, 0, 0), *left, *right;
    qv__field a, b;

    (void) state;
    QVT_OK(qv__field_init(&a, "item", number, true, &err));
    QVT_OK(qv__field_init(&b, "element", number, true, &err));
    QVT_OK(qv__metadata_set(&b.metadata, "x", "y", 1, &err));
    b.id = 7;
    QVT_OK(qv__type_new_list(QV_TYPE_LIST, &a, 0, &left, &err));
    QVT_OK(qv__type_new_list(QV_TYPE_LIST, &b, 0, &right, &err));
    assert_true(qv__type_equal(left, right));
    assert_int_equal(right->children[0].id, 7);
    qv__type_unref(right);
    b.nullable = false;
    QVT_OK(qv__type_new_list(QV_TYPE_LIST, &b, 0, &right, &err));
    assert_false(qv__type_equal(left, right));
    qv__type_unref(left);
    qv__type_unref(right);
    b.nullable = true;
    QVT_OK(qv__type_new_struct(&a, 1, &left, &err));
    QVT_OK(qv__type_new_struct(&b, 1, &right, &err));
    assert_false(qv__type_equal(left, right));
    qv__type_unref(left);
    qv__type_unref(right);
    qv__field_clear(&a);
    qv__field_clear(&b);
    qv__type_unref(number);
}

static void constructors_keep_the_depth_limit(void **state)
{
    size_t before = qv_memory().live_blocks;
    qv__type *type = qvt_type(QV_TYPE_BOOL, 0, 0), *deeper = NULL, *index_type = qvt_type(QV_TYPE_INT8, 0, 0);
    qv__field field;

    (void) state;
    for (int depth = 2; depth <= QV_TYPE_MAX_DEPTH; depth++) {
        deeper = qvt_list_type(QV_TYPE_LIST, type, 0);
        qv__type_unref(type);
        type = deeper;
    }
    assert_int_equal(qv__type_depth(type), QV_TYPE_MAX_DEPTH);
    QVT_OK(qv__field_init(&field, "f", type, true, &err));
    const char *words = "nested deeper than 64 levels";
    QVT_FAILS(qv__type_new_list(QV_TYPE_LIST, &field, 0, &deeper, &err), QV_UNSUPPORTED, words);
    QVT_FAILS(qv__type_new_struct(&field, 1, &deeper, &err), QV_UNSUPPORTED, words);
    QVT_FAILS(qv__type_new_dictionary(index_type, type, false, &deeper, &err), QV_UNSUPPORTED, words);
    qv__field_clear(&field);
    qv__type_unref(type);
    qv__type_unref(index_type);
    assert_int_equal(qv_memory().live_blocks, before);
}

static void metadata_keeps_order_and_bytes(void **state)
{
    qv__metadata m = { 0 }, copy;
    char key[16];
    size_t len;

    (void) state;
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%d", i);
        QVT_OK(qv__metadata_set(&m, key, "\0x", 2, &err));
    }
    QVT_OK(qv__metadata_set(&m, "k3", "longer", 6, &err));
    QVT_OK(qv__metadata_copy(&copy, &m, &err));
    qv__metadata_clear(&m);
    assert_int_equal(copy.n, 20);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_string_equal(copy.pairs[i].key, key);
        assert_memory_equal(qv__metadata_get(&copy, key, &len), i == 3 ? "longer" : "\0x", i == 3 ? 6 : 2);
        assert_int_equal(len, i == 3 ? 6 : 2);
    }
    qv__metadata_clear(&copy);
}

/* Nulls of any type are sound arrays, also below fields that take no nulls. */
static void nulls_of_every_type(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    size_t before = qv_memory().live_blocks;

    (void) state;
    for (int round = 0; round < 500; round++) {
        qv__type *type = qvt_random_type(&rng, 3, true);
        qv__array *a;
        int64_t n = (int64_t) qvt_rng_below(&rng, 200);
        for (size_t i = 0; type->id == QV_TYPE_STRUCT && i < type->n_children; i++)
            type->children[i].nullable = i % 2;
        QVT_OK(qv__array_new_null(type, n, &a, &err));
        assert_int_equal(a->null_count, n);
        QVT_OK(qv__array_validate(a, "nulls", &err));
        for (int64_t i = 0; i < n; i++)
            assert_true(qv__array_is_null(a, i));
        for (size_t i = 0; type->id == QV_TYPE_STRUCT && i < type->n_children; i++)
            if (i % 2 == 0 && type->children[i].type->id != QV_TYPE_NULL)
                assert_int_equal(a->children[i]->null_count, 0);
        qv__array_unref(a);
        qv__type_unref(type);
    }
    qv__type *wide = qvt_type(QV_TYPE_INT64, 0, 0);
    qv__array *a = NULL;
    qv_set_memory_limit((size_t) 1 << 30);
    QVT_FAILS(qv__array_new_null(wide, INT64_MAX / 64, &a, &err), QV_NOMEM, "memory");
    QVT_FAILS(qv__array_new_null(wide, INT64_MAX, &a, &err), QV_NOMEM, "memory");
    qv_set_memory_limit(0);
    qv__type_unref(wide);
    assert_int_equal(qv_memory().live_blocks, before);
}

static void a_batch_fits_its_schema(void **state)
{
    qvt_rng rng = { 1 };
    qv__type *number = qvt_type(QV_TYPE_INT32, 0, 0), *text = qvt_type(QV_TYPE_UTF8, 0, 0), *rows;
    qv__field fields[2];
    qv__schema *schema;
    qv__array *columns[2], *batch;

    (void) state;
    QVT_OK(qv__field_init(&fields[0], "a", number, true, &err));
    QVT_OK(qv__field_init(&fields[1], "b", text, true, &err));
    QVT_OK(qv__schema_new(fields, 2, NULL, &schema, &err));
    assert_int_equal(qv__schema_find(schema, "b"), 1);
    assert_int_equal(qv__schema_find(schema, "c"), -1);
    columns[0] = qvt_random_array(&rng, number, 10, 0);
    columns[1] = qvt_random_array(&rng, text, 11, 0);
    QVT_FAILS(qv__batch_new(schema, columns, 10, &batch, &err), QV_INVALID,
              "column \"b\" has 11 rows, the batch has 10");
    qv__array_unref(columns[1]);
    columns[1] = qvt_random_array(&rng, number, 10, 0);
    QVT_FAILS(qv__batch_new(schema, columns, 10, &batch, &err), QV_INVALID,
              "column \"b\" is int32, the schema says utf8");
    qv__array_unref(columns[1]);
    columns[1] = qvt_random_array(&rng, text, 10, 0);
    QVT_OK(qv__batch_new(schema, columns, 10, &batch, &err));
    QVT_OK(qv__schema_to_struct(schema, &rows, &err));
    assert_ptr_equal(batch->type, rows);
    int64_t from = qv__array_offset(columns[1], 0), to = qv__array_offset(columns[1], 10);
    assert_int_equal(qv__array_bytes(batch), 10 * 4 + 11 * 4 + (size_t) (to - from));
    qv__array_unref(batch);
    qv__type_unref(rows);
    qv__schema_unref(schema);
    for (int i = 0; i < 2; i++) {
        qv__array_unref(columns[i]);
        qv__field_clear(&fields[i]);
    }
    qv__type_unref(number);
    qv__type_unref(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_print),
        cmocka_unit_test(equality_follows_the_text),
        cmocka_unit_test(names_count_in_structs_only),
        cmocka_unit_test(constructors_keep_the_depth_limit),
        cmocka_unit_test(metadata_keeps_order_and_bytes),
        cmocka_unit_test(nulls_of_every_type),
        cmocka_unit_test(a_batch_fits_its_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Builders against random arrays: pieces appended in random cuts must read back as their sources, and values appended
 * one by one as what was put in. Every allocation fails once. */
#include "arrow/builder.h"

#include "arrow/validate.h"
#include "base/alloc.h"
#include "qvt_arrays.h"

static qv_error err;

/* Pieces of two arrays, nulls among them, in random order and length. */
static void pieces_read_back(void **state)
{
    qvt_rng rng = qvt_rng_seeded();
    size_t before = qv_memory().live_blocks;

    (void) state;
    for (int round = 0; round < 800; round++) {
        qv__type *type = qvt_random_type(&rng, (int) qvt_rng_below(&rng, 4), true);
        qv__array *sources[2], *out;
        struct {
            int source;
            int64_t start, n; /* source -1: a null */
        } steps[6];           /* of at most 20 dictionary values each: 8-bit indices reach them all */
        qv__builder *b;

        for (int i = 0; i < 2; i++)
            sources[i] = qvt_random_array(&rng, type, 1 + (int64_t) qvt_rng_below(&rng, 60), i ? 0 : 0.3);
        QVT_OK(qv__builder_new(type, &b, &err));
        for (size_t i = 0; i < QV_COUNT_OF(steps); i++) {
            steps[i].source = (int) qvt_rng_below(&rng, 3) - 1;
            if (steps[i].source < 0) {
                steps[i].n = 1;
                QVT_OK(qv__builder_append_null(b, &err));
                continue;
            }
            const qv__array *source = sources[steps[i].source];
            steps[i].start = (int64_t) qvt_rng_below(&rng, (uint64_t) source->length);
            steps[i].n = (int64_t) qvt_rng_below(&rng, (uint64_t) (source->length - steps[i].start) + 1);
            QVT_OK(qv__builder_append_array(b, source, steps[i].start, steps[i].n, &err));
        }
        int64_t length = qv__builder_length(b);
        QVT_OK(qv__builder_finish(b, &out, &err));
        assert_int_equal(qv__builder_length(b), 0);
        assert_int_equal(out->length, length);
        QVT_OK(qv__array_validate(out, "out", &err));
        int64_t at = 0;
        for (size_t i = 0; i < QV_COUNT_OF(steps); i++) {
            if (steps[i].source >= 0)
                qvt_same_values(out, at, sources[steps[i].source], steps[i].start, steps[i].n);
            else
                assert_true(qv__array_is_null(out, at));
            at += steps[i].n;
        }
        assert_int_equal(at, length);
        qv__array_unref(out);

        QVT_OK(qv__builder_finish(b, &out, &err)); /* empty again */
        assert_int_equal(out->length, 0);
        QVT_OK(qv__array_validate(out, "out", &err));
        qv__array_unref(out);
        qv__builder_free(b);
        qv__array_unref(sources[0]);
        qv__array_unref(sources[1]);
        qv__type_unref(type);
    }
    assert_int_equal(qv_memory().live_blocks, before);
}

static void values_one_by_one(void **state)
{
    qv__type *number = qvt_type(QV_TYPE_INT32, 0, 0), *flag = qvt_type(QV_TYPE_BOOL, 0, 0);
    qv__type *text = qvt_type(QV_TYPE_UTF8, 0, 0), *parts[3], *rows;
    qv__builder *b;
    qv__array *out;

    (void) state;
    parts[0] = qvt_list_type(QV_TYPE_LIST, number, 0);
    parts[1] = qvt_type(QV_TYPE_BOOL, 0, 0);
    parts[2] = qvt_map_type(text, flag);
    rows = qvt_struct_type(parts, 3);
    QVT_OK(qv__builder_new(rows, &b, &err));
    for (int32_t i = 0; i < 20; i++) {
        if (i % 7 == 3) {
            QVT_OK(qv__builder_append_null(b, &err));
            continue;
        }
        qv__builder *list = qv__builder_child(b, 0), *map = qv__builder_child(b, 2);
        for (int32_t k = 0; k < i % 3; k++)
            QVT_OK(qv__builder_append_fixed(qv__builder_child(list, 0), &k, &err));
        QVT_OK(qv__builder_append_nested(list, &err));
        QVT_OK(qv__builder_append_bool(qv__builder_child(b, 1), i % 2, &err));
        qv__builder *entries = qv__builder_child(map, 0);
        QVT_OK(qv__builder_append_bytes(qv__builder_child(entries, 0), "key", (size_t) (i % 4), &err));
        QVT_OK(qv__builder_append_bool(qv__builder_child(entries, 1), true, &err));
        QVT_OK(qv__builder_append_nested(entries, &err));
        QVT_OK(qv__builder_append_nested(map, &err));
        QVT_OK(qv__builder_append_nested(b, &err));
    }
    QVT_OK(qv__builder_finish(b, &out, &err));
    QVT_OK(qv__array_validate(out, NULL, &err));
    assert_int_equal(out->length, 20);
    assert_int_equal(out->null_count, 3);
    for (int64_t i = 0; i < 20; i++) {
        int64_t start, end;
        size_t len;
        assert_int_equal(qv__array_is_null(out, i), i % 7 == 3);
        if (i % 7 == 3)
            continue;
        qv__array_list_range(out->children[0], i, &start, &end);
        assert_int_equal(end - start, i % 3);
        for (int64_t k = start; k < end; k++)
            assert_int_equal(((const int32_t *) qv__array_values(out->children[0]->children[0]))[k], k - start);
        assert_int_equal(qv__bit_get(out->children[1]->buffers[1].data, (size_t) i), i % 2);
        qv__array_list_range(out->children[2], i, &start, &end);
        assert_int_equal(end - start, 1);
        const uint8_t *key = qv__array_string(out->children[2]->children[0]->children[0], start, &len);
        assert_int_equal(len, i % 4);
        assert_memory_equal(key, "key", len);
    }
    qv__array_unref(out);
    qv__builder_free(b);
    qv__type_unref(rows);
    qv__type_unref(text);
    qv__type_unref(flag);
    qv__type_unref(number);
}

static void misuse_is_refused(void **state)
{
    qv__type *number = qvt_type(QV_TYPE_INT8, 0, 0), *text = qvt_type(QV_TYPE_UTF8, 0, 0), *parts[1], *rows;
    qv__type *dictionary;
    qv__builder *b;
    qvt_rng rng = { 2 };
    int8_t v = 1;

    (void) state;
    parts[0] = qv__type_ref(number);
    rows = qvt_struct_type(parts, 1);
    QVT_OK(qv__builder_new(rows, &b, &err));
    QVT_OK(qv__builder_append_fixed(qv__builder_child(b, 0), &v, &err));
    QVT_OK(qv__builder_append_fixed(qv__builder_child(b, 0), &v, &err));
    QVT_FAILS(qv__builder_append_nested(b, &err), QV_INVALID, "field \"f0\" of value 0 ends at 2, expected 1");
    qv__builder_free(b);

    qv__array *words = qvt_random_array(&rng, text, 100, 0);
    QVT_OK(qv__builder_new(number, &b, &err));
    QVT_FAILS(qv__builder_append_array(b, words, 0, 1, &err), QV_INVALID, "values of utf8 for an array of int8");
    qv__builder_free(b);

    /* 200 values cannot be named by 8 bits with a sign. */
    QVT_OK(qv__type_new_dictionary(number, text, false, &dictionary, &err));
    QVT_OK(qv__builder_new(dictionary, &b, &err));
    qv__array *coded, *again;
    static const int8_t indices[4] = { 0, 99, 5, 7 };
    for (int i = 0; i < 2; i++) {
        QVT_OK(qv__array_new(dictionary, 4, 0, i ? &again : &coded, &err));
        qv__array *a = i ? again : coded;
        a->buffers[1] = (qv__bytes){ (const uint8_t *) indices, 4, NULL };
        a->dictionary = qvt_random_array(&rng, text, 100, 0);
    }
    QVT_OK(qv__builder_append_array(b, coded, 0, 4, &err));
    QVT_FAILS(qv__builder_append_array(b, again, 0, 4, &err), QV_LIMIT,
              "200 dictionary values do not fit int8 indices");
    qv__builder_free(b);
    qv__array_unref(coded);
    qv__array_unref(again);
    qv__array_unref(words);
    qv__type_unref(dictionary);
    qv__type_unref(rows);
    qv__type_unref(text);
    qv__type_unref(number);
}

static qv_status copy_array(const qv__array *array)
{
    qv_status st = QV_OK;
    qv__builder *b = NULL;
    qv__array *out = NULL;

    QV_CHECK(qv__builder_new(array->type, &b, &err));
    QV_CHECK(qv__builder_append_array(b, array, 1, array->length - 1, &err));
    QV_CHECK(qv__builder_append_null(b, &err));
    QV_CHECK(qv__builder_append_array(b, array, 0, array->length, &err));
    QV_CHECK(qv__builder_finish(b, &out, &err));
done:
    qv__builder_free(b);
    qv__array_unref(out);
    return st;
}

static void each_failed_allocation_unwinds(void **state)
{
    qvt_rng rng = { 19 };

    (void) state;
    for (int round = 0; round < 60; round++) {
        qv__type *type = qvt_random_type(&rng, 3, true);
        qv__array *array = qvt_random_array(&rng, type, 30, 0.3);
        size_t before = qv_memory().live_blocks;
        for (uint64_t n = 0;; n++) {
            qv__alloc_fail_at(n);
            qv_status st = copy_array(array);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_int_equal(qv_memory().live_blocks, before);
            if (!fired) {
                assert_int_equal(st, QV_OK);
                break;
            }
            assert_true(st == QV_NOMEM || st == QV_OK); /* a growing buffer tries again with less */
        }
        qv__array_unref(array);
        qv__type_unref(type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_read_back),
        cmocka_unit_test(values_one_by_one),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(each_failed_allocation_unwinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The full check where buffer lengths are known: each rule broken once at random places, long enough for the blocked
 * sweeps, with the culprit named. Sound arrays are those of the random generator (c_data_test validates those too). */
#include "arrow/validate.h"

#include "base/bytes.h"
#include "qvt_arrays.h"

static qv_error err;

static uint8_t *writable(qv__array *a, int buffer) { return (uint8_t *) (uintptr_t) a->buffers[buffer].data; }

static qv__array *strings(qv__type_id id, int64_t n)
{
    qvt_rng rng = { 31 };
    qv__type *type = qvt_type(id, 0, 0);
    qv__array *a = qvt_random_array(&rng, type, n, 0);

    qv__type_unref(type);
    return a;
}

static void a_falling_offset_is_found_anywhere(void **state)
{
    char part[64];

    (void) state;
    for (int64_t at = 1; at < 300; at++) {
        qv__array *a = strings(at % 2 ? QV_TYPE_BINARY : QV_TYPE_LARGE_BINARY, 300);
        size_t place = (size_t) (a->offset + at);
        QVT_OK(qv__array_validate(a, "column \"b\"", &err));
        if (at % 2)
            qv__store_u32(writable(a, 1) + place * 4, 0x7fffffff);
        else
            qv__store_u64(writable(a, 1) + place * 8, INT64_MAX);
        snprintf(part, sizeof part, "column \"b\": offset %lld is ", (long long) at + 1);
        QVT_FAILS(qv__array_validate(a, "column \"b\"", &err), QV_INVALID, part);
        if (at % 2)
            qv__store_u32(writable(a, 1) + place * 4, 0x80000000);
        else
            qv__store_u64(writable(a, 1) + place * 8, (uint64_t) INT64_MIN);
        snprintf(part, sizeof part, "column \"b\": offset %lld is -", (long long) at);
        QVT_FAILS(qv__array_validate(a, "column \"b\"", &err), QV_INVALID, part);
        qv__array_unref(a);
    }
}

static void a_wrong_index_is_found_anywhere(void **state)
{
    char part[64];
    qvt_rng rng = { 3 };

    (void) state;
    for (int id = QV_TYPE_INT8; id <= QV_TYPE_UINT64; id++) {
        qv__type *index_type = qvt_type((qv__type_id) id, 0, 0), *value = qvt_type(QV_TYPE_BOOL, 0, 0), *type;
        QVT_OK(qv__type_new_dictionary(index_type, value, false, &type, &err));
        size_t width = (size_t) qv__type_bits(type) / 8;
        for (int64_t at = 0; at < 200; at += 7) {
            qv__array *a = qvt_random_array(&rng, type, 200, 0);
            QVT_OK(qv__array_validate(a, "d", &err));
            memset(writable(a, 1) + (size_t) (a->offset + at) * width, 0xff, width);
            snprintf(part, sizeof part, "d: index %lld is ", (long long) at);
            QVT_FAILS(qv__array_validate(a, "d", &err), QV_INVALID, part);
            qv__array_unref(a);
        }
        qv__type_unref(type);
        qv__type_unref(value);
        qv__type_unref(index_type);
    }
}

static void short_buffers_are_found(void **state)
{
    qvt_rng rng = { 8 };
    qv__type *type = qvt_type(QV_TYPE_INT32, 0, 0);
    qv__array *a = qvt_random_array(&rng, type, 50, 0.5);

    (void) state;
    while (!a->buffers[0].data) {
        qv__array_unref(a);
        a = qvt_random_array(&rng, type, 50, 0.5);
    }
    a->buffers[1].len = (size_t) (a->offset + 50) * 4 - 1;
    QVT_FAILS(qv__array_validate(a, "x", &err), QV_INVALID, "x: values buffer has ");
    a->buffers[1].len++;
    QVT_OK(qv__array_validate(a, "x", &err));
    a->buffers[0].len = (size_t) (a->offset + 50 + 7) / 8 - 1;
    QVT_FAILS(qv__array_validate(a, "x", &err), QV_INVALID, "x: validity buffer has ");
    a->buffers[0].len++;
    a->null_count++;
    QVT_FAILS(qv__array_validate(a, "x", &err), QV_INVALID, "x: null_count is ");
    a->null_count--;
    a->length = INT64_MAX / 2;
    QVT_FAILS(qv__array_validate(a, "x", &err), QV_INVALID, "x: validity buffer has ");
    a->length = 50;
    a->n_children = 1;
    QVT_FAILS(qv__array_validate(a, "x", &err), QV_INVALID, "x: has 1 children, its type 0");
    a->n_children = 0;
    qv__array_unref(a);
    qv__type_unref(type);

    a = strings(QV_TYPE_UTF8, 10);
    a->buffers[2].len = (size_t) qv__array_offset(a, 10) - 1;
    QVT_FAILS(qv__array_validate(a, "s", &err), QV_INVALID, "s: last offset is ");
    qv__array_unref(a);
}

static void the_path_names_nested_places(void **state)
{
    qvt_rng rng = { 6 };
    qv__type *leaf = qvt_type(QV_TYPE_INT16, 0, 0), *list = qvt_list_type(QV_TYPE_LIST, leaf, 0);
    qv__type *inner = qvt_struct_type(&list, 1), *outer = qvt_struct_type(&inner, 1);
    qv__array *batch = qvt_random_array(&rng, outer, 20, 0);

    (void) state;
    QVT_OK(qv__array_validate(batch, NULL, &err));
    batch->children[0]->children[0]->children[0]->buffers[1].len = 1;
    QVT_FAILS(qv__array_validate(batch, NULL, &err), QV_INVALID, "column \"f0\".f0.item: values buffer has 1 bytes");
    QVT_FAILS(qv__array_validate(batch, "here", &err), QV_INVALID, "here.f0.f0.item: values");
    batch->children[0]->length = 1;
    QVT_FAILS(qv__array_validate(batch, NULL, &err), QV_INVALID, "column \"f0\": has 1 values, its parent needs ");
    qv__array_unref(batch);
    qv__type_unref(outer);
    qv__type_unref(leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_falling_offset_is_found_anywhere),
        cmocka_unit_test(a_wrong_index_is_found_anywhere),
        cmocka_unit_test(short_buffers_are_found),
        cmocka_unit_test(the_path_names_nested_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

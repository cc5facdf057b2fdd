/* slice, take, filter, concat, normalize and equal against the text of each value. */
#include "qvt_arrays.h"

#include "arrow/compute/compute.h"
#include "base/alloc.h"

#include <math.h>

static qv_error err;
static qvt_rng rng;

enum { ROUNDS = 400 };

static qv__array *random_array(int64_t length, double nulls)
{
    qv__type *type = qvt_random_type(&rng, 4, true);
    qv__array *array = qvt_random_array(&rng, type, length, nulls);

    qv__type_unref(type);
    return array;
}

static void slices(void **state)
{
    (void) state;
    for (int r = 0; r < ROUNDS; r++) {
        qv__array *array = random_array((int64_t) qvt_rng_below(&rng, 40), 0.3), *slice, *again;
        int64_t start = (int64_t) qvt_rng_below(&rng, (uint64_t) array->length + 1);
        int64_t n = (int64_t) qvt_rng_below(&rng, (uint64_t) (array->length - start) + 1);

        qvt_check_layout(array);
        QVT_OK(qv__array_slice(array, start, n, &slice, &err));
        assert_int_equal(slice->length, n);
        qvt_check_layout(slice);
        qvt_same_values(array, start, slice, 0, n);
        QVT_OK(qv__array_slice(slice, n / 2, n - n / 2, &again, &err));
        qvt_check_layout(again);
        qvt_same_values(array, start + n / 2, again, 0, n - n / 2);
        QVT_FAILS(qv__array_slice(array, array->length, 1, &again, &err), QV_INVALID, "slice of 1 values");
        QVT_FAILS(qv__array_slice(array, -1, 1, &again, &err), QV_INVALID, "from -1");
        qv__array_unref(array);
        qv__array_unref(slice);
        qv__array_unref(again);
    }
}

static void takes(void **state)
{
    (void) state;
    for (int r = 0; r < ROUNDS; r++) {
        qv__array *array = random_array(1 + (int64_t) qvt_rng_below(&rng, 40), 0.2), *taken;
        int64_t indices[60];
        size_t n = qvt_rng_below(&rng, 60);
        bool with_nulls = qvt_rng_below(&rng, 2);

        for (size_t i = 0; i < n; i++)
            indices[i] = with_nulls && qvt_rng_below(&rng, 4) == 0
                             ? -1
                             : (int64_t) qvt_rng_below(&rng, (uint64_t) array->length);
        QVT_OK(qv__array_take(array, indices, n, &taken, &err));
        assert_int_equal(taken->length, n);
        qvt_check_layout(taken);
        for (size_t i = 0; i < n; i++)
            if (indices[i] < 0)
                assert_true(qv__array_is_null(taken, (int64_t) i));
            else
                qvt_same_values(array, indices[i], taken, (int64_t) i, 1);
        indices[0] = array->length;
        qv__array *none = NULL;
        QVT_FAILS(qv__array_take(array, indices, 1, &none, &err), QV_INVALID, "asked for at place 0");
        assert_null(none);
        qv__array_unref(array);
        qv__array_unref(taken);
    }
}

static void filters(void **state)
{
    (void) state;
    for (int r = 0; r < ROUNDS; r++) {
        qv__array *array = random_array((int64_t) qvt_rng_below(&rng, 70), 0.2), *kept;
        uint8_t mask[16] = { 0 };
        int64_t at = 0;
        uint64_t share = qvt_rng_below(&rng, 5);

        for (int64_t i = 0; i < 128; i++)
            qv__bit_put(mask, (size_t) i, qvt_rng_below(&rng, 4) < share);
        QVT_OK(qv__array_filter(array, mask, &kept, &err));
        qvt_check_layout(kept);
        for (int64_t i = 0; i < array->length; i++)
            if (qv__bit_get(mask, (size_t) i))
                qvt_same_values(array, i, kept, at++, 1);
        assert_int_equal(kept->length, at);
        qv__array_unref(array);
        qv__array_unref(kept);
    }
}

static void concats(void **state)
{
    (void) state;
    for (int r = 0; r < ROUNDS; r++) {
        qv__type *type = qvt_random_type(&rng, 4, true);
        qv__array *arrays[5], *all;
        size_t n = qvt_rng_below(&rng, 6);
        int64_t at = 0;

        for (size_t i = 0; i < n; i++)
            arrays[i] = qvt_random_array(&rng, type, (int64_t) qvt_rng_below(&rng, 12), 0.2);
        QVT_OK(qv__array_concat(arrays, n, type, &all, &err));
        qvt_check_layout(all);
        if (n == 1)
            assert_ptr_equal(all, arrays[0]);
        for (size_t i = 0; i < n; i++) {
            qvt_same_values(arrays[i], 0, all, at, arrays[i]->length);
            at += arrays[i]->length;
            qv__array_unref(arrays[i]);
        }
        assert_int_equal(all->length, at);
        qv__array_unref(all);
        qv__type_unref(type);
    }
}

/* Offset 0, children exactly as long as needed, nothing under null lists. */
static void check_normal(const qv__array *array)
{
    const qv__type *type = array->type;

    assert_int_equal(array->offset, 0);
    assert_true(array->null_count > 0 || !array->buffers[0].data);
    switch (type->id) {
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP: {
        int64_t start, end = 0, last = 0;
        for (int64_t i = 0; i < array->length; i++) {
            qv__array_list_range(array, i, &start, &end);
            assert_int_equal(start, last);
            assert_true(end == start || !qv__array_is_null(array, i));
            last = end;
        }
        assert_int_equal(array->children[0]->length, last);
        break;
    }
    case QV_TYPE_FIXED_LIST:
        assert_int_equal(array->children[0]->length, array->length * type->width);
        break;
    case QV_TYPE_STRUCT:
        for (size_t k = 0; k < array->n_children; k++)
            assert_int_equal(array->children[k]->length, array->length);
        break;
    default:
        break;
    }
    for (size_t k = 0; k < array->n_children; k++)
        check_normal(array->children[k]);
    if (array->dictionary)
        check_normal(array->dictionary);
}

static void normalizes(void **state)
{
    (void) state;
    for (int r = 0; r < 2 * ROUNDS; r++) {
        qv__array *array = random_array((int64_t) qvt_rng_below(&rng, 30), 0.3 * (double) (r % 2)), *normal, *again;

        QVT_OK(qv__array_normalize(array, &normal, &err));
        qvt_check_layout(normal);
        assert_int_equal(array->length, normal->length);
        qvt_same_values(array, 0, normal, 0, array->length);
        check_normal(normal);
        QVT_OK(qv__array_normalize(normal, &again, &err));
        assert_ptr_equal(normal, again);
        qv__array_unref(array);
        qv__array_unref(normal);
        qv__array_unref(again);
    }
}

static void equals(void **state)
{
    int differing = 0;

    (void) state;
    for (int r = 0; r < ROUNDS; r++) {
        qv__type *type = qvt_random_type(&rng, 3, true);
        qv__array *a = qvt_random_array(&rng, type, 1 + (int64_t) qvt_rng_below(&rng, 5), 0.3), *b, *c, *cut;
        int64_t indices[8];
        bool same = true;

        QVT_OK(qv__array_normalize(a, &b, &err));
        assert_true(qv__array_equal(a, b));
        assert_true(qv__array_equal(b, a));
        for (int64_t i = 0; i < a->length; i++)
            indices[i] = (int64_t) qvt_rng_below(&rng, (uint64_t) a->length);
        QVT_OK(qv__array_take(a, indices, (size_t) a->length, &c, &err));
        for (int64_t i = 0; i < a->length; i++)
            same = same && strcmp(qvt_value_text(a, i), qvt_value_text(c, i)) == 0;
        if (same && !qv__array_equal(a, c))
            fail_msg("equal values are told apart");
        if (!same && !qv__array_equal(a, c))
            differing++;
        QVT_OK(qv__array_slice(a, 0, a->length - 1, &cut, &err));
        assert_false(qv__array_equal(a, cut));
        qv__array_unref(a);
        qv__array_unref(b);
        qv__array_unref(c);
        qv__array_unref(cut);
        qv__type_unref(type);
    }
    assert_true(differing > ROUNDS / 4);
}

static void float_equality(void **state)
{
    double x[] = { NAN, 0.0, 1.0 }, y[] = { -NAN, -0.0, 1.0 }, z[] = { NAN, 0.0, 1.5 };
    qv__type *type = qvt_type(QV_TYPE_FLOAT64, 0, 0);
    qv__array *a, *b, *c;
    qv__bytes *to[3];
    const double *from[] = { x, y, z };
    uint8_t *writable;

    (void) state;
    QVT_OK(qv__array_new(type, 3, 0, &a, &err));
    QVT_OK(qv__array_new(type, 3, 0, &b, &err));
    QVT_OK(qv__array_new(type, 3, 0, &c, &err));
    to[0] = &a->buffers[1];
    to[1] = &b->buffers[1];
    to[2] = &c->buffers[1];
    for (int i = 0; i < 3; i++) {
        QVT_OK(qv__bytes_new(sizeof x, to[i], &writable, &err));
        memcpy(writable, from[i], sizeof x);
    }
    assert_true(qv__array_equal(a, b));
    assert_false(qv__array_equal(a, c));
    qv__array_unref(a);
    qv__array_unref(b);
    qv__array_unref(c);
    qv__type_unref(type);
}

static qv_status all_steps(const qv__array *array, qv_error *e)
{
    qv_status st = QV_OK;
    qv__array *taken = NULL, *kept = NULL, *both = NULL, *normal = NULL, *slice = NULL;
    int64_t indices[] = { 3, -1, 0, 5, 5 };
    uint8_t mask = 0xb5;

    QV_CHECK(qv__array_take(array, indices, 5, &taken, e));
    QV_CHECK(qv__array_filter(array, &mask, &kept, e));
    QV_CHECK(qv__array_slice(array, 1, 4, &slice, e));
    QV_CHECK(qv__array_concat((qv__array *[]){ taken, kept, slice }, 3, array->type, &both, e));
    QV_CHECK(qv__array_normalize(slice, &normal, e));
done:
    qv__array_unref(taken);
    qv__array_unref(kept);
    qv__array_unref(both);
    qv__array_unref(normal);
    qv__array_unref(slice);
    return st;
}

static void allocation_failures(void **state)
{
    (void) state;
    for (int r = 0; r < 20; r++) {
        qv__array *array = random_array(8, 0.2);

        for (uint64_t n = 0;; n++) {
            qv__alloc_fail_at(n);
            qv_status st = all_steps(array, &err);
            bool fired = qv__alloc_fault_fired();
            qv__alloc_fail_at(UINT64_MAX);
            assert_true(st == QV_OK || (fired && st == QV_NOMEM)); /* a growing array may try again with less */
            if (!fired)
                break;
        }
        qv__array_unref(array);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices),         cmocka_unit_test(takes),
        cmocka_unit_test(filters),        cmocka_unit_test(concats),
        cmocka_unit_test(normalizes),     cmocka_unit_test(equals),
        cmocka_unit_test(float_equality), cmocka_unit_test(allocation_failures),
    };
    rng = qvt_rng_seeded();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A cast whose bad rows become null: where a range fails it is halved, down to the row that is to blame. Rows that cast well cost
 * what they cost in any cast; a bad one costs some twenty small casts. */
#include "arrow/compute/cast_private.h"

static qv_status cast_range(const qv__array *array, int64_t start, int64_t n, const qv__type *to, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv_error why = { 0 };
    qv__array *slice = NULL, *halves[2] = { 0 };

    QV_TRY(qv__array_slice(array, start, n, &slice, err));
    st = qv__array_cast(slice, to, QV_CAST_SQL, out, &why);
    if (st != QV_INVALID) {
        if (st != QV_OK)
            qv__fail(err, st, "%s", why.message);
    } else if (n == 1) {
        st = qv__array_new_null(to, 1, out, err);
    } else {
        QV_CHECK(cast_range(array, start, n / 2, to, &halves[0], err));
        QV_CHECK(cast_range(array, start + n / 2, n - n / 2, to, &halves[1], err));
        QV_CHECK(qv__array_concat(halves, 2, to, out, err));
    }
done:
    qv__array_unref(slice);
    qv__array_unref(halves[0]);
    qv__array_unref(halves[1]);
    return st;
}

qv_status qv__cast_try(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err)
{
    return cast_range(array, 0, array->length, to, out, err);
}

/* One array from many. */
#include "arrow/compute/compute_private.h"

qv_status qv__array_concat(qv__array *const *arrays, size_t n, const qv__type *type, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *parts = NULL;
    char want[128], have[128];

    for (size_t i = 0; i < n; i++)
        if (!qv__type_equal(arrays[i]->type, type))
            return qv__fail(err, QV_INVALID, "array %zu has type %s, expected %s", i,
                            qv__type_print(arrays[i]->type, have, sizeof have),
                            qv__type_print(type, want, sizeof want));
    if (n == 1) {
        *out = qv__array_ref(arrays[0]);
        return QV_OK;
    }
    QV_CHECK(QV_NEW(&parts, n, err));
    for (size_t i = 0; i < n; i++)
        parts[i] = (qv__part){ arrays[i], 0, arrays[i]->length };
    QV_CHECK(qv__gather(type, parts, n, out, err));
done:
    qv__free(parts);
    return st;
}

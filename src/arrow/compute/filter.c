/* Filtering copies runs of kept rows, so that a mask with long runs costs what a copy costs. */
#include "arrow/compute/compute_private.h"

static size_t count_runs(const uint8_t *mask, size_t n)
{
    size_t runs = 0;

    for (size_t at = qv__bitmap_find(mask, 0, n, true); at < n; runs++) {
        at = qv__bitmap_find(mask, at, n, false);
        at = qv__bitmap_find(mask, at, n, true);
    }
    return runs;
}

qv_status qv__array_filter(const qv__array *array, const uint8_t *mask, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = (size_t) array->length;
    size_t kept = qv__bitmap_count(mask, 0, n), n_runs, at = 0;
    qv__part *parts = NULL;

    if (kept == n) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    n_runs = count_runs(mask, n);
    QV_CHECK(QV_NEW(&parts, n_runs, err));
    for (size_t r = 0; r < n_runs; r++) {
        size_t start = qv__bitmap_find(mask, at, n, true);

        at = qv__bitmap_find(mask, start, n, false);
        parts[r] = (qv__part){ array, (int64_t) start, (int64_t) (at - start) };
    }
    if (n_runs == 1) /* one range: nothing has to move */
        QV_CHECK(qv__array_slice(array, parts[0].start, parts[0].n, out, err));
    else
        QV_CHECK(qv__gather(array->type, parts, n_runs, out, err));
done:
    qv__free(parts);
    return st;
}

/* Elements in order, and looking one up among them. */
#include <stdlib.h>

#include "expr/functions/list_private.h"

static int compare_at(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    bool a_null = qv__array_is_null(a, i), b_null = qv__array_is_null(b, j);

    return a_null || b_null ? b_null - a_null : qv__value_compare(a, i, b, j);
}

/* Equal elements stay in their order. */
static int compare_places(const void *a, const void *b, void *items)
{
    int64_t i = *(const int64_t *) a, j = *(const int64_t *) b;
    int order = compare_at(items, i, items, j);

    return order ? order : (i > j) - (i < j);
}

qv_status qv__sort_items(qv__items list, qv__sorted *out, qv_error *err)
{
    size_t n = (size_t) (list.to - list.from);

    *out = (qv__sorted){ .list = list, .n = n };
    QV_TRY(QV_NEW(&out->at, n + 1, err));
    for (size_t k = 0; k < n; k++)
        out->at[k] = list.from + (int64_t) k;
    qsort_r(out->at, n, sizeof *out->at, compare_places, (void *) (uintptr_t) list.items);
    return QV_OK;
}

bool qv__sorted_has(const qv__sorted *sorted, const qv__array *array, int64_t i)
{
    size_t low = 0, high = sorted->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_at(sorted->list.items, sorted->at[middle], array, i);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

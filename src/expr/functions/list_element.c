/* One element of each list. */
#include "expr/functions/list_private.h"

/* The place of a row's element among the elements, or -1. */
typedef int64_t (*finder)(const qv__call *call, size_t i, qv__items list);

static qv_status take_each(const qv__call *call, finder find, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    uint8_t *ready = NULL;
    int64_t *places = NULL;

    QV_CHECK(qv__call_ready(call, &ready, err));
    QV_CHECK(QV_NEW(&places, call->n + 1, err));
    for (size_t i = 0; i < call->n; i++)
        places[i] = qv__bit_get(ready, i) ? find(call, i, qv__arg_items(call, 0, i)) : -1;
    st = qv__array_take(call->args[0]->children[0], places, call->n, out, err);
done:
    qv__free(places);
    qv__free(ready);
    return st;
}

/* From 1; negative: from the end. */
static int64_t find_nth(const qv__call *call, size_t i, qv__items list)
{
    int64_t n = qv__arg_i64(call, 1, i), length = list.to - list.from;

    if (n > 0 && n <= length)
        return list.from + n - 1;
    return n < 0 && n >= -length ? list.to + n : -1;
}

static int64_t find_extreme(qv__items list, int sign)
{
    int64_t best = -1;

    for (int64_t at = list.from; at < list.to; at++)
        if (!qv__array_is_null(list.items, at) &&
            (best < 0 || sign * qv__value_compare(list.items, at, list.items, best) > 0))
            best = at;
    return best;
}

static int64_t find_max(const qv__call *call, size_t i, qv__items list)
{
    QV_UNUSED(call);
    QV_UNUSED(i);
    return find_extreme(list, 1);
}

static int64_t find_min(const qv__call *call, size_t i, qv__items list)
{
    QV_UNUSED(call);
    QV_UNUSED(i);
    return find_extreme(list, -1);
}

static int64_t find_any(const qv__call *call, size_t i, qv__items list)
{
    QV_UNUSED(call);
    QV_UNUSED(i);
    while (list.from < list.to && qv__array_is_null(list.items, list.from))
        list.from++;
    return list.from < list.to ? list.from : -1;
}

qv_status qv__eval_array_element(const qv__call *call, qv__array **out, qv_error *err)
{
    return take_each(call, find_nth, out, err);
}

qv_status qv__eval_array_min(const qv__call *call, qv__array **out, qv_error *err)
{
    return take_each(call, find_min, out, err);
}

qv_status qv__eval_array_max(const qv__call *call, qv__array **out, qv_error *err)
{
    return take_each(call, find_max, out, err);
}

qv_status qv__eval_array_any_value(const qv__call *call, qv__array **out, qv_error *err)
{
    return take_each(call, find_any, out, err);
}

/* Parts of a list, and its elements in another order. */
#include <strings.h>

#include "expr/functions/list_private.h"

/* ------------------------------------------------------------------ slice */

/* A position from 1, or from the end when it is negative, as one from 0. */
static int64_t place_of(int64_t n, int64_t length) { return n > 0 ? n - 1 : n < 0 ? length + n : -1; }

qv_status qv__pick_slice(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);
    int64_t length = list.to - list.from, first = qv__arg_i64(call, 1, i), last = qv__arg_i64(call, 2, i);
    int64_t step = call->n_args > 3 ? qv__arg_i64(call, 3, i) : 1;

    if (step == 0)
        return qv__fail(err, QV_INVALID, "array_slice: invalid stride: 0");
    first = place_of(first, length);
    last = place_of(last, length);
    if (step > 0) {
        first = QV_MAX(first, 0);
        last = QV_MIN(last, length - 1);
    } else {
        last = first < length ? QV_MAX(last, 0) : INT64_MAX; /* from behind the end: nothing */
    }
    for (int64_t at = first; step > 0 ? at <= last : at >= last;) {
        QV_TRY(qv__pick_place(picks, 0, list.from + at, err));
        if (__builtin_add_overflow(at, step, &at))
            break;
    }
    return QV_OK;
}

qv_status qv__pick_pop_back(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    list.to -= list.to > list.from;
    return qv__pick_items(picks, 0, list, err);
}

qv_status qv__pick_pop_front(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    list.from += list.to > list.from;
    return qv__pick_items(picks, 0, list, err);
}

qv_status qv__pick_reverse(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    while (list.to > list.from)
        QV_TRY(qv__pick_place(picks, 0, --list.to, err));
    return QV_OK;
}

/* ------------------------------------------------------------------ removing */

static qv_status remove_items(const qv__call *call, size_t i, bool all, qv__picks *picks, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);
    bool removed = false;

    for (int64_t at = list.from; at < list.to; at++) {
        if ((all || !removed) && qv__same_item(list.items, at, call->args[1], qv__arg_row(call, 1, i)))
            removed = true;
        else
            QV_TRY(qv__pick_place(picks, 0, at, err));
    }
    return QV_OK;
}

qv_status qv__pick_remove(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return remove_items(call, i, false, picks, err);
}

qv_status qv__pick_remove_all(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return remove_items(call, i, true, picks, err);
}

/* ------------------------------------------------------------------ sort */

static bool is_word(qv__text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *) text.data, word, text.len) == 0;
}

/* 'ASC' or 'DESC', 'NULLS FIRST' or 'NULLS LAST'; nulls come first when nothing is said. */
static qv_status sort_order(const qv__call *call, size_t i, bool *descending, bool *nulls_first, qv_error *err)
{
    qv__text order = { (const uint8_t *) "ASC", 3 }, nulls = { (const uint8_t *) "NULLS FIRST", 11 };

    if (call->n_args > 1)
        order = qv__arg_text(call, 1, i);
    if (call->n_args > 2)
        nulls = qv__arg_text(call, 2, i);
    *descending = is_word(order, "DESC");
    *nulls_first = is_word(nulls, "NULLS FIRST");
    if (!*descending && !is_word(order, "ASC"))
        return qv__fail(err, QV_INVALID, "array_sort: argument 2 is '%.*s', expected 'ASC' or 'DESC'",
                        (int) QV_MIN(order.len, 64), (const char *) order.data);
    if (!*nulls_first && !is_word(nulls, "NULLS LAST"))
        return qv__fail(err, QV_INVALID, "array_sort: argument 3 is '%.*s', expected 'NULLS FIRST' or 'NULLS LAST'",
                        (int) QV_MIN(nulls.len, 64), (const char *) nulls.data);
    return QV_OK;
}

/* Nulls lead in `sorted`. */
static qv_status pick_sorted(const qv__sorted *sorted, bool descending, bool nulls_first, qv__picks *picks,
                             qv_error *err)
{
    size_t n_nulls = 0;

    while (n_nulls < sorted->n && qv__array_is_null(sorted->list.items, sorted->at[n_nulls]))
        n_nulls++;
    for (size_t k = 0; nulls_first && k < n_nulls; k++)
        QV_TRY(qv__pick_place(picks, 0, sorted->at[k], err));
    for (size_t k = n_nulls; k < sorted->n; k++)
        QV_TRY(qv__pick_place(picks, 0, sorted->at[descending ? sorted->n - 1 - (k - n_nulls) : k], err));
    for (size_t k = 0; !nulls_first && k < n_nulls; k++)
        QV_TRY(qv__pick_place(picks, 0, sorted->at[k], err));
    return QV_OK;
}

qv_status qv__pick_sort(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__sorted sorted;
    bool descending, nulls_first;

    QV_TRY(sort_order(call, i, &descending, &nulls_first, err));
    QV_TRY(qv__sort_items(qv__arg_items(call, 0, i), &sorted, err));
    qv_status st = pick_sorted(&sorted, descending, nulls_first, picks, err);
    qv__free(sorted.at);
    return st;
}

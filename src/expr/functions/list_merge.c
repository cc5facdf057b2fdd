/* Lists made of several, and lists as sets. */
#include "expr/functions/list_private.h"

/* ------------------------------------------------------------------ joining */

qv_status qv__pick_make(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    for (size_t a = 0; a < call->n_args; a++)
        QV_TRY(qv__pick_place(picks, a, qv__arg_row(call, a, i), err));
    return QV_OK;
}

/* A null list counts as empty. */
static qv_status pick_list(const qv__call *call, size_t arg, size_t i, qv__picks *picks, qv_error *err)
{
    return qv__arg_is_null(call, arg, i) ? QV_OK : qv__pick_items(picks, arg, qv__arg_items(call, arg, i), err);
}

qv_status qv__pick_append(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    QV_TRY(pick_list(call, 0, i, picks, err));
    return qv__pick_place(picks, 1, qv__arg_row(call, 1, i), err);
}

qv_status qv__pick_prepend(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    QV_TRY(qv__pick_place(picks, 0, qv__arg_row(call, 0, i), err));
    return pick_list(call, 1, i, picks, err);
}

/* Null only where all lists are. */
qv_status qv__pick_concat(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    picks->is_null = true;
    for (size_t a = 0; a < call->n_args; a++) {
        QV_TRY(pick_list(call, a, i, picks, err));
        picks->is_null = picks->is_null && qv__arg_is_null(call, a, i);
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ lengths */

/* Refuses lists that no result could hold before their places are gathered. */
static qv_status check_length(const qv__call *call, int64_t length, qv_error *err)
{
    if (length > INT32_MAX)
        return qv__fail(err, QV_LIMIT, "%s: a list of %lld elements is too long", call->node->function->name,
                        (long long) length);
    return QV_OK;
}

qv_status qv__pick_repeat(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    int64_t n;

    picks->is_null = qv__arg_is_null(call, 1, i);
    if (picks->is_null)
        return QV_OK;
    n = qv__arg_i64(call, 1, i);
    QV_TRY(check_length(call, n, err));
    for (; n > 0; n--)
        QV_TRY(qv__pick_place(picks, 0, qv__arg_row(call, 0, i), err));
    return QV_OK;
}

qv_status qv__pick_resize(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__items list;
    int64_t n, length;

    picks->is_null = qv__arg_is_null(call, 0, i) || qv__arg_is_null(call, 1, i);
    if (picks->is_null)
        return QV_OK;
    list = qv__arg_items(call, 0, i);
    n = qv__arg_i64(call, 1, i);
    length = list.to - list.from;
    if (n < 0)
        return qv__fail(err, QV_INVALID, "array_resize: negative length: %lld", (long long) n);
    QV_TRY(check_length(call, n, err));
    list.to = list.from + QV_MIN(length, n);
    QV_TRY(qv__pick_items(picks, 0, list, err));
    for (int64_t k = length; k < n; k++)
        QV_TRY(qv__pick_place(picks, 2, qv__arg_row(call, 2, i), err));
    return QV_OK;
}

/* ------------------------------------------------------------------ replacing */

static qv_status replace(const qv__call *call, size_t i, bool all, qv__picks *picks, qv_error *err)
{
    qv__items list;
    bool replaced = false;

    picks->is_null = qv__arg_is_null(call, 0, i);
    if (picks->is_null)
        return QV_OK;
    list = qv__arg_items(call, 0, i);
    for (int64_t at = list.from; at < list.to; at++) {
        if ((all || !replaced) && qv__same_item(list.items, at, call->args[1], qv__arg_row(call, 1, i))) {
            QV_TRY(qv__pick_place(picks, 2, qv__arg_row(call, 2, i), err));
            replaced = true;
        } else {
            QV_TRY(qv__pick_place(picks, 0, at, err));
        }
    }
    return QV_OK;
}

qv_status qv__pick_replace(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return replace(call, i, false, picks, err);
}

qv_status qv__pick_replace_all(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return replace(call, i, true, picks, err);
}

/* ------------------------------------------------------------------ sets */

/* Picks each value of the list once, at its first place, if it is (wanted true) or is not among `other`; NULL: any. */
static qv_status pick_each_once(qv__picks *picks, size_t arg, qv__items list, const qv__sorted *other, bool wanted,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__sorted sorted = { 0 };
    bool *again = NULL;

    QV_CHECK(qv__sort_items(list, &sorted, err));
    QV_CHECK(QV_NEW(&again, sorted.n + 1, err));
    for (size_t k = 1; k < sorted.n; k++)
        again[sorted.at[k] - list.from] = qv__same_item(list.items, sorted.at[k - 1], list.items, sorted.at[k]);
    for (int64_t at = list.from; at < list.to; at++)
        if (!again[at - list.from] && (!other || qv__sorted_has(other, list.items, at) == wanted))
            QV_CHECK(qv__pick_place(picks, arg, at, err));
done:
    qv__free(again);
    qv__free(sorted.at);
    return st;
}

qv_status qv__pick_distinct(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return pick_each_once(picks, 0, qv__arg_items(call, 0, i), NULL, false, err);
}

/* The values of the first list that are, or are not, in the second. */
static qv_status pick_compared(const qv__call *call, size_t i, bool wanted, qv__picks *picks, qv_error *err)
{
    qv__sorted second;

    QV_TRY(qv__sort_items(qv__arg_items(call, 1, i), &second, err));
    qv_status st = pick_each_once(picks, 0, qv__arg_items(call, 0, i), &second, wanted, err);
    qv__free(second.at);
    return st;
}

qv_status qv__pick_intersect(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return pick_compared(call, i, true, picks, err);
}

qv_status qv__pick_except(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    return pick_compared(call, i, false, picks, err);
}

qv_status qv__pick_union(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__sorted first;
    qv__items list = qv__arg_items(call, 0, i);

    QV_TRY(pick_each_once(picks, 0, list, NULL, false, err));
    QV_TRY(qv__sort_items(list, &first, err));
    qv_status st = pick_each_once(picks, 1, qv__arg_items(call, 1, i), &first, false, err);
    qv__free(first.at);
    return st;
}

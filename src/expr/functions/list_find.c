/* One number or truth about each list. */
#include "expr/functions/list_private.h"

qv_status qv__array_has_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    QV_UNUSED(err);
    out->b = false;
    for (int64_t at = list.from; at < list.to && !out->b; at++)
        out->b = !qv__array_is_null(list.items, at) &&
                 qv__value_compare(list.items, at, call->args[1], qv__arg_row(call, 1, i)) == 0;
    return QV_OK;
}

/* Below this many comparisons looking at every pair is cheaper than sorting. */
enum { FEW_PAIRS = 256 };

static bool has_item(qv__items list, const qv__array *items, int64_t i)
{
    for (int64_t at = list.from; at < list.to; at++)
        if (qv__same_item(list.items, at, items, i))
            return true;
    return false;
}

/* How many of the elements of `some` are in `list`, up to the first that is (stop_at true) or is not. */
static qv_status search(qv__items list, qv__items some, bool stop_at, bool *stopped, qv_error *err)
{
    qv__sorted sorted = { 0 };
    uint64_t pairs;
    bool few =
        qv__mul_u64((uint64_t) (list.to - list.from), (uint64_t) (some.to - some.from), &pairs) && pairs <= FEW_PAIRS;

    *stopped = false;
    if (!few)
        QV_TRY(qv__sort_items(list, &sorted, err));
    for (int64_t at = some.from; at < some.to && !*stopped; at++) {
        bool found = few ? has_item(list, some.items, at) : qv__sorted_has(&sorted, some.items, at);
        *stopped = found == stop_at;
    }
    qv__free(sorted.at);
    return QV_OK;
}

qv_status qv__array_has_any_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    return search(qv__arg_items(call, 0, i), qv__arg_items(call, 1, i), true, &out->b, err);
}

qv_status qv__array_has_all_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    bool missing = false;

    QV_TRY(search(qv__arg_items(call, 0, i), qv__arg_items(call, 1, i), false, &missing, err));
    out->b = !missing;
    return QV_OK;
}

/* Of a deeper dimension: the length of the first list there, level by level. */
qv_status qv__array_length_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t dimension = call->n_args > 1 ? qv__arg_i64(call, 1, i) : 1;
    qv__items list = qv__arg_items(call, 0, i);

    QV_UNUSED(err);
    out->is_null = dimension < 1;
    for (; !out->is_null && dimension > 1; dimension--) {
        out->is_null =
            !qv__is_list(list.items->type) || list.from == list.to || qv__array_is_null(list.items, list.from);
        if (!out->is_null) {
            const qv__array *inner = list.items;
            qv__array_list_range(inner, list.from, &list.from, &list.to);
            list.items = inner->children[0];
        }
    }
    out->i = list.to - list.from;
    return QV_OK;
}

/* Leaves, null ones too; the depth of types is limited. */
static int64_t count_leaves(const qv__array *items, int64_t from, int64_t to)
{
    int64_t n = 0;

    if (!qv__is_list(items->type))
        return to - from;
    for (int64_t at = from; at < to; at++) {
        int64_t start, end;
        if (qv__array_is_null(items, at))
            continue;
        qv__array_list_range(items, at, &start, &end);
        n += count_leaves(items->children[0], start, end);
    }
    return n;
}

qv_status qv__cardinality_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    QV_UNUSED(err);
    out->i = count_leaves(list.items, list.from, list.to);
    return QV_OK;
}

qv_status qv__array_ndims_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    QV_UNUSED(i);
    out->i = 0;
    for (const qv__type *type = call->args[0]->type; qv__is_list(type); type = type->children[0].type)
        out->i++;
    return QV_OK;
}

/* A null element is found, too. */
qv_status qv__array_position_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__items list;
    int64_t start = 1;

    out->is_null = qv__arg_is_null(call, 0, i) || (call->n_args > 2 && qv__arg_is_null(call, 2, i));
    if (out->is_null)
        return QV_OK;
    list = qv__arg_items(call, 0, i);
    if (call->n_args > 2) {
        start = qv__arg_i64(call, 2, i);
        if (start < 1 || start > list.to - list.from + 1)
            return qv__fail(err, QV_INVALID, "array_position: start out of bounds: %lld", (long long) start);
    }
    for (int64_t at = list.from + start - 1; at < list.to; at++)
        if (qv__same_item(list.items, at, call->args[1], qv__arg_row(call, 1, i))) {
            out->i = at - list.from + 1;
            return QV_OK;
        }
    out->is_null = true;
    return QV_OK;
}

qv_status qv__array_empty_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    QV_UNUSED(err);
    out->b = list.from == list.to;
    return QV_OK;
}

/* ------------------------------------------------------------------ sums */

/* The elements are float64; nulls are left out, nothing left is null. */
static int64_t fold(const qv__call *call, size_t i, bool multiply, double *value)
{
    qv__items list = qv__arg_items(call, 0, i);
    int64_t n = 0;

    *value = multiply;
    for (int64_t at = list.from; at < list.to; at++) {
        if (qv__array_is_null(list.items, at))
            continue;
        double x = qv__value_f64(list.items, at);
        *value = multiply ? *value * x : *value + x;
        n++;
    }
    return n;
}

qv_status qv__array_sum_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->is_null = fold(call, i, false, &out->f) == 0;
    return QV_OK;
}

qv_status qv__array_avg_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t n = fold(call, i, false, &out->f);

    QV_UNUSED(err);
    out->is_null = n == 0;
    out->f = n ? out->f / (double) n : 0;
    return QV_OK;
}

qv_status qv__array_product_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->is_null = fold(call, i, true, &out->f) == 0;
    return QV_OK;
}

/* ------------------------------------------------------------------ text */

typedef struct joiner {
    qv__text separator, null_text;
    bool show_nulls, is_first;
    qv__buffer *out;
} joiner;

/* Lists in lists are joined as if they were one; the leaves are text. */
static qv_status join(joiner *j, qv__items list, qv_error *err)
{
    for (int64_t at = list.from; at < list.to; at++) {
        qv__text text = j->null_text;
        bool is_null = qv__array_is_null(list.items, at);
        if (is_null && !j->show_nulls)
            continue;
        if (!is_null && qv__is_list(list.items->type)) {
            qv__items inner = { list.items->children[0], 0, 0 };
            qv__array_list_range(list.items, at, &inner.from, &inner.to);
            QV_TRY(join(j, inner, err));
            continue;
        }
        if (!is_null)
            text.data = qv__array_string(list.items, at, &text.len);
        if (!j->is_first)
            QV_TRY(qv__buffer_append(j->out, j->separator.data, j->separator.len, err));
        QV_TRY(qv__buffer_append(j->out, text.data, text.len, err));
        j->is_first = false;
    }
    return QV_OK;
}

qv_status qv__array_to_string_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    joiner j = { .is_first = true, .out = &out->text };

    out->is_null = qv__arg_is_null(call, 0, i) || qv__arg_is_null(call, 1, i);
    if (out->is_null)
        return QV_OK;
    j.separator = qv__arg_text(call, 1, i);
    j.show_nulls = call->n_args > 2 && !qv__arg_is_null(call, 2, i);
    if (j.show_nulls)
        j.null_text = qv__arg_text(call, 2, i);
    return join(&j, qv__arg_items(call, 0, i), err);
}

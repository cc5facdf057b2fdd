/* Lists of new values, and of the insides of lists. */
#include "expr/functions/list_private.h"

/* Null lists inside are left out. */
qv_status qv__pick_flatten(const qv__call *call, size_t i, qv__picks *picks, qv_error *err)
{
    qv__items list = qv__arg_items(call, 0, i);

    if (qv__type_equal(list.items->type, call->node->type->children[0].type))
        return qv__pick_items(picks, 0, list, err);
    for (int64_t at = list.from; at < list.to; at++) {
        qv__items inner = { list.items->children[0], 0, 0 };
        if (qv__array_is_null(list.items, at))
            continue;
        qv__array_list_range(list.items, at, &inner.from, &inner.to);
        QV_TRY(qv__pick_items(picks, 0, inner, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ row by row into a builder */

/* Appends the elements of row i to `items`; *is_null: the row has no list. */
typedef qv_status (*maker)(const qv__call *call, size_t i, qv__builder *items, bool *is_null, qv_error *err);

static qv_status build(const qv__call *call, maker make, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *builder = NULL;
    uint8_t *ready = NULL;

    QV_CHECK(qv__call_ready(call, &ready, err));
    QV_CHECK(qv__builder_new(call->node->type, &builder, err));
    for (size_t i = 0; i < call->n; i++) {
        bool is_null = !qv__bit_get(ready, i);
        if (!is_null)
            QV_CHECK(make(call, i, qv__builder_child(builder, 0), &is_null, err));
        if (is_null)
            QV_CHECK(qv__builder_append_null(builder, err));
        else
            QV_CHECK(qv__builder_append_nested(builder, err));
    }
    QV_CHECK(qv__builder_finish(builder, out, err));
done:
    qv__builder_free(builder);
    qv__free(ready);
    return st;
}

/* ------------------------------------------------------------------ range */

/* How many steps from start lie before stop (or at it); no value is past 64 bits on the way. */
static uint64_t count_steps(int64_t start, int64_t stop, int64_t step, bool inclusive)
{
    uint64_t distance, width = step > 0 ? (uint64_t) step : 0 - (uint64_t) step;

    if (step > 0 ? start > stop : start < stop)
        return 0;
    distance = step > 0 ? (uint64_t) stop - (uint64_t) start : (uint64_t) start - (uint64_t) stop;
    if (inclusive)
        return distance / width == UINT64_MAX ? UINT64_MAX : distance / width + 1;
    return distance / width + (distance % width != 0);
}

static qv_status make_range(const qv__call *call, size_t i, qv__builder *items, bool *is_null, qv_error *err)
{
    int64_t start = call->n_args > 1 ? qv__arg_i64(call, 0, i) : 0;
    int64_t stop = qv__arg_i64(call, call->n_args > 1 ? 1 : 0, i);
    int64_t step = call->n_args > 2 ? qv__arg_i64(call, 2, i) : 1;
    const char *name = call->node->function->name;

    QV_UNUSED(is_null);
    if (step == 0)
        return qv__fail(err, QV_INVALID, "%s: the step can't be 0", name);
    uint64_t n = count_steps(start, stop, step, call->node->function->detail != NULL);
    if (n > INT32_MAX)
        return qv__fail(err, QV_LIMIT, "%s: a list of %llu elements is too long", name, (unsigned long long) n);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t value = (uint64_t) start + k * (uint64_t) step;
        QV_TRY(qv__builder_append_fixed(items, &value, err));
    }
    return QV_OK;
}

qv_status qv__eval_range(const qv__call *call, qv__array **out, qv_error *err)
{
    return build(call, make_range, out, err);
}

/* ------------------------------------------------------------------ places of an element */

static qv_status make_positions(const qv__call *call, size_t i, qv__builder *items, bool *is_null, qv_error *err)
{
    qv__items list;

    *is_null = qv__arg_is_null(call, 0, i);
    if (*is_null)
        return QV_OK;
    list = qv__arg_items(call, 0, i);
    for (int64_t at = list.from; at < list.to; at++) {
        uint64_t position = (uint64_t) (at - list.from + 1);
        if (qv__same_item(list.items, at, call->args[1], qv__arg_row(call, 1, i)))
            QV_TRY(qv__builder_append_fixed(items, &position, err));
    }
    return QV_OK;
}

qv_status qv__eval_array_positions(const qv__call *call, qv__array **out, qv_error *err)
{
    return build(call, make_positions, out, err);
}

/* ------------------------------------------------------------------ text in pieces */

static qv_status append_piece(const qv__call *call, size_t i, qv__text piece, qv__builder *items, qv_error *err)
{
    if (call->n_args > 2 && !qv__arg_is_null(call, 2, i)) {
        qv__text null_text = qv__arg_text(call, 2, i);
        if (null_text.len == piece.len && (piece.len == 0 || memcmp(null_text.data, piece.data, piece.len) == 0))
            return qv__builder_append_null(items, err);
    }
    return qv__builder_append_bytes(items, piece.data, piece.len, err);
}

/* Bytes up to the next separator, or to the end; a null separator stands between all characters, an empty one nowhere. */
static size_t piece_len(qv__text text, const qv__text *separator)
{
    const uint8_t *found = NULL;

    if (!separator)
        return qv__utf8_len(text.data[0]);
    if (separator->len > 0)
        found = memmem(text.data, text.len, separator->data, separator->len);
    return found ? (size_t) (found - text.data) : text.len;
}

static qv_status make_pieces(const qv__call *call, size_t i, qv__builder *items, bool *is_null, qv_error *err)
{
    qv__text text, separator = { NULL, 0 };
    bool each_character = qv__arg_is_null(call, 1, i);

    *is_null = qv__arg_is_null(call, 0, i);
    if (*is_null)
        return QV_OK;
    text = qv__arg_text(call, 0, i);
    if (!each_character)
        separator = qv__arg_text(call, 1, i);
    while (text.len > 0) {
        size_t n = piece_len(text, each_character ? NULL : &separator);
        bool is_last = n == text.len;
        QV_TRY(append_piece(call, i, (qv__text){ text.data, n }, items, err));
        if (is_last)
            break;
        text.data += n + separator.len;
        text.len -= n + separator.len;
        if (text.len == 0) /* the text ends with a separator */
            return append_piece(call, i, text, items, err);
    }
    return QV_OK;
}

qv_status qv__eval_string_to_array(const qv__call *call, qv__array **out, qv_error *err)
{
    return build(call, make_pieces, out, err);
}

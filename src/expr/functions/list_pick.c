/* New lists of old elements: places are gathered row by row, the elements are taken at once. */
#include "expr/functions/list_private.h"

static char kind_of(const qv__call *call, size_t arg)
{
    const char *kinds = call->node->function->kinds;
    size_t n = strcspn(kinds, ">");

    return n > 1 && kinds[n - 1] == '*' && arg >= n - 2 ? kinds[n - 2] : kinds[arg];
}

/* The elements that the lists [from, to) of an array refer to. */
static qv__items items_of(const qv__array *lists, int64_t from, int64_t to)
{
    qv__items all = { lists->children[0], 0, 0 };
    int64_t unused;

    if (from < to) {
        qv__array_list_range(lists, from, &all.from, &unused);
        qv__array_list_range(lists, to - 1, &unused, &all.to);
    }
    return all;
}

/* What an argument brings into the pool: L its elements, E itself, F the elements of its elements (unless these are what the
 * result holds). False: nothing. A piece of a long column refers to a small part of the elements only. */
static bool part_of(const qv__call *call, size_t arg, qv__items *out)
{
    const qv__array *a = call->args[arg];

    switch (kind_of(call, arg)) {
    case 'E':
        *out = (qv__items){ a, 0, a->length };
        return true;
    case 'L':
        *out = items_of(a, 0, a->length);
        return true;
    case 'F':
        *out = items_of(a, 0, a->length);
        if (!qv__type_equal(out->items->type, call->node->type->children[0].type))
            *out = items_of(out->items, out->from, out->to);
        return true;
    default:
        return false;
    }
}

static qv_status make_pool(const qv__call *call, int64_t *base, qv__array **pool, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **parts = NULL;
    size_t n = 0;
    int64_t total = 0;
    qv__items part;

    QV_TRY(QV_NEW(&parts, call->n_args + 1, err));
    for (size_t a = 0; a < call->n_args; a++) {
        if (!part_of(call, a, &part))
            continue;
        QV_CHECK(qv__array_slice(part.items, part.from, part.to - part.from, &parts[n++], err));
        base[a] = total - part.from;
        total += part.to - part.from;
    }
    st = qv__array_concat(parts, n, call->node->type->children[0].type, pool, err);
done:
    for (size_t k = 0; k < n; k++)
        qv__array_unref(parts[k]);
    qv__free(parts);
    return st;
}

qv_status qv__pick_place(qv__picks *picks, size_t arg, int64_t at, qv_error *err)
{
    QV_TRY(QV_GROW(&picks->places, &picks->capacity, picks->n + 1, err));
    picks->places[picks->n++] = picks->base[arg] + at;
    return QV_OK;
}

qv_status qv__pick_items(qv__picks *picks, size_t arg, qv__items list, qv_error *err)
{
    for (int64_t at = list.from; at < list.to; at++)
        QV_TRY(qv__pick_place(picks, arg, at, err));
    return QV_OK;
}

/* offsets has call->n + 1 places; bits of `valid` are cleared for rows without a list. */
static qv_status pick_rows(const qv__call *call, qv__picks *picks, uint8_t *valid, int64_t *offsets, qv_error *err)
{
    qv__picker pick = ((const qv__list_detail *) call->node->function->detail)->pick;
    int64_t most = call->node->type->id == QV_TYPE_LIST ? INT32_MAX : INT64_MAX;

    for (size_t i = 0; i < call->n; i++) {
        picks->is_null = false;
        if (qv__bit_get(valid, i))
            QV_TRY(pick(call, i, picks, err));
        if (picks->is_null)
            qv__bit_clear(valid, i);
        if ((int64_t) picks->n > most)
            return qv__fail(err, QV_LIMIT, "%s: lists of %zu elements are past 32-bit offsets",
                            call->node->function->name, picks->n);
        offsets[i + 1] = (int64_t) picks->n;
    }
    return QV_OK;
}

/* `offsets` has call->n + 1 places. */
static qv_status make_lists(const qv__call *call, qv__array *items, uint8_t *valid, int64_t *offsets, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *list = NULL;
    uint8_t *bits, *ends;
    size_t n = call->n, width = call->node->type->id == QV_TYPE_LARGE_LIST ? 8 : 4;

    QV_CHECK(qv__array_new(call->node->type, (int64_t) n, 1, &list, err));
    list->children[0] = qv__array_ref(items);
    QV_CHECK(qv__bytes_new((n + 1) * width, &list->buffers[1], &ends, err));
    for (size_t i = 0; i <= n; i++)
        memcpy(ends + i * width, &offsets[i], width);
    list->null_count = (int64_t) (n - qv__bitmap_count(valid, 0, n));
    if (list->null_count) {
        QV_CHECK(qv__bytes_new(qv__bitmap_bytes(n), &list->buffers[0], &bits, err));
        memcpy(bits, valid, qv__bitmap_bytes(n));
    }
    *out = list;
    list = NULL;
done:
    qv__array_unref(list);
    return st;
}

qv_status qv__eval_picks(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__picks picks = { .call = call };
    qv__array *pool = NULL, *items = NULL;
    uint8_t *valid = NULL;
    int64_t *offsets = NULL;

    QV_CHECK(qv__call_ready(call, &valid, err));
    QV_CHECK(QV_NEW(&picks.base, call->n_args + 1, err));
    QV_CHECK(QV_NEW(&offsets, call->n + 1, err));
    QV_CHECK(make_pool(call, picks.base, &pool, err));
    QV_CHECK(pick_rows(call, &picks, valid, offsets, err));
    QV_CHECK(QV_GROW(&picks.places, &picks.capacity, 1, err));
    QV_CHECK(qv__array_take(pool, picks.places, picks.n, &items, err));
    QV_CHECK(make_lists(call, items, valid, offsets, out, err));
done:
    qv__array_unref(items);
    qv__array_unref(pool);
    qv__free(offsets);
    qv__free(picks.places);
    qv__free(picks.base);
    qv__free(valid);
    return st;
}

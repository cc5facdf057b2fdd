/* Reading files of row sets: keys are sorted in memory, since older writers stored them as they came. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "index/scalar/bitmap.h"
#include "index/scalar/sort_private.h"

#define SETS_AT_ONCE 64 /* row sets may be large */

const qv__bitmap_layout qv__bitmap_layout_values = { "bitmap_page_lookup.lance", "keys", "bitmaps", true };

void qv__bitmaps_clear(qv__bitmaps *bitmaps)
{
    qv__column_free(bitmaps->sets);
    qv__file_unref(bitmaps->file);
    qv__array_unref(bitmaps->keys);
    qv__free(bitmaps->order);
    *bitmaps = (qv__bitmaps){ 0 };
}

/* ------------------------------------------------------------------ opening */

static qv_status order_keys(qv__bitmaps *b, qv_error *err)
{
    qv_status st = QV_OK;
    size_t all = (size_t) b->keys->length;
    qv__pair *pairs = NULL, *room = NULL, *sorted;

    QV_CHECK(QV_NEW(&pairs, all, err));
    QV_CHECK(QV_NEW(&room, all, err));
    QV_CHECK(QV_NEW(&b->order, all, err));
    b->null_at = -1;
    for (size_t i = 0; i < all; i++) {
        if (!qv__array_is_null(b->keys, (int64_t) i))
            pairs[b->n++] = (qv__pair){ qv__order_prefix(b->keys, (int64_t) i), i };
        else if (b->null_at < 0)
            b->null_at = (int64_t) i;
        else
            QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: two keys are null", b->layout->file));
    }
    sorted = qv__sort_pairs(pairs, room, b->n);
    qv__break_ties(b->keys, sorted, sorted == pairs ? room : pairs, b->n);
    for (size_t i = 0; i < b->n; i++)
        b->order[i] = sorted[i].row;
done:
    qv__free(pairs);
    qv__free(room);
    return st;
}

static qv_status read_keys(qv__bitmaps *b, const qv__type *type, qv_error *err)
{
    qv_status st = QV_OK;
    qv__column *column = NULL;

    QV_CHECK(qv__index_column_open(b->file, b->layout->keys, type, &column, err));
    QV_CHECK(qv__column_read(column, 0, qv__file_rows(b->file), &b->keys, err));
    if (qv__order_of(b->keys->type) == QV_ORDER_NONE)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: keys of type %s have no order", b->layout->file,
                          qv__type_name(b->keys->type->id)));
    QV_CHECK(order_keys(b, err));
done:
    qv__column_free(column);
    return st;
}

qv_status qv__bitmaps_open(qv__store *folder, const qv__bitmap_layout *layout, const qv__type *type, qv__bitmaps *out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__bitmaps b = { .layout = layout };
    qv__type *binary = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_BINARY, &binary, err));
    QV_CHECK(qv__file_open(folder, layout->file, &b.file, err));
    QV_CHECK(qv__index_column_open(b.file, layout->sets, binary, &b.sets, err));
    QV_CHECK(read_keys(&b, type, err));
    *out = b;
    b = (qv__bitmaps){ 0 };
done:
    qv__bitmaps_clear(&b);
    qv__type_unref(binary);
    return st;
}

/* ------------------------------------------------------------------ looking */

/* How many keys lie before the probe (`past`: at or before it). */
static size_t keys_before(const qv__bitmaps *b, const qv__probe *probe, bool past, qv__answer *cost)
{
    size_t low = 0, end = b->n;

    while (low < end) {
        size_t middle = low + (end - low) / 2;
        cost->comparisons++;
        if (qv__probe_compare(b->keys, (int64_t) b->order[middle], probe) < (past ? 1 : 0))
            low = middle + 1;
        else
            end = middle;
    }
    return low;
}

void qv__bitmaps_find(const qv__bitmaps *bitmaps, const qv__value_span *span, size_t *from, size_t *to,
                      qv__answer *cost)
{
    *from = span->has_low ? keys_before(bitmaps, &span->low, span->low_open, cost) : 0;
    *to = span->has_high ? keys_before(bitmaps, &span->high, !span->high_open, cost) : bitmaps->n;
    *to = QV_MAX(*from, *to);
}

static qv_status add_set(const qv__bitmap_layout *layout, const qv__array *sets, int64_t i, qv__row_set *into,
                         qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_set set = { 0 };
    size_t len;

    if (qv__array_is_null(sets, i))
        return qv__fail(err, QV_CORRUPT, "%s: a row set is null", layout->file);
    const uint8_t *bytes = qv__array_string(sets, i, &len);
    QV_CHECK(qv__row_set_parse(bytes, len, layout->sized, &set, err));
    if (!into->n) {
        qv__row_set_clear(into);
        *into = set;
        return QV_OK;
    }
    QV_CHECK(qv__row_set_or(into, &set, err));
done:
    qv__row_set_clear(&set);
    return st == QV_OK ? st : qv__fail_in(err, st, "%s", layout->file);
}

static qv_status add_sets(qv__bitmaps *b, const uint64_t *positions, size_t n, qv__row_set *into, qv__answer *cost,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *sets = NULL;

    QV_CHECK(qv__column_take(b->sets, positions, n, &sets, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(add_set(b->layout, sets, (int64_t) i, into, err));
    cost->pages_read += n;
    cost->bytes_read += qv__array_bytes(sets);
done:
    qv__array_unref(sets);
    return st;
}

qv_status qv__bitmaps_union(qv__bitmaps *bitmaps, size_t from, size_t to, qv__job *job, qv__row_set *into,
                            qv__answer *cost, qv_error *err)
{
    for (; from < to; from += QV_MIN(SETS_AT_ONCE, to - from)) {
        QV_TRY(add_sets(bitmaps, bitmaps->order + from, QV_MIN(SETS_AT_ONCE, to - from), into, cost, err));
        QV_TRY(qv__job_tick(job, 0, 0, err));
    }
    return QV_OK;
}

qv_status qv__bitmaps_nulls(qv__bitmaps *bitmaps, qv__row_set *into, qv__answer *cost, qv_error *err)
{
    uint64_t at = (uint64_t) bitmaps->null_at;

    return bitmaps->null_at < 0 ? QV_OK : add_sets(bitmaps, &at, 1, into, cost, err);
}

/* ------------------------------------------------------------------ care */

qv_status qv__bitmaps_prewarm(qv__bitmaps *bitmaps, qv_error *err)
{
    uint64_t n = (uint64_t) bitmaps->keys->length;
    qv__array *array;

    for (uint64_t at = 0, end; at < n; at = end) {
        end = QV_MIN(qv__column_page_end(bitmaps->sets, at), n);
        QV_TRY(qv__column_read(bitmaps->sets, at, end - at, &array, err));
        qv__array_unref(array);
    }
    return QV_OK;
}

qv_status qv__bitmaps_verify(qv__bitmaps *bitmaps, qv__problem_fn problem, void *ctx, qv_error *err)
{
    qv_status st = QV_OK;
    qv__job job;
    qv_error found;

    qv__job_begin(&job, NULL, "verify", 0);
    QV_CHECK(qv__file_verify(bitmaps->file, problem, ctx, &job, err));
    for (size_t i = 1; i < bitmaps->n; i++)
        if (qv__order_compare(bitmaps->keys, (int64_t) bitmaps->order[i - 1], bitmaps->keys,
                              (int64_t) bitmaps->order[i]) == 0)
            problem(ctx, bitmaps->layout->file, "a key occurs twice");
    for (uint64_t i = 0; i < (uint64_t) bitmaps->keys->length; i++) {
        qv__row_set set = { 0 };
        qv__answer cost = { 0 };
        st = add_sets(bitmaps, &i, 1, &set, &cost, &found);
        qv__row_set_clear(&set);
        if (st == QV_CORRUPT)
            problem(ctx, bitmaps->layout->file, found.message);
        else if (st != QV_OK)
            QV_CHECK(qv__fail(err, st, "%s", found.message));
    }
    st = QV_OK;
done:
    qv__job_end(&job, st);
    return st;
}

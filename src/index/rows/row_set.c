/* Sets of rows: parts ascending by the high word, none of them empty. Full parts (low NULL) stand for every row of a fragment, whose
 * number of rows nobody here knows; so they can be joined and met, but not taken from. */
#include "index/rows/row_set.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/bytes.h"

/* ------------------------------------------------------------------ parts */

static void free_low(roaring_bitmap_t *low)
{
    if (low)
        roaring_bitmap_free(low);
}

void qv__row_set_clear(qv__row_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free_low(set->parts[i].low);
    qv__free(set->parts);
    *set = (qv__row_set){ 0 };
}

/* The first part with this high word or a higher one. */
static size_t find_part(const qv__row_set *set, uint32_t high)
{
    size_t low = 0, end = set->n;

    if (end && set->parts[end - 1].high < high)
        return end;
    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (set->parts[middle].high < high)
            low = middle + 1;
        else
            end = middle;
    }
    return low;
}

const qv__row_part *qv__row_set_part(const qv__row_set *set, uint32_t high)
{
    size_t at = find_part(set, high);

    return at < set->n && set->parts[at].high == high ? &set->parts[at] : NULL;
}

/* `low` is taken, also on failure. */
static qv_status insert_part(qv__row_set *set, size_t at, uint32_t high, roaring_bitmap_t *low, qv_error *err)
{
    qv_status st = QV_GROW(&set->parts, &set->capacity, set->n + 1, err);

    if (st != QV_OK) {
        free_low(low);
        return st;
    }
    memmove(set->parts + at + 1, set->parts + at, (set->n - at) * sizeof *set->parts);
    set->parts[at] = (qv__row_part){ high, low };
    set->n++;
    return QV_OK;
}

static void remove_part(qv__row_set *set, size_t at)
{
    free_low(set->parts[at].low);
    memmove(set->parts + at, set->parts + at + 1, (set->n - at - 1) * sizeof *set->parts);
    set->n--;
}

static qv_status copy_low(const roaring_bitmap_t *low, roaring_bitmap_t **out, qv_error *err)
{
    *out = low ? roaring_bitmap_copy(low) : NULL;
    return low && !*out ? qv__fail_nomem(err, sizeof **out) : QV_OK;
}

/* The part of `high`, made when it is not there. */
static qv_status open_part(qv__row_set *set, uint32_t high, qv__row_part **out, qv_error *err)
{
    size_t at = find_part(set, high);

    if (at == set->n || set->parts[at].high != high) {
        roaring_bitmap_t *low = roaring_bitmap_create();
        if (!low)
            return qv__fail_nomem(err, sizeof *low);
        QV_TRY(insert_part(set, at, high, low, err));
    }
    *out = &set->parts[at];
    return QV_OK;
}

qv_status qv__row_set_copy(qv__row_set *to, const qv__row_set *from, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_set copy = { 0 };

    for (size_t i = 0; i < from->n; i++) {
        roaring_bitmap_t *low;
        QV_CHECK(copy_low(from->parts[i].low, &low, err));
        QV_CHECK(insert_part(&copy, i, from->parts[i].high, low, err));
    }
    *to = copy;
    copy = (qv__row_set){ 0 };
done:
    qv__row_set_clear(&copy);
    return st;
}

/* ------------------------------------------------------------------ adding */

qv_status qv__row_set_add(qv__row_set *set, uint64_t row, qv_error *err)
{
    qv__row_part *part;

    QV_TRY(open_part(set, (uint32_t) (row >> 32), &part, err));
    if (part->low)
        roaring_bitmap_add(part->low, (uint32_t) row);
    return QV_OK;
}

#define FEW_ROWS   64
#define DIGIT_BITS 11
#define N_DIGITS   6 /* of 11 bits in 64 */

/* Least significant digit first; digits that all rows share cost nothing but their count. */
static void sort_rows(uint64_t *rows, uint64_t *room, size_t n)
{
    uint64_t all_ones = UINT64_MAX, all_zeros = 0, *from = rows, *to = room;

    for (size_t i = 0; i < n; i++) {
        all_ones &= rows[i];
        all_zeros |= rows[i];
    }
    for (unsigned digit = 0; digit < N_DIGITS; digit++) {
        unsigned shift = digit * DIGIT_BITS;
        size_t start[1u << DIGIT_BITS] = { 0 }, sum = 0;
        if (!((all_ones ^ all_zeros) >> shift & ((1u << DIGIT_BITS) - 1)))
            continue;
        for (size_t i = 0; i < n; i++)
            start[from[i] >> shift & ((1u << DIGIT_BITS) - 1)]++;
        for (size_t i = 0; i < QV_COUNT_OF(start); i++) {
            size_t count = start[i];
            start[i] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[start[from[i] >> shift & ((1u << DIGIT_BITS) - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != rows)
        memcpy(rows, from, n * sizeof *rows);
}

/* Sorted rows, one call of the library for each run of one high word. `lows` has room for n. */
static qv_status add_sorted(qv__row_set *set, const uint64_t *rows, size_t n, uint32_t *lows, qv_error *err)
{
    for (size_t at = 0; at < n;) {
        uint32_t high = (uint32_t) (rows[at] >> 32);
        size_t end = at;
        qv__row_part *part;
        for (; end < n && rows[end] >> 32 == high; end++)
            lows[end - at] = (uint32_t) rows[end];
        QV_TRY(open_part(set, high, &part, err));
        if (part->low)
            roaring_bitmap_add_many(part->low, end - at, lows);
        at = end;
    }
    return QV_OK;
}

qv_status qv__row_set_add_many(qv__row_set *set, const uint64_t *rows, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *sorted = NULL;
    bool is_sorted = true;

    if (n <= FEW_ROWS) {
        for (size_t i = 0; i < n; i++)
            QV_TRY(qv__row_set_add(set, rows[i], err));
        return QV_OK;
    }
    for (size_t i = 1; i < n && is_sorted; i++)
        is_sorted = rows[i - 1] <= rows[i];
    QV_CHECK(QV_NEW(&sorted, 2 * n, err));
    memcpy(sorted, rows, n * sizeof *rows);
    if (!is_sorted)
        sort_rows(sorted, sorted + n, n);
    QV_CHECK(add_sorted(set, sorted, n, (uint32_t *) (sorted + n), err));
done:
    qv__free(sorted);
    return st;
}

qv_status qv__row_set_add_range(qv__row_set *set, uint64_t first, uint64_t end, qv_error *err)
{
    while (first < end) {
        uint64_t next = ((first >> 32) + 1) << 32; /* 0 after the last high word */
        uint64_t stop = next && next < end ? next : end;
        qv__row_part *part;
        QV_TRY(open_part(set, (uint32_t) (first >> 32), &part, err));
        if (part->low)
            roaring_bitmap_add_range_closed(part->low, (uint32_t) first, (uint32_t) (stop - 1));
        first = stop;
    }
    return QV_OK;
}

qv_status qv__row_set_add_part(qv__row_set *set, uint32_t high, const roaring_bitmap_t *low, qv_error *err)
{
    size_t at = find_part(set, high);
    roaring_bitmap_t *copy;

    if (at < set->n && set->parts[at].high == high) {
        if (low && set->parts[at].low) {
            roaring_bitmap_or_inplace(set->parts[at].low, low);
        } else {
            free_low(set->parts[at].low);
            set->parts[at].low = NULL;
        }
        return QV_OK;
    }
    if (low && roaring_bitmap_is_empty(low))
        return QV_OK;
    QV_TRY(copy_low(low, &copy, err));
    return insert_part(set, at, high, copy, err);
}

/* ------------------------------------------------------------------ looking */

bool qv__row_set_contains(const qv__row_set *set, uint64_t row)
{
    const qv__row_part *part = qv__row_set_part(set, (uint32_t) (row >> 32));

    return part && (!part->low || roaring_bitmap_contains(part->low, (uint32_t) row));
}

uint64_t qv__row_set_count(const qv__row_set *set, bool *has_full)
{
    uint64_t n = 0;

    *has_full = false;
    for (size_t i = 0; i < set->n; i++) {
        if (set->parts[i].low)
            n += roaring_bitmap_get_cardinality(set->parts[i].low);
        else
            *has_full = true;
    }
    return n;
}

/* ------------------------------------------------------------------ sets with sets */

qv_status qv__row_set_or(qv__row_set *into, const qv__row_set *other, qv_error *err)
{
    for (size_t i = 0; i < other->n; i++)
        QV_TRY(qv__row_set_add_part(into, other->parts[i].high, other->parts[i].low, err));
    return QV_OK;
}

/* Parts that only `into` has, or that have nothing in common, are removed. */
qv_status qv__row_set_and(qv__row_set *into, const qv__row_set *other, qv_error *err)
{
    for (size_t i = into->n; i-- > 0;) {
        qv__row_part *mine = &into->parts[i];
        const qv__row_part *theirs = qv__row_set_part(other, mine->high);
        if (theirs && !theirs->low)
            continue;
        if (theirs && !mine->low)
            QV_TRY(copy_low(theirs->low, &mine->low, err));
        else if (theirs)
            roaring_bitmap_and_inplace(mine->low, theirs->low);
        if (!theirs || roaring_bitmap_is_empty(mine->low))
            remove_part(into, i);
    }
    return QV_OK;
}

qv_status qv__row_set_and_not(qv__row_set *into, const qv__row_set *other, qv_error *err)
{
    for (size_t i = 0; i < into->n; i++) { /* nothing changes when this fails */
        const qv__row_part *theirs = qv__row_set_part(other, into->parts[i].high);
        if (!into->parts[i].low && theirs && theirs->low)
            return qv__fail(err, QV_INVALID, "rows cannot be taken from all rows of fragment %" PRIu32,
                            into->parts[i].high);
    }
    for (size_t i = into->n; i-- > 0;) {
        const qv__row_part *theirs = qv__row_set_part(other, into->parts[i].high);
        if (!theirs)
            continue;
        if (theirs->low)
            roaring_bitmap_andnot_inplace(into->parts[i].low, theirs->low);
        if (!theirs->low || roaring_bitmap_is_empty(into->parts[i].low))
            remove_part(into, i);
    }
    return QV_OK;
}

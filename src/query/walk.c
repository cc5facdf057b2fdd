/* The way through all rows that may match: which fragments, which rows of them, and what those must still pass. */
#include "base/alloc.h"
#include "base/bytes.h"
#include "query_private.h"

enum {
    MORSEL_BYTES = 1 << 20, /* of the first step's columns */
    MOST_ROWS = 1 << 16,
    LEAST_ROWS = 1 << 13,
    LISTED_ROWS = 1 << 14 /* rows that an index named in one morsel */
};

/* What is known of a fragment before it is read. */
typedef struct known {
    bool skip;
    const roaring_bitmap_t *rows; /* NULL: all live ones */
    const qv__condition *condition;
} known;

static known know(const qv__filter *filter, size_t fragment)
{
    known k = { .condition = filter->full.n_steps > 0 ? &filter->full : NULL };

    k.skip = filter->never;
    if (filter->matches) {
        k.rows = filter->matches->rows ? filter->matches->rows[fragment] : NULL;
        k.skip = k.skip || (filter->matches->rows && !k.rows);
    } else if (filter->has_found && filter->found.rows[fragment]) {
        k.rows = filter->found.rows[fragment];
        k.condition = filter->recheck.n_steps > 0 ? &filter->recheck : NULL;
    } else if (filter->has_found)
        k.skip = filter->fast_search;
    return k;
}

void qv__walk_begin(qv__walk *walk, const qv__row_reader *reader, const qv__filter *filter)
{
    uint64_t width = QV_MAX(qv__condition_width(&filter->full, &reader->sources), 1);

    *walk = (qv__walk){ .reader = reader, .filter = filter };
    walk->morsel_rows = QV_MIN(QV_MAX(MORSEL_BYTES / width, LEAST_ROWS), MOST_ROWS) & ~UINT64_C(63);
}

void qv__walk_end(qv__walk *walk)
{
    qv__opened_unref(walk->opened);
    walk->opened = NULL;
}

static qv_status open_fragment(qv__walk *walk, qv_error *err)
{
    if (walk->opened && walk->opened->index == walk->fragment)
        return QV_OK;
    qv__walk_end(walk);
    return qv__opened_new(walk->reader, walk->fragment, &walk->opened, err);
}

/* A stretch of all live rows. */
static qv_status walk_span(qv__walk *walk, qv__rows *rows, qv_error *err)
{
    const qv__opened *f = walk->opened;

    if (f->live) {
        walk->row = qv__bitmap_find(f->live, walk->row, f->rows, true);
        if (walk->row == f->rows)
            return QV_OK;
    }
    rows->row = walk->row;
    rows->n = QV_MIN(walk->morsel_rows, f->rows - walk->row);
    rows->count = f->live ? qv__bitmap_count(f->live, rows->row, rows->n) : rows->n;
    walk->row += rows->n;
    if (rows->count == rows->n)
        return QV_OK;
    QV_TRY(QV_NEW(&rows->mask, qv__bitmap_bytes(rows->n), err));
    qv__bitmap_copy(rows->mask, 0, f->live, rows->row, rows->n);
    return QV_OK;
}

/* The next rows that were named, less those that are deleted. */
static qv_status walk_listed(qv__walk *walk, const roaring_bitmap_t *named, qv__rows *rows, qv_error *err)
{
    const qv__opened *f = walk->opened;
    roaring_uint32_iterator_t at;
    uint64_t *list = NULL;
    size_t n = 0, capacity = 0;

    roaring_init_iterator(named, &at);
    roaring_move_uint32_iterator_equalorlarger(&at, (uint32_t) walk->row);
    for (; at.has_value && at.current_value < f->rows && n < LISTED_ROWS; roaring_advance_uint32_iterator(&at)) {
        walk->row = (uint64_t) at.current_value + 1;
        if (f->live && !qv__bit_get(f->live, at.current_value))
            continue;
        qv_status st = QV_GROW(&list, &capacity, n + 1, err);
        if (st != QV_OK) {
            qv__free(list);
            return st;
        }
        list[n++] = at.current_value;
    }
    if (n < LISTED_ROWS)
        walk->row = f->rows;
    if (n == 0)
        return QV_OK;
    *rows = (qv__rows){ .row = list[0], .n = list[n - 1] - list[0] + 1, .count = n, .list = list };
    if (rows->n == n) {
        qv__free(list);
        rows->list = NULL;
    }
    return QV_OK;
}

qv_status qv__walk_next(qv__walk *walk, qv__morsel *out, bool *found, qv_error *err)
{
    size_t n_fragments = qv__snapshot_n_fragments(walk->reader->snapshot);

    *found = false;
    *out = (qv__morsel){ 0 };
    for (; walk->fragment < n_fragments; walk->fragment++, walk->row = 0) {
        known k = know(walk->filter, walk->fragment);
        uint64_t rows = qv__snapshot_fragment(walk->reader->snapshot, walk->fragment)->physical_rows;
        while (!k.skip && walk->row < rows) {
            QV_TRY(open_fragment(walk, err));
            QV_TRY(k.rows ? walk_listed(walk, k.rows, &out->rows, err) : walk_span(walk, &out->rows, err));
            if (out->rows.count == 0)
                continue;
            out->rows.from = qv__opened_ref(walk->opened);
            out->condition = k.condition;
            if (walk->filter->op_read)
                atomic_fetch_add(&walk->filter->op_read->rows, out->rows.count);
            *found = true;
            return QV_OK;
        }
    }
    return QV_OK;
}

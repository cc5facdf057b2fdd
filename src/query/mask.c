/* Rows that may match, as an index asks for them: by key.
 *
 * Keys that are addresses give a span per fragment, whose bits are the version's own bitmap of live rows or what a condition left.
 * Row ids of a table that keeps them lie anywhere; they are cut into blocks of which only those that hold a row have bits. */
#include <stdlib.h>

#include "base/alloc.h"
#include "query/ann.h"

enum { BLOCK_BITS = 16, BLOCK_ROWS = 1 << BLOCK_BITS, LISTED = 1024 };

void qv__row_mask_free(qv__row_mask *mask)
{
    if (!mask)
        return;
    qv__narrowing_free(mask->narrowing);
    qv__free(mask->spans);
    qv__free(mask->bits);
    qv__free(mask);
}

/* ------------------------------------------------------------------ rows of one fragment */

typedef struct fragment_rows {
    uint64_t physical, n; /* n: how many may match */
    const uint8_t *live;  /* no matches: bits; NULL: all */
    const roaring_bitmap_t *matches;
    const uint64_t *ids;
} fragment_rows;

static qv_status rows_of(qv__snapshot *snapshot, size_t f, const bool *covered, const qv__matches *matches,
                         fragment_rows *out, qv_error *err)
{
    const uint32_t *deleted;
    size_t n_deleted;

    *out = (fragment_rows){ .physical = qv__snapshot_fragment(snapshot, f)->physical_rows };
    if (!covered[f])
        return QV_OK;
    if (matches) {
        out->matches = matches->rows[f];
        out->n = out->matches ? roaring_bitmap_get_cardinality(out->matches) : 0;
        return QV_OK;
    }
    QV_TRY(qv__snapshot_deletions(snapshot, f, &deleted, &n_deleted, &out->live, err));
    out->n = out->physical - n_deleted;
    return QV_OK;
}

/* ------------------------------------------------------------------ by address */

static void set_matches(const roaring_bitmap_t *matches, uint64_t first, uint8_t *bits)
{
    uint32_t rows[LISTED], n;
    roaring_uint32_iterator_t at;

    roaring_init_iterator(matches, &at);
    while ((n = roaring_read_uint32_iterator(&at, rows, LISTED)) > 0)
        for (uint32_t i = 0; i < n; i++)
            qv__bit_set(bits, rows[i] - first);
}

static qv_status by_address(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches,
                            const qv__numbered *order, size_t n, qv__row_mask *mask, qv_error *err)
{
    size_t n_bytes = 0;
    fragment_rows rows;

    QV_TRY(QV_NEW(&mask->spans, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++) {
        QV_TRY(rows_of(snapshot, order[i].fragment, covered, matches, &rows, err));
        if (rows.matches && rows.n > 0 && rows.n < rows.physical)
            n_bytes +=
                qv__bitmap_bytes(roaring_bitmap_maximum(rows.matches) + 1 - roaring_bitmap_minimum(rows.matches));
    }
    QV_TRY(QV_NEW(&mask->bits, QV_MAX(n_bytes, 1), err));
    uint8_t *bits = mask->bits;
    for (size_t i = 0; i < n; i++) {
        QV_TRY(rows_of(snapshot, order[i].fragment, covered, matches, &rows, err));
        if (rows.n == 0)
            continue;
        qv__key_span *span = &mask->spans[mask->keys.n_spans++];
        *span = (qv__key_span){ order[i].id << 32, rows.physical, rows.live };
        mask->n_rows += rows.n;
        if (!rows.matches || rows.n == rows.physical)
            continue;
        uint64_t first = roaring_bitmap_minimum(rows.matches);
        *span = (qv__key_span){ span->first + first, roaring_bitmap_maximum(rows.matches) + 1 - first, bits };
        set_matches(rows.matches, first, bits);
        bits += qv__bitmap_bytes(span->n);
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ by row id */

typedef qv_status (*each_fn)(void *ctx, uint64_t id, qv_error *err);

static qv_status each_id(const fragment_rows *rows, each_fn fn, void *ctx, qv_error *err)
{
    uint32_t list[LISTED], n;
    roaring_uint32_iterator_t at;

    if (!rows->matches) {
        for (uint64_t row = 0; row < rows->physical && rows->n > 0; row++)
            if (!rows->live || qv__bit_get(rows->live, row))
                QV_TRY(fn(ctx, rows->ids[row], err));
        return QV_OK;
    }
    roaring_init_iterator(rows->matches, &at);
    while ((n = roaring_read_uint32_iterator(&at, list, LISTED)) > 0)
        for (uint32_t i = 0; i < n; i++)
            QV_TRY(fn(ctx, rows->ids[list[i]], err));
    return QV_OK;
}

typedef struct blocks {
    uint64_t *numbers;
    size_t n, capacity;
    qv__row_mask *mask;
    size_t hint;
} blocks;

static qv_status note_block(void *ctx, uint64_t id, qv_error *err)
{
    blocks *b = ctx;

    if (b->n > 0 && b->numbers[b->n - 1] == id >> BLOCK_BITS)
        return QV_OK;
    QV_TRY(QV_GROW(&b->numbers, &b->capacity, b->n + 1, err));
    b->numbers[b->n++] = id >> BLOCK_BITS;
    return QV_OK;
}

static qv_status set_id(void *ctx, uint64_t id, qv_error *err)
{
    blocks *b = ctx;
    uint64_t number = id >> BLOCK_BITS;
    size_t low = 0, high = b->n;

    QV_UNUSED(err);
    while (b->numbers[b->hint] != number) { /* mostly the block of the id before */
        b->hint = low + (high - low) / 2;
        if (b->numbers[b->hint] < number)
            low = b->hint + 1;
        else
            high = b->hint;
    }
    uint8_t *bits = b->mask->bits + b->hint * (BLOCK_ROWS / 8);
    b->mask->n_rows += !qv__bit_get(bits, id % BLOCK_ROWS);
    qv__bit_set(bits, id % BLOCK_ROWS);
    return QV_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static qv_status each_fragment(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches, each_fn fn,
                               void *ctx, qv_error *err)
{
    fragment_rows rows;

    for (size_t f = 0; f < qv__snapshot_n_fragments(snapshot); f++) {
        QV_TRY(rows_of(snapshot, f, covered, matches, &rows, err));
        if (rows.n == 0)
            continue;
        QV_TRY(qv__snapshot_row_id_array(snapshot, f, &rows.ids, err));
        QV_TRY(each_id(&rows, fn, ctx, err));
    }
    return QV_OK;
}

static qv_status by_row_id(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches, qv__row_mask *mask,
                           qv_error *err)
{
    qv_status st = QV_OK;
    blocks b = { .mask = mask };
    size_t n = 0;

    QV_CHECK(each_fragment(snapshot, covered, matches, note_block, &b, err));
    if (b.n > 0)
        qsort(b.numbers, b.n, sizeof *b.numbers, by_number);
    for (size_t i = 0; i < b.n; i++)
        if (i == 0 || b.numbers[i] != b.numbers[n - 1])
            b.numbers[n++] = b.numbers[i];
    b.n = n;
    QV_CHECK(QV_NEW(&mask->spans, QV_MAX(n, 1), err));
    QV_CHECK(QV_NEW(&mask->bits, QV_MAX(n, 1) * (BLOCK_ROWS / 8), err));
    QV_CHECK(each_fragment(snapshot, covered, matches, set_id, &b, err));
    for (size_t i = 0; i < n; i++)
        mask->spans[i] = (qv__key_span){ b.numbers[i] << BLOCK_BITS, BLOCK_ROWS, mask->bits + i * (BLOCK_ROWS / 8) };
    mask->keys.n_spans = n;
done:
    qv__free(b.numbers);
    return st;
}

/* ------------------------------------------------------------------ both */

static qv_status fill(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches, bool addresses,
                      qv__row_mask *mask, qv_error *err)
{
    qv__numbered *order;

    if (!addresses)
        return by_row_id(snapshot, covered, matches, mask, err);
    QV_TRY(qv__fragments_by_id(snapshot, &order, err));
    qv_status st = by_address(snapshot, covered, matches, order, qv__snapshot_n_fragments(snapshot), mask, err);
    qv__free(order);
    return st;
}

qv_status qv__row_mask_new(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches, bool addresses,
                           qv__row_mask **out, qv_error *err)
{
    qv__row_mask *mask = NULL;

    QV_TRY(QV_NEW(&mask, 1, err));
    qv_status st = fill(snapshot, covered, matches, addresses, mask, err);
    if (st != QV_OK) {
        qv__row_mask_free(mask);
        return st;
    }
    mask->keys.spans = mask->spans;
    *out = mask;
    return QV_OK;
}

/* ------------------------------------------------------------------ masks that are kept */

struct qv__kept_mask {
    qv__kept_mask *next;
    bool *covered;
    size_t n;
    bool by_address;
    qv__row_mask *mask;
};

static void kept_mask_free(qv__kept_mask *k)
{
    if (!k)
        return;
    qv__row_mask_free(k->mask);
    qv__free(k->covered);
    qv__free(k);
}

void qv__mask_list_clear(qv__mask_list *list)
{
    for (qv__kept_mask *m = atomic_exchange(&list->head, NULL), *next; m; m = next) {
        next = m->next;
        kept_mask_free(m);
    }
}

static qv__kept_mask *find_mask(qv__kept_mask *m, const bool *covered, bool by_address)
{
    while (m && (m->by_address != by_address || memcmp(m->covered, covered, m->n * sizeof *covered) != 0))
        m = m->next;
    return m;
}

static qv_status new_kept_mask(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches, bool by_address,
                               atomic_size_t *budget, qv__kept_mask **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__kept_mask *k = NULL;

    QV_CHECK(QV_NEW(&k, 1, err));
    k->n = qv__snapshot_n_fragments(snapshot);
    k->by_address = by_address;
    QV_CHECK(QV_NEW(&k->covered, QV_MAX(k->n, 1), err));
    memcpy(k->covered, covered, k->n * sizeof *covered);
    QV_CHECK(qv__row_mask_new(snapshot, covered, matches, by_address, &k->mask, err));
    if (budget)
        QV_CHECK(qv__narrowing_new(&k->mask->keys, budget, &k->mask->narrowing, err));
    *out = k;
    k = NULL;
done:
    kept_mask_free(k);
    return st;
}

qv_status qv__mask_list_get(qv__mask_list *list, qv__snapshot *snapshot, const bool *covered,
                            const qv__matches *matches, bool by_address, atomic_size_t *budget,
                            const qv__row_mask **out, qv_error *err)
{
    qv__kept_mask *found, *made, *head = atomic_load_explicit(&list->head, memory_order_acquire);

    if ((found = find_mask(head, covered, by_address)) == NULL) {
        QV_TRY(new_kept_mask(snapshot, covered, matches, by_address, budget, &made, err));
        do {
            if ((found = find_mask(head, covered, by_address)) != NULL)
                break;
            made->next = head;
        } while (!atomic_compare_exchange_weak_explicit(&list->head, &head, made, memory_order_acq_rel,
                                                        memory_order_acquire));
        if (found)
            kept_mask_free(made);
        else
            found = made;
    }
    *out = found->mask;
    return QV_OK;
}

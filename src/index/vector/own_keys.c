/* Keys of the rows that a segment answers for. Files may hold rows of fragments that their entry does not name any more, and another segment
 * may own those: with several segments each is asked for rows of its own fragments alone. Row ids do not tell their fragment; those that live
 * in the fragments are gathered. Rows that a compaction moved are stored under the addresses that they had. */
#include <stdlib.h>

#include "index/index_private.h"
#include "index/vector/search.h"

void qv__own_keys_free(qv__own_keys *own)
{
    if (!own)
        return;
    qv__free(own->spans);
    qv__free(own->bits);
    qv__free(own);
}

static qv_status add_span(qv__own_keys *own, uint64_t first, uint64_t n, const uint8_t *bits, qv_error *err)
{
    QV_TRY(QV_GROW(&own->spans, &own->capacity, own->n + 1, err));
    own->spans[own->n++] = (qv__key_span){ first, n, bits };
    return QV_OK;
}

static int compare_spans(const void *a, const void *b)
{
    const qv__key_span *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static qv_status own_addresses(qv__snapshot *snapshot, const bool *covered, qv__own_keys *own, qv_error *err)
{
    for (size_t f = 0; f < qv__snapshot_n_fragments(snapshot); f++) {
        const qv__fragment *fragment = qv__snapshot_fragment(snapshot, f);
        if (covered[f])
            QV_TRY(add_span(own, fragment->id << 32, fragment->physical_rows, NULL, err));
    }
    if (own->n)
        qsort(own->spans, own->n, sizeof *own->spans, compare_spans); /* fragments may stand in another order */
    return QV_OK;
}

/* The ids of live rows of some fragments. A moved row leaves its id, deleted, in the fragment where it was. */
static qv_status list_ids(qv__snapshot *snapshot, const bool *covered, uint64_t *out, size_t *n, qv_error *err)
{
    const uint64_t *ids;
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n_deleted;

    *n = 0;
    for (size_t f = 0; f < qv__snapshot_n_fragments(snapshot); f++) {
        if (!covered[f])
            continue;
        QV_TRY(qv__snapshot_row_id_array(snapshot, f, &ids, err));
        QV_TRY(qv__snapshot_deletions(snapshot, f, &deleted, &n_deleted, &live, err));
        for (uint64_t i = 0; i < qv__snapshot_fragment(snapshot, f)->physical_rows; i++)
            if (!live || qv__bit_get(live, i))
                out[(*n)++] = ids[i];
    }
    return QV_OK;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}

/* Ids lie anywhere: each run of them is a span. */
static qv_status own_ids(qv__snapshot *snapshot, const bool *covered, qv__own_keys *own, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *ids = NULL, rows = 0;
    size_t n = 0;

    for (size_t f = 0; f < qv__snapshot_n_fragments(snapshot); f++)
        rows += covered[f] ? qv__snapshot_fragment(snapshot, f)->physical_rows : 0;
    QV_CHECK(QV_NEW(&ids, (size_t) rows, err));
    QV_CHECK(list_ids(snapshot, covered, ids, &n, err));
    if (n)
        qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && ids[i + run] == ids[i] + run;)
            run++;
        QV_CHECK(add_span(own, ids[i], run, NULL, err));
    }
done:
    qv__free(ids);
    return st;
}

qv_status qv__own_keys_new(qv__snapshot *snapshot, const bool *covered, bool by_address, qv__own_keys **out,
                           qv_error *err)
{
    qv__own_keys *own;

    QV_TRY(QV_NEW(&own, 1, err));
    qv_status st = (by_address ? own_addresses : own_ids)(snapshot, covered, own, err);
    if (st == QV_OK)
        *out = own;
    else
        qv__own_keys_free(own);
    return st;
}

/* ------------------------------------------------------------------ under a mask */

/* Adds keys [first, first + n) of a span. Its bits are used where they lie if a byte begins there, else moved. */
static qv_status add_part(qv__own_keys *out, const qv__key_span *span, uint64_t first, uint64_t n, uint8_t *room,
                          size_t *used, qv_error *err)
{
    size_t skipped = (size_t) (first - span->first);

    if (!span->bits || skipped % 8 == 0)
        return add_span(out, first, n, span->bits ? span->bits + skipped / 8 : NULL, err);
    qv__bitmap_copy(room + *used, 0, span->bits, skipped, (size_t) n);
    QV_TRY(add_span(out, first, n, room + *used, err));
    *used += qv__bitmap_bytes((size_t) n);
    return QV_OK;
}

qv_status qv__own_keys_intersect(const qv__own_keys *a, const qv__key_mask *b, qv__own_keys *out, qv_error *err)
{
    size_t bytes = a->n + b->n_spans, used = 0; /* a cut rounds up to a byte once */

    for (size_t j = 0; j < b->n_spans; j++)
        bytes += b->spans[j].bits ? qv__bitmap_bytes((size_t) b->spans[j].n) : 0;
    QV_TRY(QV_NEW(&out->bits, bytes, err));
    for (size_t i = 0, j = 0; i < a->n && j < b->n_spans;) {
        const qv__key_span *x = &a->spans[i], *y = &b->spans[j];
        uint64_t first = QV_MAX(x->first, y->first), end = QV_MIN(x->first + x->n, y->first + y->n);
        if (first < end)
            QV_TRY(add_part(out, y, first, end - first, out->bits, &used, err));
        if (x->first + x->n < y->first + y->n)
            i++;
        else
            j++;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ rows that moved since they were stored */

/* Of addresses, whole fragments: rows that are deleted are left out. */
static qv_status leave_deleted(qv__snapshot *snapshot, qv__own_keys *own, qv_error *err)
{
    const uint32_t *deleted;
    size_t n_deleted;

    for (size_t i = 0; i < own->n; i++) {
        size_t at = qv__fragment_position(snapshot, own->spans[i].first >> 32);
        QV_TRY(qv__snapshot_deletions(snapshot, at, &deleted, &n_deleted, &own->spans[i].bits, err));
    }
    return QV_OK;
}

typedef struct present {
    qv__key_mask mask;
    size_t hint;
} present;

static bool is_present(void *ctx, uint64_t address)
{
    present *p = ctx;

    return qv__key_mask_has(&p->mask, address, &p->hint);
}

/* Bytes for the bits of all spans. */
static size_t bits_of(const qv__own_keys *now, const qv__row_set *before)
{
    size_t bytes = 1;

    for (size_t i = 0; i < now->n; i++)
        bytes += now->spans[i].bits ? qv__bitmap_bytes((size_t) now->spans[i].n) : 0;
    for (size_t i = 0; i < before->n; i++)
        bytes += qv__bitmap_bytes((size_t) roaring_bitmap_maximum(before->parts[i].low) + 1);
    return bytes;
}

static qv_status add_present(qv__own_keys *out, const qv__key_span *span, size_t *used, qv_error *err)
{
    uint8_t *bits = out->bits + *used;

    if (!span->bits)
        return add_span(out, span->first, span->n, NULL, err);
    qv__bitmap_copy(bits, 0, span->bits, 0, (size_t) span->n);
    *used += qv__bitmap_bytes((size_t) span->n);
    return add_span(out, span->first, span->n, bits, err);
}

static qv_status add_before(qv__own_keys *out, const qv__row_part *part, size_t *used, qv_error *err)
{
    uint8_t *bits = out->bits + *used;
    uint64_t n = (uint64_t) roaring_bitmap_maximum(part->low) + 1;
    roaring_uint32_iterator_t row;

    for (roaring_init_iterator(part->low, &row); row.has_value; roaring_advance_uint32_iterator(&row))
        qv__bit_set(bits, row.current_value);
    *used += qv__bitmap_bytes((size_t) n);
    return add_span(out, (uint64_t) part->high << 32, n, bits, err);
}

/* Fills `out` with addresses of now, and with those that their rows had. */
static qv_status add_origins(qv__snapshot *snapshot, const qv__reuse *reuse, const qv__own_keys *now, qv__own_keys *out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    present here = { { now->n, now->spans }, 0 };
    qv__row_set before = { 0 };
    size_t used = 0;

    QV_CHECK(qv__reuse_origins(reuse, is_present, &here, &before, err));
    QV_CHECK(QV_NEW(&out->bits, bits_of(now, &before), err));
    for (size_t i = 0; i < now->n; i++)
        QV_CHECK(add_present(out, &now->spans[i], &used, err));
    for (size_t i = 0; i < before.n; i++)
        if (qv__fragment_position(snapshot, before.parts[i].high) == SIZE_MAX) /* what is there did not move */
            QV_CHECK(add_before(out, &before.parts[i], &used, err));
    if (out->n)
        qsort(out->spans, out->n, sizeof *out->spans, compare_spans);
done:
    qv__row_set_clear(&before);
    return st;
}

qv_status qv__own_keys_moved(qv__snapshot *snapshot, const bool *covered, const qv__reuse *reuse,
                             const qv__key_mask *asked, qv__own_keys *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__own_keys *own = NULL, cut = { 0 };

    QV_CHECK(qv__own_keys_new(snapshot, covered, true, &own, err));
    if (asked)
        QV_CHECK(qv__own_keys_intersect(own, asked, &cut, err));
    else
        QV_CHECK(leave_deleted(snapshot, own, err));
    QV_CHECK(add_origins(snapshot, reuse, asked ? &cut : own, out, err));
done:
    qv__free(cut.spans);
    qv__free(cut.bits);
    qv__own_keys_free(own);
    return st;
}

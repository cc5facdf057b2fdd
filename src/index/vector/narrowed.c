/* Lists narrowed to the rows that a mask lets through. What a list has for a mask is found out when the first search comes to it, and kept:
 * how many of its rows may match, and their codes, copied together. Searches under one condition then read codes of no other rows, and step
 * over lists that have none, however far from the query the rows lie.
 *
 * Copies draw on a budget that several masks share. A list for which nothing is left, or of which most rows may match, is scanned as it is
 * stored, and the candidates' mask drops the others. */
#include <math.h>

#include "index/index_private.h"
#include "index/vector/search.h"

typedef struct kept_list {
    qv__narrowed_list list;
    size_t bytes;   /* drawn from the budget */
    uint64_t ids[]; /* then the codes, column after column */
} kept_list;

struct qv__narrowed {
    qv__narrowed *next;
    qv__narrowing *narrowing;
    qv__open_segment *opened;
    qv__key_mask mask;
    qv__key_span *spans; /* the segment's own, and bits that they point to; NULL: the narrowing's */
    uint8_t *bits;
    _Atomic(kept_list *) *lists;
    atomic_bool *is_empty; /* per list: known to have no rows */
};

struct qv__narrowing {
    const qv__key_mask *mask;
    atomic_size_t *budget;
    _Atomic(qv__narrowed *) segments;
};

/* ------------------------------------------------------------------ the budget */

static bool draw(atomic_size_t *budget, size_t bytes)
{
    size_t left = atomic_load_explicit(budget, memory_order_relaxed);

    while (left >= bytes)
        if (atomic_compare_exchange_weak_explicit(budget, &left, left - bytes, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void give_back(atomic_size_t *budget, size_t bytes)
{
    atomic_fetch_add_explicit(budget, bytes, memory_order_relaxed);
}

/* ------------------------------------------------------------------ one list */

static void list_free(qv__narrowing *narrowing, kept_list *kept)
{
    if (!kept)
        return;
    give_back(narrowing->budget, kept->bytes);
    qv__free(kept);
}

static size_t passing_rows(const qv__key_mask *mask, const qv__code_list *list, uint32_t *rows)
{
    size_t n = 0, hint = 0;

    for (size_t i = 0; i < list->n; i++) {
        rows[n] = (uint32_t) i;
        n += qv__key_mask_has(mask, list->ids[i], &hint);
    }
    return n;
}

static void gather(const uint8_t *from, size_t width, const uint32_t *rows, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * width, from + rows[i] * width, width);
}

/* Codes lie as scans want them: row after row for the choice, then laid out anew. */
static qv_status copy_codes(const qv__quantizer *q, const qv__code_list *whole, const uint32_t *rows, kept_list *to,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__code_list *list = &to->list.codes;
    uint8_t *plain[QV_MAX_CODE_COLUMNS] = { NULL }, *chosen[QV_MAX_CODE_COLUMNS] = { NULL };
    uint8_t *own[QV_MAX_CODE_COLUMNS], *at = (uint8_t *) (to->ids + list->n);

    for (size_t c = 0; c < q->n_columns; c++) {
        QV_CHECK(qv__new((void **) &plain[c], whole->n, q->columns[c].width, err));
        QV_CHECK(qv__new((void **) &chosen[c], list->n, q->columns[c].width, err));
        list->columns[c] = own[c] = at;
        at += list->n * q->columns[c].width;
    }
    q->class->disarrange(q, whole->columns, whole->n, plain);
    for (size_t c = 0; c < q->n_columns; c++)
        gather(plain[c], q->columns[c].width, rows, list->n, chosen[c]);
    q->class->arrange(q, (const uint8_t *const *) chosen, list->n, own);
    for (size_t i = 0; i < list->n; i++)
        to->ids[i] = whole->ids[rows[i]];
    list->ids = to->ids;
done:
    for (size_t c = 0; c < q->n_columns; c++) {
        qv__free(plain[c]);
        qv__free(chosen[c]);
    }
    return st;
}

static size_t row_bytes(const qv__quantizer *q)
{
    size_t bytes = sizeof(uint64_t);

    for (size_t c = 0; c < q->n_columns; c++)
        bytes += q->columns[c].width;
    return bytes;
}

/* Is so much of the list left out that a copy of the rest is worth its memory? */
static bool is_worth_copying(size_t n, size_t whole) { return n > 0 && n <= whole - whole / 4; }

static qv_status narrow(qv__narrowing *narrowing, const qv__quantizer *q, const qv__code_list *whole,
                        const uint32_t *rows, size_t n, kept_list **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t bytes = n * row_bytes(q);
    bool is_copied = is_worth_copying(n, whole->n) && draw(narrowing->budget, bytes);
    kept_list *kept = NULL;

    bytes = is_copied ? bytes : 0;
    st = qv__new((void **) &kept, 1, sizeof *kept + bytes, err);
    if (st != QV_OK) {
        give_back(narrowing->budget, bytes);
        return st;
    }
    kept->bytes = bytes;
    kept->list = (qv__narrowed_list){ .n_passing = n, .codes = *whole };
    if (is_copied) {
        kept->list.codes = (qv__code_list){ .n = n };
        QV_CHECK(copy_codes(q, whole, rows, kept, err));
    }
    *out = kept;
    kept = NULL;
done:
    list_free(narrowing, kept);
    return st;
}

static qv_status make_list(qv__narrowed *narrowed, size_t number, kept_list **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_segment *segment = (qv__vector_segment *) narrowed->opened->segment;
    uint32_t *rows = NULL;
    qv__code_list whole;

    QV_CHECK(qv__vector_segment_list(segment, number, &whole, err));
    QV_CHECK(QV_NEW(&rows, whole.n + 1, err));
    size_t n = passing_rows(&narrowed->mask, &whole, rows);
    QV_CHECK(narrow(narrowed->narrowing, qv__vector_segment_model(segment)->quantizer, &whole, rows, n, out, err));
done:
    qv__free(rows);
    return st;
}

qv_status qv__narrowed_list_of(qv__narrowed *narrowed, size_t number, const qv__narrowed_list **out, qv_error *err)
{
    _Atomic(kept_list *) *slot = &narrowed->lists[number];
    kept_list *kept = atomic_load_explicit(slot, memory_order_acquire), *made = NULL;

    if (!kept) {
        QV_TRY(make_list(narrowed, number, &made, err));
        if (made->list.n_passing == 0) /* before others can see the list */
            atomic_store_explicit(&narrowed->is_empty[number], true, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(slot, &kept, made, memory_order_acq_rel, memory_order_acquire))
            kept = made;
        else
            list_free(narrowed->narrowing, made); /* another thread was faster */
    }
    *out = &kept->list;
    return QV_OK;
}

size_t qv__narrowed_put_off(const qv__narrowed *narrowed, float *distances)
{
    size_t n = qv__vector_segment_model((qv__vector_segment *) narrowed->opened->segment)->n_lists, left = n;

    for (size_t i = 0; i < n; i++)
        if (atomic_load_explicit(&narrowed->is_empty[i], memory_order_relaxed)) {
            distances[i] = INFINITY;
            left--;
        }
    return left;
}

/* ------------------------------------------------------------------ segments */

static void narrowed_free(qv__narrowed *narrowed)
{
    if (!narrowed)
        return;
    size_t n = qv__vector_segment_model((qv__vector_segment *) narrowed->opened->segment)->n_lists;
    for (size_t i = 0; narrowed->lists && i < n; i++)
        list_free(narrowed->narrowing, atomic_load_explicit(&narrowed->lists[i], memory_order_relaxed));
    qv__free((void *) narrowed->lists);
    qv__free((void *) narrowed->is_empty);
    qv__free(narrowed->spans);
    qv__free(narrowed->bits);
    qv__open_segment_unref(narrowed->opened);
    qv__free(narrowed);
}

static qv__narrowed *find(qv__narrowed *head, const qv__open_segment *opened)
{
    while (head && head->opened != opened)
        head = head->next;
    return head;
}

qv__narrowed *qv__narrowed_find(qv__narrowing *narrowing, const qv__open_segment *opened)
{
    return find(atomic_load_explicit(&narrowing->segments, memory_order_acquire), opened);
}

static qv_status new_narrowed(qv__narrowing *narrowing, qv__open_segment *opened, qv__narrowed **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = qv__vector_segment_model((qv__vector_segment *) opened->segment)->n_lists;
    qv__narrowed *made;

    QV_TRY(QV_NEW(&made, 1, err));
    made->narrowing = narrowing;
    made->opened = (qv__open_segment *) qv__owner_ref(&opened->owner);
    made->mask = *narrowing->mask;
    QV_CHECK(QV_NEW(&made->lists, n, err));
    QV_CHECK(QV_NEW(&made->is_empty, n, err));
    *out = made;
    made = NULL;
done:
    narrowed_free(made);
    return st;
}

qv_status qv__narrowed_add(qv__narrowing *narrowing, qv__open_segment *opened, const qv__key_mask *own, uint8_t *bits,
                           qv__narrowed **out, qv_error *err)
{
    qv__narrowed *made = NULL, *head = atomic_load_explicit(&narrowing->segments, memory_order_acquire);

    qv_status st = new_narrowed(narrowing, opened, &made, err);
    if (st != QV_OK) {
        qv__free(own ? (void *) own->spans : NULL);
        qv__free(bits);
        return st;
    }
    if (own) {
        made->mask = *own;
        made->spans = (qv__key_span *) own->spans;
        made->bits = bits;
    }
    do {
        if ((*out = find(head, opened)) != NULL) {
            narrowed_free(made);
            return QV_OK;
        }
        made->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&narrowing->segments, &head, made, memory_order_acq_rel,
                                                    memory_order_acquire));
    *out = made;
    return QV_OK;
}

const qv__key_mask *qv__narrowed_mask(const qv__narrowed *narrowed) { return &narrowed->mask; }

/* ------------------------------------------------------------------ a mask */

qv_status qv__narrowing_new(const qv__key_mask *mask, atomic_size_t *budget, qv__narrowing **out, qv_error *err)
{
    QV_TRY(QV_NEW(out, 1, err));
    (*out)->mask = mask;
    (*out)->budget = budget;
    return QV_OK;
}

void qv__narrowing_free(qv__narrowing *narrowing)
{
    if (!narrowing)
        return;
    for (qv__narrowed *s = atomic_load_explicit(&narrowing->segments, memory_order_relaxed), *next; s; s = next) {
        next = s->next;
        narrowed_free(s);
    }
    qv__free(narrowing);
}

/* Where vectors lie. Candidates of an index are measured by the thousand, so a row's vector must be a pointer away: where a fragment's
 * column lies bare in its file, its pages are found once and kept beside the snapshot. They are pointers into the mapping: nothing is
 * read before it is measured.
 *
 * What is kept: a list of such columns, masks of live rows (mask.c), plans of the indices over them, and what conditions chose (chosen.c),
 * hung up at the snapshot's slot. Lists grow at the head by compare-and-swap and are freed with the snapshot; who comes second drops its
 * own. */
#include <stdlib.h>

#include "base/alloc.h"
#include "query/stages.h"

/* ------------------------------------------------------------------ what a snapshot keeps */

/* Rows [row, row + n) of a fragment. */
typedef struct stretch {
    uint64_t row, n;
    qv__vector_run run;
} stretch;

typedef struct lying { /* one fragment */
    bool is_bare;      /* all of it; else rows are read */
    size_t n, capacity;
    stretch *items;
} lying;

struct qv__vector_places {
    qv__vector_places *next;
    int32_t field;
    size_t n;
    qv__numbered *by_id; /* ascending */
    _Atomic(lying *) *fragments;
    _Atomic(qv__signs *) *signs;
};

/* The plan for what was asked for. */
typedef struct kept_plan {
    struct kept_plan *next;
    int32_t field;
    char *name; /* NULL: any */
    qv_metric metric;
    size_t dim;
    qv__vector_plan *plan;
} kept_plan;

typedef struct kept {
    qv__owner owner;
    _Atomic(qv__vector_places *) places;
    _Atomic(kept_plan *) plans;
    qv__mask_list live; /* masks of all live rows */
    qv__choices choices;
} kept;

static void lying_free(lying *l)
{
    for (size_t i = 0; l && i < l->n; i++)
        qv__vector_run_free(&l->items[i].run);
    if (l)
        qv__free(l->items);
    qv__free(l);
}

static void places_free(qv__vector_places *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->fragments && i < p->n; i++)
        lying_free(atomic_load_explicit(&p->fragments[i], memory_order_relaxed));
    for (size_t i = 0; p->signs && i < p->n; i++)
        qv__signs_free(atomic_load_explicit(&p->signs[i], memory_order_relaxed));
    qv__free((void *) p->signs);
    qv__free((void *) p->fragments);
    qv__free(p->by_id);
    qv__free(p);
}

static void kept_plan_free(kept_plan *k)
{
    if (!k)
        return;
    qv__vector_plan_free(k->plan);
    qv__free(k->name);
    qv__free(k);
}

static void kept_destroy(qv__owner *owner)
{
    kept *k = (kept *) owner;

    for (qv__vector_places *p = atomic_load(&k->places), *next; p; p = next) {
        next = p->next;
        places_free(p);
    }
    for (kept_plan *p = atomic_load(&k->plans), *next; p; p = next) {
        next = p->next;
        kept_plan_free(p);
    }
    qv__mask_list_clear(&k->live);
    qv__choices_clear(&k->choices);
    qv__free(k);
}

static qv_status kept_of(qv__snapshot *snapshot, kept **out, qv_error *err)
{
    _Atomic(qv__owner *) *slot = qv__snapshot_query_slot(snapshot);
    qv__owner *found = atomic_load_explicit(slot, memory_order_acquire);
    kept *made;

    if (!found) {
        QV_TRY(QV_NEW(&made, 1, err));
        qv__owner_init(&made->owner, kept_destroy);
        qv__choices_init(&made->choices);
        if (atomic_compare_exchange_strong_explicit(slot, &found, &made->owner, memory_order_acq_rel,
                                                    memory_order_acquire))
            found = &made->owner;
        else
            qv__owner_unref(&made->owner);
    }
    *out = (kept *) found;
    return QV_OK;
}

/* ------------------------------------------------------------------ columns */

static int by_id(const void *a, const void *b)
{
    const qv__numbered *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

qv_status qv__fragments_by_id(const qv__snapshot *snapshot, qv__numbered **out, qv_error *err)
{
    size_t n = qv__snapshot_n_fragments(snapshot);
    qv__numbered *order = NULL;

    QV_TRY(QV_NEW(&order, QV_MAX(n, 1), err));
    for (size_t f = 0; f < n; f++)
        order[f] = (qv__numbered){ qv__snapshot_fragment(snapshot, f)->id, f };
    qsort(order, n, sizeof *order, by_id);
    *out = order;
    return QV_OK;
}

static qv_status new_places(qv__snapshot *snapshot, int32_t field, qv__vector_places **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_places *p = NULL;

    QV_CHECK(QV_NEW(&p, 1, err));
    p->field = field;
    p->n = qv__snapshot_n_fragments(snapshot);
    QV_CHECK(qv__fragments_by_id(snapshot, &p->by_id, err));
    QV_CHECK(QV_NEW(&p->fragments, QV_MAX(p->n, 1), err));
    QV_CHECK(QV_NEW(&p->signs, QV_MAX(p->n, 1), err));
    *out = p;
    p = NULL;
done:
    places_free(p);
    return st;
}

static qv__vector_places *find_places(qv__vector_places *p, int32_t field)
{
    while (p && p->field != field)
        p = p->next;
    return p;
}

qv_status qv__vector_places_of(qv__snapshot *snapshot, const qv__vector_column *column, qv__vector_places **out,
                               qv_error *err)
{
    qv__vector_places *made;
    kept *k;

    QV_TRY(kept_of(snapshot, &k, err));
    qv__vector_places *head = atomic_load_explicit(&k->places, memory_order_acquire);
    if ((*out = find_places(head, column->leaf->id)) != NULL)
        return QV_OK;
    QV_TRY(new_places(snapshot, column->leaf->id, &made, err));
    do {
        if ((*out = find_places(head, column->leaf->id)) != NULL) {
            places_free(made);
            return QV_OK;
        }
        made->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&k->places, &head, made, memory_order_acq_rel, memory_order_acquire));
    *out = made;
    return QV_OK;
}

/* Ids mostly ascend by one from fragment to fragment: then the first guess is right. */
bool qv__vector_places_fragment(const qv__vector_places *places, uint64_t id, size_t *fragment)
{
    size_t low = 0, high = places->n;

    if (places->n == 0 || id < places->by_id[0].id)
        return false;
    uint64_t guess = id - places->by_id[0].id;
    if (guess < places->n && places->by_id[guess].id == id) {
        *fragment = places->by_id[guess].fragment;
        return true;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->by_id[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == places->n || places->by_id[low].id != id)
        return false;
    *fragment = places->by_id[low].fragment;
    return true;
}

/* ------------------------------------------------------------------ fragments */

/* Pages that follow one another in the file become one stretch. */
static bool extend(stretch *last, qv__vector_run *run)
{
    if (last->run.validity || run->validity || last->run.stride != run->stride ||
        last->run.data + last->n * run->stride != run->data || last->run.keep[0].owner != run->keep[0].owner)
        return false;
    last->n += run->rows;
    qv__vector_run_free(run);
    return true;
}

static qv_status find_stretches(qv__fragment_column *from, uint64_t rows, lying *out, qv_error *err)
{
    for (uint64_t row = 0; row < rows;) {
        qv__vector_run run = { 0 };
        QV_TRY(qv__fragment_column_bare_vectors(from, row, rows - row, &run, err));
        if (run.rows == 0)
            return QV_OK;
        uint64_t n = run.rows;
        if (out->n == 0 || !extend(&out->items[out->n - 1], &run)) {
            qv_status st = QV_GROW(&out->items, &out->capacity, out->n + 1, err);
            if (st != QV_OK) {
                qv__vector_run_free(&run);
                return st;
            }
            out->items[out->n++] = (stretch){ row, n, run };
        }
        row += n;
    }
    out->is_bare = true;
    return QV_OK;
}

static qv_status new_lying(qv__snapshot *snapshot, const qv__vector_column *column, size_t fragment, lying **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__fragment_column *from = NULL;
    lying *l = NULL;

    QV_CHECK(QV_NEW(&l, 1, err));
    if (column->read.depth == 0 && !column->is_multi) {
        QV_CHECK(qv__fragment_column_open(snapshot, fragment, qv__read_field(&column->read), &from, err));
        QV_CHECK(find_stretches(from, qv__snapshot_fragment(snapshot, fragment)->physical_rows, l, err));
    }
    *out = l;
    l = NULL;
done:
    qv__fragment_column_free(from);
    lying_free(l);
    return st;
}

static qv_status lying_of(qv__vector_places *places, qv__snapshot *snapshot, const qv__vector_column *column,
                          size_t fragment, const lying **out, qv_error *err)
{
    _Atomic(lying *) *slot = &places->fragments[fragment];
    lying *found = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!found) {
        QV_TRY(new_lying(snapshot, column, fragment, &found, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, found, memory_order_acq_rel, memory_order_acquire)) {
            lying_free(found);
            found = other;
        }
    }
    *out = found;
    return QV_OK;
}

static const stretch *stretch_of(const lying *l, uint64_t row)
{
    size_t low = 0, high = l->n;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (l->items[middle].row <= row)
            low = middle;
        else
            high = middle;
    }
    return &l->items[low];
}

qv_status qv__vector_place(qv__vector_places *places, qv__snapshot *snapshot, const qv__vector_column *column,
                           const qv__location *at, const uint8_t **out, bool *found, qv_error *err)
{
    const lying *l;

    *out = NULL;
    QV_TRY(lying_of(places, snapshot, column, at->fragment, &l, err));
    *found = l->is_bare;
    if (!l->is_bare || l->n == 0)
        return QV_OK;
    const stretch *s = stretch_of(l, at->row);
    uint64_t row = at->row - s->row;
    if (!s->run.validity || qv__bit_get(s->run.validity, s->run.validity_offset + row))
        *out = s->run.data + row * s->run.stride;
    return QV_OK;
}

qv_status qv__signs_of_fragment(qv__vector_places *places, qv__snapshot *snapshot, const qv__vector_column *column,
                                size_t fragment, qv__job *job, const qv__signs **out, qv_error *err)
{
    _Atomic(qv__signs *) *slot = &places->signs[fragment];
    qv__signs *found = atomic_load_explicit(slot, memory_order_acquire), *other = NULL;

    if (!found) {
        QV_TRY(qv__signs_new(snapshot, column, fragment, job, &found, err));
        if (!atomic_compare_exchange_strong_explicit(slot, &other, found, memory_order_acq_rel, memory_order_acquire)) {
            qv__signs_free(found);
            found = other;
        }
    }
    *out = found;
    return QV_OK;
}

/* ------------------------------------------------------------------ what others keep */

qv_status qv__row_mask_of(qv__snapshot *snapshot, const bool *covered, bool by_address, const qv__row_mask **out,
                          qv_error *err)
{
    kept *k;

    QV_TRY(kept_of(snapshot, &k, err));
    return qv__mask_list_get(&k->live, snapshot, covered, NULL, by_address, NULL, out, err);
}

qv_status qv__choices_of(qv__snapshot *snapshot, qv__choices **out, qv_error *err)
{
    kept *k;

    QV_TRY(kept_of(snapshot, &k, err));
    *out = &k->choices;
    return QV_OK;
}

/* ------------------------------------------------------------------ plans */

static kept_plan *find_plan(kept_plan *p, const kept_plan *like)
{
    for (; p; p = p->next) {
        bool same_name = p->name && like->name ? strcmp(p->name, like->name) == 0 : p->name == like->name;
        if (same_name && p->field == like->field && p->metric == like->metric && p->dim == like->dim &&
            !qv__vector_plan_is_broken(p->plan))
            return p;
    }
    return NULL;
}

/* Hangs it up, or drops it for another thread's. */
static kept_plan *hang_up(kept *k, kept_plan *made)
{
    kept_plan *head = atomic_load_explicit(&k->plans, memory_order_acquire), *found;

    do {
        if ((found = find_plan(head, made)) != NULL) {
            kept_plan_free(made);
            return found;
        }
        made->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&k->plans, &head, made, memory_order_acq_rel, memory_order_acquire));
    return made;
}

/* *out NULL: no index answers, for that reason; that is not kept. */
static qv_status new_kept_plan(qv__snapshot *snapshot, const kept_plan *like, kept_plan **out, const char **reason,
                               qv_error *err)
{
    qv_status st = QV_OK;
    kept_plan *made = NULL;
    kept *k;

    QV_CHECK(QV_NEW(&made, 1, err));
    *made = *like;
    made->name = NULL;
    if (like->name && !(made->name = qv__strdup(like->name)))
        QV_CHECK(qv__fail_nomem(err, strlen(like->name)));
    QV_CHECK(qv__vector_plan_new(snapshot, made->field, made->name, made->metric, made->dim, &made->plan, reason, err));
    if (made->plan) {
        QV_CHECK(kept_of(snapshot, &k, err));
        *out = hang_up(k, made);
        made = NULL;
    }
done:
    kept_plan_free(made);
    return st;
}

qv_status qv__vector_plan_of(qv__snapshot *snapshot, int32_t field, const char *name, qv_metric metric, size_t dim,
                             qv__vector_plan **out, const char **reason, qv_error *err)
{
    const kept_plan like = { .field = field, .name = (char *) name, .metric = metric, .dim = dim };
    kept *k = (kept *) atomic_load_explicit(qv__snapshot_query_slot(snapshot), memory_order_acquire);
    kept_plan *found = k ? find_plan(atomic_load_explicit(&k->plans, memory_order_acquire), &like) : NULL;

    *out = NULL;
    *reason = NULL;
    if (!found)
        QV_TRY(new_kept_plan(snapshot, &like, &found, reason, err));
    if (found)
        *out = found->plan;
    return QV_OK;
}

/* What conditions chose of a version. A condition is worked out once: the searches that ask it again find its rows, the masks that indices
 * asked for, and what those found out about them (index/vector/narrowed.c), by the text alone. Another version has other rows, and starts with
 * nothing. What calls random() or now() is never kept.
 *
 * A version keeps few of them, and all together no more than BUDGET bytes of rows and copied codes: the one that was not asked for longest goes
 * first. Whoever still searches by it keeps it until then. */
#include <string.h>

#include "base/alloc.h"
#include "query/ann.h"

enum {
    BUDGET = 64 << 20,
    SPARE = BUDGET / 4, /* that a new condition finds free, for copies of codes */
};

/* ------------------------------------------------------------------ one condition */

static void chosen_destroy(qv__owner *owner)
{
    qv__chosen *c = (qv__chosen *) owner;

    qv__mask_list_clear(&c->masks);
    qv__matches_clear(&c->matches);
    atomic_fetch_add_explicit(&c->home->budget, c->bytes, memory_order_relaxed);
    qv__free(c->spelling);
    qv__free(c->text);
    qv__free(c);
}

void qv__chosen_unref(qv__chosen *chosen) { qv__owner_unref(chosen ? &chosen->owner : NULL); }

static bool is_asked(const qv__chosen *c, const qv__choosing *how)
{
    return c->no_index == how->no_index && c->fast_search == how->fast_search;
}

/* About what its rows take, as they are and as bits. */
static size_t bytes_of(const qv__matches *matches)
{
    size_t bytes = 0;

    for (size_t f = 0; f < matches->n_fragments; f++)
        if (matches->rows[f] && !roaring_bitmap_is_empty(matches->rows[f]))
            bytes += roaring_bitmap_portable_size_in_bytes(matches->rows[f]) +
                     qv__bitmap_bytes((uint64_t) roaring_bitmap_maximum(matches->rows[f]) + 1);
    return bytes;
}

/* ------------------------------------------------------------------ all of a version */

void qv__choices_init(qv__choices *choices)
{
    pthread_mutex_init(&choices->lock, NULL);
    atomic_init(&choices->budget, BUDGET);
}

void qv__choices_clear(qv__choices *choices)
{
    for (size_t i = 0; i < choices->n; i++)
        qv__chosen_unref(choices->items[i]);
    pthread_mutex_destroy(&choices->lock);
}

/* Under the lock. By spelling, or (NULL) by text. */
static qv__chosen *find(qv__choices *choices, const qv__choosing *how, const char *spelling, const char *text)
{
    for (size_t i = 0; i < choices->n; i++) {
        qv__chosen *c = choices->items[i];
        if (is_asked(c, how) && strcmp(spelling ? c->spelling : c->text, spelling ? spelling : text) == 0) {
            c->last_use = ++choices->now;
            qv__owner_ref(&c->owner);
            return c;
        }
    }
    return NULL;
}

static qv__chosen *look_up(qv__choices *choices, const qv__choosing *how, const char *spelling, const char *text)
{
    pthread_mutex_lock(&choices->lock);
    qv__chosen *found = find(choices, how, spelling, text);
    pthread_mutex_unlock(&choices->lock);
    return found;
}

qv_status qv__chosen_find(qv__snapshot *snapshot, const qv__choosing *how, qv__chosen **out, qv_error *err)
{
    qv__choices *choices;

    QV_TRY(qv__choices_of(snapshot, &choices, err));
    *out = look_up(choices, how, how->where, NULL);
    return QV_OK;
}

/* Under the lock: takes out what was not asked for longest. */
static qv__chosen *take_oldest(qv__choices *choices)
{
    size_t oldest = 0;

    for (size_t i = 1; i < choices->n; i++)
        if (choices->items[i]->last_use < choices->items[oldest]->last_use)
            oldest = i;
    qv__chosen *c = choices->items[oldest];
    choices->items[oldest] = choices->items[--choices->n];
    return c;
}

static bool draw(qv__choices *choices, size_t bytes)
{
    size_t left = atomic_load_explicit(&choices->budget, memory_order_relaxed);

    while (left >= bytes)
        if (atomic_compare_exchange_weak_explicit(&choices->budget, &left, left - bytes, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static bool is_full(qv__choices *choices, size_t bytes)
{
    return choices->n > 0 && (choices->n == QV_MOST_CHOICES ||
                              atomic_load_explicit(&choices->budget, memory_order_relaxed) < bytes + SPARE);
}

/* Keeps it, unless it is too large or another thread has kept the same meanwhile: *chosen is then that one. *gone: something else that had
 * to go first, so that this is to be tried again. */
static void try_to_keep(qv__choices *choices, const qv__choosing *how, qv__chosen **chosen, qv__chosen **gone)
{
    size_t bytes = bytes_of(&(*chosen)->matches);

    pthread_mutex_lock(&choices->lock);
    qv__chosen *other = find(choices, how, NULL, (*chosen)->text);
    *gone = !other && is_full(choices, bytes) ? take_oldest(choices) : NULL;
    if (!other && !*gone && draw(choices, bytes)) {
        (*chosen)->bytes = bytes;
        (*chosen)->last_use = ++choices->now;
        qv__owner_ref(&(*chosen)->owner);
        choices->items[choices->n++] = *chosen;
    }
    pthread_mutex_unlock(&choices->lock);
    if (other) {
        qv__chosen_unref(*chosen);
        *chosen = other;
    }
}

static void keep(qv__choices *choices, const qv__choosing *how, qv__chosen **chosen)
{
    qv__chosen *gone;

    do {
        try_to_keep(choices, how, chosen, &gone);
        qv__chosen_unref(gone);
    } while (gone);
}

/* ------------------------------------------------------------------ choosing */

/* The condition as its compiled form is printed. */
static qv_status print(const qv__program *program, char **out, qv_error *err)
{
    qv__buffer text;

    qv__buffer_init(&text, 64 << 20);
    qv_status st = qv__expr_print(program, program->root, &text, err);
    if (st == QV_OK)
        st = qv__buffer_append_zeros(&text, 1, err);
    if (st == QV_OK && !(*out = qv__strdup((const char *) text.data)))
        st = qv__fail_nomem(err, text.len);
    qv__buffer_free(&text);
    return st;
}

static qv_status work_out(qv__row_reader *reader, qv__filter *filter, qv__choices *choices, qv__job *job,
                          qv__chosen **out, qv_error *err)
{
    qv__chosen *c;

    QV_TRY(QV_NEW(&c, 1, err));
    qv__owner_init(&c->owner, chosen_destroy);
    c->home = choices;
    qv_status st = qv__filter_match(filter, reader, job, &c->matches, err);
    if (st != QV_OK) {
        qv__chosen_unref(c);
        return st;
    }
    *out = c;
    return QV_OK;
}

qv_status qv__chosen_new(qv__row_reader *reader, qv__filter *filter, const qv__choosing *how, bool is_kept,
                         qv__job *job, qv__chosen **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__choices *choices;
    qv__chosen *c = NULL;
    char *text = NULL;

    QV_TRY(qv__choices_of(reader->snapshot, &choices, err));
    is_kept = is_kept && filter->program && !filter->program->is_volatile;
    if (is_kept) {
        QV_TRY(print(filter->program, &text, err));
        *out = look_up(choices, how, NULL, text);
        if (*out)
            goto done;
    }
    QV_CHECK(work_out(reader, filter, choices, job, &c, err));
    if (is_kept) {
        c->no_index = how->no_index;
        c->fast_search = how->fast_search;
        c->text = text;
        text = NULL;
        c->spelling = qv__strdup(how->where);
        if (!c->spelling)
            QV_CHECK(qv__fail_nomem(err, strlen(how->where)));
        keep(choices, how, &c);
    }
    *out = c;
    c = NULL;
done:
    qv__chosen_unref(c);
    qv__free(text);
    return st;
}

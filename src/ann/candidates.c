/* The best rows of a query. A reservoir takes up to twice what is asked for and is then cut by selection, so that a row costs constant
 * time; what lies above the threshold never gets in. With true distances at hand, rows wait until a block of them can be measured, the
 * most promising first: that is the order that measures fewest (Seidl, Kriegel 1998, with a short memory). */
#include <math.h>

#include "ann/ann.h"
#include "base/alloc.h"

enum {
    BLOCK = 32,    /* rows that are measured together */
    WAITING = 128, /* rows that wait at most */
    SLACK =
        16, /* the reservoir of true distances is cut when a 1/SLACK of it is too much: the threshold follows closely */
    SMALL = 16, /* spans that are sorted by insertion */
};

bool qv__key_mask_find(const qv__key_mask *mask, uint64_t key)
{
    size_t hint = 0;
    return qv__key_mask_has(mask, key, &hint);
}

/* ------------------------------------------------------------------ order */

static inline bool is_before(const qv__hit *a, const qv__hit *b)
{
    return a->distance < b->distance || (a->distance == b->distance && a->id < b->id);
}

static inline void swap(qv__hit *a, qv__hit *b)
{
    qv__hit hit = *a;
    *a = *b;
    *b = hit;
}

static void sort_small(qv__hit *hits, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        qv__hit hit = hits[i];
        size_t at = i;
        for (; at > 0 && is_before(&hit, &hits[at - 1]); at--)
            hits[at] = hits[at - 1];
        hits[at] = hit;
    }
}

/* The middle one of three hits at places that no order of input foresees. */
static qv__hit pivot_of(const qv__hit *hits, size_t n, uint64_t *random)
{
    qv__hit at[3];

    for (size_t i = 0; i < 3; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        at[i] = hits[(*random >> 33) % n];
    }
    sort_small(at, 3);
    return at[1];
}

/* Splits in two (Hoare): none of hits[0, result) is after any of the rest. Neither part is empty. */
static size_t split(qv__hit *hits, size_t n, uint64_t *random)
{
    qv__hit pivot = pivot_of(hits, n, random);
    size_t low = 0, high = n - 1;

    for (;; low++, high--) {
        while (is_before(&hits[low], &pivot))
            low++;
        while (is_before(&pivot, &hits[high]))
            high--;
        if (low >= high)
            break;
        swap(&hits[low], &hits[high]);
    }
    return low > 0 ? low : 1;
}

/* Puts the `n_first` first of n hits before the others. */
static void select_first(qv__hit *hits, size_t n, size_t n_first)
{
    uint64_t random = n;

    while (n > SMALL && n_first > 0 && n_first < n) {
        size_t n_left = split(hits, n, &random);
        if (n_first <= n_left) {
            n = n_left;
        } else {
            hits += n_left;
            n -= n_left;
            n_first -= n_left;
        }
    }
    if (n_first > 0 && n_first < n)
        sort_small(hits, n);
}

static void sort(qv__hit *hits, size_t n)
{
    uint64_t random = n;

    while (n > SMALL) {
        size_t n_left = split(hits, n, &random), n_right = n - n_left;
        /* the smaller part by a call, so that calls nest only logarithmically */
        sort(n_left < n_right ? hits : hits + n_left, QV_MIN(n_left, n_right));
        hits = n_left < n_right ? hits + n_left : hits;
        n = QV_MAX(n_left, n_right);
    }
    sort_small(hits, n);
}

/* ------------------------------------------------------------------ the reservoir */

static float worst_of(const qv__hit *hits, size_t n)
{
    float worst = -INFINITY;
    for (size_t i = 0; i < n; i++)
        worst = hits[i].distance > worst ? hits[i].distance : worst;
    return worst;
}

/* Leaves the best `capacity` of the reservoir, and lets the threshold fall to the worst of them. */
static void cut(qv__candidates *candidates)
{
    if (candidates->n < candidates->capacity)
        return;
    select_first(candidates->hits, candidates->n, candidates->capacity);
    candidates->n = candidates->capacity;
    candidates->threshold = fminf(candidates->threshold, worst_of(candidates->hits, candidates->n));
}

/* `distance` is not NaN. An upper bound of infinity is none, so infinity itself is kept. */
static void keep(qv__candidates *candidates, float distance, uint64_t key)
{
    if (distance < candidates->lower || (distance >= candidates->upper && candidates->upper < INFINITY))
        return;
    candidates->hits[candidates->n++] = (qv__hit){ distance, key };
    if (candidates->n == candidates->room || candidates->n == candidates->capacity)
        cut(candidates);
}

/* ------------------------------------------------------------------ true distances */

/* Measures the most promising rows of those that wait; forgets those above the threshold. */
static void measure_block(qv__candidates *candidates)
{
    size_t n = QV_MIN(candidates->n_waiting, BLOCK), n_left = 0;
    uint64_t keys[BLOCK];
    float distances[BLOCK];

    select_first(candidates->waiting, candidates->n_waiting, n);
    for (size_t i = 0; i < n; i++)
        keys[i] = candidates->waiting[i].id;
    candidates->exact->distances(candidates->exact->ctx, candidates->query, keys, n, distances);
    candidates->measured += n;
    for (size_t i = 0; i < n; i++)
        if (distances[i] <= candidates->threshold)
            keep(candidates, distances[i], keys[i]);
    if (candidates->n > candidates->capacity &&
        candidates->n - candidates->capacity >= (candidates->capacity + SLACK - 1) / SLACK)
        cut(candidates);
    for (size_t i = n; i < candidates->n_waiting; i++)
        if (candidates->waiting[i].distance <= candidates->threshold)
            candidates->waiting[n_left++] = candidates->waiting[i];
    candidates->n_waiting = n_left;
}

static void wait_for_measure(qv__candidates *candidates, float least, uint64_t key)
{
    candidates->waiting[candidates->n_waiting++] = (qv__hit){ least, key };
    if (candidates->n_waiting >= (candidates->n < candidates->capacity ? WAITING : BLOCK))
        measure_block(candidates);
}

/* ------------------------------------------------------------------ the door */

qv_status qv__candidates_init(qv__candidates *candidates, size_t capacity, const qv__exact *exact, size_t query,
                              const qv__key_mask *mask, qv_error *err)
{
    *candidates = (qv__candidates){
        .threshold = capacity > 0 ? INFINITY : -INFINITY,
        .capacity = capacity,
        .exact = exact,
        .query = query,
        .mask = mask,
        .lower = -INFINITY,
        .upper = INFINITY,
    };
    if (capacity > SIZE_MAX / 4)
        return qv__fail_nomem(err, SIZE_MAX);
    candidates->room = QV_MAX(2 * capacity, capacity + SMALL);
    QV_TRY(QV_NEW(&candidates->hits, candidates->room, err));
    if (!exact)
        return QV_OK;
    qv_status st = QV_NEW(&candidates->waiting, WAITING, err);
    if (st != QV_OK)
        qv__candidates_clear(candidates);
    return st;
}

void qv__candidates_offer(qv__candidates *candidates, float estimate, float least, uint64_t key)
{
    if (candidates->upper < candidates->threshold)
        candidates->threshold = candidates->upper;
    if (!(least <= candidates->threshold)) /* NaN too */
        return;
    candidates->offered++;
    if (!candidates->exact && !(estimate <= candidates->threshold))
        return;
    if (!qv__key_mask_has(candidates->mask, key, &candidates->mask_hint))
        return;
    if (candidates->exact)
        wait_for_measure(candidates, least, key);
    else
        keep(candidates, estimate, key);
}

void qv__candidates_offer_block(qv__candidates *candidates, const float *estimates, const float *least,
                                const uint64_t *keys, uint64_t passing)
{
    for (; passing; passing &= passing - 1) {
        unsigned i = (unsigned) __builtin_ctzll(passing);
        qv__candidates_offer(candidates, estimates[i], least[i], keys[i]);
    }
}

size_t qv__candidates_finish(qv__candidates *candidates, const qv__hit **hits)
{
    while (candidates->n_waiting > 0)
        measure_block(candidates);
    cut(candidates);
    sort(candidates->hits, candidates->n);
    *hits = candidates->hits;
    return candidates->n;
}

void qv__candidates_clear(qv__candidates *candidates)
{
    qv__free(candidates->hits);
    qv__free(candidates->waiting);
    *candidates = (qv__candidates){ .threshold = -INFINITY };
}

/* The best rows of a query. A reservoir takes up to twice what is asked for and is then cut by selection, so that a row costs constant
 * time; what lies above the threshold never gets in. With true distances at hand rows wait, and are measured with the most promising first,
 * until what is left can be no better than what was found: that is the order that measures fewest (Seidl, Kriegel 1998). Rows whose
 * distances are known from above as well need not be measured for the threshold to fall. */
#include <math.h>
#include <string.h>

#include "ann/ann.h"
#include "base/alloc.h"

enum {
    BLOCK = 32,    /* rows that are measured together */
    EAGER = 128,   /* rows of which only a lower bound is known wait in such numbers until there is a threshold */
    WAITING = 768, /* rows for whose waiting there is room, at least */
    SETTLED = 32,  /* rows that are looked at closely between lists */
    SLACK =
        16, /* the reservoir of true distances is cut when a 1/SLACK of it is too much: the threshold follows closely */
    SAMPLE = 15,
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

/* ------------------------------------------------------------------ rows that wait */

/* Copies the ids of up to a block of rows that wait. */
static size_t ids_of(const qv__waiting *waiting, size_t from, size_t end, uint64_t *ids)
{
    size_t n = QV_MIN(end - from, BLOCK);

    for (size_t i = 0; i < n; i++)
        ids[i] = waiting->rows[from + i].id;
    return n;
}

/* Puts the rows of at most `most` before the others, and counts them. No branch depends on a distance: half of them would be taken. */
static size_t part(qv__hit *rows, size_t n, float most)
{
    size_t n_first = 0;

    for (size_t i = 0; i < n; i++) {
        qv__hit row = rows[i];
        rows[i] = rows[n_first];
        rows[n_first] = row;
        n_first += row.distance <= most;
    }
    return n_first;
}

/* Puts about `n_wanted` of n rows, the most promising ones, before the others, and counts them: at least one, if there is any. Where to part
 * them is told by a sample. */
static size_t promising(qv__hit *rows, size_t n, size_t n_wanted)
{
    qv__hit sample[SAMPLE];

    if (n <= n_wanted)
        return n;
    if (n <= SAMPLE) {
        sort_small(rows, n);
        return n_wanted;
    }
    for (size_t i = 0; i < SAMPLE; i++)
        sample[i] = rows[i * n / SAMPLE];
    sort_small(sample, SAMPLE);
    return part(rows, n, sample[n_wanted * SAMPLE / n].distance);
}

/* Forgets rows [from, from + n_done), and those behind them that are above the threshold by now. */
static void forget(qv__waiting *waiting, size_t from, size_t n_done, float threshold)
{
    size_t n_left = from;

    for (size_t i = from + n_done; i < waiting->n; i++) {
        waiting->rows[n_left] = waiting->rows[i];
        n_left += waiting->rows[i].distance <= threshold;
    }
    waiting->n = n_left;
    waiting->n_settled = QV_MIN(waiting->n_settled, n_left);
}

/* A row is at most this far away. When that holds for `capacity` rows, none beyond the worst of them is of interest. */
static void limit_by(qv__candidates *candidates, qv__topk *sure, float most)
{
    if (sure->n == sure->k && !(most < sure->heap[0].distance))
        return;
    qv__topk_push(sure, most, 0);
    if (most < candidates->nearest)
        candidates->nearest = most;
    if (sure->n == sure->k && sure->heap[0].distance < candidates->threshold)
        candidates->threshold = sure->heap[0].distance;
}

/* ------------------------------------------------------------------ true distances */

static void fetch_block(const qv__candidates *candidates, const uint64_t *keys, size_t n)
{
    if (n > 0 && candidates->exact->fetch)
        candidates->exact->fetch(candidates->exact->ctx, keys, n);
}

static void measure_block(qv__candidates *candidates, const uint64_t *keys, size_t n)
{
    float distances[BLOCK];

    candidates->exact->distances(candidates->exact->ctx, candidates->query, keys, n, distances);
    candidates->measured += n;
    for (size_t i = 0; i < n; i++)
        if (distances[i] <= candidates->threshold)
            keep(candidates, distances[i], keys[i]);
    if (candidates->n > candidates->capacity &&
        candidates->n - candidates->capacity >= (candidates->capacity + SLACK - 1) / SLACK)
        cut(candidates);
}

typedef void (*fetch_fn)(const qv__candidates *candidates, const uint64_t *ids, size_t n);
typedef void (*block_fn)(qv__candidates *candidates, const uint64_t *ids, size_t n);

/* Works on rows [from, from + n) that wait, each block while the next one is fetched. They go, and with them those behind that are above the
 * threshold. */
static void do_blocks(qv__candidates *candidates, qv__waiting *waiting, size_t from, size_t n, fetch_fn fetch,
                      block_fn work)
{
    uint64_t ids[2][BLOCK] = { 0 };

    size_t here = ids_of(waiting, from, from + n, ids[0]);
    fetch(candidates, ids[0], here);
    for (size_t at = from, side = 0; here > 0; side = !side) {
        size_t next = ids_of(waiting, at + here, from + n, ids[!side]);
        fetch(candidates, ids[!side], next);
        work(candidates, ids[side], here);
        at += here;
        here = next;
    }
    forget(waiting, from, n, candidates->threshold);
}

static void measure_rows(qv__candidates *candidates, size_t from, size_t n)
{
    do_blocks(candidates, &candidates->waiting, from, n, fetch_block, measure_block);
}

/* `limit`: rows that wait before some are measured. */
static void wait_for_measure(qv__candidates *candidates, float least, uint64_t key, size_t limit)
{
    qv__waiting *waiting = &candidates->waiting;

    waiting->rows[waiting->n++] = (qv__hit){ least, key };
    if (waiting->n < limit)
        return;
    if (limit > EAGER)
        forget(waiting, 0, 0, candidates->threshold);
    if (waiting->n > limit / 2)
        measure_rows(candidates, 0, promising(waiting->rows, waiting->n, QV_MAX(limit / 4, BLOCK)));
}

/* ------------------------------------------------------------------ better bounds */

static void fetch_bounds(const qv__candidates *candidates, const uint64_t *places, size_t n)
{
    if (n > 0)
        candidates->finer->fetch(candidates->finer->ctx, places, n);
}

static void refine_block(qv__candidates *candidates, const uint64_t *places, size_t n)
{
    float least[BLOCK], most[BLOCK];
    uint64_t keys[BLOCK];

    candidates->finer->bounds(candidates->finer->ctx, places, n, least, most, keys);
    for (size_t i = 0; i < n; i++) {
        if (!(least[i] <= candidates->threshold))
            continue;
        if (least[i] >= candidates->lower) /* else it may be too near to count */
            limit_by(candidates, &candidates->waiting.sure, most[i]);
        wait_for_measure(candidates, least[i], keys[i], candidates->waiting.room);
    }
}

static void refine_rows(qv__candidates *candidates, size_t from, size_t n)
{
    do_blocks(candidates, &candidates->rough, from, n, fetch_bounds, refine_block);
}

/* Halves, and halves of what is left: rows need not be sorted to be looked at about in their order. */
static size_t next_part(const qv__waiting *waiting)
{
    return promising(waiting->rows, waiting->n, QV_MAX(waiting->n / 2, BLOCK));
}

void qv__candidates_refine(qv__candidates *candidates)
{
    forget(&candidates->rough, 0, 0, candidates->threshold);
    while (candidates->rough.n > 0)
        refine_rows(candidates, 0, next_part(&candidates->rough));
}

/* ------------------------------------------------------------------ the door */

static qv_status waiting_init(qv__waiting *waiting, size_t capacity, qv_error *err)
{
    qv__hit *sure;

    waiting->room = QV_MAX(2 * capacity, WAITING);
    waiting->rows = qv__alloc(waiting->room, sizeof *waiting->rows); /* most of it is seldom touched: not zeroed */
    if (!waiting->rows)
        return qv__fail_nomem(err, waiting->room * sizeof *waiting->rows);
    QV_TRY(QV_NEW(&sure, QV_MAX(capacity, 1), err));
    qv__topk_init(&waiting->sure, capacity, sure, NULL, NULL);
    return QV_OK;
}

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
        .nearest = INFINITY,
    };
    if (capacity > SIZE_MAX / 4)
        return qv__fail_nomem(err, SIZE_MAX);
    candidates->room = QV_MAX(2 * capacity, capacity + SMALL);
    QV_TRY(QV_NEW(&candidates->hits, candidates->room, err));
    if (!exact)
        return QV_OK;
    qv_status st = waiting_init(&candidates->waiting, capacity, err);
    if (st == QV_OK)
        st = waiting_init(&candidates->rough, capacity, err);
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
        wait_for_measure(candidates, least, key, candidates->n < candidates->capacity ? EAGER : BLOCK);
    else
        keep(candidates, estimate, key);
}

/* Is a row of interest whose true distance lies between these bounds? */
static bool admit(qv__candidates *candidates, qv__topk *sure, float least, float most, uint64_t key)
{
    if (candidates->upper < candidates->threshold)
        candidates->threshold = candidates->upper;
    if (!(least <= candidates->threshold)) /* NaN too */
        return false;
    candidates->offered++;
    if (!qv__key_mask_has(candidates->mask, key, &candidates->mask_hint))
        return false;
    if (least >= candidates->lower) /* else it may be too near to count */
        limit_by(candidates, sure, most);
    return true;
}

void qv__candidates_offer_between(qv__candidates *candidates, float least, float most, uint64_t key)
{
    if (admit(candidates, &candidates->waiting.sure, least, most, key))
        wait_for_measure(candidates, least, key, candidates->waiting.room);
}

void qv__candidates_offer_rough(qv__candidates *candidates, const qv__finer *finer, float least, float most,
                                uint64_t place, uint64_t key)
{
    qv__waiting *rough = &candidates->rough;

    candidates->finer = finer;
    if (!admit(candidates, &rough->sure, least, most, key))
        return;
    rough->rows[rough->n++] = (qv__hit){ least, place };
    if (rough->n < rough->room)
        return;
    forget(rough, 0, 0, candidates->threshold);
    if (rough->n > rough->room / 2)
        refine_rows(candidates, 0, promising(rough->rows, rough->n, rough->room / 4));
}

void qv__candidates_offer_block(qv__candidates *candidates, const float *estimates, const float *least,
                                const uint64_t *keys, uint64_t passing)
{
    for (; passing; passing &= passing - 1) {
        unsigned i = (unsigned) __builtin_ctzll(passing);
        qv__candidates_offer(candidates, estimates[i], least[i], keys[i]);
    }
}

/* Rows that may be the nearest of all will be looked at whatever is found later. They are put before the others of those that came since:
 * they are few. */
static size_t settled(const qv__candidates *candidates, qv__waiting *waiting)
{
    qv__hit *rows = waiting->rows + waiting->n_settled;
    size_t n = waiting->n - waiting->n_settled, n_first = 0;

    for (size_t i = 0; i < n; i++)
        if (rows[i].distance <= candidates->nearest)
            swap(&rows[i], &rows[n_first++]);
    return promising(rows, n_first, SETTLED);
}

void qv__candidates_settle(qv__candidates *candidates)
{
    size_t n = settled(candidates, &candidates->rough);
    refine_rows(candidates, candidates->rough.n_settled, n);
    candidates->rough.n_settled = candidates->rough.n;
    n = settled(candidates, &candidates->waiting);
    measure_rows(candidates, candidates->waiting.n_settled, n);
    candidates->waiting.n_settled = candidates->waiting.n;
}

size_t qv__candidates_gather(qv__candidates *candidates, const qv__hit **hits)
{
    qv__candidates_refine(candidates);
    forget(&candidates->waiting, 0, 0, candidates->threshold);
    while (candidates->waiting.n > 0)
        measure_rows(candidates, 0, next_part(&candidates->waiting));
    cut(candidates);
    *hits = candidates->hits;
    return candidates->n;
}

size_t qv__candidates_finish(qv__candidates *candidates, const qv__hit **hits)
{
    size_t n = qv__candidates_gather(candidates, hits);

    sort(candidates->hits, n);
    return n;
}

static void waiting_clear(qv__waiting *waiting)
{
    qv__free(waiting->rows);
    qv__free(waiting->sure.heap);
}

void qv__candidates_clear(qv__candidates *candidates)
{
    qv__free(candidates->hits);
    waiting_clear(&candidates->rough);
    waiting_clear(&candidates->waiting);
    *candidates = (qv__candidates){ .threshold = -INFINITY };
}

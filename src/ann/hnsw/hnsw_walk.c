/* Walks over one level: greedy, and best first with a beam. Neighbours of a node are measured together, after all of them were asked for
 * from memory: a walk waits for memory most of its time. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "hnsw_private.h"

/* ------------------------------------------------------------------ nodes by distance */

qv_status qv__beam_reserve(qv__beam *beam, size_t width, qv_error *err)
{
    size_t n_words = width / 64 + 1;

    QV_TRY(QV_GROW(&beam->items, &beam->items_capacity, width + 1, err));
    QV_TRY(QV_GROW(&beam->open, &beam->open_capacity, n_words, err));
    memset(beam->open, 0, n_words * sizeof *beam->open);
    beam->n = 0;
    beam->width = width;
    return QV_OK;
}

/* How many items are not farther: a search without branches, since which way it goes cannot be foreseen. */
static size_t count_not_farther(const qv__beam *beam, float distance)
{
    const qv__near *base = beam->items;
    size_t n = beam->n;

    while (n > 1) {
        size_t half = n / 2;
        base += base[half - 1].distance <= distance ? half : 0;
        n -= half;
    }
    return (size_t) (base - beam->items) + (n == 1 && base->distance <= distance);
}

/* Moves the bits from `at` on up by one, and sets bit `at`. */
static void open_at(qv__beam *beam, size_t at)
{
    uint64_t *words = beam->open, below = (UINT64_C(1) << at % 64) - 1, word = words[at / 64], top = word >> 63;

    words[at / 64] = (word & below) | (word & ~below) << 1 | (below + 1);
    for (size_t i = at / 64 + 1; i <= beam->width / 64; i++) {
        word = words[i];
        words[i] = word << 1 | top;
        top = word >> 63;
    }
}

size_t qv__beam_insert(qv__beam *beam, float distance, uint32_t node)
{
    qv__near *items = beam->items;

    if (isnan(distance) || (beam->n == beam->width && !(distance < qv__beam_worst(beam))))
        return SIZE_MAX;
    size_t at = count_not_farther(beam, distance);
    beam->n -= beam->n == beam->width;
    memmove(items + at + 1, items + at, (beam->n - at) * sizeof *items);
    items[at] = (qv__near){ distance, node };
    beam->n++;
    open_at(beam, at);
    return at;
}

/* The first open item from `at` on, or n. */
static size_t next_open(const qv__beam *beam, size_t at)
{
    if (at >= beam->n)
        return beam->n;
    uint64_t word = beam->open[at / 64] & ~UINT64_C(0) << at % 64;
    for (at /= 64; word == 0;) {
        if (++at * 64 >= beam->n)
            return beam->n;
        word = beam->open[at];
    }
    return QV_MIN(at * 64 + (size_t) __builtin_ctzll(word), beam->n);
}

/* ------------------------------------------------------------------ scratch */

qv_status qv__hnsw_scratch_new(qv__hnsw_scratch **out, qv_error *err) { return QV_NEW(out, 1, err); }

void qv__hnsw_scratch_free(qv__hnsw_scratch *scratch)
{
    if (!scratch)
        return;
    qv__free(scratch->seen);
    qv__free(scratch->beam.items);
    qv__free(scratch->beam.open);
    qv__free(scratch->frontier);
    qv__free(scratch);
}

static qv_status make_room(qv__hnsw_scratch *scratch, size_t n_words, qv_error *err)
{
    uint64_t *seen = NULL;

    QV_TRY(QV_NEW(&seen, n_words, err));
    qv__free(scratch->seen);
    scratch->seen = seen;
    scratch->n_words = n_words;
    return QV_OK;
}

static void forget_seen(qv__hnsw_scratch *scratch)
{
    if (scratch->has_unlisted)
        memset(scratch->seen, 0, scratch->n_words * sizeof *scratch->seen);
    else
        for (size_t i = 0; i < scratch->n_listed; i++)
            scratch->seen[scratch->listed[i] / 64] = 0;
    scratch->n_listed = 0;
    scratch->has_unlisted = false;
}

qv_status qv__hnsw_scratch_begin(qv__hnsw_scratch *scratch, size_t n_nodes, size_t width, qv_error *err)
{
    size_t n_words = n_nodes / 64 + 1;

    forget_seen(scratch);
    if (n_words > scratch->n_words)
        QV_TRY(make_room(scratch, n_words, err));
    scratch->n_frontier = 0;
    return qv__beam_reserve(&scratch->beam, width, err);
}

size_t qv__hnsw_see(qv__hnsw_scratch *scratch, const qv__measure *measure, const uint32_t *list, size_t n,
                    uint32_t *fresh)
{
    uint64_t *seen = scratch->seen;
    size_t n_fresh = 0;

    for (size_t i = 0; i < n; i++) { /* without branches: half of them are new, in no order */
        uint64_t word = seen[list[i] / 64], bit = UINT64_C(1) << list[i] % 64;
        fresh[n_fresh] = list[i];
        n_fresh += !(word & bit);
        seen[list[i] / 64] = word | bit;
    }
    for (size_t i = 0; i < n_fresh; i++)
        qv__measure_fetch(measure, fresh[i]);
    if (scratch->n_listed + n_fresh > QV_HNSW_LISTED) {
        scratch->has_unlisted = true;
        return n_fresh;
    }
    memcpy(scratch->listed + scratch->n_listed, fresh, n_fresh * sizeof *fresh);
    scratch->n_listed += n_fresh;
    return n_fresh;
}

/* ------------------------------------------------------------------ walks */

void qv__hnsw_descend(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__near *at)
{
    float distances[QV_HNSW_CHUNK];
    uint32_t from, n;

    do {
        from = at->node;
        const uint32_t *list = qv__hnsw_list(view, level, from, &n);
        for (uint32_t i = 0; i < n; i += QV_HNSW_CHUNK) {
            uint32_t length = QV_MIN(n - i, QV_HNSW_CHUNK);
            for (uint32_t j = 0; j < length; j++)
                qv__measure_fetch(measure, list[i + j]);
            qv__measure_nodes(measure, list + i, length, distances);
            for (uint32_t j = 0; j < length; j++)
                if (distances[j] < at->distance)
                    *at = (qv__near){ distances[j], list[i + j] };
        }
    } while (at->node != from);
}

/* Measures what is new among the neighbours of a node. Returns which open item comes next: `next`, or one that was put before it. */
static size_t expand(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__hnsw_scratch *scratch,
                     uint32_t node, size_t next)
{
    uint32_t fresh[QV_HNSW_CHUNK], n;
    float distances[QV_HNSW_CHUNK];
    qv__beam *beam = &scratch->beam;
    const uint32_t *list = qv__hnsw_list(view, level, node, &n);

    for (uint32_t i = 0; i < n; i += QV_HNSW_CHUNK) {
        size_t n_fresh = qv__hnsw_see(scratch, measure, list + i, QV_MIN(n - i, QV_HNSW_CHUNK), fresh);
        qv__measure_nodes(measure, fresh, n_fresh, distances);
        for (size_t j = 0; j < n_fresh; j++) {
            if (distances[j] >= qv__beam_worst(beam)) /* most of them */
                continue;
            size_t place = qv__beam_insert(beam, distances[j], fresh[j]);
            if (place <= next) { /* the neighbours of this one come next */
                next = place;
                qv__hnsw_fetch(view, fresh[j]);
            }
        }
    }
    return next;
}

void qv__hnsw_walk_level(const qv__hnsw_view *view, unsigned level, qv__measure *measure, qv__hnsw_scratch *scratch,
                         qv__near start)
{
    qv__beam *beam = &scratch->beam;
    uint32_t seen[1];

    qv__hnsw_see(scratch, measure, &start.node, 1, seen);
    qv__beam_insert(beam, start.distance, start.node);
    for (size_t at = 0; at < beam->n;) {
        beam->open[at / 64] &= ~(UINT64_C(1) << at % 64);
        size_t next = next_open(beam, at + 1);
        if (next < beam->n) /* most often the one that comes next */
            qv__hnsw_fetch(view, beam->items[next].node);
        at = next_open(beam, expand(view, level, measure, scratch, beam->items[at].node, next));
    }
}

/* Searching a segment. Queries are taken in blocks: each ranks the lists, then all visits of a block go list by list, so that queries share
 * what was read; only the nearest list of each goes first, since good rows early make the rest cheap. Rounds follow with more lists for
 * queries that found too little. Which lists a query visits, and in which order, depends on nothing but the query. */
#include <math.h>
#include <stdlib.h>

#include "base/pool.h"
#include "index/vector/search.h"

#define BLOCK_QUERIES  32
#define RANKED_AT_ONCE 16
#define NEW_PART       25
#define PATIENCE       2
#define LEAST_NARROWED 10

/* ------------------------------------------------------------------ ranking */

typedef struct ranked {
    float distance;
    uint32_t list;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    return x->distance != y->distance ? (x->distance > y->distance) - (x->distance < y->distance)
                                      : (x->list > y->list) - (x->list < y->list);
}

static uint32_t bits_between(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    uint32_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n += (uint32_t) __builtin_popcount(a[i] ^ b[i]);
    return n;
}

/* There are few centroids of bits; all are sorted by inserting them among the n nearest. */
static void rank_bits(const qv__vector_model *model, const uint8_t *query, size_t n, uint32_t *lists, float *distances)
{
    size_t bytes = model->dim / 8, kept = 0;

    for (size_t i = 0; i < model->n_lists; i++) {
        const ranked one = { (float) bits_between(query, model->bit_centroids + i * bytes, bytes), (uint32_t) i };
        size_t at = kept < n ? kept++ : n;
        for (; at > 0; at--) {
            const ranked before = { distances[at - 1], lists[at - 1] };
            if (compare_ranked(&before, &one) < 0)
                break;
            if (at < n) {
                distances[at] = distances[at - 1];
                lists[at] = lists[at - 1];
            }
        }
        if (at < n) {
            distances[at] = one.distance;
            lists[at] = one.list;
        }
    }
}

/* ------------------------------------------------------------------ a block of queries */

typedef struct search {
    qv__vector_segment *segment;
    const qv__vector_model *model;
    const qv__vector_request *request;
    qv__narrowed *narrowed;     /* NULL: lists as they are stored */
    qv__candidates *candidates; /* of all queries */
    qv__probe_policy policy;
    size_t extra_floats, block;
    size_t ef;
    qv__vector_counters *counters; /* of each block */
} search;

typedef struct visit {
    uint32_t list, query; /* query: of the block */
    float distance;       /* to the centroid */
} visit;

typedef struct block {
    const search *s;
    size_t first, n; /* queries */
    qv__code_query *queries[BLOCK_QUERIES];
    qv__hnsw_scratch *scratch;
    float *distances; /* ranked lists of each query: n x room */
    uint32_t *lists;
    float *rank_scratch;
    size_t room;                  /* lists ranked per query */
    size_t ranked[BLOCK_QUERIES]; /* lists that are ranked for a query; fewer than room: no others have rows */
    size_t done[BLOCK_QUERIES];   /* of these, visited or known to have no rows */
    size_t seen[BLOCK_QUERIES];   /* visited */
    size_t wanted[BLOCK_QUERIES]; /* that have rows */
    float kept_to[BLOCK_QUERIES]; /* how far about the last of the rows wanted lay when that was looked at */
    unsigned patience[BLOCK_QUERIES];
    visit *visits;
    size_t n_visits, visit_capacity;
    qv__vector_counters *counters;
} block;

static void block_clear(block *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->queries[i])
            b->s->model->quantizer->class->query_free(b->queries[i]);
    qv__vector_segment_give_scratch(b->s->segment, b->scratch);
    qv__free(b->distances);
    qv__free(b->lists);
    qv__free(b->rank_scratch);
    qv__free(b->visits);
}

static const void *query_at(const search *s, size_t query)
{
    bool is_bits = s->model->element == QV_EL_BITS;
    size_t bytes = is_bits ? s->model->dim / 8 : s->model->dim * sizeof(float);

    return (const uint8_t *) s->request->queries + query * bytes;
}

static bool is_dead(const qv__candidates *candidates) { return candidates->capacity == 0; }

/* all: the query's distances to all centroids, in scratch memory. */
static void rank_one(block *b, size_t query, float *all)
{
    const search *s = b->s;
    const qv__vector_model *m = s->model;
    uint32_t *lists = b->lists + query * b->room;
    float *distances = b->distances + query * b->room;

    b->ranked[query] = b->room;
    if (m->element == QV_EL_BITS) {
        rank_bits(m, query_at(s, b->first + query), b->room, lists, distances);
        return;
    }
    if (s->narrowed) {
        b->ranked[query] = QV_MIN(qv__narrowed_put_off(s->narrowed, all), b->room);
        b->done[query] = b->seen[query]; /* those before it that had no rows are known by now */
    }
    qv__smallest(all, m->n_lists, b->ranked[query], lists, distances);
}

/* Centroids are read once for some queries. */
static void rank_some(block *b, size_t first, size_t n)
{
    const search *s = b->s;
    const qv__vector_model *m = s->model;

    if (m->element != QV_EL_BITS)
        qv__centroids_distances(m->ranking, query_at(s, b->first + first), n, b->rank_scratch);
    for (size_t i = 0; i < n; i++)
        if (!is_dead(&s->candidates[b->first + first + i]))
            rank_one(b, first + i, b->rank_scratch + i * m->n_lists);
}

/* Ranks `room` lists for every query of the block, or all that may have rows. */
static qv_status rank(block *b, size_t room, qv_error *err)
{
    qv__free(b->distances);
    qv__free(b->lists);
    b->distances = NULL;
    b->lists = NULL;
    QV_TRY(qv__new((void **) &b->distances, b->n, room * sizeof *b->distances, err));
    QV_TRY(qv__new((void **) &b->lists, b->n, room * sizeof *b->lists, err));
    b->room = room;
    for (size_t i = 0; i < b->n; i += RANKED_AT_ONCE)
        rank_some(b, i, QV_MIN(b->n - i, RANKED_AT_ONCE));
    return QV_OK;
}

static qv_status block_init(block *b, const search *s, size_t number, qv_error *err)
{
    const qv__quantizer *q = s->model->quantizer;

    *b = (block){ .s = s, .first = number * s->block, .counters = &s->counters[number] };
    size_t n = QV_MIN(s->block, s->request->n - b->first);
    for (; b->n < n; b->n++) {
        if (is_dead(&s->candidates[b->first + b->n]))
            continue;
        QV_TRY(q->class->query_new(q, query_at(s, b->first + b->n), &b->queries[b->n], err));
        if (s->model->kind->code == QV_CODE_RQ)
            qv__rabitq_set_fast(b->queries[b->n], s->request->mode == QV_APPROX_FAST);
    }
    if (s->model->kind->has_graph)
        QV_TRY(qv__vector_segment_take_scratch(s->segment, &b->scratch, err));
    QV_TRY(qv__new((void **) &b->rank_scratch, s->model->n_lists, QV_MIN(n, RANKED_AT_ONCE) * sizeof(float), err));
    return rank(b, s->narrowed ? QV_MIN(s->policy.most * 3 / 2 + LEAST_NARROWED, s->model->n_lists) : s->policy.most,
                err); /* more are ranked where lists may turn out to be empty */
}

/* ------------------------------------------------------------------ visits */

static int compare_visits(const void *a, const void *b)
{
    const visit *x = a, *y = b;

    return x->list != y->list ? (x->list > y->list) - (x->list < y->list)
                              : (x->query > y->query) - (x->query < y->query);
}

/* A list as the search reads it, and its rows that may match. */
static qv_status list_of(const search *s, size_t number, qv__code_list *list, size_t *n_passing, qv_error *err)
{
    const qv__narrowed_list *narrowed;

    if (!s->narrowed) {
        *n_passing = qv__vector_segment_list_rows(s->segment, number);
        return list ? qv__vector_segment_list(s->segment, number, list, err) : QV_OK;
    }
    QV_TRY(qv__narrowed_list_of(s->narrowed, number, &narrowed, err));
    *n_passing = narrowed->n_passing;
    if (list)
        *list = narrowed->codes;
    return QV_OK;
}

static qv_status add_visits(block *b, size_t query, size_t to, qv_error *err)
{
    for (size_t i = b->done[query]; i < QV_MIN(to, b->ranked[query]); i++) {
        const size_t at = query * b->room + i;
        size_t n_passing;
        QV_TRY(list_of(b->s, b->lists[at], NULL, &n_passing, err));
        if (!n_passing)
            continue;
        b->seen[query]++;
        QV_TRY(QV_GROW(&b->visits, &b->visit_capacity, b->n_visits + 1, err));
        b->visits[b->n_visits++] = (visit){ b->lists[at], (uint32_t) query, b->distances[at] };
    }
    b->done[query] = QV_MAX(b->done[query], to);
    return QV_OK;
}

/* How far down its ranking a query goes to come to n lists that have rows for it: under a condition there may be none near it. */
static qv_status reach(block *b, size_t query, size_t n, size_t *to, qv_error *err)
{
    const search *s = b->s;
    size_t n_passing;

    *to = n;
    if (!s->narrowed)
        return QV_OK;
    *to = b->done[query];
    for (size_t found = b->seen[query]; found < n;) {
        if (*to < b->ranked[query]) {
            QV_TRY(list_of(s, b->lists[query * b->room + *to], NULL, &n_passing, err));
            found += n_passing > 0;
            ++*to;
        } else if (b->ranked[query] == b->room && b->room < s->model->n_lists) {
            QV_TRY(rank(b, QV_MIN(2 * b->room, s->model->n_lists), err));
            *to = b->done[query];
            found = b->seen[query];
        } else {
            break;
        }
    }
    return QV_OK;
}

static qv_status walk(block *b, const visit *v, qv__candidates *candidates, qv_error *err)
{
    const search *s = b->s;
    const qv__hnsw *graph;
    qv__code_list plain;
    uint64_t measured = 0;

    QV_TRY(qv__vector_segment_graph(s->segment, v->list, &graph, &plain, err));
    const qv__hnsw_walk w = { .query = b->queries[v->query], .plain = plain.columns, .keys = plain.ids, .ef = s->ef };
    QV_TRY(qv__hnsw_search(graph, &w, b->scratch, candidates, &measured, err));
    b->counters->rows += measured;
    return QV_OK;
}

static uint64_t list_bytes(const qv__quantizer *q, size_t rows)
{
    uint64_t width = sizeof(uint64_t);

    for (size_t i = 0; i < q->n_columns; i++)
        width += q->columns[i].width;
    return width * rows;
}

/* rows: that a scan of the list would read. */
static bool walk_is_cheaper(const search *s, size_t list, size_t rows)
{
    double passing = s->request->mask ? s->request->passing : 1;

    if (s->narrowed)
        passing = (double) rows / (double) QV_MAX(qv__vector_segment_list_rows(s->segment, list), 1);
    return s->model->kind->has_graph && qv__hnsw_beats_scan(rows, list_bytes(s->model->quantizer, 1), s->ef, passing);
}

static qv_status visit_list(block *b, const visit *v, const qv__code_list *list, qv_error *err)
{
    const search *s = b->s;
    const qv__vector_model *m = s->model;
    const qv__quantizer_class *class = m->quantizer->class;
    const float *centroid = m->centroids ? m->centroids + (size_t) v->list * m->dim : NULL;
    const float *extra = m->extra ? m->extra + (size_t) v->list * s->extra_floats : NULL;
    qv__candidates *candidates = &s->candidates[b->first + v->query];

    class->enter_list(b->queries[v->query], centroid, v->distance, extra);
    b->counters->probes++;
    if (walk_is_cheaper(s, v->list, list->n))
        return walk(b, v, candidates, err);
    class->scan(b->queries[v->query], list, candidates);
    qv__candidates_settle(candidates);
    b->counters->rows += list->n;
    return QV_OK;
}

/* The list after visit i, whose beginning is fetched before its turn comes; NULL: the same one, or none. */
static const qv__code_list *look_ahead(const block *b, size_t i, qv__code_list *next)
{
    const qv__quantizer *q = b->s->model->quantizer;
    size_t n_passing;

    if (i + 1 == b->n_visits || b->visits[i + 1].list == b->visits[i].list ||
        list_of(b->s, b->visits[i + 1].list, next, &n_passing, NULL) != QV_OK) /* its own visit will tell */
        return NULL;
    for (size_t c = 0; c < q->n_columns; c++)
        for (size_t at = 0; at < 512; at += 64)
            __builtin_prefetch(next->columns[c] + at);
    return next;
}

static qv_status run_visits(block *b, qv_error *err)
{
    const search *s = b->s;
    qv__code_list list = { 0 }, next = { 0 };
    size_t n_passing;

    if (b->n > 1 && b->n_visits)
        qsort(b->visits, b->n_visits, sizeof *b->visits, compare_visits);
    for (size_t i = 0; i < b->n_visits; i++) {
        const visit *v = &b->visits[i];
        if (i == 0 || v->list != b->visits[i - 1].list) {
            QV_TRY(qv__job_tick(s->request->job, 0, 0, err));
            QV_TRY(list_of(s, v->list, &list, &n_passing, err));
            b->counters->lists++;
            b->counters->bytes += list_bytes(s->model->quantizer, list.n);
        }
        list.next = look_ahead(b, i, &next);
        QV_TRY(visit_list(b, v, &list, err));
    }
    b->n_visits = 0;
    for (size_t i = 0; i < b->n; i++)
        qv__candidates_refine(&s->candidates[b->first + i]);
    return QV_OK;
}

/* ------------------------------------------------------------------ rounds */

static bool is_short(const search *s, qv__candidates *candidates)
{
    const qv__vector_request *r = s->request;
    const qv__hit *hits;

    if (is_dead(candidates) || (r->has_upper && !r->mask)) /* what an upper bound leaves out is not missing */
        return false;
    return qv__candidates_gather(candidates, &hits) < QV_MIN(r->k, candidates->capacity);
}

/* Doubles the lists of queries that found too little. *more false: there are none, or no more lists. */
static qv_status widen(block *b, bool *more, qv_error *err)
{
    const search *s = b->s;
    size_t wanted = 0;
    bool is_wanting[BLOCK_QUERIES] = { false };

    for (size_t i = 0; i < b->n; i++) {
        is_wanting[i] = b->done[i] < s->policy.limit && is_short(s, &s->candidates[b->first + i]);
        if (is_wanting[i])
            wanted = QV_MAX(wanted, QV_MIN(QV_MAX(2 * b->done[i], 8), s->policy.limit));
    }
    *more = wanted > 0;
    if (!*more)
        return QV_OK;
    if (wanted > b->room)
        QV_TRY(rank(b, wanted, err));
    for (size_t i = 0; i < b->n; i++)
        if (is_wanting[i])
            QV_TRY(add_visits(b, i, QV_MIN(QV_MAX(2 * b->done[i], 8), s->policy.limit), err));
    return run_visits(b, err);
}

/* Has the query come to nearer rows since this was asked last, to about one in NEW_PART of those wanted? */
static bool is_nearer(block *b, size_t query)
{
    const size_t k = b->s->request->k;
    const float before = b->kept_to[query];
    const qv__hit *hits;

    size_t n = qv__candidates_finish(&b->s->candidates[b->first + query], &hits);
    b->kept_to[query] = n < k || !k ? INFINITY : hits[k - k / NEW_PART - 1].distance;
    return n >= k && k && hits[k - 1].distance < before;
}

/* A query that came to nearer rows late goes on until it has come to none twice. */
static bool is_restless(block *b, size_t query)
{
    if (is_nearer(b, query))
        b->patience[query] = PATIENCE;
    else if (b->patience[query] > 0)
        b->patience[query]--;
    return b->patience[query] > 0;
}

/* Probes are chosen for queries that come from where rows are. Those that a condition leaves may all lie far away, at about the same distance,
 * in many lists: so a query under a condition whose second half of visits brought nearer rows goes on, by half as many again. */
static qv_status go_on(block *b, bool *more, qv_error *err)
{
    const search *s = b->s;
    size_t to;

    *more = false;
    for (size_t i = 0; i < b->n; i++) {
        if (is_dead(&s->candidates[b->first + i]) || b->wanted[i] >= s->policy.limit || !is_restless(b, i))
            continue;
        b->wanted[i] = QV_MIN(b->wanted[i] + b->wanted[i] / 2 + 1, s->policy.limit);
        QV_TRY(reach(b, i, b->wanted[i], &to, err));
        *more = *more || to > b->done[i];
        QV_TRY(add_visits(b, i, to, err));
    }
    return run_visits(b, err);
}

/* Half of the lists wanted, then the others, and more. Half has to be some lists to tell anything. */
static qv_status go_on_first(block *b, qv_error *err)
{
    bool more = true;
    size_t to;

    for (size_t i = 0; i < b->n; i++) {
        if (is_dead(&b->s->candidates[b->first + i]))
            continue;
        b->wanted[i] = QV_MIN(QV_MAX(b->wanted[i], LEAST_NARROWED), b->s->policy.limit);
        QV_TRY(reach(b, i, b->wanted[i] / 2, &to, err));
        QV_TRY(add_visits(b, i, to, err));
    }
    QV_TRY(run_visits(b, err));
    for (size_t i = 0; i < b->n; i++) {
        if (is_dead(&b->s->candidates[b->first + i]))
            continue;
        is_nearer(b, i);
        QV_TRY(reach(b, i, b->wanted[i], &to, err));
        QV_TRY(add_visits(b, i, to, err));
    }
    QV_TRY(run_visits(b, err));
    while (more)
        QV_TRY(go_on(b, &more, err));
    return QV_OK;
}

static qv_status first_rounds(block *b, qv_error *err)
{
    const search *s = b->s;
    const bool goes_on = s->narrowed && !s->request->min_probes;
    size_t to;

    for (size_t i = 0; i < b->n; i++) {
        if (is_dead(&s->candidates[b->first + i]))
            continue;
        b->wanted[i] = qv__probes_of(&s->policy, s->model->metric, b->distances + i * b->room, b->ranked[i]);
        b->kept_to[i] = INFINITY;
        size_t n = b->n > 1 ? 1 : goes_on ? 0 : b->wanted[i]; /* one alone is in order anyway */
        QV_TRY(reach(b, i, QV_MIN(n, b->wanted[i]), &to, err));
        QV_TRY(add_visits(b, i, to, err));
    }
    QV_TRY(run_visits(b, err));
    if (goes_on)
        return go_on_first(b, err);
    for (size_t i = 0; i < b->n; i++) {
        QV_TRY(reach(b, i, b->wanted[i], &to, err));
        QV_TRY(add_visits(b, i, to, err));
    }
    return run_visits(b, err);
}

static qv_status run_block(void *ctx, size_t number, qv_error *err)
{
    qv_status st = QV_OK;
    bool more = true;
    block b;

    QV_CHECK(block_init(&b, ctx, number, err));
    QV_CHECK(first_rounds(&b, err));
    while (more)
        QV_CHECK(widen(&b, &more, err));
done:
    block_clear(&b);
    return st;
}

/* ------------------------------------------------------------------ a segment */

/* A walk keeps as many rows as are wanted of it, and some more. */
static size_t ef_of(const qv__vector_model *model, const qv__vector_request *request, size_t capacity)
{
    const qv__tuned_step *step = qv__tuned_step_of(&model->tuning, request->mode);
    size_t ef = request->ef ? request->ef : step && step->ef ? step->ef : capacity + capacity / 2;

    return QV_MAX(ef, capacity);
}

static void add_counters(const search *s, size_t n_blocks, qv__vector_counters *out)
{
    for (size_t i = 0; i < n_blocks; i++) {
        out->probes += s->counters[i].probes;
        out->lists += s->counters[i].lists;
        out->rows += s->counters[i].rows;
        out->bytes += s->counters[i].bytes;
    }
}

qv_status qv__vector_segment_search(qv__vector_segment *segment, const qv__vector_request *request,
                                    qv__narrowed *narrowed, qv__candidates *candidates, qv__vector_counters *counters,
                                    qv_error *err)
{
    const qv__vector_model *m = qv__vector_segment_model(segment);
    const qv__quantizer *q = m->quantizer;
    unsigned threads = qv__job_threads(request->job) ? qv__job_threads(request->job) : qv__pool_size();
    search s = { .segment = segment,
                 .model = m,
                 .request = request,
                 .narrowed = narrowed,
                 .candidates = candidates,
                 .policy = qv__probe_policy_of(m, request),
                 .extra_floats = q->class->extra_floats ? q->class->extra_floats(q) : 0 };

    if (!request->n || !qv__vector_segment_rows(segment))
        return QV_OK;
    for (size_t i = 0; i < request->n; i++)
        s.ef = QV_MAX(s.ef, ef_of(m, request, candidates[i].capacity));
    s.block = QV_MIN(QV_MAX((request->n + threads - 1) / threads, 1), BLOCK_QUERIES);
    size_t n_blocks = (request->n + s.block - 1) / s.block;
    QV_TRY(QV_NEW(&s.counters, n_blocks, err));
    qv_status st = qv__parallel_for(n_blocks, threads, run_block, &s, err);
    if (st == QV_OK)
        add_counters(&s, n_blocks, counters);
    qv__free(s.counters);
    return st;
}

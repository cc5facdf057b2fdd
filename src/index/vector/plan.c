/* The vector index of a snapshot made ready: which index answers, its segments, what each covers; and a search over all of them. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/pool.h"
#include "index/index_private.h"
#include "index/vector/search.h"

typedef struct plan_segment {
    const qv__index_entry *entry; /* the snapshot's */
    qv__open_segment *opened;
    bool *covered;
    _Atomic(qv__own_keys *) own; /* of all live rows; made by the first search that asks */
} plan_segment;

struct qv__vector_plan {
    qv__snapshot *snapshot; /* not counted: it may keep the plan */
    atomic_bool is_broken;  /* a segment turned out to be damaged */
    char *name;
    qv_metric metric;
    const qv__vector_model *model; /* of the first segment; the others are alike */
    bool by_address;
    qv__reuse *reuse; /* where rows went that are stored by address; NULL: they are where they were */
    size_t n;
    plan_segment *segments;
    bool *covered; /* by any of them */
    uint64_t rows;
};

/* ------------------------------------------------------------------ which index answers */

void qv__vector_plan_free(qv__vector_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n; i++) {
        qv__open_segment_unref(plan->segments[i].opened);
        qv__free(plan->segments[i].covered);
        qv__own_keys_free(atomic_load_explicit(&plan->segments[i].own, memory_order_relaxed));
    }
    qv__free(plan->segments);
    qv__reuse_free(plan->reuse);
    qv__free(plan->covered);
    qv__free(plan->name);
    qv__free(plan);
}

static const qv__vector_segment *segment_of(const plan_segment *s)
{
    return (const qv__vector_segment *) s->opened->segment;
}

typedef struct wanted {
    qv__snapshot *snapshot;
    const qv__type *type; /* of the column */
    int32_t field;
    const char *name; /* NULL: any */
    qv_metric metric;
    size_t dim;
    const char *reason;
} wanted;

static bool is_candidate(const wanted *w, const qv__logical_index *index)
{
    bool is_vector = index->kind && index->kind->of_entry == qv__vector_method.of_entry;

    return is_vector && index->field == w->field && (!w->name || strcmp(index->name, w->name) == 0);
}

static bool is_newer(const qv__logical_index *a, const qv__logical_index *b)
{
    const qv__index_entry *x = a->entries[a->n - 1], *y = b->entries[b->n - 1];

    return x->created_at_ms != y->created_at_ms ? x->created_at_ms > y->created_at_ms
                                                : x->dataset_version > y->dataset_version;
}

/* The segments that a search goes through must agree on what a distance is. */
static bool fits(const wanted *w, const qv__vector_plan *plan, const qv__vector_model *model, const char **reason)
{
    size_t dim = model->element == QV_EL_BITS ? model->dim / 8 : model->dim;

    if (dim != w->dim)
        *reason = "the index is over vectors of another dimension";
    else if (w->metric != QV_METRIC_AUTO && w->metric != model->metric)
        *reason = "the index was built for another metric";
    else if (plan->model && (plan->model->metric != model->metric || plan->model->element != model->element))
        *reason = "segments of the index do not fit together";
    else
        return true;
    return false;
}

/* Adds an entry to the plan when it covers something and can be opened. */
static qv_status add_segment(wanted *w, qv__vector_plan *plan, const qv__logical_index *index, size_t i, qv_error *err)
{
    qv_status st = QV_OK;
    plan_segment s = { .entry = index->entries[i] };
    size_t n;

    if (!s.entry->n_fragments) /* may have no files */
        return QV_OK;
    QV_CHECK(qv__entry_coverage(w->snapshot, s.entry, plan->reuse, &s.covered, &n, err));
    if (!n)
        goto done;
    w->reason = "the files of the index cannot be used";
    QV_CHECK(qv__segment_open(w->snapshot, s.entry, index->kind, w->type, &s.opened, err));
    if (!s.opened || !fits(w, plan, qv__vector_segment_model(segment_of(&s)), &w->reason))
        goto done;
    plan->model = qv__vector_segment_model(segment_of(&s));
    plan->rows += qv__vector_segment_rows(segment_of(&s));
    for (size_t f = 0; f < qv__snapshot_n_fragments(w->snapshot); f++)
        plan->covered[f] |= s.covered[f];
    plan_segment *kept = &plan->segments[plan->n++];
    kept->entry = s.entry;
    kept->opened = s.opened;
    kept->covered = s.covered;
    return QV_OK;
done:
    qv__open_segment_unref(s.opened);
    qv__free(s.covered);
    return st;
}

static qv_status try_index(wanted *w, const qv__logical_index *index, qv__vector_plan **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__vector_plan *plan = NULL;

    *out = NULL;
    QV_CHECK(QV_NEW(&plan, 1, err));
    plan->snapshot = w->snapshot;
    plan->name = qv__strdup(index->name);
    if (!plan->name)
        QV_CHECK(qv__fail_nomem(err, strlen(index->name)));
    QV_CHECK(QV_NEW(&plan->segments, index->n, err));
    QV_CHECK(QV_NEW(&plan->covered, qv__snapshot_n_fragments(w->snapshot), err));
    plan->by_address = qv__entry_has_addresses(w->snapshot, index->entries[0], index->kind);
    if (plan->by_address)
        QV_CHECK(qv__reuse_open(w->snapshot, &plan->reuse, err));
    w->reason = "the index covers no fragment";
    for (size_t i = 0; i < index->n; i++)
        QV_CHECK(add_segment(w, plan, index, i, err));
    if (!plan->n)
        goto done;
    plan->metric = plan->model->metric;
    *out = plan;
    plan = NULL;
done:
    qv__vector_plan_free(plan);
    return st;
}

/* The newest index first; one that does not fit gives way to the next. */
static qv_status choose(wanted *w, const qv__logical_list *list, qv__vector_plan **out, qv_error *err)
{
    const qv__logical_index *last = NULL;

    for (;;) {
        const qv__logical_index *best = NULL;
        for (size_t i = 0; i < list->n; i++) {
            const qv__logical_index *index = &list->items[i];
            bool is_next = !last || is_newer(last, index) || (!is_newer(index, last) && index > last);
            if (is_candidate(w, index) && is_next && (!best || is_newer(index, best)))
                best = index;
        }
        if (!best)
            return QV_OK;
        QV_TRY(try_index(w, best, out, err));
        if (*out)
            return QV_OK;
        last = best;
    }
}

qv_status qv__vector_plan_new(qv__snapshot *snapshot, int32_t field, const char *name, qv_metric metric, size_t dim,
                              qv__vector_plan **out, const char **reason, qv_error *err)
{
    qv_status st = QV_OK;
    qv__logical_list list = { 0 };
    qv__indexed_field indexed = { 0 };
    qv__vector_plan *plan = NULL;
    bool found;
    wanted w = { .snapshot = snapshot, .field = field, .name = name, .metric = metric, .dim = dim };

    w.reason = name ? "the column has no vector index of that name" : "the column has no vector index";
    QV_CHECK(qv__logical_indices(snapshot, &list, err));
    QV_CHECK(qv__field_by_id(snapshot, field, &indexed, &found, err));
    if (found) {
        w.type = indexed.leaf->type;
        QV_CHECK(choose(&w, &list, &plan, err));
    }
    if (reason)
        *reason = plan ? NULL : w.reason;
    *out = plan;
done:
    qv__indexed_field_clear(&indexed);
    qv__logical_list_clear(&list);
    return st;
}

const char *qv__vector_plan_name(const qv__vector_plan *plan) { return plan->name; }
qv_metric qv__vector_plan_metric(const qv__vector_plan *plan) { return plan->metric; }
const bool *qv__vector_plan_covered(const qv__vector_plan *plan) { return plan->covered; }
bool qv__vector_plan_by_address(const qv__vector_plan *plan) { return plan->by_address; }
bool qv__vector_plan_has_moved_rows(const qv__vector_plan *plan) { return plan->reuse != NULL; }
uint64_t qv__vector_plan_rows(const qv__vector_plan *plan) { return plan->rows; }
bool qv__vector_plan_is_multi(const qv__vector_plan *plan) { return plan->model->is_multi; }
bool qv__vector_plan_is_broken(const qv__vector_plan *plan) { return atomic_load(&plan->is_broken); }

/* ------------------------------------------------------------------ masks of segments */

/* With several segments each is asked for rows of its own fragments alone; where rows moved, by the addresses that they had. */
static bool has_own_masks(const qv__vector_plan *plan) { return plan->n > 1 || plan->reuse; }

static qv_status make_own(const qv__vector_plan *plan, const plan_segment *s, qv__own_keys **out, qv_error *err)
{
    if (!plan->reuse)
        return qv__own_keys_new(plan->snapshot, s->covered, plan->by_address, out, err);
    QV_TRY(QV_NEW(out, 1, err));
    return qv__own_keys_moved(plan->snapshot, s->covered, plan->reuse, NULL, *out, err);
}

/* Who comes second drops its own. */
static qv_status own_of(const qv__vector_plan *plan, plan_segment *s, const qv__own_keys **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__own_keys *found = atomic_load_explicit(&s->own, memory_order_acquire), *made = NULL;

    if (!found) {
        QV_CHECK(make_own(plan, s, &made, err));
        if (atomic_compare_exchange_strong_explicit(&s->own, &found, made, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            found = made;
            made = NULL;
        }
    }
    *out = found;
done:
    qv__own_keys_free(made);
    return st;
}

/* The rows that a segment is asked for. */
static qv_status narrow(const qv__vector_plan *plan, plan_segment *s, const qv__key_mask *asked, qv__own_keys *cut,
                        qv__key_mask *out, qv_error *err)
{
    const qv__own_keys *own = cut;

    if (asked && plan->reuse) {
        QV_TRY(qv__own_keys_moved(plan->snapshot, s->covered, plan->reuse, asked, cut, err));
    } else {
        QV_TRY(own_of(plan, s, &own, err));
        if (asked) {
            QV_TRY(qv__own_keys_intersect(own, asked, cut, err));
            own = cut;
        }
    }
    *out = (qv__key_mask){ own->n, own->spans };
    return QV_OK;
}

/* What is kept of the segment for the request's mask. */
static qv_status narrowed_of(const qv__vector_plan *plan, plan_segment *s, const qv__vector_request *request,
                             qv__narrowed **out, qv_error *err)
{
    qv__own_keys cut = { 0 };
    qv__key_mask mask;

    *out = qv__narrowed_find(request->narrowing, s->opened);
    if (*out)
        return QV_OK;
    if (!has_own_masks(plan))
        return qv__narrowed_add(request->narrowing, s->opened, NULL, NULL, out, err);
    qv_status st = narrow(plan, s, request->mask, &cut, &mask, err);
    if (st != QV_OK) {
        qv__free(cut.spans);
        qv__free(cut.bits);
        return st;
    }
    return qv__narrowed_add(request->narrowing, s->opened, &mask, cut.bits, out, err);
}

static qv_status search_segment(qv__vector_plan *plan, plan_segment *s, const qv__vector_request *request,
                                qv__candidates *candidates, qv__vector_counters *counters, qv_error *err)
{
    qv_status st = QV_OK;
    qv__own_keys cut = { 0 };
    qv__key_mask own;
    qv__narrowed *narrowed = NULL;
    const qv__key_mask *mask = request->mask;

    if (request->narrowing) {
        QV_CHECK(narrowed_of(plan, s, request, &narrowed, err));
        mask = qv__narrowed_mask(narrowed);
    } else if (has_own_masks(plan)) {
        QV_CHECK(narrow(plan, s, request->mask, &cut, &own, err));
        mask = &own;
    }
    for (size_t q = 0; q < request->n; q++) {
        candidates[q].mask = mask;
        candidates[q].mask_hint = 0;
    }
    st = qv__vector_segment_search((qv__vector_segment *) s->opened->segment, request, narrowed, candidates, counters,
                                   err);
    if (st == QV_CORRUPT || st == QV_UNSUPPORTED) { /* the next plan does without it */
        qv__segment_forget(plan->snapshot, s->entry, err);
        atomic_store(&plan->is_broken, true);
    }
done:
    for (size_t q = 0; q < request->n; q++)
        candidates[q].mask = NULL;
    qv__free(cut.spans);
    qv__free(cut.bits);
    return st;
}

/* ------------------------------------------------------------------ how many candidates */

/* Do estimates come with bounds that hold, so that the best rows by true distance are found for sure among those that were scanned? Scalar
 * codes have such bounds too, but they are so wide that measuring some rows more costs less than measuring all within them. */
static bool is_bounded(const qv__vector_model *m)
{
    return m->kind->code == QV_CODE_RQ && m->quantizer->class->has_bounds &&
           qv__rabitq_shape_of(m->quantizer)->has_errors;
}

/* By what codes lose. */
size_t qv__usual_refine(const qv__vector_model *m)
{
    unsigned bits;
    size_t parts;

    switch (m->kind->code) {
    case QV_CODE_FLAT:
        return 1;
    case QV_CODE_SQ:
        return 2;
    case QV_CODE_PQ:
        qv__pq_codebook(m->quantizer, &parts, &bits);
        return bits * parts >= 2 * m->dim ? 10 : bits * parts > m->dim ? 20 : 40;
    default:
        return 10;
    }
}

static size_t refine_of(const qv__vector_model *m, const qv__vector_request *r)
{
    const qv__tuned_step *step = qv__tuned_step_of(&m->tuning, r->mode);

    if (r->refine_factor || !r->exact)
        return QV_MAX(r->refine_factor, 1);
    return step && step->refine ? step->refine : qv__usual_refine(m);
}

typedef struct query_run {
    qv__vector_plan *plan;
    const qv__vector_request *request;
    qv__vector_request inner; /* queries of unit length for cosine */
    float *units;
    bool *is_dead;         /* per query: it can match nothing */
    bool is_bounded;       /* candidates measure true distances themselves */
    bool is_measured;      /* true distances are measured at the end */
    bool bounds_estimates; /* lower and upper hold for what candidates keep */
    size_t capacity, width;
    qv__exact moved; /* the request's, by keys as they are stored */
    qv__candidates *candidates;
    qv__hit *hits;
    size_t *counts;
} query_run;

/* A query without direction matches nothing under cosine. */
static qv_status make_units(query_run *run, qv_error *err)
{
    const qv__vector_request *r = run->request;

    QV_TRY(QV_NEW(&run->is_dead, r->n, err));
    if (run->plan->metric != QV_METRIC_COSINE)
        return QV_OK;
    QV_TRY(qv__new((void **) &run->units, r->n, r->dim * sizeof(float), err));
    for (size_t q = 0; q < r->n; q++) {
        const float *from = (const float *) r->queries + q * r->dim;
        float *to = run->units + q * r->dim;
        double square = 0;
        for (size_t i = 0; i < r->dim; i++)
            square += (double) from[i] * (double) from[i];
        double scale = 1 / sqrt(square);
        run->is_dead[q] = !isfinite(scale);
        for (size_t i = 0; i < r->dim && !run->is_dead[q]; i++)
            to[i] = (float) (from[i] * scale);
    }
    run->inner.queries = run->units;
    return QV_OK;
}

static void decide(query_run *run)
{
    const qv__vector_request *r = run->request;
    const qv__vector_model *m = run->plan->model;
    bool is_bounded_everywhere = true;

    for (size_t i = 0; i < run->plan->n; i++)
        is_bounded_everywhere &= is_bounded(qv__vector_segment_model(segment_of(&run->plan->segments[i])));
    run->is_bounded = r->exact && !r->refine_factor && is_bounded_everywhere;
    run->is_measured = r->exact && !run->is_bounded;
    run->bounds_estimates = !run->is_measured || m->kind->code == QV_CODE_FLAT;
    run->capacity = run->is_bounded ? r->k : (size_t) r->k * refine_of(m, r);
    if (run->is_measured && !r->refine_factor && m->kind->code != QV_CODE_FLAT)
        run->capacity = QV_MAX(run->capacity, (size_t) r->k + 20);
    if (run->is_measured && !r->refine_factor && m->kind->has_graph &&
        r->ef) /* a walk is as wide as it is told to be */
        run->capacity = QV_MAX(QV_MIN(run->capacity, r->ef), r->k);
    run->width = r->exact ? r->k : run->capacity;
}

static void run_clear(query_run *run)
{
    for (size_t q = 0; run->candidates && q < run->request->n; q++)
        qv__candidates_clear(&run->candidates[q]);
    qv__free(run->candidates);
    qv__free(run->units);
    qv__free(run->is_dead);
    qv__free(run->hits);
    qv__free(run->counts);
}

/* ------------------------------------------------------------------ rows that moved */

enum { MEASURED = 128 }; /* rows whose distances are asked for at once */

/* What a row that is stored under a key is called now. Every such row is there: the masks let no others through. */
static uint64_t key_now(const qv__vector_plan *plan, uint64_t key)
{
    if (plan->reuse && qv__fragment_position(plan->snapshot, key >> 32) == SIZE_MAX)
        qv__reuse_translate(plan->reuse, &key);
    return key;
}

static void moved_distances(void *ctx, size_t query, const uint64_t *keys, size_t n, float *out)
{
    const query_run *run = ctx;
    const qv__exact *exact = run->request->exact;
    uint64_t now[MEASURED];

    for (size_t i = 0, here; i < n; i += here) {
        here = QV_MIN(n - i, MEASURED);
        for (size_t j = 0; j < here; j++)
            now[j] = key_now(run->plan, keys[i + j]);
        exact->distances(exact->ctx, query, now, here, out + i);
    }
}

static void moved_fetch(void *ctx, const uint64_t *keys, size_t n)
{
    const query_run *run = ctx;
    const qv__exact *exact = run->request->exact;
    uint64_t now[MEASURED];

    for (size_t i = 0, here; exact->fetch && i < n; i += here) {
        here = QV_MIN(n - i, MEASURED);
        for (size_t j = 0; j < here; j++)
            now[j] = key_now(run->plan, keys[i + j]);
        exact->fetch(exact->ctx, now, here);
    }
}

/* True distances for candidates, which know rows by the keys that are stored. */
static const qv__exact *exact_of(query_run *run)
{
    run->moved = (qv__exact){ moved_distances, run, moved_fetch };
    return run->plan->reuse ? &run->moved : run->request->exact;
}

/* ------------------------------------------------------------------ a search */

static qv_status scan_segments(query_run *run, qv__vector_counters *counters, qv_error *err)
{
    const qv__vector_request *r = run->request;
    const qv__exact *exact = run->is_bounded ? exact_of(run) : NULL;

    for (size_t q = 0; q < r->n; q++) {
        qv__candidates *c = &run->candidates[q];
        qv__candidates_clear(c);
        QV_TRY(qv__candidates_init(c, run->is_dead[q] ? 0 : run->capacity, exact, q, NULL, err));
        c->is_rough = run->is_measured && run->capacity > r->k; /* else who is measured is who is returned */
        if (run->bounds_estimates && r->has_lower)
            c->lower = r->lower;
        if (run->bounds_estimates && r->has_upper)
            c->upper = r->upper;
    }
    for (size_t i = 0; i < run->plan->n; i++)
        QV_TRY(search_segment(run->plan, &run->plan->segments[i], &run->inner, run->candidates, counters, err));
    return QV_OK;
}

/* True distances of rows, by the keys that they have now; those in range go to `topk`. */
static void measure(const query_run *run, size_t q, const qv__hit *rows, size_t n, qv__topk *topk)
{
    const qv__exact *exact = run->request->exact;
    uint64_t keys[MEASURED];
    float distances[MEASURED];

    for (size_t i = 0, here; i < n; i += here) {
        here = QV_MIN(n - i, MEASURED);
        for (size_t j = 0; j < here; j++)
            keys[j] = key_now(run->plan, rows[i + j].id);
        exact->distances(exact->ctx, q, keys, here, distances);
        for (size_t j = 0; j < here; j++)
            qv__topk_push(topk, distances[j], keys[j]);
    }
}

/* A row that two segments hold is one row, and so is one whose id damaged files have twice: at one distance, it lies beside itself. Of a
 * multivector each vector counts. */
static size_t drop_repeated(const query_run *run, qv__hit *hits, size_t n)
{
    size_t kept = 0;

    if (run->plan->model->is_multi)
        return n;
    for (size_t i = 0; i < n && kept < run->width; i++) {
        bool is_repeated = false;
        for (size_t j = run->plan->n < 2 && kept ? kept - 1 : 0; j < kept && !is_repeated; j++)
            is_repeated = hits[j].id == hits[i].id;
        if (!is_repeated)
            hits[kept++] = hits[i];
    }
    return kept;
}

/* The nearest of n rows by true distance, each once, in order; *is_short: rows that came twice took the room of others. */
static size_t nearest(const query_run *run, size_t q, const qv__hit *rows, size_t n, size_t room, qv__hit *out,
                      bool *is_short)
{
    const qv__vector_request *r = run->request;
    qv__topk topk;

    qv__topk_init(&topk, room, out, r->has_lower ? &r->lower : NULL, r->has_upper ? &r->upper : NULL);
    measure(run, q, rows, n, &topk);
    qv__topk_sort(&topk);
    size_t kept = drop_repeated(run, out, topk.n);
    *is_short = kept < run->width && kept < topk.n && topk.n < n;
    return kept;
}

static qv_status nearest_of_all(const query_run *run, size_t q, const qv__hit *rows, size_t n, qv_error *err)
{
    qv__hit *hits;
    bool is_short;

    QV_TRY(QV_NEW(&hits, n, err));
    run->counts[q] = nearest(run, q, rows, n, n, hits, &is_short);
    memcpy(run->hits + q * run->width, hits, run->counts[q] * sizeof *hits);
    qv__free(hits);
    return QV_OK;
}

static qv_status finish_query(void *ctx, size_t q, qv_error *err)
{
    query_run *run = ctx;
    qv__hit *out = run->hits + q * run->width;
    const qv__hit *rows;
    bool is_short;

    if (run->is_measured) {
        size_t n = qv__candidates_gather(&run->candidates[q], &rows);
        run->counts[q] = nearest(run, q, rows, n, run->width, out, &is_short);
        return is_short ? nearest_of_all(run, q, rows, n, err) : QV_OK;
    }
    size_t n = qv__candidates_finish(&run->candidates[q], &rows);
    assert(n <= run->width);
    for (size_t i = 0; i < n; i++)
        out[i] = (qv__hit){ .id = key_now(run->plan, rows[i].id), .distance = rows[i].distance };
    run->counts[q] = drop_repeated(run, out, n);
    return QV_OK;
}

/* Rows below the lower bound take room among candidates that are measured only at the end: there must be more of them. */
static bool wants_more(const query_run *run)
{
    if (run->bounds_estimates || !run->request->has_lower)
        return false;
    for (size_t q = 0; q < run->request->n; q++)
        if (run->counts[q] < run->request->k && run->candidates[q].n >= run->capacity && !run->is_dead[q])
            return true;
    return false;
}

static void count(const query_run *run, qv__vector_counters *counters)
{
    for (size_t q = 0; q < run->request->n; q++) {
        counters->offered += run->candidates[q].offered;
        counters->measured += run->is_measured ? run->candidates[q].n : run->candidates[q].measured;
    }
}

static qv_status run_all(query_run *run, qv__vector_counters *counters, qv_error *err)
{
    const qv__vector_request *r = run->request;

    decide(run);
    QV_TRY(make_units(run, err));
    QV_TRY(QV_NEW(&run->candidates, r->n, err));
    QV_TRY(qv__new((void **) &run->hits, r->n, run->width * sizeof *run->hits, err));
    QV_TRY(QV_NEW(&run->counts, r->n, err));
    for (;;) {
        QV_TRY(scan_segments(run, counters, err));
        QV_TRY(qv__parallel_for(r->n, qv__job_threads(r->job), finish_query, run, err));
        count(run, counters);
        if (!wants_more(run))
            return QV_OK;
        run->capacity *= 4;
    }
}

qv_status qv__vector_search(qv__vector_plan *plan, const qv__vector_request *request, qv__hit **hits, size_t *width,
                            size_t **counts, qv__vector_counters *counters, qv_error *err)
{
    query_run run = { .plan = plan, .request = request, .inner = *request };
    qv__vector_counters spent = { 0 };

    qv_status st = run_all(&run, &spent, err);
    if (st == QV_OK) {
        *hits = run.hits;
        *width = run.width;
        *counts = run.counts;
        run.hits = NULL;
        run.counts = NULL;
        if (counters)
            *counters = spent;
    }
    run_clear(&run);
    return st;
}

/* ------------------------------------------------------------------ explain */

qv_status qv__vector_plan_print(qv__vector_plan *plan, const qv__vector_request *request, qv__buffer *out,
                                qv_error *err)
{
    const qv__vector_model *m = plan->model;
    qv__probe_policy policy = qv__probe_policy_of(m, request);
    query_run run = { .plan = plan, .request = request };
    size_t lists = 0;

    decide(&run);
    for (size_t i = 0; i < plan->n; i++)
        lists += qv__vector_segment_model(segment_of(&plan->segments[i]))->n_lists;
    QV_TRY(qv__buffer_printf(out, err,
                             "ANNIvfPartition: lists=%zu, minimum_probes=%zu, maximum_probes=%zu, segments=%zu", lists,
                             policy.least, policy.limit, plan->n));
    QV_TRY(qv__buffer_printf(out, err, "; ANNSubIndex: name=%s, type=%s, metric=%s, k=%zu", plan->name, m->kind->name,
                             qv__vector_metric_name(plan->metric), request->k));
    if (run.is_bounded)
        return qv__buffer_printf(out, err, ", measured=within bounds");
    return qv__buffer_printf(out, err, ", candidates=%zu, measured=%s", run.capacity,
                             run.is_measured ? "at the end" : "not");
}

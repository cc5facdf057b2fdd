/* Searching a segment: policy and scratch, as probe.c, search.c and plan.c share them. */
#ifndef QV_INDEX_VECTOR_SEARCH_H
#define QV_INDEX_VECTOR_SEARCH_H

#include "base/alloc.h"
#include "index/vector/vector_private.h"

typedef struct qv__probe_policy {
    size_t least, most; /* lists at first: between these, as the margin has it */
    size_t limit;       /* lists at most, while too few rows are found */
    bool by_margin;
    float share; /* of the distance to the nearest centroid */
} qv__probe_policy;
qv__probe_policy qv__probe_policy_of(const qv__vector_model *model, const qv__vector_request *request);
/* How many of the n nearest lists are looked into at first; `distances` to their centroids ascend. */
size_t qv__probes_of(const qv__probe_policy *policy, qv_metric metric, const float *distances, size_t n);

/* Candidates per row that is wanted, when nothing was said and nothing measured. */
size_t qv__usual_refine(const qv__vector_model *model);

/* Keys as ascending spans that do not overlap. */
typedef struct qv__own_keys {
    qv__key_span *spans;
    size_t n, capacity;
    uint8_t *bits; /* that spans point to */
} qv__own_keys;
/* own_keys.c: keys of the live rows of covered fragments: addresses (deleted rows too), or row ids. */
qv_status qv__own_keys_new(qv__snapshot *snapshot, const bool *covered, bool by_address, qv__own_keys **out,
                           qv_error *err);
/* Fills `out`, which is empty, with what the two have in common; spans of `a` have no bits. It points into the mask. */
qv_status qv__own_keys_intersect(const qv__own_keys *a, const qv__key_mask *b, qv__own_keys *out, qv_error *err);
struct qv__reuse;
/* Fills `out`, which is empty, with the addresses that rows of covered fragments have and had: of those asked for, or (NULL) all live ones. */
qv_status qv__own_keys_moved(qv__snapshot *snapshot, const bool *covered, const struct qv__reuse *reuse,
                             const qv__key_mask *asked, qv__own_keys *out, qv_error *err);
void qv__own_keys_free(qv__own_keys *own);

/* The first measured step that reaches the recall wanted; the best one if none does; NULL: nothing was measured. */
const qv__tuned_step *qv__tuned_step_of(const qv__vector_tuning *tuning, qv_approx_mode mode);

/* ------------------------------------------------------------------ narrowed.c */

/* A list as a search under a mask reads it. */
typedef struct qv__narrowed_list {
    size_t n_passing;    /* rows that may match */
    qv__code_list codes; /* these alone; or the whole list, for which candidates have the mask */
} qv__narrowed_list;
qv_status qv__narrowed_list_of(qv__narrowed *narrowed, size_t number, const qv__narrowed_list **out, qv_error *err);

/* Lists known to be empty become the farthest; returns how many others there are. */
size_t qv__narrowed_put_off(const qv__narrowed *narrowed, float *distances);

/* What a narrowing knows of a segment; NULL: nothing yet. */
struct qv__open_segment;
qv__narrowed *qv__narrowed_find(qv__narrowing *narrowing, const struct qv__open_segment *opened);
/* `own`: the rows of the mask that the segment answers for, its spans and the `bits` that they point to taken over (also when it fails);
 * NULL: all of them. */
qv_status qv__narrowed_add(qv__narrowing *narrowing, struct qv__open_segment *opened, const qv__key_mask *own,
                           uint8_t *bits, qv__narrowed **out, qv_error *err);
const qv__key_mask *qv__narrowed_mask(const qv__narrowed *narrowed);

#endif

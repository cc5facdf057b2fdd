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

/* The first measured step that reaches the recall wanted; the best one if none does; NULL: nothing was measured. */
const qv__tuned_step *qv__tuned_step_of(const qv__vector_tuning *tuning, qv_approx_mode mode);

/* The n nearest lists of a query: numbers, and distances as the metric of assigning has them. scratch: n_lists floats. */
void qv__lists_rank(const qv__vector_model *model, const void *query, size_t n, float *scratch, uint32_t *lists,
                    float *distances);

#endif

/* Vector indices: inverted files (IVF) over FLAT, PQ, SQ or RaBitQ codes, with or without a graph per list. What the query floor asks. */
#ifndef QV_INDEX_VECTOR_H
#define QV_INDEX_VECTOR_H

#include "ann/ann.h"
#include "index/method.h"

/* qv__vector_method: of entries that do not say more; its segments know. */
extern const qv__index_method qv__vector_method, qv__ivf_flat_method, qv__ivf_sq_method, qv__ivf_pq_method,
    qv__ivf_rq_method, qv__ivf_hnsw_flat_method, qv__ivf_hnsw_sq_method, qv__ivf_hnsw_pq_method;

/* The kind for QV_INDEX_VECTOR: by what the column holds, the metric (AUTO: the column's own), and the number of rows. */
qv_index_kind qv__vector_choose_kind(const qv__type *type, qv_metric metric, uint64_t rows);

/* Rows longer than 1e18 are in no index by l2 or dot: float32 cannot tell the squares of their distances. By l2 they are at least 8e35 from
 * queries of up to 1e17, and so missed only by searches that find nothing nearer. */
#define QV_INDEXED_SQUARE 1e36
#define QV_INDEXED_QUERY  1e34
#define QV_INDEXED_FOUND  1e35

/* ------------------------------------------------------------------ which index answers */

/* A vector index of a snapshot made ready to be searched: its segments opened, what each covers. For any number of searches at once; the
 * snapshot, which may keep it, must outlive it. */
typedef struct qv__vector_plan qv__vector_plan;
/* The index over a field: the one named, or the newest that fits. metric AUTO: the index's own; another one than the index was built
 * for: *out NULL. Segments that cannot be opened leave their fragments uncovered (told once, in the log). *out NULL: no index; *reason (may
 * be NULL; static text) says why. */
qv_status qv__vector_plan_new(qv__snapshot *snapshot, int32_t field, const char *name, qv_metric metric, size_t dim,
                              qv__vector_plan **out, const char **reason, qv_error *err);
void qv__vector_plan_free(qv__vector_plan *plan);
const char *qv__vector_plan_name(const qv__vector_plan *plan);
qv_metric qv__vector_plan_metric(const qv__vector_plan *plan);
/* Per fragment of the snapshot: do the segments answer for it? The others are for an exact scan. */
const bool *qv__vector_plan_covered(const qv__vector_plan *plan);
bool qv__vector_plan_by_address(const qv__vector_plan *plan); /* else keys are stable row ids */
/* Rows moved since they were stored; what is stored of others is then passed over, whatever the mask: no mask means all live rows. */
bool qv__vector_plan_has_moved_rows(const qv__vector_plan *plan);
uint64_t qv__vector_plan_rows(const qv__vector_plan *plan); /* stored, in all segments */
bool qv__vector_plan_is_multi(const qv__vector_plan *plan); /* several vectors per row: keys repeat */
bool qv__vector_plan_is_broken(
    const qv__vector_plan *plan); /* a search met a damaged segment; a plan made anew does without it */

/* ------------------------------------------------------------------ searching */

/* What the lists of an index have for one mask over one snapshot, found out as searches come to them and kept: a condition that is asked
 * again costs what its own rows cost. Thread-safe. `mask` and `budget` (bytes that copies of codes may take, drawn from and given back
 * to) must outlive it. */
typedef struct qv__narrowing qv__narrowing;
qv_status qv__narrowing_new(const qv__key_mask *mask, atomic_size_t *budget, qv__narrowing **out, qv_error *err);
void qv__narrowing_free(qv__narrowing *narrowing);

typedef struct qv__vector_request {
    const void
        *queries; /* n x dim float32, finite, row after row; hamming: bytes. Any length: cosine makes them unit */
    size_t n, dim;
    size_t k;               /* rows wanted per query */
    uint32_t refine_factor; /* candidates per row wanted; 0: chosen */
    uint32_t min_probes,
        max_probes; /* lists per segment; 0, 0: chosen, more lists until k rows are found; max 0: all if need be */
    uint32_t ef;    /* graphs; 0: chosen */
    qv_approx_mode mode;
    const qv__exact *exact;   /* true distances for candidates; NULL: estimates are wanted as they are */
    const qv__key_mask *mask; /* NULL: every stored row may match */
    qv__narrowing *narrowing; /* of this mask; NULL: lists are scanned as they are stored */
    double passing;           /* share of the stored rows that the mask lets through, about; 1: all */
    bool has_lower, has_upper;
    float lower, upper;
    qv__job *job;
} qv__vector_request;

typedef struct qv__vector_counters {
    uint64_t probes, lists, rows, offered, measured, bytes;
} qv__vector_counters;

/* For each query the best keys, nearest first: with `exact` k rows by true distance; else up to k (times the refine factor given) by estimate.
 * hits: n lists in one block of n x *width, counts[q] of each in use; both the caller's (qv__free). Queries share the scans of
 * lists; the work is split over the job's threads, and the answer does not depend on that. */
qv_status qv__vector_search(qv__vector_plan *plan, const qv__vector_request *request, qv__hit **hits, size_t *width,
                            size_t **counts, qv__vector_counters *counters, qv_error *err);
/* "ANNIvfPartition: ..., ANNSubIndex: ..." for explain; appends. */
qv_status qv__vector_plan_print(qv__vector_plan *plan, const qv__vector_request *request, qv__buffer *out,
                                qv_error *err);

#endif

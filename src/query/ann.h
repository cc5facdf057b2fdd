/* Search through a vector index: what ann.c, exact.c, mask.c, places.c and strategy.c do for search.c. */
#ifndef QV_QUERY_ANN_H
#define QV_QUERY_ANN_H

#include <pthread.h>

#include "index/vector/vector.h"
#include "query/knn.h"

enum { QV_MOST_CHOICES = 16 };

/* ------------------------------------------------------------------ places.c: what a version's vectors are found by */

/* Fragments in the order of their ids; n_fragments of them, the caller's. */
typedef struct qv__numbered {
    uint64_t id;
    size_t fragment;
} qv__numbered;
qv_status qv__fragments_by_id(const qv__snapshot *snapshot, qv__numbered **out, qv_error *err);

/* Where the vectors of one column lie, fragment by fragment, found out as they are asked for. The snapshot's own. */
typedef struct qv__vector_places qv__vector_places;
qv_status qv__vector_places_of(qv__snapshot *snapshot, const qv__vector_column *column, qv__vector_places **out,
                               qv_error *err);
/* The fragment with this id; false: the version has none. */
bool qv__vector_places_fragment(const qv__vector_places *places, uint64_t id, size_t *fragment);
/* Fills `out` with the vector of a row: *found false, it has to be read (nested and encoded columns). NULL: it is null. */
qv_status qv__vector_place(qv__vector_places *places, qv__snapshot *snapshot, const qv__vector_column *column,
                           const qv__location *at, const uint8_t **out, bool *found, qv_error *err);

/* qv__vector_plan_new, once for all searches of a version that ask for the same. *out: the snapshot's own. */
qv_status qv__vector_plan_of(qv__snapshot *snapshot, int32_t field, const char *name, qv_metric metric, size_t dim,
                             qv__vector_plan **out, const char **reason, qv_error *err);

/* ------------------------------------------------------------------ mask.c */

/* What a search through an index has to know of the rows that may match. Immutable. */
typedef struct qv__row_mask {
    qv__key_mask keys;
    qv__key_span *spans;
    uint8_t *bits;
    uint64_t n_rows;          /* let through */
    qv__narrowing *narrowing; /* what an index found out about it; NULL: that is not kept */
} qv__row_mask;
/* Rows of covered fragments: live ones, or those that match (`matches` NULL: all live ones). */
qv_status qv__row_mask_new(qv__snapshot *snapshot, const bool *covered, const qv__matches *matches, bool by_address,
                           qv__row_mask **out, qv_error *err);
void qv__row_mask_free(qv__row_mask *mask);

/* Masks of the same rows that are kept, by the fragments covered and the kind of key; grows under compare-and-swap. */
typedef struct qv__kept_mask qv__kept_mask;
typedef struct qv__mask_list {
    _Atomic(qv__kept_mask *) head;
} qv__mask_list;
/* `budget`: of the mask's narrowing, which must outlive the list; NULL: it has none. The mask is the list's. */
qv_status qv__mask_list_get(qv__mask_list *list, qv__snapshot *snapshot, const bool *covered,
                            const qv__matches *matches, bool by_address, atomic_size_t *budget,
                            const qv__row_mask **out, qv_error *err);
void qv__mask_list_clear(qv__mask_list *list);
/* The live rows of covered fragments; kept by the snapshot. */
qv_status qv__row_mask_of(qv__snapshot *snapshot, const bool *covered, bool by_address, const qv__row_mask **out,
                          qv_error *err);

/* ------------------------------------------------------------------ chosen.c */

/* The rows that a condition leaves of a version. Immutable but for masks that are added; counted. Not to be held longer than the snapshot. */
typedef struct qv__chosen {
    qv__owner owner;
    qv__matches matches;
    qv__mask_list masks;
    struct qv__choices *home; /* the snapshot's */
    size_t bytes;             /* drawn from its budget */
    char *spelling;           /* NULL: not kept */
    char *text;               /* as printed from the compiled condition: other spellings lead here, too */
    bool no_index, fast_search;
    uint64_t last_use;
} qv__chosen;

/* What was chosen lately, kept with a version: the condition that is asked again is not evaluated again. The lock is held for look-ups
 * alone. */
typedef struct qv__choices {
    pthread_mutex_t lock;
    qv__chosen *items[QV_MOST_CHOICES];
    size_t n;
    uint64_t now;         /* counts uses */
    atomic_size_t budget; /* bytes left for what is kept of all of them */
} qv__choices;
void qv__choices_init(qv__choices *choices);
void qv__choices_clear(qv__choices *choices);
qv_status qv__choices_of(qv__snapshot *snapshot, qv__choices **out, qv_error *err); /* places.c */

typedef struct qv__choosing {
    const char *where;
    bool no_index, fast_search;
} qv__choosing;
/* What this condition chose before, by its spelling; *out NULL: that has to be found out. */
qv_status qv__chosen_find(qv__snapshot *snapshot, const qv__choosing *how, qv__chosen **out, qv_error *err);
/* The rows of a filter that was compiled from how->where, found out now or before by another spelling. `is_kept`: others may ask again. */
qv_status qv__chosen_new(qv__row_reader *reader, qv__filter *filter, const qv__choosing *how, bool is_kept,
                         qv__job *job, qv__chosen **out, qv_error *err);
void qv__chosen_unref(qv__chosen *chosen);

/* ------------------------------------------------------------------ exact.c */

/* True distances of rows by key, for the index to refine with. A failed read gives NaN and is kept for the end. */
typedef struct qv__measure {
    qv__exact exact;
    qv__snapshot *snapshot;
    const qv__vector_column *column;
    const qv__distance *distance;
    qv__vector_places *places;
    size_t n_vectors; /* of the one query of a column of lists */
    bool by_address;  /* keys are addresses, else row ids */
    atomic_bool has_failed;
    qv_status status;
    qv_error err;
} qv__measure;
/* In place: the callback keeps its address. */
qv_status qv__measure_init(qv__measure *measure, qv__snapshot *snapshot, const qv__vector_column *column,
                           const qv__distance *distance, size_t n_vectors, bool by_address, qv_error *err);
/* What the first failed read said; when no other thread measures any more. */
qv_status qv__measure_status(const qv__measure *measure, qv_error *err);
/* Where the row of a key lies; *found false: it is not in this version (a deleted row may still be found by address). */
qv_status qv__measure_locate(qv__measure *measure, uint64_t key, qv__location *out, bool *found, qv_error *err);

/* ------------------------------------------------------------------ strategy.c */

typedef struct qv__strategy {
    const char *reason; /* why every row that matches is measured; static. NULL: the index is searched */
} qv__strategy;
typedef struct qv__search_size {
    uint64_t stored;  /* rows in the index */
    uint64_t passing; /* rows that it covers and that may match */
    uint64_t keep;    /* rows wanted */
    size_t row_bytes; /* of a stored vector */
    bool is_asked;    /* the caller set something that is about the index */
    bool has_condition;
    bool estimates; /* true distances are not wanted */
} qv__search_size;
/* Is it cheaper to measure the rows than to look for them? */
qv__strategy qv__choose_strategy(const qv__search_size *size);

/* ------------------------------------------------------------------ ann.c */

typedef struct qv__ann {
    qv__snapshot *snapshot;
    const qv_search_options *options;
    const qv__vector_column *column;
    qv__vector_plan *plan; /* the snapshot's; NULL: none answers */
    const char *reason;    /* why the index is not searched; static. NULL: it is */
    bool by_address;       /* its keys are addresses, else row ids */
    qv__measure measure;
    qv__chosen *chosen; /* what a condition left; borrowed. NULL: all live rows */
    void *queries;      /* as the index wants them */
    size_t n_queries;
    uint64_t covered_rows; /* physical, of fragments that it covers */
    uint64_t passing;      /* of these, rows that may match */
    uint64_t uncovered;    /* rows that may match and have to be scanned */
    const char *shortage;  /* why all rows are to be scanned after the index; static. NULL: they are not */
    qv_error damage;       /* what the index's files failed with; QV_OK: nothing */
    qv__vector_counters counters;
    qv__operator *op_lists, *op_rows; /* of a search that is explained */
} qv__ann;
/* Looks for an index over the column, before the metric is known. QV_NOT_FOUND: none of the name asked for. */
qv_status qv__ann_plan(qv__ann *ann, qv__snapshot *snapshot, const qv__vector_column *column,
                       const qv_search_options *options, qv_error *err);
/* Decides when the rows that may match are counted; sets `reason`, or makes the search ready. */
qv_status qv__ann_choose(qv__ann *ann, const qv__knn *knn, const qv_vectors *queries, qv_error *err);
/* Puts the rows that the index finds into knn->topks, where those of fragments that it does not cover are already. When
 * `shortage` is set afterwards, all rows are to be scanned instead. */
qv_status qv__ann_run(qv__ann *ann, qv__knn *knn, qv_error *err);
qv_status qv__ann_explain(qv__ann *ann, const qv__knn *knn, qv__plan *plan, qv_error *err);
/* Adds to the operators what was done. */
qv_status qv__ann_count(qv__ann *ann, qv_error *err);
void qv__ann_clear(qv__ann *ann);

#endif

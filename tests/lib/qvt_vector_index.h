/* One small table of vectors, and everything that is done with an index over them, as trials: afterwards the index is the one of before or
 * of after, whole; what searches answer is what an exact scan finds; and no files lie about that no version names. */
#ifndef QVT_VECTOR_INDEX_H
#define QVT_VECTOR_INDEX_H

#include "qvt_trial.h"
#include "qvt_vectors.h"

typedef enum qvt_vector_act {
    QVT_INDEX_CREATE,
    QVT_INDEX_REPLACE,
    QVT_INDEX_SEARCH,        /* from a fresh handle: the files are opened, too */
    QVT_INDEX_SEARCH_FILTER, /* the same under a condition */
    QVT_INDEX_DELTA,         /* new rows become a segment */
    QVT_INDEX_MERGE,         /* new rows and two segments become one */
    QVT_INDEX_COMPACT,       /* rows move: segments are written anew */
    QVT_INDEX_DROP,
    QVT_INDEX_ACTS
} qvt_vector_act;

typedef struct qvt_vector_index {
    qvt_vector_act act;
    qv_index_kind kind;
    size_t rows, dim;
    uint64_t memory; /* of the build */
    bool stable;     /* row ids */
    bool was_killed; /* files that no version names are left for a clean-up */
    unsigned n_folders;
    char uri[4200];
    float *values;
    uint64_t version; /* before */
    size_t folders;   /* of indices, before */
    qv_db *db;
    qv_table *table;
    qvt_hits hits;
} qvt_vector_index;

void qvt_vector_index_prepare(void *ctx);
qv_status qvt_vector_index_run(void *ctx, qv_error *err);
void qvt_vector_index_check(void *ctx, qv_status st);
/* A search that looks at every row through the index. */
qv_search_options qvt_vector_index_everything(const qvt_vector_index *x);

#endif

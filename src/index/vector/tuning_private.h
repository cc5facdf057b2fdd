/* What the files share that measure an index while it is built. */
#ifndef QV_INDEX_VECTOR_TUNING_PRIVATE_H
#define QV_INDEX_VECTOR_TUNING_PRIVATE_H

#include <pthread.h>

#include "index/vector/build_private.h"

enum {
    QV_TUNE_K = 10,        /* neighbours that are looked for */
    QV_TUNE_QUERIES = 100, /* rows that ask for them */
    QV_TUNE_EFS = 12,
    QV_TUNE_REFINES = 16, /* refine factors that are tried */
    QV_TUNE_WIDTH = 640   /* estimates kept of a query: refine factors up to 64 can be told */
};

/* A row that a query should find. */
typedef struct qv__wanted {
    float distance;
    uint64_t key;
    uint32_t list;
    uint64_t place; /* as in the tops; UINT64_MAX: its list has not been written */
} qv__wanted;

struct qv__tuner {
    const qv__build_order *order;
    const qv__vector_model *model; /* borrowed */
    size_t n_queries;
    uint8_t *queries; /* n_queries x work_bytes */
    uint64_t *keys;   /* which rows of the table they are: no query finds itself */
    qv__distance *distance;
    size_t near;           /* lists per query that are looked at, nearest first */
    uint32_t *lists;       /* n_queries x near */
    float *list_distances; /* the same */
    uint32_t *ranks;       /* n_queries x n_lists: place among the near ones; near: it is none */
    uint64_t *asking;      /* n_lists x n_words: bit q: the list is near query q */
    size_t n_words;
    pthread_mutex_t lock; /* guards the next two while rows are seen */
    qv__wanted *wanted;   /* n_queries x QV_TUNE_K, by distance and key */
    size_t *n_wanted;
    /* lists as they are written */
    bool is_ready;
    uint64_t n_rows; /* of the lists */
    size_t probes;   /* lists per query that estimates are made of */
    size_t n_levels; /* 1, or one for each ef */
    uint32_t efs[QV_TUNE_EFS];
    qv__code_query **codes; /* per query */
    qv__topk *tops;         /* n_queries x n_levels; ids are places: rank << 32 | row of the list */
    qv__hit *slots;
    uint32_t *numbers; /* 0, 1, 2, ... for as many as the longest list had */
    float *estimates;
    size_t numbers_capacity, estimates_capacity;
    qv__hnsw_scratch *scratch;
};

/* The share of what is wanted that lies in the first `probes` lists. */
double qv__tuner_coverage(const qv__tuner *tuner, size_t probes);
bool qv__tuner_needs_estimates(const qv__tuner *tuner);
void qv__tuner_lists_clear(qv__tuner *tuner);
/* For each of n refine factors the share that is among so many times k best estimates of the first `probes` lists. */
void qv__tuner_recalls(const qv__tuner *tuner, size_t level, size_t probes, const uint32_t *refines, size_t n,
                       double *recalls);

#endif

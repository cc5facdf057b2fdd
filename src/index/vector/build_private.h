/* What the files share that build and merge vector indices: rows on their way from a source into lists. */
#ifndef QV_INDEX_VECTOR_BUILD_PRIVATE_H
#define QV_INDEX_VECTOR_BUILD_PRIVATE_H

#include "index/vector/vector_private.h"

/* ------------------------------------------------------------------ defaults.c: what is built when nothing is said */

/* A column of vectors. */
typedef struct qv__vector_shape {
    qv__element element; /* BITS: bytes under hamming */
    size_t dim;          /* values; BITS: bits */
    size_t bytes;        /* of a vector as it is stored in the table */
    size_t work_bytes;   /* of a vector as it is worked on: dim floats, or the bytes of BITS */
    bool is_multi;       /* a list of vectors per row */
} qv__vector_shape;
/* false: no column of vectors. `metric` AUTO: as qv__default_metric has it. */
bool qv__vector_shape_of(const qv__type *type, qv_metric metric, qv__vector_shape *out);
qv_metric qv__default_metric(const qv__type *type);

#define QV_BUILD_MEMORY (UINT64_C(1) << 30) /* when no limit is given */

/* What is to be built: options with nothing left open but what depends on the number of vectors. */
typedef struct qv__build_order {
    const qv__vector_kind *kind;
    qv__vector_shape shape;
    qv_metric metric;
    uint64_t seed, memory; /* bytes */
    uint32_t n_lists;      /* 0: by the number of vectors */
    uint64_t list_rows;    /* as said; 0: not said */
    uint32_t sample_rate, iterations;
    unsigned pq_m, bits;
    uint32_t hnsw_m, hnsw_ef_construction;
    qv__job *job;
} qv__build_order;
/* QV_INVALID: what the options ask for does not fit kind, type or dimension, by name and number. */
qv_status qv__build_order_of(const qv__vector_kind *kind, const qv__type *type, const qv__index_target *target,
                             qv__build_order *out, qv_error *err);
/* Lists for this many vectors. */
size_t qv__default_lists(const qv__build_order *order, uint64_t vectors);
/* How many rows a list holds by default when there are so many vectors. */
double qv__default_list_rows(const qv__build_order *order, uint64_t vectors);

/* ------------------------------------------------------------------ build_rows.c: vectors out of a source */

/* Some rows of a source, one entry per vector, in their order. */
typedef struct qv__row_chunk {
    size_t n, capacity, ids_capacity;
    const uint8_t **at; /* the vector as stored; NULL: there is none */
    uint64_t *ids;
    uint64_t rows;    /* of the source */
    qv__array **kept; /* whose bytes `at` points into */
    size_t n_kept, kept_capacity;
} qv__row_chunk;
/* Replaces what is in the chunk by the next rows, until there are `wanted` vectors; rows 0: the end. */
qv_status qv__chunk_next(qv__row_chunk *chunk, qv__stream *values, const qv__vector_shape *shape, size_t wanted,
                         qv_error *err);
void qv__chunk_clear(qv__row_chunk *chunk);
/* Vectors [from, to) as they are worked on, row after row: float32, of unit length for cosine; BITS: bytes. Left out: those that are missing, or
 * not finite, or (cosine) zero. which[i]: position in the chunk of the i-th. Returns how many. */
size_t qv__chunk_work(const qv__row_chunk *chunk, const qv__vector_shape *shape, qv_metric metric, size_t from,
                      size_t to, void *rows, uint32_t *which);
/* One vector as a float row; false: it is left out. */
bool qv__vector_work(qv__element element, size_t dim, qv_metric metric, const uint8_t *stored, float *row);
/* Vectors of a chunk as FLAT columns hold them, when their element type is no float of 32 bits or less. */
void qv__vector_copy_flat(const qv__vector_shape *shape, qv_metric metric, const uint8_t *stored, uint8_t *out);

/* ------------------------------------------------------------------ sample.c: what is trained on, and training */

typedef struct qv__vector_sample {
    size_t n;
    uint8_t *rows; /* n x work_bytes */
    uint64_t *ids;
    bool is_whole;    /* all vectors of the source */
    uint64_t vectors; /* of the source, about; is_whole: n */
} qv__vector_sample;
/* Draws at least `wanted` vectors, if there are so many, and no more than memory allows. */
qv_status qv__sample_draw(const qv__build_order *order, qv__index_source *source, size_t wanted, qv__vector_sample *out,
                          qv_error *err);
void qv__sample_clear(qv__vector_sample *sample);
/* n <= sample->n rows of it, spread evenly. */
qv_status qv__sample_pick(const qv__build_order *order, const qv__vector_sample *sample, size_t n,
                          qv__vector_sample *out, qv_error *err);
/* The model of an index over the source: centroids, quantizer; of one list without rows when there is no vector at all. `sample` is drawn here,
 * and the caller's. */
qv_status qv__train(const qv__build_order *order, qv__index_source *source, qv__vector_sample *sample,
                    qv__vector_model **out, qv_error *err);

/* ------------------------------------------------------------------ spill.c: rows by list */

enum { QV_STORE_COLUMNS = QV_MAX_CODE_COLUMNS + 1 };
/* Ids and columns of fixed width, put in any order of lists and got list by list, in the order in which they were put. What passes the
 * memory's limit goes to files in the index's folder, which are gone when the store is freed. */
typedef struct qv__list_store qv__list_store;
qv_status qv__list_store_new(const qv__index_target *target, size_t n_lists, const size_t *widths, size_t n_columns,
                             uint64_t memory, qv__list_store **out, qv_error *err);
void qv__list_store_free(qv__list_store *store);
qv_status qv__list_store_put(qv__list_store *store, const uint32_t *lists, const uint64_t *ids,
                             const uint8_t *const *columns, size_t n, qv_error *err);
qv_status qv__list_store_seal(qv__list_store *store, qv_error *err); /* no more is put; then: */
uint64_t qv__list_store_rows(const qv__list_store *store);
size_t qv__list_store_list_rows(const qv__list_store *store, size_t list);
/* Copies a list to ids and columns. Lists are got in their order, each once. */
qv_status qv__list_store_get(qv__list_store *store, size_t list, uint64_t *ids, uint8_t *const *columns, qv_error *err);

/* ------------------------------------------------------------------ build_lists.c: from vectors to lists */

/* Lists of older segments of the same model, which the new ones begin with. */
typedef struct qv__older_lists {
    qv__vector_segment **segments;
    size_t n;
    qv__keep_fn keep; /* NULL: all rows as they are */
    void *ctx;
} qv__older_lists;

/* Where vectors are assigned and encoded under a model, and lists are written. */
typedef struct qv__list_build {
    const qv__index_target *target;
    const qv__build_order *order;
    qv__vector_model *model;
    qv__list_store *store;
    size_t n_columns; /* the quantizer's, and one of float rows when graphs need it */
    size_t widths[QV_STORE_COLUMNS];
    bool keeps_rows;
    qv__vector_tuning tuning;     /* the model's, and what was measured since */
    double distance;              /* sum over the rows of what is between them and their centroids */
    struct qv__tuner *tuner;      /* NULL: nothing is measured */
    const qv__older_lists *older; /* NULL: none */
} qv__list_build;
qv_status qv__list_build_init(qv__list_build *build, const qv__index_target *target, const qv__build_order *order,
                              qv__vector_model *model, qv_error *err);
void qv__list_build_clear(qv__list_build *build);
/* Reads the source to its end. */
qv_status qv__list_build_rows(qv__list_build *build, qv__stream *values, uint64_t rows, qv_error *err);
/* Writes everything. */
qv_status qv__list_build_write(qv__list_build *build, qv__index_built *out, qv_error *err);

/* ------------------------------------------------------------------ merge.c: lists of older segments */

size_t qv__older_rows(const qv__older_lists *older, size_t list); /* at most so many are kept */
/* The kept rows of a list, one segment after the other: ids, and the columns of the build row after row. *graph: the one that is stored, when the
 * list is still exactly what it was made over; else NULL. Borrowed from the segment. */
qv_status qv__older_get(const qv__list_build *build, size_t list, uint64_t *ids, uint8_t *const *columns, size_t *n,
                        const qv__hnsw **graph, qv_error *err);

/* ------------------------------------------------------------------ tuning.c: how to search what is built */

/* Some rows of the sample (n_queries) are asked for their neighbours while the index is built. Those that are found in the lists nearest to each are the
 * truth; what fewer lists, coarser estimates and shorter walks find of it is the recall. */
typedef struct qv__tuner qv__tuner;
qv_status qv__tuner_new(const qv__build_order *order, const qv__vector_model *model, const qv__vector_sample *sample,
                        size_t n_queries, qv__tuner **out, qv_error *err);
void qv__tuner_free(qv__tuner *tuner);
/* Rows on their way into lists; thread-safe. */
qv_status qv__tuner_see_rows(qv__tuner *tuner, const void *rows, const uint64_t *ids, const uint32_t *lists, size_t n,
                             qv_error *err);
/* A list as it is written; after all rows. */
qv_status qv__tuner_see_list(qv__tuner *tuner, size_t list, const uint64_t *ids, const uint8_t *const *plain, size_t n,
                             const qv__hnsw *graph, qv_error *err);
qv_status qv__tuner_finish(qv__tuner *tuner, qv__vector_tuning *out, qv_error *err);

/* ------------------------------------------------------------------ drift.c: do new rows fit the model? */

/* QV_UNSUPPORTED: rows to be added, a good part of all, are found worse than those that the model was tuned for. The recall that was measured
 * goes into `tuning`. */
qv_status qv__drift_check_recall(const qv__build_order *order, const qv__vector_model *model,
                                 const qv__older_lists *older, qv__index_source *added, qv__vector_tuning *tuning,
                                 qv_error *err);
/* QV_UNSUPPORTED: they are much farther from their centroids, or much nearer. distance: the sum of theirs. */
qv_status qv__drift_check_loss(const qv__vector_model *model, const qv__older_lists *older, double distance,
                               uint64_t added, qv_error *err);

#endif

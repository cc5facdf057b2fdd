/* What the files of index/vector share: the model of an index, its files being written, and an opened segment. */
#ifndef QV_INDEX_VECTOR_PRIVATE_H
#define QV_INDEX_VECTOR_PRIVATE_H

#include "ann/hnsw/hnsw.h"
#include "ann/kmeans/kmeans.h"
#include "ann/pq/pq.h"
#include "ann/rabitq/rabitq.h"
#include "ann/sq/sq.h"
#include "base/arena.h"
#include "file/file.h"
#include "index/lance_index.pb-c.h"
#include "index/vector/vector.h"
#include "json/json.h"

/* ------------------------------------------------------------------ kind.c: what a kind of index is made of */

typedef enum qv__code_kind { QV_CODE_FLAT, QV_CODE_SQ, QV_CODE_PQ, QV_CODE_RQ } qv__code_kind;
typedef struct qv__vector_kind {
    qv_index_kind kind;
    const char *name; /* "IVF_HNSW_SQ" */
    qv__code_kind code;
    bool has_graph;
} qv__vector_kind;
const qv__vector_kind *qv__vector_kind_of(qv_index_kind kind);
const qv__vector_kind *qv__vector_kind_by_name(const char *name, size_t len);       /* NULL: unknown */
const qv__vector_kind *qv__vector_kind_made_of(qv__code_kind code, bool has_graph); /* NULL: RaBitQ has no graphs */
const char *qv__vector_metric_name(qv_metric metric);                               /* "l2"; NULL: no index has it */
qv_metric qv__vector_metric_by_name(const char *name, size_t len);                  /* AUTO: unknown */
/* What a column's type means to an index; false: it holds no vectors. With hamming, uint8 stands for 8 * dim BITS. */
bool qv__vector_type_of(const qv__type *type, qv__element *element, size_t *dim, bool *is_multi);

/* ------------------------------------------------------------------ model.c: everything trained, and what searches need to know */

/* How a search with nothing set goes about, as measured when the index was built; kept in a pair of the schema's metadata of index.idx
 * (QV_TUNING_KEY: [[recall, probes, refine, ef], ...]) that other readers ignore. */
typedef struct qv__tuned_step {
    float recall; /* of 10 rows, measured on a sample */
    uint32_t probes, refine, ef;
} qv__tuned_step;
typedef struct qv__vector_tuning {
    uint32_t n; /* steps, by rising recall; 0: not measured */
    qv__tuned_step steps[16];
    /* Rows that were added since and asked for their neighbours (0: none), and the recall (QV_ADDED_KEY: [rows, recall]). */
    uint32_t added_rows;
    float added;
} qv__vector_tuning;

#define QV_TUNING_KEY "quiver:tuning"
#define QV_ADDED_KEY  "quiver:added"

/* Immutable when made; counted. */
typedef struct qv__vector_model {
    qv__owner owner;
    const qv__vector_kind *kind;
    qv_metric metric;
    qv__element element; /* of the column: F32, F16, F64, BF16, I8, U8, or BITS (hamming) */
    size_t dim;          /* values; bits for BITS */
    bool is_multi;       /* the column is a list of vectors */
    size_t n_lists;
    float *centroids;       /* n_lists x dim; NULL for BITS */
    uint8_t *bit_centroids; /* BITS: n_lists x dim / 8 */
    qv__centroids *ranking; /* NULL for BITS */
    float *extra;           /* n_lists x the quantizer's extra floats; NULL: none */
    qv__quantizer *quantizer;
    double loss;
    uint32_t hnsw_m, hnsw_ef_construction;
    uint64_t target_partition_size; /* 0: not said */
    qv__vector_tuning tuning;
} qv__vector_model;
/* Takes what the model points to (also on failure), and makes ranking and extra. */
qv_status qv__vector_model_new(const qv__vector_model *parts, qv__vector_model **out, qv_error *err);
void qv__vector_model_unref(qv__vector_model *model);

/* ------------------------------------------------------------------ metadata.c: JSON in the metadata of files */

typedef struct qv__metadata_value {
    qv__buffer bytes; /* JSONB */
    qv__jsonb_value root;
} qv__metadata_value;
/* QV_CORRUPT: not JSON, or (of_file) no such key. Clear what was read. */
qv_status qv__metadata_json(const char *what, const void *text, size_t len, qv__metadata_value *out, qv_error *err);
qv_status qv__metadata_of_file(const qv__file *file, const char *key, qv__metadata_value *out, qv_error *err);
void qv__metadata_value_clear(qv__metadata_value *value);
bool qv__metadata_member(const qv__jsonb_value *object, const char *key, qv__jsonb_value *out);
bool qv__metadata_is(const qv__jsonb_value *value, uint32_t kind);
/* A member that is missing or null leaves *out as it is. */
qv_status qv__metadata_number(const qv__jsonb_value *object, const char *key, uint64_t *out, qv_error *err);
bool qv__metadata_double(const qv__jsonb_value *value, double *out); /* false: not a finite number */
bool qv__metadata_text(const qv__jsonb_value *object, const char *key, const char **out, size_t *len);

/* ------------------------------------------------------------------ tensor.c, ivf_message.c: numbers in global buffers */

/* A matrix as it is stored. */
typedef struct qv__tensor {
    qv__element element; /* F32, F16, F64, BF16, or U8 */
    size_t rows, columns;
    const uint8_t *data; /* row after row, at any alignment; NULL: there is none */
} qv__tensor;
qv_status qv__tensor_read(const Lance__Index__Tensor *message, qv__tensor *out, qv_error *err); /* borrows */
qv_status qv__tensor_parse(const uint8_t *bytes, size_t len, qv__arena *arena, qv__tensor *out, qv_error *err);
/* All values, which are finite. QV_CORRUPT: one is not. */
qv_status qv__tensor_floats(const qv__tensor *tensor, float **out, qv_error *err);
/* A matrix of floats in the form of a column's elements: F16, F64, else F32. *data is the caller's (qv__free). */
qv_status qv__tensor_of_floats(const float *values, size_t rows, size_t columns, qv__element element, qv__tensor *out,
                               uint8_t **data, qv_error *err);
qv_status qv__tensor_pack(const qv__tensor *tensor, qv__buffer *out, qv_error *err);
/* The same as a part of another message; borrows the tensor and `shape`. */
qv_status qv__tensor_message(const qv__tensor *tensor, Lance__Index__Tensor *out, uint32_t shape[2], qv_error *err);

/* Where lists begin and how long they are, and their centroids. */
typedef struct qv__ivf_message {
    qv__arena arena; /* owns the rest */
    size_t n_lists;
    uint64_t *offsets;
    uint32_t *lengths;
    qv__tensor centroids;
    double loss;
} qv__ivf_message;
/* The message in the buffer that the file's metadata name; every list is checked to lie in the file, and no row to be in two. */
qv_status qv__ivf_message_read(qv__file *file, qv__ivf_message *out, qv_error *err);
void qv__ivf_message_clear(qv__ivf_message *message);
/* centroids, loss: NULL: none. Becomes a global buffer which the metadata name. */
qv_status qv__ivf_message_write(qv__file_writer *writer, const uint64_t *offsets, const uint32_t *lengths, size_t n,
                                const qv__tensor *centroids, const double *loss, qv_error *err);

/* ------------------------------------------------------------------ details.c: what the manifest says of an index */

qv_status qv__vector_details_pack(const qv__vector_model *model, qv__buffer *out, qv_error *err);
/* The kind of an entry; NULL: the details do not tell. */
const qv__vector_kind *qv__vector_details_kind(const uint8_t *bytes, size_t len);
/* Members of a JSON object, without braces, as list_indices tells them. */
qv_status qv__vector_details_print(const qv__index_entry *entry, qv__buffer *json, qv_error *err);
uint64_t qv__vector_details_target(const uint8_t *bytes, size_t len); /* rows per list that were wanted; 0: not said */

/* ------------------------------------------------------------------ storage.c: quantizers as files tell them */

/* What a file holds of a quantizer; `quantizer` is made of it. */
typedef struct qv__code_storage {
    qv__quantizer *quantizer;
    bool is_plain; /* columns lie row after row although the quantizer scans arranged ones */
} qv__code_storage;
/* By auxiliary.idx. `element`: of the column, BITS with hamming. */
qv_status qv__code_storage_read(qv__file *file, qv__code_kind kind, qv_metric metric, qv__element element, size_t dim,
                                qv__code_storage *out, qv_error *err);
/* Global buffers and metadata of the model's quantizer. */
qv_status qv__code_storage_write(qv__file_writer *writer, const qv__vector_model *model, qv_error *err);

/* ------------------------------------------------------------------ lists_write.c: index.idx and auxiliary.idx being written */

typedef struct qv__list_writer qv__list_writer;
qv_status qv__list_writer_open(const qv__index_target *target, qv__vector_model *model, qv__list_writer **out,
                               qv_error *err);
/* The next list (0 first): plain columns of n rows, arranged here. `graph` over the same rows, in this order; NULL: the kind has none, or
 * n = 0. */
qv_status qv__list_writer_add(qv__list_writer *writer, const uint64_t *ids, const uint8_t *const *plain, size_t n,
                              const qv__hnsw *graph, qv_error *err);
/* Both files durable; fills details and version. `tuning` (may be NULL) was measured meanwhile. */
qv_status qv__list_writer_finish(qv__list_writer *writer, const qv__vector_tuning *tuning, qv__index_built *out,
                                 qv_error *err);
void qv__list_writer_free(qv__list_writer *writer);

/* ------------------------------------------------------------------ lists.c, graphs.c: an opened segment */

typedef struct qv__vector_segment
    qv__vector_segment; /* begins with qv__segment; lists are read when they are first asked for */
qv_status qv__vector_segment_open(qv__store *folder, const qv__index_entry *entry, const qv__type *type,
                                  qv__segment **out, qv_error *err);
void qv__vector_segment_close(qv__segment *segment);
qv__vector_model *qv__vector_segment_model(const qv__vector_segment *segment); /* borrowed */
/* A list as it is stored: mapped where the layout allows, else decoded once and kept. Borrowed from the segment. */
qv_status qv__vector_segment_list(qv__vector_segment *segment, size_t list, qv__code_list *out, qv_error *err);
uint64_t qv__vector_segment_rows(const qv__vector_segment *segment);
size_t qv__vector_segment_list_rows(const qv__vector_segment *segment, size_t list);
/* The graph of a list (NULL: no rows), and its codes row after row; borrowed. */
qv_status qv__vector_segment_graph(qv__vector_segment *segment, size_t list, const qv__hnsw **graph,
                                   qv__code_list *plain, qv_error *err);
/* What a thread needs to walk its graphs, kept between searches: marks of a million nodes take longer to make than to use. */
qv_status qv__vector_segment_take_scratch(qv__vector_segment *segment, qv__hnsw_scratch **out, qv_error *err);
void qv__vector_segment_give_scratch(qv__vector_segment *segment, qv__hnsw_scratch *scratch); /* NULL: nothing */

/* ------------------------------------------------------------------ report.c: as qv__index_method has them */

void qv__vector_recall(const qv__segment *segment, qv_index_options *options);
qv_status qv__vector_describe(qv__segment *segment, qv__buffer *json, qv_error *err);
qv_status qv__vector_prewarm(qv__segment *segment, qv_error *err);
qv_status qv__vector_verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err);

/* ------------------------------------------------------------------ search.c: one segment, any number of queries */

/* A segment's lists under a mask (narrowed.c). */
typedef struct qv__narrowed qv__narrowed;
/* `narrowed` NULL: lists as they are stored. */
qv_status qv__vector_segment_search(qv__vector_segment *segment, const qv__vector_request *request,
                                    qv__narrowed *narrowed, qv__candidates *candidates, qv__vector_counters *counters,
                                    qv_error *err);

/* ------------------------------------------------------------------ build.c, merge.c: behind qv__index_method */

qv_status qv__vector_build(const qv__vector_kind *kind, const qv__index_target *target, qv__index_source *source,
                           qv__index_built *out, qv_error *err);
qv_status qv__vector_merge(const qv__vector_kind *kind, const qv__index_target *target, qv__segment *const *old,
                           size_t n_old, qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out,
                           qv_error *err);
bool qv__vector_can_index(const qv__type *type);

#endif

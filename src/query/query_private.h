/* What the files of query/ share: where values come from, which rows are meant, and the operators of a plan. */
#ifndef QV_QUERY_PRIVATE_H
#define QV_QUERY_PRIVATE_H

#include "base/buffer.h"
#include "index/index.h"
#include "query/query.h"

/* ------------------------------------------------------------------ plan.c */

/* An operator of a plan: what it is for, what feeds it, and what it did. The counters may be raised by any thread. */
typedef struct qv__operator qv__operator;
struct qv__operator {
    const char *name; /* "FilterExec" */
    char *detail;     /* what follows the name; "" for nothing */
    qv__operator *input;
    bool is_logical; /* of the logical tree: has no counters */
    _Atomic uint64_t rows, batches, time_ns, bytes_read, io_calls, comparisons;
};

/* The two trees of one query. Operators are made from the leaf upwards: each new one is fed by the one before. */
typedef struct qv__plan {
    qv__operator *logical, *physical;
} qv__plan;
/* Puts an operator on top of a tree; the detail is printed from the format. */
qv_status qv__plan_add(qv__operator **top, bool is_logical, const char *name, qv__operator **out, qv_error *err,
                       const char *format, ...) QV_PRINTF(6, 7);
/* Appends to the detail of an operator, when no other thread looks at it. */
qv_status qv__plan_note(qv__operator *op, qv_error *err, const char *format, ...) QV_PRINTF(3, 4);
void qv__plan_clear(qv__plan *plan);
/* elapsed_ns: with the counters of a query that has run; negative: without. */
qv_status qv__plan_print(const qv__plan *plan, int64_t elapsed_ns, bool as_json, qv__buffer *out, qv_error *err);

/* A piece of an operator's work on one thread: its time, and what it read meanwhile. */
typedef struct qv__span {
    int64_t began_ns;
    uint64_t bytes, calls;
} qv__span;
qv__span qv__span_begin(void);
void qv__span_end(const qv__span *span, qv__operator *op, uint64_t rows);

/* ------------------------------------------------------------------ sources.c */

typedef enum qv__source_kind {
    QV_FROM_FIELD,
    QV_FROM_ROW_ID,
    QV_FROM_ROW_ADDRESS,
    QV_FROM_ROW_OFFSET, /* position among the live rows */
    QV_FROM_PLACE,      /* index of the fragment << 32 | physical row; never shown */
    QV_FROM_DISTANCE,
    QV_FROM_QUERY_INDEX
} qv__source_kind;

/* A field to read: a whole one of the schema, or one pruned to a single nested column, which then lies `depth` structs below. */
typedef struct qv__read {
    const qv__field *whole; /* borrowed from the schema; depth 0 */
    qv__field pruned;       /* owned; depth > 0 */
    size_t depth;
} qv__read;
static inline const qv__field *qv__read_field(const qv__read *read)
{
    return read->depth > 0 ? &read->pruned : read->whole;
}

typedef struct qv__source {
    qv__source_kind kind;
    qv__read read;         /* QV_FROM_FIELD */
    const qv__field *leaf; /* QV_FROM_FIELD: the column's own field, borrowed from the schema */
    char *name;            /* dotted path, or "_rowid" ... */
} qv__source;

/* Each once. */
typedef struct qv__sources {
    size_t n, capacity;
    qv__source *items;
} qv__sources;
void qv__sources_clear(qv__sources *sources);
qv_status qv__sources_add_made(qv__sources *sources, qv__source_kind kind, size_t *id, qv_error *err);
/* QV_NOT_FOUND names the known columns. */
qv_status qv__sources_add_column(qv__sources *sources, const qv__schema *schema, const char *name, size_t *id,
                                 qv_error *err);
/* The columns of a program, in its order; *inputs is the caller's. */
qv_status qv__sources_add_program(qv__sources *sources, const qv__schema *schema, const qv__program *program,
                                  size_t **inputs, qv_error *err);
bool qv__sources_have(const qv__sources *sources, qv__source_kind kind);
/* The kind of a made column by its name; false: no such. */
bool qv__source_kind_of(const char *name, bool is_search, qv__source_kind *out);

/* The read of a column by its name, nested ones by dotted path; *leaf is the column's own field (borrowed from the schema).
 * *found false: no such column. Clear the read with qv__read_clear. */
qv_status qv__read_find(const qv__schema *schema, const char *name, qv__read *out, const qv__field **leaf, bool *found,
                        qv_error *err);
/* Appends the names of all columns of the schema, quoted, to a message part; returns buf. */
char *qv__column_names(const qv__schema *schema, char *buf, size_t buf_len);
void qv__read_clear(qv__read *read);
/* The nested column of an array of the read's field: nulls of the structs above are its nulls too. */
qv_status qv__read_extract(const qv__read *read, const qv__array *array, qv__array **out, qv_error *err);
/* A nested column can be null wherever a struct above it can. */
bool qv__read_nullable(const qv__read *read);
/* The table's columns, then _rowid, _rowaddr, _rowoffset, and _distance when `is_search`. */
qv_status qv__scope_new(const qv__schema *schema, bool is_search, qv__schema **out, qv_error *err);

/* ------------------------------------------------------------------ projection.c */

/* A column of the result: a source as it is, or computed from sources. */
typedef struct qv__output {
    qv__program *program; /* NULL: the source */
    size_t source;
    size_t *inputs; /* of the program's columns */
} qv__output;

typedef struct qv__projection {
    qv__schema *schema; /* of the result */
    size_t n_outputs;
    qv__output *outputs;
    size_t n_used; /* the sources that the outputs need, each once */
    size_t *used;
} qv__projection;

typedef struct qv__wanted {
    const char *const *columns; /* NULL: all */
    const char *const *expressions;
    size_t n_columns;
    bool row_id, row_address; /* at the end */
    bool place;               /* after those: for sorting */
    bool is_search;           /* _distance is known, and added when not named */
    bool query_index;         /* first */
} qv__wanted;

/* QV_NOT_FOUND: unknown column, with the known ones. QV_INVALID: a column twice, a wrong expression. */
qv_status qv__projection_new(const qv__schema *schema, const qv__wanted *wanted, qv__sources *sources,
                             qv__projection **out, qv_error *err);
void qv__projection_free(qv__projection *projection);
/* The batch of n rows; `arrays` holds one for every used source, by its position in the list of sources. */
qv_status qv__projection_batch(const qv__projection *projection, qv__array *const *arrays, size_t n, qv__array **out,
                               qv_error *err);
/* "id, x * 2 as y" */
qv_status qv__projection_print(const qv__projection *projection, const qv__sources *sources, qv__buffer *out,
                               qv_error *err);

/* ------------------------------------------------------------------ rows.c */

/* What all reads of one query need. Immutable while the query runs. */
typedef struct qv__row_reader {
    qv__snapshot *snapshot;
    qv__sources sources;
    uint64_t *starts; /* live rows before each fragment, n_fragments + 1; made when _rowoffset is asked for */
} qv__row_reader;
qv_status qv__row_reader_prepare(qv__row_reader *reader, qv_error *err); /* after the last source was added */
void qv__row_reader_clear(qv__row_reader *reader);
/* starts[f]: live rows before fragment f; n_fragments + 1 of them. */
qv_status qv__count_live(qv__snapshot *snapshot, uint64_t *starts, qv_error *err);

/* A fragment whose columns are opened when they are first read. Counted; shared by the tasks of a window. */
typedef struct qv__opened {
    atomic_int refs;
    const qv__row_reader *reader;
    size_t index;
    uint64_t rows;
    const uint8_t *live;                     /* NULL: all */
    _Atomic(qv__fragment_column *) *columns; /* one for each source */
} qv__opened;
qv_status qv__opened_new(const qv__row_reader *reader, size_t fragment, qv__opened **out, qv_error *err);
qv__opened *qv__opened_ref(qv__opened *opened);
void qv__opened_unref(qv__opened *opened);
qv_status qv__opened_column(qv__opened *opened, size_t source, qv__fragment_column **out, qv_error *err);

/* Some rows of one fragment, ascending: a whole span, or some rows of it as bits, as a list, or as both. */
typedef struct qv__rows {
    qv__opened *from; /* a reference */
    uint64_t row, n;  /* the physical span that they lie in */
    size_t count;     /* how many */
    uint64_t *list;   /* physical */
    uint8_t *mask;    /* bits of the span */
} qv__rows;
void qv__rows_clear(qv__rows *rows);
static inline bool qv__rows_are_all(const qv__rows *rows) { return !rows->list && !rows->mask; }
/* The rows' values. Dense lists are read as a span and filtered, sparse ones are taken row by row. */
qv_status qv__rows_read(qv__rows *rows, size_t source, qv__array **out, qv_error *err);
/* The span's values, all of them. */
qv_status qv__rows_read_span(const qv__rows *rows, size_t source, qv__array **out, qv_error *err);
/* Are there enough rows in the span that reading all of it is cheaper than reading one by one? */
bool qv__rows_are_dense(const qv__rows *rows);
/* The numbers of the rows, borrowed; not for whole spans. */
qv_status qv__rows_list(qv__rows *rows, const uint64_t **out, qv_error *err);
/* The bits of the span; borrowed. */
qv_status qv__rows_mask(qv__rows *rows, const uint8_t **out, qv_error *err);
/* Numbers that Quiver makes itself, for `count` rows: those of `list`, or from `row` on. */
qv_status qv__row_numbers(const qv__row_reader *reader, qv__source_kind kind, size_t fragment, uint64_t row,
                          const uint64_t *list, size_t count, uint64_t *out, qv_error *err);

/* An array of n fixed-width values without nulls over fresh memory, to be filled through *values. */
qv_status qv__fixed_array(const qv__type *type, size_t n, qv__array **out, void **values, qv_error *err);
/* The same of a made source's type. */
qv_status qv__made_array(qv__source_kind kind, size_t n, qv__array **out, void **values, qv_error *err);
void qv__unref_all(qv__array **arrays, size_t n); /* and sets them to NULL */

/* ------------------------------------------------------------------ condition.c */

/* A condition as steps: conjuncts that are evaluated one after the other, each on the rows that the former ones left. */
typedef struct qv__step {
    qv__program *program;
    size_t *inputs;
    qv__operator *op; /* NULL: nobody counts */
    bool is_inner;    /* shares the operator with a later step, whose rows are the operator's */
} qv__step;
typedef struct qv__condition {
    size_t n_steps;
    qv__step *steps;
} qv__condition;
qv_status qv__condition_new(const qv__schema *schema, const qv__program *program, qv__sources *sources,
                            qv__condition *out, qv_error *err);
void qv__condition_clear(qv__condition *condition);
/* Bytes of one row of the columns that the first step reads, as far as the types tell. */
uint64_t qv__condition_width(const qv__condition *condition, const qv__sources *sources);

/* Leaves the rows for which all steps hold. `kept` (one slot per source, or NULL) takes the values, for the rows that are left, of
 * the sources that `keep` marks and that were read anyhow. */
typedef struct qv__selecting {
    const qv__condition *condition;
    const bool *keep;
    qv__array **kept;
} qv__selecting;
qv_status qv__select(const qv__selecting *selecting, qv__rows *rows, qv_error *err);
/* The same for rows whose values are there: `arrays` by source, each n long. Bits of `selected` are the rows that are left. */
qv_status qv__select_arrays(const qv__condition *condition, qv__array *const *arrays, size_t n, uint8_t *selected,
                            size_t *n_selected, qv_error *err);

/* ------------------------------------------------------------------ filter.c */

/* A condition on its way through a query: compiled, planned over indices, and cut into steps. */
typedef struct qv__filter {
    qv__program *program; /* NULL: all rows */
    bool never;           /* the condition is false or NULL for every row */
    bool fast_search;
    qv__condition full, recheck; /* no steps: nothing to check */
    qv__index_plan *index;       /* NULL: none helps */
    qv__index_rows found;
    bool has_found;
    const qv__matches *matches; /* rows that were chosen before; borrowed. NULL: all live ones */
    qv__operator *op_read, *op_index;
} qv__filter;
/* Compiles `where` (NULL or empty: all rows) and adds what it reads to the reader's sources. */
qv_status qv__filter_new(qv__filter *filter, qv__row_reader *reader, const char *where, bool no_index, qv_error *err);
qv_status qv__filter_from(qv__filter *filter, qv__row_reader *reader, const qv__program *program, bool no_index,
                          qv_error *err);
void qv__filter_clear(qv__filter *filter);
/* Is every live row meant? */
static inline bool qv__filter_is_empty(const qv__filter *filter)
{
    return !filter->program && !filter->matches && !filter->never;
}
/* Asks the indices, once; before the first walk. */
qv_status qv__filter_start(qv__filter *filter, qv__row_reader *reader, qv__job *job, qv_error *err);
/* The live rows for which the condition holds, as qv__match_rows gives them. */
qv_status qv__filter_match(qv__filter *filter, qv__row_reader *reader, qv__job *job, qv__matches *out, qv_error *err);
/* Operators from the read up to the last step. */
qv_status qv__filter_plan(qv__filter *filter, const qv__row_reader *reader, qv__plan *plan, qv_error *err);

/* ------------------------------------------------------------------ walk.c */

/* Goes through all rows that may match, in storage order, in morsels: a piece of a fragment that one task looks at. */
typedef struct qv__morsel {
    qv__rows rows;
    const qv__condition *condition; /* NULL: all rows match */
    qv_status status;               /* of the selection */
    qv_error err;
} qv__morsel;
typedef struct qv__walk {
    const qv__row_reader *reader;
    const qv__filter *filter;
    uint64_t morsel_rows;
    size_t fragment;
    uint64_t row;
    qv__opened *opened; /* of `fragment`, or NULL */
} qv__walk;
void qv__walk_begin(qv__walk *walk, const qv__row_reader *reader, const qv__filter *filter);
qv_status qv__walk_next(qv__walk *walk, qv__morsel *out, bool *found, qv_error *err);
void qv__walk_end(qv__walk *walk);

/* ------------------------------------------------------------------ fetch.c */

typedef struct qv__location {
    size_t fragment; /* index in the snapshot */
    uint64_t row;    /* physical */
} qv__location;

/* Fetches the sources `which` for rows in the order of `at` (repeats allowed) into arrays[source]; made ones of a search stay
 * NULL. On failure nothing is held. */
qv_status qv__fetch_rows(const qv__row_reader *reader, const size_t *which, size_t n_which, const qv__location *at,
                         size_t n, qv__job *job, qv__array **arrays, qv_error *err);
/* The batch of a projection for rows by place. */
qv_status qv__fetch_batch(const qv__row_reader *reader, const qv__projection *projection, const qv__location *at,
                          size_t n, qv__job *job, qv__array **out, qv_error *err);
/* The places for which the filter's condition holds: sets `selected` (n bits) and *n_selected. */
qv_status qv__fetch_selected(const qv__row_reader *reader, const qv__filter *filter, const qv__location *at, size_t n,
                             qv__job *job, uint8_t *selected, size_t *n_selected, qv_error *err);

/* ------------------------------------------------------------------ order.c */

typedef struct qv__sorter qv__sorter;
typedef struct qv__sort_key {
    bool descending, nulls_first;
} qv__sort_key;
/* Sorts rows by keys, ties in the order in which they came; keeps the first `keep` at most. */
qv_status qv__sorter_new(const qv__sort_key *keys, size_t n_keys, uint64_t keep, qv__sorter **out, qv_error *err);
void qv__sorter_free(qv__sorter *sorter);
/* `columns`: one per key. `at`: where the n rows lie. */
qv_status qv__sorter_add(qv__sorter *sorter, qv__array *const *columns, const qv__location *at, size_t n,
                         qv_error *err);
/* The places in order; *at is the caller's. */
qv_status qv__sorter_finish(qv__sorter *sorter, qv__location **at, size_t *n, qv_error *err);

/* ------------------------------------------------------------------ search_order.c */

/* QV_INVALID: a sort key that is not among the columns of the result. */
qv_status qv__search_sort_check(const qv_search_options *options, const qv__schema *schema, qv_error *err);
/* Sorts the rows of a result by the options' keys: *batch is replaced. */
qv_status qv__search_sort(const qv_search_options *options, const qv__schema *schema, qv__array **batch, qv_error *err);

/* ------------------------------------------------------------------ scan.c, sorted.c */

typedef struct qv__scan_plan { /* a scan that has not begun */
    qv__stream *stream;
    qv__plan *plan; /* the stream's own */
} qv__scan_plan;
/* `wanted` says the columns; those of the options, and their order, are not looked at. */
qv_status qv__scan_new(qv__snapshot *snapshot, const qv_scan_options *options, const qv__wanted *wanted,
                       const qv__matches *matches, qv__scan_plan *out, qv_error *err);
/* The same in the order of options->order_by: a scan of the sort keys with the places of the rows, and a stream over the sorted
 * places. */
qv_status qv__sorted_new(qv__snapshot *snapshot, const qv_scan_options *options, const qv__wanted *wanted,
                         const qv__matches *matches, qv__scan_plan *out, qv_error *err);
/* Either, as the options say. */
qv_status qv__scan_plan_new(qv__snapshot *snapshot, const qv_scan_options *options, const qv__matches *matches,
                            qv__scan_plan *out, qv_error *err);
qv__wanted qv__wanted_of(const qv_scan_options *options);
/* The columns of the sort keys, each once, for a scan or a fetch of them: names and expressions (borrowed from the options), and
 * the keys in the same order. All lists are as long as the options'; *n are used. */
qv_status qv__order_columns(const qv_scan_options *options, const char **names, const char **expressions,
                            qv__sort_key *keys, size_t *n, qv_error *err);
/* Makes a column of sort keys comparable: dictionaries are decoded. */
qv_status qv__order_values(qv__array *column, qv__array **out, qv_error *err);
/* QV_INVALID: a type that has no order. */
qv_status qv__order_check(const qv__schema *schema, size_t n_keys, qv_error *err);
/* A batch cut into slices of at most batch_rows (0: one). */
qv_status qv__stream_of_slices(const qv__schema *schema, qv__array *batch, uint32_t batch_rows, qv__stream **out,
                               qv_error *err);
/* QV_TIMEOUT says "Query timeout" first. */
qv_status qv__query_failed(qv_status st, qv_error *err);

/* ------------------------------------------------------------------ vector_column.c */

/* A column that can be searched. */
typedef struct qv__vector_column {
    qv__read read;
    const qv__field *leaf; /* borrowed from the snapshot's schema */
    qv__element element;   /* as stored; uint8 may be taken as packed bits */
    size_t dim;
    bool is_multi; /* a list of vectors in each row */
} qv__vector_column;

/* By name, or the only vector column of `dim` dimensions. */
qv_status qv__vector_column_find(const qv__schema *schema, const char *name, size_t dim, qv__vector_column *out,
                                 qv_error *err);
/* The longest run of vectors from `row`, at most max_rows; release with qv__vector_run_free. */
qv_status qv__vector_column_run(const qv__vector_column *column, qv__fragment_column *from, uint64_t row,
                                uint64_t max_rows, qv__vector_run *out, qv_error *err);
/* The column's own values of `n` rows, by number or (rows NULL) from `row` on. */
qv_status qv__vector_column_array(const qv__vector_column *column, qv__fragment_column *from, const uint64_t *rows,
                                  uint64_t row, size_t n, qv__array **out, qv_error *err);
/* An array of vectors as a run. */
qv_status qv__vector_run_of(const qv__array *vectors, qv__element element, size_t dim, qv__vector_run *out,
                            qv_error *err);
/* The vectors of `n` single rows, one after the other; the same kind of run. */
qv_status qv__vector_column_take(const qv__vector_column *column, qv__fragment_column *from, const uint64_t *rows,
                                 size_t n, qv__vector_run *out, qv_error *err);

/* ------------------------------------------------------------------ maxsim.c */

/* Rows of several vectors against a query of several: for each of the query's vectors the nearest of the row's, added up ("late
 * interaction", Khattab & Zaharia, ColBERT, 2020; with cosine: the number of query vectors less the sum of the best similarities).
 * NaN: a row without vectors. */
qv_status qv__maxsim(const qv__vector_column *column, const qv__distance *distance, size_t n_vectors,
                     const qv__array *lists, float *out, qv_error *err);

#endif

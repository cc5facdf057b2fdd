/* What a method of indexing implements (a kind of index, named so after what databases call an access method): one folder or file each,
 * this table of functions as its only door. */
#ifndef QV_INDEX_METHOD_H
#define QV_INDEX_METHOD_H

#include "index/index.h"

/* ------------------------------------------------------------------ questions and answers */

typedef enum qv__ask_kind {
    QV_ASK_RANGE, /* low <= value <= high, each end open or closed, or missing. One array as both: that value; kinds that can
                     only be asked IN are asked so, too */
    QV_ASK_IN, /* value = one of values */
    QV_ASK_IS_NULL,
    QV_ASK_NOT_NULL,
    QV_ASK_PREFIX,   /* text starts with */
    QV_ASK_CONTAINS, /* text contains */
    QV_ASK_REGEXP,   /* text matches the pattern */
    QV_ASK_LIKE,
    QV_ASK_HAS_ANY, /* the list has one of values */
    QV_ASK_HAS_ALL
} qv__ask_kind;

/* One question about what is indexed. Values have its type (list: the element's); a kind that finds another type in its files has no
 * idea. Values compare as qv__value_compare does: -0.0 = 0.0, all NaNs are equal and come last. Borrowed. */
typedef struct qv__ask {
    qv__ask_kind kind;
    const qv__array *low,
        *high; /* RANGE: one value each; NULL: no bound. PREFIX, CONTAINS, REGEXP, LIKE: low is the text */
    bool low_open, high_open;
    bool ignore_case;
    char escape;
    const qv__array *values; /* IN, HAS_*: sorted, without nulls */
    uint64_t most_rows;      /* more are not worth it: then the index may say that it has no idea. 0: no limit */
} qv__ask;

typedef enum qv__certainty {
    QV_EXACT,   /* exactly the rows for which it is true */
    QV_AT_MOST, /* a superset; each row must be checked */
    QV_NO_IDEA  /* the index cannot tell */
} qv__certainty;

/* Ids (or addresses) of rows for which the answer is true, and, where the index knows them, of rows for which it is NULL: a NOT needs
 * both. */
typedef struct qv__answer {
    qv__certainty certainty;
    qv__row_set rows;
    bool knows_nulls;
    qv__row_set nulls;
    uint64_t comparisons, pages_read, bytes_read;
} qv__answer;
void qv__answer_clear(qv__answer *answer);

/* ------------------------------------------------------------------ methods */

/* Rows to be indexed, in storage order: `values` (of the indexed column) with one id or address each. Deleted rows are left out, but
 * not for kinds that do not remap: their zones are to be whole. JSON columns come as text. */
typedef struct qv__index_source {
    qv__stream *values;   /* batches of two columns: value, row (uint64) */
    const qv__type *type; /* of the value */
    uint64_t rows;        /* about */
    /* For kinds that look at rows before `values` is read: another stream over about `sample` of the rows, drawn evenly and repeatably for
     * a seed; all of them when there are no more. The stream is the caller's. */
    qv_status (*sample)(void *ctx, uint64_t sample, uint64_t seed, qv__stream **out, qv_error *err);
    void *ctx;
} qv__index_source;

typedef struct qv__index_target {
    qv__store *folder; /* _indices/<uuid> */
    qv__file_version version;
    const qv_index_options *options;
    uint64_t memory_limit; /* bytes; 0: 1 GiB */
    bool stable_row_ids;   /* of the table: rows are ids, or addresses for kinds by address */
    struct qv__segment
        *like; /* of the same index, will stand beside the new one: a trained model is shared; NULL: none */
    bool
        as_asked; /* that the rows become a segment of their own was asked for: whether they go with `like` is not in question */
    qv__job *job;
} qv__index_target;

/* What a build tells the manifest. */
typedef struct qv__index_built {
    qv__buffer details; /* payload of the Any; empty: none */
    int32_t index_version;
} qv__index_built;

/* One opened segment; immutable after open, thread-safe; caches are filled with compare-and-swap. Each kind's own structure begins
 * with this one. */
typedef struct qv__segment {
    const struct qv__index_method *kind;
} qv__segment;

/* What becomes of a stored row: false drops it, else *row is what it is called now. */
typedef bool (*qv__keep_fn)(void *ctx, size_t segment, uint64_t *row);

typedef struct qv__index_method {
    qv_index_kind kind;
    const char *display;     /* "BTree" */
    const char *stats;       /* "BTREE" */
    const char *type_url;    /* "/lance.table.BTreeIndexDetails"; read by what follows the last dot, in any case */
    int32_t max_version;     /* newer entries are not used */
    bool by_address;         /* stores row addresses also in tables with stable row ids, ... */
    int32_t address_version; /* ... from this index_version on */
    bool remaps;             /* false: compaction leaves its files (zone kinds) */
    bool
        appends; /* new rows become a segment of their own, put together with older ones that are not much larger; false: all become
                                one */
    /* Of methods that share a type_url: which of them an entry belongs to. NULL: this one. */
    const struct qv__index_method *(*of_entry)(const qv__index_entry *entry);
    bool (*can_index)(const qv__type *type);
    /* Kinds over something that is computed from the column (JSON): is `operand` what this entry indexes? NULL: the kind indexes the
     * column itself. `operand` is a CALL whose args[0] is the column. */
    bool (*indexes)(const qv__index_entry *entry, const qv__expr *operand);
    /* Can it answer this kind of question about this type, and how surely? Cheap; for planning. */
    qv__certainty (*can_ask)(const qv__type *type, qv__ask_kind kind);
    qv_status (*build)(const qv__index_target *target, qv__index_source *source, qv__index_built *out, qv_error *err);
    /* What a segment was built with (json_path, rows_per_zone, ...), for another one beside it; strings are the segment's. NULL: the
     * kind has no options. */
    void (*recall)(const qv__segment *segment, qv_index_options *options);
    /* One new segment out of old ones and new rows (NULL: none). `keep` (may be NULL): what becomes of the old ones' rows. QV_UNSUPPORTED: the
     * old ones do not go together, or are not worth extending; they are to be built anew from the rows. */
    qv_status (*merge)(const qv__index_target *target, qv__segment *const *old, size_t n_old, qv__index_source *added,
                       qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err);
    /* `entry` as the manifest tells it; `type` of the column now (NULL: the files say it). QV_CORRUPT, QV_NOT_FOUND: then the table is scanned instead. */
    qv_status (*open)(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                      qv_error *err);
    void (*close)(qv__segment *segment);
    /* Does the segment know each of the fragment's rows? Else the fragment is scanned. NULL: always. */
    bool (*covers)(qv__segment *segment, uint64_t fragment, uint64_t physical_rows);
    /* `out` comes zeroed, and is cleared by the caller also on failure. */
    qv_status (*ask)(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err);
    /* About how many rows will answer (or what is as much work), from what is in memory anyway. NULL: cannot tell. */
    uint64_t (*estimate)(qv__segment *segment, const qv__ask *ask);
    /* Key/value JSON members for the list of indices, without braces, from the entry alone; NULL: none. */
    qv_status (*print_details)(const qv__index_entry *entry, qv__buffer *json, qv_error *err);
    /* Key/value JSON members for index_stats, without braces; may be NULL. */
    qv_status (*describe)(qv__segment *segment, qv__buffer *json, qv_error *err);
    qv_status (*prewarm)(qv__segment *segment, qv_error *err);
    qv_status (*verify)(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err);
} qv__index_method;

/* NULL: not a kind that is known here. */
const qv__index_method *qv__index_method_of(qv_index_kind kind);
const qv__index_method *qv__index_method_by_url(const char *type_url);
/* All known kinds, those first that answer best; NULL after the last. */
const qv__index_method *qv__index_method_at(size_t i);

/* ------------------------------------------------------------------ files of an index (files.c) */

/* Opens the column `name` of an index file. `type` NULL: any type, else it must be this one (QV_CORRUPT). The column keeps the file. */
qv_status qv__index_column_open(qv__file *file, const char *name, const qv__type *type, qv__column **out,
                                qv_error *err);
/* A pair of the schema's metadata as a number; *out stays as it is when there is none. QV_CORRUPT: not a number. */
qv_status qv__index_number(const qv__file *file, const char *key, uint64_t *out, qv_error *err);
/* The row set in the global buffer whose number the metadata says under `key`; *found false: there is none. */
qv_status qv__index_row_set(qv__file *file, const char *key, qv__row_set *out, bool *found, qv_error *err);

/* A file being written: n nullable columns; a row set can go into a global buffer whose number is put under `key`. */
typedef struct qv__index_column {
    const char *name;
    const qv__type *type;
    bool required; /* not nullable */
} qv__index_column;
qv_status qv__index_writer_open(const qv__index_target *target, const char *name, const qv__index_column *columns,
                                size_t n, qv__file_writer **out, qv__schema **schema, qv_error *err);
/* The same with options of the file's own (not its version). */
qv_status qv__index_writer_open_as(const qv__index_target *target, const char *name, const qv__index_column *columns,
                                   size_t n, const qv__writer_options *as, qv__file_writer **out, qv__schema **schema,
                                   qv_error *err);
/* One batch of `columns`, each `length` long (references are added). */
qv_status qv__index_writer_put(qv__file_writer *writer, const qv__schema *schema, qv__array *const *columns,
                               int64_t length, qv_error *err);
qv_status qv__index_writer_put_row_set(qv__file_writer *writer, const char *key, const qv__row_set *set, qv_error *err);

#endif

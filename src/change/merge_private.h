/* The parts of a merge: the source's rows, keys, which rows meet, and the rows that are written. */
#ifndef QV_CHANGE_MERGE_PRIVATE_H
#define QV_CHANGE_MERGE_PRIVATE_H

#include "change/change_private.h"

/* ------------------------------------------------------------------ merge_source.c */

/* All rows of a source, to be read several times: batches in memory, or, past a limit, one file beside the table's data that goes
 * with the structure. */
typedef struct qv__kept {
    qv__schema *schema;
    uint64_t n_rows;
    size_t n_batches, batches_capacity, starts_capacity;
    uint64_t *starts;    /* first row of each batch, then n_rows */
    qv__array **batches; /* NULL: spilled */
    qv__store *store;    /* of the file */
    char name[64];
    qv__file *file;
    qv__column **columns;
} qv__kept;
qv_status qv__kept_read(qv__store *table, qv__stream *source, uint64_t limit_bytes, qv__job *job, qv__kept *out,
                        qv_error *err);
/* Batch i as a struct array of the schema; offset 0. */
qv_status qv__kept_batch(const qv__kept *kept, size_t i, qv__array **out, qv_error *err);
/* The same with some of the columns: `columns` are positions in the schema; *out has one array for each. */
qv_status qv__kept_columns(const qv__kept *kept, size_t i, const size_t *columns, size_t n, qv__array **out,
                           qv_error *err);
void qv__kept_clear(qv__kept *kept);

/* ------------------------------------------------------------------ merge_keys.c */

/* The keys of n rows. Keys of one column of at most 64 bits are words: their hash, which can be undone, stands for the value. All
 * others are bytes, and rows of equal hashes must be compared. */
typedef struct qv__keys {
    size_t n, capacity, at_capacity;
    bool is_word;
    uint64_t *hashes;
    uint8_t *is_null; /* one byte per row: some column of the key is null */
    uint64_t *at;     /* n + 1 offsets into bytes; not for words */
    uint8_t *bytes;
    size_t bytes_capacity;
} qv__keys;
/* QV_INVALID: a type that has no keys, by name. */
qv_status qv__keys_check(const qv__field *field, qv_error *err);
/* Fills the structure anew; buffers are used again. */
qv_status qv__keys_of(qv__keys *keys, qv__array *const *columns, size_t n_columns, size_t n, qv_error *err);
/* Which pass of n_parts looks at this key. */
static inline uint64_t qv__keys_part(uint64_t hash, uint64_t n_parts)
{
    return n_parts == 1 ? 0 : (hash >> 17) % n_parts;
}
void qv__keys_clear(qv__keys *keys);

/* The keys of source rows, by hash. */
typedef struct qv__key_entry {
    uint64_t hash, at; /* at: into bytes */
    uint32_t len, row, next;
} qv__key_entry;
typedef struct qv__key_index {
    bool is_word;
    size_t n, capacity, n_slots;
    qv__key_entry *entries;
    uint64_t *slots; /* upper half of the hash, entry + 1; 0: free */
    uint8_t *
        filter; /* 8 * n_slots bits by other bits of the hash: most keys that are not there stop here, in the first cache */
    uint8_t *bytes;
    size_t n_bytes, bytes_capacity;
} qv__key_index;
#define QV_NO_ENTRY UINT32_MAX
qv_status qv__key_index_add(qv__key_index *index, const qv__keys *keys, size_t i, uint32_t row, qv_error *err);
qv_status qv__key_index_finish(qv__key_index *index, qv_error *err); /* after the last add */
static inline bool qv__key_index_may_have(const qv__key_index *index, uint64_t hash)
{
    return qv__bit_get(index->filter, (size_t) (hash >> 29) & (8 * index->n_slots - 1));
}
/* The first entry with this key, and the next one after an entry; QV_NO_ENTRY: none. */
uint32_t qv__key_index_find(const qv__key_index *index, const qv__keys *keys, size_t i);
uint32_t qv__key_index_next(const qv__key_index *index, uint32_t entry, const qv__keys *keys, size_t i);
void qv__key_index_clear(qv__key_index *index);

/* ------------------------------------------------------------------ merge.c */

/* A source row and a table row with the same key. */
typedef struct qv__pair {
    uint64_t source;
    qv__place target;
} qv__pair;
typedef struct qv__pairs {
    size_t n, capacity;
    qv__pair *items;
} qv__pairs;

typedef struct qv__merge_job {
    qv__store *table;
    const qv_merge_options *options;
    qv__job *job;
    const char *const *on; /* the key, resolved */
    size_t n_on;
    size_t *key; /* the key's columns in the source's schema */
    qv__kept source;
    bool refuse_matches; /* an append under an enforced key: a row whose key is there already is an error */
    bool refuse_repeats; /* under an enforced key: so are two new rows of one key */
    const qv__write_rows *write;
    qv_merge_result counts;
    uint64_t bytes; /* of the files of the last attempt */
} qv__merge_job;

/* merge_match.c: all pairs, ordered by source row, ties by place. `may_match` (NULL: all live rows): rows that can have a key of the
 * source. */
qv_status qv__merge_pairs(qv__merge_job *m, qv__snapshot *base, const qv__matches *may_match, qv__pairs *out,
                          qv_error *err);
/* merge_match.c: rows that an index finds for the source's keys. *found false: no index helps. */
qv_status qv__merge_ask_index(qv__merge_job *m, qv__snapshot *base, qv__matches *out, bool *found, qv_error *err);
/* merge_match.c: for messages: "(id = 1)". */
char *qv__merge_key_text(const qv__merge_job *m, uint64_t row, char *buf, size_t buf_len);
/* merge_match.c: hashes of the keys of the marked source rows, sorted, each once. QV_INVALID: a key that comes twice, where that is
 * refused. */
qv_status qv__merge_key_hashes(qv__merge_job *m, const uint8_t *marked, uint64_t **out, size_t *n, qv_error *err);

/* merge_condition.c: leaves the pairs for which options->update_if holds. */
qv_status qv__merge_filter(qv__merge_job *m, qv__snapshot *base, qv__pairs *pairs, qv_error *err);

/* merge_rows.c: the rows to be written: those of the pairs with the source's values, then the marked source rows. Everything is
 * borrowed while the stream lives. */
qv_status qv__merge_rows(qv__merge_job *m, qv__snapshot *base, const qv__pairs *pairs, const uint8_t *inserted,
                         qv__stream **out, qv_error *err);
/* merge_rows.c: columns of the table for the targets of pairs [first, first + n), in their order. `names` give the result's
 * columns, `expressions` (NULL: the names) what they are. */
qv_status qv__merge_targets(qv__merge_job *m, qv__snapshot *base, const qv__pairs *pairs, size_t first, size_t n,
                            const char *const *names, const char *const *expressions, size_t n_names, qv__array **out,
                            qv_error *err);
/* merge_rows.c: pairs from `first` on whose source rows lie in one batch. *batch: which. */
size_t qv__merge_pairs_in_batch(const qv__merge_job *m, const qv__pairs *pairs, size_t first, size_t *batch);
/* merge_rows.c: the rows of the pairs out of a column or batch that begins at source row `start`. */
qv_status qv__merge_take(const qv__array *from, uint64_t start, const qv__pair *pairs, size_t n, qv__array **out,
                         qv_error *err);

#endif

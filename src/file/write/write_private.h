/* Shared by the files of the writer. The road of a value: columns.c (which columns, what waits in them) -> walk.c (levels
 * and runs of leaf slots) -> gather.c (contiguous values) -> page.c (which layout) -> miniblock.c, fullzip.c, constant.c or
 * page20.c (bytes) -> writer.c (container). */
#ifndef QV_FILE_WRITE_PRIVATE_H
#define QV_FILE_WRITE_PRIVATE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "file/file.h"
#include "file/lance_file.pb-c.h"

#define QV__WRITE_DEPTH 64 /* nesting of fields */

/* ------------------------------------------------------------------ what is asked for (columns.c) */

typedef enum qv__write_compression {                    /* `lance-encoding:compression`, or the profile */
                                     QV__COMPRESS_AUTO, /* cheap encodings, chosen by measuring */
                                     QV__COMPRESS_NONE,
                                     QV__COMPRESS_FSST,
                                     QV__COMPRESS_LZ4,
                                     QV__COMPRESS_ZSTD
} qv__write_compression;

typedef struct qv__write_tuning {
    qv__write_compression compression;
    int level;    /* of zstd */
    bool split;   /* byte stream split before general compression, where the type is 32 or 64 bits wide */
    bool fullzip; /* asked for by metadata */
    bool miniblock;
    bool cheap; /* false: only Flat and Variable */
} qv__write_tuning;

typedef enum qv__column_kind {
    QV__COLUMN_LEAF,  /* holds values */
    QV__COLUMN_LIST,  /* 2.0: offsets of a list */
    QV__COLUMN_STRUCT /* 2.0: header of a struct */
} qv__column_kind;

typedef struct qv__slice { /* rows of a top-level column; holds a reference */
    qv__array *array;
    int64_t start, len;
} qv__slice;

/* Some bytes of a page buffer: borrowed from the arrays of the page, or from the page. */
typedef struct qv__piece {
    const uint8_t *data;
    size_t len;
} qv__piece;

#define QV__PAGE_BUFFERS 12
typedef struct qv__page {
    uint64_t length;   /* rows, or items of a 2.0 column */
    uint64_t priority; /* first row */
    uint8_t *encoding; /* PageLayout or ArrayEncoding message */
    size_t encoding_len;
    size_t n_buffers;
    struct qv__page_buffer {
        qv__buffer bytes; /* used when there are no pieces */
        qv__piece *pieces;
        size_t n_pieces;
    } buffers[QV__PAGE_BUFFERS];
} qv__page;

typedef enum qv__blob_form { QV__NO_BLOB, QV__BLOB_V1, QV__BLOB_V2 } qv__blob_form;
typedef struct qv__blob_entry { /* where a blob lies; all zero: no bytes */
    uint8_t kind;
    uint32_t id;
    uint64_t position, size;
} qv__blob_entry;

typedef struct qv__column_writer {
    qv__file_version version;
    qv__blob_form blob;
    qv__blob_entry *blobs; /* of the batch's slots */
    qv__write_tuning tuning;
    qv__column_kind kind;
    size_t top;                             /* top-level field */
    size_t depth;                           /* fields in path */
    const qv__field *path[QV__WRITE_DEPTH]; /* top-level field first */
    size_t step[QV__WRITE_DEPTH];           /* child index from path[i] to path[i + 1] */
    char *name;                             /* for messages */

    qv__slice *slices; /* rows that wait for their page */
    size_t n_slices, slice_capacity;
    size_t pending_bytes;
    size_t pinned_bytes; /* of batches that slices keep alive beside their own rows */
    bool is_alone;       /* no other column is made of the same top-level field */

    qv__slice *batch; /* rows of the page that is being encoded */
    size_t n_batch, batch_capacity;
    uint64_t rows_done; /* rows in earlier pages; 2.0: items */
    qv__page *pages;    /* encoded, not yet in the file */
    size_t n_pages, page_capacity;
    qv__buffer metadata; /* ColumnMetadata message so far */
} qv__column_writer;

typedef struct qv__columns {
    size_t n, capacity;
    qv__column_writer *items;
    size_t n_fields, field_capacity; /* fields that own a column, and which */
    int32_t *field_ids;
    int32_t *column_of;
} qv__columns;

/* Plans the columns of a schema whose fields have ids. QV_UNSUPPORTED names what the version cannot store. */
qv_status qv__columns_plan(const qv__schema *schema, qv__file_version version, qv__file_profile profile,
                           qv__columns *out, qv_error *err);
void qv__columns_clear(qv__columns *columns);
qv_status qv__column_push(qv__column_writer *column, const qv__array *array, int64_t start, int64_t len, qv_error *err);
/* Lets go of the batch that the newest slice came from, `batch_bytes` large: a slice that is a small part of it is copied. */
qv_status qv__column_detach(qv__column_writer *column, size_t batch_bytes, qv_error *err);
/* Moves about `limit` bytes of rows from `slices` to `batch` (at least one row). */
qv_status qv__column_cut(qv__column_writer *column, size_t limit, qv_error *err);
void qv__column_drop_batch(qv__column_writer *column);
/* A fresh page at the end of column->pages. */
qv_status qv__column_add_page(qv__column_writer *column, qv__page **out, qv_error *err);
void qv__page_clear(qv__page *page);
static inline const qv__field *qv__column_field(const qv__column_writer *column)
{
    return column->path[column->depth - 1];
}

/* ------------------------------------------------------------------ levels and slots (walk.c) */

typedef struct qv__run { /* consecutive slots of an array; the array is alive as long as the page's slices */
    const qv__array *array;
    int64_t start, len;
} qv__run;

typedef struct qv__runs {
    qv__run *items;
    size_t n, capacity;
    int64_t total;
} qv__runs;

enum {
    QV__ALL_VALID_ITEM = 1,
    QV__ALL_VALID_LIST,
    QV__NULLABLE_ITEM,
    QV__NULLABLE_LIST,
    QV__EMPTYABLE_LIST,
    QV__NULL_AND_EMPTY_LIST
};

/* The structure of one page: which leaf slots it holds, and the levels over them. */
typedef struct qv__walk {
    qv__runs runs;       /* visible slots */
    size_t n_levels;     /* levels; without lists the number of rows */
    uint16_t *rep, *def; /* NULL: none needed */
    unsigned max_rep, max_def;
    unsigned n_lists;
    unsigned visible; /* a level owns a slot iff def <= visible */
    size_t n_valid;   /* slots with def = 0 */
    size_t n_layers;
    int32_t layers[QV__WRITE_DEPTH]; /* leaf outwards */
} qv__walk;

qv_status qv__walk_page(const qv__column_writer *column, const qv__slice *slices, size_t n, qv__walk *out,
                        qv_error *err);
/* 2.0: the slots of the column's own field (lists are entered, levels are not made). */
qv_status qv__walk_slots(const qv__column_writer *column, const qv__slice *slices, size_t n, qv__runs *out,
                         qv_error *err);
void qv__walk_clear(qv__walk *walk);
void qv__runs_clear(qv__runs *runs);
/* Is slot i of a leaf null? Dictionaries: also when the item is. */
bool qv__slot_is_null(const qv__array *array, int64_t i);

/* ------------------------------------------------------------------ values (gather.c) */

#define QV__MAX_DIMS 8
/* The slots of a page, one after the other. What is not borrowed lies in the arena-like `own` blocks. */
typedef struct qv__values {
    size_t n;
    unsigned bits;          /* of a value, or of an item of a vector; 0: strings */
    const uint8_t *data;    /* values; a bitmap from bit 0 when bits = 1; or the bytes of strings */
    const int64_t *offsets; /* strings: n + 1, from 0; null slots are empty */
    unsigned offset_bits;   /* strings: 32 or 64 */
    size_t longest;         /* strings: bytes of the longest */
    const uint8_t *valid;   /* bit per slot; NULL: all valid */
    unsigned n_dims;        /* vectors: items per value, outermost first */
    uint32_t dims[QV__MAX_DIMS];
    uint64_t items;                          /* product of dims; 1 for others */
    const uint8_t *item_valid[QV__MAX_DIMS]; /* validity of the items of each dimension; NULL: all valid */
    void *own[4 + QV__MAX_DIMS];
    unsigned n_own;
} qv__values;

/* Fixed-width values and bools: null slots repeat the value before them. */
qv_status qv__gather_fixed(const qv__walk *walk, unsigned bits, qv__values *out, qv_error *err);
qv_status qv__gather_strings(const qv__walk *walk, unsigned offset_bits, qv__values *out, qv_error *err);
/* Vectors: null rows are zeroed. */
qv_status qv__gather_vectors(const qv__walk *walk, const qv__type *type, qv__values *out, qv_error *err);
/* Validity of the slots, as a bitmap in values->valid. */
qv_status qv__gather_valid(const qv__walk *walk, qv__values *values, qv_error *err);
void qv__values_clear(qv__values *values);
/* A block that lives as long as `values`. */
qv_status qv__values_own(qv__values *values, size_t bytes, void *out, qv_error *err);
/* Dimensions and item bits of a vector type; false: not numbers all the way down. */
bool qv__vector_shape(const qv__type *type, unsigned *n_dims, uint32_t dims[QV__MAX_DIMS], unsigned *bits);
/* Bits of a leaf that is stored as fixed-width values (bool 1, fixed-size binary 8 x width), else 0. */
unsigned qv__fixed_bits(const qv__type *type);
/* 32 or 64 for strings and binaries, else 0. */
unsigned qv__string_bits(const qv__type *type);

/* ------------------------------------------------------------------ messages (layout.c) */

/* Builds page descriptions in an arena; a failed allocation is remembered and reported once, by qv__layout_pack*. */
typedef struct qv__layout {
    qv__arena arena;
    bool failed;
    uint64_t scratch[64];
} qv__layout;
typedef Lance__File__CompressiveEncoding qv__enc;
void qv__layout_init(qv__layout *layout);
void qv__layout_clear(qv__layout *layout);
void *qv__layout_new(qv__layout *layout, const ProtobufCMessageDescriptor *descriptor);
void *qv__layout_copy(qv__layout *layout, const void *bytes, size_t n);
qv__enc *qv__enc_flat(qv__layout *layout, unsigned bits);
qv__enc *qv__enc_variable(qv__layout *layout, unsigned offset_bits);
qv__enc *qv__enc_inline(qv__layout *layout, unsigned bits);
qv__enc *qv__enc_outofline(qv__layout *layout, unsigned bits, unsigned width);
qv__enc *qv__enc_rle(qv__layout *layout, unsigned bits);
qv__enc *qv__enc_split(qv__layout *layout, unsigned bits);
qv__enc *qv__enc_fsst(qv__layout *layout, const uint8_t *table, qv__enc *values);
qv__enc *qv__enc_general(qv__layout *layout, int scheme, int level, qv__enc *values);
qv__enc *qv__enc_list(qv__layout *layout, uint64_t items, qv__enc *values, bool has_validity);
/* Puts the message into the page. */
qv_status qv__layout_pack(qv__layout *layout, const void *message, qv__page *page, qv_error *err);

/* ------------------------------------------------------------------ levels as bytes (levels.c) */

typedef enum qv__level_form { QV__LEVELS_FLAT, QV__LEVELS_INLINE, QV__LEVELS_PACKED, QV__LEVELS_RUNS } qv__level_form;
typedef struct qv__level_codec {
    qv__level_form form;
    unsigned width;
} qv__level_codec;
/* The smallest form for all levels of a page; `chunks`: in how many pieces they will be stored. */
qv__level_codec qv__level_choose(qv__file_version version, const qv__write_tuning *tuning, const uint16_t *levels,
                                 size_t n, unsigned max, size_t chunks);
/* Upper bound of the bytes of n levels when they are packed or flat. */
size_t qv__level_bound(unsigned max, size_t n);
size_t qv__level_size(qv__level_codec codec, const uint16_t *levels, size_t n);
qv_status qv__level_put(qv__level_codec codec, const uint16_t *levels, size_t n, qv__buffer *out, qv_error *err);
qv__enc *qv__level_enc(qv__layout *layout, qv__level_codec codec);

/* ------------------------------------------------------------------ pages */

/* How the values of a mini-block page become bytes, chunk by chunk. */
typedef struct qv__chunker {
    unsigned n_buffers;
    qv__enc *encoding;
    /* How many of the `left` values from `at` the next chunk takes: a power of two, or all that are left. */
    size_t (*take)(void *ctx, size_t at, size_t left);
    /* Appends the chunk's value buffers; each element of `out` is empty before. */
    qv_status (*put)(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err);
    void *ctx;
    /* a dictionary page: its items as a block */
    qv__enc *dictionary;
    qv__buffer *dictionary_bytes;
    uint64_t n_dictionary;
} qv__chunker;

/* Everything about the page at hand. */
typedef struct qv__page_job {
    const qv__column_writer *column;
    const qv__walk *walk;
    qv__layout *layout;
    qv__page *page;
    const qv__walk *outer; /* blob v1: the page describes descriptors, these are the column's own layers */
} qv__page_job;

/* *too_sparse: so many levels without a value that no chunk can hold them; the page was not written. */
qv_status qv__miniblock_page(const qv__page_job *job, const qv__chunker *chunker, size_t n_values, bool *too_sparse,
                             qv_error *err);
/* Fixed payloads: n values of `bytes` each. */
qv_status qv__fullzip_fixed(const qv__page_job *job, const qv__values *values, qv_error *err);
qv_status qv__fullzip_strings(const qv__page_job *job, const qv__values *values, qv__enc *encoding, qv_error *err);
/* The items of a run of vectors, if none of them is null. */
bool qv__bare_piece(const qv__run *run, const qv__values *shape, qv__piece *out);
/* Vectors or wide binaries straight from the arrays: no nulls, no lists. */
qv_status qv__fullzip_bare(const qv__page_job *job, const qv__type *type, bool *done, qv_error *err);
qv_status qv__null_page(const qv__page_job *job, qv_error *err);
/* *done: all valid values are equal and the page was written. */
qv_status qv__constant_page(const qv__page_job *job, const qv__values *values, bool *done, qv_error *err);
/* *done: a dictionary is smaller than `rival` bytes and the page was written. */
qv_status qv__dictionary_page(const qv__page_job *job, const qv__values *values, size_t rival, bool *done,
                              bool *too_sparse, qv_error *err);
/* Numbers the slots by distinct value; *ids stays NULL when there are more than `most`, or they would not be smaller than
 * `rival` bytes. `own` keeps the numbers, `items` the values. */
qv_status qv__distinct(const qv__values *values, size_t most, size_t rival, qv__values *own, uint32_t **ids,
                       qv__values *items, qv_error *err);
/* All values of an array; what nulls hold does not matter. */
qv_status qv__gather_whole(const qv__array *array, qv__values *out, qv_error *err);
/* A page of a dictionary-typed column. */
qv_status qv__dict_type_page(const qv__page_job *job, bool *too_sparse, qv_error *err);
qv_status qv__fixed_page(const qv__page_job *job, const qv__values *values, bool *too_sparse, qv_error *err);
qv_status qv__string_page(const qv__page_job *job, const qv__values *values, bool *too_sparse, qv_error *err);
qv_status qv__vector_page(const qv__page_job *job, const qv__values *values, bool *too_sparse, qv_error *err);
/* Rows of a packed struct; values->valid has been set. */
qv_status qv__gather_packed(const qv__column_writer *column, const qv__runs *runs, qv__values *out, qv_error *err);
qv_status qv__packed_page(const qv__page_job *job, bool *too_sparse, qv_error *err);

/* Pages of blob columns; the bytes have been stored. */
qv_status qv__blob_page(const qv__page_job *job, qv_error *err);
qv_status qv__blob_pairs20(const qv__column_writer *column, const qv__runs *runs, qv__buffer *out, qv_error *err);

/* Encodes column->batch into column->pages. */
qv_status qv__encode_batch(qv__column_writer *column, qv_error *err);
qv_status qv__encode_batch20(qv__column_writer *column, qv_error *err);
qv_status qv__struct_page20(qv__column_writer *column, qv_error *err);

#endif

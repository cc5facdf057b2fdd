/* The reading half from the inside.
 *
 *   column.c      a field bound to its columns: a tree of nodes that mirrors the type; read, take
 *   sink.c        what is being read: one growing array per node, finished into Arrow arrays
 *   coding.c      CompressiveEncoding messages, checked against the type once per page
 *   values.c      the values of one chunk or block, seen through a coding, appended to sinks
 *   levels.c      repetition and definition levels -> validity and offsets
 *   page21.c      PageLayout messages; what is computed once per page and kept
 *   miniblock.c fullzip.c constant.c blob.c    the four layouts
 *   page20.c column20.c                        version 2.0
 *   vectors.c     runs of vectors and arrays that point into the file
 *
 * Foreign numbers are checked where they enter a structure of this header; behind it they are believed. */
#ifndef QV_FILE_READ_READ_PRIVATE_H
#define QV_FILE_READ_READ_PRIVATE_H

#include "base/bytes.h"
#include "codec/codec.h"
#include "file/file_private.h"

#define QV_MAX_LAYERS        65 /* levels of nesting, the leaf included */
#define QV_MAX_VECTOR_LAYERS 14 /* fixed-size lists in one another */

/* A run of rows; lists of them are ascending and disjoint. */
typedef struct qv__rows {
    uint64_t at, n;
} qv__rows;

/* ------------------------------------------------------------------ sinks */

typedef enum qv__sink_kind {
    QV_SINK_NULL,
    QV_SINK_BITS,
    QV_SINK_FIXED,
    QV_SINK_STRING, /* 32-bit offsets */
    QV_SINK_LARGE_STRING,
    QV_SINK_LIST, /* also maps */
    QV_SINK_LARGE_LIST,
    QV_SINK_VECTOR, /* fixed-size list */
    QV_SINK_STRUCT,
    QV_SINK_DICTIONARY /* values are keys */
} qv__sink_kind;

/* Slots and values are counted apart, since levels and values come from different bytes; finishing compares the two. */
typedef struct qv__sink qv__sink;
struct qv__sink {
    qv__type *type; /* borrowed */
    qv__sink_kind kind;
    bool is_absent;      /* no column holds it: nulls, as many as the parent has slots */
    size_t width;        /* bytes of a fixed value or key; items of a vector */
    uint64_t n_slots;    /* validity said so far */
    uint64_t n_nulls;    /* among them */
    uint64_t n_values;   /* values appended so far; lists: slots of the child announced by levels */
    qv__buffer validity; /* empty until the first null */
    qv__buffer values;   /* fixed values, keys, a bitmap, or offsets */
    qv__buffer bytes;    /* of strings */
    size_t n_children;
    qv__sink *children;
    qv__array *dictionary; /* that the keys so far refer to */
    qv__array **segments;  /* finished parts with other dictionaries */
    size_t n_segments, segments_capacity;
    uint64_t n_finished; /* slots in those */
};

qv_status qv__sink_init(qv__sink *sink, qv__type *type, qv_error *err);
void qv__sink_clear(qv__sink *sink);
/* Room for n more values (and vectors' items); an optimisation. */
qv_status qv__sink_reserve(qv__sink *sink, uint64_t n, qv_error *err);
/* Slots: n valid ones; n null ones; n by a bitmap. */
qv_status qv__sink_valid(qv__sink *sink, uint64_t n, qv_error *err);
qv_status qv__sink_nulls(qv__sink *sink, uint64_t n, qv_error *err);
qv_status qv__sink_validity(qv__sink *sink, const uint8_t *bits, uint64_t at, uint64_t n, qv_error *err);
/* n slots from levels: valid where level <= base. */
qv_status qv__sink_levels(qv__sink *sink, const uint16_t *levels, size_t n, uint16_t base, qv_error *err);
/* Values: room for n fixed ones to be filled by the caller; bits; one string; n zero or empty ones (vectors and structs
 * pass them on to their children, whose slots count as valid). */
qv_status qv__sink_fixed(qv__sink *sink, uint64_t n, uint8_t **room, qv_error *err);
qv_status qv__sink_bits(qv__sink *sink, const uint8_t *bits, uint64_t at, uint64_t n, qv_error *err);
qv_status qv__sink_string(qv__sink *sink, const void *bytes, size_t len, qv_error *err);
/* Room for a string of at most max_len bytes; closed by qv__sink_string_end with the true length. */
qv_status qv__sink_string_room(qv__sink *sink, size_t max_len, uint8_t **room, qv_error *err);
qv_status qv__sink_string_end(qv__sink *sink, size_t len, qv_error *err);
qv_status qv__sink_zeros(qv__sink *sink, uint64_t n, qv_error *err);
/* Many strings at once: room for n end offsets (of the sink's width) and, by qv__sink_string_room, for their bytes; both count
 * when the caller says that `total` bytes are there, these included. Nothing else may be appended in between. */
qv_status qv__sink_ends(qv__sink *sink, uint64_t n, uint8_t **ends, qv_error *err);
qv_status qv__sink_ends_done(qv__sink *sink, uint64_t n, uint64_t total, qv_error *err);
/* The offset of a list's slot: where its elements begin. And of many slots at once, all below 2^31 for lists of 32-bit offsets. */
qv_status qv__sink_offset(qv__sink *sink, uint64_t offset, qv_error *err);
qv_status qv__sink_offsets(qv__sink *sink, const uint64_t *offsets, size_t n, qv_error *err);
/* Slots of all dictionaries together. */
static inline uint64_t qv__sink_slots(const qv__sink *sink) { return sink->n_finished + sink->n_slots; }
/* Keys that follow refer to this dictionary. */
qv_status qv__sink_dictionary(qv__sink *sink, qv__array *dictionary, qv_error *err);
/* The array; the sink is empty afterwards. */
qv_status qv__sink_finish(qv__sink *sink, qv__array **out, qv_error *err);

/* ------------------------------------------------------------------ codings */

typedef enum qv__coding_kind {
    QV_CODING_FLAT = 1,
    QV_CODING_VARIABLE,
    QV_CODING_CONSTANT,
    QV_CODING_OUT_OF_LINE,
    QV_CODING_INLINE,
    QV_CODING_FSST,
    QV_CODING_RLE = 8,
    QV_CODING_BSS,
    QV_CODING_GENERAL,
    QV_CODING_VECTOR,
    QV_CODING_PACKED,
    QV_CODING_VARIABLE_PACKED
} qv__coding_kind;

typedef struct qv__coding qv__coding;
struct qv__coding {
    qv__coding_kind kind;
    unsigned bits;           /* of a value as decoded; VARIABLE: of an offset; VECTOR: of an item; PACKED: of a row */
    unsigned packed_bits;    /* OUT_OF_LINE */
    qv__scheme scheme;       /* GENERAL */
    const qv__coding *inner; /* FSST, GENERAL */
    const qv__fsst_decoder *fsst; /* FSST */
    const uint8_t *constant;      /* CONSTANT */
    size_t constant_len;
    unsigned n_layers; /* VECTOR: lists, outermost first */
    struct qv__coding_layer {
        uint64_t dimension;
        uint64_t items; /* of this layer in one row */
        bool has_validity;
    } layers[QV_MAX_VECTOR_LAYERS];
    size_t n_fields; /* PACKED, VARIABLE_PACKED */
    struct qv__coding_field {
        const qv__coding *value; /* VARIABLE_PACKED */
        unsigned bits;           /* fixed width, or 0 */
        unsigned length_bits;    /* of the length before a variable value, or 0 */
    } * fields;
};

/* Where a coding stands decides which ones may. */
typedef enum qv__coding_place { QV_PLACE_MINI, QV_PLACE_ZIP, QV_PLACE_BLOCK } qv__coding_place;

qv_status qv__coding_parse(const Lance__File__CompressiveEncoding *message, qv__arena *arena, const qv__coding **out,
                           qv_error *err);
/* Does it decode to values of this type? QV_CORRUPT or QV_UNSUPPORTED, by name. */
qv_status qv__coding_fits(const qv__coding *coding, const qv__type *type, qv__coding_place place, qv_error *err);
/* Does it decode to unsigned integers of `bits`? */
qv_status qv__coding_fits_bits(const qv__coding *coding, unsigned bits, const char *what, qv_error *err);
/* Buffers of a mini-block chunk that hold its values. */
unsigned qv__coding_buffers(const qv__coding *coding);
/* The coding in short notation, e.g. "fsst(variable(32))". */
qv_status qv__coding_print(const qv__coding *coding, qv__buffer *out, qv_error *err);
/* Bits of a value of a fixed-width type, -1 for others; vectors are not fixed here. */
int qv__value_bits(const qv__type *type);

/* ------------------------------------------------------------------ values */

/* Decoded, or never coded, values of a chunk: addressable by position. */
typedef struct qv__view {
    enum qv__view_kind { QV_VIEW_FIXED, QV_VIEW_STRINGS, QV_VIEW_PACKED } kind;
    const uint8_t *data;
    size_t data_len;
    const uint8_t *offsets; /* strings: n + 1 of offset_bytes each, from the start of data */
    unsigned offset_bytes;
    const qv__fsst_decoder *fsst; /* strings are coded, or NULL */
    unsigned bits;                /* fixed: of a value (vectors: of an item); packed: of a row */
    const qv__coding *vector;     /* layers of a vector, or NULL */
    const qv__coding *packed;
    const uint8_t *validity[QV_MAX_VECTOR_LAYERS]; /* items of each layer, or NULL */
} qv__view;

/* Memory that is reused from chunk to chunk. */
typedef struct qv__scratch {
    qv__buffer values;   /* what a view points to */
    qv__buffer inflated; /* decompressed bytes under it */
    qv__buffer value;    /* one decompressed value of a full-zip page */
} qv__scratch;
void qv__scratch_init(qv__scratch *scratch);
void qv__scratch_clear(qv__scratch *scratch);

typedef struct qv__piece {
    const uint8_t *data;
    size_t len;
} qv__piece;

/* n values of a mini-block chunk from its buffers. Codings that must be decoded decode into `target` if it is given (room for
 * n values), else into scratch. */
qv_status qv__view_chunk(const qv__coding *coding, const qv__piece *pieces, size_t n_pieces, uint64_t n,
                         uint8_t *target, qv__scratch *scratch, qv__view *out, qv_error *err);
/* Can single values of the coding be had for less than all of a chunk? */
static inline bool qv__coding_picks(const qv__coding *coding) { return coding->kind == QV_CODING_INLINE; }
/* Values [at, at + count) of the n of such a chunk, as a view that holds nothing else. */
qv_status qv__view_few(const qv__coding *coding, const qv__piece *pieces, size_t n_pieces, uint64_t n, uint64_t at,
                       uint64_t count, qv__scratch *scratch, qv__view *out, qv_error *err);
/* n values of a block: dictionary items, levels. */
qv_status qv__view_block(const qv__coding *coding, qv__piece block, uint64_t n, qv__scratch *scratch, qv__view *out,
                         qv_error *err);
/* Block of n levels. */
qv_status qv__block_levels(const qv__coding *coding, qv__piece block, size_t n, qv__scratch *scratch, uint16_t *out,
                           qv_error *err);
/* Appends values [at, at + n) of the view to the sink of the type that the coding was checked against (values only: the
 * sink's own slots are said by levels; the slots of vectors' items and packed fields are said here). */
qv_status qv__view_emit(const qv__view *view, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err);
/* Values are indices into `items`; dictionary sinks keep them as keys. */
qv_status qv__view_emit_indices(const qv__view *view, uint64_t at, uint64_t n, qv__array *items, qv__sink *sink,
                                qv_error *err);
/* One payload of a full-zip page. */
qv_status qv__emit_zipped(const qv__coding *coding, qv__piece payload, qv__scratch *scratch, qv__sink *sink,
                          qv_error *err);
/* Decompresses with a bound on what so many bytes can claim to hold. */
qv_status qv__inflate(qv__scheme scheme, qv__piece bytes, qv__buffer *out, qv_error *err);
/* Appends all values of `items` picked by `indices` (of `bits`, `base` is subtracted; all in range). */
qv_status qv__sink_gather(const qv__array *items, const uint8_t *indices, unsigned bits, uint64_t n, qv__sink *sink,
                          qv_error *err);

/* ------------------------------------------------------------------ levels */

typedef struct qv__layers { /* leaf outwards */
    unsigned n;
    unsigned n_lists;
    uint16_t max_def;
    uint16_t visible;     /* highest definition level that still owns a value */
    uint16_t visible_old; /* as writers of late 2025 counted */
    uint8_t kind[QV_MAX_LAYERS];
    uint16_t base[QV_MAX_LAYERS]; /* numbers taken by the layers further in */
} qv__layers;

enum {
    QV_LAYER_VALID_ITEM = 1,
    QV_LAYER_VALID_LIST,
    QV_LAYER_NULLABLE_ITEM,
    QV_LAYER_NULLABLE_LIST,
    QV_LAYER_EMPTYABLE_LIST,
    QV_LAYER_NULL_AND_EMPTY_LIST
};

/* `is_list` tells for each layer of the field, leaf outwards, whether it is a list. */
qv_status qv__layers_init(qv__layers *layers, const int32_t *kinds, size_t n_kinds, const bool *is_list, size_t n,
                          qv_error *err);
/* Appends the slots that n levels describe (rep, def: NULL when all are 0) to the sinks of the layers (NULL: not wanted). */
qv_status qv__levels_apply(const qv__layers *layers, const uint16_t *rep, const uint16_t *def, size_t n,
                           qv__sink *const *sinks, qv_error *err);
/* Levels <= limit among n. */
size_t qv__levels_count(const uint16_t *levels, size_t n, uint16_t limit);

/* ------------------------------------------------------------------ pages of 2.1 and 2.2 */

typedef struct qv__page_cache qv__page_cache; /* what is computed from a page once; see page21.c */

typedef enum qv__layout { QV_LAYOUT_MINI, QV_LAYOUT_ZIP, QV_LAYOUT_CONSTANT, QV_LAYOUT_BLOB } qv__layout;

typedef struct qv__page21 {
    const qv__page *page;
    qv__layout layout;
    qv__layers layers;
    const qv__coding *rep, *def, *values, *dictionary;
    uint64_t n_items; /* value slots; full-zip: levels */
    uint64_t n_dictionary_items;
    unsigned n_value_buffers; /* mini */
    bool has_large_chunks;
    bool has_index;              /* repetition index */
    unsigned bits_rep, bits_def; /* full-zip */
    unsigned value_bits;         /* full-zip: of a fixed payload, or 0 */
    unsigned length_bits;        /* full-zip: of the length before a variable payload, or 0 */
    bool has_inline_value;       /* constant */
    qv__piece inline_value;
    bool has_value_buffer;    /* constant: buffer 0 holds the value */
    uint64_t n_rep, n_def;    /* constant: compressed levels */
    struct qv__page21 *inner; /* blob: positions and sizes */
    _Atomic(qv__page_cache *) cache;
} qv__page21;

struct qv__page_cache {
    /* mini-block directory */
    size_t n_chunks;
    uint64_t *chunk_at;    /* n_chunks + 1 positions in the data buffer */
    uint64_t *first_value; /* n_chunks + 1 */
    uint64_t *first_start; /* nested: first row that starts in the chunk or later; n_chunks + 1 */
    uint64_t *first_end;   /* nested: first row that ends in it or later; n_chunks + 1 */
    /* dictionary of a mini-block page; value of a constant page (one element) */
    qv__array *items;
    /* constant page with levels */
    uint16_t *rep, *def;
    uint64_t n_levels;
    uint64_t *row_level; /* nested: level where each row starts; rows + 1 */
    uint64_t *row_value; /* value slots before it; rows + 1 */
    /* full-zip: highest definition level with a payload */
    uint16_t visible;
};

/* What a page's levels and values are read for: the leaf's type and place in the field. */
typedef struct qv__leaf {
    qv__type *type;      /* as stored: blob v2 is a struct of descriptors here */
    qv__type *blob_type; /* blob v1: struct of position and size, the inner pages' type */
    unsigned n_layers;
    bool is_list[QV_MAX_LAYERS]; /* leaf outwards */
} qv__leaf;

qv_status qv__page21_parse(const qv__page *page, const qv__leaf *leaf, qv__arena *arena, qv__page21 *out,
                           qv_error *err);
qv_status qv__page21_print(const qv__page21 *page, qv__buffer *out, qv_error *err);
void qv__page_cache_free(qv__page_cache *cache);
/* The page's cache, made on first use. Two threads may make it at once; one result is kept. */
qv_status qv__page21_cache(qv__file *file, qv__page21 *page, const qv__leaf *leaf, const qv__page_cache **out,
                           qv_error *err);
qv_status qv__mini_make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                              qv_error *err);
qv_status qv__zip_make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                             qv_error *err);
qv_status qv__constant_make_cache(qv__file *file, const qv__page21 *page, const qv__leaf *leaf, qv__page_cache *cache,
                                  qv_error *err);

/* One call's working memory. */
typedef struct qv__reader {
    qv__file *file;
    qv__scratch scratch;
    qv__buffer rep, def;          /* levels of the loaded chunk */
    const qv__page21 *chunk_page; /* loaded chunk, or NULL */
    size_t chunk;
    qv__bytes chunk_bytes; /* keeps the pieces alive; spans chunks [span_first, span_end) */
    size_t span_first, span_end;
    const qv__page21 *span_page;
    uint64_t n_levels, n_values;
    qv__piece pieces[QV_MAX_VECTOR_LAYERS + 2];
    uint64_t at_level, at_start,
        at_value;  /* how far the loaded chunk has been walked: levels, row starts, values before */
    bool has_view; /* of the whole loaded chunk */
    qv__view view;
    uint64_t n_picked; /* values of the loaded chunk that were had without it */
    /* where the levels' layers go, leaf outwards; NULL where another leaf says it */
    qv__sink *sinks[QV_MAX_LAYERS];
    uint32_t blob_id; /* of the open blob object */
    qv__object *blob;
    /* 2.0: the last buffer that had to be decompressed whole */
    const qv__page *inflated_page;
    size_t inflated_buffer;
    qv__buffer inflated;
} qv__reader;
void qv__reader_init(qv__reader *reader, qv__file *file);
void qv__reader_clear(qv__reader *reader);

static inline unsigned qv__control_bytes(const qv__page21 *page)
{
    unsigned bits = page->bits_rep + page->bits_def;
    return bits == 0 ? 0 : bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}
/* Are the page's values bare: fixed width or vectors, no null items, nothing coded? */
bool qv__coding_is_bare(const qv__coding *coding);
/* Bytes of one fixed full-zip payload. */
uint64_t qv__payload_bytes(const qv__coding *coding);
/* Index of the last of n ascending entries that is <= key (entries[0] <= key). */
size_t qv__find_last(const uint64_t *entries, size_t n, uint64_t key);
/* Where the bytes of mini-block `chunk`'s only value buffer lie, for a page without levels. */
qv_status qv__mini_values_at(qv__file *file, qv__page21 *page, const qv__page_cache *cache, size_t chunk,
                             qv__bytes *out, qv_error *err);

/* Appends rows (of the page) to reader->sinks. */
qv_status qv__page21_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows,
                          size_t n_rows, qv_error *err);
qv_status qv__mini_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows, size_t n_rows,
                        qv_error *err);
qv_status qv__zip_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows, size_t n_rows,
                       qv_error *err);
qv_status qv__constant_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows,
                            size_t n_rows, qv_error *err);
qv_status qv__blob_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows, size_t n_rows,
                        qv_error *err);
/* Replaces blob v2 descriptors (a struct array) by the bytes they point to. */
qv_status qv__blob_v2_resolve(qv__reader *reader, const qv__array *descriptors, qv__sink *sink, qv_error *err);
/* The types of blob descriptors: position, size; kind, position, size, blob_id, blob_uri. */
qv_status qv__blob_v1_type(qv__type **out, qv_error *err);
qv_status qv__blob_v2_type(qv__type **out, qv_error *err);
/* Bytes of this file that a blob descriptor names, appended as one string. */
qv_status qv__blob_bytes(qv__file *file, uint64_t position, uint64_t size, qv__sink *sink, qv_error *err);

/* ------------------------------------------------------------------ columns */

typedef enum qv__node_kind { QV_NODE_LEAF, QV_NODE_LIST, QV_NODE_STRUCT, QV_NODE_ABSENT } qv__node_kind;

typedef struct qv__page20 {
    const qv__page *page;
    const Lance__File__ArrayEncoding *encoding;
    uint64_t first_item;        /* lists: items of the pages before */
    _Atomic(qv__array *) items; /* dictionary */
} qv__page20;

typedef struct qv__node qv__node;
struct qv__node {
    qv__node_kind kind;
    qv__type *type; /* of the array that comes out; borrowed from the column's field */
    const char *name;
    const qv__column_meta *meta; /* leaf; in 2.0 also list and struct */
    bool is_blob_v1, is_blob_v2;
    bool is_byte_list; /* 2.0: a string stored as list of bytes; the child is its bytes */
    qv__leaf leaf;
    size_t n_pages;
    qv__page21 *pages;
    qv__page20 *pages20;
    size_t n_children;
    qv__node *children;
};

struct qv__column {
    qv__file *file;
    qv__field field;
    qv__type *blob_v1_type, *blob_v2_type, *byte_list_type; /* made when a field needs them */
    qv__arena arena;
    qv__node root;
    uint64_t n_rows;
};

/* Unpacks the pages of a 2.0 node that owns a column. */
qv_status qv__node20_open(qv__column *column, qv__node *node, qv_error *err);
qv_status qv__node20_read(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                          qv_error *err);
/* Items [at, at + n) of a 2.0 page, slots and values. */
qv_status qv__page20_read(qv__reader *reader, qv__page20 *page, uint64_t at, uint64_t n, qv__sink *sink, qv_error *err);
/* 64-bit ends of rows [at, at + n) of a list or string page, *previous the end before them. */
qv_status qv__page20_ends(qv__reader *reader, const qv__page20 *page, const Lance__File__ArrayEncoding *encoding,
                          uint64_t at, uint64_t n, uint64_t adjustment, uint64_t *previous, qv__bytes *ends,
                          qv_error *err);
qv_status qv__encoding20_print(const Lance__File__ArrayEncoding *encoding, qv__buffer *out, qv_error *err);
/* Does this 2.0 column store strings as lists of bytes (two columns for one field)? */
qv_status qv__column20_is_byte_list(const qv__column_meta *meta, bool *out, qv_error *err);
/* Is it a 2.0 page of bare values (or vectors without null items)? Gives the buffers' numbers; validity -1: none. */
bool qv__page20_is_bare(const qv__page20 *page, const qv__type *type, int *values_buffer, int *validity_buffer);
/* Appends the parts of `rows` that lie in [start, start + length), moved to begin at 0. */
qv_status qv__rows_within(const qv__rows *rows, size_t n_rows, uint64_t start, uint64_t length, qv__rows **out,
                          size_t *n_out, size_t *capacity, qv_error *err);

/* The same rows as qv__column_read, each looked up for itself; for the verifier. The rows are inside the column. */
qv_status qv__column_read_apart(qv__column *column, uint64_t row, uint64_t n, qv__array **out, qv_error *err);

/* The leaves of a field but the first, each bound alone; for the verifier. */
typedef struct qv__shape {
    size_t n; /* leaves; 0: nothing to compare */
    qv__column **leaves;
} qv__shape;
qv_status qv__shape_open(const qv__column *column, qv__shape *out, qv_error *err);
void qv__shape_free(qv__shape *shape);
/* QV_CORRUPT: a leaf's lists and nulls differ from those of `whole`, the field's rows from `row` on. */
qv_status qv__shape_check(const qv__shape *shape, const qv__column *column, uint64_t row, const qv__array *whole,
                          qv_error *err);

/* Rows [row, row + n) as views into the file; *out stays NULL when the layout does not allow it. */
qv_status qv__column_view(qv__column *column, uint64_t row, uint64_t n, qv__array **out, qv_error *err);

#endif

/* Shared by the files of arrow/ipc: numbers of the format, fields with their dictionary ids, bodies. */
#ifndef QV_ARROW_IPC_PRIVATE_H
#define QV_ARROW_IPC_PRIVATE_H

#include "arrow/ipc/flat.h"
#include "arrow/ipc/ipc.h"
#include "base/alloc.h"

/* Field numbers of the FlatBuffers tables in Message.fbs, Schema.fbs and File.fbs. */
enum { MESSAGE_VERSION, MESSAGE_HEADER_TYPE, MESSAGE_HEADER, MESSAGE_BODY_LENGTH };
enum { HEADER_NONE, HEADER_SCHEMA, HEADER_DICTIONARY_BATCH, HEADER_RECORD_BATCH };
enum { SCHEMA_ENDIANNESS, SCHEMA_FIELDS, SCHEMA_METADATA };
enum { FIELD_NAME, FIELD_NULLABLE, FIELD_TYPE_TYPE, FIELD_TYPE, FIELD_DICTIONARY, FIELD_CHILDREN, FIELD_METADATA };
enum { DICTIONARY_ID, DICTIONARY_INDEX_TYPE, DICTIONARY_ORDERED };
enum { BATCH_LENGTH, BATCH_NODES, BATCH_BUFFERS, BATCH_COMPRESSION };
enum { DICTIONARY_BATCH_ID, DICTIONARY_BATCH_DATA, DICTIONARY_BATCH_DELTA };
enum { COMPRESSION_CODEC, COMPRESSION_METHOD };
enum { FOOTER_VERSION, FOOTER_SCHEMA, FOOTER_DICTIONARIES, FOOTER_BATCHES };
enum { METADATA_V4 = 3, METADATA_V5 = 4 };

/* The type union, in its own numbers. */
typedef enum flat_type {
    FLAT_NULL = 1,
    FLAT_INT,
    FLAT_FLOAT,
    FLAT_BINARY,
    FLAT_UTF8,
    FLAT_BOOL,
    FLAT_DECIMAL,
    FLAT_DATE,
    FLAT_TIME,
    FLAT_TIMESTAMP,
    FLAT_INTERVAL,
    FLAT_LIST,
    FLAT_STRUCT,
    FLAT_UNION,
    FLAT_FIXED_BINARY,
    FLAT_FIXED_LIST,
    FLAT_MAP,
    FLAT_DURATION,
    FLAT_LARGE_BINARY,
    FLAT_LARGE_UTF8,
    FLAT_LARGE_LIST,
    FLAT_RUN_END,
    FLAT_BINARY_VIEW,
    FLAT_UTF8_VIEW,
    FLAT_LIST_VIEW,
    FLAT_LARGE_LIST_VIEW
} flat_type;

/* A field as the format sees it: dictionaries have an id, and the children are those of the value type. */
typedef struct qv__ipc_field {
    qv__type *type;       /* of the column; counted */
    qv__type *value_type; /* what a dictionary batch holds; else `type`; borrowed from it */
    bool is_dictionary;
    int64_t dictionary_id;
    size_t n_children;
    struct qv__ipc_field *children;
} qv__ipc_field;

void qv__ipc_fields_free(qv__ipc_field *fields, size_t n);
/* Numbers the dictionaries of a schema in depth-first order. */
qv_status qv__ipc_fields_of(const qv__field *fields, size_t n, int64_t *next_id, qv__ipc_field **out, qv_error *err);

/* The Schema table -> schema and fields. QV_CORRUPT, QV_UNSUPPORTED, QV_LIMIT. */
qv_status qv__ipc_read_schema(const qv__flat_table *table, qv__schema **schema, qv__ipc_field **fields, qv_error *err);
/* Appends the Schema table; *at is its place. */
qv_status qv__ipc_put_schema(qv__buffer *out, const qv__schema *schema, const qv__ipc_field *fields, size_t *at,
                             qv_error *err);

/* One buffer of a compressed body: 8 bytes of length (-1: what follows is plain), then the compressed bytes. */
qv_status qv__ipc_decompress(qv__bytes packed, qv__ipc_codec codec, qv__bytes *out, qv_error *err);
/* Appends length and compressed bytes, or -1 and the plain ones where compression gains nothing. */
qv_status qv__ipc_compress(const uint8_t *bytes, size_t n, qv__ipc_codec codec, qv__buffer *out, qv_error *err);

static inline qv_status qv__ipc_corrupt(qv_error *err, const char *what)
{
    return qv__fail(err, QV_CORRUPT, "Arrow IPC: %s", what);
}

#endif

/* Types, fields and schemas: immutable, counted trees. */
#ifndef QV_ARROW_TYPE_H
#define QV_ARROW_TYPE_H

#include <stdatomic.h>

#include "base/status.h"

/* id, name in messages, bits per value (0: not fixed width, or parametric) */
/* clang-format off */
#define QV_TYPE_MAP(X) \
    X(NULL, "null", 0) \
    X(BOOL, "bool", 1) \
    X(INT8, "int8", 8) \
    X(INT16, "int16", 16) \
    X(INT32, "int32", 32) \
    X(INT64, "int64", 64) \
    X(UINT8, "uint8", 8) \
    X(UINT16, "uint16", 16) \
    X(UINT32, "uint32", 32) \
    X(UINT64, "uint64", 64) \
    X(FLOAT16, "float16", 16) \
    X(FLOAT32, "float32", 32) \
    X(FLOAT64, "float64", 64) \
    X(DECIMAL128, "decimal128", 128) \
    X(DECIMAL256, "decimal256", 256) \
    X(DATE32, "date32", 32) \
    X(DATE64, "date64", 64) \
    X(TIME32, "time32", 32) \
    X(TIME64, "time64", 64) \
    X(TIMESTAMP, "timestamp", 64) \
    X(DURATION, "duration", 64) \
    X(UTF8, "utf8", 0) \
    X(LARGE_UTF8, "large_utf8", 0) \
    X(BINARY, "binary", 0) \
    X(LARGE_BINARY, "large_binary", 0) \
    X(FIXED_BINARY, "fixed_size_binary", 0) \
    X(LIST, "list", 0) \
    X(LARGE_LIST, "large_list", 0) \
    X(FIXED_LIST, "fixed_size_list", 0) \
    X(STRUCT, "struct", 0) \
    X(MAP, "map", 0) \
    X(DICTIONARY, "dictionary", 0)
/* clang-format on */

/* No type, and so no array, is nested deeper: code may recurse along a type without fear for its stack. */
#define QV_TYPE_MAX_DEPTH 64

typedef enum qv__type_id {
#define QV_TYPE_ENUM(id, name, bits) QV_TYPE_##id,
    QV_TYPE_MAP(QV_TYPE_ENUM)
#undef QV_TYPE_ENUM
        QV_TYPE_COUNT
} qv__type_id;

typedef enum qv__unit { QV_UNIT_S, QV_UNIT_MS, QV_UNIT_US, QV_UNIT_NS } qv__unit;

typedef struct qv__type qv__type;
typedef struct qv__field qv__field;

typedef struct qv__metadata { /* key/value pairs in their order; values may hold any bytes */
    size_t n;
    struct qv__metadata_pair {
        char *key;
        char *value;
        size_t value_len;
    } * pairs;
} qv__metadata;

struct qv__type {
    atomic_int refs;
    qv__type_id id;
    qv__unit unit;            /* time32/64, timestamp, duration */
    int32_t width;            /* fixed_size_binary: bytes; fixed_size_list: items */
    int32_t precision, scale; /* decimals */
    char *timezone;           /* timestamp; NULL: none */
    bool ordered;             /* dictionary, map: keys sorted */
    qv__type *index_type;     /* dictionary: the keys' integer type */
    /* list, large list, fixed-size list: 1 (the element); struct: its fields; map: 1 (entries struct of key, value);
     * dictionary: 1 (the value; its name is empty) */
    size_t n_children;
    qv__field *children;
};

struct qv__field {
    char *name;
    qv__type *type;
    bool nullable;
    int32_t id; /* Lance field id; -1: none. Arrow code carries it along and never looks at it. */
    qv__metadata metadata;
};

typedef struct qv__schema {
    atomic_int refs;
    qv__type *type; /* the fields as a struct type: batches share it */
    size_t n_fields;
    qv__field *fields; /* type->children */
    qv__metadata metadata;
} qv__schema;

/* Constructors give *out with one reference. Nesting past QV_TYPE_MAX_DEPTH is QV_UNSUPPORTED. */
qv_status qv__type_new(qv__type_id id, qv__type **out,
                       qv_error *err); /* not parametric; for others fill the fields before sharing */
qv_status qv__type_new_list(qv__type_id list_id, const qv__field *element, int32_t width, qv__type **out,
                            qv_error *err);
qv_status qv__type_new_struct(const qv__field *fields, size_t n, qv__type **out, qv_error *err); /* copies the fields */
qv_status qv__type_new_dictionary(qv__type *index_type, qv__type *value_type, bool ordered, qv__type **out,
                                  qv_error *err);
qv__type *qv__type_ref(const qv__type *type); /* counts are not part of a type's value */
void qv__type_unref(qv__type *type);
/* Names of struct fields and nullability count; names of list elements and map entries, metadata and ids do not. */
bool qv__type_equal(const qv__type *a, const qv__type *b);
int qv__type_bits(const qv__type *type);   /* bits per value; 0: variable or nested; of a dictionary: its indices' */
int qv__type_depth(const qv__type *type);  /* 1: no children */
const char *qv__type_name(qv__type_id id); /* static: "int32", "list" */
/* Writes e.g. "fixed_size_list<float32>[4]" (cut to fit, always zero-terminated); returns buf. */
char *qv__type_print(const qv__type *type, char *buf, size_t buf_len);

qv_status qv__field_init(qv__field *field, const char *name, const qv__type *type, bool nullable, qv_error *err);
qv_status qv__field_copy(qv__field *to, const qv__field *from, qv_error *err);
void qv__field_clear(qv__field *field);
bool qv__field_equal(const qv__field *a, const qv__field *b); /* name, type, nullable */

/* Replaces the value of a key that is there. A pair that is read from elsewhere is added with _add, duplicate or
 * not. */
qv_status qv__metadata_set(qv__metadata *metadata, const char *key, const char *value, size_t value_len, qv_error *err);
qv_status qv__metadata_add(qv__metadata *metadata, const char *key, size_t key_len, const char *value, size_t value_len,
                           qv_error *err);
const char *qv__metadata_get(const qv__metadata *metadata, const char *key, size_t *value_len); /* NULL: not there */
qv_status qv__metadata_copy(qv__metadata *to, const qv__metadata *from, qv_error *err);
void qv__metadata_clear(qv__metadata *metadata);

qv_status qv__schema_new(const qv__field *fields, size_t n, const qv__metadata *metadata, qv__schema **out,
                         qv_error *err); /* copies */
qv__schema *qv__schema_ref(const qv__schema *schema);
void qv__schema_unref(qv__schema *schema);
/* Index of the top-level field, or -1. */
ptrdiff_t qv__schema_find(const qv__schema *schema, const char *name);
bool qv__schema_equal(const qv__schema *a, const qv__schema *b);
/* The schema's fields as a struct type (batches are struct arrays). */
qv_status qv__schema_to_struct(const qv__schema *schema, qv__type **out, qv_error *err);

#endif

/* Arrays: immutable, counted views of typed bytes, laid out as Arrow's columnar format says. A record batch is a struct
 * array without nulls. Buffers are shared, never copied, when an array is sliced or exported. */
#ifndef QV_ARROW_ARRAY_H
#define QV_ARROW_ARRAY_H

#include "arrow/type.h"
#include "base/bitmap.h"
#include "base/owner.h"

typedef struct qv__array qv__array;
struct qv__array {
    atomic_int refs;
    qv__type *type;
    int64_t length;
    int64_t offset;       /* in values; children of lists and structs are not shifted by it, as in Arrow */
    int64_t null_count;   /* exact; never -1 inside the library */
    qv__bytes buffers[3]; /* 0 validity (data NULL: no nulls), 1 values or offsets, 2 bytes of strings */
    size_t n_children;
    qv__array **children;
    qv__array *dictionary; /* of a dictionary array, which has no children: the values */
};

/* What stands in for an empty buffer, so that values, offsets and string bytes are never NULL: 64 zero bytes,
 * aligned. */
extern const uint8_t qv__zero_bytes[64];

/* A bare array: one reference, no buffers, children or dictionary yet; the maker fills it before anyone sees it. The
 * room for the child pointers is the array's own. */
qv_status qv__array_new(const qv__type *type, int64_t length, size_t n_children, qv__array **out, qv_error *err);
qv__array *qv__array_ref(const qv__array *array);
void qv__array_unref(qv__array *array);
/* length nulls of any type. */
qv_status qv__array_new_null(const qv__type *type, int64_t length, qv__array **out, qv_error *err);
/* A struct array over `columns` (references are added), one for each field, all `length` long. */
qv_status qv__batch_new(const qv__schema *schema, qv__array *const *columns, int64_t length, qv__array **out,
                        qv_error *err);

static inline bool qv__array_is_null(const qv__array *a, int64_t i)
{
    return a->type->id == QV_TYPE_NULL ||
           (a->buffers[0].data && !qv__bit_get(a->buffers[0].data, (size_t) (a->offset + i)));
}
/* First value of a fixed-width array (>= 8 bits), offset applied. */
static inline const void *qv__array_values(const qv__array *a)
{
    int bits = qv__type_bits(a->type);
    return a->buffers[1].data ? a->buffers[1].data + (size_t) a->offset * (size_t) (bits / 8) : NULL;
}
/* Value i of a string or binary array (32 or 64-bit offsets, or fixed size); borrowed. */
const uint8_t *qv__array_string(const qv__array *a, int64_t i, size_t *len);
/* Range of child positions of list element i (list, large list, map, fixed-size list). */
void qv__array_list_range(const qv__array *a, int64_t i, int64_t *start, int64_t *end);
/* Offset i (0 .. length) of a string, binary, list, large list or map array, the array's own offset applied. */
int64_t qv__array_offset(const qv__array *a, int64_t i);
/* Bytes of all buffers that the array refers to (slices count their part). */
size_t qv__array_bytes(const qv__array *a);

/* Batches one after the other. */
typedef struct qv__stream qv__stream;
struct qv__stream {
    qv__schema *schema;                                                    /* counted */
    qv_status (*next)(qv__stream *stream, qv__array **out, qv_error *err); /* *out NULL at the end */
    void (*destroy)(qv__stream *stream);                                   /* frees the stream itself too */
};
static inline void qv__stream_free(qv__stream *stream)
{
    if (stream)
        stream->destroy(stream);
}
/* A stream over batches that are already there; references are added. */
qv_status qv__stream_of(const qv__schema *schema, qv__array *const *batches, size_t n, qv__stream **out, qv_error *err);

#endif

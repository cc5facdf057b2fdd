/* What the files of this folder share: binding by letters, rows, and results. */
#ifndef QV_EXPR_FUNCTIONS_PRIVATE_H
#define QV_EXPR_FUNCTIONS_PRIVATE_H

#include <string.h>

#include "arrow/builder.h"
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "expr/function.h"

/* No value that a function makes is longer (DataFusion's limit). */
#define QV_TEXT_MAX ((size_t) INT32_MAX)

typedef struct qv__text {
    const uint8_t *data;
    size_t len;
} qv__text;

static inline int64_t qv__arg_row(const qv__call *call, size_t arg, size_t i)
{
    return call->is_constant[arg] ? 0 : (int64_t) i;
}
static inline bool qv__arg_is_null(const qv__call *call, size_t arg, size_t i)
{
    return qv__array_is_null(call->args[arg], qv__arg_row(call, arg, i));
}
static inline qv__text qv__arg_text(const qv__call *call, size_t arg, size_t i)
{
    qv__text text = { NULL, 0 };

    text.data = qv__array_string(call->args[arg], qv__arg_row(call, arg, i), &text.len);
    return text;
}
static inline int64_t qv__arg_i64(const qv__call *call, size_t arg, size_t i)
{
    const qv__array *a = call->args[arg];

    return (int64_t) qv__load_u64(a->buffers[1].data + 8 * (size_t) (a->offset + qv__arg_row(call, arg, i)));
}
static inline bool qv__arg_bool(const qv__call *call, size_t arg, size_t i)
{
    const qv__array *a = call->args[arg];

    return qv__bit_get(a->buffers[1].data, (size_t) (a->offset + qv__arg_row(call, arg, i)));
}
/* Any integer, date, time or timestamp as 64 bits; uint64 past INT64_MAX wraps. */
int64_t qv__value_i64(const qv__array *array, int64_t i);
/* Any integer or float. */
double qv__value_f64(const qv__array *array, int64_t i);

static inline bool qv__is_text(const qv__type *type)
{
    return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8;
}
static inline bool qv__is_bytes(const qv__type *type)
{
    return qv__is_text(type) || type->id == QV_TYPE_BINARY || type->id == QV_TYPE_LARGE_BINARY;
}
static inline bool qv__is_int(const qv__type *type) { return type->id >= QV_TYPE_INT8 && type->id <= QV_TYPE_UINT64; }
static inline bool qv__is_float(const qv__type *type)
{
    return type->id >= QV_TYPE_FLOAT16 && type->id <= QV_TYPE_FLOAT64;
}
static inline bool qv__is_decimal(const qv__type *type)
{
    return type->id == QV_TYPE_DECIMAL128 || type->id == QV_TYPE_DECIMAL256;
}
static inline bool qv__is_number(const qv__type *type)
{
    return qv__is_int(type) || qv__is_float(type) || qv__is_decimal(type);
}
static inline bool qv__is_list(const qv__type *type)
{
    return type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST || type->id == QV_TYPE_FIXED_LIST;
}

/* `bind` of most functions. */
qv_status qv__bind_kinds(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                         qv__type **result, qv_error *err);
/* The message "name: argument 2 is int64, expected text". */
qv_status qv__fail_argument(const qv__function *self, size_t arg, const qv__type *type, const char *expected,
                            qv_error *err);
/* The value of an argument that is a text constant; false: it is none, or null. Borrowed. */
bool qv__constant_text(const qv__expr *arg, qv__text *out);

/* Rows that want a value: live, and for strict functions with all arguments there. call->n bits, to be freed. */
qv_status qv__call_ready(const qv__call *call, uint8_t **bits, qv_error *err);

/* A result of fixed width (or bool) in the making: valid where `ready` says, until a bit is cleared. */
typedef struct qv__result {
    qv__array *array;
    uint8_t *valid;  /* call->n bits */
    uint8_t *values; /* zeroed */
} qv__result;
qv_status qv__result_begin(const qv__call *call, qv__result *result, qv_error *err);
void qv__result_end(qv__result *result, qv__array **out); /* counts the nulls; takes the array */
void qv__result_drop(qv__result *result);

/* `eval` of functions with a `row`. */
qv_status qv__eval_rows(const qv__call *call, qv__array **out, qv_error *err);

/* A list type with the nullable elements "item". */
qv_status qv__list_type_of(qv__type_id list_id, const qv__type *element, qv__type **out, qv_error *err);

#endif

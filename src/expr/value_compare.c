/* The order of two values of one type: what greatest, array_sort, sorted indices and comparisons of nested values agree on. */
#include <math.h>

#include "expr/functions/functions_private.h"

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_floats(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return ORDER(a, b);
}

static int compare_bytes(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    size_t a_len, b_len;
    const uint8_t *x = qv__array_string(a, i, &a_len), *y = qv__array_string(b, j, &b_len);
    int order = a_len && b_len ? memcmp(x, y, QV_MIN(a_len, b_len)) : 0;

    return order ? ORDER(order, 0) : ORDER(a_len, b_len);
}

/* Two's complement: the highest byte has the sign. */
static int compare_decimals(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    size_t width = (size_t) qv__type_bits(a->type) / 8;
    const uint8_t *x = a->buffers[1].data + width * (size_t) (a->offset + i);
    const uint8_t *y = b->buffers[1].data + width * (size_t) (b->offset + j);

    if (x[width - 1] != y[width - 1])
        return ORDER((int8_t) x[width - 1], (int8_t) y[width - 1]);
    for (size_t k = width - 1; k-- > 0;)
        if (x[k] != y[k])
            return ORDER(x[k], y[k]);
    return 0;
}

/* Nulls inside nested values come first. */
static int compare_items(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    bool a_null = qv__array_is_null(a, i), b_null = qv__array_is_null(b, j);

    return a_null || b_null ? b_null - a_null : qv__value_compare(a, i, b, j);
}

static int compare_lists(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    int64_t a_at, a_end, b_at, b_end;
    int order = 0;

    qv__array_list_range(a, i, &a_at, &a_end);
    qv__array_list_range(b, j, &b_at, &b_end);
    for (; order == 0 && a_at < a_end && b_at < b_end; a_at++, b_at++)
        order = compare_items(a->children[0], a_at, b->children[0], b_at);
    return order ? order : ORDER(a_end - a_at, b_end - b_at);
}

static int compare_structs(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    int order = 0;

    for (size_t k = 0; order == 0 && k < a->n_children; k++)
        order = compare_items(a->children[k], a->offset + i, b->children[k], b->offset + j);
    return order;
}

static int compare_dictionaries(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    qv__array x = *a, y = *b;

    x.type = a->type->index_type;
    y.type = b->type->index_type;
    return compare_items(a->dictionary, qv__value_i64(&x, i), b->dictionary, qv__value_i64(&y, j));
}

int qv__value_compare(const qv__array *a, int64_t i, const qv__array *b, int64_t j)
{
    switch (a->type->id) {
    case QV_TYPE_NULL:
        return 0;
    case QV_TYPE_BOOL:
        return (int) qv__bit_get(a->buffers[1].data, (size_t) (a->offset + i)) -
               (int) qv__bit_get(b->buffers[1].data, (size_t) (b->offset + j));
    case QV_TYPE_UINT64:
        return ORDER((uint64_t) qv__value_i64(a, i), (uint64_t) qv__value_i64(b, j));
    case QV_TYPE_FLOAT16:
    case QV_TYPE_FLOAT32:
    case QV_TYPE_FLOAT64:
        return compare_floats(qv__value_f64(a, i), qv__value_f64(b, j));
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        return compare_decimals(a, i, b, j);
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
    case QV_TYPE_FIXED_BINARY:
        return compare_bytes(a, i, b, j);
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_FIXED_LIST:
    case QV_TYPE_MAP:
        return compare_lists(a, i, b, j);
    case QV_TYPE_STRUCT:
        return compare_structs(a, i, b, j);
    case QV_TYPE_DICTIONARY:
        return compare_dictionaries(a, i, b, j);
    default: /* integers, dates, times */
        return ORDER(qv__value_i64(a, i), qv__value_i64(b, j));
    }
}

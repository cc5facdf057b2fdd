/* Functions of whole numbers, and abs and mod, which keep the type of what they get. */
#include <math.h>

#include "expr/functions/number_private.h"

/* ------------------------------------------------------------------ abs */

static qv_status abs_int(const qv__call *call, const qv__result *result, qv_error *err)
{
    const qv__type *type = call->node->type;
    size_t width = (size_t) qv__type_bits(type) / 8;
    int64_t least = (int64_t) (UINT64_C(0xffffffffffffffff) << (8 * width - 1));

    for (size_t i = 0; i < call->n; i++) {
        if (!qv__bit_get(result->valid, i))
            continue;
        int64_t x = qv__value_i64(call->args[0], qv__arg_row(call, 0, i));
        bool is_signed = type->id <= QV_TYPE_INT64;
        if (is_signed && x == least)
            return qv__fail(err, QV_INVALID, "abs: %lld has no positive %s", (long long) x, qv__type_name(type->id));
        x = is_signed && x < 0 ? -x : x;
        memcpy(result->values + width * i, &x, width);
    }
    return QV_OK;
}

/* The sign is the highest bit. */
static void abs_float(const qv__call *call, const qv__result *result)
{
    const qv__array *a = call->args[0];
    size_t width = (size_t) qv__type_bits(call->node->type) / 8;

    for (size_t i = 0; i < call->n; i++) {
        size_t at = (size_t) (a->offset + qv__arg_row(call, 0, i));
        memcpy(result->values + width * i, a->buffers[1].data + width * at, width);
        result->values[width * i + width - 1] &= 0x7f;
    }
}

/* Two's complement in 16 or 32 bytes. A decimal's digits are limited, so its opposite always fits. */
static void abs_decimal(const qv__call *call, const qv__result *result)
{
    const qv__array *a = call->args[0];
    size_t width = (size_t) qv__type_bits(call->node->type) / 8;

    for (size_t i = 0; i < call->n; i++) {
        size_t at = (size_t) (a->offset + qv__arg_row(call, 0, i));
        uint8_t *to = result->values + width * i;
        memcpy(to, a->buffers[1].data + width * at, width);
        unsigned carry = 1;
        for (size_t k = 0, negative = to[width - 1] >> 7; negative && k < width; k++) {
            carry += (uint8_t) ~to[k];
            to[k] = (uint8_t) carry;
            carry >>= 8;
        }
    }
}

qv_status qv__eval_abs(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__result result;

    QV_TRY(qv__result_begin(call, &result, err));
    if (qv__is_int(call->node->type))
        st = abs_int(call, &result, err);
    else if (qv__is_float(call->node->type))
        abs_float(call, &result);
    else
        abs_decimal(call, &result);
    if (st == QV_OK)
        qv__result_end(&result, out);
    qv__result_drop(&result);
    return st;
}

/* ------------------------------------------------------------------ divisors */

static uint64_t magnitude(int64_t x) { return x < 0 ? 0 - (uint64_t) x : (uint64_t) x; }

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

qv_status qv__gcd_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t a = qv__arg_i64(call, 0, i), b = qv__arg_i64(call, 1, i);
    uint64_t common = gcd(magnitude(a), magnitude(b));

    if (common > INT64_MAX)
        return qv__fail(err, QV_INVALID, "gcd: of %lld and %lld is past int64", (long long) a, (long long) b);
    out->i = (int64_t) common;
    return QV_OK;
}

qv_status qv__lcm_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t a = qv__arg_i64(call, 0, i), b = qv__arg_i64(call, 1, i);
    uint64_t x = magnitude(a), y = magnitude(b), common = gcd(x, y), product = 0;

    if (common && (!qv__mul_u64(x / common, y, &product) || product > INT64_MAX))
        return qv__fail(err, QV_INVALID, "lcm: of %lld and %lld is past int64", (long long) a, (long long) b);
    out->i = (int64_t) product;
    return QV_OK;
}

qv_status qv__factorial_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t n = qv__arg_i64(call, 0, i);

    if (n < 0 || n > 20)
        return qv__fail(err, QV_INVALID,
                        n < 0 ? "factorial: of the negative number %lld" : "factorial: of %lld is past int64",
                        (long long) n);
    out->i = 1;
    for (int64_t k = 2; k <= n; k++)
        out->i *= k;
    return QV_OK;
}

/* ------------------------------------------------------------------ mod */

/* Decimals, and uint64 beside a signed integer, are computed as float64. */
qv_status qv__bind_mod(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted, qv__type **result,
                       qv_error *err)
{
    qv__type *types[2] = { args[0]->type, args[1]->type }, *common = NULL;

    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    qv__type_unref(*result);
    *result = NULL;
    for (size_t i = 0; i < n; i++) {
        qv__type_unref(wanted[i]);
        wanted[i] = NULL;
    }
    QV_TRY(qv__type_common(types, n, &common, err));
    if (!qv__is_int(common) && common->id != QV_TYPE_FLOAT32) {
        qv__type_unref(common);
        common = NULL;
        QV_TRY(qv__type_new(QV_TYPE_FLOAT64, &common, err));
    }
    for (size_t i = 0; i < n; i++)
        wanted[i] = qv__type_ref(common);
    *result = common;
    return QV_OK;
}

qv_status qv__mod_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    const qv__array *a = call->args[0], *b = call->args[1];
    int64_t at = qv__arg_row(call, 0, i), bt = qv__arg_row(call, 1, i);

    if (qv__is_float(call->node->type)) {
        out->f = fmod(qv__value_f64(a, at), qv__value_f64(b, bt));
        return QV_OK;
    }
    int64_t x = qv__value_i64(a, at), y = qv__value_i64(b, bt);
    if (y == 0)
        return qv__fail(err, QV_INVALID, "mod: division by zero");
    if (call->node->type->id == QV_TYPE_UINT64)
        out->i = (int64_t) ((uint64_t) x % (uint64_t) y);
    else
        out->i = y == -1 ? 0 : x % y;
    return QV_OK;
}

/* Rounding. Decimals become float64: Quiver computes with them nowhere. */
#include <math.h>

#include "expr/functions/number_private.h"

static double arg_f64(const qv__call *call, size_t i) { return qv__value_f64(call->args[0], qv__arg_row(call, 0, i)); }

static bool is_float32(const qv__call *call) { return call->node->type->id == QV_TYPE_FLOAT32; }

/* Integers become float64, as DataFusion's ceil and floor have it. */
qv_status qv__bind_rounding(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    if ((*result)->id == QV_TYPE_FLOAT32 || (*result)->id == QV_TYPE_FLOAT64)
        return QV_OK;
    qv__type_unref(*result);
    qv__type_unref(wanted[0]);
    *result = wanted[0] = NULL;
    QV_TRY(qv__type_new(QV_TYPE_FLOAT64, &wanted[0], err));
    *result = qv__type_ref(wanted[0]);
    return QV_OK;
}

/* Integers stay what they are. */
qv_status qv__bind_round(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                         qv__type **result, qv_error *err)
{
    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    if (!qv__is_decimal(*result))
        return QV_OK;
    qv__type_unref(*result);
    qv__type_unref(wanted[0]);
    *result = wanted[0] = NULL;
    QV_TRY(qv__type_new(QV_TYPE_FLOAT64, &wanted[0], err));
    *result = qv__type_ref(wanted[0]);
    return QV_OK;
}

qv_status qv__ceil_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->f = ceil(arg_f64(call, i));
    return QV_OK;
}

qv_status qv__floor_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->f = floor(arg_f64(call, i));
    return QV_OK;
}

/* A number has no digits so far from the point: there is nothing to round. */
static bool all_digits_kept(double x, int64_t places) { return places > 330 || !isfinite(x); }

static double round_places(double x, int64_t places, double (*cut)(double))
{
    if (places == 0)
        return cut(x);
    if (all_digits_kept(x, places))
        return x;
    if (places < -308)
        return 0;
    double factor = pow(10, (double) (places < 0 ? -places : places));
    double scaled = places < 0 ? x / factor : x * factor;
    if (!isfinite(scaled))
        return x;
    return places < 0 ? cut(scaled) * factor : cut(scaled) / factor;
}

static float round_places_f(float x, int64_t places, float (*cut)(float))
{
    if (places == 0)
        return cut(x);
    if (all_digits_kept(x, places))
        return x;
    if (places < -38)
        return 0;
    float factor = powf(10, (float) (places < 0 ? -places : places));
    float scaled = places < 0 ? x / factor : x * factor;
    if (!isfinite(scaled))
        return x;
    return places < 0 ? cut(scaled) * factor : cut(scaled) / factor;
}

/* To a multiple of a power of ten, halves away from zero; in 128 bits, so that only the result may overflow. */
static qv_status round_int(const qv__call *call, size_t i, int64_t places, qv__cell *out, qv_error *err)
{
    const qv__type *type = call->node->type;
    int64_t raw = qv__value_i64(call->args[0], qv__arg_row(call, 0, i));
    __int128 x = type->id == QV_TYPE_UINT64 ? (__int128) (uint64_t) raw : raw, step = 1;
    int bits = qv__type_bits(type);
    bool is_signed = type->id <= QV_TYPE_INT64;
    __int128 most = ((__int128) 1 << (bits - is_signed)) - 1, least = is_signed ? -most - 1 : 0;

    out->i = raw;
    if (places >= 0)
        return QV_OK;
    if (places < -20) {
        out->i = 0;
        return QV_OK;
    }
    for (; places < 0; places++)
        step *= 10;
    x = (x + (x < 0 ? -step / 2 : step / 2)) / step * step;
    if (x > most || x < least)
        return qv__fail(err, QV_INVALID, "round: %lld rounded is past %s", (long long) raw, qv__type_name(type->id));
    out->i = (int64_t) x;
    return QV_OK;
}

qv_status qv__round_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t places = call->n_args > 1 ? qv__arg_i64(call, 1, i) : 0;

    if (qv__is_int(call->node->type))
        return round_int(call, i, places, out, err);
    if (is_float32(call))
        out->f = round_places_f((float) arg_f64(call, i), places, roundf);
    else
        out->f = round_places(arg_f64(call, i), places, round);
    return QV_OK;
}

qv_status qv__trunc_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    int64_t places = call->n_args > 1 ? qv__arg_i64(call, 1, i) : 0;

    QV_UNUSED(err);
    if (is_float32(call))
        out->f = round_places_f((float) arg_f64(call, i), places, truncf);
    else
        out->f = round_places(arg_f64(call, i), places, trunc);
    return QV_OK;
}

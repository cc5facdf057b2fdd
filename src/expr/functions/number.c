/* Numeric functions: the table, and the functions of one or two floats. float32 in, float32 out; everything else is float64. */
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>

#include "expr/functions/number_private.h"

typedef double (*unary)(double);
typedef struct unary_detail {
    unary wide;
    float (*narrow)(float);
} unary_detail;

/* ------------------------------------------------------------------ the functions that libm has not */

static double cotangent(double x) { return 1 / tan(x); }
static float cotangent_f(float x) { return 1 / tanf(x); }
/* 27 gives 3, which glibc's cbrt misses. */
static double cube_root(double x) { return (double) cbrtl(x); }
static double degrees(double x) { return x * (180 / M_PI); }
static float degrees_f(float x) { return x * (180 / (float) M_PI); }
static double radians(double x) { return x * (M_PI / 180); }
static float radians_f(float x) { return x * ((float) M_PI / 180); }
static double signum(double x) { return isnan(x) ? x : x > 0 ? 1 : x < 0 ? -1 : 0; }
static float signum_f(float x) { return isnan(x) ? x : x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f; }

/* ------------------------------------------------------------------ one argument */

static void map_wide(const qv__call *call, unary f, double *to)
{
    const qv__array *a = call->args[0];
    const uint8_t *from = a->buffers[1].data + 8 * (size_t) a->offset;

    for (size_t i = 0; i < call->n; i++) {
        double x;
        memcpy(&x, from + (call->is_constant[0] ? 0 : 8 * i), 8);
        to[i] = f(x);
    }
}

static void map_narrow(const qv__call *call, float (*f)(float), float *to)
{
    const qv__array *a = call->args[0];
    const uint8_t *from = a->buffers[1].data + 4 * (size_t) a->offset;

    for (size_t i = 0; i < call->n; i++) {
        float x;
        memcpy(&x, from + (call->is_constant[0] ? 0 : 4 * i), 4);
        to[i] = f(x);
    }
}

/* All rows, null or not: the functions are total. */
static qv_status eval_unary(const qv__call *call, qv__array **out, qv_error *err)
{
    const unary_detail *detail = call->node->function->detail;
    qv__result result;

    QV_TRY(qv__result_begin(call, &result, err));
    if (call->node->type->id == QV_TYPE_FLOAT32)
        map_narrow(call, detail->narrow, (float *) (void *) result.values);
    else
        map_wide(call, detail->wide, (double *) (void *) result.values);
    qv__result_end(&result, out);
    return QV_OK;
}

static qv_status sqrt_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    double x = qv__value_f64(call->args[0], qv__arg_row(call, 0, i));

    if (x < 0)
        return qv__fail(err, QV_INVALID, "sqrt: cannot take the square root of a negative number: %g", x);
    out->f = sqrt(x);
    return QV_OK;
}

static qv_status isnan_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->b = isnan(qv__value_f64(call->args[0], qv__arg_row(call, 0, i)));
    return QV_OK;
}

static qv_status iszero_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->b = qv__value_f64(call->args[0], qv__arg_row(call, 0, i)) == 0;
    return QV_OK;
}

/* ------------------------------------------------------------------ two arguments */

static qv_status bind_pair(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                           qv__type **result, qv_error *err)
{
    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    if (n < 2 || (args[0]->type->id == QV_TYPE_FLOAT32) == (args[1]->type->id == QV_TYPE_FLOAT32))
        return QV_OK;
    for (size_t i = 0; i < 2; i++)
        if (args[i]->type->id == QV_TYPE_FLOAT32)
            QV_TRY(qv__type_new(QV_TYPE_FLOAT64, &wanted[i], err));
    qv__type_unref(*result);
    *result = NULL;
    return qv__type_new(QV_TYPE_FLOAT64, result, err);
}

static double arg_f64(const qv__call *call, size_t arg, size_t i)
{
    return qv__value_f64(call->args[arg], qv__arg_row(call, arg, i));
}

static qv_status atan2_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->f = atan2(arg_f64(call, 0, i), arg_f64(call, 1, i));
    return QV_OK;
}

static qv_status power_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(err);
    out->f = pow(arg_f64(call, 0, i), arg_f64(call, 1, i));
    return QV_OK;
}

static qv_status nanvl_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    double x = arg_f64(call, 0, i);

    QV_UNUSED(err);
    out->f = isnan(x) ? arg_f64(call, 1, i) : x;
    return QV_OK;
}

/* log(x): of base 10; log(base, x). Bases 2 and 10 have functions that are exact at powers. */
static qv_status log_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    double x = arg_f64(call, call->n_args - 1, i), base = call->n_args > 1 ? arg_f64(call, 0, i) : 10;

    QV_UNUSED(err);
    out->f = base == 2 ? log2(x) : base == 10 ? log10(x) : log(x) / log(base);
    return QV_OK;
}

/* ------------------------------------------------------------------ no argument */

static qv_status pi_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    QV_UNUSED(call);
    QV_UNUSED(i);
    QV_UNUSED(err);
    out->f = M_PI;
    return QV_OK;
}

/* 53 random bits as a fraction. */
static qv_status eval_random(const qv__call *call, qv__array **out, qv_error *err)
{
    qv__result result;

    QV_TRY(qv__result_begin(call, &result, err));
    double *values = (double *) (void *) result.values;
    for (size_t i = 0; i < call->n; i++) {
        uint64_t bits;
        if (i % 32 == 0) { /* calls of at most 256 bytes are never interrupted */
            size_t n = QV_MIN(call->n - i, 32) * 8;
            if (getrandom(values + i, n, 0) != (ssize_t) n) {
                qv__result_drop(&result);
                return qv__fail(err, QV_IO, "random: the system gives no random bytes");
            }
        }
        memcpy(&bits, values + i, 8);
        values[i] = (double) (bits >> 11) * 0x1p-53;
    }
    qv__result_end(&result, out);
    return QV_OK;
}

/* ------------------------------------------------------------------ the table */

#define UNARY(name_, aliases_, wide_, narrow_, signature_, summary_)                                              \
    {                                                                                                             \
        .name = name_, .aliases = aliases_, .group = "number", .signature = signature_, .summary = summary_,      \
        .min_args = 1, .max_args = 1, .strict = true, .bind = qv__bind_kinds, .eval = eval_unary, .kinds = "f>0", \
        .detail = &(const unary_detail)                                                                           \
        {                                                                                                         \
            wide_, narrow_                                                                                        \
        }                                                                                                         \
    }
#define ROWS(name_, aliases_, min, max, bind_, kinds_, row_, signature_, summary_)                               \
    {                                                                                                            \
        .name = name_, .aliases = aliases_, .group = "number", .signature = signature_, .summary = summary_,     \
        .min_args = min, .max_args = max, .strict = true, .bind = bind_, .eval = qv__eval_rows, .kinds = kinds_, \
        .row = row_                                                                                              \
    }

static const char *const power_names[] = { "pow", NULL };
static const char *const sign_names[] = { "sign", NULL };
static const char *const random_names[] = { "rand", NULL };

static const qv__function functions[] = {
    {
        .name = "abs",
        .group = "number",
        .signature = "abs(number) -> the number's type",
        .summary = "Without its sign.",
        .min_args = 1,
        .max_args = 1,
        .strict = true,
        .bind = qv__bind_kinds,
        .eval = qv__eval_abs,
        .kinds = "n>0",
    },
    ROWS("ceil", NULL, 1, 1, qv__bind_rounding, "n>0", qv__ceil_row, "ceil(number) -> float or decimal",
         "The nearest whole number that is not less."),
    ROWS("floor", NULL, 1, 1, qv__bind_rounding, "n>0", qv__floor_row, "floor(number) -> float or decimal",
         "The nearest whole number that is not greater."),
    ROWS("round", NULL, 1, 2, qv__bind_round, "ni>0", qv__round_row, "round(number [, places]) -> the number's type",
         "To the nearest, halves away from zero; negative places round before the point."),
    ROWS("trunc", NULL, 1, 2, qv__bind_kinds, "fi>0", qv__trunc_row, "trunc(number [, places]) -> float",
         "Cut off behind the point, or behind so many places."),
    UNARY("sin", NULL, sin, sinf, "sin(number) -> float", "Sine."),
    UNARY("cos", NULL, cos, cosf, "cos(number) -> float", "Cosine."),
    UNARY("tan", NULL, tan, tanf, "tan(number) -> float", "Tangent."),
    UNARY("cot", NULL, cotangent, cotangent_f, "cot(number) -> float", "Cotangent."),
    UNARY("asin", NULL, asin, asinf, "asin(number) -> float", "Arc sine."),
    UNARY("acos", NULL, acos, acosf, "acos(number) -> float", "Arc cosine."),
    UNARY("atan", NULL, atan, atanf, "atan(number) -> float", "Arc tangent."),
    UNARY("sinh", NULL, sinh, sinhf, "sinh(number) -> float", "Hyperbolic sine."),
    UNARY("cosh", NULL, cosh, coshf, "cosh(number) -> float", "Hyperbolic cosine."),
    UNARY("tanh", NULL, tanh, tanhf, "tanh(number) -> float", "Hyperbolic tangent."),
    UNARY("asinh", NULL, asinh, asinhf, "asinh(number) -> float", "Inverse hyperbolic sine."),
    UNARY("acosh", NULL, acosh, acoshf, "acosh(number) -> float", "Inverse hyperbolic cosine."),
    UNARY("atanh", NULL, atanh, atanhf, "atanh(number) -> float", "Inverse hyperbolic tangent."),
    ROWS("atan2", NULL, 2, 2, bind_pair, "ff>0", atan2_row, "atan2(y, x) -> float", "The angle of the point (x, y)."),
    UNARY("degrees", NULL, degrees, degrees_f, "degrees(radians) -> float", "Radians in degrees."),
    UNARY("radians", NULL, radians, radians_f, "radians(degrees) -> float", "Degrees in radians."),
    ROWS("sqrt", NULL, 1, 1, qv__bind_kinds, "f>0", sqrt_row, "sqrt(number) -> float",
         "Square root; an error for a negative number."),
    UNARY("cbrt", NULL, cube_root, cbrtf, "cbrt(number) -> float", "Cube root."),
    UNARY("exp", NULL, exp, expf, "exp(number) -> float", "e to this power."),
    UNARY("ln", NULL, log, logf, "ln(number) -> float", "Natural logarithm."),
    UNARY("log2", NULL, log2, log2f, "log2(number) -> float", "Logarithm of base 2."),
    UNARY("log10", NULL, log10, log10f, "log10(number) -> float", "Logarithm of base 10."),
    ROWS("log", NULL, 1, 2, bind_pair, "ff>0", log_row, "log([base, ] number) -> float",
         "Logarithm of the base, or of base 10."),
    ROWS("power", power_names, 2, 2, qv__bind_kinds, "dd>d", power_row, "power(base, exponent) -> float64",
         "The base to the power of the exponent."),
    UNARY("signum", sign_names, signum, signum_f, "signum(number) -> float", "-1, 0 or 1."),
    ROWS("gcd", NULL, 2, 2, qv__bind_kinds, "ii>i", qv__gcd_row, "gcd(integer, integer) -> int64",
         "Greatest common divisor."),
    ROWS("lcm", NULL, 2, 2, qv__bind_kinds, "ii>i", qv__lcm_row, "lcm(integer, integer) -> int64",
         "Least common multiple."),
    ROWS("factorial", NULL, 1, 1, qv__bind_kinds, "i>i", qv__factorial_row, "factorial(integer) -> int64",
         "The product of 1 to the number, which may be 0 to 20."),
    ROWS("mod", NULL, 2, 2, qv__bind_mod, "nn>0", qv__mod_row, "mod(number, number) -> their common type",
         "Rest of the division, as the operator `%`; its sign is the first number's."),
    ROWS("isnan", NULL, 1, 1, qv__bind_kinds, "f>b", isnan_row, "isnan(number) -> bool", "Is it not a number?"),
    ROWS("iszero", NULL, 1, 1, qv__bind_kinds, "f>b", iszero_row, "iszero(number) -> bool", "Is it 0 or -0?"),
    ROWS("nanvl", NULL, 2, 2, bind_pair, "ff>0", nanvl_row, "nanvl(number, otherwise) -> float",
         "The number, or the other one when it is not a number."),
    {
        .name = "pi",
        .group = "number",
        .signature = "pi() -> float64",
        .summary = "3.141592653589793.",
        .bind = qv__bind_kinds,
        .eval = qv__eval_rows,
        .kinds = ">d",
        .row = pi_row,
    },
    {
        .name = "random",
        .aliases = random_names,
        .group = "number",
        .signature = "random() -> float64",
        .summary = "A random number in [0, 1), another for each row.",
        .volatile_ = true,
        .bind = qv__bind_kinds,
        .eval = eval_random,
        .kinds = ">d",
    },
};

const qv__function_group qv__number_functions = { functions, QV_COUNT_OF(functions) };

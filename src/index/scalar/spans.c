/* From questions to spans: where zeros and NaNs of conditions lie in the order of files. */
#include "index/scalar/spans.h"

#include "base/alloc.h"

void qv__spans_clear(qv__spans *spans)
{
    qv__free(spans->room);
    *spans = (qv__spans){ 0 };
}

/* ------------------------------------------------------------------ types whose key says all */

static bool is_float(const qv__type *type)
{
    return type->id == QV_TYPE_FLOAT16 || type->id == QV_TYPE_FLOAT32 || type->id == QV_TYPE_FLOAT64;
}

/* Landmarks among the keys of floats of one width. */
typedef struct landmarks {
    uint64_t minus_inf, minus_zero, zero, inf, last; /* NaNs: before minus_inf, and after inf up to last */
} landmarks;

static landmarks landmarks_of(const qv__type *type)
{
    int bits = qv__type_bits(type);
    uint64_t sign = UINT64_C(1) << (bits - 1), all = sign | (sign - 1);
    uint64_t inf = bits == 16 ? 0x7c00 : bits == 32 ? 0x7f800000 : UINT64_C(0x7ff0000000000000);

    return (landmarks){ ~(inf | sign) & all, sign - 1, sign, inf | sign, all };
}

static bool is_nan(const landmarks *l, uint64_t key) { return key < l->minus_inf || key > l->inf; }

bool qv__order_is_nan(const qv__type *type, uint64_t key)
{
    if (!is_float(type))
        return false;
    landmarks l = landmarks_of(type);
    return is_nan(&l, key);
}

static void add_keys(qv__spans *out, uint64_t low, uint64_t high)
{
    if (low <= high)
        out->items[out->n++] =
            (qv__value_span){ .has_low = true, .has_high = true, .low = { .key = low }, .high = { .key = high } };
}

static void float_range(const landmarks *l, const uint64_t *low, bool low_open, const uint64_t *high, bool high_open,
                        qv__spans *out)
{
    bool low_nan = low && is_nan(l, *low), high_nan = high && is_nan(l, *high);
    bool with_nan = (!high || (high_nan && !high_open)) && !(low_nan && low_open);
    uint64_t from = l->minus_inf, to = l->inf;

    if (low_nan)
        from = l->inf + 1;
    else if (low && (*low == l->zero || *low == l->minus_zero))
        from = low_open ? l->zero + 1 : l->minus_zero;
    else if (low)
        from = *low + low_open;
    if (with_nan)
        to = l->last;
    else if (high && !high_nan && (*high == l->zero || *high == l->minus_zero))
        to = high_open ? l->minus_zero - 1 : l->zero;
    else if (high && !high_nan)
        to = *high - high_open;
    if (with_nan && l->minus_inf)
        add_keys(out, 0, l->minus_inf - 1);
    add_keys(out, from, to);
}

static void key_range(const qv__type *type, const uint64_t *low, bool low_open, const uint64_t *high, bool high_open,
                      qv__spans *out)
{
    uint64_t from = low ? *low : 0, to = high ? *high : UINT64_MAX;

    if (is_float(type)) {
        landmarks l = landmarks_of(type);
        float_range(&l, low, low_open, high, high_open, out);
        return;
    }
    if ((low && low_open && from == UINT64_MAX) || (high && high_open && to == 0))
        return;
    add_keys(out, from + (low && low_open), to - (high && high_open));
}

/* ------------------------------------------------------------------ questions */

static qv_status prefix_span(const qv__ask *ask, qv__spans *out, qv_error *err)
{
    qv__value_span span = { .has_low = true, .high_open = true };
    size_t len;

    qv__probe_of(ask->low, 0, &span.low);
    for (len = span.low.len; len && span.low.bytes[len - 1] == 0xff;)
        len--;
    if (len) {
        out->room = qv__memdup(span.low.bytes, len);
        if (!out->room)
            return qv__fail_nomem(err, len);
        out->room[len - 1]++;
        span.has_high = true;
        span.high = (qv__probe){ 0, out->room, len };
    }
    out->items[out->n++] = span;
    return QV_OK;
}

static void range_spans(const qv__type *type, const qv__array *low, int64_t i, bool low_open, const qv__array *high,
                        int64_t j, bool high_open, qv__spans *out)
{
    qv__value_span span = {
        .has_low = low != NULL, .has_high = high != NULL, .low_open = low_open, .high_open = high_open
    };

    if (low)
        qv__probe_of(low, i, &span.low);
    if (high)
        qv__probe_of(high, j, &span.high);
    if (qv__order_of(type) == QV_ORDER_KEY)
        key_range(type, low ? &span.low.key : NULL, low_open, high ? &span.high.key : NULL, high_open, out);
    else
        out->items[out->n++] = span;
}

qv_status qv__spans_of_ask(const qv__type *type, const qv__ask *ask, qv__spans *out, qv_error *err)
{
    *out = (qv__spans){ 0 };
    if (ask->kind == QV_ASK_PREFIX)
        return prefix_span(ask, out, err);
    range_spans(type, ask->low, 0, ask->low_open, ask->high, 0, ask->high_open, out);
    return QV_OK;
}

void qv__spans_of_value(const qv__array *values, int64_t i, qv__spans *out)
{
    *out = (qv__spans){ 0 };
    range_spans(values->type, values, i, false, values, i, false, out);
}

static bool is_text(const qv__type *type) { return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8; }

static bool fits(const qv__type *type, const qv__array *value)
{
    return !value || qv__type_equal(type, value->type) || (is_text(type) && is_text(value->type));
}

bool qv__ask_fits(const qv__type *type, const qv__ask *ask)
{
    return fits(type, ask->low) && fits(type, ask->high) && fits(type, ask->values);
}

bool qv__span_holds(const qv__value_span *span, const qv__array *a, int64_t i)
{
    int low = span->has_low ? qv__probe_compare(a, i, &span->low) : 1,
        high = span->has_high ? qv__probe_compare(a, i, &span->high) : -1;

    return (span->low_open ? low > 0 : low >= 0) && (span->high_open ? high < 0 : high <= 0);
}

/* ------------------------------------------------------------------ kinds that keep values in order */

bool qv__can_order(const qv__type *type) { return qv__order_of(type) != QV_ORDER_NONE; }

qv__certainty qv__can_ask_ordered(const qv__type *type, qv__ask_kind kind)
{
    switch (kind) {
    case QV_ASK_RANGE:
    case QV_ASK_IN:
    case QV_ASK_IS_NULL:
    case QV_ASK_NOT_NULL:
        return qv__can_order(type) ? QV_EXACT : QV_NO_IDEA;
    case QV_ASK_PREFIX:
        return is_text(type) ? QV_EXACT : QV_NO_IDEA;
    default:
        return QV_NO_IDEA;
    }
}

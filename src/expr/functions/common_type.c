/* One type for several values. */
#include "expr/functions/functions_private.h"

static qv_status common_of_two(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err);

static qv_status no_common(const qv__type *a, const qv__type *b, qv_error *err)
{
    char left[128], right[128];

    return qv__fail(err, QV_INVALID, "%s and %s have no common type", qv__type_print(a, left, sizeof left),
                    qv__type_print(b, right, sizeof right));
}

static qv_status share(const qv__type *type, qv__type **out)
{
    *out = qv__type_ref(type);
    return QV_OK;
}

static bool is_temporal(const qv__type *type) { return type->id >= QV_TYPE_DATE32 && type->id <= QV_TYPE_DURATION; }

/* ------------------------------------------------------------------ numbers */

static bool is_unsigned(const qv__type *type) { return type->id >= QV_TYPE_UINT8 && type->id <= QV_TYPE_UINT64; }

static qv_status new_decimal(int precision, int scale, qv__type **out, qv_error *err)
{
    int most = precision > 38 ? 76 : 38;

    QV_TRY(qv__type_new(precision > 38 ? QV_TYPE_DECIMAL256 : QV_TYPE_DECIMAL128, out, err));
    (*out)->precision = QV_MIN(precision, most);
    (*out)->scale = scale;
    return QV_OK;
}

/* int8 to int64 and uint8 to uint64 have ids in the order of their width. */
static qv_status common_int(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    static const qv__type_id beyond[] = { QV_TYPE_INT16, QV_TYPE_INT32, QV_TYPE_INT64 };

    if (is_unsigned(a) == is_unsigned(b))
        return share(a->id > b->id ? a : b, out);
    const qv__type *u = is_unsigned(a) ? a : b, *s = is_unsigned(a) ? b : a;
    if (u->id == QV_TYPE_UINT64)
        return new_decimal(20, 0, out, err);
    qv__type_id holds = beyond[u->id - QV_TYPE_UINT8];
    return qv__type_new(QV_MAX(holds, s->id), out, err);
}

/* Digits of an integer type, as a decimal. */
static void decimal_shape(const qv__type *type, int *whole, int *scale)
{
    static const int digits[] = { 3, 5, 10, 19, 3, 5, 10, 20 };

    *scale = qv__is_int(type) ? 0 : type->scale;
    *whole = qv__is_int(type) ? digits[type->id - QV_TYPE_INT8] : type->precision - type->scale;
}

static qv_status common_number(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    int whole_a, whole_b, scale_a, scale_b;

    if (qv__is_int(a) && qv__is_int(b))
        return common_int(a, b, out, err);
    if (qv__is_decimal(a) && qv__is_decimal(b) && qv__type_equal(a, b))
        return share(a, out);
    if (qv__is_float(a) || qv__is_float(b)) {
        bool wide = a->id == QV_TYPE_FLOAT64 || b->id == QV_TYPE_FLOAT64 || qv__is_decimal(a) || qv__is_decimal(b);
        if (a->id == QV_TYPE_FLOAT16 && b->id == QV_TYPE_FLOAT16)
            return share(a, out);
        return qv__type_new(wide ? QV_TYPE_FLOAT64 : QV_TYPE_FLOAT32, out, err);
    }
    decimal_shape(a, &whole_a, &scale_a);
    decimal_shape(b, &whole_b, &scale_b);
    int scale = QV_MAX(scale_a, scale_b);
    return new_decimal(QV_MAX(whole_a, whole_b) + scale, scale, out, err);
}

/* ------------------------------------------------------------------ times */

static qv_status common_timestamp(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    const qv__type *finer = a->unit >= b->unit ? a : b, *other = finer == a ? b : a;

    if (finer->timezone || !other->timezone)
        return share(finer, out);
    QV_TRY(qv__type_new(QV_TYPE_TIMESTAMP, out, err));
    (*out)->unit = finer->unit;
    (*out)->timezone = qv__strdup(other->timezone);
    if ((*out)->timezone)
        return QV_OK;
    qv__type_unref(*out);
    *out = NULL;
    return qv__fail_nomem(err, strlen(other->timezone));
}

static qv_status common_temporal(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    bool a_date = a->id == QV_TYPE_DATE32 || a->id == QV_TYPE_DATE64;
    bool b_date = b->id == QV_TYPE_DATE32 || b->id == QV_TYPE_DATE64;
    bool a_time = a->id == QV_TYPE_TIME32 || a->id == QV_TYPE_TIME64;
    bool b_time = b->id == QV_TYPE_TIME32 || b->id == QV_TYPE_TIME64;

    if (a->id == QV_TYPE_TIMESTAMP && b->id == QV_TYPE_TIMESTAMP)
        return common_timestamp(a, b, out, err);
    if (a->id == QV_TYPE_TIMESTAMP && b_date)
        return share(a, out);
    if (a_date && b->id == QV_TYPE_TIMESTAMP)
        return share(b, out);
    if (a_date && b_date)
        return qv__type_new(QV_TYPE_DATE64, out, err);
    if ((a_time && b_time) || (a->id == QV_TYPE_DURATION && b->id == QV_TYPE_DURATION))
        return share(a->unit >= b->unit ? a : b, out);
    return no_common(a, b, err);
}

/* ------------------------------------------------------------------ nested */

static qv_status common_list(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *element = NULL;
    bool same_width = a->id == QV_TYPE_FIXED_LIST && b->id == a->id && a->width == b->width;
    bool large = a->id == QV_TYPE_LARGE_LIST || b->id == QV_TYPE_LARGE_LIST;
    qv__field item = { 0 };

    QV_CHECK(common_of_two(a->children[0].type, b->children[0].type, &element, err));
    QV_CHECK(qv__field_init(&item, "item", element, true, err));
    st = qv__type_new_list(same_width ? QV_TYPE_FIXED_LIST
                           : large    ? QV_TYPE_LARGE_LIST
                                      : QV_TYPE_LIST,
                           &item, same_width ? a->width : 0, out, err);
done:
    qv__field_clear(&item);
    qv__type_unref(element);
    return st;
}

/* The same names in the same order. */
static qv_status common_struct(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t n = a->n_children, i = 0;

    if (n != b->n_children)
        return no_common(a, b, err);
    QV_TRY(QV_NEW(&fields, n + 1, err));
    for (; i < n; i++) {
        qv__type *type = NULL;
        if (strcmp(a->children[i].name, b->children[i].name) != 0)
            QV_CHECK(no_common(a, b, err));
        QV_CHECK(common_of_two(a->children[i].type, b->children[i].type, &type, err));
        st = qv__field_init(&fields[i], a->children[i].name, type, true, err);
        qv__type_unref(type);
        QV_CHECK(st);
    }
    st = qv__type_new_struct(fields, n, out, err);
done:
    for (size_t k = 0; k < i; k++)
        qv__field_clear(&fields[k]);
    qv__free(fields);
    return st;
}

/* ------------------------------------------------------------------ all */

static qv_status common_bytes(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    bool large = a->id == QV_TYPE_LARGE_UTF8 || a->id == QV_TYPE_LARGE_BINARY || b->id == QV_TYPE_LARGE_UTF8 ||
                 b->id == QV_TYPE_LARGE_BINARY;

    if (qv__is_text(a) && qv__is_text(b))
        return qv__type_new(large ? QV_TYPE_LARGE_UTF8 : QV_TYPE_UTF8, out, err);
    return qv__type_new(large ? QV_TYPE_LARGE_BINARY : QV_TYPE_BINARY, out, err);
}

static qv_status common_of_two(const qv__type *a, const qv__type *b, qv__type **out, qv_error *err)
{
    if (a->id == QV_TYPE_DICTIONARY)
        a = a->children[0].type;
    if (b->id == QV_TYPE_DICTIONARY)
        b = b->children[0].type;
    bool bytes_a = qv__is_bytes(a) || a->id == QV_TYPE_FIXED_BINARY;
    bool bytes_b = qv__is_bytes(b) || b->id == QV_TYPE_FIXED_BINARY;

    if (a->id == QV_TYPE_NULL || qv__type_equal(a, b))
        return share(b, out);
    if (b->id == QV_TYPE_NULL)
        return share(a, out);
    if (qv__is_number(a) && qv__is_number(b))
        return common_number(a, b, out, err);
    if (bytes_a && bytes_b)
        return common_bytes(a, b, out, err);
    if (qv__is_text(a) && (qv__is_number(b) || is_temporal(b)))
        return share(b, out);
    if (qv__is_text(b) && (qv__is_number(a) || is_temporal(a)))
        return share(a, out);
    if (is_temporal(a) && is_temporal(b))
        return common_temporal(a, b, out, err);
    if (qv__is_list(a) && qv__is_list(b))
        return common_list(a, b, out, err);
    if (a->id == QV_TYPE_STRUCT && b->id == QV_TYPE_STRUCT)
        return common_struct(a, b, out, err);
    return no_common(a, b, err);
}

qv_status qv__type_common(qv__type *const *types, size_t n, qv__type **out, qv_error *err)
{
    qv__type *sum = NULL, *next = NULL;

    QV_TRY(qv__type_new(QV_TYPE_NULL, &sum, err));
    for (size_t i = 0; i < n; i++) {
        qv_status st = common_of_two(sum, types[i], &next, err);
        qv__type_unref(sum);
        if (st != QV_OK)
            return st;
        sum = next;
        next = NULL;
    }
    *out = sum;
    return QV_OK;
}

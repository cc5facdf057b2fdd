/* Dictionaries: decoding looks the values up by their keys, encoding numbers the distinct values in the order of their first
 * appearance. Between dictionaries of one value type only the keys change. */
#include "arrow/compute/cast_private.h"

static qv_status decode(const qv__array *array, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    int64_t *rows = NULL;

    QV_CHECK(QV_NEW(&rows, (size_t) array->length, err));
    for (int64_t i = 0; i < array->length; i++)
        rows[i] = qv__array_is_null(array, i) ? -1 : qv__dictionary_key(array, i);
    QV_CHECK(qv__array_take(array->dictionary, rows, (size_t) array->length, out, err));
done:
    qv__free(rows);
    return st;
}

static qv_status too_many(const qv__type *to, int64_t code, int64_t i, qv_error *err)
{
    char name[64];

    return qv__fail(err, QV_INVALID, "dictionary key %lld does not fit %s keys (at index %lld)", (long long) code,
                    qv__type_print(to->index_type, name, sizeof name), (long long) i);
}

/* `values` has the dictionary's value type. */
static qv_status encode(const qv__array *values, const qv__type *to, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__value_set set = { 0 };
    qv__array *frame = NULL;
    uint8_t *keys;
    int64_t code;

    QV_CHECK(qv__cast_frame(values, to, &frame, &keys, err));
    for (int64_t i = 0; i < values->length; i++) {
        if (qv__array_is_null(values, i))
            continue;
        QV_CHECK(qv__value_set_add(&set, values, i, &code, err));
        if (code > qv__dictionary_key_max(to->index_type))
            QV_CHECK(too_many(to, code, i, err));
        qv__dictionary_key_put(to->index_type, keys, i, code);
    }
    QV_CHECK(qv__value_set_values(&set, to->children[0].type, &frame->dictionary, err));
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    qv__value_set_clear(&set);
    return st;
}

static qv_status change_keys(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *frame = NULL;
    uint8_t *keys;

    QV_CHECK(qv__cast_frame(array, to, &frame, &keys, err));
    for (int64_t i = 0; i < array->length; i++) {
        int64_t key;

        if (qv__array_is_null(array, i))
            continue;
        key = qv__dictionary_key(array, i);
        if (key > qv__dictionary_key_max(to->index_type))
            QV_CHECK(too_many(to, key, i, err));
        qv__dictionary_key_put(to->index_type, keys, i, key);
    }
    frame->dictionary = qv__array_ref(array->dictionary);
    *out = frame;
    frame = NULL;
done:
    qv__array_unref(frame);
    return st;
}

qv_status qv__cast_dictionary(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    bool from_dictionary = array->type->id == QV_TYPE_DICTIONARY;
    qv__array *decoded = NULL, *values = NULL;

    if (from_dictionary && to->id == QV_TYPE_DICTIONARY &&
        qv__type_equal(array->type->children[0].type, to->children[0].type))
        return change_keys(array, to, out, err);
    if (from_dictionary)
        QV_CHECK(decode(array, &decoded, err));
    else
        decoded = qv__array_ref(array);
    if (to->id != QV_TYPE_DICTIONARY) {
        QV_CHECK(qv__array_cast(decoded, to, mode, out, err));
    } else {
        QV_CHECK(qv__array_cast(decoded, to->children[0].type, mode, &values, err));
        QV_CHECK(encode(values, to, out, err));
    }
done:
    qv__array_unref(decoded);
    qv__array_unref(values);
    return st;
}

/* Words of bits, and the arrays that results are put into. */
#include <string.h>

#include "arrow/compute/compute_private.h"
#include "expr/expr_private.h"

uint64_t qv__bits_word(const uint8_t *bits, size_t start, size_t n, size_t i)
{
    size_t at = start + i * 64, left = n - i * 64, have = QV_MIN(left, 64);
    const uint8_t *from = bits + (at >> 3);
    unsigned shift = at & 7;
    uint64_t word = 0, high = 0;
    size_t bytes = (shift + have + 7) / 8;

    memcpy(&word, from, QV_MIN(bytes, 8));
    if (bytes > 8)
        high = from[8];
    word = shift ? word >> shift | high << (64 - shift) : word;
    return word & qv__words_tail(n, i);
}

void qv__valid_words(const qv__array *array, bool constant, size_t n, uint64_t *words)
{
    bool all = array->type->id != QV_TYPE_NULL && !array->buffers[0].data;
    bool none = array->type->id == QV_TYPE_NULL;

    if (constant) {
        none = qv__array_is_null(array, 0);
        all = !none;
    }
    for (size_t w = 0; w < qv__words(n); w++)
        words[w] = none  ? 0
                   : all ? qv__words_tail(n, w)
                         : qv__bits_word(array->buffers[0].data, (size_t) array->offset, n, w);
}

void qv__truth_words(const qv__array *array, bool constant, size_t n, uint64_t *is_true, uint64_t *is_false)
{
    bool one = constant && !qv__array_is_null(array, 0) && qv__load_int(array, 0);

    qv__valid_words(array, constant, n, is_false);
    for (size_t w = 0; w < qv__words(n); w++) {
        uint64_t bits =
            constant ? (one ? UINT64_MAX : 0) : qv__bits_word(array->buffers[1].data, (size_t) array->offset, n, w);
        is_true[w] = bits & is_false[w];
        is_false[w] &= ~bits;
    }
}

/* Nothing is kept where all are valid. */
static qv_status set_validity(qv__array *array, size_t n, const uint64_t *valid, qv_error *err)
{
    size_t ones = 0;
    uint8_t *bits;

    for (size_t w = 0; valid && w < qv__words(n); w++)
        ones += (size_t) __builtin_popcountll(valid[w] & qv__words_tail(n, w));
    if (!valid || ones == n)
        return QV_OK;
    QV_TRY(qv__bytes_new(qv__words(n) * 8, &array->buffers[0], &bits, err));
    memcpy(bits, valid, qv__words(n) * 8);
    array->null_count = (int64_t) (n - ones);
    return QV_OK;
}

qv_status qv__result_new(const qv__type *type, size_t n, const uint64_t *valid, qv__array **out, void **values,
                         qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *array = NULL;
    uint8_t *bytes;
    size_t width = type->id == QV_TYPE_BOOL ? 0 : qv__type_value_bytes(type);

    QV_TRY(qv__array_new(type, (int64_t) n, 0, &array, err));
    QV_CHECK(set_validity(array, n, valid, err));
    QV_CHECK(qv__bytes_new(width ? n * width : qv__words(n) * 8, &array->buffers[1], &bytes, err));
    *values = bytes;
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

qv_status qv__result_bools(const qv__type *type, size_t n, const uint64_t *is_true, const uint64_t *valid,
                           qv__array **out, qv_error *err)
{
    void *values;

    QV_TRY(qv__result_new(type, n, valid, out, &values, err));
    memcpy(values, is_true, qv__words(n) * 8);
    return QV_OK;
}

qv_status qv__array_restrict(const qv__array *array, const uint64_t *live, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = (size_t) array->length, ones = 0;
    qv__array *copy = NULL;
    uint64_t valid[QV_EVAL_WORDS], mask = 0;
    uint8_t *bits;

    qv__valid_words(array, false, n, valid);
    for (size_t w = 0; w < qv__words(n); w++) {
        mask |= valid[w] & ~live[w];
        valid[w] &= live[w];
        ones += (size_t) __builtin_popcountll(valid[w]);
    }
    if (!mask || array->type->id == QV_TYPE_NULL) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    QV_TRY(qv__array_new(array->type, array->length, array->n_children, &copy, err));
    copy->offset = array->offset;
    copy->null_count = (int64_t) (n - ones);
    for (size_t k = 1; k < QV_COUNT_OF(copy->buffers); k++)
        copy->buffers[k] = qv__bytes_ref(array->buffers[k]);
    for (size_t k = 0; k < array->n_children; k++)
        copy->children[k] = qv__array_ref(array->children[k]);
    copy->dictionary = qv__array_ref(array->dictionary);
    QV_CHECK(qv__bytes_new(qv__bitmap_bytes((size_t) array->offset + n) + 8, &copy->buffers[0], &bits, err));
    qv__bitmap_copy(bits, (size_t) array->offset, (const uint8_t *) valid, 0, n);
    *out = copy;
    copy = NULL;
done:
    qv__array_unref(copy);
    return st;
}

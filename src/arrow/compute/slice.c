/* Slices share every buffer and child; only offset, length and the exact null count are new. */
#include "arrow/compute/compute_private.h"

qv_status qv__array_slice(const qv__array *array, int64_t start, int64_t length, qv__array **out, qv_error *err)
{
    qv__array *slice;

    if (start < 0 || length < 0 || start > array->length || length > array->length - start)
        return qv__fail(err, QV_INVALID, "slice of %lld values from %lld, the array has %lld", (long long) length,
                        (long long) start, (long long) array->length);
    if (start == 0 && length == array->length) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    QV_TRY(qv__array_new(array->type, length, array->n_children, &slice, err));
    slice->offset = array->offset + start;
    for (size_t k = 0; k < QV_COUNT_OF(slice->buffers); k++)
        slice->buffers[k] = qv__bytes_ref(array->buffers[k]);
    for (size_t k = 0; k < array->n_children; k++)
        slice->children[k] = qv__array_ref(array->children[k]);
    slice->dictionary = array->dictionary ? qv__array_ref(array->dictionary) : NULL;

    if (array->type->id == QV_TYPE_NULL)
        slice->null_count = length;
    else if (array->null_count && array->buffers[0].data)
        slice->null_count =
            length - (int64_t) qv__bitmap_count(array->buffers[0].data, (size_t) slice->offset, (size_t) length);
    if (slice->null_count == 0)
        qv__bytes_unref(&slice->buffers[0]);
    *out = slice;
    return QV_OK;
}

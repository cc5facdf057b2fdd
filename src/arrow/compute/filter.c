/* Filtering copies runs of kept rows, so that a mask with long runs costs what a copy costs. Numbers under a mask with short runs are
 * copied one by one. */
#include "arrow/compute/compute_private.h"

static size_t count_runs(const uint8_t *mask, size_t n)
{
    size_t runs = 0;

    for (size_t at = qv__bitmap_find(mask, 0, n, true); at < n; runs++) {
        at = qv__bitmap_find(mask, at, n, false);
        at = qv__bitmap_find(mask, at, n, true);
    }
    return runs;
}

enum { SHORT_RUN = 16 };

#define COPY_KEPT(type)                                                                          \
    for (size_t at = 0; to < kept; at += 64) {                                                   \
        size_t left = n - at < 64 ? n - at : 64;                                                 \
        uint64_t word = 0;                                                                       \
        memcpy(&word, mask + at / 8, qv__bitmap_bytes(left));                                    \
        word &= left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;                              \
        for (; word; word &= word - 1)                                                           \
            ((type *) out)[to++] = ((const type *) values)[at + (size_t) __builtin_ctzll(word)]; \
    }

/* The kept values of a width of 1, 2, 4 or 8 bytes, which lie aligned to it. */
static void copy_kept(const void *values, size_t width, const uint8_t *mask, size_t n, size_t kept, void *out)
{
    size_t to = 0;

    if (width == 1)
        COPY_KEPT(uint8_t)
    else if (width == 2)
        COPY_KEPT(uint16_t)
    else if (width == 4)
        COPY_KEPT(uint32_t)
    else
        COPY_KEPT(uint64_t)
}

static bool is_number(const qv__array *array)
{
    int bits = qv__type_bits(array->type);
    size_t width = (size_t) bits / 8;

    return array->type->id != QV_TYPE_DICTIONARY && (bits == 8 || bits == 16 || bits == 32 || bits == 64) &&
           array->buffers[1].data && (uintptr_t) qv__array_values(array) % width == 0;
}

static qv_status filter_numbers(const qv__array *array, const uint8_t *mask, size_t kept, qv__array **out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *result = NULL;
    size_t n = (size_t) array->length, width = (size_t) qv__type_bits(array->type) / 8;
    uint8_t *values, *bits;

    QV_CHECK(qv__array_new(array->type, (int64_t) kept, 0, &result, err));
    QV_CHECK(qv__bytes_new(kept * width, &result->buffers[1], &values, err));
    copy_kept(qv__array_values(array), width, mask, n, kept, values);
    if (array->null_count > 0) {
        QV_CHECK(qv__bytes_new(qv__bitmap_bytes(kept), &result->buffers[0], &bits, err));
        for (size_t i = 0, at = 0; i < kept; i++, at++) {
            at = qv__bitmap_find(mask, at, n, true);
            qv__bit_put(bits, i, !qv__array_is_null(array, (int64_t) at));
        }
        result->null_count = (int64_t) (kept - qv__bitmap_count(bits, 0, kept));
    }
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    return st;
}

qv_status qv__array_filter(const qv__array *array, const uint8_t *mask, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = (size_t) array->length;
    size_t kept = qv__bitmap_count(mask, 0, n), n_runs, at = 0;
    qv__part *parts = NULL;

    if (kept == n) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    n_runs = count_runs(mask, n);
    if (kept < n_runs * SHORT_RUN && n_runs > 1 && is_number(array))
        return filter_numbers(array, mask, kept, out, err);
    QV_CHECK(QV_NEW(&parts, n_runs, err));
    for (size_t r = 0; r < n_runs; r++) {
        size_t start = qv__bitmap_find(mask, at, n, true);

        at = qv__bitmap_find(mask, start, n, false);
        parts[r] = (qv__part){ array, (int64_t) start, (int64_t) (at - start) };
    }
    if (n_runs == 1) /* one range: nothing has to move */
        QV_CHECK(qv__array_slice(array, parts[0].start, parts[0].n, out, err));
    else
        QV_CHECK(qv__gather(array->type, parts, n_runs, out, err));
done:
    qv__free(parts);
    return st;
}

/* Vectors out of a source: batches of fixed-size lists, or of lists of them, as pointers to vectors, and those as rows of floats. */
#include <math.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/vector/build_private.h"
#include "simd/half.h"

/* ------------------------------------------------------------------ chunks */

static void forget(qv__row_chunk *chunk)
{
    for (size_t i = 0; i < chunk->n_kept; i++)
        qv__array_unref(chunk->kept[i]);
    chunk->n_kept = chunk->n = 0;
    chunk->rows = 0;
}

void qv__chunk_clear(qv__row_chunk *chunk)
{
    forget(chunk);
    qv__free((void *) chunk->kept);
    qv__free((void *) chunk->at);
    qv__free(chunk->ids);
    *chunk = (qv__row_chunk){ 0 };
}

/* Vector i of a fixed-size list; NULL when it, or one of its items, is null. */
static const uint8_t *vector_at(const qv__array *vectors, int64_t i, size_t bytes)
{
    const qv__array *items = vectors->children[0];
    int64_t width = vectors->type->width, first = items->offset + (vectors->offset + i) * width;

    if (vectors->null_count && qv__array_is_null(vectors, i))
        return NULL;
    if (items->null_count && qv__bitmap_find(items->buffers[0].data, (size_t) first, (size_t) (first + width), false) <
                                 (size_t) (first + width))
        return NULL;
    return items->buffers[1].data + (size_t) first * (bytes / (size_t) width);
}

static qv_status add_vectors(qv__row_chunk *chunk, const qv__array *vectors, int64_t start, int64_t end, size_t bytes,
                             uint64_t id, qv_error *err)
{
    size_t n = (size_t) (end - start);

    QV_TRY(QV_GROW(&chunk->at, &chunk->capacity, chunk->n + n, err));
    QV_TRY(QV_GROW(&chunk->ids, &chunk->ids_capacity, chunk->n + n, err));
    for (int64_t i = start; i < end; i++) {
        chunk->at[chunk->n] = vector_at(vectors, i, bytes);
        chunk->ids[chunk->n++] = id;
    }
    return QV_OK;
}

static qv_status add_values(qv__row_chunk *chunk, const qv__array *values, const uint64_t *rows,
                            const qv__vector_shape *shape, qv_error *err)
{
    for (int64_t i = 0; i < values->length; i++) {
        int64_t start = i, end = i + 1;
        if (shape->is_multi && values->null_count && qv__array_is_null(values, i))
            continue;
        if (shape->is_multi)
            qv__array_list_range(values, i, &start, &end);
        QV_TRY(
            add_vectors(chunk, shape->is_multi ? values->children[0] : values, start, end, shape->bytes, rows[i], err));
    }
    return QV_OK;
}

static qv_status add_batch(qv__row_chunk *chunk, const qv__array *batch, const qv__vector_shape *shape, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *values = NULL, *rows = NULL;

    QV_CHECK(QV_GROW(&chunk->kept, &chunk->kept_capacity, chunk->n_kept + 1, err));
    QV_CHECK(qv__array_slice(batch->children[0], batch->offset, batch->length, &values, err));
    QV_CHECK(qv__array_slice(batch->children[1], batch->offset, batch->length, &rows, err));
    chunk->kept[chunk->n_kept++] = qv__array_ref(values);
    QV_CHECK(add_values(chunk, values, qv__array_values(rows), shape, err));
    chunk->rows += (uint64_t) batch->length;
done:
    qv__array_unref(values);
    qv__array_unref(rows);
    return st;
}

qv_status qv__chunk_next(qv__row_chunk *chunk, qv__stream *values, const qv__vector_shape *shape, size_t wanted,
                         qv_error *err)
{
    forget(chunk);
    while (chunk->n < wanted) {
        qv__array *batch;
        QV_TRY(values->next(values, &batch, err));
        if (!batch)
            break;
        qv_status st = batch->length ? add_batch(chunk, batch, shape, err) : QV_OK;
        qv__array_unref(batch);
        if (st != QV_OK)
            return st;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ rows of floats */

static void to_floats(qv__element element, const uint8_t *stored, size_t dim, float *out)
{
    double wide;
    uint16_t half;

    switch (element) {
    case QV_EL_F64:
        for (size_t i = 0; i < dim; i++) {
            memcpy(&wide, stored + i * sizeof wide, sizeof wide);
            out[i] = (float) wide;
        }
        break;
    case QV_EL_F16:
        for (size_t i = 0; i < dim; i++) {
            memcpy(&half, stored + i * sizeof half, sizeof half);
            out[i] = qv__float_of_f16(half);
        }
        break;
    case QV_EL_BF16:
        for (size_t i = 0; i < dim; i++) {
            memcpy(&half, stored + i * sizeof half, sizeof half);
            out[i] = qv__float_of_bf16(half);
        }
        break;
    case QV_EL_I8:
        for (size_t i = 0; i < dim; i++)
            out[i] = (float) (int8_t) stored[i];
        break;
    case QV_EL_U8:
        for (size_t i = 0; i < dim; i++)
            out[i] = (float) stored[i];
        break;
    default:
        memcpy(out, stored, dim * sizeof *out);
    }
}

/* In eight sums, so that the compiler can keep them side by side; not finite when a value is not. */
static float sum_of_squares(const float *row, size_t dim)
{
    float sums[8] = { 0 };
    size_t i = 0;

    for (; i + 8 <= dim; i += 8)
        for (size_t k = 0; k < 8; k++)
            sums[k] += row[i + k] * row[i + k];
    for (size_t k = 0; i < dim; i++, k++)
        sums[k] += row[i] * row[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static double exact_sum_of_squares(const float *row, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < dim; i++)
        sum += (double) row[i] * (double) row[i];
    return sum;
}

/* Is it a row that can be found? Makes it a unit vector for cosine. */
static bool finish_row(float *row, size_t dim, qv_metric metric)
{
    double squares = sum_of_squares(row, dim);

    if (!(squares > 1e-30 && squares < 1e30)) /* what float32 cannot tell */
        squares = exact_sum_of_squares(row, dim);
    if (metric != QV_METRIC_COSINE)
        return squares <= QV_INDEXED_SQUARE;
    if (!isfinite(squares) || squares == 0)
        return false;
    double factor = 1 / sqrt(squares);
    for (size_t i = 0; i < dim; i++)
        row[i] = (float) (row[i] * factor);
    return true;
}

bool qv__vector_work(qv__element element, size_t dim, qv_metric metric, const uint8_t *stored, float *row)
{
    to_floats(element, stored, dim, row);
    return finish_row(row, dim, metric);
}

size_t qv__chunk_work(const qv__row_chunk *chunk, const qv__vector_shape *shape, qv_metric metric, size_t from,
                      size_t to, void *rows, uint32_t *which)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++) {
        uint8_t *out = (uint8_t *) rows + n * shape->work_bytes;
        if (!chunk->at[i])
            continue;
        if (shape->element == QV_EL_BITS)
            memcpy(out, chunk->at[i], shape->bytes);
        else if (!qv__vector_work(shape->element, shape->dim, metric, chunk->at[i], (float *) (void *) out))
            continue;
        which[n++] = (uint32_t) i;
    }
    return n;
}

void qv__vector_copy_flat(const qv__vector_shape *shape, qv_metric metric, const uint8_t *stored, uint8_t *out)
{
    double sum = 0, value;

    memcpy(out, stored, shape->bytes);
    if (shape->element != QV_EL_F64 || metric != QV_METRIC_COSINE)
        return;
    for (size_t i = 0; i < shape->dim; i++) {
        memcpy(&value, stored + i * sizeof value, sizeof value);
        sum += value * value;
    }
    for (size_t i = 0; i < shape->dim; i++) {
        memcpy(&value, stored + i * sizeof value, sizeof value);
        value /= sqrt(sum);
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
}

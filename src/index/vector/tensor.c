/* Matrices of numbers as messages: centroids, codebooks, rotations. */
#include <inttypes.h>
#include <math.h>

#include "base/float16.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "file/message.h"
#include "index/vector/vector_private.h"
#include "simd/half.h"

/* By their number in messages; BITS: none. */
static const qv__element elements[] = { QV_EL_BF16, QV_EL_F16, QV_EL_F32, QV_EL_F64, QV_EL_U8 };

/* ------------------------------------------------------------------ reading */

qv_status qv__tensor_read(const Lance__Index__Tensor *message, qv__tensor *out, qv_error *err)
{
    int32_t type = message->data_type;
    uint64_t values, bytes;

    if (type < 0 || (size_t) type >= QV_COUNT_OF(elements))
        return qv__fail(err, QV_UNSUPPORTED, "tensor of type %" PRId32, type);
    if (message->n_shape != 2)
        return qv__fail(err, QV_CORRUPT, "tensor of %zu dimensions, not 2", message->n_shape);
    *out = (qv__tensor){ elements[type], message->shape[0], message->shape[1], message->data.data };
    size_t width = qv__element_bytes(out->element, 1);
    if (!qv__mul_u64(out->rows, out->columns, &values) || !qv__mul_u64(values, width, &bytes) || bytes == 0 ||
        bytes != message->data.len)
        return qv__fail(err, QV_CORRUPT, "tensor of %zu x %zu values in %zu bytes", out->rows, out->columns,
                        message->data.len);
    return QV_OK;
}

qv_status qv__tensor_parse(const uint8_t *bytes, size_t len, qv__arena *arena, qv__tensor *out, qv_error *err)
{
    ProtobufCMessage *message;

    QV_TRY(qv__message_unpack(&lance__index__tensor__descriptor, bytes, len, arena, &message, err));
    return qv__tensor_read((const Lance__Index__Tensor *) message, out, err);
}

static float value_at(const qv__tensor *tensor, size_t i)
{
    uint32_t bits;
    float f32;
    double f64;

    switch (tensor->element) {
    case QV_EL_F16:
        return qv__float_of_f16(qv__load_u16(tensor->data + 2 * i));
    case QV_EL_BF16:
        return qv__float_of_bf16(qv__load_u16(tensor->data + 2 * i));
    case QV_EL_F64:
        memcpy(&f64, tensor->data + 8 * i, sizeof f64);
        return (float) f64;
    case QV_EL_U8:
        return tensor->data[i];
    default:
        bits = qv__load_u32(tensor->data + 4 * i);
        memcpy(&f32, &bits, sizeof f32);
        return f32;
    }
}

qv_status qv__tensor_floats(const qv__tensor *tensor, float **out, qv_error *err)
{
    size_t n = tensor->rows * tensor->columns;
    float *values;

    QV_TRY(QV_NEW(&values, n, err));
    for (size_t i = 0; i < n; i++) {
        values[i] = value_at(tensor, i);
        if (isfinite(values[i]))
            continue;
        qv__free(values);
        return qv__fail(err, QV_CORRUPT, "value %zu of a tensor is not finite", i);
    }
    *out = values;
    return QV_OK;
}

/* ------------------------------------------------------------------ writing */

static void put_value(qv__element element, float value, uint8_t *out)
{
    double f64 = value;

    switch (element) {
    case QV_EL_F16:
        qv__store_u16(out, qv__f64_to_f16(f64));
        break;
    case QV_EL_F64:
        memcpy(out, &f64, sizeof f64);
        break;
    default:
        memcpy(out, &value, sizeof value);
        break;
    }
}

qv_status qv__tensor_of_floats(const float *values, size_t rows, size_t columns, qv__element element, qv__tensor *out,
                               uint8_t **data, qv_error *err)
{
    bool is_float = element == QV_EL_F16 || element == QV_EL_F64; /* as the reference's columns have them */
    qv__element stored = is_float ? element : QV_EL_F32;
    size_t n = rows * columns, width = qv__element_bytes(stored, 1);

    QV_TRY(qv__new((void **) data, n, width, err));
    for (size_t i = 0; i < n; i++)
        put_value(stored, values[i], *data + i * width);
    *out = (qv__tensor){ stored, rows, columns, *data };
    return QV_OK;
}

qv_status qv__tensor_pack(const qv__tensor *tensor, qv__buffer *out, qv_error *err)
{
    Lance__Index__Tensor message;
    uint32_t shape[2];

    QV_TRY(qv__tensor_message(tensor, &message, shape, err));
    size_t len = lance__index__tensor__get_packed_size(&message);
    QV_TRY(qv__buffer_reserve(out, len, err));
    out->len += lance__index__tensor__pack(&message, out->data + out->len);
    return QV_OK;
}

qv_status qv__tensor_message(const qv__tensor *tensor, Lance__Index__Tensor *out, uint32_t shape[2], qv_error *err)
{
    size_t width = qv__element_bytes(tensor->element, 1);

    if (tensor->rows > UINT32_MAX || tensor->columns > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a tensor of %zu x %zu values is too large", tensor->rows, tensor->columns);
    lance__index__tensor__init(out);
    shape[0] = (uint32_t) tensor->rows;
    shape[1] = (uint32_t) tensor->columns;
    out->n_shape = 2;
    out->shape = shape;
    out->has_data = out->has_data_type = true;
    out->data.data = (uint8_t *) (uintptr_t) tensor->data;
    out->data.len = tensor->rows * tensor->columns * width;
    for (size_t i = 0; i < QV_COUNT_OF(elements); i++)
        if (elements[i] == tensor->element)
            out->data_type = (int32_t) i;
    return QV_OK;
}

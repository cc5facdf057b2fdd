/* Results: of fixed width filled in place, and of any type row by row. */
#include "base/float16.h"
#include "expr/functions/functions_private.h"

int64_t qv__value_i64(const qv__array *array, int64_t i)
{
    size_t width = (size_t) qv__type_bits(array->type) / 8;
    const uint8_t *at = array->buffers[1].data + width * (size_t) (array->offset + i);

    switch (width) {
    case 1:
        return array->type->id == QV_TYPE_UINT8 ? *at : (int8_t) *at;
    case 2:
        return array->type->id == QV_TYPE_UINT16 ? qv__load_u16(at) : (int16_t) qv__load_u16(at);
    case 4:
        return array->type->id == QV_TYPE_UINT32 ? (int64_t) qv__load_u32(at) : (int32_t) qv__load_u32(at);
    default:
        return (int64_t) qv__load_u64(at);
    }
}

double qv__value_f64(const qv__array *array, int64_t i)
{
    const uint8_t *values = array->buffers[1].data;
    size_t at = (size_t) (array->offset + i);
    double wide;
    float single;

    switch (array->type->id) {
    case QV_TYPE_FLOAT64:
        memcpy(&wide, values + 8 * at, 8);
        return wide;
    case QV_TYPE_FLOAT32:
        memcpy(&single, values + 4 * at, 4);
        return single;
    case QV_TYPE_FLOAT16:
        return qv__f16_to_f64(qv__load_u16(values + 2 * at));
    case QV_TYPE_UINT64:
        return (double) qv__load_u64(values + 8 * at);
    default:
        return (double) qv__value_i64(array, i);
    }
}

/* bits &= validity of the argument. */
static void and_validity(const qv__call *call, size_t arg, uint8_t *bits)
{
    const qv__array *a = call->args[arg];

    if (a->null_count == 0 && a->type->id != QV_TYPE_NULL)
        return;
    if (call->is_constant[arg]) {
        if (qv__array_is_null(a, 0))
            qv__bitmap_fill(bits, 0, call->n, false);
        return;
    }
    for (size_t i = 0; i < call->n; i++)
        if (qv__array_is_null(a, (int64_t) i))
            qv__bit_clear(bits, i);
}

static void fill_ready(const qv__call *call, uint8_t *bits)
{
    if (call->live)
        qv__bitmap_copy(bits, 0, call->live, 0, call->n);
    else
        qv__bitmap_fill(bits, 0, call->n, true);
    for (size_t a = 0; call->node->function->strict && a < call->n_args; a++)
        and_validity(call, a, bits);
}

qv_status qv__call_ready(const qv__call *call, uint8_t **bits, qv_error *err)
{
    QV_TRY(qv__new((void **) bits, qv__bitmap_bytes(call->n) + 1, 1, err));
    fill_ready(call, *bits);
    return QV_OK;
}

/* ------------------------------------------------------------------ fixed width */

static size_t value_bytes(const qv__type *type, size_t n)
{
    return type->id == QV_TYPE_BOOL ? qv__bitmap_bytes(n) : n * (size_t) (qv__type_bits(type) / 8);
}

qv_status qv__result_begin(const qv__call *call, qv__result *result, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *type = call->node->type;
    size_t n_bytes = value_bytes(type, call->n);

    *result = (qv__result){ 0 };
    QV_CHECK(qv__array_new(type, (int64_t) call->n, 0, &result->array, err));
    QV_CHECK(qv__bytes_new(qv__bitmap_bytes(call->n), &result->array->buffers[0], &result->valid, err));
    QV_CHECK(qv__bytes_new(n_bytes, &result->array->buffers[1], &result->values, err));
    if (call->n) {
        memset(result->valid, 0, qv__bitmap_bytes(call->n));
        memset(result->values, 0, n_bytes);
        fill_ready(call, result->valid);
    }
done:
    if (st != QV_OK)
        qv__result_drop(result);
    return st;
}

void qv__result_end(qv__result *result, qv__array **out)
{
    qv__array *array = result->array;
    size_t n = (size_t) array->length;

    array->null_count = (int64_t) (n - qv__bitmap_count(result->valid, 0, n));
    if (array->null_count == 0)
        qv__bytes_unref(&array->buffers[0]);
    *out = array;
    *result = (qv__result){ 0 };
}

void qv__result_drop(qv__result *result)
{
    qv__array_unref(result->array);
    *result = (qv__result){ 0 };
}

/* ------------------------------------------------------------------ row by row */

static void put_cell(const qv__type *type, const qv__cell *cell, uint8_t *values, size_t i)
{
    float single;

    switch (type->id) {
    case QV_TYPE_BOOL:
        qv__bit_put(values, i, cell->b);
        break;
    case QV_TYPE_FLOAT64:
        memcpy(values + 8 * i, &cell->f, 8);
        break;
    case QV_TYPE_FLOAT32:
        single = (float) cell->f;
        memcpy(values + 4 * i, &single, 4);
        break;
    default: { /* little-endian: the low bytes come first */
        size_t width = (size_t) qv__type_bits(type) / 8;
        memcpy(values + width * i, &cell->i, width);
        break;
    }
    }
}

static qv_status eval_fixed_rows(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__result result;
    qv__cell cell = { 0 };

    qv__buffer_init(&cell.text, QV_TEXT_MAX);
    qv__buffer_init(&cell.scratch, SIZE_MAX);
    QV_TRY(qv__result_begin(call, &result, err));
    for (size_t i = 0; i < call->n; i++) {
        if (!qv__bit_get(result.valid, i))
            continue;
        cell.is_null = false;
        QV_CHECK(call->node->function->row(call, i, &cell, err));
        if (cell.is_null)
            qv__bit_clear(result.valid, i);
        else
            put_cell(call->node->type, &cell, result.values, i);
    }
    qv__result_end(&result, out);
done:
    qv__buffer_free(&cell.text);
    qv__buffer_free(&cell.scratch);
    qv__result_drop(&result);
    return st;
}

static qv_status eval_text_rows(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__builder *builder = NULL;
    uint8_t *ready = NULL;
    qv__cell cell = { 0 };

    qv__buffer_init(&cell.text, QV_TEXT_MAX);
    qv__buffer_init(&cell.scratch, SIZE_MAX);
    QV_CHECK(qv__call_ready(call, &ready, err));
    QV_CHECK(qv__builder_new(call->node->type, &builder, err));
    for (size_t i = 0; i < call->n; i++) {
        cell.is_null = !qv__bit_get(ready, i);
        cell.text.len = 0;
        if (!cell.is_null)
            QV_CHECK(call->node->function->row(call, i, &cell, err));
        if (cell.is_null)
            QV_CHECK(qv__builder_append_null(builder, err));
        else
            QV_CHECK(qv__builder_append_bytes(builder, cell.text.data, cell.text.len, err));
    }
    QV_CHECK(qv__builder_finish(builder, out, err));
done:
    qv__builder_free(builder);
    qv__buffer_free(&cell.text);
    qv__buffer_free(&cell.scratch);
    qv__free(ready);
    return st;
}

qv_status qv__eval_rows(const qv__call *call, qv__array **out, qv_error *err)
{
    return qv__is_bytes(call->node->type) ? eval_text_rows(call, out, err) : eval_fixed_rows(call, out, err);
}

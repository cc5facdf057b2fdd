/* Packed structs: rows of fixed-width children side by side, one column. Only the whole struct can be null. */
#include "file/write/write_private.h"

#define CHUNK_BYTES 8186

typedef struct packed_coder {
    const qv__values *values;
    size_t chunk_values;
} packed_coder;

static size_t take_rows(void *ctx, size_t at, size_t left)
{
    const packed_coder *c = ctx;
    QV_UNUSED(at);
    return QV_MIN(left, c->chunk_values);
}

static qv_status put_rows(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    const packed_coder *c = ctx;
    size_t width = c->values->bits / 8;
    return qv__buffer_append(out, c->values->data + at * width, n * width, err);
}

qv_status qv__gather_packed(const qv__column_writer *column, const qv__runs *runs, qv__values *out, qv_error *err)
{
    const qv__type *type = qv__column_field(column)->type;
    uint8_t *data = NULL;
    size_t row = 0, at = 0, slot = 0;
    for (size_t i = 0; i < type->n_children; i++)
        row += qv__fixed_bits(type->children[i].type) / 8;
    out->n = (size_t) runs->total;
    out->bits = (unsigned) (8 * row);
    out->items = 1;
    QV_TRY(qv__values_own(out, out->n * row, &data, err));
    for (size_t c = 0; c < type->n_children; c++) {
        size_t width = qv__fixed_bits(type->children[c].type) / 8;
        slot = 0;
        for (size_t r = 0; r < runs->n; r++) {
            const qv__run *run = &runs->items[r];
            const qv__array *child = run->array->children[c];
            int64_t first = run->array->offset + run->start;
            for (int64_t i = 0; i < run->len; i++, slot++) {
                bool null = out->valid && !qv__bit_get(out->valid, slot);
                if (!null && qv__array_is_null(child, first + i))
                    return qv__fail(err, QV_UNSUPPORTED, "column \"%s\": a packed struct cannot hold a null \"%s\"",
                                    column->name, type->children[c].name);
                if (null || !child->buffers[1].data)
                    memset(data + slot * row + at, 0, width);
                else
                    memcpy(data + slot * row + at,
                           child->buffers[1].data + (size_t) (child->offset + first + i) * width, width);
            }
        }
        at += width;
    }
    out->data = data;
    return QV_OK;
}

static qv__enc *packed_enc(qv__layout *layout, const qv__type *type, unsigned row_bits)
{
    qv__enc *enc = qv__layout_new(layout, &lance__file__compressive_encoding__descriptor);
    Lance__File__PackedStruct *packed = qv__layout_new(layout, &lance__file__packed_struct__descriptor);
    uint64_t bits[256];
    size_t n = QV_MIN(type->n_children, QV_COUNT_OF(bits));
    for (size_t i = 0; i < n; i++)
        bits[i] = qv__fixed_bits(type->children[i].type);
    packed->n_bits_per_value = n;
    packed->bits_per_value = qv__layout_copy(layout, bits, n * sizeof *bits);
    packed->values = qv__enc_flat(layout, row_bits);
    enc->packed_struct = packed;
    return enc;
}

qv_status qv__packed_page(const qv__page_job *job, bool *too_sparse, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__type *type = qv__column_field(job->column)->type;
    qv__values values = { 0 };
    QV_CHECK(qv__gather_valid(job->walk, &values, err));
    QV_CHECK(qv__gather_packed(job->column, &job->walk->runs, &values, err));
    packed_coder coder = { &values, 2 };
    while (coder.chunk_values < 4096 && 2 * coder.chunk_values * (values.bits / 8) <= CHUNK_BYTES)
        coder.chunk_values *= 2;
    qv__chunker chunker = { .n_buffers = 1,
                            .encoding = packed_enc(job->layout, type, values.bits),
                            .take = take_rows,
                            .put = put_rows,
                            .ctx = &coder };
    QV_CHECK(qv__miniblock_page(job, &chunker, values.n, too_sparse, err));
done:
    qv__values_clear(&values);
    return st;
}

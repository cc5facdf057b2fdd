/* From runs of slots to contiguous values. A page whose slots are one run without nulls is borrowed from the array; otherwise
 * the runs are copied one after the other. What null slots held never reaches a file: they repeat the value before them
 * (which packs best), strings become empty, vectors zero. */
#include "file/write/write_private.h"

#include "base/alloc.h"

unsigned qv__fixed_bits(const qv__type *type)
{
    if (type->id == QV_TYPE_FIXED_BINARY)
        return (unsigned) type->width * 8;
    return type->id == QV_TYPE_DICTIONARY ? 0 : (unsigned) qv__type_bits(type);
}

unsigned qv__string_bits(const qv__type *type)
{
    if (type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_BINARY)
        return 32;
    return type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY ? 64 : 0;
}

bool qv__vector_shape(const qv__type *type, unsigned *n_dims, uint32_t dims[QV__MAX_DIMS], unsigned *bits)
{
    *n_dims = 0;
    for (; type->id == QV_TYPE_FIXED_LIST; type = type->children[0].type) {
        if (*n_dims == QV__MAX_DIMS || type->width <= 0)
            return false;
        dims[(*n_dims)++] = (uint32_t) type->width;
    }
    *bits = qv__fixed_bits(type);
    return *n_dims > 0 && *bits > 0;
}

qv_status qv__values_own(qv__values *values, size_t bytes, void *out, qv_error *err)
{
    void *block = qv__alloc_aligned(bytes);
    if (!block)
        return qv__fail_nomem(err, bytes);
    values->own[values->n_own++] = block;
    memcpy(out, &block, sizeof block);
    return QV_OK;
}

void qv__values_clear(qv__values *values)
{
    for (unsigned i = 0; i < values->n_own; i++)
        qv__free(values->own[i]);
    *values = (qv__values){ 0 };
}

qv_status qv__gather_valid(const qv__walk *walk, qv__values *values, qv_error *err)
{
    uint8_t *bits = NULL;
    size_t n = (size_t) walk->runs.total, bytes = qv__bitmap_bytes(n), slot = 0;
    values->n = n;
    if (!walk->def || walk->n_valid == n)
        return QV_OK;
    QV_TRY(qv__values_own(values, bytes, &bits, err));
    memset(bits, 0, bytes);
    for (size_t e = 0; e < walk->n_levels; e++) {
        if (walk->def[e] > walk->visible)
            continue;
        bits[slot >> 3] |= (uint8_t) ((walk->def[e] == 0) << (slot & 7));
        slot++;
    }
    values->valid = bits;
    return QV_OK;
}

/* ------------------------------------------------------------------ fixed width */

static inline void repeat_over_nulls(uint8_t *data, size_t width, const uint8_t *valid, size_t n)
{
    size_t first = qv__bitmap_find(valid, 0, n, true);
    for (size_t i = 0; i < first && first < n; i++)
        memcpy(data + i * width, data + first * width, width);
    for (size_t i = first; i < n; i++)
        if (!qv__bit_get(valid, i))
            memcpy(data + i * width, data + (i - 1) * width, width);
}

static void fill_nulls(uint8_t *data, size_t width, const uint8_t *valid, size_t n)
{
    switch (width) { /* constant widths become plain moves */
    case 1:
        repeat_over_nulls(data, 1, valid, n);
        break;
    case 2:
        repeat_over_nulls(data, 2, valid, n);
        break;
    case 4:
        repeat_over_nulls(data, 4, valid, n);
        break;
    case 8:
        repeat_over_nulls(data, 8, valid, n);
        break;
    default:
        repeat_over_nulls(data, width, valid, n);
        break;
    }
}

static void fill_null_bits(uint8_t *data, const uint8_t *valid, size_t n)
{
    bool last = false;
    for (size_t i = 0; i < n; i++) {
        if (qv__bit_get(valid, i))
            last = qv__bit_get(data, i);
        else
            qv__bit_put(data, i, last);
    }
}

static const uint8_t *run_values(const qv__run *run, size_t width)
{
    const uint8_t *data = run->array->buffers[1].data;
    return data ? data + (size_t) (run->array->offset + run->start) * width : NULL;
}

static void copy_runs(const qv__runs *runs, size_t width, uint8_t *to)
{
    for (size_t r = 0; r < runs->n; r++) {
        size_t bytes = (size_t) runs->items[r].len * width;
        const uint8_t *from = run_values(&runs->items[r], width);
        if (from)
            memcpy(to, from, bytes);
        else /* an array of nulls may come without values */
            memset(to, 0, bytes);
        to += bytes;
    }
}

static void copy_bit_runs(const qv__runs *runs, uint8_t *to)
{
    size_t at = 0;
    for (size_t r = 0; r < runs->n; r++) {
        const qv__run *run = &runs->items[r];
        if (run->array->buffers[1].data)
            qv__bitmap_copy(to, at, run->array->buffers[1].data, (size_t) (run->array->offset + run->start),
                            (size_t) run->len);
        at += (size_t) run->len;
    }
}

qv_status qv__gather_fixed(const qv__walk *walk, unsigned bits, qv__values *out, qv_error *err)
{
    const qv__runs *runs = &walk->runs;
    uint8_t *data = NULL;
    out->bits = bits;
    out->items = 1;
    QV_TRY(qv__gather_valid(walk, out, err));
    if (bits == 1) {
        size_t bytes = qv__bitmap_bytes(out->n);
        QV_TRY(qv__values_own(out, bytes, &data, err));
        memset(data, 0, bytes);
        copy_bit_runs(runs, data);
        if (out->valid)
            fill_null_bits(data, out->valid, out->n);
        out->data = data;
        return QV_OK;
    }
    if (runs->n == 1 && !out->valid) {
        out->data = run_values(&runs->items[0], bits / 8);
        return QV_OK;
    }
    QV_TRY(qv__values_own(out, out->n * (bits / 8), &data, err));
    copy_runs(runs, bits / 8, data);
    if (out->valid)
        fill_nulls(data, bits / 8, out->valid, out->n);
    out->data = data;
    return QV_OK;
}

/* ------------------------------------------------------------------ strings */

static void string_at(const qv__array *array, unsigned offset_bits, int64_t i, int64_t *start, int64_t *end)
{
    size_t at = (size_t) (array->offset + i);
    const uint8_t *offsets = array->buffers[1].data;
    if (!offsets) {
        *start = *end = 0;
    } else if (offset_bits == 32) {
        *start = (int32_t) qv__load_u32(offsets + 4 * at);
        *end = (int32_t) qv__load_u32(offsets + 4 * at + 4);
    } else {
        *start = (int64_t) qv__load_u64(offsets + 8 * at);
        *end = (int64_t) qv__load_u64(offsets + 8 * at + 8);
    }
}

/* Fills the offsets; *gaps: a null slot holds bytes, so they cannot be borrowed. */
static void measure_strings(const qv__runs *runs, qv__values *out, int64_t *offsets, bool *gaps)
{
    size_t slot = 0;
    int64_t total = 0;
    offsets[0] = 0;
    for (size_t r = 0; r < runs->n; r++) {
        const qv__run *run = &runs->items[r];
        for (int64_t i = 0; i < run->len; i++, slot++) {
            int64_t start, end;
            string_at(run->array, out->offset_bits, run->start + i, &start, &end);
            if (out->valid && !qv__bit_get(out->valid, slot)) {
                *gaps |= end != start;
                end = start;
            }
            out->longest = QV_MAX(out->longest, (size_t) (end - start));
            total += end - start;
            offsets[slot + 1] = total;
        }
    }
}

static void copy_strings(const qv__runs *runs, unsigned offset_bits, const int64_t *offsets, bool gaps, uint8_t *to)
{
    size_t slot = 0;
    for (size_t r = 0; r < runs->n; r++) {
        const qv__run *run = &runs->items[r];
        const uint8_t *bytes = run->array->buffers[2].data;
        int64_t start, end;
        size_t first = slot;
        slot += (size_t) run->len;
        if (!gaps) {
            size_t len = (size_t) (offsets[slot] - offsets[first]);
            string_at(run->array, offset_bits, run->start, &start, &end);
            if (len)
                memcpy(to + offsets[first], bytes + start, len);
            continue;
        }
        for (int64_t i = 0; i < run->len; i++) {
            size_t at = first + (size_t) i, len = (size_t) (offsets[at + 1] - offsets[at]);
            string_at(run->array, offset_bits, run->start + i, &start, &end);
            if (len)
                memcpy(to + offsets[at], bytes + start, len);
        }
    }
}

qv_status qv__gather_strings(const qv__walk *walk, unsigned offset_bits, qv__values *out, qv_error *err)
{
    const qv__runs *runs = &walk->runs;
    int64_t *offsets = NULL, start, end;
    uint8_t *bytes = NULL;
    bool gaps = false;
    out->offset_bits = offset_bits;
    out->items = 1;
    QV_TRY(qv__gather_valid(walk, out, err));
    QV_TRY(qv__values_own(out, (out->n + 1) * sizeof *offsets, &offsets, err));
    measure_strings(runs, out, offsets, &gaps);
    out->offsets = offsets;
    if (runs->n == 1 && !gaps) {
        string_at(runs->items[0].array, offset_bits, runs->items[0].start, &start, &end);
        out->data = runs->items[0].array->buffers[2].data;
        if (out->data)
            out->data += start;
        return QV_OK;
    }
    QV_TRY(qv__values_own(out, (size_t) offsets[out->n], &bytes, err));
    copy_strings(runs, offset_bits, offsets, gaps, bytes);
    out->data = bytes;
    return QV_OK;
}

/* ------------------------------------------------------------------ vectors */

/* The array `depth` dimensions inside a run's array, and where the run's items begin in it. */
static const qv__array *descend(const qv__run *run, const uint32_t *dims, unsigned depth, size_t *at)
{
    const qv__array *array = run->array;
    *at = (size_t) run->start;
    for (unsigned d = 0; d < depth; d++) {
        *at = ((size_t) array->offset + *at) * dims[d];
        array = array->children[0];
    }
    return array;
}

static void copy_items(const qv__runs *runs, const qv__values *shape, uint8_t *to)
{
    size_t done = 0; /* items */
    for (size_t r = 0; r < runs->n; r++) {
        size_t at, n = (size_t) runs->items[r].len * shape->items;
        const qv__array *leaf = descend(&runs->items[r], shape->dims, shape->n_dims, &at);
        const uint8_t *from = leaf->buffers[1].data;
        at += (size_t) leaf->offset;
        if (shape->bits == 1) {
            if (from)
                qv__bitmap_copy(to, done, from, at, n);
            else
                qv__bitmap_fill(to, done, n, false);
        } else if (from) {
            memcpy(to + done * (shape->bits / 8), from + at * (shape->bits / 8), n * (shape->bits / 8));
        } else {
            memset(to + done * (shape->bits / 8), 0, n * (shape->bits / 8));
        }
        done += n;
    }
}

static void zero_null_rows(const qv__values *shape, uint8_t *data)
{
    size_t row_bytes = shape->items * (shape->bits / 8);
    for (size_t i = 0; i < shape->n; i++) {
        if (qv__bit_get(shape->valid, i))
            continue;
        if (shape->bits == 1)
            qv__bitmap_fill(data, i * shape->items, shape->items, false);
        else
            memset(data + i * row_bytes, 0, row_bytes);
    }
}

/* Validity of the items of dimension d (0 = outermost); items of null rows count as valid. */
static qv_status gather_item_validity(const qv__runs *runs, qv__values *out, unsigned d, qv_error *err)
{
    size_t per_row = 1, done = 0;
    uint8_t *bits = NULL;
    bool any = false;
    for (unsigned i = 0; i <= d; i++)
        per_row *= out->dims[i];
    for (size_t r = 0; r < runs->n && !any; r++) {
        size_t at;
        any = descend(&runs->items[r], out->dims, d + 1, &at)->null_count != 0;
    }
    if (!any)
        return QV_OK;
    QV_TRY(qv__values_own(out, qv__bitmap_bytes(out->n * per_row), &bits, err));
    bits[qv__bitmap_bytes(out->n * per_row) - 1] = 0;
    for (size_t r = 0; r < runs->n; r++) {
        size_t at, n = (size_t) runs->items[r].len * per_row;
        const qv__array *child = descend(&runs->items[r], out->dims, d + 1, &at);
        if (child->buffers[0].data)
            qv__bitmap_copy(bits, done, child->buffers[0].data, (size_t) child->offset + at, n);
        else
            qv__bitmap_fill(bits, done, n, true);
        done += n;
    }
    for (size_t i = 0; out->valid && i < out->n; i++)
        if (!qv__bit_get(out->valid, i))
            qv__bitmap_fill(bits, i * per_row, per_row, true);
    if (qv__bitmap_find(bits, 0, done, false) < done)
        out->item_valid[d] = bits;
    return QV_OK;
}

qv_status qv__gather_vectors(const qv__walk *walk, const qv__type *type, qv__values *out, qv_error *err)
{
    uint8_t *data = NULL;
    qv__vector_shape(type, &out->n_dims, out->dims, &out->bits);
    out->items = 1;
    for (unsigned d = 0; d < out->n_dims; d++)
        out->items *= out->dims[d];
    QV_TRY(qv__gather_valid(walk, out, err));
    for (unsigned d = 0; d < out->n_dims; d++)
        QV_TRY(gather_item_validity(&walk->runs, out, d, err));
    size_t bytes = out->bits == 1 ? qv__bitmap_bytes(out->n * out->items) : out->n * out->items * (out->bits / 8);
    QV_TRY(qv__values_own(out, bytes, &data, err));
    if (out->bits == 1 && bytes)
        data[bytes - 1] = 0;
    copy_items(&walk->runs, out, data);
    if (out->valid)
        zero_null_rows(out, data);
    out->data = data;
    return QV_OK;
}

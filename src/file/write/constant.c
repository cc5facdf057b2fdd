/* The constant layout: pages without a valid value, and (2.2) pages whose valid values are all the same. */
#include "file/write/write_private.h"

#define INLINE_BYTES 32
#define LEVEL_BYTES  512 /* levels are stored raw beside a constant: with more of them other layouts are smaller */

static Lance__File__PageLayout *new_layout(const qv__page_job *job)
{
    const qv__walk *walk = job->walk;
    Lance__File__PageLayout *page = qv__layout_new(job->layout, &lance__file__page_layout__descriptor);
    Lance__File__ConstantLayout *constant = qv__layout_new(job->layout, &lance__file__constant_layout__descriptor);
    page->constant_layout = constant;
    constant->n_layers = walk->n_layers;
    constant->layers = qv__layout_copy(job->layout, walk->layers, walk->n_layers * sizeof *walk->layers);
    return page;
}

/* Levels as one block; *enc stays NULL for raw ones. */
static qv_status put_levels(const qv__page_job *job, const uint16_t *levels, unsigned max, qv__buffer *out,
                            qv__enc **enc, qv_error *err)
{
    size_t n = job->walk->n_levels;
    qv__level_codec codec = { QV__LEVELS_FLAT, 16 };
    if (!levels)
        return QV_OK;
    if (job->column->version.minor >= 2)
        codec = qv__level_choose(job->column->version, &job->column->tuning, levels, n, max, 1);
    if (codec.form != QV__LEVELS_FLAT)
        *enc = qv__level_enc(job->layout, codec);
    return qv__level_put(codec, levels, n, out, err);
}

qv_status qv__null_page(const qv__page_job *job, qv_error *err)
{
    const qv__walk *walk = job->walk;
    qv__page *page = job->page;
    Lance__File__PageLayout *message = new_layout(job);
    Lance__File__ConstantLayout *constant = message->constant_layout;
    if (walk->n_layers == 1) /* nothing but nulls */
        return qv__layout_pack(job->layout, message, page, err);
    page->n_buffers = 2;
    QV_TRY(put_levels(job, walk->rep, walk->max_rep, &page->buffers[0].bytes, &constant->rep_compression, err));
    QV_TRY(put_levels(job, walk->def, walk->max_def, &page->buffers[1].bytes, &constant->def_compression, err));
    if (constant->rep_compression) {
        constant->has_num_rep_values = true;
        constant->num_rep_values = walk->n_levels;
    }
    if (constant->def_compression) {
        constant->has_num_def_values = true;
        constant->num_def_values = walk->n_levels;
    }
    return qv__layout_pack(job->layout, message, page, err);
}

/* ------------------------------------------------------------------ equal values */

static bool all_equal_bits(const qv__values *v)
{
    return qv__bitmap_find(v->data, 0, v->n, !qv__bit_get(v->data, 0)) == v->n;
}

/* Null slots repeat their neighbours, so they need no look. */
static bool all_equal_fixed(const qv__values *v)
{
    size_t width = v->bits / 8;
    if (v->bits == 1)
        return all_equal_bits(v);
    return memcmp(v->data, v->data + width, (v->n - 1) * width) == 0;
}

/* *first: a valid string. */
static bool all_equal_strings(const qv__values *v, size_t *first)
{
    *first = v->valid ? qv__bitmap_find(v->valid, 0, v->n, true) : 0;
    size_t len = (size_t) (v->offsets[*first + 1] - v->offsets[*first]);
    for (size_t i = *first + 1; i < v->n; i++) {
        if (v->valid && !qv__bit_get(v->valid, i))
            continue;
        if ((size_t) (v->offsets[i + 1] - v->offsets[i]) != len ||
            (len && memcmp(v->data + v->offsets[i], v->data + v->offsets[*first], len) != 0))
            return false;
    }
    return true;
}

static qv_status put_string(const qv__values *v, size_t i, qv__buffer *out, qv_error *err)
{
    uint64_t len = (uint64_t) (v->offsets[i + 1] - v->offsets[i]), zero = 0;
    uint32_t width = v->offset_bits / 8, head[3] = { 2, 2 * width, (uint32_t) len };
    QV_TRY(qv__buffer_append(out, head, sizeof head, err));
    QV_TRY(qv__buffer_append(out, &zero, width, err));
    QV_TRY(qv__buffer_append(out, &len, width, err));
    return qv__buffer_append(out, v->data + v->offsets[i], len, err);
}

/* The value, inline in the message or as buffer 0. */
static qv_status put_value(const qv__page_job *job, const qv__values *v, size_t first,
                           Lance__File__ConstantLayout *constant, qv_error *err)
{
    qv__buffer *out = &job->page->buffers[0].bytes;
    uint32_t width = v->bits == 1 ? 1 : v->bits / 8, head[2] = { 1, width };
    uint8_t bit;
    if (v->offsets) {
        job->page->n_buffers = 1;
        return put_string(v, first, out, err);
    }
    if (width > INLINE_BYTES) {
        job->page->n_buffers = 1;
        QV_TRY(qv__buffer_append(out, head, sizeof head, err));
        return qv__buffer_append(out, v->data, width, err);
    }
    bit = v->data[0] & 1;
    constant->has_inline_value = true;
    constant->inline_value.len = width;
    constant->inline_value.data = qv__layout_copy(job->layout, v->bits == 1 ? &bit : v->data, width);
    return QV_OK;
}

qv_status qv__constant_page(const qv__page_job *job, const qv__values *values, bool *done, qv_error *err)
{
    const qv__walk *walk = job->walk;
    qv__page *page = job->page;
    size_t first = 0, level_bytes = 2 * walk->n_levels * ((walk->rep != NULL) + (walk->def != NULL));
    *done = false;
    if (job->column->version.minor < 2 || !job->column->tuning.cheap || level_bytes > LEVEL_BYTES)
        return QV_OK;
    if (values->offsets ? !all_equal_strings(values, &first) : !all_equal_fixed(values))
        return QV_OK;
    Lance__File__PageLayout *message = new_layout(job);
    QV_TRY(put_value(job, values, first, message->constant_layout, err));
    if (walk->rep || walk->def) {
        qv__buffer *rep = &page->buffers[page->n_buffers++].bytes, *def = &page->buffers[page->n_buffers++].bytes;
        QV_TRY(qv__buffer_append(rep, walk->rep, walk->rep ? 2 * walk->n_levels : 0, err));
        QV_TRY(qv__buffer_append(def, walk->def, walk->def ? 2 * walk->n_levels : 0, err));
    }
    *done = true;
    return qv__layout_pack(job->layout, message, page, err);
}

/* The full-zip layout: per level a control word and, where there is a value, its bytes. With neither nulls nor lists there are
 * no control words, and vectors are the bare matrix: its bytes go to the file straight from the arrays. */
#include <assert.h>

#include "base/alloc.h"
#include "file/write/write_private.h"

typedef struct zipper {
    const qv__walk *walk;
    unsigned bits_rep, bits_def, control; /* control: bytes */
    uint8_t *at;                          /* where the next byte goes */
    uint8_t *base;
    uint64_t *starts; /* of rows, when an index is wanted */
    size_t n_rows;
} zipper;

static unsigned bit_length(unsigned max) { return max ? 32 - (unsigned) __builtin_clz(max) : 0; }

static void zip_init(zipper *z, const qv__walk *walk)
{
    *z = (zipper){ .walk = walk };
    z->bits_rep = walk->rep ? bit_length(walk->max_rep) : 0;
    z->bits_def = walk->def ? bit_length(walk->max_def) : 0;
    unsigned bits = z->bits_rep + z->bits_def;
    z->control = bits == 0 ? 0 : bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

/* Writes the control word of level e. */
static inline void zip_control(zipper *z, size_t e)
{
    uint32_t rep = z->walk->rep ? z->walk->rep[e] : 0, def = z->walk->def ? z->walk->def[e] : 0;
    if (z->starts && (!z->walk->rep || rep == z->walk->max_rep))
        z->starts[z->n_rows++] = (uint64_t) (z->at - z->base);
    uint32_t word = rep << z->bits_def | def;
    memcpy(z->at, &word, z->control);
    z->at += z->control;
}

/* Offsets of the rows and the total, in the fewest bytes that hold the total. */
static qv_status put_index(zipper *z, qv__page *page, qv_error *err)
{
    uint64_t total = (uint64_t) (z->at - z->base);
    unsigned width = total >> 32 ? 8 : total >> 16 ? 4 : total >> 8 ? 2 : 1;
    qv__buffer *out = &page->buffers[1].bytes;
    z->starts[z->n_rows] = total;
    QV_TRY(qv__buffer_reserve(out, (z->n_rows + 1) * width, err));
    for (size_t i = 0; i <= z->n_rows; i++)
        memcpy(out->data + i * width, &z->starts[i], width);
    out->len = (z->n_rows + 1) * width;
    page->n_buffers = 2;
    return QV_OK;
}

static qv_status describe(const qv__page_job *job, const zipper *z, unsigned value_bits, unsigned offset_bits,
                          qv__enc *encoding, qv_error *err)
{
    qv__layout *layout = job->layout;
    Lance__File__PageLayout *page = qv__layout_new(layout, &lance__file__page_layout__descriptor);
    Lance__File__FullZipLayout *zip = qv__layout_new(layout, &lance__file__full_zip_layout__descriptor);
    page->full_zip_layout = zip;
    zip->has_bits_rep = z->bits_rep != 0;
    zip->bits_rep = z->bits_rep;
    zip->has_bits_def = z->bits_def != 0;
    zip->bits_def = z->bits_def;
    zip->has_bits_per_value = value_bits != 0;
    zip->bits_per_value = value_bits;
    zip->has_bits_per_offset = offset_bits != 0;
    zip->bits_per_offset = offset_bits;
    zip->has_num_items = zip->has_num_visible_items = true;
    zip->num_items = (uint32_t) z->walk->n_levels;
    zip->num_visible_items = (uint32_t) z->walk->runs.total;
    zip->value_compression = encoding;
    zip->n_layers = z->walk->n_layers;
    zip->layers = qv__layout_copy(layout, z->walk->layers, z->walk->n_layers * sizeof *z->walk->layers);
    return qv__layout_pack(layout, page, job->page, err);
}

/* ------------------------------------------------------------------ fixed payloads */

/* Bytes of one row: a bitmap per dimension with null items, then the items. Bools alone are widened to bytes. */
static size_t payload_bytes(const qv__values *v)
{
    size_t bytes = v->n_dims ? (size_t) (v->items * v->bits / 8) : v->bits == 1 ? 1 : v->bits / 8, per_row = 1;
    for (unsigned d = 0; d < v->n_dims; d++) {
        per_row *= v->dims[d];
        if (v->item_valid[d])
            bytes += qv__bitmap_bytes(per_row);
    }
    return bytes;
}

static void put_payload(const qv__values *v, size_t slot, size_t value_bytes, uint8_t **at)
{
    size_t per_row = 1;
    if (!v->n_dims && v->bits == 1) {
        *(*at)++ = qv__bit_get(v->data, slot);
        return;
    }
    for (unsigned d = 0; d < v->n_dims; d++) {
        per_row *= v->dims[d];
        if (!v->item_valid[d])
            continue;
        size_t bytes = qv__bitmap_bytes(per_row);
        (*at)[bytes - 1] = 0;
        qv__bitmap_copy(*at, 0, v->item_valid[d], slot * per_row, per_row);
        *at += bytes;
    }
    memcpy(*at, v->data + slot * value_bytes, value_bytes);
    *at += value_bytes;
}

static qv__enc *fixed_enc(qv__layout *layout, const qv__values *v)
{
    qv__enc *enc = qv__enc_flat(layout, !v->n_dims && v->bits == 1 ? 8 : v->bits);
    for (unsigned d = v->n_dims; d-- > 0;)
        enc = qv__enc_list(layout, v->dims[d], enc, v->item_valid[d] != NULL);
    return enc;
}

qv_status qv__fullzip_fixed(const qv__page_job *job, const qv__values *values, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__walk *walk = job->walk;
    qv__buffer *out = &job->page->buffers[0].bytes;
    size_t payload = payload_bytes(values), value_bytes = (size_t) (values->items * values->bits / 8), slot = 0;
    zipper z;
    zip_init(&z, walk);
    size_t total = walk->n_levels * z.control + values->n * payload;
    if (walk->rep)
        QV_CHECK(QV_NEW(&z.starts, walk->n_levels + 1, err));
    QV_CHECK(qv__buffer_reserve(out, total, err));
    z.base = z.at = out->data;
    for (size_t e = 0; e < walk->n_levels; e++) {
        zip_control(&z, e);
        if (!walk->def || walk->def[e] <= walk->visible)
            put_payload(values, slot++, value_bytes, &z.at);
    }
    out->len = total;
    job->page->n_buffers = 1;
    if (z.starts)
        QV_CHECK(put_index(&z, job->page, err));
    QV_CHECK(describe(job, &z, (unsigned) (8 * payload), 0, fixed_enc(job->layout, values), err));
done:
    qv__free(z.starts);
    return st;
}

/* ------------------------------------------------------------------ strings */

qv_status qv__fullzip_strings(const qv__page_job *job, const qv__values *values, qv__enc *encoding, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__walk *walk = job->walk;
    qv__buffer *out = &job->page->buffers[0].bytes;
    size_t width = values->offset_bits / 8, slot = 0;
    zipper z;
    zip_init(&z, walk);
    size_t total = walk->n_levels * z.control + walk->n_valid * width + (size_t) values->offsets[values->n];
    QV_CHECK(QV_NEW(&z.starts, walk->n_levels + 1, err));
    QV_CHECK(qv__buffer_reserve(out, total, err));
    z.base = z.at = out->data;
    for (size_t e = 0; e < walk->n_levels; e++) {
        unsigned def = walk->def ? walk->def[e] : 0;
        zip_control(&z, e);
        if (def == 0) {
            uint64_t len = (uint64_t) (values->offsets[slot + 1] - values->offsets[slot]);
            memcpy(z.at, &len, width);
            if (len)
                memcpy(z.at + width, values->data + values->offsets[slot], len);
            z.at += width + len;
        }
        slot += def <= walk->visible;
    }
    assert(z.at == z.base + total); /* null slots are empty */
    out->len = total;
    job->page->n_buffers = 1;
    QV_CHECK(put_index(&z, job->page, err));
    QV_CHECK(describe(job, &z, 0, values->offset_bits, encoding, err));
done:
    qv__free(z.starts);
    return st;
}

/* ------------------------------------------------------------------ bare vectors */

bool qv__bare_piece(const qv__run *run, const qv__values *shape, qv__piece *out)
{
    const qv__array *array = run->array;
    size_t at = (size_t) run->start;
    for (unsigned d = 0; d < shape->n_dims; d++) {
        at = ((size_t) array->offset + at) * shape->dims[d];
        array = array->children[0];
        if (array->null_count != 0)
            return false;
    }
    if (!array->buffers[1].data)
        return false;
    out->data = array->buffers[1].data + ((size_t) array->offset + at) * (shape->bits / 8);
    out->len = (size_t) run->len * shape->items * (shape->bits / 8);
    return true;
}

qv_status qv__fullzip_bare(const qv__page_job *job, const qv__type *type, bool *done, qv_error *err)
{
    const qv__runs *runs = &job->walk->runs;
    qv__values shape = { .items = 1 };
    zipper z;
    *done = false;
    if (type->id == QV_TYPE_FIXED_LIST)
        qv__vector_shape(type, &shape.n_dims, shape.dims, &shape.bits);
    else
        shape.bits = qv__fixed_bits(type);
    if (job->walk->rep || job->walk->def || shape.bits < 8)
        return QV_OK;
    for (unsigned d = 0; d < shape.n_dims; d++)
        shape.items *= shape.dims[d];
    struct qv__page_buffer *buffer = &job->page->buffers[0];
    qv__free(buffer->pieces);
    buffer->pieces = NULL;
    QV_TRY(QV_NEW(&buffer->pieces, runs->n, err));
    for (size_t r = 0; r < runs->n; r++)
        if (!qv__bare_piece(&runs->items[r], &shape, &buffer->pieces[r]))
            return QV_OK;
    buffer->n_pieces = runs->n;
    job->page->n_buffers = 1;
    *done = true;
    zip_init(&z, job->walk);
    return describe(job, &z, (unsigned) (shape.items * shape.bits), 0, fixed_enc(job->layout, &shape), err);
}

/* Blob columns. The bytes are stored when their page is cut, one after the other: in the data file itself, or (2.2) from some
 * size on in files beside it, shared or of their own. The page then holds one descriptor per row: position and size, and in
 * 2.2 also where to look. */
#include "file/write/blob.h"

#include "base/alloc.h"

#include <stdlib.h>

#define ALIGN       64
#define PAD         0x48
#define INLINE_MOST (64u << 10) /* 2.2: larger ones leave the data file */
#define SHARED_MOST (4u << 20)  /* from here on each has its own file */
#define SHARED_FILE (1u << 30)  /* a shared file is closed when it has grown so far */
#define ENTRY_BYTES 25          /* 2.2: kind u8, position u64, size u64, blob_id u32, length of the uri u32 */

enum { KIND_INLINE, KIND_SHARED, KIND_OWN };

qv_status qv__blob_sink_init(qv__blob_sink *sink, qv__store *store, const char *name, qv_error *err)
{
    size_t len = strlen(name);
    *sink = (qv__blob_sink){ .store = qv__store_ref(store), .next_id = 1 };
    if (len > 6 && strcmp(name + len - 6, ".lance") == 0)
        len -= 6;
    sink->folder = qv__strndup(name, len);
    return sink->folder ? QV_OK : qv__fail_nomem(err, len);
}

/* Files beside an unfinished data file go with it. */
void qv__blob_sink_clear(qv__blob_sink *sink)
{
    qv__upload_abort(sink->shared);
    if (sink->n_files && !sink->finished)
        qv__store_delete_tree(sink->store, sink->folder, NULL);
    qv__store_unref(sink->store);
    qv__free(sink->folder);
    *sink = (qv__blob_sink){ 0 };
}

/* The id's bits from the lowest on, as digits: names spread over prefixes. */
static qv_status begin_file(qv__blob_sink *sink, uint32_t id, qv__upload **out, qv_error *err)
{
    char digits[33];
    qv__buffer name;
    for (unsigned i = 0; i < 32; i++)
        digits[i] = (char) ('0' + (id >> i & 1));
    digits[32] = 0;
    qv__buffer_init(&name, 1 << 16);
    qv_status st = qv__buffer_printf(&name, err, "%s/%s.blob", sink->folder, digits);
    if (st == QV_OK)
        st = qv__buffer_append(&name, "", 1, err);
    if (st == QV_OK)
        st = qv__upload_begin(sink->store, (const char *) name.data, out, err);
    qv__buffer_free(&name);
    return st;
}

static qv_status close_shared(qv__blob_sink *sink, qv_error *err)
{
    qv__upload *upload = sink->shared;
    if (!upload)
        return QV_OK;
    sink->shared = NULL;
    sink->n_files++;
    return qv__upload_commit(upload, QV_PUT_REPLACE, err);
}

qv_status qv__blob_sink_finish(qv__blob_sink *sink, qv_error *err) { return close_shared(sink, err); }

static qv_status put_shared(qv__blob_sink *sink, const uint8_t *bytes, size_t len, qv__blob_entry *out, qv_error *err)
{
    if (sink->shared && qv__upload_size(sink->shared) >= SHARED_FILE)
        QV_TRY(close_shared(sink, err));
    if (!sink->shared) {
        QV_TRY(begin_file(sink, sink->next_id, &sink->shared, err));
        sink->shared_id = sink->next_id++;
    }
    *out = (qv__blob_entry){ KIND_SHARED, sink->shared_id, qv__upload_size(sink->shared), len };
    return qv__upload_write(sink->shared, bytes, len, err);
}

static qv_status put_own(qv__blob_sink *sink, const uint8_t *bytes, size_t len, qv__blob_entry *out, qv_error *err)
{
    qv__upload *upload;
    QV_TRY(begin_file(sink, sink->next_id, &upload, err));
    *out = (qv__blob_entry){ KIND_OWN, sink->next_id++, 0, len };
    qv_status st = qv__upload_write(upload, bytes, len, err);
    if (st != QV_OK) {
        qv__upload_abort(upload);
        return st;
    }
    sink->n_files++;
    return qv__upload_commit(upload, QV_PUT_REPLACE, err);
}

static qv_status put_inline(qv__upload *file, const uint8_t *bytes, size_t len, qv__blob_entry *out, qv_error *err)
{
    uint8_t pads[ALIGN];
    memset(pads, PAD, sizeof pads);
    QV_TRY(qv__upload_write(file, pads, (size_t) (-qv__upload_size(file) % ALIGN), err));
    *out = (qv__blob_entry){ KIND_INLINE, 0, qv__upload_size(file), len };
    return qv__upload_write(file, bytes, len, err);
}

static size_t threshold(const qv__column_writer *column, const char *key, size_t otherwise)
{
    const char *text = qv__metadata_get(&qv__column_field(column)->metadata, key, NULL);
    return text && *text ? (size_t) strtoull(text, NULL, 10) : otherwise;
}

qv_status qv__blob_store(qv__column_writer *column, qv__blob_sink *sink, qv__upload *file, qv_error *err)
{
    qv_status st = QV_OK;
    qv__runs runs = { 0 };
    size_t inline_most = threshold(column, "lance-encoding:blob-inline-size-threshold", INLINE_MOST), slot = 0;
    size_t shared_most = threshold(column, "lance-encoding:blob-dedicated-size-threshold", SHARED_MOST);
    QV_CHECK(qv__walk_slots(column, column->batch, column->n_batch, &runs, err));
    qv__free(column->blobs);
    column->blobs = NULL;
    QV_CHECK(QV_NEW(&column->blobs, (size_t) runs.total, err));
    for (size_t r = 0; r < runs.n; r++)
        for (int64_t i = 0; i < runs.items[r].len; i++, slot++) {
            const qv__run *run = &runs.items[r];
            size_t len = 0;
            const uint8_t *bytes = NULL;
            if (!qv__array_is_null(run->array, run->start + i))
                bytes = qv__array_string(run->array, run->start + i, &len);
            if (len == 0) /* null and empty ones have no bytes */
                continue;
            if (column->blob == QV__BLOB_V1 || len <= inline_most)
                QV_CHECK(put_inline(file, bytes, len, &column->blobs[slot], err));
            else if (len < shared_most)
                QV_CHECK(put_shared(sink, bytes, len, &column->blobs[slot], err));
            else
                QV_CHECK(put_own(sink, bytes, len, &column->blobs[slot], err));
        }
done:
    qv__runs_clear(&runs);
    return st;
}

/* ------------------------------------------------------------------ pages */

typedef struct pair_coder {
    const uint8_t *pairs;
} pair_coder;

static size_t take_pairs(void *ctx, size_t at, size_t left)
{
    QV_UNUSED(ctx);
    QV_UNUSED(at);
    return QV_MIN(left, (size_t) 256);
}

static qv_status put_pairs(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err)
{
    const pair_coder *c = ctx;
    return qv__buffer_append(out, c->pairs + 16 * at, 16 * n, err);
}

static qv__enc *pairs_enc(qv__layout *layout)
{
    static const uint64_t bits[] = { 64, 64 };
    qv__enc *enc = qv__layout_new(layout, &lance__file__compressive_encoding__descriptor);
    enc->packed_struct = qv__layout_new(layout, &lance__file__packed_struct__descriptor);
    enc->packed_struct->n_bits_per_value = 2;
    enc->packed_struct->bits_per_value = qv__layout_copy(layout, bits, sizeof bits);
    enc->packed_struct->values = qv__enc_flat(layout, 128);
    return enc;
}

/* (position, size) per row as a mini-block page; a null row tells its level in the position. */
static qv_status page_v1(const qv__page_job *job, qv_error *err)
{
    const qv__walk *walk = job->walk;
    qv_status st = QV_OK;
    qv__buffer pairs;
    bool too_sparse = false;
    qv__walk rows = { .n_levels = walk->n_levels, .n_valid = walk->n_levels, .n_layers = 1 };
    rows.runs.total = (int64_t) walk->n_levels;
    rows.layers[0] = QV__ALL_VALID_ITEM;
    qv__page_job inner = *job;
    inner.walk = &rows;
    inner.outer = walk;
    qv__buffer_init(&pairs, SIZE_MAX);
    QV_CHECK(qv__buffer_reserve(&pairs, walk->n_levels * 16, err));
    for (size_t i = 0; i < walk->n_levels; i++) {
        const qv__blob_entry *blob = &job->column->blobs[i];
        uint64_t def = walk->def ? walk->def[i] : 0;
        qv__store_u64(pairs.data + 16 * i, def ? def << 16 : blob->position);
        qv__store_u64(pairs.data + 16 * i + 8, def ? 0 : blob->size);
    }
    pair_coder coder = { pairs.data };
    qv__chunker chunker = {
        .n_buffers = 1, .encoding = pairs_enc(job->layout), .take = take_pairs, .put = put_pairs, .ctx = &coder
    };
    QV_CHECK(qv__miniblock_page(&inner, &chunker, walk->n_levels, &too_sparse, err));
done:
    qv__buffer_free(&pairs);
    return st;
}

static qv__enc *entry_enc(qv__layout *layout)
{
    static const unsigned bits[] = { 8, 64, 64, 32, 0 };
    qv__enc *enc = qv__layout_new(layout, &lance__file__compressive_encoding__descriptor);
    Lance__File__VariablePackedStruct *packed =
        qv__layout_new(layout, &lance__file__variable_packed_struct__descriptor);
    Lance__File__PackedField *fields[QV_COUNT_OF(bits)];
    for (size_t i = 0; i < QV_COUNT_OF(bits); i++) {
        fields[i] = qv__layout_new(layout, &lance__file__packed_field__descriptor);
        fields[i]->value = bits[i] ? qv__enc_flat(layout, bits[i]) : qv__enc_variable(layout, 32);
        fields[i]->has_bits_per_value = bits[i] != 0;
        fields[i]->bits_per_value = bits[i];
        fields[i]->has_bits_per_length = bits[i] == 0;
        fields[i]->bits_per_length = 32;
    }
    packed->n_fields = QV_COUNT_OF(bits);
    packed->fields = qv__layout_copy(layout, fields, sizeof fields);
    enc->variable_packed_struct = packed;
    return enc;
}

/* Descriptors as full-zip values of 25 bytes. */
static qv_status page_v2(const qv__page_job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__values values = { .n = job->walk->n_levels, .offset_bits = 32, .items = 1 };
    uint8_t *data = NULL;
    int64_t *offsets = NULL;
    QV_CHECK(qv__values_own(&values, values.n * ENTRY_BYTES, &data, err));
    QV_CHECK(qv__values_own(&values, (values.n + 1) * sizeof *offsets, &offsets, err));
    memset(data, 0, values.n * ENTRY_BYTES);
    offsets[0] = 0;
    for (size_t i = 0; i < values.n; i++) {
        const qv__blob_entry *blob = &job->column->blobs[i];
        bool null = job->walk->def && job->walk->def[i] != 0;
        uint8_t *to = data + offsets[i];
        offsets[i + 1] = offsets[i] + (null ? 0 : ENTRY_BYTES);
        if (null)
            continue;
        to[0] = blob->kind;
        qv__store_u64(to + 1, blob->position);
        qv__store_u64(to + 9, blob->size);
        qv__store_u32(to + 17, blob->id);
    }
    values.data = data;
    values.offsets = offsets;
    QV_CHECK(qv__fullzip_strings(job, &values, entry_enc(job->layout), err));
done:
    qv__values_clear(&values);
    return st;
}

qv_status qv__blob_page(const qv__page_job *job, qv_error *err)
{
    return job->column->blob == QV__BLOB_V1 ? page_v1(job, err) : page_v2(job, err);
}

/* 2.0: pairs; (1, 0) is null. */
qv_status qv__blob_pairs20(const qv__column_writer *column, const qv__runs *runs, qv__buffer *out, qv_error *err)
{
    size_t slot = 0;
    QV_TRY(qv__buffer_reserve(out, (size_t) runs->total * 16, err));
    for (size_t r = 0; r < runs->n; r++)
        for (int64_t i = 0; i < runs->items[r].len; i++, slot++) {
            bool null = qv__array_is_null(runs->items[r].array, runs->items[r].start + i);
            qv__store_u64(out->data + 16 * slot, null ? 1 : column->blobs[slot].position);
            qv__store_u64(out->data + 16 * slot + 8, null ? 0 : column->blobs[slot].size);
        }
    out->len = 16 * slot;
    return QV_OK;
}

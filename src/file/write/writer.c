/* The container: pages as they become full, then the descriptor, the columns' metadata, the tables and the footer. A write
 * call hands its batch to every column as a reference; columns that hold a page's worth of rows encode it, side by side, and
 * the pages are appended to the upload one column after the other. */
#include "base/alloc.h"
#include "base/pool.h"
#include "file/lance_schema.h"
#include "file/stored_pages.h"
#include <stdio.h>

#include "file/write/blob.h"
#include "file/write/write_private.h"

#define PAGE_BYTES   (8u << 20)
#define PINNED_PAGES 8 /* a column that keeps so many pages' worth of batches alive is not waited for */
#define ALIGN        64
#define PAD          0x48
#define FOOTER_BYTES 40
#define MAX_GLOBALS  65536

struct qv__file_writer {
    qv__upload *upload;
    qv__schema *schema;
    qv__type *batch_type;
    qv__file_version version;
    size_t page_bytes;
    unsigned threads;
    qv__columns columns;
    qv__blob_sink blobs;
    qv__buffer globals; /* table entries of the global buffers after the descriptor */
    size_t *ready;      /* columns whose page is being encoded */
    size_t n_ready;
    uint64_t rows;
    size_t batch_bytes; /* of the last batch */
    bool broken;        /* a call failed: the file cannot be finished */
};

/* ------------------------------------------------------------------ messages */

/* Appends a packed message. */
static qv_status append_message(const void *message, qv__buffer *out, qv_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    QV_TRY(qv__buffer_reserve(out, len, err));
    out->len += protobuf_c_message_pack(message, out->data + out->len);
    return QV_OK;
}

/* Encoding{direct{Any{url, value}}} */
typedef struct direct {
    Lance__File__Encoding encoding;
    Lance__File__DirectEncoding direct;
    qv__buffer any;
} direct;

static qv_status direct_init(direct *d, const char *url, const uint8_t *value, size_t len, qv_error *err)
{
    char copy[64];
    Lance__File__Any any = LANCE__FILE__ANY__INIT;
    snprintf(copy, sizeof copy, "%s", url);
    any.type_url = copy;
    any.has_value = true;
    any.value.data = (uint8_t *) (uintptr_t) value;
    any.value.len = len;
    lance__file__encoding__init(&d->encoding);
    lance__file__direct_encoding__init(&d->direct);
    qv__buffer_init(&d->any, SIZE_MAX);
    QV_TRY(append_message(&any.base, &d->any, err));
    d->direct.has_encoding = true;
    d->direct.encoding.data = d->any.data;
    d->direct.encoding.len = d->any.len;
    d->encoding.direct = &d->direct;
    return QV_OK;
}

/* A column's metadata begins with its encoding; pages are appended as messages of one page each, which protobuf joins. */
static qv_status begin_metadata(qv__column_writer *column, qv_error *err)
{
    static const uint8_t values[] = { 0x0a, 0x00 };                       /* ColumnEncoding{values{}} */
    static const uint8_t blob[] = { 0x1a, 0x04, 0x0a, 0x02, 0x0a, 0x00 }; /* ColumnEncoding{blob{inner{values{}}}} */
    bool is_blob = column->blob && column->version.minor == 0;
    Lance__File__ColumnMetadata metadata = LANCE__FILE__COLUMN_METADATA__INIT;
    direct d;
    qv_status st = direct_init(&d, "/lance.encodings.ColumnEncoding", is_blob ? blob : values,
                               is_blob ? sizeof blob : sizeof values, err);
    metadata.encoding = &d.encoding;
    if (st == QV_OK)
        st = append_message(&metadata.base, &column->metadata, err);
    qv__buffer_free(&d.any);
    return st;
}

static qv_status append_page(qv__column_writer *column, const qv__page *page, uint64_t *offsets, uint64_t *sizes,
                             qv_error *err)
{
    const char *url = column->version.minor == 0 ? "/lance.encodings.ArrayEncoding" : "/lance.encodings21.PageLayout";
    Lance__File__ColumnMetadata metadata = LANCE__FILE__COLUMN_METADATA__INIT;
    Lance__File__Page message = LANCE__FILE__PAGE__INIT, *pages = &message;
    direct d;
    qv_status st = direct_init(&d, url, page->encoding, page->encoding_len, err);
    message.n_buffer_offsets = message.n_buffer_sizes = page->n_buffers;
    message.buffer_offsets = offsets;
    message.buffer_sizes = sizes;
    message.has_length = true;
    message.length = page->length;
    message.encoding = &d.encoding;
    message.has_priority = page->priority != 0;
    message.priority = page->priority;
    metadata.n_pages = 1;
    metadata.pages = &pages;
    if (st == QV_OK)
        st = append_message(&metadata.base, &column->metadata, err);
    qv__buffer_free(&d.any);
    return st;
}

/* ------------------------------------------------------------------ pages to the upload */

static qv_status pad_upload(qv__upload *upload, qv_error *err)
{
    uint8_t pads[ALIGN];
    memset(pads, PAD, sizeof pads);
    return qv__upload_write(upload, pads, (size_t) (-qv__upload_size(upload) % ALIGN), err);
}

static qv_status put_buffer(qv__file_writer *w, const struct qv__page_buffer *buffer, uint64_t *offset, uint64_t *size,
                            qv_error *err)
{
    QV_TRY(pad_upload(w->upload, err));
    *offset = qv__upload_size(w->upload);
    if (!buffer->n_pieces)
        QV_TRY(qv__upload_write(w->upload, buffer->bytes.data, buffer->bytes.len, err));
    for (size_t i = 0; i < buffer->n_pieces; i++)
        QV_TRY(qv__upload_write(w->upload, buffer->pieces[i].data, buffer->pieces[i].len, err));
    *size = qv__upload_size(w->upload) - *offset;
    return QV_OK;
}

static qv_status put_pages(qv__file_writer *w, qv__column_writer *column, qv_error *err)
{
    for (size_t i = 0; i < column->n_pages; i++) {
        qv__page *page = &column->pages[i];
        uint64_t offsets[QV__PAGE_BUFFERS], sizes[QV__PAGE_BUFFERS];
        for (size_t b = 0; b < page->n_buffers; b++)
            QV_TRY(put_buffer(w, &page->buffers[b], &offsets[b], &sizes[b], err));
        QV_TRY(append_page(column, page, offsets, sizes, err));
        qv__page_clear(page);
    }
    column->n_pages = 0;
    qv__column_drop_batch(column);
    return QV_OK;
}

static qv_status encode_column(void *ctx, size_t task, qv_error *err)
{
    qv__file_writer *w = ctx;
    qv__column_writer *column = &w->columns.items[w->ready[task]];
    return w->version.minor == 0 ? qv__encode_batch20(column, err) : qv__encode_batch(column, err);
}

/* Encodes and stores pages until no column holds a page's worth of rows; `all`: until none holds any. */
static qv_status pump(qv__file_writer *w, bool all, qv_error *err)
{
    for (;;) {
        w->n_ready = 0;
        for (size_t i = 0; i < w->columns.n; i++) {
            qv__column_writer *column = &w->columns.items[i];
            bool full = column->pending_bytes >= w->page_bytes || column->pinned_bytes >= PINNED_PAGES * w->page_bytes;
            if (column->n_slices == 0 || (!all && !full))
                continue;
            QV_TRY(qv__column_cut(column, w->page_bytes, err));
            if (column->blob)
                QV_TRY(qv__blob_store(column, &w->blobs, w->upload, err));
            w->ready[w->n_ready++] = i;
        }
        if (w->n_ready == 0)
            return QV_OK;
        QV_TRY(qv__parallel_for(w->n_ready, w->threads, encode_column, w, err));
        for (size_t i = 0; i < w->n_ready; i++)
            QV_TRY(put_pages(w, &w->columns.items[w->ready[i]], err));
    }
}

/* 2.0: the pages of struct columns, which say how many there were. */
static qv_status put_structs(qv__file_writer *w, qv_error *err)
{
    for (size_t i = 0; i < w->columns.n; i++) {
        qv__column_writer *column = &w->columns.items[i];
        if (column->kind != QV__COLUMN_STRUCT)
            continue;
        QV_TRY(qv__struct_page20(column, err));
        QV_TRY(put_pages(w, column, err));
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ the calls */

static void highest_id(const qv__field *fields, size_t n, int32_t *highest)
{
    for (size_t i = 0; i < n; i++) {
        *highest = QV_MAX(*highest, fields[i].id);
        highest_id(fields[i].type->children, fields[i].type->n_children, highest);
    }
}

static qv_status own_schema(qv__file_writer *w, const qv__schema *schema, qv_error *err)
{
    int32_t next = -1;
    QV_TRY(qv__schema_new(schema->fields, schema->n_fields, &schema->metadata, &w->schema, err));
    highest_id(w->schema->fields, w->schema->n_fields, &next);
    next++;
    QV_TRY(qv__schema_assign_ids(w->schema, &next, err));
    return qv__schema_to_struct(w->schema, &w->batch_type, err);
}

qv_status qv__file_writer_open(qv__store *store, const char *name, const qv__schema *schema,
                               const qv__writer_options *options, qv__file_writer **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file_writer *w = NULL;
    qv__writer_options defaults = { { 0, 0 }, QV_FILE_DEFAULT, 0, 0 }, o = options ? *options : defaults;
    if (o.version.major == 0 && o.version.minor == 0)
        o.version = (qv__file_version){ 2, 2 };
    if (o.version.major != 2 || o.version.minor > 2)
        return qv__fail(err, QV_UNSUPPORTED, "file version %u.%u cannot be written", o.version.major, o.version.minor);
    QV_CHECK(QV_NEW(&w, 1, err));
    qv__buffer_init(&w->globals, MAX_GLOBALS * sizeof(uint64_t[2]));
    w->version = o.version;
    w->page_bytes = o.page_bytes ? o.page_bytes : PAGE_BYTES;
    w->threads = o.threads;
    QV_CHECK(own_schema(w, schema, err));
    QV_CHECK(qv__columns_plan(w->schema, w->version, o.profile, &w->columns, err));
    QV_CHECK(QV_NEW(&w->ready, w->columns.n, err));
    for (size_t i = 0; i < w->columns.n; i++)
        QV_CHECK(begin_metadata(&w->columns.items[i], err));
    QV_CHECK(qv__blob_sink_init(&w->blobs, store, name, err));
    QV_CHECK(qv__upload_begin(store, name, &w->upload, err));
    *out = w;
    w = NULL;
done:
    qv__file_writer_free(w);
    return st;
}

void qv__file_writer_free(qv__file_writer *writer)
{
    if (!writer)
        return;
    qv__upload_abort(writer->upload);
    qv__columns_clear(&writer->columns);
    qv__blob_sink_clear(&writer->blobs);
    qv__buffer_free(&writer->globals);
    qv__schema_unref(writer->schema);
    qv__type_unref(writer->batch_type);
    qv__free(writer->ready);
    qv__free(writer);
}

static qv_status check_batch(const qv__file_writer *w, const qv__array *batch, qv_error *err)
{
    char type[256];
    if (w->broken)
        return qv__fail(err, QV_INVALID, "the file writer failed earlier");
    if (!qv__type_equal(batch->type, w->batch_type))
        return qv__fail(err, QV_SCHEMA, "a batch of type %s does not fit the file's schema",
                        qv__type_print(batch->type, type, sizeof type));
    if (batch->null_count)
        return qv__fail(err, QV_INVALID, "a batch has %lld null rows", (long long) batch->null_count);
    return QV_OK;
}

qv_status qv__file_writer_write(qv__file_writer *writer, const qv__array *batch, qv_error *err)
{
    qv_status st = QV_OK;
    QV_TRY(check_batch(writer, batch, err));
    if (batch->length == 0)
        return QV_OK;
    for (size_t i = 0; i < writer->columns.n; i++) /* only now: the last batch of a file is not worth a copy */
        QV_CHECK(qv__column_detach(&writer->columns.items[i], writer->batch_bytes, err));
    writer->batch_bytes = 0;
    for (size_t i = 0; i < writer->columns.n; i++) {
        qv__column_writer *column = &writer->columns.items[i];
        size_t before = column->pending_bytes;
        QV_CHECK(qv__column_push(column, batch->children[column->top], batch->offset, batch->length, err));
        writer->batch_bytes += column->pending_bytes - before;
    }
    writer->rows += (uint64_t) batch->length;
    QV_CHECK(pump(writer, false, err));
done:
    writer->broken |= st != QV_OK;
    return st;
}

qv_status qv__file_writer_cut(qv__file_writer *writer, qv_error *err)
{
    if (writer->broken)
        return qv__fail(err, QV_INVALID, "the file writer failed earlier");
    qv_status st = pump(writer, true, err);
    writer->broken |= st != QV_OK;
    return st;
}

/* ------------------------------------------------------------------ pages of other files */

static bool same_ids(const qv__field *a, const qv__field *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].id != b[i].id || !same_ids(a[i].type->children, b[i].type->children, a[i].type->n_children))
            return false;
    return true;
}

static bool pages_fit(const qv__file *from)
{
    qv__stored_page page;

    for (uint32_t c = 0; c < qv__file_n_columns(from); c++)
        for (size_t i = 0; i < qv__file_n_pages(from, c); i++) {
            qv__file_page(from, c, i, &page);
            if (page.n_buffers > QV__PAGE_BUFFERS)
                return false;
        }
    return true;
}

bool qv__file_writer_can_copy(const qv__file_writer *writer, const qv__file *from, const qv__column_map *map)
{
    const qv__columns *columns = &writer->columns;
    const qv__schema *schema = qv__file_schema(from);
    qv__file_version version = qv__file_version_of(from);

    if (version.minor == 0 || version.major != writer->version.major || version.minor != writer->version.minor ||
        qv__file_n_columns(from) != columns->n || map->n != columns->n_fields ||
        !qv__type_equal(schema->type, writer->batch_type) ||
        !same_ids(schema->fields, writer->schema->fields, schema->n_fields))
        return false;
    for (size_t i = 0; i < map->n; i++)
        if (map->field_ids[i] != columns->field_ids[i] || map->columns[i] != columns->column_of[i])
            return false;
    for (size_t i = 0; i < columns->n; i++)
        if (columns->items[i].blob != QV__NO_BLOB)
            return false; /* their bytes lie outside of pages */
    return pages_fit(from);
}

static qv_status copy_page(qv__file_writer *w, qv__column_writer *column, qv__file *from, const qv__stored_page *stored,
                           qv_error *err)
{
    qv__page page = { .length = stored->length,
                      .priority = w->rows + stored->first_row,
                      .encoding = (uint8_t *) (uintptr_t) stored->encoding.data,
                      .encoding_len = stored->encoding.len,
                      .n_buffers = stored->n_buffers };
    uint64_t offsets[QV__PAGE_BUFFERS], sizes[QV__PAGE_BUFFERS];

    for (size_t b = 0; b < stored->n_buffers; b++) {
        qv__bytes bytes;
        QV_TRY(pad_upload(w->upload, err));
        QV_TRY(qv__file_bytes(from, &stored->buffers[b], &bytes, err));
        offsets[b] = qv__upload_size(w->upload);
        sizes[b] = bytes.len;
        qv_status st = qv__upload_write(w->upload, bytes.data, bytes.len, err);
        qv__bytes_unref(&bytes);
        QV_TRY(st);
    }
    return append_page(column, &page, offsets, sizes, err);
}

qv_status qv__file_writer_copy(qv__file_writer *writer, qv__file *from, qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stored_page page;

    if (writer->broken)
        return qv__fail(err, QV_INVALID, "the file writer failed earlier");
    QV_CHECK(pump(writer, true, err));
    for (uint32_t c = 0; c < writer->columns.n; c++) {
        qv__column_writer *column = &writer->columns.items[c];
        for (size_t i = 0; i < qv__file_n_pages(from, c); i++) {
            qv__file_page(from, c, i, &page);
            QV_CHECK(copy_page(writer, column, from, &page, err));
            QV_CHECK(qv__job_tick(job, 0, 0, err));
        }
        column->rows_done += qv__file_rows(from);
    }
    writer->rows += qv__file_rows(from);
    QV_CHECK(qv__job_tick(job, qv__file_rows(from), 0, err));
done:
    writer->broken |= st != QV_OK;
    return st;
}

qv_status qv__file_writer_add_buffer(qv__file_writer *writer, const void *bytes, size_t len, uint32_t *number,
                                     qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t entry[2];
    if (writer->broken)
        return qv__fail(err, QV_INVALID, "the file writer failed earlier");
    QV_CHECK(pad_upload(writer->upload, err));
    entry[0] = qv__upload_size(writer->upload);
    entry[1] = len;
    QV_CHECK(qv__upload_write(writer->upload, bytes, len, err));
    QV_CHECK(qv__buffer_append(&writer->globals, entry, sizeof entry, err));
    *number = (uint32_t) (writer->globals.len / sizeof entry);
done:
    writer->broken |= st != QV_OK;
    return st;
}

qv_status qv__file_writer_set_metadata(qv__file_writer *writer, const char *key, const char *value, qv_error *err)
{
    return qv__metadata_set(&writer->schema->metadata, key, value, strlen(value), err);
}

/* ------------------------------------------------------------------ the end of the file */

/* Global buffer 0: the schema and the number of rows. */
static qv_status put_descriptor(qv__file_writer *w, uint64_t *offset, uint64_t *size, qv_error *err)
{
    qv_status st = QV_OK;
    qv__lance_fields fields = { 0 };
    Lance__File__FileDescriptor descriptor = LANCE__FILE__FILE_DESCRIPTOR__INIT;
    Lance__File__Schema schema = LANCE__FILE__SCHEMA__INIT;
    struct qv__page_buffer buffer = { .n_pieces = 0 };
    size_t n = w->schema->metadata.n;
    Lance__File__MetadataEntry *entries = NULL, **pointers = NULL;
    qv__buffer_init(&buffer.bytes, SIZE_MAX);
    QV_CHECK(qv__schema_to_lance(w->schema, &fields, err));
    QV_CHECK(QV_NEW(&entries, n, err));
    QV_CHECK(QV_NEW(&pointers, n, err));
    for (size_t i = 0; i < n; i++) {
        lance__file__metadata_entry__init(&entries[i]);
        entries[i].key = w->schema->metadata.pairs[i].key;
        entries[i].has_value = true;
        entries[i].value.data = (uint8_t *) w->schema->metadata.pairs[i].value;
        entries[i].value.len = w->schema->metadata.pairs[i].value_len;
        pointers[i] = &entries[i];
    }
    schema.n_fields = fields.n;
    schema.fields = fields.fields;
    schema.n_metadata = n;
    schema.metadata = pointers;
    descriptor.schema = &schema;
    descriptor.has_length = true;
    descriptor.length = w->rows;
    QV_CHECK(append_message(&descriptor.base, &buffer.bytes, err));
    QV_CHECK(put_buffer(w, &buffer, offset, size, err));
done:
    qv__lance_fields_clear(&fields);
    qv__free(entries);
    qv__free(pointers);
    qv__buffer_free(&buffer.bytes);
    return st;
}

/* Column metadata, its table, the table of global buffers, and the footer. */
static qv_status put_tail(qv__file_writer *w, uint64_t descriptor_at, uint64_t descriptor_size, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer tail;
    uint64_t entry[2], starts[3];
    uint8_t footer[FOOTER_BYTES] = { 0 };
    qv__buffer_init(&tail, SIZE_MAX);
    starts[0] = qv__upload_size(w->upload);
    for (size_t i = 0; i < w->columns.n; i++) {
        const qv__buffer *metadata = &w->columns.items[i].metadata;
        entry[0] = qv__upload_size(w->upload);
        entry[1] = metadata->len;
        QV_CHECK(qv__upload_write(w->upload, metadata->data, metadata->len, err));
        QV_CHECK(qv__buffer_append(&tail, entry, sizeof entry, err));
    }
    starts[1] = qv__upload_size(w->upload);
    starts[2] = starts[1] + tail.len;
    entry[0] = descriptor_at;
    entry[1] = descriptor_size;
    QV_CHECK(qv__buffer_append(&tail, entry, sizeof entry, err));
    QV_CHECK(qv__buffer_append(&tail, w->globals.data, w->globals.len, err));
    memcpy(footer, starts, sizeof starts);
    qv__store_u32(footer + 24, 1 + (uint32_t) (w->globals.len / sizeof entry));
    qv__store_u32(footer + 28, (uint32_t) w->columns.n);
    qv__store_u16(footer + 32, w->version.minor == 0 ? 0 : w->version.major); /* 2.0 says (0, 3) */
    qv__store_u16(footer + 34, w->version.minor == 0 ? 3 : w->version.minor);
    memcpy(footer + 36, "LANC", 4);
    QV_CHECK(qv__buffer_append(&tail, footer, sizeof footer, err));
    QV_CHECK(qv__upload_write(w->upload, tail.data, tail.len, err));
done:
    qv__buffer_free(&tail);
    return st;
}

void qv__file_summary_clear(qv__file_summary *summary)
{
    qv__free(summary->field_ids);
    qv__free(summary->columns);
    *summary = (qv__file_summary){ 0 };
}

static qv_status summarize(const qv__file_writer *w, qv__file_summary *out, qv_error *err)
{
    size_t n = w->columns.n_fields;
    out->rows = w->rows;
    out->size_bytes = qv__upload_size(w->upload);
    out->version = w->version;
    out->n = n;
    QV_TRY(QV_NEW(&out->field_ids, n, err));
    QV_TRY(QV_NEW(&out->columns, n, err));
    if (n) {
        memcpy(out->field_ids, w->columns.field_ids, n * sizeof *out->field_ids);
        memcpy(out->columns, w->columns.column_of, n * sizeof *out->columns);
    }
    return QV_OK;
}

uint64_t qv__file_writer_size(const qv__file_writer *writer) { return qv__upload_size(writer->upload); }

qv_status qv__file_writer_finish(qv__file_writer *writer, qv__file_summary *summary, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t descriptor_at, descriptor_size;
    qv__file_summary result = { 0 };
    if (writer->broken)
        return qv__fail(err, QV_INVALID, "the file writer failed earlier");
    QV_CHECK(pump(writer, true, err));
    QV_CHECK(put_structs(writer, err));
    QV_CHECK(qv__blob_sink_finish(&writer->blobs, err));
    QV_CHECK(put_descriptor(writer, &descriptor_at, &descriptor_size, err));
    QV_CHECK(put_tail(writer, descriptor_at, descriptor_size, err));
    QV_CHECK(summarize(writer, &result, err));
    qv__upload *upload = writer->upload;
    writer->upload = NULL;
    QV_CHECK(qv__upload_commit(upload, QV_PUT_REPLACE, err));
    writer->blobs.finished = true;
    if (summary) {
        *summary = result;
        result = (qv__file_summary){ 0 };
    }
done:
    writer->broken = true; /* finished, or failed */
    qv__file_summary_clear(&result);
    return st;
}

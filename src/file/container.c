/* The container: footer, offset tables, descriptor, column metadata. All of it is read once, at open; every position and size
 * that is kept afterwards lies inside the file. What the pages' encodings say is looked at when a column is opened, so that
 * one column of an unknown encoding does not lock the others away. */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "file/file_private.h"
#include "file/lance_schema.h"
#include "file/message.h"

#define FOOTER_BYTES 40
#define ENTRY_BYTES  16
#define TAIL_GUESS   65536
#define BUFFER_ALIGN 64

typedef struct footer {
    uint64_t columns_at, column_table_at, global_table_at;
    uint32_t n_global, n_columns;
    uint16_t major, minor;
} footer;

/* ------------------------------------------------------------------ footer */

static qv_status known_version(const footer *f, qv__file_version *out, qv_error *err)
{
    unsigned pair = (unsigned) f->major << 16 | f->minor;

    switch (pair) {
    case 0x00000003:
    case 0x00020000:
        *out = (qv__file_version){ 2, 0 };
        return QV_OK;
    case 0x00020001:
    case 0x00020002:
        *out = (qv__file_version){ f->major, f->minor };
        return QV_OK;
    case 0x00000000:
    case 0x00000001:
    case 0x00000002:
        return qv__fail(err, QV_UNSUPPORTED,
                        "data file version 0.1 (footer %u.%u) is not supported; rewrite the table with a newer writer",
                        f->major, f->minor);
    default:
        return qv__fail(err, QV_UNSUPPORTED, "data file version %u.%u is not supported; known are 2.0, 2.1 and 2.2",
                        f->major, f->minor);
    }
}

static qv_status parse_footer(const uint8_t *bytes, uint64_t file_size, footer *f, qv__file_version *version,
                              qv_error *err)
{
    uint64_t column_table, global_table, end;

    if (memcmp(bytes + 36, "LANC", 4) != 0)
        return qv__fail(err, QV_CORRUPT, "not a Lance file: it does not end in LANC");
    *f = (footer){ qv__load_u64(bytes),      qv__load_u64(bytes + 8),  qv__load_u64(bytes + 16),
                   qv__load_u32(bytes + 24), qv__load_u32(bytes + 28), qv__load_u16(bytes + 32),
                   qv__load_u16(bytes + 34) };
    QV_TRY(known_version(f, version, err));
    column_table = (uint64_t) f->n_columns * ENTRY_BYTES;
    global_table = (uint64_t) f->n_global * ENTRY_BYTES;
    end = file_size - FOOTER_BYTES;
    if (f->columns_at > f->column_table_at || !qv__inside(f->column_table_at, column_table, end) ||
        f->column_table_at + column_table > f->global_table_at || !qv__inside(f->global_table_at, global_table, end))
        return qv__fail(err, QV_CORRUPT,
                        "footer: tables at %" PRIu64 ", %" PRIu64 ", %" PRIu64 " for %" PRIu32
                        " columns do not fit a file of %" PRIu64 " bytes",
                        f->columns_at, f->column_table_at, f->global_table_at, f->n_columns, file_size);
    if (f->n_global == 0)
        return qv__fail(err, QV_CORRUPT, "footer: no global buffer, hence no schema");
    return QV_OK;
}

/* Reads the end of the file, more of it when the metadata begins earlier. */
static qv_status read_tail(qv__file *file, footer *f, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t size = qv__object_size(file->object);
    qv__bytes tail = { 0 };

    if (size < FOOTER_BYTES)
        return qv__fail(err, QV_CORRUPT, "not a Lance file: %" PRIu64 " bytes", size);
    uint64_t at = size > TAIL_GUESS ? size - TAIL_GUESS : 0;
    QV_CHECK(qv__object_read(file->object, at, size - at, &tail, err));
    QV_CHECK(parse_footer(tail.data + (size - at) - FOOTER_BYTES, size, f, &file->version, err));
    file->metadata_at = f->columns_at;
    if (f->columns_at < at) {
        QV_CHECK(qv__object_read(file->object, f->columns_at, size - f->columns_at, &file->tail, err));
    } else {
        file->tail = qv__bytes_slice(tail, (size_t) (f->columns_at - at), (size_t) (size - f->columns_at));
    }
done:
    qv__bytes_unref(&tail);
    return st;
}

/* ------------------------------------------------------------------ buffers of pages */

/* Empty ranges have a pointer too: readers may add 0 to it. */
static qv_status read_range(qv__file *file, uint64_t at, uint64_t len, qv__bytes *out, qv_error *err)
{
    QV_TRY(qv__object_read(file->object, at, len, out, err));
    if (!out->data)
        out->data = qv__zero_bytes;
    return QV_OK;
}

qv_status qv__page_buffer_part(qv__file *file, const qv__page *page, size_t i, uint64_t at, uint64_t len,
                               qv__bytes *out, qv_error *err)
{
    if (i >= page->n_buffers)
        return qv__fail(err, QV_CORRUPT, "page has %zu buffers, buffer %zu is needed", page->n_buffers, i);
    if (!qv__inside(at, len, page->buffers[i].len))
        return qv__fail(err, QV_CORRUPT, "page buffer %zu has %" PRIu64 " bytes, [%" PRIu64 ", +%" PRIu64 ") is needed",
                        i, page->buffers[i].len, at, len);
    return read_range(file, page->buffers[i].at + at, len, out, err);
}

qv_status qv__page_buffer(qv__file *file, const qv__page *page, size_t i, qv__bytes *out, qv_error *err)
{
    if (i >= page->n_buffers)
        return qv__fail(err, QV_CORRUPT, "page has %zu buffers, buffer %zu is needed", page->n_buffers, i);
    return read_range(file, page->buffers[i].at, page->buffers[i].len, out, err);
}

size_t qv__column_meta_page(const qv__column_meta *column, uint64_t row)
{
    size_t lo = 0, hi = column->n_pages;

    while (lo + 1 < hi) { /* the last page that begins at or before row; empty pages before it do not count */
        size_t mid = lo + (hi - lo) / 2;
        if (column->pages[mid].first_row <= row)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* ------------------------------------------------------------------ column metadata */

static qv_status check_range(const qv__file *file, uint64_t at, uint64_t len, const char *what, qv_error *err)
{
    if (!qv__inside(at, len, file->metadata_at))
        return qv__fail(err, QV_CORRUPT,
                        "%s [%" PRIu64 ", +%" PRIu64 ") lies outside the data area of %" PRIu64 " bytes", what, at, len,
                        file->metadata_at);
    if (!qv__file_is_20(file) && at % BUFFER_ALIGN != 0)
        return qv__fail(err, QV_CORRUPT, "%s at %" PRIu64 " is not 64-byte aligned", what, at);
    return QV_OK;
}

/* Encoding -> the bytes of its message. Only `direct` is written by anyone. */
static qv_status direct_encoding(qv__file *file, const Lance__File__Encoding *encoding, const char *expected_type,
                                 ProtobufCBinaryData *out, qv_error *err)
{
    ProtobufCMessage *message = NULL;

    if (!encoding)
        return qv__fail(err, QV_CORRUPT, "encoding is missing");
    if (encoding->has_indirect)
        return qv__fail(err, QV_UNSUPPORTED, "indirect encodings are not supported");
    if (encoding->has_none)
        return qv__fail(err, QV_UNSUPPORTED, "\"none\" encodings are not supported");
    if (!encoding->direct || !encoding->direct->has_encoding)
        return qv__fail(err, QV_CORRUPT, "encoding is empty");
    ProtobufCBinaryData bytes = encoding->direct->encoding;
    QV_TRY(qv__message_unpack(&lance__file__any__descriptor, bytes.data, bytes.len, &file->arena, &message, err));
    const Lance__File__Any *any = (const Lance__File__Any *) message;
    if (!any->type_url || strcmp(any->type_url, expected_type) != 0)
        return qv__fail(err, QV_UNSUPPORTED, "encoding type \"%.100s\", expected \"%s\"",
                        any->type_url ? any->type_url : "", expected_type);
    *out = any->value;
    return QV_OK;
}

static qv_status parse_page(qv__file *file, const Lance__File__Page *message, uint64_t first_row, qv__page *page,
                            qv_error *err)
{
    ProtobufCBinaryData encoding = { 0 };

    if (message->n_buffer_offsets != message->n_buffer_sizes)
        return qv__fail(err, QV_CORRUPT, "%zu buffer offsets, %zu sizes", message->n_buffer_offsets,
                        message->n_buffer_sizes);
    page->buffers = qv__arena_alloc(&file->arena, message->n_buffer_sizes + 1, sizeof *page->buffers);
    if (!page->buffers)
        return qv__fail_nomem(err, message->n_buffer_sizes * sizeof *page->buffers);
    for (size_t i = 0; i < message->n_buffer_sizes; i++) {
        page->buffers[i] = (qv__range){ message->buffer_offsets[i], message->buffer_sizes[i] };
        QV_TRY(check_range(file, page->buffers[i].at, page->buffers[i].len, "page buffer", err));
    }
    page->n_buffers = message->n_buffer_sizes;
    page->first_row = first_row;
    page->length = message->length;
    QV_TRY(direct_encoding(file, message->encoding,
                           qv__file_is_20(file) ? "/lance.encodings.ArrayEncoding" : "/lance.encodings21.PageLayout",
                           &encoding, err));
    page->encoding = (qv__bytes){ encoding.data, encoding.len, NULL };
    return QV_OK;
}

static qv_status parse_column_encoding(qv__file *file, const Lance__File__ColumnMetadata *message,
                                       qv__column_meta *column, qv_error *err)
{
    ProtobufCBinaryData bytes = { 0 };
    ProtobufCMessage *unpacked = NULL;

    QV_TRY(direct_encoding(file, message->encoding, "/lance.encodings.ColumnEncoding", &bytes, err));
    QV_TRY(qv__message_unpack(&lance__file__column_encoding__descriptor, bytes.data, bytes.len, &file->arena, &unpacked,
                              err));
    const Lance__File__ColumnEncoding *encoding = (const Lance__File__ColumnEncoding *) unpacked;
    if (encoding->has_zone_index)
        return qv__fail(err, QV_UNSUPPORTED, "zone_index columns are not supported");
    if (!encoding->values && !encoding->blob)
        return qv__fail(err, QV_UNSUPPORTED, "the column encoding is not known");
    column->is_blob = encoding->blob != NULL;
    return QV_OK;
}

static qv_status parse_column(qv__file *file, const uint8_t *bytes, size_t len, qv__column_meta *column, qv_error *err)
{
    ProtobufCMessage *unpacked = NULL;

    QV_TRY(qv__message_unpack(&lance__file__column_metadata__descriptor, bytes, len, &file->arena, &unpacked, err));
    const Lance__File__ColumnMetadata *message = (const Lance__File__ColumnMetadata *) unpacked;
    QV_TRY(parse_column_encoding(file, message, column, err));
    column->pages = qv__arena_alloc(&file->arena, message->n_pages + 1, sizeof *column->pages);
    if (!column->pages)
        return qv__fail_nomem(err, message->n_pages * sizeof *column->pages);
    for (size_t i = 0; i < message->n_pages; i++) {
        qv_status st = parse_page(file, message->pages[i], column->length, &column->pages[i], err);
        if (st != QV_OK)
            return qv__fail_in(err, st, "page %zu", i);
        if (!qv__add_u64(column->length, column->pages[i].length, &column->length) || column->length > INT64_MAX)
            return qv__fail(err, QV_CORRUPT, "the pages' lengths overflow");
        column->n_pages = i + 1;
    }
    return QV_OK;
}

static qv_status parse_columns(qv__file *file, const footer *f, qv_error *err)
{
    const uint8_t *table = file->tail.data + (f->column_table_at - f->columns_at);

    file->columns = qv__arena_alloc(&file->arena, (size_t) f->n_columns + 1, sizeof *file->columns);
    if (!file->columns)
        return qv__fail_nomem(err, f->n_columns * sizeof *file->columns);
    for (uint32_t i = 0; i < f->n_columns; i++) {
        uint64_t at = qv__load_u64(table + (size_t) i * ENTRY_BYTES),
                 len = qv__load_u64(table + (size_t) i * ENTRY_BYTES + 8);
        if (at < f->columns_at || !qv__inside(at, len, f->column_table_at))
            return qv__fail(err, QV_CORRUPT,
                            "column %" PRIu32 ": metadata [%" PRIu64 ", +%" PRIu64 ") lies outside its area", i, at,
                            len);
        qv_status st = parse_column(file, file->tail.data + (at - f->columns_at), (size_t) len, &file->columns[i], err);
        if (st != QV_OK)
            return qv__fail_in(err, st, "column %" PRIu32, i);
    }
    file->n_columns = f->n_columns;
    return QV_OK;
}

/* ------------------------------------------------------------------ global buffers */

static qv_status parse_global_table(qv__file *file, const footer *f, qv_error *err)
{
    const uint8_t *table = file->tail.data + (f->global_table_at - f->columns_at);

    file->global_buffers = qv__arena_alloc(&file->arena, f->n_global, sizeof *file->global_buffers);
    if (!file->global_buffers)
        return qv__fail_nomem(err, f->n_global * sizeof *file->global_buffers);
    for (uint32_t i = 0; i < f->n_global; i++) {
        qv__range range = { qv__load_u64(table + (size_t) i * ENTRY_BYTES),
                            qv__load_u64(table + (size_t) i * ENTRY_BYTES + 8) };
        QV_TRY(check_range(file, range.at, range.len, "global buffer", err));
        file->global_buffers[i] = range;
    }
    file->n_global_buffers = f->n_global;
    return QV_OK;
}

static qv_status schema_metadata(const Lance__File__Schema *schema, qv__metadata *out, qv_error *err)
{
    for (size_t i = 0; i < schema->n_metadata; i++) {
        const Lance__File__MetadataEntry *entry = schema->metadata[i];
        QV_TRY(qv__metadata_set(out, entry->key ? entry->key : "", (const char *) entry->value.data, entry->value.len,
                                err));
    }
    return QV_OK;
}

static qv_status parse_descriptor(qv__file *file, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes bytes = { 0 };
    qv__arena arena;
    qv__metadata metadata = { 0 };
    ProtobufCMessage *unpacked = NULL;

    qv__arena_init(&arena, qv__message_limit((size_t) file->global_buffers[0].len));
    QV_CHECK(qv__object_read(file->object, file->global_buffers[0].at, file->global_buffers[0].len, &bytes, err));
    QV_CHECK(
        qv__message_unpack(&lance__file__file_descriptor__descriptor, bytes.data, bytes.len, &arena, &unpacked, err));
    const Lance__File__FileDescriptor *descriptor = (const Lance__File__FileDescriptor *) unpacked;
    if (!descriptor->schema)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "the file descriptor has no schema"));
    if (descriptor->length > INT64_MAX)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "the file descriptor claims %" PRIu64 " rows", descriptor->length));
    file->rows = descriptor->length;
    QV_CHECK(schema_metadata(descriptor->schema, &metadata, err));
    QV_CHECK(
        qv__schema_from_lance(descriptor->schema->fields, descriptor->schema->n_fields, &metadata, &file->schema, err));
done:
    qv__metadata_clear(&metadata);
    qv__arena_reset(&arena);
    qv__bytes_unref(&bytes);
    return st;
}

/* ------------------------------------------------------------------ the file */

static void file_destroy(qv__file *file)
{
    qv__schema_unref(file->schema);
    qv__bytes_unref(&file->tail);
    qv__arena_reset(&file->arena);
    qv__object_unref(file->object);
    qv__store_unref(file->store);
    qv__free(file->name);
    qv__free(file);
}

static qv_status parse_file(qv__file *file, qv_error *err)
{
    footer f = { 0 };

    QV_TRY(read_tail(file, &f, err));
    file->arena.limit_bytes = qv__message_limit(file->tail.len);
    QV_TRY(parse_global_table(file, &f, err));
    QV_TRY(parse_descriptor(file, err));
    return parse_columns(file, &f, err);
}

qv_status qv__file_open(qv__store *store, const char *name, qv__file **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file *file = NULL;

    QV_TRY(QV_NEW(&file, 1, err));
    atomic_init(&file->refs, 1);
    qv__arena_init(&file->arena, 0);
    file->store = qv__store_ref(store);
    file->name = qv__strdup(name);
    if (!file->name)
        QV_CHECK(qv__fail_nomem(err, strlen(name)));
    QV_CHECK(qv__object_open(store, name, &file->object, err));
    st = parse_file(file, err);
    if (st != QV_OK) {
        qv__fail_in(err, st, "data file %s", name);
        goto done;
    }
    *out = file;
    file = NULL;
done:
    if (file)
        file_destroy(file);
    return st;
}

qv__file *qv__file_ref(qv__file *file)
{
    atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
    return file;
}

void qv__file_unref(qv__file *file)
{
    if (file && atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1)
        file_destroy(file);
}

uint64_t qv__file_rows(const qv__file *file) { return file->rows; }
qv__file_version qv__file_version_of(const qv__file *file) { return file->version; }
const qv__schema *qv__file_schema(const qv__file *file) { return file->schema; }
uint32_t qv__file_n_columns(const qv__file *file) { return file->n_columns; }

qv_status qv__file_global_buffer(qv__file *file, uint64_t number, qv__bytes *out, qv_error *err)
{
    if (number >= file->n_global_buffers)
        return qv__fail(err, QV_CORRUPT, "%s has %zu global buffers, number %" PRIu64 " is needed", file->name,
                        file->n_global_buffers, number);
    return read_range(file, file->global_buffers[number].at, file->global_buffers[number].len, out, err);
}

#include "qvt_lance.h"

static qv_error err;

static uint8_t *packed(const ProtobufCMessage *message, size_t *len)
{
    *len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(*len + 1);
    protobuf_c_message_pack(message, bytes);
    return bytes;
}

static void align(qvt_lance *file)
{
    while (file->bytes.len % 64)
        QVT_OK(qv__buffer_append(&file->bytes, "H", 1, &err));
}

qvt_lance *qvt_lance_new(unsigned minor)
{
    qvt_lance *file = calloc(1, sizeof *file);

    file->minor = minor;
    qv__buffer_init(&file->bytes, 1 << 26);
    return file;
}

void qvt_lance_field(qvt_lance *file, const char *name, const char *logical, int32_t id, int32_t parent)
{
    Lance__File__Field *field = &file->fields[file->n_fields++];

    lance__file__field__init(field);
    field->name = (char *) (uintptr_t) name;
    field->logical_type = (char *) (uintptr_t) logical;
    field->has_id = field->has_parent_id = field->has_nullable = field->nullable = true;
    field->id = id;
    field->parent_id = parent;
}

void qvt_lance_column(qvt_lance *file) { file->n_columns++; }

/* Any{type_url, message}. */
static void set_direct(Lance__File__DirectEncoding *direct, const char *url, const uint8_t *bytes, size_t len)
{
    Lance__File__Any any = LANCE__FILE__ANY__INIT;

    any.type_url = (char *) (uintptr_t) url;
    any.has_value = true;
    any.value = (ProtobufCBinaryData){ len, (uint8_t *) (uintptr_t) bytes };
    lance__file__direct_encoding__init(direct);
    direct->has_encoding = true;
    direct->encoding.data = packed(&any.base, &direct->encoding.len);
}

void qvt_lance_page(qvt_lance *file, uint64_t length, const ProtobufCMessage *encoding, const qvt_bytes *buffers)
{
    struct qvt_lance_column *column = &file->columns[file->n_columns - 1];
    size_t i = column->n_pages++, len, n = 0;
    uint8_t *bytes = packed(encoding, &len);

    set_direct(&column->direct[i],
               file->minor == 0 ? "/lance.encodings.ArrayEncoding" : "/lance.encodings21.PageLayout", bytes, len);
    free(bytes);
    lance__file__encoding__init(&column->encodings[i]);
    column->encodings[i].direct = &column->direct[i];
    for (; buffers && buffers[n].data; n++) {
        align(file);
        column->offsets[i][n] = file->bytes.len;
        column->sizes[i][n] = buffers[n].len;
        QVT_OK(qv__buffer_append(&file->bytes, buffers[n].data, buffers[n].len, &err));
    }
    align(file);
    Lance__File__Page *page = &column->pages[i];
    lance__file__page__init(page);
    page->has_length = true;
    page->length = length;
    page->encoding = &column->encodings[i];
    page->n_buffer_offsets = page->n_buffer_sizes = n;
    page->buffer_offsets = column->offsets[i];
    page->buffer_sizes = column->sizes[i];
}

static void put_u64(qvt_lance *file, uint64_t value) { QVT_OK(qv__buffer_append(&file->bytes, &value, 8, &err)); }

static void put_column(qvt_lance *file, struct qvt_lance_column *column, uint64_t *at, uint64_t *size)
{
    Lance__File__ColumnMetadata metadata = LANCE__FILE__COLUMN_METADATA__INIT;
    Lance__File__Encoding encoding = LANCE__FILE__ENCODING__INIT;
    Lance__File__DirectEncoding direct;
    Lance__File__Page *pages[QVT_LANCE_MOST];
    static const uint8_t values[] = { 0x0a, 0x00 };
    size_t len;

    set_direct(&direct, "/lance.encodings.ColumnEncoding", values, sizeof values);
    encoding.direct = &direct;
    metadata.encoding = &encoding;
    metadata.n_pages = column->n_pages;
    metadata.pages = pages;
    for (size_t i = 0; i < column->n_pages; i++)
        pages[i] = &column->pages[i];
    uint8_t *bytes = packed(&metadata.base, &len);
    *at = file->bytes.len;
    *size = len;
    QVT_OK(qv__buffer_append(&file->bytes, bytes, len, &err));
    free(bytes);
    free(direct.encoding.data);
    for (size_t i = 0; i < column->n_pages; i++)
        free(column->direct[i].encoding.data);
}

void qvt_lance_finish(qvt_lance *file, uint64_t rows, qv__store *store, const char *name)
{
    Lance__File__FileDescriptor descriptor = LANCE__FILE__FILE_DESCRIPTOR__INIT;
    Lance__File__Schema schema = LANCE__FILE__SCHEMA__INIT;
    Lance__File__Field *fields[QVT_LANCE_MOST];
    uint64_t at[QVT_LANCE_MOST], size[QVT_LANCE_MOST], global_at = file->bytes.len, columns_at, table_at,
                                                       global_table_at;
    size_t len;

    descriptor.schema = &schema;
    descriptor.has_length = true;
    descriptor.length = rows;
    schema.n_fields = file->n_fields;
    schema.fields = fields;
    for (size_t i = 0; i < file->n_fields; i++)
        fields[i] = &file->fields[i];
    uint8_t *bytes = packed(&descriptor.base, &len);
    QVT_OK(qv__buffer_append(&file->bytes, bytes, len, &err));
    free(bytes);
    columns_at = file->bytes.len;
    for (size_t i = 0; i < file->n_columns; i++)
        put_column(file, &file->columns[i], &at[i], &size[i]);
    table_at = file->bytes.len;
    for (size_t i = 0; i < file->n_columns; i++) {
        put_u64(file, at[i]);
        put_u64(file, size[i]);
    }
    global_table_at = file->bytes.len;
    put_u64(file, global_at);
    put_u64(file, len);
    put_u64(file, columns_at);
    put_u64(file, table_at);
    put_u64(file, global_table_at);
    put_u64(file, (uint64_t) file->n_columns << 32 | 1);
    uint16_t version[2] = { file->minor == 0 ? 0 : 2, file->minor == 0 ? 3 : (uint16_t) file->minor };
    QVT_OK(qv__buffer_append(&file->bytes, version, 4, &err));
    QVT_OK(qv__buffer_append(&file->bytes, "LANC", 4, &err));
    QVT_OK(qv__store_put(store, name, file->bytes.data, file->bytes.len, QV_PUT_REPLACE, &err));
    qv__buffer_free(&file->bytes);
    free(file);
}

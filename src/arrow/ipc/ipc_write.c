/* Writing files and streams. Batches are normalized, their dictionaries written before them, and their buffers handed to the
 * sink from where they lie; only compressed ones are copied. */
#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc_write.h"

static const uint8_t zeros[8];
static const uint8_t magic[8] = { 'A', 'R', 'R', 'O', 'W', '1', 0, 0 };

typedef struct piece {
    const uint8_t *data; /* NULL: compressed, at `at` of body.packed */
    size_t at, len;
} piece;

/* What a batch consists of, collected before its metadata can be written. */
typedef struct body {
    qv__ipc_codec codec;
    qv__buffer nodes, packed;
    piece *pieces;
    size_t n_pieces, capacity;
} body;

static void body_clear(body *b)
{
    qv__buffer_free(&b->nodes);
    qv__buffer_free(&b->packed);
    qv__free(b->pieces);
}

static qv_status add_node(body *b, const qv__array *array, qv_error *err)
{
    uint8_t node[16];

    qv__store_u64(node, (uint64_t) array->length);
    qv__store_u64(node + 8, (uint64_t) array->null_count);
    return qv__buffer_append(&b->nodes, node, sizeof node, err);
}

static qv_status add_piece(body *b, const uint8_t *data, size_t len, qv_error *err)
{
    piece p = { data, 0, len };

    QV_TRY(QV_GROW(&b->pieces, &b->capacity, b->n_pieces + 1, err));
    if (len > 0 && b->codec != QV_IPC_PLAIN) {
        p = (piece){ NULL, b->packed.len, 0 };
        QV_TRY(qv__ipc_compress(data, len, b->codec, &b->packed, err));
        p.len = b->packed.len - p.at;
    }
    b->pieces[b->n_pieces++] = p;
    return QV_OK;
}

/* Bytes of buffer 1, exactly as many as the length asks for. */
static size_t value_bytes(const qv__type *type, int64_t length)
{
    size_t n = (size_t) length;

    switch (type->id) {
    case QV_TYPE_BOOL:
        return qv__bitmap_bytes(n);
    case QV_TYPE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LIST:
    case QV_TYPE_MAP:
        return 4 * (n + 1);
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_LARGE_BINARY:
    case QV_TYPE_LARGE_LIST:
        return 8 * (n + 1);
    case QV_TYPE_FIXED_BINARY:
        return n * (size_t) type->width;
    default:
        return n * ((size_t) qv__type_bits(type) / 8);
    }
}

static qv_status add_array(body *b, const qv__ipc_field *field, const qv__array *array, bool as_values, qv_error *err)
{
    const qv__type *type = as_values ? field->value_type : field->type;

    QV_TRY(add_node(b, array, err));
    if (type->id == QV_TYPE_NULL)
        return QV_OK;
    QV_TRY(add_piece(b, array->buffers[0].data, array->null_count ? qv__bitmap_bytes((size_t) array->length) : 0, err));
    switch (type->id) {
    case QV_TYPE_STRUCT:
    case QV_TYPE_FIXED_LIST:
        break;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        QV_TRY(add_piece(b, array->buffers[1].data, value_bytes(type, array->length), err));
        QV_TRY(add_piece(b, array->buffers[2].data, (size_t) qv__array_offset(array, array->length), err));
        break;
    default:
        QV_TRY(add_piece(b, array->buffers[1].data, value_bytes(type, array->length), err));
        break;
    }
    for (size_t k = 0; k < array->n_children; k++)
        QV_TRY(add_array(b, &field->children[k], array->children[k], false, err));
    return QV_OK;
}

/* ---- output */

static qv_status put(qv__ipc_writer *w, const void *bytes, size_t n, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    QV_TRY(w->sink(w->ctx, bytes, n, err));
    w->at += n;
    return QV_OK;
}

static qv_status put_padded(qv__ipc_writer *w, const void *bytes, size_t n, qv_error *err)
{
    QV_TRY(put(w, bytes, n, err));
    return put(w, zeros, (size_t) (qv__round_up(n, 8) - n), err);
}

/* The Message table; *header: the slot of the header's offset. */
static qv_status begin_message(qv__buffer *meta, int kind, uint64_t body_len, size_t *header, qv_error *err)
{
    size_t at = 0;
    qv__flat_slot slots[] = { { .field = MESSAGE_VERSION, .bytes = 2, .value = METADATA_V5 },
                              { .field = MESSAGE_HEADER_TYPE, .bytes = 1, .value = kind },
                              { .field = MESSAGE_HEADER, .bytes = 4 },
                              { .field = MESSAGE_BODY_LENGTH, .bytes = 8, .value = (int64_t) body_len } };

    QV_TRY(qv__flat_begin(meta, err));
    QV_TRY(qv__flat_put_table(meta, slots, 4, &at, err));
    qv__flat_link(meta, 0, at);
    *header = slots[2].at;
    return QV_OK;
}

/* Mark, length, metadata; *len: of all three. */
static qv_status put_metadata(qv__ipc_writer *w, const qv__buffer *meta, size_t *len, qv_error *err)
{
    uint8_t head[8];
    size_t padded = (size_t) qv__round_up(meta->len, 8);

    if (padded > INT32_MAX)
        return qv__fail(err, QV_LIMIT, "%zu bytes of Arrow metadata in one message", padded);
    qv__store_u32(head, UINT32_MAX);
    qv__store_u32(head + 4, (uint32_t) padded);
    QV_TRY(put(w, head, sizeof head, err));
    QV_TRY(put_padded(w, meta->data, meta->len, err));
    *len = padded + sizeof head;
    return QV_OK;
}

static qv_status put_schema(qv__ipc_writer *w, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer meta;
    size_t header = 0, at = 0, len;

    qv__buffer_init(&meta, INT32_MAX);
    QV_CHECK(begin_message(&meta, HEADER_SCHEMA, 0, &header, err));
    QV_CHECK(qv__ipc_put_schema(&meta, w->schema, w->fields, &at, err));
    qv__flat_link(&meta, header, at);
    QV_CHECK(put_metadata(w, &meta, &len, err));
done:
    qv__buffer_free(&meta);
    return st;
}

/* The RecordBatch table, linked to `slot`. */
static qv_status put_batch_table(qv__buffer *meta, const body *b, int64_t length, size_t slot, qv_error *err)
{
    size_t at = 0, items = 0;
    uint64_t offset = 0;
    qv__flat_slot slots[] = { { .field = BATCH_LENGTH, .bytes = 8, .value = length },
                              { .field = BATCH_NODES, .bytes = 4 },
                              { .field = BATCH_BUFFERS, .bytes = 4 },
                              { .field = BATCH_COMPRESSION, .bytes = 4 } };
    qv__flat_slot codec[] = { { .field = COMPRESSION_CODEC, .bytes = 1, .value = b->codec == QV_IPC_ZSTD },
                              { .field = COMPRESSION_METHOD, .bytes = 1 } };

    QV_TRY(qv__flat_put_table(meta, slots, b->codec == QV_IPC_PLAIN ? 3 : 4, &at, err));
    qv__flat_link(meta, slot, at);
    QV_TRY(qv__flat_put_vector(meta, b->nodes.len / 16, 16, 8, &at, &items, err));
    qv__flat_link(meta, slots[1].at, at);
    if (b->nodes.len)
        memcpy(meta->data + items, b->nodes.data, b->nodes.len);
    QV_TRY(qv__flat_put_vector(meta, b->n_pieces, 16, 8, &at, &items, err));
    qv__flat_link(meta, slots[2].at, at);
    for (size_t i = 0; i < b->n_pieces; i++) {
        qv__store_u64(meta->data + items + 16 * i, offset);
        qv__store_u64(meta->data + items + 16 * i + 8, b->pieces[i].len);
        offset += qv__round_up(b->pieces[i].len, 8);
    }
    if (b->codec == QV_IPC_PLAIN)
        return QV_OK;
    QV_TRY(qv__flat_put_table(meta, codec, 2, &at, err));
    qv__flat_link(meta, slots[3].at, at);
    return QV_OK;
}

static qv_status put_body(qv__ipc_writer *w, const body *b, qv_error *err)
{
    for (size_t i = 0; i < b->n_pieces; i++) {
        const piece *p = &b->pieces[i];

        if (p->len)
            QV_TRY(put_padded(w, p->data ? p->data : b->packed.data + p->at, p->len, err));
    }
    return QV_OK;
}

static qv_status add_block(qv__ipc_blocks *blocks, uint64_t at, size_t meta_len, uint64_t body_len, qv_error *err)
{
    QV_TRY(QV_GROW(&blocks->items, &blocks->capacity, blocks->n + 1, err));
    blocks->items[blocks->n++] = (qv__ipc_block){ at, meta_len, body_len };
    return QV_OK;
}

/* A record batch, or a dictionary batch when `dictionary` says which. */
static qv_status put_message(qv__ipc_writer *w, const body *b, int64_t length, const qv__ipc_field *dictionary,
                             bool is_delta, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer meta;
    uint64_t body_len = 0, start = w->at;
    size_t header = 0, at = 0, meta_len = 0;
    qv__flat_slot slots[] = { { .field = DICTIONARY_BATCH_ID, .bytes = 8 },
                              { .field = DICTIONARY_BATCH_DATA, .bytes = 4 },
                              { .field = DICTIONARY_BATCH_DELTA, .bytes = 1, .value = is_delta } };

    qv__buffer_init(&meta, INT32_MAX);
    for (size_t i = 0; i < b->n_pieces; i++)
        body_len += qv__round_up(b->pieces[i].len, 8);
    QV_CHECK(begin_message(&meta, dictionary ? HEADER_DICTIONARY_BATCH : HEADER_RECORD_BATCH, body_len, &header, err));
    if (dictionary) {
        slots[0].value = dictionary->dictionary_id;
        QV_CHECK(qv__flat_put_table(&meta, slots, 3, &at, err));
        qv__flat_link(&meta, header, at);
        header = slots[1].at;
    }
    QV_CHECK(put_batch_table(&meta, b, length, header, err));
    QV_CHECK(put_metadata(w, &meta, &meta_len, err));
    QV_CHECK(put_body(w, b, err));
    if (!w->as_stream)
        QV_CHECK(add_block(dictionary ? &w->dictionary_blocks : &w->batch_blocks, start, meta_len, body_len, err));
done:
    qv__buffer_free(&meta);
    return st;
}

static void body_init(body *b, qv__ipc_codec codec)
{
    *b = (body){ .codec = codec };
    qv__buffer_init(&b->nodes, SIZE_MAX / 2);
    qv__buffer_init(&b->packed, SIZE_MAX / 2);
}

qv_status qv__ipc_put_dictionary(qv__ipc_writer *w, const qv__ipc_field *field, const qv__array *values, bool is_delta,
                                 qv_error *err)
{
    qv_status st = QV_OK;
    body b;

    body_init(&b, w->codec);
    QV_CHECK(add_array(&b, field, values, true, err));
    QV_CHECK(put_message(w, &b, values->length, field, is_delta, err));
done:
    body_clear(&b);
    return st;
}

/* ---- the writer */

qv_status qv__ipc_writer_new(const qv__schema *schema, bool as_stream, qv__ipc_codec codec, qv__ipc_sink sink,
                             void *ctx, qv__ipc_writer **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__ipc_writer *w = NULL;
    int64_t n_dictionaries = 0;

    QV_TRY(QV_NEW(&w, 1, err));
    w->schema = qv__schema_ref(schema);
    w->as_stream = as_stream;
    w->codec = codec;
    w->sink = sink;
    w->ctx = ctx;
    QV_CHECK(qv__ipc_fields_of(schema->fields, schema->n_fields, &n_dictionaries, &w->fields, err));
    QV_CHECK(QV_NEW(&w->dictionaries, (size_t) n_dictionaries, err));
    w->n_dictionaries = (size_t) n_dictionaries;
    if (!as_stream)
        QV_CHECK(put(w, magic, sizeof magic, err));
    QV_CHECK(put_schema(w, err));
    *out = w;
    w = NULL;
done:
    qv__ipc_writer_free(w);
    return st;
}

qv_status qv__ipc_writer_batch(qv__ipc_writer *w, const qv__array *batch, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *normal = NULL, *column = NULL, **columns = NULL;
    size_t n = w->schema->n_fields;
    body b;

    if (!qv__type_equal(batch->type, w->schema->type) || batch->null_count)
        return qv__fail(err, QV_SCHEMA, "the batch does not have the schema that the Arrow writer was made for");
    body_init(&b, w->codec);
    QV_CHECK(qv__array_normalize(batch, &normal, err));
    QV_CHECK(QV_NEW(&columns, n, err));
    for (size_t i = 0; i < n; i++) { /* dictionaries come before the batch that needs them */
        QV_CHECK(qv__ipc_write_dictionaries(w, &w->fields[i], normal->children[i], &column, err));
        columns[i] = column;
    }
    for (size_t i = 0; i < n; i++)
        QV_CHECK(add_array(&b, &w->fields[i], columns[i], false, err));
    QV_CHECK(put_message(w, &b, normal->length, NULL, false, err));
done:
    body_clear(&b);
    for (size_t i = 0; columns && i < n; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    qv__array_unref(normal);
    return st;
}

static qv_status put_blocks(qv__buffer *meta, const qv__ipc_blocks *blocks, size_t slot, qv_error *err)
{
    size_t at = 0, items = 0;

    QV_TRY(qv__flat_put_vector(meta, blocks->n, 24, 8, &at, &items, err));
    qv__flat_link(meta, slot, at);
    for (size_t i = 0; i < blocks->n; i++) {
        uint8_t *block = meta->data + items + 24 * i;

        qv__store_u64(block, blocks->items[i].at);
        qv__store_u32(block + 8, (uint32_t) blocks->items[i].meta_len);
        qv__store_u64(block + 16, blocks->items[i].body_len);
    }
    return QV_OK;
}

static qv_status put_footer(qv__ipc_writer *w, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer meta;
    size_t at = 0;
    uint8_t tail[10];
    qv__flat_slot slots[] = { { .field = FOOTER_VERSION, .bytes = 2, .value = METADATA_V5 },
                              { .field = FOOTER_SCHEMA, .bytes = 4 },
                              { .field = FOOTER_DICTIONARIES, .bytes = 4 },
                              { .field = FOOTER_BATCHES, .bytes = 4 } };

    qv__buffer_init(&meta, INT32_MAX);
    QV_CHECK(qv__flat_begin(&meta, err));
    QV_CHECK(qv__flat_put_table(&meta, slots, 4, &at, err));
    qv__flat_link(&meta, 0, at);
    QV_CHECK(qv__ipc_put_schema(&meta, w->schema, w->fields, &at, err));
    qv__flat_link(&meta, slots[1].at, at);
    QV_CHECK(put_blocks(&meta, &w->dictionary_blocks, slots[2].at, err));
    QV_CHECK(put_blocks(&meta, &w->batch_blocks, slots[3].at, err));
    QV_CHECK(put(w, meta.data, meta.len, err));
    qv__store_u32(tail, (uint32_t) meta.len);
    memcpy(tail + 4, magic, 6);
    QV_CHECK(put(w, tail, sizeof tail, err));
done:
    qv__buffer_free(&meta);
    return st;
}

qv_status qv__ipc_writer_finish(qv__ipc_writer *w, qv_error *err)
{
    static const uint8_t end[8] = { 0xff, 0xff, 0xff, 0xff };

    QV_TRY(put(w, end, sizeof end, err));
    return w->as_stream ? QV_OK : put_footer(w, err);
}

void qv__ipc_writer_free(qv__ipc_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_dictionaries; i++)
        qv__ipc_written_clear(&w->dictionaries[i]);
    qv__free(w->dictionaries);
    qv__free(w->dictionary_blocks.items);
    qv__free(w->batch_blocks.items);
    qv__ipc_fields_free(w->fields, w->schema->n_fields);
    qv__schema_unref(w->schema);
    qv__free(w);
}

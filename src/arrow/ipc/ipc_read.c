/* Reading files and streams that lie in memory. A file is its footer: blocks named there are read in their order. A stream is
 * a row of messages. Every array is built from node and buffer lists that are checked while they are used, and the finished
 * batch is validated once more as foreign data. */
#include "arrow/compute/compute.h"
#include "arrow/ipc/ipc_private.h"
#include "arrow/validate.h"

static const uint8_t magic[6] = { 'A', 'R', 'R', 'O', 'W', '1' };
enum { BLOCK_BYTES = 24, NODE_BYTES = 16, BUFFER_BYTES = 16 };

typedef struct dictionary {
    const qv__ipc_field *field;
    qv__array *values; /* NULL: not read yet */
} dictionary;

typedef struct ipc_stream {
    qv__stream base;
    qv__bytes bytes;
    qv__ipc_field *fields;
    size_t n_fields;
    dictionary *dictionaries; /* one for each field that has one, in the schema's order */
    size_t n_dictionaries, dictionaries_capacity;
    bool is_file;
    size_t at;             /* stream: of the next message */
    const uint8_t *blocks; /* file: those not read yet */
    size_t n_blocks;
} ipc_stream;

typedef struct message {
    qv__flat_table header;
    int64_t kind;
    size_t body_at, body_len;
    size_t end;
} message;

/* ---- messages */

/* *more false: the end. `known_body`: where the body lies when a footer says so, else 0. */
static qv_status read_message(const ipc_stream *s, size_t at, size_t known_body, message *out, bool *more,
                              qv_error *err)
{
    size_t left = s->bytes.len - at, head = 4;
    const uint8_t *p = left ? s->bytes.data + at : NULL;
    uint32_t len;
    int64_t version, body_len;
    qv__flat_table root;
    bool present;

    *more = false;
    if (left == 0)
        return QV_OK;
    if (left < 4)
        return qv__ipc_corrupt(err, "a message is cut off");
    len = qv__load_u32(p);
    if (len == UINT32_MAX) { /* the mark of today's framing; before it the length came at once */
        if (left < 8)
            return qv__ipc_corrupt(err, "a message is cut off");
        len = qv__load_u32(p + 4);
        head = 8;
    }
    if (len == 0)
        return QV_OK;
    if (!qv__inside(head, len, left))
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: a message of %u bytes at %zu, %zu are left", len, at, left);
    if (!qv__flat_root(p + head, len, &root) || !qv__flat_int(&root, MESSAGE_VERSION, 2, 0, &version) ||
        !qv__flat_int(&root, MESSAGE_HEADER_TYPE, 1, 0, &out->kind) ||
        !qv__flat_table_at(&root, MESSAGE_HEADER, &out->header, &present) || !present ||
        !qv__flat_int(&root, MESSAGE_BODY_LENGTH, 8, 0, &body_len) || body_len < 0)
        return qv__ipc_corrupt(err, "a message's metadata is corrupt");
    if (version != METADATA_V4 && version != METADATA_V5)
        return qv__fail(err, QV_UNSUPPORTED, "Arrow IPC metadata version %lld", (long long) version + 1);
    if (known_body && known_body < at + head + len)
        return qv__ipc_corrupt(err, "a block's body lies inside its metadata");
    out->body_at = known_body ? known_body : at + head + len;
    if (!qv__inside(out->body_at, (uint64_t) body_len, s->bytes.len))
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: a body of %lld bytes at %zu passes the end at %zu",
                        (long long) body_len, out->body_at, s->bytes.len);
    out->body_len = (size_t) body_len;
    out->end = out->body_at + out->body_len;
    *more = true;
    return QV_OK;
}

/* ---- arrays */

typedef struct batch_reader {
    const ipc_stream *stream;
    size_t body_at, body_len;
    const uint8_t *nodes, *buffers;
    size_t n_nodes, n_buffers; /* left */
    qv__ipc_codec codec;
    qv_error *err;
} batch_reader;

static qv_status open_batch(const ipc_stream *s, const qv__flat_table *table, const message *m, batch_reader *r,
                            int64_t *length, qv_error *err)
{
    qv__flat_table compression;
    bool present;
    int64_t codec, method;

    *r = (batch_reader){ .stream = s, .body_at = m->body_at, .body_len = m->body_len, .err = err };
    if (!qv__flat_int(table, BATCH_LENGTH, 8, 0, length) || *length < 0 ||
        !qv__flat_vector(table, BATCH_NODES, NODE_BYTES, &r->nodes, &r->n_nodes) ||
        !qv__flat_vector(table, BATCH_BUFFERS, BUFFER_BYTES, &r->buffers, &r->n_buffers) ||
        !qv__flat_table_at(table, BATCH_COMPRESSION, &compression, &present))
        return qv__ipc_corrupt(err, "a batch's metadata is corrupt");
    if (!present)
        return QV_OK;
    if (!qv__flat_int(&compression, COMPRESSION_CODEC, 1, 0, &codec) ||
        !qv__flat_int(&compression, COMPRESSION_METHOD, 1, 0, &method))
        return qv__ipc_corrupt(err, "a batch's metadata is corrupt");
    if (codec < 0 || codec > 1 || method != 0)
        return qv__fail(err, QV_UNSUPPORTED, "Arrow IPC compression %lld, method %lld", (long long) codec,
                        (long long) method);
    r->codec = codec == 0 ? QV_IPC_LZ4 : QV_IPC_ZSTD;
    return QV_OK;
}

/* The next buffer, unpacked, and 8-aligned by copying it where it is not. */
static qv_status next_buffer(batch_reader *r, qv__bytes *out)
{
    int64_t at, len;
    qv__bytes stored, aligned;
    uint8_t *writable;

    if (r->n_buffers == 0)
        return qv__ipc_corrupt(r->err, "a batch has fewer buffers than its schema asks for");
    at = (int64_t) qv__load_u64(r->buffers);
    len = (int64_t) qv__load_u64(r->buffers + 8);
    r->buffers += BUFFER_BYTES;
    r->n_buffers--;
    if (at < 0 || len < 0 || !qv__inside((uint64_t) at, (uint64_t) len, r->body_len))
        return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: a buffer of %lld bytes at %lld in a body of %zu",
                        (long long) len, (long long) at, r->body_len);
    if (len == 0) {
        *out = (qv__bytes){ qv__zero_bytes, 0, NULL };
        return QV_OK;
    }
    stored = qv__bytes_slice(r->stream->bytes, r->body_at + (size_t) at, (size_t) len);
    if (r->codec != QV_IPC_PLAIN) {
        qv_status st = qv__ipc_decompress(stored, r->codec, out, r->err);
        qv__bytes_unref(&stored);
        QV_TRY(st);
        stored = *out;
    }
    if (((uintptr_t) stored.data & 7) != 0) {
        qv_status st = qv__bytes_new(stored.len, &aligned, &writable, r->err);
        if (st == QV_OK)
            memcpy(writable, stored.data, stored.len);
        qv__bytes_unref(&stored);
        *out = (qv__bytes){ 0 };
        QV_TRY(st);
        stored = aligned;
    }
    *out = stored;
    return QV_OK;
}

/* Length and nulls of the next node; the count of nulls is not believed but counted. */
static qv_status next_node(batch_reader *r, const qv__type *type, qv__array *to)
{
    int64_t nulls;
    qv__bytes validity = { 0 };

    if (r->n_nodes == 0)
        return qv__ipc_corrupt(r->err, "a batch has fewer nodes than its schema asks for");
    to->length = (int64_t) qv__load_u64(r->nodes);
    nulls = (int64_t) qv__load_u64(r->nodes + 8);
    r->nodes += NODE_BYTES;
    r->n_nodes--;
    if (to->length < 0 || nulls < -1 || nulls > to->length)
        return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: %lld values, %lld of them null", (long long) to->length,
                        (long long) nulls);
    if (type->id == QV_TYPE_NULL) {
        to->null_count = to->length;
        return QV_OK;
    }
    QV_TRY(next_buffer(r, &validity));
    if (nulls == 0 || (nulls == -1 && validity.len == 0)) {
        qv__bytes_unref(&validity);
        return QV_OK;
    }
    to->buffers[0] = validity;
    if (validity.len < qv__bitmap_bytes((size_t) to->length))
        return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: %zu bytes of validity for %lld values", validity.len,
                        (long long) to->length);
    to->null_count = to->length - (int64_t) qv__bitmap_count(validity.data, 0, (size_t) to->length);
    if (nulls >= 0 && nulls != to->null_count)
        return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: %lld nulls announced, %lld found", (long long) nulls,
                        (long long) to->null_count);
    if (to->null_count == 0)
        qv__bytes_unref(&to->buffers[0]);
    return QV_OK;
}

/* Arrays without values may come without offsets; ours have at least the first. */
static void need_offsets(qv__array *array)
{
    if (array->length == 0 && array->buffers[1].len < 8) {
        qv__bytes_unref(&array->buffers[1]);
        array->buffers[1] = (qv__bytes){ qv__zero_bytes, 8, NULL };
    }
}

static qv_status attach_dictionary(batch_reader *r, const qv__ipc_field *field, qv__array *to)
{
    const ipc_stream *s = r->stream;

    for (size_t i = 0; i < s->n_dictionaries; i++) {
        const dictionary *d = &s->dictionaries[i];

        if (d->field->dictionary_id != field->dictionary_id || !d->values)
            continue;
        if (!qv__type_equal(d->values->type, field->value_type))
            return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: fields of two types share dictionary %lld",
                            (long long) field->dictionary_id);
        to->dictionary = qv__array_ref(d->values);
        return QV_OK;
    }
    return qv__fail(r->err, QV_CORRUPT, "Arrow IPC: a batch comes before its dictionary %lld",
                    (long long) field->dictionary_id);
}

/* One field; `as_values`: what a dictionary batch holds for it. */
static qv_status read_array(batch_reader *r, const qv__ipc_field *field, bool as_values, qv__array **out)
{
    qv_status st = QV_OK;
    const qv__type *type = as_values ? field->value_type : field->type;
    bool keys = type->id == QV_TYPE_DICTIONARY;
    qv__array *array = NULL;

    QV_TRY(qv__array_new(type, 0, keys ? 0 : type->n_children, &array, r->err));
    QV_CHECK(next_node(r, type, array));
    switch (type->id) {
    case QV_TYPE_NULL:
    case QV_TYPE_STRUCT:
    case QV_TYPE_FIXED_LIST:
        break;
    case QV_TYPE_UTF8:
    case QV_TYPE_LARGE_UTF8:
    case QV_TYPE_BINARY:
    case QV_TYPE_LARGE_BINARY:
        QV_CHECK(next_buffer(r, &array->buffers[1]));
        QV_CHECK(next_buffer(r, &array->buffers[2]));
        need_offsets(array);
        break;
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        QV_CHECK(next_buffer(r, &array->buffers[1]));
        need_offsets(array);
        break;
    default:
        QV_CHECK(next_buffer(r, &array->buffers[1]));
        break;
    }
    if (keys)
        QV_CHECK(attach_dictionary(r, field, array));
    for (size_t k = 0; k < array->n_children; k++)
        QV_CHECK(read_array(r, &field->children[k], false, &array->children[k]));
    *out = array;
    array = NULL;
done:
    qv__array_unref(array);
    return st;
}

static qv_status check_batch(const qv__array *array, const char *name, qv_error *err)
{
    qv_status st = qv__array_validate(array, name, err);

    if (st == QV_INVALID) { /* not the caller's argument is wrong, but what is stored */
        if (err)
            err->status = QV_CORRUPT;
        return qv__fail_in(err, QV_CORRUPT, "Arrow IPC");
    }
    return st;
}

static qv_status read_batch(const ipc_stream *s, const message *m, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    batch_reader r;
    qv__array *batch = NULL;
    int64_t length = 0;

    QV_TRY(open_batch(s, &m->header, m, &r, &length, err));
    QV_TRY(qv__array_new(s->base.schema->type, length, s->n_fields, &batch, err));
    for (size_t i = 0; i < s->n_fields; i++) {
        QV_CHECK(read_array(&r, &s->fields[i], false, &batch->children[i]));
        if (batch->children[i]->length != length)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "Arrow IPC: column \"%s\" has %lld rows, its batch %lld",
                              s->base.schema->fields[i].name, (long long) batch->children[i]->length,
                              (long long) length));
    }
    QV_CHECK(check_batch(batch, "batch", err));
    *out = batch;
    batch = NULL;
done:
    qv__array_unref(batch);
    return st;
}

/* ---- dictionaries */

static qv_status collect_dictionaries(ipc_stream *s, const qv__ipc_field *fields, size_t n, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (fields[i].is_dictionary) {
            QV_TRY(QV_GROW(&s->dictionaries, &s->dictionaries_capacity, s->n_dictionaries + 1, err));
            s->dictionaries[s->n_dictionaries++] = (dictionary){ &fields[i], NULL };
        }
        QV_TRY(collect_dictionaries(s, fields[i].children, fields[i].n_children, err));
    }
    return QV_OK;
}

/* A delta is appended to the values that are there; otherwise they are replaced. Batches given out keep the old ones. */
static qv_status read_dictionary(ipc_stream *s, const message *m, qv_error *err)
{
    qv_status st = QV_OK;
    int64_t id, is_delta, length = 0;
    qv__flat_table data;
    bool present;
    dictionary *d = NULL;
    batch_reader r;
    qv__array *values = NULL, *joined = NULL;

    if (!qv__flat_int(&m->header, DICTIONARY_BATCH_ID, 8, 0, &id) ||
        !qv__flat_int(&m->header, DICTIONARY_BATCH_DELTA, 1, 0, &is_delta) ||
        !qv__flat_table_at(&m->header, DICTIONARY_BATCH_DATA, &data, &present) || !present)
        return qv__ipc_corrupt(err, "a dictionary's metadata is corrupt");
    for (size_t i = 0; i < s->n_dictionaries && !d; i++)
        if (s->dictionaries[i].field->dictionary_id == id)
            d = &s->dictionaries[i];
    if (!d)
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: dictionary %lld belongs to no field", (long long) id);
    if (s->is_file && d->values && !is_delta)
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: a file with two dictionaries %lld", (long long) id);
    QV_TRY(open_batch(s, &data, m, &r, &length, err));
    QV_CHECK(read_array(&r, d->field, true, &values));
    if (values->length != length)
        QV_CHECK(qv__ipc_corrupt(err, "a dictionary's length and that of its values differ"));
    QV_CHECK(check_batch(values, "dictionary", err));
    if (is_delta && d->values)
        QV_CHECK(qv__array_concat((qv__array *[]){ d->values, values }, 2, d->field->value_type, &joined, err));
    else
        joined = qv__array_ref(values);
    qv__array_unref(d->values);
    d->values = joined;
    joined = NULL;
done:
    qv__array_unref(values);
    return st;
}

/* ---- the stream */

static qv_status next_in_stream(ipc_stream *s, qv__array **out, qv_error *err)
{
    message m;
    bool more;

    for (;;) {
        QV_TRY(read_message(s, s->at, 0, &m, &more, err));
        if (!more) {
            s->at = s->bytes.len;
            *out = NULL;
            return QV_OK;
        }
        if (m.kind == HEADER_RECORD_BATCH)
            QV_TRY(read_batch(s, &m, out, err));
        else if (m.kind == HEADER_DICTIONARY_BATCH)
            QV_TRY(read_dictionary(s, &m, err));
        else
            return qv__fail(err, QV_CORRUPT, "Arrow IPC: message kind %lld between batches", (long long) m.kind);
        s->at = m.end;
        if (m.kind == HEADER_RECORD_BATCH)
            return QV_OK;
    }
}

static qv_status read_block(const ipc_stream *s, const uint8_t *block, int64_t kind, message *m, qv_error *err)
{
    int64_t at = (int64_t) qv__load_u64(block), body_len = (int64_t) qv__load_u64(block + 16);
    int32_t meta_len = (int32_t) qv__load_u32(block + 8);
    bool more;

    if (at < 0 || meta_len <= 0 || body_len < 0 || !qv__inside((uint64_t) at, (uint64_t) meta_len, s->bytes.len))
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: the footer names a block at %lld with %d bytes of metadata",
                        (long long) at, meta_len);
    QV_TRY(read_message(s, (size_t) at, (size_t) at + (size_t) meta_len, m, &more, err));
    if (!more || m->kind != kind)
        return qv__ipc_corrupt(err, "a block that the footer names is of another kind");
    return QV_OK;
}

static qv_status next_in_file(ipc_stream *s, qv__array **out, qv_error *err)
{
    message m;

    if (s->n_blocks == 0) {
        *out = NULL;
        return QV_OK;
    }
    QV_TRY(read_block(s, s->blocks, HEADER_RECORD_BATCH, &m, err));
    QV_TRY(read_batch(s, &m, out, err));
    s->blocks += BLOCK_BYTES;
    s->n_blocks--;
    return QV_OK;
}

static qv_status next_batch(qv__stream *stream, qv__array **out, qv_error *err)
{
    ipc_stream *s = (ipc_stream *) stream;

    return s->is_file ? next_in_file(s, out, err) : next_in_stream(s, out, err);
}

static void destroy(qv__stream *stream)
{
    ipc_stream *s = (ipc_stream *) stream;

    for (size_t i = 0; i < s->n_dictionaries; i++)
        qv__array_unref(s->dictionaries[i].values);
    qv__free(s->dictionaries);
    qv__ipc_fields_free(s->fields, s->n_fields);
    qv__schema_unref(s->base.schema);
    qv__bytes_unref(&s->bytes);
    qv__free(s);
}

static qv_status take_schema(ipc_stream *s, const qv__flat_table *table, qv_error *err)
{
    QV_TRY(qv__ipc_read_schema(table, &s->base.schema, &s->fields, err));
    s->n_fields = s->base.schema->n_fields;
    return collect_dictionaries(s, s->fields, s->n_fields, err);
}

static qv_status open_file(ipc_stream *s, qv_error *err)
{
    size_t len = s->bytes.len, n;
    uint32_t footer_len;
    const uint8_t *footer, *blocks;
    qv__flat_table root, schema;
    bool present;
    int64_t version;
    message m;

    s->is_file = true;
    if (len < 8 + 10 || memcmp(s->bytes.data + len - 6, magic, 6) != 0)
        return qv__ipc_corrupt(err, "the file does not end in ARROW1: it is cut off");
    footer_len = qv__load_u32(s->bytes.data + len - 10);
    if (footer_len == 0 || footer_len > len - 18)
        return qv__fail(err, QV_CORRUPT, "Arrow IPC: a footer of %u bytes in a file of %zu", footer_len, len);
    footer = s->bytes.data + len - 10 - footer_len;
    if (!qv__flat_root(footer, footer_len, &root) || !qv__flat_int(&root, FOOTER_VERSION, 2, 0, &version) ||
        !qv__flat_table_at(&root, FOOTER_SCHEMA, &schema, &present) || !present ||
        !qv__flat_vector(&root, FOOTER_DICTIONARIES, BLOCK_BYTES, &blocks, &n) ||
        !qv__flat_vector(&root, FOOTER_BATCHES, BLOCK_BYTES, &s->blocks, &s->n_blocks))
        return qv__ipc_corrupt(err, "the footer is corrupt");
    if (version != METADATA_V4 && version != METADATA_V5)
        return qv__fail(err, QV_UNSUPPORTED, "Arrow IPC metadata version %lld", (long long) version + 1);
    QV_TRY(take_schema(s, &schema, err));
    for (size_t i = 0; i < n; i++) {
        QV_TRY(read_block(s, blocks + i * BLOCK_BYTES, HEADER_DICTIONARY_BATCH, &m, err));
        QV_TRY(read_dictionary(s, &m, err));
    }
    return QV_OK;
}

static qv_status open_stream(ipc_stream *s, qv_error *err)
{
    message m;
    bool more;

    QV_TRY(read_message(s, 0, 0, &m, &more, err));
    if (!more || m.kind != HEADER_SCHEMA)
        return qv__ipc_corrupt(err, "the bytes are neither an Arrow file nor a stream that begins with a schema");
    s->at = m.end;
    return take_schema(s, &m.header, err);
}

qv_status qv__ipc_open(qv__bytes bytes, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    ipc_stream *s = NULL;

    if (bytes.len >= 4 && memcmp(bytes.data, "FEA1", 4) == 0)
        return qv__fail(err, QV_UNSUPPORTED, "Feather version 1 files");
    QV_TRY(QV_NEW(&s, 1, err));
    s->base.next = next_batch;
    s->base.destroy = destroy;
    s->bytes = qv__bytes_ref(bytes);
    if (bytes.len >= 6 && memcmp(bytes.data, magic, 6) == 0)
        QV_CHECK(open_file(s, err));
    else
        QV_CHECK(open_stream(s, err));
    *out = &s->base;
    s = NULL;
done:
    if (s)
        destroy(&s->base);
    return st;
}

/* Writing the manifest that follows another one.
 *
 * The old head is taken over as it is, unknown fields included, and only what changes is replaced; fragments that stay are
 * copied as packed bytes. So a small append costs the copying of the manifest, not its understanding, and what we do not know
 * survives. */
#include <inttypes.h>
#include <stdio.h>

#include "table/table_private.h"

#define TAIL_BYTES 16

/* ------------------------------------------------------------------ packing */

static qv_status pack(const ProtobufCMessage *message, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = qv__arena_alloc(arena, 1, len);

    if (!bytes)
        return qv__fail_nomem(err, len);
    protobuf_c_message_pack(message, bytes);
    *out = (ProtobufCBinaryData){ len, bytes };
    return QV_OK;
}

/* [ u32 len | message ] at the end of `out`. */
static qv_status append_framed(const ProtobufCMessage *message, qv__buffer *out, qv_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t prefix[4];

    if (len > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a manifest of %zu bytes", len);
    qv__store_u32(prefix, (uint32_t) len);
    QV_TRY(qv__buffer_append(out, prefix, sizeof prefix, err));
    QV_TRY(qv__buffer_reserve(out, len, err));
    protobuf_c_message_pack(message, out->data + out->len);
    out->len += len;
    return QV_OK;
}

static qv_status append_section(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    uint8_t prefix[4];

    if (len > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a section of %zu bytes", len);
    qv__store_u32(prefix, (uint32_t) len);
    QV_TRY(qv__buffer_append(out, prefix, sizeof prefix, err));
    return qv__buffer_append(out, bytes, len, err);
}

/* ------------------------------------------------------------------ fragments */

/* What the commit gives to new fragments; the transaction leaves it open. */
typedef struct assigned {
    uint64_t fragment_id;
    bool stable;
    uint64_t first_row_id;
    uint64_t version;
} assigned;

static qv_status pack_row_ids(uint64_t first, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__U64Range range = LANCE__TABLE__U64_RANGE__INIT;
    Lance__Table__U64Segment segment = LANCE__TABLE__U64_SEGMENT__INIT;
    Lance__Table__RowIdSequence sequence = LANCE__TABLE__ROW_ID_SEQUENCE__INIT;
    Lance__Table__U64Segment *segments[] = { &segment };

    range.has_start = first != 0;
    range.start = first;
    range.has_end = true;
    range.end = first + n;
    segment.range = &range;
    sequence.segments = segments;
    sequence.n_segments = 1;
    return pack(&sequence.base, arena, out, err);
}

static qv_status pack_row_versions(uint64_t version, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out,
                                   qv_error *err)
{
    Lance__Table__U64Range range = LANCE__TABLE__U64_RANGE__INIT;
    Lance__Table__U64Segment span = LANCE__TABLE__U64_SEGMENT__INIT;
    Lance__Table__RowVersionRun run = LANCE__TABLE__ROW_VERSION_RUN__INIT;
    Lance__Table__RowVersionSequence sequence = LANCE__TABLE__ROW_VERSION_SEQUENCE__INIT;
    Lance__Table__RowVersionRun *runs[] = { &run };

    range.has_end = true;
    range.end = n;
    span.range = &range;
    run.span = &span;
    run.has_version = true;
    run.version = version;
    sequence.runs = runs;
    sequence.n_runs = 1;
    return pack(&sequence.base, arena, out, err);
}

static void fill_file(const qv__new_fragment *from, Lance__Table__DataFile *file)
{
    lance__table__data_file__init(file);
    file->path = (char *) (uintptr_t) from->name; /* packing only reads */
    file->n_fields = from->summary.n;
    file->fields = from->summary.field_ids;
    file->n_column_indices = from->summary.n;
    file->column_indices = from->summary.columns;
    file->has_file_major_version = file->has_file_size_bytes = true;
    file->file_major_version = from->summary.version.major;
    file->has_file_minor_version = from->summary.version.minor != 0;
    file->file_minor_version = from->summary.version.minor;
    file->file_size_bytes = from->summary.size_bytes;
}

static qv_status pack_fragment(const qv__new_fragment *from, const assigned *given, qv__arena *arena,
                               ProtobufCBinaryData *out, qv_error *err)
{
    Lance__Table__DataFile file;
    Lance__Table__DataFile *files[] = { &file };
    Lance__Table__DataFragment fragment = LANCE__TABLE__DATA_FRAGMENT__INIT;

    fill_file(from, &file);
    fragment.files = files;
    fragment.n_files = 1;
    fragment.has_physical_rows = true;
    fragment.physical_rows = from->rows;
    if (given) {
        fragment.has_id = given->fragment_id != 0;
        fragment.id = given->fragment_id;
    }
    if (given && given->stable) {
        fragment.has_inline_row_ids = true;
        fragment.has_inline_created_versions = true;
        fragment.has_inline_last_updated_versions = true;
        QV_TRY(pack_row_ids(given->first_row_id, from->rows, arena, &fragment.inline_row_ids, err));
        QV_TRY(pack_row_versions(given->version, from->rows, arena, &fragment.inline_created_versions, err));
        fragment.inline_last_updated_versions = fragment.inline_created_versions;
    }
    return pack(&fragment.base, arena, out, err);
}

/* ------------------------------------------------------------------ transaction */

static qv_status fill_schema_metadata(const qv__metadata *metadata, qv__arena *arena, size_t *n,
                                      Lance__File__MetadataEntry ***out, qv_error *err)
{
    Lance__File__MetadataEntry **entries = qv__arena_alloc(arena, metadata->n + 1, sizeof(void *));
    Lance__File__MetadataEntry *items = qv__arena_alloc(arena, metadata->n + 1, sizeof *items);

    if (!entries || !items)
        return qv__fail_nomem(err, metadata->n * sizeof *items);
    for (size_t i = 0; i < metadata->n; i++) {
        lance__file__metadata_entry__init(&items[i]);
        items[i].key = metadata->pairs[i].key;
        items[i].has_value = true;
        items[i].value.data = (uint8_t *) metadata->pairs[i].value;
        items[i].value.len = metadata->pairs[i].value_len;
        entries[i] = &items[i];
    }
    *n = metadata->n;
    *out = entries;
    return QV_OK;
}

qv_status qv__change_transaction(const qv__change *change, uint64_t read_version, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    Lance__Table__Transaction transaction = LANCE__TABLE__TRANSACTION__INIT;
    Lance__Table__Append append = LANCE__TABLE__APPEND__INIT;
    Lance__Table__Overwrite overwrite = LANCE__TABLE__OVERWRITE__INIT;
    qv__lance_fields fields = { 0 };
    ProtobufCBinaryData *packed;
    qv__arena arena;

    qv__arena_init(&arena, 0);
    packed = qv__arena_alloc(&arena, change->n_fragments + 1, sizeof *packed);
    if (!packed)
        QV_CHECK(qv__fail_nomem(err, change->n_fragments * sizeof *packed));
    for (size_t i = 0; i < change->n_fragments; i++)
        QV_CHECK(pack_fragment(&change->fragments[i], NULL, &arena, &packed[i], err));
    transaction.has_read_version = read_version != 0;
    transaction.read_version = read_version;
    transaction.uuid = (char *) (uintptr_t) change->uuid;
    if (change->operation == QV_OP_APPEND) {
        append.n_fragments = change->n_fragments;
        append.fragments = packed;
        transaction.append = &append;
    } else {
        QV_CHECK(qv__schema_to_lance(change->stored, &fields, err));
        overwrite.n_fragments = change->n_fragments;
        overwrite.fragments = packed;
        overwrite.n_schema = fields.n;
        overwrite.schema = fields.fields;
        QV_CHECK(fill_schema_metadata(&change->stored->metadata, &arena, &overwrite.n_schema_metadata,
                                      &overwrite.schema_metadata, err));
        transaction.overwrite = &overwrite;
    }
    size_t len = protobuf_c_message_get_packed_size(&transaction.base);
    QV_CHECK(qv__buffer_reserve(out, len, err));
    protobuf_c_message_pack(&transaction.base, out->data + out->len);
    out->len += len;
done:
    qv__lance_fields_clear(&fields);
    qv__arena_reset(&arena);
    return st;
}

/* ------------------------------------------------------------------ the next head */

/* The id of the first new fragment: above every id that the table ever had. */
static qv_status next_fragment_id(const qv__manifest *base, qv__arena *arena, uint64_t *out, qv_error *err)
{
    ProtobufCMessage *message;

    *out = 0;
    if (!base)
        return QV_OK;
    const Lance__Table__Manifest *head = base->head;
    if (head->has_max_fragment_id) {
        *out = (uint64_t) head->max_fragment_id + 1;
    } else if (head->n_fragments) { /* old manifests: ids ascend, so the last one is the highest */
        ProtobufCBinaryData last = head->fragments[head->n_fragments - 1];
        QV_TRY(qv__message_unpack(&lance__table__data_fragment__descriptor, last.data, last.len, arena, &message, err));
        *out = ((Lance__Table__DataFragment *) message)->id + 1;
    }
    return QV_OK;
}

static qv_status old_format(const qv__manifest *base, qv__arena *arena, const char **out, qv_error *err)
{
    const Lance__Table__Manifest *head = base->head;
    qv__fragment *fragments;
    qv__lineage *lineage;

    if (head->data_format && head->data_format->version && *head->data_format->version) {
        *out = head->data_format->version;
        return QV_OK;
    }
    QV_TRY(qv__fragments_parse(head, arena, &fragments, &lineage, err));
    return qv__data_format(head, fragments, out, err);
}

/* Everything that the head points to and that is not the base's. */
typedef struct next_head {
    qv__arena arena;
    qv__lance_fields fields;
    Lance__Table__Manifest head;
    Lance__Table__Timestamp timestamp;
    Lance__Table__WriterVersion writer;
    Lance__Table__DataFormat format;
    char transaction_file[QV_NAME_BYTES];
} next_head;

static qv_status set_fragments(next_head *next, const qv__change *change, const qv__manifest *base, qv_error *err)
{
    Lance__Table__Manifest *head = &next->head;
    size_t kept = base && change->operation == QV_OP_APPEND ? base->head->n_fragments : 0;
    ProtobufCBinaryData *list = qv__arena_alloc(&next->arena, kept + change->n_fragments + 1, sizeof *list);
    assigned given = { .stable = head->reader_feature_flags & QV_FLAG_STABLE_ROW_IDS, .version = head->version };
    uint64_t id;

    if (!list)
        return qv__fail_nomem(err, kept * sizeof *list);
    QV_TRY(next_fragment_id(base, &next->arena, &id, err));
    if (kept)
        memcpy(list, base->head->fragments, kept * sizeof *list);
    for (size_t i = 0; i < change->n_fragments; i++) {
        given.fragment_id = id + i;
        given.first_row_id = head->next_row_id;
        if (given.fragment_id > UINT32_MAX)
            return qv__fail(err, QV_LIMIT, "the table has no fragment ids left");
        QV_TRY(pack_fragment(&change->fragments[i], &given, &next->arena, &list[kept + i], err));
        if (given.stable && !qv__add_u64(head->next_row_id, change->fragments[i].rows, &head->next_row_id))
            return qv__fail(err, QV_LIMIT, "the table has no row ids left");
    }
    head->fragments = list;
    head->n_fragments = kept + change->n_fragments;
    head->has_next_row_id = head->next_row_id != 0;
    if (id + change->n_fragments) {
        head->has_max_fragment_id = true;
        head->max_fragment_id = (uint32_t) (id + change->n_fragments - 1);
    }
    return QV_OK;
}

static int32_t highest_id(const qv__lance_fields *fields)
{
    int32_t id = -1;

    for (size_t i = 0; i < fields->n; i++)
        id = QV_MAX(id, fields->fields[i]->id);
    return id;
}

static qv_status set_schema(next_head *next, const qv__change *change, qv_error *err)
{
    Lance__Table__Manifest *head = &next->head;

    QV_TRY(qv__schema_to_lance(change->stored, &next->fields, err));
    head->n_fields = next->fields.n;
    head->fields = next->fields.fields;
    if (head->writer_feature_flags & QV_FLAG_LASTING_FIELD_IDS) {
        if (head->has_max_allocated_field_id && next->fields.n &&
            next->fields.fields[0]->id <= head->max_allocated_field_id)
            return qv__fail(err, QV_CONFLICT, "field ids up to %" PRId32 " were taken by another writer",
                            head->max_allocated_field_id);
        head->has_max_allocated_field_id = true;
        head->max_allocated_field_id = QV_MAX(head->max_allocated_field_id, highest_id(&next->fields));
    }
    return fill_schema_metadata(&change->stored->metadata, &next->arena, &head->n_schema_metadata,
                                &head->schema_metadata, err);
}

static void set_flags(Lance__Table__Manifest *head, const qv__change *change, const char *old)
{
    uint64_t reader = head->reader_feature_flags, writer = head->writer_feature_flags;
    uint64_t by_content = QV_FLAG_DELETIONS | QV_FLAG_COVERING_INDEX | QV_FLAG_SPILLED_LINEAGE;

    writer &= ~(uint64_t) QV_FLAG_NO_TRANSACTION_FILE; /* we write one */
    if (change->operation == QV_OP_OVERWRITE) {
        reader &= ~by_content;
        writer &= ~by_content;
    } else if (strcmp(old, change->format) != 0) {
        reader |= QV_FLAG_MIXED_VERSIONS;
        writer |= QV_FLAG_MIXED_VERSIONS;
    }
    if (change->create && change->stable_row_ids) {
        reader |= QV_FLAG_STABLE_ROW_IDS;
        writer |= QV_FLAG_STABLE_ROW_IDS;
    }
    head->has_reader_feature_flags = reader != 0;
    head->has_writer_feature_flags = writer != 0;
    head->reader_feature_flags = reader;
    head->writer_feature_flags = writer;
}

static void set_origin(next_head *next, const qv__change *change, uint64_t version, uint64_t read_version)
{
    Lance__Table__Manifest *head = &next->head;
    int64_t now = qv__now_utc_ns();

    lance__table__timestamp__init(&next->timestamp);
    next->timestamp.has_seconds = next->timestamp.has_nanos = true;
    next->timestamp.seconds = now / 1000000000;
    next->timestamp.nanos = (int32_t) (now % 1000000000);
    lance__table__writer_version__init(&next->writer);
    next->writer.library = (char *) (uintptr_t) "quiver";
    next->writer.version = (char *) (uintptr_t) QV_VERSION_STRING;
    qv__transaction_name(read_version, change->uuid, next->transaction_file);
    head->has_version = true;
    head->version = version;
    head->timestamp = &next->timestamp;
    head->writer_version = &next->writer;
    head->transaction_file = next->transaction_file;
}

static void set_format(next_head *next, const char *format)
{
    lance__table__data_format__init(&next->format);
    next->format.file_format = (char *) (uintptr_t) "lance";
    next->format.version = (char *) (uintptr_t) format;
    next->head.data_format = &next->format;
}

static qv_status build_head(next_head *next, const qv__change *change, const qv__manifest *base, uint64_t read_version,
                            qv_error *err)
{
    const char *old = change->format;

    if (base) {
        next->head = *base->head;
        QV_TRY(old_format(base, &next->arena, &old, err));
    } else {
        lance__table__manifest__init(&next->head);
    }
    set_origin(next, change, base ? base->version + 1 : 1, read_version);
    set_flags(&next->head, change, old);
    set_format(next, change->operation == QV_OP_OVERWRITE ? change->format : old);
    QV_TRY(set_fragments(next, change, base, err));
    return change->operation == QV_OP_OVERWRITE ? set_schema(next, change, err) : QV_OK;
}

qv_status qv__change_manifest(const qv__change *change, const qv__manifest *base, uint64_t read_version,
                              const qv__buffer *transaction, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    bool keeps_indices = base && base->indices.data && change->operation == QV_OP_APPEND;
    next_head next = { 0 };
    uint8_t tail[TAIL_BYTES] = { 0 };

    qv__arena_init(&next.arena, 0);
    QV_CHECK(build_head(&next, change, base, read_version, err));
    next.head.has_index_section = keeps_indices;
    next.head.index_section = out->len;
    if (keeps_indices)
        QV_CHECK(append_section(base->indices.data, base->indices.len, out, err));
    next.head.has_old_transaction_section = false;
    next.head.has_transaction_section = true;
    next.head.transaction_section = out->len;
    QV_CHECK(append_section(transaction->data, transaction->len, out, err));
    qv__store_u64(tail, out->len);
    qv__store_u16(tail + 10, 2);
    memcpy(tail + 12, "LANC", 4);
    QV_CHECK(append_framed(&next.head.base, out, err));
    QV_CHECK(qv__buffer_append(out, tail, sizeof tail, err));
done:
    qv__lance_fields_clear(&next.fields);
    qv__arena_reset(&next.arena);
    return st;
}

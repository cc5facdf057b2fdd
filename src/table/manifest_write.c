/* Writing the manifest that follows another one.
 *
 * The old head is taken over as it is, unknown fields included, and only what changes is replaced; fragments that stay are
 * copied as packed bytes. So a small append costs the copying of the manifest, not its understanding, and what we do not know
 * survives. */
#include <inttypes.h>
#include <stdio.h>

#include "table/table_private.h"

#define TAIL_BYTES       16
#define MANIFEST_ROOM    4096
#define MAX_INLINE_BYTES (20u << 20) /* larger transactions are published by their file alone */

/* ------------------------------------------------------------------ sections */

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

/* ------------------------------------------------------------------ the message */

#define FRAGMENT_TAG 0x12 /* field 2, bytes */

static size_t put_fragment_header(size_t len, uint8_t header[12])
{
    size_t n = 0;

    header[n++] = FRAGMENT_TAG;
    for (; len >= 128; len >>= 7)
        header[n++] = (uint8_t) (len | 128);
    header[n++] = (uint8_t) len;
    return n;
}

/* Does `next` follow `one` in the base's own bytes, with nothing but its header between? */
static bool is_neighbour(const qv__bytes *base, ProtobufCBinaryData one, ProtobufCBinaryData next)
{
    uint8_t header[12];
    const uint8_t *end = one.data + one.len;

    return base && one.data >= base->data && next.data > end && next.data < base->data + base->len &&
           (size_t) (next.data - end) == put_fragment_header(next.len, header);
}

static size_t fragments_len(const Lance__Table__Manifest *head)
{
    uint8_t header[12];
    size_t len = 0;

    for (size_t i = 0; i < head->n_fragments; i++)
        len += put_fragment_header(head->fragments[i].len, header) + head->fragments[i].len;
    return len;
}

/* Fragments that lie side by side in the base are copied together. */
static qv_status append_fragments(const Lance__Table__Manifest *head, const qv__bytes *base, qv__buffer *out,
                                  qv_error *err)
{
    for (size_t i = 0, last; i < head->n_fragments; i = last + 1) {
        const ProtobufCBinaryData *list = head->fragments;
        uint8_t header[12];
        size_t n = put_fragment_header(list[i].len, header);
        for (last = i; last + 1 < head->n_fragments && is_neighbour(base, list[last], list[last + 1]); last++)
            continue;
        QV_TRY(qv__buffer_append(out, header, n, err));
        QV_TRY(qv__buffer_append(out, list[i].data, (size_t) (list[last].data + list[last].len - list[i].data), err));
    }
    return QV_OK;
}

static qv_status append_packed(const Lance__Table__Manifest *message, qv__buffer *out, qv_error *err)
{
    size_t len = lance__table__manifest__get_packed_size(message);

    QV_TRY(qv__buffer_reserve(out, len, err));
    lance__table__manifest__pack(message, out->data + out->len);
    out->len += len;
    return QV_OK;
}

/* [ u32 len | Manifest ], fields in the order of their numbers. */
static qv_status append_manifest(const Lance__Table__Manifest *head, const qv__bytes *base, qv__buffer *out,
                                 qv_error *err)
{
    Lance__Table__Manifest fields = LANCE__TABLE__MANIFEST__INIT, rest = *head;
    size_t at = out->len;

    fields.n_fields = head->n_fields;
    fields.fields = head->fields;
    rest.n_fields = rest.n_fragments = 0;
    QV_TRY(qv__buffer_append_zeros(out, 4, err));
    QV_TRY(qv__buffer_reserve(out, fragments_len(head) + MANIFEST_ROOM, err));
    QV_TRY(append_packed(&fields, out, err));
    QV_TRY(append_fragments(head, base, out, err));
    QV_TRY(append_packed(&rest, out, err));
    if (out->len - at - 4 > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a manifest of %zu bytes", out->len - at - 4);
    qv__store_u32(out->data + at, (uint32_t) (out->len - at - 4));
    return QV_OK;
}

/* ------------------------------------------------------------------ the next head */

/* Everything that the head points to and that is not the base's. */
typedef struct next_head {
    qv__edit *edit;
    const qv__manifest *restored;
    qv__arena arena;
    qv__lance_fields fields;
    Lance__Table__Manifest head;
    Lance__Table__Timestamp timestamp;
    Lance__Table__WriterVersion writer;
    Lance__Table__DataFormat format;
    char transaction_file[QV_NAME_BYTES];
    bool has_deletion; /* some fragment has */
} next_head;

/* The fragments that stay, changed ones in their new form, and the added ones at their places. */
static qv_status set_fragments(next_head *next, qv_error *err)
{
    const qv__edit *edit = next->edit;
    size_t kept = edit->on && !edit->drops_all ? edit->on->n_fragments : 0, added = 0, changed = 0, n = 0;
    ProtobufCBinaryData *list = qv__arena_alloc(&next->arena, kept + edit->n_added + 1, sizeof *list);

    if (!list)
        return qv__fail_nomem(err, kept * sizeof *list);
    for (size_t i = 0; i < kept; i++) {
        const qv__fragment *f = &edit->on->fragments[i];
        while (added < edit->n_added && edit->added[added].id < f->id)
            list[n++] = edit->added[added++].packed;
        if (changed < edit->n_changed && edit->changed[changed].at == i) {
            const qv__changed_fragment *c = &edit->changed[changed++];
            next->has_deletion |= c->has_deletion;
            if (c->after.data)
                list[n++] = c->after;
            continue;
        }
        next->has_deletion |= f->deletion != NULL;
        list[n++] = edit->on->manifest->head->fragments[i];
    }
    while (added < edit->n_added)
        list[n++] = edit->added[added++].packed;
    next->head.fragments = list;
    next->head.n_fragments = n;
    return QV_OK;
}

static void set_numbers(next_head *next)
{
    Lance__Table__Manifest *head = &next->head;

    head->has_max_fragment_id = next->edit->has_max_id;
    head->max_fragment_id = (uint32_t) next->edit->max_id;
    head->has_next_row_id = next->edit->next_row_id != 0;
    head->next_row_id = next->edit->next_row_id;
}

static int32_t highest_id(const qv__lance_fields *fields)
{
    int32_t id = -1;

    for (size_t i = 0; i < fields->n; i++)
        id = QV_MAX(id, fields->fields[i]->id);
    return id;
}

static qv_status set_schema(next_head *next, qv_error *err)
{
    const qv__change *change = next->edit->change;
    Lance__Table__Manifest *head = &next->head;

    if (!change->stored)
        return QV_OK;
    QV_TRY(qv__schema_to_lance(change->stored, &next->fields, err));
    head->n_fields = next->fields.n;
    head->fields = next->fields.fields;
    if (head->writer_feature_flags & QV_FLAG_LASTING_FIELD_IDS) {
        if (change->operation == QV_OP_OVERWRITE && head->has_max_allocated_field_id && next->fields.n &&
            next->fields.fields[0]->id <= head->max_allocated_field_id)
            return qv__edit_conflict(next->edit, err, "field ids up to %" PRId32 " were taken by another writer",
                                     head->max_allocated_field_id);
        head->has_max_allocated_field_id = true;
        head->max_allocated_field_id = QV_MAX(head->max_allocated_field_id, highest_id(&next->fields));
    }
    return change->operation == QV_OP_OVERWRITE
               ? qv__pack_metadata(&change->stored->metadata, &next->arena, &head->n_schema_metadata,
                                   &head->schema_metadata, err)
               : QV_OK;
}

/* ------------------------------------------------------------------ flags and format */

static const char *text_of(qv__file_version version)
{
    return version.minor == 0 ? "2.0" : version.minor == 1 ? "2.1" : "2.2";
}

/* The format of the new files; NULL: there is none. */
static const char *new_format(const qv__change *change)
{
    if (change->fragments && change->fragments->n)
        return text_of(change->fragments->items[0].file.summary.version);
    return change->n_column_files ? text_of(change->column_files[0].file.summary.version) : NULL;
}

static void set_format(next_head *next)
{
    const qv__edit *edit = next->edit;
    const char *asked = edit->change->format, *had = edit->on ? edit->on->format : "2.2";

    lance__table__data_format__init(&next->format);
    next->format.file_format = (char *) (uintptr_t) "lance";
    next->format.version = (char *) (uintptr_t) (edit->drops_all && asked ? asked : had);
    next->head.data_format = &next->format;
}

static void set_flags(next_head *next)
{
    const qv__edit *edit = next->edit;
    const qv__change *change = edit->change;
    Lance__Table__Manifest *head = &next->head;
    uint64_t both = 0, gone = QV_FLAG_DELETIONS;
    const char *format = new_format(change);

    if (edit->drops_all)
        gone |= QV_FLAG_COVERING_INDEX | QV_FLAG_SPILLED_LINEAGE;
    if (next->has_deletion)
        both |= QV_FLAG_DELETIONS;
    if (!edit->drops_all && format && strcmp(edit->on->format, format) != 0)
        both |= QV_FLAG_MIXED_VERSIONS;
    if (edit->stable)
        both |= QV_FLAG_STABLE_ROW_IDS;
    head->reader_feature_flags = (head->reader_feature_flags & ~gone) | both;
    gone |= QV_FLAG_NO_TRANSACTION_FILE | QV_FLAG_CONFIG; /* we write one */
    head->writer_feature_flags =
        (head->writer_feature_flags & ~gone) | both | (head->n_config ? (uint64_t) QV_FLAG_CONFIG : 0);
    head->has_reader_feature_flags = head->reader_feature_flags != 0;
    head->has_writer_feature_flags = head->writer_feature_flags != 0;
}

static void set_origin(next_head *next, uint64_t read_version, const char *uuid)
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
    qv__transaction_name(read_version, uuid, next->transaction_file);
    head->has_version = true;
    head->version = next->edit->version;
    head->timestamp = &next->timestamp;
    head->writer_version = &next->writer;
    head->transaction_file = next->transaction_file;
}

/* ------------------------------------------------------------------ restoring */

/* The old content under the newest numbers: ids that were given once are never given again, and what a table has become
 * (sticky flags, base paths) it stays. */
static qv_status set_restored(next_head *next, qv_error *err)
{
    const Lance__Table__Manifest *now = next->edit->on->manifest->head, *old = next->restored->head;
    uint64_t sticky = QV_FLAG_MIXED_VERSIONS | QV_FLAG_TAGGED_REUSE_INDEX | QV_FLAG_BASE_PATHS;
    Lance__Table__Manifest *head = &next->head;

    if ((now->reader_feature_flags ^ old->reader_feature_flags) & QV_FLAG_STABLE_ROW_IDS)
        return qv__fail(err, QV_UNSUPPORTED, "version %" PRIu64 " has %s row ids, and the table %s",
                        next->restored->version,
                        old->reader_feature_flags & QV_FLAG_STABLE_ROW_IDS ? "stable" : "no stable",
                        now->reader_feature_flags & QV_FLAG_STABLE_ROW_IDS ? "has" : "has not");
    *head = *old;
    head->reader_feature_flags |= now->reader_feature_flags & sticky;
    head->writer_feature_flags |= now->writer_feature_flags & (sticky | QV_FLAG_LASTING_FIELD_IDS);
    head->base_paths = now->base_paths;
    head->n_base_paths = now->n_base_paths;
    head->branch = now->branch;
    if (now->has_max_allocated_field_id &&
        (!old->has_max_allocated_field_id || now->max_allocated_field_id > old->max_allocated_field_id)) {
        head->has_max_allocated_field_id = true;
        head->max_allocated_field_id = now->max_allocated_field_id;
    }
    next->has_deletion = old->reader_feature_flags & QV_FLAG_DELETIONS;
    next->edit->next_row_id = QV_MAX(next->edit->next_row_id, old->next_row_id);
    return QV_OK;
}

/* ------------------------------------------------------------------ the whole */

static qv_status build_head(next_head *next, uint64_t read_version, const char *uuid, qv_error *err)
{
    const qv__edit *edit = next->edit;

    if (next->restored) {
        QV_TRY(set_restored(next, err));
    } else {
        if (edit->on)
            next->head = *edit->on->manifest->head;
        else
            lance__table__manifest__init(&next->head);
        QV_TRY(set_fragments(next, err));
        QV_TRY(set_schema(next, err));
        set_format(next);
    }
    if (edit->change->operation == QV_OP_CONFIG)
        QV_TRY(qv__metadata_apply(edit->change, &next->head, &next->arena, err));
    set_numbers(next);
    set_flags(next);
    set_origin(next, read_version, uuid);
    return QV_OK;
}

static qv_status append_indices(next_head *next, qv__buffer *out, qv_error *err)
{
    qv__edit *edit = next->edit;
    const qv__manifest *from = next->restored ? next->restored : edit->on ? edit->on->manifest : NULL;
    const qv__schema *schema = edit->change->stored ? edit->change->stored : edit->on ? edit->on->stored : NULL;
    Lance__Table__IndexSectionBytes section = LANCE__TABLE__INDEX_SECTION_BYTES__INIT;
    bool same = true;

    next->head.has_index_section = false;
    QV_TRY(qv__edit_indices(edit, schema, &next->arena, &same, &section.indices, &section.n_indices, err));
    if (same ? !from || !from->indices.data : section.n_indices == 0)
        return QV_OK;
    next->head.has_index_section = true;
    next->head.index_section = out->len;
    return same ? qv__append_section(from->indices.data, from->indices.len, out, err)
                : append_framed(&section.base, out, err);
}

static qv_status append_transaction(next_head *next, const qv__buffer *transaction, qv__buffer *out, qv_error *err)
{
    next->head.has_old_transaction_section = false;
    next->head.has_transaction_section = transaction->len <= MAX_INLINE_BYTES;
    next->head.transaction_section = out->len;
    return next->head.has_transaction_section ? qv__append_section(transaction->data, transaction->len, out, err)
                                              : QV_OK;
}

qv_status qv__change_manifest(qv__edit *edit, const qv__manifest *restored, uint64_t read_version, const char *uuid,
                              const qv__buffer *transaction, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    next_head next = { .edit = edit, .restored = restored };
    const qv__manifest *from = restored ? restored : edit->on ? edit->on->manifest : NULL;
    const qv__bytes *base = from ? &from->bytes : NULL;
    uint8_t tail[TAIL_BYTES] = { 0 };

    qv__arena_init(&next.arena, 0);
    QV_CHECK(build_head(&next, read_version, uuid, err));
    QV_CHECK(append_indices(&next, out, err));
    QV_CHECK(append_transaction(&next, transaction, out, err));
    qv__store_u64(tail, out->len);
    qv__store_u16(tail + 10, 2);
    memcpy(tail + 12, "LANC", 4);
    QV_CHECK(append_manifest(&next.head, base, out, err));
    QV_CHECK(qv__buffer_append(out, tail, sizeof tail, err));
done:
    qv__lance_fields_clear(&next.fields);
    qv__arena_reset(&next.arena);
    return st;
}

/* Fragments: the packed messages of a manifest, unpacked and checked into plain structures. Nothing in them is believed that
 * can be checked without opening a file. */
#include <inttypes.h>
#include <stdlib.h>

#include "table/table_private.h"

#define MAX_FRAGMENT_ID   UINT32_MAX          /* row addresses keep the id in 32 bits */
#define MAX_PHYSICAL_ROWS (UINT64_C(1) << 32) /* and the row in 32 */

static const struct {
    const char *text;
    qv__file_version version;
} formats[] = { { "2.0", { 2, 0 } }, { "2.1", { 2, 1 } }, { "2.2", { 2, 2 } } };

bool qv__version_of_text(const char *text, qv__file_version *out)
{
    for (size_t i = 0; i < QV_COUNT_OF(formats); i++) {
        if (strcmp(text, formats[i].text) == 0) {
            *out = formats[i].version;
            return true;
        }
    }
    return false;
}

static const char *text_of_version(qv__file_version version)
{
    for (size_t i = 0; i < QV_COUNT_OF(formats); i++)
        if (version.major == formats[i].version.major && version.minor == formats[i].version.minor)
            return formats[i].text;
    return NULL;
}

static qv_status parse_version(const Lance__Table__DataFile *message, qv__file_version *out, qv_error *err)
{
    uint32_t major = message->file_major_version, minor = message->file_minor_version;

    if (major == 0 && minor == 3) { /* as manifests wrote 2.0 once */
        *out = (qv__file_version){ 2, 0 };
        return QV_OK;
    }
    if (major != 2 || minor > 2)
        return qv__fail(err, QV_UNSUPPORTED, "data file \"%.100s\" has format version %" PRIu32 ".%" PRIu32 "%s",
                        message->path ? message->path : "", major, minor, major == 0 ? " (legacy)" : "");
    *out = (qv__file_version){ (uint16_t) major, (uint16_t) minor };
    return QV_OK;
}

static qv_status parse_file(const Lance__Table__DataFile *message, qv__data_file *out, qv_error *err)
{
    if (!message->path || !message->path[0])
        return qv__fail(err, QV_CORRUPT, "a data file without path");
    QV_TRY(parse_version(message, &out->version, err));
    if (message->n_fields != message->n_column_indices)
        return qv__fail(err, QV_CORRUPT, "data file \"%.100s\" lists %zu fields, but %zu columns", message->path,
                        message->n_fields, message->n_column_indices);
    out->path = message->path;
    out->field_ids = message->fields;
    out->columns = message->column_indices;
    out->n_fields = message->n_fields;
    out->size_bytes = message->file_size_bytes;
    out->has_base = message->has_base_id;
    out->base_id = message->base_id;
    return QV_OK;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *) a, y = *(const int32_t *) b;

    return (x > y) - (x < y);
}

/* At most one live file per field: collects the ids of all files, sorts, looks for twins. */
static qv_status check_overlap(const qv__fragment *fragment, qv_error *err)
{
    qv_status st = QV_OK;
    int32_t *ids = NULL;
    size_t n = 0;

    for (size_t i = 0; i < fragment->n_files; i++)
        n += fragment->files[i].n_fields;
    QV_CHECK(QV_NEW(&ids, n, err));
    n = 0;
    for (size_t i = 0; i < fragment->n_files; i++)
        for (size_t j = 0; j < fragment->files[i].n_fields; j++)
            if (fragment->files[i].field_ids[j] >= 0)
                ids[n++] = fragment->files[i].field_ids[j];
    qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 1; i < n; i++)
        if (ids[i] == ids[i - 1])
            QV_CHECK(qv__fail(err, QV_CORRUPT, "field %" PRId32 " is stored twice", ids[i]));
done:
    qv__free(ids);
    return st;
}

static qv_status parse_deletion(const Lance__Table__DeletionFile *message, qv__arena *arena, qv__fragment *out,
                                qv_error *err)
{
    qv__deletion_file *file = qv__arena_alloc(arena, 1, sizeof *file);

    if (!file)
        return qv__fail_nomem(err, sizeof *file);
    if (message->file_type > 1)
        return qv__fail(err, QV_UNSUPPORTED, "a deletion file of type %" PRIu32, message->file_type);
    if (out->physical_rows && message->num_deleted_rows > out->physical_rows)
        return qv__fail(err, QV_CORRUPT, "%" PRIu64 " of %" PRIu64 " rows are said to be deleted",
                        message->num_deleted_rows, out->physical_rows);
    *file = (qv__deletion_file){ .is_bitmap = message->file_type == 1,
                                 .read_version = message->read_version,
                                 .id = message->id,
                                 .n_deleted = message->num_deleted_rows,
                                 .has_base = message->has_base_id,
                                 .base_id = message->base_id };
    out->deletion = file;
    return QV_OK;
}

static qv_status parse_fragment(const Lance__Table__DataFragment *message, qv__arena *arena, qv__fragment *out,
                                qv__lineage *lineage, qv_error *err)
{
    out->id = message->id;
    out->physical_rows = message->physical_rows;
    if (message->n_overlays)
        return qv__fail(err, QV_UNSUPPORTED, "data overlay files");
    if (message->physical_rows > MAX_PHYSICAL_ROWS)
        return qv__fail(err, QV_CORRUPT, "%" PRIu64 " rows are more than a fragment can have", message->physical_rows);
    out->n_files = message->n_files;
    out->files = qv__arena_alloc(arena, message->n_files + 1, sizeof *out->files);
    if (!out->files)
        return qv__fail_nomem(err, message->n_files * sizeof *out->files);
    for (size_t i = 0; i < message->n_files; i++)
        QV_TRY(parse_file(message->files[i], &out->files[i], err));
    if (out->n_files > 1 || (out->n_files == 1 && out->files[0].n_fields > 1))
        QV_TRY(check_overlap(out, err));
    if (message->deletion_file)
        QV_TRY(parse_deletion(message->deletion_file, arena, out, err));
    if (message->has_inline_row_ids) /* an empty sequence is one too, so the pointer must not be NULL */
        lineage->row_ids =
            (qv__section){ message->inline_row_ids.data ? message->inline_row_ids.data : (const uint8_t *) "",
                           message->inline_row_ids.len };
    lineage->spilled = message->column_row_ids != NULL;
    if (message->has_inline_created_versions)
        lineage->created = (qv__section){ message->inline_created_versions.data, message->inline_created_versions.len };
    if (message->has_inline_last_updated_versions)
        lineage->updated =
            (qv__section){ message->inline_last_updated_versions.data, message->inline_last_updated_versions.len };
    lineage->spilled_created = message->column_created_versions != NULL;
    lineage->spilled_updated = message->column_last_updated_versions != NULL;
    return QV_OK;
}

/* ------------------------------------------------------------------ the list */

#define MAX_CHAIN 500 /* versions whose memory is kept, at most */

static void parsed_destroy(qv__owner *owner)
{
    qv__parsed *parsed = (qv__parsed *) owner;

    qv__arena_reset(&parsed->arena);
    if (parsed->older)
        qv__owner_unref(&parsed->older->owner);
    qv__free(parsed);
}

static qv_status new_parsed(const qv__snapshot *old, qv__parsed **out, qv_error *err)
{
    QV_TRY(QV_NEW(out, 1, err));
    qv__owner_init(&(*out)->owner, parsed_destroy);
    qv__arena_init(&(*out)->arena, 0);
    if (old) {
        qv__owner_ref(&old->parsed->owner);
        (*out)->older = old->parsed;
        (*out)->depth = old->parsed->depth + 1;
        (*out)->n = old->parsed->n;
    }
    return QV_OK;
}

/* Is keeping the older versions' memory worth it? Not when most of what it holds is dead. */
static bool is_worth_keeping(const qv__snapshot *old, size_t n)
{
    return old && old->parsed->depth < MAX_CHAIN && old->parsed->n / 2 <= n;
}

/* The position in `old` of a fragment with these bytes, from *at on, or SIZE_MAX. Both lists ascend by id. */
static qv_status find_same(const qv__snapshot *old, ProtobufCBinaryData packed, size_t *at, size_t *out, qv_error *err)
{
    const ProtobufCBinaryData *theirs = old->manifest->head->fragments;
    uint64_t id;

    *out = SIZE_MAX;
    if (*at == old->n_fragments)
        return QV_OK;
    if (theirs[*at].len != packed.len || memcmp(theirs[*at].data, packed.data, packed.len) != 0) {
        QV_TRY(qv__fragment_id(packed, &id, err));
        while (*at < old->n_fragments && old->fragments[*at].id < id)
            ++*at;
        if (*at == old->n_fragments || theirs[*at].len != packed.len ||
            memcmp(theirs[*at].data, packed.data, packed.len) != 0)
            return QV_OK;
    }
    *out = (*at)++;
    return QV_OK;
}

static qv_status parse_anew(ProtobufCBinaryData packed, size_t i, qv__parsed *parsed, qv__fragment_list *list,
                            qv_error *err)
{
    Lance__Table__DataFragment *message;
    qv_status st = qv__unpack_fragment(packed, &parsed->arena, &message, err);

    if (st != QV_OK)
        return qv__fail_in(err, st, "fragment %zu of the list", i);
    st = parse_fragment(message, &parsed->arena, &list->fragments[i], &list->lineage[i], err);
    parsed->n++;
    return st == QV_OK ? QV_OK : qv__fail_in(err, st, "fragment %" PRIu64, message->id);
}

static qv_status check_id(const Lance__Table__Manifest *head, const qv__fragment *list, size_t i, qv_error *err)
{
    if (list[i].id > MAX_FRAGMENT_ID || (head->has_max_fragment_id && list[i].id > head->max_fragment_id))
        return qv__fail(err, QV_CORRUPT, "fragment id %" PRIu64 " is above the table's highest", list[i].id);
    if (i && list[i].id <= list[i - 1].id)
        return qv__fail(err, QV_CORRUPT, "fragment %" PRIu64 " comes after fragment %" PRIu64, list[i].id,
                        list[i - 1].id);
    return QV_OK;
}

static qv_status fill_list(const Lance__Table__Manifest *head, const qv__snapshot *old, qv__parsed *parsed,
                           qv__fragment_list *list, qv_error *err)
{
    size_t at = 0;

    for (size_t i = 0; i < head->n_fragments; i++) {
        list->from[i] = SIZE_MAX;
        if (old)
            QV_TRY(find_same(old, head->fragments[i], &at, &list->from[i], err));
        if (list->from[i] == SIZE_MAX) {
            QV_TRY(parse_anew(head->fragments[i], i, parsed, list, err));
        } else {
            list->fragments[i] = old->fragments[list->from[i]];
            list->lineage[i] = old->lineage[list->from[i]];
        }
        QV_TRY(check_id(head, list->fragments, i, err));
    }
    return QV_OK;
}

qv_status qv__fragments_parse(const Lance__Table__Manifest *head, const qv__snapshot *old, qv__arena *arena,
                              qv__fragment_list *out, qv_error *err)
{
    size_t n = head->n_fragments;
    qv__fragment_list list = { .fragments = qv__arena_alloc(arena, n + 1, sizeof *list.fragments),
                               .lineage = qv__arena_alloc(arena, n + 1, sizeof *list.lineage),
                               .from = qv__arena_alloc(arena, n + 1, sizeof *list.from) };

    if (!list.fragments || !list.lineage || !list.from)
        return qv__fail_nomem(err, n * sizeof *list.lineage);
    if (!is_worth_keeping(old, n))
        old = NULL;
    QV_TRY(new_parsed(old, &list.parsed, err));
    qv_status st = fill_list(head, old, list.parsed, &list, err);
    if (st != QV_OK) {
        qv__owner_unref(&list.parsed->owner);
        return st;
    }
    *out = list;
    return QV_OK;
}

/* `format` is what all files must have; empty: not known yet. */
static qv_status check_format(const qv__fragment *f, bool mixed, const char **format, qv_error *err)
{
    for (size_t j = 0; j < f->n_files; j++) {
        const char *text = text_of_version(f->files[j].version);
        *format = **format ? *format : text;
        if (!mixed && strcmp(*format, text) != 0)
            return qv__fail(err, QV_CORRUPT, "data file \"%.100s\" has version %s in a table of version %s",
                            f->files[j].path, text, *format);
    }
    return QV_OK;
}

qv_status qv__data_format(const Lance__Table__Manifest *head, const qv__fragment_list *list, const qv__snapshot *old,
                          const char **out, qv_error *err)
{
    const char *format = head->data_format && head->data_format->version ? head->data_format->version : "";
    bool mixed = head->reader_feature_flags & QV_FLAG_MIXED_VERSIONS;
    bool old_is_mixed = old && old->manifest->head->reader_feature_flags & QV_FLAG_MIXED_VERSIONS;
    bool old_holds = old && strcmp(format, old->format) == 0 && (mixed || !old_is_mixed); /* what it has was checked */
    qv__file_version version;

    for (size_t i = 0; i < head->n_fragments; i++)
        if (!old_holds || list->from[i] == SIZE_MAX)
            QV_TRY(check_format(&list->fragments[i], mixed, &format, err));
    if (!*format)
        format = head->writer_feature_flags & QV_FLAG_V2_FORMAT ? "2.0" : "0.1";
    if (!qv__version_of_text(format, &version))
        return qv__fail(err, QV_UNSUPPORTED, "data format \"%.32s\"", format);
    *out = text_of_version(version);
    return QV_OK;
}

/* ------------------------------------------------------------------ without unpacking */

enum { FIELD_ID = 1, FIELD_DELETION = 3, FIELD_ROWS = 4, DELETION_ROWS = 4 };

/* The last number under `number` in a packed message; 0 when there is none. */
static qv_status find_number(const uint8_t *data, size_t len, uint32_t number, uint64_t *out, qv_error *err)
{
    qv__wire wire = { data, data + len };
    qv__wire_field field;

    *out = 0;
    while (wire.at < wire.end) {
        if (!qv__wire_next(&wire, &field))
            return qv__fail(err, QV_CORRUPT, "a malformed fragment");
        if (field.number == number && field.type == QV_WIRE_NUMBER)
            *out = field.value;
    }
    return QV_OK;
}

qv_status qv__fragment_id(ProtobufCBinaryData packed, uint64_t *out, qv_error *err)
{
    return find_number(packed.data, packed.len, FIELD_ID, out, err);
}

qv_status qv__fragment_rows(ProtobufCBinaryData packed, uint64_t *physical, uint64_t *deleted, qv_error *err)
{
    qv__wire wire = { packed.data, packed.data + packed.len };
    qv__wire_field field;

    *physical = *deleted = 0;
    while (wire.at < wire.end) {
        if (!qv__wire_next(&wire, &field))
            return qv__fail(err, QV_CORRUPT, "a malformed fragment");
        if (field.number == FIELD_ROWS && field.type == QV_WIRE_NUMBER)
            *physical = field.value;
        if (field.number == FIELD_DELETION && field.type == QV_WIRE_BYTES)
            QV_TRY(find_number(field.data, field.len, DELETION_ROWS, deleted, err));
    }
    return QV_OK;
}

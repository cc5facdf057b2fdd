/* Reading a manifest object:
 *
 *     [ u32 len | IndexSection ]  [ u32 len | Transaction ]   at the offsets that the manifest names
 *     u32 len | Manifest                                      at P
 *     i64 P | u16 major | u16 minor | "LANC"                  the last 16 bytes
 *
 * Only the frame and the head are taken apart here; fragments stay packed, because a commit copies them as they are. */
#include <inttypes.h>

#include "table/table_private.h"

#define TAIL_BYTES  16
#define PROOF_BYTES UINT64_C(4096)
#define MAX_SECONDS (INT64_MAX / 1000000000 - 1)

/* The length-prefixed section at `at`, which must end before the tail. */
static qv_status section_at(const qv__bytes *bytes, uint64_t at, const char *what, qv__section *out, qv_error *err)
{
    uint64_t end = bytes->len - TAIL_BYTES;

    if (!qv__inside(at, 4, end))
        return qv__fail(err, QV_CORRUPT, "%s at %" PRIu64 " lies outside the %zu bytes", what, at, bytes->len);
    uint32_t len = qv__load_u32(bytes->data + at);
    if (!qv__inside(at + 4, len, end))
        return qv__fail(err, QV_CORRUPT, "%s at %" PRIu64 " with %" PRIu32 " bytes passes the end", what, at, len);
    *out = (qv__section){ bytes->data + at + 4, len };
    return QV_OK;
}

static qv_status find_message(const qv__bytes *bytes, qv__section *out, qv_error *err)
{
    if (bytes->len < TAIL_BYTES + 4)
        return qv__fail(err, QV_CORRUPT, "%zu bytes are too few for a manifest", bytes->len);
    const uint8_t *tail = bytes->data + bytes->len - TAIL_BYTES;
    if (memcmp(tail + 12, "LANC", 4) != 0)
        return qv__fail(err, QV_CORRUPT, "the last four bytes are not \"LANC\"");
    if (qv__load_u16(tail + 8) != 0)
        return qv__fail(err, QV_UNSUPPORTED, "manifest format %u.%u", qv__load_u16(tail + 8), qv__load_u16(tail + 10));
    uint64_t at = qv__load_u64(tail);
    QV_TRY(section_at(bytes, at, "the manifest message", out, err));
    if (at + 4 + out->len != bytes->len - TAIL_BYTES)
        return qv__fail(err, QV_CORRUPT, "the manifest message of %zu bytes at %" PRIu64 " does not end at the tail",
                        out->len, at);
    return QV_OK;
}

static qv_status find_sections(qv__manifest *m, qv_error *err)
{
    const Lance__Table__Manifest *head = m->head;

    if (head->has_index_section)
        QV_TRY(section_at(&m->bytes, head->index_section, "the index section", &m->indices, err));
    if (head->has_transaction_section)
        QV_TRY(section_at(&m->bytes, head->transaction_section, "the transaction", &m->transaction, err));
    else if (head->has_old_transaction_section)
        QV_TRY(section_at(&m->bytes, head->old_transaction_section, "the transaction", &m->transaction, err));
    return QV_OK;
}

static qv_status check_head(const Lance__Table__Manifest *head, uint64_t version, qv_error *err)
{
    if (head->version != version)
        return qv__fail(err, QV_CORRUPT, "its name says version %" PRIu64 ", its content %" PRIu64, version,
                        head->version);
    if (head->timestamp && (head->timestamp->seconds < -MAX_SECONDS || head->timestamp->seconds > MAX_SECONDS))
        return qv__fail(err, QV_CORRUPT, "a timestamp of %" PRId64 " seconds", head->timestamp->seconds);
    for (size_t i = 0; i < head->n_base_paths; i++)
        for (size_t j = 0; j < i; j++)
            if (head->base_paths[i]->id == head->base_paths[j]->id)
                return qv__fail(err, QV_CORRUPT, "base path %" PRIu32 " occurs twice", head->base_paths[i]->id);
    return QV_OK;
}

/* ------------------------------------------------------------------ the message */

#define FIELD_FRAGMENT 2 /* Manifest.fragments */

typedef struct message_parts {
    size_t n_fragments, rest_len;
    ProtobufCBinaryData *fragments; /* where they lie in the object */
    uint8_t *rest;                  /* the other fields */
} message_parts;

static qv_status walk_parts(qv__section message, message_parts *out, qv_error *err)
{
    qv__wire wire = { message.data, message.data + message.len };
    qv__wire_field field;

    out->n_fragments = out->rest_len = 0;
    while (wire.at < wire.end) {
        const uint8_t *start = wire.at;
        if (!qv__wire_next(&wire, &field))
            return qv__fail(err, QV_CORRUPT, "%s: malformed message", lance__table__manifest__descriptor.name);
        size_t len = (size_t) (wire.at - start);
        if (field.number == FIELD_FRAGMENT && field.type == QV_WIRE_BYTES) {
            if (out->fragments)
                out->fragments[out->n_fragments] =
                    (ProtobufCBinaryData){ field.len, (uint8_t *) (uintptr_t) field.data };
            out->n_fragments++;
        } else {
            if (out->rest)
                memcpy(out->rest + out->rest_len, start, len);
            out->rest_len += len;
        }
    }
    return QV_OK;
}

/* A table may have very many fragments, and most of them nobody wants to see: they stay where they lie, and only the rest of
 * the message is unpacked. */
static qv_status unpack_head(qv__section message, qv__arena *arena, Lance__Table__Manifest **out, qv_error *err)
{
    message_parts parts = { 0 };
    ProtobufCMessage *head;

    QV_TRY(walk_parts(message, &parts, err));
    parts.fragments = qv__arena_alloc(arena, parts.n_fragments + 1, sizeof *parts.fragments);
    parts.rest = qv__arena_alloc(arena, parts.rest_len + 1, 1);
    if (!parts.fragments || !parts.rest)
        return qv__fail_nomem(err, parts.rest_len);
    QV_TRY(walk_parts(message, &parts, err));
    QV_TRY(qv__message_unpack(&lance__table__manifest__descriptor, parts.rest, parts.rest_len, arena, &head, err));
    *out = (Lance__Table__Manifest *) head;
    (*out)->fragments = parts.fragments;
    (*out)->n_fragments = parts.n_fragments;
    return QV_OK;
}

qv_status qv__manifest_parse(qv__bytes bytes, const char *name, uint64_t version, qv__names names, qv__manifest **out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *m = NULL;
    qv__section message;

    QV_CHECK(QV_NEW(&m, 1, err));
    qv__arena_init(&m->arena, qv__message_limit(bytes.len));
    m->bytes = qv__bytes_ref(bytes);
    m->version = version;
    m->names = names;
    QV_CHECK(find_message(&m->bytes, &message, err));
    QV_CHECK(unpack_head(message, &m->arena, &m->head, err));
    QV_CHECK(find_sections(m, err));
    QV_CHECK(check_head(m->head, version, err));
    *out = m;
    m = NULL;
done:
    qv__manifest_free(m);
    if (st != QV_OK)
        qv__fail_in(err, st, "%s", name);
    return st;
}

qv_status qv__manifest_load(qv__store *table, uint64_t version, qv__names names, qv__manifest **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__object *object = NULL;
    qv__bytes bytes = { 0 };
    char name[QV_NAME_BYTES];

    qv__manifest_name(version, names, name);
    QV_CHECK(qv__object_open(table, name, &object, err));
    QV_CHECK(qv__object_read(object, 0, qv__object_size(object), &bytes, err));
    QV_CHECK(qv__manifest_parse(bytes, name, version, names, out, err));
done:
    qv__bytes_unref(&bytes);
    qv__object_unref(object);
    return st;
}

static qv_status same_part(qv__object *object, const qv__manifest *manifest, uint64_t at, uint64_t len, bool *same,
                           qv_error *err)
{
    qv__bytes bytes = { 0 };

    QV_TRY(qv__object_read(object, at, len, &bytes, err));
    *same = memcmp(bytes.data, manifest->bytes.data + at, len) == 0;
    qv__bytes_unref(&bytes);
    return QV_OK;
}

qv_status qv__manifest_is_stored(qv__store *table, const qv__manifest *manifest, bool *out, qv_error *err)
{
    qv__object *object = NULL;
    char name[QV_NAME_BYTES];
    uint64_t len = manifest->bytes.len, part = QV_MIN(len, PROOF_BYTES);
    bool same = false;

    qv__manifest_name(manifest->version, manifest->names, name);
    qv_status st = qv__object_open(table, name, &object, err);
    if (st == QV_OK && qv__object_size(object) == len) {
        st = same_part(object, manifest, 0, part, &same, err);
        if (st == QV_OK && same)
            st = same_part(object, manifest, len - part, part, &same, err);
    }
    if (st == QV_NOT_FOUND)
        st = QV_OK;
    if (st == QV_OK)
        *out = same;
    qv__object_unref(object);
    return st;
}

void qv__manifest_free(qv__manifest *manifest)
{
    if (!manifest)
        return;
    qv__bytes_unref(&manifest->bytes);
    qv__arena_reset(&manifest->arena);
    qv__free(manifest);
}

int64_t qv__manifest_timestamp(const Lance__Table__Manifest *head)
{
    return head->timestamp ? head->timestamp->seconds * 1000000000 + head->timestamp->nanos : 0;
}

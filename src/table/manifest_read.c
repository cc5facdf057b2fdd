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

qv_status qv__manifest_parse(qv__bytes bytes, const char *name, uint64_t version, qv__names names, qv__manifest **out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *m = NULL;
    qv__section message;
    ProtobufCMessage *head;

    QV_CHECK(QV_NEW(&m, 1, err));
    qv__arena_init(&m->arena, qv__message_limit(bytes.len));
    m->bytes = qv__bytes_ref(bytes);
    m->version = version;
    m->names = names;
    QV_CHECK(find_message(&m->bytes, &message, err));
    QV_CHECK(qv__message_unpack(&lance__table__manifest__descriptor, message.data, message.len, &m->arena, &head, err));
    m->head = (Lance__Table__Manifest *) head;
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

qv_status qv__manifest_is_stored(qv__store *table, const qv__manifest *manifest, bool *out, qv_error *err)
{
    qv__object *object = NULL;
    qv__bytes bytes = { 0 };
    char name[QV_NAME_BYTES];
    bool same = false;

    qv__manifest_name(manifest->version, manifest->names, name);
    qv_status st = qv__object_open(table, name, &object, err);
    if (st == QV_OK && qv__object_size(object) == manifest->bytes.len) {
        st = qv__object_read(object, 0, manifest->bytes.len, &bytes, err);
        same = st == QV_OK && memcmp(bytes.data, manifest->bytes.data, bytes.len) == 0;
    }
    if (st == QV_NOT_FOUND)
        st = QV_OK;
    if (st == QV_OK)
        *out = same;
    qv__bytes_unref(&bytes);
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

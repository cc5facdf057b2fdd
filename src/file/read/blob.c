/* Blobs: the page holds where the bytes are. Version 1 points into the data file itself; version 2 also into files beside it,
 * named after the data file and the blob's number. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/read/read_private.h"

static qv_status struct_of(const qv__type_id *ids, const char *const *names, size_t n, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field fields[5] = { 0 };

    for (size_t i = 0; i < n; i++) {
        qv__type *type = NULL;
        QV_CHECK(qv__type_new(ids[i], &type, err));
        st = qv__field_init(&fields[i], names[i], type, false, err);
        qv__type_unref(type);
        QV_CHECK(st);
    }
    QV_CHECK(qv__type_new_struct(fields, n, out, err));
done:
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
    return st;
}

qv_status qv__blob_v1_type(qv__type **out, qv_error *err)
{
    static const qv__type_id ids[] = { QV_TYPE_UINT64, QV_TYPE_UINT64 };
    static const char *const names[] = { "position", "size" };

    return struct_of(ids, names, 2, out, err);
}

qv_status qv__blob_v2_type(qv__type **out, qv_error *err)
{
    static const qv__type_id ids[] = { QV_TYPE_UINT8, QV_TYPE_UINT64, QV_TYPE_UINT64, QV_TYPE_UINT32, QV_TYPE_UTF8 };
    static const char *const names[] = { "kind", "position", "size", "blob_id", "blob_uri" };

    return struct_of(ids, names, 5, out, err);
}

qv_status qv__blob_bytes(qv__file *file, uint64_t position, uint64_t size, qv__sink *sink, qv_error *err)
{
    qv__bytes bytes = { 0 };

    if (!qv__inside(position, size, file->metadata_at))
        return qv__fail(err, QV_CORRUPT,
                        "blob [%" PRIu64 ", +%" PRIu64 ") lies outside the data area of %" PRIu64 " bytes", position,
                        size, file->metadata_at);
    QV_TRY(qv__object_read(file->object, position, size, &bytes, err));
    qv_status st = qv__sink_string(sink, bytes.data, bytes.len, err);
    qv__bytes_unref(&bytes);
    return st;
}

/* ------------------------------------------------------------------ version 1 in 2.1 pages */

/* A null has size 0 and its definition level in the position's upper half. */
static qv_status read_positions(qv__reader *reader, const qv__page21 *page, const qv__array *positions, qv_error *err)
{
    const uint8_t *at = qv__array_values(positions->children[0]), *size = qv__array_values(positions->children[1]);

    for (int64_t i = 0; i < positions->length; i++) {
        uint64_t position = qv__load_u64(at + i * 8), len = qv__load_u64(size + i * 8);
        uint16_t def = len == 0 && position != 0 ? (uint16_t) QV_MIN(position >> 16, UINT16_MAX) : 0;
        QV_TRY(qv__levels_apply(&page->layers, NULL, &def, 1, reader->sinks, err));
        QV_TRY(len == 0 ? qv__sink_zeros(reader->sinks[0], 1, err)
                        : qv__blob_bytes(reader->file, position, len, reader->sinks[0], err));
    }
    return QV_OK;
}

qv_status qv__blob_read(qv__reader *reader, qv__page21 *page, const qv__leaf *leaf, const qv__rows *rows, size_t n_rows,
                        qv_error *err)
{
    qv_status st = QV_OK;
    qv__leaf inner_leaf = { .type = leaf->blob_type, .n_layers = 1 };
    qv__sink *bytes_sink = reader->sinks[0], sink = { 0 };
    qv__array *positions = NULL;

    QV_CHECK(qv__sink_init(&sink, leaf->blob_type, err));
    reader->sinks[0] = &sink;
    st = qv__page21_read(reader, page->inner, &inner_leaf, rows, n_rows, err);
    reader->sinks[0] = bytes_sink;
    QV_CHECK(st);
    QV_CHECK(qv__sink_finish(&sink, &positions, err));
    QV_CHECK(read_positions(reader, page, positions, err));
done:
    qv__array_unref(positions);
    qv__sink_clear(&sink);
    return st;
}

/* ------------------------------------------------------------------ version 2 */

enum { KIND_INLINE, KIND_PACKED, KIND_DEDICATED, KIND_EXTERNAL, KIND_MANAGED, KIND_MANAGED_BASE };

/* `{data file without .lance}/{number, its 32 bits reversed, in binary}.blob` */
static qv_status blob_name(const qv__file *file, uint32_t id, char **out, qv_error *err)
{
    size_t len = strlen(file->name);

    if (len > 6 && strcmp(file->name + len - 6, ".lance") == 0)
        len -= 6;
    char *name = qv__alloc(len + 1 + 32 + 5 + 1, 1);
    if (!name)
        return qv__fail_nomem(err, len + 39);
    memcpy(name, file->name, len);
    name[len++] = '/';
    for (unsigned bit = 0; bit < 32; bit++)
        name[len++] = id >> bit & 1 ? '1' : '0';
    memcpy(name + len, ".blob", 6);
    *out = name;
    return QV_OK;
}

/* The object stays open for the next row, which often lies in the same one. */
static qv_status open_blob(qv__reader *reader, uint32_t id, qv_error *err)
{
    char *name = NULL;

    if (reader->blob && reader->blob_id == id)
        return QV_OK;
    QV_TRY(blob_name(reader->file, id, &name, err));
    qv__object_unref(reader->blob);
    reader->blob = NULL;
    qv_status st = qv__object_open(reader->file->store, name, &reader->blob, err);
    qv__free(name);
    reader->blob_id = id;
    return st;
}

static qv_status outside_bytes(qv__reader *reader, uint32_t id, uint64_t at, uint64_t len, qv__sink *sink,
                               qv_error *err)
{
    qv__bytes bytes = { 0 };

    QV_TRY(open_blob(reader, id, err));
    QV_TRY(qv__object_read(reader->blob, at, len, &bytes, err));
    qv_status st = qv__sink_string(sink, bytes.data, bytes.len, err);
    qv__bytes_unref(&bytes);
    return st;
}

static qv_status is_external(const uint8_t *uri, size_t len, unsigned kind, qv_error *err)
{
    return qv__fail(err, QV_UNSUPPORTED, "blob of kind %u (%s) at \"%.*s\" is not supported", kind,
                    kind == KIND_EXTERNAL       ? "external"
                    : kind <= KIND_MANAGED_BASE ? "managed"
                                                : "unknown",
                    (int) QV_MIN(len, 200), (const char *) uri);
}

static bool is_absolute_path(const uint8_t *uri, size_t len)
{
    return len > 0 && (uri[0] == '/' || (len > 7 && memcmp(uri, "file://", 7) == 0));
}

/* An object of its own, by absolute path; size 0 means all of it. */
static qv_status external_bytes(const uint8_t *uri, size_t uri_len, uint64_t at, uint64_t len, qv__sink *sink,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *store = NULL;
    qv__object *object = NULL;
    qv__bytes bytes = { 0 };
    char *folder = qv__strndup((const char *) uri, uri_len), *name = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return qv__fail_nomem(err, uri_len);
    name = name ? name : folder;
    *name++ = 0;
    QV_CHECK(qv__store_open(*folder ? folder : "/", false, &store, err));
    QV_CHECK(qv__object_open(store, name, &object, err));
    QV_CHECK(qv__object_read(object, at, len ? len : qv__object_size(object) - QV_MIN(at, qv__object_size(object)),
                             &bytes, err));
    QV_CHECK(qv__sink_string(sink, bytes.data, bytes.len, err));
done:
    qv__bytes_unref(&bytes);
    qv__object_unref(object);
    qv__store_unref(store);
    qv__free(folder);
    return st;
}

static qv_status resolve(qv__reader *reader, const qv__array *descriptors, int64_t i, qv__sink *sink, qv_error *err)
{
    const qv__array *const *f = (const qv__array *const *) descriptors->children;
    unsigned kind = *((const uint8_t *) qv__array_values(f[0]) + i);
    uint64_t at = qv__load_u64((const uint8_t *) qv__array_values(f[1]) + i * 8);
    uint64_t len = qv__load_u64((const uint8_t *) qv__array_values(f[2]) + i * 8);
    uint32_t id = qv__load_u32((const uint8_t *) qv__array_values(f[3]) + i * 4);
    size_t uri_len;
    const uint8_t *uri = qv__array_string(f[4], i, &uri_len);

    switch (kind) {
    case KIND_INLINE:
        return len == 0 ? qv__sink_zeros(sink, 1, err) : qv__blob_bytes(reader->file, at, len, sink, err);
    case KIND_PACKED:
        return outside_bytes(reader, id, at, len, sink, err);
    case KIND_DEDICATED:
        return outside_bytes(reader, id, 0, len, sink, err);
    case KIND_EXTERNAL:
        if (id == 0 && is_absolute_path(uri, uri_len))
            return external_bytes(uri, uri_len, at, len, sink, err);
        return is_external(uri, uri_len, kind, err);
    default:
        return is_external(uri, uri_len, kind, err);
    }
}

qv_status qv__blob_v2_resolve(qv__reader *reader, const qv__array *descriptors, qv__sink *sink, qv_error *err)
{
    for (int64_t i = 0; i < descriptors->length; i++) {
        bool is_null = qv__array_is_null(descriptors, i);
        QV_TRY(is_null ? qv__sink_nulls(sink, 1, err) : qv__sink_valid(sink, 1, err));
        QV_TRY(is_null ? qv__sink_zeros(sink, 1, err) : resolve(reader, descriptors, i, sink, err));
    }
    return QV_OK;
}

/* Messages to bytes, kept in an arena. */
#include "table/table_private.h"

qv_status qv__pack(const ProtobufCMessage *message, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = qv__arena_alloc(arena, 1, len + 1); /* never NULL, also when the message is empty */

    if (!bytes)
        return qv__fail_nomem(err, len);
    protobuf_c_message_pack(message, bytes);
    *out = (ProtobufCBinaryData){ len, bytes };
    return QV_OK;
}

qv_status qv__unpack_fragment(ProtobufCBinaryData packed, qv__arena *arena, Lance__Table__DataFragment **out,
                              qv_error *err)
{
    ProtobufCMessage *message;

    QV_TRY(qv__message_unpack(&lance__table__data_fragment__descriptor, packed.data, packed.len, arena, &message, err));
    *out = (Lance__Table__DataFragment *) message;
    return QV_OK;
}

qv_status qv__append_section(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err)
{
    uint8_t prefix[4];

    if (len > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "a section of %zu bytes", len);
    qv__store_u32(prefix, (uint32_t) len);
    QV_TRY(qv__buffer_append(out, prefix, sizeof prefix, err));
    return qv__buffer_append(out, bytes, len, err);
}

qv_status qv__pack_metadata(const qv__metadata *metadata, qv__arena *arena, size_t *n,
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

/* The generated unpacker recurses without limit and allocates a structure for each two-byte sub-message. So a walk over the
 * wire format, guided by the descriptors, first checks shape and depth; then the unpacker runs on an arena with a limit. */
#include "file/message.h"

static bool read_varint(qv__wire *c, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (c->at == c->end)
            return false;
        uint8_t byte = *c->at++;
        value |= (uint64_t) (byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool skip_bytes(qv__wire *c, uint64_t n)
{
    if (n > (uint64_t) (c->end - c->at))
        return false;
    c->at += n;
    return true;
}

bool qv__wire_next(qv__wire *wire, qv__wire_field *out)
{
    uint64_t key, len;

    if (!read_varint(wire, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return false;
    *out = (qv__wire_field){ .number = (uint32_t) (key >> 3), .type = key & 7 };
    switch (out->type) {
    case QV_WIRE_NUMBER:
        return read_varint(wire, &out->value);
    case QV_WIRE_FIXED64:
        return skip_bytes(wire, 8);
    case QV_WIRE_FIXED32:
        return skip_bytes(wire, 4);
    case QV_WIRE_BYTES:
        if (!read_varint(wire, &len) || !skip_bytes(wire, len))
            return false;
        out->data = wire->at - len;
        out->len = len;
        return true;
    default:
        return false;
    }
}

static qv_status check_shape(const ProtobufCMessageDescriptor *type, qv__wire wire, unsigned depth, qv_error *err)
{
    qv__wire_field field;

    if (depth > QV_MESSAGE_MAX_DEPTH)
        return qv__fail(err, QV_CORRUPT, "%s: messages nested deeper than %d", type->name, QV_MESSAGE_MAX_DEPTH);
    while (wire.at < wire.end) {
        if (!qv__wire_next(&wire, &field))
            return qv__fail(err, QV_CORRUPT, "%s: malformed message", type->name);
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(type, field.number);
        if (known && known->type == PROTOBUF_C_TYPE_MESSAGE && field.type == QV_WIRE_BYTES)
            QV_TRY(check_shape(known->descriptor, (qv__wire){ field.data, field.data + field.len }, depth + 1, err));
    }
    return QV_OK;
}

typedef struct arena_allocator {
    qv__arena *arena;
    bool failed;
} arena_allocator;

static void *arena_alloc(void *data, size_t size)
{
    arena_allocator *allocator = data;
    void *block = qv__arena_alloc(allocator->arena, 1, size);

    if (!block)
        allocator->failed = true;
    return block;
}

static void arena_free(void *data, void *block)
{
    QV_UNUSED(data);
    QV_UNUSED(block);
}

qv_status qv__message_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t len, qv__arena *arena,
                             ProtobufCMessage **out, qv_error *err)
{
    static const uint8_t nothing[1];
    arena_allocator data = { arena, false };
    ProtobufCAllocator allocator = { arena_alloc, arena_free, &data };

    bytes = bytes ? bytes : nothing;
    QV_TRY(check_shape(type, (qv__wire){ bytes, bytes + len }, 0, err));
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, len, bytes);
    if (!message)
        return data.failed ? qv__fail(err, QV_NOMEM, "%s: no memory for a message of %zu bytes", type->name, len)
                           : qv__fail(err, QV_CORRUPT, "%s: malformed message", type->name);
    *out = message;
    return QV_OK;
}

/* The generated unpacker recurses without limit and allocates a structure for each two-byte sub-message. So a walk over the
 * wire format, guided by the descriptors, first checks shape and depth; then the unpacker runs on an arena with a limit. */
#include "file/message.h"

typedef struct cursor {
    const uint8_t *at, *end;
} cursor;

static bool read_varint(cursor *c, uint64_t *out)
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

static bool skip_bytes(cursor *c, uint64_t n)
{
    if (n > (uint64_t) (c->end - c->at))
        return false;
    c->at += n;
    return true;
}

static qv_status check_shape(const ProtobufCMessageDescriptor *type, cursor c, unsigned depth, qv_error *err)
{
    uint64_t key, value;

    if (depth > QV_MESSAGE_MAX_DEPTH)
        return qv__fail(err, QV_CORRUPT, "%s: messages nested deeper than %d", type->name, QV_MESSAGE_MAX_DEPTH);
    while (c.at < c.end) {
        bool ok = read_varint(&c, &key) && key >> 3 != 0 && key >> 3 <= UINT32_MAX >> 3;
        const ProtobufCFieldDescriptor *field =
            ok ? protobuf_c_message_descriptor_get_field(type, (unsigned) (key >> 3)) : NULL;
        switch (ok ? key & 7 : 7) {
        case 0:
            ok = read_varint(&c, &value);
            break;
        case 1:
            ok = skip_bytes(&c, 8);
            break;
        case 2:
            ok = read_varint(&c, &value) && skip_bytes(&c, value);
            if (ok && field && field->type == PROTOBUF_C_TYPE_MESSAGE)
                QV_TRY(check_shape(field->descriptor, (cursor){ c.at - value, c.at }, depth + 1, err));
            break;
        case 5:
            ok = skip_bytes(&c, 4);
            break;
        default:
            ok = false;
        }
        if (!ok)
            return qv__fail(err, QV_CORRUPT, "%s: malformed message", type->name);
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
    QV_TRY(check_shape(type, (cursor){ bytes, bytes + len }, 0, err));
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, len, bytes);
    if (!message)
        return data.failed ? qv__fail(err, QV_NOMEM, "%s: no memory for a message of %zu bytes", type->name, len)
                           : qv__fail(err, QV_CORRUPT, "%s: malformed message", type->name);
    *out = message;
    return QV_OK;
}

/* Protobuf messages of foreign origin: nesting and memory are bounded before the generated code sees a byte. */
#ifndef QV_FILE_MESSAGE_H
#define QV_FILE_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

#define QV_MESSAGE_MAX_DEPTH 64

/* Unpacks into `arena`, which owns all that *out points to. QV_CORRUPT: not a message of this type, or nested deeper than 64;
 * QV_NOMEM: the arena's limit or the heap's. */
qv_status qv__message_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t len, qv__arena *arena,
                             ProtobufCMessage **out, qv_error *err);

/* A walk over the fields of a packed message, for who wants few of them. Numbers of fixed width are not told. */
typedef struct qv__wire {
    const uint8_t *at, *end;
} qv__wire;
enum { QV_WIRE_NUMBER = 0, QV_WIRE_FIXED64 = 1, QV_WIRE_BYTES = 2, QV_WIRE_FIXED32 = 5 };
typedef struct qv__wire_field {
    uint32_t number;
    unsigned type;
    uint64_t value;      /* QV_WIRE_NUMBER */
    const uint8_t *data; /* QV_WIRE_BYTES */
    size_t len;
} qv__wire_field;
/* The field at wire->at, which moves on; false: malformed. */
bool qv__wire_next(qv__wire *wire, qv__wire_field *out);

/* The limit for an arena that holds what `len` bytes of messages unpack to: a message of two bytes becomes a structure of some
 * hundred, and nothing grows faster than that. */
static inline size_t qv__message_limit(size_t len) { return len * 256 + 65536; }

#endif

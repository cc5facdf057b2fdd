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

/* The limit for an arena that holds what `len` bytes of messages unpack to: a message of two bytes becomes a structure of some
 * hundred, and nothing grows faster than that. */
static inline size_t qv__message_limit(size_t len) { return len * 256 + 65536; }

#endif

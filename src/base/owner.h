/* Who keeps bytes alive: the heap, a memory map, an imported Arrow array. Counted; thread-safe. */
#ifndef QV_BASE_OWNER_H
#define QV_BASE_OWNER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct qv__owner {
    atomic_int refs;
    void (*destroy)(struct qv__owner *owner); /* called when the last reference goes */
} qv__owner;

static inline void qv__owner_init(qv__owner *owner, void (*destroy)(qv__owner *))
{
    atomic_init(&owner->refs, 1);
    owner->destroy = destroy;
}
static inline qv__owner *qv__owner_ref(qv__owner *owner)
{
    if (owner)
        atomic_fetch_add_explicit(&owner->refs, 1, memory_order_relaxed);
    return owner;
}
/* release: what was done under this reference happens before destroy, which another thread may run. */
static inline void qv__owner_unref(qv__owner *owner)
{
    if (owner && atomic_fetch_sub_explicit(&owner->refs, 1, memory_order_acq_rel) == 1)
        owner->destroy(owner);
}

/* A read-only view of bytes and a counted reference on their owner (NULL: static or empty). */
typedef struct qv__bytes {
    const uint8_t *data;
    size_t len;
    qv__owner *owner;
} qv__bytes;

static inline qv__bytes qv__bytes_ref(qv__bytes bytes)
{
    qv__owner_ref(bytes.owner);
    return bytes;
}
static inline void qv__bytes_unref(qv__bytes *bytes)
{
    qv__owner_unref(bytes->owner);
    *bytes = (qv__bytes){ 0 };
}
/* A part of `bytes`, with a reference of its own. The caller has checked the range. */
static inline qv__bytes qv__bytes_slice(qv__bytes bytes, size_t at, size_t len)
{
    return (qv__bytes){ bytes.data + at, len, qv__owner_ref(bytes.owner) };
}
/* Fresh 64-byte aligned heap bytes to be filled through *writable (length len; not zeroed). */
qv_status qv__bytes_new(size_t len, qv__bytes *out, uint8_t **writable, qv_error *err);
/* Takes a block from qv__alloc* (freed by qv__free with the last reference); on failure the block is freed. */
qv_status qv__bytes_adopt(void *block, size_t len, qv__bytes *out, qv_error *err);

#endif

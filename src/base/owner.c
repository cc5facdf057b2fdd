/* Owners whose bytes are a heap block: their own (header in front of the bytes), or one taken from the caller. */
#include "base/owner.h"

#include "base/alloc.h"

/* 64 bytes, so that the bytes behind it keep the block's alignment. */
typedef struct heap_owner {
    _Alignas(64) qv__owner owner;
} heap_owner;

typedef struct adopting_owner {
    qv__owner owner;
    void *block;
} adopting_owner;

static void destroy_heap(qv__owner *owner) { qv__free(owner); }

static void destroy_adopted(qv__owner *owner)
{
    adopting_owner *self = (adopting_owner *) owner;

    qv__free(self->block);
    qv__free(self);
}

qv_status qv__bytes_new(size_t len, qv__bytes *out, uint8_t **writable, qv_error *err)
{
    if (len > PTRDIFF_MAX - 4096)
        return qv__fail_nomem(err, len);
    heap_owner *self = qv__alloc_aligned(sizeof *self + len);
    if (!self)
        return qv__fail_nomem(err, sizeof *self + len);
    qv__owner_init(&self->owner, destroy_heap);
    uint8_t *data = (uint8_t *) (self + 1);
    *out = (qv__bytes){ data, len, &self->owner };
    *writable = data;
    return QV_OK;
}

qv_status qv__bytes_adopt(void *block, size_t len, qv__bytes *out, qv_error *err)
{
    adopting_owner *self = qv__alloc(1, sizeof *self);

    if (!self) {
        qv__free(block);
        return qv__fail_nomem(err, sizeof *self);
    }
    qv__owner_init(&self->owner, destroy_adopted);
    self->block = block;
    *out = (qv__bytes){ block, len, &self->owner };
    return QV_OK;
}

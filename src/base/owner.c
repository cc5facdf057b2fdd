#include "base/owner.h"

#include "base/alloc.h"

/* The owner of one heap block. */
typedef struct heap_owner {
    qv__owner base;
    void *block;
} heap_owner;

static void heap_destroy(qv__owner *owner)
{
    heap_owner *self = (heap_owner *) owner;

    qv__free(self->block);
    qv__free(self);
}

qv_status qv__bytes_adopt(void *block, size_t len, qv__bytes *out, qv_error *err)
{
    heap_owner *owner = qv__alloc(1, sizeof *owner);

    if (!owner) {
        qv__free(block);
        return qv__fail_nomem(err, sizeof *owner);
    }
    qv__owner_init(&owner->base, heap_destroy);
    owner->block = block;
    *out = (qv__bytes){ block, len, &owner->base };
    return QV_OK;
}

qv_status qv__bytes_new(size_t len, qv__bytes *out, uint8_t **writable, qv_error *err)
{
    void *block = qv__alloc_aligned(len);

    if (!block)
        return qv__fail_nomem(err, len);
    QV_TRY(qv__bytes_adopt(block, len, out, err));
    *writable = block;
    return QV_OK;
}

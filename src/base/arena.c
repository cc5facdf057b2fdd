/* Blocks of growing size in a list; an allocation is a bump of a pointer in the newest one. */
#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"

#define FIRST_BLOCK_BYTES   4096
#define LARGEST_BLOCK_BYTES ((size_t) 1 << 20)
#define ALIGNMENT           16

struct qv__arena_block {
    qv__arena_block *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) uint8_t bytes[];
};

void qv__arena_init(qv__arena *arena, size_t limit_bytes) { *arena = (qv__arena){ NULL, 0, limit_bytes }; }

static qv__arena_block *add_block(qv__arena *arena, size_t at_least)
{
    size_t capacity = arena->blocks ? QV_MIN(arena->blocks->capacity * 2, LARGEST_BLOCK_BYTES) : FIRST_BLOCK_BYTES;
    capacity = QV_MAX(capacity, at_least);
    qv__arena_block *block = qv__alloc_zero(1, sizeof *block + capacity);
    if (!block)
        return NULL;
    block->capacity = capacity;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *qv__arena_alloc(qv__arena *arena, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n) || n > PTRDIFF_MAX / 2)
        return NULL;
    n = (n + ALIGNMENT - 1) & ~(size_t) (ALIGNMENT - 1);
    if (arena->limit_bytes && (n > arena->limit_bytes || arena->used_bytes > arena->limit_bytes - n))
        return NULL;
    qv__arena_block *block = arena->blocks;
    if (!block || block->capacity - block->used < n)
        block = add_block(arena, n);
    if (!block)
        return NULL;
    void *out = block->bytes + block->used;
    block->used += n;
    arena->used_bytes += n;
    return out;
}

char *qv__arena_strndup(qv__arena *arena, const char *text, size_t n_bytes)
{
    char *copy = n_bytes < PTRDIFF_MAX / 2 ? qv__arena_alloc(arena, n_bytes + 1, 1) : NULL;
    if (copy && n_bytes)
        memcpy(copy, text, n_bytes);
    return copy;
}

void qv__arena_reset(qv__arena *arena)
{
    while (arena->blocks) {
        qv__arena_block *next = arena->blocks->next;
        qv__free(arena->blocks);
        arena->blocks = next;
    }
    arena->used_bytes = 0;
}

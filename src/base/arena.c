/*
 * A chain of blocks, newest first; each allocation is cut from the newest, larger ones get a block of their own behind
 * it. Block sizes double from 4 KiB to 1 MiB, so that a small message costs little and a large one few blocks.
 * Under AddressSanitizer the unused part of a block is poisoned, and a 16-byte gap follows every allocation.
 */
#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_GAP 16u
#else
#define ARENA_GAP                         0u
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void) (p), (void) (n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#endif

#define FIRST_BLOCK ((size_t) 4096)
#define LAST_BLOCK  ((size_t) 1 << 20)

struct qv__arena_block {
    qv__arena_block *next;
    size_t capacity; /* of bytes[] */
    size_t used;     /* a multiple of 16 */
    size_t padding;  /* keeps bytes[] 16-aligned */
    uint8_t bytes[];
};

_Static_assert(sizeof(qv__arena_block) % 16 == 0, "arena bytes must be 16-aligned");

void qv__arena_init(qv__arena *arena, size_t limit_bytes) { *arena = (qv__arena){ .limit_bytes = limit_bytes }; }

static qv__arena_block *add_block(qv__arena *arena, size_t needed)
{
    qv__arena_block *newest = arena->blocks;
    size_t capacity = newest ? QV_MIN(newest->capacity * 2, LAST_BLOCK) : FIRST_BLOCK;
    bool own = needed > capacity;

    if (own)
        capacity = needed;
    qv__arena_block *block = qv__alloc(1, sizeof *block + capacity);
    if (!block)
        return NULL;
    *block = (qv__arena_block){ .capacity = capacity };
    ASAN_POISON_MEMORY_REGION(block->bytes, capacity);
    if (own && newest) { /* full from the start: keep cutting from the newest */
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block;
}

void *qv__arena_alloc(qv__arena *arena, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total) || total > PTRDIFF_MAX - 4096)
        return NULL;
    size_t rounded = ((total ? total : 1) + 15) & ~(size_t) 15;
    if (arena->limit_bytes &&
        (arena->used_bytes > arena->limit_bytes || rounded > arena->limit_bytes - arena->used_bytes))
        return NULL;
    qv__arena_block *block = arena->blocks;
    size_t needed = rounded + ARENA_GAP;
    if (!block || needed > block->capacity - block->used) {
        block = add_block(arena, needed);
        if (!block)
            return NULL;
    }
    uint8_t *bytes = block->bytes + block->used;
    block->used += needed;
    arena->used_bytes += rounded;
    ASAN_UNPOISON_MEMORY_REGION(bytes, total);
    memset(bytes, 0, total);
    return bytes;
}

char *qv__arena_strndup(qv__arena *arena, const char *text, size_t n_bytes)
{
    if (n_bytes == SIZE_MAX)
        return NULL;
    char *copy = qv__arena_alloc(arena, n_bytes + 1, 1);
    if (copy && n_bytes)
        memcpy(copy, text, n_bytes);
    return copy;
}

void qv__arena_reset(qv__arena *arena)
{
    qv__arena_block *block = arena->blocks;

    while (block) {
        qv__arena_block *next = block->next;
        ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->capacity);
        qv__free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

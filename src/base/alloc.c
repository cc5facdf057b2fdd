/*
 * Heap memory. Blocks come from malloc; what they really hold is read back with malloc_usable_size, so no header is
 * needed and aligned and plain blocks are freed alike.
 *
 * The counters are independent relaxed atomics: they are statistics, no thread reads other memory because of them.
 * The limit is checked by adding first and taking back when the sum passed it, so two threads can never both slip
 * under it; the price is that both may fail when only one had to.
 */
#include "base/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_BYTES = 1024 }; /* what a thread's cache holds */

static _Atomic size_t live_bytes;
static _Atomic size_t peak_bytes;
static _Atomic size_t live_blocks;
static _Atomic size_t limit_bytes; /* 0: none */

/* Tests: allocations left before the one that fails. */
static atomic_bool fault_armed;
static atomic_bool fault_fired;
static _Atomic uint64_t fault_countdown;

void qv__alloc_fail_at(uint64_t n)
{
    atomic_store(&fault_armed, false);
    atomic_store(&fault_fired, false);
    atomic_store(&fault_countdown, n);
    atomic_store(&fault_armed, n != UINT64_MAX);
}

bool qv__alloc_fault_fired(void) { return atomic_load(&fault_fired); }

static bool fault_now(void)
{
    if (!atomic_load_explicit(&fault_armed, memory_order_relaxed))
        return false;
    if (atomic_fetch_sub(&fault_countdown, 1) != 0)
        return false;
    atomic_store(&fault_armed, false);
    atomic_store(&fault_fired, true);
    return true;
}

void qv_set_memory_limit(size_t bytes) { atomic_store(&limit_bytes, bytes); }

qv_memory_stats qv_memory(void)
{
    return (qv_memory_stats){
        .live_bytes = atomic_load_explicit(&live_bytes, memory_order_relaxed),
        .peak_bytes = atomic_load_explicit(&peak_bytes, memory_order_relaxed),
        .live_blocks = atomic_load_explicit(&live_blocks, memory_order_relaxed),
    };
}

/* False when `bytes` more would pass the limit; nothing is counted then. */
static bool count_add(size_t bytes)
{
    size_t limit = atomic_load_explicit(&limit_bytes, memory_order_relaxed);
    size_t old = atomic_fetch_add_explicit(&live_bytes, bytes, memory_order_relaxed);
    size_t now = old + bytes;

    if (now < old || (limit && now > limit)) {
        atomic_fetch_sub_explicit(&live_bytes, bytes, memory_order_relaxed);
        return false;
    }
    size_t peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&peak_bytes, &peak, now, memory_order_relaxed, memory_order_relaxed))
        ;
    return true;
}

static void count_sub(size_t bytes) { atomic_fetch_sub_explicit(&live_bytes, bytes, memory_order_relaxed); }

/* Is there room for a block of this size? Asked before malloc, so that a huge request never touches the system. */
static bool limit_allows(size_t bytes)
{
    size_t limit = atomic_load_explicit(&limit_bytes, memory_order_relaxed);
    size_t live = atomic_load_explicit(&live_bytes, memory_order_relaxed);

    return !limit || (live <= limit && bytes <= limit - live);
}

/* Counts a block fresh from the system, or gives it back when the limit says so. */
static void *admit(void *block)
{
    if (!block)
        return NULL;
    if (!count_add(malloc_usable_size(block))) {
        free(block);
        return NULL;
    }
    atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return block;
}

/* PTRDIFF_MAX bounds objects: pointer differences inside a larger one would be undefined. */
static bool total_size(size_t count, size_t size, size_t *total)
{
    if (__builtin_mul_overflow(count, size, total) || *total > PTRDIFF_MAX)
        return false;
    if (*total == 0)
        *total = 1;
    return true;
}

void *qv__alloc(size_t count, size_t size)
{
    size_t total;

    if (fault_now() || !total_size(count, size, &total) || !limit_allows(total))
        return NULL;
    return admit(malloc(total));
}

/* glibc's calloc passes by the cache of small blocks that each thread has, up to 2.40; for these, clearing is the cheaper part. Large blocks
 * come from the system as zeros. */
static void *zeroed(size_t n_bytes)
{
    void *block = n_bytes <= SMALL_BYTES ? malloc(n_bytes) : calloc(1, n_bytes);

    if (block && n_bytes <= SMALL_BYTES)
        memset(block, 0, n_bytes);
    return block;
}

void *qv__alloc_zero(size_t count, size_t size)
{
    size_t total;

    if (fault_now() || !total_size(count, size, &total) || !limit_allows(total))
        return NULL;
    return admit(zeroed(total));
}

void *qv__realloc(void *block, size_t count, size_t size)
{
    size_t total;

    if (!block)
        return qv__alloc(count, size);
    if (fault_now() || !total_size(count, size, &total))
        return NULL;
    size_t old = malloc_usable_size(block);
    size_t reserved = total > old ? total - old : 0;
    /* The growth is reserved before the move, because a moved block cannot be moved back. */
    if (reserved && !count_add(reserved))
        return NULL;
    void *moved = realloc(block, total);
    if (!moved) {
        count_sub(reserved);
        return NULL;
    }
    /* The true size may exceed what was reserved by the allocator's rounding; the next allocation pays for that. */
    size_t now = malloc_usable_size(moved);
    if (now >= old + reserved)
        atomic_fetch_add_explicit(&live_bytes, now - (old + reserved), memory_order_relaxed);
    else
        count_sub(old + reserved - now);
    return moved;
}

void *qv__alloc_aligned(size_t n_bytes)
{
    void *block = NULL;

    if (fault_now() || n_bytes > PTRDIFF_MAX - 63)
        return NULL;
    size_t total = n_bytes ? (n_bytes + 63) & ~(size_t) 63 : 64;
    if (!limit_allows(total) || posix_memalign(&block, 64, total) != 0)
        return NULL;
    return admit(block);
}

void *qv__memdup(const void *bytes, size_t n_bytes)
{
    void *copy = qv__alloc(n_bytes, 1);

    if (copy && n_bytes)
        memcpy(copy, bytes, n_bytes);
    return copy;
}

char *qv__strdup(const char *text) { return qv__strndup(text, strlen(text)); }

char *qv__strndup(const char *text, size_t n_bytes)
{
    if (n_bytes == SIZE_MAX)
        return NULL;
    char *copy = qv__alloc(n_bytes + 1, 1);
    if (!copy)
        return NULL;
    if (n_bytes)
        memcpy(copy, text, n_bytes);
    copy[n_bytes] = 0;
    return copy;
}

void qv__free(void *block)
{
    if (!block)
        return;
    count_sub(malloc_usable_size(block));
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(block);
}

qv_status qv__new(void **out, size_t count, size_t size, qv_error *err)
{
    void *block = qv__alloc_zero(count, size);

    if (!block) {
        size_t total;
        return qv__fail_nomem(err, total_size(count, size, &total) ? total : SIZE_MAX);
    }
    *out = block;
    return QV_OK;
}

qv_status qv__grow(void **items, size_t *capacity, size_t needed, size_t item_size, qv_error *err)
{
    if (needed <= *capacity)
        return QV_OK;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < needed)
        wanted = wanted > SIZE_MAX / 2 ? needed : wanted * 2;
    void *moved = qv__realloc(*items, wanted, item_size);
    if (!moved) {
        size_t total;
        return qv__fail_nomem(err, total_size(wanted, item_size, &total) ? total : SIZE_MAX);
    }
    *items = moved;
    *capacity = wanted;
    return QV_OK;
}

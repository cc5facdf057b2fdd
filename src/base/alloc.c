/* The door for heap memory. Sizes are asked back from the C library (malloc_usable_size), so blocks need no header and the
 * counters see what is really held. Counters are relaxed atomics: they order nothing, they only add up. */
#include "base/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic size_t live_bytes, peak_bytes, live_blocks, limit_bytes;
static _Atomic int64_t fail_countdown = -1; /* allocations until the armed failure; -1: disarmed */
static atomic_bool fault_fired;

void qv_set_memory_limit(size_t bytes) { atomic_store(&limit_bytes, bytes); }

qv_memory_stats qv_memory(void)
{
    return (qv_memory_stats){ atomic_load(&live_bytes), atomic_load(&peak_bytes), atomic_load(&live_blocks) };
}

void qv__alloc_fail_at(uint64_t n)
{
    atomic_store(&fault_fired, false);
    atomic_store(&fail_countdown, n > INT64_MAX ? -1 : (int64_t) n);
}

bool qv__alloc_fault_fired(void) { return atomic_load(&fault_fired); }

/* May an allocation of n_bytes happen now? */
static bool permitted(size_t n_bytes)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) >= 0 && atomic_fetch_sub(&fail_countdown, 1) == 0) {
        atomic_store(&fault_fired, true);
        return false;
    }
    size_t limit = atomic_load_explicit(&limit_bytes, memory_order_relaxed);
    return !limit || (n_bytes <= limit && atomic_load_explicit(&live_bytes, memory_order_relaxed) <= limit - n_bytes);
}

static void count_bytes(size_t n)
{
    size_t now = atomic_fetch_add_explicit(&live_bytes, n, memory_order_relaxed) + n;
    size_t peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&peak_bytes, &peak, now, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void *counted(void *block)
{
    if (block) {
        count_bytes(malloc_usable_size(block));
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    }
    return block;
}

static bool multiply(size_t count, size_t size, size_t *out)
{
    if (__builtin_mul_overflow(count, size, out) || *out > PTRDIFF_MAX)
        return false;
    *out = *out ? *out : 1;
    return true;
}

void *qv__alloc(size_t count, size_t size)
{
    size_t n;
    return multiply(count, size, &n) && permitted(n) ? counted(malloc(n)) : NULL;
}

void *qv__alloc_zero(size_t count, size_t size)
{
    size_t n;
    return multiply(count, size, &n) && permitted(n) ? counted(calloc(1, n)) : NULL;
}

void *qv__alloc_aligned(size_t n_bytes)
{
    if (n_bytes > PTRDIFF_MAX - 64)
        return NULL;
    size_t n = n_bytes ? (n_bytes + 63) & ~(size_t) 63 : 64;
    return permitted(n) ? counted(aligned_alloc(64, n)) : NULL;
}

void *qv__realloc(void *block, size_t count, size_t size)
{
    size_t n;

    if (!block)
        return qv__alloc(count, size);
    if (!multiply(count, size, &n) || !permitted(n))
        return NULL;
    size_t before = malloc_usable_size(block);
    void *moved = realloc(block, n);
    if (moved) {
        atomic_fetch_sub_explicit(&live_bytes, before, memory_order_relaxed);
        count_bytes(malloc_usable_size(moved));
    }
    return moved;
}

void *qv__memdup(const void *bytes, size_t n_bytes)
{
    void *copy = qv__alloc(1, n_bytes);
    if (copy && n_bytes)
        memcpy(copy, bytes, n_bytes);
    return copy;
}

char *qv__strndup(const char *text, size_t n_bytes)
{
    char *copy = n_bytes < PTRDIFF_MAX ? qv__alloc(1, n_bytes + 1) : NULL;
    if (!copy)
        return NULL;
    if (n_bytes)
        memcpy(copy, text, n_bytes);
    copy[n_bytes] = 0;
    return copy;
}

char *qv__strdup(const char *text) { return qv__strndup(text, strlen(text)); }

void qv__free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub_explicit(&live_bytes, malloc_usable_size(block), memory_order_relaxed);
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(block);
}

qv_status qv__new(void **out, size_t count, size_t size, qv_error *err)
{
    void *block = qv__alloc_zero(count, size);
    if (!block) {
        size_t n = 0;
        return qv__fail_nomem(err, __builtin_mul_overflow(count, size, &n) ? SIZE_MAX : n);
    }
    *out = block;
    return QV_OK;
}

qv_status qv__grow(void **items, size_t *capacity, size_t needed, size_t item_size, qv_error *err)
{
    if (needed <= *capacity)
        return QV_OK;
    size_t wanted = QV_MAX(needed, *capacity < SIZE_MAX / 2 ? *capacity * 2 : needed);
    wanted = QV_MAX(wanted, 8);
    void *moved = qv__realloc(*items, wanted, item_size);
    if (!moved)
        return qv__fail_nomem(err, needed > SIZE_MAX / item_size ? SIZE_MAX : needed * item_size);
    *items = moved;
    *capacity = wanted;
    return QV_OK;
}

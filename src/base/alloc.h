/* The one door for heap memory: it counts, limits, and can be made to fail (tests). All calls are thread-safe. */
#ifndef QV_BASE_ALLOC_H
#define QV_BASE_ALLOC_H

#include "base/status.h"

/* NULL when count * size overflows, the limit would be passed, or memory is out. A size of 0 gives a valid pointer. */
void *qv__alloc(size_t count, size_t size);
void *qv__alloc_zero(size_t count, size_t size);
/* Moves to the new size; NULL leaves the old block as it was. */
void *qv__realloc(void *block, size_t count, size_t size);
/* 64-byte aligned, length rounded up to 64: Arrow buffers and kernel scratch. Freed by qv__free. */
void *qv__alloc_aligned(size_t n_bytes);
void *qv__memdup(const void *bytes, size_t n_bytes);
char *qv__strdup(const char *text);
char *qv__strndup(const char *text, size_t n_bytes); /* adds the zero byte */
void qv__free(void *block);                          /* NULL is fine */

/* Allocates into *out, or fails with QV_NOMEM. */
qv_status qv__new(void **out, size_t count, size_t size, qv_error *err); /* zeroed */
#define QV_NEW(ptr, count, err) qv__new((void **) (ptr), (count), sizeof(**(ptr)), (err))

/* Grows an array so that it holds at least `needed` items (doubling); QV_NOMEM leaves it as it was. */
qv_status qv__grow(void **items, size_t *capacity, size_t needed, size_t item_size, qv_error *err);
#define QV_GROW(items, capacity, needed, err) \
    qv__grow((void **) (items), (capacity), (needed), sizeof(**(items)), (err))

/* Tests: the n-th allocation from now (0 = the next) fails once; UINT64_MAX disarms. */
void qv__alloc_fail_at(uint64_t n);
bool qv__alloc_fault_fired(void);

#endif

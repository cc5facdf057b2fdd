/* The thread pool: one per process, started on first use, our own (no OpenMP), fork-safe (a child starts anew). */
#ifndef QV_BASE_POOL_H
#define QV_BASE_POOL_H

#include "base/status.h"

typedef qv_status (*qv__task_fn)(void *ctx, size_t task, qv_error *err);

/* Runs fn(ctx, 0) .. fn(ctx, n_tasks - 1), on at most max_threads threads (0: the pool's size), the caller among them.
 * Tasks are taken in order of their number. After a failure no further task starts; the error of the lowest failed
 * task is returned. A call from inside a task runs on the calling thread alone. */
qv_status qv__parallel_for(size_t n_tasks, unsigned max_threads, qv__task_fn fn, void *ctx, qv_error *err);

unsigned qv__pool_size(void);

#endif

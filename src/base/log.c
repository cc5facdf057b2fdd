/*
 * The log callback. A read-write lock keeps it whole while it is called and lets threads log side by side; after
 * qv_set_log returned, the old callback is not running and will not be called again. A callback must therefore not
 * call qv_set_log itself. A forked child gets a fresh lock: a reader that held the old one does not exist there.
 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static qv_log_fn log_fn;    /* guarded by lock */
static void *log_user;      /* guarded by lock */
static atomic_int log_most; /* most verbose level wanted, 0 = off; read without the lock as a quick way out */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void after_fork_child(void) { pthread_rwlock_init(&lock, NULL); }

static void register_fork_handler(void) { pthread_atfork(NULL, NULL, after_fork_child); }

void qv_set_log(qv_log_fn fn, void *user, qv_log_level max_level)
{
    pthread_once(&once, register_fork_handler);
    pthread_rwlock_wrlock(&lock);
    log_fn = fn;
    log_user = user;
    atomic_store_explicit(&log_most, fn ? (int) max_level : 0, memory_order_relaxed);
    pthread_rwlock_unlock(&lock);
}

void qv__log(qv_log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;

    if ((int) level > atomic_load_explicit(&log_most, memory_order_relaxed))
        return;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (n < 0)
        return;
    pthread_rwlock_rdlock(&lock);
    if (log_fn && (int) level <= atomic_load_explicit(&log_most, memory_order_relaxed))
        log_fn(log_user, level, message);
    pthread_rwlock_unlock(&lock);
}

#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static qv_log_fn callback;  /* guarded by lock */
static void *callback_user; /* guarded by lock */
static atomic_int most;     /* level of the callback; 0: nobody listens */

void qv_set_log(qv_log_fn fn, void *user, qv_log_level max_level)
{
    pthread_mutex_lock(&lock);
    callback = fn;
    callback_user = user;
    atomic_store(&most, fn ? (int) max_level : 0);
    pthread_mutex_unlock(&lock);
}

void qv__log(qv_log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;

    if ((int) level > atomic_load(&most))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    qv_log_fn fn = callback;
    void *user = callback_user;
    pthread_mutex_unlock(&lock);
    if (fn) /* outside the lock: the callback may call Quiver */
        fn(user, level, message);
}

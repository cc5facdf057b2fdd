/* Errors: set where the cause is known, passed up untouched. */
#ifndef QV_BASE_STATUS_H
#define QV_BASE_STATUS_H

#include <quiver/quiver.h>

#if defined(__GNUC__)
#define QV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define QV_PRINTF(fmt, args)
#endif

/* Records status and message (what, where and the value) in *err, which may be NULL; returns `status`. */
qv_status qv__fail(qv_error *err, qv_status status, const char *format, ...) QV_PRINTF(3, 4);

/* The same for a failed system call: ENOMEM gives QV_NOMEM, everything else QV_IO; ": strerror" is appended. */
qv_status qv__fail_errno(qv_error *err, int sys_errno, const char *format, ...) QV_PRINTF(3, 4);

/* QV_NOMEM for an allocation of n_bytes. */
qv_status qv__fail_nomem(qv_error *err, size_t n_bytes);

/* Puts "context: " before a message that is already there (an object's name, say); returns err's status. */
qv_status qv__fail_in(qv_error *err, qv_status status, const char *format, ...) QV_PRINTF(3, 4);

/* Return at once: where nothing is held yet. */
#define QV_TRY(expr)                   \
    do {                               \
        qv_status qv__status = (expr); \
        if (qv__status != QV_OK)       \
            return qv__status;         \
    } while (0)

/* Go to `done` with `st` set: where something is held. */
#define QV_CHECK(expr)   \
    do {                 \
        st = (expr);     \
        if (st != QV_OK) \
            goto done;   \
    } while (0)

#define QV_UNUSED(x)   ((void) (x))
#define QV_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define QV_MIN(a, b)   ((a) < (b) ? (a) : (b))
#define QV_MAX(a, b)   ((a) > (b) ? (a) : (b))

#endif

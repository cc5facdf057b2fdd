/* Statuses and errors. A message is made where its cause is known; the code travels up untouched. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *qv_status_name(qv_status status)
{
    switch (status) {
#define STATUS_NAME(name, number, text) \
    case QV_##name:                     \
        return "QV_" #name;
        QV_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "QV_UNKNOWN";
}

const char *qv_status_text(qv_status status)
{
    switch (status) {
#define STATUS_TEXT(name, number, text) \
    case QV_##name:                     \
        return text;
        QV_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *qv_version(void) { return QV_VERSION_STRING; }

static void set(qv_error *err, qv_status status, int sys_errno, const char *format, va_list args)
{
    err->status = status;
    err->sys_errno = sys_errno;
    vsnprintf(err->message, sizeof err->message, format, args);
}

qv_status qv__fail(qv_error *err, qv_status status, const char *format, ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        set(err, status, 0, format, args);
        va_end(args);
    }
    return status;
}

qv_status qv__fail_errno(qv_error *err, int sys_errno, const char *format, ...)
{
    qv_status status = sys_errno == ENOMEM ? QV_NOMEM : QV_IO;
    char room[100];
    va_list args;

    if (!err)
        return status;
    va_start(args, format);
    set(err, status, sys_errno, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s",
             strerror_r(sys_errno, room, sizeof room)); /* GNU: returns the text */
    return status;
}

qv_status qv__fail_nomem(qv_error *err, size_t n_bytes)
{
    return qv__fail(err, QV_NOMEM, "out of memory: %zu bytes were wanted", n_bytes);
}

qv_status qv__fail_in(qv_error *err, qv_status status, const char *format, ...)
{
    char inner[sizeof err->message];
    va_list args;

    if (!err)
        return status;
    memcpy(inner, err->message, sizeof inner);
    va_start(args, format);
    set(err, status, err->sys_errno, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", inner);
    return status;
}

/* Error records and the names of statuses. Nothing here allocates, so it works when memory is out. */
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

/* A message that was cut must not end inside a UTF-8 sequence: bindings decode it strictly. */
static void trim_utf8(char *text, size_t capacity)
{
    size_t len = strlen(text);
    size_t start = len;

    if (len + 1 < capacity)
        return;
    while (start > 0 && len - start < 4 && ((unsigned char) text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char) text[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (lead >= 0x80 && len - (start - 1) < want)
        text[start - 1] = 0;
}

static QV_PRINTF(4, 0) void set_message(qv_error *err, qv_status status, int sys_errno, const char *format,
                                        va_list args)
{
    err->status = status;
    err->sys_errno = status == QV_IO ? sys_errno : 0;
    if (vsnprintf(err->message, sizeof err->message, format, args) < 0)
        err->message[0] = 0;
    trim_utf8(err->message, sizeof err->message);
}

qv_status qv__fail(qv_error *err, qv_status status, const char *format, ...)
{
    va_list args;

    if (!err)
        return status;
    va_start(args, format);
    set_message(err, status, 0, format, args);
    va_end(args);
    return status;
}

qv_status qv__fail_errno(qv_error *err, int sys_errno, const char *format, ...)
{
    qv_status status = sys_errno == ENOMEM ? QV_NOMEM : QV_IO;
    char reason[128];
    va_list args;

    if (!err)
        return status;
    va_start(args, format);
    set_message(err, status, sys_errno, format, args);
    va_end(args);
    /* The GNU strerror_r returns its text, which may lie outside the given room. */
    const char *text = strerror_r(sys_errno, reason, sizeof reason);
    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof err->message - len, ": %s", text);
    trim_utf8(err->message, sizeof err->message);
    return status;
}

qv_status qv__fail_nomem(qv_error *err, size_t n_bytes)
{
    return qv__fail(err, QV_NOMEM, "out of memory: %zu bytes were asked for", n_bytes);
}

qv_status qv__fail_in(qv_error *err, qv_status status, const char *format, ...)
{
    char old[sizeof err->message];
    va_list args;
    int sys_errno;

    if (!err)
        return status;
    memcpy(old, err->message, sizeof old);
    old[sizeof old - 1] = 0;
    sys_errno = err->sys_errno;
    va_start(args, format);
    set_message(err, status, sys_errno, format, args);
    va_end(args);
    size_t len = strlen(err->message);
    size_t room = sizeof err->message - len;
    int tail = (int) (room > 3 ? room - 3 : 0);
    snprintf(err->message + len, room, ": %.*s", tail, old);
    trim_utf8(err->message, sizeof err->message);
    return status;
}

#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void qv__buffer_init(qv__buffer *buffer, size_t ceiling_bytes) { *buffer = (qv__buffer){ NULL, 0, 0, ceiling_bytes }; }

void qv__buffer_free(qv__buffer *buffer)
{
    qv__free(buffer->data);
    qv__buffer_init(buffer, buffer->ceiling);
}

qv_status qv__buffer_reserve(qv__buffer *buffer, size_t extra, qv_error *err)
{
    if (extra > buffer->ceiling || buffer->len > buffer->ceiling - extra)
        return qv__fail(err, QV_LIMIT, "a buffer of %zu bytes would grow by %zu over its ceiling of %zu", buffer->len,
                        extra, buffer->ceiling);
    size_t needed = buffer->len + extra;
    if (needed <= buffer->capacity)
        return QV_OK;
    size_t wanted = QV_MAX(needed, QV_MIN(buffer->capacity * 2, buffer->ceiling));
    uint8_t *data = qv__alloc_aligned(wanted);
    if (!data)
        return qv__fail_nomem(err, wanted);
    if (buffer->len)
        memcpy(data, buffer->data, buffer->len);
    qv__free(buffer->data);
    buffer->data = data;
    buffer->capacity = wanted;
    return QV_OK;
}

qv_status qv__buffer_append(qv__buffer *buffer, const void *bytes, size_t n, qv_error *err)
{
    QV_TRY(qv__buffer_reserve(buffer, n, err));
    if (n)
        memcpy(buffer->data + buffer->len, bytes, n);
    buffer->len += n;
    return QV_OK;
}

qv_status qv__buffer_append_zeros(qv__buffer *buffer, size_t n, qv_error *err)
{
    QV_TRY(qv__buffer_reserve(buffer, n, err));
    if (n)
        memset(buffer->data + buffer->len, 0, n);
    buffer->len += n;
    return QV_OK;
}

qv_status qv__buffer_printf(qv__buffer *buffer, qv_error *err, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    qv_status st = len < 0 ? qv__fail(err, QV_INVALID, "text could not be formatted")
                           : qv__buffer_reserve(buffer, (size_t) len + 1, err);
    if (st == QV_OK) { /* the zero byte lies behind the buffer's end */
        vsnprintf((char *) buffer->data + buffer->len, (size_t) len + 1, format, again);
        buffer->len += (size_t) len;
    }
    va_end(again);
    return st;
}

uint8_t *qv__buffer_detach(qv__buffer *buffer, size_t *len)
{
    uint8_t *data = buffer->data;

    if (len)
        *len = buffer->len;
    qv__buffer_init(buffer, buffer->ceiling);
    return data;
}

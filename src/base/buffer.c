/* Growth doubles and moves to a fresh aligned block, because realloc does not keep 64-byte alignment. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void qv__buffer_init(qv__buffer *buffer, size_t ceiling_bytes) { *buffer = (qv__buffer){ .ceiling = ceiling_bytes }; }

void qv__buffer_free(qv__buffer *buffer)
{
    qv__free(buffer->data);
    qv__buffer_init(buffer, buffer->ceiling);
}

static bool move_to(qv__buffer *buffer, size_t capacity)
{
    uint8_t *data = qv__alloc_aligned(capacity);

    if (!data)
        return false;
    if (buffer->len)
        memcpy(data, buffer->data, buffer->len);
    qv__free(buffer->data);
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

qv_status qv__buffer_reserve(qv__buffer *buffer, size_t extra, qv_error *err)
{
    size_t ceiling = buffer->ceiling;

    if (buffer->len > ceiling || extra > ceiling - buffer->len)
        return qv__fail(err, QV_LIMIT, "buffer of %zu bytes cannot take %zu more: its ceiling is %zu bytes",
                        buffer->len, extra, ceiling);
    size_t needed = buffer->len + extra;
    if (needed <= buffer->capacity && buffer->data)
        return QV_OK;
    size_t wanted = buffer->capacity > ceiling / 2 ? ceiling : buffer->capacity * 2;
    wanted = QV_MAX(wanted, QV_MAX(needed, QV_MIN((size_t) 64, ceiling)));
    return move_to(buffer, wanted) ? QV_OK : qv__fail_nomem(err, wanted);
}

qv_status qv__buffer_append(qv__buffer *buffer, const void *bytes, size_t n, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    QV_TRY(qv__buffer_reserve(buffer, n, err));
    memcpy(buffer->data + buffer->len, bytes, n);
    buffer->len += n;
    return QV_OK;
}

qv_status qv__buffer_append_zeros(qv__buffer *buffer, size_t n, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    QV_TRY(qv__buffer_reserve(buffer, n, err));
    memset(buffer->data + buffer->len, 0, n);
    buffer->len += n;
    return QV_OK;
}

/* The text's zero byte lies behind len, so the bytes can be used as a string until the next append. */
qv_status qv__buffer_printf(qv__buffer *buffer, qv_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return qv__fail(err, QV_INVALID, "text cannot be formatted");
    QV_TRY(qv__buffer_reserve(buffer, (size_t) n + 1, err));
    va_start(args, format);
    vsnprintf((char *) buffer->data + buffer->len, (size_t) n + 1, format, args);
    va_end(args);
    buffer->len += (size_t) n;
    return QV_OK;
}

uint8_t *qv__buffer_detach(qv__buffer *buffer, size_t *len)
{
    uint8_t *data = buffer->data;

    if (len)
        *len = buffer->len;
    qv__buffer_init(buffer, buffer->ceiling);
    return data;
}

/* A growing byte buffer with a ceiling: a corrupt length becomes an error instead of a huge allocation. */
#ifndef QV_BASE_BUFFER_H
#define QV_BASE_BUFFER_H

#include "base/status.h"

typedef struct qv__buffer {
    uint8_t *data; /* 64-byte aligned, the buffer's own */
    size_t len;
    size_t capacity;
    size_t ceiling;
} qv__buffer;

void qv__buffer_init(qv__buffer *buffer, size_t ceiling_bytes);
void qv__buffer_free(qv__buffer *buffer); /* back to empty with the same ceiling */
/* QV_LIMIT when len + extra passes the ceiling, QV_NOMEM when memory is out; the buffer is then unchanged. */
qv_status qv__buffer_reserve(qv__buffer *buffer, size_t extra, qv_error *err);
qv_status qv__buffer_append(qv__buffer *buffer, const void *bytes, size_t n, qv_error *err);
qv_status qv__buffer_append_zeros(qv__buffer *buffer, size_t n, qv_error *err);
qv_status qv__buffer_printf(qv__buffer *buffer, qv_error *err, const char *format, ...) QV_PRINTF(3, 4);
/* Hands the bytes over to the caller (qv__free); the buffer is empty afterwards. */
uint8_t *qv__buffer_detach(qv__buffer *buffer, size_t *len);

#endif

/* Chunks of fixed-width values, shared with dictionary pages (whose indices are such values). */
#ifndef QV_FILE_WRITE_FIXED_PRIVATE_H
#define QV_FILE_WRITE_FIXED_PRIVATE_H

#include "codec/codec.h"
#include "file/write/write_private.h"

typedef enum qv__fixed_form { QV__FIXED_PLAIN, QV__FIXED_RUNS, QV__FIXED_PACKED, QV__FIXED_SPLIT } qv__fixed_form;

typedef struct qv__fixed_coder {
    const qv__values *values;
    qv__fixed_form form;
    size_t chunk_values;
    qv__scheme scheme; /* 0: no general compression on top */
    int level;
    qv__buffer scratch;
} qv__fixed_coder;

/* Measures the page and chooses; *size is about what the values will take. Pairs with qv__fixed_coder_clear, also after
 * a failure. */
qv_status qv__fixed_coder_choose(const qv__page_job *job, const qv__values *values, qv__fixed_coder *coder,
                                 size_t *size, qv_error *err);
void qv__fixed_coder_clear(qv__fixed_coder *coder);
qv__chunker qv__fixed_chunker(const qv__page_job *job, qv__fixed_coder *coder);
size_t qv__fixed_take(void *ctx, size_t at, size_t left);
qv_status qv__fixed_put(void *ctx, size_t at, size_t n, qv__buffer *out, qv_error *err);

#endif

/* A write buffer in trials: rows are added one by one, and what is left must hold every row that was acknowledged, each once. */
#ifndef QVT_BUFFER_H
#define QVT_BUFFER_H

#include <quiver/quiver.h>

#include "qvt.h"
#include "qvt_trial.h"

typedef struct qvt_buffer {
    unsigned n_folders;
    int64_t tried, acknowledged;
    bool leftover; /* prepare leaves rows in a journal, as a process that was killed would */
    char uri[4200];
} qvt_buffer;

void qvt_buffer_prepare(void *ctx);
qv_status qvt_buffer_run(void *ctx, qv_error *err); /* adds ten rows; flushes itself after four, and at the end */
void qvt_buffer_check(void *ctx, qv_status st);

/* One row with this id. */
qv_status qvt_buffer_add(qv_write_buffer *buffer, int64_t id, qv_error *err);

#endif

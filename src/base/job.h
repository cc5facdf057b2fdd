/* Watching a long call: progress, cancellation, deadline. One per public call; tasks of any thread may use it. */
#ifndef QV_BASE_JOB_H
#define QV_BASE_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/status.h"

typedef struct qv__job {
    qv_job options;
    const char *stage;
    uint64_t rows_total;
    _Atomic uint64_t rows_done;
    _Atomic uint64_t bytes_done;
    int64_t started_ns;
    _Atomic int64_t next_report_ns;
    atomic_bool refused;         /* on_progress returned false */
    pthread_mutex_t report_lock; /* one on_progress call at a time */
} qv__job;

/* `options` may be NULL; its struct_size is honoured. Pairs with qv__job_end. */
void qv__job_begin(qv__job *job, const qv_job *options, const char *stage, uint64_t rows_total);
/* The next stage of the call; its rows are counted from 0. Between parallel work only. */
void qv__job_stage(qv__job *job, const char *stage, uint64_t rows_total);
/* Counts work and looks for cancellation: QV_CANCELLED or QV_TIMEOUT. Call it at least every few milliseconds of work. */
qv_status qv__job_tick(qv__job *job, uint64_t rows, uint64_t bytes, qv_error *err);
/* Sends the last report (finished = true) when st is QV_OK, and frees what the job holds. */
void qv__job_end(qv__job *job, qv_status st);
static inline unsigned qv__job_threads(const qv__job *job) { return job->options.threads; }

int64_t qv__now_ns(void);     /* monotonic */
int64_t qv__now_utc_ns(void); /* wall clock */

#endif

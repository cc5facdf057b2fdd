/* Watching a long call. Ticks come from many threads; counting is atomic, reporting is one thread at a time. */
#include "base/job.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"

#define REPORT_EVERY_NS INT64_C(100000000)

struct qv_cancel {
    atomic_bool raised;
};

qv_status qv_cancel_new(qv_cancel **out, qv_error *err) { return QV_NEW(out, 1, err); }
void qv_cancel_raise(qv_cancel *cancel) { atomic_store(&cancel->raised, true); }
void qv_cancel_clear(qv_cancel *cancel) { atomic_store(&cancel->raised, false); }
void qv_cancel_free(qv_cancel *cancel) { qv__free(cancel); }

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t qv__now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t qv__now_utc_ns(void) { return clock_ns(CLOCK_REALTIME); }

void qv__job_begin(qv__job *job, const qv_job *options, const char *stage, uint64_t rows_total)
{
    memset(job, 0, sizeof *job);
    if (options && options->struct_size >= sizeof options->struct_size)
        memcpy(&job->options, options, QV_MIN(options->struct_size, sizeof job->options));
    job->stage = stage;
    job->rows_total = rows_total;
    job->started_ns = qv__now_ns();
    atomic_init(&job->next_report_ns, job->started_ns + REPORT_EVERY_NS);
    pthread_mutex_init(&job->report_lock, NULL);
}

static void report(qv__job *job, int64_t now, bool finished)
{
    qv_progress progress = { .stage = job->stage,
                             .rows_done = atomic_load(&job->rows_done),
                             .rows_total = job->rows_total,
                             .bytes_done = atomic_load(&job->bytes_done),
                             .seconds = (double) (now - job->started_ns) * 1e-9,
                             .finished = finished };

    if (!job->options.on_progress(job->options.user, &progress) && !finished)
        atomic_store(&job->refused, true);
}

qv_status qv__job_tick(qv__job *job, uint64_t rows, uint64_t bytes, qv_error *err)
{
    atomic_fetch_add_explicit(&job->rows_done, rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&job->bytes_done, bytes, memory_order_relaxed);
    if (job->options.cancel && atomic_load_explicit(&job->options.cancel->raised, memory_order_relaxed))
        return qv__fail(err, QV_CANCELLED, "%s was cancelled", job->stage);
    if (!job->options.on_progress && !job->options.timeout_ms)
        return QV_OK;
    int64_t now = qv__now_ns();
    if (job->options.timeout_ms && now - job->started_ns >= (int64_t) job->options.timeout_ms * 1000000)
        return qv__fail(err, QV_TIMEOUT, "%s: time limit of %u ms reached", job->stage, job->options.timeout_ms);
    if (job->options.on_progress && now >= atomic_load_explicit(&job->next_report_ns, memory_order_relaxed) &&
        pthread_mutex_trylock(&job->report_lock) == 0) {
        report(job, now, false);
        atomic_store_explicit(&job->next_report_ns, now + REPORT_EVERY_NS, memory_order_relaxed);
        pthread_mutex_unlock(&job->report_lock);
    }
    if (atomic_load_explicit(&job->refused, memory_order_relaxed))
        return qv__fail(err, QV_CANCELLED, "%s was cancelled by its progress callback", job->stage);
    return QV_OK;
}

void qv__job_end(qv__job *job, qv_status st)
{
    if (st == QV_OK && job->options.on_progress)
        report(job, qv__now_ns(), true);
    pthread_mutex_destroy(&job->report_lock);
}

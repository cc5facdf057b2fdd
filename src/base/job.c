/*
 * Watching a long call. Ticks are cheap: two relaxed additions and a look at the clock; only the thread that moves
 * next_report_ns forward calls back, and at most ten times a second.
 *
 * A cancel flag is one lock-free atomic, so that a signal handler may raise it.
 */
#include "base/job.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"

#define REPORT_EVERY_NS INT64_C(100000000)

struct qv_cancel {
    atomic_int raised;
};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "qv_cancel_raise must be async-signal-safe");

qv_status qv_cancel_new(qv_cancel **out, qv_error *err)
{
    if (!out)
        return qv__fail(err, QV_INVALID, "the output for the cancel flag is NULL");
    return QV_NEW(out, 1, err);
}

void qv_cancel_raise(qv_cancel *cancel)
{
    if (cancel)
        atomic_store_explicit(&cancel->raised, 1, memory_order_release);
}

void qv_cancel_clear(qv_cancel *cancel)
{
    if (cancel)
        atomic_store_explicit(&cancel->raised, 0, memory_order_release);
}

void qv_cancel_free(qv_cancel *cancel) { qv__free(cancel); }

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = { 0 };

    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t qv__now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t qv__now_utc_ns(void) { return clock_ns(CLOCK_REALTIME); }

void qv__job_begin(qv__job *job, const qv_job *options, const char *stage, uint64_t rows_total)
{
    *job = (qv__job){ .stage = stage, .rows_total = rows_total };
    if (options) /* fields that the caller's struct_size does not reach stay zero */
        memcpy(&job->options, options, QV_MIN(options->struct_size, sizeof job->options));
    job->options.struct_size = sizeof job->options;
    job->started_ns = qv__now_ns();
    atomic_init(&job->next_report_ns, job->started_ns + REPORT_EVERY_NS);
    pthread_mutex_init(&job->report_lock, NULL);
}

void qv__job_stage(qv__job *job, const char *stage, uint64_t rows_total)
{
    job->stage = stage;
    job->rows_total = rows_total;
    atomic_store_explicit(&job->rows_done, 0, memory_order_relaxed);
}

static bool report(qv__job *job, int64_t now, bool finished)
{
    qv_progress progress = {
        .stage = job->stage,
        .rows_done = atomic_load_explicit(&job->rows_done, memory_order_relaxed),
        .rows_total = job->rows_total,
        .bytes_done = atomic_load_explicit(&job->bytes_done, memory_order_relaxed),
        .seconds = (double) (now - job->started_ns) * 1e-9,
        .finished = finished,
    };
    return job->options.on_progress(job->options.user, &progress);
}

/* The exchange picks one reporter among the threads that see the time come. */
static void report_if_due(qv__job *job, int64_t now)
{
    int64_t due = atomic_load_explicit(&job->next_report_ns, memory_order_relaxed);

    if (now < due || !atomic_compare_exchange_strong(&job->next_report_ns, &due, now + REPORT_EVERY_NS))
        return;
    if (pthread_mutex_trylock(&job->report_lock) != 0)
        return; /* the callback is slow and still busy with the last report */
    if (!report(job, now, false))
        atomic_store(&job->refused, true);
    pthread_mutex_unlock(&job->report_lock);
}

qv_status qv__job_tick(qv__job *job, uint64_t rows, uint64_t bytes, qv_error *err)
{
    const qv_job *options = &job->options;

    if (rows)
        atomic_fetch_add_explicit(&job->rows_done, rows, memory_order_relaxed);
    if (bytes)
        atomic_fetch_add_explicit(&job->bytes_done, bytes, memory_order_relaxed);
    if (options->cancel && atomic_load_explicit(&options->cancel->raised, memory_order_acquire))
        return qv__fail(err, QV_CANCELLED, "%s: cancelled by the caller", job->stage);
    if (!options->on_progress && !options->timeout_ms)
        return QV_OK;
    int64_t now = qv__now_ns();
    if (options->timeout_ms && now - job->started_ns >= (int64_t) options->timeout_ms * 1000000)
        return qv__fail(err, QV_TIMEOUT, "%s: the time limit of %u ms has passed", job->stage, options->timeout_ms);
    if (options->on_progress) {
        report_if_due(job, now);
        if (atomic_load(&job->refused))
            return qv__fail(err, QV_CANCELLED, "%s: cancelled by the progress callback", job->stage);
    }
    return QV_OK;
}

void qv__job_end(qv__job *job, qv_status st)
{
    if (st == QV_OK && job->options.on_progress)
        report(job, qv__now_ns(), true);
    pthread_mutex_destroy(&job->report_lock);
}

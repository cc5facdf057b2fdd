/* The frame of every change: work it out, commit, and do both anew when another writer took away what it was worked out on. */
#include <time.h>

#include "change/change_private.h"

#define MAX_ATTEMPTS 20
#define LIMIT_NS     (INT64_C(30) * 1000000000)
#define MAX_PAUSE_NS (INT64_C(64) * 1000000)

/* Writers that met once would meet again if all of them started anew at the same moment. */
static void pause_after(uint32_t attempt)
{
    int64_t most = QV_MIN(MAX_PAUSE_NS, INT64_C(1000000) << QV_MIN(attempt, 10));
    uint64_t noise = (uint64_t) qv__now_ns() * UINT64_C(0x9E3779B97F4A7C15);
    int64_t ns = (int64_t) (noise >> 33) % most;

    nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

qv_status qv__attempts(qv__snapshot *base, qv__job *job, qv__attempt_fn fn, void *ctx, uint32_t *attempts,
                       qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *on = qv__snapshot_ref(base), *newest = NULL;
    int64_t began = qv__now_ns();
    uint32_t n = 0;

    for (;;) {
        qv__commit_end end = { 0 };
        QV_CHECK(qv__job_tick(job, 0, 0, err));
        st = fn(ctx, on, out, &end, err);
        n++;
        if (st != QV_CONFLICT || !end.worth_retry)
            break;
        if (n >= MAX_ATTEMPTS || qv__now_ns() - began > LIMIT_NS) {
            st = qv__fail_in(err, QV_CONFLICT, "given up after %u attempts", n);
            break;
        }
        pause_after(n);
        QV_CHECK(qv__snapshot_newest(on, &newest, err));
        qv__snapshot_unref(on);
        on = newest;
        newest = NULL;
    }
    if (st == QV_OK && attempts)
        *attempts = n;
done:
    qv__snapshot_unref(on);
    return st;
}

qv_scan_options qv__part_scan(const qv__job *job)
{
    qv_scan_options options = QV_SCAN_OPTIONS_INIT;

    options.job.cancel = job->options.cancel;
    options.job.threads = job->options.threads;
    return options;
}

qv_status qv__condition_compile(const qv__snapshot *base, const char *where, qv__program **out, qv_error *err)
{
    qv__schema *scope = NULL;

    if (!where || !*where)
        return qv__fail(err, QV_INVALID,
                        "Error parsing statement: SELECT 1 FROM t WHERE  (sql parser error: Expected: an expression, "
                        "found: EOF)");
    QV_TRY(qv__condition_scope(base, &scope, err));
    qv_status st = qv__program_compile_filter(where, scope, out, err);
    qv__schema_unref(scope);
    return st;
}

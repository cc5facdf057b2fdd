#include "base/job.h"

#include <signal.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/pool.h"
#include "qvt.h"

typedef struct watcher {
    unsigned calls, finished, inside;
    uint64_t last_rows;
    unsigned refuse_from; /* 0: never */
    bool overlapped, went_back;
} watcher;

static bool watch(void *user, const qv_progress *progress)
{
    watcher *w = user;

    w->overlapped |= w->inside++ != 0;
    w->went_back |= progress->rows_done < w->last_rows;
    w->last_rows = progress->rows_done;
    w->calls++;
    w->finished += progress->finished;
    assert_string_equal(progress->stage, "scan");
    assert_int_equal(progress->rows_total, 1000);
    w->inside--;
    return !w->refuse_from || w->calls < w->refuse_from;
}

static void nap_ms(long ms) { nanosleep(&(struct timespec){ 0, ms * 1000000 }, NULL); }

static void without_options(void **state)
{
    qv_error err;
    qv__job job;

    (void) state;
    qv__job_begin(&job, NULL, "scan", 0);
    QVT_OK(qv__job_tick(&job, 10, 20, &err));
    QVT_OK(qv__job_tick(&job, 5, 0, &err));
    assert_int_equal(job.rows_done, 15);
    assert_int_equal(job.bytes_done, 20);
    assert_int_equal(qv__job_threads(&job), 0);
    qv__job_end(&job, QV_OK);
}

static qv_status tick_task(void *ctx, size_t task, qv_error *err)
{
    (void) task;
    nap_ms(5);
    return qv__job_tick(ctx, 10, 100, err);
}

static void reports_are_throttled_and_alone(void **state)
{
    qv_error err;
    watcher w = { 0 };
    qv_job options = QV_JOB_INIT;
    qv__job job;

    (void) state;
    options.on_progress = watch;
    options.user = &w;
    options.threads = 4;
    qv_set_threads(4);
    qv__job_begin(&job, &options, "scan", 1000);
    int64_t began = qv__now_ns();
    QVT_OK(qv__parallel_for(100, qv__job_threads(&job), tick_task, &job, &err));
    int64_t tenths = (qv__now_ns() - began) / 100000000;
    assert_in_range(w.calls, tenths > 1 ? 1 : 0, tenths + 1);
    assert_int_equal(w.finished, 0);
    qv__job_end(&job, QV_OK);
    assert_int_equal(w.finished, 1);
    assert_int_equal(w.last_rows, 1000);
    assert_false(w.overlapped);
    assert_false(w.went_back);
    qv_set_threads(0);

    w = (watcher){ 0 };
    qv__job_begin(&job, &options, "scan", 1000);
    qv__job_end(&job, QV_IO);
    assert_int_equal(w.calls, 0); /* failed calls have no last report */
}

static void the_callback_can_cancel(void **state)
{
    qv_error err;
    watcher w = { .refuse_from = 1 };
    qv_job options = QV_JOB_INIT;
    qv__job job;

    (void) state;
    options.on_progress = watch;
    options.user = &w;
    qv__job_begin(&job, &options, "scan", 1000);
    QVT_OK(qv__job_tick(&job, 1, 1, &err));
    nap_ms(120);
    QVT_FAILS(qv__job_tick(&job, 1, 1, &err), QV_CANCELLED, "scan");
    QVT_FAILS(qv__job_tick(&job, 1, 1, &err), QV_CANCELLED, "scan"); /* and stays so */
    assert_int_equal(w.calls, 1);
    qv__job_end(&job, QV_CANCELLED);
    assert_int_equal(w.finished, 0);
}

static qv_cancel *signal_cancel;
static void on_signal(int number)
{
    (void) number;
    qv_cancel_raise(signal_cancel);
}

static void flags_cancel(void **state)
{
    qv_error err;
    qv_job options = QV_JOB_INIT;
    qv__job job;

    (void) state;
    QVT_OK(qv_cancel_new(&signal_cancel, &err));
    QVT_FAILS(qv_cancel_new(NULL, &err), QV_INVALID, "NULL");
    options.cancel = signal_cancel;
    qv__job_begin(&job, &options, "scan", 0);
    QVT_OK(qv__job_tick(&job, 1, 1, &err));
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    QVT_FAILS(qv__job_tick(&job, 1, 1, &err), QV_CANCELLED, "cancelled by the caller");
    qv_cancel_clear(signal_cancel);
    QVT_OK(qv__job_tick(&job, 1, 1, &err));
    qv__job_end(&job, QV_OK);
    qv_cancel_free(signal_cancel);
    qv_cancel_free(NULL);
    assert_int_equal(qv_memory().live_blocks, 0);
}

static void deadlines(void **state)
{
    qv_error err;
    qv_job options = QV_JOB_INIT;
    qv__job job;

    (void) state;
    options.timeout_ms = 30;
    qv__job_begin(&job, &options, "scan", 0);
    QVT_OK(qv__job_tick(&job, 1, 1, &err));
    nap_ms(40);
    QVT_FAILS(qv__job_tick(&job, 1, 1, &err), QV_TIMEOUT, "30 ms");
    qv__job_end(&job, QV_TIMEOUT);
}

/* A caller built against an older header has a shorter structure: what lies behind it is not read. */
static void short_structures(void **state)
{
    qv_error err;
    qv_job options = QV_JOB_INIT;
    qv__job job;

    (void) state;
    options.struct_size = offsetof(qv_job, timeout_ms);
    options.timeout_ms = 1;
    options.threads = 77;
    qv__job_begin(&job, &options, "scan", 0);
    nap_ms(3);
    QVT_OK(qv__job_tick(&job, 1, 1, &err));
    assert_int_equal(qv__job_threads(&job), 0);
    qv__job_end(&job, QV_OK);
    options.struct_size = sizeof options + 100; /* and a newer header has a longer one */
    options.timeout_ms = 0;
    qv__job_begin(&job, &options, "scan", 0);
    assert_int_equal(qv__job_threads(&job), 77);
    qv__job_end(&job, QV_OK);
}

static void remember_line(void *user, qv_log_level level, const char *message)
{
    snprintf(user, 1200, "%d %s", (int) level, message);
}

static void logging(void **state)
{
    char line[1200] = "";

    (void) state;
    qv__log(QV_LOG_ERROR, "nobody listens");
    qv_set_log(remember_line, line, QV_LOG_WARNING);
    qv__log(QV_LOG_INFO, "too detailed");
    assert_string_equal(line, "");
    qv__log(QV_LOG_WARNING, "%s %d", "seen", 1);
    assert_string_equal(line, "2 seen 1");
    qv_set_log(NULL, NULL, QV_LOG_DEBUG);
    qv__log(QV_LOG_ERROR, "off again");
    assert_string_equal(line, "2 seen 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options),
        cmocka_unit_test(reports_are_throttled_and_alone),
        cmocka_unit_test(the_callback_can_cancel),
        cmocka_unit_test(flags_cancel),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(short_structures),
        cmocka_unit_test(logging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The pool against what a plain loop would do: every task once, the lowest failure, at any size, in forked children. */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qvt.h"

#define N_TASKS 1000

/* The thread sanitizer does not allow new threads after fork. */
#if defined(__SANITIZE_THREAD__)
#define CAN_FORK 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAN_FORK 0
#endif
#endif
#ifndef CAN_FORK
#define CAN_FORK 1
#endif

typedef struct work {
    _Atomic unsigned runs[N_TASKS];
    atomic_uint inside, most_inside;
    size_t fail_from, fail_every; /* tasks >= fail_from that are multiples of fail_every fail; 0: none */
    unsigned nap_us;
} work;

static void nap(unsigned us) { nanosleep(&(struct timespec){ 0, (long) us * 1000 }, NULL); }

static qv_status run_one(void *ctx, size_t task, qv_error *err)
{
    work *w = ctx;
    unsigned now = atomic_fetch_add(&w->inside, 1) + 1;
    unsigned most = atomic_load(&w->most_inside);

    while (now > most && !atomic_compare_exchange_weak(&w->most_inside, &most, now))
        ;
    atomic_fetch_add(&w->runs[task], 1);
    if (w->nap_us)
        nap(w->nap_us);
    atomic_fetch_sub(&w->inside, 1);
    if (w->fail_every && task >= w->fail_from && task % w->fail_every == 0)
        return qv__fail(err, QV_CORRUPT, "task %zu is broken", task);
    return QV_OK;
}

static void every_task_runs_once(void **state)
{
    qv_error err;

    (void) state;
    for (unsigned threads = 1; threads <= 9; threads++) {
        qv_set_threads(threads);
        assert_int_equal(qv_threads(), threads);
        for (size_t n = 0; n <= N_TASKS; n = n * 3 + 1) {
            work w = { .nap_us = n < 50 ? 200 : 0 };
            QVT_OK(qv__parallel_for(n, 0, run_one, &w, &err));
            for (size_t i = 0; i < N_TASKS; i++)
                assert_int_equal(w.runs[i], i < n ? 1 : 0);
            assert_true(w.most_inside <= threads);
        }
    }
    qv_set_threads(0);
}

static void at_most_the_asked_threads_run(void **state)
{
    qv_error err;
    work w = { .nap_us = 2000 };

    (void) state;
    qv_set_threads(8);
    QVT_OK(qv__parallel_for(60, 3, run_one, &w, &err));
    assert_true(w.most_inside <= 3);
    work wide = { .nap_us = 2000 };
    QVT_OK(qv__parallel_for(60, 0, run_one, &wide, &err));
    assert_true(wide.most_inside > 1); /* helpers came: a pool that never helps would pass everything else */
    qv_set_threads(0);
}

static void the_lowest_failure_is_returned(void **state)
{
    qv_error err;

    (void) state;
    qv_set_threads(6);
    for (int round = 0; round < 300; round++) {
        work w = { .fail_from = 10, .fail_every = 7, .nap_us = round % 2 ? 50 : 0 };
        QVT_FAILS(qv__parallel_for(N_TASKS, 0, run_one, &w, &err), QV_CORRUPT, "task 14 is broken");
        for (size_t i = 0; i <= 14; i++)
            assert_int_equal(w.runs[i], 1);
        assert_int_equal(w.runs[N_TASKS - 1], 0); /* no further task starts */
        assert_int_equal(qv__parallel_for(N_TASKS, 0, run_one, &w, NULL), QV_CORRUPT);
    }
    qv_set_threads(0);
}

typedef struct nest {
    work inner[8];
    _Atomic unsigned strayed;
} nest;

static qv_status run_inner(void *ctx, size_t task, qv_error *err)
{
    nest *n = ctx;
    pthread_t before = pthread_self();
    qv_status st = qv__parallel_for(50, 0, run_one, &n->inner[task], err);

    if (!pthread_equal(before, pthread_self()) || n->inner[task].most_inside != 1)
        atomic_fetch_add(&n->strayed, 1);
    return st;
}

static void nested_calls_run_inline(void **state)
{
    static nest n;
    qv_error err;

    (void) state;
    qv_set_threads(4);
    QVT_OK(qv__parallel_for(8, 0, run_inner, &n, &err));
    assert_int_equal(n.strayed, 0);
    for (size_t i = 0; i < 8; i++)
        for (size_t task = 0; task < 50; task++)
            assert_int_equal(n.inner[i].runs[task], 1);
    qv_set_threads(0);
}

static void *call_from_thread(void *failures)
{
    for (int round = 0; round < 50; round++) {
        work w = { 0 };
        if (qv__parallel_for(200, 0, run_one, &w, NULL) != QV_OK)
            atomic_fetch_add((atomic_int *) failures, 1);
        for (size_t i = 0; i < 200; i++)
            if (w.runs[i] != 1)
                atomic_fetch_add((atomic_int *) failures, 1);
    }
    return NULL;
}

static void many_callers_share_the_pool(void **state)
{
    pthread_t callers[6];
    atomic_int failures = 0;

    (void) state;
    qv_set_threads(4);
    for (size_t i = 0; i < QV_COUNT_OF(callers); i++)
        assert_int_equal(pthread_create(&callers[i], NULL, call_from_thread, &failures), 0);
    for (unsigned size = 1; size < 40; size++) { /* the size may change while calls run */
        qv_set_threads(size % 7 + 1);
        nap(500);
    }
    for (size_t i = 0; i < QV_COUNT_OF(callers); i++)
        pthread_join(callers[i], NULL);
    assert_int_equal(failures, 0);
    qv_set_threads(0);
}

/* Runs `body` in a child; its exit code. Ten seconds, then the alarm ends it. */
static int in_child(int (*body)(void))
{
    int status = 0;

    if (!CAN_FORK)
        skip();
    pid_t child = fork();

    if (child == 0) {
        alarm(10);
        _exit(body());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int child_works_in_parallel(void)
{
    work w = { .nap_us = 3000 };

    if (qv__parallel_for(60, 0, run_one, &w, NULL) != QV_OK)
        return 1;
    for (size_t i = 0; i < 60; i++)
        if (w.runs[i] != 1)
            return 2;
    return w.most_inside > 1 ? 0 : 3;
}

static void a_forked_child_starts_anew(void **state)
{
    pthread_t busy;
    atomic_int failures = 0;
    qv_error err;
    work w = { 0 };

    (void) state;
    if (!CAN_FORK)
        skip();
    qv_set_threads(4);
    QVT_OK(qv__parallel_for(100, 0, run_one, &w, &err)); /* the parent's pool is up */
    assert_int_equal(in_child(child_works_in_parallel), 0);
    assert_int_equal(pthread_create(&busy, NULL, call_from_thread, &failures), 0);
    for (int i = 0; i < 5; i++) /* and also while the parent's pool is at work */
        assert_int_equal(in_child(child_works_in_parallel), 0);
    pthread_join(busy, NULL);
    assert_int_equal(failures, 0);
    qv_set_threads(0);
}

/* A fresh process that may not have threads: calls end all the same. */
static int child_without_threads(void)
{
    struct rlimit none = { 0, 0 };
    work w = { 0 };

    if (geteuid() == 0 && setuid(65534) != 0) /* root passes the limit */
        return 77;
    if (setrlimit(RLIMIT_NPROC, &none) != 0)
        return 77;
    if (qv__parallel_for(100, 0, run_one, &w, NULL) != QV_OK)
        return 1;
    for (size_t i = 0; i < 100; i++)
        if (w.runs[i] != 1)
            return 2;
    return w.most_inside == 1 ? 0 : 3;
}

static void refused_threads_only_slow_it_down(void **state)
{
    (void) state;
    qv_set_threads(4);
    int code = in_child(child_without_threads);
    qv_set_threads(0);
    if (code == 77)
        skip();
    assert_int_equal(code, 0);
}

static int child_exits_while_working(void)
{
    work w = { 0 };

    if (qv__parallel_for(500, 0, run_one, &w, NULL) != QV_OK)
        return 1;
    exit(0); /* with idle threads around */
}

static void exit_does_not_wait(void **state)
{
    (void) state;
    qv_set_threads(8);
    assert_int_equal(in_child(child_exits_while_working), 0);
    qv_set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(at_most_the_asked_threads_run),
        cmocka_unit_test(the_lowest_failure_is_returned),
        cmocka_unit_test(nested_calls_run_inline),
        cmocka_unit_test(many_callers_share_the_pool),
        cmocka_unit_test(a_forked_child_starts_anew),
        cmocka_unit_test(refused_threads_only_slow_it_down),
        cmocka_unit_test(exit_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

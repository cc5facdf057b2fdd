/* A team of threads that waits for work, and loops that call it.
 *
 * A parallel loop is a record on its caller's stack with an atomic counter of tasks. It is put into the pool's list; idle
 * threads join it, take task numbers from the counter until none is left, and leave. The caller works too, so a loop always
 * ends, even if no thread could be started; it returns when the last helper has left. Tasks are taken in order of their number
 * and a failed one stops the counter, so the lowest failed task is known when everyone has left.
 *
 * After fork() the child has no threads but ours may be in the list: the child forgets the old pool and starts anew. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define MOST_THREADS 256

typedef struct loop {
    qv__task_fn fn;
    void *ctx;
    size_t n_tasks;
    _Atomic size_t next_task;
    unsigned helpers_wanted; /* guarded by pool lock: threads that may still join */
    unsigned helpers_inside; /* guarded by pool lock */
    struct loop *next;       /* guarded by pool lock */
    pthread_mutex_t error_lock;
    size_t failed_task;      /* guarded by error_lock; SIZE_MAX: none */
    qv_status failed_status; /* guarded by error_lock */
    qv_error failed_error;   /* guarded by error_lock */
} loop;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;    /* a loop was added */
    pthread_cond_t left;    /* a helper left a loop */
    loop *loops;            /* guarded by lock */
    unsigned started, idle; /* guarded by lock */
} pool = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0 };

static atomic_uint size_by_option; /* 0: default */
static _Thread_local bool inside_task;

/* ---------------------------------------------------------------- how many */

/* CPUs that the control group grants, rounded up; 0: no limit. Version 2, then version 1. */
static unsigned cgroup_cpus(void)
{
    long long quota = -1, period = 0;
    char first[32] = "";
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");

    if (file) {
        if (fscanf(file, "%31s %lld", first, &period) == 2 && strcmp(first, "max") != 0)
            quota = atoll(first);
        fclose(file);
    } else if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re"))) {
        if (fscanf(file, "%lld", &quota) != 1)
            quota = -1;
        fclose(file);
        if ((file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re"))) {
            if (fscanf(file, "%lld", &period) != 1)
                period = 0;
            fclose(file);
        }
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return (unsigned) QV_MIN((quota + period - 1) / period, MOST_THREADS);
}

static unsigned default_size(void)
{
    const char *text = getenv("QV_THREADS");
    long n = text ? strtol(text, NULL, 10) : 0;
    cpu_set_t set;

    if (n <= 0) {
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
        unsigned granted = cgroup_cpus();
        if (granted && (long) granted < n)
            n = granted;
    }
    return (unsigned) QV_MIN(QV_MAX(n, 1), MOST_THREADS);
}

void qv_set_threads(unsigned n_threads) { atomic_store(&size_by_option, QV_MIN(n_threads, MOST_THREADS)); }

unsigned qv_threads(void) { return qv__pool_size(); }

unsigned qv__pool_size(void)
{
    static _Atomic unsigned by_default;
    unsigned n = atomic_load(&size_by_option);

    if (n)
        return n;
    n = atomic_load(&by_default);
    if (!n) {
        n = default_size();
        atomic_store(&by_default, n);
    }
    return n;
}

/* ---------------------------------------------------------------- running tasks */

static void note_failure(loop *l, size_t task, qv_status st, const qv_error *err)
{
    pthread_mutex_lock(&l->error_lock);
    if (task < l->failed_task) {
        l->failed_task = task;
        l->failed_status = st;
        l->failed_error = *err;
    }
    pthread_mutex_unlock(&l->error_lock);
    atomic_store(&l->next_task, l->n_tasks); /* no further task starts */
}

static void work_on(loop *l)
{
    bool was_inside = inside_task;
    size_t task;

    inside_task = true;
    while (atomic_load_explicit(&l->next_task, memory_order_relaxed) < l->n_tasks &&
           (task = atomic_fetch_add(&l->next_task, 1)) < l->n_tasks) {
        qv_error err = { 0 };
        qv_status st = l->fn(l->ctx, task, &err);
        if (st != QV_OK)
            note_failure(l, task, st, &err);
    }
    inside_task = was_inside;
}

/* The first loop that still wants helpers. Called with the lock held. */
static loop *find_work(void)
{
    for (loop *l = pool.loops; l; l = l->next)
        if (l->helpers_wanted && atomic_load(&l->next_task) < l->n_tasks)
            return l;
    return NULL;
}

static void *thread_main(void *unused)
{
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        loop *l = find_work();
        if (!l) {
            pool.idle++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.idle--;
            continue;
        }
        l->helpers_wanted--;
        l->helpers_inside++;
        pthread_mutex_unlock(&pool.lock);
        work_on(l);
        pthread_mutex_lock(&pool.lock);
        l->helpers_inside--;
        pthread_cond_broadcast(&pool.left);
    }
    return unused;
}

/* ---------------------------------------------------------------- the team */

static void before_fork(void) { pthread_mutex_lock(&pool.lock); }

static void after_fork_in_parent(void) { pthread_mutex_unlock(&pool.lock); }

static void after_fork_in_child(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.left, NULL);
    pool.loops = NULL;
    pool.started = pool.idle = 0;
    inside_task = false;
}

static void watch_forks(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

/* Starts threads until `wanted` are there; fewer are fine. Called with the lock held. */
static void start_threads(unsigned wanted)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_once(&once, watch_forks);
    if (pool.started >= wanted || pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (pool.started < wanted && pthread_create(&thread, &attributes, thread_main, NULL) == 0)
        pool.started++;
    pthread_attr_destroy(&attributes);
}

static void enter(loop *l)
{
    pthread_mutex_lock(&pool.lock);
    start_threads(QV_MIN(l->helpers_wanted, MOST_THREADS));
    l->next = pool.loops;
    pool.loops = l;
    if (l->helpers_wanted == 1)
        pthread_cond_signal(&pool.work);
    else
        pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

static void leave(loop *l)
{
    pthread_mutex_lock(&pool.lock);
    l->helpers_wanted = 0;
    while (l->helpers_inside)
        pthread_cond_wait(&pool.left, &pool.lock);
    loop **at = &pool.loops;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    pthread_mutex_unlock(&pool.lock);
}

static qv_status run_alone(size_t n_tasks, qv__task_fn fn, void *ctx, qv_error *err)
{
    for (size_t task = 0; task < n_tasks; task++)
        QV_TRY(fn(ctx, task, err));
    return QV_OK;
}

qv_status qv__parallel_for(size_t n_tasks, unsigned max_threads, qv__task_fn fn, void *ctx, qv_error *err)
{
    unsigned threads = max_threads ? QV_MIN(max_threads, MOST_THREADS) : qv__pool_size();
    loop l;

    threads = (unsigned) QV_MIN(threads, n_tasks);
    if (threads <= 1 || inside_task)
        return run_alone(n_tasks, fn, ctx, err);
    memset(&l, 0, sizeof l);
    l.fn = fn;
    l.ctx = ctx;
    l.n_tasks = n_tasks;
    l.helpers_wanted = threads - 1;
    l.failed_task = SIZE_MAX;
    pthread_mutex_init(&l.error_lock, NULL);
    enter(&l);
    work_on(&l);
    leave(&l);
    pthread_mutex_destroy(&l.error_lock);
    if (l.failed_task == SIZE_MAX)
        return QV_OK;
    if (err)
        *err = l.failed_error;
    return l.failed_status;
}

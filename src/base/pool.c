/*
 * The thread pool. A parallel call puts a batch, which lives on its caller's stack, into a queue, wakes helpers and
 * works on it itself; when no task is left it takes the batch out of the queue and waits for the helpers inside.
 * The caller can always finish alone, so a pool without a single thread still works, and a machine that refuses
 * threads only makes calls slower.
 *
 * Locks: one mutex guards all shared fields; tasks are handed out by an atomic counter without it.
 *
 * Order: a thread looks at `stopped`, then takes the next number, then always runs that task. So every task below a
 * failed one has been started, and the error of the lowest failed task does not depend on timing.
 *
 * Threads are detached, block all signals and sleep while idle: at exit nobody waits for them. (They run the
 * library's code, so the shared library is linked with -z nodelete.) fork() copies none of them: the child's handler
 * resets the pool, and its first parallel call starts new ones.
 */
#include "base/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_private.h"
#include "base/log.h"

#define MAX_THREADS 1024u

typedef struct batch {
    struct batch *next;    /* guarded by lock */
    unsigned helpers_left; /* how many more may join; guarded by lock */
    unsigned helpers_in;   /* guarded by lock */
    qv__task_fn fn;
    void *ctx;
    size_t n_tasks;
    _Atomic size_t next_task;
    atomic_bool stopped;
    size_t failed_task;  /* lowest; n_tasks: none; guarded by lock */
    qv_status failed_st; /* guarded by lock */
    qv_error failed_err; /* guarded by lock */
} batch;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_wanted = PTHREAD_COND_INITIALIZER;
static pthread_cond_t helper_left = PTHREAD_COND_INITIALIZER;
static batch *queue;             /* oldest first; guarded by lock */
static unsigned n_workers;       /* running threads; guarded by lock */
static bool told_of_missing;     /* a warning was logged; guarded by lock */
static atomic_uint wanted_size;  /* 0: the default */
static atomic_uint default_size; /* 0: not computed yet */
static _Thread_local bool inside_task;

static void before_fork(void) { pthread_mutex_lock(&lock); }

static void after_fork_parent(void) { pthread_mutex_unlock(&lock); }

/* The child has one thread: this one. Batches of other threads are gone with their callers. */
static void after_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&work_wanted, NULL);
    pthread_cond_init(&helper_left, NULL);
    queue = NULL;
    n_workers = 0;
}

static void register_fork_handlers(void) { pthread_atfork(before_fork, after_fork_parent, after_fork_child); }

static unsigned compute_default(void)
{
    const char *text = getenv("QV_THREADS");

    if (text && *text >= '0' && *text <= '9') {
        char *end;
        unsigned long n = strtoul(text, &end, 10);
        if (*end == 0 && n > 0)
            return n > MAX_THREADS ? MAX_THREADS : (unsigned) n;
    }
    return QV_MIN(qv__cpus_usable(), MAX_THREADS);
}

void qv_set_threads(unsigned n_threads)
{
    if (n_threads == 0)
        atomic_store(&default_size, compute_default());
    atomic_store(&wanted_size, QV_MIN(n_threads, MAX_THREADS));
}

unsigned qv_threads(void) { return qv__pool_size(); }

unsigned qv__pool_size(void)
{
    unsigned size = atomic_load_explicit(&wanted_size, memory_order_relaxed);

    if (size)
        return size;
    size = atomic_load_explicit(&default_size, memory_order_relaxed);
    if (!size) {
        size = compute_default();
        atomic_store_explicit(&default_size, size, memory_order_relaxed);
    }
    return size;
}

static void keep_lowest_error(batch *b, size_t task, qv_status st, const qv_error *err)
{
    pthread_mutex_lock(&lock);
    if (task < b->failed_task) {
        b->failed_task = task;
        b->failed_st = st;
        b->failed_err = *err;
    }
    pthread_mutex_unlock(&lock);
}

static void run_tasks(batch *b)
{
    bool outer = inside_task;
    qv_error err;

    inside_task = true;
    while (!atomic_load_explicit(&b->stopped, memory_order_relaxed)) {
        size_t task = atomic_fetch_add_explicit(&b->next_task, 1, memory_order_relaxed);
        if (task >= b->n_tasks)
            break;
        err = (qv_error){ .status = QV_OK };
        qv_status st = b->fn(b->ctx, task, &err);
        if (st != QV_OK) {
            atomic_store_explicit(&b->stopped, true, memory_order_relaxed);
            keep_lowest_error(b, task, st, &err);
            break;
        }
    }
    inside_task = outer;
}

/* The oldest batch that another thread may join. Call with the lock held. */
static batch *find_batch(void)
{
    for (batch *b = queue; b; b = b->next)
        if (b->helpers_left > 0 && atomic_load_explicit(&b->next_task, memory_order_relaxed) < b->n_tasks &&
            !atomic_load_explicit(&b->stopped, memory_order_relaxed))
            return b;
    return NULL;
}

static void *work(void *unused)
{
    QV_UNUSED(unused);
    pthread_setname_np(pthread_self(), "quiver");
    pthread_mutex_lock(&lock);
    while (n_workers < qv__pool_size()) { /* the pool was made smaller: the surplus goes */
        batch *b = find_batch();
        if (!b) {
            pthread_cond_wait(&work_wanted, &lock);
            continue;
        }
        b->helpers_left--;
        b->helpers_in++;
        pthread_mutex_unlock(&lock);
        run_tasks(b);
        pthread_mutex_lock(&lock);
        if (--b->helpers_in == 0)
            pthread_cond_broadcast(&helper_left);
    }
    n_workers--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Signals belong to the host's threads: a worker is born with all of them blocked. */
static int start_worker(void)
{
    pthread_attr_t attr;
    sigset_t all, old;
    pthread_t thread;
    int failed = pthread_attr_init(&attr);

    if (failed)
        return failed;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failed = pthread_create(&thread, &attr, work, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return failed;
}

/* Starts what is missing; returns an errno when the system refused a thread for the first time, else 0.
 * Call with the lock held. */
static int start_missing(unsigned wanted)
{
    while (n_workers < wanted) {
        int failed = start_worker();
        if (failed) {
            bool tell = !told_of_missing;
            told_of_missing = true;
            return tell ? failed : 0;
        }
        n_workers++;
    }
    return 0;
}

static void enqueue(batch *b)
{
    batch **link = &queue;

    while (*link)
        link = &(*link)->next;
    *link = b;
}

static void dequeue(batch *b)
{
    batch **link = &queue;

    while (*link != b)
        link = &(*link)->next;
    *link = b->next;
}

static qv_status run_alone(size_t n_tasks, qv__task_fn fn, void *ctx, qv_error *err)
{
    qv_status st = QV_OK;
    bool outer = inside_task;

    inside_task = true;
    for (size_t task = 0; task < n_tasks && st == QV_OK; task++)
        st = fn(ctx, task, err);
    inside_task = outer;
    return st;
}

qv_status qv__parallel_for(size_t n_tasks, unsigned max_threads, qv__task_fn fn, void *ctx, qv_error *err)
{
    unsigned size = qv__pool_size();
    size_t threads = max_threads ? QV_MIN(max_threads, size) : size;

    threads = QV_MIN(threads, n_tasks);
    if (threads <= 1 || inside_task)
        return run_alone(n_tasks, fn, ctx, err);
    batch b = {
        .fn = fn, .ctx = ctx, .n_tasks = n_tasks, .failed_task = n_tasks, .helpers_left = (unsigned) threads - 1
    };
    pthread_once(&once, register_fork_handlers);

    pthread_mutex_lock(&lock);
    int refused = start_missing(size - 1);
    unsigned running = n_workers;
    enqueue(&b);
    for (size_t i = 1; i < threads; i++)
        pthread_cond_signal(&work_wanted);
    pthread_mutex_unlock(&lock);
    if (refused)
        qv__log(QV_LOG_WARNING, "thread pool: the system refused a thread (errno %d); %u of %u are running", refused,
                running + 1, size);
    run_tasks(&b);
    pthread_mutex_lock(&lock);
    dequeue(&b);
    while (b.helpers_in > 0)
        pthread_cond_wait(&helper_left, &lock);
    pthread_mutex_unlock(&lock);

    if (b.failed_task == n_tasks)
        return QV_OK;
    if (err)
        *err = b.failed_err;
    return b.failed_st;
}

/* How a long call is watched from Python.
 *
 * The engine reports about ten times a second, from any of its threads. A report takes the GIL, lets Python handle signals
 * (which it does on its main thread only) and tells the caller's progress function. For Ctrl-C in a call whose reports all come
 * from other threads, a signal handler raises the call's cancel flag while the engine works, and then calls Python's own. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "qpy.h"

struct qpy_job {
    _Atomic int refs;
    qv_job options;
    qv_cancel *cancel;
    PyObject *progress;
    long long total_rows;
    PyObject *type, *value, *traceback; /* what a report raised */
};

static _Atomic(qv_cancel *) interrupted; /* the call that Ctrl-C cancels: the one on Python's main thread */
static struct sigaction python_action;
static bool is_armed;

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    qv_cancel *cancel = interrupted;

    if (cancel != NULL)
        qv_cancel_raise(cancel);
    if (python_action.sa_flags & SA_SIGINFO)
        python_action.sa_sigaction(number, info, context);
    else if (python_action.sa_handler != SIG_DFL && python_action.sa_handler != SIG_IGN)
        python_action.sa_handler(number);
}

static _Atomic unsigned n_forks; /* of this process and its ancestors */

static void on_fork(void) { n_forks++; }

void qpy_job_module_init(void) { pthread_atfork(NULL, NULL, on_fork); }

/* Python's main thread is the process's first one, except in hosts that embed it elsewhere, where reports do the work. A thread asks the
 * kernel once, and again in a child process, whose only thread is the first. */
static bool is_main_thread(void)
{
    static _Thread_local unsigned asked; /* n_forks + 1 when it asked */
    static _Thread_local bool is_main;
    unsigned now = n_forks + 1;

    if (asked != now) {
        is_main = gettid() == getpid();
        asked = now;
    }
    return is_main;
}

void qpy_job_begin(qpy_job *job)
{
    struct sigaction action = { 0 };

    if (job == NULL || !is_main_thread() || is_armed)
        return;
    if (sigaction(SIGINT, NULL, &python_action) != 0)
        return;
    if (!(python_action.sa_flags & SA_SIGINFO) &&
        (python_action.sa_handler == SIG_DFL || python_action.sa_handler == SIG_IGN))
        return; /* Ctrl-C is not Python's business here */
    interrupted = job->cancel;
    action.sa_sigaction = on_interrupt;
    action.sa_flags = SA_SIGINFO | SA_RESTART | (python_action.sa_flags & SA_ONSTACK);
    is_armed = sigaction(SIGINT, &action, NULL) == 0;
}

void qpy_job_end(qpy_job *job)
{
    if (job == NULL || !is_armed || !is_main_thread())
        return;
    sigaction(SIGINT, &python_action, NULL);
    interrupted = NULL;
    is_armed = false;
}

static void store_exception(qpy_job *job)
{
    if (job->type == NULL)
        PyErr_Fetch(&job->type, &job->value, &job->traceback);
    else
        PyErr_Clear();
}

/* An error of the progress function does not fail the work; Ctrl-C in it does. */
static void tell(qpy_job *job, const qv_progress *progress)
{
    PyObject *total = job->total_rows >= 0       ? PyLong_FromLongLong(job->total_rows)
                      : progress->rows_total > 0 ? PyLong_FromUnsignedLongLong(progress->rows_total)
                                                 : Py_NewRef(Py_None);
    PyObject *dict =
        total == NULL ? NULL
                      : Py_BuildValue("{sKsKsNsdsisisN}", "output_rows", (unsigned long long) progress->rows_done,
                                      "output_bytes", (unsigned long long) progress->bytes_done, "total_rows", total,
                                      "elapsed_seconds", progress->seconds, "active_tasks", progress->finished ? 0 : 1,
                                      "total_tasks", 1, "done", PyBool_FromLong(progress->finished));
    PyObject *result = dict == NULL ? NULL : PyObject_CallFunction(job->progress, "O", dict);

    if (result == NULL) {
        if (PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear();
        else
            store_exception(job);
    }
    Py_DecRef(dict);
    Py_DecRef(result);
}

static bool on_progress(void *user, const qv_progress *progress)
{
    qpy_job *job = user;
    PyGILState_STATE gil = PyGILState_Ensure();
    bool go_on;

    if (PyErr_CheckSignals() != 0)
        store_exception(job);
    else if (job->progress != NULL)
        tell(job, progress);
    go_on = job->type == NULL;
    PyGILState_Release(gil);
    return go_on;
}

qpy_job *qpy_job_new(PyObject *timeout, PyObject *progress, long long total_rows)
{
    qpy_job *job = calloc(1, sizeof(*job));
    qv_error err;

    if (job == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    job->refs = 1;
    job->total_rows = total_rows;
    job->options = (qv_job) QV_JOB_INIT;
    job->options.on_progress = on_progress;
    job->options.user = job;
    if (timeout != NULL && timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);

        if (seconds == -1.0 && PyErr_Occurred())
            goto fail;
        job->options.timeout_ms = seconds <= 0.001 ? 1 : seconds > 4e6 ? UINT32_MAX : (uint32_t) ceil(seconds * 1000);
    }
    if (qv_cancel_new(&job->cancel, &err) != QV_OK) {
        qpy_raise(&err);
        goto fail;
    }
    job->options.cancel = job->cancel;
    if (progress != NULL && progress != Py_None)
        job->progress = Py_NewRef(progress);
    return job;
fail:
    free(job);
    return NULL;
}

qpy_job *qpy_job_ref(qpy_job *job)
{
    if (job != NULL)
        job->refs++;
    return job;
}

void qpy_job_unref(qpy_job *job)
{
    if (job == NULL || --job->refs > 0)
        return;
    if (job->progress != NULL || job->type != NULL) {
        PyGILState_STATE gil = PyGILState_Ensure();

        Py_DecRef(job->progress);
        Py_DecRef(job->type);
        Py_DecRef(job->value);
        Py_DecRef(job->traceback);
        PyGILState_Release(gil);
    }
    qv_cancel_free(job->cancel);
    free(job);
}

const qv_job *qpy_job_options(const qpy_job *job) { return &job->options; }

bool qpy_job_raise(qpy_job *job)
{
    if (job == NULL)
        return false;
    if (job->type == NULL)
        return PyErr_CheckSignals() != 0; /* the handler ran while the engine worked; Python's part comes now */
    PyErr_Restore(job->type, job->value, job->traceback);
    job->type = job->value = job->traceback = NULL;
    return true;
}

bool qpy_job_finish(qv_status st, const qv_error *err, qpy_job *job)
{
    qpy_job_end(job);
    if (st == QV_TIMEOUT)
        PyErr_Format(PyExc_RuntimeError, "Query timeout: %s", err->message);
    else if (st != QV_OK && !qpy_job_raise(job))
        qpy_raise(err);
    qpy_job_unref(job);
    return st == QV_OK;
}

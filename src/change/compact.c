/* Compaction: a plan, its tasks, one commit. Nothing of it is visible before the commit; when another writer took rows of ours away
 * meanwhile, all is done anew on the newest version. */
#include "change/compact_private.h"

static void discard(qv__store *table, qv__rewritten *done, size_t n)
{
    for (size_t i = 0; i < n; i++)
        qv__new_fragments_discard(table, &done[i].fragments);
}

static void clear_all(qv__rewritten *done, size_t n)
{
    for (size_t i = 0; done && i < n; i++)
        qv__compact_done_clear(&done[i]);
    qv__free(done);
}

typedef struct compaction {
    qv__store *table;
    const qv_compact_options *options;
    qv__job *job;
    qv_compact_result result;
} compaction;

static qv_status run_tasks(const compaction *c, qv__snapshot *base, const qv__compact_policy *policy,
                           const qv__rewrite_tasks *tasks, qv__rewritten *done, size_t *n, qv_error *err)
{
    for (*n = 0; *n < tasks->n; (*n)++) {
        QV_TRY(qv__job_tick(c->job, 0, 0, err));
        QV_TRY(qv__compact_run_task(c->table, base, &tasks->items[*n], policy, c->job, &done[*n], err));
    }
    return QV_OK;
}

static qv_status attempt(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    compaction *c = ctx;
    qv_status st = QV_OK;
    qv__compact_policy policy;
    qv__rewrite_tasks tasks = { 0 };
    qv__rewritten *done = NULL;
    size_t n = 0;

    *out = NULL;
    QV_CHECK(qv__compact_policy_of(base, c->options, &policy, err));
    QV_CHECK(qv__compact_make_plan(base, &policy, &tasks, err));
    if (!tasks.n)
        goto done;
    QV_CHECK(QV_NEW(&done, tasks.n, err));
    QV_CHECK(run_tasks(c, base, &policy, &tasks, done, &n, err));
    const qv__rewrite_order commit = { c->table, base, base, &policy, done, n, c->job };
    QV_CHECK(qv__compact_commit_run(&commit, &c->result, out, end, err));
done:
    if (st != QV_OK && !end->committed)
        discard(c->table, done, n);
    clear_all(done, n);
    qv__compact_tasks_clear(&tasks);
    return st;
}

qv_status qv__compact(qv__store *table, qv__snapshot *base, const qv_compact_options *options,
                      qv_compact_result *result, qv__snapshot **out, qv_error *err)
{
    qv__job job;
    compaction c = { table, options, &job, { 0 } };
    qv__snapshot *made = NULL;

    qv__job_begin(&job, &options->job, "compact", 0);
    qv_status st = qv__attempts(base, &job, attempt, &c, NULL, &made, err);
    qv__job_end(&job, st);
    if (st != QV_OK)
        return st;
    *out = made;
    if (result)
        *result = c.result;
    return QV_OK;
}

/* ------------------------------------------------------------------ in three steps */

qv_status qv__compact_plan(qv__snapshot *base, const qv_compact_options *options, qv__buffer *plan, qv_error *err)
{
    qv_status st = QV_OK;
    qv__compact_policy policy;
    qv__rewrite_tasks tasks = { 0 };

    QV_CHECK(qv__compact_policy_of(base, options, &policy, err));
    QV_CHECK(qv__compact_make_plan(base, &policy, &tasks, err));
    QV_CHECK(qv__buffer_printf(plan, err, "{\"read_version\":%llu,\"tasks\":[",
                               (unsigned long long) qv__snapshot_version(base)));
    for (size_t i = 0; i < tasks.n; i++) {
        QV_CHECK(qv__buffer_append(plan, ",", i > 0, err));
        QV_CHECK(qv__compact_task_print(&tasks.items[i], plan, err));
    }
    QV_CHECK(qv__buffer_append(plan, "]}", 2, err));
done:
    qv__compact_tasks_clear(&tasks);
    return st;
}

/* The version that tasks were planned on, which may be an older one by now. */
static qv_status open_planned(qv__store *table, qv__snapshot *base, uint64_t version, qv__snapshot **out, qv_error *err)
{
    if (version == qv__snapshot_version(base)) {
        *out = qv__snapshot_ref(base);
        return QV_OK;
    }
    return version ? qv__snapshot_open(table, version, out, err)
                   : qv__fail(err, QV_INVALID, "a task without a version");
}

qv_status qv__compact_task(qv__store *table, qv__snapshot *base, const char *task, const qv_compact_options *options,
                           qv__buffer *result, qv_error *err)
{
    qv_status st = QV_OK;
    qv__job job;
    qv__compact_policy policy;
    qv__rewrite_task parsed = { 0 };
    qv__rewritten done = { 0 };
    qv__snapshot *planned = NULL;

    qv__job_begin(&job, &options->job, "compact", 0);
    QV_CHECK(qv__compact_task_parse(task, &parsed, err));
    QV_CHECK(open_planned(table, base, parsed.read_version, &planned, err));
    QV_CHECK(qv__compact_policy_of(planned, options, &policy, err));
    QV_CHECK(qv__compact_run_task(table, planned, &parsed, &policy, &job, &done, err));
    st = qv__compact_done_print(&done, result, err);
    if (st != QV_OK)
        discard(table, &done, 1);
done:
    qv__job_end(&job, st);
    qv__compact_done_clear(&done);
    qv__compact_task_clear(&parsed);
    qv__snapshot_unref(planned);
    return st;
}

qv_status qv__compact_commit(qv__store *table, qv__snapshot *base, const char *const *results, size_t n,
                             const qv_compact_options *options, qv_compact_result *result, qv__snapshot **out,
                             qv_error *err)
{
    qv_status st = QV_OK;
    qv__job job;
    qv__compact_policy policy;
    qv__rewritten *done = NULL;
    qv__snapshot *planned = NULL;
    qv__commit_end end = { 0 };

    *out = NULL;
    if (!n)
        return QV_OK;
    qv__job_begin(&job, &options->job, "compact", 0);
    QV_CHECK(QV_NEW(&done, n, err));
    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__compact_done_parse(results[i], &done[i], err));
    QV_CHECK(open_planned(table, base, done[0].task.read_version, &planned, err));
    QV_CHECK(qv__compact_policy_of(planned, options, &policy, err));
    const qv__rewrite_order commit = { table, planned, base, &policy, done, n, &job };
    QV_CHECK(qv__compact_commit_run(&commit, result, out, &end, err));
done:
    qv__job_end(&job, st);
    clear_all(done, n);
    qv__snapshot_unref(planned);
    return st;
}

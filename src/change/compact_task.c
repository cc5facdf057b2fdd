/* One task: live rows of neighbouring fragments become new data files, by their pages where all rows are alive, else row by row. */
#include <inttypes.h>

#include "change/compact_private.h"

void qv__compact_done_clear(qv__rewritten *done)
{
    qv__compact_task_clear(&done->task);
    qv__new_fragments_clear(&done->fragments);
}

qv_status qv__compact_find(const qv__snapshot *base, uint64_t id, size_t *out, qv_error *err)
{
    size_t low = 0, end = qv__snapshot_n_fragments(base);

    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (qv__snapshot_fragment(base, middle)->id < id)
            low = middle + 1;
        else
            end = middle;
    }
    if (low == qv__snapshot_n_fragments(base) || qv__snapshot_fragment(base, low)->id != id)
        return qv__fail(err, QV_CONFLICT, "fragment %" PRIu64 " is not part of version %" PRIu64, id,
                        qv__snapshot_version(base));
    *out = low;
    return QV_OK;
}

static qv_status live_bitmap(qv__snapshot *base, size_t fragment, roaring_bitmap_t **out, qv_error *err)
{
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n;

    QV_TRY(qv__snapshot_deletions(base, fragment, &deleted, &n, &live, err));
    *out = roaring_bitmap_from_range(0, qv__snapshot_fragment(base, fragment)->physical_rows, 1);
    if (!*out)
        *out = roaring_bitmap_create(); /* a fragment without rows */
    if (!*out)
        return qv__fail_nomem(err, sizeof **out);
    for (size_t i = 0; i < n; i++)
        roaring_bitmap_remove(*out, deleted[i]);
    return QV_OK;
}

qv_status qv__compact_matches(qv__snapshot *base, const qv__rewrite_task *task, qv__matches *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__matches m = { 0 };
    size_t at;

    QV_CHECK(qv__matches_init(base, &m, err));
    for (size_t i = 0; i < task->n; i++) {
        QV_CHECK(qv__compact_find(base, task->fragments[i], &at, err));
        QV_CHECK(live_bitmap(base, at, &m.rows[at], err));
        m.n_rows += roaring_bitmap_get_cardinality(m.rows[at]);
    }
    *out = m;
    m = (qv__matches){ 0 };
done:
    qv__matches_clear(&m);
    return st;
}

static qv_status rewrite_rows(qv__store *table, qv__snapshot *base, const qv__rewrite_task *task,
                              const qv__compact_policy *policy, qv__job *job, qv__new_fragments *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__matches live = { 0 };
    qv__stream *rows = NULL;
    qv_scan_options scan = qv__part_scan(job);
    const qv__write_rows write = { .max_rows_per_file = policy->target_rows,
                                   .max_bytes_per_file = policy->max_bytes_per_file,
                                   .job = job };

    QV_CHECK(qv__compact_matches(base, task, &live, err));
    if (!live.n_rows)
        goto done;
    QV_CHECK(qv__scan_matches(base, &live, &scan, &rows, err));
    QV_CHECK(qv__write_fragments(table, base, rows, &write, out, err));
done:
    qv__stream_free(rows);
    qv__matches_clear(&live);
    return st;
}

static qv_status copy_task(const qv__rewrite_task *task, qv__rewrite_task *out, qv_error *err)
{
    *out = (qv__rewrite_task){ .read_version = task->read_version, .n = task->n };
    QV_TRY(QV_NEW(&out->fragments, task->n, err));
    memcpy(out->fragments, task->fragments, task->n * sizeof *task->fragments);
    return QV_OK;
}

qv_status qv__compact_run_task(qv__store *table, qv__snapshot *base, const qv__rewrite_task *task,
                               const qv__compact_policy *policy, qv__job *job, qv__rewritten *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__rewritten d = { 0 };
    bool copied = false;

    if (task->read_version != qv__snapshot_version(base))
        return qv__fail(err, QV_INVALID, "the task was planned on version %" PRIu64 ", not on %" PRIu64,
                        task->read_version, qv__snapshot_version(base));
    QV_CHECK(copy_task(task, &d.task, err));
    if (!policy->no_binary_copy)
        QV_CHECK(qv__compact_copy(table, base, task, policy, job, &d.fragments, &copied, err));
    if (!copied)
        QV_CHECK(rewrite_rows(table, base, task, policy, job, &d.fragments, err));
    *out = d;
    d = (qv__rewritten){ 0 };
done:
    qv__compact_done_clear(&d);
    return st;
}

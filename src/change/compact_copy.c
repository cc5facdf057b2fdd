/* Pages as they lie. When all rows of the fragments are alive and their files hold the table's columns in the same way, only the
 * place of each page changes: nothing is decoded. */
#include "change/compact_private.h"

/* Rows and bytes of the fragments; *whole false: some rows are deleted, or rows lie in several files. */
static qv_status look_at(qv__snapshot *base, const qv__rewrite_task *task, uint64_t *rows, uint64_t *bytes, bool *whole,
                         qv_error *err)
{
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n, at;

    *rows = *bytes = 0;
    *whole = true;
    for (size_t i = 0; i < task->n && *whole; i++) {
        QV_TRY(qv__compact_find(base, task->fragments[i], &at, err));
        const qv__fragment *f = qv__snapshot_fragment(base, at);
        QV_TRY(qv__snapshot_deletions(base, at, &deleted, &n, &live, err));
        *whole = n == 0 && f->n_files == 1;
        *rows += f->physical_rows;
        *bytes += *whole ? f->files[0].size_bytes : 0;
    }
    return QV_OK;
}

qv_status qv__compact_copy(qv__store *table, qv__snapshot *base, const qv__rewrite_task *task,
                           const qv__compact_policy *policy, qv__job *job, qv__new_fragments *out, bool *done,
                           qv_error *err)
{
    uint64_t rows, bytes;
    size_t *positions = NULL;
    qv_status st = QV_OK;

    *done = false;
    QV_TRY(look_at(base, task, &rows, &bytes, done, err));
    /* what does not fit into one file is cut at rows, not at pages */
    if (!*done || !rows || rows > policy->target_rows ||
        (policy->max_bytes_per_file && bytes > policy->max_bytes_per_file)) {
        *done = false;
        return QV_OK;
    }
    QV_CHECK(QV_NEW(&positions, task->n, err));
    for (size_t i = 0; i < task->n; i++)
        QV_CHECK(qv__compact_find(base, task->fragments[i], &positions[i], err));
    QV_CHECK(qv__copy_fragments(table, base, positions, task->n, job, out, done, err));
done:
    qv__free(positions);
    return st;
}

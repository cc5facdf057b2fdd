/* Rows that wait, as readers see them: data files in memory, behind the fragments of the snapshot.
 *
 * New batches become one file when somebody reads; a file is merged with the one before when that is less than twice as long.
 * So there are at most about log2(rows) files, and each row is written as often. Files that were merged stay in memory until
 * the flush, because older views may not have opened them yet. */
#include <string.h>

#include "change/row_buffer_private.h"

void qv__row_buffer_drop_memory(qv__row_buffer *b)
{
    for (size_t i = 0; i < b->n_files; i++)
        qv__new_fragments_clear(&b->files[i].fragment);
    b->n_files = 0;
    qv__snapshot_unref(b->view);
    qv__snapshot_unref(b->view_base);
    b->view = b->view_base = NULL;
    b->view_n = 0;
    qv__store_unref(b->memory); /* views keep it as long as they need it */
    b->memory = NULL;
}

/* Waiting batches [first, first + n) as one data file in memory. */
static qv_status write_file(qv__row_buffer *b, size_t first, size_t n, qv__memory_file *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__write_rows options = { .profile = QV_FILE_PLAIN, .max_rows_per_file = UINT32_MAX };
    qv__memory_file file = { .first = first, .n = n };
    qv__array **batches = NULL;
    qv__stream *rows = NULL;

    QV_CHECK(QV_NEW(&batches, n, err));
    for (size_t i = 0; i < n; i++) {
        batches[i] = b->waiting[first + i].batch;
        file.rows += (uint64_t) batches[i]->length;
    }
    QV_CHECK(qv__stream_of(qv__snapshot_schema(b->base), batches, n, &rows, err));
    QV_CHECK(qv__write_fragments(b->memory, b->base, rows, &options, &file.fragment, err));
    *out = file;
done:
    qv__stream_free(rows);
    qv__free(batches);
    return st;
}

static qv_status extend_files(qv__row_buffer *b, size_t n, qv_error *err)
{
    const qv__memory_file *last = b->n_files ? &b->files[b->n_files - 1] : NULL;
    size_t covered = last ? last->first + last->n : 0, first = covered, kept = b->n_files;
    uint64_t rows = 0;
    qv__memory_file file;

    if (covered == n)
        return QV_OK;
    for (size_t i = covered; i < n; i++)
        rows += (uint64_t) b->waiting[i].batch->length;
    while (kept > 0 && b->files[kept - 1].rows < 2 * rows) {
        kept--;
        first = b->files[kept].first;
        rows += b->files[kept].rows;
    }
    QV_TRY(QV_GROW(&b->files, &b->files_capacity, kept + 1, err));
    QV_TRY(write_file(b, first, n - first, &file, err));
    for (size_t i = kept; i < b->n_files; i++)
        qv__new_fragments_clear(&b->files[i].fragment);
    b->files[kept] = file;
    b->n_files = kept + 1;
    return QV_OK;
}

static qv_status build(qv__row_buffer *b, qv__snapshot *base, size_t n, qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__new_fragment *fragments = NULL;

    if (!b->memory)
        QV_CHECK(qv__store_open("memory://", true, &b->memory, err));
    QV_CHECK(extend_files(b, n, err));
    QV_CHECK(QV_NEW(&fragments, b->n_files, err));
    for (size_t i = 0; i < b->n_files; i++)
        fragments[i] = b->files[i].fragment.items[0]; /* borrowed */
    QV_CHECK(qv__snapshot_extend(base, b->memory, fragments, b->n_files, out, err));
done:
    qv__free(fragments);
    return st;
}

static void remember(qv__row_buffer *b, qv__snapshot *view, qv__snapshot *base, size_t n)
{
    qv__snapshot_unref(b->view);
    qv__snapshot_unref(b->view_base);
    b->view = qv__snapshot_ref(view);
    b->view_base = qv__snapshot_ref(base);
    b->view_n = n;
}

qv_status qv__row_buffer_view(qv__row_buffer *b, qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *base, *made = NULL;

    pthread_mutex_lock(&b->lock);
    base = b->owner.current(b->owner.ctx);
    size_t n = qv__row_buffer_durable(b);
    if (n == 0) {
        made = qv__snapshot_ref(base);
    } else if (b->view && b->view_base == base && b->view_n == n) {
        made = qv__snapshot_ref(b->view);
    } else {
        QV_CHECK(build(b, base, n, &made, err));
        remember(b, made, base, n);
    }
    *out = made;
done:
    pthread_mutex_unlock(&b->lock);
    qv__snapshot_unref(base);
    return st;
}

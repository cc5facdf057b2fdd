/* Making rows that wait a version of the table, exactly once.
 *
 * The journal first says, durably, under which transaction its rows are about to be committed. Who recovers after a crash looks
 * for that transaction in the table: found, the rows before the mark are in it; else they still wait. After the commit a new,
 * empty journal takes the place of the old one, in one step (its last record); so a crash anywhere leaves one that counts. */
#include <stdio.h>
#include <string.h>

#include "change/row_buffer_private.h"

static qv_status waiting_stream(const qv__row_buffer *b, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **batches = NULL;

    QV_CHECK(QV_NEW(&batches, b->n, err));
    for (size_t i = 0; i < b->n; i++)
        batches[i] = b->waiting[i].batch;
    QV_CHECK(qv__stream_of(qv__snapshot_schema(b->base), batches, b->n, out, err));
done:
    qv__free(batches);
    return st;
}

/* The version that the rows are added to: the newest, or, when that has other columns, the one whose columns they have (then the
 * commit decides whether the rows still fit). */
static qv_status choose_base(qv__row_buffer *b, qv__snapshot **out, qv_error *err)
{
    qv__snapshot *newest = NULL;

    QV_TRY(b->owner.newest(b->owner.ctx, &newest, err));
    if (qv__schema_equal(qv__snapshot_schema(newest), qv__snapshot_schema(b->base))) {
        *out = newest;
        return QV_OK;
    }
    qv__snapshot_unref(newest);
    *out = qv__snapshot_ref(b->base);
    return QV_OK;
}

static qv_status mark_journal(qv__row_buffer *b, const qv__flush_mark *mark, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer record;

    qv__buffer_init(&record, SIZE_MAX);
    QV_CHECK(qv__record_flush(b->uuid, mark, &record, err));
    QV_CHECK(qv__row_buffer_append(b, &record, err));
    QV_CHECK(qv__row_buffer_sync(b, err));
done:
    qv__buffer_free(&record);
    return st;
}

/* The rows are in `made` (taken): they wait no more. */
static void committed(qv__row_buffer *b, qv__snapshot *made)
{
    qv__row_buffer_drop_waiting(b);
    qv__snapshot_unref(b->base);
    b->base = qv__snapshot_ref(made);
    b->owner.publish(b->owner.ctx, made);
    if (qv__row_buffer_restart(b, NULL) != QV_OK)
        b->broken = true; /* the old journal says that its rows are committed; the next use tries again */
}

/* A commit ended in the dark: did it take place? */
static qv_status find_out(qv__row_buffer *b, qv_error *err)
{
    qv__snapshot *newest = NULL;
    bool found = false;

    QV_TRY(qv__commit_find(b->table, b->mark.after, b->mark.uuid, b->mark.file, &found, err));
    if (found) {
        QV_TRY(b->owner.newest(b->owner.ctx, &newest, err));
        committed(b, newest);
    }
    b->unsure = false;
    return QV_OK;
}

static qv_status commit(qv__row_buffer *b, qv__snapshot *base, qv__new_fragments *fragments, const qv__flush_mark *mark,
                        qv_error *err)
{
    qv__change change = { .operation = QV_OP_APPEND, .fragments = fragments, .uuid = mark->uuid };
    qv__commit_end end = { 0 };
    qv__snapshot *made = NULL;

    qv_status st = qv__commit(b->table, base, &change, NULL, &made, &end, err);
    if (st == QV_OK) {
        qv__new_fragments_clear(fragments);
        committed(b, made);
    } else if (end.committed) {
        qv__new_fragments_clear(fragments); /* the files stay */
        b->unsure = true;
        b->mark = *mark;
        size_t before = b->n;
        if (find_out(b, NULL) == QV_OK && before && b->n == 0)
            st = QV_OK;
    }
    return st;
}

static qv_status write_and_commit(qv__row_buffer *b, qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *base = NULL;
    qv__stream *rows = NULL;
    qv__new_fragments fragments = { 0 };
    qv__write_rows options = { .profile = QV_FILE_DEFAULT };
    qv__flush_mark mark;

    QV_CHECK(choose_base(b, &base, err));
    QV_CHECK(waiting_stream(b, &rows, err));
    QV_CHECK(qv__write_fragments(b->table, base, rows, &options, &fragments, err));
    mark.after = qv__snapshot_version(base);
    snprintf(mark.file, sizeof mark.file, "%s", fragments.items[0].file.name);
    QV_CHECK(qv__transaction_uuid(mark.uuid, err));
    QV_CHECK(mark_journal(b, &mark, err));
    QV_CHECK(commit(b, base, &fragments, &mark, err));
done:
    if (fragments.n)
        qv__new_fragments_discard(b->table, &fragments);
    qv__stream_free(rows);
    qv__snapshot_unref(base);
    return st;
}

qv_status qv__row_buffer_flush_locked(qv__row_buffer *b, qv_error *err)
{
    while (b->syncing)
        pthread_cond_wait(&b->changed, &b->lock);
    if (b->unsure)
        QV_TRY(find_out(b, err));
    if (b->n == 0)
        return QV_OK;
    QV_TRY(qv__row_buffer_ready(b, err));
    return write_and_commit(b, err);
}

qv_status qv__row_buffer_flush(qv__row_buffer *b, uint64_t *version, qv_error *err)
{
    pthread_mutex_lock(&b->lock);
    qv_status st = qv__row_buffer_flush_locked(b, err);
    if (st == QV_OK && version) {
        qv__snapshot *current = b->owner.current(b->owner.ctx);
        *version = qv__snapshot_version(current);
        qv__snapshot_unref(current);
    }
    pthread_mutex_unlock(&b->lock);
    return st;
}

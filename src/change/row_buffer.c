/* The buffer: opening and closing, adding rows, and the journal that they are durable in.
 *
 * Group commit. A thread appends its record under the lock and then waits for it to be durable. Who finds nobody syncing syncs
 * for all that was appended so far, without the lock, so that others append meanwhile; they wait for the next round. So one
 * sync serves as many callers as came during the one before. */
#include <string.h>

#include "arrow/compute/conform.h"
#include "change/row_buffer_private.h"

#define MAX_ROWS    8192
#define MAX_BYTES   (UINT64_C(16) << 20)
#define MOST_FACTOR 4 /* of the limits: rows that a failing flush lets gather, before adding fails too */

/* ------------------------------------------------------------------ rows that wait */

size_t qv__row_buffer_durable(const qv__row_buffer *b)
{
    size_t n = b->n;

    while (n > 0 && b->waiting[n - 1].seq > b->synced)
        n--;
    return n;
}

qv_status qv__row_buffer_push(qv__row_buffer *b, qv__array *batch, uint64_t seq, qv_error *err)
{
    QV_TRY(QV_GROW(&b->waiting, &b->capacity, b->n + 1, err));
    b->waiting[b->n++] = (qv__waiting){ qv__array_ref(batch), seq };
    b->rows += (uint64_t) batch->length;
    b->bytes += qv__array_bytes(batch);
    return QV_OK;
}

static void drop_from(qv__row_buffer *b, size_t first)
{
    for (size_t i = first; i < b->n; i++) {
        b->rows -= (uint64_t) b->waiting[i].batch->length;
        b->bytes -= qv__array_bytes(b->waiting[i].batch);
        qv__array_unref(b->waiting[i].batch);
    }
    b->n = QV_MIN(b->n, first);
}

void qv__row_buffer_drop_waiting(qv__row_buffer *b)
{
    drop_from(b, 0);
    qv__row_buffer_drop_memory(b);
}

/* Settles the tickets of all records up to `synced`, or (lost) of all others. */
static void settle(qv__row_buffer *b, bool lost)
{
    for (qv__ticket **t = &b->tickets; *t;) {
        if (lost || (*t)->seq <= b->synced) {
            (*t)->state = lost ? QV_TICKET_LOST : QV_TICKET_DURABLE;
            *t = (*t)->next;
        } else {
            t = &(*t)->next;
        }
    }
    pthread_cond_broadcast(&b->changed);
}

static void synced_up_to(qv__row_buffer *b, uint64_t seq)
{
    b->synced = QV_MAX(b->synced, seq);
    settle(b, false);
}

/* A sync failed: what was not durable before is given up, and its callers are told. */
static void lose(qv__row_buffer *b)
{
    b->broken = true;
    drop_from(b, qv__row_buffer_durable(b));
    settle(b, true);
}

/* ------------------------------------------------------------------ the journal */

qv_status qv__row_buffer_append(qv__row_buffer *b, const qv__buffer *record, qv_error *err)
{
    QV_TRY(qv__journal_append(b->journal, record->data, record->len, err));
    b->appended++;
    return QV_OK;
}

qv_status qv__row_buffer_sync(qv__row_buffer *b, qv_error *err)
{
    qv_status st = qv__journal_sync(b->journal, err);

    if (st == QV_OK)
        synced_up_to(b, b->appended);
    else
        lose(b);
    return st;
}

qv_status qv__row_buffer_ready(qv__row_buffer *b, qv_error *err)
{
    return b->broken ? qv__row_buffer_restart(b, err) : QV_OK;
}

static qv_status write_records(qv__row_buffer *b, qv__journal *journal, const char *uuid, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = qv__row_buffer_durable(b), n_old = b->stale.n;
    char *old = NULL;
    qv__buffer record;

    qv__buffer_init(&record, SIZE_MAX);
    QV_CHECK(QV_NEW(&old, n_old * (QV_UUID_TEXT_BYTES - 1), err));
    for (size_t i = 0; i < n_old; i++)
        memcpy(old + i * (QV_UUID_TEXT_BYTES - 1), b->stale.items[i], QV_UUID_TEXT_BYTES - 1);
    QV_CHECK(qv__record_bytes(uuid, QV_RECORD_BEGIN, old, n_old * (QV_UUID_TEXT_BYTES - 1), &record, err));
    QV_CHECK(qv__journal_append(journal, record.data, record.len, err));
    for (size_t i = 0; i < n; i++) {
        QV_CHECK(qv__record_rows(uuid, &b->waiting[i].batch, 1, qv__snapshot_schema(b->base), &record, err));
        QV_CHECK(qv__journal_append(journal, record.data, record.len, err));
    }
    QV_CHECK(qv__record_bytes(uuid, QV_RECORD_READY, NULL, 0, &record, err));
    QV_CHECK(qv__journal_append(journal, record.data, record.len, err));
    QV_CHECK(qv__journal_sync(journal, err));
done:
    qv__free(old);
    qv__buffer_free(&record);
    return st;
}

/* What cannot be deleted now is named by the next journal again. */
static void delete_stale(qv__row_buffer *b)
{
    size_t kept = 0;
    char name[QV_FILE_NAME_BYTES];

    for (size_t i = 0; i < b->stale.n; i++) {
        qv__journal_name(b->stale.items[i], name);
        qv_status st = qv__store_delete(b->table, name, NULL);
        if (st != QV_OK && st != QV_NOT_FOUND)
            memmove(b->stale.items[kept++], b->stale.items[i], QV_UUID_TEXT_BYTES);
    }
    b->stale.n = kept;
}

/* The present journal joins the stale ones before the new one is written, and leaves them again if that fails. */
qv_status qv__row_buffer_restart(qv__row_buffer *b, qv_error *err)
{
    qv_status st = QV_OK;
    qv__journal *journal = NULL;
    char uuid[QV_UUID_TEXT_BYTES], name[QV_FILE_NAME_BYTES];
    size_t n_stale = b->stale.n;

    QV_TRY(qv__transaction_uuid(uuid, err));
    QV_TRY(QV_GROW(&b->stale.items, &b->stale.capacity, n_stale + 1, err));
    if (b->journal)
        memcpy(b->stale.items[b->stale.n++], b->uuid, sizeof b->uuid);
    qv__journal_name(uuid, name);
    QV_CHECK(qv__journal_create(b->table, name, &journal, err));
    QV_CHECK(write_records(b, journal, uuid, err));
    qv__journal_close(b->journal);
    b->journal = journal;
    journal = NULL;
    memcpy(b->uuid, uuid, sizeof uuid);
    b->broken = false;
    b->synced = b->appended;
    delete_stale(b);
done:
    if (st != QV_OK) {
        b->stale.n = n_stale;
        if (journal)
            qv__store_delete(b->table, name, NULL);
        qv__journal_close(journal);
    }
    return st;
}

/* ------------------------------------------------------------------ adding */

/* Returns with the lock held, as it was called. */
static qv_status wait_durable(qv__row_buffer *b, qv__ticket *ticket, qv_error *err)
{
    qv_error failed = { .status = QV_OK };

    while (ticket->state == QV_TICKET_OPEN) {
        if (b->syncing) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        uint64_t up_to = b->appended;
        qv__journal *journal = b->journal; /* stays while `syncing` is set */
        b->syncing = true;
        pthread_mutex_unlock(&b->lock);
        qv_status st = qv__journal_sync(journal, &failed);
        pthread_mutex_lock(&b->lock);
        b->syncing = false;
        if (st == QV_OK)
            synced_up_to(b, up_to);
        else
            lose(b);
    }
    if (ticket->state == QV_TICKET_DURABLE)
        return QV_OK;
    if (failed.status == QV_OK)
        return qv__fail(err, QV_IO, "the journal of the write buffer cannot be synced");
    if (err)
        *err = failed;
    return failed.status;
}

static bool is_full(const qv__row_buffer *b, uint64_t factor)
{
    return b->rows >= b->max_rows * factor || b->bytes >= b->max_bytes * factor;
}

static qv_status append_rows(qv__row_buffer *b, qv__array *const *batches, size_t n, const qv__buffer *record,
                             qv_error *err)
{
    size_t before = b->n;
    qv_status st = QV_OK;

    for (size_t i = 0; i < n; i++)
        QV_CHECK(qv__row_buffer_push(b, batches[i], b->appended + 1, err));
    QV_CHECK(qv__row_buffer_append(b, record, err));
    return QV_OK;
done:
    drop_from(b, before);
    return st;
}

/* The record is made for one journal, whose uuid seeds its hash; when another took its place meanwhile it is made again. */
static qv_status make_record(qv__row_buffer *b, qv__array *const *batches, size_t n, const qv__schema *schema,
                             char uuid[QV_UUID_TEXT_BYTES], qv__buffer *record, qv_error *err)
{
    memcpy(uuid, b->uuid, QV_UUID_TEXT_BYTES);
    pthread_mutex_unlock(&b->lock);
    qv_status st = qv__record_rows(uuid, batches, n, schema, record, err);
    pthread_mutex_lock(&b->lock);
    return st;
}

static qv_status add_batches(qv__row_buffer *b, qv__array *const *batches, size_t n, const qv__schema *schema,
                             qv_error *err)
{
    qv_status st = QV_OK;
    char uuid[QV_UUID_TEXT_BYTES] = "";
    qv__ticket ticket = { .state = QV_TICKET_OPEN };
    qv__buffer record;

    qv__buffer_init(&record, SIZE_MAX);
    pthread_mutex_lock(&b->lock);
    if (is_full(b, MOST_FACTOR))
        QV_CHECK(qv__row_buffer_flush_locked(b, err));
    while (b->broken || strcmp(uuid, b->uuid) != 0) {
        while (b->syncing)
            pthread_cond_wait(&b->changed, &b->lock);
        QV_CHECK(qv__row_buffer_ready(b, err));
        QV_CHECK(make_record(b, batches, n, schema, uuid, &record, err));
    }
    QV_CHECK(append_rows(b, batches, n, &record, err));
    ticket.seq = b->appended;
    ticket.next = b->tickets;
    b->tickets = &ticket;
    QV_CHECK(wait_durable(b, &ticket, err));
    if (is_full(b, 1)) /* the rows are safe: a flush that fails now is tried again, and told when it must be */
        qv__row_buffer_flush_locked(b, NULL);
done:
    pthread_mutex_unlock(&b->lock);
    qv__buffer_free(&record);
    return st;
}

static qv_status whole_row(const qv__schema *schema, const qv__array *batch, const qv__schema *given, qv__array **out,
                           qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **columns = NULL;
    size_t n = schema->n_fields;

    QV_CHECK(QV_NEW(&columns, n, err));
    for (size_t i = 0, at = 0; i < n; i++) {
        bool has = at < given->n_fields && strcmp(given->fields[at].name, schema->fields[i].name) == 0;
        if (has)
            columns[i] = qv__array_ref(batch->children[at++]);
        else
            QV_CHECK(qv__array_new_null(schema->fields[i].type, batch->length, &columns[i], err));
    }
    QV_CHECK(qv__batch_new(schema, columns, batch->length, out, err));
done:
    for (size_t i = 0; columns && i < n; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    return st;
}

qv_status qv__row_buffer_conform(const qv__schema *schema, qv__stream *rows, qv__array ***out, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *fit = NULL;
    qv__array *batch = NULL, **list = NULL;
    size_t count = 0, capacity = 0;

    QV_TRY(qv__stream_conform(rows, schema, QV_CAST_SQL, &fit, err));
    for (;;) {
        QV_CHECK(fit->next(fit, &batch, err));
        if (!batch)
            break;
        QV_CHECK(QV_GROW(&list, &capacity, count + 1, err));
        if (batch->length) {
            QV_CHECK(whole_row(schema, batch, fit->schema, &list[count], err));
            count++;
        }
        qv__array_unref(batch);
        batch = NULL;
    }
    *out = list;
    *n = count;
    list = NULL;
done:
    qv__array_unref(batch);
    for (size_t i = 0; list && i < count; i++)
        qv__array_unref(list[i]);
    qv__free(list);
    qv__stream_free(fit);
    return st;
}

qv_status qv__row_buffer_add(qv__row_buffer *b, qv__stream *rows, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array **batches = NULL;
    size_t n = 0;

    pthread_mutex_lock(&b->lock);
    qv__schema *schema = qv__schema_ref(qv__snapshot_schema(b->base));
    pthread_mutex_unlock(&b->lock);
    QV_CHECK(qv__row_buffer_conform(schema, rows, &batches, &n, err));
    if (n)
        QV_CHECK(add_batches(b, batches, n, schema, err));
done:
    for (size_t i = 0; i < n; i++)
        qv__array_unref(batches[i]);
    qv__free(batches);
    qv__schema_unref(schema);
    return st;
}

/* ------------------------------------------------------------------ opening and closing */

static void free_buffer(qv__row_buffer *b)
{
    if (!b)
        return;
    qv__row_buffer_drop_waiting(b);
    qv__free(b->waiting);
    qv__free(b->files);
    qv__free(b->stale.items);
    qv__journal_close(b->journal);
    qv__snapshot_unref(b->base);
    qv__lock_release(b->file_lock);
    qv__store_unref(b->table);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
    qv__free(b);
}

static qv_status check_key(const qv__snapshot *base, qv_error *err)
{
    const qv__field **fields = NULL;
    bool enforced = false;
    size_t n;

    QV_TRY(qv__snapshot_primary_key(base, &fields, &n, &enforced, err));
    qv__free(fields);
    if (enforced)
        return qv__fail(err, QV_UNSUPPORTED, "a table whose primary key is enforced has no write buffer; use a merge");
    return QV_OK;
}

qv_status qv__row_buffer_open(qv__store *table, const qv__row_buffer_owner *owner,
                              const qv_write_buffer_options *options, qv__row_buffer **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__row_buffer *b = NULL;

    QV_TRY(QV_NEW(&b, 1, err));
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    b->table = qv__store_ref(table);
    b->owner = *owner;
    b->max_rows = options->max_rows ? options->max_rows : MAX_ROWS;
    b->max_bytes = options->max_bytes ? options->max_bytes : MAX_BYTES;
    QV_CHECK(owner->newest(owner->ctx, &b->base, err));
    QV_CHECK(check_key(b->base, err));
    st = qv__lock_take(table, QV_BUFFER_FOLDER "/buffer.lock", &b->file_lock, err);
    if (st == QV_EXISTS)
        st = qv__fail(err, QV_EXISTS, "%s: another write buffer is open", qv__store_uri(table));
    QV_CHECK(st);
    QV_CHECK(qv__row_buffer_recover(b, err));
    QV_CHECK(qv__row_buffer_restart(b, err));
    *out = b;
    b = NULL;
done:
    free_buffer(b);
    return st;
}

qv_status qv__row_buffer_close(qv__row_buffer *b, qv_error *err)
{
    char name[QV_FILE_NAME_BYTES];

    pthread_mutex_lock(&b->lock);
    qv_status st = qv__row_buffer_flush_locked(b, err);
    pthread_mutex_unlock(&b->lock);
    if (st == QV_OK) { /* the journal holds nothing; if it stays, the next buffer finds that out */
        qv__journal_name(b->uuid, name);
        qv__store_delete(b->table, name, NULL);
    }
    free_buffer(b);
    return st;
}

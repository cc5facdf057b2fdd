/* Taking over what a buffer before left: a process ended, or its last flush failed. Called with the table's lock held. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/ipc/ipc.h"
#include "change/row_buffer_private.h"

#define UUID_BYTES (QV_UUID_TEXT_BYTES - 1)

static qv_status add_uuid(qv__uuid_list *list, const char *text, qv_error *err)
{
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n + 1, err));
    memcpy(list->items[list->n], text, UUID_BYTES);
    list->items[list->n++][UUID_BYTES] = 0;
    return QV_OK;
}

static qv_status note_journal(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    size_t prefix = strlen("buffer-");

    QV_UNUSED(size);
    if (is_folder || strlen(name) != prefix + UUID_BYTES + 4 || strncmp(name, "buffer-", prefix) != 0 ||
        strcmp(name + prefix + UUID_BYTES, ".log") != 0)
        return QV_OK;
    return add_uuid(ctx, name + prefix, err);
}

static bool has_uuid(const qv__uuid_list *list, const char *uuid)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], uuid) == 0)
            return true;
    return false;
}

static qv_status open_journal(qv__row_buffer *b, const char *uuid, qv__bytes *out, qv_error *err)
{
    char name[QV_FILE_NAME_BYTES];

    qv__journal_name(uuid, name);
    return qv__store_get(b->table, name, UINT64_MAX, out, err);
}

/* A journal that was completed counts instead of those that it names; *ready false: it never was. */
static qv_status read_replaced(qv__row_buffer *b, const char *uuid, qv__uuid_list *replaced, bool *ready, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes file = { 0 }, old = { 0 };
    qv__record record;
    uint64_t at = 0;

    *ready = false;
    QV_CHECK(open_journal(b, uuid, &file, err));
    while (!*ready && qv__record_next(uuid, file, &at, &record)) {
        *ready = record.kind == QV_RECORD_READY;
        if (record.kind == QV_RECORD_BEGIN && !old.data)
            old = qv__bytes_ref(record.payload);
        qv__bytes_unref(&record.payload);
    }
    for (size_t i = 0; *ready && i + UUID_BYTES <= old.len; i += UUID_BYTES)
        QV_CHECK(add_uuid(replaced, (const char *) old.data + i, err));
done:
    qv__bytes_unref(&old);
    qv__bytes_unref(&file);
    return st;
}

static qv_status take_rows(qv__row_buffer *b, qv__bytes payload, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *stream = NULL;
    qv__array **batches = NULL;
    size_t n = 0;

    QV_TRY(qv__ipc_open(payload, &stream, err));
    QV_TRY(qv__row_buffer_conform(qv__snapshot_schema(b->base), stream, &batches, &n, err));
    for (size_t i = 0; i < n && st == QV_OK; i++)
        st = qv__row_buffer_push(b, batches[i], 0, err);
    for (size_t i = 0; i < n; i++)
        qv__array_unref(batches[i]);
    qv__free(batches);
    return st;
}

/* Rows in front of a mark whose commit took place are in the table. */
static qv_status take_record(qv__row_buffer *b, const qv__record *record, qv_error *err)
{
    qv__flush_mark mark;
    bool found = false;

    if (record->kind == QV_RECORD_ROWS)
        return take_rows(b, record->payload, err);
    if (record->kind != QV_RECORD_FLUSH)
        return QV_OK;
    QV_TRY(qv__record_flush_parse(&record->payload, &mark, err));
    QV_TRY(qv__commit_find(b->table, mark.after, mark.uuid, mark.file, &found, err));
    if (found)
        qv__row_buffer_drop_waiting(b);
    return QV_OK;
}

/* Behind the last whole record lies at most what nobody was told is durable. */
static qv_status take_journal(qv__row_buffer *b, const char *uuid, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes file = { 0 };
    qv__record record;
    uint64_t at = 0;

    QV_CHECK(open_journal(b, uuid, &file, err));
    while (qv__record_next(uuid, file, &at, &record)) {
        st = take_record(b, &record, err);
        qv__bytes_unref(&record.payload);
        QV_CHECK(st);
    }
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "%s, journal %s of a write buffer", qv__store_uri(b->table), uuid);
    qv__bytes_unref(&file);
    return st;
}

static int compare_uuids(const void *a, const void *b) { return strcmp(a, b); }

qv_status qv__row_buffer_recover(qv__row_buffer *b, qv_error *err)
{
    qv_status st = QV_OK;
    qv__uuid_list found = { 0 }, replaced = { 0 };
    bool *ready = NULL;

    QV_CHECK(qv__store_list(b->table, QV_BUFFER_FOLDER, note_journal, &found, err));
    if (found.n)
        qsort(found.items, found.n, sizeof *found.items, compare_uuids);
    QV_CHECK(QV_NEW(&ready, found.n, err));
    for (size_t i = 0; i < found.n; i++)
        QV_CHECK(read_replaced(b, found.items[i], &replaced, &ready[i], err));
    for (size_t i = 0; i < found.n; i++) {
        if (ready[i] && !has_uuid(&replaced, found.items[i]))
            QV_CHECK(take_journal(b, found.items[i], err));
        QV_CHECK(add_uuid(&b->stale, found.items[i], err)); /* the new journal takes its place */
    }
done:
    qv__free(ready);
    qv__free(found.items);
    qv__free(replaced.items);
    return st;
}

/* The write buffer of a table's handle. */
#include "api/api_private.h"
#include "arrow/c_data.h"
#include "change/row_buffer.h"

struct qv_write_buffer {
    qv_table *table;
    qv__row_buffer *rows;
};

static qv__snapshot *current(void *ctx) { return qv__table_snapshot(ctx); }

static qv_status newest(void *ctx, qv__snapshot **out, qv_error *err) { return qv__table_newest(ctx, out, err); }

static void publish(void *ctx, qv__snapshot *made) { qv__table_publish(ctx, made); }

/* One buffer per handle: the handle's reads go through it. */
static qv_status attach(qv_table *table, qv__row_buffer *rows, qv_error *err)
{
    pthread_mutex_lock(&table->lock);
    bool taken = table->rows != NULL;
    if (!taken)
        table->rows = rows;
    pthread_mutex_unlock(&table->lock);
    return taken ? qv__fail(err, QV_EXISTS, "table \"%s\" has a write buffer already", table->name) : QV_OK;
}

qv_status qv_write_buffer_open(qv_table *table, const qv_write_buffer_options *options, qv_write_buffer **out,
                               qv_error *err)
{
    qv_write_buffer_options opts = QV_WRITE_BUFFER_OPTIONS_INIT;
    qv__row_buffer_owner owner = { table, current, newest, publish };
    qv_write_buffer *buffer = NULL;
    qv_status st = QV_OK;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__table_check_writable(table, err));
    QV_CHECK(QV_NEW(&buffer, 1, err));
    buffer->table = table;
    QV_CHECK(qv__row_buffer_open(table->store, &owner, &opts, &buffer->rows, err));
    st = attach(table, buffer->rows, err);
    if (st != QV_OK) {
        qv__row_buffer_close(buffer->rows, NULL);
        goto done;
    }
    *out = buffer;
    buffer = NULL;
done:
    qv__free(buffer);
    return st;
}

qv_status qv_write_buffer_add(qv_write_buffer *buffer, struct ArrowArrayStream *data, qv_error *err)
{
    qv__stream *rows = NULL;

    if (!data)
        return qv__fail(err, QV_INVALID, "no data to add to table \"%s\"", buffer->table->name);
    QV_TRY(qv__import_stream(data, &rows, err));
    return qv__row_buffer_add(buffer->rows, rows, err);
}

qv_status qv_write_buffer_flush(qv_write_buffer *buffer, uint64_t *version, qv_error *err)
{
    return qv__row_buffer_flush(buffer->rows, version, err);
}

qv_status qv_write_buffer_close(qv_write_buffer *buffer, qv_error *err)
{
    if (!buffer)
        return QV_OK;
    qv_status st = qv__row_buffer_flush(buffer->rows, NULL, err); /* while reads still go through it */
    pthread_mutex_lock(&buffer->table->lock);
    buffer->table->rows = NULL;
    pthread_mutex_unlock(&buffer->table->lock);
    qv_status closed = qv__row_buffer_close(buffer->rows, st == QV_OK ? err : NULL);
    qv__free(buffer);
    return st != QV_OK ? st : closed;
}

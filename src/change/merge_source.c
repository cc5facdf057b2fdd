/* The source of a merge is read once and used several times: for its keys, for its values, and anew when a commit is lost. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arrow/compute/compute.h"
#include "base/log.h"
#include "change/merge_private.h"

#define SPILLED_BATCH 8192

/* ------------------------------------------------------------------ in memory */

static qv_status add_batch(qv__kept *kept, qv__array *batch, qv_error *err)
{
    QV_TRY(QV_GROW(&kept->batches, &kept->batches_capacity, kept->n_batches + 1, err));
    QV_TRY(QV_GROW(&kept->starts, &kept->starts_capacity, kept->n_batches + 2, err));
    kept->batches[kept->n_batches] = qv__array_ref(batch);
    kept->starts[kept->n_batches++] = kept->n_rows;
    kept->n_rows += (uint64_t) batch->length;
    kept->starts[kept->n_batches] = kept->n_rows;
    return QV_OK;
}

static void drop_batches(qv__kept *kept)
{
    for (size_t i = 0; kept->batches && i < kept->n_batches; i++)
        qv__array_unref(kept->batches[i]);
    qv__free(kept->batches);
    kept->batches = NULL;
}

/* ------------------------------------------------------------------ in a file */

/* The columns as bare types: what an extension means does not matter to a file that only we read. */
static qv_status bare_schema(const qv__schema *schema, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL;
    size_t n = 0;

    QV_CHECK(QV_NEW(&fields, QV_MAX(schema->n_fields, 1), err));
    for (; n < schema->n_fields; n++) {
        QV_CHECK(qv__field_init(&fields[n], schema->fields[n].name, schema->fields[n].type, schema->fields[n].nullable,
                                err));
        fields[n].id = -1;
    }
    QV_CHECK(qv__schema_new(fields, n, NULL, out, err));
done:
    for (size_t i = 0; fields && i < n; i++)
        qv__field_clear(&fields[i]);
    qv__free(fields);
    return st;
}

/* Among the data files: what a crash leaves there is cleaned up with theirs. */
static void spill_name(char name[64])
{
    static atomic_uint count;
    snprintf(name, 64, "data/merge-%" PRIx64 "-%lx-%x.lance", (uint64_t) qv__now_utc_ns(), (unsigned long) getpid(),
             atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
}

static qv_status open_spilled(qv__kept *kept, qv_error *err)
{
    size_t n = kept->schema->n_fields;

    QV_TRY(qv__file_open(kept->store, kept->name, &kept->file, err));
    QV_TRY(QV_NEW(&kept->columns, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++)
        QV_TRY(qv__column_open(kept->file, &qv__file_schema(kept->file)->fields[i], NULL, &kept->columns[i], err));
    kept->n_batches = (size_t) ((kept->n_rows + SPILLED_BATCH - 1) / SPILLED_BATCH);
    QV_TRY(QV_GROW(&kept->starts, &kept->starts_capacity, kept->n_batches + 1, err));
    for (size_t i = 0; i <= kept->n_batches; i++)
        kept->starts[i] = QV_MIN((uint64_t) i * SPILLED_BATCH, kept->n_rows);
    return QV_OK;
}

static qv_status write_rest(qv__kept *kept, qv__file_writer *writer, qv__stream *source, qv__job *job, qv_error *err)
{
    for (;;) {
        qv__array *batch = NULL;
        QV_TRY(source->next(source, &batch, err));
        if (!batch)
            return QV_OK;
        qv_status st = qv__file_writer_write(writer, batch, err);
        kept->n_rows += (uint64_t) batch->length;
        qv__array_unref(batch);
        QV_TRY(st);
        QV_TRY(qv__job_tick(job, 0, 0, err));
    }
}

/* Moves the batches so far into a file, and the rest of the source behind them. */
static qv_status spill(qv__store *table, qv__kept *kept, qv__stream *source, qv__job *job, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file_writer *writer = NULL;
    qv__schema *bare = NULL;
    qv__writer_options options = { .profile = QV_FILE_PLAIN, .threads = qv__job_threads(job) };

    QV_CHECK(bare_schema(kept->schema, &bare, err));
    spill_name(kept->name);
    QV_CHECK(qv__file_writer_open(table, kept->name, bare, &options, &writer, err));
    for (size_t i = 0; i < kept->n_batches; i++)
        QV_CHECK(qv__file_writer_write(writer, kept->batches[i], err));
    drop_batches(kept);
    QV_CHECK(write_rest(kept, writer, source, job, err));
    QV_CHECK(qv__file_writer_finish(writer, NULL, err));
    kept->store = qv__store_ref(table);
    QV_CHECK(open_spilled(kept, err));
done:
    qv__file_writer_free(writer);
    qv__schema_unref(bare);
    return st;
}

/* ------------------------------------------------------------------ the whole */

qv_status qv__kept_read(qv__store *table, qv__stream *source, uint64_t limit_bytes, qv__job *job, qv__kept *out,
                        qv_error *err)
{
    qv_status st = QV_OK;
    qv__kept kept = { .schema = qv__schema_ref(source->schema) };
    qv__array *batch = NULL;
    uint64_t bytes = 0;

    QV_CHECK(QV_GROW(&kept.starts, &kept.starts_capacity, 1, err));
    kept.starts[0] = 0;
    while (bytes <= limit_bytes) {
        QV_CHECK(source->next(source, &batch, err));
        if (!batch)
            break;
        bytes += qv__array_bytes(batch);
        if (batch->length > 0)
            QV_CHECK(add_batch(&kept, batch, err));
        qv__array_unref(batch);
        batch = NULL;
        QV_CHECK(qv__job_tick(job, 0, 0, err));
    }
    if (bytes > limit_bytes)
        QV_CHECK(spill(table, &kept, source, job, err));
    if (kept.n_rows > UINT32_MAX - 1)
        QV_CHECK(qv__fail(err, QV_LIMIT, "%" PRIu64 " source rows; at most %u are merged at once", kept.n_rows,
                          UINT32_MAX - 1));
    *out = kept;
    kept = (qv__kept){ 0 };
done:
    qv__array_unref(batch);
    qv__kept_clear(&kept);
    return st;
}

qv_status qv__kept_columns(const qv__kept *kept, size_t i, const size_t *columns, size_t n, qv__array **out,
                           qv_error *err)
{
    uint64_t start = kept->starts[i], rows = kept->starts[i + 1] - start;
    qv_status st = QV_OK;

    for (size_t c = 0; c < n; c++)
        out[c] = NULL;
    for (size_t c = 0; c < n && st == QV_OK; c++) {
        if (kept->file) {
            st = qv__column_read(kept->columns[columns[c]], start, rows, &out[c], err);
            continue;
        }
        const qv__array *batch = kept->batches[i];
        st = qv__array_slice(batch->children[columns[c]], batch->offset, batch->length, &out[c], err);
    }
    for (size_t c = 0; c < n && st != QV_OK; c++) {
        qv__array_unref(out[c]);
        out[c] = NULL;
    }
    return st;
}

qv_status qv__kept_batch(const qv__kept *kept, size_t i, qv__array **out, qv_error *err)
{
    size_t n = kept->schema->n_fields;
    qv_status st = QV_OK;
    qv__array **columns = NULL;
    size_t *all = NULL;

    QV_CHECK(QV_NEW(&columns, QV_MAX(n, 1), err));
    QV_CHECK(QV_NEW(&all, QV_MAX(n, 1), err));
    for (size_t c = 0; c < n; c++)
        all[c] = c;
    QV_CHECK(qv__kept_columns(kept, i, all, n, columns, err));
    QV_CHECK(qv__batch_new(kept->schema, columns, (int64_t) (kept->starts[i + 1] - kept->starts[i]), out, err));
done:
    for (size_t c = 0; columns && c < n; c++)
        qv__array_unref(columns[c]);
    qv__free(columns);
    qv__free(all);
    return st;
}

void qv__kept_clear(qv__kept *kept)
{
    qv_error err;

    drop_batches(kept);
    for (size_t i = 0; kept->columns && i < kept->schema->n_fields; i++)
        qv__column_free(kept->columns[i]);
    qv__free(kept->columns);
    qv__file_unref(kept->file);
    if (kept->store && qv__store_delete(kept->store, kept->name, &err) != QV_OK)
        qv__log(QV_LOG_WARNING, "merge: %s stays behind: %s", kept->name, err.message);
    qv__store_unref(kept->store);
    qv__schema_unref(kept->schema);
    qv__free(kept->starts);
    *kept = (qv__kept){ 0 };
}

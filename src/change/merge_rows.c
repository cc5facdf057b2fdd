/* The rows that a merge writes: first the updated ones in the order of the source, then the inserted ones. Columns that the source
 * does not have keep the table's values, or are null in new rows. */
#include <string.h>

#include "arrow/compute/compute.h"
#include "change/merge_private.h"

#define MAX_ROWS 8192

/* ------------------------------------------------------------------ pairs and their rows */

size_t qv__merge_pairs_in_batch(const qv__merge_job *m, const qv__pairs *pairs, size_t first, size_t *batch)
{
    const uint64_t *starts = m->source.starts;
    size_t n = 0;

    while (starts[*batch + 1] <= pairs->items[first].source)
        ++*batch;
    while (n < MAX_ROWS && first + n < pairs->n && pairs->items[first + n].source < starts[*batch + 1])
        n++;
    return n;
}

qv_status qv__merge_take(const qv__array *from, uint64_t start, const qv__pair *pairs, size_t n, qv__array **out,
                         qv_error *err)
{
    int64_t *rows = NULL;
    bool in_a_row = true;

    for (size_t i = 1; i < n && in_a_row; i++)
        in_a_row = pairs[i].source == pairs[i - 1].source + 1;
    if (in_a_row && n > 0)
        return qv__array_slice(from, (int64_t) (pairs[0].source - start), (int64_t) n, out, err);
    QV_TRY(QV_NEW(&rows, QV_MAX(n, 1), err));
    for (size_t i = 0; i < n; i++)
        rows[i] = (int64_t) (pairs[i].source - start);
    qv_status st = qv__array_take(from, rows, n, out, err);
    qv__free(rows);
    return st;
}

/* Position of a row among the live rows of its fragment. */
static qv_status live_offset(qv__snapshot *base, qv__place place, uint64_t *out, qv_error *err)
{
    const uint32_t *deleted;
    const uint8_t *live;
    size_t n, low = 0;
    uint32_t row = qv__place_row(place);

    QV_TRY(qv__snapshot_deletions(base, qv__place_fragment(place), &deleted, &n, &live, err));
    while (low < n) { /* how many lie before it */
        size_t middle = low + (n - low) / 2;
        if (deleted[middle] < row)
            low = middle + 1;
        else
            n = middle;
    }
    *out = row - low;
    return QV_OK;
}

static qv_status live_offsets(qv__snapshot *base, const qv__pair *pairs, size_t n, uint64_t **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n_fragments = qv__snapshot_n_fragments(base);
    uint64_t *offsets = NULL, *starts = NULL, total;

    QV_CHECK(QV_NEW(&offsets, QV_MAX(n, 1), err));
    QV_CHECK(QV_NEW(&starts, n_fragments + 1, err));
    QV_CHECK(qv__snapshot_count_rows(base, &total, err));
    for (size_t f = 0; f < n_fragments; f++)
        starts[f + 1] = starts[f] + qv__snapshot_live_rows(base, f);
    for (size_t i = 0; i < n; i++) {
        QV_CHECK(live_offset(base, pairs[i].target, &offsets[i], err));
        offsets[i] += starts[qv__place_fragment(pairs[i].target)];
    }
    *out = offsets;
    offsets = NULL;
done:
    qv__free(offsets);
    qv__free(starts);
    return st;
}

qv_status qv__merge_targets(qv__merge_job *m, qv__snapshot *base, const qv__pairs *pairs, size_t first, size_t n,
                            const char *const *names, const char *const *expressions, size_t n_names, qv__array **out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv_scan_options options = qv__part_scan(m->job);
    uint64_t *offsets = NULL;
    qv__stream *rows = NULL;

    options.columns = names;
    options.expressions = expressions;
    options.n_columns = n_names;
    QV_CHECK(live_offsets(base, pairs->items + first, n, &offsets, err));
    QV_CHECK(qv__take(base, QV_TAKE_OFFSETS, offsets, n, true, &options, &rows, err));
    QV_CHECK(rows->next(rows, out, err));
done:
    qv__stream_free(rows);
    qv__free(offsets);
    return st;
}

/* ------------------------------------------------------------------ the stream */

typedef struct merged {
    qv__stream stream;
    qv__merge_job *m;
    qv__snapshot *base;
    const qv__pairs *pairs;
    const uint8_t *inserted;
    size_t n_missing; /* columns that the source does not have */
    const char **missing;
    size_t at, batch;    /* next pair, and the batch of its source row */
    size_t insert_batch; /* next batch to insert from */
    size_t kept_number;  /* of the batch below, + 1 */
    qv__array *kept;
} merged;

static qv_status source_batch(merged *s, size_t number, qv_error *err)
{
    if (s->kept_number == number + 1)
        return QV_OK;
    qv__array_unref(s->kept);
    s->kept = NULL;
    s->kept_number = 0;
    QV_TRY(qv__kept_batch(&s->m->source, number, &s->kept, err));
    s->kept_number = number + 1;
    return QV_OK;
}

/* Source columns, then missing ones: from `targets`, or nulls. */
static qv_status assemble(merged *s, const qv__array *source, const qv__array *targets, qv__array **out, qv_error *err)
{
    const qv__schema *schema = s->stream.schema;
    qv_status st = QV_OK;
    qv__array **columns = NULL;
    size_t n_source = s->m->source.schema->n_fields;

    QV_CHECK(QV_NEW(&columns, QV_MAX(schema->n_fields, 1), err));
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (i < n_source)
            QV_CHECK(qv__array_slice(source->children[i], source->offset, source->length, &columns[i], err));
        else if (targets)
            QV_CHECK(
                qv__array_slice(targets->children[i - n_source], targets->offset, targets->length, &columns[i], err));
        else
            QV_CHECK(qv__array_new_null(schema->fields[i].type, source->length, &columns[i], err));
    }
    QV_CHECK(qv__batch_new(schema, columns, source->length, out, err));
done:
    for (size_t i = 0; columns && i < schema->n_fields; i++)
        qv__array_unref(columns[i]);
    qv__free(columns);
    return st;
}

static qv_status next_updated(merged *s, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    size_t first = s->at, n = qv__merge_pairs_in_batch(s->m, s->pairs, first, &s->batch);
    qv__array *source = NULL, *targets = NULL;

    QV_CHECK(source_batch(s, s->batch, err));
    QV_CHECK(qv__merge_take(s->kept, s->m->source.starts[s->batch], s->pairs->items + first, n, &source, err));
    if (s->n_missing > 0)
        QV_CHECK(qv__merge_targets(s->m, s->base, s->pairs, first, n, s->missing, NULL, s->n_missing, &targets, err));
    QV_CHECK(assemble(s, source, targets, out, err));
    s->at += n;
done:
    qv__array_unref(source);
    qv__array_unref(targets);
    return st;
}

static qv_status next_inserted(merged *s, qv__array **out, qv_error *err)
{
    const qv__kept *kept = &s->m->source;
    qv_status st = QV_OK;
    uint8_t *mask = NULL;
    qv__array *source = NULL;

    for (; s->insert_batch < kept->n_batches; s->insert_batch++) {
        size_t start = (size_t) kept->starts[s->insert_batch], n = (size_t) kept->starts[s->insert_batch + 1] - start;
        size_t marked = qv__bitmap_count(s->inserted, start, n);
        if (marked == 0)
            continue;
        QV_CHECK(source_batch(s, s->insert_batch, err));
        if (marked == n) {
            source = qv__array_ref(s->kept);
        } else {
            QV_CHECK(QV_NEW(&mask, qv__bitmap_bytes(n), err));
            qv__bitmap_copy(mask, 0, s->inserted, start, n);
            QV_CHECK(qv__array_filter(s->kept, mask, &source, err));
        }
        QV_CHECK(assemble(s, source, NULL, out, err));
        s->insert_batch++;
        break;
    }
done:
    qv__free(mask);
    qv__array_unref(source);
    return st;
}

static qv_status merged_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    merged *s = (merged *) stream;

    *out = NULL;
    return s->at < s->pairs->n ? next_updated(s, out, err) : next_inserted(s, out, err);
}

static void merged_destroy(qv__stream *stream)
{
    merged *s = (merged *) stream;

    qv__array_unref(s->kept);
    qv__schema_unref(s->stream.schema);
    qv__free(s->missing);
    qv__free(s);
}

/* The source's fields, then the table's others. */
static qv_status make_schema(merged *s, qv_error *err)
{
    const qv__schema *table = qv__snapshot_schema(s->base), *source = s->m->source.schema;
    qv_status st = QV_OK;
    qv__field *fields = NULL; /* shallow: qv__schema_new copies */
    size_t n = source->n_fields;

    QV_CHECK(QV_NEW(&fields, table->n_fields, err));
    QV_CHECK(QV_NEW(&s->missing, table->n_fields, err));
    memcpy(fields, source->fields, n * sizeof *fields);
    for (size_t i = 0; i < table->n_fields; i++)
        if (qv__schema_find(source, table->fields[i].name) < 0) {
            s->missing[s->n_missing++] = table->fields[i].name;
            fields[n++] = table->fields[i];
        }
    QV_CHECK(qv__schema_new(fields, n, NULL, &s->stream.schema, err));
done:
    qv__free(fields);
    return st;
}

qv_status qv__merge_rows(qv__merge_job *m, qv__snapshot *base, const qv__pairs *pairs, const uint8_t *inserted,
                         qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    merged *s = NULL;

    QV_CHECK(QV_NEW(&s, 1, err));
    s->stream.next = merged_next;
    s->stream.destroy = merged_destroy;
    s->m = m;
    s->base = base;
    s->pairs = pairs;
    s->inserted = inserted;
    QV_CHECK(make_schema(s, err));
    *out = &s->stream;
    s = NULL;
done:
    if (s)
        merged_destroy(&s->stream);
    return st;
}

/* External sort: rows are gathered until the memory limit, sorted, and either given out (all fitted) or written as a run; runs are
 * merged at the end. What is sorted are pairs of a 64-bit key and a row. For types whose key says all, the values are made out of the keys
 * again; for others the key is the value's beginning, the row a position among the gathered values, and ties are compared in full. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/sort_private.h"

#define DEFAULT_MEMORY (UINT64_C(1) << 30)
#define MOST_BYTES     (UINT64_C(1) << 30) /* of values in one run: 32-bit offsets must reach */
#define OUT_ROWS       65536
#define WIDE_OUT_ROWS  8192
#define BYTES_PER_PAIR (2 * sizeof(qv__pair))

typedef struct sorter {
    const qv__index_target *target;
    qv__schema *schema;
    const qv__type *type;
    bool by_key;
    uint64_t most_rows, most_bytes; /* of one run */
    qv__pair *pairs, *room;
    size_t n_pairs, capacity;
    uint64_t *nulls; /* rows of nulls */
    size_t n_nulls, nulls_capacity;
    qv__array **batches; /* gathered values, unless by_key */
    uint64_t *rows;      /* of the gathered values */
    size_t n_batches, batches_capacity, n_rows, rows_capacity;
    uint64_t bytes;
    size_t n_runs;
} sorter;

/* ------------------------------------------------------------------ sorted rows in memory, as a stream */

typedef struct sorted {
    qv__stream stream;
    bool by_key;
    qv__pair *pairs, *room; /* both owned; `pairs` are sorted */
    size_t n_pairs, at;
    uint64_t *nulls;
    size_t n_nulls, nulls_at;
    qv__array *values; /* unless by_key */
    uint64_t *rows;
} sorted;

static void sorted_destroy(qv__stream *stream)
{
    sorted *s = (sorted *) stream;

    qv__free(s->pairs);
    qv__free(s->room);
    qv__free(s->nulls);
    qv__free(s->rows);
    qv__array_unref(s->values);
    qv__schema_unref(stream->schema);
    qv__free(s);
}

static qv_status new_fixed(const qv__type *type, size_t n, size_t width, qv__array **out, uint8_t **values,
                           qv_error *err)
{
    QV_TRY(qv__array_new(type, (int64_t) n, 0, out, err));
    return qv__bytes_new(n * width, &(*out)->buffers[1], values, err);
}

static qv_status next_nulls(sorted *s, qv__array **columns, size_t n, qv_error *err)
{
    uint8_t *rows;

    QV_TRY(qv__array_new_null(s->stream.schema->fields[0].type, (int64_t) n, &columns[0], err));
    QV_TRY(new_fixed(s->stream.schema->fields[1].type, n, sizeof(uint64_t), &columns[1], &rows, err));
    memcpy(rows, s->nulls + s->nulls_at, n * sizeof(uint64_t));
    s->nulls_at += n;
    return QV_OK;
}

static qv_status next_keys(sorted *s, qv__array **columns, size_t n, qv_error *err)
{
    const qv__type *type = s->stream.schema->fields[0].type;
    const qv__pair *pairs = s->pairs + s->at;
    uint8_t *values, *rows;

    QV_TRY(
        new_fixed(type, n, type->id == QV_TYPE_BOOL ? 1 : (size_t) qv__type_bits(type) / 8, &columns[0], &values, err));
    QV_TRY(new_fixed(s->stream.schema->fields[1].type, n, sizeof(uint64_t), &columns[1], &rows, err));
    qv__order_unkey(type, &pairs->key, sizeof *pairs / sizeof pairs->key, n, values);
    for (size_t i = 0; i < n; i++)
        memcpy(rows + i * sizeof(uint64_t), &pairs[i].row, sizeof(uint64_t));
    return QV_OK;
}

static qv_status next_values(sorted *s, qv__array **columns, size_t n, qv_error *err)
{
    qv_status st = QV_OK;
    int64_t *at = NULL;
    uint8_t *rows;

    QV_CHECK(QV_NEW(&at, n, err));
    QV_CHECK(new_fixed(s->stream.schema->fields[1].type, n, sizeof(uint64_t), &columns[1], &rows, err));
    for (size_t i = 0; i < n; i++) {
        at[i] = (int64_t) s->pairs[s->at + i].row;
        memcpy(rows + i * sizeof(uint64_t), &s->rows[at[i]], sizeof(uint64_t));
    }
    QV_CHECK(qv__array_take(s->values, at, n, &columns[0], err));
done:
    qv__free(at);
    return st;
}

static qv_status sorted_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    sorted *s = (sorted *) stream;
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };
    size_t most = s->by_key ? OUT_ROWS : WIDE_OUT_ROWS, nulls = QV_MIN(s->n_nulls - s->nulls_at, most),
           n = nulls ? nulls : QV_MIN(s->n_pairs - s->at, most);

    *out = NULL;
    if (!n)
        return QV_OK;
    if (nulls)
        QV_CHECK(next_nulls(s, columns, n, err));
    else
        QV_CHECK(s->by_key ? next_keys(s, columns, n, err) : next_values(s, columns, n, err));
    s->at += nulls ? 0 : n;
    QV_CHECK(qv__batch_new(stream->schema, columns, (int64_t) n, out, err));
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

/* ------------------------------------------------------------------ a run */

static void forget_batches(sorter *s)
{
    for (size_t i = 0; i < s->n_batches; i++)
        qv__array_unref(s->batches[i]);
    s->n_batches = 0;
}

static void sort_gathered(sorter *s, const qv__array *values)
{
    qv__pair *at = qv__sort_pairs(s->pairs, s->room, s->n_pairs);

    if (at == s->room) {
        s->room = s->pairs;
        s->pairs = at;
    }
    if (!s->by_key)
        qv__break_ties(values, s->pairs, s->room, s->n_pairs);
}

/* Not zeroed: they are many, and written before they are read. */
static qv_status new_pairs(qv__pair **out, size_t n, qv_error *err)
{
    *out = qv__alloc(n, sizeof **out);
    return *out ? QV_OK : qv__fail_nomem(err, n * sizeof **out);
}

/* What was gathered, sorted; the sorter is empty afterwards. */
static qv_status take_run(sorter *s, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    sorted *run = NULL;

    QV_CHECK(QV_NEW(&run, 1, err));
    run->stream = (qv__stream){ qv__schema_ref(s->schema), sorted_next, sorted_destroy };
    run->by_key = s->by_key;
    if (!s->by_key)
        QV_CHECK(qv__array_concat(s->batches, s->n_batches, s->type, &run->values, err));
    forget_batches(s);
    QV_CHECK(new_pairs(&s->room, s->n_pairs, err));
    sort_gathered(s, run->values);
    run->pairs = s->pairs;
    run->room = s->room;
    run->n_pairs = s->n_pairs;
    run->nulls = s->nulls;
    run->n_nulls = s->n_nulls;
    run->rows = s->rows;
    s->pairs = s->room = NULL;
    s->nulls = s->rows = NULL;
    s->n_pairs = s->capacity = s->n_nulls = s->nulls_capacity = s->n_rows = s->rows_capacity = 0;
    s->bytes = 0;
    *out = &run->stream;
    run = NULL;
done:
    if (run)
        sorted_destroy(&run->stream);
    return st;
}

static qv_status spill(sorter *s, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *run = NULL;

    QV_CHECK(take_run(s, &run, err));
    QV_CHECK(qv__run_write(s->target, s->n_runs, run, err));
    s->n_runs++;
done:
    qv__stream_free(run);
    return st;
}

/* ------------------------------------------------------------------ gathering */

static qv_status gather_nulls(sorter *s, const qv__array *values, const uint64_t *rows, qv_error *err)
{
    QV_TRY(QV_GROW(&s->nulls, &s->nulls_capacity, s->n_nulls + (size_t) values->null_count, err));
    for (int64_t i = 0; values->null_count && i < values->length; i++)
        if (qv__array_is_null(values, i))
            s->nulls[s->n_nulls++] = rows[i];
    return QV_OK;
}

static qv_status gather_keys(sorter *s, const qv__array *values, const uint64_t *rows, qv_error *err)
{
    uint64_t keys[512];

    for (int64_t at = 0; at < values->length; at += (int64_t) QV_COUNT_OF(keys)) {
        size_t n = (size_t) QV_MIN((int64_t) QV_COUNT_OF(keys), values->length - at);
        qv__order_keys(values, at, n, keys);
        QV_TRY(QV_GROW(&s->pairs, &s->capacity, s->n_pairs + n, err));
        for (size_t i = 0; i < n; i++)
            if (!values->null_count || !qv__array_is_null(values, at + (int64_t) i))
                s->pairs[s->n_pairs++] = (qv__pair){ keys[i], rows[at + (int64_t) i] };
    }
    return QV_OK;
}

static qv_status gather_values(sorter *s, qv__array *values, const uint64_t *rows, qv_error *err)
{
    size_t n = (size_t) values->length;

    QV_TRY(QV_GROW(&s->batches, &s->batches_capacity, s->n_batches + 1, err));
    QV_TRY(QV_GROW(&s->rows, &s->rows_capacity, s->n_rows + n, err));
    QV_TRY(QV_GROW(&s->pairs, &s->capacity, s->n_pairs + n, err));
    memcpy(s->rows + s->n_rows, rows, n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        if (!qv__array_is_null(values, (int64_t) i))
            s->pairs[s->n_pairs++] = (qv__pair){ qv__order_prefix(values, (int64_t) i), s->n_rows + i };
    s->n_rows += n;
    s->bytes += qv__array_bytes(values);
    s->batches[s->n_batches++] = qv__array_ref(values);
    return QV_OK;
}

static qv_status gather(sorter *s, const qv__array *batch, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *values = NULL, *rows = NULL;

    QV_CHECK(qv__array_slice(batch->children[0], batch->offset, batch->length, &values, err));
    QV_CHECK(qv__array_slice(batch->children[1], batch->offset, batch->length, &rows, err));
    const uint64_t *numbers = qv__array_values(rows);
    QV_CHECK(gather_nulls(s, values, numbers, err));
    QV_CHECK(s->by_key ? gather_keys(s, values, numbers, err) : gather_values(s, values, numbers, err));
    if (s->n_pairs + s->n_nulls >= s->most_rows || s->bytes >= s->most_bytes)
        QV_CHECK(spill(s, err));
done:
    qv__array_unref(values);
    qv__array_unref(rows);
    return st;
}

static qv_status gather_all(sorter *s, qv__index_source *source, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *batch = NULL;

    for (;;) {
        QV_CHECK(source->values->next(source->values, &batch, err));
        if (!batch)
            break;
        if (batch->length)
            QV_CHECK(gather(s, batch, err));
        QV_CHECK(qv__job_tick(s->target->job, (uint64_t) batch->length, 0, err));
        qv__array_unref(batch);
        batch = NULL;
    }
done:
    qv__array_unref(batch);
    return st;
}

/* ------------------------------------------------------------------ all of it */

qv_status qv__sorted_schema(const qv__type *type, qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field fields[2] = { { 0 }, { 0 } };
    qv__type *row = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_UINT64, &row, err));
    QV_CHECK(qv__field_init(&fields[0], "values", type, true, err));
    QV_CHECK(qv__field_init(&fields[1], "ids", row, true, err));
    QV_CHECK(qv__schema_new(fields, 2, NULL, out, err));
done:
    qv__field_clear(&fields[0]);
    qv__field_clear(&fields[1]);
    qv__type_unref(row);
    return st;
}

/* The runs on disk in their order, and what is still in memory after them. */
static qv_status give_out(sorter *s, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream **streams = NULL;
    size_t n = 0;

    if (!s->n_runs)
        return take_run(s, out, err);
    QV_CHECK(QV_NEW(&streams, s->n_runs + 1, err));
    for (; n < s->n_runs; n++)
        QV_CHECK(qv__run_open(s->target, n, s->schema, &streams[n], err));
    QV_CHECK(take_run(s, &streams[n], err));
    n++;
    st = qv__merge_sorted(s->type, streams, n, out, err);
    n = 0; /* taken */
done:
    for (size_t i = 0; i < n; i++)
        qv__stream_free(streams[i]);
    qv__free(streams);
    return st;
}

static void set_limits(sorter *s)
{
    uint64_t memory = s->target->memory_limit ? s->target->memory_limit : DEFAULT_MEMORY;

    memory -= memory / 4; /* the rest is the reader's and the writer's */
    s->most_rows = QV_MAX(memory / (s->by_key ? BYTES_PER_PAIR : 2 * BYTES_PER_PAIR), 1);
    s->most_bytes = QV_MAX(QV_MIN(memory / 4, MOST_BYTES), 1);
}

qv_status qv__sort_values(const qv__index_target *target, qv__index_source *source, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    sorter s = { .target = target, .type = source->type };

    s.by_key = qv__order_of(source->type) == QV_ORDER_KEY;
    set_limits(&s);
    QV_CHECK(qv__sorted_schema(source->type, &s.schema, err));
    if (s.by_key) {
        s.capacity = (size_t) QV_MIN(source->rows, s.most_rows);
        QV_CHECK(new_pairs(&s.pairs, s.capacity, err));
    }
    QV_CHECK(gather_all(&s, source, err));
    QV_CHECK(give_out(&s, out, err));
done:
    forget_batches(&s);
    qv__free(s.batches);
    qv__free(s.pairs);
    qv__free(s.room);
    qv__free(s.nulls);
    qv__free(s.rows);
    qv__schema_unref(s.schema);
    return st;
}

/* The rows of chosen fragments as batches of (value, row), fragment after fragment: what an index is built from. */
#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "index/index_private.h"
#include "index/scalar/sort_private.h"

#define NARROW_ROWS 65536
#define WIDE_ROWS   8192

typedef struct rows_stream {
    qv__stream stream;
    qv__snapshot *snapshot;
    qv__field field; /* the top-level field, cut down to the way to the leaf */
    size_t depth;
    bool *wanted;
    bool addresses, deleted_too;
    size_t fragment; /* being read; n_fragments: at the end */
    uint64_t at;     /* next row of it */
    qv__fragment_column *column;
    uint64_t batch_rows;
    /* A sample: row i of it is drawn from the i-th of n_samples even stretches of all rows. */
    uint64_t n_samples, seed; /* n_samples 0: all rows */
    uint64_t sample;          /* next one */
    uint64_t first, total;    /* rows before the fragment, and in all; wanted ones, deleted ones among them */
    uint64_t *chosen;         /* of the fragment; batch_rows */
} rows_stream;

static void rows_destroy(qv__stream *stream)
{
    rows_stream *s = (rows_stream *) stream;

    qv__fragment_column_free(s->column);
    qv__field_clear(&s->field);
    qv__free(s->wanted);
    qv__free(s->chosen);
    qv__schema_unref(stream->schema);
    qv__snapshot_unref(s->snapshot);
    qv__free(s);
}

/* ------------------------------------------------------------------ nested fields */

/* Structs with one child each, down to the leaf. */
static qv_status cut_field(const qv__field *at, const size_t *steps, size_t depth, qv__field *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field child = { 0 };
    qv__type *type = NULL;

    if (!depth)
        return qv__field_copy(out, at, err);
    QV_CHECK(cut_field(&at->type->children[steps[0]], steps + 1, depth - 1, &child, err));
    QV_CHECK(qv__type_new_struct(&child, 1, &type, err));
    QV_CHECK(qv__field_init(out, at->name, type, at->nullable, err));
    out->id = at->id;
    QV_CHECK(qv__metadata_copy(&out->metadata, &at->metadata, err));
done:
    qv__field_clear(&child);
    qv__type_unref(type);
    return st;
}

/* The child of a struct, null where the struct is. `array` is taken. */
static qv_status step_down(qv__array *array, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *child = NULL;
    int64_t *at = NULL, n = array->length;

    QV_CHECK(qv__array_slice(array->children[0], array->offset, n, &child, err));
    if (array->null_count) {
        QV_CHECK(QV_NEW(&at, (size_t) n, err));
        for (int64_t i = 0; i < n; i++)
            at[i] = qv__array_is_null(array, i) ? -1 : i;
        QV_CHECK(qv__array_take(child, at, (size_t) n, out, err));
    } else {
        *out = child;
        child = NULL;
    }
done:
    qv__free(at);
    qv__array_unref(child);
    qv__array_unref(array);
    return st;
}

/* ------------------------------------------------------------------ batches */

/* Rows of the current fragment: a range, or a list of ascending ones. */
typedef struct choice {
    uint64_t at, n;
    const uint64_t *list; /* NULL: the range */
} choice;

static uint64_t chosen_row(const choice *c, uint64_t i) { return c->list ? c->list[i] : c->at + i; }

/* Moves to the next wanted fragment that has rows. */
static qv_status next_fragment(rows_stream *s, bool first, qv_error *err)
{
    size_t n = qv__snapshot_n_fragments(s->snapshot);

    qv__fragment_column_free(s->column);
    s->column = NULL;
    s->at = 0;
    if (!first)
        s->first += qv__snapshot_fragment(s->snapshot, s->fragment++)->physical_rows;
    while (s->fragment < n &&
           (!s->wanted[s->fragment] || !qv__snapshot_fragment(s->snapshot, s->fragment)->physical_rows))
        s->fragment++;
    return s->fragment < n ? qv__fragment_column_open(s->snapshot, s->fragment, &s->field, &s->column, err) : QV_OK;
}

static qv_status read_values(rows_stream *s, const choice *c, qv__array **out, qv_error *err)
{
    if (c->list)
        QV_TRY(qv__fragment_column_take(s->column, c->list, c->n, out, err));
    else
        QV_TRY(qv__fragment_column_read(s->column, c->at, c->n, out, err));
    for (size_t i = 0; i < s->depth; i++) {
        qv__array *above = *out;
        *out = NULL;
        QV_TRY(step_down(above, out, err));
    }
    return QV_OK;
}

static qv_status read_rows(rows_stream *s, const choice *c, qv__array **out, qv_error *err)
{
    uint64_t id = qv__snapshot_fragment(s->snapshot, s->fragment)->id, *rows;
    uint8_t *bytes;

    QV_TRY(qv__array_new(s->stream.schema->fields[1].type, (int64_t) c->n, 0, out, err));
    QV_TRY(qv__bytes_new((size_t) c->n * sizeof(uint64_t), &(*out)->buffers[1], &bytes, err));
    rows = (uint64_t *) (void *) bytes;
    for (uint64_t i = 0; i < c->n && s->addresses; i++)
        rows[i] = id << 32 | chosen_row(c, i);
    if (s->addresses)
        return QV_OK;
    if (!c->list)
        return qv__snapshot_row_ids(s->snapshot, s->fragment, c->at, c->n, rows, err);
    for (uint64_t i = 0; i < c->n; i++)
        QV_TRY(qv__snapshot_row_ids(s->snapshot, s->fragment, c->list[i], 1, &rows[i], err));
    return QV_OK;
}

/* Leaves deleted rows out of both columns. */
static qv_status drop_deleted(rows_stream *s, const choice *c, qv__array **columns, qv_error *err)
{
    qv_status st = QV_OK;
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n_deleted;
    uint8_t *mask = NULL;

    QV_TRY(qv__snapshot_deletions(s->snapshot, s->fragment, &offsets, &n_deleted, &live, err));
    if (!live || s->deleted_too)
        return QV_OK;
    QV_CHECK(QV_NEW(&mask, qv__bitmap_bytes(c->n) + 1, err));
    if (c->list)
        for (uint64_t i = 0; i < c->n; i++)
            qv__bit_put(mask, i, qv__bit_get(live, c->list[i]));
    else
        qv__bitmap_copy(mask, 0, live, c->at, c->n);
    for (size_t i = 0; i < 2; i++) {
        qv__array *kept;
        QV_CHECK(qv__array_filter(columns[i], mask, &kept, err));
        qv__array_unref(columns[i]);
        columns[i] = kept;
    }
done:
    qv__free(mask);
    return st;
}

/* ------------------------------------------------------------------ samples */

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t stretch_start(const rows_stream *s, uint64_t i)
{
    return i * (s->total / s->n_samples) + i * (s->total % s->n_samples) / s->n_samples;
}

/* Position of sample i among all rows; rises. */
static uint64_t sample_position(const rows_stream *s, uint64_t i)
{
    uint64_t start = stretch_start(s, i);

    return start + mix(s->seed ^ mix(i)) % (stretch_start(s, i + 1) - start);
}

static choice choose_range(const rows_stream *s, uint64_t rows)
{
    return (choice){ .at = s->at, .n = QV_MIN(rows - s->at, s->batch_rows) };
}

static choice choose_sample(rows_stream *s, uint64_t rows)
{
    choice c = { .at = s->at, .list = s->chosen };

    for (; s->sample < s->n_samples && c.n < s->batch_rows; s->sample++) {
        uint64_t at = sample_position(s, s->sample);
        if (at >= s->first + rows)
            break;
        s->chosen[c.n++] = at - s->first;
    }
    return c;
}

static qv_status rows_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    rows_stream *s = (rows_stream *) stream;
    qv_status st = QV_OK;
    qv__array *columns[2] = { NULL, NULL };

    *out = NULL;
    if (s->fragment == qv__snapshot_n_fragments(s->snapshot))
        return QV_OK;
    uint64_t rows = qv__snapshot_fragment(s->snapshot, s->fragment)->physical_rows;
    choice c = s->n_samples ? choose_sample(s, rows) : choose_range(s, rows);
    QV_CHECK(read_values(s, &c, &columns[0], err));
    QV_CHECK(read_rows(s, &c, &columns[1], err));
    QV_CHECK(drop_deleted(s, &c, columns, err));
    QV_CHECK(qv__batch_new(stream->schema, columns, columns[0]->length, out, err));
    s->at += c.n;
    if (s->n_samples ? c.n < s->batch_rows : s->at == rows) {
        st = next_fragment(s, false, err);
        if (st != QV_OK) {
            qv__array_unref(*out);
            *out = NULL;
        }
    }
done:
    qv__array_unref(columns[0]);
    qv__array_unref(columns[1]);
    return st;
}

/* ------------------------------------------------------------------ opening */

qv_status qv__row_source_count(const qv__row_source *source, uint64_t *out, qv_error *err)
{
    uint64_t rows;

    QV_TRY(qv__snapshot_count_rows(source->snapshot, &rows, err)); /* deletion files are read */
    *out = 0;
    for (size_t i = 0; i < qv__snapshot_n_fragments(source->snapshot); i++)
        if (source->wanted[i])
            *out += source->deleted_too ? qv__snapshot_fragment(source->snapshot, i)->physical_rows
                                        : qv__snapshot_live_rows(source->snapshot, i);
    return QV_OK;
}

static qv_status rows_open(const qv__row_source *source, rows_stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    rows_stream *s = NULL;
    size_t n = qv__snapshot_n_fragments(source->snapshot);
    const qv__indexed_field *field = source->field;

    QV_CHECK(QV_NEW(&s, 1, err));
    s->stream.next = rows_next;
    s->stream.destroy = rows_destroy;
    s->snapshot = qv__snapshot_ref(source->snapshot);
    s->depth = field->depth;
    s->addresses = source->addresses;
    s->deleted_too = source->deleted_too;
    s->batch_rows = qv__type_bits(field->leaf->type) ? NARROW_ROWS : WIDE_ROWS;
    QV_CHECK(QV_NEW(&s->wanted, n, err));
    if (n)
        memcpy(s->wanted, source->wanted, n * sizeof *s->wanted);
    for (size_t i = 0; i < n; i++)
        if (s->wanted[i])
            s->total += qv__snapshot_fragment(s->snapshot, i)->physical_rows;
    QV_CHECK(cut_field(field->top, field->steps, field->depth, &s->field, err));
    QV_CHECK(qv__sorted_schema(field->leaf->type, &s->stream.schema, err));
    QV_CHECK(next_fragment(s, true, err));
    *out = s;
    s = NULL;
done:
    if (s)
        rows_destroy(&s->stream);
    return st;
}

qv_status qv__row_source_open(const qv__row_source *source, qv__stream **out, qv_error *err)
{
    rows_stream *s;

    QV_TRY(rows_open(source, &s, err));
    *out = &s->stream;
    return QV_OK;
}

qv_status qv__row_source_sample(void *source, uint64_t sample, uint64_t seed, qv__stream **out, qv_error *err)
{
    qv_status st = QV_OK;
    rows_stream *s;

    QV_TRY(rows_open(source, &s, err));
    if (sample < s->total) {
        s->n_samples = QV_MAX(sample, 1);
        s->seed = seed;
        QV_CHECK(QV_NEW(&s->chosen, s->batch_rows, err));
    }
    *out = &s->stream;
    s = NULL;
done:
    if (s)
        rows_destroy(&s->stream);
    return st;
}

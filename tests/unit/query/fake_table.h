/* A table in memory that stands in for src/table: what query/ asks of a snapshot, over plain arrays. Tests can then make any
 * fragments, deletions, row ids, page ends and null patterns at once. The functions of table.h are defined here, so the linker
 * takes none of the real ones. */
#ifndef QVT_FAKE_TABLE_H
#define QVT_FAKE_TABLE_H

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/index.h"
#include "query/query.h"
#include "qvt.h"
#include "qvt_arrays.h"

enum { FAKE_PAGE_ROWS = 1000, FAKE_MAX_FRAGMENTS = 32 };

typedef struct fake_fragment {
    qv__array **columns; /* one per field of the schema */
    uint32_t *deleted;
    size_t n_deleted;
    uint8_t *live;
    uint64_t *ids; /* stable tables only */
} fake_fragment;

struct qv__snapshot {
    atomic_int refs;
    qv__schema *schema;
    size_t n_fragments;
    qv__fragment fragments[FAKE_MAX_FRAGMENTS];
    fake_fragment data[FAKE_MAX_FRAGMENTS];
    bool stable;
    _Atomic(qv__owner *) query_slot;
};

struct qv__fragment_column {
    qv__snapshot *snapshot;
    size_t fragment;
    qv__array *array;
};

static atomic_int fake_open_columns;  /* opened and not freed */
static atomic_int fake_column_reads;  /* reads and takes */
static atomic_int fake_fail_reads_at; /* > 0: counts down, then one read fails */

/* ------------------------------------------------------------------ making */

static void fake_number_fields(qv__field *fields, size_t n, int32_t *next)
{
    for (size_t i = 0; i < n; i++) {
        fields[i].id = (*next)++;
        if (fields[i].type->id == QV_TYPE_STRUCT)
            fake_number_fields(fields[i].type->children, fields[i].type->n_children, next);
    }
}

static qv__snapshot *fake_new(const qv__field *fields, size_t n)
{
    qv_error err;
    int32_t id = 0;
    qv__snapshot *s = calloc(1, sizeof *s);
    atomic_init(&s->refs, 1);
    QVT_OK(qv__schema_new(fields, n, NULL, &s->schema, &err));
    fake_number_fields(s->schema->fields, n, &id);
    return s;
}

/* Adds a fragment of `rows` random rows with fragment id `id`; about `deleted_share` of them deleted. */
static void fake_add(qv__snapshot *s, qvt_rng *rng, uint64_t id, size_t rows, double null_share, double deleted_share)
{
    size_t f = s->n_fragments++;
    fake_fragment *d = &s->data[f];

    s->fragments[f] = (qv__fragment){ .id = id, .physical_rows = rows };
    d->columns = calloc(s->schema->n_fields, sizeof *d->columns);
    for (size_t c = 0; c < s->schema->n_fields; c++) {
        const qv__field *field = &s->schema->fields[c];
        d->columns[c] = qvt_random_array(rng, field->type, (int64_t) rows, field->nullable ? null_share : 0);
    }
    d->deleted = calloc(rows + 1, sizeof *d->deleted);
    d->live = calloc(1, rows / 8 + 9);
    for (size_t i = 0; i < rows; i++) {
        bool dead = qvt_rng_unit(rng) < deleted_share;
        if (dead)
            d->deleted[d->n_deleted++] = (uint32_t) i;
        else
            qv__bit_set(d->live, i);
    }
    d->ids = calloc(rows + 1, sizeof *d->ids);
    for (size_t i = 0; i < rows; i++) /* unique, in no order */
        d->ids[i] = ((uint64_t) f * 100000 + i) * 7919 % 1000003;
}

/* ------------------------------------------------------------------ table.h */

qv__snapshot *qv__snapshot_ref(qv__snapshot *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void qv__snapshot_unref(qv__snapshot *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    qv__owner_unref(atomic_load(&s->query_slot));
    for (size_t f = 0; f < s->n_fragments; f++) {
        for (size_t c = 0; c < s->schema->n_fields; c++)
            qv__array_unref(s->data[f].columns[c]);
        free(s->data[f].columns);
        free(s->data[f].deleted);
        free(s->data[f].live);
        free(s->data[f].ids);
    }
    qv__schema_unref(s->schema);
    free(s);
}

const qv__schema *qv__snapshot_schema(const qv__snapshot *s) { return s->schema; }
size_t qv__snapshot_n_fragments(const qv__snapshot *s) { return s->n_fragments; }
const qv__fragment *qv__snapshot_fragment(const qv__snapshot *s, size_t i) { return &s->fragments[i]; }
uint64_t qv__snapshot_version(const qv__snapshot *s) { return s->schema ? 7 : 0; }
bool qv__snapshot_has_stable_row_ids(const qv__snapshot *s) { return s->stable; }
_Atomic(qv__owner *) *qv__snapshot_query_slot(qv__snapshot *s) { return &s->query_slot; }

qv_status qv__snapshot_indices(qv__snapshot *s, const qv__index_entry **out, size_t *n, qv_error *err)
{
    QV_UNUSED(s);
    QV_UNUSED(err);
    *out = NULL;
    *n = 0;
    return QV_OK;
}

qv_status qv__snapshot_count_rows(qv__snapshot *s, uint64_t *out, qv_error *err)
{
    QV_UNUSED(err);
    *out = 0;
    for (size_t f = 0; f < s->n_fragments; f++)
        *out += s->fragments[f].physical_rows - s->data[f].n_deleted;
    return QV_OK;
}

qv_status qv__snapshot_deletions(qv__snapshot *s, size_t fragment, const uint32_t **offsets, size_t *n,
                                 const uint8_t **live, qv_error *err)
{
    QV_UNUSED(err);
    *offsets = s->data[fragment].deleted;
    *n = s->data[fragment].n_deleted;
    *live = *n ? s->data[fragment].live : NULL;
    return QV_OK;
}

static uint64_t fake_row_id(const qv__snapshot *s, size_t fragment, uint64_t row)
{
    return s->stable ? s->data[fragment].ids[row] : s->fragments[fragment].id << 32 | row;
}

qv_status qv__snapshot_row_ids(qv__snapshot *s, size_t fragment, uint64_t row, uint64_t n, uint64_t *out, qv_error *err)
{
    QV_UNUSED(err);
    for (uint64_t i = 0; i < n; i++)
        out[i] = fake_row_id(s, fragment, row + i);
    return QV_OK;
}

qv_status qv__snapshot_row_id_array(qv__snapshot *s, size_t fragment, const uint64_t **out, qv_error *err)
{
    QV_UNUSED(err);
    *out = s->stable ? s->data[fragment].ids : NULL;
    return QV_OK;
}

qv_status qv__snapshot_locate(qv__snapshot *s, uint64_t row_id, size_t *fragment, uint64_t *row, bool *found,
                              qv_error *err)
{
    QV_UNUSED(err);
    *found = false;
    for (size_t f = 0; f < s->n_fragments && !*found; f++)
        for (uint64_t r = 0; r < s->fragments[f].physical_rows; r++)
            if (fake_row_id(s, f, r) == row_id && qv__bit_get(s->data[f].live, r)) {
                *fragment = f;
                *row = r;
                *found = true;
                break;
            }
    return QV_OK;
}

/* `array` cut down to the fields of `type`, by name. */
static qv_status fake_prune(const qv__array *array, const qv__type *type, qv__array **out, qv_error *err)
{
    qv__array *pruned = NULL;

    if (type->id != QV_TYPE_STRUCT) {
        *out = qv__array_ref(array);
        return QV_OK;
    }
    QV_TRY(qv__array_new(type, array->length, type->n_children, &pruned, err));
    pruned->offset = array->offset;
    pruned->null_count = array->null_count;
    pruned->buffers[0] = qv__bytes_ref(array->buffers[0]);
    for (size_t i = 0; i < type->n_children; i++)
        for (size_t j = 0; j < array->n_children; j++)
            if (strcmp(array->type->children[j].name, type->children[i].name) == 0) {
                qv_status st = fake_prune(array->children[j], type->children[i].type, &pruned->children[i], err);
                if (st != QV_OK) {
                    qv__array_unref(pruned);
                    return st;
                }
            }
    *out = pruned;
    return QV_OK;
}

qv_status qv__fragment_column_open(qv__snapshot *s, size_t fragment, const qv__field *field, qv__fragment_column **out,
                                   qv_error *err)
{
    ptrdiff_t at = qv__schema_find(s->schema, field->name);
    qv__fragment_column *column = NULL;

    QV_TRY(QV_NEW(&column, 1, err));
    column->snapshot = s;
    column->fragment = fragment;
    qv_status st = fake_prune(s->data[fragment].columns[at], field->type, &column->array, err);
    if (st != QV_OK) {
        qv__free(column);
        return st;
    }
    *out = column;
    atomic_fetch_add(&fake_open_columns, 1);
    return QV_OK;
}

void qv__fragment_column_free(qv__fragment_column *column)
{
    if (!column)
        return;
    qv__array_unref(column->array);
    qv__free(column);
    atomic_fetch_sub(&fake_open_columns, 1);
}

static qv_status fake_fault(qv_error *err)
{
    atomic_fetch_add(&fake_column_reads, 1);
    if (atomic_load(&fake_fail_reads_at) > 0 && atomic_fetch_sub(&fake_fail_reads_at, 1) == 1)
        return qv__fail(err, QV_IO, "the disk is gone");
    return QV_OK;
}

qv_status qv__fragment_column_read(qv__fragment_column *column, uint64_t row, uint64_t n, qv__array **out,
                                   qv_error *err)
{
    QV_TRY(fake_fault(err));
    return qv__array_slice(column->array, (int64_t) row, (int64_t) n, out, err);
}

qv_status qv__fragment_column_take(qv__fragment_column *column, const uint64_t *rows, size_t n, qv__array **out,
                                   qv_error *err)
{
    QV_TRY(fake_fault(err));
    return qv__array_take(column->array, (const int64_t *) rows, n, out, err);
}

uint64_t qv__fragment_column_page_end(const qv__fragment_column *column, uint64_t row)
{
    return QV_MIN((row / FAKE_PAGE_ROWS + 1) * FAKE_PAGE_ROWS, (uint64_t) column->array->length);
}

uint64_t qv__fragment_column_cost(const qv__fragment_column *column, uint64_t row, uint64_t n)
{
    QV_UNUSED(column);
    QV_UNUSED(row);
    return n * 100;
}

/* As the file reader: a null item makes the row null. */
qv_status qv__fragment_column_vectors(qv__fragment_column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out,
                                      qv_error *err)
{
    const qv__array *lists = column->array, *items = lists->children[0];
    size_t dim = (size_t) lists->type->width;
    size_t bytes = items->type->id == QV_TYPE_FIXED_BINARY ? 2 : (size_t) qv__type_bits(items->type) / 8;
    uint8_t *bits;

    QV_TRY(fake_fault(err));
    *out = (qv__vector_run){ .stride = dim * bytes,
                             .rows = QV_MIN(max_rows, qv__fragment_column_page_end(column, row) - row),
                             .validity_offset = 5 };
    out->data =
        items->buffers[1].data + ((size_t) (items->offset + (lists->offset + (int64_t) row) * (int64_t) dim)) * bytes;
    if (lists->null_count == 0 && items->null_count == 0)
        return QV_OK;
    QV_TRY(qv__bytes_new(out->rows / 8 + 2, &out->keep[1], &bits, err));
    for (uint64_t i = 0; i < out->rows; i++) {
        bool valid = !qv__array_is_null(lists, (int64_t) (row + i));
        for (size_t j = 0; valid && j < dim; j++)
            valid = !qv__array_is_null(items, (lists->offset + (int64_t) (row + i)) * (int64_t) dim + (int64_t) j);
        qv__bit_put(bits, 5 + i, valid);
    }
    out->validity = bits;
    return QV_OK;
}

/* Some fragments have pages that must be decoded. */
qv_status qv__fragment_column_bare_vectors(qv__fragment_column *column, uint64_t row, uint64_t max_rows,
                                           qv__vector_run *out, qv_error *err)
{
    *out = (qv__vector_run){ 0 };
    if (column->array->null_count > 0 && column->snapshot->fragments[column->fragment].id % 4 == 0)
        return fake_fault(err);
    return qv__fragment_column_vectors(column, row, max_rows, out, err);
}

void qv__vector_run_free(qv__vector_run *run)
{
    qv__bytes_unref(&run->keep[0]);
    qv__bytes_unref(&run->keep[1]);
}

#include "fake_vectors.h"

/* ------------------------------------------------------------------ index.h */

/* An index over some fragments: the truth, and rows too many where it is not exact. */
static int
    fake_index_kind; /* 0: none, 1: exact, 2: with rows too many, which must be held against the condition again */
static uint64_t fake_index_seed = 1;

struct qv__index_plan {
    qv__snapshot *snapshot;
    qv__program *condition;
};

qv_status qv__index_plan_new(qv__snapshot *s, const qv__program *condition, const qv__index_plan_options *options,
                             qv__index_plan **out, qv_error *err)
{
    *out = NULL;
    for (size_t c = 0; c < condition->n_columns; c++) /* no numbers of rows, no nested columns */
        if (condition->columns[c].top >= s->schema->n_fields || strchr(condition->columns[c].path, '.'))
            return QV_OK;
    if (fake_index_kind == 0 || options->no_index)
        return QV_OK;
    QV_TRY(QV_NEW(out, 1, err));
    (*out)->snapshot = s;
    (*out)->condition = qv__program_ref(condition);
    return QV_OK;
}

void qv__index_plan_free(qv__index_plan *plan)
{
    if (plan)
        qv__program_unref(plan->condition);
    qv__free(plan);
}

qv_status qv__index_plan_print(const qv__index_plan *plan, qv__buffer *out, qv_error *err)
{
    return qv__buffer_printf(out, err, "ScalarIndexQuery: query=[%s]@fake_idx(BTree)", plan->condition->text);
}

static qv_status fake_index_fragment(qv__index_plan *plan, size_t f, roaring_bitmap_t **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__snapshot *s = plan->snapshot;
    size_t rows = s->fragments[f].physical_rows, n;
    qvt_rng rng = { fake_index_seed + f };
    qv__array *columns[16];
    uint8_t *selected = calloc(1, rows / 8 + 1);

    for (size_t c = 0; c < plan->condition->n_columns; c++)
        columns[c] = s->data[f].columns[plan->condition->columns[c].top];
    QV_CHECK(qv__program_filter(plan->condition, columns, rows, NULL, selected, &n, err));
    *out = roaring_bitmap_create();
    for (size_t i = 0; i < rows; i++)
        if (qv__bit_get(selected, i) || (fake_index_kind == 2 && qvt_rng_below(&rng, 3) == 0))
            roaring_bitmap_add(*out, (uint32_t) i);
done:
    free(selected);
    return st;
}

qv_status qv__index_plan_run(qv__index_plan *plan, qv__job *job, qv__index_rows *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__index_rows rows = { .n_fragments = plan->snapshot->n_fragments, .comparisons = 3 };

    QV_UNUSED(job);
    QV_CHECK(QV_NEW(&rows.rows, rows.n_fragments + 1, err));
    for (size_t f = 0; f < rows.n_fragments; f++)
        if (f % 3 != 1) { /* the others are not covered */
            QV_CHECK(fake_index_fragment(plan, f, &rows.rows[f], err));
            rows.n_rows += roaring_bitmap_get_cardinality(rows.rows[f]);
        }
    rows.recheck = fake_index_kind == 2 ? plan->condition : NULL;
    *out = rows;
    rows = (qv__index_rows){ 0 };
done:
    qv__index_rows_clear(&rows);
    return st;
}

void qv__index_rows_clear(qv__index_rows *rows)
{
    for (size_t f = 0; rows->rows && f < rows->n_fragments; f++)
        if (rows->rows[f])
            roaring_bitmap_free(rows->rows[f]);
    qv__free(rows->rows);
    *rows = (qv__index_rows){ 0 };
}

/* ------------------------------------------------------------------ helpers of the tests */

/* A field with a reference of its own; takes `type`. */
static qv__field fake_field(const char *name, qv__type *type, bool nullable)
{
    qv_error err;
    qv__field field = { 0 };
    QVT_OK(qv__field_init(&field, name, type, nullable, &err));
    qv__type_unref(type);
    return field;
}

static void fake_clear_fields(qv__field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        qv__field_clear(&fields[i]);
}

/* A list type; takes `item`. */
static qv__type *fake_vector_type(qv__type *item, int32_t dim)
{
    qv__type *type = qvt_list_type(QV_TYPE_FIXED_LIST, item, dim);
    qv__type_unref(item);
    return type;
}

/* id int64, s utf8, v fixed_size_list<float32>[6], st { a int32, b { c utf8, w fixed_size_list<float64>[3] } }, bits uint8[4] */
static inline qv__snapshot *fake_mixed_table(qvt_rng *rng, size_t n_fragments, size_t max_rows, double deleted_share)
{
    qv__field inner[] = { fake_field("c", qvt_type(QV_TYPE_UTF8, 0, 0), true),
                          fake_field("w", fake_vector_type(qvt_type(QV_TYPE_FLOAT64, 0, 0), 3), true) };
    qv_error err;
    qv__type *inner_type = NULL, *outer_type = NULL;
    QVT_OK(qv__type_new_struct(inner, 2, &inner_type, &err));
    qv__field outer[] = { fake_field("a", qvt_type(QV_TYPE_INT32, 0, 0), false), fake_field("b", inner_type, true) };
    QVT_OK(qv__type_new_struct(outer, 2, &outer_type, &err));
    qv__field fields[] = {
        fake_field("id", qvt_type(QV_TYPE_INT64, 0, 0), false),
        fake_field("s", qvt_type(QV_TYPE_UTF8, 0, 0), true),
        fake_field("v", fake_vector_type(qvt_type(QV_TYPE_FLOAT32, 0, 0), 6), true),
        fake_field("st", outer_type, true),
        fake_field("bits", fake_vector_type(qvt_type(QV_TYPE_UINT8, 0, 0), 4), true),
    };
    qv__snapshot *s = fake_new(fields, QV_COUNT_OF(fields));
    fake_clear_fields(inner, 2);
    fake_clear_fields(outer, 2);
    fake_clear_fields(fields, QV_COUNT_OF(fields));
    for (size_t f = 0; f < n_fragments; f++)
        fake_add(s, rng, 3 + 2 * f, qvt_rng_below(rng, max_rows + 1), 0.2, f % 3 == 2 ? 0.97 : deleted_share);
    return s;
}

/* All batches of a stream; frees the stream. *n batches, references are the caller's. */
static inline qv__array **fake_drain(qv__stream *stream, size_t *n)
{
    qv_error err;
    qv__array **batches = calloc(100000, sizeof *batches), *batch = NULL;
    *n = 0;
    for (;;) {
        QVT_OK(stream->next(stream, &batch, &err));
        if (!batch)
            break;
        assert_true(*n < 100000);
        assert_int_equal(batch->n_children, stream->schema->n_fields);
        batches[(*n)++] = batch;
    }
    qv__stream_free(stream);
    return batches;
}

static inline void fake_free_batches(qv__array **batches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        qv__array_unref(batches[i]);
    free(batches);
}

/* What a search finds, in one batch; NULL: nothing. The reference is the caller's. */
static inline qv__array *fake_search(qv__snapshot *s, const qv_vectors *queries, const qv_search_options *options)
{
    qv_error err;
    qv__stream *stream = NULL;
    size_t n;

    QVT_OK(qv__search(s, queries, options, &stream, &err));
    qv__array **batches = fake_drain(stream, &n);
    assert_true(n <= 1);
    qv__array *batch = n ? batches[0] : NULL;
    free(batches);
    return batch;
}

/* Child i of a batch as if it were a column; borrowed. Batches of query/ have offset 0. */
static inline const qv__array *fake_column(const qv__array *batch, size_t i)
{
    assert_int_equal(batch->offset, 0);
    return batch->children[i];
}

/* The text of a column's value, the column by its dotted path; "~" when it or a struct above is null. */
static inline const char *fake_text(const qv__snapshot *s, size_t fragment, const char *path, uint64_t row)
{
    const qv__field *fields = s->schema->fields;
    size_t n_fields = s->schema->n_fields;
    qv__array *const *arrays = s->data[fragment].columns;
    int64_t at = (int64_t) row;

    for (;;) {
        size_t len = strcspn(path, "."), i = 0;
        while (i < n_fields && (strlen(fields[i].name) != len || memcmp(fields[i].name, path, len) != 0))
            i++;
        assert_true(i < n_fields);
        if (!path[len])
            return qvt_value_text(arrays[i], at);
        if (qv__array_is_null(arrays[i], at))
            return "~";
        at += arrays[i]->offset;
        path += len + 1;
        fields = arrays[i]->type->children;
        n_fields = arrays[i]->n_children;
        arrays = arrays[i]->children;
    }
}

/* Nothing is left open or allocated. */
static inline void fake_check_closed(size_t live_blocks)
{
    assert_int_equal(atomic_load(&fake_open_columns), 0);
    assert_int_equal(qv_memory().live_blocks, live_blocks);
}

#endif

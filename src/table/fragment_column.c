/* One column of one fragment, wherever its parts lie.
 *
 * Mostly the whole field lies in one data file, and reading it is reading that file's column. Otherwise (columns that were
 * added below a struct, or that no file holds) the field is cut into one pruned copy per file; the parts are read side by
 * side and laid together, and what no file holds is null. JSON is turned into text at the end. */
#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "table/table_private.h"

#define MAX_DEPTH     64
#define NULL_RUN_ROWS 1024
#define NO_FILE       SIZE_MAX

typedef struct part {
    size_t file;
    qv__field field; /* pruned to what this file holds */
    qv__column *column;
} part;

struct qv__fragment_column {
    atomic_int refs;
    bool cached; /* the snapshot's; callers borrow it */
    bool whole;  /* one part that is complete */
    bool has_json;
    uint64_t rows;
    qv__field shown;
    qv__field stored;
    size_t n_parts; /* 0: all null */
    part *parts;
};

/* ------------------------------------------------------------------ which files */

static bool is_leaf(const qv__field *field) { return qv__field_is_column(field); }

static size_t owner_of(const qv__fragment *fragment, int32_t id)
{
    for (size_t i = 0; i < fragment->n_files; i++)
        for (size_t j = 0; j < fragment->files[i].n_fields; j++)
            if (fragment->files[i].field_ids[j] == id)
                return i;
    return NO_FILE;
}

static void find_owners(const qv__fragment *fragment, const qv__field *field, unsigned depth, bool *used,
                        size_t *n_missing)
{
    if (is_leaf(field) || depth >= MAX_DEPTH) {
        size_t file = owner_of(fragment, field->id);
        if (file == NO_FILE)
            ++*n_missing;
        else
            used[file] = true;
        return;
    }
    for (size_t i = 0; i < field->type->n_children; i++)
        find_owners(fragment, &field->type->children[i], depth + 1, used, n_missing);
}

static bool holds_any(const qv__fragment *fragment, const qv__field *field, size_t file, unsigned depth)
{
    if (is_leaf(field) || depth >= MAX_DEPTH)
        return owner_of(fragment, field->id) == file;
    for (size_t i = 0; i < field->type->n_children; i++)
        if (holds_any(fragment, &field->type->children[i], file, depth + 1))
            return true;
    return false;
}

/* A copy of `from` without the leaves that lie elsewhere. */
static qv_status prune(const qv__fragment *fragment, const qv__field *from, size_t file, qv__field *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field field = { 0 };
    qv__type *type = NULL;

    if (is_leaf(from))
        return qv__field_copy(out, from, err);
    QV_CHECK(qv__type_new(from->type->id, &type, err));
    type->width = from->type->width;
    type->ordered = from->type->ordered;
    QV_CHECK(QV_NEW(&type->children, from->type->n_children, err));
    for (size_t i = 0; i < from->type->n_children; i++) {
        if (!holds_any(fragment, &from->type->children[i], file, 0))
            continue;
        QV_CHECK(prune(fragment, &from->type->children[i], file, &type->children[type->n_children], err));
        type->n_children++;
    }
    QV_CHECK(qv__field_init(&field, from->name, type, from->nullable, err));
    field.id = from->id;
    QV_CHECK(qv__metadata_copy(&field.metadata, &from->metadata, err));
    *out = field;
    field = (qv__field){ 0 };
done:
    qv__field_clear(&field);
    qv__type_unref(type);
    return st;
}

/* ------------------------------------------------------------------ opening */

static void destroy(qv__fragment_column *column)
{
    for (size_t i = 0; i < column->n_parts; i++) {
        qv__column_free(column->parts[i].column);
        qv__field_clear(&column->parts[i].field);
    }
    qv__free(column->parts);
    qv__field_clear(&column->shown);
    qv__field_clear(&column->stored);
    qv__free(column);
}

qv__fragment_column *qv__fragment_column_ref(qv__fragment_column *column)
{
    atomic_fetch_add_explicit(&column->refs, 1, memory_order_relaxed);
    return column;
}

void qv__fragment_column_unref(qv__fragment_column *column)
{
    if (column && atomic_fetch_sub_explicit(&column->refs, 1, memory_order_acq_rel) == 1)
        destroy(column);
}

void qv__fragment_column_free(qv__fragment_column *column)
{
    if (column && !column->cached)
        qv__fragment_column_unref(column);
}

static qv_status open_part(qv__snapshot *snapshot, size_t fragment, part *p, qv_error *err)
{
    const qv__data_file *data_file = &snapshot->fragments[fragment].files[p->file];
    qv__column_map map = { data_file->field_ids, data_file->columns, data_file->n_fields };
    qv__file *file;

    QV_TRY(qv__snapshot_file(snapshot, fragment, p->file, &file, err));
    qv_status st = qv__column_open(file, &p->field, &map, &p->column, err);
    return st == QV_OK ? st
                       : qv__fail_in(err, st, "fragment %" PRIu64 ", data file %s", snapshot->fragments[fragment].id,
                                     data_file->path);
}

static qv_status add_parts(qv__fragment_column *column, qv__snapshot *snapshot, size_t fragment, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__fragment *f = &snapshot->fragments[fragment];
    size_t n_missing = 0, n_used = 0;
    bool *used = NULL;

    QV_CHECK(QV_NEW(&used, f->n_files, err));
    find_owners(f, &column->stored, 0, used, &n_missing);
    for (size_t i = 0; i < f->n_files; i++)
        n_used += used[i];
    column->whole = n_used == 1 && n_missing == 0;
    QV_CHECK(QV_NEW(&column->parts, n_used, err));
    for (size_t i = 0; i < f->n_files; i++) {
        part *p = &column->parts[column->n_parts];
        if (!used[i])
            continue;
        p->file = i;
        if (column->whole)
            QV_CHECK(qv__field_copy(&p->field, &column->stored, err));
        else
            QV_CHECK(prune(f, &column->stored, i, &p->field, err));
        column->n_parts++;
        QV_CHECK(open_part(snapshot, fragment, p, err));
    }
done:
    qv__free(used);
    return st;
}

static qv_status make(qv__snapshot *snapshot, size_t fragment, const qv__field *field, bool cached,
                      qv__fragment_column **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__fragment_column *column = NULL;

    QV_CHECK(QV_NEW(&column, 1, err));
    atomic_init(&column->refs, 1);
    column->cached = cached;
    column->rows = snapshot->fragments[fragment].physical_rows;
    column->has_json = qv__field_has_json(field);
    QV_CHECK(qv__field_copy(&column->shown, field, err));
    QV_CHECK(qv__field_to_stored(field, &column->stored, err));
    QV_CHECK(add_parts(column, snapshot, fragment, err));
    *out = column;
    column = NULL;
done:
    qv__fragment_column_unref(column);
    return st;
}

/* The field's position when it is a whole field of the schema, else -1. */
static ptrdiff_t whole_field(const qv__schema *schema, const qv__field *field)
{
    if (field >= schema->fields && field < schema->fields + schema->n_fields)
        return field - schema->fields;
    for (size_t i = 0; i < schema->n_fields; i++)
        if (schema->fields[i].id == field->id)
            return qv__field_equal(&schema->fields[i], field) ? (ptrdiff_t) i : -1;
    return -1;
}

static qv_status column_slot(qv__snapshot *snapshot, size_t fragment, size_t field, qv__column_slot **out,
                             qv_error *err)
{
    _Atomic(qv__column_slot *) *place = &snapshot->caches[fragment].columns;
    qv__column_slot *slots = atomic_load_explicit(place, memory_order_acquire), *other = NULL;

    if (!slots) {
        QV_TRY(QV_NEW(&slots, snapshot->schema->n_fields, err));
        if (!atomic_compare_exchange_strong_explicit(place, &other, slots, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__free(slots);
            slots = other;
        }
    }
    *out = &slots[field];
    return QV_OK;
}

qv_status qv__fragment_column_open(qv__snapshot *snapshot, size_t fragment, const qv__field *field,
                                   qv__fragment_column **out, qv_error *err)
{
    ptrdiff_t at = whole_field(snapshot->schema, field);
    qv__column_slot *slot;

    if (at < 0)
        return make(snapshot, fragment, field, false, out, err);
    QV_TRY(column_slot(snapshot, fragment, (size_t) at, &slot, err));
    qv__fragment_column *column = atomic_load_explicit(&slot->column, memory_order_acquire), *other = NULL;
    if (!column) {
        QV_TRY(make(snapshot, fragment, &snapshot->schema->fields[at], true, &column, err));
        if (!atomic_compare_exchange_strong_explicit(&slot->column, &other, column, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            qv__fragment_column_unref(column);
            column = other;
        }
    }
    *out = column;
    return QV_OK;
}

/* ------------------------------------------------------------------ laying parts together */

typedef struct piece {
    const qv__field *field;
    const qv__array *array;
} piece;

static qv_status merge(const qv__field *field, const piece *pieces, size_t n, int64_t length, qv__array **out,
                       qv_error *err);

/* The pieces of child `field` among the children of `pieces`. */
static size_t child_pieces(const qv__field *child, const piece *pieces, size_t n, piece *out)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const qv__type *type = pieces[i].field->type;
        for (size_t j = 0; j < type->n_children; j++)
            if (type->children[j].id == child->id)
                out[found++] = (piece){ &type->children[j], pieces[i].array->children[j] };
    }
    return found;
}

/* The first piece's structure, over children from all pieces. */
static qv_status merge_nested(const qv__field *field, const piece *pieces, size_t n, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__array *first = pieces[0].array;
    qv__array *result = NULL;
    piece *below = NULL;

    QV_CHECK(QV_NEW(&below, n, err));
    QV_CHECK(qv__array_new(field->type, first->length, field->type->n_children, &result, err));
    result->null_count = first->null_count;
    for (size_t i = 0; i < QV_COUNT_OF(first->buffers); i++)
        result->buffers[i] = qv__bytes_ref(first->buffers[i]);
    int64_t child_length = field->type->id == QV_TYPE_STRUCT ? first->length : first->children[0]->length;
    for (size_t i = 0; i < field->type->n_children; i++) {
        const qv__field *child = &field->type->children[i];
        size_t n_below = child_pieces(child, pieces, n, below);
        QV_CHECK(merge(child, below, n_below, child_length, &result->children[i], err));
    }
    *out = result;
    result = NULL;
done:
    qv__array_unref(result);
    qv__free(below);
    return st;
}

static qv_status merge(const qv__field *field, const piece *pieces, size_t n, int64_t length, qv__array **out,
                       qv_error *err)
{
    if (n == 0)
        return qv__array_new_null(field->type, length, out, err);
    for (size_t i = 0; i < n; i++)
        if (pieces[i].array->length != length)
            return qv__fail(err, QV_CORRUPT, "field \"%.100s\": parts of %lld and %lld values", field->name,
                            (long long) length, (long long) pieces[i].array->length);
    if (!is_leaf(field))
        return merge_nested(field, pieces, n, out, err);
    *out = qv__array_ref(pieces[0].array);
    return QV_OK;
}

/* ------------------------------------------------------------------ reading */

typedef struct rows { /* a range, or a list */
    uint64_t row, n;
    const uint64_t *list;
} rows;

static qv_status read_part(const part *p, const rows *what, qv__array **out, qv_error *err)
{
    return what->list ? qv__column_take(p->column, what->list, what->n, out, err)
                      : qv__column_read(p->column, what->row, what->n, out, err);
}

static qv_status read_pieces(const qv__fragment_column *column, const rows *what, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    piece *pieces = NULL;
    qv__array **arrays = NULL;

    QV_CHECK(QV_NEW(&pieces, column->n_parts, err));
    QV_CHECK(QV_NEW(&arrays, column->n_parts, err));
    for (size_t i = 0; i < column->n_parts; i++) {
        qv__array *raw;
        QV_CHECK(read_part(&column->parts[i], what, &raw, err));
        st = qv__array_normalize(raw, &arrays[i], err); /* so that the parts count alike */
        qv__array_unref(raw);
        QV_CHECK(st);
        pieces[i] = (piece){ &column->parts[i].field, arrays[i] };
    }
    QV_CHECK(merge(&column->stored, pieces, column->n_parts, (int64_t) what->n, out, err));
done:
    for (size_t i = 0; arrays && i < column->n_parts; i++)
        qv__array_unref(arrays[i]);
    qv__free(arrays);
    qv__free(pieces);
    return st;
}

static qv_status read_rows(const qv__fragment_column *column, const rows *what, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *stored = NULL;

    if (column->n_parts == 0)
        return qv__array_new_null(column->shown.type, (int64_t) what->n, out, err);
    if (column->whole)
        QV_CHECK(read_part(&column->parts[0], what, &stored, err));
    else
        QV_CHECK(read_pieces(column, what, &stored, err));
    if (column->has_json) {
        QV_CHECK(qv__array_convert_json(stored, &column->stored, &column->shown, false, out, err));
    } else {
        *out = stored;
        stored = NULL;
    }
done:
    qv__array_unref(stored);
    return st;
}

qv_status qv__fragment_column_read(qv__fragment_column *column, uint64_t row, uint64_t n, qv__array **out,
                                   qv_error *err)
{
    if (!qv__inside(row, n, column->rows))
        return qv__fail(err, QV_INVALID, "column \"%s\": rows %" PRIu64 " to %" PRIu64 " of %" PRIu64,
                        column->shown.name, row, row + n, column->rows);
    return read_rows(column, &(rows){ .row = row, .n = n }, out, err);
}

qv_status qv__fragment_column_take(qv__fragment_column *column, const uint64_t *list, size_t n, qv__array **out,
                                   qv_error *err)
{
    static const uint64_t none;

    for (size_t i = 0; i < n; i++)
        if (list[i] >= column->rows)
            return qv__fail(err, QV_INVALID, "column \"%s\": row %" PRIu64 " of %" PRIu64, column->shown.name, list[i],
                            column->rows);
    return read_rows(column, &(rows){ .n = n, .list = n ? list : &none }, out, err);
}

uint64_t qv__fragment_column_page_end(const qv__fragment_column *column, uint64_t row)
{
    uint64_t end = column->rows;

    for (size_t i = 0; i < column->n_parts; i++)
        end = QV_MIN(end, qv__column_page_end(column->parts[i].column, row));
    return end;
}

uint64_t qv__fragment_column_cost(const qv__fragment_column *column, uint64_t row, uint64_t n)
{
    uint64_t cost = 0;

    for (size_t i = 0; i < column->n_parts; i++)
        cost += qv__column_cost(column->parts[i].column, row, n);
    return cost;
}

/* ------------------------------------------------------------------ vectors */

static size_t vector_bytes(const qv__type *type)
{
    size_t n = 1;

    for (; type->id == QV_TYPE_FIXED_LIST; type = type->children[0].type)
        n *= (size_t) type->width;
    return type->id == QV_TYPE_FIXED_BINARY ? n * (size_t) type->width : n * (size_t) qv__type_bits(type) / 8;
}

static qv_status null_run(const qv__fragment_column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out,
                          qv_error *err)
{
    size_t stride = vector_bytes(column->shown.type);
    uint64_t n = QV_MIN(QV_MIN(column->rows - row, max_rows), NULL_RUN_ROWS);
    size_t n_bits = qv__bitmap_bytes(n), len;
    uint8_t *bytes;

    if (__builtin_mul_overflow(stride, n, &len))
        return qv__fail(err, QV_CORRUPT, "column \"%s\": vectors of %zu bytes", column->shown.name, stride);
    *out = (qv__vector_run){ .stride = stride, .rows = n };
    QV_TRY(qv__bytes_new(len, &out->keep[0], &bytes, err));
    memset(bytes, 0, len);
    qv_status st = qv__bytes_new(n_bits, &out->keep[1], &bytes, err);
    if (st != QV_OK) {
        qv__bytes_unref(&out->keep[0]);
        return st;
    }
    memset(bytes, 0, n_bits);
    out->data = out->keep[0].data;
    out->validity = out->keep[1].data;
    return QV_OK;
}

qv_status qv__fragment_column_vectors(qv__fragment_column *column, uint64_t row, uint64_t max_rows, qv__vector_run *out,
                                      qv_error *err)
{
    if (row >= column->rows)
        return qv__fail(err, QV_INVALID, "column \"%s\": row %" PRIu64 " of %" PRIu64, column->shown.name, row,
                        column->rows);
    return column->n_parts ? qv__column_vectors(column->parts[0].column, row, max_rows, out, err)
                           : null_run(column, row, max_rows, out, err);
}

qv_status qv__fragment_column_bare_vectors(qv__fragment_column *column, uint64_t row, uint64_t max_rows,
                                           qv__vector_run *out, qv_error *err)
{
    *out = (qv__vector_run){ 0 };
    return column->n_parts && row < column->rows
               ? qv__column_bare_vectors(column->parts[0].column, row, max_rows, out, err)
               : QV_OK;
}

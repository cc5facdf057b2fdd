/* A field bound to its columns. The nodes mirror the type; in 2.1 and later only leaves own columns, and the structure of lists
 * and structs is told by the levels of the first leaf below them. */
#include <inttypes.h>
#include <stdlib.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "file/lance_schema.h"
#include "file/message.h"
#include "file/read/read_private.h"

/* ------------------------------------------------------------------ which field owns which column */

typedef struct numbering {
    qv__file *file;
    int32_t *ids, *columns;
    size_t n, ids_capacity, columns_capacity;
    int32_t next;
} numbering;

static qv_status number_field(numbering *map, const qv__field *field, qv_error *err)
{
    bool is_20 = qv__file_is_20(map->file), is_column = qv__field_is_column(field), two_columns = false;

    if (is_20 || is_column) {
        QV_TRY(QV_GROW(&map->ids, &map->ids_capacity, map->n + 1, err));
        QV_TRY(QV_GROW(&map->columns, &map->columns_capacity, map->n + 1, err));
        map->ids[map->n] = field->id;
        map->columns[map->n++] = map->next++;
        if (is_20 && (field->type->id == QV_TYPE_UTF8 || field->type->id == QV_TYPE_BINARY) &&
            (uint32_t) map->next <= map->file->n_columns)
            QV_TRY(qv__column20_is_byte_list(&map->file->columns[map->next - 1], &two_columns, err));
        map->next += two_columns;
    }
    if (is_column || qv__field_is_packed(field))
        return QV_OK;
    for (size_t i = 0; i < field->type->n_children; i++)
        QV_TRY(number_field(map, &field->type->children[i], err));
    return QV_OK;
}

qv_status qv__file_own_map(qv__file *file, int32_t **field_ids, int32_t **columns, size_t *n, qv_error *err)
{
    qv_status st = QV_OK;
    numbering map = { .file = file };

    for (size_t i = 0; i < file->schema->n_fields; i++)
        QV_CHECK(number_field(&map, &file->schema->fields[i], err));
    *field_ids = map.ids;
    *columns = map.columns;
    *n = map.n;
    map.ids = map.columns = NULL;
done:
    qv__free(map.ids);
    qv__free(map.columns);
    return st;
}

/* ------------------------------------------------------------------ binding */

typedef struct binder {
    qv__column *column;
    const qv__column_map *map;
    unsigned depth;
    bool is_list[QV_MAX_LAYERS]; /* outermost first */
} binder;

/* The column of a field, or NULL when the file does not have it. */
static qv_status find_column(const binder *b, const qv__field *field, const qv__column_meta **out, uint32_t *number,
                             qv_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < b->map->n; i++) {
        int32_t column = b->map->columns[i];
        if (b->map->field_ids[i] != field->id || field->id == -1)
            continue;
        if (column < 0 || (uint32_t) column >= b->column->file->n_columns)
            return qv__fail(err, QV_CORRUPT, "column %" PRId32 " of %" PRIu32, column, b->column->file->n_columns);
        *number = (uint32_t) column;
        *out = &b->column->file->columns[column];
        return QV_OK;
    }
    return QV_OK;
}

static qv_status check_length(const binder *b, const qv__column_meta *meta, qv_error *err)
{
    uint64_t rows = b->column->file->rows;

    if (meta->length == rows)
        return QV_OK;
    return qv__fail(err, QV_CORRUPT, "pages hold %" PRIu64 " rows, the file %" PRIu64, meta->length, rows);
}

static qv_status make_children(const binder *b, qv__node *node, size_t n, qv_error *err)
{
    node->children = qv__arena_alloc(&b->column->arena, n + 1, sizeof *node->children);
    if (!node->children)
        return qv__fail_nomem(err, n * sizeof *node->children);
    node->n_children = n;
    return QV_OK;
}

static qv_status bind_field(binder *b, const qv__field *field, qv__node *node, bool is_top, qv_error *err);

static qv_status bind_children(binder *b, const qv__field *field, qv__node *node, bool is_list, bool is_top,
                               qv_error *err)
{
    bool all_absent = true;

    QV_TRY(make_children(b, node, field->type->n_children, err));
    if (b->depth + 1 >= QV_MAX_LAYERS)
        return qv__fail(err, QV_UNSUPPORTED, "fields nested deeper than %d", QV_MAX_LAYERS - 1);
    b->is_list[b->depth++] = is_list;
    for (size_t i = 0; i < node->n_children; i++) {
        const qv__field *child = &field->type->children[i];
        qv_status st = bind_field(b, child, &node->children[i], is_top && !is_list, err);
        if (st != QV_OK)
            return qv__fail_in(err, st, "field \"%.60s\"", child->name);
        all_absent = all_absent && node->children[i].kind == QV_NODE_ABSENT;
    }
    b->depth--;
    if (all_absent && !(qv__file_is_20(b->column->file) && node->meta))
        node->kind = QV_NODE_ABSENT;
    return QV_OK;
}

/* A string of the 0.13 era: list of bytes in two columns. */
static qv_status bind_byte_list(binder *b, uint32_t number, qv__node *node, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field item = { 0 };
    qv__type *byte = NULL;
    qv__node *child;

    if (number + 1 >= b->column->file->n_columns)
        return qv__fail(err, QV_CORRUPT, "a string stored as list of bytes without the bytes' column");
    QV_CHECK(make_children(b, node, 1, err));
    QV_CHECK(qv__type_new(QV_TYPE_UINT8, &byte, err));
    QV_CHECK(qv__field_init(&item, "item", byte, true, err));
    QV_CHECK(qv__type_new_list(QV_TYPE_LARGE_LIST, &item, 0, &b->column->byte_list_type, err));
    node->kind = QV_NODE_LIST;
    node->is_byte_list = true;
    node->leaf.type = b->column->byte_list_type;
    child = &node->children[0];
    child->kind = QV_NODE_LEAF;
    child->name = "item";
    child->type = child->leaf.type = b->column->byte_list_type->children[0].type;
    child->meta = &b->column->file->columns[number + 1];
    QV_CHECK(qv__node20_open(b->column, node, err));
    QV_CHECK(qv__node20_open(b->column, child, err));
done:
    qv__field_clear(&item);
    qv__type_unref(byte);
    return st;
}

/* What the column's pages hold, when that is not the field's own type. */
static qv_status bind_blob(const binder *b, const qv__field *field, qv__node *node, qv_error *err)
{
    if (!qv__field_is_blob(field))
        return QV_OK;
    if (qv__field_is_blob_v2(field)) {
        node->is_blob_v2 = true;
        if (!b->column->blob_v2_type)
            QV_TRY(qv__blob_v2_type(&b->column->blob_v2_type, err));
        node->leaf.type = b->column->blob_v2_type;
        return QV_OK;
    }
    node->is_blob_v1 = !qv__file_is_20(b->column->file) || node->meta->is_blob;
    if (!b->column->blob_v1_type)
        QV_TRY(qv__blob_v1_type(&b->column->blob_v1_type, err));
    node->leaf.blob_type = b->column->blob_v1_type;
    return QV_OK;
}

static qv_status open_pages21(binder *b, qv__node *node, qv_error *err)
{
    const qv__column_meta *meta = node->meta;

    node->leaf.n_layers = b->depth + 1;
    for (unsigned i = 1; i <= b->depth; i++)
        node->leaf.is_list[i] = b->is_list[b->depth - i];
    node->pages = qv__arena_alloc(&b->column->arena, meta->n_pages + 1, sizeof *node->pages);
    if (!node->pages)
        return qv__fail_nomem(err, meta->n_pages * sizeof *node->pages);
    for (size_t i = 0; i < meta->n_pages; i++) {
        qv_status st = qv__page21_parse(&meta->pages[i], &node->leaf, &b->column->arena, &node->pages[i], err);
        if (st != QV_OK)
            return qv__fail_in(err, st, "page %zu", i);
        node->n_pages = i + 1;
    }
    return QV_OK;
}

static qv_status bind_leaf(binder *b, const qv__field *field, qv__node *node, bool is_top, qv_error *err)
{
    uint32_t number = 0;
    bool is_byte_list = false;

    QV_TRY(find_column(b, field, &node->meta, &number, err));
    if (!node->meta)
        return QV_OK; /* absent */
    node->kind = QV_NODE_LEAF;
    node->leaf.type = field->type;
    QV_TRY(bind_blob(b, field, node, err));
    if (is_top || !qv__file_is_20(b->column->file))
        QV_TRY(check_length(b, node->meta, err));
    if (!qv__file_is_20(b->column->file))
        return open_pages21(b, node, err);
    if (field->type->id == QV_TYPE_UTF8 || field->type->id == QV_TYPE_BINARY)
        QV_TRY(qv__column20_is_byte_list(node->meta, &is_byte_list, err));
    return is_byte_list ? bind_byte_list(b, number, node, err) : qv__node20_open(b->column, node, err);
}

static qv_status bind_list(binder *b, const qv__field *field, qv__node *node, bool is_top, qv_error *err)
{
    uint32_t number = 0;

    if (qv__file_is_20(b->column->file)) {
        if (field->type->id == QV_TYPE_MAP)
            return qv__fail(err, QV_UNSUPPORTED, "maps do not exist in files of version 2.0");
        QV_TRY(find_column(b, field, &node->meta, &number, err));
        if (!node->meta)
            return QV_OK;
        if (is_top)
            QV_TRY(check_length(b, node->meta, err));
        node->kind = QV_NODE_LIST;
        QV_TRY(qv__node20_open(b->column, node, err));
    }
    node->kind = QV_NODE_LIST;
    return bind_children(b, field, node, true, is_top, err);
}

/* 2.0: a struct without fields still has its header column, whose pages count the rows. */
static qv_status bind_empty_struct(binder *b, const qv__field *field, qv__node *node, qv_error *err)
{
    uint32_t number = 0;

    QV_TRY(find_column(b, field, &node->meta, &number, err));
    node->kind = node->meta ? QV_NODE_STRUCT : QV_NODE_ABSENT;
    return QV_OK;
}

static qv_status bind_field(binder *b, const qv__field *field, qv__node *node, bool is_top, qv_error *err)
{
    node->kind = QV_NODE_ABSENT;
    node->type = field->type;
    node->name = field->name;
    switch (field->type->id) {
    case QV_TYPE_LIST:
    case QV_TYPE_LARGE_LIST:
    case QV_TYPE_MAP:
        return bind_list(b, field, node, is_top, err);
    case QV_TYPE_STRUCT:
        if (qv__field_is_packed(field) || (field->type->n_children == 0 && !qv__file_is_20(b->column->file)))
            return bind_leaf(b, field, node, is_top, err);
        if (field->type->n_children == 0)
            return bind_empty_struct(b, field, node, err);
        node->kind = QV_NODE_STRUCT;
        return bind_children(b, field, node, false, is_top, err);
    default:
        return bind_leaf(b, field, node, is_top, err);
    }
}

static qv_status bind_root(qv__column *column, const qv__column_map *map, qv_error *err)
{
    qv_status st = QV_OK;
    int32_t *ids = NULL, *columns = NULL;
    qv__column_map own = { 0 };
    binder b = { .column = column, .map = map };

    if (!map) {
        QV_CHECK(qv__file_own_map(column->file, &ids, &columns, &own.n, err));
        own.field_ids = ids;
        own.columns = columns;
        b.map = &own;
    }
    QV_CHECK(bind_field(&b, &column->field, &column->root, true, err));
    if (column->root.kind == QV_NODE_ABSENT)
        QV_CHECK(qv__fail(err, QV_NOT_FOUND, "the file has no column for it"));
done:
    qv__free(ids);
    qv__free(columns);
    return st;
}

qv_status qv__column_open(qv__file *file, const qv__field *field, const qv__column_map *map, qv__column **out,
                          qv_error *err)
{
    qv_status st = QV_OK;
    qv__column *column = NULL;

    QV_TRY(QV_NEW(&column, 1, err));
    column->file = qv__file_ref(file);
    column->n_rows = file->rows;
    /* The metadata's messages were unpacked under a limit already; those inside them are no larger. */
    qv__arena_init(&column->arena, qv__message_limit(file->tail.len) * 4);
    QV_CHECK(qv__field_copy(&column->field, field, err));
    column->field.id = field->id;
    st = bind_root(column, map, err);
    if (st != QV_OK) {
        qv__fail_in(err, st, "data file %s, field \"%.60s\"", file->name, field->name);
        goto done;
    }
    *out = column;
    column = NULL;
done:
    qv__column_free(column);
    return st;
}

static void node_clear(qv__node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        node_clear(&node->children[i]);
    for (size_t i = 0; i < node->n_pages; i++) {
        if (node->pages)
            qv__page_cache_free(atomic_load(&node->pages[i].cache));
        if (node->pages && node->pages[i].inner)
            qv__page_cache_free(atomic_load(&node->pages[i].inner->cache));
        if (node->pages20)
            qv__array_unref(atomic_load(&node->pages20[i].items));
    }
}

void qv__column_free(qv__column *column)
{
    if (!column)
        return;
    node_clear(&column->root);
    qv__arena_reset(&column->arena);
    qv__type_unref(column->blob_v1_type);
    qv__type_unref(column->blob_v2_type);
    qv__type_unref(column->byte_list_type);
    qv__field_clear(&column->field);
    qv__file_unref(column->file);
    qv__free(column);
}

/* ------------------------------------------------------------------ reading rows */

static uint64_t count_rows(const qv__rows *rows, size_t n_rows)
{
    uint64_t n = 0;

    for (size_t i = 0; i < n_rows; i++)
        n += rows[i].n;
    return n;
}

/* The rows of each page in turn. */
static qv_status read_pages21(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv_error *err)
{
    qv_status st = QV_OK;
    qv__rows *local = NULL;
    size_t n_local, capacity = 0, first = 0;

    if (n_rows == 0)
        return QV_OK;
    for (size_t p = qv__column_meta_page(node->meta, rows[0].at); p < node->n_pages && first < n_rows; p++) {
        const qv__page *page = &node->meta->pages[p];
        uint64_t end = page->first_row + page->length;
        size_t last = first;
        while (last < n_rows && rows[last].at < end)
            last++;
        n_local = 0;
        QV_CHECK(qv__rows_within(rows + first, last - first, page->first_row, page->length, &local, &n_local, &capacity,
                                 err));
        if (n_local) {
            st = qv__page21_read(reader, &node->pages[p], &node->leaf, local, n_local, err);
            if (st != QV_OK) {
                qv__fail_in(err, st, "page %zu", p);
                goto done;
            }
        }
        while (first < n_rows && rows[first].at + rows[first].n <= end)
            first++;
    }
done:
    qv__free(local);
    return st;
}

/* Blob v2: descriptors first, then their bytes. */
static qv_status read_blob_v2(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__sink descriptors = { 0 };
    qv__array *array = NULL;

    QV_CHECK(qv__sink_init(&descriptors, node->leaf.type, err));
    reader->sinks[0] = &descriptors;
    QV_CHECK(read_pages21(reader, node, rows, n_rows, err));
    QV_CHECK(qv__sink_finish(&descriptors, &array, err));
    QV_CHECK(qv__blob_v2_resolve(reader, array, sink, err));
done:
    reader->sinks[0] = sink;
    qv__array_unref(array);
    qv__sink_clear(&descriptors);
    return st;
}

/* The sinks above a leaf, outermost first; NULL once a leaf has told their structure. */
typedef struct path {
    qv__sink *sinks[QV_MAX_LAYERS];
    unsigned depth;
} path;

static qv_status read_leaf21(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                             path *above, qv_error *err)
{
    bool has_lists = false;

    reader->sinks[0] = sink;
    for (unsigned i = 1; i <= above->depth; i++) {
        reader->sinks[i] = above->sinks[above->depth - i];
        above->sinks[above->depth - i] = NULL;
        has_lists = has_lists || node->leaf.is_list[i];
    }
    if (node->is_blob_v2)
        return read_blob_v2(reader, node, rows, n_rows, sink, err);
    if (!has_lists)
        QV_TRY(qv__sink_reserve(sink, count_rows(rows, n_rows), err));
    return read_pages21(reader, node, rows, n_rows, err);
}

static qv_status read_node21(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                             path *above, qv_error *err)
{
    if (node->kind == QV_NODE_ABSENT) {
        sink->is_absent = true;
        return QV_OK;
    }
    if (node->kind == QV_NODE_LEAF)
        return read_leaf21(reader, node, rows, n_rows, sink, above, err);
    above->sinks[above->depth++] = sink;
    for (size_t i = 0; i < node->n_children; i++)
        QV_TRY(read_node21(reader, &node->children[i], rows, n_rows, &sink->children[i], above, err));
    above->depth--;
    return QV_OK;
}

static qv_status read_rows(qv__column *column, const qv__rows *rows, size_t n_rows, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__reader reader;
    qv__sink sink = { 0 };
    path above = { .depth = 0 };

    qv__reader_init(&reader, column->file);
    QV_CHECK(qv__sink_init(&sink, column->field.type, err));
    if (qv__file_is_20(column->file))
        QV_CHECK(qv__node20_read(&reader, &column->root, rows, n_rows, &sink, err));
    else
        QV_CHECK(read_node21(&reader, &column->root, rows, n_rows, &sink, &above, err));
    if (qv__sink_slots(&sink) != count_rows(rows, n_rows))
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%" PRIu64 " rows where %" PRIu64 " should be", qv__sink_slots(&sink),
                          count_rows(rows, n_rows)));
    QV_CHECK(qv__sink_finish(&sink, out, err));
done:
    qv__sink_clear(&sink);
    qv__reader_clear(&reader);
    if (st != QV_OK)
        qv__fail_in(err, st, "data file %s, field \"%.60s\"", column->file->name, column->field.name);
    return st;
}

qv_status qv__column_read(qv__column *column, uint64_t row, uint64_t n, qv__array **out, qv_error *err)
{
    qv__array *view = NULL;
    qv__rows rows = { row, n };

    if (!qv__inside(row, n, column->n_rows))
        return qv__fail(err, QV_INVALID, "rows [%" PRIu64 ", +%" PRIu64 ") of %" PRIu64, row, n, column->n_rows);
    QV_TRY(qv__column_view(column, row, n, &view, err));
    if (!view)
        return read_rows(column, &rows, n ? 1 : 0, out, err);
    *out = view;
    return QV_OK;
}

qv_status qv__column_read_apart(qv__column *column, uint64_t row, uint64_t n, qv__array **out, qv_error *err)
{
    qv__rows *rows = NULL;

    QV_TRY(QV_NEW(&rows, n, err));
    for (uint64_t i = 0; i < n; i++)
        rows[i] = (qv__rows){ row + i, 1 };
    qv_status st = read_rows(column, rows, (size_t) n, out, err);
    qv__free(rows);
    return st;
}

/* ------------------------------------------------------------------ taking rows */

typedef struct wanted {
    uint64_t row;
    size_t place;
} wanted;

static int compare_wanted(const void *a, const void *b)
{
    const wanted *x = a, *y = b;

    return x->row != y->row ? (x->row > y->row) - (x->row < y->row) : (x->place > y->place) - (x->place < y->place);
}

/* Ascending rows as runs; *ascending false (and no runs) when a row is not larger than the one before. */
static size_t runs_of(const uint64_t *rows, size_t n, qv__rows *runs, bool *ascending)
{
    size_t n_runs = 0;

    *ascending = true;
    for (size_t i = 0; i < n; i++) {
        if (i && rows[i] <= rows[i - 1]) {
            *ascending = false;
            return 0;
        }
        if (n_runs && runs[n_runs - 1].at + runs[n_runs - 1].n == rows[i])
            runs[n_runs - 1].n++;
        else
            runs[n_runs++] = (qv__rows){ rows[i], 1 };
    }
    return n_runs;
}

/* Reads the distinct rows in their order, then puts each where it was asked for. */
static qv_status take_unordered(qv__column *column, const uint64_t *rows, size_t n, qv__rows *runs, qv__array **out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    wanted *sorted = NULL;
    int64_t *places = NULL;
    qv__array *distinct = NULL;
    size_t n_runs = 0;
    int64_t n_distinct = 0;

    QV_CHECK(QV_NEW(&sorted, n, err));
    QV_CHECK(QV_NEW(&places, n, err));
    for (size_t i = 0; i < n; i++)
        sorted[i] = (wanted){ rows[i], i };
    qsort(sorted, n, sizeof *sorted, compare_wanted);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || sorted[i].row != sorted[i - 1].row) {
            n_distinct++;
            if (n_runs && runs[n_runs - 1].at + runs[n_runs - 1].n == sorted[i].row)
                runs[n_runs - 1].n++;
            else
                runs[n_runs++] = (qv__rows){ sorted[i].row, 1 };
        }
        places[sorted[i].place] = n_distinct - 1;
    }
    QV_CHECK(read_rows(column, runs, n_runs, &distinct, err));
    QV_CHECK(qv__array_take(distinct, places, n, out, err));
done:
    qv__array_unref(distinct);
    qv__free(sorted);
    qv__free(places);
    return st;
}

qv_status qv__column_take(qv__column *column, const uint64_t *rows, size_t n, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__rows *runs = NULL, few[16];
    bool ascending;

    for (size_t i = 0; i < n; i++)
        if (rows[i] >= column->n_rows)
            return qv__fail(err, QV_INVALID, "row %" PRIu64 " of %" PRIu64, rows[i], column->n_rows);
    if (n > QV_COUNT_OF(few))
        QV_TRY(QV_NEW(&runs, n, err));
    qv__rows *all = runs ? runs : few;
    size_t n_runs = runs_of(rows, n, all, &ascending);
    if (!ascending)
        st = take_unordered(column, rows, n, all, out, err);
    else if (n_runs == 1)
        st = qv__column_read(column, all[0].at, all[0].n, out, err);
    else
        st = read_rows(column, all, n_runs, out, err);
    qv__free(runs);
    return st;
}

/* ------------------------------------------------------------------ planning */

/* The first column of the field whose pages are cut by rows. */
static const qv__column_meta *row_column(const qv__node *node)
{
    if (node->meta)
        return node->meta;
    for (size_t i = 0; i < node->n_children; i++) {
        const qv__column_meta *meta = row_column(&node->children[i]);
        if (meta)
            return meta;
    }
    return NULL;
}

uint64_t qv__column_page_end(const qv__column *column, uint64_t row)
{
    const qv__column_meta *meta = row_column(&column->root);

    if (!meta || meta->n_pages == 0 || row >= column->n_rows)
        return column->n_rows;
    const qv__page *page = &meta->pages[qv__column_meta_page(meta, row)];
    return QV_MIN(page->first_row + page->length, column->n_rows);
}

static double page_bytes(const qv__page *page)
{
    double bytes = 0;

    for (size_t i = 0; i < page->n_buffers; i++)
        bytes += (double) page->buffers[i].len;
    return bytes;
}

/* What `n` rows of a page become, where that is far more than the bytes they touch. */
static double decoded_bytes(const qv__node *node, size_t i, double n)
{
    int bits = node->type ? qv__value_bits(node->type) : -1;
    const qv__page21 *page = node->pages ? &node->pages[i] : NULL;

    if (page && page->layout == QV_LAYOUT_CONSTANT && page->has_value_buffer)
        return n * (double) page->page->buffers[0].len;
    if (page && page->dictionary && page->n_dictionary_items && bits < 0)
        return n * (4 + (double) page->page->buffers[2].len / (double) page->n_dictionary_items);
    return bits > 0 ? n * bits / 8 : 0;
}

/* A column's bytes, spread evenly over the rows of its pages; columns below lists are not cut by rows. */
static double node_cost(const qv__column *column, const qv__node *node, uint64_t row, uint64_t n, bool by_rows)
{
    double cost = 0, all = 0;

    for (size_t i = 0; node->meta && i < node->meta->n_pages; i++) {
        const qv__page *page = &node->meta->pages[i];
        uint64_t from = QV_MAX(row, page->first_row), to = QV_MIN(row + n, page->first_row + page->length);
        double bytes = page_bytes(page);
        all += bytes;
        if (from < to)
            cost += QV_MAX(bytes * (double) (to - from) / (double) page->length,
                           decoded_bytes(node, i, (double) (to - from)));
    }
    if (!by_rows)
        cost = column->n_rows ? all * (double) n / (double) column->n_rows : 0;
    bool below_list = node->kind == QV_NODE_LIST && qv__file_is_20(column->file);
    for (size_t i = 0; i < node->n_children; i++)
        cost += node_cost(column, &node->children[i], row, n, by_rows && !below_list);
    return cost;
}

uint64_t qv__column_cost(const qv__column *column, uint64_t row, uint64_t n)
{
    n = row < column->n_rows ? QV_MIN(n, column->n_rows - row) : 0;
    return (uint64_t) node_cost(column, &column->root, row, n, true);
}

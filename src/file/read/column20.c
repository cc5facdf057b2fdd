/* Columns of version 2.0: every field of a struct or list has a column of its own. A list's rows name ranges of items, which
 * become the rows that are read of its child. */
#include <inttypes.h>

#include "base/alloc.h"
#include "file/message.h"
#include "file/read/read_private.h"

qv_status qv__node20_open(qv__column *column, qv__node *node, qv_error *err)
{
    const qv__column_meta *meta = node->meta;
    uint64_t items = 0;

    node->pages20 = qv__arena_alloc(&column->arena, meta->n_pages + 1, sizeof *node->pages20);
    if (!node->pages20)
        return qv__fail_nomem(err, meta->n_pages * sizeof *node->pages20);
    for (size_t i = 0; i < meta->n_pages; i++) {
        qv__page20 *page = &node->pages20[i];
        ProtobufCMessage *message = NULL;
        page->page = &meta->pages[i];
        QV_TRY(qv__message_unpack(&lance__file__array_encoding__descriptor, page->page->encoding.data,
                                  page->page->encoding.len, &column->arena, &message, err));
        page->encoding = (const Lance__File__ArrayEncoding *) message;
        page->first_item = items;
        if (node->kind == QV_NODE_LIST) {
            if (!page->encoding->list)
                return qv__fail(err, QV_CORRUPT, "page %zu of a list holds no list", i);
            if (!qv__add_u64(items, page->encoding->list->num_items, &items))
                return qv__fail(err, QV_CORRUPT, "page %zu: the list's items overflow", i);
        }
        node->n_pages = i + 1;
    }
    return QV_OK;
}

qv_status qv__column20_is_byte_list(const qv__column_meta *meta, bool *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__arena arena;
    ProtobufCMessage *message = NULL;

    *out = false;
    if (meta->n_pages == 0)
        return QV_OK;
    qv__arena_init(&arena, qv__message_limit(meta->pages[0].encoding.len));
    st = qv__message_unpack(&lance__file__array_encoding__descriptor, meta->pages[0].encoding.data,
                            meta->pages[0].encoding.len, &arena, &message, err);
    if (st == QV_OK)
        *out = ((const Lance__File__ArrayEncoding *) message)->list != NULL;
    qv__arena_reset(&arena);
    return st;
}

/* ------------------------------------------------------------------ rows */

qv_status qv__rows_within(const qv__rows *rows, size_t n_rows, uint64_t start, uint64_t length, qv__rows **out,
                          size_t *n_out, size_t *capacity, qv_error *err)
{
    uint64_t end = start + length;

    for (size_t i = 0; i < n_rows; i++) {
        uint64_t from = QV_MAX(rows[i].at, start), to = QV_MIN(rows[i].at + rows[i].n, end);
        if (from >= to)
            continue;
        QV_TRY(QV_GROW(out, capacity, *n_out + 1, err));
        (*out)[(*n_out)++] = (qv__rows){ from - start, to - from };
    }
    return QV_OK;
}

/* Calls for each page that holds some of the rows; rows of the call are within the page. */
typedef qv_status (*page_fn)(void *ctx, qv__page20 *page, qv__rows rows, qv_error *err);

static qv_status each_page(qv__node *node, const qv__rows *rows, size_t n_rows, page_fn fn, void *ctx, qv_error *err)
{
    for (size_t i = 0; i < n_rows; i++) {
        uint64_t row = rows[i].at, end = rows[i].at + rows[i].n;
        if (row == end)
            continue;
        if (end > node->meta->length)
            return qv__fail(err, QV_CORRUPT, "column of %" PRIu64 " items, item %" PRIu64 " is needed",
                            node->meta->length, end - 1);
        for (size_t p = qv__column_meta_page(node->meta, row); row < end; p++) {
            qv__page20 *page = &node->pages20[p];
            uint64_t at = row - page->page->first_row,
                     n = QV_MIN(end, page->page->first_row + page->page->length) - row;
            QV_TRY(fn(ctx, page, (qv__rows){ at, n }, err));
            row += n;
        }
    }
    return QV_OK;
}

typedef struct leaf_ctx {
    qv__reader *reader;
    qv__sink *sink;
} leaf_ctx;

static qv_status read_leaf_page(void *ctx, qv__page20 *page, qv__rows rows, qv_error *err)
{
    leaf_ctx *leaf = ctx;

    return qv__page20_read(leaf->reader, page, rows.at, rows.n, leaf->sink, err);
}

typedef struct list_ctx {
    qv__reader *reader;
    qv__sink *sink;
    qv__rows *items; /* what the child must give */
    size_t n_items, capacity;
} list_ctx;

/* Adds items to the child's rows; neighbours become one run. */
static qv_status want_items(list_ctx *list, uint64_t at, uint64_t n, qv_error *err)
{
    if (n == 0)
        return QV_OK;
    if (list->n_items && list->items[list->n_items - 1].at + list->items[list->n_items - 1].n == at) {
        list->items[list->n_items - 1].n += n;
        return QV_OK;
    }
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n_items + 1, err));
    list->items[list->n_items++] = (qv__rows){ at, n };
    return QV_OK;
}

static qv_status read_list_page(void *ctx, qv__page20 *page, qv__rows rows, qv_error *err)
{
    qv_status st = QV_OK;
    list_ctx *list = ctx;
    const Lance__File__List20 *encoding = page->encoding->list;
    uint64_t adjustment = encoding->null_offset_adjustment, previous = 0;
    qv__bytes ends = { 0 };

    if (adjustment == 0)
        return qv__fail(err, QV_CORRUPT, "list without null adjustment");
    QV_CHECK(
        qv__page20_ends(list->reader, page, encoding->offsets, rows.at, rows.n, adjustment, &previous, &ends, err));
    for (uint64_t i = 0; i < rows.n; i++) {
        uint64_t raw = qv__load_u64(ends.data + i * 8), end = raw % adjustment;
        bool is_null = raw >= adjustment;
        if (end < previous || end > encoding->num_items)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "list [%" PRIu64 ", %" PRIu64 ") of %" PRIu64 " items", previous, end,
                              encoding->num_items));
        uint64_t n = is_null ? 0 : end - previous;
        QV_CHECK(qv__sink_offset(list->sink, list->sink->n_values, err));
        QV_CHECK(is_null ? qv__sink_nulls(list->sink, 1, err) : qv__sink_valid(list->sink, 1, err));
        QV_CHECK(want_items(list, page->first_item + previous, n, err));
        list->sink->n_values += n;
        previous = end;
    }
done:
    qv__bytes_unref(&ends);
    return st;
}

static qv_status read_list(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                           qv_error *err)
{
    qv_status st = QV_OK;
    list_ctx list = { .reader = reader, .sink = sink };

    QV_CHECK(each_page(node, rows, n_rows, read_list_page, &list, err));
    QV_CHECK(qv__node20_read(reader, &node->children[0], list.items, list.n_items, &sink->children[0], err));
done:
    qv__free(list.items);
    return st;
}

static qv_status append_byte_lists(const qv__array *lists, qv__sink *sink, qv_error *err)
{
    const qv__array *items = lists->children[0];
    const uint8_t *bytes = items->length ? qv__array_values(items) : NULL;

    for (int64_t i = 0; i < lists->length; i++) {
        int64_t start, end;
        bool is_null = qv__array_is_null(lists, i);
        qv__array_list_range(lists, i, &start, &end);
        QV_TRY(is_null ? qv__sink_nulls(sink, 1, err) : qv__sink_valid(sink, 1, err));
        QV_TRY(qv__sink_string(sink, start < end ? bytes + start : NULL, (size_t) (end - start), err));
    }
    return QV_OK;
}

/* A string column of an early writer: read as the list of bytes that it is, then turned into strings. */
static qv_status read_byte_lists(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows,
                                 qv__sink *sink, qv_error *err)
{
    qv_status st = QV_OK;
    qv__sink lists = { 0 };
    qv__array *array = NULL;

    QV_CHECK(qv__sink_init(&lists, node->leaf.type, err));
    QV_CHECK(read_list(reader, node, rows, n_rows, &lists, err));
    QV_CHECK(qv__sink_finish(&lists, &array, err));
    QV_CHECK(append_byte_lists(array, sink, err));
done:
    qv__array_unref(array);
    qv__sink_clear(&lists);
    return st;
}

/* Blobs of version 1: (1, 0) is null. */
static qv_status append_blobs(qv__reader *reader, const qv__array *positions, qv__sink *sink, qv_error *err)
{
    const uint8_t *at = qv__array_values(positions->children[0]), *size = qv__array_values(positions->children[1]);

    for (int64_t i = 0; i < positions->length; i++) {
        uint64_t position = qv__load_u64(at + i * 8), len = qv__load_u64(size + i * 8);
        bool is_null = qv__array_is_null(positions, i) || (position == 1 && len == 0);
        QV_TRY(is_null ? qv__sink_nulls(sink, 1, err) : qv__sink_valid(sink, 1, err));
        QV_TRY(is_null || len == 0 ? qv__sink_zeros(sink, 1, err)
                                   : qv__blob_bytes(reader->file, position, len, sink, err));
    }
    return QV_OK;
}

static qv_status read_blobs(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__sink positions = { 0 };
    qv__array *array = NULL;
    leaf_ctx leaf = { reader, &positions };

    QV_CHECK(qv__sink_init(&positions, node->leaf.blob_type, err));
    QV_CHECK(each_page(node, rows, n_rows, read_leaf_page, &leaf, err));
    QV_CHECK(qv__sink_finish(&positions, &array, err));
    QV_CHECK(append_blobs(reader, array, sink, err));
done:
    qv__array_unref(array);
    qv__sink_clear(&positions);
    return st;
}

static uint64_t count_rows(const qv__rows *rows, size_t n_rows)
{
    uint64_t n = 0;

    for (size_t i = 0; i < n_rows; i++)
        n += rows[i].n;
    return n;
}

qv_status qv__node20_read(qv__reader *reader, qv__node *node, const qv__rows *rows, size_t n_rows, qv__sink *sink,
                          qv_error *err)
{
    leaf_ctx leaf = { reader, sink };

    switch (node->kind) {
    case QV_NODE_ABSENT:
        sink->is_absent = true;
        return QV_OK;
    case QV_NODE_STRUCT: /* 2.0 has no null structs */
        QV_TRY(qv__sink_valid(sink, count_rows(rows, n_rows), err));
        for (size_t i = 0; i < node->n_children; i++)
            QV_TRY(qv__node20_read(reader, &node->children[i], rows, n_rows, &sink->children[i], err));
        return QV_OK;
    case QV_NODE_LIST:
        return node->is_byte_list ? read_byte_lists(reader, node, rows, n_rows, sink, err)
                                  : read_list(reader, node, rows, n_rows, sink, err);
    default:
        if (node->is_blob_v1)
            return read_blobs(reader, node, rows, n_rows, sink, err);
        QV_TRY(qv__sink_reserve(sink, count_rows(rows, n_rows), err));
        return each_page(node, rows, n_rows, read_leaf_page, &leaf, err);
    }
}

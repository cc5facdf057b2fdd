/* Opening a BTREE: the lookup table is read whole and checked, since every answer relies on its order. */
#include <inttypes.h>

#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "index/scalar/btree_private.h"

#define MOST_PAGE_ROWS (UINT64_C(1) << 24)

void qv__btree_close(qv__segment *segment)
{
    qv__btree *b = (qv__btree *) segment;

    if (!b)
        return;
    qv__column_free(b->values);
    qv__column_free(b->ids);
    qv__file_unref(b->data);
    qv__file_unref(b->lookup);
    qv__array_unref(b->lows);
    qv__array_unref(b->highs);
    qv__type_unref(b->type);
    qv__free(b);
}

/* ------------------------------------------------------------------ the lookup table */

static qv_status read_column(qv__file *file, const char *name, const qv__type *type, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__column *column = NULL;

    QV_CHECK(qv__index_column_open(file, name, type, &column, err));
    QV_CHECK(qv__column_read(column, 0, qv__file_rows(file), out, err));
done:
    qv__column_free(column);
    return st;
}

static qv_status read_numbers(qv__file *file, const char *name, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *type = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_UINT32, &type, err));
    QV_CHECK(read_column(file, name, type, out, err));
    if ((*out)->null_count)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: column \"%s\" has nulls", QV_BTREE_LOOKUP, name));
done:
    qv__type_unref(type);
    return st;
}

static uint64_t page_end(const qv__btree *b, size_t page) { return QV_MIN((page + 1) * b->page_rows, b->rows); }

/* Nulls lie together at one end: pages of nulls alone there, and at most one page that has both. */
static qv_status place_nulls(qv__btree *b, const uint32_t *counts, qv_error *err)
{
    uint64_t total = 0;
    bool at_start = b->n_pages && counts[0] > 0;

    for (size_t i = 0; i < b->n_pages; i++)
        total += counts[i];
    if (total > b->rows)
        return qv__fail(err, QV_CORRUPT, "%s: %" PRIu64 " nulls among %" PRIu64 " rows", QV_BTREE_LOOKUP, total,
                        b->rows);
    b->first_value = at_start ? total : 0;
    b->end_value = at_start ? b->rows : b->rows - total;
    for (size_t i = 0; i < b->n_pages; i++) {
        uint64_t start = i * b->page_rows, end = page_end(b, i);
        uint64_t first = QV_MAX(start, b->first_value), stop = QV_MIN(end, b->end_value);
        if (counts[i] != end - start - (first < stop ? stop - first : 0))
            return qv__fail(err, QV_CORRUPT, "%s: page %zu has %" PRIu32 " nulls, which do not lie together",
                            QV_BTREE_LOOKUP, i, counts[i]);
    }
    return QV_OK;
}

static bool has_values(const qv__btree *b, size_t page)
{
    return page * b->page_rows < b->end_value && page_end(b, page) > b->first_value;
}

/* Each page's values lie after the one's before. */
static qv_status check_order(const qv__btree *b, qv_error *err)
{
    const qv__array *before = NULL;
    int64_t before_at = 0;

    for (size_t i = 0; i < b->n_pages; i++) {
        bool has_low = !qv__array_is_null(b->lows, (int64_t) i), has_high = !qv__array_is_null(b->highs, (int64_t) i);
        if (!has_values(b, i))
            continue;
        bool in_order = !before || !has_low || qv__order_compare(before, before_at, b->lows, (int64_t) i) <= 0;
        if (has_low && has_high)
            in_order &= qv__order_compare(b->lows, (int64_t) i, b->highs, (int64_t) i) <= 0;
        else if (before && has_high)
            in_order &= qv__order_compare(before, before_at, b->highs, (int64_t) i) <= 0;
        if (!in_order)
            return qv__fail(err, QV_CORRUPT, "%s: page %zu is out of order", QV_BTREE_LOOKUP, i);
        if ((!has_high && i + 1 < b->n_pages && has_values(b, i + 1)) || (!has_low && before))
            return qv__fail(err, QV_CORRUPT, "%s: page %zu has no %s value", QV_BTREE_LOOKUP, i,
                            has_high ? "least" : "greatest");
        if (has_high) {
            before = b->highs;
            before_at = (int64_t) i;
        }
    }
    return QV_OK;
}

static qv_status check_numbers(const qv__array *pages, qv_error *err)
{
    const uint32_t *numbers = qv__array_values(pages);

    for (int64_t i = 0; i < pages->length; i++)
        if (numbers[i] != i)
            return qv__fail(err, QV_CORRUPT, "%s: row %" PRId64 " is of page %" PRIu32, QV_BTREE_LOOKUP, i, numbers[i]);
    return QV_OK;
}

static qv_status read_lookup(qv__btree *b, qv__file *lookup, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *counts = NULL, *pages = NULL;

    QV_CHECK(read_column(lookup, "min", b->type, &b->lows, err));
    QV_CHECK(read_column(lookup, "max", b->type, &b->highs, err));
    QV_CHECK(read_numbers(lookup, "null_count", &counts, err));
    QV_CHECK(read_numbers(lookup, "page_idx", &pages, err));
    QV_CHECK(check_numbers(pages, err));
    QV_CHECK(place_nulls(b, qv__array_values(counts), err));
    QV_CHECK(check_order(b, err));
done:
    qv__array_unref(counts);
    qv__array_unref(pages);
    return st;
}

/* ------------------------------------------------------------------ a lookup that lost touch with its pages */

static qv_status find_values(qv__btree *b, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *all = NULL;
    int64_t n = (int64_t) b->rows, first = 0, end = n;

    QV_CHECK(qv__column_read(b->values, 0, b->rows, &all, err));
    while (first < n && qv__array_is_null(all, first))
        first++;
    while (end > first && qv__array_is_null(all, end - 1))
        end--;
    if (n - (end - first) != all->null_count || (first && end < n))
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s: nulls do not lie together", QV_BTREE_DATA));
    b->first_value = (uint64_t) first;
    b->end_value = (uint64_t) end;
done:
    qv__array_unref(all);
    return st;
}

/* Compactions of old writers took rows out of the pages and left the lookup as it was. Then it says nothing, and is made anew from the
 * rows, which are still in order. */
static qv_status make_lookup(qv__btree *b, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t *rows = NULL;

    b->page_rows = QV_BTREE_PAGE_ROWS;
    b->n_pages = (size_t) ((b->rows + b->page_rows - 1) / b->page_rows);
    QV_CHECK(find_values(b, err));
    QV_CHECK(QV_NEW(&rows, b->n_pages, err));
    for (size_t i = 0; i < b->n_pages; i++)
        rows[i] = i * b->page_rows;
    QV_CHECK(qv__column_take(b->values, rows, b->n_pages, &b->lows, err));
    for (size_t i = 0; i < b->n_pages; i++)
        rows[i] = page_end(b, i) - 1;
    QV_CHECK(qv__column_take(b->values, rows, b->n_pages, &b->highs, err));
    QV_CHECK(check_order(b, err));
done:
    qv__free(rows);
    return st;
}

/* ------------------------------------------------------------------ both files */

/* What is indexed has the column's type, or (a path into JSON, say: `type` is NULL) the one that the file says. */
static qv_status find_type(qv__btree *b, const qv__type *type, qv_error *err)
{
    const qv__schema *schema = qv__file_schema(b->data);
    ptrdiff_t at = qv__schema_find(schema, "values");

    if (!type && at < 0)
        return qv__fail(err, QV_CORRUPT, "%s has no column \"values\"", QV_BTREE_DATA);
    b->type = qv__type_ref(type ? type : schema->fields[at].type);
    if (qv__order_of(b->type) == QV_ORDER_NONE)
        return qv__fail(err, QV_CORRUPT, "%s: values of type %s have no order", QV_BTREE_DATA,
                        qv__type_name(b->type->id));
    return QV_OK;
}

static qv_status open_data(qv__btree *b, qv__store *folder, const qv__type *type, qv_error *err)
{
    qv_status st = QV_OK;
    qv__type *row = NULL;

    QV_CHECK(qv__type_new(QV_TYPE_UINT64, &row, err));
    QV_CHECK(qv__file_open(folder, QV_BTREE_DATA, &b->data, err));
    QV_CHECK(find_type(b, type, err));
    QV_CHECK(qv__index_column_open(b->data, "values", b->type, &b->values, err));
    QV_CHECK(qv__index_column_open(b->data, "ids", row, &b->ids, err));
    b->rows = qv__file_rows(b->data);
done:
    qv__type_unref(row);
    return st;
}

static qv_status check_partitions(const qv__file *lookup, qv_error *err)
{
    size_t len;
    const char *value = qv__metadata_get(&qv__file_schema(lookup)->metadata, "range_partitioned", &len);

    if (value && len == 4 && memcmp(value, "true", 4) == 0)
        return qv__fail(err, QV_UNSUPPORTED, "a BTREE in range partitions");
    return QV_OK;
}

static qv_status open_lookup(qv__btree *b, qv__store *folder, qv_error *err)
{
    QV_TRY(qv__file_open(folder, QV_BTREE_LOOKUP, &b->lookup, err));
    QV_TRY(check_partitions(b->lookup, err));
    b->page_rows = QV_BTREE_PAGE_ROWS;
    QV_TRY(qv__index_number(b->lookup, "batch_size", &b->page_rows, err));
    if (!b->page_rows || b->page_rows > MOST_PAGE_ROWS)
        return qv__fail(err, QV_CORRUPT, "%s: pages of %" PRIu64 " rows", QV_BTREE_LOOKUP, b->page_rows);
    b->n_pages = (size_t) ((b->rows + b->page_rows - 1) / b->page_rows);
    return b->n_pages == qv__file_rows(b->lookup) ? read_lookup(b, b->lookup, err) : make_lookup(b, err);
}

qv_status qv__btree_open(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                         qv_error *err)
{
    qv_status st = QV_OK;
    qv__btree *b = NULL;

    QV_UNUSED(entry);
    QV_CHECK(QV_NEW(&b, 1, err));
    b->head.kind = &qv__btree_kind;
    QV_CHECK(open_data(b, folder, type, err));
    QV_CHECK(open_lookup(b, folder, err));
    *out = &b->head;
    b = NULL;
done:
    qv__btree_close((qv__segment *) b);
    return st;
}

/* Which physical columns a schema has, how each is to be stored, and the rows that wait in them for their page. */
#include "arrow/compute/compute.h"
#include "base/alloc.h"
#include "file/lance_schema.h"
#include "file/write/write_private.h"

#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#define SLICE_COST 256                 /* what a waiting slice costs by itself */
#define MAX_ROWS   (UINT32_C(1) << 26) /* of a page */

typedef struct planner {
    qv__file_version version;
    qv__file_profile profile;
    qv__columns *columns;
    size_t depth;
    const qv__field *path[QV__WRITE_DEPTH];
    size_t step[QV__WRITE_DEPTH];
    size_t top;
} planner;

/* ------------------------------------------------------------------ what a version can store */

static qv_status print_path(const planner *p, qv__buffer *out, qv_error *err)
{
    for (size_t i = 0; i < p->depth; i++)
        QV_TRY(qv__buffer_printf(out, err, "%s%s", i ? "." : "", p->path[i]->name));
    return qv__buffer_append(out, "", 1, err);
}

static qv_status refuse(const planner *p, const char *why, qv_error *err)
{
    char type[128];
    qv__buffer name;
    qv__buffer_init(&name, 1 << 20);
    qv_status st = print_path(p, &name, err);
    if (st == QV_OK)
        st = qv__fail(err, QV_UNSUPPORTED, "column \"%s\": %s cannot be stored in file version %u.%u%s",
                      (const char *) name.data, qv__type_print(p->path[p->depth - 1]->type, type, sizeof type),
                      p->version.major, p->version.minor, why);
    qv__buffer_free(&name);
    return st;
}

static qv_status check_type(const planner *p, const qv__field *field, qv_error *err)
{
    const qv__type *type = field->type;
    unsigned n_dims, bits;
    uint32_t dims[QV__MAX_DIMS];
    switch (type->id) {
    case QV_TYPE_FIXED_BINARY:
        return type->width > 0 ? QV_OK : refuse(p, " (width 0)", err);
    case QV_TYPE_FIXED_LIST:
        return qv__vector_shape(type, &n_dims, dims, &bits) ? QV_OK : refuse(p, " (lists of numbers only)", err);
    case QV_TYPE_STRUCT:
        return type->n_children ? QV_OK : refuse(p, " (no children)", err);
    case QV_TYPE_MAP:
        if (type->ordered)
            return refuse(p, " (sorted keys)", err);
        return p->version.minor >= 2 ? QV_OK : refuse(p, "", err);
    case QV_TYPE_DICTIONARY:
        if (!qv__string_bits(type->children[0].type) && qv__fixed_bits(type->children[0].type) < 8)
            return refuse(p, " (values)", err);
        return QV_OK;
    default:
        return QV_OK;
    }
}

static qv_status check_packed(const planner *p, const qv__field *field, qv_error *err)
{
    for (size_t i = 0; i < field->type->n_children; i++)
        if (qv__fixed_bits(field->type->children[i].type) < 8)
            return refuse(p, " as packed struct (children of fixed width only)", err);
    return field->type->n_children ? QV_OK : refuse(p, " (no children)", err);
}

/* ------------------------------------------------------------------ how a column is stored */

/* Metadata of the innermost field of the path that has the key. */
static const char *metadata(const planner *p, const char *key)
{
    for (size_t i = p->depth; i-- > 0;) {
        const char *value = qv__metadata_get(&p->path[i]->metadata, key, NULL);
        if (value)
            return value;
    }
    return NULL;
}

static qv_status tune(const planner *p, qv__write_tuning *out, qv_error *err)
{
    const char *compression = metadata(p, "lance-encoding:compression");
    const char *level = metadata(p, "lance-encoding:compression-level");
    const char *structure = metadata(p, "lance-encoding:structural-encoding");
    const char *split = metadata(p, "lance-encoding:bss");
    static const char *const names[] = { "", "none", "fsst", "lz4", "zstd" };
    *out = (qv__write_tuning){ .cheap = p->profile != QV_FILE_PLAIN, .level = 3 };
    if (p->profile == QV_FILE_SMALL)
        *out = (qv__write_tuning){ .cheap = true, .compression = QV__COMPRESS_ZSTD, .level = 6 };
    if (p->profile == QV_FILE_PLAIN)
        out->compression = QV__COMPRESS_NONE;
    if (p->profile == QV_FILE_BARE)
        *out = (qv__write_tuning){ .compression = QV__COMPRESS_NONE, .fullzip = true };
    if (compression) {
        size_t i = 1;
        while (i < QV_COUNT_OF(names) && strcasecmp(compression, names[i]) != 0)
            i++;
        if (i == QV_COUNT_OF(names))
            return qv__fail(err, QV_INVALID, "column \"%s\": unknown lance-encoding:compression \"%s\"",
                            p->path[0]->name, compression);
        out->compression = (qv__write_compression) i;
    }
    if (level)
        out->level = QV_MIN(QV_MAX(atoi(level), -7), 22);
    out->split = split && strcasecmp(split, "on") == 0;
    if (structure)
        out->fullzip = strcasecmp(structure, "fullzip") == 0;
    out->miniblock = structure && strcasecmp(structure, "miniblock") == 0;
    return QV_OK;
}

static qv_status add_field(planner *p, const qv__field *field, qv_error *err)
{
    qv__columns *c = p->columns;
    size_t ids = c->field_capacity, columns = c->field_capacity;
    QV_TRY(QV_GROW(&c->field_ids, &ids, c->n_fields + 1, err));
    QV_TRY(QV_GROW(&c->column_of, &columns, c->n_fields + 1, err));
    c->field_capacity = QV_MIN(ids, columns);
    c->field_ids[c->n_fields] = field->id;
    c->column_of[c->n_fields++] = (int32_t) c->n;
    return QV_OK;
}

static qv_status add_column(planner *p, qv__column_kind kind, qv_error *err)
{
    qv__columns *c = p->columns;
    qv__buffer name;
    QV_TRY(add_field(p, p->path[p->depth - 1], err));
    QV_TRY(QV_GROW(&c->items, &c->capacity, c->n + 1, err));
    qv__column_writer *column = &c->items[c->n];
    memset(column, 0, sizeof *column);
    column->version = p->version;
    column->kind = kind;
    column->top = p->top;
    column->depth = p->depth;
    memcpy(column->path, p->path, sizeof column->path);
    memcpy(column->step, p->step, sizeof column->step);
    qv__buffer_init(&column->metadata, SIZE_MAX);
    QV_TRY(tune(p, &column->tuning, err));
    qv__buffer_init(&name, 1 << 20);
    qv_status st = print_path(p, &name, err);
    if (st != QV_OK) {
        qv__buffer_free(&name);
        return st;
    }
    column->name = (char *) qv__buffer_detach(&name, NULL);
    c->n++;
    return QV_OK;
}

/* Before 2.2 the bytes' place is a pair in the page; in 2.2 every blob column is of the second form. */
static qv_status plan_blob(planner *p, const qv__field *field, qv_error *err)
{
    if (qv__string_bits(field->type) != 64)
        return refuse(p, " as blob (large_binary only)", err);
    if (p->version.minor < 2 && qv__field_is_blob_v2(field))
        return refuse(p, " as blob of the second form", err);
    for (size_t i = 0; i + 1 < p->depth; i++)
        if (p->path[i]->type->id != QV_TYPE_STRUCT)
            return refuse(p, " as blob inside a list", err);
    QV_TRY(add_column(p, QV__COLUMN_LEAF, err));
    p->columns->items[p->columns->n - 1].blob = p->version.minor < 2 ? QV__BLOB_V1 : QV__BLOB_V2;
    return QV_OK;
}

static qv_status plan_field(planner *p, const qv__field *field, qv_error *err);

static qv_status plan_children(planner *p, const qv__field *field, qv_error *err)
{
    for (size_t i = 0; i < field->type->n_children; i++) {
        p->step[p->depth - 1] = i;
        QV_TRY(plan_field(p, &field->type->children[i], err));
    }
    return QV_OK;
}

static qv_status plan_field(planner *p, const qv__field *field, qv_error *err)
{
    qv_status st = QV_OK;
    if (p->depth == QV__WRITE_DEPTH)
        return qv__fail(err, QV_UNSUPPORTED, "column \"%s\" is nested deeper than %d", p->path[0]->name,
                        QV__WRITE_DEPTH);
    p->path[p->depth++] = field;
    p->step[p->depth - 1] = 0;
    if (qv__field_is_blob(field)) {
        QV_CHECK(plan_blob(p, field, err));
        goto done;
    }
    if (qv__field_is_packed(field)) {
        QV_CHECK(check_packed(p, field, err));
        QV_CHECK(add_column(p, QV__COLUMN_LEAF, err));
        goto done;
    }
    QV_CHECK(check_type(p, field, err));
    if (qv__field_is_column(field)) {
        QV_CHECK(add_column(p, QV__COLUMN_LEAF, err));
        goto done;
    }
    if (p->version.minor == 0)
        QV_CHECK(add_column(p, field->type->id == QV_TYPE_STRUCT ? QV__COLUMN_STRUCT : QV__COLUMN_LIST, err));
    QV_CHECK(plan_children(p, field, err));
done:
    p->depth--;
    return st;
}

qv_status qv__columns_plan(const qv__schema *schema, qv__file_version version, qv__file_profile profile,
                           qv__columns *out, qv_error *err)
{
    planner p = { .version = version, .profile = profile, .columns = out };
    for (p.top = 0; p.top < schema->n_fields; p.top++)
        QV_TRY(plan_field(&p, &schema->fields[p.top], err));
    for (size_t i = 0; i < out->n; i++)
        out->items[i].is_alone = (i == 0 || out->items[i - 1].top != out->items[i].top) &&
                                 (i + 1 == out->n || out->items[i + 1].top != out->items[i].top);
    return QV_OK;
}

/* ------------------------------------------------------------------ waiting rows */

/* Bytes that rows [start, start + n) of a top-level array take in this column, roughly. */
static size_t rows_cost(const qv__column_writer *column, const qv__array *array, int64_t start, int64_t n)
{
    size_t cost = 0;
    for (size_t i = 0; i + 1 < column->depth && n > 0; i++) {
        if (array->type->id == QV_TYPE_STRUCT) {
            start += array->offset;
            array = array->children[column->step[i]];
        } else {
            int64_t first, last, unused;
            qv__array_list_range(array, start, &first, &unused);
            qv__array_list_range(array, start + n - 1, &unused, &last);
            cost += (size_t) n * 4;
            start = first;
            n = last - first;
            array = array->children[0];
        }
    }
    if (n <= 0)
        return cost;
    const qv__type *type = array->type;
    unsigned strings = qv__string_bits(type), n_dims, bits = qv__fixed_bits(type);
    uint32_t dims[QV__MAX_DIMS];
    if (strings && array->buffers[1].data) {
        size_t len;
        const uint8_t *first = qv__array_string(array, start, &len),
                      *last = qv__array_string(array, start + n - 1, &len);
        return cost + (size_t) n * (strings / 8) + (size_t) (last + len - first);
    }
    if (type->id == QV_TYPE_DICTIONARY)
        bits = (unsigned) qv__type_bits(type->index_type);
    if (type->id == QV_TYPE_STRUCT) /* packed */
        for (size_t i = 0; i < type->n_children; i++)
            bits += qv__fixed_bits(type->children[i].type);
    double items = 1;
    if (type->id == QV_TYPE_FIXED_LIST && qv__vector_shape(type, &n_dims, dims, &bits))
        for (unsigned d = 0; d < n_dims; d++)
            items *= dims[d];
    return cost + (size_t) QV_MAX((double) n * items * bits / 8, (double) n);
}

qv_status qv__column_push(qv__column_writer *column, const qv__array *array, int64_t start, int64_t len, qv_error *err)
{
    if (len == 0)
        return QV_OK;
    QV_TRY(QV_GROW(&column->slices, &column->slice_capacity, column->n_slices + 1, err));
    column->slices[column->n_slices++] = (qv__slice){ qv__array_ref(array), start, len };
    column->pending_bytes += SLICE_COST + rows_cost(column, array, start, len);
    return QV_OK;
}

/* The most rows of the slice, at least `least`, that cost at most `limit`. */
static int64_t rows_within(const qv__column_writer *column, const qv__slice *slice, size_t limit, int64_t least)
{
    int64_t low = least, high = slice->len;
    while (low < high) {
        int64_t mid = low + (high - low + 1) / 2;
        if (rows_cost(column, slice->array, slice->start, mid) <= limit)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

/* The dictionary that the slice's leaf uses, if it is of dictionary type. */
static const qv__array *dictionary_of(const qv__column_writer *column, const qv__slice *slice)
{
    const qv__array *array = slice->array;
    for (size_t i = 0; i + 1 < column->depth; i++)
        array = array->children[array->type->id == QV_TYPE_STRUCT ? column->step[i] : 0];
    return array->dictionary;
}

static bool same_dictionary(const qv__array *a, const qv__array *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->length != b->length || a->offset != b->offset || a->null_count != b->null_count)
        return false;
    for (size_t i = 0; i < QV_COUNT_OF(a->buffers); i++)
        if (a->buffers[i].len != b->buffers[i].len ||
            (a->buffers[i].len && memcmp(a->buffers[i].data, b->buffers[i].data, a->buffers[i].len) != 0))
            return false;
    return true;
}

/* A batch's columns usually share one owner, so that a narrow column which waits for a page's worth of rows would keep many
 * batches of wide columns in memory. What cannot be copied by itself (fields that share a struct, dictionaries) is counted,
 * and becomes a smaller page in time. */
qv_status qv__column_detach(qv__column_writer *column, size_t batch_bytes, qv_error *err)
{
    qv_status st = QV_OK;
    qv__slice *slice = column->n_slices ? &column->slices[column->n_slices - 1] : NULL;
    qv__array *parts[2] = { NULL, NULL }, *copy;
    if (!slice || 2 * rows_cost(column, slice->array, slice->start, slice->len) >= batch_bytes)
        return QV_OK;
    if (!column->is_alone || dictionary_of(column, slice)) {
        column->pinned_bytes += batch_bytes;
        return QV_OK;
    }
    QV_CHECK(qv__array_slice(slice->array, slice->start, slice->len, &parts[0], err));
    QV_CHECK(qv__array_slice(slice->array, slice->start, 0, &parts[1], err));
    QV_CHECK(qv__array_concat(parts, 2, slice->array->type, &copy, err)); /* of one part it would be no copy */
    qv__array_unref(slice->array);
    *slice = (qv__slice){ copy, 0, slice->len };
done:
    qv__array_unref(parts[0]);
    qv__array_unref(parts[1]);
    return st;
}

qv_status qv__column_cut(qv__column_writer *column, size_t limit, qv_error *err)
{
    size_t used = 0, rows = 0, taken = 0;
    column->n_batch = 0;
    column->pinned_bytes = 0;
    QV_TRY(QV_GROW(&column->batch, &column->batch_capacity, column->n_slices, err));
    while (taken < column->n_slices && used < limit && rows < MAX_ROWS) {
        qv__slice *slice = &column->slices[taken];
        /* a page has one dictionary */
        if (taken && !same_dictionary(dictionary_of(column, slice), dictionary_of(column, &column->batch[0])))
            break;
        qv__slice whole = *slice;
        whole.len = QV_MIN(whole.len, (int64_t) (MAX_ROWS - rows));
        size_t left = limit - QV_MIN(limit, used + SLICE_COST);
        int64_t n = rows_within(column, &whole, left, rows == 0);
        if (n == 0)
            break;
        size_t cost = rows_cost(column, slice->array, slice->start, n);
        used += SLICE_COST + cost;
        rows += (size_t) n;
        column->batch[column->n_batch++] = (qv__slice){ slice->array, slice->start, n };
        if (n < slice->len) { /* the rest stays, with a reference of its own */
            qv__array_ref(slice->array);
            slice->start += n;
            slice->len -= n;
            column->pending_bytes -= QV_MIN(column->pending_bytes, cost);
            break;
        }
        column->pending_bytes -= QV_MIN(column->pending_bytes, SLICE_COST + cost);
        taken++;
    }
    memmove(column->slices, column->slices + taken, (column->n_slices - taken) * sizeof *column->slices);
    column->n_slices -= taken;
    if (column->n_slices == 0)
        column->pending_bytes = 0;
    return QV_OK;
}

void qv__column_drop_batch(qv__column_writer *column)
{
    for (size_t i = 0; i < column->n_batch; i++)
        qv__array_unref(column->batch[i].array);
    column->n_batch = 0;
}

/* ------------------------------------------------------------------ encoded pages */

qv_status qv__column_add_page(qv__column_writer *column, qv__page **out, qv_error *err)
{
    QV_TRY(QV_GROW(&column->pages, &column->page_capacity, column->n_pages + 1, err));
    qv__page *page = &column->pages[column->n_pages++];
    memset(page, 0, sizeof *page);
    for (size_t i = 0; i < QV__PAGE_BUFFERS; i++)
        qv__buffer_init(&page->buffers[i].bytes, SIZE_MAX);
    *out = page;
    return QV_OK;
}

void qv__page_clear(qv__page *page)
{
    qv__free(page->encoding);
    for (size_t i = 0; i < QV__PAGE_BUFFERS; i++) {
        qv__buffer_free(&page->buffers[i].bytes);
        qv__free(page->buffers[i].pieces);
    }
    memset(page, 0, sizeof *page);
}

static void clear_column(qv__column_writer *column)
{
    qv__column_drop_batch(column);
    for (size_t i = 0; i < column->n_slices; i++)
        qv__array_unref(column->slices[i].array);
    for (size_t i = 0; i < column->n_pages; i++)
        qv__page_clear(&column->pages[i]);
    qv__free(column->slices);
    qv__free(column->batch);
    qv__free(column->pages);
    qv__free(column->name);
    qv__free(column->blobs);
    qv__buffer_free(&column->metadata);
}

void qv__columns_clear(qv__columns *columns)
{
    for (size_t i = 0; i < columns->n; i++)
        clear_column(&columns->items[i]);
    qv__free(columns->items);
    qv__free(columns->field_ids);
    qv__free(columns->column_of);
    *columns = (qv__columns){ 0 };
}

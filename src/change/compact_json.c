/* Tasks and their results as JSON, so that workers can share a compaction:
 *
 *   task    {"read_version": 3, "fragments": [0, 1]}
 *   result  {"read_version": 3, "fragments": [0, 1], "files": [{"path":, "rows":, "size_bytes":, "major":, "minor":,
 *            "field_ids": [], "columns": []}]}
 *
 * Texts come from anywhere: nothing of them is trusted. */
#include <inttypes.h>
#include <stdlib.h>

#include "change/compact_private.h"
#include "json/json.h"

#define MOST_TEXT   ((size_t) 256 << 20)
#define MOST_NUMBER (UINT64_C(1) << 32)

/* ------------------------------------------------------------------ printing */

static qv_status print_numbers(const char *key, const int32_t *numbers, size_t n, qv__buffer *out, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, ",\"%s\":[", key));
    for (size_t i = 0; i < n; i++)
        QV_TRY(qv__buffer_printf(out, err, "%s%" PRId32, i ? "," : "", numbers[i]));
    return qv__buffer_append(out, "]", 1, err);
}

static qv_status print_head(const qv__rewrite_task *task, qv__buffer *out, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "{\"read_version\":%" PRIu64 ",\"fragments\":[", task->read_version));
    for (size_t i = 0; i < task->n; i++)
        QV_TRY(qv__buffer_printf(out, err, "%s%" PRIu64, i ? "," : "", task->fragments[i]));
    return qv__buffer_append(out, "]", 1, err);
}

qv_status qv__compact_task_print(const qv__rewrite_task *task, qv__buffer *out, qv_error *err)
{
    QV_TRY(print_head(task, out, err));
    return qv__buffer_append(out, "}", 1, err);
}

static qv_status print_file(const qv__new_fragment *fragment, qv__buffer *out, qv_error *err)
{
    const qv__file_summary *s = &fragment->file.summary;

    QV_TRY(qv__buffer_printf(out, err, "{\"path\":\"%s\",\"rows\":%" PRIu64 ",\"size_bytes\":%" PRIu64, /* hex digits */
                             fragment->file.name, fragment->rows, s->size_bytes));
    QV_TRY(qv__buffer_printf(out, err, ",\"major\":%u,\"minor\":%u", s->version.major, s->version.minor));
    QV_TRY(print_numbers("field_ids", s->field_ids, s->n, out, err));
    QV_TRY(print_numbers("columns", s->columns, s->n, out, err));
    return qv__buffer_append(out, "}", 1, err);
}

qv_status qv__compact_done_print(const qv__rewritten *done, qv__buffer *out, qv_error *err)
{
    QV_TRY(print_head(&done->task, out, err));
    QV_TRY(qv__buffer_append(out, ",\"files\":[", 10, err));
    for (size_t i = 0; i < done->fragments.n; i++) {
        QV_TRY(qv__buffer_append(out, ",", i > 0, err));
        QV_TRY(print_file(&done->fragments.items[i], out, err));
    }
    return qv__buffer_append(out, "]}", 2, err);
}

/* ------------------------------------------------------------------ parsing */

static bool member(const qv__jsonb_value *object, const char *key, qv__jsonb_value *out)
{
    return qv__jsonb_member(object, (const uint8_t *) key, strlen(key), out);
}

static bool number_of(const qv__jsonb_value *object, const char *key, uint64_t most, uint64_t *out)
{
    qv__jsonb_value value;

    return member(object, key, &value) && qv__jsonb_u64(&value, out) && *out <= most;
}

static qv_status misses(const char *what, qv_error *err)
{
    return qv__fail(err, QV_INVALID, "a compaction task has no valid \"%s\"", what);
}

/* Room for the elements of an array. */
static qv_status open_list(const qv__jsonb_value *object, const char *key, qv__jsonb_children *children, size_t *n,
                           qv_error *err)
{
    qv__jsonb_value list;

    if (!member(object, key, &list) || !qv__jsonb_array_length(&list, n) || !qv__jsonb_children_of(&list, children))
        return misses(key, err);
    return QV_OK;
}

static qv_status parse_head(const qv__jsonb_value *root, qv__rewrite_task *out, qv_error *err)
{
    qv__jsonb_children children;
    qv__jsonb_value value;

    if (!number_of(root, "read_version", UINT64_MAX, &out->read_version))
        return misses("read_version", err);
    QV_TRY(open_list(root, "fragments", &children, &out->n, err));
    QV_TRY(QV_NEW(&out->fragments, out->n, err));
    for (size_t i = 0; i < out->n; i++) {
        if (!qv__jsonb_next(&children, &value) || !qv__jsonb_u64(&value, &out->fragments[i]) ||
            out->fragments[i] >= MOST_NUMBER || (i && out->fragments[i] <= out->fragments[i - 1]))
            return misses("fragments", err);
    }
    return out->n ? QV_OK : misses("fragments", err);
}

static qv_status parse_numbers(const qv__jsonb_value *object, const char *key, size_t n, int32_t *out, qv_error *err)
{
    qv__jsonb_children children;
    qv__jsonb_value value;
    qv__jsonb_number number;
    size_t length;

    QV_TRY(open_list(object, key, &children, &length, err));
    if (length != n)
        return misses(key, err);
    for (size_t i = 0; i < n; i++) {
        if (!qv__jsonb_next(&children, &value) || !qv__jsonb_number_of(&value, &number) ||
            number.kind == QV_JSONB_FLOAT || (number.kind == QV_JSONB_INT ? number.i < -2 : number.u > INT32_MAX))
            return misses(key, err);
        out[i] = (int32_t) number.i;
    }
    return QV_OK;
}

/* Names are our own: binary and hexadecimal digits. */
static bool is_file_name(const uint8_t *name, size_t len)
{
    if (len < 7 || len >= QV_FILE_NAME_BYTES || memcmp(name + len - 6, ".lance", 6) != 0)
        return false;
    for (size_t i = 0; i + 6 < len; i++)
        if (!((name[i] >= '0' && name[i] <= '9') || (name[i] >= 'a' && name[i] <= 'f')))
            return false;
    return true;
}

static qv_status parse_file(const qv__jsonb_value *object, qv__new_fragment *out, qv_error *err)
{
    qv__file_summary *s = &out->file.summary;
    qv__jsonb_children children;
    qv__jsonb_value path;
    uint64_t major, minor;
    size_t n;

    if (!member(object, "path", &path) || (path.entry & QV_JSONB_ENTRY_MASK) != QV_JSONB_STRING ||
        !is_file_name(path.data, path.len))
        return misses("path", err);
    memcpy(out->file.name, path.data, path.len);
    if (!number_of(object, "rows", MOST_NUMBER, &out->rows) || !out->rows)
        return misses("rows", err);
    if (!number_of(object, "size_bytes", UINT64_MAX, &s->size_bytes))
        return misses("size_bytes", err);
    if (!number_of(object, "major", 2, &major) || !number_of(object, "minor", 2, &minor) || major != 2)
        return misses("major", err);
    s->rows = out->rows;
    s->version = (qv__file_version){ (uint16_t) major, (uint16_t) minor };
    QV_TRY(open_list(object, "field_ids", &children, &n, err));
    QV_TRY(QV_NEW(&s->field_ids, n, err));
    QV_TRY(QV_NEW(&s->columns, n, err));
    s->n = n;
    QV_TRY(parse_numbers(object, "field_ids", n, s->field_ids, err));
    return parse_numbers(object, "columns", n, s->columns, err);
}

static qv_status parse_files(const qv__jsonb_value *root, qv__new_fragments *out, qv_error *err)
{
    qv__jsonb_children children;
    qv__jsonb_value value;
    size_t n;

    QV_TRY(open_list(root, "files", &children, &n, err));
    QV_TRY(QV_NEW(&out->items, n, err));
    for (size_t i = 0; i < n; i++) {
        if (!qv__jsonb_next(&children, &value))
            return misses("files", err);
        out->n++;
        QV_TRY(parse_file(&value, &out->items[i], err));
    }
    return QV_OK;
}

static qv_status parse_root(const char *text, qv__buffer *bytes, qv__jsonb_value *root, qv_error *err)
{
    qv__buffer_init(bytes, MOST_TEXT);
    qv_status st = qv__jsonb_encode((const uint8_t *) text, strlen(text), bytes, err);
    if (st == QV_SCHEMA)
        st = qv__fail_in(err, QV_INVALID, "a compaction task");
    if (st == QV_OK && !qv__jsonb_root(bytes->data, bytes->len, root))
        st = qv__fail(err, QV_INVALID, "a compaction task that is too long");
    return st;
}

qv_status qv__compact_task_parse(const char *text, qv__rewrite_task *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer bytes;
    qv__jsonb_value root;
    qv__rewrite_task task = { 0 };

    QV_CHECK(parse_root(text, &bytes, &root, err));
    QV_CHECK(parse_head(&root, &task, err));
    *out = task;
    task = (qv__rewrite_task){ 0 };
done:
    qv__compact_task_clear(&task);
    qv__buffer_free(&bytes);
    return st;
}

qv_status qv__compact_done_parse(const char *text, qv__rewritten *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer bytes;
    qv__jsonb_value root;
    qv__rewritten done = { 0 };

    QV_CHECK(parse_root(text, &bytes, &root, err));
    QV_CHECK(parse_head(&root, &done.task, err));
    QV_CHECK(parse_files(&root, &done.fragments, err));
    *out = done;
    done = (qv__rewritten){ 0 };
done:
    qv__compact_done_clear(&done);
    qv__buffer_free(&bytes);
    return st;
}

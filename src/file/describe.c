/* The structure of a file as JSON: columns in their order, each with its pages and their encodings in short notation. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "file/lance_schema.h"
#include "file/read/read_private.h"

static qv_status put_string(qv__buffer *out, const char *text, size_t len, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "\""));
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];
        if (c == '"' || c == '\\')
            QV_TRY(qv__buffer_printf(out, err, "\\%c", c));
        else if (c < 32)
            QV_TRY(qv__buffer_printf(out, err, "\\u%04x", c));
        else
            QV_TRY(qv__buffer_append(out, &c, 1, err));
    }
    return qv__buffer_printf(out, err, "\"");
}

static qv_status put_pair(qv__buffer *out, const char *key, const char *value, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "\"%s\":", key));
    return put_string(out, value, strlen(value), err);
}

/* One column of the file, as the field that owns it sees it. */
typedef struct owner {
    const qv__node *node;
    char path[200]; /* dotted name */
} owner;

static void claim(const qv__file *file, const qv__node *node, const char *prefix, owner *owners)
{
    owner self = { .node = node };

    snprintf(self.path, sizeof self.path, "%s%s%s", prefix, *prefix ? "." : "", node->name);
    if (node->meta)
        owners[node->meta - file->columns] = self;
    for (size_t i = 0; i < node->n_children; i++)
        claim(file, &node->children[i], self.path, owners);
}

static qv_status put_encoding(const owner *o, size_t page, qv__buffer *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer text;

    if (!o->node)
        return QV_OK;
    qv__buffer_init(&text, 1 << 20);
    if (o->node->pages)
        QV_CHECK(qv__page21_print(&o->node->pages[page], &text, err));
    else if (o->node->pages20)
        QV_CHECK(qv__encoding20_print(o->node->pages20[page].encoding, &text, err));
    QV_CHECK(qv__buffer_printf(out, err, ",\"encoding\":"));
    QV_CHECK(put_string(out, (const char *) text.data, text.len, err));
done:
    qv__buffer_free(&text);
    return st;
}

static qv_status put_page(const owner *o, const qv__page *page, size_t i, qv__buffer *out, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "%s{\"rows\":%" PRIu64 ",\"buffers\":[", i ? "," : "", page->length));
    for (size_t b = 0; b < page->n_buffers; b++)
        QV_TRY(qv__buffer_printf(out, err, "%s[%" PRIu64 ",%" PRIu64 "]", b ? "," : "", page->buffers[b].at,
                                 page->buffers[b].len));
    QV_TRY(qv__buffer_printf(out, err, "]"));
    QV_TRY(put_encoding(o, i, out, err));
    return qv__buffer_printf(out, err, "}");
}

static qv_status put_column(const qv__file *file, uint32_t i, const owner *o, qv__buffer *out, qv_error *err)
{
    const qv__column_meta *meta = &file->columns[i];
    char type[200];

    QV_TRY(qv__buffer_printf(out, err, "%s{\"column\":%" PRIu32 ",\"rows\":%" PRIu64, i ? "," : "", i, meta->length));
    if (o->node) {
        QV_TRY(qv__buffer_printf(out, err, ","));
        QV_TRY(put_pair(out, "field", o->path, err));
        QV_TRY(qv__buffer_printf(out, err, ","));
        QV_TRY(put_pair(out, "type", qv__type_print(o->node->type, type, sizeof type), err));
    }
    QV_TRY(qv__buffer_printf(out, err, ",\"pages\":["));
    for (size_t p = 0; p < meta->n_pages; p++)
        QV_TRY(put_page(o, &meta->pages[p], p, out, err));
    return qv__buffer_printf(out, err, "]}");
}

/* A column that cannot be opened is described without its encodings; the reason stands beside it. */
static qv_status open_all(qv__file *file, qv__column **columns, owner *owners, qv__buffer *problems, qv_error *err)
{
    for (size_t i = 0; i < file->schema->n_fields; i++) {
        qv_error found = { 0 };
        qv_status st = qv__column_open(file, &file->schema->fields[i], NULL, &columns[i], &found);
        if (st == QV_OK) {
            claim(file, &columns[i]->root, "", owners);
            continue;
        }
        if (st == QV_NOMEM || st == QV_IO) {
            if (err)
                *err = found;
            return st;
        }
        QV_TRY(qv__buffer_printf(problems, err, "%s", problems->len ? "," : ""));
        QV_TRY(put_string(problems, found.message, strlen(found.message), err));
    }
    return QV_OK;
}

static qv_status put_file(qv__file *file, const owner *owners, const qv__buffer *problems, qv__buffer *out,
                          qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "{"));
    QV_TRY(put_pair(out, "name", file->name, err));
    QV_TRY(qv__buffer_printf(out, err,
                             ",\"version\":\"%u.%u\",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"columns\":[",
                             file->version.major, file->version.minor, file->rows, qv__object_size(file->object)));
    for (uint32_t i = 0; i < file->n_columns; i++)
        QV_TRY(put_column(file, i, &owners[i], out, err));
    QV_TRY(qv__buffer_printf(out, err, "]"));
    if (problems->len) {
        QV_TRY(qv__buffer_printf(out, err, ",\"problems\":["));
        QV_TRY(qv__buffer_append(out, problems->data, problems->len, err));
        QV_TRY(qv__buffer_printf(out, err, "]"));
    }
    return qv__buffer_printf(out, err, "}");
}

qv_status qv__file_describe(qv__file *file, qv__buffer *json, qv_error *err)
{
    qv_status st = QV_OK;
    qv__column **columns = NULL;
    owner *owners = NULL;
    qv__buffer problems;

    qv__buffer_init(&problems, 1 << 24);
    QV_CHECK(QV_NEW(&columns, file->schema->n_fields + 1, err));
    QV_CHECK(QV_NEW(&owners, (size_t) file->n_columns + 1, err));
    QV_CHECK(open_all(file, columns, owners, &problems, err));
    QV_CHECK(put_file(file, owners, &problems, json, err));
done:
    for (size_t i = 0; columns && i < file->schema->n_fields; i++)
        qv__column_free(columns[i]);
    qv__free(columns);
    qv__free(owners);
    qv__buffer_free(&problems);
    return st;
}

/* The primary key: which fields it consists of stands in their metadata, where other writers look for it too; that Quiver enforces
 * it is a key of the table's config. */
#include <stdlib.h>
#include <strings.h>

#include "table/table_private.h"

#define KEY_PRIMARY          "lance-schema:unenforced-primary-key"
#define KEY_PRIMARY_POSITION "lance-schema:unenforced-primary-key:position"

typedef struct part {
    const qv__field *field;
    uint64_t position; /* 0: by id */
} part;

typedef struct parts {
    part *items;
    size_t n, capacity;
} parts;

static uint64_t position_of(const qv__field *field)
{
    size_t len;
    const char *text = qv__metadata_get(&field->metadata, KEY_PRIMARY_POSITION, &len);
    uint64_t position = 0;

    for (size_t i = 0; text && i < len && i < 9 && text[i] >= '0' && text[i] <= '9'; i++)
        position = position * 10 + (uint64_t) (text[i] - '0');
    return position;
}

static bool is_marked(const qv__field *field)
{
    size_t len;
    const char *mark = qv__metadata_get(&field->metadata, KEY_PRIMARY, &len);

    return mark && len == 4 && strncasecmp(mark, "true", 4) == 0;
}

static qv_status collect(const qv__field *fields, size_t n, parts *out, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t position = position_of(&fields[i]);
        if (position || is_marked(&fields[i])) {
            QV_TRY(QV_GROW(&out->items, &out->capacity, out->n + 1, err));
            out->items[out->n++] = (part){ &fields[i], position };
        }
        QV_TRY(collect(fields[i].type->children, fields[i].type->n_children, out, err));
    }
    return QV_OK;
}

static int compare_parts(const void *a, const void *b)
{
    const part *x = a, *y = b;

    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return (x->field->id > y->field->id) - (x->field->id < y->field->id);
}

qv_status qv__snapshot_primary_key(const qv__snapshot *snapshot, const qv__field ***fields, size_t *n, bool *enforced,
                                   qv_error *err)
{
    qv_status st = QV_OK;
    parts found = { 0 };
    const qv__field **list = NULL;
    const char *is_enforced = qv__snapshot_config(snapshot, QV_KEY_ENFORCED);

    QV_CHECK(collect(snapshot->schema->fields, snapshot->schema->n_fields, &found, err));
    if (found.n)
        qsort(found.items, found.n, sizeof *found.items, compare_parts);
    QV_CHECK(QV_NEW(&list, found.n, err));
    for (size_t i = 0; i < found.n; i++)
        list[i] = found.items[i].field;
    *fields = list;
    *n = found.n;
    *enforced = found.n && is_enforced && strcmp(is_enforced, "true") == 0;
done:
    qv__free(found.items);
    return st;
}

/* Tags: names for versions, one small JSON file each below _refs/tags/ of the table's root. Those of other branches point at
 * versions of other folders and are not ours. */
#include <stdio.h>
#include <stdlib.h>

#include "table/table_private.h"

#define FOLDER        "_refs/tags"
#define MAX_TAG_BYTES (1 << 20)

typedef struct names {
    char **items;
    size_t n, capacity;
} names;

static qv_status add_name(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    names *list = ctx;
    size_t len = strlen(name);

    QV_UNUSED(size);
    if (is_folder || len <= 5 || strcmp(name + len - 5, ".json") != 0)
        return QV_OK;
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n + 1, err));
    list->items[list->n] = qv__strndup(name, len - 5);
    if (!list->items[list->n])
        return qv__fail_nomem(err, len);
    list->n++;
    return QV_OK;
}

/* *is_ours false: the tag of another branch. */
static qv_status parse_tag(const qv__bytes *text, uint64_t *version, bool *is_ours, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer document;
    qv__jsonb_value value;

    qv__buffer_init(&document, SIZE_MAX);
    st = qv__jsonb_encode(text->data, text->len, &document, err);
    if (st == QV_SCHEMA)
        st = qv__fail_in(err, QV_CORRUPT, "tag");
    QV_CHECK(st);
    if (!qv__jsonb_find(document.data, document.len, "version", &value) || !qv__jsonb_u64(&value, version))
        QV_CHECK(qv__fail(err, QV_CORRUPT, "no version number"));
    *is_ours = !qv__jsonb_find(document.data, document.len, "branch", &value) || value.entry == QV_JSONB_NULL;
done:
    qv__buffer_free(&document);
    return st;
}

static qv_status read_tag(qv__store *table, const char *name, uint64_t *version, bool *is_ours, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes text = { 0 };
    size_t len = strlen(name) + sizeof FOLDER + 8;
    char *path;

    QV_TRY(QV_NEW(&path, len, err));
    snprintf(path, len, FOLDER "/%s.json", name);
    QV_CHECK(qv__store_get(table, path, MAX_TAG_BYTES, &text, err));
    QV_CHECK(parse_tag(&text, version, is_ours, err));
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "%s", path);
    qv__bytes_unref(&text);
    qv__free(path);
    return st;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }

/* The first n names move into *out. */
static qv_status pack_tags(char **list, const uint64_t *versions, size_t n, qv_tags **out, qv_error *err)
{
    qv_tags *tags;

    QV_TRY(QV_NEW(&tags, 1, err));
    qv_status st = QV_NEW(&tags->tags, n, err);
    if (st != QV_OK) {
        qv__free(tags);
        return st;
    }
    tags->n = n;
    for (size_t i = 0; i < n; i++) {
        tags->tags[i] = (qv_tag_info){ .name = list[i], .version = versions[i] };
        list[i] = NULL;
    }
    *out = tags;
    return QV_OK;
}

qv_status qv__list_tags(qv__store *table, qv_tags **out, qv_error *err)
{
    qv_status st = QV_OK;
    names list = { 0 };
    uint64_t *versions = NULL;
    size_t kept = 0;

    QV_CHECK(qv__store_list(table, FOLDER, add_name, &list, err));
    if (list.n)
        qsort(list.items, list.n, sizeof *list.items, compare_names);
    QV_CHECK(QV_NEW(&versions, list.n, err));
    for (size_t i = 0; i < list.n; i++) {
        bool is_ours = false;
        st = read_tag(table, list.items[i], &versions[kept], &is_ours, err);
        if (st == QV_NOT_FOUND) /* deleted since the listing */
            continue;
        QV_CHECK(st);
        if (is_ours) {
            char *name = list.items[kept];
            list.items[kept++] = list.items[i];
            list.items[i] = name;
        }
    }
    QV_CHECK(pack_tags(list.items, versions, kept, out, err));
done:
    for (size_t i = 0; i < list.n; i++)
        qv__free(list.items[i]);
    qv__free(list.items);
    qv__free(versions);
    return st;
}

/* Names of tags and branches, and the files that they have in _refs/. */
#include <stdio.h>
#include <stdlib.h>

#include "table/refs_private.h"

#define SUFFIX         ".json"
#define SUFFIX_LEN     5
#define MAX_NAME_BYTES 200 /* with "%2F" for '/', and the suffix, still the name of a file */

bool qv__is_main(const char *branch) { return !branch || strcmp(branch, "main") == 0; }

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static qv_status check_length(const char *name, qv_error *err)
{
    size_t len = strlen(name);

    for (const char *c = name; *c; c++)
        len += *c == '/' ? 2 : 0;
    if (len > MAX_NAME_BYTES)
        return qv__fail(err, QV_INVALID, "Ref is invalid: \"%.40s...\" has %zu bytes, at most %d are allowed", name,
                        len, MAX_NAME_BYTES);
    return QV_OK;
}

qv_status qv__tag_name_check(const char *name, qv_error *err)
{
    if (!name || !*name)
        return qv__fail(err, QV_INVALID, "Ref is invalid: Ref cannot be empty");
    QV_TRY(check_length(name, err));
    for (const char *c = name; *c; c++)
        if (!is_letter(*c))
            return qv__fail(err, QV_INVALID,
                            "Ref is invalid: Ref characters must be either alphanumeric, '.', '-' or '_': \"%s\"",
                            name);
    if (name[0] == '.')
        return qv__fail(err, QV_INVALID, "Ref is invalid: Ref cannot begin with a dot: \"%s\"", name);
    if (ends_with(name, "."))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Ref cannot end with a dot: \"%s\"", name);
    if (ends_with(name, ".lock"))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Ref cannot end with .lock: \"%s\"", name);
    if (strstr(name, ".."))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Ref cannot have two consecutive dots: \"%s\"", name);
    return QV_OK;
}

static qv_status check_segments(const char *name, qv_error *err)
{
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/");
        bool known = !(len == 1 && part[0] == '.');
        for (size_t i = 0; i < len; i++)
            known = known && is_letter(part[i]);
        if (!known)
            return qv__fail(
                err, QV_INVALID,
                "Ref is invalid: Branch segment '%.*s' contains invalid characters. Only alphanumeric, '.', "
                "'-', '_' are allowed.",
                (int) len, part);
        part += len;
        if (!*part)
            return QV_OK;
    }
}

qv_status qv__branch_name_check(const char *name, qv_error *err)
{
    if (!name || !*name)
        return qv__fail(err, QV_INVALID, "Ref is invalid: branch name must be a non-empty string");
    QV_TRY(check_length(name, err));
    if (qv__is_main(name))
        return qv__fail(
            err, QV_INVALID,
            "Ref is invalid: branch name \"main\" is reserved for the default branch; use a different branch name");
    if (name[0] == '/' || ends_with(name, "/"))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Branch name cannot start or end with a '/': \"%s\"", name);
    if (strstr(name, "//"))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Branch name cannot contain consecutive '/': \"%s\"", name);
    if (strstr(name, "..") || strchr(name, '\\'))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Branch name cannot contain '..' or '\\': \"%s\"", name);
    if (ends_with(name, ".lock"))
        return qv__fail(err, QV_INVALID, "Ref is invalid: Branch name cannot end with '.lock': \"%s\"", name);
    return check_segments(name, err);
}

/* ------------------------------------------------------------------ files */

qv_status qv__ref_path(const char *folder, const char *name, char **out, qv_error *err)
{
    size_t at = strlen(folder), len = at + 3 * strlen(name) + SUFFIX_LEN + 2;
    char *path;

    QV_TRY(QV_NEW(&path, len, err));
    memcpy(path, folder, at);
    path[at++] = '/';
    for (const char *c = name; *c; c++) {
        if (*c == '/') {
            memcpy(path + at, "%2F", 3);
            at += 3;
        } else {
            path[at++] = *c;
        }
    }
    memcpy(path + at, SUFFIX, SUFFIX_LEN + 1);
    *out = path;
    return QV_OK;
}

static void decode_slashes(char *name)
{
    char *to = name;

    for (const char *from = name; *from; to++) {
        bool is_slash = from[0] == '%' && from[1] == '2' && (from[2] == 'F' || from[2] == 'f');
        *to = is_slash ? '/' : *from;
        from += is_slash ? 3 : 1;
    }
    *to = 0;
}

static qv_status add_name(void *ctx, const char *name, uint64_t size, bool is_folder, qv_error *err)
{
    qv__name_list *list = ctx;
    size_t len = strlen(name);

    QV_UNUSED(size);
    if (is_folder || len <= SUFFIX_LEN || !ends_with(name, SUFFIX))
        return QV_OK;
    QV_TRY(QV_GROW(&list->items, &list->capacity, list->n + 1, err));
    list->items[list->n] = qv__strndup(name, len - SUFFIX_LEN);
    if (!list->items[list->n])
        return qv__fail_nomem(err, len);
    decode_slashes(list->items[list->n++]);
    return QV_OK;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }

qv_status qv__ref_names(qv__store *root, const char *folder, qv__name_list *out, qv_error *err)
{
    qv__name_list list = { 0 };
    qv_status st = qv__store_list(root, folder, add_name, &list, err);

    if (st != QV_OK) {
        qv__name_list_clear(&list);
        return st;
    }
    if (list.n)
        qsort(list.items, list.n, sizeof *list.items, compare_names);
    *out = list;
    return QV_OK;
}

void qv__name_list_clear(qv__name_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        qv__free(list->items[i]);
    qv__free(list->items);
    *list = (qv__name_list){ 0 };
}

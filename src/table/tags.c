/* Tags: names for versions, one small JSON file each below _refs/tags/ of the root table, whatever branch the version is of.
 *
 * A tag is put before its version is looked up, and clean-up reads the tags again after it took versions away: so either the
 * tag's maker sees that the version is gone, or clean-up sees the tag and puts the version back. */
#include <inttypes.h>
#include <stdio.h>

#include "table/refs_private.h"

typedef struct tag {
    char *branch; /* NULL: main */
    uint64_t version, manifest_bytes;
    char *created, *metadata; /* as stored; NULL: absent */
} tag;

static void tag_clear(tag *t)
{
    qv__free(t->branch);
    qv__free(t->created);
    qv__free(t->metadata);
    *t = (tag){ 0 };
}

static qv_status tag_read(qv__store *root, const char *name, tag *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer document;
    tag t = { 0 };

    qv__buffer_init(&document, SIZE_MAX);
    QV_CHECK(qv__ref_read(root, QV_TAGS_FOLDER, name, &document, err));
    if (!qv__ref_number(&document, "version", &t.version) || !t.version)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "no version number"));
    qv__ref_number(&document, "manifestSize", &t.manifest_bytes);
    QV_CHECK(qv__ref_string(&document, "branch", &t.branch, err));
    QV_CHECK(qv__ref_string(&document, "createdAt", &t.created, err));
    QV_CHECK(qv__ref_json(&document, "metadata", &t.metadata, err));
    *out = t;
    t = (tag){ 0 };
done:
    if (st != QV_OK)
        qv__fail_in(err, st, "tag \"%s\"", name);
    tag_clear(&t);
    qv__buffer_free(&document);
    return st;
}

static qv_status tag_print(const tag *t, qv__buffer *out, qv_error *err)
{
    char now[40];

    qv__ref_time(qv__now_utc_ns(), now);
    QV_TRY(qv__buffer_printf(out, err, "{\n  \"branch\": "));
    QV_TRY(qv__ref_append_string(out, t->branch, err));
    QV_TRY(qv__buffer_printf(out, err, ",\n  \"version\": %" PRIu64 ",\n  \"createdAt\": ", t->version));
    QV_TRY(qv__ref_append_string(out, t->created ? t->created : now, err));
    return qv__buffer_printf(out, err,
                             ",\n  \"updatedAt\": \"%s\",\n  \"manifestSize\": %" PRIu64 ",\n  \"metadata\": %s\n}",
                             now, t->manifest_bytes, t->metadata ? t->metadata : "{}");
}

static qv_status tag_put(qv__store *root, const char *name, const tag *t, qv__put_mode mode, qv_error *err)
{
    qv_status st = QV_OK;
    char *path = NULL;
    qv__buffer text;

    qv__buffer_init(&text, SIZE_MAX);
    QV_CHECK(qv__ref_path(QV_TAGS_FOLDER, name, &path, err));
    QV_CHECK(tag_print(t, &text, err));
    st = qv__store_put(root, path, text.data, text.len, mode, err);
    if (st == QV_EXISTS)
        st = qv__fail(err, QV_EXISTS, "Ref conflict error: tag %s already exists", name);
done:
    qv__buffer_free(&text);
    qv__free(path);
    return st;
}

static qv_status tag_remove(qv__store *root, const char *name, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__ref_path(QV_TAGS_FOLDER, name, &path, err));
    qv_status st = qv__store_delete(root, path, err);
    qv__free(path);
    return st;
}

/* ------------------------------------------------------------------ one tag */

static qv_status missing(const char *name, qv_error *err)
{
    return qv__fail(err, QV_NOT_FOUND, "Ref not found error: tag %s does not exist", name);
}

static qv_status find_version(qv__store *root, const char *branch, uint64_t version, uint64_t *bytes, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *line = NULL;
    qv__names names;

    st = qv__branch_store(root, branch, &line, err);
    if (st == QV_OK)
        st = qv__version_find(line, version, &names, bytes, err);
    qv__store_unref(line);
    return st == QV_NOT_FOUND
               ? qv__fail(err, QV_NOT_FOUND, "Version not found error: version %s:%" PRIu64 " does not exist",
                          branch ? branch : "main", version)
               : st;
}

qv_status qv__tag_create(qv__store *root, const char *branch, const char *name, uint64_t version, qv_error *err)
{
    tag t = { .version = version };
    uint64_t bytes;

    QV_TRY(qv__tag_name_check(name, err));
    t.branch = qv__is_main(branch) ? NULL : (char *) (uintptr_t) branch; /* only printed */
    QV_TRY(find_version(root, t.branch, version, &t.manifest_bytes, err));
    QV_TRY(tag_put(root, name, &t, QV_PUT_IF_ABSENT, err));
    qv_status st = find_version(root, t.branch, version, &bytes, err);
    if (st != QV_OK) /* cleaned up in between, or nobody knows */
        tag_remove(root, name, NULL);
    return st;
}

qv_status qv__tag_update(qv__store *root, const char *branch, const char *name, uint64_t version, qv_error *err)
{
    tag old = { 0 }, t = { .version = version };
    uint64_t bytes;
    qv_status st = QV_OK;

    QV_TRY(qv__tag_name_check(name, err));
    st = tag_read(root, name, &old, err);
    if (st == QV_NOT_FOUND)
        return missing(name, err);
    QV_CHECK(st);
    t.branch = qv__is_main(branch) ? NULL : (char *) (uintptr_t) branch;
    t.created = old.created;
    t.metadata = old.metadata;
    QV_CHECK(find_version(root, t.branch, version, &t.manifest_bytes, err));
    QV_CHECK(tag_put(root, name, &t, QV_PUT_REPLACE, err));
    st = find_version(root, t.branch, version, &bytes, err);
    if (st != QV_OK)
        tag_put(root, name, &old, QV_PUT_REPLACE, NULL);
done:
    tag_clear(&old);
    return st;
}

qv_status qv__tag_delete(qv__store *root, const char *name, qv_error *err)
{
    QV_TRY(qv__tag_name_check(name, err));
    qv_status st = tag_remove(root, name, err);
    return st == QV_NOT_FOUND ? missing(name, err) : st;
}

qv_status qv__tag_find(qv__store *root, const char *name, char **branch, uint64_t *version, qv_error *err)
{
    tag t;

    QV_TRY(qv__tag_name_check(name, err));
    qv_status st = tag_read(root, name, &t, err);
    if (st == QV_NOT_FOUND)
        return missing(name, err);
    QV_TRY(st);
    *version = t.version;
    *branch = t.branch;
    t.branch = NULL;
    tag_clear(&t);
    return QV_OK;
}

qv_status qv__version_hold(qv__store *root, const char *branch, uint64_t version, char name[QV_HOLD_BYTES],
                           qv_error *err)
{
    uint8_t uuid[16];
    char text[37];

    QV_TRY(qv__uuid_new(uuid, err));
    qv__uuid_print(uuid, text);
    snprintf(name, QV_HOLD_BYTES, "quiver-hold-%s", text);
    return qv__tag_create(root, branch, name, version, err);
}

/* ------------------------------------------------------------------ all tags */

void qv__tags_free(qv_tags *tags)
{
    if (!tags)
        return;
    for (size_t i = 0; i < tags->n; i++) {
        qv__free((char *) (uintptr_t) tags->tags[i].name);
        qv__free((char *) (uintptr_t) tags->tags[i].branch);
    }
    qv__free(tags->tags);
    qv__free(tags);
}

qv_status qv__list_tags(qv__store *root, qv_tags **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__name_list names = { 0 };
    qv_tags *tags = NULL;

    QV_CHECK(qv__ref_names(root, QV_TAGS_FOLDER, &names, err));
    QV_CHECK(QV_NEW(&tags, 1, err));
    QV_CHECK(QV_NEW(&tags->tags, names.n, err));
    for (size_t i = 0; i < names.n; i++) {
        tag t;
        st = tag_read(root, names.items[i], &t, err);
        if (st == QV_NOT_FOUND) /* deleted since the listing */
            continue;
        QV_CHECK(st);
        tags->tags[tags->n++] = (qv_tag_info){ names.items[i], t.version, t.branch, t.manifest_bytes };
        names.items[i] = NULL;
        t.branch = NULL;
        tag_clear(&t);
    }
    st = QV_OK;
    *out = tags;
    tags = NULL;
done:
    qv__tags_free(tags);
    qv__name_list_clear(&names);
    return st;
}

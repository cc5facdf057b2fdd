/* Branches: lines of versions of their own in tree/<name>/, each a shallow clone of the version that it began with, and one JSON
 * file each below _refs/branches/ of the root table.
 *
 * The file comes first. It claims the name, so one of several makers wins, and it tells clean-up to leave the parent's version
 * alone; then the parent's version is looked up once more, and only then the clone is published. What a crash leaves is a branch
 * without versions, which can be deleted. Deletion goes the other way round: the file, then the folder. */
#include <inttypes.h>
#include <stdio.h>

#include "table/refs_clone.h"

typedef struct branch {
    char *parent; /* NULL: main */
    uint64_t parent_version, created_s, manifest_bytes;
    char *mapping; /* of the identifier, JSON: [[version, "32 hexadecimal digits"], ...]; NULL: none is stored */
} branch;

static void branch_clear(branch *b)
{
    qv__free(b->parent);
    qv__free(b->mapping);
    *b = (branch){ 0 };
}

static qv_status read_mapping(const qv__buffer *document, char **out, qv_error *err)
{
    qv__jsonb_value value;

    *out = NULL;
    if (!qv__jsonb_find(document->data, document->len, "identifier", &value) ||
        (value.entry & QV_JSONB_ENTRY_MASK) != QV_JSONB_CONTAINER)
        return QV_OK;
    qv__buffer identifier = { .data = (uint8_t *) (uintptr_t) value.data, .len = value.len }; /* borrowed, only read */
    QV_TRY(qv__ref_json(&identifier, "version_mapping", out, err));
    if (*out && (*out)[0] != '[') {
        qv__free(*out);
        *out = NULL;
        return qv__fail(err, QV_CORRUPT, "the identifier's version mapping is no array");
    }
    return QV_OK;
}

static qv_status missing(const char *name, qv_error *err)
{
    return qv__fail(err, QV_NOT_FOUND, "Ref not found error: Branch %s does not exist", name);
}

static qv_status branch_read(qv__store *root, const char *name, branch *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer document;
    branch b = { 0 };

    qv__buffer_init(&document, SIZE_MAX);
    st = qv__ref_read(root, QV_BRANCHES_FOLDER, name, &document, err);
    if (st == QV_NOT_FOUND)
        st = missing(name, err);
    QV_CHECK(st);
    if (!qv__ref_number(&document, "parentVersion", &b.parent_version) || !b.parent_version)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "branch \"%s\": no parent version", name));
    qv__ref_number(&document, "createAt", &b.created_s);
    qv__ref_number(&document, "manifestSize", &b.manifest_bytes);
    QV_CHECK(qv__ref_string(&document, "parentBranch", &b.parent, err));
    QV_CHECK(read_mapping(&document, &b.mapping, err));
    *out = b;
    b = (branch){ 0 };
done:
    branch_clear(&b);
    qv__buffer_free(&document);
    return st;
}

/* The parent's identifier and one more pair. */
static qv_status append_identifier(const branch *b, qv__buffer *out, qv_error *err)
{
    const char *before = b->mapping ? b->mapping : "[]";
    size_t len = strlen(before) - 1;
    uint8_t uuid[16];
    char text[37];

    QV_TRY(qv__uuid_new(uuid, err));
    qv__uuid_print(uuid, text);
    QV_TRY(qv__buffer_append(out, before, len, err));
    return qv__buffer_printf(out, err, "%s[%" PRIu64 ",\"%.8s%.4s%.4s%.4s%.12s\"]]", len > 1 ? "," : "",
                             b->parent_version, text, text + 9, text + 14, text + 19, text + 24);
}

static qv_status branch_print(const branch *b, qv__buffer *out, qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, "{\n  \"parentBranch\": "));
    QV_TRY(qv__ref_append_string(out, b->parent, err));
    QV_TRY(qv__buffer_printf(out, err, ",\n  \"identifier\": {\n    \"version_mapping\": "));
    QV_TRY(append_identifier(b, out, err));
    return qv__buffer_printf(out, err,
                             "\n  },\n  \"parentVersion\": %" PRIu64 ",\n  \"createAt\": %" PRIu64
                             ",\n  \"manifestSize\": %" PRIu64 ",\n  \"metadata\": {}\n}",
                             b->parent_version, b->created_s, b->manifest_bytes);
}

static qv_status file_put(qv__store *root, const char *name, const void *text, size_t len, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__ref_path(QV_BRANCHES_FOLDER, name, &path, err));
    qv_status st = qv__store_put(root, path, text, len, QV_PUT_IF_ABSENT, err);
    qv__free(path);
    return st == QV_EXISTS ? qv__fail(err, QV_EXISTS, "Ref conflict error: branch %s already exists", name) : st;
}

static qv_status file_delete(qv__store *root, const char *name, qv_error *err)
{
    char *path = NULL;

    QV_TRY(qv__ref_path(QV_BRANCHES_FOLDER, name, &path, err));
    qv_status st = qv__store_delete(root, path, err);
    qv__free(path);
    return st;
}

/* ------------------------------------------------------------------ folders */

static qv_status open_folder(qv__store *root, const char *name, qv__store **out, qv_error *err)
{
    size_t len = sizeof QV_TREE_FOLDER + strlen(name) + 1;
    char *path;

    QV_TRY(QV_NEW(&path, len, err));
    snprintf(path, len, QV_TREE_FOLDER "/%s", name);
    qv_status st = qv__store_sub(root, path, out, err);
    qv__free(path);
    return st;
}

qv_status qv__branch_store(qv__store *root, const char *name, qv__store **out, qv_error *err)
{
    branch b;

    if (qv__is_main(name)) {
        *out = qv__store_ref(root);
        return QV_OK;
    }
    QV_TRY(qv__branch_name_check(name, err));
    QV_TRY(branch_read(root, name, &b, err));
    branch_clear(&b);
    return open_folder(root, name, out, err);
}

typedef struct folder_removal {
    qv__store *folder;
    const char *name;
    const qv__name_list *others; /* branches whose folders may lie in this one: "feat/x" in that of "feat" */
} folder_removal;

static qv_status remove_child(void *ctx, const char *child, uint64_t size, bool is_folder, qv_error *err)
{
    folder_removal *r = ctx;
    size_t len = strlen(r->name), child_len = strlen(child);

    QV_UNUSED(size);
    for (size_t i = 0; i < r->others->n; i++) {
        const char *other = r->others->items[i];
        bool is_below = strncmp(other, r->name, len) == 0 && other[len] == '/' &&
                        strncmp(other + len + 1, child, child_len) == 0 &&
                        (other[len + 1 + child_len] == '/' || other[len + 1 + child_len] == 0);
        if (is_below)
            return QV_OK;
    }
    qv_status st = is_folder ? qv__store_delete_tree(r->folder, child, err) : qv__store_delete(r->folder, child, err);
    return st == QV_NOT_FOUND ? QV_OK : st;
}

static qv_status remove_folder(qv__store *root, const char *name, qv_error *err)
{
    qv_status st = QV_OK;
    folder_removal r = { .name = name };
    qv__name_list others = { 0 };

    QV_CHECK(qv__ref_names(root, QV_BRANCHES_FOLDER, &others, err));
    r.others = &others;
    QV_CHECK(open_folder(root, name, &r.folder, err));
    QV_CHECK(qv__store_list(r.folder, "", remove_child, &r, err));
done:
    qv__store_unref(r.folder);
    qv__name_list_clear(&others);
    return st;
}

/* ------------------------------------------------------------------ creation */

static qv_status no_source(const char *name, uint64_t version, qv_error *err)
{
    return qv__fail(err, QV_NOT_FOUND, "Version not found error: version %s:%" PRIu64 " does not exist",
                    qv__is_main(name) ? "main" : name, version);
}

typedef struct source {
    const char *name; /* NULL: main */
    qv__store *store;
    uint64_t version;
    char *mapping; /* of the branch's identifier */
} source;

static qv_status open_source(qv__store *root, const char *name, uint64_t version, source *out, qv_error *err)
{
    qv_status st = QV_OK;
    branch b = { 0 };

    out->name = qv__is_main(name) ? NULL : name;
    out->version = version;
    if (out->name)
        QV_CHECK(branch_read(root, out->name, &b, err));
    out->mapping = b.mapping;
    b.mapping = NULL;
    QV_CHECK(qv__branch_store(root, out->name, &out->store, err));
    if (!version)
        QV_CHECK(qv__latest_version(out->store, &out->version, err));
    if (!out->version)
        st = no_source(name, 0, err);
done:
    branch_clear(&b);
    return st;
}

/* The claim is made: the source is looked up (again), and cloned. */
static qv_status publish(qv__store *root, const char *name, const source *from, qv__store *to, qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *manifest = NULL;
    qv__store *again = NULL;

    QV_CHECK(remove_folder(root, name, err)); /* of an earlier branch whose deletion was cut off */
    st = qv__branch_store(root, from->name, &again, err);
    if (st == QV_OK)
        st = qv__version_load(from->store, from->version, &manifest, err);
    if (st == QV_NOT_FOUND)
        st = no_source(from->name, from->version, err);
    QV_CHECK(st);
    qv__clone spec = { manifest, from->name, qv__store_uri(from->store), name };
    QV_CHECK(qv__clone_write(&spec, to, err));
done:
    qv__store_unref(again);
    qv__manifest_free(manifest);
    return st;
}

static qv_status claim(qv__store *root, const char *name, const source *from, qv_error *err)
{
    qv_status st = QV_OK;
    branch b = { .parent = (char *) (uintptr_t) from->name, /* only printed */
                 .parent_version = from->version,
                 .created_s = (uint64_t) (qv__now_utc_ns() / 1000000000),
                 .mapping = from->mapping };
    qv__names names;
    qv__buffer text;

    qv__buffer_init(&text, SIZE_MAX);
    st = qv__version_find(from->store, from->version, &names, &b.manifest_bytes, err);
    if (st == QV_NOT_FOUND)
        st = no_source(from->name, from->version, err);
    QV_CHECK(st);
    QV_CHECK(branch_print(&b, &text, err));
    QV_CHECK(file_put(root, name, text.data, text.len, err));
done:
    qv__buffer_free(&text);
    return st;
}

qv_status qv__branch_create(qv__store *root, const char *name, const char *from_branch, uint64_t from_version,
                            qv__store **out, qv_error *err)
{
    qv_status st = QV_OK;
    source from = { 0 };
    qv__store *to = NULL;

    QV_TRY(qv__branch_name_check(name, err));
    QV_CHECK(open_source(root, from_branch, from_version, &from, err));
    QV_CHECK(open_folder(root, name, &to, err));
    QV_CHECK(claim(root, name, &from, err));
    st = publish(root, name, &from, to, err);
    if (st != QV_OK) {
        file_delete(root, name, NULL);
        goto done;
    }
    *out = to;
    to = NULL;
done:
    qv__store_unref(to);
    qv__store_unref(from.store);
    qv__free(from.mapping);
    return st;
}

/* ------------------------------------------------------------------ deletion */

static qv_status check_unused(qv__store *root, const char *name, qv_error *err)
{
    qv_status st = QV_OK;
    qv_branches *branches = NULL;
    qv_tags *tags = NULL;

    QV_CHECK(qv__list_tags(root, &tags, err));
    for (size_t i = 0; i < tags->n; i++)
        if (tags->tags[i].branch && strcmp(tags->tags[i].branch, name) == 0)
            QV_CHECK(qv__fail(err, QV_CONFLICT,
                              "Ref conflict error: Branch %s is referenced by tags [(\"%s\", %" PRIu64
                              ")], can not delete",
                              name, tags->tags[i].name, tags->tags[i].version));
    QV_CHECK(qv__list_branches(root, &branches, err));
    for (size_t i = 0; i < branches->n; i++) {
        const qv_branch_info *other = &branches->branches[i];
        if (other->parent_branch && strcmp(other->parent_branch, name) == 0)
            QV_CHECK(qv__fail(err, QV_CONFLICT,
                              "Ref conflict error: Branch %s is referenced by [(\"%s\", %" PRIu64
                              ")] versions, can not delete",
                              name, other->name, other->parent_version));
    }
done:
    qv__tags_free(tags);
    qv__branches_free(branches);
    return st;
}

qv_status qv__branch_delete(qv__store *root, const char *name, qv_error *err)
{
    qv_status st = QV_OK;
    qv__bytes file = { 0 };
    char *path = NULL;

    QV_TRY(qv__branch_name_check(name, err));
    QV_CHECK(check_unused(root, name, err));
    QV_CHECK(qv__ref_path(QV_BRANCHES_FOLDER, name, &path, err));
    st = qv__store_get(root, path, UINT32_MAX, &file, err);
    if (st == QV_OK)
        st = qv__store_delete(root, path, err);
    if (st == QV_NOT_FOUND)
        st = missing(name, err);
    QV_CHECK(st);
    st = check_unused(root, name, err); /* a child whose maker did not see the file go */
    if (st != QV_OK) {
        qv__store_put(root, path, file.data, file.len, QV_PUT_IF_ABSENT, NULL);
        goto done;
    }
    QV_CHECK(remove_folder(root, name, err));
done:
    qv__bytes_unref(&file);
    qv__free(path);
    return st;
}

/* ------------------------------------------------------------------ all branches */

void qv__branches_free(qv_branches *branches)
{
    if (!branches)
        return;
    for (size_t i = 0; i < branches->n; i++) {
        qv__free((char *) (uintptr_t) branches->branches[i].name);
        qv__free((char *) (uintptr_t) branches->branches[i].parent_branch);
    }
    qv__free(branches->branches);
    qv__free(branches);
}

qv_status qv__list_branches(qv__store *root, qv_branches **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__name_list names = { 0 };
    qv_branches *branches = NULL;

    QV_CHECK(qv__ref_names(root, QV_BRANCHES_FOLDER, &names, err));
    QV_CHECK(QV_NEW(&branches, 1, err));
    QV_CHECK(QV_NEW(&branches->branches, names.n, err));
    for (size_t i = 0; i < names.n; i++) {
        branch b;
        st = branch_read(root, names.items[i], &b, err);
        if (st == QV_NOT_FOUND) /* deleted since the listing */
            continue;
        QV_CHECK(st);
        branches->branches[branches->n++] =
            (qv_branch_info){ names.items[i], b.parent, b.parent_version, (int64_t) b.created_s, b.manifest_bytes };
        names.items[i] = NULL;
        b.parent = NULL;
        branch_clear(&b);
    }
    st = QV_OK;
    *out = branches;
    branches = NULL;
done:
    qv__branches_free(branches);
    qv__name_list_clear(&names);
    return st;
}

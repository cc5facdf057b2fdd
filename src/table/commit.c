/* The commit protocol.
 *
 *   1. data files are durable (write.c)
 *   2. the transaction file is written
 *   3. versions newer than the one that the change was made for are read, and their transactions held against ours
 *   4. the manifest is built on the newest version and put under the next number, only if that is free
 *   5. taken: back to 3, after a pause that grows and is random, so that writers spread out
 *   6. the version hint, best effort
 *
 * Everything that can fail for lack of memory happens before step 4, so a commit that took place is also reported as such. When
 * the put fails in a way that leaves open whether it took place, the stored transaction's uuid tells. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "table/table_private.h"

#define MIN_ATTEMPTS       20
#define OVERWRITE_LIMIT_NS (INT64_C(30) * 1000000000)
#define APPEND_LIMIT_NS    (INT64_C(600) * 1000000000)
#define MAX_PAUSE_NS       (INT64_C(100) * 1000000)

typedef struct commit {
    qv__store *table;
    const qv__change *change;
    qv__snapshot *base;     /* NULL: create */
    qv__manifest *fresh;    /* the newest manifest when it is not the base's */
    uint64_t read_version;  /* of our transaction */
    qv__buffer transaction; /* packed */
    char transaction_path[QV_NAME_BYTES + sizeof QV_TRANSACTIONS_FOLDER];
    bool has_file; /* the transaction file lies there */
    uint64_t random;
} commit;

static const qv__manifest *newest(const commit *c) { return c->fresh ? c->fresh : c->base ? c->base->manifest : NULL; }

/* ------------------------------------------------------------------ our transaction */

static void drop_transaction(commit *c)
{
    if (c->has_file)
        qv__store_delete(c->table, c->transaction_path, NULL);
    c->has_file = false;
}

static qv_status write_transaction(commit *c, uint64_t read_version, qv_error *err)
{
    char name[QV_NAME_BYTES];

    drop_transaction(c);
    c->read_version = read_version;
    c->transaction.len = 0;
    QV_TRY(qv__change_transaction(c->change, read_version, &c->transaction, err));
    qv__transaction_name(read_version, c->change->uuid, name);
    snprintf(c->transaction_path, sizeof c->transaction_path, QV_TRANSACTIONS_FOLDER "/%s", name);
    QV_TRY(qv__store_put(c->table, c->transaction_path, c->transaction.data, c->transaction.len, QV_PUT_REPLACE, err));
    c->has_file = true;
    return QV_OK;
}

/* ------------------------------------------------------------------ newer versions */

static const Lance__File__Field *find_by_id(const Lance__Table__Manifest *head, int32_t id)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i]->id == id)
            return head->fields[i];
    return NULL;
}

static bool has_name(const Lance__Table__Manifest *head, const Lance__File__Field *field)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i]->parent_id == field->parent_id && head->fields[i]->name && field->name &&
            strcmp(head->fields[i]->name, field->name) == 0)
            return true;
    return false;
}

/* Rows were written for an older schema: they still fit when their fields were at most dropped, renamed or joined by
 * nullable ones. */
static qv_status check_written(const qv__lance_fields *mine, const Lance__Table__Manifest *head, qv_error *err)
{
    for (size_t i = 0; i < mine->n; i++) {
        const Lance__File__Field *field = mine->fields[i], *now = find_by_id(head, field->id);
        if (!now && has_name(head, field))
            return qv__fail(err, QV_CONFLICT, "another writer changed the type of column \"%.100s\" meanwhile",
                            field->name);
        if (now && field->nullable && !now->nullable)
            return qv__fail(err, QV_CONFLICT, "another writer made column \"%.100s\" non-null meanwhile", field->name);
    }
    return QV_OK;
}

static qv_status check_missing(const qv__lance_fields *mine, const Lance__Table__Manifest *head, qv_error *err)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        bool written = head->fields[i]->nullable || head->fields[i]->parent_id >= 0;
        for (size_t j = 0; j < mine->n && !written; j++)
            written = mine->fields[j]->id == head->fields[i]->id;
        if (!written)
            return qv__fail(err, QV_CONFLICT, "another writer added the non-null column \"%.100s\" meanwhile",
                            head->fields[i]->name ? head->fields[i]->name : "");
    }
    return QV_OK;
}

static qv_status check_schema(const qv__change *change, const Lance__Table__Manifest *head, qv_error *err)
{
    qv_status st = QV_OK;
    qv__lance_fields mine = { 0 };

    if (change->operation != QV_OP_APPEND)
        return QV_OK;
    QV_CHECK(qv__schema_to_lance(change->stored, &mine, err));
    QV_CHECK(check_written(&mine, head, err));
    QV_CHECK(check_missing(&mine, head, err));
done:
    qv__lance_fields_clear(&mine);
    return st;
}

/* One newer version: may our change follow it? */
static qv_status follow(commit *c, uint64_t version, qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *manifest = NULL;
    qv__transaction theirs;
    bool retry = false;

    st = qv__manifest_load(c->table, version, c->base->manifest->names, &manifest, err);
    if (st == QV_NOT_FOUND)
        st = qv__fail(err, QV_CONFLICT, "version %" PRIu64 " was made and cleaned up meanwhile", version);
    QV_CHECK(st);
    QV_CHECK(qv__transaction_of(c->table, manifest, &theirs, err));
    switch (qv__conflict(c->change->operation, &theirs)) {
    case QV_VERDICT_OK:
        break;
    case QV_VERDICT_RETRY:
        retry = true;
        break;
    case QV_VERDICT_CONFLICT:
        QV_CHECK(qv__fail(err, QV_CONFLICT, "version %" PRIu64 " was committed meanwhile (%s)", version,
                          qv__operation_name(theirs.operation)));
    }
    QV_CHECK(check_schema(c->change, manifest->head, err));
    if (retry) /* looked at afresh, so now it is a change of that version */
        QV_CHECK(write_transaction(c, version, err));
    qv__manifest_free(c->fresh);
    c->fresh = manifest;
    manifest = NULL;
done:
    qv__manifest_free(manifest);
    return st;
}

static qv_status catch_up(commit *c, qv_error *err)
{
    const qv__manifest *on = newest(c);
    uint64_t version;
    qv__names names;
    bool same = false;

    if (!on) {
        QV_TRY(qv__newest_version(c->table, &version, &names, err));
        return version ? qv__fail(err, QV_EXISTS, "%s is a table already, at version %" PRIu64, qv__store_uri(c->table),
                                  version)
                       : QV_OK;
    }
    QV_TRY(qv__newest_version_after(c->table, on->version, on->names, &version, err));
    QV_TRY(qv__manifest_is_stored(c->table, on, &same, err));
    if (!same || version < on->version)
        return qv__fail(err, QV_CONFLICT, "%s: version %" PRIu64 " was replaced meanwhile", qv__store_uri(c->table),
                        on->version);
    for (uint64_t next = on->version + 1; next <= version; next++)
        QV_TRY(follow(c, next, err));
    return qv__flags_check_write(newest(c)->head, err);
}

/* ------------------------------------------------------------------ the put */

/* The object's bytes, and the snapshot that they are. */
static qv_status build(commit *c, uint64_t version, qv__names names, qv__bytes *bytes, qv__snapshot **out,
                       qv_error *err)
{
    qv_status st = QV_OK;
    qv__buffer object;
    qv__manifest *manifest;
    char name[QV_NAME_BYTES];
    size_t len;

    qv__buffer_init(&object, SIZE_MAX);
    QV_CHECK(qv__change_manifest(c->change, newest(c), c->read_version, &c->transaction, &object, err));
    uint8_t *block = qv__buffer_detach(&object, &len);
    QV_CHECK(qv__bytes_adopt(block, len, bytes, err));
    qv__manifest_name(version, names, name);
    QV_CHECK(qv__manifest_parse(*bytes, name, version, names, &manifest, err));
    QV_CHECK(qv__snapshot_of(c->table, manifest, c->base, out, err));
done:
    qv__buffer_free(&object);
    return st;
}

/* Does the stored version carry our transaction? When it cannot be read nobody knows: then *out says that it may. */
static qv_status is_ours(commit *c, uint64_t version, qv__names names, bool *out, qv_error *err)
{
    qv__manifest *manifest = NULL;
    qv__transaction stored = { .uuid = "" };
    qv_status st = qv__manifest_load(c->table, version, names, &manifest, err);

    if (st == QV_OK)
        st = qv__transaction_of(c->table, manifest, &stored, err);
    qv__manifest_free(manifest);
    *out = st == QV_OK ? strcmp(stored.uuid, c->change->uuid) == 0 : st != QV_NOT_FOUND;
    return st == QV_NOT_FOUND ? QV_OK : st;
}

/* The put, and what it means: QV_OK when the version is ours, QV_EXISTS when it is another's. */
static qv_status put(commit *c, uint64_t version, qv__names names, const qv__bytes *bytes, bool *visible, qv_error *err)
{
    char name[QV_NAME_BYTES];
    qv_status st;

    qv__manifest_name(version, names, name);
    st = qv__store_put(c->table, name, bytes->data, bytes->len, QV_PUT_IF_ABSENT, err);
    if (st == QV_OK) {
        *visible = true;
    } else if (st == QV_EXISTS) {
        QV_TRY(is_ours(c, version, names, visible, err));
        st = *visible ? QV_OK
                      : qv__fail(err, QV_EXISTS, "%s: version %" PRIu64 " was made by another writer",
                                 qv__store_uri(c->table), version);
    } else {
        is_ours(c, version, names, visible, NULL); /* the put's own error is told */
    }
    return st;
}

static qv_status try_once(commit *c, qv__snapshot **out, bool *committed, qv_error *err)
{
    qv_status st = QV_OK;
    const qv__manifest *on;
    qv__bytes bytes = { 0 };
    qv__snapshot *snapshot = NULL;

    QV_CHECK(catch_up(c, err));
    on = newest(c);
    uint64_t version = on ? on->version + 1 : 1;
    qv__names names = on ? on->names : QV_NAMES_V2;
    QV_CHECK(build(c, version, names, &bytes, &snapshot, err));
    QV_CHECK(put(c, version, names, &bytes, committed, err));
    *out = snapshot;
    snapshot = NULL;
done:
    qv__snapshot_unref(snapshot);
    qv__bytes_unref(&bytes);
    return st;
}

/* ------------------------------------------------------------------ trying again */

static void pause_between(commit *c, unsigned attempt)
{
    int64_t most = attempt < 7 ? INT64_C(1000000) << attempt : MAX_PAUSE_NS;

    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    struct timespec left = { 0, (long) (c->random % (uint64_t) QV_MIN(most, MAX_PAUSE_NS)) };
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static bool is_patience_over(const qv__change *change, unsigned attempts, int64_t started_ns)
{
    int64_t limit = change->operation == QV_OP_APPEND ? APPEND_LIMIT_NS : OVERWRITE_LIMIT_NS;

    return attempts >= MIN_ATTEMPTS && qv__now_ns() - started_ns >= limit;
}

qv_status qv__commit(qv__store *table, qv__snapshot *base, const qv__change *change, qv__job *job, qv__snapshot **out,
                     bool *committed, qv_error *err)
{
    qv_status st = QV_OK;
    commit c = { .table = table, .change = change, .base = base };
    int64_t started_ns = qv__now_ns();
    bool visible = false;

    *committed = false;
    qv__buffer_init(&c.transaction, UINT32_MAX);
    memcpy(&c.random, change->uuid, sizeof c.random);
    QV_CHECK(write_transaction(&c, base ? base->manifest->version : 0, err));
    for (unsigned attempt = 1;; attempt++) {
        if (job)
            QV_CHECK(qv__job_tick(job, 0, 0, err));
        st = try_once(&c, out, &visible, err);
        if (st != QV_EXISTS || visible || !base)
            break;
        if (is_patience_over(change, attempt, started_ns))
            QV_CHECK(qv__fail(err, QV_CONFLICT, "%s: other writers were first %u times in %.0f seconds",
                              qv__store_uri(table), attempt, (double) (qv__now_ns() - started_ns) * 1e-9));
        pause_between(&c, attempt);
    }
    QV_CHECK(st);
    qv__write_version_hint(table, qv__snapshot_version(*out));
done:
    *committed = visible;
    if (!visible)
        drop_transaction(&c);
    qv__manifest_free(c.fresh);
    qv__buffer_free(&c.transaction);
    return st;
}

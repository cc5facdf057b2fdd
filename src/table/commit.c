/* The commit protocol.
 *
 *   1. data files are durable (write.c)
 *   2. versions newer than the one that the change was worked out on are read, and their transactions held against ours
 *   3. the edit is worked out on the newest version; deletion files are written
 *   4. the transaction file is written
 *   5. the manifest is built and put under the next number, only if that is free
 *   6. taken: back to 2, after a pause that grows and is random, so that writers spread out
 *   7. the version hint, best effort
 *
 * Everything that can fail for lack of memory happens before step 5, so a commit that took place is also reported as such. When
 * the put fails in a way that leaves open whether it took place, the stored transaction's uuid tells. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "table/table_private.h"

#define MIN_ATTEMPTS    20
#define APPEND_LIMIT_NS (INT64_C(600) * 1000000000)
#define OTHER_LIMIT_NS  (INT64_C(30) * 1000000000)
#define MAX_PAUSE_NS    (INT64_C(100) * 1000000)

typedef struct commit {
    qv__store *table;
    const qv__change *change;
    qv__snapshot *base;     /* NULL: create */
    qv__snapshot *on;       /* the newest version; NULL: create */
    qv__manifest *restored; /* RESTORE: whose content comes back */
    qv__deletion_written *deletions;
    uint64_t read_version;  /* of our transaction */
    qv__buffer transaction; /* packed, as its file has it */
    char uuid[37];
    char transaction_path[QV_NAME_BYTES + sizeof QV_TRANSACTIONS_FOLDER];
    bool has_file; /* the transaction file lies there */
    bool worth_retry;
    uint64_t random;
} commit;

/* ------------------------------------------------------------------ our transaction */

static void drop_transaction(commit *c)
{
    if (c->has_file)
        qv__store_delete(c->table, c->transaction_path, NULL);
    c->has_file = false;
}

/* The file is written again only when its content is another one. */
static qv_status write_transaction(commit *c, const qv__edit *edit, qv_error *err)
{
    qv_status st = QV_OK;
    char name[QV_NAME_BYTES], path[sizeof c->transaction_path];
    qv__buffer packed;

    qv__buffer_init(&packed, UINT32_MAX);
    QV_CHECK(qv__change_transaction(edit, c->read_version, c->uuid, &packed, err));
    qv__transaction_name(c->read_version, c->uuid, name);
    snprintf(path, sizeof path, QV_TRANSACTIONS_FOLDER "/%s", name);
    bool same = c->has_file && strcmp(path, c->transaction_path) == 0 && packed.len == c->transaction.len &&
                memcmp(packed.data, c->transaction.data, packed.len) == 0;
    if (!same) {
        drop_transaction(c);
        memcpy(c->transaction_path, path, sizeof path);
        QV_CHECK(qv__store_put(c->table, path, packed.data, packed.len, QV_PUT_HINT, err));
        c->has_file = true;
    }
    qv__buffer_free(&c->transaction);
    c->transaction = packed;
    return QV_OK;
done:
    qv__buffer_free(&packed);
    return st;
}

/* ------------------------------------------------------------------ newer versions */

/* May the change be made on top of a version that came between without working it out anew? Then RETRY only means that it
 * counts as a change of that version. */
static bool fits_any_version(const qv__change *change)
{
    return change->operation == QV_OP_OVERWRITE || (change->operation == QV_OP_APPEND && !change->inserted);
}

/* One newer version: may our change follow it? */
static qv_status follow(commit *c, uint64_t version, qv__manifest **newest, qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *manifest = NULL;
    qv__transaction theirs;
    qv__verdict verdict;
    qv__arena arena;

    qv__arena_init(&arena, 0);
    st = qv__manifest_load(c->table, version, c->base->manifest->names, &manifest, err);
    if (st == QV_NOT_FOUND)
        st = qv__fail(err, QV_CONFLICT, "version %" PRIu64 " was made and cleaned up meanwhile", version);
    QV_CHECK(st);
    QV_CHECK(qv__transaction_of(c->table, manifest, &arena, &theirs, err));
    QV_CHECK(qv__conflict(c->change, c->base, &theirs, &verdict, err));
    if (verdict == QV_VERDICT_RETRY && fits_any_version(c->change)) {
        c->read_version = version; /* the edit looks at it afresh */
    } else if (verdict != QV_VERDICT_OK) {
        c->worth_retry = verdict == QV_VERDICT_RETRY;
        QV_CHECK(qv__fail(err, QV_CONFLICT, "version %" PRIu64 " was committed meanwhile (%s)", version,
                          qv__operation_name(theirs.operation)));
    }
    qv__manifest_free(*newest);
    *newest = manifest;
    manifest = NULL;
done:
    qv__manifest_free(manifest);
    qv__arena_reset(&arena);
    return st;
}

static qv_status follow_all(commit *c, uint64_t first, uint64_t last, qv_error *err)
{
    qv_status st = QV_OK;
    qv__manifest *newest = NULL;
    qv__snapshot *on;

    for (uint64_t next = first; next <= last; next++)
        QV_CHECK(follow(c, next, &newest, err));
    if (newest) {
        qv__manifest *taken = newest;
        newest = NULL;
        QV_CHECK(qv__snapshot_of(c->table, taken, c->on, &on, err));
        qv__snapshot_unref(c->on);
        c->on = on;
    }
    st = qv__flags_check_write(c->on->manifest->head, err);
done:
    qv__manifest_free(newest);
    return st;
}

static qv_status catch_up(commit *c, qv_error *err)
{
    uint64_t version;
    qv__names names;
    bool same = false;

    if (!c->on) {
        QV_TRY(qv__newest_version(c->table, &version, &names, err));
        return version ? qv__fail(err, QV_EXISTS, "%s is a table already, at version %" PRIu64, qv__store_uri(c->table),
                                  version)
                       : QV_OK;
    }
    const qv__manifest *on = c->on->manifest;
    QV_TRY(qv__newest_version_after(c->table, on->version, on->names, &version, err));
    QV_TRY(qv__manifest_is_stored(c->table, on, &same, err));
    if (!same || version < on->version)
        return qv__fail(err, QV_CONFLICT, "%s: version %" PRIu64 " was replaced meanwhile", qv__store_uri(c->table),
                        on->version);
    return follow_all(c, on->version + 1, version, err);
}

/* The version that is restored, read once. */
static qv_status load_restored(commit *c, qv_error *err)
{
    if (c->change->operation != QV_OP_RESTORE || c->restored)
        return QV_OK;
    qv_status st = qv__manifest_load(c->table, c->change->restore_version, c->on->manifest->names, &c->restored, err);
    return st == QV_NOT_FOUND ? qv__fail(err, QV_NOT_FOUND, "%s has no version %" PRIu64, qv__store_uri(c->table),
                                         c->change->restore_version)
                              : st;
}

/* ------------------------------------------------------------------ the put */

/* The object's bytes, and the snapshot that they are. */
static qv_status build(commit *c, uint64_t version, qv__names names, qv__bytes *bytes, qv__snapshot **out,
                       qv_error *err)
{
    qv_status st = QV_OK;
    qv__edit edit = { .base = c->base, .on = c->on, .change = c->change, .deletions = c->deletions };
    qv__buffer object;
    qv__manifest *manifest;
    char name[QV_NAME_BYTES];
    size_t len;

    edit.version = version;
    edit.stable = c->on ? qv__snapshot_has_stable_row_ids(c->on) : c->change->stable_row_ids;
    qv__buffer_init(&object, SIZE_MAX);
    QV_CHECK(qv__edit_make(&edit, err));
    QV_CHECK(write_transaction(c, &edit, err));
    QV_CHECK(qv__change_manifest(&edit, c->restored, c->read_version, c->uuid, &c->transaction, &object, err));
    uint8_t *block = qv__buffer_detach(&object, &len);
    QV_CHECK(qv__bytes_adopt(block, len, bytes, err));
    qv__manifest_name(version, names, name);
    QV_CHECK(qv__manifest_parse(*bytes, name, version, names, &manifest, err));
    QV_CHECK(qv__snapshot_of(c->table, manifest, c->on, out, err));
done:
    c->worth_retry |= st == QV_CONFLICT && edit.worth_retry;
    qv__edit_clear(&edit);
    qv__buffer_free(&object);
    return st;
}

/* Does the stored version carry our transaction? When it cannot be read nobody knows: then *out says that it may. */
static qv_status is_ours(commit *c, uint64_t version, qv__names names, bool *out, qv_error *err)
{
    qv__manifest *manifest = NULL;
    qv__transaction stored = { .uuid = "" };
    qv__arena arena;
    qv_status st = qv__manifest_load(c->table, version, names, &manifest, err);

    qv__arena_init(&arena, 0);
    if (st == QV_OK)
        st = qv__transaction_of(c->table, manifest, &arena, &stored, err);
    qv__manifest_free(manifest);
    qv__arena_reset(&arena);
    *out = st == QV_OK ? strcmp(stored.uuid, c->uuid) == 0 : st != QV_NOT_FOUND;
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
    qv__bytes bytes = { 0 };
    qv__snapshot *snapshot = NULL;

    QV_CHECK(catch_up(c, err));
    QV_CHECK(load_restored(c, err));
    uint64_t version = c->on ? c->on->manifest->version + 1 : 1;
    qv__names names = c->on ? c->on->manifest->names : QV_NAMES_V2;
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
    int64_t limit = change->operation == QV_OP_APPEND ? APPEND_LIMIT_NS : OTHER_LIMIT_NS;

    return attempts >= MIN_ATTEMPTS && qv__now_ns() - started_ns >= limit;
}

static qv_status try_until(commit *c, qv__job *job, qv__snapshot **out, bool *visible, qv_error *err)
{
    int64_t started_ns = qv__now_ns();

    for (unsigned attempt = 1;; attempt++) {
        if (job)
            QV_TRY(qv__job_tick(job, 0, 0, err));
        qv_status st = try_once(c, out, visible, err);
        if (st != QV_EXISTS || *visible || !c->on)
            return st;
        if (is_patience_over(c->change, attempt, started_ns))
            return qv__fail(err, QV_CONFLICT, "%s: other writers were first %u times in %.0f seconds",
                            qv__store_uri(c->table), attempt, (double) (qv__now_ns() - started_ns) * 1e-9);
        pause_between(c, attempt);
    }
}

/* ------------------------------------------------------------------ the whole */

static qv_status begin(commit *c, qv_error *err)
{
    uint8_t uuid[16];

    qv__buffer_init(&c->transaction, UINT32_MAX);
    QV_TRY(qv__uuid_new(uuid, err));
    qv__uuid_print(uuid, c->uuid);
    if (c->change->uuid)
        snprintf(c->uuid, sizeof c->uuid, "%s", c->change->uuid);
    memcpy(&c->random, uuid, sizeof c->random);
    c->random |= 1;
    c->read_version = c->base ? c->base->manifest->version : 0;
    if (c->change->groups_read_version)
        c->read_version = c->change->groups_read_version;
    c->on = qv__snapshot_ref(c->base);
    if (c->base && c->base->manifest->version & QV_DETACHED_BIT)
        return qv__fail(err, QV_READ_ONLY, "version %" PRIu64 " is detached", c->base->manifest->version);
    return QV_NEW(&c->deletions, c->change->n_deletions, err);
}

static void end_commit(commit *c, bool visible)
{
    if (!visible) {
        drop_transaction(c);
        for (size_t i = 0; c->deletions && i < c->change->n_deletions; i++)
            qv__deletion_discard(c->table, c->change->deletions[i].fragment_id, &c->deletions[i]);
    }
    qv__free(c->deletions);
    qv__snapshot_unref(c->on);
    qv__manifest_free(c->restored);
    qv__buffer_free(&c->transaction);
}

qv_status qv__commit(qv__store *table, qv__snapshot *base, const qv__change *change, qv__job *job, qv__snapshot **out,
                     qv__commit_end *end, qv_error *err)
{
    qv_status st = QV_OK;
    commit c = { .table = table, .change = change, .base = base };
    bool visible = false;

    QV_CHECK(begin(&c, err));
    QV_CHECK(try_until(&c, job, out, &visible, err));
    qv__write_version_hint(table, qv__snapshot_version(*out));
done:
    if (end)
        *end = (qv__commit_end){ .committed = visible, .worth_retry = st == QV_CONFLICT && c.worth_retry };
    end_commit(&c, visible);
    return st;
}

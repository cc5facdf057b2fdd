/* Opened segments, kept beside the snapshots of a table: a segment is immutable and named by its uuid, so whoever needs it next finds it
 * opened, in whatever version. Segments that the newest asking version does not name any more are let go. */
#include <pthread.h>

#include "base/log.h"
#include "index/index_private.h"

typedef struct kept {
    uint8_t uuid[16];
    qv__open_segment *opened; /* NULL: it could not be opened, which was logged */
    qv__type *type;           /* NULL: opened without */
} kept;

typedef struct cache {
    qv__owner owner;
    pthread_mutex_t lock;
    kept *items;
    size_t n, capacity;
} cache;

/* ------------------------------------------------------------------ the cache of a table */

static void kept_clear(kept *k)
{
    qv__open_segment_unref(k->opened);
    qv__type_unref(k->type);
}

static void cache_destroy(qv__owner *owner)
{
    cache *c = (cache *) owner;

    for (size_t i = 0; i < c->n; i++)
        kept_clear(&c->items[i]);
    pthread_mutex_destroy(&c->lock);
    qv__free(c->items);
    qv__free(c);
}

static qv_status get_cache(qv__snapshot *snapshot, cache **out, qv_error *err)
{
    _Atomic(qv__owner *) *slot = qv__snapshot_index_slot(snapshot);
    qv__owner *found = atomic_load_explicit(slot, memory_order_acquire);
    cache *made;

    if (!found) {
        QV_TRY(QV_NEW(&made, 1, err));
        qv__owner_init(&made->owner, cache_destroy);
        pthread_mutex_init(&made->lock, NULL);
        if (atomic_compare_exchange_strong_explicit(slot, &found, &made->owner, memory_order_acq_rel,
                                                    memory_order_acquire))
            found = &made->owner;
        else
            qv__owner_unref(&made->owner);
    }
    *out = (cache *) found;
    return QV_OK;
}

static bool same_type(const qv__type *a, const qv__type *b) { return a == b || (a && b && qv__type_equal(a, b)); }

/* *opened has a reference of its own. */
static bool find(cache *c, const uint8_t uuid[16], const qv__type *type, qv__open_segment **opened)
{
    bool found = false;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n && !found; i++) {
        found = memcmp(c->items[i].uuid, uuid, 16) == 0 && same_type(c->items[i].type, type);
        if (found && (*opened = c->items[i].opened) != NULL)
            qv__owner_ref(&(*opened)->owner);
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

static bool is_named(const qv__index_entry *entries, size_t n, const uint8_t uuid[16])
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(entries[i].uuid, uuid, 16) == 0)
            return true;
    return false;
}

/* Best effort: without memory it is opened again the next time. */
static void keep(cache *c, const qv__index_entry *entries, size_t n, const uint8_t uuid[16], const qv__type *type,
                 qv__open_segment *opened)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = c->n; i-- > 0;) {
        if (is_named(entries, n, c->items[i].uuid))
            continue;
        kept_clear(&c->items[i]);
        c->items[i] = c->items[--c->n];
    }
    if (QV_GROW(&c->items, &c->capacity, c->n + 1, NULL) == QV_OK) {
        kept *k = &c->items[c->n++];
        *k = (kept){ .opened = opened, .type = type ? qv__type_ref(type) : NULL };
        memcpy(k->uuid, uuid, 16);
        if (opened)
            qv__owner_ref(&opened->owner);
    }
    pthread_mutex_unlock(&c->lock);
}

/* ------------------------------------------------------------------ opening */

static void opened_destroy(qv__owner *owner)
{
    qv__open_segment *opened = (qv__open_segment *) owner;

    if (opened->segment)
        opened->kind->close(opened->segment);
    qv__free(opened);
}

void qv__open_segment_unref(qv__open_segment *opened)
{
    if (opened)
        qv__owner_unref(&opened->owner);
}

qv_status qv__segment_open_alone(qv__snapshot *snapshot, const qv__index_entry *entry, const qv__index_method *kind,
                                 const qv__type *type, qv__open_segment **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__store *folder = NULL;
    qv__open_segment *opened = NULL;

    QV_CHECK(QV_NEW(&opened, 1, err));
    qv__owner_init(&opened->owner, opened_destroy);
    opened->kind = kind;
    QV_CHECK(qv__snapshot_index_folder(snapshot, entry, &folder, err));
    QV_CHECK(kind->open(folder, entry, type, &opened->segment, err));
    *out = opened;
    opened = NULL;
done:
    qv__open_segment_unref(opened);
    qv__store_unref(folder);
    return st;
}

static void complain(const qv__index_entry *entry, const qv_error *err)
{
    char uuid[37];

    qv__uuid_print(entry->uuid, uuid);
    qv__log(QV_LOG_WARNING, "index \"%s\" (%s) is not used: %s", entry->name, uuid, err ? err->message : "");
}

void qv__segment_forget(qv__snapshot *snapshot, const qv__index_entry *entry, const qv_error *err)
{
    qv__open_segment *forgotten = NULL;
    bool is_news = false;
    cache *c;

    if (get_cache(snapshot, &c, NULL) != QV_OK)
        return;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++) {
        if (memcmp(c->items[i].uuid, entry->uuid, 16) != 0 || !c->items[i].opened)
            continue;
        forgotten = c->items[i].opened;
        c->items[i].opened = NULL;
        is_news = true;
        break;
    }
    pthread_mutex_unlock(&c->lock);
    qv__open_segment_unref(forgotten);
    if (is_news)
        complain(entry, err);
}

static bool is_useless(qv_status st) { return st == QV_CORRUPT || st == QV_NOT_FOUND || st == QV_UNSUPPORTED; }

qv_status qv__segment_open(qv__snapshot *snapshot, const qv__index_entry *entry, const qv__index_method *kind,
                           const qv__type *type, qv__open_segment **out, qv_error *err)
{
    const qv__index_entry *entries;
    size_t n;
    cache *c;

    *out = NULL;
    QV_TRY(get_cache(snapshot, &c, err));
    if (find(c, entry->uuid, type, out))
        return QV_OK;
    QV_TRY(qv__snapshot_indices(snapshot, &entries, &n, err));
    qv_status st = qv__segment_open_alone(snapshot, entry, kind, type, out, err);
    if (is_useless(st)) {
        complain(entry, err);
        st = QV_OK;
        *out = NULL;
    }
    if (st == QV_OK)
        keep(c, entries, n, entry->uuid, type, *out);
    return st;
}

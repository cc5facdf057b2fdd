/* Creating, dropping and extending indices: work out on a snapshot, build beside the table, commit. When another writer changed the
 * fragments meanwhile, the work is done anew on the newest version. */
#include <inttypes.h>
#include <stdio.h>

#include "index/index_private.h"
#include "table/change.h"

#define MOST_ATTEMPTS  10
#define MAX_NAME_BYTES ((size_t) 1 << 16)
#define MUCH_LARGER    4 /* a segment of more times the new rows is left alone */

/* ------------------------------------------------------------------ commits */

typedef struct removal {
    uint8_t (*uuids)[16];
    size_t n, capacity;
} removal;

static qv_status remove_entry(removal *r, const qv__index_entry *entry, qv_error *err)
{
    QV_TRY(QV_GROW(&r->uuids, &r->capacity, r->n + 1, err));
    memcpy(r->uuids[r->n++], entry->uuid, 16);
    return QV_OK;
}

typedef struct made_list {
    qv__made_index *items;
    size_t n, capacity;
} made_list;

static void made_list_clear(made_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        qv__made_clear(&list->items[i]);
    qv__free(list->items);
    *list = (made_list){ 0 };
}

static void made_list_discard(qv__store *table, made_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        qv__made_discard(table, &list->items[i]);
}

/* The files go when nothing was committed. */
static qv_status commit(qv__store *table, qv__snapshot *base, made_list *made, const removal *removed, qv__job *job,
                        qv__snapshot **out, bool *again, qv_error *err)
{
    qv_status st = QV_OK;
    qv__index_entry *entries = NULL;
    qv__commit_end end = { 0 };

    QV_CHECK(QV_NEW(&entries, made->n, err));
    for (size_t i = 0; i < made->n; i++) {
        entries[i] = made->items[i].entry;
        entries[i].fields = &made->items[i].field; /* the list may have moved */
    }
    const qv__change change = { .operation = QV_OP_CREATE_INDEX,
                                .new_indices = entries,
                                .n_new_indices = made->n,
                                .removed_indices = (const uint8_t(*)[16]) removed->uuids,
                                .n_removed_indices = removed->n };
    QV_CHECK(qv__commit(table, base, &change, job, out, &end, err));
done:
    *again = st == QV_CONFLICT && end.worth_retry;
    if (st != QV_OK && !end.committed)
        made_list_discard(table, made);
    qv__free(entries);
    return st;
}

/* One attempt at a change of indices. *again: it may work on a newer version. *out NULL: nothing to do. */
typedef qv_status (*attempt_fn)(void *ctx, qv__snapshot *base, qv__snapshot **out, bool *again, qv_error *err);

static qv_status attempt(attempt_fn fn, void *ctx, qv__snapshot *base, qv__snapshot **out, qv_error *err)
{
    qv__snapshot *on = qv__snapshot_ref(base);
    qv_status st = QV_CONFLICT;
    bool again = true;

    *out = NULL;
    for (int i = 0; st == QV_CONFLICT && again && i < MOST_ATTEMPTS; i++) {
        qv__snapshot *newest;
        again = false;
        if (i) {
            st = qv__snapshot_newest(on, &newest, err);
            if (st != QV_OK)
                break;
            qv__snapshot_unref(on);
            on = newest;
        }
        st = fn(ctx, on, out, &again, err);
    }
    qv__snapshot_unref(on);
    return st;
}

/* ------------------------------------------------------------------ creating */

typedef struct creation {
    qv__store *table;
    const char *column;
    const qv_index_options *options;
    qv__job *job;
} creation;

static qv_status choose_kind(const qv__indexed_field *field, const qv_index_options *options,
                             const qv__index_method **out, qv_error *err)
{
    qv_index_kind kind = options->kind;
    char type[128];

    if (kind == QV_INDEX_AUTO && options->json_path)
        kind = QV_INDEX_JSON;
    if (kind == QV_INDEX_AUTO)
        kind = qv__index_method_of(QV_INDEX_VECTOR)->can_index(field->leaf->type) ? QV_INDEX_VECTOR : QV_INDEX_BTREE;
    *out = qv__index_method_of(kind);
    if (!*out)
        return qv__fail(err, QV_INVALID, "%d is no kind of index that can be created", (int) kind);
    if (!(*out)->can_index(field->leaf->type))
        return qv__fail(err, QV_INVALID, "A %s index cannot be created on the field `%.100s` which has data type %s",
                        (*out)->display, field->path, qv__type_print(field->leaf->type, type, sizeof type));
    return QV_OK;
}

static qv_status choose_name(const qv__indexed_field *field, const qv_index_options *options, qv__buffer *out,
                             qv_error *err)
{
    QV_TRY(qv__buffer_printf(out, err, options->name ? "%s" : "%s_idx", options->name ? options->name : field->path));
    if (!out->len)
        return qv__fail(err, QV_INVALID, "an index needs a name");
    if (out->len >= 8 && memcmp(out->data, "__lance_", 8) == 0)
        return qv__fail(err, QV_INVALID, "index names that begin with __lance_ are reserved: %s", out->data);
    return QV_OK;
}

static qv_status replace_same_name(const creation *c, qv__snapshot *base, const char *name, removal *removed,
                                   qv_error *err)
{
    const qv__index_entry *entries;
    size_t n;

    QV_TRY(qv__snapshot_indices(base, &entries, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (strcmp(entries[i].name, name) != 0)
            continue;
        if (c->options->keep_existing)
            return qv__fail(err, QV_EXISTS, "index \"%s\" already exists", name);
        QV_TRY(remove_entry(removed, &entries[i], err));
    }
    return QV_OK;
}

static qv_status make_new(const creation *c, qv__snapshot *base, const qv__index_method *kind,
                          const qv__indexed_field *field, const char *name, made_list *made, qv_error *err)
{
    qv_status st = QV_OK;
    size_t n = qv__snapshot_n_fragments(base);
    bool *wanted = NULL;

    QV_CHECK(QV_NEW(&wanted, n, err));
    for (size_t i = 0; i < n; i++)
        wanted[i] = !c->options->untrained;
    const qv__index_order order = { .table = c->table,
                                    .snapshot = base,
                                    .kind = kind,
                                    .field = field,
                                    .name = name,
                                    .options = c->options,
                                    .wanted = wanted,
                                    .covered = wanted,
                                    .job = c->job };
    QV_CHECK(QV_GROW(&made->items, &made->capacity, 1, err));
    QV_CHECK(qv__make_index(&order, &made->items[0], err));
    made->n = 1;
done:
    qv__free(wanted);
    return st;
}

static qv_status try_create(void *ctx, qv__snapshot *base, qv__snapshot **out, bool *again, qv_error *err)
{
    const creation *c = ctx;
    qv_status st = QV_OK;
    qv__indexed_field field = { 0 };
    const qv__index_method *kind;
    made_list made = { 0 };
    removal removed = { 0 };
    qv__buffer name;

    qv__buffer_init(&name, MAX_NAME_BYTES);
    QV_CHECK(qv__field_by_path(base, c->column, &field, err));
    QV_CHECK(choose_kind(&field, c->options, &kind, err));
    QV_CHECK(choose_name(&field, c->options, &name, err));
    QV_CHECK(qv__buffer_append_zeros(&name, 1, err));
    QV_CHECK(replace_same_name(c, base, (const char *) name.data, &removed, err));
    QV_CHECK(make_new(c, base, kind, &field, (const char *) name.data, &made, err));
    QV_CHECK(commit(c->table, base, &made, &removed, c->job, out, again, err));
done:
    made_list_clear(&made);
    qv__free(removed.uuids);
    qv__buffer_free(&name);
    qv__indexed_field_clear(&field);
    return st;
}

qv_status qv__index_create(qv__store *table, qv__snapshot *base, const char *column, const qv_index_options *options,
                           qv__snapshot **out, qv_error *err)
{
    qv__job job;
    creation c = { table, column, options, &job };

    qv__job_begin(&job, &options->job, "index", 0);
    qv_status st = attempt(try_create, &c, base, out, err);
    qv__job_end(&job, st);
    return st;
}

/* ------------------------------------------------------------------ dropping */

typedef struct dropping {
    qv__store *table;
    const char *name;
    qv__job *job;
} dropping;

static qv_status try_drop(void *ctx, qv__snapshot *base, qv__snapshot **out, bool *again, qv_error *err)
{
    const dropping *d = ctx;
    qv_status st = QV_OK;
    const qv__index_entry *entries;
    made_list none = { 0 };
    removal removed = { 0 };
    size_t n;

    QV_CHECK(qv__snapshot_indices(base, &entries, &n, err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i].name, d->name) == 0)
            QV_CHECK(remove_entry(&removed, &entries[i], err));
    if (!removed.n)
        QV_CHECK(qv__fail(err, QV_NOT_FOUND, "Lance index not found: name=%s", d->name));
    QV_CHECK(commit(d->table, base, &none, &removed, d->job, out, again, err));
done:
    qv__free(removed.uuids);
    return st;
}

qv_status qv__index_drop(qv__store *table, qv__snapshot *base, const char *name, qv__job *job, qv__snapshot **out,
                         qv_error *err)
{
    dropping d = { table, name, job };

    return attempt(try_drop, &d, base, out, err);
}

/* ------------------------------------------------------------------ extending */

typedef struct extension {
    qv__store *table;
    const qv_index_merge_options *options;
    qv__job *job;
    /* of one attempt */
    qv__snapshot *base;
    qv__reuse *reuse;
    made_list made;
    removal removed;
} extension;

/* The segments of one index, and what they cover. */
typedef struct segments {
    size_t n, n_fragments;
    bool **covered; /* per segment and fragment */
    qv__open_segment **opened;
    bool *wanted; /* fragments whose rows must be read */
    bool *all;    /* fragments of the new segment */
    size_t n_wanted, first_old;
    bool is_lost; /* a segment to be merged cannot be opened: its rows are read again */
} segments;

static void segments_clear(segments *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->covered)
            qv__free(s->covered[i]);
        if (s->opened)
            qv__open_segment_unref(s->opened[i]);
    }
    qv__free((void *) s->covered);
    qv__free((void *) s->opened);
    qv__free(s->wanted);
    qv__free(s->all);
}

static qv_status find_unindexed(extension *e, const qv__logical_index *index, segments *s, qv_error *err)
{
    uint64_t rows;
    size_t n;

    QV_TRY(qv__snapshot_count_rows(e->base, &rows, err)); /* deletion files are read */
    s->n = index->n;
    s->n_fragments = qv__snapshot_n_fragments(e->base);
    QV_TRY(QV_NEW(&s->covered, s->n, err));
    QV_TRY(QV_NEW(&s->opened, s->n, err));
    QV_TRY(QV_NEW(&s->wanted, s->n_fragments, err));
    QV_TRY(QV_NEW(&s->all, s->n_fragments, err));
    for (size_t i = 0; i < s->n; i++)
        QV_TRY(qv__entry_coverage(e->base, index->entries[i], e->reuse, &s->covered[i], &n, err));
    for (size_t f = 0; f < s->n_fragments; f++) {
        bool covered = false;
        for (size_t i = 0; i < s->n; i++)
            covered |= s->covered[i][f];
        s->wanted[f] = !covered;
        s->n_wanted += !covered;
    }
    return QV_OK;
}

static uint64_t rows_of(const extension *e, const bool *fragments)
{
    uint64_t rows = 0;

    for (size_t f = 0; f < qv__snapshot_n_fragments(e->base); f++)
        if (fragments[f])
            rows += qv__snapshot_live_rows(e->base, f);
    return rows;
}

/* The last segments that are not much larger than the new rows and what is behind them: so there are never more than a few, and a row is
 * rewritten only as often as the index grows by a factor. */
static size_t count_small(const extension *e, const segments *s)
{
    uint64_t rows = rows_of(e, s->wanted);
    size_t n = 0;

    for (; n < s->n; n++) {
        uint64_t own = rows_of(e, s->covered[s->n - 1 - n]);
        if (own > MUCH_LARGER * rows)
            break;
        rows += own;
    }
    return n;
}

/* Which of the old segments go into the new one: [first_old, n). */
static void choose_old(const extension *e, const qv__index_method *kind, segments *s)
{
    size_t merge = s->n;

    if (!e->options->retrain && e->options->merge_segments >= 0)
        merge = (size_t) QV_MIN(e->options->merge_segments, (int64_t) s->n);
    else if (!e->options->retrain && kind->appends)
        merge = count_small(e, s);
    s->first_old = s->n - merge;
}

static void cover_old(segments *s)
{
    for (size_t f = 0; f < s->n_fragments; f++) {
        s->all[f] = s->wanted[f];
        for (size_t i = s->first_old; i < s->n; i++)
            s->all[f] |= s->covered[i][f];
    }
}

static bool covers_any(const segments *s, size_t segment)
{
    for (size_t f = 0; f < s->n_fragments; f++)
        if (s->covered[segment][f])
            return true;
    return false;
}

static bool is_lost(qv_status st) { return st == QV_CORRUPT || st == QV_NOT_FOUND || st == QV_UNSUPPORTED; }

static qv_status open_old(extension *e, const qv__logical_index *index, const qv__indexed_field *field, segments *s,
                          qv_error *err)
{
    for (size_t i = s->first_old; i < s->n; i++) {
        if (!covers_any(s, i) && i > 0)
            continue; /* the first one is opened for what it was made with */
        qv_status st =
            qv__segment_open_alone(e->base, index->entries[i], index->kind, field->leaf->type, &s->opened[i], err);
        if (st != QV_OK && !is_lost(st))
            return st;
        s->is_lost |= st != QV_OK && covers_any(s, i);
    }
    if (!s->opened[0]) {
        qv_status st =
            qv__segment_open_alone(e->base, index->entries[0], index->kind, field->leaf->type, &s->opened[0], err);
        if (st != QV_OK && !is_lost(st))
            return st;
    }
    return QV_OK;
}

static qv_status make_segment(extension *e, const qv__logical_index *index, const qv__indexed_field *field, segments *s,
                              bool anew, qv_error *err)
{
    qv_status st = QV_OK;
    qv_index_options options = QV_INDEX_OPTIONS_INIT;
    qv__segment **old = NULL;
    qv__kept_segment *kept = NULL;
    size_t n_old = 0;

    QV_CHECK(QV_NEW(&old, s->n, err));
    QV_CHECK(QV_NEW(&kept, s->n, err));
    for (size_t i = s->first_old; i < s->n && !anew; i++) {
        if (!s->opened[i] || !covers_any(s, i))
            continue;
        kept[n_old] =
            (qv__kept_segment){ s->covered[i], qv__entry_has_addresses(e->base, index->entries[i], index->kind) };
        old[n_old++] = s->opened[i]->segment;
    }
    if (s->opened[0] && index->kind->recall)
        index->kind->recall(s->opened[0]->segment, &options);
    qv__keeper keeper = { e->base, e->reuse, kept };
    const qv__index_order order = { .table = e->table,
                                    .snapshot = e->base,
                                    .kind = index->kind,
                                    .field = field,
                                    .name = index->name,
                                    .options = &options,
                                    .wanted = anew ? s->all : s->wanted,
                                    .covered = s->all,
                                    .like = s->first_old && s->opened[0] ? s->opened[0]->segment : NULL,
                                    .as_asked = e->options->merge_segments == 0 && !anew,
                                    .old = old,
                                    .n_old = n_old,
                                    .keep = qv__keep_live,
                                    .ctx = &keeper,
                                    .job = e->job };
    QV_CHECK(QV_GROW(&e->made.items, &e->made.capacity, e->made.n + 1, err));
    QV_CHECK(qv__make_index(&order, &e->made.items[e->made.n], err));
    e->made.n++;
done:
    qv__free((void *) old);
    qv__free(kept);
    return st;
}

static bool has_mixed_domains(const extension *e, const qv__logical_index *index)
{
    for (size_t i = 1; i < index->n; i++)
        if (qv__entry_has_addresses(e->base, index->entries[i], index->kind) !=
            qv__entry_has_addresses(e->base, index->entries[0], index->kind))
            return true;
    /* rows are read by address: an old segment of row ids does not go with them */
    return index->kind->by_address && !qv__entry_has_addresses(e->base, index->entries[0], index->kind);
}

static qv_status extend(extension *e, const qv__logical_index *index, qv_error *err)
{
    qv_status st = QV_OK;
    qv__indexed_field field = { 0 };
    segments s = { 0 };
    bool found;

    QV_CHECK(qv__field_by_id(e->base, index->field, &field, &found, err));
    if (!found)
        goto done;
    QV_CHECK(find_unindexed(e, index, &s, err));
    choose_old(e, index->kind, &s);
    if (!e->options->retrain && !s.n_wanted && s.n - s.first_old < 2)
        goto done;
    cover_old(&s);
    QV_CHECK(open_old(e, index, &field, &s, err));
    bool anew = e->options->retrain || s.is_lost || has_mixed_domains(e, index);
    st = make_segment(e, index, &field, &s, anew, err);
    if (is_lost(st) && !anew) { /* what the old files say cannot be used, or is not worth it */
        s.first_old = st == QV_UNSUPPORTED ? 0 : s.first_old;
        cover_old(&s);
        st = make_segment(e, index, &field, &s, true, err);
    }
    QV_CHECK(st);
    for (size_t i = s.first_old; i < s.n; i++)
        QV_CHECK(remove_entry(&e->removed, index->entries[i], err));
done:
    segments_clear(&s);
    qv__indexed_field_clear(&field);
    return st == QV_OK ? st : qv__fail_in(err, st, "index \"%s\"", index->name);
}

static bool is_wanted(const qv_index_merge_options *options, const char *name)
{
    for (size_t i = 0; i < options->n_names; i++)
        if (strcmp(options->names[i], name) == 0)
            return true;
    return !options->names;
}

static qv_status check_names(const extension *e, const qv__logical_list *list, qv_error *err)
{
    for (size_t i = 0; e->options->names && i < e->options->n_names; i++)
        if (!qv__logical_find(list, e->options->names[i]))
            return qv__fail(err, QV_NOT_FOUND, "Lance index not found: name=%s", e->options->names[i]);
    return QV_OK;
}

static qv_status try_extend(void *ctx, qv__snapshot *base, qv__snapshot **out, bool *again, qv_error *err)
{
    extension *e = ctx;
    qv_status st = QV_OK;
    qv__logical_list list = { 0 };
    bool is_done = false;

    e->base = base;
    QV_CHECK(qv__logical_indices(base, &list, err));
    QV_CHECK(check_names(e, &list, err));
    QV_CHECK(qv__reuse_open(base, &e->reuse, err));
    for (size_t i = 0; i < list.n; i++)
        if (list.items[i].kind && is_wanted(e->options, list.items[i].name))
            QV_CHECK(extend(e, &list.items[i], err));
    if (e->made.n) {
        is_done = true; /* the commit sees to the files */
        QV_CHECK(commit(e->table, base, &e->made, &e->removed, e->job, out, again, err));
    }
done:
    if (st != QV_OK && !is_done)
        made_list_discard(e->table, &e->made);
    made_list_clear(&e->made);
    qv__free(e->removed.uuids);
    e->removed = (removal){ 0 };
    qv__reuse_free(e->reuse);
    e->reuse = NULL;
    qv__logical_list_clear(&list);
    return st;
}

qv_status qv__index_optimize(qv__store *table, qv__snapshot *base, const qv_index_merge_options *options,
                             qv__snapshot **out, qv_error *err)
{
    qv__job job;
    extension e = { .table = table, .options = options, .job = &job };

    qv__job_begin(&job, &options->job, "index", 0);
    qv_status st = attempt(try_extend, &e, base, out, err);
    qv__job_end(&job, st);
    return st;
}

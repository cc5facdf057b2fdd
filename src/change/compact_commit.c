/* From done tasks to one version: fragment ids are reserved in a version of their own, rows keep ids and ages, indices follow the
 * rows to their new addresses (or the reuse index tells where they went), and a rewrite of the version that was read says it all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "change/compact_private.h"

typedef struct rewrite {
    const qv__rewrite_order *c;
    qv__matches *live;         /* one for each task */
    qv__rewrite_group *groups; /* one for each task */
    qv__new_fragments all;     /* borrowed items, in the order of the groups */
    qv__row_move move;         /* owned arrays */
    qv__index_swap *swaps;
    size_t n_swaps;
    qv__buffer reuse;
} rewrite;

static void rewrite_clear(rewrite *r)
{
    for (size_t i = 0; r->live && i < r->c->n; i++)
        qv__matches_clear(&r->live[i]);
    qv__free(r->live);
    qv__free(r->groups);
    qv__free(r->all.items);
    qv__free((void *) (uintptr_t) r->move.from);
    qv__free((void *) (uintptr_t) r->move.to);
    qv__free((void *) (uintptr_t) r->move.old_fragments);
    qv__free((void *) (uintptr_t) r->move.new_fragments);
    qv__index_swaps_free(r->swaps, r->n_swaps);
    qv__buffer_free(&r->reuse);
}

/* ------------------------------------------------------------------ looking at what was done */

static int compare_done(const void *a, const void *b)
{
    uint64_t x = ((const qv__rewritten *) a)->task.fragments[0], y = ((const qv__rewritten *) b)->task.fragments[0];

    return (x > y) - (x < y);
}

/* Tasks may come from anywhere: they must be of this version, each row of theirs must be in a file that is there. */
static qv_status check_task(rewrite *r, size_t i, qv_error *err)
{
    const qv__rewritten *d = &r->c->done[i];
    uint64_t rows = 0, version = qv__snapshot_version(r->c->base);

    if (d->task.read_version != version)
        return qv__fail(err, QV_INVALID, "a task was done on version %" PRIu64 ", others on %" PRIu64,
                        d->task.read_version, version);
    if (i && d->task.fragments[0] <= d[-1].task.fragments[d[-1].task.n - 1])
        return qv__fail(err, QV_INVALID, "two tasks have fragment %" PRIu64 ", or tasks are entangled",
                        d->task.fragments[0]);
    for (size_t f = 0; f < d->fragments.n; f++) {
        char path[QV_FILE_NAME_BYTES + 8];
        bool exists;
        snprintf(path, sizeof path, "data/%s", d->fragments.items[f].file.name);
        QV_TRY(qv__store_exists(r->c->table, path, &exists, err));
        if (!exists)
            return qv__fail(err, QV_NOT_FOUND, "%s is not there", path);
        rows += d->fragments.items[f].rows;
    }
    QV_TRY(qv__compact_matches(r->c->base, &d->task, &r->live[i], err));
    if (rows != r->live[i].n_rows)
        return qv__fail(err, QV_INVALID, "a task has %" PRIu64 " rows, and wrote %" PRIu64, r->live[i].n_rows, rows);
    return QV_OK;
}

static qv_status gather(rewrite *r, qv_error *err)
{
    size_t n = 0;

    qsort(r->c->done, r->c->n, sizeof *r->c->done, compare_done);
    for (size_t i = 0; i < r->c->n; i++)
        n += r->c->done[i].fragments.n;
    QV_TRY(QV_NEW(&r->live, r->c->n, err));
    QV_TRY(QV_NEW(&r->groups, r->c->n, err));
    QV_TRY(QV_NEW(&r->all.items, n, err));
    for (size_t i = 0; i < r->c->n; i++) {
        qv__rewritten *d = &r->c->done[i];
        QV_TRY(check_task(r, i, err));
        r->groups[i] = (qv__rewrite_group){ d->task.fragments, d->task.n, r->all.n, d->fragments.n };
        r->all.n += d->fragments.n;
    }
    return QV_OK;
}

/* ------------------------------------------------------------------ ids of fragments and rows */

static qv_status reserve_ids(rewrite *r, qv_error *err)
{
    qv__change change = { .operation = QV_OP_RESERVE };
    qv__snapshot *reserved;
    uint64_t next = 0;

    if (r->all.n > UINT32_MAX)
        return qv__fail(err, QV_LIMIT, "%zu new fragments", r->all.n);
    if (r->all.n) {
        change.reserve = (uint32_t) r->all.n;
        QV_TRY(qv__commit(r->c->table, r->c->newest, &change, r->c->job, &reserved, NULL, err));
        next = qv__snapshot_max_fragment_id(reserved) - (r->all.n - 1);
        qv__snapshot_unref(reserved);
    }
    for (size_t i = 0; i < r->c->n; i++)
        for (size_t f = 0; f < r->groups[i].n_new; f++)
            r->c->done[i].fragments.items[f].id = next++;
    return QV_OK;
}

/* The rows of old fragments one after the other; their numbers are read a fragment at a time. */
typedef struct lineage {
    qv__snapshot *base;
    uint64_t *ids, *created, *updated; /* of all physical rows of a fragment */
    size_t capacity[3];
} lineage;

static qv_status read_lineage(lineage *l, size_t fragment, qv_error *err)
{
    uint64_t n = qv__snapshot_fragment(l->base, fragment)->physical_rows;

    QV_TRY(QV_GROW(&l->ids, &l->capacity[0], n, err));
    QV_TRY(QV_GROW(&l->created, &l->capacity[1], n, err));
    QV_TRY(QV_GROW(&l->updated, &l->capacity[2], n, err));
    QV_TRY(qv__snapshot_row_ids(l->base, fragment, 0, n, l->ids, err));
    return qv__snapshot_row_versions(l->base, fragment, 0, n, l->created, l->updated, err);
}

static qv_status room_for_lineage(qv__new_fragments *fragments, qv_error *err)
{
    for (size_t i = 0; i < fragments->n; i++) {
        qv__new_fragment *f = &fragments->items[i];
        qv__free(f->row_ids);
        qv__free(f->created);
        qv__free(f->updated);
        f->row_ids = f->created = f->updated = NULL;
        QV_TRY(QV_NEW(&f->row_ids, f->rows, err));
        QV_TRY(QV_NEW(&f->created, f->rows, err));
        QV_TRY(QV_NEW(&f->updated, f->rows, err));
    }
    return QV_OK;
}

/* A place among the rows of new fragments. */
typedef struct cursor {
    qv__new_fragments *fragments;
    size_t at;
    uint64_t row;
} cursor;

static void step(cursor *c)
{
    c->row++;
    if (c->row == c->fragments->items[c->at].rows) {
        c->at++;
        c->row = 0;
    }
}

static qv_status carry(lineage *l, const qv__rewrite_task *task, const qv__matches *live, qv__new_fragments *fragments,
                       qv_error *err)
{
    cursor to = { fragments, 0, 0 };
    size_t at;

    QV_TRY(room_for_lineage(fragments, err));
    for (size_t i = 0; i < task->n; i++) {
        roaring_uint32_iterator_t it;
        QV_TRY(qv__compact_find(l->base, task->fragments[i], &at, err));
        QV_TRY(read_lineage(l, at, err));
        for (roaring_init_iterator(live->rows[at], &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
            qv__new_fragment *f = &fragments->items[to.at];
            f->row_ids[to.row] = l->ids[it.current_value];
            f->created[to.row] = l->created[it.current_value];
            f->updated[to.row] = l->updated[it.current_value];
            step(&to);
        }
    }
    return QV_OK;
}

static qv_status carry_all(rewrite *r, qv_error *err)
{
    qv_status st = QV_OK;
    lineage l = { .base = r->c->base };

    if (!qv__snapshot_has_stable_row_ids(r->c->base))
        return QV_OK;
    for (size_t i = 0; i < r->c->n; i++) {
        QV_CHECK(carry(&l, &r->c->done[i].task, &r->live[i], &r->c->done[i].fragments, err));
        QV_CHECK(qv__job_tick(r->c->job, 0, 0, err));
    }
done:
    qv__free(l.ids);
    qv__free(l.created);
    qv__free(l.updated);
    return st;
}

/* ------------------------------------------------------------------ indices */

static void move_rows(rewrite *r, size_t task, uint64_t *from, uint64_t *to, size_t *n)
{
    const qv__matches *live = &r->live[task];
    cursor c = { &r->c->done[task].fragments, 0, 0 };

    for (size_t at = 0; at < live->n_fragments; at++) {
        roaring_uint32_iterator_t it;
        uint64_t id = qv__snapshot_fragment(r->c->base, at)->id;
        if (!live->rows[at])
            continue;
        for (roaring_init_iterator(live->rows[at], &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
            from[*n] = id << 32 | it.current_value;
            to[(*n)++] = c.fragments->items[c.at].id << 32 | c.row;
            step(&c);
        }
    }
}

/* Fragments are kept in the order of their ids, and tasks have whole spans of them: old addresses ascend. */
static qv_status list_moves(rewrite *r, qv_error *err)
{
    uint64_t rows = 0, *from, *to, *old_ids, *new_ids;
    size_t n_old = 0;

    for (size_t i = 0; i < r->c->n; i++) {
        rows += r->live[i].n_rows;
        n_old += r->groups[i].n_old;
    }
    QV_TRY(QV_NEW(&from, rows, err));
    r->move.from = from;
    QV_TRY(QV_NEW(&to, rows, err));
    r->move.to = to;
    QV_TRY(QV_NEW(&old_ids, n_old, err));
    r->move.old_fragments = old_ids;
    QV_TRY(QV_NEW(&new_ids, r->all.n, err));
    r->move.new_fragments = new_ids;
    for (size_t i = 0; i < r->c->n; i++) {
        move_rows(r, i, from, to, &r->move.n);
        for (size_t f = 0; f < r->groups[i].n_old; f++)
            old_ids[r->move.n_old++] = r->groups[i].old_ids[f];
        for (size_t f = 0; f < r->groups[i].n_new; f++)
            new_ids[r->move.n_new++] = r->c->done[i].fragments.items[f].id;
    }
    return QV_OK;
}

static qv_status follow_indices(rewrite *r, qv_error *err)
{
    const qv__index_entry *entries;
    bool defer = r->c->policy->defer_index_remap;
    size_t n;

    QV_TRY(qv__snapshot_indices(r->c->base, &entries, &n, err));
    if (!n)
        return QV_OK;
    if (!defer) /* entries of older rewrites are not remapped: they are read through what they wait for */
        QV_TRY(qv__compact_has_reuse(r->c->base, &defer, err));
    if (defer && !qv__snapshot_has_stable_row_ids(r->c->base))
        return qv__compact_reuse_entry(r->c->table, r->c->base, r->c->done, r->c->n, &r->reuse, err);
    QV_TRY(list_moves(r, err));
    return qv__index_remap(r->c->table, r->c->base, &r->move, r->c->job, &r->swaps, &r->n_swaps, err);
}

/* ------------------------------------------------------------------ the commit */

static uint64_t bytes_of(const qv__fragment *fragment)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < fragment->n_files; i++)
        bytes += fragment->files[i].size_bytes;
    return bytes;
}

static qv_status sum_up(const rewrite *r, qv_compact_result *out, qv_error *err)
{
    size_t at;

    *out = (qv_compact_result){ .fragments_added = r->all.n, .files_added = r->all.n };
    for (size_t i = 0; i < r->c->n; i++)
        for (size_t f = 0; f < r->groups[i].n_old; f++) {
            QV_TRY(qv__compact_find(r->c->base, r->groups[i].old_ids[f], &at, err));
            const qv__fragment *old = qv__snapshot_fragment(r->c->base, at);
            out->fragments_removed++;
            out->files_removed += old->n_files + (old->deletion != NULL);
            out->bytes_before += bytes_of(old);
        }
    for (size_t i = 0; i < r->all.n; i++)
        out->bytes_after += r->all.items[i].file.summary.size_bytes;
    return QV_OK;
}

/* What the groups' fragments hold now, ids and lineage included. */
static void collect_fragments(rewrite *r)
{
    for (size_t i = 0; i < r->c->n; i++)
        for (size_t f = 0; f < r->groups[i].n_new; f++)
            r->all.items[r->groups[i].first_new + f] = r->c->done[i].fragments.items[f];
}

qv_status qv__compact_commit_run(const qv__rewrite_order *commit, qv_compact_result *result, qv__snapshot **out,
                                 qv__commit_end *end, qv_error *err)
{
    qv_status st = QV_OK;
    rewrite r = { .c = commit };
    qv_compact_result sums;

    qv__buffer_init(&r.reuse, UINT32_MAX);
    QV_CHECK(gather(&r, err));
    QV_CHECK(reserve_ids(&r, err));
    QV_CHECK(carry_all(&r, err));
    QV_CHECK(follow_indices(&r, err));
    collect_fragments(&r);
    QV_CHECK(sum_up(&r, &sums, err));
    const qv__change change = { .operation = QV_OP_REWRITE,
                                .fragments = &r.all,
                                .groups = r.groups,
                                .n_groups = commit->n,
                                .swaps = r.swaps,
                                .n_swaps = r.n_swaps,
                                .reuse_entry = { r.reuse.data, r.reuse.len } };
    QV_CHECK(qv__commit(commit->table, commit->base, &change, commit->job, out, end, err));
    sums.version = qv__snapshot_version(*out);
    if (result)
        *result = sums;
done:
    if (st != QV_OK && !end->committed)
        qv__index_swaps_discard(commit->table, r.swaps, r.n_swaps);
    rewrite_clear(&r);
    return st;
}

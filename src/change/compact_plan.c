/* Which fragments are rewritten together. Candidates have too few rows, or too many deleted ones; those that follow one another
 * without a fragment between them that is left alone, and that the same indices know, form a group, and groups are cut where they reach
 * the target. A group of one small fragment is left alone.
 *
 * Unless the caller names a target, a large fragment is not written again for the sake of a few rows beside it: it joins its neighbours
 * when they bring a quarter of its rows. So a row is written again when the table has grown by a quarter, however often it is optimised. */
#include <math.h>

#include "arrow/compute/values.h"
#include "change/compact_private.h"

#define DEFAULT_TARGET_ROWS   (UINT64_C(1) << 20)
#define DEFAULT_DELETED_SHARE 0.1
#define CONFIG                "lance.compaction."
#define LARGE_BYTES           (UINT64_C(64) << 20)
#define WORTH_PART            4

/* ------------------------------------------------------------------ options */

static qv_status config_number(const qv__snapshot *base, const char *key, double *out, qv_error *err)
{
    const char *text = qv__snapshot_config(base, key);

    if (text && (!qv__float_parse(text, strlen(text), false, out) || !(*out >= 0)))
        return qv__fail(err, QV_INVALID, "the table's config says %s = \"%.40s\", which is no number", key, text);
    return QV_OK;
}

static bool config_flag(const qv__snapshot *base, const char *key, bool otherwise)
{
    const char *text = qv__snapshot_config(base, key);

    return text ? strcmp(text, "true") == 0 : otherwise;
}

qv_status qv__compact_policy_of(const qv__snapshot *base, const qv_compact_options *options, qv__compact_policy *out,
                                qv_error *err)
{
    double rows = (double) DEFAULT_TARGET_ROWS, share = DEFAULT_DELETED_SHARE, bytes = 0;

    QV_TRY(config_number(base, CONFIG "target_rows_per_fragment", &rows, err));
    QV_TRY(config_number(base, CONFIG "materialize_deletions_threshold", &share, err));
    QV_TRY(config_number(base, CONFIG "max_bytes_per_file", &bytes, err));
    if (!config_flag(base, CONFIG "materialize_deletions", true))
        share = 1.0;
    if (isnan(options->max_deleted_share) || options->max_deleted_share > 1)
        return qv__fail(err, QV_INVALID, "max_deleted_share is %g, not between 0 and 1", options->max_deleted_share);
    *out = (qv__compact_policy){
        .target_rows = options->target_rows ? options->target_rows : (uint64_t) QV_MIN(QV_MAX(rows, 1), 4294967295.0),
        .max_bytes_per_file =
            options->max_bytes_per_file ? options->max_bytes_per_file : (uint64_t) QV_MIN(bytes, 1e18),
        .max_deleted_share = options->max_deleted_share < 0 ? share : options->max_deleted_share,
        .spares_large = !options->target_rows,
        .defer_index_remap = options->defer_index_remap || config_flag(base, CONFIG "defer_index_remap", false),
        .no_binary_copy = options->no_binary_copy,
    };
    return QV_OK;
}

/* ------------------------------------------------------------------ tasks */

void qv__compact_task_clear(qv__rewrite_task *task)
{
    qv__free(task->fragments);
    *task = (qv__rewrite_task){ 0 };
}

void qv__compact_tasks_clear(qv__rewrite_tasks *tasks)
{
    for (size_t i = 0; i < tasks->n; i++)
        qv__compact_task_clear(&tasks->items[i]);
    qv__free(tasks->items);
    *tasks = (qv__rewrite_tasks){ 0 };
}

typedef struct planner {
    qv__snapshot *base;
    const qv__compact_policy *policy;
    const qv__index_entry *entries;
    size_t n_entries;
    qv__rewrite_tasks tasks;
} planner;

static bool has_many_deleted(const planner *p, size_t i)
{
    uint64_t rows = qv__snapshot_fragment(p->base, i)->physical_rows, live = qv__snapshot_live_rows(p->base, i);

    return rows > live && (double) (rows - live) > p->policy->max_deleted_share * (double) rows;
}

static bool is_candidate(const planner *p, size_t i)
{
    return has_many_deleted(p, i) || qv__snapshot_fragment(p->base, i)->physical_rows < p->policy->target_rows;
}

static bool covers(const qv__index_entry *entry, uint64_t id)
{
    size_t low = 0, end = entry->n_fragments;

    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (entry->fragments[middle] < id)
            low = middle + 1;
        else
            end = middle;
    }
    return low < entry->n_fragments && entry->fragments[low] == id;
}

/* Fragments of different coverage would cost an index the rows of both. */
static bool same_indices(const planner *p, size_t i, size_t j)
{
    for (size_t e = 0; e < p->n_entries; e++)
        if (p->entries[e].n_fields && covers(&p->entries[e], qv__snapshot_fragment(p->base, i)->id) !=
                                          covers(&p->entries[e], qv__snapshot_fragment(p->base, j)->id))
            return false;
    return true;
}

static qv_status add_task(planner *p, size_t from, size_t to, qv_error *err)
{
    qv__rewrite_task *task;

    if (to - from == 1 && !has_many_deleted(p, from))
        return QV_OK;
    QV_TRY(QV_GROW(&p->tasks.items, &p->tasks.capacity, p->tasks.n + 1, err));
    task = &p->tasks.items[p->tasks.n];
    *task = (qv__rewrite_task){ .read_version = qv__snapshot_version(p->base), .n = to - from };
    QV_TRY(QV_NEW(&task->fragments, task->n, err));
    for (size_t i = from; i < to; i++)
        task->fragments[i - from] = qv__snapshot_fragment(p->base, i)->id;
    p->tasks.n++;
    return QV_OK;
}

static uint64_t live_rows(const planner *p, size_t from, size_t to)
{
    uint64_t rows = 0;

    for (size_t i = from; i < to; i++)
        rows += qv__snapshot_live_rows(p->base, i);
    return rows;
}

/* Cuts a group into tasks of the target's size at least, as long as what is left makes another one. */
static qv_status cut_group(planner *p, size_t from, size_t to, qv_error *err)
{
    while (from < to) {
        size_t end = from;
        uint64_t rows = 0;
        while (end < to && rows < p->policy->target_rows)
            rows += qv__snapshot_live_rows(p->base, end++);
        if (live_rows(p, end, to) < p->policy->target_rows)
            end = to;
        QV_TRY(add_task(p, from, end, err));
        from = end;
    }
    return QV_OK;
}

/* Would [from, to) bring too little to fragment i of it? What does not fit into the target does not count. */
static bool is_spared(const planner *p, size_t i, size_t from, size_t to)
{
    const qv__fragment *f = qv__snapshot_fragment(p->base, i);
    uint64_t bytes = 0, own = qv__snapshot_live_rows(p->base, i), others = live_rows(p, from, to) - own;

    for (size_t k = 0; k < f->n_files; k++)
        bytes += f->files[k].size_bytes;
    if (!p->policy->spares_large || bytes < LARGE_BYTES || has_many_deleted(p, i))
        return false;
    return QV_MIN(others, p->policy->target_rows - QV_MIN(own, p->policy->target_rows)) < own / WORTH_PART;
}

/* Large fragments that are spared part their neighbours. */
static qv_status part_group(planner *p, size_t from, size_t to, qv_error *err)
{
    size_t begin = from;

    for (size_t i = from; i < to; i++) {
        if (!is_spared(p, i, from, to))
            continue;
        QV_TRY(cut_group(p, begin, i, err));
        begin = i + 1;
    }
    return cut_group(p, begin, to, err);
}

qv_status qv__compact_make_plan(qv__snapshot *base, const qv__compact_policy *policy, qv__rewrite_tasks *out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    planner p = { .base = base, .policy = policy };
    size_t n = qv__snapshot_n_fragments(base);
    uint64_t rows;

    QV_CHECK(qv__snapshot_count_rows(base, &rows, err)); /* reads deletion files of unknown length */
    QV_CHECK(qv__snapshot_indices(base, &p.entries, &p.n_entries, err));
    for (size_t from = 0, to; from < n; from = to) {
        to = from + 1;
        if (!is_candidate(&p, from))
            continue;
        while (to < n && is_candidate(&p, to) && same_indices(&p, from, to))
            to++;
        QV_CHECK(part_group(&p, from, to, err));
    }
    *out = p.tasks;
    p.tasks = (qv__rewrite_tasks){ 0 };
done:
    qv__compact_tasks_clear(&p.tasks);
    return st;
}

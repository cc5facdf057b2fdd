/* Neighbours of the nodes of a level, all together. A sample of the nodes leads cells; nodes that lie together (their nearest leaders are the
 * same) compare themselves as a block with the members of the cells that most of them are near to, many to many in the registers of one core,
 * instead of each walking through the graph for itself, row after row from memory. (Cells of leaders picked by chance, and dense
 * comparisons within them: Rubel et al., PiPNN, 2025; graphs made of nearest neighbours and then thinned: Ootomo et al., CAGRA, 2023.)
 *
 * The nearest rows alone make islands. Inserting rows one by one gives links of every length, since the first rows find only far ones. Here a
 * level is linked in samples, each some times as large as the one before: what a node is linked to in a sample is offered to it again
 * in the next one, and so are the leaders near to it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "hnsw_builder.h"

enum {
    BLOCK = 256,          /* nodes that look for their neighbours together */
    AT_ONCE = 512,        /* nodes they are compared with in one call */
    ROWS_OF_LEADER = 128, /* on average */
    NEAR_LEADERS = 8,     /* of each node */
    SCANNED = 32,         /* nodes that each is compared with, times ef_construction ... */
    KEPT = 4,             /* ... of which a quarter are kept to choose neighbours from */
    STEP = 4,             /* how many times the sample before it a sample is */
    LEAST_SAMPLE = 1024,
    OF_FEW = 4,     /* times as many are kept in samples and on upper levels */
    LONGEST = 512,  /* rows that each is compared with when products are the metric, if they are no more than ... */
    LONGEST_OF = 8, /* ... one of so many */
    SAMPLES = 16,
    LEADERS_OF_REGION = 32, /* leaders that lie together get numbers that follow one another */
};

typedef struct leader_vote {
    uint32_t leader, votes;
} leader_vote;

/* What one thread has for itself. */
typedef struct scan {
    uint8_t *asking, *asked; /* rows of a block, and of what it is compared with */
    uint32_t *scanned;       /* places of all that the block was compared with, in order */
    size_t n_scanned, n_compared;
    qv__hit *hits;
    qv__topk topks[BLOCK];
    uint32_t *votes; /* of each leader */
    leader_vote *voted;
    size_t n_voted;
    qv__near *near;
    uint32_t *nodes;
    float *distances;
} scan;

/* Places: of nodes in builder->order, which begins with the nodes of every level. */
struct qv__cells {
    unsigned level;
    uint32_t *lists;       /* of each place; NULL: those of the level, all whose nodes are linked now */
    const uint32_t *above; /* lists of the first n_above places */
    uint32_t n_above;
    uint32_t n, n_leaders, n_near;
    size_t wanted, most; /* nodes kept for each, nodes compared with */
    uint32_t *leaders;   /* nodes */
    uint8_t *leader_rows;
    uint32_t *near;      /* of each place, nearest first: numbers of leaders */
    uint32_t *members;   /* places by their nearest leader, then by the second */
    uint32_t *starts;    /* of each leader's cell in members */
    uint32_t *longest;   /* places, by products */
    uint8_t *is_longest; /* of each place; NULL: there are none */
    uint32_t n_longest;
    scan *scans; /* of each thread */
    size_t n_scans;
};

static void cells_clear(qv__cells *cells)
{
    for (size_t i = 0; cells->scans && i < cells->n_scans; i++) {
        scan *s = &cells->scans[i];
        void *all[] = { s->asking, s->asked, s->scanned, s->hits, s->votes, s->voted, s->near, s->nodes, s->distances };
        for (size_t j = 0; j < QV_COUNT_OF(all); j++)
            qv__free(all[j]);
    }
    qv__free(cells->scans);
    qv__free(cells->leaders);
    qv__free(cells->leader_rows);
    qv__free(cells->near);
    qv__free(cells->members);
    qv__free(cells->starts);
    qv__free(cells->longest);
    qv__free(cells->is_longest);
}

/* ------------------------------------------------------------------ leaders */

static void copy_row(const qv__builder *builder, uint32_t node, uint8_t *out)
{
    memcpy(out, builder->rows + builder->stride * node, builder->bytes);
}

/* Cells are made of what lies together; products would give all rows to a few long leaders. */
static qv_metric cell_metric(const qv__builder *builder)
{
    return builder->metric == QV_METRIC_DOT ? QV_METRIC_L2 : builder->metric;
}

/* The `k` nearest of n leaders for each of the gathered rows. */
static qv_status find_leaders(const qv__builder *builder, const uint8_t *rows, size_t n_rows,
                              const uint8_t *leader_rows, size_t n, size_t k, scan *s, uint32_t *out, qv_error *err)
{
    const qv__scan_rows leaders = { .rows = leader_rows, .stride = builder->bytes, .n = n };
    qv__distance *distance = NULL;

    QV_TRY(qv__distance_new(cell_metric(builder), builder->element, builder->dim, rows, builder->element, n_rows,
                            &distance, err));
    for (size_t i = 0; i < n_rows; i++)
        qv__topk_init(&s->topks[i], k, s->hits + i * k, NULL, NULL);
    qv_status st = qv__distance_topk(distance, &leaders, s->topks, err);
    for (size_t i = 0; st == QV_OK && i < n_rows; i++) {
        qv__topk_sort(&s->topks[i]);
        for (size_t j = 0; j < k; j++) /* all are found unless distances are not finite */
            out[i * k + j] = j < s->topks[i].n ? (uint32_t) s->topks[i].heap[j].id : 0;
    }
    qv__distance_free(distance);
    return st;
}

static qv_status find_near(qv__builder *builder, qv__builder_thread *thread, size_t block, qv_error *err)
{
    qv__cells *cells = builder->cells;
    scan *s = &cells->scans[thread - builder->threads];
    size_t first = block * BLOCK, n = QV_MIN(cells->n - first, BLOCK);

    for (size_t i = 0; i < n; i++)
        copy_row(builder, builder->order[first + i], s->asking + i * builder->bytes);
    QV_TRY(find_leaders(builder, s->asking, n, cells->leader_rows, cells->n_leaders, cells->n_near, s,
                        cells->near + first * cells->n_near, err));
    return builder->job ? qv__job_tick(builder->job, 0, 0, err) : QV_OK;
}

/* Stable: out[] gets what[0 .. n) by ascending key; counts[n_keys + 1] then says where each key begins. */
static void sort_by(const uint32_t *what, size_t n, const uint32_t *keys, size_t stride, uint32_t *counts,
                    size_t n_keys, uint32_t *out)
{
    memset(counts, 0, (n_keys + 1) * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        counts[keys[i * stride] + 1]++;
    for (size_t k = 0; k < n_keys; k++)
        counts[k + 1] += counts[k];
    for (size_t i = 0; i < n; i++) {
        uint32_t which = what ? what[i] : (uint32_t) i;
        out[counts[keys[(size_t) which * stride]]++] = which;
    }
    memmove(counts + 1, counts, n_keys * sizeof *counts);
    counts[0] = 0;
}

/* The first nodes of the level, those of one region after another. */
static qv_status choose_leaders(qv__builder *builder, qv__cells *cells, qv_error *err)
{
    qv_status st = QV_OK;
    uint32_t n = cells->n_leaders, n_regions = QV_MAX(n / LEADERS_OF_REGION, 1), *regions = NULL, *counts = NULL,
             *places = NULL;

    QV_CHECK(QV_NEW(&regions, n, err));
    QV_CHECK(QV_NEW(&counts, n_regions + 1, err));
    QV_CHECK(QV_NEW(&places, n, err));
    for (uint32_t i = 0; i < n; i++)
        copy_row(builder, builder->order[i], cells->leader_rows + i * builder->bytes);
    for (uint32_t at = 0; at < n; at += BLOCK)
        QV_CHECK(find_leaders(builder, cells->leader_rows + at * builder->bytes, QV_MIN(n - at, BLOCK),
                              cells->leader_rows, n_regions, 1, &cells->scans[0], regions + at, err));
    sort_by(NULL, n, regions, 1, counts, n_regions, places);
    for (uint32_t i = 0; i < n; i++) {
        cells->leaders[i] = builder->order[places[i]];
        copy_row(builder, cells->leaders[i], cells->leader_rows + i * builder->bytes);
    }
done:
    qv__free(regions);
    qv__free(counts);
    qv__free(places);
    return st;
}

static qv_status sort_members(qv__cells *cells, qv_error *err)
{
    uint32_t *by_second = NULL;

    QV_TRY(QV_NEW(&by_second, cells->n, err));
    sort_by(NULL, cells->n, cells->near + (cells->n_near > 1), cells->n_near, cells->starts, cells->n_leaders,
            by_second);
    sort_by(by_second, cells->n, cells->near, cells->n_near, cells->starts, cells->n_leaders, cells->members);
    qv__free(by_second);
    return QV_OK;
}

/* Long rows have great products with rows in all directions. */
static qv_status choose_longest(qv__builder *builder, qv__cells *cells, qv_error *err)
{
    qv_status st = QV_OK;
    float *values = NULL, *smallest = NULL; /* 1 - |row|^2 */

    QV_CHECK(QV_NEW(&cells->longest, LONGEST, err));
    QV_CHECK(QV_NEW(&cells->is_longest, cells->n, err));
    QV_CHECK(QV_NEW(&values, cells->n, err));
    QV_CHECK(QV_NEW(&smallest, LONGEST, err));
    for (uint32_t i = 0; i < cells->n; i++) {
        qv__builder_row row = { builder, builder->order[i] };
        qv__measure measure = qv__builder_measure(&row);
        qv__measure_nodes(&measure, &row.node, 1, &values[i]);
    }
    cells->n_longest = QV_MIN(cells->n / LONGEST_OF, LONGEST);
    qv__smallest(values, cells->n, cells->n_longest, cells->longest, smallest);
    for (uint32_t i = 0; i < cells->n_longest; i++)
        cells->is_longest[cells->longest[i]] = 1;
done:
    qv__free(values);
    qv__free(smallest);
    return st;
}

/* ------------------------------------------------------------------ comparing */

static qv_status compare(const qv__builder *builder, const qv__distance *distance, scan *s, qv_error *err)
{
    const qv__scan_rows rows = {
        .rows = s->asked, .stride = builder->bytes, .n = s->n_scanned - s->n_compared, .first_id = s->n_compared
    };

    QV_TRY(qv__distance_topk(distance, &rows, s->topks, err));
    s->n_compared = s->n_scanned;
    return builder->job ? qv__job_tick(builder->job, 0, 0, err) : QV_OK;
}

static qv_status scan_place(const qv__builder *builder, const qv__distance *distance, uint32_t place, scan *s,
                            qv_error *err)
{
    size_t n_waiting = s->n_scanned - s->n_compared;

    copy_row(builder, builder->order[place], s->asked + n_waiting * builder->bytes);
    s->scanned[s->n_scanned++] = place;
    return n_waiting + 1 == AT_ONCE ? compare(builder, distance, s, err) : QV_OK;
}

/* Compares with members[from, end), but for those of `done`, a block that was compared with before. */
static qv_status scan_members(const qv__builder *builder, const qv__distance *distance, size_t done, uint32_t from,
                              uint32_t end, scan *s, qv_error *err)
{
    const qv__cells *cells = builder->cells;

    for (uint32_t i = from; i < end; i++)
        if (i / BLOCK != done && !(cells->is_longest && cells->is_longest[cells->members[i]]))
            QV_TRY(scan_place(builder, distance, cells->members[i], s, err));
    return QV_OK;
}

static int compare_votes(const void *a, const void *b)
{
    const leader_vote *x = a, *y = b;

    return x->votes != y->votes ? (x->votes < y->votes) - (x->votes > y->votes)
                                : (x->leader > y->leader) - (x->leader < y->leader);
}

/* The leaders near to the block's nodes, those first that are near to most of them. */
static void vote(const qv__cells *cells, size_t first, size_t n, scan *s)
{
    s->n_voted = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *near = cells->near + (size_t) cells->members[first + i] * cells->n_near;
        for (uint32_t j = 0; j < cells->n_near; j++) {
            if (!s->votes[near[j]])
                s->voted[s->n_voted++].leader = near[j];
            s->votes[near[j]] += cells->n_near - j;
        }
    }
    for (size_t i = 0; i < s->n_voted; i++) {
        s->voted[i].votes = s->votes[s->voted[i].leader];
        s->votes[s->voted[i].leader] = 0;
    }
    qsort(s->voted, s->n_voted, sizeof *s->voted, compare_votes);
}

/* Of a cell with too many members, those around the ones whose second leader is `other`. */
static void narrow(const qv__cells *cells, uint32_t other, uint32_t most, uint32_t *from, uint32_t *end)
{
    uint32_t low = *from, high = *end, second = cells->n_near > 1;

    if (*end - *from <= most)
        return;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cells->near[(size_t) cells->members[middle] * cells->n_near + second] < other)
            low = middle + 1;
        else
            high = middle;
    }
    low = QV_MAX(low, *from + most / 2) - most / 2;
    *from = QV_MIN(low, *end - most);
    *end = *from + most;
}

/* Where rows are equal by the thousand, every other one is as near as those that were found. */
static bool found_equals(const qv__builder *builder, const scan *s, size_t n)
{
    if (builder->metric == QV_METRIC_DOT)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s->topks[i].n < s->topks[i].k || s->topks[i].heap[0].distance > 0)
            return false;
    return true;
}

static qv_status scan_cells(qv__builder *builder, const qv__distance *distance, size_t block, size_t n, scan *s,
                            qv_error *err)
{
    const qv__cells *cells = builder->cells;
    uint32_t first = (uint32_t) block * BLOCK,
             own = cells->near[(size_t) cells->members[first + n / 2] * cells->n_near];

    s->n_scanned = s->n_compared = 0;
    for (uint32_t i = 0; i < cells->n_longest; i++)
        QV_TRY(scan_place(builder, distance, cells->longest[i], s, err));
    QV_TRY(scan_members(builder, distance, SIZE_MAX, first, first + (uint32_t) n, s, err));
    QV_TRY(compare(builder, distance, s, err));
    vote(cells, first, n, s);
    for (size_t i = 0; i < s->n_voted && s->n_scanned < cells->most && !found_equals(builder, s, n); i++) {
        uint32_t leader = s->voted[i].leader, from = cells->starts[leader], end = cells->starts[leader + 1];
        narrow(cells, own, (uint32_t) (cells->most - s->n_scanned), &from, &end);
        QV_TRY(scan_members(builder, distance, block, from, end, s, err));
    }
    return compare(builder, distance, s, err);
}

/* ------------------------------------------------------------------ choosing */

/* Puts a node at its place among near ones, unless it is there already. */
static size_t add_near(qv__near *near, size_t n, qv__near one)
{
    size_t at = n;

    for (size_t i = 0; i < n; i++)
        if (near[i].node == one.node)
            return n;
    for (; at > 0 && near[at - 1].distance > one.distance; at--)
        near[at] = near[at - 1];
    near[at] = one;
    return n + 1;
}

/* Far nodes to choose from: the leaders near by, and the neighbours in the sample before. */
static size_t add_far(const qv__builder *builder, uint32_t place, scan *s, size_t n)
{
    const qv__cells *cells = builder->cells;
    qv__builder_row row = { builder, builder->order[place] };
    qv__measure measure = qv__builder_measure(&row);
    uint32_t n_far = 0;

    for (uint32_t i = 0; i < cells->n_near; i++)
        s->nodes[n_far++] = cells->leaders[cells->near[(size_t) place * cells->n_near + i]];
    if (place < cells->n_above) {
        const uint32_t *above = cells->above + (size_t) place * (builder->m + 1);
        memcpy(s->nodes + n_far, above + 1, above[0] * sizeof *above);
        n_far += above[0];
    }
    qv__measure_nodes(&measure, s->nodes, n_far, s->distances);
    for (uint32_t i = 0; i < n_far; i++)
        if (s->nodes[i] != row.node && s->distances[i] < INFINITY)
            n = add_near(s->near, n, (qv__near){ s->distances[i], s->nodes[i] });
    return n;
}

static void choose_neighbours(const qv__builder *builder, uint32_t place, qv__topk *topk, scan *s)
{
    const qv__cells *cells = builder->cells;
    uint32_t node = builder->order[place];
    uint32_t *block = cells->lists ? cells->lists + (size_t) place * (builder->m + 1)
                                   : qv__builder_block(builder, cells->level, node);
    size_t n = 0;

    qv__topk_sort(topk);
    for (size_t i = 0; i < topk->n; i++)
        if (s->scanned[topk->heap[i].id] != place)
            s->near[n++] = (qv__near){ topk->heap[i].distance, builder->order[s->scanned[topk->heap[i].id]] };
    n = add_far(builder, place, s, n);
    block[0] = qv__builder_choose(builder, s->near, n, builder->m, block + 1);
}

/* The own lists of a block of members. */
static qv_status link_block(qv__builder *builder, qv__builder_thread *thread, size_t block, qv_error *err)
{
    const qv__cells *cells = builder->cells;
    scan *s = &cells->scans[thread - builder->threads];
    size_t first = block * BLOCK, n = QV_MIN(cells->n - first, BLOCK);
    qv__distance *distance = NULL;
    qv_status st = QV_OK;

    for (size_t i = 0; i < n; i++) {
        copy_row(builder, builder->order[cells->members[first + i]], s->asking + i * builder->bytes);
        qv__topk_init(&s->topks[i], cells->wanted, s->hits + i * cells->wanted, NULL, NULL);
    }
    QV_CHECK(qv__distance_new(builder->metric, builder->element, builder->dim, s->asking, builder->element, n,
                              &distance, err));
    QV_CHECK(scan_cells(builder, distance, block, n, s, err));
    for (size_t i = 0; i < n; i++)
        choose_neighbours(builder, cells->members[first + i], &s->topks[i], s);
    if (builder->job)
        QV_CHECK(qv__job_tick(builder->job, cells->level == 0 && !cells->lists ? n : 0, 0, err));
done:
    qv__distance_free(distance);
    return st;
}

/* ------------------------------------------------------------------ the door */

static qv_status make_scan(const qv__builder *builder, const qv__cells *cells, scan *s, qv_error *err)
{
    size_t n_far = cells->n_near + builder->m;

    QV_TRY(QV_NEW(&s->asking, BLOCK * builder->bytes, err));
    QV_TRY(QV_NEW(&s->asked, AT_ONCE * builder->bytes, err));
    QV_TRY(QV_NEW(&s->scanned, cells->most + BLOCK, err));
    QV_TRY(QV_NEW(&s->hits, BLOCK * QV_MAX(cells->wanted, NEAR_LEADERS), err));
    QV_TRY(QV_NEW(&s->votes, cells->n_leaders, err));
    QV_TRY(QV_NEW(&s->voted, QV_MIN(cells->n_leaders, BLOCK * NEAR_LEADERS), err));
    QV_TRY(QV_NEW(&s->near, cells->wanted + n_far, err));
    QV_TRY(QV_NEW(&s->nodes, n_far, err));
    return QV_NEW(&s->distances, n_far, err);
}

static qv_status make_cells(qv__builder *builder, qv__cells *cells, qv_error *err)
{
    QV_TRY(QV_NEW(&cells->leaders, cells->n_leaders, err));
    QV_TRY(QV_NEW(&cells->leader_rows, cells->n_leaders * builder->bytes, err));
    QV_TRY(QV_NEW(&cells->near, (size_t) cells->n * cells->n_near, err));
    QV_TRY(QV_NEW(&cells->members, cells->n, err));
    QV_TRY(QV_NEW(&cells->starts, (size_t) cells->n_leaders + 1, err));
    QV_TRY(QV_NEW(&cells->scans, builder->n_threads, err));
    for (cells->n_scans = 0; cells->n_scans < builder->n_threads;)
        QV_TRY(make_scan(builder, cells, &cells->scans[cells->n_scans++], err));
    return choose_leaders(builder, cells, err);
}

/* Samples and upper levels are what leads from one cluster to another. Their nodes are few, and get more to choose from. */
static bool is_few(const qv__cells *cells) { return cells->level > 0 || cells->lists; }

/* Links the nodes of a sample, or of the whole level, which makes them neighbours of their neighbours, too. */
static qv_status link_nodes(qv__builder *builder, qv__cells *cells, qv_error *err)
{
    size_t n_blocks = (cells->n + BLOCK - 1) / BLOCK;
    qv_status st = QV_OK;

    cells->n_leaders = QV_MAX(cells->n / ROWS_OF_LEADER, 1);
    cells->n_near = QV_MIN(cells->n_leaders, NEAR_LEADERS);
    cells->wanted = QV_MAX(builder->ef / KEPT, builder->m) * (is_few(cells) ? OF_FEW : 1) + 1; /* itself, too */
    cells->most = QV_MAX((size_t) builder->ef * SCANNED, 2 * BLOCK) + LONGEST;
    builder->cells = cells;
    QV_CHECK(make_cells(builder, cells, err));
    QV_CHECK(qv__builder_each(builder, n_blocks, find_near, 1, err));
    QV_CHECK(sort_members(cells, err));
    if (builder->metric == QV_METRIC_DOT && !builder->is_unit)
        QV_CHECK(choose_longest(builder, cells, err));
    QV_CHECK(qv__builder_each(builder, n_blocks, link_block, 1, err));
    if (!cells->lists)
        QV_CHECK(qv__builder_link_back(builder, cells->level, cells->members, cells->n, err));
done:
    cells_clear(cells);
    builder->cells = NULL;
    return st;
}

/* Sizes of the samples of a level, the largest first. */
static size_t choose_samples(const qv__builder *builder, unsigned level, uint32_t *sizes)
{
    uint32_t n_above = level + 1 < builder->n_levels ? builder->level_n[level + 1] : 0;
    size_t n = 0;

    for (uint32_t size = builder->level_n[level] / STEP; size >= QV_MAX(2 * n_above, LEAST_SAMPLE); size /= STEP)
        sizes[n++] = size;
    return n;
}

qv_status qv__builder_link_level(qv__builder *builder, unsigned level, qv_error *err)
{
    bool is_top = level + 1 == builder->n_levels;
    uint32_t sizes[SAMPLES], *lists = NULL, *last = NULL, n_above = is_top ? 0 : builder->level_n[level + 1];
    const uint32_t *above = is_top ? NULL : builder->lists[level];
    qv_status st = QV_OK;

    for (size_t i = choose_samples(builder, level, sizes); i-- > 0;) {
        QV_CHECK(QV_NEW(&lists, (size_t) sizes[i] * (builder->m + 1), err));
        qv__cells cells = { .level = level, .n = sizes[i], .lists = lists, .above = above, .n_above = n_above };
        QV_CHECK(link_nodes(builder, &cells, err));
        qv__free(last);
        above = last = lists;
        lists = NULL;
        n_above = sizes[i];
    }
    qv__cells cells = { .level = level, .n = builder->level_n[level], .above = above, .n_above = n_above };
    QV_CHECK(link_nodes(builder, &cells, err));
done:
    qv__free(lists);
    qv__free(last);
    return st;
}

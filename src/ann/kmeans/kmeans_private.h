/* What the files of kmeans/ share: random numbers, seeding, and the state of Lloyd's iterations. */
#ifndef QV_ANN_KMEANS_PRIVATE_H
#define QV_ANN_KMEANS_PRIVATE_H

#include "ann/kmeans/kmeans.h"

/* ------------------------------------------------------------------ random numbers (splitmix64; Steele, Lea, Flood 2014) */

static inline uint64_t qv__kmeans_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static inline double qv__kmeans_unit(uint64_t *state) { return (double) (qv__kmeans_random(state) >> 11) * 0x1p-53; }

/* ------------------------------------------------------------------ options, with defaults filled in */

/* Checks k against n, names both. */
qv_status qv__kmeans_options_of(const qv__kmeans_options *options, size_t n, size_t dim, qv__kmeans_options *out,
                                qv_error *err);
static inline qv_status qv__kmeans_tick(qv__job *job, qv_error *err)
{
    return job ? qv__job_tick(job, 0, 0, err) : QV_OK;
}

/* ------------------------------------------------------------------ seed.c */

/* One row of each of m even pieces of n rows, in order: numbers[m], m <= n. */
void qv__kmeans_sample(size_t n, size_t m, uint64_t *random, uint32_t *numbers);
/* k rows as first centroids: k-means++ over a sample. */
qv_status qv__kmeans_seed(const float *rows, size_t n, size_t dim, size_t k, uint64_t *random, qv__job *job,
                          float *centroids, qv_error *err);

/* ------------------------------------------------------------------ cells.c: rows by cell */

/* Which rows each of k cells has: order[starts[c] .. starts[c + 1]) are those of cell c, ascending. */
typedef struct qv__cells {
    size_t n, k;
    uint32_t *lists;  /* the cell of each row */
    uint32_t *order;  /* n */
    uint32_t *starts; /* k + 1 */
} qv__cells;
qv_status qv__cells_init(qv__cells *cells, size_t n, size_t k, qv_error *err);
void qv__cells_clear(qv__cells *cells);
void qv__cells_group(qv__cells *cells); /* order and starts from lists */
static inline size_t qv__cell_size(const qv__cells *cells, size_t c) { return cells->starts[c + 1] - cells->starts[c]; }

/* ------------------------------------------------------------------ groups.c: rows that lie together */

/* lists[row] = the nearest (l2) of candidates[starts[g] .. starts[g + 1]) for each row of group g. `lists` may be groups->lists. */
typedef struct qv__group_assignment {
    const float *rows;
    size_t dim;
    const qv__cells *groups;
    const float *centroids;
    const uint32_t *candidates, *starts; /* starts: one more than there are groups */
    uint32_t *lists;
    qv__job *job;
} qv__group_assignment;
qv_status qv__assign_groups(const qv__group_assignment *assignment, unsigned threads, qv_error *err);
/* The n of k centroids (set in `centroids`) that lie nearest to each anchor: n numbers each, ascending. */
qv_status qv__neighbours(const qv__nearest *centroids, size_t k, size_t dim, const float *anchors, size_t n_anchors,
                         size_t n, unsigned threads, qv__job *job, uint32_t *out, qv_error *err);

/* ------------------------------------------------------------------ tree.c: first centroids, when there are many */

enum { QV_KMEANS_FLAT_MOST = 256 }; /* centroids that every row is compared with */
/* Centroids by k-means within the cells of a coarser one, and the nearest within its cell for each row. `options` are complete. */
qv_status qv__kmeans_tree(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, float *centroids,
                          uint32_t *lists, qv_error *err);

/* ------------------------------------------------------------------ lloyd.c */

/* From k-means++ and every row against every centroid; in levels: from a tree, and every row against the neighbours of its centroid.
 * `options` are complete, of k <= n. */
qv_status qv__kmeans_lloyd(const float *rows, size_t n, size_t dim, const qv__kmeans_options *options, bool in_levels,
                           float *centroids, double *loss, qv_error *err);

#endif

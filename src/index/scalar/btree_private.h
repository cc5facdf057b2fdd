/* A BTREE: one sorted run of (value, row) in pages of equal length, and a table of what each page ends with. */
#ifndef QV_INDEX_BTREE_PRIVATE_H
#define QV_INDEX_BTREE_PRIVATE_H

#include "index/scalar/spans.h"

#define QV_BTREE_DATA      "page_data.lance"
#define QV_BTREE_LOOKUP    "page_lookup.lance"
#define QV_BTREE_PAGE_ROWS 4096

typedef struct qv__btree {
    qv__segment head;
    qv__file *data, *lookup;
    qv__column *values, *ids;
    qv__type *type;
    uint64_t rows, page_rows;
    uint64_t first_value,
        end_value;           /* rows that are not null: [first_value, end_value); nulls lie before or after them */
    size_t n_pages;          /* rows / page_rows, rounded up */
    qv__array *lows, *highs; /* least and greatest value of each page; null: there are nulls at that end */
} qv__btree;

qv_status qv__btree_open(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                         qv_error *err);
void qv__btree_close(qv__segment *segment);
qv_status qv__btree_ask(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err);
uint64_t qv__btree_estimate(qv__segment *segment, const qv__ask *ask);
qv_status qv__btree_build(const qv__index_target *target, qv__index_source *source, qv__index_built *out,
                          qv_error *err);
qv_status qv__btree_merge(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                          qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err);
qv_status qv__btree_verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err);
qv_status qv__btree_describe(qv__segment *segment, qv__buffer *json, qv_error *err);
qv_status qv__btree_prewarm(qv__segment *segment, qv_error *err);

#endif

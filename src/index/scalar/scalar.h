/* The kinds of scalar indices, and what they share. */
#ifndef QV_INDEX_SCALAR_H
#define QV_INDEX_SCALAR_H

#include "index/method.h"

extern const qv__index_method qv__btree_kind, qv__bitmap_kind, qv__label_list_kind, qv__ngram_kind, qv__zonemap_kind,
    qv__bloomfilter_kind, qv__json_kind;

/* ------------------------------------------------------------------ sorting */

/* External sort of (value, row) pairs: runs on disk beside the target when the memory limit is reached. Nulls first, floats in total
 * order, ties in input order. */
qv_status qv__sort_values(const qv__index_target *target, qv__index_source *source, qv__stream **sorted, qv_error *err);

#endif

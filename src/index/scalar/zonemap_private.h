/* A ZONEMAP: of each zone the least and the greatest value, and how many are null or no number. */
#ifndef QV_INDEX_ZONEMAP_PRIVATE_H
#define QV_INDEX_ZONEMAP_PRIVATE_H

#include "index/scalar/zones.h"

#define QV_ZONEMAP_FILE "zonemap.lance"

typedef struct qv__zonemap {
    qv__segment head;
    qv__zones zones;
    qv__array *lows, *highs; /* of each zone; null: it has no value. A NaN on top: no upper bound */
    qv__array *null_counts, *nan_counts;
    uint64_t rows_per_zone;
} qv__zonemap;

qv_status qv__zonemap_build(const qv__index_target *target, qv__index_source *source, qv__index_built *out,
                            qv_error *err);
qv_status qv__zonemap_merge(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                            qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err);

#endif

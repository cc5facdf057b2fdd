/* Split-block Bloom filters: 32-byte blocks of eight words; a value sets one bit of each word of one block. */
#ifndef QV_INDEX_BLOOMFILTER_PRIVATE_H
#define QV_INDEX_BLOOMFILTER_PRIVATE_H

#include "index/scalar/zones.h"

#define QV_BLOOMFILTER_FILE "bloomfilter.lance"
#define QV_BLOOM_BLOCK      32

typedef struct qv__bloomfilter {
    qv__segment head;
    qv__zones zones;
    qv__type *type;       /* of the column; NULL: not told */
    qv__column *filters;  /* one for each zone */
    qv__array *has_nulls; /* a bool for each zone */
    uint64_t rows_per_zone;
    char probability[24]; /* as the file says it */
} qv__bloomfilter;

/* xxHash64 of the bytes of value i, which is not null. */
uint64_t qv__bloom_hash(const qv__array *values, int64_t i);
void qv__bloom_add(uint8_t *filter, size_t bytes, uint64_t hash);
bool qv__bloom_has(const uint8_t *filter, size_t bytes, uint64_t hash);
bool qv__bloom_can_index(const qv__type *type);

qv_status qv__bloomfilter_build(const qv__index_target *target, qv__index_source *source, qv__index_built *out,
                                qv_error *err);
qv_status qv__bloomfilter_merge(const qv__index_target *target, qv__segment *const *old, size_t n_old,
                                qv__index_source *added, qv__keep_fn keep, void *ctx, qv__index_built *out,
                                qv_error *err);

#endif

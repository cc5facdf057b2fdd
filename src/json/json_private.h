/* What the files of this module share: containers of JSONB, walked over. */
#ifndef QV_JSON_JSON_PRIVATE_H
#define QV_JSON_JSON_PRIVATE_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "json/json.h"

typedef struct qv__jsonb_container {
    uint32_t kind;
    size_t n, n_entries;
    const uint8_t *entries, *payload, *end;
} qv__jsonb_container;

static inline uint32_t qv__load_be32(const uint8_t *from) { return __builtin_bswap32(qv__load_u32(from)); }

qv_status qv__jsonb_open(const uint8_t *bytes, size_t len, qv__jsonb_container *out, qv_error *err);
/* Cuts the next payload off. */
qv_status qv__jsonb_take(qv__jsonb_container *c, uint32_t entry, const uint8_t **payload, qv_error *err);

#endif

/* Memory that goes all at once: per query, per parsed message. Not thread-safe. */
#ifndef QV_BASE_ARENA_H
#define QV_BASE_ARENA_H

#include "base/status.h"

typedef struct qv__arena_block qv__arena_block;
typedef struct qv__arena {
    qv__arena_block *blocks;
    size_t used_bytes;
    size_t limit_bytes; /* 0: none */
} qv__arena;

void qv__arena_init(qv__arena *arena, size_t limit_bytes);
void *qv__arena_alloc(qv__arena *arena, size_t count, size_t size); /* zeroed, 16-aligned; NULL on failure */
char *qv__arena_strndup(qv__arena *arena, const char *text, size_t n_bytes);
void qv__arena_reset(qv__arena *arena); /* frees everything; the arena can be used again */

#endif

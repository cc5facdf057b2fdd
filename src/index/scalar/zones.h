/* Zones: runs of consecutive rows of one fragment of which a ZONEMAP or a BLOOMFILTER keeps a summary. Both store where a zone lies in
 * columns of the same names, and the rows of nulls in a global buffer. */
#ifndef QV_INDEX_ZONES_H
#define QV_INDEX_ZONES_H

#include "arrow/builder.h"
#include "index/scalar/scalar.h"

#define QV_ZONE_ROWS 8192

typedef struct qv__zone {
    uint64_t fragment, start, length; /* fragment < 2^32, start + length <= 2^32 */
} qv__zone;

/* The zones of a file, and what is known of nulls. */
typedef struct qv__zones {
    qv__file *file;
    size_t n;
    qv__zone *items;
    bool in_order; /* by fragment, then by start */
    bool knows_nulls;
    qv__row_set nulls;
} qv__zones;
qv_status qv__zones_open(qv__store *folder, const char *name, qv__zones *out, qv_error *err);
void qv__zones_clear(qv__zones *zones);
/* A required column of the file, in full. `type` NULL: any. */
qv_status qv__zones_column(const qv__zones *zones, const char *name, const qv__type_id *type, qv__array **out,
                           qv_error *err);
/* Do the zones hold each of the fragment's rows? Old writers mixed fragments, and left deleted rows out. */
bool qv__zones_cover(const qv__zones *zones, uint64_t fragment, uint64_t physical_rows);
qv_status qv__zones_add_rows(const qv__zones *zones, size_t zone, qv__row_set *into, qv_error *err);
/* IS NULL and IS NOT NULL by the stored nulls; *done false: they are not known. */
qv_status qv__zones_answer_nulls(const qv__zones *zones, qv__ask_kind kind, qv__answer *out, bool *done, qv_error *err);
/* Zones that cannot be. */
void qv__zones_verify(const qv__zones *zones, const char *name, qv__problem_fn problem, void *ctx);

/* ------------------------------------------------------------------ building */

/* Cuts a source into zones. `add`: n more values of the zone, from `start`; `end`: the zone is full. */
typedef struct qv__zone_sink {
    qv_status (*add)(void *ctx, const qv__array *values, int64_t start, int64_t n, qv_error *err);
    qv_status (*end)(void *ctx, const qv__zone *zone, qv_error *err);
    void *ctx;
    uint64_t rows_per_zone;
    qv__row_set *nulls; /* rows of nulls are added */
} qv__zone_sink;
qv_status qv__zones_cut(qv__index_source *source, const qv__zone_sink *sink, qv__job *job, qv_error *err);

/* Which zones of an old segment survive: those of fragments of which `keep` wants any row (NULL: all). n bytes at `kept`. Adds the
 * nulls of those fragments to `nulls`. */
qv_status qv__zones_kept(const qv__zones *zones, size_t segment, qv__keep_fn keep, void *ctx, bool *kept,
                         qv__row_set *nulls, qv_error *err);
/* One zone at the end of three builders (fragment, start, length). */
qv_status qv__zone_append(qv__builder *const builders[3], const qv__zone *zone, qv_error *err);

#endif

/* What the files of change/ share: attempts, rows by place, and the parts of a merge. */
#ifndef QV_CHANGE_PRIVATE_H
#define QV_CHANGE_PRIVATE_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "change/change.h"
#include "table/change.h"

/* ------------------------------------------------------------------ attempt.c */

/* Works a change out on `base` and commits it. `end` as qv__commit left it; all zero when it was not called. */
typedef qv_status (*qv__attempt_fn)(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end,
                                    qv_error *err);
/* Tries until the change is committed, another error than a conflict that is worth another try comes, or 20 attempts and 30 s
 * have passed. *attempts (may be NULL): how many were made. */
qv_status qv__attempts(qv__snapshot *base, qv__job *job, qv__attempt_fn fn, void *ctx, uint32_t *attempts,
                       qv__snapshot **out, qv_error *err);

/* Options of a scan that is a part of a longer call: watched by that call's job. */
qv_scan_options qv__part_scan(const qv__job *job);
/* NULL and "" are refused. */
qv_status qv__condition_compile(const qv__snapshot *base, const char *where, qv__program **out, qv_error *err);

/* ------------------------------------------------------------------ rows.c */

/* Where a row of a snapshot lies: index of its fragment << 32 | physical row. */
typedef uint64_t qv__place;
static inline size_t qv__place_fragment(qv__place place) { return (size_t) (place >> 32); }
static inline uint32_t qv__place_row(qv__place place) { return (uint32_t) place; }

/* The matches as a change names them; the bitmaps stay the matches' own. The caller frees *out. */
qv_status qv__matches_deletions(const qv__snapshot *base, const qv__matches *matches, qv__row_deletion **out, size_t *n,
                                qv_error *err);
/* All places in storage order; the caller's. */
qv_status qv__matches_places(const qv__matches *matches, qv__place **out, qv_error *err);
qv_status qv__matches_init(const qv__snapshot *base, qv__matches *out, qv_error *err); /* no rows */
/* *added false: it was there already. */
qv_status qv__matches_add(qv__matches *matches, qv__place place, bool *added, qv_error *err);
/* Tables with stable row ids: the first n rows of the new fragments are those of `places` and keep ids and age; later ones
 * are new. Does nothing for other tables. */
qv_status qv__carry_lineage(qv__snapshot *base, const qv__place *places, uint64_t n, qv__new_fragments *fragments,
                            qv_error *err);
/* The ids of a field and all below it, appended. */
qv_status qv__collect_ids(const qv__field *field, int32_t **ids, size_t *n, size_t *capacity, qv_error *err);

#endif

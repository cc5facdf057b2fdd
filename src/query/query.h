/* Reads over a snapshot: scans, counts, takes and exact nearest-neighbour search, under conditions, as streams of batches. */
#ifndef QV_QUERY_QUERY_H
#define QV_QUERY_QUERY_H

#include "expr/expr.h"
#include "simd/simd.h"
#include "table/table.h"

/* The options are the public ones, already copied to full size and checked for shape by src/api; strings are borrowed during the call only. */
qv_status qv__scan(qv__snapshot *snapshot, const qv_scan_options *options, qv__stream **out, qv_error *err);
qv_status qv__take(qv__snapshot *snapshot, qv_take_by by, const uint64_t *rows, size_t n, bool in_order,
                   const qv_scan_options *options, qv__stream **out, qv_error *err);
qv_status qv__search(qv__snapshot *snapshot, const qv_vectors *queries, const qv_search_options *options,
                     qv__stream **out, qv_error *err);
qv_status qv__count_where(qv__snapshot *snapshot, const char *where, const qv_job *job, uint64_t *out, qv_error *err);
/* The tree of operators as text or JSON; with ANALYZE the query is run first. */
qv_status qv__explain_scan(qv__snapshot *snapshot, const qv_scan_options *options, qv_plan_mode mode, bool as_json,
                           qv__buffer *out, qv_error *err);
qv_status qv__explain_search(qv__snapshot *snapshot, const qv_vectors *queries, const qv_search_options *options,
                             qv_plan_mode mode, bool as_json, qv__buffer *out, qv_error *err);

/* ------------------------------------------------------------------ for changes */

/* The table's columns with _rowid and _rowaddr (uint64) after them: what a condition may name. */
qv_status qv__condition_scope(const qv__snapshot *snapshot, qv__schema **out, qv_error *err);

/* The live rows for which a condition holds, as one bitmap of physical rows per fragment (calloc'd array of n_fragments; NULL
 * entries: none). Uses indices. `condition` NULL: all live rows. */
typedef struct qv__matches {
    size_t n_fragments;
    struct roaring_bitmap_s **rows;
    uint64_t n_rows;
} qv__matches;
qv_status qv__match_rows(qv__snapshot *snapshot, const qv__program *condition, bool no_index, qv__job *job,
                         qv__matches *out, qv_error *err);
void qv__matches_clear(qv__matches *matches);

/* A scan of chosen rows (NULL entries of `rows` skip the fragment; `rows` itself NULL: all live rows), in storage order, with the
 * options' columns. The matches must outlive the stream. */
qv_status qv__scan_matches(qv__snapshot *snapshot, const qv__matches *rows, const qv_scan_options *options,
                           qv__stream **out, qv_error *err);

#endif

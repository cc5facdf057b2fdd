/* Reads over a snapshot: scans, takes and exact nearest-neighbour search, as streams of batches. */
#ifndef QV_QUERY_QUERY_H
#define QV_QUERY_QUERY_H

#include "arrow/array.h"
#include "simd/simd.h"
#include "table/table.h"

/* The options are the public ones, already copied to full size and checked for shape by src/api; strings are borrowed during the call only. */
qv_status qv__scan(qv__snapshot *snapshot, const qv_scan_options *options, qv__stream **out, qv_error *err);
qv_status qv__take(qv__snapshot *snapshot, qv_take_by by, const uint64_t *rows, size_t n, bool in_order,
                   const qv_scan_options *options, qv__stream **out, qv_error *err);
qv_status qv__search(qv__snapshot *snapshot, const qv_vectors *queries, const qv_search_options *options,
                     qv__stream **out, qv_error *err);

#endif

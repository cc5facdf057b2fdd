/* What a LABEL_LIST is built from. */
#ifndef QV_INDEX_LABEL_LIST_PRIVATE_H
#define QV_INDEX_LABEL_LIST_PRIVATE_H

#include "index/scalar/scalar.h"

/* The elements of lists of `type` as (value, row) pairs; `lists` is borrowed, and the rows of null lists are added to `nulls` as they
 * pass. */
qv_status qv__label_list_elements(qv__stream *lists, const qv__type *type, qv__row_set *nulls, qv__stream **out,
                                  qv_error *err);

#endif

/* Shared by the cast files: the families and the frame of element-wise casts. */
#ifndef QV_ARROW_CAST_PRIVATE_H
#define QV_ARROW_CAST_PRIVATE_H

#include "arrow/compute/compute_private.h"
#include "arrow/compute/values.h"

typedef qv_status (*qv__cast_fn)(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                                 qv_error *err);

/* One per family; cast.c picks. Source and target types differ and the cast is possible. */
qv_status qv__cast_number(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                          qv_error *err);
qv_status qv__cast_temporal(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                            qv_error *err);
qv_status qv__cast_decimal(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                           qv_error *err);
qv_status qv__cast_to_string(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                             qv_error *err);
qv_status qv__cast_from_string(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                               qv_error *err);
qv_status qv__cast_bytes(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                         qv_error *err); /* strings and binary of all kinds to each other */
qv_status qv__cast_list(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out, qv_error *err);
qv_status qv__cast_struct(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                          qv_error *err);
qv_status qv__cast_dictionary(const qv__array *array, const qv__type *to, qv__cast_mode mode, qv__array **out,
                              qv_error *err);

/* As QV_CAST_SQL, but rows that fail are null. */
qv_status qv__cast_try(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err);

/* An array of `to` with the validity of `array`, offset 0, and a zeroed value buffer of `to`'s width. */
qv_status qv__cast_frame(const qv__array *array, const qv__type *to, qv__array **out, uint8_t **values, qv_error *err);
/* The same buffers under another type of equal layout. */
qv_status qv__array_retype(const qv__array *array, const qv__type *to, qv__array **out, qv_error *err);

#endif

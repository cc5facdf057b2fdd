/* What the quantizers with one column of whole vectors share: their rows lie one after another in files and in memory alike. */
#ifndef QV_ANN_SQ_PRIVATE_H
#define QV_ANN_SQ_PRIVATE_H

#include "ann/sq/sq.h"

enum { QV_ROWS_BLOCK = 64 }; /* rows whose estimates are worked out together: one bit each of a word */

void qv__rows_arrange(const qv__quantizer *quantizer, const uint8_t *const *from, size_t n, uint8_t *const *to);
void qv__rows_enter_list(qv__code_query *query, const float *centroid, float centroid_distance, const float *extra);
size_t qv__rows_extra_floats(const qv__quantizer *quantizer);

/* Bit i: estimates[i] <= most (NaN never), of n <= QV_ROWS_BLOCK. The places from n on are overwritten. */
uint64_t qv__rows_select(float *estimates, size_t n, float most);

#endif

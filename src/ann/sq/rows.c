/* What the quantizers with one column of whole vectors share. */
#include <math.h>
#include <string.h>

#include "sq_private.h"

void qv__rows_arrange(const qv__quantizer *quantizer, const uint8_t *const *from, size_t n, uint8_t *const *to)
{
    memcpy(to[0], from[0], n * quantizer->columns[0].width);
}

void qv__rows_enter_list(qv__code_query *query, const float *centroid, float centroid_distance, const float *extra)
{
    QV_UNUSED(query); /* vectors are kept whole: what they are near to says nothing about them */
    QV_UNUSED(centroid);
    QV_UNUSED(centroid_distance);
    QV_UNUSED(extra);
}

size_t qv__rows_extra_floats(const qv__quantizer *quantizer)
{
    QV_UNUSED(quantizer);
    return 0;
}

uint64_t qv__rows_select(float *estimates, size_t n, float most)
{
    uint64_t passing = 0;
    int any = 0;

    for (size_t i = n; i < QV_ROWS_BLOCK; i++)
        estimates[i] = NAN;
    for (size_t i = 0; i < QV_ROWS_BLOCK; i++)
        any |= estimates[i] <= most;
    if (!any) /* the rule, once the threshold has fallen */
        return 0;
    for (size_t i = 0; i < QV_ROWS_BLOCK; i++)
        passing |= (uint64_t) (estimates[i] <= most) << i;
    return passing;
}

/* Rotations at random, so that every direction is coded alike: rounds of sign flips and Walsh-Hadamard transforms (Ailon, Chazelle 2009;
 * for other dimensions than powers of two by overlapping halves), or a stored matrix. */
#include <string.h>

#include "ann/rabitq/rabitq_private.h"

static void multiply(const float *matrix, size_t dim, const float *in, size_t lanes, float *out)
{
    memset(out, 0, dim * lanes * sizeof *out);
    for (size_t i = 0; i < dim; i++, out += lanes)
        for (size_t j = 0; j < dim; j++)
            for (size_t l = 0; l < lanes; l++)
                out[l] += matrix[i * dim + j] * in[j * lanes + l];
}

void qv__rabitq_rotate(const qv__rabitq *rabitq, const float *in, size_t lanes, float *out)
{
    size_t dim = rabitq->base.dim;

    if (rabitq->shape.rotation == QV_ROTATION_MATRIX) {
        multiply(rabitq->shape.matrix, dim, in, lanes, out);
        return;
    }
    memcpy(out, in, dim * lanes * sizeof *out);
    rabitq->kernels->rotate(out, dim, lanes, rabitq->shape.signs);
}

/* Facts about the process that floors below keep to themselves. */
#include <quiver/quiver.h>

#include "simd/simd.h"

const char *qv_simd_level(void) { return qv__simd_level(); }

/* What a set's kernels begin with. Vectors of QV_VECTOR bytes, which the includer defines as it does QV_ISA: 16 lanes are PARTS of them. */
#include <string.h>

#include "ann/rabitq/kern.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define QV_PASTE2(a, b) a##b
#define QV_PASTE(a, b)  QV_PASTE2(a, b)
#define QV_NAME(name)   QV_PASTE(name##_, QV_ISA)
#define QV_INLINE       static inline __attribute__((always_inline))

enum { LANES = QV_RABITQ_LANES, WIDTH = QV_VECTOR / 4, PARTS = LANES / WIDTH };

/* At any alignment, so that LOAD may be used of any address. */
typedef float vf __attribute__((vector_size(QV_VECTOR), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(QV_VECTOR), aligned(4), may_alias));
typedef uint8_t vb __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t vbs __attribute__((vector_size(QV_VECTOR / 4), aligned(1), may_alias)); /* WIDTH bytes */
typedef uint64_t v2 __attribute__((vector_size(16)));
typedef float v4 __attribute__((vector_size(16)));

#define LOAD(type, at) (*(type *) (void *) (at))

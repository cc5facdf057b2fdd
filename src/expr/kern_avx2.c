/* The kernels for x86-64 with AVX2. */
#define QV_ISA avx2
#include "expr/kern_tmpl.h"

/* What every C test includes: cmocka, a temporary folder, and checks that print the library's error. */
#ifndef QVT_H
#define QVT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"

/* The call succeeds; otherwise the test fails with the error's message. The name `err` (qv_error) must be in scope. */
#define QVT_OK(expr)                                                                     \
    do {                                                                                 \
        qv_status qvt_status = (expr);                                                   \
        if (qvt_status != QV_OK) {                                                       \
            print_error("%s: %s: %s\n", #expr, qv_status_name(qvt_status), err.message); \
            fail();                                                                      \
        }                                                                                \
    } while (0)

/* The call fails with `expected`, and its message contains `part`. */
#define QVT_FAILS(expr, expected, part)                                                                             \
    do {                                                                                                            \
        err.message[0] = 0;                                                                                         \
        qv_status qvt_status = (expr);                                                                              \
        if (qvt_status != (expected) || err.status != (expected) || !strstr(err.message, (part))) {                 \
            print_error("%s: %s \"%s\", expected %s with \"%s\"\n", #expr, qv_status_name(qvt_status), err.message, \
                        qv_status_name(expected), (part));                                                          \
            fail();                                                                                                 \
        }                                                                                                           \
    } while (0)

/* A fresh folder below $TMPDIR, removed at exit. Borrowed. */
const char *qvt_temp_dir(void);

/* A small deterministic generator (xorshift64*); seeds are printed by tests that use random ones. */
typedef struct qvt_rng {
    uint64_t state;
} qvt_rng;
uint64_t qvt_rng_next(qvt_rng *rng);
uint64_t qvt_rng_below(qvt_rng *rng, uint64_t n);
double qvt_rng_unit(qvt_rng *rng); /* [0, 1) */
/* QVT_SEED from the environment, else the clock; printed. */
qvt_rng qvt_rng_seeded(void);

#endif

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
#include <sys/types.h>

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

/*
 * fork() for children that go on to use the library. The address sanitizer of gcc 12 does not mind forks: a child whose parent had a second
 * thread inside its allocator finds that lock taken for ever. So a test that forks calls qvt_stay_single() before anything else, which keeps
 * the pool from starting threads, and qvt_fork() fails the test if there are any; the child gets its pool back.
 */
void qvt_stay_single(void);
pid_t qvt_fork(void);

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

/*
 * Failure by counting, and power loss at every sync: the loops around one trial.
 *
 * A trial prepares something, acts (the only part that fails), and checks what is left. For n = 0, 1, 2, ... the n-th
 * allocation, I/O call or sync point of `act` fails, until a run passes without failure. Each round starts with a fresh
 * prepare. What prepare makes, check must free: blocks that stay on Quiver's heap fail the test.
 *
 *     static void prepare(void *ctx)  { ... open a table in a fresh folder ... }
 *     static qv_status act(void *ctx, qv_error *err)  { return qv_table_write(...); }
 *     static void check(void *ctx, qv_status st)  { ... old version, or new one, nothing between; close ... }
 *
 *     qvt_fail_each(QVT_ALLOC, &(qvt_trial){ prepare, act, check }, &ctx);
 *     qvt_crash_each(16, &(qvt_trial){ prepare, act, check }, &ctx);
 */
#ifndef QVT_TRIAL_H
#define QVT_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef enum qvt_fault {
    QVT_ALLOC,   /* an allocation: QV_NOMEM */
    QVT_IO,      /* any I/O call: QV_IO (EIO) */
    QVT_NOSPACE, /* a write or sync: QV_IO (ENOSPC) */
    QVT_SHORT    /* a write stores half: QV_IO */
} qvt_fault;

void qvt_fault_arm(qvt_fault fault, uint64_t n);
bool qvt_fault_fired(void);
void qvt_fault_disarm(void); /* fired is forgotten */

typedef struct qvt_trial {
    void (*prepare)(void *ctx);
    qv_status (*act)(void *ctx, qv_error *err);
    void (*check)(void *ctx, qv_status st); /* QV_OK: the whole act must be there */
    bool may_succeed; /* a fired fault may be survived (a hint or a clean-up failed); never with another status */
} qvt_trial;

/* Returns how many points failed; the test fails when there was none. */
uint64_t qvt_fail_each(qvt_fault fault, const qvt_trial *trial, void *ctx);
/* Where there are thousands of points: every stride-th, from a first one that differs from run to run (QVT_SEED sets it). QVT_STRIDE from the
 * environment replaces the stride: 1 for all of them. */
uint64_t qvt_fail_every(qvt_fault fault, uint64_t stride, const qvt_trial *trial, void *ctx);
/* All four kinds in turn. */
void qvt_fail_each_kind(const qvt_trial *trial, void *ctx);

/* Crashes at every sync point of `act`, and once after it, each with `n_seeds` ways to lose power; the folders that `act`
 * changed look afterwards as such a loss may leave them. check opens everything anew; what act holds open it must release
 * itself, though every I/O call fails. Returns how many sync points there are; the test fails when there is none. */
uint64_t qvt_crash_each(uint64_t n_seeds, const qvt_trial *trial, void *ctx);

#endif

/* Failing the n-th operation. Unarmed, the price is one relaxed load per operation. */
#include <errno.h>

#include "io/io_private.h"

static _Atomic int armed; /* a qv__fault_kind */
static _Atomic uint64_t countdown;
static atomic_bool fired;

void qv__fault_arm(qv__fault_kind kind, uint64_t n)
{
    atomic_store(&armed, QV_FAULT_NONE);
    atomic_store(&fired, false);
    atomic_store(&countdown, n);
    atomic_store(&armed, (int) kind);
}

bool qv__fault_fired(void) { return atomic_load(&fired); }

static bool concerns(int kind, qv__op op)
{
    switch (kind) {
    case QV_FAULT_ERROR:
        return true;
    case QV_FAULT_NOSPACE:
        return op == QV_OP_WRITE || op == QV_OP_SYNC;
    case QV_FAULT_SHORT:
        return op == QV_OP_WRITE;
    default:
        return false;
    }
}

int qv__fault_check(qv__op op)
{
    int crashed = qv__crash_check(op);
    if (crashed)
        return crashed;
    int kind = atomic_load_explicit(&armed, memory_order_relaxed);
    if (!concerns(kind, op) || atomic_fetch_sub(&countdown, 1) != 0)
        return 0;
    atomic_store(&armed, QV_FAULT_NONE);
    atomic_store(&fired, true);
    return kind == QV_FAULT_NOSPACE ? ENOSPC : kind == QV_FAULT_SHORT ? QV_FAULT_HALF : EIO;
}

#include "qvt_trial.h"

#include <errno.h>

#include "base/alloc.h"
#include "io/store.h"
#include "qvt.h"

static bool is_alloc;

void qvt_fault_arm(qvt_fault fault, uint64_t n)
{
    static const qv__fault_kind kinds[] = { QV_FAULT_NONE, QV_FAULT_ERROR, QV_FAULT_NOSPACE, QV_FAULT_SHORT };

    is_alloc = fault == QVT_ALLOC;
    if (is_alloc)
        qv__alloc_fail_at(n);
    else
        qv__fault_arm(kinds[fault], n);
}

bool qvt_fault_fired(void) { return is_alloc ? qv__alloc_fault_fired() : qv__fault_fired(); }

void qvt_fault_disarm(void)
{
    qv__alloc_fail_at(UINT64_MAX);
    qv__fault_arm(QV_FAULT_NONE, 0);
}

static void expect_status(qvt_fault fault, uint64_t n, const qvt_trial *trial, qv_status st, const qv_error *err)
{
    qv_status expected = fault == QVT_ALLOC ? QV_NOMEM : QV_IO;

    if (st == QV_OK && trial->may_succeed)
        return;
    if (st != expected || err->status != st || !err->message[0] || (fault == QVT_NOSPACE && err->sys_errno != ENOSPC)) {
        print_error("fault %d at operation %llu: %s (errno %d) \"%s\", expected %s\n", (int) fault,
                    (unsigned long long) n, qv_status_name(st), err->sys_errno, err->message, qv_status_name(expected));
        fail();
    }
}

static void expect_blocks(const char *what, uint64_t n, size_t before)
{
    size_t after = qv_memory().live_blocks;

    if (after != before) {
        print_error("%s at operation %llu: %zu heap blocks before the trial, %zu after\n", what, (unsigned long long) n,
                    before, after);
        fail();
    }
}

uint64_t qvt_fail_each(qvt_fault fault, const qvt_trial *trial, void *ctx)
{
    return qvt_fail_every(fault, 1, trial, ctx);
}

uint64_t qvt_fail_every(qvt_fault fault, uint64_t stride, const qvt_trial *trial, void *ctx)
{
    static qvt_rng rng;
    const char *wanted = getenv("QVT_STRIDE");
    uint64_t first = 0;

    if (wanted)
        stride = strtoull(wanted, NULL, 10);
    if (stride > 1) {
        if (!rng.state)
            rng = qvt_rng_seeded();
        first = qvt_rng_below(&rng, stride);
    }
    for (uint64_t n = first;; n += stride) {
        size_t before = qv_memory().live_blocks;
        qv_error err = { .status = QV_OK };

        trial->prepare(ctx);
        qvt_fault_arm(fault, n);
        qv_status st = trial->act(ctx, &err);
        bool fired = qvt_fault_fired();
        qvt_fault_disarm();
        if (fired) {
            expect_status(fault, n, trial, st, &err);
        } else if (st != QV_OK) {
            print_error("without a fault: %s \"%s\"\n", qv_status_name(st), err.message);
            fail();
        }
        trial->check(ctx, st);
        expect_blocks("fault", n, before);
        if (!fired) {
            assert_true(n > 0 || stride > 1);
            return n;
        }
    }
}

void qvt_fail_each_kind(const qvt_trial *trial, void *ctx)
{
    for (int fault = QVT_ALLOC; fault <= QVT_SHORT; fault++)
        qvt_fail_each((qvt_fault) fault, trial, ctx);
}

/* One round; true when the crash happened inside `act`. */
static bool crash_once(uint64_t n, uint64_t seed, const qvt_trial *trial, void *ctx)
{
    size_t before = qv_memory().live_blocks;
    qv_error err = { .status = QV_OK };

    trial->prepare(ctx);
    QVT_OK(qv__crash_arm(n, &err));
    qv_status st = trial->act(ctx, &err);
    bool crashed = qv__crash_happened();
    if (st != (crashed ? QV_IO : QV_OK) && !(crashed && st == QV_OK && trial->may_succeed)) {
        print_error("sync point %llu, crashed %d: %s \"%s\"\n", (unsigned long long) n, crashed, qv_status_name(st),
                    err.message);
        fail();
    }
    QVT_OK(qv__crash_apply(seed, &err));
    trial->check(ctx, st);
    expect_blocks("crash", n, before);
    return crashed;
}

uint64_t qvt_crash_each(uint64_t n_seeds, const qvt_trial *trial, void *ctx)
{
    for (uint64_t n = 0;; n++) {
        bool crashed = false;
        for (uint64_t seed = 0; seed < n_seeds; seed++)
            crashed = crash_once(n, seed * 1000003 + n, trial, ctx);
        if (!crashed) {
            assert_true(n > 0);
            return n;
        }
    }
}

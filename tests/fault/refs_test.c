/* Each allocation and each storage operation fails in turn while references change and versions are cleaned up: every version,
 * tag and branch that is left can be read, and holds what it held. */
#include "qvt_refs.h"

static void each_act(void **state)
{
    qvt_trial trial = { qvt_refs_prepare, qvt_refs_run, qvt_refs_check, true };

    (void) state;
    for (int act = 0; act < QVT_REFS_ACTS; act++) {
        qvt_refs refs = { .act = (qvt_refs_act) act };
        bool writes = act != QVT_TAG_DELETE && act != QVT_BRANCH_DELETE && act != QVT_MIGRATE;
        for (int fault = QVT_ALLOC; fault <= (writes ? QVT_SHORT : QVT_IO); fault++)
            qvt_fail_each((qvt_fault) fault, &trial, &refs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_act) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

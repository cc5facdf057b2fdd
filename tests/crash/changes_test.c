/* The power goes at each sync point while rows and columns change: the table holds the version before or the version after, and the
 * latter whenever the call had returned QV_OK. */
#include "qvt_changes.h"

static void each_act(void **state)
{
    qvt_trial trial = { qvt_changes_prepare, qvt_changes_run, qvt_changes_check, true };
    static qvt_changes c;

    (void) state;
    for (int act = 0; act < QVT_CHANGES_ACTS; act++) {
        qvt_changes_learn(&c, (qvt_changes_act) act);
        qvt_crash_each(4, &trial, &c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_act) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

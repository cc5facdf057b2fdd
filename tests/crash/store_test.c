/* Power is lost at every sync point of a few commits. */
#include "qvt.h"
#include "qvt_history.h"
#include "qvt_trial.h"

static const qvt_trial trial = { qvt_history_prepare, qvt_history_act, qvt_history_check, false };

static void on_disk(void **state)
{
    qvt_history history = { .in_memory = false };

    (void) state;
    uint64_t points = qvt_crash_each(24, &trial, &history);
    assert_in_range(points, 10, 100); /* two commits of two objects sync eight times, two deletes twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_disk) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

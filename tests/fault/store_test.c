/* Every allocation and every I/O call of a few commits fails in turn, on both kinds of store. */
#include "qvt.h"
#include "qvt_history.h"
#include "qvt_trial.h"

static const qvt_trial trial = { qvt_history_prepare, qvt_history_act, qvt_history_check, false };

static void on_disk(void **state)
{
    qvt_history history = { .in_memory = false };

    (void) state;
    qvt_fail_each_kind(&trial, &history);
}

static void in_memory(void **state)
{
    qvt_history history = { .in_memory = true };

    (void) state;
    qvt_fail_each_kind(&trial, &history);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_disk), cmocka_unit_test(in_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

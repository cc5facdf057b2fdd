/* Each allocation and each storage operation fails in turn while rows go through a write buffer: no row that was acknowledged
 * is lost, and none is there twice. */
#include "qvt_buffer.h"

static void run(bool leftover)
{
    qvt_trial trial = { qvt_buffer_prepare, qvt_buffer_run, qvt_buffer_check, true };
    qvt_buffer buffer = { .leftover = leftover };

    qvt_fail_each_kind(&trial, &buffer);
}

static void fresh(void **state)
{
    (void) state;
    run(false);
}

static void after_a_killed_process(void **state)
{
    (void) state;
    run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fresh), cmocka_unit_test(after_a_killed_process) };
    qvt_stay_single();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which way a search goes, over the sizes that matter. */
#include "query/ann.h"
#include "qvt.h"

static bool by_index(qv__search_size size) { return qv__choose_strategy(&size).reason == NULL; }

static void sizes(void **state)
{
    qv__search_size big = { .stored = 1000000, .passing = 1000000, .keep = 10, .row_bytes = 512 };
    QV_UNUSED(state);

    assert_true(by_index(big));
    big.has_condition = true;
    for (uint64_t n = 100; n <= 1000000; n *= 10) { /* few rows are measured, many are looked for */
        big.passing = n;
        assert_int_equal(by_index(big), n >= 1000);
    }
    big.passing = big.keep; /* nothing to choose */
    assert_false(by_index(big));
    big.is_asked = true;
    assert_false(by_index(big));
    big.estimates = true; /* ... but estimates are what the index alone has */
    assert_true(by_index(big));
}

static void asked(void **state)
{
    qv__search_size small = { .stored = 500, .passing = 500, .keep = 10, .row_bytes = 16, .is_asked = true };
    QV_UNUSED(state);

    assert_true(by_index(small)); /* whoever sets probes wants the index */
    small.passing = 300;
    small.has_condition = true;
    assert_true(by_index(small));
    small.stored = 1000000; /* but not where probes would find nothing */
    small.passing = 100;
    assert_false(by_index(small));
    small.stored = small.passing = 0;
    small.keep = 0;
    assert_false(by_index(small));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sizes), cmocka_unit_test(asked) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

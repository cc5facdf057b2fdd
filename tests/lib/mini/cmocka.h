/* The few cmocka calls that the kernel tests use, for cross builds where no cmocka of the target is installed. */
#ifndef QVT_MINI_CMOCKA_H
#define QVT_MINI_CMOCKA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

static jmp_buf qvt_mini_failed;

#define print_error(...) fprintf(stderr, __VA_ARGS__)
#define cmocka_unit_test(f) \
    {                       \
#f, f               \
    }
#define qvt_mini_check(ok, text) \
    ((ok) ? (void) 0 : (print_error("%s:%d: %s\n", __FILE__, __LINE__, text), longjmp(qvt_mini_failed, 1)))
#define fail()                                         qvt_mini_check(false, "failed")
#define assert_true(x)                                 qvt_mini_check(x, #x)
#define assert_false(x)                                qvt_mini_check(!(x), #x " is false")
#define assert_null(x)                                 qvt_mini_check(!(x), #x " is NULL")
#define assert_non_null(x)                             qvt_mini_check(x, #x " is not NULL")
#define assert_int_equal(a, b)                         qvt_mini_check((a) == (b), #a " == " #b)
#define assert_memory_equal(a, b, n)                   qvt_mini_check(memcmp(a, b, n) == 0, #a " == " #b)
#define assert_string_equal(a, b)                      qvt_mini_check(strcmp(a, b) == 0, #a " == " #b)
#define assert_in_range(a, least, most)                qvt_mini_check((a) - (least) <= (most) - (least), #a " in range")
#define fail_msg(...)                                  (print_error(__VA_ARGS__), qvt_mini_check(false, "failed"))
#define cmocka_run_group_tests(tests, setup, teardown) qvt_mini_run(tests, sizeof(tests) / sizeof((tests)[0]))

static inline int qvt_mini_run(const struct CMUnitTest *tests, size_t n)
{
    volatile int failures = 0;
    for (volatile size_t i = 0; i < n; i++) {
        void *state = NULL;
        bool ok = !setjmp(qvt_mini_failed);
        if (ok)
            tests[i].run(&state);
        else
            failures = failures + 1;
        printf("%s %s\n", ok ? "ok  " : "FAIL", tests[i].name);
    }
    return failures;
}

#endif

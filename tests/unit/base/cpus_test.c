/* The CPU limit of control groups, in made-up trees that look like /sys/fs/cgroup. */
#include <sys/stat.h>

#include "base/base_private.h"
#include "base/pool.h"
#include "qvt.h"

static void write_text(const char *path, const char *text)
{
    char full[4400], part[4400];

    snprintf(full, sizeof full, "%s/%s", qvt_temp_dir(), path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int) (slash - full), full);
        mkdir(part, 0700);
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static unsigned limit(const char *groups, const char *root)
{
    char full[4400];
    snprintf(full, sizeof full, "%s/%s", qvt_temp_dir(), root);
    return qv__cpus_cgroup_limit(groups, full);
}

static void version_2(void **state)
{
    (void) state;
    write_text("v2/a/b/cpu.max", "max 100000\n");
    write_text("v2/a/cpu.max", "350000 100000\n");
    write_text("v2/tiny/cpu.max", "10000 100000\n");
    write_text("v2/junk/cpu.max", "hello\n");
    write_text("v2/zero/cpu.max", "100000 0\n");
    assert_int_equal(limit("0::/a/b\n", "v2"), 4); /* the parent's 3.5, rounded up */
    assert_int_equal(limit("0::/a", "v2"), 4);
    assert_int_equal(limit("0::/tiny\n", "v2"), 1);
    assert_int_equal(limit("0::/\n", "v2"), 0);
    assert_int_equal(limit("0::/junk\n", "v2"), 0);
    assert_int_equal(limit("0::/zero\n", "v2"), 0);
    assert_int_equal(limit("0::/missing/group\n", "v2"), 0);
    write_text("v2/cpu.max", "200000 100000\n"); /* seen from inside a container the limit is at the top */
    assert_int_equal(limit("0::/\n", "v2"), 2);
    assert_int_equal(limit("0::/a/b\n", "v2"), 2);
}

static void version_1(void **state)
{
    (void) state;
    write_text("v1/cpu/docker/x/cpu.cfs_quota_us", "250000\n");
    write_text("v1/cpu/docker/x/cpu.cfs_period_us", "100000\n");
    write_text("v1/cpu/free/cpu.cfs_quota_us", "-1\n");
    write_text("v1/cpu/free/cpu.cfs_period_us", "100000\n");
    assert_int_equal(limit("11:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/docker/x\n", "v1"), 3);
    assert_int_equal(limit("4:cpuset:/docker/x\n", "v1"), 0); /* another controller */
    assert_int_equal(limit("4:cpuacct,cpu:/free\n", "v1"), 0);
}

static void odd_lines(void **state)
{
    (void) state;
    assert_int_equal(limit("", "v2"), 0);
    assert_int_equal(limit("\n\n::\n0:\n:\n0::relative\n", "v2"), 0);
}

static void the_default_is_sane(void **state)
{
    (void) state;
    assert_in_range(qv__cpus_usable(), 1, 4096);
    setenv("QV_THREADS", "3", 1);
    qv_set_threads(0); /* looks again */
    assert_int_equal(qv_threads(), 3);
    qv_set_threads(5);
    assert_int_equal(qv_threads(), 5);
    setenv("QV_THREADS", "many", 1);
    qv_set_threads(0);
    assert_int_equal(qv_threads(), qv__cpus_usable());
    qv_set_threads(4000000000u);
    assert_in_range(qv_threads(), 256, 4096);
    qv_set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2),
        cmocka_unit_test(version_1),
        cmocka_unit_test(odd_lines),
        cmocka_unit_test(the_default_is_sane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

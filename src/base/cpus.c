/*
 * How many CPUs may be used. A container often sees all CPUs of its host but is throttled to a few; threads beyond the
 * limit only wait. Version 2 of cgroups states it in cpu.max ("max 100000" or "150000 100000"), version 1 in
 * cpu.cfs_quota_us and cpu.cfs_period_us. Every ancestor may set a limit, so the path is walked up and the smallest
 * counts. Whatever cannot be read sets no limit.
 */
#include "base/base_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* At most capacity - 1 bytes of a small file, zero-terminated. */
static bool read_text(const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0)
        return false;
    while (len < capacity - 1) {
        ssize_t n = read(fd, text + len, capacity - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t) n;
    }
    close(fd);
    text[len] = 0;
    return len > 0;
}

static unsigned whole_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus > INT_MAX ? 0 : (unsigned) cpus;
}

static unsigned limit_v2(const char *folder)
{
    char path[PATH_MAX], text[128];
    long long quota, period;

    if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int) sizeof path || !read_text(path, text, sizeof text))
        return 0;
    return sscanf(text, "%lld %lld", &quota, &period) == 2 ? whole_cpus(quota, period) : 0;
}

static unsigned limit_v1(const char *folder)
{
    char path[PATH_MAX], text[64];

    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int) sizeof path ||
        !read_text(path, text, sizeof text))
        return 0;
    long long quota = strtoll(text, NULL, 10);
    if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= (int) sizeof path ||
        !read_text(path, text, sizeof text))
        return 0;
    return whole_cpus(quota, strtoll(text, NULL, 10));
}

static unsigned smaller_limit(unsigned a, unsigned b) { return a == 0 || (b != 0 && b < a) ? b : a; }

/* The smallest limit of mount/group and its ancestors down to the mount itself. */
static unsigned limit_upwards(const char *mount, const char *group, size_t group_len,
                              unsigned (*read_limit)(const char *))
{
    char folder[PATH_MAX];
    size_t mount_len = strlen(mount);
    unsigned limit = 0;

    if (group_len > PATH_MAX || mount_len + group_len >= sizeof folder)
        return 0;
    memcpy(folder, mount, mount_len);
    memcpy(folder + mount_len, group, group_len);
    size_t len = mount_len + group_len;
    for (;;) {
        folder[len] = 0;
        limit = smaller_limit(limit, read_limit(folder));
        if (len <= mount_len)
            return limit;
        do
            len--;
        while (len > mount_len && folder[len] != '/');
    }
}

/* Is "cpu" one of the comma-separated controllers? */
static bool names_cpu(const char *list, size_t len)
{
    while (len > 0) {
        const char *comma = memchr(list, ',', len);
        size_t n = comma ? (size_t) (comma - list) : len;
        if (n == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
        if (!comma)
            return false;
        list += n + 1;
        len -= n + 1;
    }
    return false;
}

/* A line is "id:controllers:path"; version 2 has the id 0 and no controllers. */
unsigned qv__cpus_cgroup_limit(const char *groups, const char *root)
{
    unsigned limit = 0;
    char mount[PATH_MAX];

    for (const char *line = groups; *line;) {
        size_t line_len = strcspn(line, "\n");
        const char *end = line + line_len;
        const char *list = memchr(line, ':', line_len);
        const char *path = list ? memchr(list + 1, ':', (size_t) (end - list - 1)) : NULL;
        if (path && path + 1 < end && path[1] == '/') {
            size_t list_len = (size_t) (path - list - 1);
            size_t path_len = (size_t) (end - path - 1);
            if (list_len == 0)
                limit = smaller_limit(limit, limit_upwards(root, path + 1, path_len, limit_v2));
            else if (names_cpu(list + 1, list_len) &&
                     snprintf(mount, sizeof mount, "%s/cpu", root) < (int) sizeof mount)
                limit = smaller_limit(limit, limit_upwards(mount, path + 1, path_len, limit_v1));
        }
        line = *end ? end + 1 : end;
    }
    return limit;
}

static unsigned affinity_cpus(void)
{
    cpu_set_t set;

    /* Fails on machines with more CPUs than cpu_set_t can name; then all that are online count. */
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned) CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned) online : 1;
}

unsigned qv__cpus_usable(void)
{
    char groups[8192];
    unsigned cpus = affinity_cpus();

    if (!read_text("/proc/self/cgroup", groups, sizeof groups))
        return cpus;
    unsigned limit = qv__cpus_cgroup_limit(groups, "/sys/fs/cgroup");
    return limit && limit < cpus ? limit : cpus;
}

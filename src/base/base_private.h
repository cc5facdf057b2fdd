/* Shared by the files of base/ and their tests only. */
#ifndef QV_BASE_PRIVATE_H
#define QV_BASE_PRIVATE_H

/* CPUs this process may use: the smaller of the cgroup's limit (rounded up) and its affinity mask; at least 1. */
unsigned qv__cpus_usable(void);

/* The cgroup's CPU limit in whole CPUs, 0 when there is none. `groups` is a text like /proc/self/cgroup, `root` the
 * folder where cgroups are mounted (/sys/fs/cgroup). */
unsigned qv__cpus_cgroup_limit(const char *groups, const char *root);

#endif

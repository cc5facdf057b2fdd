#include "qvt.h"

#include <dirent.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>

#include "quiver/quiver.h"

static char temp_dir[4096];

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void) info;
    (void) kind;
    (void) walk;
    return remove(path);
}

static void remove_temp_dir(void) { nftw(temp_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

const char *qvt_temp_dir(void)
{
    if (!temp_dir[0]) {
        const char *base = getenv("TMPDIR");
        if (!base || !*base) /* memory where there is some: tests sync thousands of times */
            base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(temp_dir, sizeof temp_dir, "%s/quiver-test-XXXXXX", base);
        if (!mkdtemp(temp_dir))
            abort();
        atexit(remove_temp_dir);
    }
    return temp_dir;
}

uint64_t qvt_rng_next(qvt_rng *rng)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return rng->state * UINT64_C(2685821657736338717);
}

uint64_t qvt_rng_below(qvt_rng *rng, uint64_t n) { return qvt_rng_next(rng) % n; }

double qvt_rng_unit(qvt_rng *rng) { return (double) (qvt_rng_next(rng) >> 11) * 0x1p-53; }

qvt_rng qvt_rng_seeded(void)
{
    const char *text = getenv("QVT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t) time(NULL) * 1000003u + (uint64_t) getpid();
    printf("QVT_SEED=%llu\n", (unsigned long long) seed);
    return (qvt_rng){ seed ? seed : 1 };
}

void qvt_stay_single(void) { qv_set_threads(1); }

/* Of ours: the thread sanitizer has one of its own. */
static unsigned threads_running(void)
{
#ifdef __SANITIZE_THREAD__
    unsigned n = (unsigned) -1;
#else
    unsigned n = 0;
#endif
    DIR *tasks = opendir("/proc/self/task");

    assert_non_null(tasks);
    for (const struct dirent *e; (e = readdir(tasks));)
        n += e->d_name[0] != '.';
    closedir(tasks);
    return n;
}

pid_t qvt_fork(void)
{
    assert_int_equal(threads_running(), 1);
    pid_t child = fork();
    if (child == 0)
        qv_set_threads(0);
    return child;
}

/* Searches through an index that is larger than the memory that the process may have: what they hold themselves stays far below the index,
 * and they answer as ever. Each is done in a process of its own, without a limit and, where a control group of memory can be made, inside
 * one that holds neither the index nor the table. */
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "qvt_vectors.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROWS = 6000, IS_PLAIN = false }; /* sanitizers need memory of their own */
#else
enum { ROWS = 60000, IS_PLAIN = true };
#endif
enum { DIM = 512, FEW = 6, ALL = 1, EXACT = 1, SEARCHES = FEW + ALL + EXACT, K = 10, TMPFS = 0x01021994 };

#define OWN_MEMORY 6e6 /* what searches may hold, however large the index is */

static char uri[4200];
static float queries[FEW * DIM];

/* ------------------------------------------------------------------ files */

static double bytes_seen;

static int count_file(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    QV_UNUSED(at);
    if (kind == FTW_F && strstr(path, "/_indices/"))
        bytes_seen += (double) about->st_size;
    return 0;
}

static double index_bytes(void)
{
    bytes_seen = 0;
    assert_int_equal(nftw(uri, count_file, 20, FTW_PHYS), 0);
    return bytes_seen;
}

/* Pages that are in the cache would be charged to nobody. */
static int drop_pages(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    QV_UNUSED(about);
    QV_UNUSED(at);
    int file = kind == FTW_F ? open(path, O_RDONLY) : -1;
    if (file >= 0) {
        assert_int_equal(fdatasync(file), 0);
        assert_int_equal(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
        close(file);
    }
    return 0;
}

/* ------------------------------------------------------------------ in a process of its own */

typedef struct report {
    size_t peak;      /* of the library's own memory */
    long resident_kb; /* memory of the process that is no file's */
    int64_t ids[SEARCHES][K];
    float distances[SEARCHES][K];
} report;

typedef struct task {
    qv_index_kind kind;
    const char *group; /* the control group to be in; NULL: none */
    report *out;       /* shared with the parent */
} task;

static void write_rows(const task *t)
{
    qv_db *db;
    qv_table *table = NULL;
    float *values = qvt_vectors_random(7, ROWS, DIM);
    qv_error err;

    QV_UNUSED(t);
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    qvt_vectors_write(db, values, NULL, 0, ROWS, DIM, NULL, &table);
    free(values);
    qv_table_close(table);
    qv_db_close(db);
}

/* A byte or so per dimension. */
static void build(const task *t)
{
    qv_index_options index = QV_INDEX_OPTIONS_INIT;
    qv_db *db;
    qv_table *table;
    qv_error err;

    index.kind = t->kind;
    index.name = "v";
    index.num_partitions = 64;
    index.num_bits = 8;
    index.num_sub_vectors = t->kind == QV_INDEX_IVF_PQ ? DIM : 0;
    index.max_iterations = 2;
    index.sample_rate = 32;
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    QVT_OK(qv_table_create_index(table, "v", &index, &err));
    qv_table_close(table);
    qv_db_close(db);
}

static void read_queries(void)
{
    float *values = qvt_vectors_random(7, ROWS, DIM); /* the table's */

    for (size_t i = 0; i < FEW * DIM; i++)
        queries[i] = values[i / DIM * (ROWS / FEW) * DIM + i % DIM] + 0.1F;
    free(values);
}

static long resident_kb(void)
{
    char line[256];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %ld kB", &kb) == 1)
            break;
    fclose(f);
    return kb;
}

static void enter(const char *group)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/cgroup.procs", group);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%d", (int) getpid());
    assert_int_equal(fclose(f), 0);
}

/* Few lists for each query, then all lists for the first, then no index. */
static size_t query_of(size_t search) { return search < FEW ? search : (search - FEW) % ALL; }

static void search(const task *t)
{
    qv_db *db;
    qv_table *table;
    qvt_hits hits;
    qv_error err;

    if (t->group)
        enter(t->group);
    size_t live = qv_memory().live_bytes;
    long resident = resident_kb();
    QVT_OK(qv_db_open(uri, NULL, &db, &err));
    QVT_OK(qv_db_open_table(db, "t", 0, &table, &err));
    for (size_t i = 0; i < SEARCHES; i++) {
        qv_search_options options = QV_SEARCH_OPTIONS_INIT;
        options.k = K;
        options.min_probes = i < FEW ? 4 : i < FEW + ALL ? 1000 : 0;
        options.bypass_vector_index = i >= FEW + ALL;
        QVT_OK(qvt_vectors_search(table, queries + query_of(i) * DIM, DIM, &options, &hits, &err));
        assert_int_equal(hits.n, K);
        memcpy(t->out->ids[i], hits.ids, sizeof t->out->ids[i]);
        memcpy(t->out->distances[i], hits.distances, sizeof t->out->distances[i]);
    }
    t->out->resident_kb = resident_kb() - resident;
    t->out->peak = qv_memory().peak_bytes - live;
    qv_table_close(table);
    qv_db_close(db);
}

static void apart(void (*work)(const task *), const task *t)
{
    int status;
    pid_t child = qvt_fork();

    if (!child) {
        work(t);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ------------------------------------------------------------------ control groups of memory */

static bool put(const char *folder, const char *file, double value)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "r+"); /* made by the system or not at all */
    if (!f)
        return false;
    bool done = fprintf(f, "%.0f", value) > 0;
    return fclose(f) == 0 && done;
}

/* Of version 1 or 2. NULL: none can be made. */
static const char *new_group(double bytes)
{
    static char group[100];
    static const char *const roots[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup" }, *const limits[] = {
        "memory.limit_in_bytes", "memory.max"
    };

    for (size_t i = 0; i < QV_COUNT_OF(roots); i++) {
        snprintf(group, sizeof group, "%s/quiver-test-%d", roots[i], (int) getpid());
        if (mkdir(group, 0777) != 0)
            continue;
        if (put(group, limits[i], bytes))
            return group;
        rmdir(group);
    }
    return NULL;
}

/* How often the limit was met. */
static long limit_met(const char *group)
{
    char path[4200], line[100];
    long n = 0;

    snprintf(path, sizeof path, "%s/memory.failcnt", group);
    FILE *f = fopen(path, "r");
    if (!f) {
        snprintf(path, sizeof path, "%s/memory.events", group);
        f = fopen(path, "r");
    }
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "max %ld", &n) == 1 || sscanf(line, "%ld", &n) == 1)
            break;
    fclose(f);
    return n;
}

/* Files that are memory themselves cannot leave it. */
static bool is_on_disk(void)
{
    struct statfs about;

    assert_int_equal(statfs(uri, &about), 0);
    return about.f_type != TMPFS;
}

/* ------------------------------------------------------------------ bounds */

static void expect_little(const char *name, const char *how, const report *r)
{
    print_message("%s, %s: searches hold %.1f MB, the process %.1f MB\n", name, how, (double) r->peak / 1e6,
                  (double) r->resident_kb / 1e3);
    assert_true((double) r->peak < OWN_MEMORY);
    assert_true(!IS_PLAIN || (r->resident_kb >= 0 && (double) r->resident_kb * 1024 < OWN_MEMORY));
}

/* A search of all lists finds what the exact one does. */
static void expect_right(const report *r)
{
    size_t same = 0;

    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j < K; j++)
            same += r->ids[FEW][i] == r->ids[FEW + ALL][j];
    assert_true(same >= K - 1);
}

static void measure(qv_index_kind kind, const char *name)
{
    report *reports = mmap(NULL, 2 * sizeof *reports, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    task t = { kind, NULL, reports };

    assert_true(reports != MAP_FAILED);
    apart(build, &t);
    double index = index_bytes();
    assert_true(!IS_PLAIN || index > 5 * OWN_MEMORY);
    apart(search, &t);
    expect_little(name, "without a limit", t.out);
    expect_right(t.out);
    t.group = IS_PLAIN && is_on_disk() ? new_group(index / 2) : NULL;
    if (t.group) {
        t.out = reports + 1;
        assert_int_equal(nftw(uri, drop_pages, 20, FTW_PHYS), 0);
        apart(search, &t);
        long met = limit_met(t.group);
        rmdir(t.group);
        expect_little(name, "limited to half the index", t.out);
        assert_true(met > 0);
        assert_memory_equal(reports[0].ids, reports[1].ids, sizeof reports[0].ids);
        assert_memory_equal(reports[0].distances, reports[1].distances, sizeof reports[0].distances);
    } else
        print_message("%s: skipped with a limit: %s\n", name,
                      !IS_PLAIN       ? "a sanitizer needs memory of its own"
                      : !is_on_disk() ? "the files are memory themselves"
                                      : "no control group of memory can be made");
    munmap(reports, 2 * sizeof *reports);
}

#define KIND(kind)                       \
    static void kind(void **state)       \
    {                                    \
        QV_UNUSED(state);                \
        measure(QV_INDEX_##kind, #kind); \
    }
KIND(IVF_SQ)
KIND(IVF_PQ)
KIND(IVF_RQ)

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(IVF_SQ), cmocka_unit_test(IVF_PQ), cmocka_unit_test(IVF_RQ) };
    const task none = { 0 };

    qvt_stay_single();
    setenv("TMPDIR", "/tmp", 0); /* a disk, most often: the default is memory, which cannot be let go */
    snprintf(uri, sizeof uri, "%s/db", qvt_temp_dir());
    apart(write_rows, &none);
    read_queries();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

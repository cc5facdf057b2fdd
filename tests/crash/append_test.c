/* Power lost at each sync point of a create and of an append, with several fates for what was not synced: reopening shows the old
 * or the new version, and the new one whenever the call had returned QV_OK. */
#include <ftw.h>
#include <unistd.h>

#include "qvt_rows.h"

#include "io/store.h"

#define FATES 6

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    QV_UNUSED(info);
    QV_UNUSED(kind);
    QV_UNUSED(walk);
    return remove(path);
}

/* One crash: `before` (may be NULL: no table yet) is on disk and safe, then `more` is added and the power goes at sync point n.
 * False when the append finished before that point. */
static bool crash_once(const char *uri, const qvt_rows *before, const qvt_rows *more, const qvt_rows *after, uint64_t n,
                       uint64_t fate)
{
    qv_error err;

    nftw(uri, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (before)
        QVT_OK(qvt_table_append(uri, before, &err));
    QVT_OK(qv__crash_arm(n, &err));
    qv_status st = qvt_table_append(uri, more, &err);
    bool happened = qv__crash_happened();
    QVT_OK(qv__crash_apply(fate, &err));
    bool is_new = qvt_table_is_new(uri, before, after);
    if (st == QV_OK && !is_new)
        fail_msg("sync point %llu, fate %llu: the append was acknowledged and is lost", (unsigned long long) n,
                 (unsigned long long) fate);
    return happened;
}

static void at_each_sync_point(const qvt_rows *before, const qvt_rows *more, const qvt_rows *after)
{
    char uri[4096];
    bool happened = true;

    snprintf(uri, sizeof uri, "%s/db", qvt_temp_dir());
    for (uint64_t n = 0; happened; n++)
        for (uint64_t fate = 1; fate <= FATES; fate++)
            happened = crash_once(uri, before, more, after, n, fate * 7919 + n);
}

static void while_creating(void **state)
{
    qvt_rng rng = { 21 };
    qvt_rows rows = { 0 };
    int64_t next_id = 0;

    QV_UNUSED(state);
    qvt_rows_random(&rng, 120, &next_id, &rows);
    at_each_sync_point(NULL, &rows, &rows);
    qvt_rows_free(&rows);
}

static void while_appending(void **state)
{
    qvt_rng rng = { 22 };
    qvt_rows before = { 0 }, more = { 0 }, after;
    int64_t next_id = 0;

    QV_UNUSED(state);
    qvt_rows_random(&rng, 120, &next_id, &before);
    qvt_rows_random(&rng, 80, &next_id, &more);
    qvt_rows_copy(&after, &before);
    qvt_rows_append(&after, &more);
    at_each_sync_point(&before, &more, &after);
    qvt_rows_free(&before);
    qvt_rows_free(&more);
    qvt_rows_free(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(while_creating), cmocka_unit_test(while_appending) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

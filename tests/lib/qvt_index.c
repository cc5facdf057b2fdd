#include "qvt_index.h"

#include "query/query.h"

static void run_plan(qv__snapshot *snapshot, const qv__program *program, bool judged, qvt_index_use *use,
                     qv__index_plan **plan, qv__index_rows *rows, qv__job *job)
{
    qv_error err;
    uint64_t n;
    qv__buffer text;

    QVT_OK(qv__snapshot_count_rows(snapshot, &n, &err));
    const qv__index_plan_options options = { false, judged ? n : 0 };
    QVT_OK(qv__index_plan_new(snapshot, program, &options, plan, &err));
    use->used = *plan != NULL;
    if (!*plan)
        return;
    qv__buffer_init(&text, 1 << 20);
    QVT_OK(qv__index_plan_print(*plan, &text, &err));
    snprintf(use->plan, sizeof use->plan, "%.*s", (int) text.len, (const char *) text.data);
    qv__buffer_free(&text);
    QVT_OK(qv__index_plan_run(*plan, job, rows, &err));
    use->exact = !rows->recheck;
    use->comparisons = rows->comparisons;
    use->pages_read = rows->pages_read;
}

static roaring_bitmap_t *live_rows(qv__snapshot *snapshot, size_t fragment, const roaring_bitmap_t *rows)
{
    qv_error err;
    const uint32_t *offsets;
    const uint8_t *live;
    size_t n;
    roaring_bitmap_t *copy = roaring_bitmap_copy(rows);

    QVT_OK(qv__snapshot_deletions(snapshot, fragment, &offsets, &n, &live, &err));
    for (size_t i = 0; i < n; i++)
        roaring_bitmap_remove(copy, offsets[i]);
    return copy;
}

static void check_fragment(qv__snapshot *snapshot, size_t fragment, const char *where, const qv__index_rows *found,
                           const qv__matches *right, const qv__matches *rechecked)
{
    roaring_bitmap_t *empty = roaring_bitmap_create(), *rows = live_rows(snapshot, fragment, found->rows[fragment]);
    const roaring_bitmap_t *wanted = right->rows[fragment] ? right->rows[fragment] : empty;

    if (found->recheck) {
        if (rechecked->rows[fragment])
            roaring_bitmap_and_inplace(rows, rechecked->rows[fragment]);
        else
            roaring_bitmap_clear(rows);
    }
    if (!roaring_bitmap_equals(rows, wanted)) {
        print_error("%s: fragment %zu: the index finds %llu rows, reading %llu; %llu are missing\n", where, fragment,
                    (unsigned long long) roaring_bitmap_get_cardinality(rows),
                    (unsigned long long) roaring_bitmap_get_cardinality(wanted),
                    (unsigned long long) roaring_bitmap_andnot_cardinality(wanted, rows));
        fail();
    }
    roaring_bitmap_free(rows);
    roaring_bitmap_free(empty);
}

void qvt_index_check(qv__snapshot *snapshot, const char *where, bool judged, qvt_index_use *use, qv__matches *matches)
{
    qv_error err;
    qv__schema *scope;
    qv__program *program;
    qv__index_plan *plan = NULL;
    qv__index_rows found = { 0 };
    qv__matches right = { 0 }, rechecked = { 0 };
    qv__job job;

    *use = (qvt_index_use){ 0 };
    qv__job_begin(&job, NULL, "test", 0);
    QVT_OK(qv__condition_scope(snapshot, &scope, &err));
    QVT_OK(qv__program_compile_filter(where, scope, &program, &err));
    QVT_OK(qv__match_rows(snapshot, program, true, &job, &right, &err));
    use->n_rows = right.n_rows;
    run_plan(snapshot, program, judged, use, &plan, &found, &job);
    if (found.recheck)
        QVT_OK(qv__match_rows(snapshot, found.recheck, true, &job, &rechecked, &err));
    for (size_t i = 0; i < found.n_fragments; i++) {
        if (!found.rows[i])
            continue;
        use->covered++;
        check_fragment(snapshot, i, where, &found, &right, &rechecked);
    }
    use->used &= use->covered > 0;
    if (found.recheck)
        qv__matches_clear(&rechecked);
    qv__index_rows_clear(&found);
    qv__index_plan_free(plan);
    qv__program_unref(program);
    qv__schema_unref(scope);
    qv__job_end(&job, QV_OK);
    if (matches)
        *matches = right;
    else
        qv__matches_clear(&right);
}

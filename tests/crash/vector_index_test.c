/* The power goes at each sync point while a vector index is made, replaced, extended, merged, moved or dropped: the table has the index of before
 * or the one of after, and a clean-up removes the files that no version names. */
#include "qvt_vector_index.h"

static void each_act(qv_index_kind kind)
{
    static const qvt_trial trial = { qvt_vector_index_prepare, qvt_vector_index_run, qvt_vector_index_check, true };
    static const qvt_vector_act acts[] = { QVT_INDEX_CREATE, QVT_INDEX_REPLACE, QVT_INDEX_DELTA,
                                           QVT_INDEX_MERGE,  QVT_INDEX_COMPACT, QVT_INDEX_DROP };

    for (size_t i = 0; i < QV_COUNT_OF(acts); i++) {
        qvt_vector_index x = { .act = acts[i], .kind = kind, .rows = 240, .dim = 8, .was_killed = true };
        qvt_crash_each(3, &trial, &x);
        free(x.values);
    }
}

static void lists(void **state)
{
    QV_UNUSED(state);
    each_act(QV_INDEX_IVF_RQ);
}

static void graphs(void **state)
{
    QV_UNUSED(state);
    each_act(QV_INDEX_IVF_HNSW_SQ);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lists), cmocka_unit_test(graphs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Vector indices made, searched, extended, merged, moved and dropped with each allocation and each storage operation failed in turn: the table
 * has the index of before or of after, nothing lies about, and no answer is wrong. */
#include "qvt_vector_index.h"

static const qvt_trial trial = { qvt_vector_index_prepare, qvt_vector_index_run, qvt_vector_index_check, true };

static void torture(qv_index_kind kind, qvt_vector_act first, qvt_vector_act last, bool stable)
{
    static qvt_vector_index x;

    for (int act = first; act <= (int) last; act++) {
        x = (qvt_vector_index){ .act = (qvt_vector_act) act, .kind = kind, .rows = 240, .dim = 8, .stable = stable };
        for (int fault = QVT_ALLOC; fault <= QVT_SHORT; fault++) {
            if (fault >= QVT_NOSPACE && (act == QVT_INDEX_SEARCH || act == QVT_INDEX_SEARCH_FILTER))
                break;
            qvt_fail_every((qvt_fault) fault, fault == QVT_ALLOC ? 61 : fault == QVT_IO ? 9 : 3, &trial, &x);
        }
        free(x.values);
    }
}

static void lists(void **state)
{
    QV_UNUSED(state);
    torture(QV_INDEX_IVF_PQ, QVT_INDEX_CREATE, QVT_INDEX_DROP, false);
}

static void graphs(void **state)
{
    QV_UNUSED(state);
    torture(QV_INDEX_IVF_HNSW_SQ, QVT_INDEX_CREATE, QVT_INDEX_COMPACT, true);
}

/* More rows than the memory of the build holds: they go through files of the index's folder, of which none stays. */
static void spilled(void **state)
{
    static qvt_vector_index x = {
        .act = QVT_INDEX_CREATE, .kind = QV_INDEX_IVF_FLAT, .rows = 17000, .dim = 8, .memory = 1 << 20
    };
    static const uint64_t strides[] = { [QVT_ALLOC] = 97, [QVT_IO] = 13, [QVT_NOSPACE] = 7, [QVT_SHORT] = 5 };

    QV_UNUSED(state);
    for (int fault = QVT_ALLOC; fault <= QVT_SHORT; fault++)
        qvt_fail_every((qvt_fault) fault, strides[fault], &trial, &x);
    free(x.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lists), cmocka_unit_test(graphs), cmocka_unit_test(spilled) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

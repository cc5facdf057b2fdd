/* All care at once: each step is a call of its own, and what an earlier one committed stays when a later one fails. */
#include "api/api_private.h"

qv_status qv_table_optimize(qv_table *table, const qv_compact_options *compact, const qv_cleanup_options *cleanup,
                            const qv_job *job, qv_optimize_result *result, qv_error *err)
{
    qv_compact_options compaction = QV_COMPACT_OPTIONS_INIT;
    qv_cleanup_options cleaning = QV_CLEANUP_OPTIONS_INIT;
    qv_index_merge_options indices = QV_INDEX_MERGE_OPTIONS_INIT;
    qv_optimize_result done = { 0 };

    QV_TRY(QV_OPTIONS(&compaction, compact, err));
    QV_TRY(QV_OPTIONS(&cleaning, cleanup, err));
    if (job) {
        QV_TRY(QV_OPTIONS(&compaction.job, job, err));
        cleaning.job = indices.job = compaction.job;
    }
    QV_TRY(qv_table_compact(table, &compaction, &done.compaction, err));
    QV_TRY(qv_table_optimize_indices(table, &indices, &done.indices_version, err));
    QV_TRY(qv_table_cleanup(table, &cleaning, &done.cleanup, err));
    if (result)
        *result = done;
    return QV_OK;
}

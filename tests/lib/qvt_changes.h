/* One small table, and every change that can be made to it, as trials: what is left afterwards is the version before or the version
 * after, whole. */
#ifndef QVT_CHANGES_H
#define QVT_CHANGES_H

#include <quiver/quiver.h>

#include "qvt.h"
#include "qvt_trial.h"

typedef enum qvt_changes_act {
    QVT_DELETE_ROWS,
    QVT_DELETE_ALL,
    QVT_UPDATE_ROWS,
    QVT_UPSERT,
    QVT_UPSERT_SPILLED, /* the source goes into a file, the keys take passes, the columns are some of the table's */
    QVT_REPLACE_RANGE,
    QVT_APPEND_BY_KEY, /* under an enforced primary key */
    QVT_ADD_COLUMNS,
    QVT_ADD_NULLS,
    QVT_CAST_COLUMN,
    QVT_RENAME_COLUMN,
    QVT_DROP_COLUMN,
    QVT_CHANGES_ACTS
} qvt_changes_act;

typedef struct qvt_changes {
    qvt_changes_act act;
    unsigned n_folders;
    char uri[4200];
    char before[4096], after[4096]; /* contents as text; `after` is learned from a run without faults */
    uint64_t version;               /* before */
    qv_db *db;
    qv_table *table;
    struct ArrowArrayStream source;
} qvt_changes;

/* Learns what the act makes. */
void qvt_changes_learn(qvt_changes *c, qvt_changes_act act);
void qvt_changes_prepare(void *ctx);
qv_status qvt_changes_run(void *ctx, qv_error *err);
void qvt_changes_check(void *ctx, qv_status st);

#endif

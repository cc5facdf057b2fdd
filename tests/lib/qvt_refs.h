/*
 * One table with history, for tests that change references and clean up: versions 1 to 5 of main, each with other rows, a tag
 * "keep" on 2, a branch "b" that begins at 3 and has a version 4 of its own. Version v of main holds rows 10 v .. 10 v + 9.
 */
#ifndef QVT_REFS_H
#define QVT_REFS_H

#include <quiver/quiver.h>

#include "qvt.h"
#include "qvt_trial.h"

typedef enum qvt_refs_act {
    QVT_TAG_CREATE,
    QVT_TAG_UPDATE,
    QVT_TAG_DELETE,
    QVT_BRANCH_CREATE,
    QVT_BRANCH_DELETE,
    QVT_CLONE,
    QVT_RESTORE,
    QVT_CLEANUP,
    QVT_MIGRATE,
    QVT_REFS_ACTS
} qvt_refs_act;

typedef struct qvt_refs {
    qvt_refs_act act;
    unsigned n_folders;
    char uri[4200];
} qvt_refs;

void qvt_refs_prepare(void *ctx);
qv_status qvt_refs_run(void *ctx, qv_error *err);
/* Every version that is listed holds its rows; every tag and branch leads to rows; what was done is there when st is QV_OK. */
void qvt_refs_check(void *ctx, qv_status st);

#endif

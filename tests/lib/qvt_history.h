/*
 * A toy table on a store, with the order of writes that real commits have: data object, then version object if absent.
 * It lets the fault and crash tests try storage by itself, and shows how a trial is written.
 */
#ifndef QVT_HISTORY_H
#define QVT_HISTORY_H

#include "io/store.h"

typedef struct qvt_history {
    bool in_memory;
    unsigned n_folders;
    char uri[4300];
    qv__store *store;   /* kept from prepare to check */
    unsigned committed; /* versions acknowledged in this round */
} qvt_history;

void qvt_history_prepare(void *ctx);                 /* a fresh store with version 1 */
qv_status qvt_history_act(void *ctx, qv_error *err); /* commits versions 2 and 3, forgets version 1, reads */
void qvt_history_check(void *ctx, qv_status st);     /* every acknowledged version is whole, others whole or absent */

#endif

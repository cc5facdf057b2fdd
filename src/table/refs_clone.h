/* Between branches and clones. */
#ifndef QV_TABLE_REFS_CLONE_H
#define QV_TABLE_REFS_CLONE_H

#include "table/refs_private.h"

typedef struct qv__clone {
    const qv__manifest *from;
    const char *from_branch; /* NULL: main */
    const char *from_path;   /* of the folder that `from` lies in: absolute, or a uri */
    const char *branch;      /* of the clone; NULL: a table of its own */
} qv__clone;
/* Publishes the clone in `to`; QV_EXISTS when there is such a version. */
qv_status qv__clone_write(const qv__clone *spec, qv__store *to, qv_error *err);

#endif

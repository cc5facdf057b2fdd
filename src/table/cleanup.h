/* Between the files of clean-up. */
#ifndef QV_TABLE_CLEANUP_H
#define QV_TABLE_CLEANUP_H

#include "table/refs_private.h"

#define QV_SAFE_AGE_NS (INT64_C(7) * 24 * 3600 * 1000000000) /* of files that no version names */

typedef struct qv__cleaning {
    qv__store *root;    /* of the table: references */
    qv__store *table;   /* where the versions lie: the root, or a branch's folder */
    const char *branch; /* NULL: main */
    const qv_cleanup_options *options;
    int64_t now_ns;
    qv__job *job;
    qv__name_set dropped; /* files that versions named which were removed */
    qv__name_set kept;    /* files that a remaining version names */
    bool
        has_journal; /* a write buffer is at work, or was: what becomes of data files that nobody names is its business */
    qv_cleanup_result result;
} qv__cleaning;

#define QV_JOURNALS_FOLDER "_quiver"

/* Files of all kinds are in one set: data files and uuids of indices by name, others behind the name of their folder and '/'. */
#define QV_DELETIONS_FOLDER "_deletions"
#define QV_INDICES_FOLDER   "_indices"

/* cleanup_names.c: adds what a version names. `others`: files in base paths too. */
qv_status qv__cleanup_note(qv__name_set *set, const qv__manifest *manifest, bool others, qv_error *err);
/* Fills `kept`: remaining and detached versions, and versions of branches. */
qv_status qv__cleanup_gather(qv__cleaning *c, qv_error *err);

/* cleanup_versions.c: takes old versions away and fills `dropped`. */
qv_status qv__cleanup_versions(qv__cleaning *c, qv_error *err);

/* cleanup_files.c */
qv_status qv__cleanup_files(qv__cleaning *c, qv_error *err);

#endif

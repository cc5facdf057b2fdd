/* What the files about references and clean-up share: names, the JSON files of _refs/, sets of names. */
#ifndef QV_TABLE_REFS_PRIVATE_H
#define QV_TABLE_REFS_PRIVATE_H

#include "table/table_private.h"

#define QV_TAGS_FOLDER     "_refs/tags"
#define QV_BRANCHES_FOLDER "_refs/branches"
#define QV_TREE_FOLDER     "tree"

/* ------------------------------------------------------------------ refs_names.c */

qv_status qv__tag_name_check(const char *name, qv_error *err);
qv_status qv__branch_name_check(const char *name, qv_error *err);
bool qv__is_main(const char *branch); /* NULL and "main" */

typedef struct qv__name_list {
    char **items;
    size_t n, capacity;
} qv__name_list;
void qv__name_list_clear(qv__name_list *list);
/* The references of a folder, sorted by bytes; "feat%2Fx.json" is "feat/x". */
qv_status qv__ref_names(qv__store *root, const char *folder, qv__name_list *out, qv_error *err);
/* "_refs/branches/feat%2Fx.json" */
qv_status qv__ref_path(const char *folder, const char *name, char **out, qv_error *err);

/* ------------------------------------------------------------------ refs_json.c */

/* The reference's document as JSONB. QV_NOT_FOUND: there is no such file. */
qv_status qv__ref_read(qv__store *root, const char *folder, const char *name, qv__buffer *jsonb, qv_error *err);
/* Value of a key: a text (NULL when absent or null), JSON text (NULL when absent), a number (false when there is none). */
qv_status qv__ref_string(const qv__buffer *jsonb, const char *key, char **out, qv_error *err);
qv_status qv__ref_json(const qv__buffer *jsonb, const char *key, char **out, qv_error *err);
bool qv__ref_number(const qv__buffer *jsonb, const char *key, uint64_t *out);
/* "text" in quotes, or null. */
qv_status qv__ref_append_string(qv__buffer *out, const char *text, qv_error *err);
void qv__ref_time(int64_t utc_ns, char out[40]); /* "2026-01-02T03:04:05.678901234Z" */

/* ------------------------------------------------------------------ versions.c */

/* All version numbers, ascending, the caller's (qv__free), and the kind of their names (V1 as long as one has such a name). */
qv_status qv__version_numbers(qv__store *table, uint64_t **out, size_t *n, qv__names *names, qv_error *err);
/* A version under either kind of name; QV_NOT_FOUND. *bytes (may be NULL): of its manifest. */
qv_status qv__version_find(qv__store *table, uint64_t version, qv__names *names, uint64_t *bytes, qv_error *err);
/* Loads it under either kind of name; QV_NOT_FOUND. */
qv_status qv__version_load(qv__store *table, uint64_t version, qv__manifest **out, qv_error *err);
/* As qv__write_version_hint, but durable: before versions are taken away. */
qv_status qv__write_version_hint_durably(qv__store *table, uint64_t version, qv_error *err);

/* A file that the snapshot names is not there: its version was cleaned up (QV_NOT_FOUND), or the table is broken. */
qv_status qv__snapshot_missing(const qv__snapshot *snapshot, bool is_impossible, const char *name, qv_error *err);

/* ------------------------------------------------------------------ name_set.c */

typedef struct qv__name_set { /* of texts; each once */
    qv__arena arena;
    const char **slots; /* open addressing, a power of two */
    size_t n, n_slots;
} qv__name_set;
void qv__name_set_init(qv__name_set *set);
void qv__name_set_clear(qv__name_set *set);
qv_status qv__name_set_add(qv__name_set *set, const char *name, qv_error *err);
bool qv__name_set_has(const qv__name_set *set, const char *name);

#endif

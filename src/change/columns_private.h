/* What the files of schema changes share: edits of a schema tree, and files of new columns. */
#ifndef QV_CHANGE_COLUMNS_PRIVATE_H
#define QV_CHANGE_COLUMNS_PRIVATE_H

#include "change/change_private.h"

/* ------------------------------------------------------------------ columns_edit.c */

/* What happens to one field, wherever it lies in the tree. */
typedef struct qv__field_edit {
    int32_t id;
    bool drop;
    const char *rename;   /* NULL: keep */
    const qv__type *type; /* shown; NULL: keep */
    int nullable;         /* -1: keep */
} qv__field_edit;
typedef struct qv__field_edits {
    size_t n;
    qv__field_edit *items;
} qv__field_edits;
/* NULL: this field stays. */
const qv__field_edit *qv__edits_find(const qv__field_edits *edits, int32_t id);
/* The top-level field, or field of structs, that a dotted path names, or NULL. */
const qv__field *qv__find_editable(const qv__schema *schema, const char *path);
/* The schema after the edits; a struct that lost all its fields goes, too. Fields of another type have no id, at any level.
 * `for_files`: `schema` is in stored form, and new types are put into that form for files of `version`. */
qv_status qv__schema_edit(const qv__schema *schema, const qv__field_edits *edits, bool for_files,
                          qv__file_version version, qv__schema **out, qv_error *err);
/* Names that no two fields beside each other may share, and what a name may be. */
qv_status qv__schema_check_names(const qv__schema *schema, qv_error *err);

/* ------------------------------------------------------------------ columns_cast.c */

/* Only what changes its type: top-level fields cut to the casts in them; ids of `schema` stay. */
qv_status qv__schema_casts(const qv__schema *schema, const qv__schema *before, const qv__field_edits *edits,
                           qv__schema **out, qv_error *err);
/* The values of one such field out of the whole column. */
qv_status qv__cast_column(const qv__array *whole, const qv__field *before, const qv__field *after,
                          const qv__field_edits *edits, qv__array **out, qv_error *err);

/* ------------------------------------------------------------------ columns_write.c */

qv_status qv__version_of_snapshot(const qv__snapshot *base, qv__file_version *out, qv_error *err);
/* Writes a file of new columns beside every fragment. `rows` (borrowed) gives their values for all live rows in storage order,
 * in batches that do not cross fragments; deleted rows get nulls, or a neighbour's values where there is no null. `stored`: the new
 * columns with their ids. *out: one file per fragment that has live rows; the caller's, n of them. */
qv_status qv__write_new_columns(qv__store *table, qv__snapshot *base, const qv__schema *stored, qv__stream *rows,
                                qv__job *job, qv__column_file **out, size_t *n, qv_error *err);
void qv__column_files_free(qv__store *table, qv__column_file *files, size_t n, bool discard);

#endif

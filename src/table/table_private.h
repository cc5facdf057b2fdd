/* What the files of the table module share. */
#ifndef QV_TABLE_TABLE_PRIVATE_H
#define QV_TABLE_TABLE_PRIVATE_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "file/lance_schema.h"
#include "file/message.h"
#include "json/json.h"
#include "table/lance_table.pb-c.h"
#include "table/table.h"

/* ------------------------------------------------------------------ names.c */

typedef enum qv__names { QV_NAMES_V2, QV_NAMES_V1, QV_NAMES_DETACHED, QV_NAMES_OTHER } qv__names;

#define QV_NAME_BYTES          96
#define QV_VERSIONS_FOLDER     "_versions"
#define QV_TRANSACTIONS_FOLDER "_transactions"
#define QV_DETACHED_BIT        (UINT64_C(1) << 63)

/* Names are written with their folder: "_versions/18446744073709551614.manifest". */
void qv__manifest_name(uint64_t version, qv__names names, char out[QV_NAME_BYTES]);
/* Of a name inside _versions/; *version is set unless the answer is QV_NAMES_OTHER. */
qv__names qv__manifest_name_parse(const char *name, uint64_t *version);
qv_status qv__uuid_new(uint8_t uuid[16], qv_error *err); /* version 4 */
void qv__uuid_print(const uint8_t uuid[16], char out[37]);
/* 24 binary digits and 26 hexadecimal ones, ".lance"; without folder. */
void qv__data_file_name(const uint8_t uuid[16], char out[QV_NAME_BYTES]);
void qv__transaction_name(uint64_t read_version, const char *uuid, char out[QV_NAME_BYTES]);       /* without folder */
void qv__deletion_name(uint64_t fragment, const qv__deletion_file *file, char out[QV_NAME_BYTES]); /* without folder */

/* ------------------------------------------------------------------ flags.c */

enum {
    QV_FLAG_DELETIONS = 1,
    QV_FLAG_STABLE_ROW_IDS = 2,
    QV_FLAG_V2_FORMAT = 4,
    QV_FLAG_CONFIG = 8,
    QV_FLAG_BASE_PATHS = 16,
    QV_FLAG_NO_TRANSACTION_FILE = 32,
    QV_FLAG_COVERING_INDEX = 128,
    QV_FLAG_MIXED_VERSIONS = 256,
    QV_FLAG_TAGGED_REUSE_INDEX = 1024,
    QV_FLAG_SPILLED_LINEAGE = 2048,
    QV_FLAG_LASTING_FIELD_IDS = 32768
};
qv_status qv__flags_check_read(const Lance__Table__Manifest *head, qv_error *err);
qv_status qv__flags_check_write(const Lance__Table__Manifest *head, qv_error *err);

/* ------------------------------------------------------------------ manifest_read.c */

typedef struct qv__section {
    const uint8_t *data; /* NULL: there is none */
    size_t len;
} qv__section;

/* A manifest whose frame and head were checked; fragments are still packed. Immutable. */
typedef struct qv__manifest {
    qv__arena arena;
    Lance__Table__Manifest *head;
    qv__bytes bytes; /* the whole object; the sections lie in it */
    uint64_t version;
    qv__names names;
    qv__section indices;     /* IndexSection */
    qv__section transaction; /* inline Transaction */
} qv__manifest;

/* `bytes` is borrowed (a reference is added). `name` is for messages. */
qv_status qv__manifest_parse(qv__bytes bytes, const char *name, uint64_t version, qv__names names, qv__manifest **out,
                             qv_error *err);
/* QV_NOT_FOUND when there is no such version. */
qv_status qv__manifest_load(qv__store *table, uint64_t version, qv__names names, qv__manifest **out, qv_error *err);
/* Is what was read still what lies there? A table that was dropped and made anew has the same version numbers. */
qv_status qv__manifest_is_stored(qv__store *table, const qv__manifest *manifest, bool *out, qv_error *err);
void qv__manifest_free(qv__manifest *manifest);
/* Time of the commit in nanoseconds since 1970. */
int64_t qv__manifest_timestamp(const Lance__Table__Manifest *head);

/* ------------------------------------------------------------------ fragments.c */

/* What the reader needs to know of a fragment beyond qv__fragment. */
typedef struct qv__lineage {
    qv__section row_ids; /* packed RowIdSequence */
    bool spilled;        /* row ids lie in a hidden column */
} qv__lineage;

/* Unpacks and checks all fragments into `arena`; sections point into it. */
qv_status qv__fragments_parse(const Lance__Table__Manifest *head, qv__arena *arena, qv__fragment **fragments,
                              qv__lineage **lineage, qv_error *err);
/* The data format of new files: field 15, else what the files are, else the flags. QV_UNSUPPORTED by name. */
qv_status qv__data_format(const Lance__Table__Manifest *head, const qv__fragment *fragments, const char **out,
                          qv_error *err);
bool qv__version_of_text(const char *text, qv__file_version *out); /* "2.0" "2.1" "2.2" */
/* Rows and deleted rows of one packed fragment, for lists of versions. */
qv_status qv__fragment_rows(ProtobufCBinaryData packed, uint64_t *physical, uint64_t *deleted, qv_error *err);

/* ------------------------------------------------------------------ versions.c */

/* The newest version by listing; *version 0: no table. QV_CORRUPT: both kinds of names. */
qv_status qv__newest_version(qv__store *table, uint64_t *version, qv__names *names, qv_error *err);
/* The newest version for a writer that has seen `known`: mostly one or two look-ups by name instead of a listing. */
qv_status qv__newest_version_after(qv__store *table, uint64_t known, qv__names names, uint64_t *version, qv_error *err);
/* Best effort, after a commit. */
void qv__write_version_hint(qv__store *table, uint64_t version);

/* ------------------------------------------------------------------ base_paths.c */

typedef struct qv__bases { /* stores of other folders, opened on first use */
    size_t n;
    Lance__Table__BasePath **paths; /* of the manifest */
    _Atomic(qv__store *) *stores;   /* one per path */
} qv__bases;
qv_status qv__bases_init(qv__bases *bases, const Lance__Table__Manifest *head, qv_error *err);
void qv__bases_clear(qv__bases *bases);
/* Where an object of `folder` ("data", "_deletions") lies: the store (borrowed) and its name there. */
qv_status qv__bases_find(qv__bases *bases, qv__store *table, bool has_base, uint32_t base_id, const char *folder,
                         const char *name, qv__store **store, char **full_name, qv_error *err);

/* ------------------------------------------------------------------ stored_schema.c */

/* JSON columns are utf8 with the extension "arrow.json" to users, large_binary with "lance.json" in files. */
bool qv__field_has_json(const qv__field *field); /* somewhere in the tree, either form */
qv_status qv__field_to_stored(const qv__field *shown, qv__field *out, qv_error *err);
qv_status qv__schema_to_shown(const qv__schema *stored, qv__schema **out, qv_error *err);
qv_status qv__schema_to_stored(const qv__schema *shown, qv__schema **out, qv_error *err);
/* Between the two forms of one array; `to_stored` says which way. Shares what needs no change. */
qv_status qv__array_convert_json(const qv__array *array, const qv__field *from, const qv__field *to, bool to_stored,
                                 qv__array **out, qv_error *err);

/* ------------------------------------------------------------------ snapshot.c */

typedef struct qv__deletions {
    qv__owner owner;
    size_t n;
    uint32_t *offsets;
    uint8_t *live;
} qv__deletions;

typedef struct qv__row_ids {
    qv__owner owner;
    uint64_t *ids; /* physical_rows of them */
} qv__row_ids;

typedef struct qv__row_index qv__row_index;

/* Caches of one fragment. Each slot is filled once: whoever finds it empty makes the object and publishes it with a
 * compare-and-swap (release, seen by the acquire of every reader); who comes second drops its own. So nobody waits. */
typedef struct qv__column_slot {
    _Atomic(qv__fragment_column *) column;
} qv__column_slot;

typedef struct qv__fragment_cache {
    _Atomic(qv__file *) *files;         /* n_files; part of the snapshot's file_slots */
    _Atomic(qv__column_slot *) columns; /* one per field of the schema */
    _Atomic(qv__deletions *) deletions;
    _Atomic(qv__row_ids *) row_ids;
} qv__fragment_cache;

/* See qv__snapshot_index_slot. */
typedef struct qv__shared_slot {
    qv__owner owner;
    _Atomic(qv__owner *) kept;
} qv__shared_slot;

struct qv__snapshot {
    atomic_int refs;
    qv__store *table;
    qv__manifest *manifest;
    qv__schema *schema; /* shown */
    qv__schema *stored; /* as in files */
    const char *format; /* "2.2" */
    size_t n_fragments;
    qv__fragment *fragments; /* in the manifest's arena */
    qv__lineage *lineage;
    qv__fragment_cache *caches; /* n_fragments */
    _Atomic(qv__file *) *file_slots;
    qv__bases bases;
    _Atomic(qv__row_index *) row_index;
    qv__shared_slot *index_slot;
};

/* Takes the manifest, also on failure. `old` (may be NULL): a snapshot of the same table whose opened files are shared. */
qv_status qv__snapshot_of(qv__store *table, qv__manifest *manifest, qv__snapshot *old, qv__snapshot **out,
                          qv_error *err);
/* The opened data file, checked against the manifest; borrowed from the snapshot. */
qv_status qv__snapshot_file(qv__snapshot *snapshot, size_t fragment, size_t file, qv__file **out, qv_error *err);
/* physical_rows is about to size an allocation: large claims are first compared with the data file. */
qv_status qv__snapshot_check_rows(qv__snapshot *snapshot, size_t fragment, qv_error *err);

/* ------------------------------------------------------------------ deletions.c, row_ids.c */

qv_status qv__deletions_load(qv__snapshot *snapshot, size_t fragment, qv__deletions **out, qv_error *err);
/* Expands a packed RowIdSequence that must hold exactly n ids. */
qv_status qv__row_ids_expand(qv__section packed, uint64_t n, uint64_t *out, qv_error *err);
qv_status qv__row_ids_load(qv__snapshot *snapshot, size_t fragment, qv__row_ids **out, qv_error *err);
void qv__row_index_free(qv__row_index *index);
/* QV_CORRUPT when two live rows have the same stable id. */
qv_status qv__row_ids_check_unique(qv__snapshot *snapshot, qv_error *err);

/* ------------------------------------------------------------------ fragment_column.c */

/* Columns are counted, because snapshots of one table share them. */
qv__fragment_column *qv__fragment_column_ref(qv__fragment_column *column);
void qv__fragment_column_unref(qv__fragment_column *column);

/* ------------------------------------------------------------------ transaction.c, conflicts.c */

typedef enum qv__operation {
    QV_OP_APPEND,
    QV_OP_DELETE,
    QV_OP_UPDATE,
    QV_OP_CREATE_INDEX,
    QV_OP_REWRITE,
    QV_OP_OVERWRITE,
    QV_OP_MERGE,
    QV_OP_RESTORE,
    QV_OP_RESERVE,
    QV_OP_PROJECT,
    QV_OP_CONFIG,
    QV_OP_REPLACEMENT,
    QV_OP_OVERLAY,
    QV_OP_BASES,
    QV_OP_MEM_WAL,
    QV_OP_CLONE,
    QV_OP_UNKNOWN
} qv__operation;

typedef struct qv__transaction {
    qv__operation operation;
    bool preserves_nullability; /* merge, project */
    uint64_t read_version;
    char uuid[64];
} qv__transaction;
const char *qv__operation_name(qv__operation operation);
/* The transaction that made this version: inline, or by its file. None found: QV_OP_UNKNOWN with an empty uuid. */
qv_status qv__transaction_of(qv__store *table, const qv__manifest *manifest, qv__transaction *out, qv_error *err);

typedef enum qv__verdict { QV_VERDICT_OK, QV_VERDICT_RETRY, QV_VERDICT_CONFLICT } qv__verdict;
/* May `mine` (append or overwrite) be committed on top of `theirs`? RETRY: only after a fresh look at the new version. */
qv__verdict qv__conflict(qv__operation mine, const qv__transaction *theirs);

/* ------------------------------------------------------------------ manifest_write.c */

/* A change to be committed: its new files and, for a new content, its schema. */
typedef struct qv__new_fragment {
    uint64_t rows;
    char name[QV_NAME_BYTES];
    qv__file_summary summary;
} qv__new_fragment;

typedef struct qv__change {
    qv__operation operation; /* QV_OP_APPEND or QV_OP_OVERWRITE */
    bool create;
    bool stable_row_ids;      /* create */
    const char *format;       /* of the new files; "2.2" */
    const qv__schema *stored; /* with ids: whole table (overwrite), columns present (append) */
    size_t n_fragments;
    const qv__new_fragment *fragments;
    char uuid[37];
} qv__change;

/* The packed Transaction. */
qv_status qv__change_transaction(const qv__change *change, uint64_t read_version, qv__buffer *out, qv_error *err);
/* The whole manifest object that follows `base` (NULL: the first). `transaction` is embedded. */
qv_status qv__change_manifest(const qv__change *change, const qv__manifest *base, uint64_t read_version,
                              const qv__buffer *transaction, qv__buffer *out, qv_error *err);

/* ------------------------------------------------------------------ commit.c */

/* Makes the change the newest version. `base` is the snapshot that the change was made for (NULL when creating). *committed
 * tells, also on failure, whether a version with the change may be visible: then its files must stay. */
qv_status qv__commit(qv__store *table, qv__snapshot *base, const qv__change *change, qv__job *job, qv__snapshot **out,
                     bool *committed, qv_error *err);

#endif

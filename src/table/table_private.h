/* What the files of the table module share. */
#ifndef QV_TABLE_TABLE_PRIVATE_H
#define QV_TABLE_TABLE_PRIVATE_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "file/lance_schema.h"
#include "file/message.h"
#include "table/change.h"
#include "json/json.h"
#include "table/lance_table.pb-c.h"
#include "table/table.h"

/* ------------------------------------------------------------------ names.c */

typedef enum qv__names { QV_NAMES_V2, QV_NAMES_V1, QV_NAMES_DETACHED, QV_NAMES_OTHER } qv__names;

#define QV_NAME_BYTES          QV_FILE_NAME_BYTES
#define QV_VERSIONS_FOLDER     "_versions"
#define QV_TRANSACTIONS_FOLDER "_transactions"
#define QV_DETACHED_BIT        (UINT64_C(1) << 63)

/* Names are written with their folder: "_versions/18446744073709551614.manifest". */
void qv__manifest_name(uint64_t version, qv__names names, char out[QV_NAME_BYTES]);
/* Of a name inside _versions/; *version is set unless the answer is QV_NAMES_OTHER. */
qv__names qv__manifest_name_parse(const char *name, uint64_t *version);
qv_status qv__uuid_new(uint8_t uuid[16], qv_error *err); /* version 4 */
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
/* Is what was read still what lies there, as far as size, beginning and end tell (no two commits agree there)? A table that was dropped and made anew has the same version numbers. */
qv_status qv__manifest_is_stored(qv__store *table, const qv__manifest *manifest, bool *out, qv_error *err);
void qv__manifest_free(qv__manifest *manifest);
/* Time of the commit in nanoseconds since 1970. */
int64_t qv__manifest_timestamp(const Lance__Table__Manifest *head);

/* ------------------------------------------------------------------ fragments.c */

/* What the reader needs to know of a fragment beyond qv__fragment. */
typedef struct qv__lineage {
    qv__section row_ids;          /* packed RowIdSequence */
    qv__section created, updated; /* packed RowVersionSequence */
    bool spilled;                 /* row ids lie in a hidden column */
    bool spilled_created, spilled_updated;
} qv__lineage;

/* Memory of unpacked fragments. A version mostly adds a few to those of the one before, so it keeps that one's memory alive
 * instead of unpacking them again. */
typedef struct qv__parsed {
    qv__owner owner;
    qv__arena arena;
    struct qv__parsed *older; /* NULL: none */
    unsigned depth;           /* of the chain */
    size_t n;                 /* fragments in the whole chain */
} qv__parsed;

typedef struct qv__fragment_list { /* the arrays lie in the arena that was given */
    qv__fragment *fragments;
    qv__lineage *lineage;
    size_t *from;       /* position of the same fragment in the older snapshot; SIZE_MAX: unpacked anew */
    qv__parsed *parsed; /* a reference */
} qv__fragment_list;

/* Unpacks and checks all fragments, except those that `old` (may be NULL) has byte for byte. */
qv_status qv__fragments_parse(const Lance__Table__Manifest *head, const qv__snapshot *old, qv__arena *arena,
                              qv__fragment_list *out, qv_error *err);
/* The data format of new files: field 15, else what the files are, else the flags. QV_UNSUPPORTED by name. */
qv_status qv__data_format(const Lance__Table__Manifest *head, const qv__fragment_list *list, const qv__snapshot *old,
                          const char **out, qv_error *err);
bool qv__version_of_text(const char *text, qv__file_version *out); /* "2.0" "2.1" "2.2" */
qv_status qv__fragment_id(ProtobufCBinaryData packed, uint64_t *out, qv_error *err);
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

typedef struct qv__row_ids { /* or versions: one number per row */
    qv__owner owner;
    uint64_t *ids; /* physical_rows of them */
} qv__row_ids;

typedef struct qv__row_index qv__row_index;
typedef struct qv__index_list qv__index_list;

/* Caches of one fragment. Each slot is filled once: whoever finds it empty makes the object and publishes it with a
 * compare-and-swap (release, seen by the acquire of every reader); who comes second drops its own. So nobody waits. */
typedef struct qv__column_slot {
    _Atomic(qv__fragment_column *) column;
} qv__column_slot;

typedef struct qv__fragment_cache {
    _Atomic(qv__file *) *files;         /* n_files; part of the snapshot's file_slots */
    _Atomic(qv__column_slot *) columns; /* one per field of the schema */
    _Atomic(qv__deletions *) deletions;
    _Atomic(qv__row_ids *) row_ids, created, updated;
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
    qv__fragment *fragments; /* in the manifest's arena; what they point to in `parsed` */
    qv__parsed *parsed;
    qv__lineage *lineage;
    qv__fragment_cache *caches; /* n_fragments */
    _Atomic(qv__file *) *file_slots;
    qv__bases bases;
    _Atomic(qv__row_index *) row_index;
    qv__shared_slot *index_slot;
    _Atomic(qv__owner *) query_slot; /* see qv__snapshot_query_slot */
    _Atomic(qv__index_list *) indices;
};

/* Takes the manifest, also on failure. `old` (may be NULL): a snapshot of the same table whose opened files are shared. */
qv_status qv__snapshot_of(qv__store *table, qv__manifest *manifest, qv__snapshot *old, qv__snapshot **out,
                          qv_error *err);
/* The opened data file, checked against the manifest; borrowed from the snapshot. */
qv_status qv__snapshot_file(qv__snapshot *snapshot, size_t fragment, size_t file, qv__file **out, qv_error *err);
/* physical_rows is about to size an allocation: large claims are first compared with the data file. */
qv_status qv__snapshot_check_rows(qv__snapshot *snapshot, size_t fragment, qv_error *err);

/* ------------------------------------------------------------------ row_segments.c */

typedef struct qv__u64_view { /* n numbers of `width` bytes, each added to `base` */
    const uint8_t *bytes;
    size_t n, width;
    uint64_t base;
} qv__u64_view;
typedef struct qv__row_segment {
    enum { QV_SEGMENT_RANGE, QV_SEGMENT_HOLES, QV_SEGMENT_BITMAP, QV_SEGMENT_ARRAY } form;
    uint64_t start, end;
    qv__u64_view view; /* holes, or the values */
    const uint8_t *bitmap;
    uint64_t n;
} qv__row_segment;
qv_status qv__row_segment_open(const Lance__Table__U64Segment *message, qv__row_segment *out, qv_error *err);
void qv__row_segment_expand(const qv__row_segment *segment, uint64_t *out); /* segment->n numbers */

/* ------------------------------------------------------------------ deletions.c, row_ids.c, row_versions.c */

enum { QV_HIDDEN_ROW_ID = -3, QV_HIDDEN_CREATED = -4, QV_HIDDEN_UPDATED = -5 };
qv_status qv__hidden_column_read(qv__snapshot *snapshot, size_t fragment, int32_t id, uint64_t *out, qv_error *err);
qv_status qv__row_ids_new(uint64_t n, qv__row_ids **out, qv_error *err);

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

/* ------------------------------------------------------------------ pack.c */

/* The message's bytes, in the arena. */
qv_status qv__pack(const ProtobufCMessage *message, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err);
qv_status qv__unpack_fragment(ProtobufCBinaryData packed, qv__arena *arena, Lance__Table__DataFragment **out,
                              qv_error *err);
/* A section of a manifest, [ u32 len | bytes ], at the end of `out`. */
qv_status qv__append_section(const uint8_t *bytes, size_t len, qv__buffer *out, qv_error *err);
/* Row ids, and versions by row, in the shortest form that the format has. */
qv_status qv__row_range_pack(uint64_t first, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err);
qv_status qv__row_ids_pack(const uint64_t *ids, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err);
qv_status qv__row_versions_pack(const uint64_t *versions, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out,
                                qv_error *err);
qv_status qv__row_version_pack(uint64_t version, uint64_t n, qv__arena *arena, ProtobufCBinaryData *out,
                               qv_error *err); /* the same for all */
qv_status qv__pack_metadata(const qv__metadata *metadata, qv__arena *arena, size_t *n,
                            Lance__File__MetadataEntry ***out, qv_error *err);

/* ------------------------------------------------------------------ deletions_write.c */

/* A deletion file that a commit wrote for one fragment. It holds what was deleted in the version it was made on, too. */
typedef struct qv__deletion_written {
    bool done;
    bool whole; /* no row is left: there is no file */
    bool had;   /* the fragment had this deletion file before */
    uint64_t had_version, had_id;
    qv__deletion_file file;
} qv__deletion_written;
/* Deletes `rows` of a fragment of `on`, beside what is deleted already. What was written before is used again when it still
 * fits, else removed. *meets: one of the rows is deleted already; then nothing is written. */
qv_status qv__deletion_write(qv__snapshot *on, size_t fragment, uint64_t read_version, const roaring_bitmap_t *rows,
                             qv__deletion_written *written, bool *meets, qv_error *err);
void qv__deletion_discard(qv__store *table, uint64_t fragment_id, qv__deletion_written *written);

/* ------------------------------------------------------------------ transaction.c, conflicts.c */

typedef struct qv__transaction {
    qv__operation operation;
    uint64_t read_version;
    char uuid[64];
    const Lance__Table__Transaction *message; /* in the arena; NULL: none was found */
} qv__transaction;
const char *qv__operation_name(qv__operation operation);
/* The transaction that made this version: inline, or by its file. None found: QV_OP_UNKNOWN with an empty uuid. */
qv_status qv__transaction_of(qv__store *table, const qv__manifest *manifest, qv__arena *arena, qv__transaction *out,
                             qv_error *err);

typedef enum qv__verdict { QV_VERDICT_OK, QV_VERDICT_RETRY, QV_VERDICT_CONFLICT } qv__verdict;
/* What my change is once it is published. */
qv__operation qv__change_operation(const qv__change *change);
/* May mine be committed on top of theirs? RETRY: only after it was worked out anew on their version. `base` is what mine was
 * worked out on. Rows that both delete, and files that both write, are looked at when the edit is made. */
qv_status qv__conflict(const qv__change *mine, const qv__snapshot *base, const qv__transaction *theirs,
                       qv__verdict *out, qv_error *err);

/* ------------------------------------------------------------------ edit.c: what a change does to the fragments of a version */

typedef struct qv__changed_fragment {
    size_t at;                         /* in the version's list */
    ProtobufCBinaryData before, after; /* packed; after.data NULL: it goes */
    bool has_deletion;
} qv__changed_fragment;

typedef struct qv__added_fragment {
    uint64_t id;
    ProtobufCBinaryData packed;  /* for the manifest */
    ProtobufCBinaryData outline; /* for the transaction */
    bool is_moved;               /* stable row ids: no row is new */
} qv__added_fragment;

typedef struct qv__edit {
    qv__snapshot *base, *on; /* borrowed; NULL: the first version. `base`: what the change was worked out on */
    const qv__change *change;
    qv__deletion_written *deletions; /* one per deletion of the change; the caller's */
    uint64_t version;                /* that is being made */
    bool stable;                     /* row ids */
    qv__arena arena;
    bool drops_all; /* of the old fragments none stays */
    size_t n_changed, n_added;
    qv__changed_fragment *changed; /* ascending */
    qv__added_fragment *added;     /* ascending */
    bool has_max_id;
    uint64_t max_id, next_row_id;
    bool worth_retry; /* with QV_CONFLICT */
} qv__edit;
/* Works the change out on edit->on. QV_CONFLICT: it does not fit any more. qv__edit_clear in every case. */
qv_status qv__edit_make(qv__edit *edit, qv_error *err);
void qv__edit_clear(qv__edit *edit);
/* Position of a fragment in a version, or SIZE_MAX. */
size_t qv__snapshot_find_fragment(const qv__snapshot *snapshot, uint64_t id);
qv_status qv__edit_conflict(qv__edit *edit, qv_error *err, const char *format, ...) QV_PRINTF(3, 4);

/* edit_files.c: fragments whose files change */
bool qv__has_field_id(const int32_t *ids, size_t n, int32_t id);
const qv__field *qv__field_with_id(const qv__field *fields, size_t n, int32_t id); /* at any depth; NULL: none */
void qv__new_file_message(const qv__new_file *file, Lance__Table__DataFile *out);
qv_status qv__edit_join_file(qv__edit *edit, const qv__column_file *joined, Lance__Table__DataFragment *fragment,
                             qv_error *err);
/* Drops files that hold no field of the schema. *changed: there was one. */
qv_status qv__edit_project(qv__edit *edit, const qv__schema *stored, qv_error *err);
/* Do the fields of the change's new rows still exist as they were written? */
qv_status qv__edit_check_schema(qv__edit *edit, qv_error *err);

/* ------------------------------------------------------------------ transaction_write.c */

/* The packed Transaction. */
qv_status qv__change_transaction(const qv__edit *edit, uint64_t read_version, const char *uuid, qv__buffer *out,
                                 qv_error *err);
/* An entry of a packed IndexMetadata; both live as long as the arena. */
qv_status qv__index_entry_read(ProtobufCBinaryData packed, qv__arena *arena, qv__index_entry *out, qv_error *err);
/* IndexMetadata of an entry that was made (`packed` empty), or made from a read one. */
qv_status qv__index_entry_pack(const qv__index_entry *entry, qv__arena *arena, ProtobufCBinaryData *out, qv_error *err);

/* ------------------------------------------------------------------ index_section.c, index_edit.c */

struct qv__index_list { /* filled once, as the caches of fragments are */
    qv__owner owner;
    qv__arena arena;
    size_t n;
    qv__index_entry *entries;
};
qv_status qv__index_list_parse(qv__section section, qv__index_list **out, qv_error *err);
/* The index section of the next version: packed entries in `arena`. *same: it is that of `on`, byte for byte. */
qv_status qv__edit_indices(qv__edit *edit, const qv__schema *schema, qv__arena *arena, bool *same,
                           ProtobufCBinaryData **out, size_t *n, qv_error *err);

/* ------------------------------------------------------------------ manifest_write.c, metadata_write.c */

/* The whole manifest object. `transaction` is embedded, and published under its file's name. `restored`: whose content comes
 * back (RESTORE), else NULL. */
qv_status qv__change_manifest(qv__edit *edit, const qv__manifest *restored, uint64_t read_version, const char *uuid,
                              const qv__buffer *transaction, qv__buffer *out, qv_error *err);
/* Applies the updates of a CONFIG change to a head; what is new lies in the arena. */
qv_status qv__metadata_apply(const qv__change *change, Lance__Table__Manifest *head, qv__arena *arena, qv_error *err);

/* ------------------------------------------------------------------ write_schema.c, write.c */

/* The schema of new content: in stored form, numbered from first_id on. */
qv_status qv__schema_for_files(const qv__schema *shown, qv__file_version version, int32_t first_id, qv__schema **out,
                               qv_error *err);
/* QV_UNSUPPORTED: files of this version hold such a column in another form. */
qv_status qv__check_blob_form(const qv__field *stored, qv__file_version version, qv_error *err);

#endif

/* What the files of the index module share; kinds see scalar/scalar.h. */
#ifndef QV_INDEX_PRIVATE_H
#define QV_INDEX_PRIVATE_H

#include "base/alloc.h"
#include "index/index.h"
#include "index/method.h"

/* ------------------------------------------------------------------ fields.c: what is indexed */

/* A field of the table by its id: the path as conditions write it, and the way down from its top-level field. */
typedef struct qv__indexed_field {
    char *path;           /* owned */
    const qv__field *top; /* borrowed from the snapshot's schema */
    const qv__field *leaf;
    size_t depth;                    /* steps from top to leaf */
    size_t steps[QV_TYPE_MAX_DEPTH]; /* child positions */
} qv__indexed_field;
void qv__indexed_field_clear(qv__indexed_field *field);
/* *found false: the schema has no such field. */
qv_status qv__field_by_id(const qv__snapshot *snapshot, int32_t id, qv__indexed_field *out, bool *found, qv_error *err);
/* By dotted path, parts in backticks or not. QV_NOT_FOUND, with the known ones. */
qv_status qv__field_by_path(const qv__snapshot *snapshot, const char *path, qv__indexed_field *out, qv_error *err);

/* ------------------------------------------------------------------ source.c: the rows of fragments, as kinds want them */

typedef struct qv__row_source {
    qv__snapshot *snapshot;
    const qv__indexed_field *field;
    const bool *wanted; /* per fragment of the snapshot */
    bool addresses;     /* else row ids */
    bool deleted_too;
} qv__row_source;
qv_status qv__row_source_open(const qv__row_source *source, qv__stream **out, qv_error *err);
/* As qv__index_source.sample wants it: `source` is a qv__row_source. */
qv_status qv__row_source_sample(void *source, uint64_t sample, uint64_t seed, qv__stream **out, qv_error *err);
qv_status qv__row_source_count(const qv__row_source *source, uint64_t *out, qv_error *err);

/* ------------------------------------------------------------------ entries.c: indices of a snapshot */

#define QV_REUSE_NAME "__lance_frag_reuse"

/* All entries of one name. */
typedef struct qv__logical_index {
    const char *name;
    const qv__index_method *kind; /* NULL: not used by this version of Quiver */
    int32_t field;                /* -1: none, or several */
    const qv__index_entry **entries;
    size_t n;
} qv__logical_index;
typedef struct qv__logical_list {
    size_t n;
    qv__logical_index *items; /* sorted by name; system entries are left out */
    const qv__index_entry **room;
} qv__logical_list;
qv_status qv__logical_indices(qv__snapshot *snapshot, qv__logical_list *out, qv_error *err);
void qv__logical_list_clear(qv__logical_list *list);
const qv__logical_index *qv__logical_find(const qv__logical_list *list, const char *name); /* NULL: none */

/* Can entries like this one be asked? Known kind, one field, no newer version. */
const qv__index_method *qv__entry_kind(const qv__index_entry *entry);
/* Does it store row addresses? */
bool qv__entry_has_addresses(const qv__snapshot *snapshot, const qv__index_entry *entry, const qv__index_method *kind);
/* Position of a fragment in the snapshot, or SIZE_MAX. */
size_t qv__fragment_position(const qv__snapshot *snapshot, uint64_t id);

/* ------------------------------------------------------------------ reuse.c: fragments that were compacted under an index */

typedef struct qv__reuse qv__reuse;
/* *out NULL: there was no deferred remap. */
qv_status qv__reuse_open(qv__snapshot *snapshot, qv__reuse **out, qv_error *err);
void qv__reuse_free(qv__reuse *reuse);
/* An old address to the one that it has now; false: the row is gone. Addresses of other fragments stay. */
bool qv__reuse_translate(const qv__reuse *reuse, uint64_t *address);
/* Adds the old addresses, those of every rewrite, of rows that are `wanted` where they are now. */
qv_status qv__reuse_origins(const qv__reuse *reuse, bool (*wanted)(void *ctx, uint64_t address), void *ctx,
                            qv__row_set *out, qv_error *err);
/* Adds to `covered` the fragments that rewritten ones of the entry became: a group counts when the entry has all of its old ones. */
qv_status qv__reuse_cover(const qv__reuse *reuse, const qv__snapshot *snapshot, const qv__index_entry *entry,
                          bool *covered, size_t *n, qv_error *err);

/* Which fragments of the snapshot an entry answers for (calloc'd n_fragments flags; the caller's): its own that live, and those that
 * rewritten ones became. *n how many. */
qv_status qv__entry_coverage(qv__snapshot *snapshot, const qv__index_entry *entry, const qv__reuse *reuse, bool **out,
                             size_t *n, qv_error *err);

/* ------------------------------------------------------------------ cache.c: opened segments */

typedef struct qv__open_segment {
    qv__owner owner;
    const qv__index_method *kind;
    qv__segment *segment;
} qv__open_segment;
/* The opened segment, from the cache when it is there; release with qv__open_segment_unref. A segment that cannot be used (missing,
 * corrupt, of an unknown form) is logged once: QV_OK with *out NULL. */
qv_status qv__segment_open(qv__snapshot *snapshot, const qv__index_entry *entry, const qv__index_method *kind,
                           const qv__type *type, qv__open_segment **out, qv_error *err);
/* The same without cache: failures are told. */
qv_status qv__segment_open_alone(qv__snapshot *snapshot, const qv__index_entry *entry, const qv__index_method *kind,
                                 const qv__type *type, qv__open_segment **out, qv_error *err);
void qv__open_segment_unref(qv__open_segment *opened);
/* It turned out to be damaged: logged once, and not used again. */
void qv__segment_forget(qv__snapshot *snapshot, const qv__index_entry *entry, const qv_error *err);

/* ------------------------------------------------------------------ place.c: stored rows to rows of fragments */

/* Adds the physical rows of `set` in fragments that are `covered` to `rows` (one bitmap per fragment, made when first needed). */
typedef struct qv__place {
    qv__snapshot *snapshot;
    const qv__reuse *reuse; /* NULL: none */
    bool addresses;
    const bool *covered;
    roaring_bitmap_t **rows;
} qv__place;
qv_status qv__place_rows(const qv__place *place, const qv__row_set *set, qv_error *err);

/* ------------------------------------------------------------------ plan.c, plan_ask.c, plan_run.c */

/* One segment of an index that a plan uses. */
typedef struct qv__plan_segment {
    bool is_ready;            /* the rest holds */
    qv__open_segment *opened; /* NULL: cannot be used */
    bool *covered;
    size_t n_covered;
    bool addresses;
} qv__plan_segment;

typedef enum qv__ask_node_kind { QV_PLAN_ASK, QV_PLAN_AND, QV_PLAN_OR } qv__ask_node_kind;
typedef struct qv__ask_node qv__ask_node;
struct qv__ask_node {
    qv__ask_node_kind kind;
    bool is_exact; /* as far as can be told before it runs */
    uint64_t estimate;
    /* AND, OR */
    size_t n;
    qv__ask_node **children;
    /* ASK */
    const qv__expr *exprs[2]; /* what is asked, for people; two when bounds of one range were put together */
    bool negated;
    qv__ask ask;
    const qv__type *asked; /* type of the operand */
    const qv__expr *operand;
    const qv__logical_index *index;
};

struct qv__index_plan {
    qv__snapshot *snapshot;
    qv__program *condition, *recheck; /* recheck NULL: nothing */
    qv__logical_list indices;
    qv__plan_segment *segments; /* one per entry of indices.room */
    qv__reuse *reuse;
    qv__ask_node *root;
    uint64_t most_rows; /* what an ordered index may answer; 0: anything */
    qv__array **values; /* made for asks */
    size_t n_values, values_capacity;
};
void qv__ask_node_free(qv__ask_node *node);
/* A condition that is neither AND, OR nor NOT as a question to an index. *out NULL: no index knows. */
qv_status qv__plan_ask(qv__index_plan *plan, const qv__expr *expr, bool negated, qv__ask_node **out, qv_error *err);
/* Takes the array (also on failure), which lives as long as the plan. */
qv_status qv__plan_keep(qv__index_plan *plan, qv__array *array, qv_error *err);
static inline qv__plan_segment *qv__plan_segment_of(const qv__index_plan *plan, const qv__logical_index *index,
                                                    size_t i)
{
    return &plan->segments[(index->entries - plan->indices.room) + (ptrdiff_t) i];
}

/* ------------------------------------------------------------------ make.c: new entries with their files */

/* A segment to be made: out of the rows of `wanted` fragments, and of older segments. */
typedef struct qv__index_order {
    qv__store *table;
    qv__snapshot *snapshot;
    const qv__index_method *kind;
    const qv__indexed_field *field;
    const char *name;
    const qv_index_options *options;
    const bool *wanted;     /* per fragment: its rows are read; NULL: none */
    const bool *covered;    /* per fragment: the entry will name it */
    const uint64_t *others; /* ids of fragments that are yet to come, named too */
    size_t n_others;
    qv__segment *like; /* as qv__index_target has it, and: */
    bool as_asked;
    qv__segment *const *old;
    size_t n_old;
    qv__keep_fn keep;
    void *ctx;
    qv__job *job;
} qv__index_order;

typedef struct qv__made_index { /* the parts of `entry` are owned */
    qv__index_entry entry;
    qv__store *folder;
    qv__index_built built;
    int32_t field;
} qv__made_index;
qv_status qv__make_index(const qv__index_order *order, qv__made_index *out, qv_error *err);
void qv__made_clear(qv__made_index *made);
/* Removes the files, as far as storage allows. */
void qv__made_discard(qv__store *table, qv__made_index *made);

/* ------------------------------------------------------------------ make.c: which stored rows an entry still answers for */

typedef struct qv__kept_segment {
    const bool *covered;
    bool addresses;
} qv__kept_segment;
typedef struct qv__keeper {
    qv__snapshot *snapshot;
    const qv__reuse *reuse;
    const qv__kept_segment *segments;
} qv__keeper;
bool qv__keep_live(void *keeper, size_t segment, uint64_t *row); /* a qv__keep_fn */

#endif

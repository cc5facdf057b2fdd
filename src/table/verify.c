/* Verifying a version: every object that its manifest names is opened and checked against what the manifest says of it, and the
 * manifest against itself. A broken object is told and the next one looked at; only what stops the work itself (no memory,
 * cancelled, time over) ends it early. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "arrow/validate.h"
#include "table/table_private.h"

#define JSON_ROWS 1024

typedef struct check {
    qv__snapshot *snapshot;
    qv__problem_fn problem;
    void *ctx;
    qv__job *job;
    qv_verify_report report;
    qv_error *err;
} check;

static void tell(void *ctx, const char *object, const char *what)
{
    check *c = ctx;

    c->report.problems++;
    if (c->problem)
        c->problem(c->ctx, object, what);
}

static bool is_ours_to_stop(qv_status st) { return st == QV_NOMEM || st == QV_CANCELLED || st == QV_TIMEOUT; }

/* A failed check of an object becomes a problem, told once. */
static qv_status note(check *c, const char *object, uint64_t problems_before, qv_status st, const qv_error *found)
{
    if (st == QV_OK)
        return QV_OK;
    if (is_ours_to_stop(st)) {
        if (c->err)
            *c->err = *found;
        return st;
    }
    if (c->report.problems == problems_before)
        tell(c, object, found->message);
    return QV_OK;
}

/* ------------------------------------------------------------------ the manifest */

static qv_status check_indices(const qv__manifest *manifest, qv_error *err)
{
    qv_status st = QV_OK;
    ProtobufCMessage *message;
    qv__arena arena;

    if (!manifest->indices.data)
        return QV_OK;
    qv__arena_init(&arena, qv__message_limit(manifest->indices.len));
    QV_CHECK(qv__message_unpack(&lance__table__index_section__descriptor, manifest->indices.data, manifest->indices.len,
                                &arena, &message, err));
    const Lance__Table__IndexSection *section = (const Lance__Table__IndexSection *) message;
    for (size_t i = 0; i < section->n_indices; i++)
        if (!section->indices[i]->uuid || section->indices[i]->uuid->uuid.len != 16)
            QV_CHECK(qv__fail(err, QV_CORRUPT, "index \"%.100s\" has no identifier",
                              section->indices[i]->name ? section->indices[i]->name : ""));
done:
    qv__arena_reset(&arena);
    return st;
}

static qv_status check_manifest(check *c)
{
    const qv__manifest *manifest = c->snapshot->manifest;
    uint64_t before = c->report.problems;
    qv__transaction transaction;
    qv__arena arena;
    qv_error found = { 0 };
    char name[QV_NAME_BYTES];
    bool same = false;

    qv__manifest_name(manifest->version, manifest->names, name);
    c->report.files++;
    c->report.bytes += manifest->bytes.len;
    QV_TRY(note(c, name, before, qv__manifest_is_stored(c->snapshot->table, manifest, &same, &found), &found));
    if (!same && c->report.problems == before)
        tell(c, name, "the stored bytes are not the ones that were read");
    before = c->report.problems;
    QV_TRY(note(c, name, before, check_indices(manifest, &found), &found));
    before = c->report.problems;
    qv__arena_init(&arena, 0);
    qv_status st = qv__transaction_of(c->snapshot->table, manifest, &arena, &transaction, &found);
    qv__arena_reset(&arena);
    return note(c, name, before, st, &found);
}

/* ------------------------------------------------------------------ data files */

static qv_status check_size(check *c, const qv__data_file *file, uint64_t *size, qv_error *err)
{
    qv_status st = QV_OK;
    qv__object *object = NULL;
    qv__store *store;
    char *name = NULL;

    QV_CHECK(qv__bases_find(&c->snapshot->bases, c->snapshot->table, file->has_base, file->base_id, "data", file->path,
                            &store, &name, err));
    QV_CHECK(qv__object_open(store, name, &object, err));
    *size = qv__object_size(object);
    if (file->size_bytes && file->size_bytes != *size)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%" PRIu64 " bytes, the manifest says %" PRIu64, *size, file->size_bytes));
done:
    qv__object_unref(object);
    qv__free(name);
    return st;
}

static qv_status check_columns_in_file(const qv__data_file *wanted, const qv__file *file, qv_error *err)
{
    for (size_t i = 0; i < wanted->n_fields; i++)
        if (wanted->field_ids[i] >= 0 &&
            (wanted->columns[i] < 0 || (uint32_t) wanted->columns[i] >= qv__file_n_columns(file)))
            return qv__fail(err, QV_CORRUPT, "field %" PRId32 " is said to lie in column %" PRId32 " of %" PRIu32,
                            wanted->field_ids[i], wanted->columns[i], qv__file_n_columns(file));
    return QV_OK;
}

static qv_status check_data_file(check *c, size_t fragment, size_t at)
{
    const qv__data_file *wanted = &c->snapshot->fragments[fragment].files[at];
    uint64_t before = c->report.problems, size = 0;
    qv_error found = { 0 };
    qv__file *file;

    c->report.files++;
    QV_TRY(note(c, wanted->path, before, check_size(c, wanted, &size, &found), &found));
    c->report.bytes += size;
    before = c->report.problems;
    qv_status st = qv__snapshot_file(c->snapshot, fragment, at, &file, &found);
    if (st != QV_OK)
        return note(c, wanted->path, before, st, &found);
    QV_TRY(note(c, wanted->path, before, check_columns_in_file(wanted, file, &found), &found));
    before = c->report.problems;
    return note(c, wanted->path, before, qv__file_verify(file, tell, c, c->job, &found), &found);
}

/* ------------------------------------------------------------------ fragments */

static bool is_stored(const qv__fragment *f, int32_t id)
{
    for (size_t i = 0; i < f->n_files; i++)
        for (size_t j = 0; j < f->files[i].n_fields; j++)
            if (f->files[i].field_ids[j] == id)
                return true;
    return false;
}

/* Data files were decoded by their own schema; here by the manifest's. Where that differs, the ends of the column already
 * do not fit. JSON is looked at row by row: what its bytes say is nothing that a file knows. */
static qv_status check_reading(qv__fragment_column *column, const qv__field *field, uint64_t rows, qv_error *err)
{
    bool all = qv__field_has_json(field);
    uint64_t n;

    for (uint64_t row = 0; row < rows; row += n) {
        qv__array *array;
        n = all ? QV_MIN(rows - row, JSON_ROWS) : 1;
        QV_TRY(qv__fragment_column_read(column, row, n, &array, err));
        qv_status st = qv__array_validate(array, field->name, err);
        qv__array_unref(array);
        if (st != QV_OK)
            return st;
        if (!all && row + 2 < rows)
            row = rows - 2;
    }
    return QV_OK;
}

static qv_status check_fields(check *c, size_t fragment, const char *object)
{
    const qv__schema *schema = c->snapshot->schema;

    for (size_t i = 0; i < schema->n_fields; i++) {
        uint64_t before = c->report.problems;
        qv__fragment_column *column;
        qv_error found = { 0 };
        const qv__field *field = &schema->fields[i];
        qv_status st = qv__fragment_column_open(c->snapshot, fragment, field, &column, &found);
        if (st == QV_OK && !field->nullable && qv__field_is_column(field) &&
            !is_stored(&c->snapshot->fragments[fragment], field->id) && c->snapshot->fragments[fragment].physical_rows)
            st = qv__fail(&found, QV_CORRUPT, "column \"%.100s\" may not be null, but no file holds it", field->name);
        if (st == QV_OK)
            st = check_reading(column, field, c->snapshot->fragments[fragment].physical_rows, &found);
        QV_TRY(note(c, object, before, st, &found));
    }
    return QV_OK;
}

static qv_status check_row_ids(check *c, size_t fragment, qv_error *err)
{
    uint64_t limit = c->snapshot->manifest->head->next_row_id;
    const uint64_t *ids;

    QV_TRY(qv__snapshot_row_id_array(c->snapshot, fragment, &ids, err));
    for (uint64_t i = 0; ids && i < c->snapshot->fragments[fragment].physical_rows; i++)
        if (ids[i] >= limit)
            return qv__fail(err, QV_CORRUPT, "row id %" PRIu64 " is not below the table's next one, %" PRIu64, ids[i],
                            limit);
    return QV_OK;
}

static qv_status check_fragment(check *c, size_t i)
{
    const qv__fragment *f = &c->snapshot->fragments[i];
    char object[QV_NAME_BYTES];
    const uint32_t *offsets;
    const uint8_t *live;
    qv_error found = { 0 };
    uint64_t before;
    size_t n;

    for (size_t file = 0; file < f->n_files; file++)
        QV_TRY(check_data_file(c, i, file));
    snprintf(object, sizeof object, "fragment %" PRIu64, f->id);
    QV_TRY(check_fields(c, i, object));
    c->report.files += f->deletion != NULL;
    before = c->report.problems;
    QV_TRY(note(c, object, before, qv__snapshot_deletions(c->snapshot, i, &offsets, &n, &live, &found), &found));
    before = c->report.problems;
    QV_TRY(note(c, object, before, check_row_ids(c, i, &found), &found));
    c->report.rows += qv__snapshot_live_rows(c->snapshot, i);
    if (c->job)
        QV_TRY(qv__job_tick(c->job, f->physical_rows, 0, c->err));
    return QV_OK;
}

/* ------------------------------------------------------------------ the whole */

qv_status qv__snapshot_verify(qv__snapshot *snapshot, qv__problem_fn problem, void *ctx, qv__job *job,
                              qv_verify_report *report, qv_error *err)
{
    check c = { .snapshot = snapshot, .problem = problem, .ctx = ctx, .job = job, .err = err };
    qv_error found = { 0 };

    QV_TRY(check_manifest(&c));
    for (size_t i = 0; i < snapshot->n_fragments; i++)
        QV_TRY(check_fragment(&c, i));
    uint64_t before = c.report.problems;
    if (before == 0 && qv__snapshot_has_stable_row_ids(snapshot))
        QV_TRY(note(&c, "row ids", before, qv__row_ids_check_unique(snapshot, &found), &found));
    if (report)
        *report = c.report;
    return c.report.problems ? qv__fail(err, QV_CORRUPT, "%s, version %" PRIu64 ": %" PRIu64 " problems",
                                        qv__store_uri(snapshot->table), snapshot->manifest->version, c.report.problems)
                             : QV_OK;
}

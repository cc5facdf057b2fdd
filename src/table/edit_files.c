/* Fragments whose data files change: files that join, fields that another file takes over, files that nobody needs any more; and
 * whether rows that were written for an older schema still fit. */
#include <inttypes.h>

#include "table/table_private.h"

#define TOMBSTONE    (-2)
#define HIDDEN_FIRST (-5) /* hidden columns: row ids and row versions */
#define HIDDEN_LAST  (-3)

void qv__new_file_message(const qv__new_file *file, Lance__Table__DataFile *out)
{
    lance__table__data_file__init(out);
    out->path = (char *) (uintptr_t) file->name; /* packing only reads */
    out->n_fields = file->summary.n;
    out->fields = file->summary.field_ids;
    out->n_column_indices = file->summary.n;
    out->column_indices = file->summary.columns;
    out->has_file_major_version = out->has_file_size_bytes = true;
    out->file_major_version = file->summary.version.major;
    out->has_file_minor_version = file->summary.version.minor != 0;
    out->file_minor_version = file->summary.version.minor;
    out->file_size_bytes = file->summary.size_bytes;
}

/* ------------------------------------------------------------------ joining */

bool qv__has_field_id(const int32_t *ids, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* Fields of `taken` leave the file. False: no field is left. */
static bool bury_fields(Lance__Table__DataFile *file, const int32_t *taken, size_t n_taken)
{
    size_t alive = 0;

    for (size_t i = 0; i < file->n_fields; i++) {
        if (qv__has_field_id(taken, n_taken, file->fields[i]))
            file->fields[i] = TOMBSTONE;
        alive += file->fields[i] != TOMBSTONE;
    }
    return alive != 0;
}

static bool has_field(const qv__field *fields, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].id == id || has_field(fields[i].type->children, fields[i].type->n_children, id))
            return true;
    return false;
}

static bool is_needed(const qv__schema *stored, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((ids[i] >= HIDDEN_FIRST && ids[i] <= HIDDEN_LAST) ||
            (ids[i] >= 0 && has_field(stored->fields, stored->n_fields, ids[i])))
            return true;
    return false;
}

qv_status qv__edit_join_file(qv__edit *edit, const qv__column_file *joined, Lance__Table__DataFragment *fragment,
                             qv_error *err)
{
    const qv__file_summary *summary = &joined->file.summary;
    Lance__Table__DataFile *file = qv__arena_alloc(&edit->arena, 1, sizeof *file);
    Lance__Table__DataFile **files = qv__arena_alloc(&edit->arena, fragment->n_files + 1, sizeof *files);
    size_t n = 0;

    if (!file || !files)
        return qv__fail_nomem(err, sizeof *file);
    if (summary->rows != fragment->physical_rows)
        return qv__fail(err, QV_INVALID, "a file of %" PRIu64 " rows beside fragment %" PRIu64 ", which has %" PRIu64,
                        summary->rows, fragment->id, fragment->physical_rows);
    for (size_t i = 0; i < fragment->n_files; i++)
        if (bury_fields(fragment->files[i], summary->field_ids, summary->n) &&
            (!edit->change->stored ||
             is_needed(edit->change->stored, fragment->files[i]->fields, fragment->files[i]->n_fields)))
            files[n++] = fragment->files[i];
    qv__new_file_message(&joined->file, file);
    files[n++] = file;
    fragment->files = files;
    fragment->n_files = n;
    return QV_OK;
}

/* ------------------------------------------------------------------ projecting */

/* A fragment keeps one file at least: it tells how many rows there are. */
static size_t count_needed(const qv__schema *stored, const qv__fragment *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_files; i++)
        n += is_needed(stored, f->files[i].field_ids, f->files[i].n_fields);
    return n ? n : QV_MIN(f->n_files, 1);
}

static qv_status project_fragment(qv__edit *edit, size_t at, const qv__schema *stored, qv__changed_fragment *out,
                                  qv_error *err)
{
    ProtobufCBinaryData before = edit->on->manifest->head->fragments[at];
    Lance__Table__DataFragment *m;
    size_t n = 0;

    QV_TRY(qv__unpack_fragment(before, &edit->arena, &m, err));
    for (size_t i = 0; i < m->n_files; i++)
        if (is_needed(stored, m->files[i]->fields, m->files[i]->n_fields))
            m->files[n++] = m->files[i];
    m->n_files = n ? n : QV_MIN(m->n_files, 1);
    *out = (qv__changed_fragment){ .at = at, .before = before, .has_deletion = m->deletion_file != NULL };
    return qv__pack(&m->base, &edit->arena, &out->after, err);
}

qv_status qv__edit_project(qv__edit *edit, const qv__schema *stored, qv_error *err)
{
    size_t n = edit->on->n_fragments;

    edit->changed = qv__arena_alloc(&edit->arena, n + 1, sizeof *edit->changed);
    if (!edit->changed)
        return qv__fail_nomem(err, n * sizeof *edit->changed);
    for (size_t i = 0; i < n; i++)
        if (count_needed(stored, &edit->on->fragments[i]) < edit->on->fragments[i].n_files)
            QV_TRY(project_fragment(edit, i, stored, &edit->changed[edit->n_changed++], err));
    return QV_OK;
}

/* ------------------------------------------------------------------ old rows, new schema */

const qv__field *qv__field_with_id(const qv__field *fields, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (fields[i].id == id)
            return &fields[i];
        const qv__field *below = qv__field_with_id(fields[i].type->children, fields[i].type->n_children, id);
        if (below)
            return below;
    }
    return NULL;
}

static bool is_written(const qv__field *field, const qv__file_summary *summary)
{
    if (qv__has_field_id(summary->field_ids, summary->n, field->id))
        return true;
    for (size_t i = 0; i < field->type->n_children; i++)
        if (is_written(&field->type->children[i], summary))
            return true;
    return false;
}

static const qv__field *sibling_of_name(const qv__schema *now, int32_t parent, const char *name)
{
    const qv__field *within = parent < 0 ? NULL : qv__field_with_id(now->fields, now->n_fields, parent);
    const qv__field *fields = within ? within->type->children : now->fields;
    size_t n = within ? within->type->n_children : parent < 0 ? now->n_fields : 0;

    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* Rows were written for an older schema: they still fit when their fields were at most dropped, renamed or joined by
 * nullable ones. */
static qv_status check_written(qv__edit *edit, const qv__field *fields, size_t n, int32_t parent,
                               const qv__file_summary *summary, qv_error *err)
{
    const qv__schema *schema = edit->on->stored;

    for (size_t i = 0; i < n; i++) {
        if (!is_written(&fields[i], summary))
            continue;
        const qv__field *now = qv__field_with_id(schema->fields, schema->n_fields, fields[i].id);
        if (!now && sibling_of_name(schema, parent, fields[i].name))
            return qv__edit_conflict(edit, err, "another writer changed the type of column \"%.100s\" meanwhile",
                                     fields[i].name);
        if (now && fields[i].nullable && !now->nullable)
            return qv__edit_conflict(edit, err, "another writer made column \"%.100s\" non-null meanwhile",
                                     fields[i].name);
        QV_TRY(check_written(edit, fields[i].type->children, fields[i].type->n_children, fields[i].id, summary, err));
    }
    return QV_OK;
}

qv_status qv__edit_check_schema(qv__edit *edit, qv_error *err)
{
    const qv__new_fragments *fragments = edit->change->fragments;
    const qv__schema *before, *now;

    if (!fragments || !edit->base || edit->base == edit->on || edit->drops_all)
        return QV_OK;
    before = edit->base->stored;
    now = edit->on->stored;
    for (size_t i = 0; i < fragments->n; i++) {
        const qv__file_summary *summary = &fragments->items[i].file.summary;
        QV_TRY(check_written(edit, before->fields, before->n_fields, -1, summary, err));
        for (size_t j = 0; j < now->n_fields; j++)
            if (!now->fields[j].nullable && !is_written(&now->fields[j], summary))
                return qv__edit_conflict(edit, err, "another writer added the non-null column \"%.100s\" meanwhile",
                                         now->fields[j].name);
    }
    return QV_OK;
}

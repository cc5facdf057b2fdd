/* A new file out of the pages of older ones. */
#include <stdio.h>

#include "table/table_private.h"

static bool can_copy(const qv__file_writer *writer, qv__snapshot *base, size_t fragment, const qv__file *file)
{
    const qv__fragment *f = &base->fragments[fragment];
    const qv__column_map map = { f->files[0].field_ids, f->files[0].columns, f->files[0].n_fields };

    return f->n_files == 1 && qv__file_rows(file) == f->physical_rows && qv__file_writer_can_copy(writer, file, &map);
}

static qv_status check_all(const qv__file_writer *writer, qv__snapshot *base, const size_t *fragments, size_t n,
                           bool *can, qv_error *err)
{
    qv__file *file;

    *can = true;
    for (size_t i = 0; i < n && *can; i++) {
        QV_TRY(qv__snapshot_file(base, fragments[i], 0, &file, err));
        *can = can_copy(writer, base, fragments[i], file);
    }
    return QV_OK;
}

static qv_status open_writer(qv__store *table, qv__snapshot *base, qv__new_file *file, qv__file_writer **out,
                             qv_error *err)
{
    qv__writer_options options = { .profile = QV_FILE_DEFAULT };
    char path[QV_NAME_BYTES + 8];
    uint8_t uuid[16];

    if (!qv__version_of_text(base->format, &options.version))
        return qv__fail(err, QV_UNSUPPORTED, "file version %s cannot be written", base->format);
    QV_TRY(qv__uuid_new(uuid, err));
    qv__data_file_name(uuid, file->name);
    snprintf(path, sizeof path, "data/%s", file->name);
    return qv__file_writer_open(table, path, base->stored, &options, out, err);
}

qv_status qv__copy_fragments(qv__store *table, qv__snapshot *base, const size_t *fragments, size_t n, qv__job *job,
                             qv__new_fragments *out, bool *done, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file_writer *writer = NULL;
    qv__new_fragment *made = NULL;
    qv__file *file;

    *done = false;
    QV_CHECK(QV_NEW(&made, 1, err));
    QV_CHECK(open_writer(table, base, &made->file, &writer, err));
    QV_CHECK(check_all(writer, base, fragments, n, done, err));
    if (!*done)
        goto done;
    for (size_t i = 0; i < n; i++) {
        QV_CHECK(qv__snapshot_file(base, fragments[i], 0, &file, err));
        QV_CHECK(qv__file_writer_copy(writer, file, job, err));
        made->rows += base->fragments[fragments[i]].physical_rows;
    }
    QV_CHECK(qv__file_writer_finish(writer, &made->file.summary, err));
    *out = (qv__new_fragments){ 1, made };
    made = NULL;
done:
    qv__file_writer_free(writer);
    qv__free(made);
    return st;
}

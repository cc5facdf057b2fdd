#include "qvt_changes.h"

#include "qvt_rows.h"
#include "qvt_sql.h"

enum { ROWS = 30, ROWS_PER_FILE = 12 };

static void rows_of(int64_t first, size_t n, qvt_rows *out)
{
    for (size_t i = 0; i < n; i++) {
        qvt_row row = { .id = first + (int64_t) i, .has_name = i % 4 > 0, .has_vector = true };
        snprintf(row.name, sizeof row.name, "name %u", (unsigned) (i % 1000));
        qvt_rows_add(out, row);
    }
}

static void export(int64_t first, size_t n, struct ArrowArrayStream *out)
{
    qvt_rows rows = { 0 };
    qv_error err;

    rows_of(first, n, &rows);
    QVT_OK(qvt_rows_export(&rows, 9, out, &err));
    qvt_rows_free(&rows);
}

/* The whole content: columns, ids, lengths of names, row ids. */
static void describe(qv_table *table, char *out, size_t len)
{
    const char *schema = qvt_sql_schema(table);
    int n = snprintf(out, len, "%s | %llu", schema, (unsigned long long) qvt_sql_count(table, NULL));

    static const char *const facts[] = { "id", "length(CAST(name AS STRING))", "_rowid" };
    for (size_t i = 0; i < QV_COUNT_OF(facts); i++)
        if (i != 1 || strstr(schema, "name "))
            n += snprintf(out + n, len - (size_t) n, " | %s", qvt_sql_values(table, facts[i], NULL));
    assert_true((size_t) n < len);
}

void qvt_changes_prepare(void *ctx)
{
    static const char *const id[] = { "id" };
    qvt_changes *c = ctx;
    qv_write_options options = QV_WRITE_OPTIONS_INIT;
    struct ArrowArrayStream stream;
    qv_error err;

    snprintf(c->uri, sizeof c->uri, "%s/changes-%u-%u", qvt_temp_dir(), (unsigned) c->act, c->n_folders++);
    QVT_OK(qv_db_open(c->uri, NULL, &c->db, &err));
    options.max_rows_per_file = ROWS_PER_FILE;
    options.stable_row_ids = c->act % 2;
    export(0, ROWS, &stream);
    QVT_OK(qv_db_create_table(c->db, "t", QV_CREATE, &stream, NULL, &options, &c->table, &err));
    QVT_OK(qv_table_delete(c->table, "id IN (3, 20)", NULL, NULL, &err));
    if (c->act == QVT_APPEND_BY_KEY)
        QVT_OK(qv_table_set_primary_key(c->table, id, 1, true, NULL, &err));
    c->version = qv_table_version(c->table);
    describe(c->table, c->before, sizeof c->before);
    export(c->act == QVT_APPEND_BY_KEY ? 100 : 18, 20, &c->source);
}

static qv_status merge(qvt_changes *c, qv_error *err)
{
    static const char *const id[] = { "id" };
    qv_merge_options options = QV_MERGE_OPTIONS_INIT;

    options.on = id;
    options.n_on = 1;
    options.update_matched = options.insert_unmatched = true;
    options.update_if = "target.id <> 25";
    if (c->act == QVT_UPSERT_SPILLED)
        options.memory_limit_bytes = 600;
    if (c->act == QVT_REPLACE_RANGE) {
        options.delete_unmatched = true;
        options.delete_if = "id > 10";
    }
    return qv_table_merge(c->table, &c->source, &options, NULL, err);
}

static void stays(struct ArrowSchema *schema) { QV_UNUSED(schema); }

qv_status qvt_changes_run(void *ctx, qv_error *err)
{
    static const qv_assignment shorter[] = { { "name", "concat('n', id)" } }, added[] = { { "d", "id * 2" } };
    static const char *const name[] = { "name" };
    const qv_column_change rename = { "name", "title", NULL, -1 };
    struct ArrowSchema text = { .format = "U", .name = "x", .flags = ARROW_FLAG_NULLABLE, .release = stays },
                       number = { .format = "l", .name = "x", .flags = ARROW_FLAG_NULLABLE, .release = stays },
                       *children = &number,
                       nulls = { .format = "+s", .name = "", .n_children = 1, .children = &children, .release = stays };
    const qv_column_change cast = { "name", NULL, &text, -1 };
    qvt_changes *c = ctx;

    switch (c->act) {
    case QVT_DELETE_ROWS:
        return qv_table_delete(c->table, "id % 7 = 1", NULL, NULL, err);
    case QVT_DELETE_ALL:
        return qv_table_delete(c->table, "true", NULL, NULL, err);
    case QVT_UPDATE_ROWS:
        return qv_table_update(c->table, "id % 7 < 3", shorter, 1, NULL, NULL, err);
    case QVT_UPSERT:
    case QVT_UPSERT_SPILLED:
    case QVT_REPLACE_RANGE:
        return merge(c, err);
    case QVT_APPEND_BY_KEY:
        return qv_table_write(c->table, QV_APPEND, &c->source, NULL, NULL, err);
    case QVT_ADD_COLUMNS:
        return qv_table_add_columns(c->table, added, 1, NULL, NULL, err);
    case QVT_ADD_NULLS:
        return qv_table_add_null_columns(c->table, &nulls, NULL, err);
    case QVT_CAST_COLUMN:
        return qv_table_alter_columns(c->table, &cast, 1, NULL, NULL, err);
    case QVT_RENAME_COLUMN:
        return qv_table_alter_columns(c->table, &rename, 1, NULL, NULL, err);
    default:
        return qv_table_drop_columns(c->table, name, 1, NULL, err);
    }
}

void qvt_changes_check(void *ctx, qv_status st)
{
    qvt_changes *c = ctx;
    char now[4096];
    qv_error err;

    if (c->source.release)
        c->source.release(&c->source);
    qv_table_close(c->table);
    qv_db_close(c->db);
    QVT_OK(qv_db_open(c->uri, NULL, &c->db, &err));
    QVT_OK(qv_db_open_table(c->db, "t", 0, &c->table, &err));
    bool is_new = qv_table_version(c->table) > c->version;
    describe(c->table, now, sizeof now);
    if (!c->after[0])
        snprintf(c->after, sizeof c->after, "%s", now);
    if (strcmp(now, is_new ? c->after : c->before) != 0)
        fail_msg("act %d, %s version:\n%s\nexpected\n%s", (int) c->act, is_new ? "new" : "old", now,
                 is_new ? c->after : c->before);
    assert_true(is_new || st != QV_OK);
    QVT_OK(qv_table_verify(c->table, NULL, NULL, NULL, NULL, &err));
    qv_table_close(c->table);
    qv_db_close(c->db);
}

void qvt_changes_learn(qvt_changes *c, qvt_changes_act act)
{
    qv_error err;

    *c = (qvt_changes){ .act = act };
    qvt_changes_prepare(c);
    QVT_OK(qvt_changes_run(c, &err));
    qvt_changes_check(c, QV_OK);
    assert_string_not_equal(c->before, c->after);
}

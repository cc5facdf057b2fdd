/* What a read would do, or did; and what an expression is, without reading anything. */
#include "api/api_private.h"
#include "arrow/c_data.h"
#include "query/query.h"

enum { MAX_TEXT_BYTES = 256 << 20 };

static qv_status check_mode(qv_plan_mode mode, qv_error *err)
{
    if (mode != QV_PLAN_EXPLAIN && mode != QV_PLAN_ANALYZE)
        return qv__fail(err, QV_INVALID, "plan mode %d is not known", (int) mode);
    return QV_OK;
}

/* Hands the text over; `buffer` is empty afterwards in every case. */
static qv_status give_text(qv__buffer *buffer, qv_status st, char **out, qv_error *err)
{
    size_t len;

    if (st == QV_OK)
        st = qv__buffer_append_zeros(buffer, 1, err);
    if (st == QV_OK)
        *out = (char *) qv__buffer_detach(buffer, &len);
    qv__buffer_free(buffer);
    return st;
}

qv_status qv_table_explain_scan(qv_table *table, const qv_scan_options *options, qv_plan_mode mode, bool as_json,
                                char **out, qv_error *err)
{
    qv_scan_options opts = QV_SCAN_OPTIONS_INIT;
    qv__buffer text;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__check_scan_options(&opts, err));
    QV_TRY(check_mode(mode, err));
    qv__buffer_init(&text, MAX_TEXT_BYTES);
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__explain_scan(snapshot, &opts, mode, as_json, &text, err);
    qv__snapshot_unref(snapshot);
    return give_text(&text, st, out, err);
}

qv_status qv_table_explain_search(qv_table *table, const qv_vectors *queries, const qv_search_options *options,
                                  qv_plan_mode mode, bool as_json, char **out, qv_error *err)
{
    qv_search_options opts = QV_SEARCH_OPTIONS_INIT;
    qv__buffer text;

    QV_TRY(QV_OPTIONS(&opts, options, err));
    QV_TRY(qv__check_search(queries, &opts, err));
    QV_TRY(check_mode(mode, err));
    qv__buffer_init(&text, MAX_TEXT_BYTES);
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__explain_search(snapshot, queries, &opts, mode, as_json, &text, err);
    qv__snapshot_unref(snapshot);
    return give_text(&text, st, out, err);
}

static qv_status export_type(const qv__program *program, struct ArrowSchema *out, qv_error *err)
{
    qv__field field = { 0 };

    QV_TRY(qv__field_init(&field, program->text, program->root->type, program->root->nullable, err));
    qv_status st = qv__export_field(&field, out, err);
    qv__field_clear(&field);
    return st;
}

qv_status qv_table_expression_type(qv_table *table, const char *expression, struct ArrowSchema *out, qv_error *err)
{
    qv__schema *scope = NULL;
    qv__program *program = NULL;

    if (!expression || !out)
        return qv__fail(err, QV_INVALID, "the expression or its output is NULL");
    qv__snapshot *snapshot;
    QV_TRY(qv__table_view(table, &snapshot, err));
    qv_status st = qv__condition_scope(snapshot, &scope, err);
    qv__snapshot_unref(snapshot);
    if (st == QV_OK)
        st = qv__program_compile(expression, scope, &program, err);
    if (st == QV_OK)
        st = export_type(program, out, err);
    qv__program_unref(program);
    qv__schema_unref(scope);
    return st;
}

const char *qv_sql_functions(void) { return qv__functions_describe(); }

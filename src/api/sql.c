/* What the SQL dialect knows. */
#include "api/api_private.h"
#include "arrow/c_data.h"
#include "expr/expr.h"

const char *qv_sql_functions(void) { return qv__functions_describe(); }

qv_status qv_table_expression_type(qv_table *table, const char *expression, struct ArrowSchema *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__snapshot *snapshot = NULL;
    qv__program *program = NULL;
    qv__field field = { 0 };

    if (!table || !expression || !out)
        return qv__fail(err, QV_INVALID, "table, expression or out is NULL");
    QV_TRY(qv__table_view(table, &snapshot, err));
    QV_CHECK(qv__program_compile(expression, qv__snapshot_schema(snapshot), &program, err));
    QV_CHECK(qv__field_init(&field, "", program->root->type, program->root->nullable, err));
    st = qv__export_field(&field, out, err);
done:
    qv__field_clear(&field);
    qv__program_unref(program);
    qv__snapshot_unref(snapshot);
    return st;
}

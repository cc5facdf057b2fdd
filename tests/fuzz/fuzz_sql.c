/* Text as an expression over a fixed scope. What compiles prints, and what is printed compiles to a tree that prints alike; it
 * evaluates to as many rows as there are, or says what is wrong, and a filter agrees with the values. */
#include "fuzz.h"

#include "base/alloc.h"
#include "expr/expr.h"

enum { FIELDS = 8, ROWS = 3 };

static const struct {
    const char *name;
    qv__type_id id;
} names[FIELDS] = {
    { "i", QV_TYPE_INT64 }, { "i8", QV_TYPE_INT8 }, { "u", QV_TYPE_UINT64 },  { "d", QV_TYPE_FLOAT64 },
    { "s", QV_TYPE_UTF8 },  { "b", QV_TYPE_BOOL },  { "dt", QV_TYPE_DATE32 }, { "bin", QV_TYPE_BINARY },
};

static qv__schema *scope(void)
{
    static qv__schema *made;
    qv__field fields[FIELDS] = { 0 };
    qv_error err;

    for (size_t k = 0; k < FIELDS && !made; k++) {
        qv__type *type;
        FUZZ_CHECK(qv__type_new(names[k].id, &type, &err) == QV_OK);
        FUZZ_CHECK(qv__field_init(&fields[k], names[k].name, type, true, &err) == QV_OK);
        qv__type_unref(type);
    }
    if (!made)
        FUZZ_CHECK(qv__schema_new(fields, FIELDS, NULL, &made, &err) == QV_OK);
    for (size_t k = 0; k < FIELDS; k++)
        qv__field_clear(&fields[k]);
    return made;
}

static void check_print(const qv__program *p)
{
    qv_error err;
    qv__buffer once, twice;
    qv__program *again;

    qv__buffer_init(&once, 64 << 20);
    qv__buffer_init(&twice, 64 << 20);
    if (qv__expr_print(p, p->root, &once, &err) == QV_OK && qv__buffer_append(&once, "", 1, &err) == QV_OK &&
        qv__program_compile((const char *) once.data, scope(), &again, &err) == QV_OK) {
        FUZZ_CHECK(qv__type_equal(p->root->type, again->root->type));
        FUZZ_CHECK(qv__expr_print(again, again->root, &twice, &err) == QV_OK);
        FUZZ_CHECK(twice.len == once.len - 1 && memcmp(once.data, twice.data, twice.len) == 0);
        qv__program_unref(again);
    }
    qv__buffer_free(&once);
    qv__buffer_free(&twice);
}

static void check_values(const qv__program *p, qv__array *const *columns)
{
    qv_error err;
    qv__array *result = NULL;
    uint8_t selected[1] = { 0 };
    size_t n = 0;

    if (qv__program_eval(p, columns, ROWS, NULL, &result, &err) != QV_OK) {
        FUZZ_CHECK(err.message[0]);
        return;
    }
    FUZZ_CHECK(result->length == ROWS && qv__type_equal(result->type, p->root->type));
    if (p->root->type->id == QV_TYPE_BOOL && qv__program_filter(p, columns, ROWS, NULL, selected, &n, &err) == QV_OK)
        for (int64_t i = 0; i < ROWS; i++)
            FUZZ_CHECK(
                qv__bit_get(selected, (size_t) i) ==
                (!qv__array_is_null(result, i) && qv__bit_get(result->buffers[1].data, (size_t) (result->offset + i))));
    qv__array_unref(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qv_error err;
    qv__program *p;
    qv__array *columns[FIELDS];
    char *sql = malloc(size + 1);

    FUZZ_CHECK(sql);
    memcpy(sql, data, size);
    sql[size] = 0;
    if (qv__program_compile(sql, scope(), &p, &err) == QV_OK) {
        for (size_t k = 0; k < p->n_columns; k++)
            FUZZ_CHECK(qv__array_new_null(p->columns[k].field->type, ROWS, &columns[k], &err) == QV_OK);
        check_values(p, columns);
        check_print(p);
        for (size_t k = 0; k < p->n_columns; k++)
            qv__array_unref(columns[k]);
        qv__program_unref(p);
    } else {
        FUZZ_CHECK(err.message[0]);
    }
    free(sql);
    return 0;
}

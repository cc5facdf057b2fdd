/* Functions of JSON columns, which are text (extension arrow.json) to expressions. A document is read into JSONB once a row. */
#include <math.h>
#include <strings.h>

#include "arrow/compute/values.h"
#include "expr/functions/functions_private.h"
#include "json/json.h"

/* ------------------------------------------------------------------ documents and paths */

/* The document of row i; it lies in the cell's scratch. */
static qv_status read_document(const qv__call *call, size_t i, qv__cell *cell, qv__jsonb_value *root, qv_error *err)
{
    qv__text text = qv__arg_text(call, 0, i);

    cell->scratch.len = 0;
    if (qv__jsonb_encode(text.data, text.len, &cell->scratch, err) != QV_OK) {
        qv_status st = err ? err->status : QV_INVALID;
        return qv__fail_in(err, st == QV_SCHEMA ? QV_INVALID : st, "%s", call->node->function->name);
    }
    if (!qv__jsonb_root(cell->scratch.data, cell->scratch.len, root))
        return qv__fail(err, QV_INVALID, "%s: a document of %zu bytes is too long", call->node->function->name,
                        text.len);
    return QV_OK;
}

static qv_status prepare_path(const qv__expr *node, void **out, qv_error *err)
{
    qv__json_path *path = NULL;
    qv__text text;

    *out = NULL;
    if (node->n_args < 2 || !qv__constant_text(node->args[1], &text))
        return QV_OK;
    QV_TRY(qv__json_path_parse(text.data, text.len, &path, err));
    *out = path;
    return QV_OK;
}

static void release_path(void *prepared) { qv__json_path_free(prepared); }

/* What the path in argument 2 finds in the document; found->items is to be freed. */
static qv_status select_values(const qv__call *call, size_t i, qv__cell *cell, qv__jsonb_values *found, qv_error *err)
{
    qv__json_path *own = NULL;
    qv__jsonb_value root;
    qv__text text;

    *found = (qv__jsonb_values){ 0 };
    QV_TRY(read_document(call, i, cell, &root, err));
    if (!call->prepared) {
        text = call->n_args > 1 ? qv__arg_text(call, 1, i) : (qv__text){ NULL, 0 };
        QV_TRY(qv__json_path_parse(text.data, text.len, &own, err));
    }
    qv_status st = qv__json_path_select(own ? own : call->prepared, &root, found, err);
    qv__json_path_free(own);
    return st;
}

/* ------------------------------------------------------------------ by path */

/* One value is itself, several are an array. */
static qv_status print_values(const qv__jsonb_values *found, qv__buffer *out, qv_error *err)
{
    if (found->n > 1)
        QV_TRY(qv__buffer_append(out, "[", 1, err));
    for (size_t k = 0; k < found->n; k++) {
        QV_TRY(qv__buffer_append(out, ",", k > 0, err));
        QV_TRY(qv__jsonb_print(&found->items[k], out, err));
    }
    return found->n > 1 ? qv__buffer_append(out, "]", 1, err) : QV_OK;
}

static qv_status extract_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_values found;

    QV_TRY(select_values(call, i, out, &found, err));
    out->is_null = found.n == 0;
    qv_status st = print_values(&found, &out->text, err);
    qv__free(found.items);
    return st;
}

static qv_status exists_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_values found;

    QV_TRY(select_values(call, i, out, &found, err));
    out->b = found.n > 0;
    qv__free(found.items);
    return QV_OK;
}

static qv_status array_length_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_values found;
    size_t n = 0;

    QV_TRY(select_values(call, i, out, &found, err));
    out->is_null = found.n == 0;
    if (found.n == 1 && !qv__jsonb_array_length(&found.items[0], &n))
        n = 0;
    out->i = (int64_t) (found.n > 1 ? found.n : n);
    qv__free(found.items);
    return QV_OK;
}

/* ------------------------------------------------------------------ values as text */

static bool is_kind(const qv__jsonb_value *value, uint32_t kind)
{
    return (value->entry & QV_JSONB_ENTRY_MASK) == kind;
}

/* A string as it is, everything else as JSON. */
static qv_status put_plain(const qv__jsonb_value *value, qv__buffer *out, qv_error *err)
{
    if (is_kind(value, QV_JSONB_STRING))
        return qv__buffer_append(out, value->data, value->len, err);
    return qv__jsonb_print(value, out, err);
}

static qv_status array_has(const qv__jsonb_value *array, qv__text wanted, qv__buffer *scratch, bool *has, qv_error *err)
{
    qv__jsonb_children children;
    qv__jsonb_value element;
    size_t n;

    *has = false;
    if (!qv__jsonb_array_length(array, &n) || !qv__jsonb_children_of(array, &children))
        return QV_OK;
    while (!*has && qv__jsonb_next(&children, &element)) {
        scratch->len = 0;
        QV_TRY(put_plain(&element, scratch, err));
        *has = scratch->len == wanted.len && (wanted.len == 0 || memcmp(scratch->data, wanted.data, wanted.len) == 0);
    }
    return QV_OK;
}

static qv_status array_contains_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_values found;
    qv_status st = QV_OK;

    out->b = false;
    QV_TRY(select_values(call, i, out, &found, err));
    for (size_t k = 0; k < found.n && !out->b && st == QV_OK; k++)
        st = array_has(&found.items[k], qv__arg_text(call, 2, i), &out->text, &out->b, err);
    qv__free(found.items);
    return st;
}

/* ------------------------------------------------------------------ by key */

/* An element's number; false: the key is none. */
static bool element_number(qv__text key, size_t *out)
{
    *out = 0;
    for (size_t k = 0; k < key.len; k++) {
        if (key.data[k] < '0' || key.data[k] > '9' || *out > UINT32_MAX)
            return false;
        *out = *out * 10 + (size_t) (key.data[k] - '0');
    }
    return key.len > 0;
}

/* The member of an object, or the element of an array by its number. */
static qv_status get(const qv__call *call, size_t i, qv__cell *cell, qv__jsonb_value *out, bool *found, qv_error *err)
{
    qv__jsonb_value root;
    qv__jsonb_children children;
    qv__text key = qv__arg_text(call, 1, i);
    size_t at, n;

    QV_TRY(read_document(call, i, cell, &root, err));
    *found = qv__jsonb_member(&root, key.data, key.len, out);
    if (*found || !qv__jsonb_array_length(&root, &n) || !element_number(key, &at) || at >= n)
        return QV_OK;
    *found = qv__jsonb_children_of(&root, &children);
    for (size_t k = 0; *found && k <= at; k++)
        *found = qv__jsonb_next(&children, out);
    return QV_OK;
}

/* The same, a JSON null being nothing either. */
static qv_status get_value(const qv__call *call, size_t i, qv__cell *cell, qv__jsonb_value *out, qv_error *err)
{
    bool found = false;

    QV_TRY(get(call, i, cell, out, &found, err));
    cell->is_null = !found || is_kind(out, QV_JSONB_NULL);
    return QV_OK;
}

static qv_status get_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_value value;
    bool found;

    QV_TRY(get(call, i, out, &value, &found, err));
    out->is_null = !found;
    return found ? qv__jsonb_print(&value, &out->text, err) : QV_OK;
}

static qv_status no_cast(const qv__call *call, const qv__jsonb_value *value, const char *what, qv_error *err)
{
    qv_status st;
    qv__buffer text;

    qv__buffer_init(&text, SIZE_MAX);
    st = qv__jsonb_print(value, &text, err);
    if (st == QV_OK)
        st = qv__fail(err, QV_INVALID, "%s: %.*s is not %s", call->node->function->name, (int) QV_MIN(text.len, 200),
                      (const char *) text.data, what);
    qv__buffer_free(&text);
    return st;
}

static qv_status get_string_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_value value;

    QV_TRY(get_value(call, i, out, &value, err));
    if (out->is_null)
        return QV_OK;
    if (is_kind(&value, QV_JSONB_CONTAINER))
        return no_cast(call, &value, "a string", err);
    return put_plain(&value, &out->text, err);
}

/* A number, or the number that a string holds, or 1 and 0 for true and false. */
static bool to_double(const qv__jsonb_value *value, double *out)
{
    qv__jsonb_number number;

    if (is_kind(value, QV_JSONB_TRUE) || is_kind(value, QV_JSONB_FALSE)) {
        *out = is_kind(value, QV_JSONB_TRUE);
        return true;
    }
    if (is_kind(value, QV_JSONB_STRING))
        return value->len > 0 && value->data[0] != ' ' && value->data[value->len - 1] != ' ' &&
               qv__float_parse((const char *) value->data, value->len, false, out);
    if (!qv__jsonb_number_of(value, &number))
        return false;
    *out = number.kind == QV_JSONB_UINT  ? (double) number.u
           : number.kind == QV_JSONB_INT ? (double) number.i
                                         : number.f;
    return true;
}

static qv_status get_float_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_value value;

    QV_TRY(get_value(call, i, out, &value, err));
    if (out->is_null || to_double(&value, &out->f))
        return QV_OK;
    return no_cast(call, &value, "a number", err);
}

/* Whole numbers keep all their digits; others are rounded, halves away from zero. */
static bool to_int(const qv__jsonb_value *value, int64_t *out)
{
    qv__jsonb_number number;
    uint64_t magnitude;
    bool negative;
    double wide;

    if (qv__jsonb_number_of(value, &number) && number.kind != QV_JSONB_FLOAT) {
        *out = number.kind == QV_JSONB_INT ? number.i : (int64_t) number.u;
        return number.kind == QV_JSONB_INT || number.u <= INT64_MAX;
    }
    if (is_kind(value, QV_JSONB_STRING) &&
        qv__int_parse((const char *) value->data, value->len, &negative, &magnitude)) {
        *out = negative ? (int64_t) (0 - magnitude) : (int64_t) magnitude;
        return magnitude <= (uint64_t) INT64_MAX + negative;
    }
    if (!to_double(value, &wide))
        return false;
    wide = round(wide);
    if (!(wide >= -0x1p63 && wide < 0x1p63))
        return false;
    *out = (int64_t) wide;
    return true;
}

static qv_status get_int_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_value value;

    QV_TRY(get_value(call, i, out, &value, err));
    if (out->is_null || to_int(&value, &out->i))
        return QV_OK;
    return no_cast(call, &value, "an integer", err);
}

static bool to_bool(const qv__jsonb_value *value, bool *out)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

    *out = is_kind(value, QV_JSONB_TRUE);
    if (*out || is_kind(value, QV_JSONB_FALSE))
        return true;
    for (size_t k = 0; is_kind(value, QV_JSONB_STRING) && k < QV_COUNT_OF(words); k++)
        if (strlen(words[k]) == value->len && strncasecmp((const char *) value->data, words[k], value->len) == 0) {
            *out = k % 2;
            return true;
        }
    return false;
}

static qv_status get_bool_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err)
{
    qv__jsonb_value value;

    QV_TRY(get_value(call, i, out, &value, err));
    if (out->is_null || to_bool(&value, &out->b))
        return QV_OK;
    return no_cast(call, &value, "true or false", err);
}

/* ------------------------------------------------------------------ the table */

#define JSON(name_, min, max, kinds_, row_, prepare_, release_, signature_, summary_)                      \
    {                                                                                                      \
        .name = name_, .group = "json", .signature = signature_, .summary = summary_, .min_args = min,     \
        .max_args = max, .strict = true, .bind = qv__bind_kinds, .prepare = prepare_, .release = release_, \
        .eval = qv__eval_rows, .kinds = kinds_, .row = row_                                                \
    }

static const qv__function functions[] = {
    JSON("json_extract", 2, 2, "tt>t", extract_row, prepare_path, release_path, "json_extract(json, path) -> utf8",
         "What the path leads to, as JSON; several values as an array; null when there is nothing."),
    JSON("json_exists", 2, 2, "tt>b", exists_row, prepare_path, release_path, "json_exists(json, path) -> bool",
         "Does the path lead to a value?"),
    JSON("json_get", 2, 2, "ts>t", get_row, NULL, NULL, "json_get(json, key) -> utf8",
         "The member of an object by its key, or the element of an array by its number from 0, as JSON."),
    JSON("json_get_string", 2, 2, "ts>t", get_string_row, NULL, NULL, "json_get_string(json, key) -> utf8",
         "The same as text: strings without quotes, numbers and booleans as JSON writes them."),
    JSON("json_get_int", 2, 2, "ts>i", get_int_row, NULL, NULL, "json_get_int(json, key) -> int64",
         "The same as an integer: numbers are rounded, texts read, true is 1."),
    JSON("json_get_float", 2, 2, "ts>d", get_float_row, NULL, NULL, "json_get_float(json, key) -> float64",
         "The same as a float: texts are read, true is 1."),
    JSON("json_get_bool", 2, 2, "ts>b", get_bool_row, NULL, NULL, "json_get_bool(json, key) -> bool",
         "The same as a boolean: true and false, or the texts true, false, yes, no, on, off."),
    JSON("json_array_contains", 3, 3, "tts>b", array_contains_row, prepare_path, release_path,
         "json_array_contains(json, path, value) -> bool", "Has the array at the path an element with this text?"),
    JSON("json_array_length", 1, 2, "tt>i", array_length_row, prepare_path, release_path,
         "json_array_length(json [, path]) -> int64",
         "Elements of the array at the path; 0 for another value, null when there is nothing."),
};

const qv__function_group qv__json_functions = { functions, QV_COUNT_OF(functions) };

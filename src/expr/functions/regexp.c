/* Functions with regular expressions. */
#include <ctype.h>

#include "expr/functions/regexp_private.h"

/* Which argument has the flags; regexp_count has a start before them. */
static size_t flags_arg(const qv__function *function) { return *(const size_t *) function->detail; }

static bool may_all(const qv__function *function) { return strcmp(function->name, "regexp_replace") == 0; }

static qv_status prepare(const qv__expr *node, void **out, qv_error *err)
{
    const qv__function *function = node->function;
    qv__text pattern, flags = { NULL, 0 };
    qv__regexp *regexp = NULL;

    *out = NULL;
    if (!qv__constant_text(node->args[1], &pattern))
        return QV_OK;
    if (node->n_args > flags_arg(function) && !qv__constant_text(node->args[flags_arg(function)], &flags))
        return QV_OK;
    QV_TRY(qv__regexp_compile(pattern, flags, may_all(function), &regexp, err));
    *out = regexp;
    return QV_OK;
}

static void release(void *prepared) { qv__regexp_free(prepared); }

/* ------------------------------------------------------------------ fixed results */

/* What a function finds in one text. */
typedef qv_status (*looker)(qv__matcher *matcher, size_t i, uint8_t *values, qv_error *err);

static qv_status look(const qv__call *call, looker see, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__result result = { 0 };
    qv__matcher matcher;

    qv__matcher_init(&matcher, call, flags_arg(call->node->function), false);
    QV_CHECK(qv__result_begin(call, &result, err));
    for (size_t i = 0; i < call->n; i++) {
        if (!qv__bit_get(result.valid, i))
            continue;
        QV_CHECK(qv__matcher_row(&matcher, i, err));
        QV_CHECK(see(&matcher, i, result.values, err));
    }
    qv__result_end(&result, out);
done:
    qv__result_drop(&result);
    qv__matcher_clear(&matcher);
    return st;
}

static qv_status see_like(qv__matcher *matcher, size_t i, uint8_t *values, qv_error *err)
{
    const PCRE2_SIZE *bounds;

    QV_TRY(qv__matcher_find(matcher, qv__arg_text(matcher->call, 0, i), 0, &bounds, err));
    qv__bit_put(values, i, bounds != NULL);
    return QV_OK;
}

static qv_status eval_like(const qv__call *call, qv__array **out, qv_error *err)
{
    return look(call, see_like, out, err);
}

/* The text begins at the start: ^ matches there. */
static qv_status see_count(qv__matcher *matcher, size_t i, uint8_t *values, qv_error *err)
{
    const qv__call *call = matcher->call;
    qv__text text = qv__arg_text(call, 0, i);
    int64_t start = call->n_args > 2 ? qv__arg_i64(call, 2, i) : 1, n = 0;
    const PCRE2_SIZE *bounds;
    qv__walk walk = { .last = SIZE_MAX };

    if (start < 1)
        return qv__fail(err, QV_INVALID, "regexp_count: the start must be at least 1: %lld", (long long) start);
    if ((uint64_t) start - 1 > text.len)
        return QV_OK;
    size_t skipped = qv__utf8_at(text.data, text.len, (uint64_t) start - 1);
    if (skipped) {
        text.data += skipped;
        text.len -= skipped;
    }
    do {
        QV_TRY(qv__matcher_walk(matcher, text, &walk, &bounds, err));
        n += bounds != NULL;
    } while (bounds);
    qv__store_u64(values + 8 * i, (uint64_t) n);
    return QV_OK;
}

static qv_status eval_count(const qv__call *call, qv__array **out, qv_error *err)
{
    return look(call, see_count, out, err);
}

/* ------------------------------------------------------------------ regexp_match */

/* The groups that took part, or the whole match when the pattern has none. */
static qv_status append_groups(const qv__matcher *matcher, qv__text text, const PCRE2_SIZE *bounds,
                               qv__builder *builder, qv_error *err)
{
    uint32_t n = matcher->now->n_groups;

    for (uint32_t g = n ? 1 : 0; g <= n; g++)
        if (bounds[2 * g] != PCRE2_UNSET && bounds[2 * g] <= bounds[2 * g + 1])
            QV_TRY(qv__builder_append_bytes(qv__builder_child(builder, 0), text.data + bounds[2 * g],
                                            bounds[2 * g + 1] - bounds[2 * g], err));
    return qv__builder_append_nested(builder, err);
}

static qv_status match_row(qv__matcher *matcher, size_t i, qv__builder *builder, qv_error *err)
{
    qv__text text = qv__arg_text(matcher->call, 0, i);
    const PCRE2_SIZE *bounds;

    if (!text.data)
        text.data = (const uint8_t *) "";
    QV_TRY(qv__matcher_row(matcher, i, err));
    QV_TRY(qv__matcher_find(matcher, text, 0, &bounds, err));
    return bounds ? append_groups(matcher, text, bounds, builder, err) : qv__builder_append_null(builder, err);
}

static qv_status eval_match(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    uint8_t *ready = NULL;
    qv__builder *builder = NULL;
    qv__matcher matcher;

    qv__matcher_init(&matcher, call, flags_arg(call->node->function), false);
    QV_CHECK(qv__call_ready(call, &ready, err));
    QV_CHECK(qv__builder_new(call->node->type, &builder, err));
    for (size_t i = 0; i < call->n; i++)
        QV_CHECK(qv__bit_get(ready, i) ? match_row(&matcher, i, builder, err) : qv__builder_append_null(builder, err));
    QV_CHECK(qv__builder_finish(builder, out, err));
done:
    qv__builder_free(builder);
    qv__free(ready);
    qv__matcher_clear(&matcher);
    return st;
}

static qv_status bind_match(const qv__function *self, qv__expr *const *args, size_t n, qv__type **wanted,
                            qv__type **result, qv_error *err)
{
    qv__type *text = NULL;

    QV_TRY(qv__bind_kinds(self, args, n, wanted, result, err));
    text = *result;
    *result = NULL;
    qv_status st = qv__list_type_of(QV_TYPE_LIST, text, result, err);
    qv__type_unref(text);
    return st;
}

/* ------------------------------------------------------------------ regexp_replace */

static bool is_name(uint8_t c) { return isalnum(c) || c == '_'; }

/* A group by number or name; what is not there, or took no part, is empty. */
static qv_status put_group(const qv__matcher *matcher, qv__text text, const PCRE2_SIZE *bounds, qv__text name,
                           qv__buffer *out, qv_error *err)
{
    char zero_ended[128];
    uint64_t g = 0;
    bool is_number = name.len > 0;

    for (size_t i = 0; i < name.len && is_number; i++) {
        is_number = isdigit(name.data[i]) != 0;
        g = QV_MIN(g * 10 + (uint64_t) (name.data[i] - '0'), UINT32_MAX);
    }
    if (!is_number) {
        if (name.len >= sizeof zero_ended)
            return QV_OK;
        memcpy(zero_ended, name.data, name.len);
        zero_ended[name.len] = 0;
        int found = pcre2_substring_number_from_name(matcher->now->code, (PCRE2_SPTR) zero_ended);
        if (found < 0)
            return QV_OK;
        g = (uint64_t) found;
    }
    if (g > matcher->now->n_groups || bounds[2 * g] == PCRE2_UNSET || bounds[2 * g] > bounds[2 * g + 1])
        return QV_OK;
    return qv__buffer_append(out, text.data + bounds[2 * g], bounds[2 * g + 1] - bounds[2 * g], err);
}

/* The name of a reference at r.data[0] ("$", or a backslash), and its length with all signs; 0: there is no reference. */
static size_t reference(qv__text r, qv__text *name)
{
    size_t n = 1;

    if (r.data[0] == '\\') {
        while (n < r.len && isdigit(r.data[n]))
            n++;
        *name = (qv__text){ r.data + 1, n - 1 };
        return n > 1 ? n : 0;
    }
    if (r.len > 1 && r.data[1] == '{') {
        const uint8_t *end = memchr(r.data, '}', r.len);
        if (!end)
            return 0;
        *name = (qv__text){ r.data + 2, (size_t) (end - r.data) - 2 };
        return (size_t) (end - r.data) + 1;
    }
    while (n < r.len && is_name(r.data[n]))
        n++;
    *name = (qv__text){ r.data + 1, n - 1 };
    return n > 1 ? n : 0;
}

/* $1, ${1}, $name, ${name} and \1 are groups, $$ is a dollar. */
static qv_status put_replacement(const qv__matcher *matcher, qv__text text, const PCRE2_SIZE *bounds, qv__text r,
                                 qv__buffer *out, qv_error *err)
{
    while (r.len > 0) {
        qv__text name;
        size_t n;
        if (r.data[0] != '$' && r.data[0] != '\\') {
            for (n = 1; n < r.len && r.data[n] != '$' && r.data[n] != '\\';)
                n++;
            QV_TRY(qv__buffer_append(out, r.data, n, err));
        } else if (r.len > 1 && r.data[0] == '$' && r.data[1] == '$') {
            n = 2;
            QV_TRY(qv__buffer_append(out, r.data, 1, err));
        } else if ((n = reference(r, &name)) > 0) {
            QV_TRY(put_group(matcher, text, bounds, name, out, err));
        } else {
            n = 1;
            QV_TRY(qv__buffer_append(out, r.data, 1, err));
        }
        r.data += n;
        r.len -= n;
    }
    return QV_OK;
}

static qv_status replace_in(qv__matcher *matcher, size_t i, qv__buffer *out, qv_error *err)
{
    qv__text text = qv__arg_text(matcher->call, 0, i), replacement = qv__arg_text(matcher->call, 2, i);
    const PCRE2_SIZE *bounds;
    qv__walk walk = { .last = SIZE_MAX };
    size_t copied = 0;

    if (!text.data)
        text.data = (const uint8_t *) "";
    do {
        QV_TRY(qv__matcher_walk(matcher, text, &walk, &bounds, err));
        if (!bounds || bounds[0] < copied || bounds[1] < bounds[0])
            continue;
        QV_TRY(qv__buffer_append(out, text.data + copied, bounds[0] - copied, err));
        QV_TRY(put_replacement(matcher, text, bounds, replacement, out, err));
        copied = bounds[1];
    } while (bounds && matcher->now->all);
    return qv__buffer_append(out, text.data + copied, text.len - copied, err);
}

static qv_status replace_row(qv__matcher *matcher, size_t i, qv__buffer *text, qv__builder *builder, qv_error *err)
{
    text->len = 0;
    QV_TRY(qv__matcher_row(matcher, i, err));
    QV_TRY(replace_in(matcher, i, text, err));
    return qv__builder_append_bytes(builder, text->data, text->len, err);
}

static qv_status eval_replace(const qv__call *call, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    uint8_t *ready = NULL;
    qv__builder *builder = NULL;
    qv__buffer text;
    qv__matcher matcher;

    qv__buffer_init(&text, QV_TEXT_MAX);
    qv__matcher_init(&matcher, call, flags_arg(call->node->function), true);
    QV_CHECK(qv__call_ready(call, &ready, err));
    QV_CHECK(qv__builder_new(call->node->type, &builder, err));
    for (size_t i = 0; i < call->n; i++)
        QV_CHECK(qv__bit_get(ready, i) ? replace_row(&matcher, i, &text, builder, err)
                                       : qv__builder_append_null(builder, err));
    QV_CHECK(qv__builder_finish(builder, out, err));
done:
    qv__builder_free(builder);
    qv__free(ready);
    qv__buffer_free(&text);
    qv__matcher_clear(&matcher);
    return st;
}

/* ------------------------------------------------------------------ the table */

static const qv__function functions[] = {
    {
        .name = "regexp_like",
        .group = "regexp",
        .signature = "regexp_like(text, pattern [, flags]) -> bool",
        .summary = "Does the pattern match somewhere?",
        .min_args = 2,
        .max_args = 3,
        .strict = true,
        .bind = qv__bind_kinds,
        .prepare = prepare,
        .release = release,
        .eval = eval_like,
        .kinds = "ttt>b",
        .detail = &(const size_t){ 2 },
    },
    {
        .name = "regexp_match",
        .group = "regexp",
        .signature = "regexp_match(text, pattern [, flags]) -> list of utf8",
        .summary = "The groups of the first match, or the whole match when the pattern has none; null without a match.",
        .min_args = 2,
        .max_args = 3,
        .strict = true,
        .bind = bind_match,
        .prepare = prepare,
        .release = release,
        .eval = eval_match,
        .kinds = "ttt>0",
        .detail = &(const size_t){ 2 },
    },
    {
        .name = "regexp_replace",
        .group = "regexp",
        .signature = "regexp_replace(text, pattern, replacement [, flags]) -> text",
        .summary = "With the first match (flag g: every match) replaced; $1, ${name} and \\1 stand for groups.",
        .min_args = 3,
        .max_args = 4,
        .strict = true,
        .bind = qv__bind_kinds,
        .prepare = prepare,
        .release = release,
        .eval = eval_replace,
        .kinds = "tttt>0",
        .detail = &(const size_t){ 3 },
    },
    {
        .name = "regexp_count",
        .group = "regexp",
        .signature = "regexp_count(text, pattern [, start [, flags]]) -> int64",
        .summary = "How often the pattern matches from the start (counted from 1) on.",
        .min_args = 2,
        .max_args = 4,
        .strict = true,
        .bind = qv__bind_kinds,
        .prepare = prepare,
        .release = release,
        .eval = eval_count,
        .kinds = "ttit>i",
        .detail = &(const size_t){ 3 },
    },
};

const qv__function_group qv__regexp_functions = { functions, QV_COUNT_OF(functions) };

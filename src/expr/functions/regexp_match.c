/* Compiling and matching. Every step that a hostile pattern could make costly has a bound: the pattern's length, the compiled size (by
 * PCRE2's own 64 KiB), the steps of one match, and the memory for backtracking. */
#include "expr/functions/regexp_private.h"

enum { MOST_PATTERN_BYTES = 65536, MOST_MATCH_STEPS = 2000000, MOST_MATCH_KIB = 65536, MOST_GROUP_NESTING = 200 };

static void *allocate(PCRE2_SIZE n_bytes, void *ctx)
{
    QV_UNUSED(ctx);
    return qv__alloc(n_bytes, 1);
}

static void release(void *block, void *ctx)
{
    QV_UNUSED(ctx);
    qv__free(block);
}

/* ------------------------------------------------------------------ compiling */

/* As the regular expressions of DataFusion (Rust's): Unicode classes, $ only at the very end, lines end with \n. */
static qv_status read_flags(qv__text flags, bool may_all, uint32_t *options, bool *all, qv_error *err)
{
    *options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    *all = false;
    for (size_t i = 0; i < flags.len; i++) {
        switch (flags.data[i]) {
        case 'i':
            *options |= PCRE2_CASELESS;
            break;
        case 'm':
            *options |= PCRE2_MULTILINE;
            break;
        case 's':
            *options |= PCRE2_DOTALL;
            break;
        case 'x':
            *options |= PCRE2_EXTENDED;
            break;
        case 'U':
            *options |= PCRE2_UNGREEDY;
            break;
        case 'g':
            *all = true;
            if (may_all)
                break;
            return qv__fail(err, QV_INVALID, "the flag 'g' makes sense in regexp_replace only");
        default:
            return qv__fail(err, QV_INVALID, "unknown regular expression flag '%.*s', known are i, m, s, x, U and g",
                            (int) qv__utf8_len(flags.data[i]), (const char *) flags.data + i);
        }
    }
    return QV_OK;
}

static qv_status compile_code(qv__text pattern, uint32_t options, qv__regexp *regexp, qv_error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(regexp->memory);
    PCRE2_UCHAR message[160] = { 0 };
    PCRE2_SIZE at = 0;
    int code = 0;

    if (!context)
        return qv__fail_nomem(err, 0);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, MOST_GROUP_NESTING);
    regexp->code =
        pcre2_compile(pattern.len ? pattern.data : (const uint8_t *) "", pattern.len, options, &code, &at, context);
    pcre2_compile_context_free(context);
    if (regexp->code) {
        pcre2_pattern_info(regexp->code, PCRE2_INFO_CAPTURECOUNT, &regexp->n_groups);
        return QV_OK;
    }
    if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED)
        return qv__fail_nomem(err, pattern.len);
    pcre2_get_error_message(code, message, sizeof message);
    return qv__fail(err, QV_INVALID, "bad regular expression '%.*s' at byte %zu: %s", (int) QV_MIN(pattern.len, 200),
                    (const char *) pattern.data, (size_t) at, (const char *) message);
}

qv_status qv__regexp_compile(qv__text pattern, qv__text flags, bool may_all, qv__regexp **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__regexp *regexp = NULL;
    uint32_t options;

    if (pattern.len > MOST_PATTERN_BYTES)
        return qv__fail(err, QV_INVALID, "a regular expression of %zu bytes is too long, at most %d", pattern.len,
                        MOST_PATTERN_BYTES);
    QV_TRY(QV_NEW(&regexp, 1, err));
    QV_CHECK(read_flags(flags, may_all, &options, &regexp->all, err));
    regexp->memory = pcre2_general_context_create(allocate, release, NULL);
    if (!regexp->memory)
        QV_CHECK(qv__fail_nomem(err, 0));
    QV_CHECK(compile_code(pattern, options, regexp, err));
    *out = regexp;
    regexp = NULL;
done:
    qv__regexp_free(regexp);
    return st;
}

void qv__regexp_free(qv__regexp *regexp)
{
    if (!regexp)
        return;
    pcre2_code_free(regexp->code);
    pcre2_general_context_free(regexp->memory);
    qv__free(regexp);
}

/* ------------------------------------------------------------------ the pattern of a row */

void qv__matcher_init(qv__matcher *matcher, const qv__call *call, size_t flags_arg, bool may_all)
{
    *matcher = (qv__matcher){ .call = call, .pattern_arg = 1, .flags_arg = flags_arg, .may_all = may_all };
    qv__buffer_init(&matcher->own_pattern, SIZE_MAX);
    qv__buffer_init(&matcher->own_flags, SIZE_MAX);
}

static void forget(qv__matcher *matcher)
{
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->limits);
    qv__regexp_free(matcher->own);
    matcher->data = NULL;
    matcher->limits = NULL;
    matcher->own = NULL;
    matcher->now = NULL;
}

void qv__matcher_clear(qv__matcher *matcher)
{
    forget(matcher);
    qv__buffer_free(&matcher->own_pattern);
    qv__buffer_free(&matcher->own_flags);
}

static qv_status begin(qv__matcher *matcher, const qv__regexp *regexp, qv_error *err)
{
    matcher->now = regexp;
    matcher->data = pcre2_match_data_create(regexp->n_groups + 1, regexp->memory);
    matcher->limits = pcre2_match_context_create(regexp->memory);
    if (!matcher->data || !matcher->limits)
        return qv__fail_nomem(err, 0);
    pcre2_set_match_limit(matcher->limits, MOST_MATCH_STEPS);
    pcre2_set_heap_limit(matcher->limits, MOST_MATCH_KIB);
    return QV_OK;
}

static bool same(const qv__buffer *buffer, qv__text text)
{
    return buffer->len == text.len && (text.len == 0 || memcmp(buffer->data, text.data, text.len) == 0);
}

static qv_status remember(qv__buffer *buffer, qv__text text, qv_error *err)
{
    buffer->len = 0;
    return qv__buffer_append(buffer, text.data, text.len, err);
}

qv_status qv__matcher_row(qv__matcher *matcher, size_t i, qv_error *err)
{
    const qv__call *call = matcher->call;
    qv__text pattern, flags = { NULL, 0 };

    if (call->prepared)
        return matcher->now ? QV_OK : begin(matcher, call->prepared, err);
    pattern = qv__arg_text(call, matcher->pattern_arg, i);
    if (matcher->flags_arg < call->n_args)
        flags = qv__arg_text(call, matcher->flags_arg, i);
    if (matcher->now && same(&matcher->own_pattern, pattern) && same(&matcher->own_flags, flags))
        return QV_OK;
    forget(matcher);
    QV_TRY(remember(&matcher->own_pattern, pattern, err));
    QV_TRY(remember(&matcher->own_flags, flags, err));
    QV_TRY(qv__regexp_compile(pattern, flags, matcher->may_all, &matcher->own, err));
    return begin(matcher, matcher->own, err);
}

/* ------------------------------------------------------------------ matching */

qv_status qv__matcher_find(qv__matcher *matcher, qv__text text, size_t from, const PCRE2_SIZE **bounds, qv_error *err)
{
    const uint8_t *data = text.data ? text.data : (const uint8_t *) "";
    int code = pcre2_match(matcher->now->code, data, text.len, from, 0, matcher->data, matcher->limits);
    PCRE2_UCHAR message[160] = { 0 };

    *bounds = NULL;
    if (code >= 0)
        *bounds = pcre2_get_ovector_pointer(matcher->data);
    if (code >= 0 || code == PCRE2_ERROR_NOMATCH)
        return QV_OK;
    if (code == PCRE2_ERROR_NOMEMORY)
        return qv__fail_nomem(err, 0);
    pcre2_get_error_message(code, message, sizeof message);
    return qv__fail(err, QV_LIMIT, "%s: on a text of %zu bytes: %s", matcher->call->node->function->name, text.len,
                    (const char *) message);
}

/* Behind the match, or one character further when it was empty. \K in a look-around can make a match end before it begins: what
 * counts is that the search moves on. */
static void move_on(qv__text text, const PCRE2_SIZE *bounds, qv__walk *walk)
{
    size_t end = QV_MAX(bounds[0], bounds[1]);

    walk->is_over = bounds[1] <= bounds[0] && end >= text.len;
    walk->from = end;
    if (!walk->is_over && bounds[1] <= bounds[0])
        walk->from += qv__utf8_len(text.data[end]);
}

qv_status qv__matcher_walk(qv__matcher *matcher, qv__text text, qv__walk *walk, const PCRE2_SIZE **bounds,
                           qv_error *err)
{
    for (*bounds = NULL; !walk->is_over; *bounds = NULL) {
        QV_TRY(qv__matcher_find(matcher, text, walk->from, bounds, err));
        walk->is_over = *bounds == NULL;
        if (walk->is_over)
            break;
        move_on(text, *bounds, walk);
        if ((*bounds)[0] == (*bounds)[1] && (*bounds)[0] == walk->last)
            continue;
        walk->last = (*bounds)[1];
        break;
    }
    return QV_OK;
}

/* Names: a path of names is a column as far as it leads through structs; what is left is looked up in its values. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "expr/bind_private.h"

typedef struct part {
    const char *text;
    uint32_t len, at;
    bool exact; /* quoted, or a string in brackets: no other case will do */
} part;

typedef struct path {
    part parts[QV_SQL_MAX_DEPTH];
    size_t n;
} path;

/* a.b, a['b']: true when `s` is made of names only. Parts come from left to right. */
static bool collect(const qv__syntax *s, path *to)
{
    const qv__syntax *name = s;

    if (s->kind == QV_SYNTAX_INDEX) {
        name = s->args[1];
        if (name->kind != QV_SYNTAX_STRING)
            return false;
    } else if (s->kind != QV_SYNTAX_FIELD && s->kind != QV_SYNTAX_NAME) {
        return false;
    }
    if (s->kind != QV_SYNTAX_NAME && !collect(s->args[0], to))
        return false;
    to->parts[to->n++] = (part){ name->text, name->len, name->at, s->quoted || s->kind == QV_SYNTAX_INDEX };
    return true;
}

/* ------------------------------------------------------------------ fields by name */

static bool same(const char *name, const part *p, bool any_case)
{
    return strlen(name) == p->len &&
           (any_case ? strncasecmp(name, p->text, p->len) : memcmp(name, p->text, p->len)) == 0;
}

/* The exact name first; then, for a name without quotes, the only one that differs in case. -1: none, -2: several. */
static ptrdiff_t find_field(const qv__field *fields, size_t n, const part *p)
{
    ptrdiff_t found = -1;

    for (size_t k = 0; k < n; k++)
        if (same(fields[k].name, p, false))
            return (ptrdiff_t) k;
    for (size_t k = 0; k < n && !p->exact; k++)
        if (same(fields[k].name, p, true))
            found = found == -1 ? (ptrdiff_t) k : -2;
    return found;
}

static size_t least(size_t a, size_t b, size_t c) { return QV_MIN(QV_MIN(a, b), c); }

/* Letters to add, drop or change; names longer than 63 bytes are far from all. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[64], diagonal, above;

    if (n > 63 || m > 63)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + ((a[i - 1] | 32) != (b[j - 1] | 32)));
            diagonal = above;
        }
    }
    return row[m];
}

const char *qv__nearest_name(const char *name, size_t len, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t best = QV_MAX(len / 3, 1) + 1;

    for (size_t k = 0; k < n; k++) {
        size_t far = distance(name, len, names[k], strlen(names[k]));
        if (far < best && (far == 0 || far * 2 <= len)) {
            best = far;
            nearest = names[k];
        }
    }
    return nearest;
}

/* "No field named zz. Did you mean 'z'? Valid fields are id, s, vector." */
static qv_status unknown_column(qv__binder *b, const part *p)
{
    const qv__schema *scope = b->tree->program.scope;
    char valid[240] = "", hint[96] = "";
    const char **names = NULL, *nearest;
    size_t used = 0;
    unsigned line, column;

    QV_TRY(QV_NEW(&names, scope->n_fields + 1, b->err));
    for (size_t k = 0; k < scope->n_fields; k++) {
        names[k] = scope->fields[k].name;
        if (used < sizeof valid - 8) {
            int n = snprintf(valid + used, sizeof valid - used, "%s%s", k ? ", " : "", names[k]);
            used += n > 0 ? (size_t) n : 0;
        }
    }
    if (used >= sizeof valid - 8)
        memcpy(valid + sizeof valid - 8, ", ...", 6);
    nearest = qv__nearest_name(p->text, p->len, names, scope->n_fields);
    if (nearest)
        snprintf(hint, sizeof hint, " Did you mean '%s'?", nearest);
    qv__free(names);
    qv__sql_place(b->sql, p->at, &line, &column);
    return qv__fail(b->err, QV_INVALID,
                    "Schema error: No field named %.*s.%s Valid fields are %s. (Line: %u, Column: %u)",
                    (int) QV_MIN(p->len, 100), p->text, hint, valid, line, column);
}

/* ------------------------------------------------------------------ columns */

static bool is_plain_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') ||
              *name == '_'))
            return false;
    return true;
}

qv_status qv__path_append(qv__buffer *to, const char *name, qv_error *err)
{
    if (to->len)
        QV_TRY(qv__buffer_append(to, ".", 1, err));
    if (is_plain_name(name))
        return qv__buffer_append(to, name, strlen(name), err);
    QV_TRY(qv__buffer_append(to, "`", 1, err));
    for (; *name; name++)
        QV_TRY(qv__buffer_append(to, *name == '`' ? "``" : name, *name == '`' ? 2 : 1, err));
    return qv__buffer_append(to, "`", 1, err);
}

/* As many parts as lead through structs; *used tells how many. */
static qv_status bind_column(qv__binder *b, const path *p, size_t *used, qv__expr **out)
{
    qv_status st = QV_OK;
    const qv__schema *scope = b->tree->program.scope;
    ptrdiff_t top = find_field(scope->fields, scope->n_fields, &p->parts[0]);
    const qv__field *field;
    qv__buffer text;
    bool nullable;

    if (top == -2)
        return qv__bind_fail(b, p->parts[0].at, "the name %.*s is ambiguous: quote it as the column is written",
                             (int) QV_MIN(p->parts[0].len, 100), p->parts[0].text);
    if (top < 0)
        return unknown_column(b, &p->parts[0]);
    field = &scope->fields[top];
    nullable = field->nullable;
    qv__buffer_init(&text, (size_t) 1 << 25);
    QV_CHECK(qv__path_append(&text, field->name, b->err));
    for (*used = 1; *used < p->n && field->type->id == QV_TYPE_STRUCT; ++*used) {
        const part *next = &p->parts[*used];
        ptrdiff_t found = find_field(field->type->children, field->type->n_children, next);

        if (found < 0)
            QV_CHECK(qv__bind_fail(b, next->at, "Field %.*s not found in struct %.*s", (int) QV_MIN(next->len, 100),
                                   next->text, (int) QV_MIN(text.len, 100), (const char *) text.data));
        field = &field->type->children[found];
        nullable |= field->nullable;
        QV_CHECK(qv__path_append(&text, field->name, b->err));
    }
    QV_CHECK(qv__buffer_append(&text, "", 1, b->err));
    QV_CHECK(qv__node_new(b->tree, QV_EXPR_COLUMN, field->type, p->parts[0].at, 0, out, b->err));
    QV_CHECK(qv__tree_column(b->tree, (const char *) text.data, field, (size_t) top, &(*out)->column, b->err));
    (*out)->nullable = nullable;
done:
    qv__buffer_free(&text);
    return st;
}

/* ------------------------------------------------------------------ parts of values */

static qv_status get_field(qv__binder *b, qv__expr *of, const char *name, size_t len, uint32_t at, qv__expr **out)
{
    qv__expr *args[2] = { of };

    QV_TRY(qv__text_literal(b, name, len, QV_TYPE_UTF8, at, &args[1]));
    return qv__bind_call(b, "get_field", strlen("get_field"), args, 2, at, out);
}

static qv_status get_element(qv__binder *b, const qv__syntax *s, qv__expr *of, qv__expr **out)
{
    const char *name = s->kind == QV_SYNTAX_SLICE ? "array_slice" : "array_element";
    qv__expr *args[3] = { of };

    for (uint32_t k = 1; k < s->n_args; k++)
        QV_TRY(qv__bind(b, s->args[k], &args[k]));
    if (s->kind == QV_SYNTAX_INDEX && (of->type->id == QV_TYPE_MAP || of->type->id == QV_TYPE_STRUCT))
        name = "get_field";
    return qv__bind_call(b, name, strlen(name), args, s->n_args, s->at, out);
}

qv_status qv__bind_name(qv__binder *b, const qv__syntax *s, qv__expr **out)
{
    path p = { .n = 0 };
    size_t used = 0;

    if (collect(s, &p)) {
        QV_TRY(bind_column(b, &p, &used, out));
        for (; used < p.n; used++)
            QV_TRY(get_field(b, *out, p.parts[used].text, p.parts[used].len, p.parts[used].at, out));
        return QV_OK;
    }
    QV_TRY(qv__bind(b, s->args[0], out));
    if (s->kind == QV_SYNTAX_FIELD)
        return get_field(b, *out, s->text, s->len, s->at, out);
    return get_element(b, s, *out, out);
}

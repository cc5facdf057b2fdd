/* Paths into documents: $.store.book[0].title, $."a key", $.list[*], $.list[last - 1], $.list[0, 2 to 4], $.*. The dollar may be
 * left out. */
#include <string.h>

#include "json/json_private.h"

typedef enum step_kind { MEMBER, ALL_MEMBERS, ELEMENTS, ALL_ELEMENTS } step_kind;

typedef struct position {
    bool from_end; /* counted back from the last */
    uint32_t n;
} position;

typedef struct range {
    position first, last;
} range;

typedef struct step {
    step_kind kind;
    uint8_t *key; /* MEMBER */
    size_t key_len;
    range *ranges; /* ELEMENTS */
    size_t n_ranges, ranges_capacity;
} step;

struct qv__json_path {
    step *steps;
    size_t n, capacity;
};

typedef struct reader {
    const uint8_t *text, *at, *end;
    qv__json_path *path;
    qv_error *err;
} reader;

enum { MOST_STEPS = 256, MOST_FOUND = 1 << 24 };

void qv__json_path_free(qv__json_path *path)
{
    for (size_t k = 0; path && k < path->n; k++) {
        qv__free(path->steps[k].key);
        qv__free(path->steps[k].ranges);
    }
    if (path)
        qv__free(path->steps);
    qv__free(path);
}

/* ------------------------------------------------------------------ reading */

static qv_status fail(const reader *r, const char *expected)
{
    return qv__fail(r->err, QV_INVALID, "invalid JSON path '%.*s': %s expected at byte %zu",
                    (int) QV_MIN((size_t) (r->end - r->text), 200), (const char *) r->text, expected,
                    (size_t) (r->at - r->text));
}

static bool accept(reader *r, uint8_t c)
{
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static void skip_space(reader *r)
{
    while (r->at < r->end && *r->at == ' ')
        r->at++;
}

static qv_status add_step(reader *r, step_kind kind, step **out)
{
    qv__json_path *path = r->path;

    if (path->n >= MOST_STEPS)
        return qv__fail(r->err, QV_INVALID, "a JSON path of more than %d steps", MOST_STEPS);
    QV_TRY(QV_GROW(&path->steps, &path->capacity, path->n + 1, r->err));
    *out = &path->steps[path->n++];
    **out = (step){ .kind = kind };
    return QV_OK;
}

static bool is_plain(uint8_t c)
{
    return c >= 0x80 || c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* A key between double quotes, where a backslash makes the next character plain, or one of plain characters. */
static qv_status read_key(reader *r)
{
    step *s;
    bool quoted = accept(r, '"');

    QV_TRY(add_step(r, MEMBER, &s));
    QV_TRY(qv__new((void **) &s->key, (size_t) (r->end - r->at) + 1, 1, r->err));
    while (r->at < r->end && (quoted ? *r->at != '"' : is_plain(*r->at))) {
        if (quoted && *r->at == '\\' && r->end - r->at > 1)
            r->at++;
        s->key[s->key_len++] = *r->at++;
    }
    if (quoted && !accept(r, '"'))
        return fail(r, "'\"'");
    if (!quoted && s->key_len == 0)
        return fail(r, "a key");
    return QV_OK;
}

static qv_status read_number(reader *r, uint32_t *out)
{
    uint64_t n = 0;
    const uint8_t *start = r->at;

    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        n = QV_MIN(n * 10 + (uint64_t) (*r->at - '0'), UINT32_MAX);
    *out = (uint32_t) n;
    return r->at > start ? QV_OK : fail(r, "a number");
}

static bool accept_word(reader *r, const char *word)
{
    size_t n = strlen(word);

    if ((size_t) (r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* "3", "last", "last - 1"; "-1" names no element, as in the reference. */
static qv_status read_position(reader *r, position *out)
{
    *out = (position){ 0 };
    skip_space(r);
    if (accept(r, '-')) {
        QV_TRY(read_number(r, &out->n));
        *out = (position){ .n = UINT32_MAX };
    } else if (accept_word(r, "last")) {
        out->from_end = true;
        skip_space(r);
        if (accept(r, '-')) {
            skip_space(r);
            QV_TRY(read_number(r, &out->n));
        }
    } else {
        QV_TRY(read_number(r, &out->n));
    }
    skip_space(r);
    return QV_OK;
}

/* Behind "[". */
static qv_status read_elements(reader *r)
{
    step *s;

    skip_space(r);
    if (accept(r, '*')) {
        skip_space(r);
        QV_TRY(add_step(r, ALL_ELEMENTS, &s));
        return accept(r, ']') ? QV_OK : fail(r, "']'");
    }
    QV_TRY(add_step(r, ELEMENTS, &s));
    do {
        QV_TRY(QV_GROW(&s->ranges, &s->ranges_capacity, s->n_ranges + 1, r->err));
        range *it = &s->ranges[s->n_ranges];
        QV_TRY(read_position(r, &it->first));
        it->last = it->first;
        if (accept_word(r, "to"))
            QV_TRY(read_position(r, &it->last));
        s->n_ranges++;
    } while (accept(r, ','));
    return accept(r, ']') ? QV_OK : fail(r, "']'");
}

static qv_status read_steps(reader *r)
{
    step *s;
    bool rooted = accept(r, '$');

    if (!rooted && r->at < r->end && *r->at != '[')
        QV_TRY(read_key(r));
    while (r->at < r->end) {
        if (accept(r, '[')) {
            QV_TRY(read_elements(r));
        } else if (!accept(r, '.')) {
            return fail(r, "'.' or '['");
        } else if (accept(r, '*')) {
            QV_TRY(add_step(r, ALL_MEMBERS, &s));
        } else {
            QV_TRY(read_key(r));
        }
    }
    return QV_OK;
}

qv_status qv__json_path_parse(const uint8_t *text, size_t len, qv__json_path **out, qv_error *err)
{
    static const uint8_t nothing[1];
    reader r = { .err = err };

    r.text = r.at = text ? text : nothing;
    r.end = r.text + (text ? len : 0);
    QV_TRY(QV_NEW(&r.path, 1, err));
    qv_status st = read_steps(&r);
    if (st == QV_OK)
        *out = r.path;
    else
        qv__json_path_free(r.path);
    return st;
}

/* ------------------------------------------------------------------ following */

static qv_status add_found(qv__jsonb_values *to, const qv__jsonb_value *value, qv_error *err)
{
    if (to->n >= MOST_FOUND)
        return qv__fail(err, QV_LIMIT, "a JSON path finds more than %d values", MOST_FOUND);
    QV_TRY(QV_GROW(&to->items, &to->capacity, to->n + 1, err));
    to->items[to->n++] = *value;
    return QV_OK;
}

/* Signed, so that one before the first is no element. */
static int64_t place(const position *p, size_t n) { return p->from_end ? (int64_t) n - 1 - p->n : (int64_t) p->n; }

static qv_status follow_elements(const step *s, const qv__jsonb_value *value, qv__jsonb_values *to, qv_error *err)
{
    size_t n;

    if (!qv__jsonb_array_length(value, &n))
        return QV_OK;
    for (size_t k = 0; k < s->n_ranges; k++) {
        int64_t first = place(&s->ranges[k].first, n), last = place(&s->ranges[k].last, n), at = 0;
        qv__jsonb_children children;
        qv__jsonb_value element;
        if (!qv__jsonb_children_of(value, &children))
            return QV_OK;
        for (; at <= last && qv__jsonb_next(&children, &element); at++)
            if (at >= first)
                QV_TRY(add_found(to, &element, err));
    }
    return QV_OK;
}

/* All elements of an array, or all members of an object. */
static qv_status follow_all(const qv__jsonb_value *value, bool of_array, qv__jsonb_values *to, qv_error *err)
{
    qv__jsonb_children children;
    qv__jsonb_value child;
    size_t n;

    if (qv__jsonb_array_length(value, &n) != of_array || !qv__jsonb_children_of(value, &children))
        return QV_OK;
    while (qv__jsonb_next(&children, &child))
        QV_TRY(add_found(to, &child, err));
    return QV_OK;
}

static qv_status follow(const step *s, const qv__jsonb_value *value, qv__jsonb_values *to, qv_error *err)
{
    qv__jsonb_value member;

    switch (s->kind) {
    case MEMBER:
        return qv__jsonb_member(value, s->key, s->key_len, &member) ? add_found(to, &member, err) : QV_OK;
    case ELEMENTS:
        return follow_elements(s, value, to, err);
    default:
        return follow_all(value, s->kind == ALL_ELEMENTS, to, err);
    }
}

qv_status qv__json_path_select(const qv__json_path *path, const qv__jsonb_value *root, qv__jsonb_values *found,
                               qv_error *err)
{
    qv_status st = QV_OK;
    qv__jsonb_values now = { 0 }, next = { 0 };

    QV_CHECK(add_found(&now, root, err));
    for (size_t k = 0; k < path->n; k++) {
        next.n = 0;
        for (size_t i = 0; i < now.n; i++)
            QV_CHECK(follow(&path->steps[k], &now.items[i], &next, err));
        qv__jsonb_values done_with = now;
        now = next;
        next = done_with;
    }
    *found = now;
    now = (qv__jsonb_values){ 0 };
done:
    qv__free(now.items);
    qv__free(next.items);
    return st;
}

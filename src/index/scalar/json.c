/* The JSON kind: its files are those of the kind that it stands on, whose segments it hands questions to. */
#include <stdio.h>

#include "base/alloc.h"
#include "index/scalar/json_private.h"

typedef struct json_segment {
    qv__segment head;
    qv__json_details details;
    qv__type *type; /* of the values */
    qv__segment *target;
} json_segment;

/* ------------------------------------------------------------------ what it stands on */

/* Kinds that a JSON index may stand on, and where their files tell the type of the values. Those by address cannot: rows of JSON
 * indices are ids. */
typedef struct base_kind {
    const qv__index_method *kind;
    const char *file, *column;
} base_kind;

static const base_kind bases[] = { { &qv__btree_kind, "page_data.lance", "values" },
                                   { &qv__bitmap_kind, "bitmap_page_lookup.lance", "keys" } };

static const base_kind *base_of(const qv__index_method *kind)
{
    for (size_t i = 0; i < QV_COUNT_OF(bases); i++)
        if (bases[i].kind == kind)
            return &bases[i];
    return NULL;
}

/* The reference neither makes nor extends a BTREE inside a JSON index where row ids are stable: one would keep it from extending
 * any index of the table. */
static qv_status base_of_options(const qv_index_options *options, bool stable, const base_kind **out, qv_error *err)
{
    qv_index_kind otherwise = stable ? QV_INDEX_BITMAP : QV_INDEX_BTREE,
                  wanted = options && options->json_kind != QV_INDEX_AUTO ? options->json_kind : otherwise;
    const qv__index_method *kind = qv__index_method_of(wanted);

    *out = kind ? base_of(kind) : NULL;
    if (!*out)
        return qv__fail(err, QV_UNSUPPORTED, "a JSON index stands on a BTREE or a BITMAP, not on %s",
                        kind ? kind->stats : "another kind");
    if (stable && wanted == QV_INDEX_BTREE)
        return qv__fail(err, QV_UNSUPPORTED, "a JSON index stands on a BITMAP in tables with stable row ids");
    if (!options || !options->json_path)
        return qv__fail(err, QV_INVALID, "a JSON index needs a path into the documents, as in \"$.a\"");
    return QV_OK;
}

static bool can_index(const qv__type *type)
{
    return type->id == QV_TYPE_UTF8 || type->id == QV_TYPE_LARGE_UTF8 || type->id == QV_TYPE_LARGE_BINARY;
}

static qv__certainty can_ask(const qv__type *type, qv__ask_kind kind)
{
    switch (kind) {
    case QV_ASK_RANGE:
    case QV_ASK_IN:
        return QV_EXACT;
    case QV_ASK_PREFIX:
        return can_index(type) ? QV_EXACT : QV_NO_IDEA;
    default:
        return QV_NO_IDEA;
    }
}

/* ------------------------------------------------------------------ what it indexes */

/* A path that is one key, "$.a": then it finds what json_get_int(column, 'a') and its like give. */
static bool is_key(const char *path, const qv__array *literal)
{
    size_t len, n;

    if (!literal || qv__array_is_null(literal, 0) ||
        (literal->type->id != QV_TYPE_UTF8 && literal->type->id != QV_TYPE_LARGE_UTF8))
        return false;
    const uint8_t *key = qv__array_string(literal, 0, &len);
    n = strspn(path, "$") == 1 && path[1] == '.' ? strlen(path + 2) : 0;
    if (!n || n != len || memcmp(path + 2, key, n) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((key[i] | 0x20) >= 'a' && (key[i] | 0x20) <= 'z') && key[i] != '_' &&
            !(i && key[i] >= '0' && key[i] <= '9'))
            return false;
    return true;
}

static bool indexes(const qv__index_entry *entry, const qv__expr *operand)
{
    static const char *const names[] = { "json_get_int", "json_get_float", "json_get_string", "json_get_bool" };
    qv__json_details details;
    bool known = false;

    if (operand->kind != QV_EXPR_CALL || operand->n_args != 2 || operand->args[1]->kind != QV_EXPR_LITERAL)
        return false;
    for (size_t i = 0; i < QV_COUNT_OF(names) && !known; i++)
        known = strcmp(qv__function_name(operand->function), names[i]) == 0;
    if (!known || qv__json_details_parse(entry->details.data, entry->details.len, &details, NULL) != QV_OK)
        return false;
    known = is_key(details.path, operand->args[1]->literal);
    qv__json_details_clear(&details);
    return known;
}

/* ------------------------------------------------------------------ opening */

static void close_segment(qv__segment *segment)
{
    json_segment *j = (json_segment *) segment;

    if (!j)
        return;
    if (j->target)
        j->target->kind->close(j->target);
    qv__json_details_clear(&j->details);
    qv__type_unref(j->type);
    qv__free(j);
}

static qv_status stored_type(qv__store *folder, const base_kind *base, qv__type **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__file *file = NULL;

    QV_CHECK(qv__file_open(folder, base->file, &file, err));
    ptrdiff_t at = qv__schema_find(qv__file_schema(file), base->column);
    if (at < 0)
        QV_CHECK(qv__fail(err, QV_CORRUPT, "%s has no column \"%s\"", base->file, base->column));
    *out = qv__type_ref(qv__file_schema(file)->fields[at].type);
done:
    qv__file_unref(file);
    return st;
}

static qv_status open_segment(qv__store *folder, const qv__index_entry *entry, const qv__type *type, qv__segment **out,
                              qv_error *err)
{
    qv_status st = QV_OK;
    json_segment *j = NULL;
    qv__index_entry target = *entry;

    QV_UNUSED(type); /* of the documents */
    QV_CHECK(QV_NEW(&j, 1, err));
    j->head.kind = &qv__json_kind;
    QV_CHECK(qv__json_details_parse(entry->details.data, entry->details.len, &j->details, err));
    const qv__index_method *kind = qv__index_method_by_url(j->details.target_url);
    const base_kind *base = kind ? base_of(kind) : NULL;
    if (!base)
        QV_CHECK(qv__fail(err, QV_UNSUPPORTED, "a JSON index over %s", j->details.target_url));
    QV_CHECK(stored_type(folder, base, &j->type, err));
    target.type_url = j->details.target_url;
    target.details = (qv__section_bytes){ 0 };
    QV_CHECK(kind->open(folder, &target, j->type, &j->target, err));
    *out = &j->head;
    j = NULL;
done:
    close_segment(j ? &j->head : NULL);
    return st;
}

/* ------------------------------------------------------------------ asking */

static qv_status ask_segment(qv__segment *segment, const qv__ask *ask, qv__job *job, qv__answer *out, qv_error *err)
{
    qv__segment *target = ((json_segment *) segment)->target;

    return target->kind->ask(target, ask, job, out, err);
}

static uint64_t estimate(qv__segment *segment, const qv__ask *ask)
{
    qv__segment *target = ((json_segment *) segment)->target;

    return target->kind->estimate ? target->kind->estimate(target, ask) : UINT64_MAX;
}

/* ------------------------------------------------------------------ building */

static qv_status build(const qv__index_target *target, qv__index_source *source, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *values = NULL;
    const base_kind *base;
    qv__index_target below = *target;

    QV_CHECK(base_of_options(target->options, target->stable_row_ids, &base, err));
    below.stable_row_ids = false; /* whatever rows are called, they are not addresses to the kind below */
    QV_CHECK(qv__json_values(source->values, target->options->json_path, NULL, &values, err));
    qv__index_source extracted = { .values = values, .type = values->schema->fields[0].type, .rows = source->rows };
    QV_CHECK(base->kind->build(&below, &extracted, out, err));
    out->details.len = 0;
    QV_CHECK(qv__json_details_pack(target->options->json_path, base->kind->type_url, &out->details, err));
    out->index_version = 0;
done:
    qv__stream_free(values);
    return st;
}

static qv_status check_same(qv__segment *const *old, size_t n_old, qv_error *err)
{
    const json_segment *first = (const json_segment *) old[0];

    for (size_t i = 1; i < n_old; i++) {
        const json_segment *j = (const json_segment *) old[i];
        if (strcmp(j->details.path, first->details.path) != 0 || j->target->kind != first->target->kind ||
            !qv__type_equal(j->type, first->type))
            return qv__fail(err, QV_CORRUPT, "segments of one JSON index differ in path, kind or type");
    }
    return QV_OK;
}

static qv_status merge(const qv__index_target *target, qv__segment *const *old, size_t n_old, qv__index_source *added,
                       qv__keep_fn keep, void *ctx, qv__index_built *out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *values = NULL;
    qv__segment **targets = NULL;
    qv__index_source extracted = { 0 };
    qv__index_target below = *target;
    const json_segment *first;

    if (!n_old)
        return build(target, added, out, err);
    first = (const json_segment *) old[0];
    below.stable_row_ids = false;
    QV_CHECK(check_same(old, n_old, err));
    QV_CHECK(QV_NEW(&targets, n_old, err));
    for (size_t i = 0; i < n_old; i++)
        targets[i] = ((json_segment *) old[i])->target;
    if (added) {
        QV_CHECK(qv__json_values(added->values, first->details.path, first->type, &values, err));
        extracted = (qv__index_source){ .values = values, .type = first->type, .rows = added->rows };
    }
    QV_CHECK(first->target->kind->merge(&below, targets, n_old, added ? &extracted : NULL, keep, ctx, out, err));
    out->details.len = 0;
    QV_CHECK(qv__json_details_pack(first->details.path, first->details.target_url, &out->details, err));
    out->index_version = 0;
done:
    qv__free(targets);
    qv__stream_free(values);
    return st;
}

/* ------------------------------------------------------------------ care */

static qv_status describe(qv__segment *segment, qv__buffer *json, qv_error *err)
{
    qv__segment *target = ((json_segment *) segment)->target;

    return target->kind->describe ? target->kind->describe(target, json, err) : QV_OK;
}

static qv_status prewarm(qv__segment *segment, qv_error *err)
{
    qv__segment *target = ((json_segment *) segment)->target;

    return target->kind->prewarm ? target->kind->prewarm(target, err) : QV_OK;
}

static qv_status verify(qv__segment *segment, qv__problem_fn problem, void *ctx, qv_error *err)
{
    qv__segment *target = ((json_segment *) segment)->target;

    return target->kind->verify(target, problem, ctx, err);
}

const qv__index_method qv__json_kind = { .kind = QV_INDEX_JSON,
                                         .display = "Json",
                                         .stats = "JSON",
                                         .type_url = "/lance.index.pb.JsonIndexDetails",
                                         .max_version = 0,
                                         .remaps = true,
                                         .can_index = can_index,
                                         .indexes = indexes,
                                         .can_ask = can_ask,
                                         .build = build,
                                         .merge = merge,
                                         .open = open_segment,
                                         .close = close_segment,
                                         .ask = ask_segment,
                                         .estimate = estimate,
                                         .describe = describe,
                                         .prewarm = prewarm,
                                         .verify = verify };

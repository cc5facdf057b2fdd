/* Merging rows by key: which source rows meet which table rows, what becomes of each, and one commit for all of it.
 *
 *   matched                 updated with the source's values (if the condition holds), or left as they are
 *   only in the source      inserted, or left out; a null key matches nothing
 *   only in the table       deleted (if the condition holds), or left as they are
 *
 * An append under an enforced primary key is the same with other answers: every row is inserted, and a match is an error. */
#include <string.h>

#include "arrow/compute/conform.h"
#include "change/merge_private.h"

/* ------------------------------------------------------------------ what is asked for */

static qv_status check_clauses(const qv_merge_options *options, qv_error *err)
{
    if (!options->update_matched && !options->insert_unmatched && !options->delete_unmatched)
        return qv__fail(err, QV_INVALID, "The merge insert job is not configured to change the data in any way");
    return QV_OK;
}

static qv_status check_key(const qv__merge_job *m, const qv__schema *table, const qv__schema *source, qv_error *err)
{
    for (size_t k = 0; k < m->n_on; k++) {
        ptrdiff_t at = m->on[k] ? qv__schema_find(table, m->on[k]) : -1;
        if (at < 0)
            return qv__fail(err, QV_INVALID, "Merge insert key column '%.200s' does not exist in schema",
                            m->on[k] ? m->on[k] : "");
        if (qv__schema_find(source, m->on[k]) < 0)
            return qv__fail(err, QV_INVALID, "No field named %.200s. The source has no such column, and it is a key",
                            m->on[k]);
        QV_TRY(qv__keys_check(&table->fields[at], err));
    }
    return QV_OK;
}

/* The key columns: those given, or the primary key. The names stay the caller's or the schema's. */
static qv_status resolve_key(qv__merge_job *m, qv__snapshot *base, const char ***names, bool *enforced, qv_error *err)
{
    const qv__field **fields = NULL;
    size_t n = 0;
    qv_status st = QV_OK;

    QV_CHECK(qv__snapshot_primary_key(base, &fields, &n, enforced, err));
    bool given = m->options->n_on > 0;
    if (!given && n == 0)
        QV_CHECK(qv__fail(err, QV_INVALID,
                          "A merge insert operation requires join keys: specify `on` columns explicitly or configure a "
                          "primary key in the dataset schema"));
    m->n_on = 0;
    QV_CHECK(QV_NEW(names, QV_MAX(given ? m->options->n_on : n, 1), err));
    for (size_t i = 0; i < (given ? m->options->n_on : n); i++) {
        const char *name = given ? m->options->on[i] : fields[i]->name;
        bool again = false;
        for (size_t j = 0; name && j < m->n_on; j++)
            again = again || strcmp((*names)[j], name) == 0;
        if (!again)
            (*names)[m->n_on++] = name ? name : "";
    }
    m->on = *names;
done:
    qv__free(fields);
    return st;
}

/* Is the merge's key the table's primary key? */
static qv_status is_primary(const qv__merge_job *m, qv__snapshot *base, int32_t **ids, bool *primary, bool *enforced,
                            qv_error *err)
{
    const qv__field **fields = NULL;
    size_t n = 0;

    *enforced = *primary = false;
    QV_TRY(qv__snapshot_primary_key(base, &fields, &n, enforced, err));
    *primary = n > 0 && n == m->n_on;
    qv_status st = QV_NEW(ids, QV_MAX(n, 1), err);
    for (size_t i = 0; st == QV_OK && i < n; i++) {
        bool found = false;
        (*ids)[i] = fields[i]->id;
        for (size_t k = 0; k < m->n_on; k++)
            found = found || strcmp(m->on[k], fields[i]->name) == 0;
        *primary = *primary && found;
    }
    qv__free(fields);
    return st;
}

/* With an enforced key, rows can only be inserted by that key: another one could not see a duplicate. */
static qv_status check_enforced(const qv__merge_job *m, bool primary, bool enforced, qv_error *err)
{
    if (enforced && !primary && (m->options->insert_unmatched || m->options->update_matched))
        return qv__fail(err, QV_INVALID, "the table enforces its primary key: rows can be merged by this key only");
    return QV_OK;
}

/* ------------------------------------------------------------------ what becomes of the rows */

typedef struct outcome {
    qv__pairs pairs;   /* to be updated, after the condition */
    uint8_t *inserted; /* bits of source rows */
    uint64_t n_inserted;
    qv__matches deleted; /* rows that leave their place: updated ones, and those that no source row meets */
} outcome;

static void clear_outcome(outcome *o)
{
    qv__free(o->pairs.items);
    qv__free(o->inserted);
    qv__matches_clear(&o->deleted);
    *o = (outcome){ 0 };
}

static qv_status refuse_match(const qv__merge_job *m, const qv__pairs *pairs, qv_error *err)
{
    char key[300];
    return qv__fail(err, QV_INVALID, "a row with the primary key %s is in the table already",
                    qv__merge_key_text(m, pairs->items[0].source, key, sizeof key));
}

static qv_status mark_inserted(const qv__merge_job *m, outcome *o, qv_error *err)
{
    size_t n = (size_t) m->source.n_rows;

    QV_TRY(QV_NEW(&o->inserted, qv__bitmap_bytes(n) + 8, err));
    if (!m->options->insert_unmatched)
        return QV_OK;
    qv__bitmap_fill(o->inserted, 0, n, true);
    for (size_t i = 0; i < o->pairs.n; i++)
        qv__bit_clear(o->inserted, (size_t) o->pairs.items[i].source);
    o->n_inserted = qv__bitmap_count(o->inserted, 0, n);
    return QV_OK;
}

/* Rows of the table that no source row meets, and for which the condition holds. */
static qv_status find_unmatched(qv__merge_job *m, qv__snapshot *base, const qv__pairs *pairs, qv__matches *out,
                                qv_error *err)
{
    qv_status st = QV_OK;
    qv__program *condition = NULL;
    qv__matches found = { 0 };

    if (m->options->delete_if)
        QV_CHECK(qv__condition_compile(base, m->options->delete_if, &condition, err));
    QV_CHECK(qv__match_rows(base, condition, false, m->job, &found, err));
    for (size_t i = 0; i < pairs->n; i++) {
        roaring_bitmap_t *rows = found.rows[qv__place_fragment(pairs->items[i].target)];
        if (rows && roaring_bitmap_remove_checked(rows, qv__place_row(pairs->items[i].target)))
            found.n_rows--;
    }
    m->counts.rows_deleted = found.n_rows;
    *out = found;
    found = (qv__matches){ 0 };
done:
    qv__matches_clear(&found);
    qv__program_unref(condition);
    return st;
}

static qv_status mark_updated(qv__merge_job *m, outcome *o, qv_error *err)
{
    for (size_t i = 0; i < o->pairs.n; i++) {
        bool added;
        QV_TRY(qv__matches_add(&o->deleted, o->pairs.items[i].target, &added, err));
        if (!added) {
            char key[300];
            return qv__fail(err, QV_INVALID,
                            "Ambiguous merge inserts are prohibited: multiple source rows match the same target row on "
                            "%s. Please ensure each target row is matched by at most one source row.",
                            qv__merge_key_text(m, o->pairs.items[i].source, key, sizeof key));
        }
    }
    m->counts.rows_updated = o->pairs.n;
    return QV_OK;
}

static qv_status work_out(qv__merge_job *m, qv__snapshot *base, outcome *o, qv_error *err)
{
    qv_status st = QV_OK;
    const qv_merge_options *options = m->options;
    qv__matches found = { 0 };
    bool use_index = false;

    m->counts = (qv_merge_result){ .source_rows = m->source.n_rows };
    if (!options->delete_unmatched)
        QV_CHECK(qv__merge_ask_index(m, base, &found, &use_index, err));
    QV_CHECK(qv__merge_pairs(m, base, use_index ? &found : NULL, &o->pairs, err));
    if (m->refuse_matches && o->pairs.n > 0)
        QV_CHECK(refuse_match(m, &o->pairs, err));
    QV_CHECK(mark_inserted(m, o, err));
    m->counts.rows_inserted = o->n_inserted;
    if (options->delete_unmatched)
        QV_CHECK(find_unmatched(m, base, &o->pairs, &o->deleted, err));
    else
        QV_CHECK(qv__matches_init(base, &o->deleted, err));
    if (!options->update_matched)
        o->pairs.n = 0;
    else if (options->update_if)
        QV_CHECK(qv__merge_filter(m, base, &o->pairs, err));
    QV_CHECK(mark_updated(m, o, err));
done:
    qv__matches_clear(&found);
    return st;
}

/* ------------------------------------------------------------------ the change */

static qv_status write_rows(qv__merge_job *m, qv__snapshot *base, const outcome *o, qv__new_fragments *out,
                            qv_error *err)
{
    qv_status st = QV_OK;
    qv__stream *rows = NULL;
    qv__place *places = NULL;

    if (o->pairs.n + o->n_inserted == 0)
        return QV_OK;
    QV_CHECK(qv__merge_rows(m, base, &o->pairs, o->inserted, &rows, err));
    QV_CHECK(qv__write_fragments(m->table, base, rows, m->write, out, err));
    m->bytes = 0;
    for (size_t i = 0; i < out->n; i++)
        m->bytes += out->items[i].file.summary.size_bytes;
    if (o->pairs.n > 0 && qv__snapshot_has_stable_row_ids(base)) {
        QV_CHECK(QV_NEW(&places, o->pairs.n, err));
        for (size_t i = 0; i < o->pairs.n; i++)
            places[i] = o->pairs.items[i].target;
        QV_CHECK(qv__carry_lineage(base, places, o->pairs.n, out, err));
    }
done:
    qv__free(places);
    qv__stream_free(rows);
    return st;
}

/* Values of the source's columns change where rows are updated. */
static qv_status changed_fields(const qv__merge_job *m, const qv__snapshot *base, int32_t **ids, size_t *n,
                                qv_error *err)
{
    const qv__schema *stored = qv__snapshot_stored_schema(base);
    size_t capacity = 0;

    for (size_t i = 0; i < m->source.schema->n_fields; i++) {
        ptrdiff_t at = qv__schema_find(stored, m->source.schema->fields[i].name);
        QV_TRY(qv__collect_ids(&stored->fields[at], ids, n, &capacity, err));
    }
    return QV_OK;
}

static qv_status check_same_columns(const qv__merge_job *m, const qv__snapshot *base, qv_error *err)
{
    const qv__schema *table = qv__snapshot_schema(base), *source = m->source.schema;

    for (size_t i = 0; i < source->n_fields; i++) {
        ptrdiff_t at = qv__schema_find(table, source->fields[i].name);
        if (at < 0 || !qv__type_equal(table->fields[at].type, source->fields[i].type))
            return qv__fail(err, QV_CONFLICT, "column \"%.100s\" was changed by another writer",
                            source->fields[i].name);
    }
    return QV_OK;
}

typedef struct parts { /* what a change of a merge points to */
    outcome outcome;
    qv__new_fragments fragments;
    qv__row_deletion *deletions;
    int32_t *changed, *key_ids;
    uint64_t *hashes;
    qv__key_set keys;
} parts;

static void clear_parts(parts *p)
{
    clear_outcome(&p->outcome);
    qv__new_fragments_clear(&p->fragments);
    qv__free(p->deletions);
    qv__free(p->changed);
    qv__free(p->key_ids);
    qv__free(p->hashes);
}

/* Keys of other makers may be of types that have no digest; they cannot be enforced. */
static bool has_digests(const qv__merge_job *m, const qv__snapshot *base)
{
    const qv__schema *schema = qv__snapshot_schema(base);

    for (size_t k = 0; k < m->n_on; k++)
        if (qv__check_key_type(&schema->fields[qv__schema_find(schema, m->on[k])], NULL) != QV_OK)
            return false;
    return true;
}

static qv_status add_key_set(qv__merge_job *m, qv__snapshot *base, parts *p, qv__change *change, qv_error *err)
{
    bool primary, enforced;

    QV_TRY(is_primary(m, base, &p->key_ids, &primary, &enforced, err));
    QV_TRY(check_enforced(m, primary, enforced, err));
    if (!primary || !m->options->insert_unmatched || !has_digests(m, base))
        return QV_OK;
    m->refuse_repeats = enforced;
    QV_TRY(qv__merge_key_hashes(m, p->outcome.inserted, &p->hashes, &p->keys.n, err));
    p->keys.hashes = p->hashes;
    p->keys.field_ids = p->key_ids;
    p->keys.n_fields = m->n_on;
    change->inserted = &p->keys;
    return QV_OK;
}

static qv_status attempt(void *ctx, qv__snapshot *base, qv__snapshot **out, qv__commit_end *end, qv_error *err)
{
    qv__merge_job *m = ctx;
    qv_status st = QV_OK;
    parts p = { 0 };
    qv__change change = { .operation = m->refuse_matches ? QV_OP_APPEND : QV_OP_UPDATE, .fragments = &p.fragments };

    QV_CHECK(check_same_columns(m, base, err));
    QV_CHECK(work_out(m, base, &p.outcome, err));
    QV_CHECK(add_key_set(m, base, &p, &change, err));
    QV_CHECK(write_rows(m, base, &p.outcome, &p.fragments, err));
    if (!m->refuse_matches) {
        QV_CHECK(qv__matches_deletions(base, &p.outcome.deleted, &p.deletions, &change.n_deletions, err));
        QV_CHECK(changed_fields(m, base, &p.changed, &change.n_fields_modified, err));
        change.deletions = p.deletions;
        change.fields_modified = p.changed;
    }
    QV_CHECK(qv__commit(m->table, base, &change, m->job, out, end, err));
done:
    if (st != QV_OK && !end->committed)
        qv__new_fragments_discard(m->table, &p.fragments);
    clear_parts(&p);
    return st;
}

/* ------------------------------------------------------------------ the whole */

/* A stream whose owner keeps it. */
typedef struct borrowed {
    qv__stream stream;
    qv__stream *from;
} borrowed;

static qv_status borrowed_next(qv__stream *stream, qv__array **out, qv_error *err)
{
    borrowed *b = (borrowed *) stream;
    return b->from->next(b->from, out, err);
}

static void borrowed_destroy(qv__stream *stream)
{
    qv__schema_unref(stream->schema);
    qv__free(stream);
}

static qv_status borrow(qv__stream *from, qv__stream **out, qv_error *err)
{
    borrowed *b = NULL;

    QV_TRY(QV_NEW(&b, 1, err));
    b->stream = (qv__stream){ qv__schema_ref(from->schema), borrowed_next, borrowed_destroy };
    b->from = from;
    *out = &b->stream;
    return QV_OK;
}

/* A merge may lack non-null columns that it does not insert; conform would refuse that, so those it lacks are left out. */
static qv_status source_schema(const qv__merge_job *m, const qv__schema *table, const qv__schema *given,
                               qv__schema **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__field *fields = NULL; /* shallow: qv__schema_new copies */
    size_t n = 0;

    for (size_t i = 0; i < given->n_fields; i++)
        if (qv__schema_find(table, given->fields[i].name) < 0)
            return qv__fail(err, QV_INVALID, "Field '%.200s' not found in target schema", given->fields[i].name);
    QV_TRY(QV_NEW(&fields, QV_MAX(table->n_fields, 1), err));
    for (size_t i = 0; i < table->n_fields; i++) {
        const qv__field *field = &table->fields[i];
        if (qv__schema_find(given, field->name) >= 0)
            fields[n++] = *field;
        else if (!field->nullable && m->options->insert_unmatched)
            QV_CHECK(qv__fail(err, QV_SCHEMA, "column \"%.100s\" is missing and may not be null", field->name));
    }
    QV_CHECK(qv__schema_new(fields, n, NULL, out, err));
done:
    qv__free(fields);
    return st;
}

static qv_status read_source(qv__merge_job *m, qv__snapshot *base, qv__stream *source, qv_error *err)
{
    qv_status st = QV_OK;
    uint64_t limit = m->options->memory_limit_bytes ? m->options->memory_limit_bytes : UINT64_C(1) << 30;
    qv__schema *wanted = NULL;
    qv__stream *own = NULL, *conformed = NULL;

    QV_CHECK(check_key(m, qv__snapshot_schema(base), source->schema, err));
    QV_CHECK(source_schema(m, qv__snapshot_schema(base), source->schema, &wanted, err));
    QV_CHECK(borrow(source, &own, err));
    QV_CHECK(qv__stream_conform(own, wanted, QV_CAST_SQL, &conformed, err));
    QV_CHECK(qv__kept_read(m->table, conformed, limit, m->job, &m->source, err));
    QV_CHECK(QV_NEW(&m->key, m->n_on, err));
    for (size_t k = 0; k < m->n_on; k++)
        m->key[k] = (size_t) qv__schema_find(m->source.schema, m->on[k]);
done:
    qv__stream_free(conformed);
    qv__schema_unref(wanted);
    return st;
}

static qv_status run(qv__merge_job *m, qv__snapshot *base, qv__stream *source, qv__snapshot **out, qv_error *err)
{
    qv_status st = QV_OK;
    const char **names = NULL;
    bool enforced;

    QV_CHECK(check_clauses(m->options, err));
    QV_CHECK(resolve_key(m, base, &names, &enforced, err));
    QV_CHECK(read_source(m, base, source, err));
    QV_CHECK(qv__attempts(base, m->job, attempt, m, &m->counts.attempts, out, err));
    m->counts.version = qv__snapshot_version(*out);
done:
    if (st == QV_TIMEOUT)
        st = qv__fail_in(err, st, "merge insert timed out");
    qv__kept_clear(&m->source);
    qv__free(m->key);
    qv__free(names);
    return st;
}

qv_status qv__merge(qv__store *table, qv__snapshot *base, qv__stream *source, const qv_merge_options *options,
                    qv_merge_result *result, qv__snapshot **out, qv_error *err)
{
    qv__job job;
    qv__write_rows write = { .job = &job };
    qv__merge_job m = { .table = table, .options = options, .job = &job, .write = &write };

    qv__job_begin(&job, &options->job, "merge", 0);
    qv_status st = run(&m, base, source, out, err);
    qv__job_end(&job, st);
    if (st == QV_OK && result)
        *result = m.counts;
    return st;
}

qv_status qv__append_by_key(qv__store *table, qv__snapshot *base, qv__stream *source, const qv__write_rows *write,
                            qv_write_result *result, qv__snapshot **out, qv_error *err)
{
    qv_merge_options options = QV_MERGE_OPTIONS_INIT;
    qv__merge_job m = {
        .table = table, .options = &options, .job = write->job, .write = write, .refuse_matches = true
    };

    options.insert_unmatched = true;
    QV_TRY(run(&m, base, source, out, err));
    if (result)
        *result = (qv_write_result){ .version = m.counts.version, .rows = m.counts.rows_inserted, .bytes = m.bytes };
    return QV_OK;
}

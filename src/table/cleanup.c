/* Clean-up: old versions go, then the files that only they named.
 *
 *   1. versions are chosen: old enough, not among the newest, not named by a tag, a branch's beginning
 *   2. their manifests are removed, durably, and references are looked at again (cleanup_versions.c)
 *   3. the files of all versions that remain, and of all branches, are gathered; versions made meanwhile are among them
 *   4. files that none of these names are removed (cleanup_files.c)
 *
 * A version loses its manifest before it loses a file, so whatever a crash leaves can be read; what it leaves too much is
 * unnamed, and goes when it is 7 days old. A writer builds on the newest version, whose files stay, and its own new files are
 * young. A restore tags the version that it takes up for as long as it lasts. Snapshots of removed versions keep the files
 * that they have opened (they are mapped); others are missing, and the reader is told that the version was cleaned up. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "table/cleanup.h"

static qv_status clean(qv__cleaning *c, bool only_after_versions, qv_error *err)
{
    QV_TRY(qv__cleanup_versions(c, err));
    if (only_after_versions && !c->result.versions_removed)
        return QV_OK;
    QV_TRY(qv__cleanup_gather(c, err));
    return qv__cleanup_files(c, err);
}

static qv_status run(qv__store *root, qv__snapshot *newest, const qv_cleanup_options *options, bool only_after_versions,
                     qv__job *job, qv_cleanup_result *result, qv_error *err)
{
    qv__cleaning c = { .root = root,
                       .table = newest->table,
                       .branch = qv__snapshot_branch(newest),
                       .options = options,
                       .now_ns = qv__now_utc_ns(),
                       .job = job };

    QV_TRY(qv__flags_check_write(newest->manifest->head, err));
    qv__name_set_init(&c.dropped);
    qv__name_set_init(&c.kept);
    qv_status st = clean(&c, only_after_versions, err);
    qv__name_set_clear(&c.dropped);
    qv__name_set_clear(&c.kept);
    *result = c.result;
    return st;
}

qv_status qv__cleanup(qv__store *root, qv__snapshot *newest, const qv_cleanup_options *options, qv__job *job,
                      qv_cleanup_result *result, qv_error *err)
{
    return run(root, newest, options, false, job, result, err);
}

/* ------------------------------------------------------------------ after a commit, by the table's config */

static bool parse_count(const char *text, uint64_t *out)
{
    char *end;

    if (!text || *text < '0' || *text > '9')
        return false;
    *out = strtoull(text, &end, 10);
    return *end == 0;
}

/* "14days", "1h 30m": numbers with units, added up. */
static bool parse_age(const char *text, int64_t *seconds)
{
    static const struct {
        const char *names;
        int64_t seconds;
    } units[] = { { " s sec secs second seconds ", 1 }, { " m min mins minute minutes ", 60 },
                  { " h hr hrs hour hours ", 3600 },    { " d day days ", 86400 },
                  { " w week weeks ", 604800 },         { " M month months ", 2630016 },
                  { " y year years ", 31557600 },       { " ms msec millis millisecond milliseconds ", 0 } };
    int64_t total = 0;

    while (text && *text) {
        char unit_name[16], word[20];
        int len = 0;
        unsigned number;
        size_t unit = 0;
        if (sscanf(text, " %9u %15[A-Za-z]%n", &number, unit_name, &len) != 2)
            return false;
        snprintf(word, sizeof word, " %s ", unit_name);
        while (unit < QV_COUNT_OF(units) && !strstr(units[unit].names, word))
            unit++;
        if (unit == QV_COUNT_OF(units))
            return false;
        total += (int64_t) number * units[unit].seconds;
        text += len + (int) strspn(text + len, " ");
    }
    *seconds = total;
    return text != NULL;
}

void qv__auto_cleanup(qv__store *root, qv__snapshot *newest)
{
    const char *age = qv__snapshot_config(newest, "lance.auto_cleanup.older_than");
    const char *count = qv__snapshot_config(newest, "lance.auto_cleanup.retain_versions");
    qv_cleanup_options options = QV_CLEANUP_OPTIONS_INIT;
    qv_cleanup_result result;
    uint64_t interval;
    qv_error err;
    qv__job job;

    if (!parse_count(qv__snapshot_config(newest, "lance.auto_cleanup.interval"), &interval) ||
        (interval && qv__snapshot_version(newest) % interval != 0))
        return;
    bool known =
        (!age || parse_age(age, &options.older_than_s)) && (!count || parse_count(count, &options.retain_versions));
    if (count && !age)
        options.older_than_s = 0;
    if (!known) {
        qv__log(QV_LOG_WARNING, "%s: the config of automatic clean-up is not understood", qv__store_uri(root));
        return;
    }
    qv__job_begin(&job, NULL, "cleanup", 0);
    qv_status st = run(root, newest, &options, true, &job, &result, &err);
    qv__job_end(&job, st);
    if (st != QV_OK)
        qv__log(QV_LOG_WARNING, "%s: automatic clean-up failed: %s", qv__store_uri(root), err.message);
}

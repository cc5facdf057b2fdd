/* Versions by name: tags, branches, restore. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int parse_version(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text >= '1' && *text <= '9' && !*end ? EXIT_OK
                                                 : cli_complain(EXIT_USAGE, "\"%s\" is not a version number", text);
}

/* ---------------------------------------------------------------- tags */

static int list_tags(const cli *args, qv_table *table)
{
    qv_tags *tags = NULL;
    qv_error err;
    qv_status st = qv_table_tags(table, &tags, &err);

    if (st != QV_OK)
        return cli_fail(st, &err);
    for (size_t i = 0; i < tags->n; i++) {
        const qv_tag_info *tag = &tags->tags[i];
        if (args->json)
            cli_print_json(json_pack("{s:s, s:I, s:s?}", "tag", tag->name, "version", (json_int_t) tag->version,
                                     "branch", tag->branch));
        else
            printf("%-24s version %" PRIu64 "%s%s\n", tag->name, tag->version, tag->branch ? " of " : "",
                   tag->branch ? tag->branch : "");
    }
    qv_tags_free(tags);
    return EXIT_OK;
}

static int change_tag(const cli *args, qv_table *table, const char *verb, const char *tag, const char *number)
{
    uint64_t version = 0;
    qv_error err;
    int code = number ? parse_version(number, &version) : EXIT_OK;

    if (code != EXIT_OK)
        return code;
    qv_status st = strcmp(verb, "create") == 0 ? qv_table_tag_create(table, tag, version, &err)
                   : strcmp(verb, "move") == 0 ? qv_table_tag_update(table, tag, version, &err)
                                               : qv_table_tag_delete(table, tag, &err);
    if (st != QV_OK)
        return cli_fail(st, &err);
    if (strcmp(verb, "delete") != 0 && (st = qv_table_tag_version(table, tag, &version, &err)) != QV_OK)
        return cli_fail(st, &err);
    if (args->json)
        cli_print_json(json_pack("{s:s, s:I}", "tag", tag, "version", (json_int_t) version));
    return EXIT_OK;
}

int cli_tags(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    const char *verb = args->argc > 1 ? args->argv[1] : NULL;
    bool known = !verb || strcmp(verb, "create") == 0 || strcmp(verb, "move") == 0 || strcmp(verb, "delete") == 0;

    if (args->argc < 1 || !known || (verb && (args->argc < 3 || args->argc > 4)))
        return cli_complain(EXIT_USAGE, "quiver tags DB/TABLE [create TAG [N] | move TAG N | delete TAG]");
    int code = cli_open_table(args, args->argv[0], verb != NULL, &db, &table);
    if (code == EXIT_OK)
        code = verb ? change_tag(args, table, verb, args->argv[2], args->argc > 3 ? args->argv[3] : NULL)
                    : list_tags(args, table);
    cli_close(db, table);
    return code;
}

/* ---------------------------------------------------------------- branches */

static int list_branches(const cli *args, qv_table *table)
{
    qv_branches *branches = NULL;
    qv_error err;
    qv_status st = qv_table_branches(table, &branches, &err);

    if (st != QV_OK)
        return cli_fail(st, &err);
    for (size_t i = 0; i < branches->n; i++) {
        const qv_branch_info *b = &branches->branches[i];
        if (args->json)
            cli_print_json(json_pack("{s:s, s:s?, s:I}", "branch", b->name, "parent_branch", b->parent_branch,
                                     "parent_version", (json_int_t) b->parent_version));
        else
            printf("%-24s from version %" PRIu64 " of %s\n", b->name, b->parent_version,
                   b->parent_branch ? b->parent_branch : "main");
    }
    qv_branches_free(branches);
    return EXIT_OK;
}

int cli_branches(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    const char *verb = args->argc > 1 ? args->argv[1] : NULL;
    bool create = verb && strcmp(verb, "create") == 0, delete = verb && strcmp(verb, "delete") == 0;
    qv_status st = QV_OK;
    qv_error err;
    char name[256];

    if (args->argc < 1 || (verb && (args->argc != 3 || !(create || delete))))
        return cli_complain(EXIT_USAGE, "quiver branches DB/TABLE [create BRANCH | delete BRANCH]");
    int code = cli_open(args->argv[0], 0, verb != NULL, &db, &table, name, sizeof name);
    if (code == EXIT_OK && !table)
        code = cli_complain(EXIT_NOT_FOUND, "Table '%s' was not found", name);
    if (code == EXIT_OK && create)
        st = qv_table_branch_create(table, args->argv[2], args->branch, args->version, NULL, &err);
    else if (code == EXIT_OK && delete)
        st = qv_table_branch_delete(table, args->argv[2], &err);
    else if (code == EXIT_OK)
        code = list_branches(args, table);
    if (st != QV_OK)
        code = cli_fail(st, &err);
    cli_close(db, table);
    return code;
}

/* ---------------------------------------------------------------- restore */

int cli_restore(cli *args)
{
    qv_db *db = NULL;
    qv_table *table = NULL;
    uint64_t version = args->version;
    char name[256];
    qv_error err;

    if (args->argc != 1 || (!args->version && !args->tag))
        return cli_complain(EXIT_USAGE,
                            "restore needs a table and a version: quiver restore DB/TABLE --version-number N");
    int code = cli_open(args->argv[0], 0, true, &db, &table, name, sizeof name);
    if (code == EXIT_OK && !table)
        code = cli_complain(EXIT_NOT_FOUND, "Table '%s' was not found", name);
    if (code == EXIT_OK) {
        qv_status st = args->tag ? qv_table_tag_version(table, args->tag, &version, &err) : QV_OK;
        if (st == QV_OK)
            st = qv_table_restore(table, version, &err);
        if (st != QV_OK)
            code = cli_fail(st, &err);
        else if (args->json)
            cli_print_json(json_pack("{s:I, s:I}", "restored", (json_int_t) version, "version",
                                     (json_int_t) qv_table_version(table)));
        else
            printf("version %" PRIu64 " has the content of version %" PRIu64 "\n", qv_table_version(table), version);
    }
    cli_close(db, table);
    return code;
}

/* Options: parsed by one table, so that a new one is one line. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

typedef enum kind { TEXT, NUMBER, SMALL, FLAG, LIMIT, ROW, REFINE, VERSION, SET, HELP, ABOUT } kind;

static const struct {
    const char *name;
    kind kind;
    size_t at; /* in struct cli */
} table[] = {
    { "limit", LIMIT, 0 },
    { "offset", NUMBER, offsetof(cli, offset) },
    { "columns", TEXT, offsetof(cli, columns) },
    { "row-id", FLAG, offsetof(cli, with_row_id) },
    { "where", TEXT, offsetof(cli, where) },
    { "sql-filter", TEXT, offsetof(cli, where) },
    { "order-by", TEXT, offsetof(cli, order_by) },
    { "no-index", FLAG, offsetof(cli, no_index) },
    { "postfilter", FLAG, offsetof(cli, postfilter) },
    { "version-number", VERSION, 0 },
    { "tag", TEXT, offsetof(cli, tag) },
    { "branch", TEXT, offsetof(cli, branch) },
    { "json", FLAG, offsetof(cli, json) },
    { "vector", TEXT, offsetof(cli, vector) },
    { "row", ROW, 0 },
    { "column", TEXT, offsetof(cli, column) },
    { "metric", TEXT, offsetof(cli, metric) },
    { "mode", TEXT, offsetof(cli, mode) },
    { "format", TEXT, offsetof(cli, format) },
    { "compression", TEXT, offsetof(cli, compression) },
    { "file-version", TEXT, offsetof(cli, file_version) },
    { "analyze", FLAG, offsetof(cli, analyze) },
    { "set", SET, 0 },
    { "on", TEXT, offsetof(cli, on) },
    { "update", FLAG, offsetof(cli, update) },
    { "update-if", TEXT, offsetof(cli, update_if) },
    { "insert", FLAG, offsetof(cli, insert) },
    { "delete-missing", FLAG, offsetof(cli, delete_missing) },
    { "delete-if", TEXT, offsetof(cli, delete_if) },
    { "name", TEXT, offsetof(cli, name) },
    { "kind", TEXT, offsetof(cli, kind) },
    { "path", TEXT, offsetof(cli, path) },
    { "zone-rows", NUMBER, offsetof(cli, zone_rows) },
    { "keep", FLAG, offsetof(cli, keep) },
    { "partitions", SMALL, offsetof(cli, partitions) },
    { "partition-rows", NUMBER, offsetof(cli, partition_rows) },
    { "sub-vectors", SMALL, offsetof(cli, sub_vectors) },
    { "bits", SMALL, offsetof(cli, bits) },
    { "iterations", SMALL, offsetof(cli, iterations) },
    { "sample-rate", SMALL, offsetof(cli, sample_rate) },
    { "neighbours", SMALL, offsetof(cli, neighbours) },
    { "ef-construction", SMALL, offsetof(cli, ef_construction) },
    { "seed", NUMBER, offsetof(cli, seed) },
    { "no-train", FLAG, offsetof(cli, untrained) },
    { "index", TEXT, offsetof(cli, index) },
    { "exact", FLAG, offsetof(cli, exact) },
    { "fast-search", FLAG, offsetof(cli, fast_search) },
    { "nprobes", SMALL, offsetof(cli, nprobes) },
    { "max-nprobes", SMALL, offsetof(cli, max_nprobes) },
    { "ef", SMALL, offsetof(cli, ef) },
    { "refine", REFINE, 0 },
    { "approx", TEXT, offsetof(cli, approx) },
    { "prefix-dims", SMALL, offsetof(cli, prefix_dims) },
    { "binary", FLAG, offsetof(cli, binary) },
    { "stage-factor", SMALL, offsetof(cli, stage_factor) },
    { "queries", SMALL, offsetof(cli, queries) },
    { "plot", TEXT, offsetof(cli, plot) },
    { "older-than", TEXT, offsetof(cli, older_than) },
    { "retain", NUMBER, offsetof(cli, retain) },
    { "quiet", FLAG, offsetof(cli, quiet) },
    { "help", HELP, 0 },
    { "version", ABOUT, 0 },
};

enum { N_OPTIONS = sizeof table / sizeof table[0], FIRST = 1000 };

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static int not_a_number(void)
{
    return cli_complain(EXIT_USAGE, "\"%s\" is not a number that this option takes", optarg);
}

static int take_limit(cli *args)
{
    args->has_limit = parse_number(optarg, &args->limit) && args->limit <= UINT32_MAX;
    return args->has_limit ? -1 : not_a_number();
}

static bool parse_small(const char *text, uint32_t *out)
{
    uint64_t number;
    bool fits = parse_number(text, &number) && number <= UINT32_MAX;

    *out = fits ? (uint32_t) number : 0;
    return fits;
}

static int take(cli *args, size_t option, const char *help)
{
    char *at = (char *) args + table[option].at;

    switch (table[option].kind) {
    case TEXT:
        *(const char **) (void *) at = optarg;
        return -1;
    case NUMBER:
        return parse_number(optarg, (uint64_t *) (void *) at) ? -1 : not_a_number();
    case SMALL:
        return parse_small(optarg, (uint32_t *) (void *) at) ? -1 : not_a_number();
    case FLAG:
        *(bool *) at = true;
        return -1;
    case LIMIT:
        return take_limit(args);
    case ROW:
        args->has_row = parse_number(optarg, &args->row);
        return args->has_row ? -1 : not_a_number();
    case REFINE:
        args->has_refine = parse_small(optarg, &args->refine);
        return args->has_refine ? -1 : not_a_number();
    case VERSION:
        return parse_number(optarg, &args->version) && args->version ? -1 : not_a_number();
    case SET:
        if (args->n_set == sizeof args->set / sizeof args->set[0])
            return cli_complain(EXIT_USAGE, "more than %zu times --set", args->n_set);
        args->set[args->n_set++] = optarg;
        return -1;
    case HELP:
        fputs(help, stdout);
        return EXIT_OK;
    case ABOUT:
        printf("quiver %s (%s)\n", qv_version(), qv_simd_level());
        return EXIT_OK;
    }
    return EXIT_USAGE;
}

int cli_take_options(int argc, char **argv, const char *help, cli *args)
{
    struct option options[N_OPTIONS + 1] = { { 0 } };

    for (size_t i = 0; i < N_OPTIONS; i++) {
        bool bare = table[i].kind == FLAG || table[i].kind == HELP || table[i].kind == ABOUT;
        options[i] = (struct option){ table[i].name, bare ? no_argument : required_argument, NULL, FIRST + (int) i };
    }
    for (int option; (option = getopt_long(argc, argv, "n:k:", options, NULL)) != -1;) {
        int code = option >= FIRST                  ? take(args, (size_t) (option - FIRST), help)
                   : option == 'n' || option == 'k' ? take_limit(args)
                                                    : EXIT_USAGE; /* getopt has told */
        if (code >= 0)
            return code;
    }
    return -1;
}

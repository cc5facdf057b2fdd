/* quiver: the command line. Finds the command, takes the options out of its arguments, runs it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static const char help_text[] =
    "quiver: tables of vectors in the Lance format\n"
    "\n"
    "  quiver import DB/TABLE FILE...    rows of csv, jsonl, arrow, parquet, npy, fvecs, bvecs files\n"
    "  quiver ls DB                      the tables of a database\n"
    "  quiver info DB/TABLE              columns, rows, version\n"
    "  quiver head DB/TABLE              the first rows\n"
    "  quiver search DB/TABLE            the nearest rows of a vector, exactly\n"
    "  quiver export DB/TABLE FILE       rows into csv, jsonl, arrow, parquet\n"
    "  quiver versions DB/TABLE          the table's history\n"
    "  quiver verify DB/TABLE            checks every byte that can be checked\n"
    "  quiver dump DB/TABLE [FILE]       the structure of the table, or of one data file, as JSON\n"
    "\n"
    "Options\n"
    "  -n, -k, --limit N      rows (head and search: 10)     --offset N        skip the first N\n"
    "  --columns A,B          only these columns             --row-id          add the column _rowid\n"
    "  --version-number N     an older version               --json            one JSON value per line\n"
    "  --vector X             import: the vector column; search: the query, like '[1, 2.5]'\n"
    "  --row N                search: by the vector of row N --column C        search: in this vector column\n"
    "  --metric M             l2 (default), cosine, dot, hamming, jaccard\n"
    "  --mode M               import: append (default), create, overwrite\n"
    "  --format F             the file's kind, if its name does not tell\n"
    "  --compression C        import: default, none, small   --file-version V  2.2 (default), 2.1, 2.0\n"
    "  --quiet                no progress                    --help, --version\n"
    "\n"
    "Examples\n"
    "  quiver import db/points points.csv --vector embedding\n"
    "  quiver import db/sift base.fvecs && quiver search db/sift --row 0 -k 5\n"
    "  quiver search db/points --vector '[0.1, 0.9]' --metric cosine --columns id,title --json\n"
    "  quiver export db/points points.parquet\n"
    "  quiver verify db/points && echo sound\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 bad input data, 5 storage failed,\n"
    "6 corrupt (verify found problems), 7 not supported, 130 interrupted\n";

static const struct {
    const char *name;
    cli_command run;
} commands[] = { { "import", cli_import },     { "ls", cli_ls },         { "info", cli_info },
                 { "head", cli_head },         { "search", cli_search }, { "export", cli_export },
                 { "versions", cli_versions }, { "verify", cli_verify }, { "dump", cli_dump } };

enum {
    OPT_OFFSET = 1000,
    OPT_COLUMNS,
    OPT_ROW_ID,
    OPT_VERSION_NUMBER,
    OPT_JSON,
    OPT_VECTOR,
    OPT_ROW,
    OPT_COLUMN,
    OPT_METRIC,
    OPT_MODE,
    OPT_FORMAT,
    OPT_COMPRESSION,
    OPT_FILE_VERSION,
    OPT_QUIET,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = { { "limit", required_argument, NULL, 'n' },
                                              { "offset", required_argument, NULL, OPT_OFFSET },
                                              { "columns", required_argument, NULL, OPT_COLUMNS },
                                              { "row-id", no_argument, NULL, OPT_ROW_ID },
                                              { "version-number", required_argument, NULL, OPT_VERSION_NUMBER },
                                              { "json", no_argument, NULL, OPT_JSON },
                                              { "vector", required_argument, NULL, OPT_VECTOR },
                                              { "row", required_argument, NULL, OPT_ROW },
                                              { "column", required_argument, NULL, OPT_COLUMN },
                                              { "metric", required_argument, NULL, OPT_METRIC },
                                              { "mode", required_argument, NULL, OPT_MODE },
                                              { "format", required_argument, NULL, OPT_FORMAT },
                                              { "compression", required_argument, NULL, OPT_COMPRESSION },
                                              { "file-version", required_argument, NULL, OPT_FILE_VERSION },
                                              { "quiet", no_argument, NULL, OPT_QUIET },
                                              { "help", no_argument, NULL, OPT_HELP },
                                              { "version", no_argument, NULL, OPT_VERSION },
                                              { NULL, 0, NULL, 0 } };

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* One option into `args`; an exit code, or -1 to go on. */
static int take_option(cli *args, int option)
{
    bool good = true;

    switch (option) {
    case 'n':
    case 'k':
        good = args->has_limit = parse_number(optarg, &args->limit);
        good = good && args->limit <= UINT32_MAX;
        break;
    case OPT_OFFSET:
        good = parse_number(optarg, &args->offset);
        break;
    case OPT_VERSION_NUMBER:
        good = parse_number(optarg, &args->version) && args->version;
        break;
    case OPT_ROW:
        good = args->has_row = parse_number(optarg, &args->row);
        break;
    case OPT_COLUMNS:
        args->columns = optarg;
        break;
    case OPT_ROW_ID:
        args->with_row_id = true;
        break;
    case OPT_JSON:
        args->json = true;
        break;
    case OPT_VECTOR:
        args->vector = optarg;
        break;
    case OPT_METRIC:
        args->metric = optarg;
        break;
    case OPT_MODE:
        args->mode = optarg;
        break;
    case OPT_COLUMN:
        args->column = optarg;
        break;
    case OPT_FORMAT:
        args->format = optarg;
        break;
    case OPT_COMPRESSION:
        args->compression = optarg;
        break;
    case OPT_FILE_VERSION:
        args->file_version = optarg;
        break;
    case OPT_QUIET:
        args->quiet = true;
        break;
    case OPT_HELP:
        fputs(help_text, stdout);
        return EXIT_OK;
    case OPT_VERSION:
        printf("quiver %s (%s)\n", qv_version(), qv_simd_level());
        return EXIT_OK;
    default:
        return EXIT_USAGE; /* getopt has told */
    }
    return good ? -1 : cli_complain(EXIT_USAGE, "\"%s\" is not a number that this option takes", optarg);
}

int main(int argc, char **argv)
{
    cli args = { 0 };

    for (int option; (option = getopt_long(argc, argv, "n:k:", long_options, NULL)) != -1;) {
        int code = take_option(&args, option);
        if (code >= 0)
            return code;
    }
    if (optind >= argc) {
        fputs(help_text, stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[optind++];
    args.argc = argc - optind;
    args.argv = argv + optind;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(&args);
    return cli_complain(EXIT_USAGE, "unknown command \"%s\"; `quiver --help` lists them", name);
}

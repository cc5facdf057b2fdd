/* quiver: the command line. Finds the command, takes the options out of its arguments, runs it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

static const char help_text[] =
    "quiver: tables of vectors in the Lance format\n"
    "\n"
    "Rows in and out\n"
    "  quiver import DB/TABLE FILE...    rows of csv, jsonl, arrow, parquet, npy, fvecs, bvecs files\n"
    "  quiver export DB/TABLE FILE       rows into csv, jsonl, arrow, parquet\n"
    "  quiver head DB/TABLE              the first rows\n"
    "  quiver count DB/TABLE             how many rows\n"
    "  quiver search DB/TABLE            the nearest rows of a vector\n"
    "  quiver explain DB/TABLE           the plan of head or search; --analyze runs it\n"
    "Changes\n"
    "  quiver update DB/TABLE --set C=EXPR [--where SQL]\n"
    "  quiver delete DB/TABLE --where SQL\n"
    "  quiver merge DB/TABLE FILE --on A,B [--update] [--insert] [--delete-missing]\n"
    "  quiver columns DB/TABLE [add C=EXPR | drop C | rename C NEW | cast C TYPE | require C | allow-null C]\n"
    "Versions\n"
    "  quiver versions DB/TABLE          the table's history\n"
    "  quiver restore DB/TABLE --version-number N (or --tag T)\n"
    "  quiver tags DB/TABLE [create T [N] | move T N | delete T]\n"
    "  quiver branches DB/TABLE [create B | delete B]\n"
    "Care\n"
    "  quiver ls DB                      the tables of a database\n"
    "  quiver info DB/TABLE              columns, rows, version\n"
    "  quiver index DB/TABLE [create C --kind K | drop NAME | stats NAME]\n"
    "  quiver bench DB/TABLE             recall and speed of a vector index on the table's own rows\n"
    "  quiver optimize DB/TABLE          merges small files, extends indexes, removes old versions\n"
    "  quiver verify DB/TABLE            checks every byte that can be checked\n"
    "  quiver dump DB/TABLE [FILE]       the structure of the table, or of one data file, as JSON\n"
    "\n"
    "Which rows and columns\n"
    "  -n, -k, --limit N      rows (head and search: 10)     --offset N        skip the first N\n"
    "  --where SQL            only these rows                --order-by A,-B   sorted; - is descending\n"
    "  --columns A,B          only these columns             --row-id          add the column _rowid\n"
    "  --version-number N, --tag T, --branch B   an older version, or another line of them\n"
    "  --no-index             answer the condition by reading\n"
    "Search\n"
    "  --vector X             the query, like '[1, 2.5]'     --row N           by the vector of row N\n"
    "  --metric M             l2 (default), cosine, dot, hamming, jaccard\n"
    "  --column C             in this vector column          --postfilter      condition after the search\n"
    "  --nprobes N, --max-nprobes N, --ef N   how much of the index is read; not set: chosen\n"
    "  --refine N             N times k candidates are measured; 0: none, not set: as many as it takes\n"
    "  --index NAME           this index                     --exact           none\n"
    "  --approx M             normal, fast, accurate         --fast-search     only rows that indexes cover\n"
    "  --prefix-dims N, --binary, --stage-factor N   two stages without an index: first values, or signs, choose "
    "candidates\n"
    "Import and merge\n"
    "  --vector C             the vector column              --format F        the file's kind\n"
    "  --mode M               append (default), create, overwrite\n"
    "  --compression C        default, none, small           --file-version V  2.2 (default), 2.1, 2.0\n"
    "  --update-if SQL        over source.x and target.x     --delete-if SQL   only those of the missing\n"
    "Index\n"
    "  --kind K               btree, bitmap, label_list, ngram, zonemap, bloomfilter, json; of vectors: vector "
    "(chosen),\n"
    "                         ivf_flat, ivf_sq, ivf_pq, ivf_rq, ivf_hnsw_flat, ivf_hnsw_sq, ivf_hnsw_pq\n"
    "  --name N, --path P (json), --zone-rows N, --keep (do not replace), --no-train (optimize fills it)\n"
    "  --metric M, --partitions N or --partition-rows N, --sub-vectors N, --bits N, --iterations N, --sample-rate N,\n"
    "  --neighbours N, --ef-construction N, --seed N: of vectors; not set: chosen\n"
    "Bench\n"
    "  --queries N            rows that are searched for (200)   --plot F.svg    a picture of recall against speed\n"
    "Optimize\n"
    "  --older-than 7d        age of the versions that go    --retain N        keep N versions\n"
    "All\n"
    "  --json                 one JSON value per line        --quiet           no progress\n"
    "  --help, --version\n"
    "\n"
    "Examples\n"
    "  quiver import db/points points.csv --vector embedding\n"
    "  quiver search db/points --vector '[0.1, 0.9]' --where \"price < 10\" --columns id,title --json\n"
    "  quiver index db/points create id --kind btree && quiver head db/points --where 'id = 17'\n"
    "  quiver update db/points --set \"title=upper(title)\" --where 'id > 100'\n"
    "  quiver tags db/points create before-the-change && quiver head db/points --tag before-the-change\n"
    "  quiver index db/points create embedding --kind ivf_pq --metric cosine && quiver bench db/points -k 10\n"
    "  quiver verify db/points && echo sound\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 bad input data, 5 storage failed,\n"
    "6 corrupt (verify found problems), 7 not supported, 130 interrupted\n";

static const struct {
    const char *name;
    cli_command run;
} commands[] = {
    { "import", cli_import },     { "ls", cli_ls },           { "info", cli_info },       { "head", cli_head },
    { "count", cli_count },       { "search", cli_search },   { "explain", cli_explain }, { "export", cli_export },
    { "update", cli_update },     { "delete", cli_delete },   { "merge", cli_merge },     { "columns", cli_columns },
    { "versions", cli_versions }, { "restore", cli_restore }, { "tags", cli_tags },       { "branches", cli_branches },
    { "optimize", cli_optimize }, { "index", cli_index },     { "bench", cli_bench },     { "verify", cli_verify },
    { "dump", cli_dump }
};

int main(int argc, char **argv)
{
    cli args = { 0 };
    int code = cli_take_options(argc, argv, help_text, &args);

    if (code >= 0)
        return code;
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

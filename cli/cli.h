/* The command line: one file per command, all of them customers of the public header. */
#ifndef QUIVER_CLI_H
#define QUIVER_CLI_H

#include <jansson.h>
#include <quiver/quiver.h>

/* Exit codes, also in `quiver --help`. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* anything without a number of its own */
    EXIT_USAGE = 2,       /* unknown command or option, missing argument */
    EXIT_NOT_FOUND = 3,   /* no such database, table, version, column or file */
    EXIT_BAD_DATA = 4,    /* the input does not parse, or does not fit the table */
    EXIT_IO = 5,          /* storage failed */
    EXIT_CORRUPT = 6,     /* `verify` found a broken invariant, or a file failed a check */
    EXIT_UNSUPPORTED = 7, /* the table or file needs a newer Quiver */
    EXIT_INTERRUPTED = 130
};

/* What every command gets: its arguments after the options were taken out, and the common options. */
typedef struct cli {
    int argc;
    char **argv;         /* positional arguments */
    bool json;           /* --json */
    bool quiet;          /* --quiet, or output to a pipe: no progress */
    const char *columns; /* --columns a,b */
    const char *vector;  /* --vector */
    const char *metric;  /* --metric */
    const char *format;  /* --format */
    const char *column;  /* --column */
    const char *mode;    /* --mode */
    const char *file_version;
    const char *compression;
    uint64_t limit; /* -n, -k */
    bool has_limit;
    uint64_t offset;
    uint64_t version;
    uint64_t row; /* --row: search by the vector of a row */
    bool has_row;
    bool with_row_id;
    const char *where;    /* --where */
    const char *order_by; /* --order-by a,-b */
    const char *tag;      /* --tag */
    const char *branch;   /* --branch */
    const char *on;       /* --on a,b */
    const char *name;     /* --name */
    const char *kind;     /* --kind */
    const char *path;     /* --path: of a JSON index */
    const char *older_than;
    const char *update_if;
    const char *delete_if;
    const char *set[64]; /* --set column=expression, as often as needed */
    size_t n_set;
    uint64_t retain, zone_rows;
    const char *index;  /* --index: the vector index to search */
    const char *approx; /* --approx normal, fast, accurate */
    const char *plot;   /* --plot FILE.svg */
    uint64_t partition_rows, seed;
    uint32_t partitions, sub_vectors, bits, iterations, sample_rate, neighbours, ef_construction;
    uint32_t nprobes, max_nprobes, ef, refine, queries, prefix_dims, stage_factor;
    bool has_refine; /* --refine 0: distances as the index estimates them */
    bool untrained, exact, fast_search, binary;
    bool no_index, postfilter, analyze, update, insert, delete_missing, keep;
} cli;

typedef int (*cli_command)(cli *args);
int cli_import(cli *args);
int cli_ls(cli *args);
int cli_info(cli *args);
int cli_head(cli *args);
int cli_search(cli *args);
int cli_export(cli *args);
int cli_versions(cli *args);
int cli_verify(cli *args);
int cli_dump(cli *args);
int cli_count(cli *args);
int cli_explain(cli *args);
int cli_delete(cli *args);
int cli_update(cli *args);
int cli_merge(cli *args);
int cli_columns(cli *args);
int cli_tags(cli *args);
int cli_branches(cli *args);
int cli_restore(cli *args);
int cli_optimize(cli *args);
int cli_index(cli *args);
int cli_bench(cli *args);

/* --- common.c: failing, opening, progress --- */
int cli_fail(qv_status status, const qv_error *err); /* prints the message; the exit code */
int cli_complain(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "db/table" or "db/table.lance" -> handles; an exit code. `create`: the table need not exist (then *table is NULL). */
int cli_open(const char *path, uint64_t version, bool create, qv_db **db, qv_table **table, char *name,
             size_t name_len);
/* The same with the version, tag or branch that the options name, for reading or for writing. */
int cli_open_table(const cli *args, const char *path, bool for_writing, qv_db **db, qv_table **table);
void cli_close(qv_db *db, qv_table *table);
/* What reads share: columns, rows, order, condition. Free with cli_scan_free. */
void cli_scan_options(const cli *args, uint64_t default_limit, qv_scan_options *out);
void cli_scan_free(qv_scan_options *options);
qv_job cli_job(const cli *args, const char *what); /* progress on a terminal, and Ctrl-C */
void cli_job_done(void);                           /* ends the progress line */
/* "a,b" -> list in one block; free() it. NULL for NULL. */
const char **cli_split(const char *text, size_t *n);
/* "a,-b" -> keys and their names in one block; free() it. NULL for NULL. */
qv_order *cli_order(const char *text, size_t *n);
void cli_print_json(json_t *value); /* takes it; one line */

/* --- search.c: what the options say about a search; an exit code --- */
int cli_metric(const char *text, qv_metric *out); /* text NULL: leaves *out */
int cli_search_options(const cli *args, qv_search_options *out);

/* --- plot.c: recall against speed, as text and as a picture --- */
typedef struct cli_point {
    const char *line; /* points of one line are joined */
    char label[32];
    double recall, rate; /* share; searches per second */
} cli_point;
void cli_plot_text(const cli_point *points, size_t n, void *file);
int cli_plot_svg(const cli_point *points, size_t n, const char *title, const char *path); /* an exit code */

/* --- import.c: the rows of a file of any kind; an exit code --- */
int cli_open_rows(const cli *args, const char *path, struct ArrowArrayStream *out);

/* --- values.c: Arrow values as JSON --- */
json_t *cli_value(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t i); /* new reference */
char *cli_type_name(const struct ArrowSchema *schema, char *buf, size_t len); /* "fixed_size_list<float>[4]" */

/* --- rows.c: a stream as a text table, JSON lines or CSV; takes the stream; an exit code --- */
typedef enum cli_style { CLI_TABLE, CLI_JSONL, CLI_CSV } cli_style;
int cli_print_rows(struct ArrowArrayStream *stream, cli_style style, void *file);

/* --- build.c: JSON values -> Arrow stream --- */
typedef struct shape shape; /* what the values of a column look like */
struct shape {
    enum { SHAPE_NULL, SHAPE_BOOL, SHAPE_INT, SHAPE_FLOAT, SHAPE_STRING, SHAPE_LIST, SHAPE_STRUCT, SHAPE_VECTOR } kind;
    size_t dim;   /* vector */
    size_t n;     /* children */
    char **names; /* struct */
    shape **children;
};
void shape_free(shape *self);
/* Widens `self` (NULL: nothing seen yet) so that `value` fits; NULL when they cannot meet (`why` tells). */
shape *shape_learn(shape *self, json_t *value, char *why, size_t why_len);
/* Makes list-of-number columns named `vector` (or, without a name, like a vector) fixed-size lists. */
int shape_find_vectors(shape *row, const char *vector, json_t *sample_rows);

/* Yields rows as JSON objects; NULL at the end or on error (then *failed is set and a message was printed). */
typedef struct row_source {
    json_t *(*next)(struct row_source *self, bool *failed);
    void (*close)(struct row_source *self);
    uint64_t line; /* of the last row */
} row_source;
row_source *cli_open_jsonl(const char *path);
row_source *cli_open_csv(const char *path);
/* Takes the source. Samples it, learns the shape, and gives a stream of batches. */
int cli_stream_rows(row_source *source, const char *vector, const char *path, struct ArrowArrayStream *out);

/* --- vector files --- */
int cli_stream_npy(const char *path, const char *vector, struct ArrowArrayStream *out);
int cli_stream_vecs(const char *path, const char *vector, struct ArrowArrayStream *out);
/* Parquet through pyarrow or DuckDB of the machine's python3: an IPC file in $TMPDIR, removed when the stream ends. */
int cli_stream_parquet(const char *path, struct ArrowArrayStream *out);
int cli_export_parquet(const char *ipc_path, const char *path);

#endif

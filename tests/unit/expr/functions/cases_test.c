/* Every line of tests/data/sql/<group>.txt: an expression, a tab, its type, and a tab-separated text of each row's value; or an
 * expression, a tab, '!', and a part of the error's message. The rows are those of rows.arrow. With QVT_PRINT=1 the lines are
 * printed anew (tests/data/sql/README.md). Each expression is also run with every allocation failing in turn. */
#include <dirent.h>

#include "arrow/ipc/ipc.h"
#include "base/alloc.h"
#include "expr/expr.h"
#include "expr/function.h"
#include "qvt.h"
#include "qvt_arrays.h"
#include "qvt_trial.h"

enum { MOST_LINE = 8192, MOST_ROWS = 16 };

static qv_error err;
static qv__stream *stream;
static qv__array *rows;
static qv__buffer now; /* the line as it is today */

static qv__bytes read_all(const char *path)
{
    qv__bytes bytes = { 0 };
    uint8_t *to;
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t n = (size_t) ftell(file);
    rewind(file);
    QVT_OK(qv__bytes_new(n, &bytes, &to, &err));
    assert_int_equal(fread(to, 1, n, file), n);
    fclose(file);
    return bytes;
}

static int open_rows(void **state)
{
    qv__bytes bytes = read_all(QVT_SOURCE_DIR "/tests/data/sql/rows.arrow");

    (void) state;
    qv__buffer_init(&now, SIZE_MAX);
    QVT_OK(qv__ipc_open(bytes, &stream, &err));
    QVT_OK(stream->next(stream, &rows, &err));
    qv__bytes_unref(&bytes);
    return 0;
}

static int close_rows(void **state)
{
    (void) state;
    qv__array_unref(rows);
    qv__stream_free(stream);
    return 0;
}

static qv_status evaluate(const char *sql, qv__array **out, qv_error *e)
{
    qv__program *program = NULL;
    qv__array *columns[MOST_ROWS];
    qv_status st = qv__program_compile(sql, stream->schema, &program, e);

    if (st != QV_OK)
        return st;
    for (size_t k = 0; k < program->n_columns; k++)
        columns[k] = rows->children[program->columns[k].top];
    st = qv__program_eval(program, columns, (size_t) rows->length, NULL, out, e);
    qv__program_unref(program);
    return st;
}

static void put(const char *text) { QVT_OK(qv__buffer_append(&now, text, strlen(text), &err)); }

/* Without tabs and line ends. */
static void put_value(const char *value)
{
    for (; *value; value++) {
        char one[8];
        snprintf(one, sizeof one, (uint8_t) *value < 0x20 ? "\\%02x" : "%c", *value);
        put(one);
    }
}

/* The error without the place in the text, which the evaluator puts before it. */
static const char *shown_error(void)
{
    const char *column = strstr(err.message, "Column: "), *end = column ? strchr(column + 8, ' ') : NULL;

    return end ? end + 1 : err.message;
}

static void print_line(const char *sql, bool *failed)
{
    char type[256];
    qv__array *value = NULL;

    *failed = evaluate(sql, &value, &err) != QV_OK;
    now.len = 0;
    put(sql);
    put(*failed ? "\t!\t" : "\t");
    put_value(*failed ? shown_error() : qv__type_print(value->type, type, sizeof type));
    for (int64_t i = 0; !*failed && i < value->length; i++) {
        put("\t");
        put_value(qvt_value_text(value, i));
    }
    if (!*failed)
        qvt_check_layout(value);
    qv__array_unref(value);
}

/* The trial of one expression. */
static void prepare(void *ctx) { (void) ctx; }

static qv_status act(void *ctx, qv_error *e)
{
    qv__array *value = NULL;
    qv_status st = evaluate(ctx, &value, e);

    qv__array_unref(value);
    return st;
}

static void check(void *ctx, qv_status st)
{
    (void) ctx;
    (void) st;
}

static size_t n_bad;

static void run_line(char *line, bool print)
{
    char sql[MOST_LINE], *tab = strchr(line, '\t');
    bool failed;

    memcpy(sql, line, strlen(line) + 1);
    if (tab)
        sql[tab - line] = 0;
    print_line(sql, &failed);
    if (print) {
        printf("%.*s\n", (int) now.len, (const char *) now.data);
        return;
    }
    if (now.len != strlen(line) || memcmp(now.data, line, now.len) != 0) {
        print_error("expected %s\n     got %.*s\n", line, (int) now.len, (const char *) now.data);
        n_bad++;
    }
    qv__buffer_free(&now); /* what a trial leaves is counted */
    if (!failed)
        qvt_fail_each(QVT_ALLOC, &(qvt_trial){ .prepare = prepare, .act = act, .check = check }, sql);
}

static void run_file(const char *path, bool print)
{
    char line[MOST_LINE];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0])
            run_line(line, print);
    }
    fclose(file);
}

static void all_cases(void **state)
{
    static const char folder[] = QVT_SOURCE_DIR "/tests/data/sql";
    const char *print = getenv("QVT_PRINT");
    struct dirent *entry;
    char path[1024];
    DIR *dir = opendir(folder);
    size_t n = 0;

    (void) state;
    assert_non_null(dir);
    if (print) {
        run_file(print, true);
        closedir(dir);
        return;
    }
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 4, ".txt") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        run_file(path, false);
        n++;
    }
    closedir(dir);
    assert_true(n >= 8);
    assert_int_equal(n_bad, 0);
}

/* Each function of the table stands in a case. */
static void every_function_has_cases(void **state)
{
    static const qv__function_group *const groups[] = { &qv__string_functions, &qv__number_functions,
                                                        &qv__date_functions,   &qv__list_functions,
                                                        &qv__json_functions,   &qv__regexp_functions,
                                                        &qv__hash_functions,   &qv__conditional_functions,
                                                        &qv__struct_functions };
    size_t n_missing = 0;

    (void) state;
    for (size_t g = 0; g < QV_COUNT_OF(groups); g++) {
        char path[1024], call[128];
        snprintf(path, sizeof path, QVT_SOURCE_DIR "/tests/data/sql/%s.txt", groups[g]->functions[0].group);
        qv__bytes text = read_all(path);
        for (size_t k = 0; k < groups[g]->n; k++) {
            snprintf(call, sizeof call, "%s(", groups[g]->functions[k].name);
            if (!memmem(text.data, text.len, call, strlen(call))) {
                print_error("no case of %s in %s\n", call, path);
                n_missing++;
            }
        }
        qv__bytes_unref(&text);
    }
    assert_int_equal(n_missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cases),
        cmocka_unit_test(every_function_has_cases),
    };

    return cmocka_run_group_tests(tests, open_rows, close_rows);
}

/* Bytes -> a data file in memory -> open, verify, describe, read every column. The first byte chooses: the rest is the file, or the
 * rest are patches to one of the golden files, so that the interesting depths are reached at once. A patch overwrites a few bytes;
 * half of them go to the metadata at the end of the file.
 *
 * Nothing may be read outside the file, nothing leaked, and what is read must be sound Arrow, UTF-8 aside. A file that verifies
 * must read, and rows taken must be the rows of the whole. */
#include "fuzz.h"

#include <dirent.h>

#include "arrow/compute/compute.h"
#include "arrow/validate.h"
#include "file/file.h"
#include "io/store.h"

#define MOST_BASES 64
#define MOST_ROWS  3000

typedef struct base_file {
    char name[256];
    uint8_t *bytes;
    size_t len;
} base_file;

static base_file bases[MOST_BASES];
static size_t n_bases;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const base_file *) a)->name, ((const base_file *) b)->name);
}

static void load_base(const char *folder, const char *name)
{
    char path[4096];
    base_file *base = &bases[n_bases];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file);
    fseek(file, 0, SEEK_END);
    base->len = (size_t) ftell(file);
    rewind(file);
    base->bytes = malloc(base->len);
    FUZZ_CHECK(base->bytes && fread(base->bytes, 1, base->len, file) == base->len);
    fclose(file);
    snprintf(base->name, sizeof base->name, "%s", name);
    n_bases++;
}

static void load_bases(void)
{
    const char *folder = QVT_SOURCE_DIR "/tests/golden/file";
    DIR *dir = opendir(folder);

    FUZZ_CHECK(dir);
    for (struct dirent *entry; (entry = readdir(dir)) && n_bases < MOST_BASES;)
        if (strstr(entry->d_name, ".lance"))
            load_base(folder, entry->d_name);
    closedir(dir);
    FUZZ_CHECK(n_bases > 0);
    qsort(bases, n_bases, sizeof *bases, by_name);
    qv_set_memory_limit((size_t) 256 << 20);
}

static void patch(fuzz_reader *in, uint8_t *bytes, size_t len)
{
    while (in->left) {
        uint8_t how = fuzz_byte(in);
        uint32_t where = 0;
        fuzz_bytes(in, &where, 3);
        size_t area = how & 1 ? len / 4 : len, at = len - area + where % area;
        size_t n = 1 + (how >> 1) % 4;
        for (size_t i = 0; i < n && at + i < len; i++)
            bytes[at + i] = how & 16 ? (uint8_t) (bytes[at + i] + fuzz_byte(in)) : fuzz_byte(in);
    }
}

static void check_array(const qv__array *array)
{
    qv_error err = { 0 };

    (void) qv__array_bytes(array);
    if (qv__array_validate(array, "array", &err) != QV_OK && !strstr(err.message, "UTF-8")) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

/* A file that verifies has no right to fail later. */
static void check_status(bool sound, const char *call, qv_status st, const qv_error *err)
{
    if (sound && st != QV_OK) {
        fprintf(stderr, "a file that verifies: %s: %s\n", call, err->message);
        abort();
    }
}

static void check_taken(const qv__array *whole, const int64_t *rows, size_t n, const qv__array *taken)
{
    qv__array *wanted;
    qv_error err;

    FUZZ_CHECK(qv__array_take(whole, rows, n, &wanted, &err) == QV_OK);
    FUZZ_CHECK(qv__array_equal(wanted, taken));
    qv__array_unref(wanted);
}

static size_t n_leaves(const qv__field *field)
{
    size_t n = field->type->n_children == 0;

    for (size_t i = 0; i < field->type->n_children; i++)
        n += n_leaves(&field->type->children[i]);
    return n;
}

static void read_column(qv__file *file, const qv__field *field, bool sound)
{
    qv__column *column = NULL;
    qv__array *array = NULL, *whole = NULL;
    qv__vector_run run;
    qv_error err = { 0 };
    uint64_t rows = qv__file_rows(file);
    qv_status st = qv__column_open(file, field, NULL, &column, &err);

    check_status(sound, "open", st, &err);
    if (st != QV_OK)
        return;
    uint64_t n = rows < MOST_ROWS ? rows : MOST_ROWS;
    FUZZ_CHECK(rows == 0 || qv__column_page_end(column, 0) <= rows);
    if (qv__column_cost(column, 0, n) < 64 << 20) {
        st = qv__column_read(column, 0, n, &whole, &err);
        check_status(sound, "read", st, &err);
        if (st == QV_OK) {
            FUZZ_CHECK((uint64_t) whole->length == n);
            check_array(whole);
        }
    }
    uint64_t picked[] = { n / 2, n / 3, n - 1, 0, n / 2 };
    int64_t places[] = { (int64_t) (n / 2), (int64_t) (n / 3), (int64_t) n - 1, 0, (int64_t) (n / 2) };
    if (rows) {
        st = qv__column_take(column, picked, 5, &array, &err);
        check_status(sound, "take", st, &err);
        if (st == QV_OK) {
            FUZZ_CHECK(array->length == 5);
            check_array(array);
            if (whole && (sound || n_leaves(field) == 1)) /* leaves that disagree are the verifier's to find */
                check_taken(whole, places, 5, array);
            qv__array_unref(array);
        }
    }
    qv__array_unref(whole);
    if (rows && qv__column_vectors(column, rows / 2, n, &run, &err) == QV_OK) {
        volatile uint8_t last = run.data[(run.rows - 1) * run.stride];
        (void) last;
        FUZZ_CHECK(run.rows > 0 && run.rows <= n);
        qv__vector_run_free(&run);
    }
    qv__column_free(column);
}

static void on_problem(void *ctx, const char *object, const char *what)
{
    FUZZ_CHECK(object && what && *what);
    *(bool *) ctx = false;
}

static void read_file(qv__store *store)
{
    qv__file *file = NULL;
    qv__buffer json;
    qv_error err = { 0 };

    if (qv__file_open(store, "x.lance", &file, &err) != QV_OK) {
        FUZZ_CHECK(err.message[0]);
        return;
    }
    const qv__schema *schema = qv__file_schema(file);
    bool sound = qv__file_rows(file) < 100000;
    if (sound)
        sound = qv__file_verify(file, on_problem, &sound, NULL, &err) == QV_OK && sound;
    qv__buffer_init(&json, 1 << 26);
    (void) qv__file_describe(file, &json, &err);
    qv__buffer_free(&json);
    for (size_t i = 0; i < schema->n_fields; i++)
        read_column(file, &schema->fields[i], sound);
    qv__file_unref(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_reader in = { data, size };
    qv__store *store = NULL;
    qv_error err;

    if (n_bases == 0)
        load_bases();
    size_t before = qv_memory().live_blocks, choice = fuzz_byte(&in);
    uint8_t *patched = NULL;
    if (choice < n_bases) {
        const base_file *base = &bases[choice];
        patched = malloc(base->len);
        FUZZ_CHECK(patched);
        memcpy(patched, base->bytes, base->len);
        patch(&in, patched, base->len);
        in = (fuzz_reader){ patched, base->len };
    }
    FUZZ_CHECK(qv__store_open("memory://", true, &store, &err) == QV_OK);
    FUZZ_CHECK(qv__store_put(store, "x.lance", in.data, in.left, QV_PUT_REPLACE, &err) == QV_OK);
    free(patched);
    read_file(store);
    qv__store_unref(store);
    FUZZ_CHECK(qv_memory().live_blocks == before);
    return 0;
}

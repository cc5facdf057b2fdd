/* qv_eval FILE: evaluates SQL expressions over the record batches of an Arrow IPC file. Reads one expression per line from stdin; for
 * each it writes a byte ('O' or 'E'), the length (u32, little-endian), and an IPC stream with the column "x", or the error text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arrow/ipc/ipc.h"
#include "base/alloc.h"
#include "expr/expr.h"

enum { MOST_LINE = 1 << 20 };

static qv_status collect(void *ctx, const void *bytes, size_t n, qv_error *err)
{
    return qv__buffer_append(ctx, bytes, n, err);
}

static qv_status read_file(const char *path, qv__bytes *out, qv_error *err)
{
    qv_status st = QV_OK;
    uint8_t *to;
    FILE *file = fopen(path, "rb");

    if (!file)
        return qv__fail_errno(err, 2, "%s", path);
    fseek(file, 0, SEEK_END);
    long n = ftell(file);
    rewind(file);
    QV_CHECK(qv__bytes_new((size_t) n, out, &to, err));
    if (fread(to, 1, (size_t) n, file) != (size_t) n)
        st = qv__fail(err, QV_IO, "%s: too short", path);
done:
    fclose(file);
    return st;
}

static qv_status eval_batch(const qv__program *program, const qv__array *batch, qv__ipc_writer *writer,
                            const qv__schema *schema, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *value = NULL, *shown = NULL, *columns[64];

    if (program->n_columns > 64)
        return qv__fail(err, QV_UNSUPPORTED, "more than 64 columns");
    for (size_t k = 0; k < program->n_columns; k++) {
        if (strcmp(program->columns[k].field->name, batch->type->children[program->columns[k].top].name) != 0)
            return qv__fail(err, QV_UNSUPPORTED, "nested columns");
        columns[k] = batch->children[program->columns[k].top];
    }
    QV_CHECK(qv__program_eval(program, columns, (size_t) batch->length, NULL, &value, err));
    QV_CHECK(qv__batch_new(schema, &value, batch->length, &shown, err));
    st = qv__ipc_writer_batch(writer, shown, err);
done:
    qv__array_unref(value);
    qv__array_unref(shown);
    return st;
}

static qv_status eval(const char *sql, const qv__schema *scope, qv__array *const *batches, size_t n, qv__buffer *out,
                      qv_error *err)
{
    qv_status st = QV_OK;
    qv__program *program = NULL;
    qv__schema *schema = NULL;
    qv__ipc_writer *writer = NULL;
    qv__field field = { 0 };

    QV_CHECK(qv__program_compile(sql, scope, &program, err));
    QV_CHECK(qv__field_init(&field, "x", program->root->type, true, err));
    QV_CHECK(qv__schema_new(&field, 1, NULL, &schema, err));
    QV_CHECK(qv__ipc_writer_new(schema, true, QV_IPC_PLAIN, collect, out, &writer, err));
    for (size_t k = 0; k < n; k++)
        QV_CHECK(eval_batch(program, batches[k], writer, schema, err));
    st = qv__ipc_writer_finish(writer, err);
done:
    qv__ipc_writer_free(writer);
    qv__schema_unref(schema);
    qv__field_clear(&field);
    qv__program_unref(program);
    return st;
}

static void answer(char kind, const void *bytes, size_t n)
{
    uint32_t len = (uint32_t) n;

    fputc(kind, stdout);
    fwrite(&len, sizeof len, 1, stdout);
    fwrite(bytes, 1, n, stdout);
    fflush(stdout);
}

static void eval_lines(const qv__schema *scope, qv__array *const *batches, size_t n)
{
    char *line = malloc(MOST_LINE);
    qv__buffer out;
    qv_error err;

    qv__buffer_init(&out, 1 << 30);
    while (line && fgets(line, MOST_LINE, stdin)) {
        line[strcspn(line, "\n")] = 0;
        out.len = 0;
        if (eval(line, scope, batches, n, &out, &err) == QV_OK)
            answer('O', out.data, out.len);
        else
            answer('E', err.message, strlen(err.message));
    }
    qv__buffer_free(&out);
    free(line);
}

int main(int argc, char **argv)
{
    qv__bytes bytes = { 0 };
    qv__stream *stream = NULL;
    qv__array *batches[64];
    size_t n = 0;
    qv_error err = { 0 };
    qv_status st = argc == 2 ? read_file(argv[1], &bytes, &err) : qv__fail(&err, QV_INVALID, "usage: qv_eval FILE");

    if (st == QV_OK)
        st = qv__ipc_open(bytes, &stream, &err);
    while (st == QV_OK && n < 64) {
        st = stream->next(stream, &batches[n], &err);
        if (st != QV_OK || !batches[n])
            break;
        n++;
    }
    if (st == QV_OK)
        eval_lines(stream->schema, batches, n);
    else
        fprintf(stderr, "%s\n", err.message);
    for (size_t k = 0; k < n; k++)
        qv__array_unref(batches[k]);
    qv__stream_free(stream);
    qv__bytes_unref(&bytes);
    return st != QV_OK;
}

/* Arrow arrays and streams that the extension itself owns. */
#include <errno.h>
#include <string.h>

#include "qpy.h"

int qpy_buf_reserve(qpy_buf *buf, size_t more)
{
    size_t cap = buf->cap == 0 ? 64 : buf->cap;
    uint8_t *data;

    if (more <= buf->cap - buf->len)
        return 0;
    if (more > SIZE_MAX / 2 - buf->len)
        return -1;
    while (cap < buf->len + more)
        cap *= 2;
    data = realloc(buf->data, cap);
    if (data == NULL)
        return -1;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int qpy_buf_put(qpy_buf *buf, const void *data, size_t len)
{
    if (qpy_buf_reserve(buf, len) != 0)
        return -1;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return 0;
}

int qpy_bits_put(qpy_buf *buf, int64_t index, bool bit)
{
    if ((index & 7) == 0) {
        uint8_t zero = 0;

        if (qpy_buf_put(buf, &zero, 1) != 0)
            return -1;
    }
    if (bit)
        buf->data[index >> 3] |= (uint8_t) (1u << (index & 7));
    return 0;
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_buffers; i++)
        free((void *) (uintptr_t) array->buffers[i]);
    free(array->buffers);
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL)
            array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    free(array->children);
    array->release = NULL;
}

int qpy_array_init(struct ArrowArray *out, int64_t length, size_t n_buffers, size_t n_children)
{
    memset(out, 0, sizeof(*out));
    out->length = length;
    out->buffers = calloc(n_buffers + 1, sizeof(*out->buffers));
    out->children = calloc(n_children + 1, sizeof(*out->children));
    if (out->buffers == NULL || out->children == NULL)
        goto fail;
    out->n_buffers = (int64_t) n_buffers;
    for (size_t i = 0; i < n_children; i++) {
        out->children[i] = calloc(1, sizeof(struct ArrowArray));
        if (out->children[i] == NULL)
            goto fail;
        out->n_children++;
    }
    out->release = release_array;
    return 0;
fail:
    release_array(out);
    return -1;
}

void qpy_array_own(struct ArrowArray *array, size_t i, qpy_buf *buf)
{
    array->buffers[i] = buf->data;
    buf->data = NULL;
    buf->len = buf->cap = 0;
}

bool qpy_array_is_null(const struct ArrowArray *array, int64_t i)
{
    if (array->null_count == 0 || array->n_buffers == 0 || array->buffers[0] == NULL)
        return false;
    return !qpy_bit(array->buffers[0], array->offset + i);
}

/* ---------------------------------------------------------------- a stream of ready arrays */

typedef struct ready_stream {
    struct ArrowSchema schema;
    struct ArrowArray *arrays;
    size_t n, next;
    qpy_fault *fault;
} ready_stream;

static int ready_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    ready_stream *self = stream->private_data;

    return qpy_schema_copy(&self->schema, out) == 0 ? 0 : ENOMEM;
}

static int ready_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    ready_stream *self = stream->private_data;

    memset(out, 0, sizeof(*out));
    if (self->next < self->n) {
        *out = self->arrays[self->next];
        self->arrays[self->next++].release = NULL;
    }
    return 0;
}

static const char *ready_error(struct ArrowArrayStream *stream)
{
    return qpy_fault_message(((ready_stream *) stream->private_data)->fault);
}

static void ready_release(struct ArrowArrayStream *stream)
{
    ready_stream *self = stream->private_data;

    for (size_t i = self->next; i < self->n; i++)
        if (self->arrays[i].release != NULL)
            self->arrays[i].release(&self->arrays[i]);
    free(self->arrays);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    qpy_fault_unref(self->fault);
    free(self);
    stream->release = NULL;
}

int qpy_stream_of_arrays(struct ArrowSchema *schema, struct ArrowArray *arrays, size_t n, qpy_fault *fault,
                         struct ArrowArrayStream *out)
{
    ready_stream *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        for (size_t i = 0; i < n; i++)
            if (arrays[i].release != NULL)
                arrays[i].release(&arrays[i]);
        free(arrays);
        schema->release(schema);
        return -1;
    }
    self->schema = *schema;
    schema->release = NULL;
    self->arrays = arrays;
    self->n = n;
    self->fault = qpy_fault_ref(fault);
    *out = (struct ArrowArrayStream){ ready_schema, ready_next, ready_error, ready_release, self };
    return 0;
}

void qpy_release_nothing(struct ArrowArray *array) { array->release = NULL; }

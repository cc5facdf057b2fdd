/* What the files of the extension share.  The extension sees Quiver through its public header only, and Python through
 * the stable interface of 3.11.
 *
 * Conventions: functions that return PyObject * or int -1 set a Python exception on failure and need the GIL; functions
 * that take a qpy_fault need no GIL and leave their message there. Heap memory is malloc, so that it is freed without the GIL. */
#ifndef QPY_H
#define QPY_H

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <quiver/quiver.h>

#define QPY_DEPTH 64 /* nesting that we follow in types and values */

/* ---------------------------------------------------------------- errors.c */

/* Why a stream that we made stopped: a Python exception, or a message with the exception class that it becomes. Shared by a
 * stream object, the ArrowArrayStream that left it and the streams built on top. */
typedef struct qpy_fault qpy_fault;
qpy_fault *qpy_fault_new(void); /* NULL without memory; no exception */
qpy_fault *qpy_fault_ref(qpy_fault *fault);
void qpy_fault_unref(qpy_fault *fault);                                   /* needs the GIL when an exception is held */
int qpy_fault_format(qpy_fault *fault, int code, const char *format, ...) /* returns code */
    __attribute__((format(printf, 3, 4)));
void qpy_fault_capture(qpy_fault *fault); /* moves the current Python exception in */
const char *qpy_fault_message(const qpy_fault *fault);
bool qpy_fault_raise(qpy_fault *fault); /* true: there was one, and it is now the current exception */

PyObject *qpy_raise(const qv_error *err); /* sets the exception that fits the status; returns NULL */
PyObject *qpy_arrow_invalid(const char *format,
                            ...); /* pyarrow's ArrowInvalid when it is loaded, else ValueError; NULL */
PyObject *qpy_none_or_raise(qv_status st, const qv_error *err);
int qpy_errors_init(PyObject *module);

/* ---------------------------------------------------------------- type.c */

typedef enum qpy_kind {
    QPY_NULL,
    QPY_BOOL,
    QPY_INT,   /* width 1, 2, 4, 8; is_signed */
    QPY_FLOAT, /* width 2, 4, 8 */
    QPY_STRING,
    QPY_BINARY, /* is_large, is_view */
    QPY_FIXED,  /* width bytes */
    QPY_DATE,   /* width 4: days; 8: milliseconds */
    QPY_TIME,   /* width 4 or 8; unit */
    QPY_TIMESTAMP,
    QPY_DURATION,
    QPY_DECIMAL, /* width 4, 8, 16, 32; precision, scale */
    QPY_LIST,    /* is_large */
    QPY_FIXED_LIST,
    QPY_STRUCT,
    QPY_MAP,
    QPY_DICTIONARY /* children[0] is the type of the values; width and is_signed of the index */
} qpy_kind;

typedef struct qpy_type {
    qpy_kind kind;
    bool is_signed, is_large, is_view, nullable, is_uuid;
    int width;
    int list_size;
    int precision, scale;
    char unit;         /* 's', 'm', 'u', 'n' */
    char *tz;          /* NULL: none */
    char *name;        /* of the field */
    PyObject *py_name; /* interned; NULL until a reader asks */
    PyObject *py_tz;   /* tzinfo; NULL until a reader asks */
    size_t n_children;
    struct qpy_type **children;
} qpy_type;

qpy_type *qpy_type_new(qpy_kind kind, const char *name); /* nullable; sets MemoryError */
void qpy_type_free(qpy_type *type);
int qpy_type_add(qpy_type *parent, qpy_type *child); /* takes child in every case */
qpy_type *qpy_type_parse(const struct ArrowSchema *schema);
int qpy_type_export(const qpy_type *type, struct ArrowSchema *out);
void qpy_type_describe(const qpy_type *type, char *out, size_t n); /* "int64", "list<item: double>" */

/* ArrowSchema structs that own everything below them. */
int qpy_schema_init(struct ArrowSchema *out, const char *format, const char *name, int64_t flags, size_t n_children);
int qpy_schema_copy(const struct ArrowSchema *from, struct ArrowSchema *out); /* needs no GIL; -1: no memory */

/* ---------------------------------------------------------------- schema.c */

extern PyTypeObject *qpy_schema_type;
PyObject *qpy_schema_wrap(struct ArrowSchema *schema);              /* takes it */
const struct ArrowSchema *qpy_schema_of(PyObject *object);          /* borrowed; NULL: not a Schema, exception set */
int qpy_schema_from_any(PyObject *object, struct ArrowSchema *out); /* anything with __arrow_c_schema__ */
int qpy_schema_module_init(PyObject *module);

/* ---------------------------------------------------------------- array.c */

typedef struct qpy_buf {
    uint8_t *data;
    size_t len, cap;
} qpy_buf;
int qpy_buf_reserve(qpy_buf *buf, size_t more); /* -1: no memory, no exception */
int qpy_buf_put(qpy_buf *buf, const void *data, size_t len);
int qpy_bits_put(qpy_buf *buf, int64_t index, bool bit); /* bits come in order */
static inline bool qpy_bit(const void *bits, int64_t i) { return (((const uint8_t *) bits)[i >> 3] >> (i & 7)) & 1; }

/* An array that owns its buffers (malloc) and children; all zero at first. -1: no memory. */
int qpy_array_init(struct ArrowArray *out, int64_t length, size_t n_buffers, size_t n_children);
void qpy_array_own(struct ArrowArray *array, size_t i, qpy_buf *buf); /* takes the buffer's memory */
bool qpy_array_is_null(const struct ArrowArray *array, int64_t i);

/* A stream of arrays that are there already; takes schema and the arrays (the table of arrays too). */
int qpy_stream_of_arrays(struct ArrowSchema *schema, struct ArrowArray *arrays, size_t n, qpy_fault *fault,
                         struct ArrowArrayStream *out);

/* ---------------------------------------------------------------- values.c: Python classes that we know */

typedef struct qpy_classes {
    PyObject *date, *datetime, *time, *timedelta, *timezone;  /* always */
    PyObject *decimal, *uuid, *ndarray, *generic, *pa_scalar; /* borrowed from loaded modules; NULL: not loaded */
} qpy_classes;
int qpy_classes_load(qpy_classes *out); /* borrowed references */
int qpy_values_init(void);
int64_t qpy_days_from_civil(int64_t y, int m, int d);
void qpy_civil_from_days(int64_t days, int *y, int *m, int *d);
uint16_t qpy_half_from_double(double value); /* nearest, ties to even */
double qpy_half_to_double(uint16_t half);
const char *qpy_name_text(PyObject *name); /* borrowed: a column's name, without zero bytes */
PyObject *qpy_type_name(PyObject *value);  /* borrowed, until the next call: the class's name, for messages */

/* ---------------------------------------------------------------- infer.c, build.c, fetch.c */

/* The Arrow type of n values of one column. */
qpy_type *qpy_infer(PyObject *const *values, Py_ssize_t n, const char *name, const qpy_classes *classes);
/* values[i] NULL counts as None. Takes nothing. */
int qpy_build(const qpy_type *type, PyObject *const *values, Py_ssize_t n, const qpy_classes *classes,
              struct ArrowArray *out);
/* list of dicts -> one struct array. `schema` NULL: inferred, with the keys of the first row. */
int qpy_build_rows(PyObject *rows, const struct ArrowSchema *schema, struct ArrowSchema *out_schema,
                   struct ArrowArray *out);

PyObject *qpy_fetch(qpy_type *type, const struct ArrowArray *array, int64_t i);
/* Appends the rows of a struct array to `list` as dicts. */
int qpy_fetch_rows(qpy_type *type, const struct ArrowArray *array, PyObject *list);

/* ---------------------------------------------------------------- job.c */

/* How a call is watched: Ctrl-C, a progress function, a time limit. Lives as long as the call and the stream it gave. */
typedef struct qpy_job qpy_job;
void qpy_job_module_init(void);
/* timeout: seconds or None; progress: callable or None; total_rows < 0: unknown. */
qpy_job *qpy_job_new(PyObject *timeout, PyObject *progress, long long total_rows);
qpy_job *qpy_job_ref(qpy_job *job);
void qpy_job_unref(qpy_job *job); /* takes the GIL itself where it must */
const qv_job *qpy_job_options(const qpy_job *job);
bool qpy_job_raise(qpy_job *job); /* true: Ctrl-C or an error of the progress function is now the current exception */
void qpy_job_begin(qpy_job *job); /* around the engine call: a Ctrl-C handler that raises the cancel flag */
void qpy_job_end(qpy_job *job);
/* Ends a call: the exception when it failed. Takes the job. */
bool qpy_job_finish(qv_status st, const qv_error *err, qpy_job *job);

/* ---------------------------------------------------------------- stream.c */

typedef struct qpy_stream {
    PyObject_HEAD struct ArrowArrayStream stream; /* release NULL: taken, or read to the end */
    struct ArrowSchema schema;                    /* release NULL: not asked yet */
    qpy_type *type;
    struct ArrowArray *ready; /* batches that were read ahead */
    size_t n_ready, next_ready;
    bool ended;       /* `ready` holds all that is left */
    qpy_fault *fault; /* may be NULL */
    qpy_job *job;     /* may be NULL */
} qpy_stream;

extern PyTypeObject *qpy_stream_type;
PyObject *qpy_stream_wrap(struct ArrowArrayStream *stream, qpy_fault *fault,
                          qpy_job *job); /* takes all, also failing */
/* Moves what is left out of the object, batches read ahead included; takes a reference to its fault. */
int qpy_stream_move(PyObject *object, struct ArrowArrayStream *out, qpy_fault **fault);
int qpy_stream_schema(qpy_stream *self);                       /* loads self->schema */
int qpy_stream_peek(qpy_stream *self);                         /* reads the first batch into `ready`, if there is one */
int qpy_stream_next(qpy_stream *self, struct ArrowArray *out); /* out->release NULL at the end */

/* All of an answer, read without the GIL and made into a list of dicts with it. */
typedef struct qpy_answer {
    struct ArrowSchema schema;
    struct ArrowArray *batches;
    size_t n;
    int rc; /* of the stream */
} qpy_answer;
void qpy_answer_load(struct ArrowArrayStream *stream, qpy_answer *out); /* `out` comes zeroed; needs no GIL */
/* Takes all. */
PyObject *qpy_answer_rows(struct ArrowArrayStream *stream, qpy_answer *answer, qpy_job *job);

PyObject *qpy_stream_of_rows(PyObject *module, PyObject *args);
PyObject *qpy_stream_import(PyObject *module, PyObject *object);
PyObject *qpy_stream_of_iterator(PyObject *module, PyObject *args);
int qpy_stream_module_init(PyObject *module);

/* ---------------------------------------------------------------- vectors.c */

PyObject *qpy_vector_stats(PyObject *module, PyObject *args);
PyObject *qpy_vector_stream(PyObject *module, PyObject *args);

/* ---------------------------------------------------------------- query.c */

typedef struct qpy_vectors {
    qv_vectors vectors;
    void *owned;
    Py_buffer view;
    bool has_view;
} qpy_vectors;
int qpy_vectors_from(PyObject *object,
                     qpy_vectors *out); /* list of numbers, list of lists, or a buffer of 1 or 2 axes */
void qpy_vectors_release(qpy_vectors *vectors);

typedef struct qpy_names {
    const char **names;
    size_t n;
    bool given; /* false: None was passed */
} qpy_names;
int qpy_names_from(PyObject *object, qpy_names *out); /* None, or a sequence of str, which must stay alive */
void qpy_names_release(qpy_names *names);

/* ---------------------------------------------------------------- db.c, table.c */

int qpy_db_module_init(PyObject *module);
int qpy_table_module_init(PyObject *module);
int qpy_buffer_module_init(PyObject *module);
PyObject *qpy_table_wrap(qv_table *table);              /* takes it */
qv_table *qpy_table_of(PyObject *object);               /* borrowed */
const char *qpy_text(PyObject *text, const char *what); /* borrowed UTF-8 without zero bytes; TypeError, ValueError */
/* Out of a dict of numbers, flags and times: a missing key leaves the default. -1: an exception is set. */
int qpy_dict_u64(PyObject *dict, const char *key, uint64_t *out);
int qpy_u32_from(PyObject *number, const char *what, uint32_t *out);
int qpy_dict_u32(PyObject *dict, const char *key, uint32_t *out);
int qpy_dict_flag(PyObject *dict, const char *key, bool *out);
int qpy_dict_text(PyObject *dict, const char *key, const char **out);

/* ---------------------------------------------------------------- methods of Table: read.c, change.c, columns.c, refs.c, indices.c, layout.c,
 * buffer.c */

PyObject *qpy_table_count_where(PyObject *object, PyObject *args);
PyObject *qpy_table_expression_type(PyObject *object, PyObject *args);
PyObject *qpy_table_scan(PyObject *object, PyObject *args);
PyObject *qpy_table_take(PyObject *object, PyObject *args);
PyObject *qpy_table_search(PyObject *object, PyObject *args);
PyObject *qpy_table_write_buffer(PyObject *table, PyObject *args);
qv_assignment *qpy_assignments(PyObject *list, size_t *n); /* of (column, expression); malloc; strings are borrowed */
PyObject *qpy_take_string(char *text);                     /* str; frees the engine's text */
void qpy_release_nothing(struct ArrowArray *array);        /* of an array whose memory another keeps */
extern PyMethodDef qpy_change_methods[], qpy_column_methods[], qpy_ref_methods[], qpy_index_methods[],
    qpy_layout_methods[];

/* Fills a write's options from (file_version, compression, max_rows_per_file, stable_row_ids). */
int qpy_write_options(PyObject *dict, qpy_job *job, qv_write_options *out);

#endif

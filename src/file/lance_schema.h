/* The Field messages of manifests and file descriptors <-> schemas with field ids. */
#ifndef QV_FILE_LANCE_SCHEMA_H
#define QV_FILE_LANCE_SCHEMA_H

#include "arrow/type.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "file/lance_file.pb-c.h"

/* What a schema says beyond Arrow types lies in field metadata:
 *   JSON        large_binary with ARROW:extension:name = "lance.json" (JSONB bytes)
 *   blob v1     large_binary with lance-encoding:blob = "true"
 *   blob v2     large_binary with ARROW:extension:name = "lance.blob.v2"; in messages it is a struct of data and uri, whose
 *               ids follow the field's own
 *   packed      struct with lance-encoding:packed = "true"
 *   bfloat16    fixed_size_binary(2) with ARROW:extension:name = "lance.bfloat16", also as a vector's element
 *   keys        lance-schema:unenforced-primary-key and its relatives, mirrored into the message's own fields */

/* Pre-order Field messages (ids of -1 are skipped) to a schema. QV_UNSUPPORTED: unknown logical type, by name;
 * QV_CORRUPT: parents that do not come first, duplicate ids, too deep (64), too many. */
qv_status qv__schema_from_lance(Lance__File__Field *const *fields, size_t n, const qv__metadata *metadata,
                                qv__schema **out, qv_error *err);

typedef struct qv__lance_fields { /* pre-order; owns everything it points to */
    size_t n;
    Lance__File__Field **fields;
    qv__arena arena; /* where all of it lies */
} qv__lance_fields;
qv_status qv__schema_to_lance(const qv__schema *schema, qv__lance_fields *out, qv_error *err);
void qv__lance_fields_clear(qv__lance_fields *fields);

/* The logical type string of one field, e.g. "fixed_size_list:float:4". QV_UNSUPPORTED names the type. */
qv_status qv__logical_type_of(const qv__field *field, qv__buffer *out, qv_error *err);

/* Numbers fields without id from `next` upwards, pre-order; *next moves on. Blob v2 children take ids too. */
qv_status qv__schema_assign_ids(qv__schema *schema, int32_t *next, qv_error *err);

/* Does this field own one physical column in a 2.1+ file (leaf, packed struct, blob)? */
bool qv__field_is_column(const qv__field *field);
bool qv__field_is_blob(const qv__field *field); /* v1 or v2 */
bool qv__field_is_blob_v2(const qv__field *field);
bool qv__field_is_packed(const qv__field *field);

#endif

/* Lance data files put together by hand, page by page, for encodings that no writer of today makes, and for damaged ones. */
#ifndef QVT_LANCE_H
#define QVT_LANCE_H

#include "file/lance_file.pb-c.h"
#include "io/store.h"
#include "qvt.h"

#define QVT_LANCE_MOST 32

typedef struct qvt_lance {
    unsigned minor; /* 0, 1 or 2 */
    qv__buffer bytes;
    size_t n_fields;
    Lance__File__Field fields[QVT_LANCE_MOST];
    size_t n_columns;
    struct qvt_lance_column {
        bool is_blob;
        size_t n_pages;
        Lance__File__Page pages[QVT_LANCE_MOST];
        Lance__File__Encoding encodings[QVT_LANCE_MOST];
        Lance__File__DirectEncoding direct[QVT_LANCE_MOST];
        uint64_t offsets[QVT_LANCE_MOST][8], sizes[QVT_LANCE_MOST][8];
    } columns[QVT_LANCE_MOST];
} qvt_lance;

typedef struct qvt_bytes {
    const void *data;
    size_t len;
} qvt_bytes;
#define QVT_BYTES(array) ((qvt_bytes){ (array), sizeof(array) })

qvt_lance *qvt_lance_new(unsigned minor);
void qvt_lance_field(qvt_lance *file, const char *name, const char *logical, int32_t id, int32_t parent);
void qvt_lance_column(qvt_lance *file); /* the pages that follow are its */
/* `encoding` is an ArrayEncoding (2.0) or a PageLayout; it is packed at once. Buffers end with one whose data is NULL. */
void qvt_lance_page(qvt_lance *file, uint64_t length, const ProtobufCMessage *encoding, const qvt_bytes *buffers);
/* Stores the file and frees it. */
void qvt_lance_finish(qvt_lance *file, uint64_t rows, qv__store *store, const char *name);

#endif

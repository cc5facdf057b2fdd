/* The pages of an open file as they lie, for whoever copies them. */
#ifndef QV_FILE_STORED_PAGES_H
#define QV_FILE_STORED_PAGES_H

#include "file/file.h"

typedef struct qv__stored_page {
    uint64_t length, first_row;
    qv__bytes encoding; /* PageLayout message; borrowed from the file */
    size_t n_buffers;
    const qv__range *buffers; /* inside the file */
} qv__stored_page;

size_t qv__file_n_pages(const qv__file *file, uint32_t column);
void qv__file_page(const qv__file *file, uint32_t column, size_t page, qv__stored_page *out);
qv_status qv__file_bytes(qv__file *file, const qv__range *range, qv__bytes *out, qv_error *err);

#endif

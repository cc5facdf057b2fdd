/* Pages as they lie in a file, for those who copy them. */
#include "file/stored_pages.h"

#include "file/file_private.h"

size_t qv__file_n_pages(const qv__file *file, uint32_t column) { return file->columns[column].n_pages; }

void qv__file_page(const qv__file *file, uint32_t column, size_t page, qv__stored_page *out)
{
    const qv__page *p = &file->columns[column].pages[page];

    *out = (qv__stored_page){ p->length, p->first_row, p->encoding, p->n_buffers, p->buffers };
}

qv_status qv__file_bytes(qv__file *file, const qv__range *range, qv__bytes *out, qv_error *err)
{
    return qv__object_read(file->object, range->at, range->len, out, err);
}

/* Option structures of callers that were compiled with another version of the header. */
#include <string.h>

#include "api/api_private.h"

/* Every option structure begins with the size that its caller was compiled with. */
qv_status qv__options_copy(void *to, size_t to_size, const void *from, const char *what, qv_error *err)
{
    size_t from_size;

    if (!from)
        return QV_OK;
    memcpy(&from_size, from, sizeof from_size);
    if (from_size < sizeof from_size || from_size > 1u << 16)
        return qv__fail(err, QV_INVALID, "%s: struct_size is %zu; initialise the structure with its _INIT macro", what,
                        from_size);
    memcpy(to, from, QV_MIN(from_size, to_size));
    memcpy(to, &to_size, sizeof to_size);
    return QV_OK;
}

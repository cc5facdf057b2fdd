/* Names of places in nested data, for people. */
#include <stdarg.h>
#include <stdio.h>

#include "arrow/arrow_private.h"

static size_t print_path(const qv__path *path, char *buf, size_t capacity)
{
    if (!path->up)
        return path->name ? (size_t) snprintf(buf, capacity, "%s", path->name) : 0;
    size_t len = print_path(path->up, buf, capacity);
    if (len >= capacity)
        return len;
    return len + (size_t) snprintf(buf + len, capacity - len, len == 0 ? "column \"%s\"" : ".%s", path->name);
}

qv_status qv__path_fail(const qv__path *path, qv_error *err, qv_status status, const char *format, ...)
{
    char where[200] = "", what[300];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    print_path(path, where, sizeof where);
    return qv__fail(err, status, "%s: %s", where[0] ? where : "batch", what);
}

/* Types as people write them: "list<utf8>", "timestamp[us, Europe/Berlin]", "struct<a: int32, b: bool not null>". */
#include <stdarg.h>
#include <stdio.h>

#include "arrow/type.h"

/* Where the text goes; what does not fit is dropped. */
typedef struct printer {
    char *buf;
    size_t len; /* without the zero byte; at most capacity - 1 */
    size_t capacity;
} printer;

static void put(printer *p, const char *format, ...) QV_PRINTF(2, 3);
static void put(printer *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(p->buf + p->len, p->capacity - p->len, format, args);
    va_end(args);
    if (n > 0)
        p->len = QV_MIN(p->len + (size_t) n, p->capacity - 1);
}

static void print_type(printer *p, const qv__type *type);

static void print_field(printer *p, const qv__field *field, bool with_name)
{
    if (with_name)
        put(p, "%s: ", field->name);
    print_type(p, field->type);
    if (!field->nullable)
        put(p, " not null");
}

static void print_parameters(printer *p, const qv__type *type)
{
    static const char *const units[] = { "s", "ms", "us", "ns" };

    switch (type->id) {
    case QV_TYPE_DECIMAL128:
    case QV_TYPE_DECIMAL256:
        put(p, "(%d, %d)", type->precision, type->scale);
        break;
    case QV_TYPE_TIME32:
    case QV_TYPE_TIME64:
    case QV_TYPE_DURATION:
        put(p, "[%s]", units[type->unit]);
        break;
    case QV_TYPE_TIMESTAMP:
        if (type->timezone)
            put(p, "[%s, %s]", units[type->unit], type->timezone);
        else
            put(p, "[%s]", units[type->unit]);
        break;
    case QV_TYPE_FIXED_BINARY:
        put(p, "[%d]", type->width);
        break;
    default:
        break;
    }
}

static void print_children(printer *p, const qv__type *type)
{
    const qv__type *parent = type->id == QV_TYPE_MAP ? type->children[0].type : type;

    put(p, "<");
    if (type->id == QV_TYPE_DICTIONARY)
        put(p, "%s, ", qv__type_name(type->index_type->id));
    for (size_t i = 0; i < parent->n_children && p->len + 1 < p->capacity; i++) {
        if (i > 0)
            put(p, ", ");
        /* The keys of a map are never null, so that goes without saying. */
        if (type->id == QV_TYPE_MAP && i == 0)
            print_type(p, parent->children[i].type);
        else
            print_field(p, &parent->children[i], type->id == QV_TYPE_STRUCT);
    }
    put(p, ">");
    if (type->id == QV_TYPE_FIXED_LIST)
        put(p, "[%d]", type->width);
}

static void print_type(printer *p, const qv__type *type)
{
    put(p, "%s", qv__type_name(type->id));
    print_parameters(p, type);
    if (type->n_children > 0 || type->id == QV_TYPE_STRUCT)
        print_children(p, type);
}

char *qv__type_print(const qv__type *type, char *buf, size_t buf_len)
{
    printer p = { buf, 0, buf_len };

    if (buf_len > 0) {
        buf[0] = 0;
        print_type(&p, type);
    }
    return buf;
}

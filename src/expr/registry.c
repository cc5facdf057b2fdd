/* The groups of functions, searched by name and listed for documentation. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "expr/bind_private.h"

enum { MOST_FUNCTIONS = 512, DESCRIPTION_BYTES = 1 << 18 };

static const qv__function_group *const groups[] = {
    &qv__string_functions, &qv__number_functions, &qv__date_functions,        &qv__list_functions,  &qv__json_functions,
    &qv__regexp_functions, &qv__hash_functions,   &qv__conditional_functions, &qv__struct_functions
};

static bool is_called(const qv__function *f, const char *name, size_t len)
{
    if (strlen(f->name) == len && strncasecmp(f->name, name, len) == 0)
        return true;
    for (const char *const *alias = f->aliases; alias && *alias; alias++)
        if (strlen(*alias) == len && strncasecmp(*alias, name, len) == 0)
            return true;
    return false;
}

const qv__function *qv__function_find(const char *name, size_t len, const char **nearest)
{
    const char *names[MOST_FUNCTIONS];
    size_t n = 0;

    for (size_t g = 0; g < QV_COUNT_OF(groups); g++)
        for (size_t k = 0; k < groups[g]->n; k++) {
            if (is_called(&groups[g]->functions[k], name, len))
                return &groups[g]->functions[k];
            if (n < MOST_FUNCTIONS)
                names[n++] = groups[g]->functions[k].name;
        }
    if (nearest)
        *nearest = qv__nearest_name(name, len, names, n);
    return NULL;
}

/* ------------------------------------------------------------------ documentation */

static char description[DESCRIPTION_BYTES];
static pthread_once_t described = PTHREAD_ONCE_INIT;

/* Writes what fits. */
static size_t put(size_t at, const char *text)
{
    size_t n = strlen(text);

    if (at + n + 1 > sizeof description)
        return at;
    memcpy(description + at, text, n + 1);
    return at + n;
}

static size_t put_string(size_t at, const char *text)
{
    char escaped[8];

    at = put(at, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *text);
        else if ((uint8_t) *text < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned) (uint8_t) *text);
        else
            snprintf(escaped, sizeof escaped, "%c", *text);
        at = put(at, escaped);
    }
    return put(at, "\"");
}

static size_t put_member(size_t at, const char *name, const char *text)
{
    at = put(at, ",");
    at = put_string(at, name);
    at = put(at, ":");
    return put_string(at, text);
}

static size_t put_function(size_t at, const qv__function *f)
{
    at = put(at, "{\"name\":");
    at = put_string(at, f->name);
    at = put(at, ",\"aliases\":[");
    for (const char *const *alias = f->aliases; alias && *alias; alias++) {
        at = put(at, alias == f->aliases ? "" : ",");
        at = put_string(at, *alias);
    }
    at = put(at, "]");
    at = put_member(at, "group", f->group);
    at = put_member(at, "signature", f->signature);
    at = put_member(at, "summary", f->summary);
    return put(at, "}");
}

static void describe(void)
{
    size_t at = put(0, "[");
    bool first = true;

    for (size_t g = 0; g < QV_COUNT_OF(groups); g++)
        for (size_t k = 0; k < groups[g]->n; k++) {
            at = put(at, first ? "" : ",");
            at = put_function(at, &groups[g]->functions[k]);
            first = false;
        }
    put(at, "]");
}

const char *qv__functions_describe(void)
{
    pthread_once(&described, describe);
    return description;
}

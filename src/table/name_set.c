/* A set of names: open addressing with linear probing, at most half full; the texts lie in an arena. */
#include <xxhash.h>

#include "table/refs_private.h"

#define FIRST_SLOTS 64

void qv__name_set_init(qv__name_set *set)
{
    *set = (qv__name_set){ 0 };
    qv__arena_init(&set->arena, 0);
}

void qv__name_set_clear(qv__name_set *set)
{
    qv__free((void *) (uintptr_t) set->slots);
    qv__arena_reset(&set->arena);
    *set = (qv__name_set){ 0 };
}

/* The slot that holds the name, or the empty one where it would be put. */
static size_t find_slot(const char *const *slots, size_t n_slots, const char *name)
{
    size_t at = (size_t) XXH3_64bits(name, strlen(name)) & (n_slots - 1);

    while (slots[at] && strcmp(slots[at], name) != 0)
        at = (at + 1) & (n_slots - 1);
    return at;
}

static qv_status grow(qv__name_set *set, qv_error *err)
{
    size_t n_slots = set->n_slots ? set->n_slots * 2 : FIRST_SLOTS;
    const char **slots;

    QV_TRY(QV_NEW(&slots, n_slots, err));
    for (size_t i = 0; i < set->n_slots; i++)
        if (set->slots[i])
            slots[find_slot(slots, n_slots, set->slots[i])] = set->slots[i];
    qv__free((void *) (uintptr_t) set->slots);
    set->slots = slots;
    set->n_slots = n_slots;
    return QV_OK;
}

qv_status qv__name_set_add(qv__name_set *set, const char *name, qv_error *err)
{
    if (set->n * 2 >= set->n_slots)
        QV_TRY(grow(set, err));
    size_t at = find_slot(set->slots, set->n_slots, name);
    if (set->slots[at])
        return QV_OK;
    const char *copy = qv__arena_strndup(&set->arena, name, strlen(name));
    if (!copy)
        return qv__fail_nomem(err, strlen(name) + 1);
    set->slots[at] = copy;
    set->n++;
    return QV_OK;
}

bool qv__name_set_has(const qv__name_set *set, const char *name)
{
    return set->n && set->slots[find_slot(set->slots, set->n_slots, name)] != NULL;
}

/* From rows to levels. A page's rows are walked layer by layer from the outermost field inwards. Between two layers the page
 * is a list of entries, each with its repetition and definition level, and the runs of slots that the living entries own in
 * the array of the next layer. A list layer turns each living entry into its elements; a null or empty list, or a null
 * struct that has lists inside, ends its entry. Behind the innermost list every entry keeps its slot, null or not.
 *
 * Definition levels are first given as if every layer could be null and empty, then renumbered by what really occurs. */
#include "file/write/write_private.h"

#include "base/alloc.h"

#define MAX_LEVELS 256

typedef struct layer {
    const qv__field *field;
    size_t step; /* child index to the next layer */
    bool is_list;
    unsigned number; /* of "null"; a list's "empty" is number + 1 */
    unsigned rep;    /* lists: their repetition number */
} layer;

typedef struct walker {
    size_t n_layers; /* outermost first */
    layer layers[QV__WRITE_DEPTH];
    unsigned n_lists;
    unsigned visible; /* with all numbers taken */
    size_t n;
    uint16_t *rep, *def;
    qv__runs runs;
} walker;

void qv__runs_clear(qv__runs *runs)
{
    qv__free(runs->items);
    *runs = (qv__runs){ 0 };
}

static qv_status add_run(qv__runs *runs, const qv__array *array, int64_t start, int64_t len, qv_error *err)
{
    qv__run *last = runs->n ? &runs->items[runs->n - 1] : NULL;
    runs->total += len;
    if (last && last->array == array && last->start + last->len == start) {
        last->len += len;
        return QV_OK;
    }
    if (len == 0)
        return QV_OK;
    QV_TRY(QV_GROW(&runs->items, &runs->capacity, runs->n + 1, err));
    runs->items[runs->n++] = (qv__run){ array, start, len };
    return QV_OK;
}

bool qv__slot_is_null(const qv__array *array, int64_t i)
{
    if (qv__array_is_null(array, i))
        return true;
    if (!array->dictionary || array->dictionary->null_count == 0)
        return false;
    int bits = qv__type_bits(array->type->index_type);
    uint64_t key = 0;
    memcpy(&key, array->buffers[1].data + (size_t) (array->offset + i) * (size_t) bits / 8, (size_t) bits / 8);
    return qv__array_is_null(array->dictionary, (int64_t) key);
}

static bool has_nulls(const qv__array *array)
{
    return array->type->id == QV_TYPE_NULL || array->null_count != 0 ||
           (array->dictionary && array->dictionary->null_count != 0);
}

static bool any_nulls(const qv__runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        if (has_nulls(runs->items[i].array))
            return true;
    return false;
}

static qv_status need_def(walker *w, qv_error *err) { return w->def ? QV_OK : QV_NEW(&w->def, w->n, err); }

/* An item layer behind the innermost list: nulls are noted, slots stay. */
static qv_status note_nulls(walker *w, unsigned number, qv_error *err)
{
    size_t e = 0;
    if (!any_nulls(&w->runs))
        return QV_OK;
    QV_TRY(need_def(w, err));
    bool all_visible = (int64_t) w->n == w->runs.total;
    for (size_t r = 0; r < w->runs.n; r++) {
        const qv__run *run = &w->runs.items[r];
        if (all_visible && !has_nulls(run->array)) {
            e += (size_t) run->len;
            continue;
        }
        for (int64_t i = 0; i < run->len; i++, e++) {
            while (w->def[e] > w->visible)
                e++;
            if (w->def[e] == 0 && qv__slot_is_null(run->array, run->start + i))
                w->def[e] = (uint16_t) number;
        }
    }
    return QV_OK;
}

/* Steps from structs to one of their children. */
static qv_status enter_children(walker *w, size_t step, qv_error *err)
{
    qv_status st = QV_OK;
    qv__runs inner = { 0 };
    for (size_t r = 0; r < w->runs.n; r++) {
        const qv__run *run = &w->runs.items[r];
        QV_CHECK(add_run(&inner, run->array->children[step], run->array->offset + run->start, run->len, err));
    }
    qv__runs_clear(&w->runs);
    w->runs = inner;
    return QV_OK;
done:
    qv__runs_clear(&inner);
    return st;
}

/* A struct layer with lists inside: a null struct ends its entry. */
static qv_status drop_null_structs(walker *w, unsigned number, qv_error *err)
{
    qv_status st = QV_OK;
    qv__runs kept = { 0 };
    size_t e = 0;
    if (!any_nulls(&w->runs))
        return QV_OK;
    QV_TRY(need_def(w, err));
    for (size_t r = 0; r < w->runs.n; r++) {
        const qv__run *run = &w->runs.items[r];
        for (int64_t i = 0; i < run->len; i++, e++) {
            while (w->def[e] != 0)
                e++;
            if (qv__array_is_null(run->array, run->start + i))
                w->def[e] = (uint16_t) number;
            else
                QV_CHECK(add_run(&kept, run->array, run->start + i, 1, err));
        }
    }
    qv__runs_clear(&w->runs);
    w->runs = kept;
    return QV_OK;
done:
    qv__runs_clear(&kept);
    return st;
}

static size_t count_elements(const walker *w)
{
    size_t n = w->n - (size_t) w->runs.total; /* entries that ended earlier stay one level */
    for (size_t r = 0; r < w->runs.n; r++) {
        const qv__run *run = &w->runs.items[r];
        for (int64_t i = 0; i < run->len; i++) {
            int64_t start, end;
            qv__array_list_range(run->array, run->start + i, &start, &end);
            n += qv__array_is_null(run->array, run->start + i) || end == start ? 1 : (size_t) (end - start);
        }
    }
    return n;
}

/* A list layer: each living entry becomes its elements. */
static qv_status open_lists(walker *w, const layer *list, qv_error *err)
{
    qv_status st = QV_OK;
    uint16_t *rep = NULL, *def = NULL;
    qv__runs inner = { 0 };
    size_t n = count_elements(w), at = 0, e = 0;
    QV_CHECK(QV_NEW(&rep, n, err));
    QV_CHECK(QV_NEW(&def, n, err));
    for (size_t r = 0; r < w->runs.n; r++) {
        const qv__run *run = &w->runs.items[r];
        for (int64_t i = 0; i < run->len; i++, e++) {
            for (; w->def && w->def[e] != 0; e++, at++) {
                rep[at] = w->rep ? w->rep[e] : (uint16_t) w->n_lists;
                def[at] = w->def[e];
            }
            int64_t start, end;
            qv__array_list_range(run->array, run->start + i, &start, &end);
            rep[at] = w->rep ? w->rep[e] : (uint16_t) w->n_lists;
            if (qv__array_is_null(run->array, run->start + i))
                def[at++] = (uint16_t) list->number;
            else if (start == end)
                def[at++] = (uint16_t) (list->number + 1);
            else {
                QV_CHECK(add_run(&inner, run->array->children[0], start, end - start, err));
                for (at++, start++; start < end; start++)
                    rep[at++] = (uint16_t) (list->rep - 1);
            }
        }
    }
    for (; e < w->n; e++, at++) {
        rep[at] = w->rep ? w->rep[e] : (uint16_t) w->n_lists;
        def[at] = w->def[e];
    }
    qv__free(w->rep);
    qv__free(w->def);
    qv__runs_clear(&w->runs);
    w->rep = rep;
    w->def = def;
    w->runs = inner;
    w->n = n;
    return QV_OK;
done:
    qv__free(rep);
    qv__free(def);
    qv__runs_clear(&inner);
    return st;
}

static bool is_list(const qv__type *type)
{
    return type->id == QV_TYPE_LIST || type->id == QV_TYPE_LARGE_LIST || type->id == QV_TYPE_MAP;
}

static void plan_layers(walker *w, const qv__column_writer *column)
{
    unsigned number = 1;
    w->n_layers = column->depth;
    for (size_t i = column->depth; i-- > 0;) {
        layer *l = &w->layers[i];
        *l = (layer){ column->path[i], column->step[i], i + 1 < column->depth && is_list(column->path[i]->type), number,
                      0 };
        if (l->is_list)
            l->rep = ++w->n_lists;
        else if (w->n_lists == 0)
            w->visible = number;
        number += l->is_list ? 2 : 1;
    }
}

static qv_status walk_layers(walker *w, qv_error *err)
{
    unsigned lists_left = w->n_lists;
    for (size_t i = 0; i < w->n_layers; i++) {
        const layer *l = &w->layers[i];
        if (l->is_list) {
            QV_TRY(open_lists(w, l, err));
            lists_left--;
            continue;
        }
        if (lists_left)
            QV_TRY(drop_null_structs(w, l->number, err));
        else
            QV_TRY(note_nulls(w, l->number, err));
        if (i + 1 < w->n_layers)
            QV_TRY(enter_children(w, l->step, err));
    }
    return QV_OK;
}

/* Which kind a layer has in this page; *next moves over the numbers it takes; map[] renumbers. */
static int32_t settle_layer(const layer *l, const size_t *seen, bool inherits, uint16_t *map, unsigned *next)
{
    bool null = inherits || seen[l->number] != 0, empty = l->is_list && seen[l->number + 1] != 0;
    if (null)
        map[l->number] = (uint16_t)++ * next;
    if (empty)
        map[l->number + 1] = (uint16_t)++ * next;
    if (!l->is_list)
        return null ? QV__NULLABLE_ITEM : QV__ALL_VALID_ITEM;
    return null && empty ? QV__NULL_AND_EMPTY_LIST
           : null        ? QV__NULLABLE_LIST
           : empty       ? QV__EMPTYABLE_LIST
                         : QV__ALL_VALID_LIST;
}

/* Null structs make the layers below them nullable, down to the next list: the reference counts their slots by that. */
static void inherit_nulls(const walker *w, const size_t *seen, bool *inherits)
{
    bool null = false;
    for (size_t i = 0; i < w->n_layers; i++) {
        inherits[i] = null;
        null = !w->layers[i].is_list && (null || seen[w->layers[i].number] != 0);
    }
}

static void settle(walker *w, qv__walk *out)
{
    size_t seen[MAX_LEVELS] = { 0 };
    uint16_t map[MAX_LEVELS] = { 0 };
    bool inherits[QV__WRITE_DEPTH];
    unsigned next = 0, lists = 0;
    if (w->def)
        for (size_t i = 0; i < w->n; i++)
            seen[w->def[i]]++;
    else
        seen[0] = w->n;
    inherit_nulls(w, seen, inherits);
    for (size_t i = w->n_layers; i-- > 0;) {
        const layer *l = &w->layers[i];
        out->layers[out->n_layers++] = settle_layer(l, seen, inherits[i], map, &next);
        lists += l->is_list;
        if (lists == 0)
            out->visible = next;
    }
    if (next == 0) {
        qv__free(w->def);
        w->def = NULL;
    }
    for (size_t i = 0; w->def && i < w->n; i++)
        w->def[i] = map[w->def[i]];
    out->n_valid = seen[0];
    out->n_levels = w->n;
    out->rep = w->rep;
    out->def = w->def;
    out->max_rep = out->n_lists = w->n_lists;
    out->max_def = next;
    out->runs = w->runs;
}

qv_status qv__walk_page(const qv__column_writer *column, const qv__slice *slices, size_t n, qv__walk *out,
                        qv_error *err)
{
    qv_status st = QV_OK;
    walker w = { 0 };
    *out = (qv__walk){ 0 };
    plan_layers(&w, column);
    for (size_t i = 0; i < n; i++)
        QV_CHECK(add_run(&w.runs, slices[i].array, slices[i].start, slices[i].len, err));
    w.n = (size_t) w.runs.total;
    QV_CHECK(walk_layers(&w, err));
    settle(&w, out);
    return QV_OK;
done:
    qv__free(w.rep);
    qv__free(w.def);
    qv__runs_clear(&w.runs);
    return st;
}

void qv__walk_clear(qv__walk *walk)
{
    qv__free(walk->rep);
    qv__free(walk->def);
    qv__runs_clear(&walk->runs);
    *walk = (qv__walk){ 0 };
}

/* 2.0: the elements of the lists; null lists own none, whatever their offsets say. */
static qv_status enter_lists(qv__runs *runs, qv_error *err)
{
    qv_status st = QV_OK;
    qv__runs inner = { 0 };
    for (size_t r = 0; r < runs->n; r++) {
        const qv__run *run = &runs->items[r];
        for (int64_t i = 0; i < run->len; i++) {
            int64_t start, end;
            qv__array_list_range(run->array, run->start + i, &start, &end);
            if (start < end && !qv__array_is_null(run->array, run->start + i))
                QV_CHECK(add_run(&inner, run->array->children[0], start, end - start, err));
        }
    }
    qv__runs_clear(runs);
    *runs = inner;
    return QV_OK;
done:
    qv__runs_clear(&inner);
    return st;
}

qv_status qv__walk_slots(const qv__column_writer *column, const qv__slice *slices, size_t n, qv__runs *out,
                         qv_error *err)
{
    qv_status st = QV_OK;
    walker w = { 0 };
    for (size_t i = 0; i < n; i++)
        QV_CHECK(add_run(&w.runs, slices[i].array, slices[i].start, slices[i].len, err));
    for (size_t i = 0; i + 1 < column->depth; i++) {
        if (is_list(column->path[i]->type))
            QV_CHECK(enter_lists(&w.runs, err));
        else
            QV_CHECK(enter_children(&w, column->step[i], err));
    }
    *out = w.runs;
    return QV_OK;
done:
    qv__runs_clear(&w.runs);
    return st;
}

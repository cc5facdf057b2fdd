/* The engine behind take, filter, concat and normalize: ranges of arrays are copied one after the other into a new array.
 * A list's ranges become ranges of its child, a struct's are shifted by its offset, so one recursion serves every
 * nesting. Null strings and lists come out empty: what lay under them is not copied. */
#include "arrow/compute/compute_private.h"

static qv_status total_length(const qv__part *parts, size_t n_parts, int64_t *out, qv_error *err)
{
    int64_t total = 0;

    for (size_t p = 0; p < n_parts; p++)
        if (__builtin_add_overflow(total, parts[p].n, &total))
            return qv__fail(err, QV_INVALID, "more than 2^63 values in one array");
    *out = total;
    return QV_OK;
}

static bool part_has_nulls(const qv__part *part)
{
    return part->n > 0 && (!part->array || (part->array->null_count && part->array->buffers[0].data));
}

static qv_status gather_validity(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    bool any = false;
    uint8_t *bits;
    size_t at = 0, ones;

    for (size_t p = 0; p < n_parts && !any; p++)
        any = part_has_nulls(&parts[p]);
    if (!any)
        return QV_OK;
    QV_TRY(qv__array_buffer(to, 0, qv__bitmap_bytes((size_t) to->length), 1, &bits, err));
    for (size_t p = 0; p < n_parts; p++) {
        const qv__array *from = parts[p].array;
        size_t n = (size_t) parts[p].n;

        if (from && from->null_count && from->buffers[0].data)
            qv__bitmap_copy(bits, at, from->buffers[0].data, (size_t) (from->offset + parts[p].start), n);
        else if (from)
            qv__bitmap_fill(bits, at, n, true);
        at += n;
    }
    ones = qv__bitmap_count(bits, 0, (size_t) to->length);
    to->null_count = to->length - (int64_t) ones;
    if (to->null_count == 0)
        qv__bytes_unref(&to->buffers[0]);
    return QV_OK;
}

static qv_status gather_bits(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    uint8_t *bits;
    size_t at = 0;

    QV_TRY(qv__array_buffer(to, 1, qv__bitmap_bytes((size_t) to->length), 1, &bits, err));
    for (size_t p = 0; p < n_parts; p++) {
        const qv__array *from = parts[p].array;

        if (from && parts[p].n)
            qv__bitmap_copy(bits, at, from->buffers[1].data, (size_t) (from->offset + parts[p].start),
                            (size_t) parts[p].n);
        at += (size_t) parts[p].n;
    }
    return QV_OK;
}

static qv_status gather_fixed(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    size_t width = qv__type_value_bytes(to->type);
    uint64_t total;
    uint8_t *at;
    qv__bytes bytes;

    if (!qv__mul_u64((uint64_t) to->length, width, &total))
        return qv__fail_nomem(err, SIZE_MAX);
    QV_TRY(qv__bytes_new((size_t) total, &bytes, &at, err));
    to->buffers[1] = bytes;
    for (size_t p = 0; p < n_parts; p++) {
        size_t n = (size_t) parts[p].n * width;

        if (n == 0)
            continue;
        if (parts[p].array)
            memcpy(at, qv__fixed_at(parts[p].array, parts[p].start), n);
        else
            memset(at, 0, n);
        at += n;
    }
    return QV_OK;
}

/* Offsets of strings or lists from value lengths, null slots empty. */
static qv_status gather_offsets(const qv__part *parts, size_t n_parts, qv__array *to, int64_t *total, qv_error *err)
{
    bool is_64 = qv__type_offsets_64(to->type);
    uint8_t *offsets;
    int64_t at = 0, sum = 0;

    QV_TRY(qv__array_buffer(to, 1, (size_t) to->length + 1, is_64 ? 8 : 4, &offsets, err));
    for (size_t p = 0; p < n_parts; p++) {
        const qv__part *part = &parts[p];
        bool nulls = part_has_nulls(part);
        int64_t from = part->array && part->n ? qv__offset_at(part->array, part->start) : 0;

        for (int64_t i = 0; i < part->n; i++) {
            if (part->array) {
                int64_t end = qv__offset_at(part->array, part->start + i + 1);
                if (!nulls || !qv__array_is_null(part->array, part->start + i))
                    sum += end - from;
                from = end;
            }
            qv__offset_put(offsets, is_64, ++at, sum);
        }
        QV_TRY(qv__check_offsets_fit(to->type, (uint64_t) sum, err));
    }
    *total = sum;
    return QV_OK;
}

static qv_status gather_strings(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    int64_t total;
    uint8_t *at;
    qv__bytes bytes;

    QV_TRY(gather_offsets(parts, n_parts, to, &total, err));
    QV_TRY(qv__bytes_new((size_t) total, &bytes, &at, err));
    to->buffers[2] = bytes;
    for (size_t p = 0; p < n_parts; p++) {
        const qv__part *part = &parts[p];
        int64_t step = part_has_nulls(part) ? 1 : part->n; /* whole ranges where nothing is left out */

        if (!part->array)
            continue;
        for (int64_t i = 0; i < part->n; i += step) {
            int64_t start = qv__offset_at(part->array, part->start + i);
            int64_t end = qv__offset_at(part->array, part->start + i + step);

            if (end == start || (step == 1 && qv__array_is_null(part->array, part->start + i)))
                continue;
            memcpy(at, part->array->buffers[2].data + start, (size_t) (end - start));
            at += end - start;
        }
    }
    return QV_OK;
}

static qv_status add_part(qv__part **parts, size_t *n, size_t *capacity, qv__part part, qv_error *err)
{
    qv__part *last = *n ? &(*parts)[*n - 1] : NULL;

    if (part.n == 0)
        return QV_OK;
    if (last && last->array == part.array && (!part.array || last->start + last->n == part.start)) {
        last->n += part.n;
        return QV_OK;
    }
    QV_TRY(QV_GROW(parts, capacity, *n + 1, err));
    (*parts)[(*n)++] = part;
    return QV_OK;
}

static qv_status gather_list(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *inner = NULL;
    size_t n = 0, capacity = 0;
    int64_t total;

    QV_CHECK(gather_offsets(parts, n_parts, to, &total, err));
    for (size_t p = 0; p < n_parts; p++) {
        const qv__part *part = &parts[p];
        int64_t step = part_has_nulls(part) ? 1 : part->n;

        if (!part->array)
            continue;
        for (int64_t i = 0; i < part->n; i += step) {
            int64_t start = qv__offset_at(part->array, part->start + i);
            int64_t end = qv__offset_at(part->array, part->start + i + step);

            if (step == 1 && qv__array_is_null(part->array, part->start + i))
                continue;
            QV_CHECK(add_part(&inner, &n, &capacity, (qv__part){ part->array->children[0], start, end - start }, err));
        }
    }
    QV_CHECK(qv__gather(to->type->children[0].type, inner, n, &to->children[0], err));
done:
    qv__free(inner);
    return st;
}

/* Child k of fixed-size lists (scale = their width) and structs (scale 1). */
static qv_status gather_child(const qv__part *parts, size_t n_parts, size_t k, int64_t scale, qv__array *to,
                              qv_error *err)
{
    qv_status st = QV_OK;
    qv__part *inner = NULL;

    QV_CHECK(QV_NEW(&inner, n_parts, err));
    for (size_t p = 0; p < n_parts; p++) {
        const qv__array *from = parts[p].array;

        inner[p].array = from ? from->children[k] : NULL;
        inner[p].start = from ? (from->offset + parts[p].start) * scale : 0;
        if (__builtin_mul_overflow(parts[p].n, scale, &inner[p].n))
            QV_CHECK(qv__fail(err, QV_INVALID, "%lld lists of %lld values are more than 2^63", (long long) parts[p].n,
                              (long long) scale));
    }
    QV_CHECK(qv__gather(to->type->children[k].type, inner, n_parts, &to->children[k], err));
done:
    qv__free(inner);
    return st;
}

/* Keys of one shared dictionary are copied; otherwise every key is looked up in the union of the dictionaries. */
static qv_status gather_dictionary(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    qv_status st = QV_OK;
    qv__value_set set = { 0 };
    const qv__array *shared = NULL;
    bool same = true;
    uint8_t *keys;
    int64_t at = 0, code;

    for (size_t p = 0; p < n_parts; p++) {
        if (!parts[p].array)
            continue;
        same = same && (!shared || shared == parts[p].array->dictionary);
        shared = shared ? shared : parts[p].array->dictionary;
    }
    if (same) {
        QV_TRY(gather_fixed(parts, n_parts, to, err));
        if (shared)
            to->dictionary = qv__array_ref(shared);
        else
            QV_TRY(qv__gather(to->type->children[0].type, NULL, 0, &to->dictionary, err));
        return QV_OK;
    }
    QV_CHECK(qv__array_buffer(to, 1, (size_t) to->length, qv__type_value_bytes(to->type), &keys, err));
    for (size_t p = 0; p < n_parts; p++) {
        const qv__array *from = parts[p].array;

        for (int64_t i = 0; i < parts[p].n; i++, at++) {
            if (!from || qv__array_is_null(from, parts[p].start + i))
                continue;
            QV_CHECK(
                qv__value_set_add(&set, from->dictionary, qv__dictionary_key(from, parts[p].start + i), &code, err));
            if (code > qv__dictionary_key_max(to->type->index_type)) {
                char name[64];
                QV_CHECK(qv__fail(err, QV_INVALID,
                                  "the united dictionary has more than %lld values, too many for %s keys",
                                  (long long) code, qv__type_print(to->type->index_type, name, sizeof name)));
            }
            qv__dictionary_key_put(to->type->index_type, keys, at, code);
        }
    }
    QV_CHECK(qv__value_set_values(&set, to->type->children[0].type, &to->dictionary, err));
done:
    qv__value_set_clear(&set);
    return st;
}

static qv_status gather_values(const qv__part *parts, size_t n_parts, qv__array *to, qv_error *err)
{
    switch (qv__type_layout(to->type)) {
    case QV_LAYOUT_NULL:
        to->null_count = to->length;
        return QV_OK;
    case QV_LAYOUT_BITS:
        return gather_bits(parts, n_parts, to, err);
    case QV_LAYOUT_FIXED:
        return to->type->id == QV_TYPE_DICTIONARY ? gather_dictionary(parts, n_parts, to, err)
                                                  : gather_fixed(parts, n_parts, to, err);
    case QV_LAYOUT_BYTES:
        return gather_strings(parts, n_parts, to, err);
    case QV_LAYOUT_LIST:
        return gather_list(parts, n_parts, to, err);
    case QV_LAYOUT_FIXED_LIST:
        return gather_child(parts, n_parts, 0, to->type->width, to, err);
    case QV_LAYOUT_STRUCT:
        for (size_t k = 0; k < to->type->n_children; k++)
            QV_TRY(gather_child(parts, n_parts, k, 1, to, err));
        return QV_OK;
    }
    return QV_OK;
}

qv_status qv__gather(const qv__type *type, const qv__part *parts, size_t n_parts, qv__array **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__array *to = NULL;
    int64_t length = 0;

    QV_TRY(total_length(parts, n_parts, &length, err));
    QV_TRY(qv__array_new(type, length, type->id == QV_TYPE_DICTIONARY ? 0 : type->n_children, &to, err));
    if (type->id != QV_TYPE_NULL)
        QV_CHECK(gather_validity(parts, n_parts, to, err));
    QV_CHECK(gather_values(parts, n_parts, to, err));
    *out = to;
    to = NULL;
done:
    qv__array_unref(to);
    return st;
}

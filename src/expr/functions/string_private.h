/* The rows of the text functions, by file. */
#ifndef QV_EXPR_FUNCTIONS_STRING_PRIVATE_H
#define QV_EXPR_FUNCTIONS_STRING_PRIVATE_H

#include "expr/functions/functions_private.h"

#define QV_DECLARE_ROW(name) qv_status qv__##name##_row(const qv__call *call, size_t i, qv__cell *out, qv_error *err);

/* string_case.c */
QV_DECLARE_ROW(lower)
QV_DECLARE_ROW(upper)
QV_DECLARE_ROW(initcap)

/* string_cut.c: parts of a text, and padding */
QV_DECLARE_ROW(trim)
QV_DECLARE_ROW(ltrim)
QV_DECLARE_ROW(rtrim)
QV_DECLARE_ROW(left)
QV_DECLARE_ROW(right)
QV_DECLARE_ROW(substr)
QV_DECLARE_ROW(overlay)
QV_DECLARE_ROW(lpad)
QV_DECLARE_ROW(rpad)
QV_DECLARE_ROW(split_part)
QV_DECLARE_ROW(substr_index)

/* string_search.c: lengths and places */
QV_DECLARE_ROW(ascii)
QV_DECLARE_ROW(length)
QV_DECLARE_ROW(octet_length)
QV_DECLARE_ROW(bit_length)
QV_DECLARE_ROW(contains)
QV_DECLARE_ROW(starts_with)
QV_DECLARE_ROW(ends_with)
QV_DECLARE_ROW(strpos)
QV_DECLARE_ROW(find_in_set)
QV_DECLARE_ROW(levenshtein)

/* string_make.c: new texts */
QV_DECLARE_ROW(concat)
QV_DECLARE_ROW(concat_ws)
QV_DECLARE_ROW(repeat)
QV_DECLARE_ROW(replace)
QV_DECLARE_ROW(reverse)
QV_DECLARE_ROW(translate)
QV_DECLARE_ROW(chr)

/* string_encode.c */
QV_DECLARE_ROW(to_hex)
QV_DECLARE_ROW(uuid)
QV_DECLARE_ROW(encode)
QV_DECLARE_ROW(decode)

/* Where `part` begins in `text` (0 for an empty part); SIZE_MAX: nowhere. */
size_t qv__text_find(qv__text text, qv__text part);

#endif

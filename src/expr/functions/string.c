/* Text functions: the table. Positions and lengths count characters. */
#include "expr/functions/string_private.h"

static const char *const length_names[] = { "char_length", "character_length", "len", NULL };
static const char *const trim_names[] = { "btrim", NULL };
static const char *const substr_names[] = { "substring", NULL };
static const char *const strpos_names[] = { "instr", NULL };
static const char *const index_names[] = { "substring_index", NULL };

#define ROWS(name_, aliases_, min, max, kinds_, row_, signature_, summary_)                                  \
    {                                                                                                        \
        .name = name_, .aliases = aliases_, .group = "string", .signature = signature_, .summary = summary_, \
        .min_args = min, .max_args = max, .strict = true, .bind = qv__bind_kinds, .eval = qv__eval_rows,     \
        .kinds = kinds_, .row = row_                                                                         \
    }

static const qv__function functions[] = {
    ROWS("ascii", NULL, 1, 1, "t>I", qv__ascii_row, "ascii(text) -> int32",
         "Code point of the first character; 0 for an empty text."),
    ROWS("bit_length", NULL, 1, 1, "t>I", qv__bit_length_row, "bit_length(text) -> int32", "Length in bits."),
    ROWS("trim", trim_names, 1, 2, "tt>0", qv__trim_row, "trim(text [, characters]) -> text",
         "Without the characters (a space) at both ends; also `trim(both 'x' from text)`."),
    ROWS("ltrim", NULL, 1, 2, "tt>0", qv__ltrim_row, "ltrim(text [, characters]) -> text",
         "Without the characters (a space) at the beginning."),
    ROWS("rtrim", NULL, 1, 2, "tt>0", qv__rtrim_row, "rtrim(text [, characters]) -> text",
         "Without the characters (a space) at the end."),
    ROWS("length", length_names, 1, 1, "x>I", qv__length_row, "length(text or binary) -> int32",
         "Characters of a text, bytes of binary data; int64 for large_utf8."),
    ROWS("octet_length", NULL, 1, 1, "x>I", qv__octet_length_row, "octet_length(text or binary) -> int32",
         "Length in bytes."),
    ROWS("chr", NULL, 1, 1, "i>t", qv__chr_row, "chr(code point) -> utf8", "The character with this code point."),
    {
        .name = "concat",
        .group = "string",
        .signature = "concat(value, ...) -> utf8",
        .summary = "The values' texts one after the other; nulls are left out.",
        .min_args = 1,
        .max_args = SIZE_MAX,
        .bind = qv__bind_kinds,
        .eval = qv__eval_rows,
        .kinds = "s*>t",
        .row = qv__concat_row,
    },
    {
        .name = "concat_ws",
        .group = "string",
        .signature = "concat_ws(separator, value, ...) -> utf8",
        .summary =
            "The values' texts with the separator between them; nulls are left out, a null separator gives null.",
        .min_args = 2,
        .max_args = SIZE_MAX,
        .bind = qv__bind_kinds,
        .eval = qv__eval_rows,
        .kinds = "ss*>t",
        .row = qv__concat_ws_row,
    },
    ROWS("contains", NULL, 2, 2, "tt>b", qv__contains_row, "contains(text, part) -> bool", "Does the part occur?"),
    ROWS("starts_with", NULL, 2, 2, "tt>b", qv__starts_with_row, "starts_with(text, part) -> bool",
         "Does the text begin with the part?"),
    ROWS("ends_with", NULL, 2, 2, "tt>b", qv__ends_with_row, "ends_with(text, part) -> bool",
         "Does the text end with the part?"),
    ROWS("find_in_set", NULL, 2, 2, "tt>I", qv__find_in_set_row, "find_in_set(text, list) -> int32",
         "Number of the text among the comma-separated items, from 1; 0 when it is not among them."),
    ROWS("initcap", NULL, 1, 1, "t>0", qv__initcap_row, "initcap(text) -> text",
         "Each word with a capital first letter and the others small."),
    ROWS("left", NULL, 2, 2, "ti>0", qv__left_row, "left(text, n) -> text",
         "The first n characters; all but the last -n when n is negative."),
    ROWS("right", NULL, 2, 2, "ti>0", qv__right_row, "right(text, n) -> text",
         "The last n characters; all but the first -n when n is negative."),
    ROWS("levenshtein", NULL, 2, 2, "tt>I", qv__levenshtein_row, "levenshtein(text, text) -> int32",
         "Least number of inserted, deleted and replaced characters between two texts."),
    ROWS("lower", NULL, 1, 1, "t>0", qv__lower_row, "lower(text) -> text",
         "In small letters, by Unicode's full mapping."),
    ROWS("upper", NULL, 1, 1, "t>0", qv__upper_row, "upper(text) -> text",
         "In capital letters, by Unicode's full mapping."),
    ROWS("lpad", NULL, 2, 3, "tit>0", qv__lpad_row, "lpad(text, n [, fill]) -> text",
         "Filled at the beginning (with spaces) up to n characters, or cut to n."),
    ROWS("rpad", NULL, 2, 3, "tit>0", qv__rpad_row, "rpad(text, n [, fill]) -> text",
         "Filled at the end (with spaces) up to n characters, or cut to n."),
    ROWS("overlay", NULL, 3, 4, "ttii>0", qv__overlay_row, "overlay(text, part, start [, count]) -> text",
         "With count characters (the part's length) from start on replaced; also `overlay(a placing b from 2 for 4)`."),
    ROWS("repeat", NULL, 2, 2, "ti>0", qv__repeat_row, "repeat(text, n) -> text", "n times the text."),
    ROWS("replace", NULL, 3, 3, "ttt>0", qv__replace_row, "replace(text, from, to) -> text",
         "With each occurrence of a part replaced."),
    ROWS("reverse", NULL, 1, 1, "t>0", qv__reverse_row, "reverse(text) -> text", "The characters from last to first."),
    ROWS("split_part", NULL, 3, 3, "tti>0", qv__split_part_row, "split_part(text, separator, n) -> text",
         "Piece n, counted from 1, or from the end when n is negative; empty when there is none."),
    ROWS("strpos", strpos_names, 2, 2, "tt>I", qv__strpos_row, "strpos(text, part) -> int32",
         "Where the part occurs first, from 1; 0 when it does not. Also `position(part in text)`."),
    ROWS("substr", substr_names, 2, 3, "tii>0", qv__substr_row, "substr(text, start [, count]) -> text",
         "The characters from start (from 1) on; also `substring(text from 2 for 3)`."),
    ROWS("substr_index", index_names, 3, 3, "tti>0", qv__substr_index_row, "substr_index(text, separator, n) -> text",
         "What stands before the n-th separator, or behind the n-th from the end when n is negative."),
    ROWS("to_hex", NULL, 1, 1, "i>t", qv__to_hex_row, "to_hex(integer) -> utf8", "In hexadecimal digits."),
    ROWS("translate", NULL, 3, 3, "ttt>0", qv__translate_row, "translate(text, from, to) -> text",
         "Each character of `from` replaced by the one at its place in `to`, or left out."),
    {
        .name = "uuid",
        .group = "string",
        .signature = "uuid() -> utf8",
        .summary = "A random UUID (version 4), another for each row.",
        .max_args = 0,
        .volatile_ = true,
        .bind = qv__bind_kinds,
        .eval = qv__eval_rows,
        .kinds = ">t",
        .row = qv__uuid_row,
    },
    ROWS("encode", NULL, 2, 2, "xt>t", qv__encode_row, "encode(text or binary, 'base64' | 'base64pad' | 'hex') -> utf8",
         "The bytes as text."),
    ROWS("decode", NULL, 2, 2, "xt>x", qv__decode_row, "decode(text, 'base64' | 'base64pad' | 'hex') -> binary",
         "The bytes that the text stands for."),
};

const qv__function_group qv__string_functions = { functions, QV_COUNT_OF(functions) };

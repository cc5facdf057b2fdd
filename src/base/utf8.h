/* UTF-8: is it, and walking over it. */
#ifndef QV_BASE_UTF8_H
#define QV_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum qv__utf8_kind { QV_UTF8_BROKEN, QV_UTF8_ASCII, QV_UTF8_WIDE } qv__utf8_kind;
qv__utf8_kind qv__utf8_scan(const uint8_t *bytes, size_t len);
bool qv__utf8_valid(const uint8_t *bytes, size_t len);

/* Bytes of the character that begins with `first`; the text is known to be UTF-8. */
static inline size_t qv__utf8_len(uint8_t first) { return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4; }
/* Characters of a valid text. */
size_t qv__utf8_count(const uint8_t *text, size_t len);
/* Where character n of a valid text begins; `len` when it has not so many. */
size_t qv__utf8_at(const uint8_t *text, size_t len, uint64_t n);
/* The character at text[0 ...) of a valid text; its length in bytes goes to *n. */
uint32_t qv__utf8_get(const uint8_t *text, size_t *n);
/* Writes a code point (no surrogate, at most 0x10ffff); returns its bytes, 1 to 4. */
size_t qv__utf8_put(uint32_t c, uint8_t out[4]);

#endif

/* What every fuzz target includes: the entry point, and a reader that turns bytes into small decisions. */
#ifndef QV_FUZZ_H
#define QV_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise of the library: said and counted as a crash. */
#define FUZZ_CHECK(condition)                                                             \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

typedef struct fuzz_reader {
    const uint8_t *data;
    size_t left;
} fuzz_reader;

/* The next byte, 0 after the end. */
static inline uint8_t fuzz_byte(fuzz_reader *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->data++;
}

/* Fills n bytes, with zeros after the end. */
static inline void fuzz_bytes(fuzz_reader *in, void *out, size_t n)
{
    size_t have = n < in->left ? n : in->left;

    memset(out, 0, n);
    if (have > 0)
        memcpy(out, in->data, have);
    in->data += have;
    in->left -= have;
}

#endif

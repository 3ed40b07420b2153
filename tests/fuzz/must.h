/* must.h - what every fuzz target has: its entry, and an end that the fuzzer sees. */
#ifndef MEMFERRY_TESTS_MUST_H
#define MEMFERRY_TESTS_MUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

#endif

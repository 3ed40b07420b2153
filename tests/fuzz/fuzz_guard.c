/*
 * fuzz_guard.c - statements that may be anything, judged and masked.
 *
 * The first byte says in which language, and how much room the mask has. Judging the same text
 * again says the same; what is masked fits where it is written, and nothing else is touched.
 */
#include "broker/guard_mask.h"
#include "broker/guard_statement.h"
#include "tests/fuzz/must.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void judge(enum guard_language language, const char *text, size_t size)
{
    struct guard_finding first, again;

    must(guard_judge(language, text, size, &first) == 0, "judged");
    must(guard_judge(language, text, size, &again) == 0, "judged again");
    must(first.schema_change == again.schema_change && first.mass_statement == again.mass_statement,
         "the same is found");
}

static void mask(const char *text, size_t size, size_t max)
{
    char *out = malloc(max + 1); /* exact, for the sanitizer */

    must(out != NULL, "memory");
    must(guard_mask(text, size, out, max) <= max, "it fits");
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    char *text = malloc(size); /* without the first byte, and nothing behind */
    must(text != NULL, "memory");
    memcpy(text, data + 1, size - 1);
    judge((enum guard_language)(GUARD_AUTO + data[0] % 4), text, size - 1);
    mask(text, size - 1, data[0] % 2 == 0 ? 3 * size : data[0]);
    free(text);
    return 0;
}

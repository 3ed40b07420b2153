/* buffer.c - see buffer.h. */
#include "plugins/common/buffer.h"

#include <stdlib.h>

#define FIRST_CAPACITY 4096u

bool buffer_reserve(char **data, size_t *capacity, size_t need)
{
    size_t larger = *capacity == 0 ? FIRST_CAPACITY : *capacity;

    if (need <= *capacity) {
        return true;
    }
    while (larger < need) {
        larger *= 2;
    }
    char *more = realloc(*data, larger);
    if (more == NULL) {
        return false;
    }
    *data = more;
    *capacity = larger;
    return true;
}

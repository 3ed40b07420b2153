/* suggest.c - edit distance over short names. Cannot fail. */
#include "client/cli/suggest.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define NAME_SIZE 32

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned name_distance(const char *a, const char *b)
{
    unsigned table[NAME_SIZE][NAME_SIZE];
    size_t rows = strlen(a), columns = strlen(b);

    if (rows >= NAME_SIZE || columns >= NAME_SIZE) {
        return UINT_MAX;
    }
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                table[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            table[i][j] = least(change, least(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
            }
        }
    }
    return table[rows][columns];
}

struct suggestion suggestion_begin(const char *typed)
{
    return (struct suggestion){.typed = typed, .distance = UINT_MAX};
}

void suggestion_try(struct suggestion *suggestion, const char *name)
{
    size_t typed = strlen(suggestion->typed);
    bool begun = typed >= 2 && strncmp(name, suggestion->typed, typed) == 0;
    unsigned distance = begun ? 0 : name_distance(suggestion->typed, name);

    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->nearest = name;
    }
}

const char *suggestion_end(const struct suggestion *suggestion)
{
    size_t typed = strlen(suggestion->typed);

    /* Up to a third of it may be wrong. */
    return suggestion->nearest != NULL && suggestion->distance <= (typed + 2) / 3
               ? suggestion->nearest
               : NULL;
}

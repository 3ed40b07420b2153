/* suggest.c - edit distance with swaps, for short names. Cannot fail. */
#include "broker/util/suggest.h"

#include <stdint.h>
#include <string.h>

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    /* Three rows of the table are enough: a swap looks two rows back. */
    size_t rows[3][SUGGEST_NAME_MAX + 1];
    size_t a_size = strlen(a), b_size = strlen(b);

    if (a_size > SUGGEST_NAME_MAX || b_size > SUGGEST_NAME_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b_size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = smallest(row[j], smallest(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smallest(row[j], above2[j - 2] + 1);
            }
        }
    }
    return rows[a_size % 3][b_size];
}

bool suggest_is_better(const char *typed, const char *known, size_t *best)
{
    size_t distance = suggest_distance(typed, known);

    if (distance > 1 + strlen(known) / 4 || distance >= strlen(known) || distance >= *best) {
        return false;
    }
    *best = distance;
    return true;
}

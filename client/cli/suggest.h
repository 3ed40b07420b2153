/* suggest.h - the nearest of several names, when one was mistyped. Pure. */
#ifndef MEMFERRY_CLI_SUGGEST_H
#define MEMFERRY_CLI_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *typed, *nearest;
    unsigned distance;
};

struct suggestion suggestion_begin(const char *typed);
void suggestion_try(struct suggestion *suggestion, const char *name);
/* The nearest that is near enough to be meant, or NULL. */
const char *suggestion_end(const struct suggestion *suggestion);

/* Letters to insert, drop, change or swap with their neighbour; names over 31 bytes are far from
 * everything. */
unsigned name_distance(const char *a, const char *b);

#endif

/*
 * streak.h - how many different memories failed in one way since the last success. Enough of them
 * mean that the backend is to blame, not they. Holds STREAK_MAX ids at most. Cannot fail.
 */
#ifndef MEMFERRY_STREAK_H
#define MEMFERRY_STREAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAK_MAX     20
#define STREAK_ID_SIZE 257 /* a memory's id is 256 bytes at most */

struct streak_entry {
    char id[STREAK_ID_SIZE];
    uint64_t round; /* the batch it was last seen in */
    uint64_t version;
    uint32_t attempts; /* with this one */
};

struct streak {
    size_t limit, count;
    struct streak_entry entries[STREAK_MAX];
};

void streak_init(struct streak *streak, size_t limit); /* limit ≤ STREAK_MAX */
void streak_clear(struct streak *streak);
/* A memory seen before counts once, with what it is now. Beyond the limit nothing is noted. */
void streak_add(struct streak *streak, const struct streak_entry *entry);
bool streak_is_full(const struct streak *streak);

#endif

/* streak.c - a handful of ids, looked through one by one. */
#include "broker/streak.h"

#include <assert.h>
#include <string.h>

void streak_init(struct streak *streak, size_t limit)
{
    assert(limit > 0 && limit <= STREAK_MAX);
    streak->limit = limit;
    streak->count = 0;
}

void streak_clear(struct streak *streak)
{
    streak->count = 0;
}

void streak_add(struct streak *streak, const struct streak_entry *entry)
{
    size_t i = 0;

    while (i < streak->count && strcmp(streak->entries[i].id, entry->id) != 0) {
        i++;
    }
    if (i < streak->limit) {
        streak->entries[i] = *entry;
        streak->count += i == streak->count;
    }
}

bool streak_is_full(const struct streak *streak)
{
    return streak->count == streak->limit;
}

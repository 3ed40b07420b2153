/*
 * suggest.h - "did you mean": the known name nearest to one that was mistyped.
 */
#ifndef MEMFERRY_UTIL_SUGGEST_H
#define MEMFERRY_UTIL_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

#define SUGGEST_NAME_MAX 64 /* longer names are never near */

/* Letters to change, add, take away or swap with their neighbour to make a into b; SIZE_MAX when
 * one of them is too long to look at. */
size_t suggest_distance(const char *a, const char *b);

/* True when `known` is near enough to `typed` to be offered, and nearer than *best, which is then
 * lowered. Start with *best = SIZE_MAX. */
bool suggest_is_better(const char *typed, const char *known, size_t *best);

#endif

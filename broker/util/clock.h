/*
 * clock.h - the two clocks: the wall's for people and stamps, the monotonic one for waiting.
 *
 * The wall clock may jump either way; nothing may wait by it. The monotonic one never goes back and
 * means nothing across a boot. Neither call fails on Linux.
 */
#ifndef MEMFERRY_UTIL_CLOCK_H
#define MEMFERRY_UTIL_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_wall_ms(void); /* since the epoch, UTC */
int64_t clock_wall_us(void);
int64_t clock_monotonic_ms(void); /* since some moment before the start */
int64_t clock_monotonic_us(void);

/* A moment of either clock as the waits of pthread want it. */
struct timespec clock_timespec(int64_t us);

#endif

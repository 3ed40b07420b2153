/* clock.h - the clock for waiting: it never goes back, and means nothing across a boot. */
#ifndef MEMFERRY_PLUGINS_CLOCK_H
#define MEMFERRY_PLUGINS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif

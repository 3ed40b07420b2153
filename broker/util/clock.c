/* clock.c - reads the clocks; a clock that Linux promises to have and has not is a bug. */
#include "broker/util/clock.h"

#include <assert.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now = {0};
    int result = clock_gettime(clock, &now);

    assert(result == 0);
    (void)result;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

struct timespec clock_timespec(int64_t us)
{
    return (struct timespec){.tv_sec = (time_t)(us / 1000000),
                             .tv_nsec = (long)(us % 1000000) * 1000};
}

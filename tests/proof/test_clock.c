/*
 * test_clock.c - a clock that a test drives, for a whole program: preloaded, it puts the clocks
 * ahead by what a shared file says, and lets every wait that has come due by them end.
 *
 * MEMFERRY_TEST_CLOCK names the file: one int64_t, milliseconds. The test may only raise it. Real
 * time goes on besides, so that nothing stands still that does not wait.
 *
 * A wait is cut into slices of real time, and the clock is looked at behind each. A wait for a
 * condition ends early then, as such a wait always may; its caller looks again. The system is
 * called directly: nothing here needs the functions that it replaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS    5
#define NS_OF_MS    1000000L
#define MS_OF_S     1000
#define WALL_FROM_S 1000000000 /* no machine has been up for so long */

static const int64_t nothing;
static const int64_t *ahead_ms = &nothing;

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("MEMFERRY_TEST_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        abort();
    }
    void *mapped = mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        abort();
    }
    close(fd);
    ahead_ms = mapped;
}

static int64_t ahead(void)
{
    return __atomic_load_n(ahead_ms, __ATOMIC_ACQUIRE);
}

static void add_ms(struct timespec *at, int64_t ms)
{
    at->tv_sec += (time_t)(ms / MS_OF_S);
    at->tv_nsec += (long)(ms % MS_OF_S) * NS_OF_MS;
    if (at->tv_nsec >= MS_OF_S * NS_OF_MS) {
        at->tv_sec++;
        at->tv_nsec -= MS_OF_S * NS_OF_MS;
    } else if (at->tv_nsec < 0) {
        at->tv_sec--;
        at->tv_nsec += MS_OF_S * NS_OF_MS;
    }
}

static int64_t ms_of(const struct timespec *at)
{
    return (int64_t)at->tv_sec * MS_OF_S + at->tv_nsec / NS_OF_MS;
}

static bool is_followed(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME_COARSE ||
           clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0 && is_followed(clock)) {
        add_ms(ret, ahead());
    }
    return r;
}

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL) {
        *ret = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    clockid_t clock = until->tv_sec > WALL_FROM_S ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    struct timespec slice, now;

    clock_gettime(clock, &now);
    int64_t left_ms = ms_of(until) - ms_of(&now);
    if (left_ms <= SLICE_MS) { /* to the end, by the real clock */
        slice = *until;
        add_ms(&slice, -ahead());
        return pthread_cond_clockwait(condition, mutex, clock, &slice);
    }
    syscall(SYS_clock_gettime, clock, &slice);
    add_ms(&slice, SLICE_MS);
    int r = pthread_cond_clockwait(condition, mutex, clock, &slice);
    return r == ETIMEDOUT ? 0 : r;
}

/* When a wait of timeout_ms (< 0: for ever) has ended by the clock of the test. */
static int64_t end_of(int timeout_ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return timeout_ms < 0 ? INT64_MAX : ms_of(&now) + timeout_ms;
}

/* How long to wait in one piece; 0 with the end reached. */
static int next_slice(int64_t end_ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left_ms = end_ms - ms_of(&now);
    return left_ms <= 0 ? 0 : left_ms < SLICE_MS ? (int)left_ms : SLICE_MS;
}

int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout_ms,
                const sigset_t *mask)
{
    int64_t end_ms = end_of(timeout_ms);

    for (;;) {
        int slice = next_slice(end_ms);
        int n = (int)syscall(SYS_epoll_pwait, epoll, events, max, slice, mask, _NSIG / CHAR_BIT);
        if (n != 0 || slice == 0) {
            return n;
        }
    }
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
    return epoll_pwait(epoll, events, max, timeout_ms, NULL);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int64_t end_ms = end_of(timeout_ms);

    for (;;) {
        int slice = next_slice(end_ms);
        struct timespec wait = {.tv_nsec = slice * NS_OF_MS};
        int n = (int)syscall(SYS_ppoll, fds, count, &wait, NULL, 0);
        if (n != 0 || slice == 0) {
            return n;
        }
    }
}

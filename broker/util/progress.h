/*
 * progress.h - whether a thread goes on: since when it has had work without ending a step of it.
 *
 * Who gives work says progress_wanted, the thread says progress_step after each step and
 * progress_idle when it waits for more; wanted and idle under the mutex that the queue has. Then a
 * thread that hangs in a step and one that was never woken look the same, and any thread may ask.
 */
#ifndef MEMFERRY_UTIL_PROGRESS_H
#define MEMFERRY_UTIL_PROGRESS_H

#include <stdint.h>

struct progress {
    _Atomic int64_t since_ms; /* monotonic; 0: there is nothing to do */
};

void progress_wanted(struct progress *progress);
void progress_step(struct progress *progress);
void progress_idle(struct progress *progress);

/* 0: nothing to do, or a step has just ended. */
int64_t progress_age_ms(const struct progress *progress);

#endif

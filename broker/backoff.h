/*
 * backoff.h - how long to wait before the next attempt: exponential with full jitter.
 *
 * The wait before attempt n + 1 is drawn evenly from [min, min × 2^n], cut at max: many that failed
 * together do not come back together, and nobody comes back sooner than min. A delay that the
 * backend asked for wins over the draw, up to BACKOFF_ASKED_MAX_MS. Cannot fail. One thread.
 */
#ifndef MEMFERRY_BACKOFF_H
#define MEMFERRY_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MIN_MS       1000u
#define BACKOFF_MAX_MS       (10u * 60 * 1000)
#define BACKOFF_ASKED_MAX_MS (24u * 60 * 60 * 1000) /* nobody sends us away for longer */

struct backoff {
    uint32_t min_ms, max_ms;
    uint64_t random; /* state of the generator */
};

/* min_ms and max_ms 0: the constants above; seed 0: by chance. */
void backoff_init(struct backoff *backoff, uint32_t min_ms, uint32_t max_ms, uint64_t seed);

/* The wait after `attempts` failures (1 at least); asked_ms 0: the backend named none. */
uint32_t backoff_delay_ms(struct backoff *backoff, uint32_t attempts, uint32_t asked_ms);

/* What the waits after `attempts` failures come to on average. */
uint64_t backoff_spent_ms(const struct backoff *backoff, uint32_t attempts);

#endif

/* backoff.c - draws the waits; cannot fail. Jitter wants spread, not secrecy: a small generator
 * (xorshift, multiplied) is enough, and a given seed makes tests repeatable. */
#include "broker/backoff.h"

#include <assert.h>
#include <sys/random.h>
#include <time.h>

/* A state of 0 would stay 0. */
static uint64_t seed_by_chance(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)&now;
    }
    return seed | 1;
}

void backoff_init(struct backoff *backoff, uint32_t min_ms, uint32_t max_ms, uint64_t seed)
{
    backoff->min_ms = min_ms != 0 ? min_ms : BACKOFF_MIN_MS;
    backoff->max_ms = max_ms != 0 ? max_ms : BACKOFF_MAX_MS;
    if (backoff->max_ms < backoff->min_ms) {
        backoff->max_ms = backoff->min_ms;
    }
    backoff->random = seed != 0 ? seed : seed_by_chance();
}

static uint64_t next_random(struct backoff *backoff)
{
    backoff->random ^= backoff->random >> 12;
    backoff->random ^= backoff->random << 25;
    backoff->random ^= backoff->random >> 27;
    return backoff->random * UINT64_C(0x2545F4914F6CDD1D);
}

/* min × 2^attempts, cut at max. */
static uint32_t ceiling_ms(const struct backoff *backoff, uint32_t attempts)
{
    uint64_t ceiling = backoff->min_ms;

    for (uint32_t i = 0; i < attempts && ceiling < backoff->max_ms; i++) {
        ceiling *= 2;
    }
    return ceiling < backoff->max_ms ? (uint32_t)ceiling : backoff->max_ms;
}

uint32_t backoff_delay_ms(struct backoff *backoff, uint32_t attempts, uint32_t asked_ms)
{
    assert(attempts > 0);
    if (asked_ms != 0) {
        return asked_ms < BACKOFF_ASKED_MAX_MS ? asked_ms : BACKOFF_ASKED_MAX_MS;
    }
    /* The high bits are the better ones; the bias of % is far below what jitter is for. */
    uint64_t width = (uint64_t)ceiling_ms(backoff, attempts) - backoff->min_ms + 1;
    return backoff->min_ms + (uint32_t)((next_random(backoff) >> 16) % width);
}

uint64_t backoff_spent_ms(const struct backoff *backoff, uint32_t attempts)
{
    uint64_t spent = 0;

    for (uint32_t n = 1; n <= attempts; n++) {
        uint64_t ceiling = ceiling_ms(backoff, n);
        uint64_t mean = (backoff->min_ms + ceiling) / 2;

        if (ceiling == backoff->max_ms) { /* all further ones are alike */
            return spent + mean * (attempts - n + 1);
        }
        spent += mean;
    }
    return spent;
}

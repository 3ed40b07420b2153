/* brake.c - see brake.h. */
#include "broker/brake.h"

#include "broker/util/clock.h"
#include "broker/util/container.h"

#define TICK_MS   1
#define WINDOW_US 100000 /* over which the store's speed is taken */
#define RATE_MIN  ((size_t)1 << 10)
/* Between the two it goes on as it is. */
#define BRAKE_END   (BRAKE_SOFT / 8 * 7)
#define SAVED_TICKS 4 /* what was not read is kept for so long */

static size_t weight_of(size_t payload_size)
{
    return payload_size > BRAKE_EVENT ? payload_size : BRAKE_EVENT;
}

/* Over at least a window, and mostly as it was before: a checkpoint stops the store for a while. */
static void take_rate(struct brake *brake, int64_t now_us)
{
    int64_t passed_us = now_us - brake->since_us;

    if (passed_us >= WINDOW_US) {
        size_t rate = (size_t)((int64_t)brake->drained * 1000 / passed_us);
        brake->rate = brake->rate == 0 ? rate : (3 * brake->rate + rate) / 4;
        brake->drained = 0;
        brake->since_us = now_us;
    }
}

/* In 1/256 of the rate: twice as fast at BRAKE_SOFT, half as fast at BRAKE_MAX. */
static size_t factor_of(size_t load)
{
    size_t above = load > BRAKE_SOFT ? load - BRAKE_SOFT : 0;

    if (above > BRAKE_MAX - BRAKE_SOFT) {
        above = BRAKE_MAX - BRAKE_SOFT;
    }
    return 512 - 384 * (above >> 10) / ((BRAKE_MAX - BRAKE_SOFT) >> 10);
}

static void allow(struct brake *brake, int64_t now_us)
{
    size_t rate = brake->rate > RATE_MIN ? brake->rate : RATE_MIN;
    int64_t per_ms = (int64_t)(rate * factor_of(brake->load) / 256);

    brake->allowance += per_ms * (now_us - brake->ticked_us) / 1000;
    if (brake->allowance > SAVED_TICKS * per_ms) {
        brake->allowance = SAVED_TICKS * per_ms;
    }
    brake->ticked_us = now_us;
}

static void tick_cb(uv_timer_t *timer);

static void look(struct brake *brake)
{
    bool brakes = brake->load >= (brake->brakes ? BRAKE_END : BRAKE_SOFT) && !brake->released;

    if (brakes && !brake->brakes) {
        brake->allowance = 0;
        brake->ticked_us = clock_monotonic_us();
        uv_timer_start(&brake->timer, tick_cb, TICK_MS, TICK_MS);
    } else if (!brakes && brake->brakes) {
        uv_timer_stop(&brake->timer);
    }
    brake->brakes = brakes;
    peers_pause_writers(brake->peers,
                        brakes && (brake->allowance <= 0 || brake->load >= BRAKE_MAX));
}

static void tick_cb(uv_timer_t *timer)
{
    struct brake *brake = container_of(timer, struct brake, timer);
    int64_t now_us = clock_monotonic_us();

    take_rate(brake, now_us);
    allow(brake, now_us);
    look(brake);
}

int brake_init(struct brake *brake, uv_loop_t *loop, struct peers *peers)
{
    *brake = (struct brake){.peers = peers};
    return uv_timer_init(loop, &brake->timer);
}

void brake_add(struct brake *brake, size_t payload_size)
{
    if (brake->load == 0) { /* what the store did before says nothing about how fast it is */
        brake->drained = 0;
        brake->since_us = clock_monotonic_us();
    }
    brake->load += weight_of(payload_size);
    if (brake->brakes) {
        brake->allowance -= (int64_t)weight_of(payload_size);
    }
    look(brake);
}

void brake_remove(struct brake *brake, size_t payload_size)
{
    brake->load -= weight_of(payload_size);
    brake->drained += weight_of(payload_size);
    look(brake);
}

void brake_release(struct brake *brake, bool released)
{
    brake->released = released;
    look(brake);
}

/*
 * health.h - whether the broker goes on, judged by what its threads finish and not by whether they
 * live; and the service manager's watchdog, which hears of nothing else.
 *
 * Happy path: health_look asks for how long writer and store have had work without ending a step of
 * it. Under a watchdog (WATCHDOG_USEC) a timer of the loop looks four times in its span and sends
 * WATCHDOG=1: that it is sent at all is the loop's own sign of life.
 *
 * Failure modes: a writer or store that stands still for HEALTH_STUCK_MS, or half the watchdog's
 * span, is logged once, told as STATUS, and the watchdog is not fed until it goes on: then the
 * service manager ends the broker and starts it again, which loses nothing that has a receipt. A
 * full disk, a locked database or a dead backend are no reason: a new start would not help. A
 * plugin that does not return is told of (HEALTH_CALL_MS), and stalls its own backend alone.
 */
#ifndef MEMFERRY_HEALTH_H
#define MEMFERRY_HEALTH_H

#include "broker/backends.h"
#include "broker/writes.h"

#define HEALTH_STUCK_MS 30000
#define HEALTH_CALL_MS  600000

struct health {
    uv_timer_t timer;
    struct writes *writes;
    struct log *log;
    int64_t watchdog_ms; /* 0: nobody watches */
    bool told;
};

struct health_findings {
    int64_t writer_ms, store_ms; /* without the end of a step; 0: nothing to do */
    size_t unapplied;            /* events in the journal and not yet in the store */
    int64_t unapplied_ms;        /* since the store last took one of them */
    bool full;                   /* the store waits for room */
    bool writer_stuck, store_stuck;
};

void health_init(struct health *health, uv_loop_t *loop, struct writes *writes, struct log *log);
/* From here on the watchdog is fed, if there is one. */
void health_start(struct health *health);

struct health_findings health_look(const struct health *health);

/* How long the backend's plugin has been in one call; 0: it is in none. */
int64_t health_call_ms(const struct lane_status *lane);

#endif

/*
 * alerts.h - what somebody should look at: from any part of the broker to the log, the journal, and
 * from there to the alert backends.
 *
 * Happy path: alerts_raise logs the alert and submits its event; when that was applied, the
 * observer is told, and the lanes of alert backends find it in the store as they find memories.
 * Raised again while it is on its way, it waits and goes as one update: an alert has one event on
 * its way, however often it is raised.
 *
 * Failure modes: with a full journal the alert waits here and is tried again every
 * ALERTS_RETRY_MS. What cannot be kept (ALERTS_WAITING_MAX others wait, no memory, the storage has
 * failed, the broker stops) is logged as `alert-lost` with all that it says: never silently.
 */
#ifndef MEMFERRY_ALERTS_H
#define MEMFERRY_ALERTS_H

#include "broker/alert.h"
#include "broker/emitter.h"
#include "broker/util/log.h"

#include <pthread.h>
#include <uv.h>

#define ALERTS_WAITING_MAX 256 /* different ones */
#define ALERTS_RETRY_MS    5000

/* Embedded by who wants to hear, in the loop. */
struct alerts_observer {
    /* It is in the store, as event `seq`. Borrowed for the call. */
    void (*raised)(struct alerts_observer *, const struct alert *alert, uint64_t seq);
};

struct raised; /* one that is on its way */

/* Embedded by who waits, in the loop. */
struct alerts_wait {
    struct alerts_wait *next;
    uint64_t target;
    void (*settled)(struct alerts_wait *);
};

struct alerts {
    struct emitter *emitter;
    struct alerts_observer *observer; /* NULL: nobody listens */
    struct log *log;
    uv_timer_t timer;
    uint64_t retry_ms;
    struct alerts_wait *waits; /* in the loop */
    pthread_mutex_t lock;      /* guards what is below, and is not held during a submit */
    struct raised *first;
    size_t count;
    uint64_t flown, landed; /* events, so far */
    bool stopped;
};

/* All is borrowed. */
void alerts_init(struct alerts *alerts, uv_loop_t *loop, struct emitter *emitter, struct log *log);
/* Nothing reaches the journal any more: what waits is logged. In the loop; its timer is closed by
 * who ends the loop. */
void alerts_stop(struct alerts *alerts);
void alerts_deinit(struct alerts *alerts);

/* Any thread; the alert is copied. at_ms 0: now. */
void alerts_raise(struct alerts *alerts, const struct alert *given);
/* In the loop: calls settled, at once or later in the loop, when each alert that is on its way now
 * is in the store, or has to wait for room: whoever saw what raised it then reads it. */
void alerts_settle(struct alerts *alerts, struct alerts_wait *wait);
/* An alert of the broker's own, about `subject` (a backend, a file): its id is RULE/SUBJECT, so
 * that what happens again counts up in the one that is there. undo may be NULL. */
void alerts_tell(struct alerts *alerts, const char *rule, const char *subject,
                 enum memferry_severity severity, const char *undo, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#endif

/*
 * guard_rate.h - more than so many events within a window, by one session or in all.
 *
 * Happy path: each event is added with its time; one that is over the limit raises an alert, which
 * takes in all events that led to it, and those of the window that follows. A session that is over
 * the limit alone has an alert of its own; what is left is counted in all. An event counts in one
 * alert, so that a limit has to be passed anew before there is another.
 *
 * Exact: the window is what lies less than window_ms behind the event, to the millisecond. A clock
 * that goes back by less than a window stands still meanwhile; one that goes back further begins
 * anew.
 *
 * Bounded: limit + 1 events, and GUARD_SESSIONS_MAX sessions with events in the window; those of
 * further ones count in all alone.
 */
#ifndef MEMFERRY_GUARD_RATE_H
#define MEMFERRY_GUARD_RATE_H

#include "broker/guard_alarm.h"

#define GUARD_LIMIT_MAX    100000u
#define GUARD_SESSIONS_MAX 256
#define GUARD_SESSION_SIZE 64

struct guard_session {
    char id[GUARD_SESSION_SIZE];
    size_t size;    /* 0: free */
    uint32_t count; /* of the events that are in no alert yet */
    struct guard_alarm alarm;
};

struct guard_mark {
    int64_t at_ms;
    uint64_t seq;
    struct guard_session *session; /* NULL: none, or one too many */
};

struct guard_rate {
    uint32_t limit;
    int64_t window_ms; /* 0: the rule is off */
    struct guard_listener *listener;
    int64_t now_ms;
    struct guard_mark *marks; /* a ring of limit + 1, by time */
    size_t first, count;
    struct guard_alarm alarm;       /* of all */
    struct guard_session *sessions; /* GUARD_SESSIONS_MAX */
};

/* The listener is borrowed. 0 or -ENOMEM. */
int guard_rate_init(struct guard_rate *rate, uint32_t limit, int64_t window_ms,
                    struct guard_listener *listener);
void guard_rate_deinit(struct guard_rate *rate);

/* Of the session `id`, or of none. Events come by rising seq. Returns the alert that it counts in;
 * NULL: none. */
const struct guard_alarm *guard_rate_add(struct guard_rate *rate, struct event_text id,
                                         int64_t at_ms, uint64_t seq);
/* It has become that late: what is over is told its end. */
void guard_rate_pass(struct guard_rate *rate, int64_t now_ms);
/* An alert is counting. */
bool guard_rate_is_active(const struct guard_rate *rate);
/* After a start, before its first event comes again. */
void guard_rate_resume(struct guard_rate *rate, const struct guard_known *known);

#endif

/*
 * guard_alarm.h - one alert of a rule while it counts: from the event that raised it until a window
 * has passed.
 *
 * It is told when it is raised, again whenever its count has doubled, and when it has grown since
 * and nothing came for GUARD_QUIET_MS, or its window ends: never an event for an event of a storm,
 * and soon after one all of it can be undone. Times are those of events.
 */
#ifndef MEMFERRY_GUARD_ALARM_H
#define MEMFERRY_GUARD_ALARM_H

#include "broker/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_SAMPLES_MAX 10
#define GUARD_QUIET_MS    2000

struct guard_alarm {
    bool active;
    int64_t at_ms, last_ms; /* of the event that raised it, and of the last one counted */
    int64_t until_ms;       /* events before it count */
    uint64_t first_seq, last_seq;
    uint64_t count, told;
    uint64_t samples[GUARD_SAMPLES_MAX]; /* seqs of the first events */
    size_t sample_count;
};

/* Embedded by who raises alerts. */
struct guard_listener {
    /* There is something new to tell; session.size 0: of no one session. Borrowed for the call. */
    void (*tell)(struct guard_listener *, const struct guard_alarm *alarm,
                 struct event_text session, bool is_new);
};

void guard_alarm_sample(struct guard_alarm *alarm, uint64_t seq);
/* One event more. */
void guard_alarm_count(struct guard_alarm *alarm, int64_t at_ms, uint64_t seq);
void guard_alarm_tell_new(struct guard_alarm *alarm, struct event_text session,
                          struct guard_listener *listener);
/* If its count has doubled. */
void guard_alarm_tell_more(struct guard_alarm *alarm, struct event_text session,
                           struct guard_listener *listener);
/* It is now_ms: tells what there is to tell at the end, or when it is quiet. True: it is over. */
bool guard_alarm_pass(struct guard_alarm *alarm, struct event_text session, int64_t now_ms,
                      struct guard_listener *listener);

/* ---- after a start ---- */

/* An alert that was raised before. Its events come again, from the first on, and are counted again;
 * what is not more than was told is not told again. */
struct guard_known {
    char session[64];
    size_t session_size; /* 0: of no one session */
    int64_t at_ms;       /* when it was raised */
    uint64_t first_seq, told;
};

void guard_alarm_resume(struct guard_alarm *alarm, const struct guard_known *known,
                        int64_t window_ms);

#endif

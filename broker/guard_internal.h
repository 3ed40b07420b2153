/* guard_internal.h - the guard's own object, for guard.c, guard_begin.c and guard_tell.c alone. */
#ifndef MEMFERRY_GUARD_INTERNAL_H
#define MEMFERRY_GUARD_INTERNAL_H

#include "broker/guard.h"
#include "broker/guard_rate.h"
#include "broker/guard_share.h"
#include "broker/guard_statement.h"
#include "broker/store_recent.h"

#define GUARD_KNOWN_MAX 256

struct guard_rule_state {
    struct guard_listener listener;
    struct guard *guard;
    enum guard_rule rule;
    struct guard_rate rate; /* of all rules but bulk-change */
};

/* The event that is looked at. */
struct guard_now {
    int64_t peer_pid;
    struct event_text statement;
    const char *what; /* what the statement does */
};

struct guard {
    struct applier_watch watch;
    struct alerts *alerts;
    struct log *log;
    struct mailbox *mailbox;
    struct applier *applier;
    uv_timer_t timer;
    struct note note;         /* to the loop: start the timer */
    struct applier_work work; /* from the timer: it is late */
    struct applier_work begin;
    uint64_t delay_ms; /* of the timer; written before the note is posted */
    /* the store thread's */
    struct store *store;
    struct config_guard config;
    struct guard_rule_state rules[GUARD_RULES];
    struct guard_share share;
    struct guard_now now;
    bool is_ready; /* the windows are there */
    bool is_timed; /* the timer is running, or will be */
};

/* ---- guard_tell.c ---- */

void guard_tell(struct guard_listener *listener, const struct guard_alarm *alarm,
                struct event_text session, bool is_new);
struct change_alert guard_mark_of(const struct guard *guard, enum guard_rule rule,
                                  const struct guard_alarm *alarm, struct event_text session);
/* The rule of a name, and the first event of an alert's id; false: none of the guard's. */
bool guard_read_id(const struct event_text *rule, const struct event_text *id,
                   enum guard_rule *ret_rule, uint64_t *ret_first_seq);

/* ---- guard.c ---- */

/* Counts one event, as it came or as it is read back. alerts: CHANGE_ALERTS_MAX of them, or NULL.
 */
void guard_look(struct guard *guard, const struct store_recent_event *event,
                struct change_alert *alerts);

/* ---- guard_begin.c ---- */

/* Windows by the config, filled from the store. */
void guard_begin_windows(struct guard *guard);
void guard_end_windows(struct guard *guard);

#endif

/*
 * guard.h - watches what was applied, and raises an alert at unusual destruction. It never refuses,
 * holds up or changes anything.
 *
 * Happy path: guard_begin has the store thread read back what happened last, before it applies
 * anything and behind nobody's start, so that windows go on where they were; from then on the store
 * thread hands each committed batch to the watch, which counts it in the rules' windows
 * (guard_rate.h, guard_share.h) and raises alerts by alerts.h. A timer in the loop sees to it that
 * an alert whose window has passed is told its end.
 *
 * Receipts of plain puts do not wait for it: they are given after the journal's sync, whatever the
 * store thread does. What is answered after its apply waits for the batch to be counted, which asks
 * the database only when an alert is told.
 *
 * An alert's id is made of its rule, session and first event: after a crash, and when a journal is
 * applied anew, the same alerts are raised, and an alert that is there already is not changed by
 * it. Failure modes: what cannot be read back is logged (`guard-blind`), and the windows begin
 * empty.
 */
#ifndef MEMFERRY_GUARD_H
#define MEMFERRY_GUARD_H

#include "broker/alerts.h"
#include "broker/applier.h"
#include "broker/config.h"
#include "broker/mailbox.h"

#include <uv.h>

/* For rules that have no window of their own in the config. */
#define GUARD_WINDOW_MS 60000

enum guard_rule {
    GUARD_SCHEMA_CHANGE = 0, /* the first CHANGE_ALERTS_MAX are told in a change's alerts */
    GUARD_MASS_STATEMENT,
    GUARD_RAPID_DELETE,
    GUARD_PURGE,
    GUARD_BULK_CHANGE,
    GUARD_RULES
};

#define GUARD_ALERT_ID_MAX 64

struct guard;

struct guard_options {
    const struct config_guard *config; /* copied */
    struct alerts *alerts;
    struct log *log;
    uv_loop_t *loop;
    struct mailbox *mailbox;
};

/* -ENOMEM. All but the config is borrowed. In the loop's thread. */
int guard_new(struct guard **ret, const struct guard_options *options);
/* After the applier has ended, and the loop has closed the timer. NULL is fine. */
struct guard *guard_free(struct guard *guard);

/* Has the store thread read back what the store holds of the last windows. The applier is borrowed;
 * nothing has been given to it yet. */
void guard_begin(struct guard *guard, struct applier *applier);
struct applier_watch *guard_watch(struct guard *guard);
/* Another config is in force: the windows are counted anew by it. In the loop. */
void guard_reload(struct guard *guard, const struct config_guard *config);

const char *guard_rule_name(enum guard_rule rule);
/* ret holds GUARD_ALERT_ID_MAX bytes. */
void guard_alert_id(enum guard_rule rule, const struct change_alert *alert, char *ret);

#endif

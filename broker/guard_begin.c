/*
 * guard_begin.c - the guard's windows as they would be had it never slept.
 *
 * Happy path: the events of the last windows are read back and looked at as if they came now. An
 * alert that the store holds is resumed before its first event comes again, so that the events it
 * has counted lead to no other; one that was not journaled before a crash is raised now.
 */
#include "broker/guard_internal.h"

#include <string.h>

struct known {
    enum guard_rule rule;
    struct guard_known alert;
    bool resumed;
};

struct beginning {
    struct guard *guard;
    struct known known[GUARD_KNOWN_MAX]; /* those that fit; an alert that does not is raised again,
                                            which changes nothing */
    size_t count;
};

/* ---- windows ---- */

static int begin_rate(struct guard *guard, enum guard_rule rule, uint32_t limit, int64_t window_ms)
{
    struct guard_rule_state *state = &guard->rules[rule];

    *state =
        (struct guard_rule_state){.listener = {.tell = guard_tell}, .guard = guard, .rule = rule};
    return guard_rate_init(&state->rate, limit, window_ms, &state->listener);
}

static int64_t window_if(bool on)
{
    return on ? GUARD_WINDOW_MS : 0;
}

static int begin_all(struct guard *guard, uint64_t live)
{
    const struct config_guard *config = &guard->config;
    struct guard_rule_state *bulk = &guard->rules[GUARD_BULK_CHANGE];
    int64_t deletes = config->rapid_delete_count > 0 ? config->rapid_delete_window_ms : 0;
    int64_t changes = config->bulk_change_percent > 0 ? config->bulk_change_window_ms : 0;

    int r = begin_rate(guard, GUARD_RAPID_DELETE, config->rapid_delete_count, deletes);
    r = r == 0 ? begin_rate(guard, GUARD_PURGE, 0, GUARD_WINDOW_MS) : r;
    r = r == 0 ? begin_rate(guard, GUARD_SCHEMA_CHANGE, 0, window_if(config->schema_change)) : r;
    r = r == 0 ? begin_rate(guard, GUARD_MASS_STATEMENT, 0, window_if(config->mass_statement)) : r;
    r = r == 0 ? begin_rate(guard, GUARD_BULK_CHANGE, 0, 0) : r;
    return r == 0 ? guard_share_init(&guard->share, config->bulk_change_percent,
                                     config->bulk_change_least, changes, live, &bulk->listener)
                  : r;
}

void guard_end_windows(struct guard *guard)
{
    for (size_t i = 0; i < GUARD_RULES; i++) {
        guard_rate_deinit(&guard->rules[i].rate);
    }
    guard_share_deinit(&guard->share);
    guard->is_ready = false;
}

/* ---- what is read back ---- */

static void note_alert(void *arg, const struct store_recent_alert *alert)
{
    struct beginning *beginning = arg;
    struct known *known = &beginning->known[beginning->count];

    if (beginning->count == GUARD_KNOWN_MAX ||
        alert->session_id.size > sizeof known->alert.session) {
        return;
    }
    *known = (struct known){.alert = {.session_size = alert->session_id.size,
                                      .at_ms = alert->first_ms,
                                      .told = alert->count}};
    if (alert->session_id.size > 0) {
        memcpy(known->alert.session, alert->session_id.data, alert->session_id.size);
    }
    if (guard_read_id(&alert->rule, &alert->id, &known->rule, &known->alert.first_seq)) {
        beginning->count++;
    }
}

/* Those whose first event is here. */
static void resume(struct beginning *beginning, uint64_t seq)
{
    struct guard *guard = beginning->guard;

    for (size_t i = 0; i < beginning->count; i++) {
        struct known *known = &beginning->known[i];
        if (known->resumed || known->alert.first_seq > seq) {
            continue;
        }
        known->resumed = true;
        if (known->rule == GUARD_BULK_CHANGE) {
            guard_share_resume(&guard->share, &known->alert);
        } else {
            guard_rate_resume(&guard->rules[known->rule].rate, &known->alert);
        }
    }
}

static void look_again(void *arg, const struct store_recent_event *event)
{
    struct beginning *beginning = arg;

    resume(beginning, event->seq);
    guard_look(beginning->guard, event, NULL);
}

/* Twice the longest window: an alert of the last one is resumed with all that it counts. */
static int64_t span_of(const struct config_guard *config)
{
    int64_t span = GUARD_WINDOW_MS;

    if (config->rapid_delete_count > 0 && config->rapid_delete_window_ms > span) {
        span = config->rapid_delete_window_ms;
    }
    if (config->bulk_change_percent > 0 && config->bulk_change_window_ms > span) {
        span = config->bulk_change_window_ms;
    }
    return 2 * span;
}

static int read_back(struct guard *guard, struct error *err)
{
    struct beginning beginning = {.guard = guard};
    uint64_t behind_seq;
    int64_t born;

    int r = store_recent_begin(guard->store, span_of(&guard->config), &behind_seq, &born, err);
    if (r == 0) {
        guard->share.live = (uint64_t)((int64_t)store_live(guard->store) - born);
        r = store_recent_alerts(guard->store, behind_seq, note_alert, &beginning, err);
    }
    if (r == 0) {
        r = store_recent_events(guard->store, behind_seq, look_again, &beginning, err);
    }
    guard->share.live = store_live(guard->store);
    return r;
}

void guard_begin_windows(struct guard *guard)
{
    struct error err;

    if (begin_all(guard, store_live(guard->store)) != 0) {
        guard_end_windows(guard);
        log_write(guard->log, LOG_LEVEL_ERROR, "guard-blind",
                  "out of memory: the guard sees nothing until the config is read again");
        return;
    }
    guard->is_ready = true;
    if (read_back(guard, &err) != 0) {
        log_write(guard->log, LOG_LEVEL_ERROR, "guard-blind",
                  "the guard does not know what happened before this start: %s", err.text);
        return;
    }
    log_write(guard->log, LOG_LEVEL_DEBUG, "guard-began", "the guard has read back its windows");
}

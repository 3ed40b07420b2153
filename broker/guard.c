/*
 * guard.c - what the guard does in the store thread, and the timer that wakes it.
 *
 *     committed ─▶ each change ─▶ its rule's window ─▶ guard_tell
 *         └─ an alert counts ─▶ note ─▶ loop: timer ─▶ work ─▶ store thread: windows pass
 *
 * The timer runs only while an alert counts. Its work changes nothing in the store; that it runs
 * there is what keeps the windows in one thread.
 */
#include "broker/guard_internal.h"

#include "broker/event_statement.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one event ---- */

static void look_at_statement(struct guard *guard, const struct store_recent_event *event,
                              struct change_alert *alerts)
{
    struct event_statement observed;
    struct guard_finding found;

    if (event_statement_read(event->fields, event->fields_size, &observed) < 0 ||
        guard_judge(guard_language_of(observed.language.data, observed.language.size),
                    observed.statement.data, observed.statement.size, &found) < 0) {
        return;
    }
    const char *const whats[CHANGE_ALERTS_MAX] = {
        [GUARD_SCHEMA_CHANGE] = found.schema_change, [GUARD_MASS_STATEMENT] = found.mass_statement};
    guard->now.statement = observed.statement;
    for (enum guard_rule rule = 0; rule < CHANGE_ALERTS_MAX; rule++) {
        const struct guard_alarm *alarm = NULL;
        guard->now.what = whats[rule];
        if (whats[rule] != NULL) {
            alarm = guard_rate_add(&guard->rules[rule].rate, event->session_id, event->at_ms,
                                   event->seq);
        }
        if (alarm != NULL && alerts != NULL) {
            alerts[rule] = guard_mark_of(guard, rule, alarm, event->session_id);
        }
    }
}

static void look_at_memory(struct guard *guard, const struct store_recent_event *event)
{
    const struct apply_effect *effect = &event->effect;
    const struct guard_change change = {.at_ms = event->at_ms,
                                        .seq = event->seq,
                                        .session = event->session_id,
                                        .was_live = effect->was_live,
                                        .is_live = effect->is_live,
                                        .counts = effect->was_live && effect->changed,
                                        .before_ms = effect->before_ms};

    guard_share_add(&guard->share, &change);
    if (effect->was_live && !effect->is_live && event->op != EVENT_PURGE) {
        guard_rate_add(&guard->rules[GUARD_RAPID_DELETE].rate, event->session_id, event->at_ms,
                       event->seq);
    }
}

void guard_look(struct guard *guard, const struct store_recent_event *event,
                struct change_alert *alerts)
{
    guard->now = (struct guard_now){.peer_pid = event->peer_pid};
    switch (event->op) {
    case EVENT_STATEMENT:
        look_at_statement(guard, event, alerts);
        break;
    case EVENT_PURGE:
        guard_rate_add(&guard->rules[GUARD_PURGE].rate, event->session_id, event->at_ms,
                       event->seq);
        look_at_memory(guard, event);
        break;
    default:
        look_at_memory(guard, event);
        break;
    }
    guard->now = (struct guard_now){0};
}

static bool is_worth_a_look(const struct change *change, enum event_op op)
{
    const struct apply_effect *effect = &change->result.effect;

    return change->apply_status == 0 && change->result.outcome == APPLY_CHANGED &&
           (effect->was_live || effect->is_live || op == EVENT_STATEMENT || op == EVENT_PURGE);
}

static void look_at_change(struct guard *guard, struct change *change)
{
    const struct journal_record *record = &change->record;
    struct event event;

    if (event_decode(record->payload, record->payload_size, &event) < 0 ||
        !is_worth_a_look(change, event.op)) {
        return;
    }
    const struct store_recent_event recent = {.seq = record->seq,
                                              .op = event.op,
                                              .memory_id = event.memory_id,
                                              .session_id = event.session_id,
                                              .at_ms = record->at_ms,
                                              .peer_pid = event.peer_pid,
                                              .effect = change->result.effect,
                                              .fields = event.fields,
                                              .fields_size = event.fields_size};
    guard_look(guard, &recent, change->alerts);
}

/* ---- the timer ---- */

static bool is_active(const struct guard *guard)
{
    bool active = guard->share.alarm.active;

    for (size_t i = 0; i < GUARD_RULES; i++) {
        active = active || guard_rate_is_active(&guard->rules[i].rate);
    }
    return active;
}

static uint64_t next_look_ms(const struct guard *guard)
{
    int64_t shortest = GUARD_QUIET_MS;

    for (size_t i = 0; i < GUARD_RULES; i++) {
        int64_t window = guard->rules[i].rate.window_ms;
        shortest = window > 0 && window < shortest ? window : shortest;
    }
    int64_t window = guard->share.window_ms;
    return (uint64_t)(window > 0 && window < shortest ? window : shortest);
}

/* An alert counts: somebody has to look when its window has passed, or it is quiet. */
static void want_timer(struct guard *guard)
{
    if (!guard->is_timed && is_active(guard)) {
        guard->is_timed = true;
        guard->delay_ms = next_look_ms(guard);
        mailbox_post(guard->mailbox, &guard->note);
    }
}

static void pass(struct guard *guard, int64_t now_ms)
{
    for (size_t i = 0; i < GUARD_RULES; i++) {
        guard_rate_pass(&guard->rules[i].rate, now_ms);
    }
    guard_share_pass(&guard->share, now_ms);
}

/* What is to be done looks at no transaction: it is done behind it. */
static int run_nothing(struct applier_work *work, struct store *store, struct error *err)
{
    (void)work;
    (void)store;
    (void)err;
    return 0;
}

static void work_done(struct applier_work *work, int status, const struct error *err)
{
    struct guard *guard = container_of(work, struct guard, work);

    (void)err;
    if (status == 0 && guard->is_ready) {
        pass(guard, clock_wall_ms());
    }
    guard->is_timed = false;
    want_timer(guard);
}

static void timer_cb(uv_timer_t *timer)
{
    struct guard *guard = container_of(timer, struct guard, timer);

    guard->work = (struct applier_work){.run = run_nothing, .done = work_done};
    applier_submit(guard->applier, &guard->work);
}

static void note_read(struct note *note)
{
    struct guard *guard = container_of(note, struct guard, note);

    uv_timer_start(&guard->timer, timer_cb, guard->delay_ms, 0);
}

/* ---- the store thread ---- */

static void committed(struct applier_watch *watch, struct store *store,
                      const struct journal_list *changes)
{
    struct guard *guard = container_of(watch, struct guard, watch);

    if (!guard->is_ready) {
        return;
    }
    (void)store;
    for (struct journal_record *record = changes->head; record != NULL; record = record->next) {
        look_at_change(guard, container_of(record, struct change, record));
    }
    want_timer(guard);
}

/* ---- another config ---- */

struct reload {
    struct applier_work work;
    struct guard *guard;
    struct config_guard config;
};

static void reload_done(struct applier_work *work, int status, const struct error *err)
{
    struct reload *reload = container_of(work, struct reload, work);
    struct guard *guard = reload->guard;

    (void)err;
    /* What is remembered is read back only for another config; or when it is not remembered. */
    if (status == 0 && !(guard->is_ready && config_same_guard(&guard->config, &reload->config))) {
        guard_end_windows(guard);
        guard->config = reload->config;
        guard_begin_windows(guard);
    }
    want_timer(guard);
    free(reload);
}

void guard_reload(struct guard *guard, const struct config_guard *config)
{
    struct reload *reload = calloc(1, sizeof *reload);

    if (reload == NULL) {
        log_write(guard->log, LOG_LEVEL_ERROR, "guard-blind",
                  "out of memory: the guard goes on by its old config");
        return;
    }
    reload->work = (struct applier_work){.run = run_nothing, .done = reload_done};
    reload->guard = guard;
    reload->config = *config;
    applier_submit(guard->applier, &reload->work);
}

/* ---- begin and end ---- */

int guard_new(struct guard **ret, const struct guard_options *options)
{
    struct guard *guard = calloc(1, sizeof *guard);

    *ret = guard;
    if (guard == NULL) {
        return -ENOMEM;
    }
    guard->watch.committed = committed;
    guard->alerts = options->alerts;
    guard->log = options->log;
    guard->mailbox = options->mailbox;
    guard->config = *options->config;
    guard->note.read = note_read;
    return uv_timer_init(options->loop, &guard->timer);
}

struct guard *guard_free(struct guard *guard)
{
    if (guard != NULL) {
        guard_end_windows(guard);
        free(guard);
    }
    return NULL;
}

/* Called again when the transaction is: the windows stay. */
static int begin_run(struct applier_work *work, struct store *store, struct error *err)
{
    struct guard *guard = container_of(work, struct guard, begin);

    (void)err; /* the guard tells itself what it does not see */
    guard->store = store;
    if (!guard->is_ready) {
        guard_begin_windows(guard);
        want_timer(guard);
    }
    return 0;
}

static void begin_done(struct applier_work *work, int status, const struct error *err)
{
    (void)work;
    (void)status; /* a store that has failed says so itself */
    (void)err;
}

void guard_begin(struct guard *guard, struct applier *applier)
{
    guard->applier = applier;
    guard->begin = (struct applier_work){.run = begin_run, .done = begin_done};
    applier_submit(applier, &guard->begin);
}

struct applier_watch *guard_watch(struct guard *guard)
{
    return &guard->watch;
}

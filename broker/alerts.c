/* alerts.c - see alerts.h. */
#include "broker/alerts.h"

#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct raised {
    struct raised *next;
    struct alerts *alerts;
    char id[ALERT_ID_MAX];
    size_t id_size;
    bool flying;            /* an event of it is between submit and done */
    msgpack_sbuffer fields; /* what is to be sent next; empty: nothing */
    msgpack_sbuffer sent;   /* what is flying */
};

/* ---- the log ---- */

static enum log_level level_of(enum memferry_severity severity)
{
    switch (severity) {
    case MEMFERRY_SEVERITY_CRITICAL:
        return LOG_LEVEL_ERROR;
    case MEMFERRY_SEVERITY_WARNING:
        return LOG_LEVEL_WARNING;
    default:
        return LOG_LEVEL_INFO;
    }
}

static void log_alert(struct alerts *alerts, const struct alert *alert)
{
    log_write(alerts->log, level_of(alert->severity), "alert",
              "%s: %.*s (alert %.*s, count %llu)%s%.*s", alert_severity_name(alert->severity),
              (int)alert->summary.size, alert->summary.data, (int)alert->id.size, alert->id.data,
              (unsigned long long)alert->count, alert->undo.size > 0 ? "; to undo: " : "",
              (int)alert->undo.size, alert->undo.data);
}

static void log_lost(struct alerts *alerts, const struct alert *alert, const char *why)
{
    log_write(alerts->log, LOG_LEVEL_ERROR, "alert-lost",
              "alert %.*s could not be kept (%s), and is told here alone: %s, %.*s, count %llu: "
              "%.*s",
              (int)alert->id.size, alert->id.data, why, alert_severity_name(alert->severity),
              (int)alert->rule.size, alert->rule.data, (unsigned long long)alert->count,
              (int)alert->summary.size, alert->summary.data);
}

/* ---- one that is on its way ---- */

static struct raised *raised_new(struct alerts *alerts, const struct event_text *id)
{
    assert(id->size <= ALERT_ID_MAX);
    struct raised *raised = calloc(1, sizeof *raised);

    if (raised != NULL) {
        raised->alerts = alerts;
        raised->id_size = id->size;
        memcpy(raised->id, id->data, id->size);
        msgpack_sbuffer_init(&raised->fields);
        msgpack_sbuffer_init(&raised->sent);
    }
    return raised;
}

static void raised_free(struct raised *raised)
{
    msgpack_sbuffer_destroy(&raised->fields);
    msgpack_sbuffer_destroy(&raised->sent);
    free(raised);
}

/* Reads back what alert_event wrote. */
static void read_alert(const struct raised *raised, const msgpack_sbuffer *fields,
                       struct alert *ret)
{
    const struct event event = {.op = EVENT_ALERT,
                                .event_id = {raised->id, raised->id_size},
                                .fields = (const uint8_t *)fields->data,
                                .fields_size = fields->size};

    alert_decode(&event, ret);
}

static void keep_text(struct event_text *text, const struct event_text *old)
{
    if (text->size == 0) {
        *text = *old;
    }
}

/* What an update leaves out stays as it was, as in the store. */
static void keep_old(struct alert *alert, const struct alert *old)
{
    keep_text(&alert->peer_command, &old->peer_command);
    keep_text(&alert->statement, &old->statement);
    keep_text(&alert->summary, &old->summary);
    keep_text(&alert->undo, &old->undo);
    alert->peer_pid = alert->peer_pid != 0 ? alert->peer_pid : old->peer_pid;
    if (alert->sample_count == 0) {
        memcpy(alert->sample_ids, old->sample_ids, sizeof alert->sample_ids);
        alert->sample_count = old->sample_count;
    }
}

/* Puts the alert in place of what waits, with the counts of both. */
static int put_alert(struct raised *raised, const struct alert *alert)
{
    msgpack_sbuffer fields;
    struct alert merged = *alert, old;
    struct event event;

    if (raised->fields.size > 0) {
        read_alert(raised, &raised->fields, &old);
        keep_old(&merged, &old);
        if (alert->adds && old.adds) {
            merged.count += old.count;
        } else if (!alert->adds && !old.adds && old.count > alert->count) {
            merged.count = old.count;
        }
    }
    msgpack_sbuffer_init(&fields);
    int r = alert_event(&merged, &fields, &event);
    if (r < 0) {
        msgpack_sbuffer_destroy(&fields);
        return r;
    }
    msgpack_sbuffer_destroy(&raised->fields);
    raised->fields = fields;
    return 0;
}

/* ---- the list: with the lock ---- */

static struct raised *find(struct alerts *alerts, const struct event_text *id)
{
    for (struct raised *raised = alerts->first; raised != NULL; raised = raised->next) {
        if (raised->id_size == id->size && memcmp(raised->id, id->data, id->size) == 0) {
            return raised;
        }
    }
    return NULL;
}

static struct raised *add(struct alerts *alerts, const struct event_text *id)
{
    if (alerts->count == ALERTS_WAITING_MAX) {
        return NULL;
    }
    struct raised *raised = raised_new(alerts, id);
    if (raised != NULL) {
        raised->next = alerts->first;
        alerts->first = raised;
        alerts->count++;
    }
    return raised;
}

static void drop(struct alerts *alerts, struct raised *raised)
{
    struct raised **at = &alerts->first;

    while (*at != raised) {
        at = &(*at)->next;
    }
    *at = raised->next;
    alerts->count--;
    raised_free(raised);
}

/* Moves what waits into an emission. NULL: out of memory, and it waits on. */
static struct emission *take_off(struct raised *raised)
{
    struct emission *emission = emission_new(1);
    struct alert alert;

    if (emission == NULL) {
        return NULL;
    }
    read_alert(raised, &raised->fields, &alert);
    const struct event event = {.op = EVENT_ALERT,
                                .event_id = alert.id,
                                .session_id = alert.session_id,
                                .peer_pid = alert.peer_pid,
                                .fields = (const uint8_t *)raised->fields.data,
                                .fields_size = raised->fields.size};
    if (emission_set(emission, 0, &event) < 0) {
        return emission_free(emission);
    }
    msgpack_sbuffer_destroy(&raised->sent);
    raised->sent = raised->fields;
    msgpack_sbuffer_init(&raised->fields);
    raised->flying = true;
    raised->alerts->flown++;
    emission->arg = raised;
    return emission;
}

/* ---- to the journal and back ---- */

static void landed(struct emission *emission);

/* Consumes the lock. */
static void fly_and_unlock(struct alerts *alerts, struct raised *raised)
{
    struct emission *emission = take_off(raised);

    if (emission == NULL) {
        struct alert alert;
        read_alert(raised, &raised->fields, &alert);
        log_lost(alerts, &alert, "out of memory");
        drop(alerts, raised);
    }
    pthread_mutex_unlock(&alerts->lock);
    if (emission != NULL) {
        emission->done = landed;
        alerts->emitter->submit(alerts->emitter, emission);
    }
}

/* It did not get into the journal. With the lock; true: it waits to be tried again, together with
 * what was raised meanwhile. */
static bool wait_for_room(struct raised *raised, const struct emission *emission)
{
    struct alerts *alerts = raised->alerts;
    msgpack_sbuffer newer = raised->fields;
    struct alert alert;

    if (emission->status != -ENOSPC || alerts->stopped) {
        read_alert(raised, &raised->sent, &alert);
        log_lost(alerts, &alert, emission->err.text);
        return false;
    }
    raised->fields = raised->sent;
    msgpack_sbuffer_init(&raised->sent);
    if (newer.size > 0) {
        read_alert(raised, &newer, &alert);
        put_alert(raised, &alert); /* without memory the older one goes alone */
    }
    msgpack_sbuffer_destroy(&newer);
    return true;
}

/* While it is flying nobody else touches what was sent. */
static void tell_observer(struct alerts *alerts, const struct raised *raised,
                          const struct apply_result *result)
{
    struct alert alert;

    if (alerts->observer != NULL && result->outcome == APPLY_CHANGED) {
        read_alert(raised, &raised->sent, &alert);
        alerts->observer->raised(alerts->observer, &alert, result->seq);
    }
}

static void retry_cb(uv_timer_t *timer);

/* ---- who waits ---- */

static uint64_t count_landed(struct alerts *alerts, uint64_t *ret_flown)
{
    pthread_mutex_lock(&alerts->lock);
    uint64_t landed = alerts->landed;
    *ret_flown = alerts->flown;
    pthread_mutex_unlock(&alerts->lock);
    return landed;
}

void alerts_settle(struct alerts *alerts, struct alerts_wait *wait)
{
    if (count_landed(alerts, &wait->target) >= wait->target) {
        wait->settled(wait);
        return;
    }
    wait->next = alerts->waits;
    alerts->waits = wait;
}

static void settle_waits(struct alerts *alerts)
{
    struct alerts_wait *waits = alerts->waits, *next;
    uint64_t flown, landed = count_landed(alerts, &flown);

    alerts->waits = NULL;
    for (; waits != NULL; waits = next) {
        next = waits->next;
        if (landed >= waits->target) {
            waits->settled(waits);
        } else {
            waits->next = alerts->waits;
            alerts->waits = waits;
        }
    }
}

/* Goes on with what was raised meanwhile, or with nothing. */
static void land(struct raised *raised, struct emission *emission)
{
    struct alerts *alerts = raised->alerts;
    bool kept = emission->status == 0;

    pthread_mutex_lock(&alerts->lock);
    alerts->landed++;
    raised->flying = false;
    bool waits = !kept && wait_for_room(raised, emission);
    emission_free(emission);
    if (waits) {
        uv_timer_start(&alerts->timer, retry_cb, alerts->retry_ms, 0);
    } else if (raised->fields.size > 0) {
        fly_and_unlock(alerts, raised);
        return;
    } else {
        drop(alerts, raised);
    }
    pthread_mutex_unlock(&alerts->lock);
}

/* emission->done: in the loop, or in the raiser's thread when there was no memory to submit it;
 * then who waits is told with the next one. */
static void landed(struct emission *emission)
{
    struct raised *raised = emission->arg;
    struct alerts *alerts = raised->alerts;
    bool in_loop = emission->status != -ENOMEM;

    if (emission->status == 0) {
        tell_observer(alerts, raised, &emission->items[0].result);
    }
    land(raised, emission);
    if (in_loop) {
        settle_waits(alerts);
    }
}

static void retry_cb(uv_timer_t *timer)
{
    struct alerts *alerts = container_of(timer, struct alerts, timer);
    struct raised *raised;

    do { /* each flies off, so it is another one every time */
        pthread_mutex_lock(&alerts->lock);
        for (raised = alerts->first; raised != NULL && raised->flying; raised = raised->next) {
        }
        if (raised != NULL) {
            fly_and_unlock(alerts, raised);
        } else {
            pthread_mutex_unlock(&alerts->lock);
        }
    } while (raised != NULL);
}

/* ---- raise ---- */

/* With the lock. False: it was not taken, and *ret_why says why. */
static struct raised *take(struct alerts *alerts, const struct alert *alert, const char **ret_why)
{
    struct raised *raised = find(alerts, &alert->id);

    *ret_why = alerts->stopped ? "the broker is stopping" : NULL;
    if (alerts->stopped) {
        return NULL;
    }
    if (raised == NULL) {
        log_alert(alerts, alert);
        raised = add(alerts, &alert->id);
        *ret_why = raised == NULL ? "too many others wait" : NULL;
    }
    if (raised != NULL && put_alert(raised, alert) < 0) {
        *ret_why = "out of memory";
        if (!raised->flying && raised->fields.size == 0) {
            drop(alerts, raised);
        }
        return NULL;
    }
    return raised;
}

void alerts_raise(struct alerts *alerts, const struct alert *given)
{
    struct alert alert = *given;
    const char *why;

    alert.at_ms = alert.at_ms != 0 ? alert.at_ms : clock_wall_ms();
    pthread_mutex_lock(&alerts->lock);
    struct raised *raised = take(alerts, &alert, &why);
    if (why != NULL) {
        log_lost(alerts, &alert, why);
    }
    if (raised != NULL && !raised->flying) {
        fly_and_unlock(alerts, raised);
    } else {
        pthread_mutex_unlock(&alerts->lock);
    }
}

void alerts_tell(struct alerts *alerts, const char *rule, const char *subject,
                 enum memferry_severity severity, const char *undo, const char *format, ...)
{
    char id[ALERT_ID_MAX + 1], summary[ALERT_SUMMARY_MAX + 1];
    va_list args;

    snprintf(id, sizeof id, "%s/%s", rule, subject);
    va_start(args, format);
    vsnprintf(summary, sizeof summary, format, args);
    va_end(args);
    struct alert alert = {.id = {id, strlen(id)},
                          .rule = {rule, strlen(rule)},
                          .severity = severity,
                          .count = 1,
                          .adds = true,
                          .summary = {summary, strlen(summary)}};
    if (undo != NULL) {
        alert.undo = (struct event_text){undo, strlen(undo)};
    }
    alerts_raise(alerts, &alert);
}

/* ---- begin and end ---- */

void alerts_init(struct alerts *alerts, uv_loop_t *loop, struct emitter *emitter, struct log *log)
{
    *alerts = (struct alerts){.emitter = emitter, .log = log, .retry_ms = ALERTS_RETRY_MS};
    pthread_mutex_init(&alerts->lock, NULL);
    uv_timer_init(loop, &alerts->timer);
}

void alerts_stop(struct alerts *alerts)
{
    uv_timer_stop(&alerts->timer);
    pthread_mutex_lock(&alerts->lock);
    alerts->stopped = true;
    for (struct raised *raised = alerts->first, *next; raised != NULL; raised = next) {
        struct alert alert;
        next = raised->next;
        if (raised->fields.size > 0) {
            read_alert(raised, &raised->fields, &alert);
            log_lost(alerts, &alert, "the broker is stopping");
            msgpack_sbuffer_clear(&raised->fields);
        }
        if (!raised->flying) {
            drop(alerts, raised);
        }
    }
    pthread_mutex_unlock(&alerts->lock);
}

void alerts_deinit(struct alerts *alerts)
{
    while (alerts->first != NULL) {
        drop(alerts, alerts->first);
    }
    pthread_mutex_destroy(&alerts->lock);
}

/*
 * tell.c - which alert goes to which sink now.
 *
 * Happy path: an alert that is new, or has counted on, goes to every sink, the more severe ones
 * first; what each sink took is kept, and the alert is DONE when all have.
 *
 * What is held back: an alert that was told less than `again` ago waits until then, and is told
 * with what it has counted by then; with `rate` alerts told in its time the rest waits too. None is
 * dropped. What was told already is told to nobody again, after a restart neither.
 *
 * Failure modes: a sink that fails is tried again alone. The outcome is RETRY while one fails for
 * now, with the blame on the alert when another sink took it (the backend works), else as the sink
 * says. A sink that refuses the alert for good makes it a dead letter; the others have it.
 */
#include "plugins/alert-notify/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- held back ---- */

/* How long until `since_ms` is `span_ms` ago; 0: it is. A clock that was set back holds nothing. */
static int64_t left_ms(int64_t since_ms, int64_t span_ms, int64_t now_ms)
{
    int64_t age_ms = now_ms - since_ms;

    return age_ms < 0 || age_ms >= span_ms ? 0 : span_ms - age_ms;
}

static bool is_held(const struct notify *notify, const struct told_entry *old, int64_t now_ms,
                    struct memferry_outcome *outcome)
{
    int64_t oldest_ms, wait_ms = old != NULL ? left_ms(old->at_ms, notify->again_ms, now_ms) : 0;

    if (wait_ms > 0) {
        *outcome = outcome_retry(MEMFERRY_BLAME_RECORD, wait_ms,
                                 "it was told a moment ago (again): what it counts until then goes "
                                 "as one");
        return true;
    }
    if (notify->rate == 0 ||
        told_since(notify->told, now_ms - notify->rate_ms + 1, &oldest_ms) < notify->rate) {
        return false;
    }
    wait_ms = left_ms(oldest_ms, notify->rate_ms, now_ms);
    *outcome = outcome_retry(MEMFERRY_BLAME_BACKEND, wait_ms > 0 ? wait_ms : notify->rate_ms,
                             "%zu alerts were told in %lld s (rate): the others wait, none is lost",
                             notify->rate, (long long)(notify->rate_ms / 1000));
    return true;
}

/* ---- one alert ---- */

struct verdict {
    struct memferry_outcome outcome; /* of the sinks that failed; the first RETRY wins */
    size_t failed;
};

static void note_failure(struct verdict *verdict, const struct memferry_outcome *outcome,
                         const char *sink)
{
    bool first = verdict->failed++ == 0;

    if (first ||
        (verdict->outcome.verdict == MEMFERRY_REJECT && outcome->verdict == MEMFERRY_RETRY)) {
        verdict->outcome = *outcome;
        snprintf(verdict->outcome.reason.text, sizeof verdict->outcome.reason.text, "%s: %.480s",
                 sink, outcome->reason.text);
    }
}

/* One that has gone for good pauses the backend, but not on account of others that work. */
static void judge_among_others(struct memferry_outcome *outcome)
{
    if (outcome->verdict == MEMFERRY_RETRY && outcome->blame == MEMFERRY_BLAME_GONE) {
        outcome->verdict = MEMFERRY_REJECT;
    }
    outcome->blame = MEMFERRY_BLAME_RECORD;
}

/* To each sink that has not taken it yet. */
static struct memferry_outcome tell_sinks(struct notify *notify, const struct telling *telling,
                                          struct told_entry *entry)
{
    struct verdict verdict = {.failed = 0};

    for (size_t i = 0; i < SINKS; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((notify->sinks & bit) == 0 || (entry->sinks & bit) != 0) {
            continue;
        }
        struct memferry_outcome outcome = notify_sinks[i].tell(notify, telling);
        if (outcome.verdict == MEMFERRY_DONE) {
            entry->sinks |= bit;
            told_put(notify->told, entry);
        } else {
            note_failure(&verdict, &outcome, notify_sinks[i].name);
        }
    }
    if (verdict.failed == 0) {
        return outcome_done();
    }
    if ((entry->sinks & notify->sinks) != 0) {
        judge_among_others(&verdict.outcome);
    }
    return verdict.outcome;
}

static struct memferry_outcome tell_body(struct notify *notify, const struct memferry_alert *alert,
                                         struct told_entry *entry)
{
    char id[WEBHOOK_EVENT_ID_SIZE];
    struct telling telling = {.alert = alert, .id = id};

    json_writer_reset(&notify->writer);
    if (body_alert_id(id, alert) < 0) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "OpenSSL cannot make a digest");
    }
    body_write_alert(&notify->writer, id, alert);
    telling.body = json_writer_text(&notify->writer, &telling.body_size);
    return telling.body != NULL ? tell_sinks(notify, &telling, entry)
                                : outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "out of memory");
}

static struct memferry_outcome tell(struct notify *notify, const struct memferry_alert *alert)
{
    int64_t now_ms = wall_ms();
    struct memferry_outcome held;
    struct told_entry entry = {.count = alert->count, .at_ms = now_ms};

    if (alert->severity < notify->min_severity) {
        return outcome_done();
    }
    if (body_alert_hash(entry.hash, alert) < 0) {
        return outcome_retry(MEMFERRY_BLAME_BACKEND, -1, "OpenSSL cannot make a digest");
    }
    const struct told_entry *old = told_find(notify->told, entry.hash);
    if (old != NULL && old->count >= alert->count) {
        entry = *old; /* those that have it are not told again */
    } else if (is_held(notify, old, now_ms, &held)) {
        return held;
    }
    return tell_body(notify, alert, &entry);
}

/* ---- a batch ---- */

/* True: what comes behind it is not tried. */
static bool ends_batch(const struct memferry_outcome *outcome)
{
    return outcome->verdict == MEMFERRY_RETRY && outcome->blame != MEMFERRY_BLAME_RECORD;
}

void notify_tell(void *self, const struct memferry_alert *alerts, size_t n,
                 struct memferry_outcome *outcomes)
{
    struct notify *notify = self;
    const struct memferry_host *host = notify->host;

    for (int severity = MEMFERRY_SEVERITY_CRITICAL; severity >= MEMFERRY_SEVERITY_INFO;
         severity--) {
        for (size_t i = 0; i < n; i++) {
            if ((int)alerts[i].severity != severity) {
                continue;
            }
            if (host->cancelled(host)) {
                return; /* an outcome that is left alone counts as RETRY */
            }
            outcomes[i] = tell(notify, &alerts[i]);
            if (ends_batch(&outcomes[i])) {
                for (size_t k = 0; k < n; k++) {
                    outcomes[k] = outcomes[k].verdict == 0 ? outcomes[i] : outcomes[k];
                }
                return;
            }
        }
    }
}

/*
 * lane_health.c - is the backend there? Instances are opened and probed here, and every move of the
 * circuit is made, logged and told here.
 *
 * Happy path: a new lane's circuit is open with a probe due at once; lane_check opens the instance,
 * probes, closes the circuit.
 *
 * Failure modes: an open or a probe that fails leaves the circuit open for longer, with the reason
 * in last_error. While it is open each probe begins with a new instance, so that what only open
 * reads (a password file, above all) heals by itself once it is put right.
 */
#include "broker/lane_internal.h"

#include "broker/reason.h"
#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void lane_publish_circuit(struct lane *lane)
{
    const struct circuit_state *circuit = &lane->circuit;
    int64_t wait_ms = circuit->probe_at_ms - clock_monotonic_ms();
    bool waits = circuit->circuit == CIRCUIT_OPEN && !lane->paused;

    pthread_mutex_lock(&lane->mutex);
    lane->status.circuit = circuit->circuit;
    lane->status.next_probe_ms = waits ? clock_wall_ms() + (wait_ms > 0 ? wait_ms : 0) : 0;
    pthread_mutex_unlock(&lane->mutex);
    lane_changed(lane);
}

void lane_close_instance(struct lane *lane)
{
    if (lane->instance != NULL && lane_enter_call(lane, LANE_CALL_CLOSE)) {
        lane->instance = instance_close(lane->instance);
        lane_leave_call(lane);
    }
}

/* A text of the loader's or the plugin's, on one line. */
static int clean_error(struct error *err, int status, const char *text)
{
    struct memferry_reason reason;

    snprintf(reason.text, sizeof reason.text, "%s", text);
    reason_clean(&reason, "The plugin gave no reason.");
    return error_set(err, status, "%s", reason.text);
}

static int open_instance(struct lane *lane, struct error *err)
{
    struct error why = {0};

    lane_close_instance(lane);
    if (!lane_enter_call(lane, LANE_CALL_WORK)) {
        return -ECANCELED;
    }
    int status = instance_open(&lane->instance, lane->plugin, &why);
    lane_leave_call(lane);
    if (status != 0) {
        lane->instance = NULL;
        return clean_error(err, status, why.text);
    }
    return 0;
}

static int probe_instance(struct lane *lane, struct error *err)
{
    struct memferry_reason why = {0};

    instance_take_asked(lane->instance);

    if (!lane_enter_call(lane, LANE_CALL_WORK)) {
        return -ECANCELED;
    }
    int status = lane->table->probe(instance_self(lane->instance), &why);
    lane_leave_call(lane);
    why.text[sizeof why.text - 1] = '\0';
    if (status == 0) {
        return why.text[0] == '\0' ? 0 : clean_error(err, 0, why.text);
    }
    return clean_error(err, status < 0 ? status : -EIO, why.text);
}

/* The circuit opens, or stays open for longer. */
static void fail(struct lane *lane, enum circuit_cause cause, uint32_t asked_ms, const char *why)
{
    int64_t now_ms = clock_monotonic_ms();

    circuit_fail(&lane->circuit, cause, &lane->backoff, asked_ms, now_ms);
    lane_note_error(lane, why);
    log_write(lane->log, lane->told_open ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
              lane->told_open ? "lane-probe-failed" : "lane-circuit-open",
              "Backend %s: nothing is sent until a probe succeeds; the next is in %lld ms. %s",
              lane->name, (long long)(lane->circuit.probe_at_ms - now_ms), why);
    pthread_mutex_lock(&lane->mutex);
    lane->status.opened += !lane->told_open;
    pthread_mutex_unlock(&lane->mutex);
    lane->told_open = true;
    lane_publish_circuit(lane);
}

int lane_give_up(struct lane *lane, const char *why, struct error *err)
{
    lane_note_error(lane, why);
    log_write(lane->log, LOG_LEVEL_ERROR, "lane-gone",
              "Backend %s is paused: it says that it is gone for good. %s Put its url right, then "
              "resume it.",
              lane->name, why);
    int status = lane_pause(lane, true, err);
    lane->observer->trouble(lane->observer, lane->name, LANE_TROUBLE_GONE, why);
    return status;
}

void lane_trip(struct lane *lane, enum circuit_cause cause, uint32_t asked_ms, const char *why)
{
    assert(lane->circuit.circuit == CIRCUIT_CLOSED);
    fail(lane, cause, asked_ms, why);
}

static void succeed(struct lane *lane)
{
    circuit_close(&lane->circuit, clock_monotonic_ms());
    log_write(lane->log, LOG_LEVEL_INFO, lane->told_open ? "lane-circuit-closed" : "lane-ready",
              "Backend %s: the probe succeeded, deliveries go on.", lane->name);
    lane->told_open = false;
    lane_publish_circuit(lane);
}

static int check_open(struct lane *lane, struct error *err)
{
    circuit_probe(&lane->circuit);
    lane_publish_circuit(lane);
    int status = open_instance(lane, err);

    if (status == 0) {
        status = probe_instance(lane, err);
    }
    return status == 0 ? lane_look_for_others(lane, err) : status;
}

int lane_check(struct lane *lane, struct error *err)
{
    struct error why = {0};
    bool was_closed = lane->circuit.circuit == CIRCUIT_CLOSED;
    int status = was_closed ? probe_instance(lane, &why) : check_open(lane, &why);

    if (status == 0) {
        if (!was_closed) {
            succeed(lane);
        }
        *err = why;
        return 0;
    }
    if (lane_is_stopping(lane)) { /* it was cancelled: that says nothing of the backend */
        return error_set(err, -ECANCELED, "Backend %s is being stopped.", lane->name);
    }
    uint32_t asked_ms = lane->instance != NULL ? instance_take_asked(lane->instance) : 0;
    fail(lane, CIRCUIT_BACKEND, asked_ms, why.text);
    if (status == -ENOLINK && !lane->paused) {
        lane_give_up(lane, why.text, err); /* if it can't be stored now: it is asked again */
    }
    return error_set(err, status, "%s", why.text);
}

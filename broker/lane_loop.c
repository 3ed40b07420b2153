/*
 * lane_loop.c - the lane's thread: what to do next.
 *
 * Happy path: look at the store once, probe the backend, then batch after batch until there is
 * nothing above the cursor and nothing due, and sleep until somebody wakes it or a record is due.
 *
 * Order of precedence: stop, requests, the store, a probe that is due, a batch. New events and due
 * deferred records take turns, so that neither starves the other. A paused lane answers requests
 * and nothing else.
 *
 * Failure modes: a store that cannot be read or written is tried again with back-off; the
 * transaction's contents are delivered once more then.
 */
#include "broker/lane_internal.h"

#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

enum step {
    STEP_END = 1,
    STEP_REQUEST,
    STEP_STORE, /* open the reader, learn where the lane stands */
    STEP_PROBE,
    STEP_JOB,
    STEP_EVENTS,
    STEP_DEFERRED,
    STEP_WAIT
};

#define FOREVER INT64_MAX

static enum step turn_of(struct lane *lane, bool events, bool deferred)
{
    if (events && deferred) {
        return lane->turn == LANE_SOURCE_EVENTS ? STEP_DEFERRED : STEP_EVENTS;
    }
    return events ? STEP_EVENTS : STEP_DEFERRED;
}

/* Both sources of work. With the mutex. */
static enum step next_batch(struct lane *lane, int64_t now_ms, int64_t *ret_until_ms)
{
    int64_t due_in_ms = lane->next_due_ms - clock_wall_ms();
    bool deferred = lane->look_deferred || (lane->next_due_ms != 0 && due_in_ms <= 0);
    bool holding = lane->look_events && lane_is_holding(lane, now_ms);
    bool events = lane->look_events && !holding;

    if (deferred || events) {
        return turn_of(lane, events, deferred);
    }
    if (lane->next_due_ms != 0) {
        *ret_until_ms =
            now_ms + (due_in_ms < LANE_WALL_WAIT_MAX_MS ? due_in_ms : LANE_WALL_WAIT_MAX_MS);
    }
    if (holding && lane->hold_look_ms < *ret_until_ms) {
        *ret_until_ms = lane->hold_look_ms;
    }
    return STEP_WAIT;
}

/* Deliveries, and the probe that they wait for. With the mutex. */
static enum step next_delivery(struct lane *lane, int64_t now_ms, int64_t *ret_until_ms)
{
    if (lane->paused || lane->held) {
        return STEP_WAIT;
    }
    if (lane->circuit.circuit == CIRCUIT_OPEN) {
        *ret_until_ms = lane->circuit.probe_at_ms;
        return circuit_probe_due(&lane->circuit, now_ms) ? STEP_PROBE : STEP_WAIT;
    }
    return next_batch(lane, now_ms, ret_until_ms);
}

/* With the mutex. *ret_until_ms (monotonic) goes with STEP_WAIT. */
static enum step next_step(struct lane *lane, int64_t *ret_until_ms)
{
    int64_t now_ms = clock_monotonic_ms();

    *ret_until_ms = FOREVER;
    if (lane->stopping) {
        return STEP_END;
    }
    if (lane->requests != NULL) {
        return STEP_REQUEST;
    }
    if (lane->store_failures > 0 && now_ms < lane->store_retry_at_ms) {
        *ret_until_ms = lane->store_retry_at_ms;
        return STEP_WAIT;
    }
    if (lane->reader == NULL) {
        return STEP_STORE;
    }
    enum step step = next_delivery(lane, now_ms, ret_until_ms);
    return lane->job != NULL && (step == STEP_WAIT || lane->job_turn) ? STEP_JOB : step;
}

/* With the mutex. Whatever wakes it, the loop looks again. */
static void wait_until(struct lane *lane, int64_t until_ms)
{
    if (until_ms == FOREVER) {
        pthread_cond_wait(&lane->woken, &lane->mutex);
        return;
    }
    struct timespec at = clock_timespec(until_ms * 1000);
    pthread_cond_timedwait(&lane->woken, &lane->mutex, &at);
}

/* No batch reads what the last one did: before it waits, the pages of that go. Without the mutex,
 * which the loop wants too. */
static void rest(struct lane *lane)
{
    pthread_mutex_unlock(&lane->mutex);
    reader_rest(lane->reader);
    pthread_mutex_lock(&lane->mutex);
}

static enum step await_step(struct lane *lane)
{
    enum step step;
    int64_t until_ms;
    bool rests = lane->reader == NULL;

    pthread_mutex_lock(&lane->mutex);
    while ((step = next_step(lane, &until_ms)) == STEP_WAIT) {
        if (rests) {
            wait_until(lane, until_ms);
        } else {
            rest(lane);
            rests = true;
        }
    }
    pthread_mutex_unlock(&lane->mutex);
    return step;
}

/* Where the lane stands, as the store has it. */
static int look_at_store(struct lane *lane, struct error *err)
{
    struct lane_work *work = lane_work_new(LANE_WORK_ENSURE, lane->name, 0);
    struct reader_lane row = {0};

    if (work != NULL && lane->model != NULL) {
        work->model = strdup(lane->model);
        work = work->model != NULL ? work : lane_work_free(work);
    }
    if (work == NULL) {
        return error_set_errno(err, -ENOMEM, "Backend %s cannot be looked up", lane->name);
    }
    work->lane_kind = lane->feed->kind;
    int status = lane_write(lane, work, err);
    if (status == 0) {
        status = reader_open(&lane->reader, lane->store_path, err);
    }
    if (status != 0) {
        return status;
    }
    status = reader_lane_row(lane->reader, lane->name, &row, err);
    if (status != 0) {
        lane->reader = reader_close(lane->reader);
        return status;
    }
    lane->cursor = row.cursor;
    lane->paused = row.paused;
    pthread_mutex_lock(&lane->mutex);
    lane->status.cursor = row.cursor;
    lane->status.delivered = row.delivered;
    lane->status.paused = row.paused;
    pthread_mutex_unlock(&lane->mutex);
    lane_publish_circuit(lane);
    return 0;
}

int lane_pause(struct lane *lane, bool paused, struct error *err)
{
    struct lane_work *work = lane_work_new(LANE_WORK_PAUSE, lane->name, 0);

    if (work == NULL) {
        return error_set_errno(err, -ENOMEM, "Backend %s cannot be paused or resumed", lane->name);
    }
    work->paused = paused;
    work->lane_kind = lane->feed->kind;
    int status = lane_write(lane, work, err);
    if (status != 0) {
        return status;
    }
    lane->paused = paused;
    pthread_mutex_lock(&lane->mutex);
    lane->status.paused = paused;
    pthread_mutex_unlock(&lane->mutex);
    lane_publish_circuit(lane);
    return 0;
}

/* Takes the first request; it is `serving` until it is answered. */
static struct lane_reply *take_request(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    struct lane_reply *reply = lane->requests;
    lane->requests = reply->next;
    if (lane->requests == NULL) {
        lane->requests_end = &lane->requests;
    }
    lane->pause_wanted = false;
    for (struct lane_reply *r = lane->requests; r != NULL; r = r->next) {
        lane->pause_wanted |= r->request == LANE_REQUEST_PAUSE;
    }
    lane->serving = reply;
    pthread_mutex_unlock(&lane->mutex);
    return reply;
}

static void forget_served(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->serving = NULL;
    pthread_mutex_unlock(&lane->mutex);
}

static void serve_request(struct lane *lane)
{
    struct lane_reply *reply = take_request(lane);
    struct error err = {0};

    if (reply->request == LANE_REQUEST_JOB) {
        forget_served(lane);
        lane_begin_job(lane, container_of(reply, struct lane_job, reply));
        return;
    }
    int status = reply->request == LANE_REQUEST_PROBE
                     ? lane_check(lane, &err)
                     : lane_pause(lane, reply->request == LANE_REQUEST_PAUSE, &err);

    forget_served(lane);
    reply->done(reply, status, status != 0 || err.text[0] != '\0' ? &err : NULL);
}

/* A step that needed the store ended. The store's trouble is told once, then tried again. */
static void note_store(struct lane *lane, int status, const struct error *err)
{
    if (status == 0) {
        lane->store_failures = 0;
        return;
    }
    if (lane_is_stopping(lane)) {
        return;
    }
    log_write(lane->log, lane->store_failures == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
              "lane-store-failed", "Backend %s waits for the store: %s", lane->name, err->text);
    lane_note_error(lane, err->text);
    lane->store_failures += lane->store_failures < UINT32_MAX;
    lane->store_retry_at_ms =
        clock_monotonic_ms() + backoff_delay_ms(&lane->backoff, lane->store_failures, 0);
}

/* One step; false at the end. */
static bool take_step(struct lane *lane)
{
    struct error err = {0};
    enum step step = await_step(lane);

    lane->job_turn = step != STEP_JOB;
    switch (step) {
    case STEP_END:
        return false;
    case STEP_REQUEST:
        serve_request(lane);
        break;
    case STEP_STORE:
        note_store(lane, look_at_store(lane, &err), &err);
        break;
    case STEP_PROBE:
        lane_check(lane, &err);
        break;
    case STEP_JOB:
        lane_step_job(lane);
        break;
    case STEP_EVENTS:
        lane->turn = LANE_SOURCE_EVENTS;
        note_store(lane, lane_deliver_batch(lane, LANE_SOURCE_EVENTS, &err), &err);
        break;
    case STEP_DEFERRED:
        lane->turn = LANE_SOURCE_DEFERRED;
        note_store(lane, lane_deliver_batch(lane, LANE_SOURCE_DEFERRED, &err), &err);
        break;
    case STEP_WAIT:
        assert(false); /* await_step waits itself */
    }
    return true;
}

void *lane_thread(void *arg)
{
    struct lane *lane = arg;

    while (take_step(lane)) {
    }
    lane_cancel_job(lane);
    lane_close_instance(lane);
    lane->reader = reader_close(lane->reader);
    return NULL;
}

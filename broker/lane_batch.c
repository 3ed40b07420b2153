/*
 * lane_batch.c - one batch from the store to the backend and back.
 *
 * Happy path: read what is above the cursor, or deferred and due; hand it to the plugin; record the
 * outcomes. The next batch is read only after that commit, so a lane reads its own writes and never
 * has two deliveries of one memory in flight, nor more than one batch in memory.
 *
 * Failure modes: the store's errors go up to the loop. When the backend is to blame the circuit
 * opens here, after what is known was recorded.
 */
#include "broker/lane_internal.h"

#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <assert.h>

/* A deferred record further away than any wait we ever ask for: the wall clock was set back since.
 * It is due now. */
#define DUE_HORIZON_MS ((int64_t)BACKOFF_ASKED_MAX_MS + BACKOFF_MAX_MS)

static void set_look(struct lane *lane, enum lane_source source, bool look)
{
    pthread_mutex_lock(&lane->mutex);
    *(source == LANE_SOURCE_EVENTS ? &lane->look_events : &lane->look_deferred) = look;
    pthread_mutex_unlock(&lane->mutex);
}

static int read_deferred(struct lane *lane, struct lane_batch *ret, struct error *err)
{
    int64_t now_ms = clock_wall_ms();
    int status = lane->feed->read_due(lane, now_ms, ret, err);

    if (status != 0) {
        return status;
    }
    if (ret->count == 0 && lane->next_due_ms > now_ms + DUE_HORIZON_MS) {
        lane_batch_deinit(ret);
        status = lane->feed->read_due(lane, lane->next_due_ms, ret, err);
    }
    if (status == 0) {
        lane->has_deferred = ret->count > 0 || lane->next_due_ms != 0;
    }
    return status;
}

/* Whoever wakes the lane during the read says so again: the flag is taken down before it. */
static int read_batch(struct lane *lane, enum lane_source source, struct lane_batch *ret,
                      struct error *err)
{
    int status;

    set_look(lane, source, false);
    if (source == LANE_SOURCE_DEFERRED) {
        status = read_deferred(lane, ret, err);
    } else {
        status = lane->feed->read_events(lane, ret, err);
    }
    if (status != 0) {
        set_look(lane, source, true);
    }
    return status;
}

static void sink_deliver(struct delivery_sink *sink, const uint32_t *which, size_t n,
                         struct memferry_outcome *outcomes)
{
    struct lane *lane = container_of(sink, struct lane, sink);

    if (lane_enter_call(lane, LANE_CALL_WORK)) { /* else: all are left, and the wish says why */
        lane->feed->call(lane, which, n, outcomes);
        lane_leave_call(lane);
    }
}

static enum delivery_wish sink_wish(struct delivery_sink *sink)
{
    struct lane *lane = container_of(sink, struct lane, sink);

    pthread_mutex_lock(&lane->mutex);
    enum delivery_wish wish = lane->stopping       ? DELIVERY_CANCEL
                              : lane->pause_wanted ? DELIVERY_HOLD
                                                   : DELIVERY_GO_ON;
    pthread_mutex_unlock(&lane->mutex);
    return wish;
}

/* A streak of new memories looks like the backend; deferred ones back off by themselves, and the
 * circuit must not grow slow for new ones on their account. */
static int judge_backend(struct lane *lane, enum lane_source source, struct error *err)
{
    struct delivery *delivery = lane->delivery;
    enum circuit_cause streak = source == LANE_SOURCE_EVENTS ? CIRCUIT_BACKEND : CIRCUIT_RECORDS;

    switch (delivery->end) {
    case DELIVERY_COMPLETE:
    case DELIVERY_HELD:
        return 0;
    case DELIVERY_BACKEND:
        lane_trip(lane, CIRCUIT_BACKEND, delivery->retry_after_ms, delivery->why.text);
        return 0;
    case DELIVERY_GONE:
        return lane_give_up(lane, delivery->why.text, err);
    case DELIVERY_RETRIES:
        streak_clear(&delivery->retries);
        lane_trip(lane, streak, 0, delivery->why.text);
        return 0;
    case DELIVERY_REJECTS:
        streak_clear(&delivery->rejects);
        log_write(lane->log, LOG_LEVEL_WARNING, "lane-rejected-in-a-row",
                  "Backend %s: %s. They are not dead letters but deferred: look at the backend.",
                  lane->name, delivery->why.text);
        lane->observer->trouble(lane->observer, lane->name, LANE_TROUBLE_REJECTS,
                                delivery->why.text);
        lane_trip(lane, streak, 0, delivery->why.text);
        return 0;
    }
    return 0;
}

static int deliver(struct lane *lane, enum lane_source source, const struct lane_batch *batch,
                   struct error *err)
{
    assert(lane->circuit.circuit == CIRCUIT_CLOSED && lane->instance != NULL);
    lane->sink = (struct delivery_sink){.deliver = sink_deliver, .wish = sink_wish};
    lane->carried = batch;
    delivery_run(lane->delivery, &lane->sink, batch->items, batch->count);
    if (lane->delivery->done > 0) {
        circuit_delivered(&lane->circuit);
    }
    int status = lane->feed->settle != NULL ? lane->feed->settle(lane, err) : 0;
    lane->carried = NULL;
    if (status == 0) {
        status = lane_record(lane, source, batch, err);
    }
    int judged = judge_backend(lane, source, err);
    return status != 0 ? status : judged;
}

int lane_deliver_batch(struct lane *lane, enum lane_source source, struct error *err)
{
    struct lane_batch batch = {0};
    int status = read_batch(lane, source, &batch, err);

    if (status != 0) {
        return status;
    }
    if (source == LANE_SOURCE_EVENTS && lane_hold(lane, &batch)) {
        set_look(lane, source, true);
    } else if (batch.count > 0) {
        status = deliver(lane, source, &batch, err);
        set_look(lane, source, true);
        if (lane->has_deferred) { /* a new one may be due before next_due_ms */
            set_look(lane, LANE_SOURCE_DEFERRED, true);
        }
    } else if (source == LANE_SOURCE_EVENTS && batch.cursor != lane->cursor) {
        status = lane_record(lane, source, &batch, err);
        set_look(lane, source, true);
    }
    lane_batch_deinit(&batch);
    return status;
}

/*
 * lane_record.c - what became of a batch, as rows: one transaction with the cursor.
 *
 * Happy path: everything was taken; the cursor moves, no row is written.
 *
 * A memory's own trouble: RETRY becomes a deferred row, REJECT a dead letter, and the cursor goes
 * on. What was left (the backend's trouble, a pause) costs no attempt. If the call dealt with
 * nothing at all, nothing is written and the batch is read again from where it was; if it dealt
 * with a part, the rest becomes deferred rows that are due at once, and the cursor goes on. So what
 * was confirmed is on record, nothing is sent twice for its neighbours' sake, and the rows are
 * bounded: at most one batch each time the circuit opens, and only if something moved.
 */
#include "broker/lane_internal.h"

#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What is being written, and what the log will say of it. */
struct record {
    struct lane *lane;
    const struct lane_batch *batch;
    struct lane_work *work;
    int64_t now_ms;
    size_t dead;
    const char *first_dead, *first_reason; /* borrowed from batch and delivery, or static */
};

/* Deferred rows do not say since when; the age of the state and the waits its attempts stand for
 * are both at least as long as wanted: rather too late than too early. */
static bool is_too_old(const struct record *record, const struct reader_batch_item *item,
                       uint32_t attempts)
{
    const struct lane *lane = record->lane;

    return lane->max_age_ms > 0 && record->now_ms - item->updated_ms >= lane->max_age_ms &&
           backoff_spent_ms(&lane->backoff, attempts - 1) >= (uint64_t)lane->max_age_ms;
}

static void set_dead(struct record *record, struct lane_row *row, const char *reason)
{
    row->action = LANE_ROW_DEAD;
    if (record->dead++ == 0) {
        record->first_dead = row->memory_id;
        record->first_reason = reason;
    }
}

static void set_deferred(struct record *record, struct lane_row *row, uint32_t asked_ms)
{
    row->action = LANE_ROW_DEFER;
    row->due_ms =
        record->now_ms + backoff_delay_ms(&record->lane->backoff, row->attempts, asked_ms);
}

/* Deferred, or dead if it was for too long. */
static void set_retry(struct record *record, const struct reader_batch_item *item,
                      struct lane_row *row, uint32_t asked_ms)
{
    if (is_too_old(record, item, row->attempts)) {
        set_dead(record, row, row->reason);
    } else {
        set_deferred(record, row, asked_ms);
    }
}

/* A left memory keeps what it had: its row if it was deferred, else one that is due at once. */
static bool plan_left(const struct record *record, const struct reader_batch_item *item,
                      struct lane_row *row)
{
    row->action = LANE_ROW_DEFER;
    row->due_ms = record->now_ms;
    row->attempts = 0;
    row->reason = record->lane->delivery->why.text;
    return item->seq != 0;
}

/* Fills the row of memory i with borrowed strings; false: it needs none. */
static bool plan_row(struct record *record, size_t i, struct lane_row *row)
{
    const struct reader_batch_item *item = &record->batch->items[i];
    struct delivery *delivery = record->lane->delivery;
    struct delivery_result *result = &delivery->results[i];

    *row = (struct lane_row){.memory_id = (char *)(uintptr_t)item->id,
                             .version = item->version,
                             .attempts = delivery_attempts(delivery, i),
                             .reason = result->reason.text};
    switch (result->fate) {
    case FATE_DONE:
        row->action = LANE_ROW_CLEAR;
        row->reason = NULL;
        return record->lane->has_deferred || item->seq == 0 || item->attempts > 0 || item->dead;
    case FATE_RETRY:
        set_retry(record, item, row, result->retry_after_ms);
        return true;
    case FATE_REJECT:
        if (delivery->end == DELIVERY_REJECTS) { /* so many in a row: it was not the record */
            set_deferred(record, row, 0);
        } else {
            set_dead(record, row, row->reason);
        }
        return true;
    case FATE_LEFT:
        return plan_left(record, item, row);
    }
    return false;
}

/* The dead letters of earlier batches that belong to the same streak of rejections. */
static int revive_streak(struct record *record)
{
    struct delivery *delivery = record->lane->delivery;
    int status = 0;

    for (size_t i = 0; i < delivery->rejects.count && status == 0; i++) {
        struct streak_entry *entry = &delivery->rejects.entries[i];
        struct lane_row row = {.memory_id = entry->id,
                               .version = entry->version,
                               .attempts = entry->attempts,
                               .reason = delivery->why.text};

        if (entry->round != delivery->round) {
            set_deferred(record, &row, 0);
            status = lane_work_add(record->work, &row);
        }
    }
    return status;
}

static int plan(struct record *record)
{
    struct lane_row row;
    int status = 0;

    for (size_t i = 0; i < record->batch->count && status == 0; i++) {
        if (plan_row(record, i, &row)) {
            status = lane_work_add(record->work, &row);
        }
    }
    if (status == 0 && record->lane->delivery->end == DELIVERY_REJECTS) {
        status = revive_streak(record);
    }
    return status;
}

static void log_dead(const struct record *record)
{
    if (record->dead > 0) {
        log_write(record->lane->log, LOG_LEVEL_WARNING, "lane-dead",
                  "Backend %s: %zu of %zu %s became dead letters; the first, %s: %s",
                  record->lane->name, record->dead, record->batch->count, record->lane->feed->noun,
                  record->first_dead, record->first_reason);
    }
}

static void tell_superseded(struct lane *lane, const struct lane_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct delivery_result *result = &lane->delivery->results[i];

        if (result->fate == FATE_DONE && result->superseded) {
            const struct reader_batch_item *item = &batch->items[i];
            lane->observer->superseded(lane->observer, lane->name, item->id, item->version);
        }
    }
}

void lane_stand_at(struct lane *lane, uint64_t cursor, uint64_t delivered)
{
    lane->cursor = cursor;
    pthread_mutex_lock(&lane->mutex);
    lane->status.cursor = cursor;
    lane->status.delivered += delivered;
    if (delivered > 0) {
        lane->status.last_success_ms = clock_wall_ms();
    }
    pthread_mutex_unlock(&lane->mutex);
}

static void count_failures(struct lane *lane, const struct delivery *delivery)
{
    pthread_mutex_lock(&lane->mutex);
    lane->status.retried += delivery->retry;
    lane->status.rejected += delivery->reject;
    pthread_mutex_unlock(&lane->mutex);
}

static void note_last_failure(struct lane *lane, size_t n)
{
    struct delivery *delivery = lane->delivery;

    for (size_t i = n; i > 0; i--) {
        if (delivery->results[i - 1].fate >= FATE_RETRY) {
            lane_note_error(lane, delivery->results[i - 1].reason.text);
            return;
        }
    }
}

/* Moves the cursor and writes the rows, if there are any. */
static int write_progress(struct record *record, uint64_t cursor, uint64_t delivered,
                          struct error *err)
{
    struct lane *lane = record->lane;
    size_t n = record->batch->count;

    record->work = lane_work_new(LANE_WORK_PROGRESS, lane->name, n > 0 ? n + STREAK_MAX : 0);
    int status = record->work == NULL ? -ENOMEM : n > 0 ? plan(record) : 0;
    if (status != 0) {
        lane_work_free(record->work);
        return error_set_errno(err, status, "Backend %s: outcomes cannot be kept", lane->name);
    }
    record->work->cursor = cursor;
    record->work->delivered = delivered;
    return lane_write(lane, record->work, err);
}

/* An empty batch passed over events that are no longer the latest. */
static int record_empty(struct record *record, struct error *err)
{
    uint64_t cursor = record->batch->cursor;
    int status = write_progress(record, cursor, 0, err);

    if (status == 0) {
        lane_stand_at(record->lane, cursor, 0);
        lane_changed(record->lane);
    }
    return status;
}

int lane_record(struct lane *lane, enum lane_source source, const struct lane_batch *batch,
                struct error *err)
{
    struct delivery *delivery = lane->delivery;
    struct record record = {.lane = lane, .batch = batch, .now_ms = clock_wall_ms()};
    uint64_t cursor = source == LANE_SOURCE_EVENTS ? batch->cursor : lane->cursor;

    if (batch->count == 0) {
        return record_empty(&record, err);
    }
    note_last_failure(lane, batch->count);
    count_failures(lane, delivery);
    if (delivery->done + delivery->retry + delivery->reject == 0) {
        return 0;
    }
    tell_superseded(lane, batch); /* before anybody can read that it was delivered */
    int status = write_progress(&record, cursor, delivery->done, err);
    if (status != 0) {
        return status;
    }
    if (delivery->retry > 0 || delivery->end != DELIVERY_COMPLETE) {
        lane->has_deferred = true;
    }
    lane_stand_at(lane, cursor, delivery->done);
    log_dead(&record);
    lane_changed(lane);
    return 0;
}

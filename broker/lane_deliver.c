/*
 * lane_deliver.c - see lane_deliver.h.
 *
 * The batch is an array of indices (`order`). A call takes a stretch of it; the memories that were
 * refused as a batch are moved to the front of that stretch and become two stretches of half the
 * length, so the recursion needs no memory of its own and goes no deeper than log2(n).
 */
#include "broker/lane_deliver.h"

#include "broker/reason.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct delivery *delivery_new(size_t capacity)
{
    assert(capacity > 0 && capacity <= DELIVERY_BATCH_MAX);
    struct delivery *delivery = calloc(1, sizeof *delivery);

    if (delivery == NULL) {
        return NULL;
    }
    streak_init(&delivery->retries, DELIVERY_RETRIES_MAX);
    streak_init(&delivery->rejects, DELIVERY_REJECTS_MAX);
    delivery->capacity = capacity;
    delivery->results = calloc(capacity, sizeof *delivery->results);
    delivery->order = calloc(capacity, sizeof *delivery->order);
    delivery->outcomes = calloc(capacity, sizeof *delivery->outcomes);
    if (delivery->results == NULL || delivery->order == NULL || delivery->outcomes == NULL) {
        return delivery_free(delivery);
    }
    return delivery;
}

struct delivery *delivery_free(struct delivery *delivery)
{
    if (delivery != NULL) {
        free(delivery->results);
        free(delivery->order);
        free(delivery->outcomes);
        free(delivery);
    }
    return NULL;
}

uint32_t delivery_attempts(const struct delivery *delivery, size_t i)
{
    const struct reader_batch_item *item = &delivery->items[i];
    uint32_t before = item->seq == 0 ? item->attempts : 0;

    return before < UINT32_MAX ? before + 1 : before;
}

static bool blames_backend(const struct memferry_outcome *outcome)
{
    return outcome->blame == MEMFERRY_BLAME_BACKEND || outcome->blame == MEMFERRY_BLAME_GONE;
}

/* An outcome that is none, or blames the backend for what it says is final, is a RETRY. */
static void normalise(struct memferry_outcome *outcome)
{
    const char *fallback = "The plugin gave no reason.";

    if (outcome->verdict == MEMFERRY_DONE) {
        return;
    }
    if (outcome->verdict != MEMFERRY_RETRY && outcome->verdict != MEMFERRY_REJECT) {
        outcome->verdict = MEMFERRY_RETRY;
        outcome->blame = MEMFERRY_BLAME_RECORD;
        fallback = "The plugin gave no answer for this memory.";
    } else if (blames_backend(outcome)) {
        outcome->verdict = MEMFERRY_RETRY;
    } else if (outcome->blame != MEMFERRY_BLAME_BATCH) {
        outcome->blame = MEMFERRY_BLAME_RECORD;
    }
    reason_clean(&outcome->reason, fallback);
}

static bool is_batch_blamed(const struct memferry_outcome *outcome)
{
    return outcome->verdict != MEMFERRY_DONE && outcome->blame == MEMFERRY_BLAME_BATCH;
}

/* What a call says as a whole, before the single memories are looked at. */
struct call_summary {
    size_t done, batch_blamed;
    const struct memferry_outcome *backend; /* the first that blames the backend, or says most */
    uint32_t retry_after_ms;                /* the longest that the backend asked for */
    bool cancelled;
};

static struct call_summary summarise(struct delivery *delivery, size_t n)
{
    struct call_summary call = {0};

    for (size_t i = 0; i < n; i++) {
        struct memferry_outcome *outcome = &delivery->outcomes[i];

        normalise(outcome);
        call.done += outcome->verdict == MEMFERRY_DONE;
        call.batch_blamed += is_batch_blamed(outcome);
        if (outcome->verdict == MEMFERRY_DONE || !blames_backend(outcome)) {
            continue;
        }
        if (call.backend == NULL || outcome->blame > call.backend->blame) {
            call.backend = outcome;
        }
        if (outcome->retry_after_ms > call.retry_after_ms) {
            call.retry_after_ms = outcome->retry_after_ms;
        }
    }
    call.cancelled = delivery->sink->wish(delivery->sink) == DELIVERY_CANCEL;
    return call;
}

static void note_failure(struct delivery *delivery, size_t i, struct streak *streak)
{
    const struct reader_batch_item *item = &delivery->items[i];
    struct streak_entry entry = {.round = delivery->round,
                                 .version = item->version,
                                 .attempts = delivery_attempts(delivery, i)};

    snprintf(entry.id, sizeof entry.id, "%s", item->id);
    streak_add(streak, &entry);
    if (streak_is_full(streak)) {
        delivery->full = streak;
        delivery->full_by = i;
    }
}

/* The fate of one memory whose outcome is its own. A success in the same call shows that the
 * backend takes memories, so such failures are no part of a streak. */
static void settle(struct delivery *delivery, size_t i, const struct memferry_outcome *outcome,
                   const struct call_summary *call)
{
    struct delivery_result *result = &delivery->results[i];

    if (outcome->verdict == MEMFERRY_DONE) {
        result->fate = FATE_DONE;
        result->superseded = outcome->superseded;
        delivery->done++;
        return;
    }
    if (blames_backend(outcome) || (outcome->verdict == MEMFERRY_RETRY && call->cancelled)) {
        return;
    }
    bool retry = outcome->verdict == MEMFERRY_RETRY;
    result->fate = retry ? FATE_RETRY : FATE_REJECT;
    result->retry_after_ms = outcome->retry_after_ms;
    result->reason = outcome->reason;
    *(retry ? &delivery->retry : &delivery->reject) += 1;
    if (call->done == 0) {
        note_failure(delivery, i, retry ? &delivery->retries : &delivery->rejects);
    }
}

/* Settles what can be, and moves the rest to the front of the stretch; returns how many. */
static size_t settle_call(struct delivery *delivery, uint32_t *stretch, size_t n,
                          const struct call_summary *call)
{
    size_t rest = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t index = stretch[i];

        /* One that was refused alone has been found: its verdict is its own. */
        if (is_batch_blamed(&delivery->outcomes[i]) && call->batch_blamed > 1) {
            stretch[rest++] = index;
        } else {
            settle(delivery, index, &delivery->outcomes[i], call);
        }
    }
    return rest;
}

static void end_with_streak(struct delivery *delivery)
{
    bool rejects = delivery->full == &delivery->rejects;
    const struct reader_batch_item *last = &delivery->items[delivery->full_by];

    delivery->end = rejects ? DELIVERY_REJECTS : DELIVERY_RETRIES;
    snprintf(delivery->why.text, sizeof delivery->why.text,
             "%zu different memories in a row %s with no success between; the last, %.64s: %.320s",
             delivery->full->limit, rejects ? "were rejected" : "failed", last->id,
             delivery->results[delivery->full_by].reason.text);
    reason_clean(&delivery->why, "");
}

static void end_held(struct delivery *delivery)
{
    delivery->end = DELIVERY_HELD;
    snprintf(delivery->why.text, sizeof delivery->why.text,
             "The lane stopped or paused before this memory was confirmed.");
}

static void judge_call(struct delivery *delivery, const struct call_summary *call)
{
    if (call->cancelled) {
        end_held(delivery);
    } else if (call->backend != NULL) {
        delivery->end =
            call->backend->blame == MEMFERRY_BLAME_GONE ? DELIVERY_GONE : DELIVERY_BACKEND;
        delivery->why = call->backend->reason;
        delivery->retry_after_ms = call->retry_after_ms;
    } else if (delivery->full != NULL) {
        end_with_streak(delivery);
    }
}

static void call_sink(struct delivery *delivery, const uint32_t *stretch, size_t n)
{
    memset(delivery->outcomes, 0, n * sizeof *delivery->outcomes);
    delivery->sink->deliver(delivery->sink, stretch, n, delivery->outcomes);
}

static void deliver_stretch(struct delivery *delivery, uint32_t *stretch, size_t n)
{
    if (n == 0 || delivery->end != DELIVERY_COMPLETE) {
        return;
    }
    if (delivery->sink->wish(delivery->sink) != DELIVERY_GO_ON) {
        end_held(delivery);
        return;
    }
    call_sink(delivery, stretch, n);
    struct call_summary call = summarise(delivery, n);
    if (call.done > 0) {
        streak_clear(&delivery->retries);
        streak_clear(&delivery->rejects);
    }
    size_t rest = settle_call(delivery, stretch, n, &call);
    judge_call(delivery, &call);
    deliver_stretch(delivery, stretch, rest / 2);
    deliver_stretch(delivery, stretch + rest / 2, rest - rest / 2);
}

void delivery_run(struct delivery *delivery, struct delivery_sink *sink,
                  const struct reader_batch_item *items, size_t n)
{
    assert(n > 0 && n <= delivery->capacity);
    delivery->sink = sink;
    delivery->items = items;
    delivery->end = DELIVERY_COMPLETE;
    delivery->why.text[0] = '\0';
    delivery->retry_after_ms = 0;
    delivery->full = NULL;
    delivery->done = delivery->retry = delivery->reject = 0;
    delivery->round++;
    for (size_t i = 0; i < n; i++) {
        delivery->order[i] = (uint32_t)i;
        delivery->results[i].fate = FATE_LEFT;
        delivery->results[i].superseded = false;
        delivery->results[i].retry_after_ms = 0;
    }
    deliver_stretch(delivery, delivery->order, n);
    delivery->sink = NULL;
}

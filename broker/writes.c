/* writes.c - the loop's side of journal and store; see writes.h for the path. */
#include "broker/writes.h"

#include "broker/memory_state.h"
#include "broker/util/clock.h"
#include "broker/util/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVE_WINDOW_MS 2

static struct write *write_of(struct journal_record *record)
{
    return container_of(container_of(record, struct change, record), struct write, change);
}

/* ---- submit ---- */

static void note_active(struct writes *writes, struct peer *peer)
{
    uint64_t now_ms = uv_now(writes->peers->loop);

    if (now_ms - writes->active_since_ms >= ACTIVE_WINDOW_MS) {
        writes->active_before = writes->active_now;
        writes->active_now = 0;
        writes->active_since_ms = now_ms;
        writes->active_last = NULL;
    }
    if (peer != writes->active_last) {
        writes->active_now++;
        writes->active_last = peer;
    }
}

uint64_t writes_seq_to_read(struct writes *writes)
{
    if (writes->unapplied > 0) {
        applier_want(writes->applier);
    }
    return writes->committed_seq;
}

bool writes_is_full(const struct writes *writes)
{
    return __atomic_load_n(&writes->store_full, __ATOMIC_RELAXED);
}

static void answer_now(struct write_request *request, int status)
{
    for (size_t i = 0; i < request->count; i++) {
        request->items[i].change.record.status = status;
    }
    request->done(request);
    write_request_free(request);
}

void writes_set_held(struct writes *writes, const char *backend)
{
    snprintf(writes->held_for, sizeof writes->held_for, "%s", backend != NULL ? backend : "");
}

/* ---- large memories ---- */

static_assert(MEMORY_STATE_LARGE + WRITES_PLAIN_BYTES_MAX + JOURNAL_PAYLOAD_MAX <= MEMORY_STATE_MAX,
              "what is answered before its apply must fit");

void writes_set_large(struct writes *writes, const struct event_text *memory_id)
{
    large_set(&writes->large, memory_id, true);
}

/* Called when its bytes are counted. A put that may be refused for the size of its memory is
 * answered only when it was not. */
static void look_at_size(struct writes *writes, struct write *write)
{
    struct event event;

    if (write->needs_apply) {
        write_event(write, &event);
        write->grows = event.op == EVENT_RESTORE;
        if (write->grows) {
            large_begin(&writes->large, &event.memory_id);
        }
    } else if (writes->in_flight_bytes > WRITES_PLAIN_BYTES_MAX) {
        write->needs_apply = true;
    } else if (!large_is_empty(&writes->large)) {
        write_event(write, &event);
        write->needs_apply = large_has(&writes->large, &event.memory_id);
    }
}

/* The ops that write a memory's state, and tell its size. */
static bool writes_state(enum event_op op)
{
    return op == EVENT_PUT || op == EVENT_DELETE || op == EVENT_RESTORE || op == EVENT_IMPORT ||
           op == EVENT_PURGE;
}

/* What the store has made of it, before its bytes are no longer counted. */
static void note_size(struct writes *writes, const struct write *write)
{
    const struct apply_result *result = &write->change.result;
    struct event event;

    if (write->change.apply_status != 0 || result->outcome != APPLY_CHANGED ||
        (!result->is_large && large_is_empty(&writes->large))) {
        return;
    }
    write_event(write, &event);
    if (writes_state(event.op)) {
        large_set(&writes->large, &event.memory_id, result->is_large);
    }
}

static void end_growing(struct writes *writes, const struct write *write)
{
    struct event event;

    if (write->grows) {
        write_event(write, &event);
        large_end(&writes->large, &event.memory_id);
    }
}

void writes_submit(struct writes *writes, struct write_request *request)
{
    request->writes = writes;
    if (request->call != NULL) {
        request->call->peer->writes = true;
    }
    if (writes->failed_told) {
        answer_now(request, JOURNAL_E_FAILED);
        return;
    }
    if (writes->held_for[0] != '\0' && request->call != NULL) {
        answer_now(request, WRITE_E_HELD);
        return;
    }
    if (writes_is_full(writes)) {
        answer_now(request, JOURNAL_E_FULL);
        return;
    }
    if (request->call != NULL) {
        note_active(writes, request->call->peer);
    }
    writes->in_flight += request->count;
    for (size_t i = 0; i < request->count; i++) {
        writes->in_flight_bytes += request->items[i].change.record.payload_size;
        brake_add(&writes->brake, request->items[i].change.record.payload_size);
        look_at_size(writes, &request->items[i]);
        journal_list_push(&writes->queued, &request->items[i].change.record);
    }
}

void writes_turn(struct writes *writes)
{
    if (writes->queued.count > 0) {
        unsigned active =
            writes->active_now > writes->active_before ? writes->active_now : writes->active_before;
        unsigned connected = writes->peers->count;
        journal_append(writes->journal, &writes->queued, active < connected ? active : connected);
    }
}

/* ---- what comes back ---- */

static void answer(struct write *write)
{
    struct write_request *request = write->request;

    assert(request->unanswered > 0);
    if (--request->unanswered == 0) {
        if (request->is_put) {
            stats_put_answered(request->writes->stats,
                               (uint64_t)clock_monotonic_us() - request->call->started_us);
        }
        request->done(request);
    }
}

static void finish(struct writes *writes, struct write *write)
{
    struct write_request *request = write->request;

    end_growing(writes, write);
    writes->in_flight--;
    writes->in_flight_bytes -= write->change.record.payload_size;
    brake_remove(&writes->brake, write->change.record.payload_size);
    assert(request->unfinished > 0);
    if (--request->unfinished == 0) {
        write_request_free(request);
    }
}

static void tell_failed(struct writes *writes, const char *text)
{
    if (!writes->failed_told) {
        writes->failed_told = true;
        writes->observer->failed(writes->observer, text);
    }
}

/* Plain events are answered here: they are durable, and nothing more was promised. */
static void take_committed(struct writes *writes, struct journal_list *committed)
{
    struct journal_list to_apply = {0};
    struct journal_record *record;
    bool is_waited_for = false;

    while ((record = journal_list_pop(committed)) != NULL) {
        struct write *write = write_of(record);
        if (record->status != 0) {
            if (record->status == JOURNAL_E_FAILED) {
                tell_failed(writes, "the journal could not be written");
            }
            answer(write);
            finish(writes, write);
            continue;
        }
        writes->committed_seq = record->seq;
        writes->unapplied++;
        if (!write->needs_apply) {
            answer(write);
        }
        is_waited_for = is_waited_for || write->needs_apply;
        journal_list_push(&to_apply, record);
    }
    if (to_apply.count > 0) {
        progress_wanted(&writes->applying);
        applier_apply(writes->applier, &to_apply);
    }
    if (is_waited_for) {
        applier_want(writes->applier);
    }
}

/* A plain put that was refused for its size had its receipt: it must not happen (large.h), and is
 * told if it does. Of an alert nobody is alerted: that would have no end. */
static void tell_set_aside(struct writes *writes, const struct write *write)
{
    const struct journal_record *record = &write->change.record;
    bool was_refused = write->change.apply_status == 0 && !write->needs_apply &&
                       write->change.result.outcome == APPLY_TOO_LARGE;
    struct event event;

    if ((write->change.apply_status == -EBADMSG || was_refused) &&
        (event_decode(record->payload, record->payload_size, &event) < 0 ||
         event.op != EVENT_ALERT)) {
        writes->observer->set_aside(writes->observer, record->seq);
    }
}

static void take_applied(struct writes *writes, struct journal_list *applied)
{
    struct journal_record *record;

    if (applied->count > 0) {
        progress_step(&writes->applying);
    }
    while ((record = journal_list_pop(applied)) != NULL) {
        struct write *write = write_of(record);
        writes->unapplied--;
        tell_set_aside(writes, write);
        note_size(writes, write);
        if (write->needs_apply) {
            answer(write);
        }
        finish(writes, write);
    }
    if (writes->unapplied == 0) {
        progress_idle(&writes->applying);
    }
}

static void async_cb(uv_async_t *async)
{
    struct writes *writes = container_of(async, struct writes, async);
    struct journal_list committed, applied;
    char error[sizeof writes->store_error] = "";

    pthread_mutex_lock(&writes->lock);
    committed = writes->committed;
    applied = writes->applied;
    writes->committed = writes->applied = (struct journal_list){0};
    uint64_t applied_to = writes->applied_to;
    if (writes->store_failed) {
        memcpy(error, writes->store_error, sizeof error);
    }
    pthread_mutex_unlock(&writes->lock);

    /* What the store has applied is at most what was committed before: both were taken at once, so
     * committed first keeps each event's two steps in order. */
    take_committed(writes, &committed);
    take_applied(writes, &applied);
    brake_release(&writes->brake, writes_is_full(writes));
    if (applied_to > writes->applied_seq) {
        writes->applied_seq = applied_to;
        writes->observer->applied(writes->observer, applied_to);
    }
    if (error[0] != '\0') {
        tell_failed(writes, error);
    }
}

/* ---- from the writer thread and the store thread ---- */

static void committed(struct journal_observer *observer, struct journal_list *done)
{
    struct writes *writes = container_of(observer, struct writes, journal_observer);

    pthread_mutex_lock(&writes->lock);
    journal_list_append(&writes->committed, done);
    pthread_mutex_unlock(&writes->lock);
    uv_async_send(&writes->async);
}

static void applied(struct applier_observer *observer, struct journal_list *done,
                    uint64_t applied_seq)
{
    struct writes *writes = container_of(observer, struct writes, applier_observer);

    pthread_mutex_lock(&writes->lock);
    journal_list_append(&writes->applied, done);
    writes->applied_to = applied_seq;
    pthread_mutex_unlock(&writes->lock);
    uv_async_send(&writes->async);
}

static void store_full(struct applier_observer *observer, bool is_full)
{
    struct writes *writes = container_of(observer, struct writes, applier_observer);

    __atomic_store_n(&writes->store_full, is_full, __ATOMIC_RELAXED);
    log_write(writes->log, is_full ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
              is_full ? "store-full" : "store-has-room",
              is_full ? "the disk of the state directory is full: new memories are refused until "
                        "there is room"
                      : "the disk has room again: memories are taken");
    uv_async_send(&writes->async);
}

static void store_failed(struct applier_observer *observer, const struct error *err)
{
    struct writes *writes = container_of(observer, struct writes, applier_observer);

    pthread_mutex_lock(&writes->lock);
    writes->store_failed = true;
    snprintf(writes->store_error, sizeof writes->store_error, "%s", err->text);
    pthread_mutex_unlock(&writes->lock);
    uv_async_send(&writes->async);
}

int writes_init(struct writes *writes, uv_loop_t *loop, struct peers *peers, struct stats *stats,
                struct writes_observer *observer, struct log *log)
{
    *writes = (struct writes){
        .peers = peers,
        .stats = stats,
        .observer = observer,
        .log = log,
        .journal_observer = {.committed = committed},
        .applier_observer = {.applied = applied, .full = store_full, .failed = store_failed}};
    pthread_mutex_init(&writes->lock, NULL);
    int r = brake_init(&writes->brake, loop, peers);
    return r < 0 ? r : uv_async_init(loop, &writes->async, async_cb);
}

void writes_deinit(struct writes *writes)
{
    struct journal_record *record;

    /* What came back after the loop had ended: its callers are gone. */
    journal_list_append(&writes->committed, &writes->applied);
    while ((record = journal_list_pop(&writes->committed)) != NULL) {
        finish(writes, write_of(record));
    }
    large_deinit(&writes->large);
    pthread_mutex_destroy(&writes->lock);
}

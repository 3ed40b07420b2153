/*
 * lane.c - a lane from outside: start, stop, wake, requests, status. Everything here only leaves a
 * note under the mutex and wakes the lane's thread, which lives in lane_loop.c.
 *
 * Happy path: lane_start makes the thread; lane_wake, requests; lane_stop ends the plugin's call;
 * lane_join waits for the thread and frees.
 *
 * Failure modes: a plugin that ignores cancelled() cannot be ended from outside. lane_join gives up
 * on it and leaves lane, plugin and thread behind: a leak at the end of a process is better than a
 * broker that does not end. The thread finds `abandoned` when its call returns and ends there.
 */
#include "broker/lane_internal.h"

#include "broker/util/clock.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Without its thread. NULL and half-built ones are fine. */
static struct lane *lane_free(struct lane *lane)
{
    if (lane == NULL) {
        return NULL;
    }
    assert(lane->instance == NULL && lane->reader == NULL);
    delivery_free(lane->delivery);
    lane_room_deinit(&lane->room);
    plugin_unload(lane->plugin);
    pthread_cond_destroy(&lane->woken);
    pthread_mutex_destroy(&lane->mutex);
    free(lane->store_path);
    free(lane->model);
    free(lane);
    return NULL;
}

static void take_options(struct lane *lane, const struct lane_options *options)
{
    uint32_t batch = options->batch != 0 ? options->batch : plugin_batch(lane->plugin);

    batch = batch != 0 ? batch : LANE_BATCH_DEFAULT;
    snprintf(lane->name, sizeof lane->name, "%s", options->name);
    lane->batch = batch < DELIVERY_BATCH_MAX ? batch : DELIVERY_BATCH_MAX;
    lane->batch_bytes = options->batch_bytes != 0 ? options->batch_bytes : LANE_BATCH_BYTES;
    lane->max_age_ms = options->max_age_ms;
    lane->wait_embedding_ms = options->wait_embedding_ms;
    lane->join_ms = options->join_ms != 0 ? options->join_ms : LANE_JOIN_MS;
    backoff_init(&lane->backoff, options->backoff_min_ms, options->backoff_max_ms, options->seed);
}

static void init_waiting(struct lane *lane)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&lane->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lane->woken, &attributes);
    pthread_condattr_destroy(&attributes);
    lane->requests_end = &lane->requests;
    lane->look_events = lane->look_deferred = true;
}

static int keep_model(struct lane *lane)
{
    if (lane->feed->kind == LANE_EMBEDDER) {
        lane->model = strdup(plugin_option_text(lane->plugin, "model"));
        return lane->model == NULL ? -ENOMEM : 0;
    }
    return 0;
}

/* NULL: out of memory, and the plugin is unloaded. */
static struct lane *lane_new(const struct lane_options *options, struct plugin *plugin)
{
    struct lane *lane = calloc(1, sizeof *lane);

    if (lane == NULL) {
        plugin_unload(plugin);
        return NULL;
    }
    init_waiting(lane);
    lane->plugin = plugin;
    lane->table = plugin_table(plugin);
    take_options(lane, options);
    lane->store_path = strdup(options->store_path);
    lane->feed = lane_feed_of(lane->table);
    lane->delivery = delivery_new(lane->batch);
    circuit_init(&lane->circuit, clock_monotonic_ms());
    lane->has_deferred = true;
    lane->paused = lane->status.paused = options->paused;
    lane->status.kind = lane->feed->kind;
    lane->held = options->held;
    lane->looks_for_others = options->journal_is_new && lane->table->fetch != NULL;
    snprintf(lane->origin, sizeof lane->origin, "%s",
             options->origin != NULL ? options->origin : "");
    lane->status.circuit = lane->circuit.circuit;
    snprintf(lane->status.name, sizeof lane->status.name, "%s", lane->name);
    snprintf(lane->status.plugin, sizeof lane->status.plugin, "%s", lane->table->name);
    if (lane->store_path == NULL || lane->delivery == NULL ||
        lane_room_init(&lane->room, lane->feed->kind, lane->batch, plugin_dims(plugin)) < 0 ||
        keep_model(lane) < 0) {
        return lane_free(lane);
    }
    return lane;
}

/* Signals are the loop's: a plugin's calls are not interrupted by them. */
static int start_thread(struct lane *lane)
{
    sigset_t all, before;
    char name[16];

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&lane->thread, NULL, lane_thread, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) {
        snprintf(name, sizeof name, "lane:%.10s", lane->name);
        pthread_setname_np(lane->thread, name);
    }
    return -failed;
}

int lane_start(struct lane **ret, const struct lane_options *options, struct plugin *plugin,
               struct applier *applier, struct emitter *emitter, struct lane_observer *observer,
               struct log *log, struct error *err)
{
    struct lane *lane = lane_new(options, plugin);

    if (lane == NULL) {
        return error_set_errno(err, -ENOMEM, "Backend %s cannot be started", options->name);
    }
    lane->applier = applier;
    lane->emitter = emitter;
    lane->observer = observer;
    lane->log = log;
    int status = start_thread(lane);
    if (status != 0) {
        error_set_errno(err, status, "Backend %s: its thread cannot be started", lane->name);
        lane_free(lane);
        return status;
    }
    *ret = lane;
    return 0;
}

void lane_stop(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->stopping = true;
    if (lane->waiting != NULL) {
        lane_wait_hurry(lane->waiting, LANE_WRITE_HURRY_MS);
    }
    pthread_cond_signal(&lane->woken);
    pthread_mutex_unlock(&lane->mutex);
    plugin_cancel(lane->plugin);
}

static void cancel_requests(struct lane *lane)
{
    struct error err;

    error_set(&err, -ECANCELED, "Backend %s is being stopped.", lane->name);
    if (lane->serving != NULL) { /* its thread was left behind in the call that would answer it */
        lane->serving->done(lane->serving, -ECANCELED, &err);
        lane->serving = NULL;
    }
    for (struct lane_reply *reply = lane->requests, *next; reply != NULL; reply = next) {
        next = reply->next;
        reply->done(reply, -ECANCELED, &err);
    }
    lane->requests = NULL;
    lane->requests_end = &lane->requests;
}

/* The wall clock is what pthread_timedjoin_np knows. */
static bool join_in_time(struct lane *lane)
{
    struct timespec deadline = clock_timespec(clock_wall_us() + (int64_t)lane->join_ms * 1000);

    return pthread_timedjoin_np(lane->thread, NULL, &deadline) == 0;
}

/* False: the thread came back at the last moment and is on its way out; join it. */
static bool abandon(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool in_call = lane->status.busy;
    lane->abandoned = in_call;
    pthread_mutex_unlock(&lane->mutex);
    return in_call;
}

struct lane *lane_join(struct lane *lane)
{
    if (lane == NULL) {
        return NULL;
    }
    assert(lane->stopping);
    if (!join_in_time(lane)) {
        if (abandon(lane)) {
            log_write(lane->log, LOG_LEVEL_ERROR, "lane-stuck",
                      "Backend %s: the plugin %s did not end its call within %u ms of being asked "
                      "to; it is left behind.",
                      lane->name, lane->table->name, lane->join_ms);
            cancel_requests(lane);
            pthread_detach(lane->thread);
            return NULL;
        }
        pthread_join(lane->thread, NULL);
    }
    cancel_requests(lane);
    return lane_free(lane);
}

void lane_wake(struct lane *lane, uint64_t applied_seq)
{
    pthread_mutex_lock(&lane->mutex);
    if (applied_seq > lane->status.cursor) {
        lane->look_events = true;
        pthread_cond_signal(&lane->woken);
    }
    pthread_mutex_unlock(&lane->mutex);
}

void lane_kick(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->look_events = lane->look_deferred = true;
    pthread_cond_signal(&lane->woken);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_set_held(struct lane *lane, bool held)
{
    pthread_mutex_lock(&lane->mutex);
    lane->held = held;
    pthread_cond_signal(&lane->woken);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_set_embedder(struct lane *lane, bool healthy)
{
    pthread_mutex_lock(&lane->mutex);
    lane->embedder_healthy = healthy;
    pthread_cond_signal(&lane->woken);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_status(struct lane *lane, struct lane_status *ret)
{
    pthread_mutex_lock(&lane->mutex);
    *ret = lane->status;
    pthread_mutex_unlock(&lane->mutex);
}

void lane_request(struct lane *lane, enum lane_request what, struct lane_reply *reply)
{
    reply->request = (int)what;
    reply->next = NULL;
    pthread_mutex_lock(&lane->mutex);
    *lane->requests_end = reply;
    lane->requests_end = &reply->next;
    lane->pause_wanted |= what == LANE_REQUEST_PAUSE;
    pthread_cond_signal(&lane->woken);
    pthread_mutex_unlock(&lane->mutex);
}

void lane_set_paused(struct lane *lane, bool paused, struct lane_reply *reply)
{
    lane_request(lane, paused ? LANE_REQUEST_PAUSE : LANE_REQUEST_RESUME, reply);
}

void lane_probe(struct lane *lane, struct lane_reply *reply)
{
    lane_request(lane, LANE_REQUEST_PROBE, reply);
}

/* ---- for the lane's thread ---- */

void lane_changed(struct lane *lane)
{
    lane->observer->changed(lane->observer, lane->name);
}

void lane_note_error(struct lane *lane, const char *text)
{
    pthread_mutex_lock(&lane->mutex);
    snprintf(lane->status.last_error, sizeof lane->status.last_error, "%s", text);
    lane->status.last_error_ms = clock_wall_ms();
    pthread_mutex_unlock(&lane->mutex);
}

bool lane_enter_call(struct lane *lane, enum lane_call call)
{
    pthread_mutex_lock(&lane->mutex);
    bool enter = !lane->stopping || call == LANE_CALL_CLOSE;
    if (enter) {
        lane->status.busy = true;
        lane->status.busy_since_ms = clock_monotonic_ms();
    }
    pthread_mutex_unlock(&lane->mutex);
    return enter;
}

void lane_leave_call(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->status.busy = false;
    lane->status.busy_since_ms = 0;
    bool abandoned = lane->abandoned;
    pthread_mutex_unlock(&lane->mutex);
    if (abandoned) {
        pthread_exit(NULL);
    }
}

bool lane_is_stopping(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    bool stopping = lane->stopping;
    pthread_mutex_unlock(&lane->mutex);
    return stopping;
}

/* Whoever stops the lane hurries what it waits for. */
static void begin_wait(struct lane *lane, struct lane_wait *wait)
{
    pthread_mutex_lock(&lane->mutex);
    lane->waiting = wait;
    if (lane->stopping) {
        lane_wait_hurry(wait, LANE_WRITE_HURRY_MS);
    }
    pthread_mutex_unlock(&lane->mutex);
}

static void end_wait(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->waiting = NULL;
    pthread_mutex_unlock(&lane->mutex);
}

int lane_write(struct lane *lane, struct lane_work *work, struct error *err)
{
    begin_wait(lane, &work->wait);
    lane_work_submit(work, lane->applier);
    int status = lane_work_await(work, err);
    end_wait(lane);
    lane_work_let_go(work);
    return status;
}

int lane_emit_keep(struct lane *lane, struct emission *emission, struct error *err)
{
    begin_wait(lane, &emission->wait);
    emission_submit(emission, lane->emitter);
    int status = emission_await(emission, err);
    end_wait(lane);
    return status;
}

int lane_emit(struct lane *lane, struct emission *emission, struct error *err)
{
    int status = lane_emit_keep(lane, emission, err);

    emission_let_go(emission);
    return status;
}

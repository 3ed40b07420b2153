/* backends.c - starts, finds, replaces and ends the lanes of the config. */
#include "broker/backends.h"

#include "broker/backends_plugin.h"
#include "broker/backends_tell.h"
#include "broker/reader.h"
#include "broker/util/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void backends_init(struct backends *backends, uv_loop_t *loop, struct mailbox *mailbox,
                   struct applier *applier, struct emitter *emitter,
                   const struct backends_options *options, struct backends_observer *observer,
                   struct log *log)
{
    *backends = (struct backends){.options = *options,
                                  .loop = loop,
                                  .mailbox = mailbox,
                                  .applier = applier,
                                  .emitter = emitter,
                                  .observer = observer,
                                  .log = log};
    backends_listen(backends);
}

/* ---- start ---- */

/* A pause outlives lane and process: the first receipt must tell of it, before the lane can. */
static int read_paused(const struct backends *backends, const char *name, bool *ret_paused,
                       struct error *err)
{
    struct reader_lane stored = {0};
    struct reader *reader = NULL;
    int r = reader_open(&reader, backends->options.store_path, err);

    if (r == 0) {
        r = reader_lane_row(reader, name, &stored, err);
    }
    reader_close(reader);
    *ret_paused = stored.paused;
    return r;
}

static int start_lane(struct backends *backends, size_t i, struct error *err)
{
    const struct config *config = backends->config;
    struct config_backend *wanted = &config->backends[i];
    struct backend *backend = &backends->items[backends->count];
    struct plugin *plugin = NULL;
    bool paused;
    int r = read_paused(backends, wanted->name, &paused, err);

    if (r != 0) {
        return r;
    }
    r = backend_load_plugin(&backends->options, config, wanted, backends->log, &plugin,
                            &backends->kinds.items[i], err);
    if (r != 0) {
        return r;
    }
    const struct lane_options options = {.name = wanted->name,
                                         .store_path = backends->options.store_path,
                                         .batch = wanted->batch,
                                         .max_age_ms = wanted->max_age_ms,
                                         .wait_embedding_ms = wanted->wait_embedding_ms,
                                         .paused = paused,
                                         .held = backends->held,
                                         .journal_is_new = backends->applied_seq == 0,
                                         .origin = backends->options.origin};
    *backend = (struct backend){.config = wanted, .name = wanted->name, .paused = paused};
    r = lane_start(&backend->lane, &options, plugin, backends->applier, backends->emitter,
                   &backends->lane_observer, backends->log, err);
    if (r != 0) {
        return r;
    }
    backends->count++;
    lane_set_embedder(backend->lane, backends->embedder_healthy);
    lane_wake(backend->lane, backends->applied_seq);
    return 0;
}

static int clear_run(struct applier_work *work, struct store *store, struct error *err)
{
    bool changed;

    (void)work;
    return store_set_embedder(store, NULL, NULL, &changed, err);
}

static void clear_done(struct applier_work *work, int status, const struct error *err)
{
    (void)status; /* a store that has failed says so itself, and the next start clears it */
    (void)err;
    free(work);
}

/* An embedder's lane says in the store that it is there; that there is none is said here, so that
 * no memory waits for a vector that nobody makes. */
static void clear_embedder(struct backends *backends)
{
    struct applier_work *clear = calloc(1, sizeof *clear);

    for (size_t i = 0; i < backends->config->backend_count; i++) {
        if (backends->kinds.items[i] == LANE_EMBEDDER) {
            free(clear);
            return;
        }
    }
    if (clear != NULL) {
        clear->run = clear_run;
        clear->done = clear_done;
        applier_submit(backends->applier, clear);
    }
}

int backends_load(struct backends *backends, const struct config *config, uint64_t applied_seq,
                  struct error *err)
{
    int r = backends_check_count(config, err);

    backends->applied_seq = applied_seq;
    backends->config = config;
    for (size_t i = 0; r == 0 && i < config->backend_count; i++) {
        r = start_lane(backends, i, err);
    }
    r = r == 0 ? backends_check_embedders(config, &backends->kinds, err) : r;
    if (r == 0) {
        clear_embedder(backends);
    }
    return r;
}

struct backend *backends_find(struct backends *backends, const char *name)
{
    for (size_t i = 0; i < backends->count; i++) {
        if (strcmp(backends->items[i].name, name) == 0) {
            return &backends->items[i];
        }
    }
    return NULL;
}

size_t backends_wanted_count(const struct backends *backends)
{
    return backends->config->backend_count;
}

const struct config_backend *backends_wanted(const struct backends *backends, size_t i)
{
    return &backends->config->backends[i];
}

bool backends_is_wanted(const struct backends *backends, const char *name)
{
    for (size_t i = 0; i < backends->config->backend_count; i++) {
        if (strcmp(backends->config->backends[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool backends_is_sink(const struct backends *backends, size_t i)
{
    return backends->kinds.items[i] == LANE_SINK;
}

bool backends_is_alerts(const struct backends *backends, size_t i)
{
    return backends->kinds.items[i] == LANE_ALERTS;
}

size_t backends_sink_count(const struct backends *backends)
{
    size_t count = 0;

    for (size_t i = 0; i < backends->config->backend_count; i++) {
        count += backends_is_sink(backends, i);
    }
    return count;
}

bool backends_are_ending(const struct backends *backends)
{
    return backends->ending > 0;
}

void backends_wake(struct backends *backends, uint64_t applied_seq)
{
    backends->applied_seq = applied_seq;
    for (size_t i = 0; i < backends->count; i++) {
        lane_wake(backends->items[i].lane, applied_seq);
    }
}

void backends_set_held(struct backends *backends, bool held)
{
    backends->held = held;
    for (size_t i = 0; i < backends->count; i++) {
        lane_set_held(backends->items[i].lane, held);
    }
}

/* ---- end and reload ---- */

struct ending {
    uv_work_t work;
    struct backends *backends;
    struct lane *lane;
};

static void join_cb(uv_work_t *work)
{
    struct ending *ending = container_of(work, struct ending, work);

    lane_join(ending->lane);
}

static void start_missing(struct backends *backends)
{
    const struct config *config = backends->config;
    struct error err;

    for (size_t i = 0; i < config->backend_count; i++) {
        if (backends_find(backends, config->backends[i].name) == NULL &&
            start_lane(backends, i, &err) != 0) {
            log_write(backends->log, LOG_LEVEL_ERROR, "backend-failed", "%s", err.text);
        }
    }
}

static void joined_cb(uv_work_t *work, int status)
{
    struct ending *ending = container_of(work, struct ending, work);
    struct backends *backends = ending->backends;

    (void)status;
    free(ending);
    if (--backends->ending > 0) {
        return;
    }
    if (backends->stopping) {
        backends->observer->stopped(backends->observer);
    } else {
        start_missing(backends);
        backends->observer->changed(backends->observer);
    }
}

static void end_lane(struct backends *backends, size_t i)
{
    struct ending *ending = calloc(1, sizeof *ending);
    struct lane *lane = backends->items[i].lane;

    backends->items[i] = backends->items[--backends->count];
    lane_stop(lane);
    if (ending == NULL) {
        lane_join(lane); /* no memory: wait here rather than not at all */
        return;
    }
    ending->backends = backends;
    ending->lane = lane;
    backends->ending++;
    uv_queue_work(backends->loop, &ending->work, join_cb, joined_cb);
}

static struct config_backend *find_same(const struct config *config,
                                        const struct config_backend *wanted)
{
    for (size_t i = 0; i < config->backend_count; i++) {
        if (config_same_backend(&config->backends[i], wanted)) {
            return &config->backends[i];
        }
    }
    return NULL;
}

int backends_reload(struct backends *backends, const struct config *config, struct error *err)
{
    struct backend_kinds kinds;
    int r = 0;

    if (backends->ending > 0) {
        r = error_set(err, -EBUSY, "the last reload is still ending backends; try again");
    }
    if (r == 0) {
        r = backends_check(&backends->options, config, &kinds, backends->log, err);
    }
    if (r != 0) {
        return r;
    }
    backends->config = config;
    backends->kinds = kinds;
    clear_embedder(backends);
    for (size_t i = backends->count; i-- > 0;) {
        struct backend *backend = &backends->items[i];
        struct config_backend *same = find_same(config, backend->config);
        if (same == NULL) {
            end_lane(backends, i);
        } else {
            backend->config = same;
            backend->name = same->name;
        }
    }
    if (backends->ending == 0) {
        start_missing(backends);
    }
    return 0;
}

void backends_stop(struct backends *backends)
{
    backends->stopping = true;
    while (backends->count > 0) {
        end_lane(backends, backends->count - 1);
    }
    if (backends->ending == 0) {
        backends->observer->stopped(backends->observer);
    }
}

void backends_abandon(struct backends *backends)
{
    while (backends->count > 0) {
        struct lane *lane = backends->items[--backends->count].lane;
        lane_stop(lane);
        lane_join(lane);
    }
}

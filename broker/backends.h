/*
 * backends.h - the set of lanes that the config asks for, and how the rest of the loop speaks of
 * them.
 *
 * Happy path: backends_load loads a plugin for each [backend …] and starts its lane; lanes report
 * through the mailbox; backends_reload brings the set to a new config; backends_stop ends all.
 *
 * Failure modes: a plugin that can't be loaded refuses the config as a whole (at start and at
 * reload: what runs goes on). A reload while lanes are ending is refused with -EBUSY. Lanes are
 * joined by a worker thread, so the loop never waits for a plugin.
 */
#ifndef MEMFERRY_BACKENDS_H
#define MEMFERRY_BACKENDS_H

#include "broker/applier.h"
#include "broker/config.h"
#include "broker/lane.h"
#include "broker/mailbox.h"

#include <stdatomic.h>
#include <stdbool.h>

#define BACKENDS_MAX     64
#define BACKEND_NAME_MAX 64 /* bytes */
/* Behind the name of one that is wanted and has no lane. */
#define BACKEND_WITHOUT_LANE                                                                       \
    "is being replaced, or could not be started: try again in a moment, or see the log"

struct backend {
    struct lane *lane;
    struct config_backend *config; /* borrowed from the config in force */
    const char *name;              /* of config */
    bool paused;                   /* as last told by the lane */
};

/* Embedded by who wants to hear, in the loop. */
struct backends_observer {
    /* Something about a backend changed: look again at what waits for it. */
    void (*changed)(struct backends_observer *);
    void (*superseded)(struct backends_observer *, const char *backend, const char *memory_id,
                       uint64_t seq);
    void (*trouble)(struct backends_observer *, const char *backend, enum lane_trouble trouble,
                    const char *why);
    /* After backends_stop: all lanes have ended. */
    void (*stopped)(struct backends_observer *);
};

struct backends_options {
    const char *plugin_dir, *state_dir, *store_path, *origin;
    uint32_t dims;
};

/* What each backend of a config carries, in its order: plugins know, the config does not. */
struct backend_kinds {
    enum lane_kind items[BACKENDS_MAX];
};

struct backends {
    struct backends_options options;
    uv_loop_t *loop;
    struct mailbox *mailbox;
    struct applier *applier;
    struct emitter *emitter;
    struct log *log;
    struct backends_observer *observer;
    struct lane_observer lane_observer;
    struct backend items[BACKENDS_MAX];
    size_t count;
    const struct config *config; /* in force; borrowed */
    struct backend_kinds kinds;  /* of the backends in it */
    bool embedder_healthy;       /* as last told by its lane */
    bool held;                   /* a recovery is under way: nothing is delivered */
    unsigned ending;             /* lanes that are being joined */
    bool stopping;
    struct note changed_note;
    _Atomic bool changed_posted;
    uint64_t applied_seq;
};

void backends_init(struct backends *backends, uv_loop_t *loop, struct mailbox *mailbox,
                   struct applier *applier, struct emitter *emitter,
                   const struct backends_options *options, struct backends_observer *observer,
                   struct log *log);
/* Starts a lane for each backend of the config, which is borrowed as long as it is in force. */
int backends_load(struct backends *backends, const struct config *config, uint64_t applied_seq,
                  struct error *err);
/* Loads and checks every plugin of the config and lets go again: for --check-config and reloads. */
int backends_check(const struct backends_options *options, const struct config *config,
                   struct backend_kinds *ret_kinds, struct log *log, struct error *err);
/* Stops lanes that went or changed, starts those that came or changed. */
int backends_reload(struct backends *backends, const struct config *config, struct error *err);
void backends_wake(struct backends *backends, uint64_t applied_seq);
/* NULL: there is no such lane, or it is ending. */
struct backend *backends_find(struct backends *backends, const char *name);
/* What the config in force names, lane or none: while one is replaced, nobody may take it for gone.
 */
size_t backends_wanted_count(const struct backends *backends);
const struct config_backend *backends_wanted(const struct backends *backends, size_t i);
bool backends_is_wanted(const struct backends *backends, const char *name);
/* Receipts speak of sinks only. i: as in backends_wanted. */
bool backends_is_sink(const struct backends *backends, size_t i);
bool backends_is_alerts(const struct backends *backends, size_t i);
size_t backends_sink_count(const struct backends *backends);
/* Some lane has been told to end and has not yet. */
bool backends_are_ending(const struct backends *backends);
/* While a recovery is under way nothing is delivered. */
void backends_set_held(struct backends *backends, bool held);
void backends_stop(struct backends *backends);
/* Ends all lanes here and now, waiting for them: for a start that failed. */
void backends_abandon(struct backends *backends);

#endif

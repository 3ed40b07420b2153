/*
 * lane.h - one backend's thread: brings it to the current state of every memory, and keeps it
 * there.
 *
 * Happy path: wake → reader_batch_after(cursor) → plugin.deliver → outcomes and cursor to the
 * applier as one transaction → next batch. Level-triggered: it delivers what a memory is now, once,
 * however many events made it so.
 *
 * Failure modes, by what is to blame: the backend (circuit opens, probe with back-off, nobody
 * blamed); one record (deferred with back-off, or dead); a batch without a name (halved until the
 * record stands alone). Twenty different records rejected in a row, with no success between, mean
 * the backend.
 *
 *     circuit:  CLOSED ─ failure of the whole ─▶ OPEN ─ due ─▶ PROBING ─ ok ─▶ CLOSED
 *                                                 ▲                └─ failed ─▶ OPEN (longer)
 *
 * A lane stops within the plugin's call (plugin_cancel); what was not confirmed is delivered again.
 */
#ifndef MEMFERRY_LANE_H
#define MEMFERRY_LANE_H

#include "broker/applier.h"
#include "broker/plugin.h"
#include "broker/util/error.h"
#include "broker/util/log.h"

enum circuit { CIRCUIT_CLOSED = 0, CIRCUIT_OPEN, CIRCUIT_PROBING };
const char *circuit_name(enum circuit circuit); /* closed, open, probing */

/* What somebody should look at. */
enum lane_trouble {
    LANE_TROUBLE_REJECTS = 1, /* so many in a row were refused: the backend is taken to be wrong */
    LANE_TROUBLE_GONE,        /* the backend is gone for good: its lane has paused itself */
    LANE_TROUBLE_FOREIGN, /* our journal is new, and the backend holds what others wrote: its lane
                           * has paused itself */
    LANE_TROUBLE_LOST     /* the backend has lost more than half of what it had confirmed */
};

/* Called from the lane's or the store's thread; must not block. */
struct lane_observer {
    /* Something that lane_status or a reader would tell differently: after a batch's transaction, a
     * change of circuit or of pause. */
    void (*changed)(struct lane_observer *, const char *lane);
    /* Memories of the last batch whose state lost to a newer one at the backend. */
    void (*superseded)(struct lane_observer *, const char *lane, const char *memory_id,
                       uint64_t seq);
    void (*trouble)(struct lane_observer *, const char *lane, enum lane_trouble trouble,
                    const char *why);
};

struct lane_status {
    char name[65], plugin[65];
    enum lane_kind kind;
    bool paused;
    enum circuit circuit;
    int64_t next_probe_ms; /* wall clock; 0: none */
    uint64_t cursor;
    uint64_t delivered;         /* since the lane was made, as are … */
    uint64_t retried, rejected; /* … these: memories, once for each time */
    uint64_t opened;            /* times that its circuit has opened */
    bool busy;                  /* in a call of the plugin */
    int64_t busy_since_ms;      /* monotonic */
    char last_error[512];       /* "" : none */
    int64_t last_error_ms;
    int64_t last_success_ms;
};

struct lane_options {
    const char *name; /* the backend's */
    const char *store_path;
    uint32_t batch;            /* memories to a call; 0: the plugin's own, or 100 */
    size_t batch_bytes;        /* 0: 8 MiB */
    int64_t max_age_ms;        /* 0: never */
    int64_t wait_embedding_ms; /* a sink's batch waits so long for vectors; 0: not at all */
    uint32_t backoff_min_ms, backoff_max_ms; /* 0: 1 s, 10 min */
    uint64_t seed;                           /* of the jitter; 0: by chance. For tests */
    bool paused;         /* as the store has it: told until the lane has read it itself */
    bool held;           /* as lane_set_held */
    bool journal_is_new; /* nothing was ever written: a lost disk looks like that */
    const char *origin;  /* of the journal; NULL: not known */
    uint32_t join_ms;    /* how long lane_join waits for a plugin's call to end; 0: 10 s */
};

/* Answer to a request that needs the plugin or the store; called once, from the lane's thread, or
 * with -ECANCELED from lane_join's for what the lane did not come to. With status 0 err is what the
 * plugin tells of its backend, or NULL. */
struct lane_reply {
    void (*done)(struct lane_reply *, int status, const struct error *err);
    /* the lane's while it waits */
    struct lane_reply *next;
    int request;
};

struct emitter;
struct lane;

/* Consumes the plugin, on failure too. The applier, emitter, observer and log are borrowed until
 * lane_join.
 */
int lane_start(struct lane **ret, const struct lane_options *options, struct plugin *plugin,
               struct applier *applier, struct emitter *emitter, struct lane_observer *observer,
               struct log *log, struct error *err);
/* Asks it to end: cancels the plugin's call. Does not wait. */
void lane_stop(struct lane *lane);
/* Joins and frees; after lane_stop. NULL is fine. A plugin that does not end its call within
 * options.join_ms is left behind with its thread, its lane and itself, with an error in the log;
 * that thread ends when the call does, and touches nothing borrowed any more. */
struct lane *lane_join(struct lane *lane);

/* The store has applied events up to applied_seq. Any thread, never blocks. */
void lane_wake(struct lane *lane, uint64_t applied_seq);

void lane_status(struct lane *lane, struct lane_status *ret); /* any thread */

/* Each answers once through reply. Pause: when the call in progress has ended and the pause is
 * stored. Resume and probe: probe answers with what the plugin said, and closes the circuit on
 * success; due times of deferred records of a circuit that closes are not moved. */
void lane_set_paused(struct lane *lane, bool paused, struct lane_reply *reply);
void lane_probe(struct lane *lane, struct lane_reply *reply);
/* A long piece of work of the lane's own thread, which takes turns with its deliveries. Embedded by
 * what it is. */
struct lane_job {
    /* With an instance that was opened and probed. LANE_JOB_MORE, 0 at the end, or a negative errno
     * with err filled. */
    int (*step)(struct lane_job *, struct lane *, struct error *err);
    /* Once, from the lane's thread, or lane_join's with -ECANCELED; the job is the callee's.
     * -EBUSY: another one runs. A job whose call a plugin never ends is left behind with it. */
    void (*done)(struct lane_job *, int status, const struct error *err);
    struct lane_reply reply; /* the lane's */
};
#define LANE_JOB_MORE 1

/* Runs on a paused lane too. */
void lane_run(struct lane *lane, struct lane_job *job);
/* Deferred and dead rows changed behind its back (dead.retry, dead.drop): look again. */
void lane_kick(struct lane *lane);
/* While a recovery is under way nothing is delivered, as on a paused lane. Any thread. */
void lane_set_held(struct lane *lane, bool held);
/* Whether somebody makes vectors at the moment: only then does a sink wait for them. Any thread. */
void lane_set_embedder(struct lane *lane, bool healthy);

#endif

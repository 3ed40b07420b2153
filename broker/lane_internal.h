/*
 * lane_internal.h - a lane from inside: what lane*.c share and nobody else sees.
 *
 * Most of it belongs to the lane's thread alone. What other threads ask for or look at is guarded
 * by `mutex`, which is never held during a call of the plugin, the store, the reader or a callback.
 */
#ifndef MEMFERRY_LANE_INTERNAL_H
#define MEMFERRY_LANE_INTERNAL_H

#include "broker/backoff.h"
#include "broker/circuit.h"
#include "broker/emitter.h"
#include "broker/lane.h"
#include "broker/lane_deliver.h"
#include "broker/lane_feed.h"
#include "broker/lane_work.h"
#include "broker/reader.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LANE_BATCH_DEFAULT  100
#define LANE_BATCH_BYTES    (8u << 20)
#define LANE_JOIN_MS        10000
#define LANE_WRITE_HURRY_MS 2000 /* a lane that stops waits no longer for the store */
/* A wait for the wall clock is cut here, so that a clock that was set is noticed. */
#define LANE_WALL_WAIT_MAX_MS 60000

enum lane_request {
    LANE_REQUEST_PAUSE = 1,
    LANE_REQUEST_RESUME,
    LANE_REQUEST_PROBE,
    LANE_REQUEST_JOB
};

/* Where a batch comes from. */
enum lane_source { LANE_SOURCE_EVENTS = 1, LANE_SOURCE_DEFERRED };

enum lane_call { LANE_CALL_WORK = 1, LANE_CALL_CLOSE };

struct lane {
    /* as started; never changes */
    char name[65];
    char *store_path;
    uint32_t batch;
    size_t batch_bytes;
    int64_t max_age_ms, wait_embedding_ms;
    uint32_t join_ms;
    struct plugin *plugin; /* owned */
    const struct memferry_plugin *table;
    const struct lane_feed *feed; /* what it carries */
    char origin[JOURNAL_ORIGIN_TEXT];
    char *model; /* of an embedder; NULL: it is none */
    struct applier *applier;
    struct emitter *emitter;
    struct lane_observer *observer;
    struct log *log;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards from here … */
    pthread_cond_t woken;
    bool stopping;
    bool abandoned;    /* lane_join gave up: what is borrowed may be gone */
    bool pause_wanted; /* a pause waits in the queue: no further call of the plugin */
    bool look_events;  /* there may be something above the cursor */
    bool embedder_healthy, held;
    bool look_deferred; /* a deferred record may be due, or due_ms below not known */
    struct lane_reply *requests, **requests_end;
    struct lane_reply *serving; /* taken from the queue, not answered yet */
    struct lane_wait *waiting;  /* for which the lane's thread does */
    struct lane_status status;  /* … to here. Written by the lane's thread only */

    /* the lane's thread's own */
    struct reader *reader; /* NULL: the store was not read yet */
    struct instance *instance;
    struct circuit_state circuit;
    bool told_open; /* the log knows that the circuit is open */
    struct backoff backoff;
    struct delivery *delivery;
    struct delivery_sink sink;
    const struct lane_batch *carried; /* under way */
    struct lane_room room;
    uint64_t cursor;
    bool paused;
    bool has_deferred;         /* the lane may have deferred rows: a delivery must clear its own */
    int64_t next_due_ms;       /* wall clock of the next deferred record; 0: none */
    enum lane_source turn;     /* that was served last */
    bool looks_for_others;     /* before the first delivery: a new machine, or a lost disk? */
    struct lane_job *job;      /* NULL: none runs */
    bool job_turn;             /* the last step was another's */
    int64_t hold_until_ms;     /* monotonic: the batch above the cursor waits for vectors; 0: no */
    int64_t hold_look_ms;      /* monotonic: when to look whether they came */
    uint32_t store_failures;   /* in a row: the store could not be read or written */
    int64_t store_retry_at_ms; /* monotonic */
};

/* ---- lane.c ---- */

/* Leaves a request for the lane's thread. Any thread. */
void lane_request(struct lane *lane, enum lane_request what, struct lane_reply *reply);
/* Tells the observer. Without the mutex. */
void lane_changed(struct lane *lane);
/* last_error, with its time. */
void lane_note_error(struct lane *lane, const char *text);
/* Around each call of the plugin. lane_enter_call false: stopping, do not call; never so for a
 * close, which is due then. */
bool lane_enter_call(struct lane *lane, enum lane_call call);
/* Does not return when lane_join gave up on this thread. */
void lane_leave_call(struct lane *lane);
bool lane_is_stopping(struct lane *lane);
/* Submits the work and waits for it; consumes it. */
int lane_write(struct lane *lane, struct lane_work *work, struct error *err);
/* Writes events and waits until they are applied; consumes them. */
int lane_emit(struct lane *lane, struct emission *emission, struct error *err);
/* The same, but what became of each can be read when it is 0; then emission_let_go. */
int lane_emit_keep(struct lane *lane, struct emission *emission, struct error *err);

/* ---- lane_health.c ---- */

/* Opens the instance anew if the circuit is open, probes, moves the circuit. 0, with what the
 * plugin found in err, or what it said was wrong. -ECANCELED: stopping. */
int lane_check(struct lane *lane, struct error *err);
/* Ends the instance, if there is one. */
void lane_close_instance(struct lane *lane);
/* The status tells the circuit as it is now. */
void lane_publish_circuit(struct lane *lane);
/* The backend is gone for good: paused, until somebody resumes it. */
int lane_give_up(struct lane *lane, const char *why, struct error *err);
/* The circuit, closed until now, opens. */
void lane_trip(struct lane *lane, enum circuit_cause cause, uint32_t asked_ms, const char *why);

/* ---- lane_others.c ---- */

/* Once, on a journal that is new: does the backend hold what another journal wrote? Then the lane
 * pauses, and says so. */
int lane_look_for_others(struct lane *lane, struct error *err);

/* ---- lane_batch.c ---- */

/* Reads a batch, delivers it, records what became of it. */
int lane_deliver_batch(struct lane *lane, enum lane_source source, struct error *err);

/* ---- lane_hold.c ---- */

/* True: the batch, read from above the cursor, is to wait for vectors; read it again at
 * lane->hold_look_ms. */
bool lane_hold(struct lane *lane, const struct lane_batch *batch);
/* With the mutex: a batch waits, and it is not yet time to look. */
bool lane_is_holding(const struct lane *lane, int64_t now_ms);

/* ---- lane_record.c ---- */

/* Writes the outcomes of lane->delivery and the cursor in one transaction. */
int lane_record(struct lane *lane, enum lane_source source, const struct lane_batch *batch,
                struct error *err);
/* A transaction is committed: the lane stands where the store says. */
void lane_stand_at(struct lane *lane, uint64_t cursor, uint64_t delivered);

/* ---- lane_job.c ---- */

/* Takes over a job that was asked for, or refuses it. */
void lane_begin_job(struct lane *lane, struct lane_job *job);
void lane_step_job(struct lane *lane);
/* Ends the one that runs, if there is one. */
void lane_cancel_job(struct lane *lane);

/* ---- lane_loop.c ---- */

/* Stored when it returns 0. */
int lane_pause(struct lane *lane, bool paused, struct error *err);
void *lane_thread(void *arg); /* a struct lane, as pthread_create wants it */

#endif

/*
 * sessions.h - ends sessions: when their owner exits, and when they are idle.
 *
 * Happy path: sessions_start reads from the store which sessions have an owner and watches each by
 * a pidfd; sessions_watch adds one that has just begun. When an owner exits, an event ends its
 * session. A timer asks the store for sessions that were not seen for idle_ms, and ends those that
 * have no living owner.
 *
 * Failure modes: where there are SESSIONS_WATCHED_MAX, or no descriptors, a session is not watched:
 * its owner's exit is found when it is idle. Where the kernel gives no pidfd, the timer looks
 * whether the owner still runs. An event that could not be written is tried again with the timer.
 * An end that is no longer true when it is applied is applied as nothing (store_session.c).
 *
 * In the loop.
 */
#ifndef MEMFERRY_SESSIONS_H
#define MEMFERRY_SESSIONS_H

#include "broker/emitter.h"
#include "broker/owner.h"
#include "broker/query.h"
#include "broker/util/log.h"

#include <uv.h>

#define SESSIONS_WATCHED_MAX 1024
#define SESSIONS_PAGE        64    /* looked at in one go */
#define SESSIONS_TICK_MS     30000 /* at most between two looks; a quarter of idle_ms if less */
#define SESSIONS_TICK_MIN_MS 250

struct session_watch;
struct session_look;

struct sessions {
    uv_loop_t *loop;
    struct queries *queries;
    struct emitter *emitter;
    struct log *log;
    uv_timer_t timer;
    int64_t idle_ms;
    struct session_watch *head;
    unsigned count, max; /* of watches */
    bool look_owned;     /* owners are to be looked for with the next tick */
    bool looking, stopped, told_full;
};

/* All are borrowed. max: descriptors that there is room for, at most SESSIONS_WATCHED_MAX. */
void sessions_init(struct sessions *sessions, uv_loop_t *loop, struct queries *queries,
                   struct emitter *emitter, int64_t idle_ms, unsigned max, struct log *log);
void sessions_start(struct sessions *sessions);
/* The config was read again. */
void sessions_set_idle(struct sessions *sessions, int64_t idle_ms);
/* Ends nothing any more. Handles close with the loop. */
void sessions_stop(struct sessions *sessions);

/* The session has this owner from now on; it ends at once when that is gone. */
void sessions_watch(struct sessions *sessions, const char *session_id, const struct owner *owner);
void sessions_unwatch(struct sessions *sessions, const char *session_id);
/* Its watched owner, or NULL. */
const struct owner *sessions_owner(const struct sessions *sessions, const char *session_id);

#endif

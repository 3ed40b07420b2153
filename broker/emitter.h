/*
 * emitter.h - how events are written that no call made: vectors, alerts, sessions that ended.
 *
 * Happy path: emission_new, emission_set for each event, emitter->submit from any thread; `done` is
 * called once, in the loop, when every event was applied or refused. A thread that waits says
 * emission_submit, emission_await, emission_let_go in place of that.
 *
 * Failure modes, by item: -ENOSPC the disk is full, -EIO the storage has failed or the broker is
 * stopping, -ENOENT and -ESTALE the store refused it (not there; changed since), -EBADMSG it is
 * none the store can apply, -ENOMEM. Nothing is tried again here.
 */
#ifndef MEMFERRY_EMITTER_H
#define MEMFERRY_EMITTER_H

#include "broker/event.h"
#include "broker/lane_wait.h"
#include "broker/store.h"
#include "broker/util/error.h"

#include <stddef.h>
#include <stdint.h>

#define EMISSION_EVENTS_MAX 10000

struct emission_item {
    uint8_t *payload; /* owned */
    size_t size;
    int status;                 /* 0, or why not */
    struct apply_result result; /* with status 0 */
};

struct emission {
    /* In the loop, or in submit when there is no memory; once; the emission is the callee's. */
    void (*done)(struct emission *);
    void *arg;             /* of done: the submitter's own */
    struct lane_wait wait; /* of emission_await */
    int status;            /* of the first item that failed; 0: none did */
    struct error err;      /* its text */
    size_t count;
    struct emission_item items[];
};

/* Embedded by who can write. */
struct emitter {
    /* Any thread; consumes the emission. */
    void (*submit)(struct emitter *, struct emission *);
};

/* Room for 1 to EMISSION_EVENTS_MAX events. NULL: out of memory. */
struct emission *emission_new(size_t count);
struct emission *emission_free(struct emission *emission); /* NULL is fine */
/* Encodes the event as item i. -ENOMEM. */
int emission_set(struct emission *emission, size_t i, const struct event *event);
/* Takes note of an item's outcome; err is read with a status that is not 0. */
void emission_set_status(struct emission *emission, size_t i, int status, const struct error *err);

/* ---- for a thread that waits; lane_wait.h tells who frees ---- */

void emission_submit(struct emission *emission, struct emitter *emitter);
/* 0 when all were applied; else the first that failed, with its text; -ECANCELED: hurried. */
int emission_await(struct emission *emission, struct error *err);
void emission_let_go(struct emission *emission);

#endif

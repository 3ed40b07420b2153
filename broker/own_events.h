/*
 * own_events.h - the broker's emitter: events that no call made go to the journal as all others do.
 *
 * Happy path: own_events_init; parts below submit to `emitter` from any thread; the loop hands the
 * events to writes as one request, and calls the emission's done when all have been applied.
 *
 * Failure modes: those of emitter.h; after own_events_stop everything is refused with -EIO. What is
 * submitted when the loop no longer turns is never answered: who waits for it is hurried by who
 * ends the loop. Bounded by its users: a lane has one emission on its way.
 */
#ifndef MEMFERRY_OWN_EVENTS_H
#define MEMFERRY_OWN_EVENTS_H

#include "broker/emitter.h"
#include "broker/mailbox.h"
#include "broker/writes.h"

struct own_events {
    struct emitter emitter;
    struct mailbox *mailbox;
    struct writes *writes;
    bool stopped;
};

/* Both are borrowed. */
void own_events_init(struct own_events *own, struct mailbox *mailbox, struct writes *writes);
/* The journal is about to be closed. In the loop. */
void own_events_stop(struct own_events *own);

#endif

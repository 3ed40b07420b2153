/*
 * circuit.h - may the lane send? The life-cycle of its trust in the backend.
 *
 *     CLOSED ─ the backend failed ─▶ OPEN ─ due ─▶ PROBING ─ ok ─▶ CLOSED
 *                                     ▲                └─ failed ─▶ OPEN (longer)
 *
 * `failures` is what the back-off grows by. A probe that says yes closes the circuit but does not
 * set it to 0: only a delivery does, so that a backend whose probe works and whose deliveries do
 * not is not asked every second. Times are of the monotonic clock, in ms. One thread.
 */
#ifndef MEMFERRY_CIRCUIT_H
#define MEMFERRY_CIRCUIT_H

#include "broker/backoff.h"
#include "broker/lane.h"

#include <stdbool.h>
#include <stdint.h>

/* Why the circuit opens, as far as the back-off cares. */
enum circuit_cause {
    CIRCUIT_BACKEND = 1, /* the backend failed as a whole: wait longer each time */
    /* Records that back off on their own failed in a row: waiting longer would only delay others */
    CIRCUIT_RECORDS
};

struct circuit_state {
    enum circuit circuit;
    uint32_t failures;
    int64_t probe_at_ms;  /* OPEN: when to probe */
    int64_t closed_at_ms; /* CLOSED: since when */
};

/* Open, with a probe due at once: nothing is sent before the backend has said yes. */
void circuit_init(struct circuit_state *state, int64_t now_ms);

/* A failure, from CLOSED or PROBING. asked_ms: the delay the backend asked for, 0: none. */
void circuit_fail(struct circuit_state *state, enum circuit_cause cause, struct backoff *backoff,
                  uint32_t asked_ms, int64_t now_ms);
void circuit_probe(struct circuit_state *state);                 /* from OPEN */
void circuit_close(struct circuit_state *state, int64_t now_ms); /* from PROBING */
void circuit_delivered(struct circuit_state *state);             /* the backend took something */
bool circuit_probe_due(const struct circuit_state *state, int64_t now_ms);

#endif

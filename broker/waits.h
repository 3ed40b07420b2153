/*
 * waits.h - calls that wait for backends: a put with wait "delivered", and backend.flush.
 *
 * A wait is level-triggered: each time a backend changes, a query reads from the store how the
 * lanes stand, and the wait ends when that is enough. It ends with `timeout` at its deadline, and
 * when the broker stops or its peer went. Bounded by the peers' windows.
 */
#ifndef MEMFERRY_WAITS_H
#define MEMFERRY_WAITS_H

#include "broker/backends.h"
#include "broker/query.h"

struct wait;

struct waits {
    uv_loop_t *loop;
    struct queries *queries;
    struct backends *backends;
    struct wait *head;
    size_t count;
    bool stopped;
};

void waits_init(struct waits *waits, uv_loop_t *loop, struct queries *queries,
                struct backends *backends);
/* Answers the call with `receipt` (a msgpack map of six members whose last is to be "backends")
 * once every sink has memory_id as of seq, or has it dead, or is paused. Copies all. */
void waits_delivered(struct waits *waits, struct call *call, const char *memory_id, uint64_t seq,
                     const msgpack_sbuffer *receipt_head, int timeout_ms);
/* Answers once the named lanes (none: all) are level with seq. */
void waits_flush(struct waits *waits, struct call *call, char (*names)[65], size_t name_count,
                 uint64_t seq, int timeout_ms);
void waits_changed(struct waits *waits);
void waits_superseded(struct waits *waits, const char *backend, const char *memory_id,
                      uint64_t seq);
/* Ends the waits of a peer that went. */
void waits_peer_closed(struct waits *waits, const struct peer *peer);
/* Ends all waits with timeout, and those that come later at once: the broker stops. */
void waits_stop(struct waits *waits);

#endif

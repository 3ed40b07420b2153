/*
 * subscribers.h - connections that are told what happens: notifications `event` and `alert`.
 *
 * Happy path: a subscriber is a cursor over the table `event`. When the store has applied more, the
 * reader thread reads a page above the cursor, and it goes to the connection as notifications, a
 * line or a message each; until there is no more.
 *
 * Failure modes: one that does not read is not read for, either: no page is made while
 * PEER_UNREAD_PAUSE bytes wait for it, and it goes on from its cursor when it has read. One whose
 * events cannot be read is told nothing more until the next event. Bounded: SUBSCRIBERS_MAX, a
 * query each.
 *
 * All of it runs in the loop.
 */
#ifndef MEMFERRY_SUBSCRIBERS_H
#define MEMFERRY_SUBSCRIBERS_H

#include "broker/query.h"

#define SUBSCRIBERS_MAX 64

struct subscriber;

struct subscribers {
    struct queries *queries;
    struct log *log;
    struct subscriber *first;
    size_t count;
    uint64_t applied_seq;
    bool stopped;
};

void subscribers_init(struct subscribers *subscribers, struct queries *queries,
                      uint64_t applied_seq, struct log *log);

/* The peer is told of events of these kinds (READER_EVENT_KIND) above `cursor`. RPC_OK; RPC_BUSY:
 * there are SUBSCRIBERS_MAX; RPC_CONFLICT: it has subscribed already; RPC_INTERNAL: no memory. */
enum rpc_code subscribers_add(struct subscribers *subscribers, struct peer *peer, uint32_t kinds,
                              uint64_t cursor);
void subscribers_peer_closed(struct subscribers *subscribers, const struct peer *peer);
/* The store has applied up to applied_seq. */
void subscribers_wake(struct subscribers *subscribers, uint64_t applied_seq);
/* Once a turn of the loop: goes on with those that have read. */
void subscribers_turn(struct subscribers *subscribers);
/* Nobody is told anything more; queries that are on their way end by themselves. */
void subscribers_stop(struct subscribers *subscribers);

#endif

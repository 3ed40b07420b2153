/*
 * writes.h - from a method's event to its outcome: through the journal, and through the store where
 * the answer depends on it. The loop's side of both.
 *
 * Happy path: writes_submit collects the turn's events; writes_turn hands them to the journal; what
 * the writer thread committed comes back by an async, is answered if it is plain, and goes on to
 * the store thread; what that applied comes back the same way, is answered if it was waiting for
 * that, and freed.
 *
 * Failure modes: a full journal or store answers storage_full; a failed one answers storage_failed
 * and calls on_failed once. While much is on its way to the store, peers that write are read as
 * fast as it applies (brake.h; one request can bring 10,000 events).
 * With a full store nobody is held up: what comes is refused at once.
 */
#ifndef MEMFERRY_WRITES_H
#define MEMFERRY_WRITES_H

#include "broker/applier.h"
#include "broker/brake.h"
#include "broker/call.h"
#include "broker/journal.h"
#include "broker/large.h"
#include "broker/peer.h"
#include "broker/stats.h"
#include "broker/util/progress.h"

#include <pthread.h>
#include <uv.h>

/* With more than this on its way to the store a plain put is answered after its apply too: then
 * what was answered before fits into its memory (see large.h). Reading has been paused long before.
 */
#define WRITES_PLAIN_BYTES_MAX ((size_t)52 << 20)

struct emission;
struct import_call;
struct restore_call;
struct services;
struct write_request;

/* A record's status besides the journal's: a recovery is under way, nothing was written. */
#define WRITE_E_HELD 1000

/* One event of a request. */
struct write {
    struct change change;
    struct write_request *request;
    bool needs_apply;
    bool grows;   /* its memory is noted as growing; writes' own */
    size_t index; /* of the method; unused by writes */
};

/* A call that writes one event, or several in order; or events that no call made. */
struct write_request {
    struct call *call;         /* NULL: nobody's */
    struct emission *emission; /* in place of a call; unused by writes */
    /* Every event has its outcome. Answers the call; the request is freed by writes. */
    void (*done)(struct write_request *);
    struct services *services; /* of the method, as what follows; unused by writes */
    struct restore_call *restore;
    struct import_call *import;
    struct writes *writes;
    bool wait_delivered;
    bool is_put; /* measured as such */
    int timeout_ms;
    size_t count;
    size_t unanswered, unfinished;
    struct write items[];
};

/* Told when the journal or the store has failed for good. Embedded by the broker. */
struct writes_observer {
    void (*failed)(struct writes_observer *, const char *text);
    /* The store has applied up to applied_seq. */
    void (*applied)(struct writes_observer *, uint64_t applied_seq);
    /* The store could not apply event `seq`, and went on without it. */
    void (*set_aside)(struct writes_observer *, uint64_t seq);
};

struct writes {
    struct journal_observer journal_observer;
    struct applier_observer applier_observer;
    struct writes_observer *observer;
    struct journal *journal;
    struct applier *applier;
    struct peers *peers;
    struct stats *stats;
    struct log *log;
    uv_async_t async;
    struct large large;
    struct brake brake;
    struct journal_list queued; /* this turn's */
    uint64_t committed_seq, applied_seq;
    size_t in_flight, in_flight_bytes; /* events between submit and free */
    size_t unapplied;                  /* those of them that are in the journal */
    struct progress applying;          /* of them; a full disk holds it up */
    char held_for[65]; /* a recovery from this backend is under way: calls are busy; "": none */
    bool failed_told;
    /* of the last milliseconds: how many peers wrote */
    uint64_t active_since_ms;
    unsigned active_now, active_before;
    struct peer *active_last;
    /* between the threads */
    pthread_mutex_t lock;
    struct journal_list committed, applied;
    uint64_t applied_to;
    bool store_full;
    bool store_failed;
    char store_error[512];
};

int writes_init(struct writes *writes, uv_loop_t *loop, struct peers *peers, struct stats *stats,
                struct writes_observer *observer, struct log *log);
void writes_deinit(struct writes *writes);

/* While a recovery from this backend is under way, what calls write is answered busy. NULL: it goes
 * on. */
void writes_set_held(struct writes *writes, const char *backend);

/* What a read that comes now must see: the store applies up to it at once. */
uint64_t writes_seq_to_read(struct writes *writes);

/* The store waits for room: what is written is refused. */
bool writes_is_full(const struct writes *writes);

/* Before anything is submitted: a memory that is large in the store. */
void writes_set_large(struct writes *writes, const struct event_text *memory_id);

/* Consumes the request. */
void writes_submit(struct writes *writes, struct write_request *request);
/* Once a turn of the loop. */
void writes_turn(struct writes *writes);

/* ---- write_request.c ---- */

/* A request for `count` events, to be filled and submitted. NULL: out of memory. */
struct write_request *write_request_new(struct call *call, size_t count);
void write_request_free(struct write_request *request); /* one that was not submitted */
/* Encodes the event as item i. -ENOMEM. */
int write_request_set(struct write_request *request, size_t i, const struct event *event);
/* Takes over an encoded event as item i; it is answered after its apply. */
void write_request_take(struct write_request *request, size_t i, uint8_t *payload, size_t size);

/* The outcome of one event, once it has one: RPC_OK or why not, with the text filled. */
enum rpc_code write_outcome(const struct write *write, struct rpc_failure *ret_failure);
/* Nothing of it came into the journal, every item for the same reason. */
bool write_request_was_refused(const struct write_request *request);
/* The event as it was submitted; borrowed from the write. */
void write_event(const struct write *write, struct event *ret_event);
/* The seq that a receipt tells: its own, or of the change it repeats. */
uint64_t write_seq(const struct write *write);
bool write_is_duplicate(const struct write *write);

#endif

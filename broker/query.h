/*
 * query.h - the reader thread: answers calls that only read, from a connection of its own.
 *
 * Happy path: queries_submit holds a query in the loop until the store has applied all that had its
 * receipt when the query came; then it waits for its peer's turn, the reader thread runs it, and
 * `done` is called in the loop. Peers take turns, one query each, so that nobody waits behind
 * another's thousand. A peer that leaves its replies lying has no turn until it takes them; what a
 * peer that is gone had asked is not run.
 *
 * Failure modes: what is held for longer than QUERY_HOLD_MS is answered busy. A query's own failure
 * comes back in status and err. Bounded by the peers' windows: each query belongs to a call, or is
 * one of the few of the waits.
 */
#ifndef MEMFERRY_QUERY_H
#define MEMFERRY_QUERY_H

#include "broker/call.h"
#include "broker/mailbox.h"
#include "broker/peer.h"
#include "broker/reader.h"
#include "broker/util/error.h"

#include <pthread.h>
#include <stdbool.h>

#define QUERY_HOLD_MS 5000
#define QUERY_AHEAD   8 /* handed to the reader thread at once; the rest keep their turns */

/* Embedded by each kind of query. */
struct query {
    struct note note;
    struct query *next;
    struct queries *queries;
    struct call *call; /* NULL: not a call's */
    uint64_t need_seq, deadline_ms;
    /* In the reader thread: fills result; 0, a reader_outcome, or a negative errno with err. */
    int (*run)(struct query *, struct reader *, struct error *err);
    /* In the loop: answers the call and frees what embeds the query. */
    void (*done)(struct query *);
    bool timed_out; /* held for too long: it was not run */
    bool abandoned; /* its peer was gone: it was not run */
    int status;
    msgpack_sbuffer result;
    struct error err;
};

/* Which threads there are: each has its own turns. */
enum queries_kind { QUERIES_READ = 0, QUERIES_SEARCH };

struct queries {
    enum queries_kind kind;
    uv_loop_t *loop;
    struct mailbox *mailbox;
    struct reader *reader;
    uv_timer_t timer;
    struct query *held_head, *held_tail; /* in the loop */
    uint64_t applied_seq;
    size_t in_flight;
    struct read_round own; /* of queries that are no call's */
    struct read_round *round_head, *round_tail;
    struct read_round *deaf; /* of peers that must take their replies first */
    unsigned running;
    /* between the threads */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct query *head, *tail;
    bool stop;
};

/* Consumes the reader. */
int queries_start(struct queries *queries, enum queries_kind kind, uv_loop_t *loop,
                  struct mailbox *mailbox, struct reader *reader, uint64_t applied_seq,
                  struct error *err);
/* Joins the thread once what it has is run; call in the loop when in_flight is 0. */
void queries_stop(struct queries *queries);

/* Consumes the query; done follows. */
void queries_submit(struct queries *queries, struct query *query, uint64_t need_seq);
/* The store has applied up to applied_seq. */
void queries_applied(struct queries *queries, uint64_t applied_seq);
/* Once a turn of the loop: goes on with peers that take their replies again. */
void queries_turn(struct queries *queries);

/* A `run` for what only has to be held until the store shows it. */
int query_run_nothing(struct query *query, struct reader *reader, struct error *err);
/* Answers the query's call by its status: the result, not_found, busy or internal. */
void query_answer(struct query *query);
/* Frees what is inside. */
void query_deinit(struct query *query);

#endif

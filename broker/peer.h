/*
 * peer.h - one connection, and the set of them.
 *
 * Happy path: bytes → scan → rpc_request_decode → handler->request(call) → call_reply → out buffer
 * → flushed once a turn of the loop, so that many replies are one write.
 *
 *     OPEN ── end of input ──▶ HALF ── last reply sent ──▶ CLOSING
 *      │ └── framing lost, or the broker stops ──▶ DRAINING ── last reply sent ──▶ CLOSING
 *      └──── error, 64 MiB unread ──────────────────────────────────────────────▶ CLOSING
 *
 * A draining peer is read on for a while, and what it sends is thrown away: its own write must not
 * fail before it has read what we told it.
 *
 * Failure modes: reading pauses while a limit below is reached, and goes on by itself. A peer that
 * is closed with calls in flight lives on, without a connection, until they are answered; until
 * then it counts as one, so that what peers that went have left behind is bounded too. What a peer
 * has asked is not fetched while it leaves its replies lying (peer_takes_replies): else a few bytes
 * of requests, on many connections, would fetch gigabytes.
 *
 * All of it runs in the loop.
 */
#ifndef MEMFERRY_PEER_H
#define MEMFERRY_PEER_H

#include "broker/call.h"
#include "broker/util/log.h"
#include "client/wire/scan.h"

#include <stdbool.h>
#include <uv.h>

#define PEER_CALLS_MAX         1024                /* in flight */
#define PEER_CALL_BYTES_MAX    ((size_t)16 << 20)  /* their frames */
#define PEER_CALL_COST         ((size_t)4 << 10)   /* what one holds besides, in all buffers */
#define PEER_UNREAD_PAUSE      ((size_t)1 << 20)   /* replies not taken: it has to wait */
#define PEER_UNREAD_MAX        ((size_t)64 << 20)  /* replies not taken: closed */
#define PEERS_BYTES_MAX        ((size_t)256 << 20) /* buffers of all peers together */
#define PEERS_UNREAD_FULL      ((size_t)64 << 20)  /* of it, replies: no more is fetched then */
#define PEERS_REFUSED_MAX      24   /* connections over the limit that are told so at once */
#define PEER_DRAIN_MS          2000 /* how long the input of a peer that erred is discarded */
#define PEER_REFUSED_MS        200 /* how long one over the limit may take to speak before it is told */
#define PEER_RETRY_MS          1000  /* what one that is told busy is advised to wait */
#define PEER_STOP_DRAIN_MAX_MS 2000  /* and no longer, though it goes on sending, or never reads */
#define PEER_STOP_DRAIN_MS     200   /* the same when the broker stops */
#define PEER_BUDGET_MS         30000 /* how long the total limit may hold a peer up */
#define PEER_BUDGET_SMALL      ((size_t)64 << 10) /* who holds less is not to blame for the total */

enum peer_state { PEER_OPEN = 0, PEER_HALF, PEER_DRAINING, PEER_CLOSING };

struct peer;

/* Embedded by who answers calls. */
struct peer_handler {
    /* Consumes the call. `request` is borrowed for the duration. */
    void (*request)(struct peer_handler *, struct call *, const struct rpc_request *request);
    /* It will not read an answer any more; its calls must be answered all the same, and soon. */
    void (*closed)(struct peer_handler *, const struct peer *peer);
    /* The last peer is gone, after peers_close. */
    void (*all_closed)(struct peer_handler *);
};

/* A peer's reads that wait for the reader thread, and its place in the round (query.c); and its
 * searches, for theirs. */
struct query;
struct read_round {
    struct query *head, *tail;
    struct read_round *next;
    struct peer *peer; /* NULL: the broker's own */
};

struct peer {
    uv_pipe_t pipe;
    struct peers *set;
    struct peer *next, *prev;
    enum peer_state state;
    enum wire_encoding encoding;
    uid_t uid;
    pid_t pid;
    unsigned references; /* one of each handle, one of each call */
    bool refused;        /* over the limit: told busy */
    bool writes;         /* has sent a request that writes */
    bool paused;         /* reading is stopped */
    bool over_budget;
    bool dirty; /* in the set's list of peers to flush */
    bool connected;
    bool ended; /* its input has */
    struct peer *next_dirty;
    uint64_t over_budget_since_ms;
    /* input */
    uint8_t *in;
    size_t in_size, in_capacity;
    struct msgpack_scan msgpack_scan;
    struct json_scan json_scan;
    struct read_round reads, searches;
    unsigned calls;
    size_t call_bytes;
    /* output */
    msgpack_sbuffer out;     /* to be written */
    msgpack_sbuffer sending; /* being written by `write` */
    size_t unread_counted;   /* of both, in the set's buffered_bytes */
    int64_t given_bytes;     /* to uv_write so far */
    int64_t taken_seen;      /* of them, at the budget's last tick; -1: there was none */
    uv_write_t write;
    bool writing;
    uv_timer_t drain_timer;
};

struct peers {
    uv_loop_t *loop;
    struct log *log;
    struct peer_handler *handler;
    struct peer *head;
    struct peer *turn; /* who is read on first, of those that are paused; NULL: head */
    struct peer *dirty;
    unsigned max; /* connections that are served */
    unsigned count, refused_count, paused_count;
    unsigned most;   /* largest count so far */
    unsigned active; /* peers that wrote in this turn: the journal's hint */
    size_t buffered_bytes;
    size_t unread_bytes; /* of them, replies */
    bool writers_paused;
    bool closing;
    uint64_t closing_since_ms;
    uint64_t requests, errors;
    uint8_t *read_buffer; /* shared: an idle peer holds none */
    msgpack_zone zone;
    uv_timer_t budget_timer;
};

int peers_init(struct peers *set, uv_loop_t *loop, struct peer_handler *handler, struct log *log,
               unsigned max);
/* Takes a connected descriptor (consumed). */
int peers_add(struct peers *set, int fd, uid_t uid, pid_t pid);
/* Once a turn of the loop: sends what is to be sent, reads on where a limit was lifted. */
void peers_turn(struct peers *set);
/* While true, peers that write are not read. */
void peers_pause_writers(struct peers *set, bool paused);
/* Stops reading; each peer closes when its calls are answered. handler->all_closed follows. */
void peers_close(struct peers *set);
void peers_deinit(struct peers *set);

/* ---- between the files of this module ---- */

void peer_read_start(struct peer *peer);
void peer_pause(struct peer *peer);
void peer_unpause(struct peer *peer);
void peer_process(struct peer *peer); /* frames that are in the buffer */
bool peer_should_pause(const struct peer *peer);
/* Whether nobody is left to read our replies, either: not only half of the connection is closed. */
bool peer_is_gone(const struct peer *peer);
/* Output came or went: it is counted, and written in this turn. */
void peer_mark_dirty(struct peer *peer);
/* Whether more may be fetched for it: it reads what it gets, or nobody is there to get it. */
bool peer_takes_replies(const struct peer *peer);
void peer_flush(struct peer *peer);
size_t peer_unread(const struct peer *peer);
void peer_set_state(struct peer *peer, enum peer_state state);
/* Tells it no more than what is on its way, and throws away what it sends. */
void peer_drain(struct peer *peer);
void peer_close(struct peer *peer);
void peer_unref(struct peer *peer);
void peer_drain_on(struct peer *peer); /* input came while the broker stops */
void peer_fail_framing(struct peer *peer, enum rpc_code code, const char *text);
/* Closes a half-closed or draining peer when nothing is left to do for it. */
void peer_finish(struct peer *peer);
void peers_check_budget(struct peers *set);
/* In the middle of what a peer has sent: it is not gone on with while the total is reached. */
void peer_check_budget(struct peer *peer);

#endif

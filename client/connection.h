/*
 * connection.h - one connection to a broker: what the library's files share. Internal.
 *
 *   settings.c    open, close, defaults
 *   address.c     where the socket is, and whether it can be trusted
 *   connection.c  connects, checks the server, drops
 *   exchange.c    frames out and in, deadlines
 *   call.c        blocking verbs, repeated once over a new connection
 *   pipeline.c    many requests in flight
 *   notified.c    what a subscription tells
 *   session*.c    the session in force
 *   reply.c       a reply and its nodes
 *   error.c       codes and texts
 */
#ifndef MEMFERRY_CLIENT_CONNECTION_H
#define MEMFERRY_CLIENT_CONNECTION_H

#include "client/reply.h"
#include "client/session.h"
#include "memferry/client.h"

#include <msgpack.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_REPLY_MAX      (64u << 20) /* bytes of one reply; a longer one is none */
#define CLIENT_OUT_MAX        (16u << 20) /* unsent bytes; submit is MEMFERRY_E_FULL above it */
#define CLIENT_READ_SIZE      (16u << 10) /* room made for one recv, at least */
#define CLIENT_TIMEOUT_MS     30000
#define CLIENT_WINDOW         256
#define CLIENT_WINDOW_MAX     1024 /* the broker's own */
#define CLIENT_PROTOCOL       1
#define CLIENT_ADDRESS_SIZE   108         /* of sun_path */
#define CLIENT_MSGID_BLOCKING 0x80000000u /* the bit that parts blocking calls from submitted */

struct slot; /* pipeline.h */

struct memferry {
    /* settings */
    char *socket;      /* NULL: its name could not be made; connecting says so */
    bool socket_named; /* by the caller or the environment: not the default place */
    int timeout_ms;    /* below 0: none */
    unsigned window;
    char *client;

    /* connection */
    int fd;              /* -1: none */
    bool fresh;          /* nothing was sent since it was made, so it cannot have gone stale */
    msgpack_sbuffer out; /* frames; the first out_sent bytes are gone */
    size_t out_sent;
    uint8_t *in; /* in_start..in_end is not taken yet */
    size_t in_start, in_end, in_capacity;
    struct reply_scan scan;
    msgpack_sbuffer params; /* scratch: of the request that is being made */
    bool params_failed;     /* no memory for all of it */
    uint32_t last_blocking; /* counts blocking calls, without the bit */

    /* pipeline */
    struct slot *slots; /* `window` of them, or NULL before the first submit */
    struct slot *free_slots, *done_first, *done_last;
    unsigned owed; /* completions that the caller has not received yet */
    uint64_t last_tag;

    struct session_settings session;

    /* the last failure */
    int error;
    char error_text[512];
    char error_field[64];
    uint64_t error_version;
};

/* ---- error.c ---- */

void client_error_clear(struct memferry *m);
/* Keeps the text and returns code. */
int client_error(struct memferry *m, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* From the broker's error map; returns its code as a memferry_code. */
int client_error_remote(struct memferry *m, const msgpack_object *error);
int client_error_memory(struct memferry *m);

/* ---- address.c ---- */

/* MEMFERRY_OK, MEMFERRY_E_CONNECT when nothing is there, MEMFERRY_E_UNTRUSTED. */
int address_check(struct memferry *m);
/* Our own, or root's, who could do as he likes anyway. */
bool address_uid_trusted(uint32_t uid);

/* ---- connection.c ---- */

int64_t client_now_ms(void);
/* When a call that begins now must end; -1: never. */
int64_t client_deadline(int timeout_ms);
/* Time left for poll: 0 when it is over, -1 when there is no deadline. */
int client_time_left(int64_t deadline);

/* Connects, unless there is a connection that looks alive. */
int connection_ensure(struct memferry *m, int64_t deadline);
/* Closes the descriptor; every request in flight completes with `code`. */
void connection_drop(struct memferry *m, int code);

/* ---- exchange.c ---- */

/* Appends a request to `out`. MEMFERRY_E_INVALID: larger than a frame may be. */
int exchange_queue(struct memferry *m, uint32_t msgid, const char *method,
                   const msgpack_sbuffer *params);
/* The same with m->params, which must be whole. */
int exchange_queue_params(struct memferry *m, uint32_t msgid, const char *method);
/* Sends what the socket takes, and says nothing of a broken connection: receiving does. */
int exchange_flush(struct memferry *m);
/* The next reply, submitted or blocking; notifications and old replies are skipped.
 * MEMFERRY_E_DEADLINE: none in time. After any other failure the connection is gone. */
int exchange_receive(struct memferry *m, int64_t deadline, uint32_t *ret_msgid, bool *ret_is_error,
                     struct memferry_reply **ret_reply);
/* The next notification; replies to submitted requests that come before it are filed. Fails as
 * exchange_receive does. *ret_name belongs to the reply. */
int exchange_notification(struct memferry *m, int64_t deadline, const char **ret_name,
                          struct memferry_reply **ret_reply);

#endif
